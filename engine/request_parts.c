/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/request_parts.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/worker.h"

enum {
    IDLE_MAX_S = 30 * 24 * 60 * 60
};

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

/* "1h30m", "90s", "0": seconds. */
static int parse_duration(const char *flag, const char *text, long *out, struct weft_err **err)
{
    const char *s = text;
    long total = 0;
    bool ok = *s != '\0';

    if (strcmp(text, "0") == 0) {
        *out = 0;
        return 0;
    }
    while (ok && *s) {
        size_t n = strspn(s, "0123456789");
        long unit = s[n] == 'h' ? 3600 : s[n] == 'm' ? 60 : s[n] == 's' ? 1 : 0;
        long number;

        ok = n > 0 && n < 8 && unit > 0;
        if (ok) {
            number = strtol(s, NULL, 10);
            ok = number <= IDLE_MAX_S / unit;
            total += ok ? number * unit : 0;
            ok = ok && total <= IDLE_MAX_S;
            s += n + 1;
        }
    }
    if (!ok) {
        weft_auto_free char *shown = weft_printable(text);

        return weft_fail(err, WEFT_E_USAGE,
                         "%s is a time such as 90s, 10m, 1h30m or 0, up to 720h, not \"%s\"", flag,
                         shown);
    }
    *out = total;
    return 0;
}

int weft_request_worker_idle(const char *value, long *out_s, struct weft_err **err)
{
    const char *set = getenv("WEFT_WORKER_IDLE");

    *out_s = WEFT_IDLE_DEFAULT_MS / 1000;
    if (value) {
        return parse_duration("--worker-idle", value, out_s, err);
    }
    return set && *set ? parse_duration("WEFT_WORKER_IDLE", set, out_s, err) : 0;
}
