/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/bench_show.h"

#include <math.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "platforms/speeds.h"

char *weft_bench_show_times(double ratio)
{
    return weft_fmt(ratio < 9.995 ? "%.2fx" : ratio < 99.95 ? "%.1fx" : "%.0fx", ratio);
}

char *weft_bench_show_interval(const struct weft_ratio *r)
{
    weft_auto_free char *low = weft_bench_show_times(r->low);
    weft_auto_free char *high = weft_bench_show_times(r->high);

    return weft_fmt("%s to %s", low, high);
}

char *weft_bench_show_cost(double cost)
{
    return cost <= 0      ? weft_xstrdup("")
           : cost < 0.001 ? weft_fmt("%.6f", cost)
           : cost < 10    ? weft_fmt("%.4f", cost)
                          : weft_fmt("%.2f", cost);
}

/* What is not plain from the platform: Debian has two sets of programs for ARM. */
static const char *programs_of(const struct weft_bench_target *t)
{
    if (weft_str_eq(t->programs, "armhf")) {
        return ", hard-float programs (armhf)";
    }
    return weft_str_eq(t->programs, "arm") ? ", soft-float programs (armel)" : "";
}

/* --- tables --- */

static int width_of(const struct weft_bench_target *t)
{
    size_t width = strlen("geometric mean");

    for (size_t i = 0; i < t->n; i++) {
        size_t n = strlen(t->kernels[i].name) + (t->kernels[i].plain ? strlen(", plain") : 0);

        width = n > width ? n : width;
    }
    return (int)width;
}

static void print_kernel(const struct weft_bench_kernel *k, int width, FILE *out)
{
    weft_auto_free char *name = weft_fmt("%s%s", k->name, k->plain ? ", plain" : "");

    if (k->failure || k->skipped) {
        fprintf(out, "  %-*s  %7s  %s\n", width, name, k->failure ? "FAILED" : "-",
                k->failure ? k->failure : k->skipped);
    } else if (k->ratio.ratio > 0) {
        weft_auto_free char *ratio = weft_bench_show_times(k->ratio.ratio);
        weft_auto_free char *range = weft_bench_show_interval(&k->ratio);
        weft_auto_free char *noise = weft_strv_join(&k->noise, "; ");

        fprintf(out, "  %-*s  %7s  ", width, name, ratio);
        if (*noise) {
            fprintf(out, "%-16s  noisy: %s\n", range, noise);
        } else {
            fprintf(out, "%s\n", range);
        }
    }
}

static void print_target(const struct weft_bench_target *t, FILE *out)
{
    weft_auto_free char *what = weft_bench_target_how(t);
    char name[WEFT_PLATFORM_SIZE];
    int width = width_of(t);

    if (t->n == 0) {
        return; /* it was interrupted before it */
    }
    fprintf(out, "%s, %s%s\n", weft_platform_format(&t->platform->platform, name), what,
            programs_of(t));
    fprintf(out, "  %-*s  %7s  %s\n", width, "KERNEL", "RATIO", "95 % INTERVAL");
    for (size_t i = 0; i < t->n; i++) {
        print_kernel(&t->kernels[i], width, out);
    }
    if (t->mean.ratio > 0) {
        weft_auto_free char *ratio = weft_bench_show_times(t->mean.ratio);
        weft_auto_free char *range = weft_bench_show_interval(&t->mean);

        fprintf(out, "  %-*s  %7s  %s\n", width, "geometric mean", ratio, range);
    }
    fputc('\n', out);
}

/* --- words --- */

/* The first kernel that did wrong, or NULL. */
static const struct weft_bench_kernel *failed(const struct weft_bench_target *t)
{
    for (size_t i = 0; i < t->n; i++) {
        if (t->kernels[i].failure) {
            return &t->kernels[i];
        }
    }
    return NULL;
}

static bool ranked(const struct weft_bench_target *t)
{
    return t->mean.ratio > 0 && !failed(t);
}

static const struct weft_bench_target *best_of(const struct weft_bench_target *targets, size_t n)
{
    const struct weft_bench_target *best = NULL;

    for (size_t i = 0; i < n; i++) {
        if (ranked(&targets[i]) && (!best || targets[i].mean.ratio < best->mean.ratio)) {
            best = &targets[i];
        }
    }
    return best;
}

static void compare(const struct weft_bench_target *t, const struct weft_bench_target *best,
                    struct weft_buf *b)
{
    weft_auto_free char *what = weft_bench_target_how(t);
    const struct weft_bench_kernel *wrong = failed(t);
    double times_slower = best ? t->mean.ratio / best->mean.ratio : 0;

