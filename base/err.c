/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/err.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static int fail_v(struct weft_err **err, enum weft_code code, int sys, const char *fmt, va_list ap)
    __attribute__((format(printf, 4, 0)));

static int fail_v(struct weft_err **err, enum weft_code code, int sys, const char *fmt, va_list ap)
{
    struct weft_err *e;

    if (!err) {
        return -1;
    }
    assert(!*err);
    e = weft_xcalloc(1, sizeof(*e));
    e->code = code;
    e->sys = sys;
    e->msg = weft_vfmt(fmt, ap);
    *err = e;
    return -1;
}

int weft_fail(struct weft_err **err, enum weft_code code, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fail_v(err, code, 0, fmt, ap);
    va_end(ap);
    return -1;
}

int weft_fail_sys(struct weft_err **err, int sys, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fail_v(err, WEFT_E_IO, sys, fmt, ap);
    va_end(ap);
    if (err) {
        char *text = weft_fmt("%s: %s", (*err)->msg, strerror(sys));

        free((*err)->msg);
        (*err)->msg = text;
    }
    return -1;
}

int weft_err_wrap(struct weft_err **err, const char *fmt, ...)
{
    va_list ap;
    char *context;
    char *text;

    if (!err || !*err) {
        return -1;
    }
    va_start(ap, fmt);
    context = weft_vfmt(fmt, ap);
    va_end(ap);
    text = weft_fmt("%s: %s", context, (*err)->msg);
    free(context);
    free((*err)->msg);
    (*err)->msg = text;
    return -1;
}

int weft_err_hint(struct weft_err **err, const char *fmt, ...)
{
    va_list ap;

    if (!err || !*err || (*err)->hint) {
        return -1;
    }
    va_start(ap, fmt);
    (*err)->hint = weft_vfmt(fmt, ap);
    va_end(ap);
    return -1;
}

int weft_err_exit_code(const struct weft_err *err)
{
    switch (err->code) {
    case WEFT_E_USAGE:
        return 2;
    case WEFT_E_UNSUPPORTED:
        return 3;
    case WEFT_E_CANCELLED:
        return 130;
    case WEFT_E_INTERNAL:
    case WEFT_E_IO:
    case WEFT_E_FORMAT:
    case WEFT_E_DIGEST:
    case WEFT_E_NET:
    case WEFT_E_CHILD:
    case WEFT_E_BUILD:
        return 1;
    default:
        return 1;
    }
}

void weft_err_free(struct weft_err *err)
{
    if (!err) {
        return;
    }
    free(err->msg);
    free(err->hint);
    free(err);
}

void weft_err_freep(struct weft_err **err)
{
    weft_err_free(*err);
    *err = NULL;
}
