/* SPDX-License-Identifier: Apache-2.0 */
/* NEON, which Armv7 does not promise. */
        .arch armv7-a
        .fpu neon
        .globl _start
_start: vadd.i32 q0, q0, q0
        mov     r0, #0
        mov     r7, #1
        svc     #0