    if (wrong) {
        weft_buf_printf(b, "  %s is not ranked: %s failed\n", what, wrong->name);
    } else if (!best || t->mean.ratio <= 0) {
        weft_buf_printf(b, "  %s was not measured\n", what);
    } else if (t->mean.low <= best->mean.high || times_slower <= WEFT_SPEEDS_BETWEEN_RUNS) {
        weft_buf_printf(b, "  %s: as fast, within the noise\n", what);
    } else if (times_slower < 1.995) {
        weft_buf_printf(b, "  %s: %.0f %% slower than that\n", what, 100 * (times_slower - 1));
    } else {
        weft_buf_printf(b, "  %s: %.1f times slower than that\n", what, times_slower);
    }
}

char *weft_bench_show_verdict(const struct weft_bench_target *targets, size_t n)
{
    const struct weft_bench_target *best = best_of(targets, n);
    char name[WEFT_PLATFORM_SIZE];
    weft_auto_buf b = {0};

    weft_platform_format(&targets[0].platform->platform, name);
    if (best) {
        weft_auto_free char *what = weft_bench_target_how(best);
        weft_auto_free char *range = weft_bench_show_interval(&best->mean);

        weft_buf_printf(&b, "%s: programs take %.*f times as long as native ones (%s) under %s\n",
                        name, best->mean.ratio < 9.95 ? 1 : 0, best->mean.ratio, range, what);
    } else {
        weft_buf_printf(&b, "%s: nothing that was measured can be relied on\n", name);
    }
    for (size_t i = 0; i < n; i++) {
        if (&targets[i] != best) {
            compare(&targets[i], best, &b);
        }
    }
    return weft_buf_steal(&b);
}

void weft_bench_show(const struct weft_bench_result *r, FILE *out)
{
    size_t end;

    for (size_t i = 0; i < r->n; i++) {
        print_target(&r->targets[i], out);
    }
    for (size_t first = 0; first < r->n; first = end) {
        weft_auto_free char *verdict = NULL;

        end = first + 1;
        while (end < r->n && r->targets[end].platform == r->targets[first].platform) {
            end++;
        }
        verdict = weft_bench_show_verdict(&r->targets[first], end - first);
        fputs(verdict, out);
    }
    for (size_t i = 0; i < r->skipped.n; i++) {
        fprintf(out, "not measured: %s\n", r->skipped.v[i]);
    }
    if (r->interrupted) {
        fputs("interrupted: this is a part of what was asked for\n", out);
    }
}

/* --- two runs --- */

/* More is more than the same machine differs from itself when it is quiet. */
static const double agree_within = 0.10;

/* "12 min ago". Caller frees. */
static char *ago(double s)
{
    static const struct {
        double up_to, unit;
        const char *name;
    } units[] = {{90, 1, "s"}, {90 * 60, 60, "min"}, {36 * 3600, 3600, "h"}};

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (s < units[i].up_to) {
            return weft_fmt("%.0f %s ago", s / units[i].unit, units[i].name);
        }
    }
    return weft_fmt("%.0f days ago", s / (24 * 3600));
}

static void print_last(const struct weft_bench_result *r, const struct weft_bench_target *t,
                       const struct weft_profile_change *last, FILE *out)
{
    weft_auto_free char *what = weft_bench_target_how(t);
    weft_auto_free char *when = ago((double)(r->started - last->before) + r->seconds);
    char name[WEFT_PLATFORM_SIZE];
    bool agree = last->part <= agree_within;

    weft_platform_format(&t->platform->platform, name);
    fprintf(out, "  %s, %s, %s: ", name, what, when);
    fprintf(out, agree ? "within %.0f %%" : "%.0f %% apart",
            agree ? fmax(1, ceil(100 * last->part)) : 100 * last->part);
    fprintf(out, " (%zu kernel%s)\n", last->n_kernels, last->n_kernels == 1 ? "" : "s");
    if (!agree) {
        fputs("    the machine is too noisy, or something has changed since: measure again\n", out);
    }
}

void weft_bench_show_last(const struct weft_bench_result *r, const struct weft_profile_change *last,
                          FILE *out)
{
    bool any = false;

    for (size_t i = 0; i < r->n; i++) {
        if (last[i].n_kernels == 0) {
            continue;
        }
        if (!any) {
            fputs("compared to the last run here:\n", out);
        }
        any = true;
        print_last(r, &r->targets[i], &last[i], out);
    }
    if (!any && !r->interrupted) {
        fputs(
            "no earlier run here to compare with: a second one shows how far these figures hold\n",
            out);
    }
}
