/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "platforms/speeds.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static void finish_one(struct weft_speed *s)
{
    free(s->qemu);
    free(s->version);
    free(s->model);
}

const struct weft_speed *weft_speeds_find(const struct weft_speeds *s,
                                          const struct weft_platform_info *p, const char *qemu,
                                          const char *version, const char *model)
{
    for (size_t i = 0; s && i < s->n; i++) {
        const struct weft_speed *v = &s->v[i];

        if (v->platform == p && strcmp(v->qemu, qemu) == 0 && weft_str_eq(v->version, version) &&
            weft_str_eq(v->model, model)) {
            return v;
        }
    }
    return NULL;
}

void weft_speeds_add(struct weft_speeds *s, const struct weft_speed *one)
{
    const struct weft_speed *old =
        weft_speeds_find(s, one->platform, one->qemu, one->version, one->model);
    struct weft_speed copy = *one;

    copy.qemu = weft_xstrdup(one->qemu);
    copy.version = weft_xstrdup_null(one->version);
    copy.model = weft_xstrdup_null(one->model);
    if (old) {
        size_t i = (size_t)(old - s->v);

        finish_one(&s->v[i]);
        s->v[i] = copy;
        return;
    }
    s->v = weft_xgrow(s->v, s->n, sizeof(*s->v));
    s->v[s->n++] = copy;
}

void weft_speeds_finish(struct weft_speeds *s)
{
    for (size_t i = 0; i < s->n; i++) {
        finish_one(&s->v[i]);
    }
    free(s->v);
    *s = (struct weft_speeds){0};
}

int weft_speeds_rank(const struct weft_speed *a, const struct weft_speed *b)
{
    if (!a || !b) {
        return 0;
    }
    if (a->high < b->low && b->ratio > WEFT_SPEEDS_BETWEEN_RUNS * a->ratio) {
        return -1;
    }
    return b->high < a->low && a->ratio > WEFT_SPEEDS_BETWEEN_RUNS * b->ratio ? 1 : 0;
}
