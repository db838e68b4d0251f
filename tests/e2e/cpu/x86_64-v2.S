/* SPDX-License-Identifier: Apache-2.0 */
/* x86-64-v2: POPCNT. */
        .globl _start
_start: popcnt  %eax, %ebx
        mov     $60, %eax
        xor     %edi, %edi
        syscall
