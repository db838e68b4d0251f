/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ELF heads, and the segment that is put in. The seeds are small programs of nothing but
 * heads, one per class, byte order and kind.
 */
#include "config.h"

#include <assert.h>
#include <elf.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "binfmt/stub.h"
#include "binfmt/stub/layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
    /* alignments can make a file grow by megabytes: those are left out */
    GROWTH_MAX = 1 << 17
};

static bool same(const struct weft_elf_segment *a, const struct weft_elf_segment *b)
{
    return a->type == b->type && a->flags == b->flags && a->offset == b->offset &&
           a->vaddr == b->vaddr && a->file_bytes == b->file_bytes &&
           a->memory_bytes == b->memory_bytes && a->align == b->align;
}

/* One note is gone, one segment is there, and everything else is as it was, in the same order. */
static void check_segments(const struct weft_elf *before, const struct weft_elf *after,
                           const struct weft_elf_segment *added)
{
    uint64_t end = 0;
    size_t k = 0;
    size_t gone = 0;

    assert(before->n == after->n);
    for (size_t i = 0; i < after->n; i++) {
        const struct weft_elf_segment *s = &after->segments[i];

        if (s->type == PT_LOAD) {
            assert(s->vaddr >= end);
            end = s->vaddr + s->memory_bytes;
        }
        if (s == added) {
            continue;
        }
        while (!same(s, &before->segments[k])) {
            assert(before->segments[k].type == PT_NOTE);
            gone++;
            k++;
            assert(k < before->n);
        }
        k++;
    }
    assert(gone <= 1 && added->vaddr + added->memory_bytes == end);
}

static void check_patched(const struct weft_stub *stub, const uint8_t *data, size_t size,
                          const struct weft_stub_patch *p, const struct weft_elf *before)
{
    size_t len = (size_t)p->where.offset + p->segment_len;
    weft_auto_free unsigned char *copy = NULL;
    weft_auto_elf after = {0};
    weft_auto_stub_patch again = {0};
    weft_auto_err err = NULL;
    const struct weft_elf_segment *added;

    assert(p->where.offset >= size && p->where.head_len <= size);
    if (p->where.offset - size > GROWTH_MAX) {
        return;
    }
    copy = weft_xcalloc(1, len);
    memcpy(copy, data, size);
    memcpy(copy, p->where.head, p->where.head_len);
    memcpy(copy + p->where.offset, p->segment, p->segment_len);
    if (weft_elf_read(copy, len, &after, NULL) < 0) {
        assert(!"a copy is an ELF file");
    }
    assert(weft_elf_is_static(&after));
    added = weft_elf_segment_at(&after, after.entry);
    assert(added->vaddr == p->where.vaddr && added->offset == p->where.offset);
    assert(added->flags == (PF_R | PF_X) && added->file_bytes == p->segment_len);
    assert(added->vaddr % added->align == 0 && added->offset % added->align == 0);
    check_segments(before, &after, added);
    if (weft_stub_prepare(stub, copy, len, "max", &again, &err) == 0) {
        assert(!"a copy is known for one");
    }
    assert(err->code == WEFT_E_UNSUPPORTED && strstr(err->msg, "a copy that weft has made"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weft_stub_head head = {.version = WEFT_STUB_VERSION, .start = sizeof(head)};
    unsigned char code[sizeof(head) + 1] = {0};
    weft_auto_stub_patch p = {0};
    weft_auto_elf e = {0};
    weft_auto_err err = NULL;
    struct weft_stub stub = {code, sizeof(code), EM_X86_64};

    memcpy(head.magic, WEFT_STUB_MAGIC, sizeof(head.magic));
    memcpy(code, &head, sizeof(head));
    if (weft_elf_read(data, size, &e, &err) < 0) {
        assert(err->code == WEFT_E_FORMAT && !e.segments);
        return 0;
    }
    for (size_t i = 0; i < e.n; i++) {
        const struct weft_elf_segment *at = weft_elf_segment_at(&e, e.segments[i].vaddr);

        assert(!at || at->type == PT_LOAD);
    }
    if (e.machine == EM_AARCH64) {
        stub.machine = EM_AARCH64;
    }
    if (weft_stub_prepare(&stub, data, size, "cortex-a53", &p, &err) < 0) {
        assert((err->code == WEFT_E_UNSUPPORTED || err->code == WEFT_E_FORMAT) && !p.segment);
        return 0;
    }
    assert(!err);
    check_patched(&stub, data, size, &p, &e);
    return 0;
}
