/* SPDX-License-Identifier: Apache-2.0 */
/* x86-64-v3: AVX2. */
        .globl _start
_start: vpaddd  %ymm0, %ymm1, %ymm2
        mov     $60, %eax
        xor     %edi, %edi
        syscall
