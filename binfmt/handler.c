/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "binfmt/handler.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"

static const char *const scope_names[] = {
    [WEFT_SCOPE_NAMESPACE] = "namespace",
    [WEFT_SCOPE_EXISTING] = "existing",
};

const char *weft_scope_name(enum weft_scope scope)
{
    return scope_names[scope];
}

int weft_scope_parse(const char *name)
{
    for (size_t i = 0; i < sizeof(scope_names) / sizeof(scope_names[0]); i++) {
        if (weft_str_eq(name, scope_names[i])) {
            return (int)i;
        }
    }
    return -1;
}

/* Every byte as \xHH: the kernel ends magic and mask at NUL, ':' and newline, and undoes only this
 * escape. */
static void put_bytes(struct weft_buf *b, const unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        weft_buf_printf(b, "\\x%02x", bytes[i]);
    }
}

char *weft_handler_line(const struct weft_machine *m, const char *interpreter, const char *flags,
                        struct weft_err **err)
{
    weft_auto_buf b = {0};

    if (*interpreter != '/' || strpbrk(interpreter, ":\n")) {
        weft_auto_free char *shown = weft_printable(interpreter);

        weft_fail(err, WEFT_E_UNSUPPORTED,
                  "%s cannot be a handler's interpreter: binfmt_misc takes absolute paths without "
                  "':' and newline",
                  shown);
        return NULL;
    }
    weft_buf_printf(&b, ":weft-%s:M::", m->qemu);
    put_bytes(&b, m->magic, sizeof(m->magic));
    weft_buf_puts(&b, ":");
    put_bytes(&b, m->mask, sizeof(m->mask));
    weft_buf_printf(&b, ":%s:%s", interpreter, flags);
    if (b.len > WEFT_HANDLER_LINE_MAX) {
        weft_fail(err, WEFT_E_UNSUPPORTED,
                  "the handler line of %s has %zu bytes, the kernel takes %d", m->qemu, b.len,
                  WEFT_HANDLER_LINE_MAX);
        return NULL;
    }
    return weft_buf_steal(&b);
}
