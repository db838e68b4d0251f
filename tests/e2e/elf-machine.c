/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: elf-machine FILE...
 *
 * Prints for each file one line, "MACHINES PLATFORMS": the machines of the catalogue whose handlers
 * would take it, and their platforms that its e_flags fit; each a list with commas, "-" for none.
 */
#include "config.h"

#include <elf.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/str.h"
#include "platforms/catalogue.h"

enum {
    FILE_MAX = 16 << 20
};

static uint32_t flags_of(const unsigned char *head)
{
    const unsigned char *at = head + (head[EI_CLASS] == ELFCLASS64 ? offsetof(Elf64_Ehdr, e_flags)
                                                                   : offsetof(Elf32_Ehdr, e_flags));
    uint32_t flags = 0;

    for (int i = 0; i < 4; i++) {
        flags |= (uint32_t)at[head[EI_DATA] == ELFDATA2LSB ? i : 3 - i] << 8 * i;
    }
    return flags;
}

static bool fits(const struct weft_platform_info *p, uint32_t flags)
{
    uint32_t own = flags & p->elf_flags_mask;

    return (flags & p->machine->elf_flags_mask) == p->machine->elf_flags &&
           (own == 0 || own == p->elf_flags);
}

static int print_file(const char *path)
{
    weft_auto_free char *head = NULL;
    weft_auto_free char *machines = NULL;
    weft_auto_free char *platforms = NULL;
    weft_auto_strv m = {0};
    weft_auto_strv p = {0};
    weft_auto_err err = NULL;
    const unsigned char *bytes;
    const struct weft_machine *const *machine;
    const struct weft_platform_info *all;
    size_t n;
    size_t len = 0;

    if (weft_read_file(path, FILE_MAX, &head, &len, &err) < 0 || len < sizeof(Elf64_Ehdr)) {
        fprintf(stderr, "%s: %s\n", path, err ? err->msg : "too short");
        return -1;
    }
    bytes = (const unsigned char *)head;
    machine = weft_catalogue_machines(&n);
    for (size_t i = 0; i < n; i++) {
        if (weft_machine_matches(machine[i], bytes, len)) {
            weft_strv_add(&m, machine[i]->qemu);
        }
    }
    all = weft_catalogue(&n);
    for (size_t i = 0; i < n; i++) {
        char name[WEFT_PLATFORM_SIZE];

        if (all[i].machine && weft_machine_matches(all[i].machine, bytes, len) &&
            fits(&all[i], flags_of(bytes))) {
            weft_strv_add(&p, weft_platform_format(&all[i].platform, name));
        }
    }
    machines = weft_strv_join(&m, ",");
    platforms = weft_strv_join(&p, ",");
    printf("%s %s\n", m.n ? machines : "-", p.n ? platforms : "-");
    return 0;
}

int main(int argc, char **argv)
{
    int rc = 0;

    for (int i = 1; i < argc; i++) {
        rc |= print_file(argv[i]);
    }
    return rc ? 1 : 0;
}
