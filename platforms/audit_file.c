/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "platforms/audit_file.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    AR_MEMBERS_LIMIT = 64, /* that are looked at until one is an ELF file */
    AR_HEAD_BYTES = 60,
    PE_OFFSET_AT = 0x3c,
    PE_CLI_DIRECTORY = 14, /* of the data directories: there is code of .NET */
};

enum weft_audit_kind weft_audit_sniff(const unsigned char *head, size_t len)
{
    if (len >= SELFMAG && memcmp(head, ELFMAG, SELFMAG) == 0) {
        return WEFT_AUDIT_IS_ELF;
    }
    if (len >= 8 && memcmp(head, "!<arch>\n", 8) == 0) {
        return WEFT_AUDIT_IS_AR;
    }
    if (len >= 64 && head[0] == 'M' && head[1] == 'Z') {
        return WEFT_AUDIT_IS_PE;
    }
    return len >= 3 && head[0] == '#' && head[1] == '!' ? WEFT_AUDIT_IS_SCRIPT : WEFT_AUDIT_OTHER;
}

/* ---- scripts ---- */

char *weft_audit_script(const unsigned char *head, size_t len, char **argument)
{
    weft_auto_free char *line = NULL;
    char *program, *end, *rest;

    if (argument) {
        *argument = NULL;
    }
    if (len < 3 || head[0] != '#' || head[1] != '!') {
        return NULL;
    }
    len = len < WEFT_AUDIT_HEAD_BYTES ? len : WEFT_AUDIT_HEAD_BYTES;
    line = weft_xstrndup((const char *)head + 2, len - 2); /* a NUL ends it */
    end = strchr(line, '\n');
    if (!end && len == WEFT_AUDIT_HEAD_BYTES) {
        return NULL; /* longer than what the kernel reads */
    }
    if (end) {
        *end = '\0';
    }
    program = line + strspn(line, " \t");
    rest = program + strcspn(program, " \t");
    if (*rest) {
        *rest++ = '\0';
        rest += strspn(rest, " \t");
    }
    /* a carriage return is taken for a part of the name by the kernel too, and not found */
    if (*program != '/') {
        return NULL;
    }
    if (argument && *rest) {
        *argument = weft_xstrdup(rest);
    }
    return weft_xstrdup(program);
}

/* ---- PE ---- */

static const struct {
    uint16_t machine;
    const char *name;
    const char *arch; /* as in platforms */
} pe_machines[] = {
    {0x14c, "i386", "386"},         {0x8664, "x86-64", "amd64"},
    {0xaa64, "arm64", "arm64"},     {0x1c0, "arm", "arm"},
    {0x1c2, "arm", "arm"},          {0x1c4, "arm", "arm"},
    {0x5064, "riscv64", "riscv64"}, {0x6264, "loongarch64", "loong64"},
};

static uint32_t little(const unsigned char *p, int n)
{
    uint32_t v = 0;

    while (n-- > 0) {
        v = v << 8 | p[n];
    }
    return v;
}

/* Whether the directory of .NET's code is filled in. `optional`: of the optional header. */
static bool is_cli(const struct weft_elf_input *in, uint64_t optional)
{
    unsigned char magic[2], entry[8];
    uint64_t directories;

    if (weft_elf_input_read(in, optional, magic, sizeof(magic), NULL) < 0) {
        return false;
    }
    directories = optional + (little(magic, 2) == 0x20b ? 112 : 96);
    return weft_elf_input_read(in, directories + (uint64_t)PE_CLI_DIRECTORY * 8, entry,
                               sizeof(entry), NULL) == 0 &&
           little(entry, 4) != 0;
}

void weft_audit_pe(const struct weft_audit_target *t, const struct weft_elf_input *in,
                   struct weft_audit_verdicts *out)
{
    unsigned char raw[24], at[4];
    const char *name = "an unknown machine", *arch = "";
    uint16_t machine;

    if (!t->info || weft_elf_input_read(in, PE_OFFSET_AT, at, sizeof(at), NULL) < 0 ||
        weft_elf_input_read(in, little(at, 4), raw, sizeof(raw), NULL) < 0 ||
        memcmp(raw, "PE\0\0", 4) != 0 || is_cli(in, (uint64_t)little(at, 4) + sizeof(raw))) {
        return;
    }
    machine = (uint16_t)little(raw + 4, 2);
    for (size_t i = 0; i < sizeof(pe_machines) / sizeof(pe_machines[0]); i++) {
        if (pe_machines[i].machine == machine) {
            name = pe_machines[i].name;
            arch = pe_machines[i].arch;
        }
    }
    if (strcmp(t->platform.os, "windows") != 0) {
        weft_audit_verdict_add(out, WEFT_AUDIT_FORMAT, weft_fmt("a PE file, for %s", name),
                               weft_fmt("files of %s", t->platform.os));
    } else if (strcmp(arch, t->platform.arch) != 0) {
        bool compatible = strcmp(arch, "386") == 0; /* what Windows runs anywhere */

        if (!compatible) {
            weft_audit_verdict_add(out, WEFT_AUDIT_MACHINE, weft_fmt("a PE file for %s", name),
                                   weft_xstrdup(t->platform.arch));
        }
    }
}

/* ---- archives ---- */

/* A part of the input as one. */
static bool part_of(const struct weft_elf_input *in, uint64_t offset, uint64_t size,
                    unsigned char head[64], size_t *len)
{
    *len = size < 64 ? (size_t)size : 64;
    return weft_elf_input_read(in, offset, head, *len, NULL) == 0;
}

/* The decimal number of a member's head. */
static bool ar_size(const unsigned char head[AR_HEAD_BYTES], uint64_t *out)
{
    char text[11] = {0};
    char *end;

    if (head[58] != '`' || head[59] != '\n') {
        return false;
    }
    memcpy(text, head + 48, 10);
    *out = strtoull(text, &end, 10);
    return end != text && text[0] != '-' && text[strspn(text, "0123456789 ")] == '\0';
}

void weft_audit_ar(const struct weft_audit_target *t, const struct weft_elf_input *in,
                   struct weft_audit_verdicts *out)
{
    unsigned char head[AR_HEAD_BYTES], member[64];
    uint64_t at = 8, size;
    size_t len;

    for (int i = 0; i < AR_MEMBERS_LIMIT; i++) {
        struct weft_elf_input elf = {.image = member, .fd = -1};
        weft_auto_elf_facts f = {0};

        if (weft_elf_input_read(in, at, head, sizeof(head), NULL) < 0 || !ar_size(head, &size)) {
            return;
        }
        at += sizeof(head);
        if (part_of(in, at, size, member, &len) && len >= 52 &&
            memcmp(member, ELFMAG, SELFMAG) == 0) {
            elf.size_bytes = len;
            if (weft_elf_facts_read(&elf, &f, NULL) == 0) {
                f.type = ET_REL;
                weft_audit_elf(t, &f, out);
            }
            return;
        }
        at += size + (size & 1);
    }
}
