/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "binfmt/stub.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "binfmt/stub/layout.h"

enum {
    MODEL_MAX = 4096,
    CODE_MAX = 1 << 16
};

#ifdef HAVE_STUB
static const unsigned char code[] = {
#include "binfmt/stub/code.h"
};

const struct weft_stub *weft_stub_here(void)
{
    static const struct weft_stub stub = {
        .code = code,
        .len = sizeof(code),
#ifdef __x86_64__
        .machine = EM_X86_64,
#else
        .machine = EM_AARCH64,
#endif
    };

    return &stub;
}
#else
const struct weft_stub *weft_stub_here(void)
{
    return NULL;
}
#endif

/* What may stand behind -cpu: one word that a terminal can show. */
static int check_model(const char *model, struct weft_err **err)
{
    size_t n = strlen(model);

    for (size_t i = 0; i < n; i++) {
        if (model[i] <= ' ' || model[i] > '~') {
            return weft_fail(err, WEFT_E_USAGE, "a CPU model is one word of printable ASCII");
        }
    }
    if (n == 0 || n > MODEL_MAX) {
        return weft_fail(err, WEFT_E_USAGE, "a CPU model has 1 to %d characters", MODEL_MAX);
    }
    return 0;
}

static int check_code(const struct weft_stub *s, struct weft_stub_head *head, struct weft_err **err)
{
    if (s->len < sizeof(*head) || s->len > CODE_MAX) {
        return weft_fail(err, WEFT_E_INTERNAL, "a stub of %zu bytes", s->len);
    }
    memcpy(head, s->code, sizeof(*head));
    if (memcmp(head->magic, WEFT_STUB_MAGIC, sizeof(head->magic)) != 0 ||
        head->version != WEFT_STUB_VERSION || head->start < sizeof(*head) ||
        head->start >= s->len) {
        return weft_fail(err, WEFT_E_INTERNAL, "a stub with another head");
    }
    return 0;
}

/* Whether the program starts in a stub of any version. */
static int check_unpatched(const struct weft_elf *e, const unsigned char *image, size_t len,
                           struct weft_err **err)
{
    const struct weft_elf_segment *first = weft_elf_segment_at(e, e->entry);

    if (first && first->offset <= len && len - first->offset >= sizeof(struct weft_stub_head) &&
        memcmp(image + first->offset, WEFT_STUB_MAGIC, strlen(WEFT_STUB_MAGIC)) == 0) {
        return weft_fail(err, WEFT_E_UNSUPPORTED,
                         "it is a copy that weft has made: a CPU model is built into it already");
    }
    return 0;
}

int weft_stub_prepare(const struct weft_stub *s, const void *image, size_t len, const char *model,
                      struct weft_stub_patch *out, struct weft_err **err)
{
    weft_auto_stub_patch p = {0};
    weft_auto_elf e = {0};
    struct weft_stub_head head;

    if (check_model(model, err) < 0 || check_code(s, &head, err) < 0 ||
        weft_elf_read(image, len, &e, err) < 0 || check_unpatched(&e, image, len, err) < 0) {
        return -1;
    }
    p.segment_len = s->len + strlen(model) + 1;
    if (weft_elf_insert(image, len, s->machine, p.segment_len, head.start, &p.where, err) < 0) {
        return -1;
    }
    head.qemu_entry = (int64_t)(e.entry - p.where.vaddr);
    head.model = (uint32_t)s->len;
    head.size = (uint32_t)p.segment_len;
    p.segment = weft_xmalloc(p.segment_len);
    memcpy(p.segment, s->code, s->len);
    memcpy(p.segment, &head, sizeof(head));
    memcpy(p.segment + s->len, model, strlen(model) + 1);
    *out = p;
    p = (struct weft_stub_patch){0};
    return 0;
}

void weft_stub_patch_finish(struct weft_stub_patch *p)
{
    weft_elf_insertion_finish(&p->where);
    free(p->segment);
    *p = (struct weft_stub_patch){0};
}
