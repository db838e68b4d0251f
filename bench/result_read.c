/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "bench/result.h"

#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"

enum {
    FILE_MAX_BYTES = 16 << 20,
    STRING_MAX_BYTES = 4096,
    /* of one result; weft itself comes to a tenth of each */
    TARGETS_MAX = 200,
    KERNELS_MAX = 500, /* of a target */
    SAMPLES_MAX = 200, /* of a kernel */
    ALL_SAMPLES_MAX = 50000,
    STRINGS_MAX = 4096, /* of a list, as that of the CPU's flags */
    CPUS_MAX = 1 << 20,
};

/* A value and how it is reached from the top, for errors. */
struct place {
    const struct weft_json *j; /* NULL: it is not there */
    const struct place *parent;
    const char *key; /* NULL: an item of a list: */
    size_t index;
};

static struct place member(const struct place *of, const char *key)
{
    return (struct place){weft_json_get(of->j, key), of, key, 0};
}

static struct place item(const struct place *of, size_t i)
{
    return (struct place){weft_json_at(of->j, i), of, NULL, i};
}

/* "targets[2].kernels[5].name" */
static void print_place(const struct place *at, struct weft_buf *b)
{
    if (!at->parent) {
        return;
    }
    print_place(at->parent, b);
    if (at->key) {
        weft_buf_printf(b, "%s%s", b->len > 0 ? "." : "", at->key);
    } else {
        weft_buf_printf(b, "[%zu]", at->index);
    }
}

__attribute__((format(printf, 3, 4))) static int wrong(const struct place *at,
                                                       struct weft_err **err, const char *fmt, ...)
{
    weft_auto_buf where = {0};
    weft_auto_free char *what = NULL;
    va_list ap;

    va_start(ap, fmt);
    what = weft_vfmt(fmt, ap);
    va_end(ap);
    print_place(at, &where);
    return weft_fail(err, WEFT_E_FORMAT, "%s %s", where.len > 0 ? where.data : "it", what);
}

/* The value is not what it has to be. */
static int expected(const struct place *at, const char *what, struct weft_err **err)
{
    return at->j ? wrong(at, err, "is not %s", what) : wrong(at, err, "is missing");
}

/* --- values --- */

static int read_text(const struct place *at, char **out, struct weft_err **err)
{
    const char *s = weft_json_value_str(at->j);

    if (!s) {
        return expected(at, "a string", err);
    }
    if (strlen(s) > STRING_MAX_BYTES) {
        return wrong(at, err, "is longer than %d bytes", STRING_MAX_BYTES);
    }
    *out = weft_printable(s);
    return 0;
}

static int read_string(const struct place *of, const char *key, char **out, struct weft_err **err)
{
    struct place at = member(of, key);

    return read_text(&at, out, err);
}

/* One that may be missing. */
static int read_some(const struct place *of, const char *key, char **out, struct weft_err **err)
{
    return weft_json_get(of->j, key) ? read_string(of, key, out, err) : 0;
}

/* A reason, which says something. */
static int read_reason(const struct place *of, const char *key, char **out, struct weft_err **err)
{
    if (read_string(of, key, out, err) < 0) {
        return -1;
    }
    if (!**out) {
        struct place at = member(of, key);

        return wrong(&at, err, "is empty");
    }
    return 0;
}

static int read_whole(const struct place *of, const char *key, int64_t min, int64_t max,
                      int64_t *out, struct weft_err **err)
{
    struct place at = member(of, key);
    int64_t v = weft_json_int(of->j, key, -1); /* min is not below 0 */

    if (v < min || v > max) {
        weft_auto_free char *what =
            max == INT64_MAX
                ? weft_fmt("a whole number of at least %lld", (long long)min)
                : weft_fmt("a whole number from %lld to %lld", (long long)min, (long long)max);

        return expected(&at, what, err);
    }
    *out = v;
    return 0;
}

static int read_real(const struct place *of, const char *key, double max, double *out,
                     struct weft_err **err)
{
    struct place at = member(of, key);
    double v = weft_json_real(of->j, key, -1);

    if (!(v >= 0) || v > max) {
        return expected(&at, max < INFINITY ? "a number from 0 to 1" : "a number of at least 0",
                        err);
    }
    *out = v;
    return 0;
}

