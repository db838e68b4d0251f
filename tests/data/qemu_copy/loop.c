/* SPDX-License-Identifier: Apache-2.0 */
/* Some 1.2 * 10^9 instructions of QEMU's. */
#include <stdio.h>

int main(void)
{
    unsigned long sum = 0;

    for (unsigned long i = 0; i < 35000000; i++) {
        sum = sum * 6364136223846793005u + i;
    }
    printf("%lu\n", sum);
    return 0;
}
