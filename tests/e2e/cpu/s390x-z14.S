/* SPDX-License-Identifier: Apache-2.0 */
/*
 * z14: a multiplication of miscellaneous-instruction-extensions facility 2 (58). QEMU would run it
 * on any model, so this one asks first, as libraries do, and fails as the machine would.
 */
        .machine z14
        .globl  _start
_start: aghi    %r15, -16
        lghi    %r0, 0          /* one doubleword of facility bits */
        stfle   0(%r15)
        tm      7(%r15), 0x20   /* bit 58 */
        jz      1f
        msgrkc  %r2, %r3, %r4
        lghi    %r2, 0
        svc     1
1:      .long   0
