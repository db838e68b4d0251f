/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "platforms/catalogue.h"
#include "platforms/match.h"
#include "platforms/platform.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A second time changes nothing, and what is printed is read back. */
static void check_known(const struct weft_platform *p)
{
    char printed[WEFT_PLATFORM_SIZE];
    struct weft_platform again = {0};

    assert(weft_catalogue_find(p));
    weft_platform_format(p, printed);
    assert(strlen(printed) < WEFT_PLATFORM_SIZE);
    if (weft_platform_parse(printed, &again, NULL) < 0 || !weft_platform_eq(p, &again)) {
        assert(!"the printed form is that of the same platform");
    }
}

/* The text as one name; and its parts between slashes as the fields of an image, which may be
 * anything. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_auto_free char *text = weft_xstrndup((const char *)data, size);
    weft_auto_strv parts = {0};
    weft_auto_err err = NULL;
    struct weft_platform p = {0};
    struct weft_platform fields;
    struct weft_platform again;
    char printed[WEFT_PLATFORM_SIZE];
    size_t n;
    const struct weft_platform_info *all = weft_catalogue(&n);

    text[strcspn(text, "\n")] = '\0';
    if (weft_platform_parse(text, &p, &err) == 0) {
        assert(!err);
        check_known(&p);
    } else {
        assert(err->code == WEFT_E_USAGE && err->hint && !p.os[0]);
    }
    weft_split(text, '/', &parts);
    weft_platform_from_fields(parts.v[0], parts.n > 1 ? parts.v[1] : NULL,
                              parts.n > 2 ? parts.v[2] : NULL, &fields);
    weft_platform_from_fields(fields.os, fields.arch, fields.variant, &again);
    assert(weft_platform_eq(&fields, &again));
    assert(strlen(weft_platform_dirname(&fields, printed)) < WEFT_PLATFORM_SIZE);
    assert(weft_platform_matches(&fields, &fields, false));
    for (size_t i = 0; i < n; i++) {
        const struct weft_platform *known = &all[i].platform;

        assert(!weft_platform_better(known, &fields, known));
        assert(weft_platform_matches(known, &fields, true) == weft_platform_eq(known, &fields));
    }
    return 0;
}
