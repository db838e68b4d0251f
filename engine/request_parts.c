/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/request_parts.h"

#include <ctype.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"

int weft_request_field_parse(const char *text, struct weft_request_field *out,
                             struct weft_err **err)
{
    size_t len = strcspn(text, "=");
    size_t start = strspn(text, " \t");

    if (text[len] != '=') {
        weft_auto_free char *shown = weft_printable(text);

        return weft_fail(err, WEFT_E_USAGE, "\"%s\" is not KEY=VALUE", shown);
    }
    out->value = text + len + 1;
    while (len > start && isspace((unsigned char)text[len - 1])) {
        len--;
    }
    out->key = weft_xstrndup(text + start, len - start);
    for (char *p = out->key; *p; p++) {
        *p = (char)tolower((unsigned char)*p);
    }
    return 0;
}

int weft_request_unknown_key(const char *key, const char *of, const char *const *known, size_t n,
                             struct weft_err **err)
{
    const char *near = weft_nearest(key, known, n);
    weft_auto_free char *shown = weft_printable(key);
    weft_auto_buf list = {0};

    weft_fail(err, WEFT_E_USAGE, "\"%s\" is none of the %s", shown, of);
    if (near) {
        return weft_err_hint(err, "%s", near);
    }
    for (size_t i = 0; i < n; i++) {
        weft_buf_printf(&list, "%s%s", i == 0 ? "" : ", ", known[i]);
    }
    return weft_err_hint(err, "one of %s", list.data);
}
