/* SPDX-License-Identifier: Apache-2.0 */
/* Power ISA 3.0 (POWER9): a modulo. */
        .machine power9
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
        li      4, 7
        modsd   3, 4, 4
        li      3, 0
        li      0, 1
        sc
