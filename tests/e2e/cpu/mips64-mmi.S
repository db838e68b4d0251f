/* SPDX-License-Identifier: Apache-2.0 */
/* Loongson's multimedia instructions. */
        .set    loongson-mmi
        .globl  __start
__start:
        paddb   $f0, $f2, $f4
        li      $4, 0
        li      $2, 5058
        syscall
