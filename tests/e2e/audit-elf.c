/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: audit-elf PLATFORM FILE...
 *
 * What the audit's rules make of single files: a line "FILE RULE SEVERITY: found (expected)" for
 * each verdict, and a line "FILE fits" where there is none. "facts" in place of a platform prints
 * what an ELF file says of itself.
 */
#include "config.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "platforms/audit_file.h"

static void print_facts(const struct weft_elf_facts *f)
{
    weft_auto_free char *machine = weft_audit_machine_text(f);
    weft_auto_free char *isa = weft_audit_isa_text(f);
    weft_auto_free char *needed = weft_strv_join(&f->needed, " ");

    printf("machine: %s\nisa: %s\ninterpreter: %s\nneeded: %s\nrpath: %s\nrunpath: %s\n", machine,
           isa ? isa : "-", f->interpreter ? f->interpreter : "-", needed,
           f->rpath ? f->rpath : "-", f->runpath ? f->runpath : "-");
    printf("soname: %s\nglibc: %s\ndebug: %d\ndamage: %s\n", f->soname ? f->soname : "-",
           f->glibc ? f->glibc : "-", f->is_debug, f->damage ? f->damage : "-");
    if (f->has_kernel) {
        printf("kernel: %u.%u.%u\n", f->kernel[0], f->kernel[1], f->kernel[2]);
    }
}

/* From the file, so that both ways of reading are tried: unit tests have the one from memory. */
static int judge(const struct weft_audit_target *t, const char *path, struct weft_err **err)
{
    weft_auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
    struct weft_elf_input in = {.fd = fd};
    weft_auto_audit_verdicts v = {0};
    weft_auto_elf_facts f = {0};
    unsigned char head[WEFT_AUDIT_HEAD_BYTES];
    ssize_t n = fd < 0 ? -1 : pread(fd, head, sizeof(head), 0);
    struct stat st;

    if (n < 0 || fstat(fd, &st) < 0) {
        return weft_fail(err, WEFT_E_IO, "%s: cannot be read", path);
    }
    in.size_bytes = (uint64_t)st.st_size;
    switch (weft_audit_sniff(head, (size_t)n)) {
    case WEFT_AUDIT_IS_ELF:
        if (weft_elf_facts_read(&in, &f, err) < 0) {
            return -1;
        }
        if (!t) {
            print_facts(&f);
            return 0;
        }
        weft_audit_elf(t, &f, &v);
        break;
    case WEFT_AUDIT_IS_PE:
        weft_audit_pe(t, &in, &v);
        break;
    case WEFT_AUDIT_IS_AR:
        weft_audit_ar(t, &in, &v);
        break;
    case WEFT_AUDIT_IS_SCRIPT:
    case WEFT_AUDIT_OTHER:
        break;
    }
    for (size_t i = 0; i < v.n; i++) {
        printf("%s %s %s: %s (%s)\n", path, weft_audit_rule_name(v.v[i].rule),
               weft_audit_severity_name(v.v[i].severity), v.v[i].found, v.v[i].expected);
    }
    if (v.n == 0) {
        printf("%s fits\n", path);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct weft_audit_target target = {0};
    struct weft_platform p;
    bool facts = argc > 1 && strcmp(argv[1], "facts") == 0;
    weft_auto_err err = NULL;

    if (argc < 3) {
        fprintf(stderr, "usage: audit-elf PLATFORM|facts FILE...\n");
        return 2;
    }
    if (!facts) {
        if (weft_platform_parse(argv[1], &p, &err) < 0) {
            fprintf(stderr, "audit-elf: %s\n", err->msg);
            return 2;
        }
        weft_audit_target_init(&target, &p);
    }
    for (int i = 2; i < argc; i++) {
        if (judge(facts ? NULL : &target, argv[i], &err) < 0) {
            fprintf(stderr, "audit-elf: %s: %s\n", argv[i], err->msg);
            return 1;
        }
    }
    return 0;
}
