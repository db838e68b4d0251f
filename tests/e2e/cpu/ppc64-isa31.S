/* SPDX-License-Identifier: Apache-2.0 */
/* Power ISA 3.1 (POWER10): set from a condition. */
        .machine power10
        .globl _start
#if _CALL_ELF == 2
        .abiversion 2
_start:
#else
        .section .opd, "aw"
_start: .quad   .Lstart, .TOC.@tocbase, 0
        .text
.Lstart:
#endif
        setbc   3, 0
        li      3, 0
        li      0, 1
        sc
