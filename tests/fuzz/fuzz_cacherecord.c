/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The first byte says what the rest is: a line of buildctl's about a record of a cache, or the
 * value of a --filter.
 */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/cache_filter.h"
#include "engine/cache_record.h"
#include "engine/cache_show.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_filter(const char *text)
{
    weft_auto_strv values = {0};
    weft_auto_err err = NULL;
    struct weft_cache_filter f = {0};

    weft_split(text, '|', &values);
    if (weft_cache_filter_parse(&values, &f, &err) < 0) {
        assert(err->code == WEFT_E_USAGE);
    } else {
        assert(f.until_ms >= 0);
        assert(!f.text || !weft_utf8_bad(f.text));
    }
    weft_cache_filter_finish(&f);
}

static void show(const struct weft_cache_record *r)
{
    weft_auto_free char *printed = NULL;
    weft_auto_json j = weft_cache_record_json(r);
    size_t len;
    FILE *out = open_memstream(&printed, &len);

    weft_cache_show_row(out, r, 0);
    weft_cache_show_block(out, r, INT64_MAX);
    weft_cache_show_json_line(out, r, "group");
    fclose(out);
    for (size_t i = 0; i < len; i++) { /* nothing that a terminal obeys */
        assert((unsigned char)printed[i] >= 0x20 || printed[i] == '\n');
    }
    assert(j);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct weft_cache_record r = {0};
    weft_auto_err err = NULL;

    if (size < 1) {
        return 0;
    }
    if (data[0] & 1) {
        weft_auto_free char *text = weft_xstrndup((const char *)data + 1, size - 1);

        read_filter(text);
        return 0;
    }
    if (weft_cache_record_parse((const char *)data + 1, size - 1, &r, &err) == 0) {
        struct weft_cache_totals t = {0};

        weft_cache_totals_add(&t, &r);
        assert(t.total_bytes == r.size_bytes);
        show(&r);
    }
    weft_cache_record_finish(&r);
    return 0;
}