static int read_positive(const struct place *of, const char *key, double *out,
                         struct weft_err **err)
{
    struct place at = member(of, key);
    double v = weft_json_real(of->j, key, 0);

    if (!(v > 0)) {
        return expected(&at, "a number above 0", err);
    }
    *out = v;
    return 0;
}

static int read_bool(const struct place *of, const char *key, bool *out, struct weft_err **err)
{
    struct place at = member(of, key);

    *out = weft_json_bool(of->j, key, false);
    return *out == weft_json_bool(of->j, key, true) ? 0 : expected(&at, "true or false", err);
}

static int check_object(const struct place *at, struct weft_err **err)
{
    return weft_json_is_object(at->j) ? 0 : expected(at, "an object", err);
}

static int check_list(const struct place *at, size_t max, struct weft_err **err)
{
    if (!weft_json_is_array(at->j)) {
        return expected(at, "a list", err);
    }
    return weft_json_len(at->j) <= max ? 0 : wrong(at, err, "has more than %zu items", max);
}

static int read_strings(const struct place *of, const char *key, struct weft_strv *out,
                        struct weft_err **err)
{
    struct place list = member(of, key);

    if (check_list(&list, STRINGS_MAX, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < weft_json_len(list.j); i++) {
        struct place at = item(&list, i);
        char *s;

        if (read_text(&at, &s, err) < 0) {
            return -1;
        }
        weft_strv_take(out, s);
    }
    return 0;
}

static int read_ratio(const struct place *of, struct weft_ratio *r, struct weft_err **err)
{
    if (read_positive(of, "ratio", &r->ratio, err) < 0 ||
        read_positive(of, "low", &r->low, err) < 0 ||
        read_positive(of, "high", &r->high, err) < 0) {
        return -1;
    }
    return r->low <= r->ratio && r->ratio <= r->high
               ? 0
               : wrong(of, err, "has a ratio that is not between low and high");
}

/* The platform of that name, in normal form; NULL: the catalogue has none. */
static const struct weft_platform_info *platform_named(const char *text)
{
    size_t n;
    const struct weft_platform_info *all = weft_catalogue(&n);

    for (size_t i = 0; i < n; i++) {
        char name[WEFT_PLATFORM_SIZE];

        if (strcmp(weft_platform_format(&all[i].platform, name), text) == 0) {
            return &all[i];
        }
    }
    return NULL;
}

/* --- the machine --- */

static int read_numbers(const struct place *at, struct weft_facts *f, struct weft_err **err)
{
    int64_t cpus, allowed, memory = 0;

    if (read_whole(at, "cpus", 1, CPUS_MAX, &cpus, err) < 0 ||
        read_whole(at, "cpus_allowed", 1, CPUS_MAX, &allowed, err) < 0 ||
        (weft_json_get(at->j, "memory_bytes") &&
         read_whole(at, "memory_bytes", 1, INT64_MAX, &memory, err) < 0)) {
        return -1;
    }
    f->cpus = (long)cpus;
    f->cpus_allowed = (long)allowed;
    f->memory_bytes = (uint64_t)memory;
    return 0;
}

static int read_machine(const struct place *top, struct weft_facts *f, struct weft_err **err)
{
    struct place at = member(top, "machine");
    struct place platform = member(&at, "platform");
    const struct weft_platform_info *p;
    weft_auto_free char *name = NULL;

    if (check_object(&at, err) < 0 || read_text(&platform, &name, err) < 0) {
        return -1;
    }
    p = platform_named(name);
    if (!p) {
        return wrong(&platform, err, "is not a platform that weft knows: \"%s\"", name);
    }
    f->platform = p->platform;
    if (read_some(&at, "cpu", &f->cpu, err) < 0 || read_strings(&at, "flags", &f->flags, err) < 0 ||
        read_numbers(&at, f, err) < 0 || read_some(&at, "kernel", &f->kernel, err) < 0 ||
        read_string(&at, "hypervisor", &f->hypervisor, err) < 0 ||
        read_some(&at, "vendor", &f->vendor, err) < 0 ||
        read_some(&at, "product", &f->product, err) < 0 ||
        read_some(&at, "instance_type", &f->instance_type, err) < 0 ||
        read_some(&at, "node", &f->node, err) < 0 || read_some(&at, "pool", &f->pool, err) < 0) {
        return -1;
    }
    if (strcmp(f->hypervisor, "none") == 0) {
        free(weft_steal(&f->hypervisor));
    }
    return 0;
}

static int read_conditions(const struct place *top, struct weft_bench_result *r,
                           struct weft_err **err)
{
    struct place at = member(top, "conditions");
    int64_t cpu;

