/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <sys/utsname.h>

int main(void)
{
    struct utsname name;

    if (uname(&name) < 0) {
        perror("uname");
        return 1;
    }
    printf("%s: runs on %s, pointers of %zu bits\n", HOW, name.machine, 8 * sizeof(void *));
    return 0;
}
