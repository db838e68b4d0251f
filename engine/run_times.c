/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/run_times.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

/* Whether v is a RUN step on the CPU of platform p. */
static bool is_run_of(const struct weft_lane *lane, const struct weft_vertex *v,
                      const struct weft_platform *p)
{
    const char *instruction = strstr(v->name, "] ");
    struct weft_platform own;

    if (v->step >= lane->n_steps || !instruction || !weft_starts_with(instruction + 2, "RUN ")) {
        return false;
    }
    return !v->platform ||
           (weft_platform_parse(v->platform, &own, NULL) == 0 && weft_platform_eq(&own, p));
}

static bool has_run(const struct weft_lane *lane, const struct weft_vertex *v,
                    const struct weft_platform *p)
{
    return v->state == WEFT_VERTEX_DONE && is_run_of(lane, v, p);
}

bool weft_run_started(const struct weft_lane *lane, const struct weft_platform *p)
{
    for (size_t i = 0; i < lane->n_vertexes; i++) {
        const struct weft_vertex *v = lane->vertexes[i];

        if ((v->state == WEFT_VERTEX_RUNNING || v->state == WEFT_VERTEX_DONE ||
             v->state == WEFT_VERTEX_FAILED) &&
            is_run_of(lane, v, p)) {
            return true;
        }
    }
    return false;
}

int64_t weft_run_ms(const struct weft_lane *lane, const struct weft_platform *p)
{
    int64_t ms = 0;

    for (size_t i = 0; i < lane->n_vertexes; i++) {
        if (has_run(lane, lane->vertexes[i], p)) {
            ms += weft_vertex_spent_ms(lane->vertexes[i]);
        }
    }
    return ms;
}

/* The text of an instruction is no criterion: BuildKit puts the values of ARGs in it, and these
 * differ by platform. */
static bool same_step(const struct weft_step *a, const struct weft_step *b)
{
    return a->n == b->n && a->total == b->total && strcmp(a->stage, b->stage) == 0;
}

static const struct weft_vertex *find(const struct weft_lane *lane, const struct weft_platform *p,
                                      const struct weft_step *step)
{
    for (size_t i = 0; i < lane->n_vertexes; i++) {
        const struct weft_vertex *v = lane->vertexes[i];

        if (has_run(lane, v, p) && same_step(&lane->steps[v->step], step)) {
            return v;
        }
    }
    return NULL;
}

bool weft_run_compare(const struct weft_lane *lane, const struct weft_platform *p,
                      const struct weft_lane *native, const struct weft_platform *native_p,
                      struct weft_run_comparison *out)
{
    *out = (struct weft_run_comparison){0};
    for (size_t i = 0; i < lane->n_vertexes; i++) {
        const struct weft_vertex *v = lane->vertexes[i];
        const struct weft_vertex *other =
            has_run(lane, v, p) ? find(native, native_p, &lane->steps[v->step]) : NULL;

        if (other) {
            out->ms += weft_vertex_spent_ms(v);
            out->native_ms += weft_vertex_spent_ms(other);
        }
    }
    return out->native_ms >= WEFT_RUN_COMPARED_MS;
}

char *weft_run_about(double ratio)
{
    return weft_fmt(ratio < 2.95 ? "%.1f" : "%.0f", ratio);
}

static char *duration(int64_t ms)
{
    int64_t s = (ms + 500) / 1000;

    return ms < 59950 ? weft_fmt("%.1f s", (double)ms / 1000)
                      : weft_fmt("%lld min %lld s", (long long)(s / 60), (long long)(s % 60));
}

char *weft_run_verdict(const struct weft_run_comparison *c, const struct weft_platform *native_p,
                       double expected)
{
    double ratio = (double)c->ms / (double)c->native_ms;
    weft_auto_free char *took = duration(c->ms);
    weft_auto_free char *about = weft_run_about(expected);
    char name[WEFT_PLATFORM_SIZE];

    return weft_fmt(ratio < 9.95 ? "RUN steps took %s, %.1f times as long as on %s%s%s%s"
                                 : "RUN steps took %s, %.0f times as long as on %s%s%s%s",
                    took, ratio, weft_platform_format(native_p, name),
                    expected > 0 ? " (expected about " : "", expected > 0 ? about : "",
                    expected > 0 ? ")" : "");
}
