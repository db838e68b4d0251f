/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the audit reads of single files: ELF facts, PE heads, archives, scripts. The seeds are
 * programs of a few lines, made by Debian's compilers without a C library (-nostdlib), with a
 * library, a RUNPATH and a version of its symbols.
 */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "platforms/audit_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(const struct weft_audit_target *t, const struct weft_elf_input *in,
                  const struct weft_elf_facts *f)
{
    weft_auto_audit_verdicts v = {0};

    if (f) {
        weft_audit_elf(t, f, &v);
    }
    weft_audit_pe(t, in, &v);
    weft_audit_ar(t, in, &v);
    for (size_t i = 0; i < v.n; i++) {
        assert(v.v[i].found && *v.v[i].found && v.v[i].expected && *v.v[i].expected);
        assert(v.v[i].rule < WEFT_AUDIT_RULES);
    }
}

static void check_facts(const struct weft_elf_facts *f)
{
    weft_auto_free char *machine = weft_audit_machine_text(f);
    weft_auto_free char *isa = weft_audit_isa_text(f);

    assert(f->bits == 32 || f->bits == 64);
    assert(f->needed.n <= WEFT_ELF_NEEDED_LIMIT);
    for (size_t i = 0; i < f->needed.n; i++) {
        assert(strlen(f->needed.v[i]) < WEFT_ELF_STRING_LIMIT);
    }
    assert(!f->glibc || weft_version_cmp(f->glibc, f->glibc) == 0);
    assert(!f->is_debug || (!f->interpreter && f->needed.n == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weft_elf_input in = {.image = data, .fd = -1, .size_bytes = size};
    size_t head = size < WEFT_AUDIT_HEAD_BYTES ? size : WEFT_AUDIT_HEAD_BYTES;
    enum weft_audit_kind kind = weft_audit_sniff(data, head);
    weft_auto_elf_facts f = {0};
    weft_auto_err err = NULL;
    weft_auto_free char *argument = NULL;
    weft_auto_free char *program = weft_audit_script(data, head, &argument);
    int rc = weft_elf_facts_read(&in, &f, &err);
    const struct weft_platform_info *all;
    size_t n;

    assert(!program || (*program == '/' && kind == WEFT_AUDIT_IS_SCRIPT));
    assert(rc < 0 || kind == WEFT_AUDIT_IS_ELF);
    assert((rc < 0) == (err != NULL) && (!err || err->code == WEFT_E_FORMAT));
    if (rc == 0) {
        check_facts(&f);
    }
    all = weft_catalogue(&n);
    for (size_t i = 0; i < n; i++) {
        struct weft_audit_target t;

        weft_audit_target_init(&t, &all[i].platform);
        judge(&t, &in, rc == 0 ? &f : NULL);
    }
    return 0;
}