    if (check_object(&at, err) < 0 || read_whole(&at, "cpu", 0, CPUS_MAX, &cpu, err) < 0 ||
        read_real(&at, "load_before", INFINITY, &r->load_before, err) < 0 ||
        read_real(&at, "load_after", INFINITY, &r->load_after, err) < 0 ||
        read_real(&at, "stolen", 1, &r->stolen, err) < 0) {
        return -1;
    }
    r->cpu = (int)cpu;
    return 0;
}

/* --- targets --- */

static int read_sample(const struct place *at, struct weft_bench_sample *s, struct weft_err **err)
{
    int64_t native, emulated;

    if (check_object(at, err) < 0 || read_whole(at, "native_ns", 1, INT64_MAX, &native, err) < 0 ||
        read_whole(at, "emulated_ns", 1, INT64_MAX, &emulated, err) < 0 ||
        read_real(at, "stolen", 1, &s->stolen, err) < 0 ||
        read_bool(at, "counted", &s->counted, err) < 0) {
        return -1;
    }
    s->native_ns = (uint64_t)native;
    s->emulated_ns = (uint64_t)emulated;
    return 0;
}

static int read_samples(const struct place *of, struct weft_bench_kernel *k, struct weft_err **err)
{
    struct place list = member(of, "samples");
    bool counted = false;

    if (check_list(&list, SAMPLES_MAX, err) < 0) {
        return -1;
    }
    k->samples = weft_xcalloc(weft_json_len(list.j) + 1, sizeof(*k->samples));
    for (; k->n < weft_json_len(list.j); k->n++) {
        struct place at = item(&list, k->n);

        if (read_sample(&at, &k->samples[k->n], err) < 0) {
            return -1;
        }
        counted = counted || k->samples[k->n].counted;
    }
    return counted ? 0 : wrong(&list, err, "has none that is counted");
}

static int read_measured(const struct place *at, struct weft_bench_kernel *k, struct weft_err **err)
{
    int64_t iterations;

    if (read_ratio(at, &k->ratio, err) < 0 ||
        read_whole(at, "iterations", 1, INT64_MAX, &iterations, err) < 0 ||
        (weft_json_get(at->j, "mhz") && read_positive(at, "mhz", &k->mhz, err) < 0) ||
        read_strings(at, "noise", &k->noise, err) < 0 || read_samples(at, k, err) < 0) {
        return -1;
    }
    k->iterations = (uint64_t)iterations;
    return 0;
}

static int read_kernel(const struct place *at, struct weft_bench_kernel *k, struct weft_err **err)
{
    bool failed = weft_json_get(at->j, "failure");
    bool skipped = weft_json_get(at->j, "skipped");

    if (check_object(at, err) < 0 || read_reason(at, "name", &k->name, err) < 0 ||
        read_bool(at, "plain", &k->plain, err) < 0) {
        return -1;
    }
    if (failed && skipped) {
        return wrong(at, err, "has failed and was not run: only one can be");
    }
    return failed    ? read_reason(at, "failure", &k->failure, err)
           : skipped ? read_reason(at, "skipped", &k->skipped, err)
                     : read_measured(at, k, err);
}

static int read_kernels(const struct place *of, struct weft_bench_target *t, struct weft_err **err)
{
    struct place list = member(of, "kernels");

    if (check_list(&list, KERNELS_MAX, err) < 0) {
        return -1;
    }
    t->kernels = weft_xcalloc(weft_json_len(list.j) + 1, sizeof(*t->kernels));
    while (t->n < weft_json_len(list.j)) {
        struct weft_bench_kernel *k = &t->kernels[t->n];
        struct place at = item(&list, t->n);

        t->n++; /* what is half read is freed with the target */
        if (read_kernel(&at, k, err) < 0) {
            return -1;
        }
        for (size_t i = 0; i + 1 < t->n; i++) {
            if (t->kernels[i].plain == k->plain && strcmp(t->kernels[i].name, k->name) == 0) {
                return wrong(&at, err, "is the same kernel as kernels[%zu]: \"%s\"", i, k->name);
            }
        }
    }
    return 0;
}

static int read_mean(const struct place *of, struct weft_bench_target *t, struct weft_err **err)
{
    struct place at = member(of, "mean");

    if (check_object(&at, err) < 0) {
        return -1;
    }
    return weft_json_get(at.j, "ratio") || weft_json_get(at.j, "low") || weft_json_get(at.j, "high")
               ? read_ratio(&at, &t->mean, err)
               : 0;
}

static int read_target(const struct place *at, struct weft_bench_target *t, struct weft_err **err)
{
    struct place qemu = member(at, "qemu");
    weft_auto_free char *name = NULL;

    if (check_object(at, err) < 0 || read_string(at, "platform", &name, err) < 0 ||
        check_object(&qemu, err) < 0 || read_reason(&qemu, "path", &t->qemu, err) < 0 ||
        read_some(&qemu, "version", &t->version, err) < 0 ||
        read_some(at, "cpu_model", &t->model, err) < 0 ||
        read_some(at, "programs", &t->programs, err) < 0 || read_mean(at, t, err) < 0 ||
        read_kernels(at, t, err) < 0) {
        return -1;
    }
    t->platform = platform_named(name);
    if (!t->platform) {
        weft_debug("left out of a result: %s, which is no platform that weft knows", name);
    }
    return 0;
}

static int read_targets(const struct place *top, struct weft_bench_result *r, struct weft_err **err)
{
    struct place list = member(top, "targets");
    size_t n;

    if (check_list(&list, TARGETS_MAX, err) < 0) {
        return -1;
    }
    n = weft_json_len(list.j);
    r->targets = weft_xcalloc(n + 1, sizeof(*r->targets));
    for (size_t i = 0; i < n; i++) {
        struct weft_bench_target *t = &r->targets[r->n++];
        struct place at = item(&list, i);

        if (read_target(&at, t, err) < 0) {
            return -1;
        }
        for (size_t k = 0; k + 1 < r->n; k++) {
            if (weft_bench_target_same(t, &r->targets[k])) {
                return wrong(&at, err, "is there twice: the same platform, QEMU and CPU model");
            }
        }
        if (!t->platform) {
            weft_bench_target_finish(t);
            *t = (struct weft_bench_target){0};
            r->n--;
        }
    }
    return 0;
}

/* What has to be known of all kernels: that their samples are not too many, and whether one did
 * wrong. */
static int look_over(const struct place *top, struct weft_bench_result *r, struct weft_err **err)
{
    struct place targets = member(top, "targets");
    size_t samples = 0;

    for (size_t t = 0; t < r->n; t++) {
        for (size_t k = 0; k < r->targets[t].n; k++) {
            samples += r->targets[t].kernels[k].n;
            r->failed = r->failed || r->targets[t].kernels[k].failure;
        }
    }
    return samples <= ALL_SAMPLES_MAX
               ? 0
               : wrong(&targets, err, "have more than %d samples", ALL_SAMPLES_MAX);
}

static bool is_near(double a, double b)
{
    return fabs(a - b) <= 1e-6 * b;
}

/* Whether the ratio that is written down is that of the samples. */
static bool is_of_samples(const struct weft_bench_kernel *k)
{
    weft_auto_free double *ratios = weft_xcalloc(k->n + 1, sizeof(*ratios));
    size_t n = 0;

    for (size_t i = 0; i < k->n; i++) {
        if (k->samples[i].counted) {
            ratios[n++] = (double)k->samples[i].emulated_ns / (double)k->samples[i].native_ns;
        }
    }
    return n > 0 && is_near(k->ratio.ratio, weft_stats_median(ratios, n));
}

static bool is_of_kernels(const struct weft_bench_target *t)
{
    double sum = 0;
    size_t n = 0;

    for (size_t i = 0; i < t->n; i++) {
        if (weft_bench_kernel_counts(&t->kernels[i])) {
            sum += log(t->kernels[i].ratio.ratio);
            n++;
        }
    }
    return n > 0 && is_near(t->mean.ratio, exp(sum / (double)n));
}

/* What is right is not computed anew, with its interval: that takes most of the time. */
static void sum_up(struct weft_bench_result *r)
{
    for (size_t t = 0; t < r->n; t++) {
        struct weft_bench_target *target = &r->targets[t];

        for (size_t k = 0; k < target->n; k++) {
            if (!is_of_samples(&target->kernels[k])) {
                (void)weft_bench_kernel_sum_up(&target->kernels[k]);
            }
        }
        if (!is_of_kernels(target)) {
            weft_bench_target_sum_up(target);
        }
    }
}

/* --- the whole --- */

static int check_kind(const struct place *top, struct weft_err **err)
{
    const char *kind = weft_json_str(top->j, "kind");
    int64_t schema;

    if (!kind || strcmp(kind, "weft bench") != 0) {
        weft_fail(err, WEFT_E_FORMAT, "this is no result of weft bench");
        return weft_err_hint(err, "weft bench run --output FILE writes one");
    }
    if (read_whole(top, "schema", 1, INT64_MAX, &schema, err) < 0) {
        return -1;
    }
    if (schema > WEFT_BENCH_SCHEMA) {
        weft_fail(err, WEFT_E_FORMAT, "written by a newer weft: its schema is %lld, this weft's %d",
                  (long long)schema, WEFT_BENCH_SCHEMA);
        return weft_err_hint(err, "use that weft");
    }
    return 0;
}

static int read_started(const struct place *top, time_t *out, struct weft_err **err)
{
    struct place at = member(top, "started");
    weft_auto_free char *text = NULL;

    if (read_text(&at, &text, err) < 0) {
        return -1;
    }
    return weft_parse_time_utc(text, out) < 0
               ? wrong(&at, err, "is not a time as 2026-11-23T21:45:00Z")
               : 0;
}

static int read_result(const struct place *top, struct weft_bench_result *r, struct weft_err **err)
{
    bool complete;

    if (check_kind(top, err) < 0 || read_string(top, "weft", &r->weft, err) < 0 ||
        read_started(top, &r->started, err) < 0 ||
        read_real(top, "seconds", INFINITY, &r->seconds, err) < 0 ||
        read_bool(top, "quick", &r->quick, err) < 0 ||
        read_bool(top, "complete", &complete, err) < 0 || read_machine(top, &r->machine, err) < 0 ||
        read_conditions(top, r, err) < 0 || read_targets(top, r, err) < 0 ||
        read_strings(top, "skipped", &r->skipped, err) < 0) {
        return -1;
    }
    r->interrupted = !complete;
    return look_over(top, r, err);
}

int weft_bench_result_parse_kept(const struct weft_json *j, struct weft_bench_result *out,
                                 struct weft_err **err)
{
    const struct place top = {.j = j};
    struct weft_bench_result r = {0};

