/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/mem.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

static void *or_abort(void *p)
{
    if (!p) {
        fputs("weft: out of memory\n", stderr);
        abort();
    }
    return p;
}

void *weft_xmalloc(size_t size)
{
    return or_abort(malloc(size ? size : 1));
}

void *weft_xcalloc(size_t n, size_t size)
{
    return or_abort(calloc(n ? n : 1, size ? size : 1));
}

void *weft_xrealloc(void *p, size_t n, size_t size)
{
    return or_abort(reallocarray(p, n ? n : 1, size ? size : 1));
}

void *weft_xgrow(void *p, size_t n, size_t size)
{
    bool full = (n & (n - 1)) == 0; /* 0, and the powers of two */

    return full ? weft_xrealloc(p, n ? 2 * n : 1, size) : p;
}

char *weft_xstrdup(const char *s)
{
    return or_abort(strdup(s));
}

char *weft_xstrndup(const char *s, size_t n)
{
    return or_abort(strndup(s, n));
}

char *weft_xstrdup_null(const char *s)
{
    return s ? weft_xstrdup(s) : NULL;
}

void *weft_alloc_bounded(size_t n, size_t limit, struct weft_err **err)
{
    void *p;

    if (n > limit) {
        weft_fail(err, WEFT_E_FORMAT, "%zu bytes asked for, the limit is %zu", n, limit);
        return NULL;
    }
    p = calloc(1, n ? n : 1);
    if (!p) {
        weft_fail_sys(err, ENOMEM, "%zu bytes", n);
    }
    return p;
}
