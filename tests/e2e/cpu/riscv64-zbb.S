/* SPDX-License-Identifier: Apache-2.0 */
/* Zbb: and-not. */
        .globl _start
_start: .option arch, +zbb
        andn    a0, a1, a2
        li      a0, 0
        li      a7, 93
        ecall
