/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/unit/tar_fixture.h"

#include <elf.h>
#include <stdio.h>
#include <string.h>

static const char zeros[1024];

void tar_add(struct weft_buf *tar, const char *path, char type, unsigned int mode,
             const char *target, const void *data, size_t len)
{
    char h[512] = {0};
    unsigned int sum = 0;

    strncpy(h, path, 100);
    snprintf(h + 100, 8, "%07o", mode);
    snprintf(h + 108, 8, "%07o", 0u);
    snprintf(h + 116, 8, "%07o", 0u);
    snprintf(h + 124, 12, "%011zo", len);
    snprintf(h + 136, 12, "%011o", 0u);
    memset(h + 148, ' ', 8);
    h[156] = type;
    strncpy(h + 157, target ? target : "", 100);
    memcpy(h + 257, "ustar\00000", 8);
    for (size_t i = 0; i < sizeof(h); i++) {
        sum += (unsigned char)h[i];
    }
    snprintf(h + 148, 8, "%06o", sum);
    weft_buf_append(tar, h, sizeof(h));
    weft_buf_append(tar, data, len);
    weft_buf_append(tar, zeros, (512 - len % 512) % 512);
}

void tar_end(struct weft_buf *tar)
{
    weft_buf_append(tar, zeros, 1024);
}

static uint64_t add_string(struct weft_buf *strings, const char *s)
{
    uint64_t at = strings->len;

    weft_buf_append(strings, s, strlen(s) + 1);
    return at;
}

static void add_dyn(struct weft_buf *dyn, int64_t tag, uint64_t value)
{
    const Elf64_Dyn d = {.d_tag = tag, .d_un.d_val = value};

    weft_buf_append(dyn, &d, sizeof(d));
}

/* Native structures: the tests' machines are little-endian, as the files are. */
void elf_make(const struct elf_recipe *r, struct weft_buf *out)
{
    Elf64_Ehdr eh = {.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                     .e_type = r->type,
                     .e_machine = r->machine,
                     .e_version = EV_CURRENT,
                     .e_phoff = sizeof(eh),
                     .e_ehsize = sizeof(eh),
                     .e_phentsize = sizeof(Elf64_Phdr),
                     .e_phnum = 3};
    const uint64_t base = sizeof(eh) + 3 * sizeof(Elf64_Phdr);
    Elf64_Phdr ph[3] = {{.p_type = PT_LOAD}};
    weft_auto_buf dyn = {0};
    weft_auto_buf strings = {0};
    size_t dyn_len, interp_len = r->interpreter ? strlen(r->interpreter) + 1 : 0;

    add_string(&strings, "");
    for (size_t i = 0; i < 4 && r->needed[i]; i++) {
        add_dyn(&dyn, DT_NEEDED, add_string(&strings, r->needed[i]));
    }
    if (r->runpath) {
        add_dyn(&dyn, DT_RUNPATH, add_string(&strings, r->runpath));
    }
    dyn_len = dyn.len + 3 * sizeof(Elf64_Dyn);
    add_dyn(&dyn, DT_STRTAB, base + dyn_len);
    add_dyn(&dyn, DT_STRSZ, strings.len);
    add_dyn(&dyn, DT_NULL, 0);
    ph[0].p_filesz = ph[0].p_memsz = base + dyn_len + strings.len + interp_len;
    ph[1] =
        (Elf64_Phdr){.p_type = PT_DYNAMIC, .p_offset = base, .p_vaddr = base, .p_filesz = dyn_len};
    ph[2] = (Elf64_Phdr){.p_type = interp_len ? PT_INTERP : PT_NULL,
                         .p_offset = base + dyn_len + strings.len,
                         .p_filesz = interp_len};
    weft_buf_append(out, &eh, sizeof(eh));
    weft_buf_append(out, ph, sizeof(ph));
    weft_buf_append(out, dyn.data, dyn.len);
    weft_buf_append(out, strings.data, strings.len);
    weft_buf_append(out, r->interpreter, interp_len);
}
