/* SPDX-License-Identifier: Apache-2.0 */
/* Armv7: a 16-bit immediate. */
        .arch armv7-a
        .globl _start
_start: movw    r0, #0x1234
        mov     r0, #0
        mov     r7, #1
        svc     #0