    if (read_result(&top, &r, err) < 0) {
        weft_bench_result_finish(&r);
        return -1;
    }
    *out = r;
    return 0;
}

int weft_bench_result_parse(const struct weft_json *j, struct weft_bench_result *out,
                            struct weft_err **err)
{
    if (weft_bench_result_parse_kept(j, out, err) < 0) {
        return -1;
    }
    sum_up(out);
    return 0;
}

int weft_bench_result_load(const char *path, struct weft_bench_result *out, struct weft_err **err)
{
    bool from_stdin = strcmp(path, "-") == 0;
    weft_auto_free char *name = from_stdin ? weft_xstrdup("standard input") : weft_printable(path);
    weft_auto_free char *text = NULL;
    weft_auto_json j = NULL;
    size_t len;

    if ((from_stdin ? weft_read_fd(STDIN_FILENO, name, FILE_MAX_BYTES, &text, &len, err)
                    : weft_read_file(path, FILE_MAX_BYTES, &text, &len, err)) < 0) {
        return -1;
    }
    if (len == 0) {
        return weft_fail(err, WEFT_E_FORMAT, "%s is empty", name);
    }
    j = weft_json_parse(text, len, err);
    if (!j || weft_bench_result_parse(j, out, err) < 0) {
        return weft_err_wrap(err, "%s", name);
    }
    return 0;
}
