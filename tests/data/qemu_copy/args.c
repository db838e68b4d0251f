/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a program is started with: arguments, environment, auxiliary vector, one per line. Addresses
 * that change from run to run are left out. Linked statically, for any machine.
 */
#include <elf.h>
#include <stdio.h>
#include <string.h>

/* Of the word size of the machine that this is compiled for. */
struct aux {
    unsigned long type;
    unsigned long value;
};

static void print_aux(const struct aux *a)
{
    switch (a->type) {
    case AT_PLATFORM:
    case AT_BASE_PLATFORM:
    case AT_EXECFN:
        printf("auxv %lu \"%s\"\n", a->type, (const char *)a->value);
        break;
    case AT_RANDOM:
    case AT_BASE:
    case AT_SYSINFO:
    case AT_SYSINFO_EHDR:
        printf("auxv %lu is there\n", a->type);
        break;
    default:
        printf("auxv %lu %#lx\n", a->type, a->value);
    }
}

int main(int argc, char **argv, char **envp)
{
    char **p;

    printf("argc %d\n", argc);
    for (int i = 0; i < argc; i++) {
        printf("argv %s\n", argv[i]);
    }
    printf("end %p\n", (void *)argv[argc]);
    for (p = envp; *p; p++) {
        printf("envp %s\n", *p);
    }
    for (const struct aux *a = (const struct aux *)(p + 1); a->type != AT_NULL; a++) {
        print_aux(a);
    }
    return 0;
}
