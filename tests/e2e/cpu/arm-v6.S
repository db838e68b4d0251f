/* SPDX-License-Identifier: Apache-2.0 */
/* Armv6: an exclusive load. */
        .arch armv6
        .globl _start
_start: ldrex   r0, [sp]
        mov     r0, #0
        mov     r7, #1
        svc     #0
