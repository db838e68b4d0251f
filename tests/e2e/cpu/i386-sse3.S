/* SPDX-License-Identifier: Apache-2.0 */
/* SSE3. */
        .globl _start
_start: haddps  %xmm0, %xmm1
        mov     $1, %eax
        xor     %ebx, %ebx
        int     $0x80
