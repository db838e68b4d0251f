/* SPDX-License-Identifier: Apache-2.0 */
/* Armv8.1: an atomic of LSE. */
        .arch armv8.1-a
        .globl _start
_start: ldadd   w0, w1, [sp]
        mov     x0, #0
        mov     x8, #93
        svc     #0
