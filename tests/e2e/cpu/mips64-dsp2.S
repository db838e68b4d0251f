/* SPDX-License-Identifier: Apache-2.0 */
/* The DSP module, revision 2. */
        .set    dspr2
        .globl  __start
__start:
        addu.ph $8, $9, $10
        li      $4, 0
        li      $2, 5058
        syscall
