/* SPDX-License-Identifier: Apache-2.0 */
/* VFP register 16 and above (VFPv3-D32), which Armv7 does not promise. */
        .arch armv7-a
        .fpu vfpv3
        .globl _start
_start: vmov.f64 d16, d17
        mov     r0, #0
        mov     r7, #1
        svc     #0
