/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "bench/profile.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "bench/facts.h"
#include "bench/kernels.h"
#include "bench/results.h"

enum {
    SCHEMA = 1,
    PAIRS_LEAST = 5, /* fewer were interrupted, and their interval says nothing */
    SPEEDS_MAX = 1000,
    LOCK_MS = 10 * 1000,
};

/* --- what may be compared --- */

static void gather(struct weft_facts *out)
{
    weft_auto_fd root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

    weft_facts_gather(root, out);
}

static bool same_machine(const struct weft_facts *a, const struct weft_facts *b)
{
    return weft_platform_eq(&a->platform, &b->platform) && weft_str_eq(a->cpu, b->cpu);
}

static bool is_measured(const struct weft_bench_kernel *k)
{
    size_t counted = 0;

    for (size_t i = 0; i < k->n; i++) {
        counted += k->samples[i].counted;
    }
    return weft_bench_kernel_counts(k) && counted >= PAIRS_LEAST;
}

/* The kernel of that name; NULL: it was not measured. */
static const struct weft_bench_kernel *measured(const struct weft_bench_target *t, const char *name)
{
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->kernels[i].name, name) == 0 && is_measured(&t->kernels[i])) {
            return &t->kernels[i];
        }
    }
    return NULL;
}

static bool has_failed(const struct weft_bench_target *t)
{
    for (size_t i = 0; i < t->n; i++) {
        if (t->kernels[i].failure) {
            return true;
        }
    }
    return false;
}

static bool has_quick_kernels(const struct weft_bench_target *t)
{
    size_t n;
    const char *const *names = weft_kernels_quick(&n);

    for (size_t i = 0; i < n; i++) {
        if (!measured(t, names[i])) {
            return false;
        }
    }
    return true;
}

/* --- the profile, made --- */

/* The newest word on a target. */
struct figure {
    struct weft_bench_target target;
    char *weft; /* that measured it */
    time_t started;
    bool failed;
};

struct figures {
    const struct weft_facts *machine;
    struct figure *v; /* the newest first */
    size_t n;
};

static void figures_finish(struct figures *f)
{
    for (size_t i = 0; i < f->n; i++) {
        weft_bench_target_finish(&f->v[i].target);
        free(f->v[i].weft);
    }
    free(f->v);
}

static bool known(const struct figures *f, const struct weft_bench_target *t)
{
    for (size_t i = 0; i < f->n; i++) {
        if (weft_bench_target_same(&f->v[i].target, t)) {
            return true;
        }
    }
    return false;
}

static bool add_result(struct weft_bench_result *r, void *data)
{
    struct figures *f = data;

    for (size_t i = 0; i < r->n && same_machine(&r->machine, f->machine); i++) {
        struct weft_bench_target *t = &r->targets[i];
        bool failed = has_failed(t);

        if (known(f, t) || (!failed && !has_quick_kernels(t))) {
            continue;
        }
        f->v = weft_xgrow(f->v, f->n, sizeof(*f->v));
        f->v[f->n++] = (struct figure){
            .target = *t,
            .weft = weft_xstrdup(r->weft),
            .started = r->started,
            .failed = failed,
        };
        *t = (struct weft_bench_target){0};
    }
    return true;
}

/* Whether the figure can be compared to others of its platform: all that are measured as `newest`
 * of the platform is. */
static bool comparable(const struct figure *f, const struct figure *newest)
{
    return !f->failed && f->target.platform == newest->target.platform &&
           strcmp(f->weft, newest->weft) == 0 &&
           weft_str_eq(f->target.programs, newest->target.programs);
}

/* The names of the kernels that all figures of a platform have. */
static void find_common(const struct figures *f, const struct figure *newest,
                        struct weft_strv *names)
{
    const struct weft_bench_target *t = &newest->target;

    for (size_t k = 0; k < t->n; k++) {
        bool common = is_measured(&t->kernels[k]);

        for (size_t i = 0; i < f->n && common; i++) {
            common = !comparable(&f->v[i], newest) || measured(&f->v[i].target, t->kernels[k].name);
        }
        if (common) {
            weft_strv_add(names, t->kernels[k].name);
        }
    }
}

static struct weft_ratio mean_over(const struct weft_bench_target *t, const struct weft_strv *names)
{
    weft_auto_free const struct weft_bench_kernel **kernels =
        weft_xcalloc(names->n + 1, sizeof(*kernels));

    for (size_t i = 0; i < names->n; i++) {
        kernels[i] = measured(t, names->v[i]);
    }
    return weft_bench_kernels_mean(kernels, names->n);
}

static struct weft_json *speed_json(const struct figure *f, const struct weft_strv *names)
{
    const struct weft_bench_target *t = &f->target;
    const struct weft_ratio mean = mean_over(t, names);
    weft_auto_free char *measured_at = weft_time_utc(f->started);
    struct weft_json *j = weft_bench_target_json(t);
    struct weft_json *kernels = weft_json_array();

    weft_json_set_real(j, "ratio", mean.ratio);
    weft_json_set_real(j, "low", mean.low);
    weft_json_set_real(j, "high", mean.high);
    weft_json_set_str(j, "measured", measured_at);
    for (size_t i = 0; i < names->n; i++) {
        weft_json_append_str(kernels, names->v[i]);
    }
    weft_json_set(j, "kernels", kernels);
    return j;
}

/* The newest figure of the platform of v[i] that is one. */
static const struct figure *newest_of(const struct figures *f, size_t i)
{
    const struct weft_platform_info *p = f->v[i].target.platform;

    for (size_t k = 0; k < f->n; k++) {
        if (f->v[k].target.platform == p && !f->v[k].failed) {
            return &f->v[k];
        }
    }
    return NULL;
}

static struct weft_json *profile_json(const struct figures *f)
{
    struct weft_json *j = weft_json_object();
    struct weft_json *machine = weft_json_object();
    struct weft_json *speeds = weft_json_array();
    char name[WEFT_PLATFORM_SIZE];

    weft_json_set_int(j, "schema", SCHEMA);
    weft_json_set_str(machine, "platform", weft_platform_format(&f->machine->platform, name));
    weft_json_set_str(machine, "cpu", f->machine->cpu);
    weft_json_set(j, "machine", machine);
    for (size_t i = 0; i < f->n; i++) {
        const struct figure *newest = newest_of(f, i);
        weft_auto_strv names = {0};

        if (newest && comparable(&f->v[i], newest)) {
            find_common(f, newest, &names);
            weft_json_append(speeds, speed_json(&f->v[i], &names));
        }
    }
    weft_json_set(j, "speeds", speeds);
    return j;
}

static int write_profile(const char *dir, const struct figures *f, struct weft_err **err)
{
    weft_auto_free char *path = weft_path_join(dir, "profile.json");
    weft_auto_json j = profile_json(f);
    weft_auto_free char *text = weft_json_dump(j, 1);
    weft_auto_free char *line = weft_fmt("%s\n", text);

    return weft_write_file(path, line, strlen(line), 0644, err);
}

int weft_profile_update(const char *state, struct weft_err **err)
{
    weft_auto_free char *dir = weft_results_open(state, err);
    weft_auto_free char *lock_path = NULL;
    weft_auto_fd lock = -1;
    struct weft_facts machine = {0};
    struct figures f = {.machine = &machine};
    int rc;

    if (!dir) {
        return -1;
    }
    /* two at once: the one that writes last has to have read what the other kept */
    lock_path = weft_path_join(dir, "lock");
    lock = weft_lock_open(lock_path, err);
    if (lock < 0) {
        return -1;
    }
    rc = weft_lock_wait(lock, true, LOCK_MS, err);
    if (rc <= 0) {
        return rc < 0 ? -1 : weft_fail(err, WEFT_E_IO, "%s is held by another", lock_path);
    }
    gather(&machine);
    weft_results_each(state, add_result, &f);
    rc = write_profile(dir, &f, err);
    figures_finish(&f);
    weft_facts_finish(&machine);
    return rc;
}

/* --- the profile, read --- */

static const struct weft_platform_info *platform_of(const struct weft_json *j)
{
    const char *text = weft_json_str(j, "platform");
    struct weft_platform p;

    return text && weft_platform_parse(text, &p, NULL) == 0 ? weft_catalogue_find(&p) : NULL;
}

/* What is not as we write it is left out. */
static void read_speed(const struct weft_json *j, struct weft_speeds *out)
{
    const struct weft_json *qemu = weft_json_get(j, "qemu");
    const char *path = weft_json_str(qemu, "path");
    const char *when = weft_json_str(j, "measured");
    struct weft_speed s = {
        .platform = platform_of(j),
        .ratio = weft_json_real(j, "ratio", 0),
        .low = weft_json_real(j, "low", 0),
        .high = weft_json_real(j, "high", 0),
    };

    if (!s.platform || !path || !when || weft_parse_time_utc(when, &s.measured) < 0 ||
        !(s.low > 0 && s.low <= s.ratio && s.ratio <= s.high)) {
        weft_debug("a speed in the profile is left out");
        return;
    }
    s.qemu = weft_xstrdup(path);
    s.version = weft_xstrdup_null(weft_json_str(qemu, "version"));
    s.model = weft_xstrdup_null(weft_json_str(j, "cpu_model"));
    weft_speeds_add(out, &s);
    free(s.qemu);
    free(s.version);
    free(s.model);
}

static bool is_of_this_machine(const struct weft_json *profile)
{
    const struct weft_json *j = weft_json_get(profile, "machine");
    const struct weft_platform_info *p = platform_of(j);
    struct weft_facts machine = {0};
    bool same;

    gather(&machine);
    same = p && weft_platform_eq(&p->platform, &machine.platform) &&
           weft_str_eq(weft_json_str(j, "cpu"), machine.cpu);
    weft_facts_finish(&machine);
    return same;
}

void weft_profile_load(const char *state, struct weft_speeds *out)
{
    weft_auto_free char *path = weft_fmt("%s/bench/profile.json", state);
    weft_auto_err err = NULL;
    weft_auto_json j = NULL;
    const struct weft_json *speeds;

    if (weft_state_readable(state, &weft_bench_state, &err) < 0) {
        weft_debug("there is no profile: %s", err->msg);
        return;
    }
    j = weft_json_load(path, &err);
    speeds = weft_json_get(j, "speeds");
    if (!j) {
        weft_debug("there is no profile: %s", err->msg);
        return;
    }
    if (weft_json_int(j, "schema", 0) != SCHEMA || weft_json_len(speeds) > SPEEDS_MAX) {
        weft_debug("%s is not of this weft", path);
        return;
    }
    if (!is_of_this_machine(j)) {
        weft_debug("%s is of another machine", path);
        return;
    }
    for (size_t i = 0; i < weft_json_len(speeds); i++) {
        read_speed(weft_json_at(speeds, i), out);
    }
}

/* --- two runs --- */

struct comparison {
    const struct weft_bench_result *now;
    struct weft_profile_change *out;
};

/* Over the kernels that both have. */
static void compare(const struct weft_bench_target *now, const struct weft_bench_target *then,
                    struct weft_profile_change *out)
{
    double sum = 0;

    for (size_t i = 0; i < now->n; i++) {
        const struct weft_bench_kernel *a = &now->kernels[i];
        const struct weft_bench_kernel *b = is_measured(a) ? measured(then, a->name) : NULL;

        if (b) {
            sum += log(a->ratio.ratio / b->ratio.ratio);
            out->n_kernels++;
        }
    }
    if (out->n_kernels > 0) {
        out->part = fabs(exp(sum / (double)out->n_kernels) - 1);
    }
}

static bool compare_result(struct weft_bench_result *r, void *data)
{
    const struct comparison *c = data;
    const char *weft = c->now->weft ? c->now->weft : PACKAGE_VERSION;
    bool more = false;

    if (r->started >= c->now->started || !same_machine(&r->machine, &c->now->machine) ||
        strcmp(r->weft, weft) != 0) {
        return true;
    }
    for (size_t i = 0; i < c->now->n; i++) {
        const struct weft_bench_target *t = &c->now->targets[i];

        for (size_t k = 0; k < r->n && c->out[i].n_kernels == 0; k++) {
            if (weft_bench_target_same(t, &r->targets[k]) &&
                weft_str_eq(t->programs, r->targets[k].programs)) {
                c->out[i].before = r->started;
                compare(t, &r->targets[k], &c->out[i]);
            }
        }
        more = more || c->out[i].n_kernels == 0;
    }
    return more;
}

void weft_profile_compare_last(const char *state, const struct weft_bench_result *now,
                               struct weft_profile_change *out)
{
    struct comparison c = {now, out};

    memset(out, 0, now->n * sizeof(*out));
    weft_results_each(state, compare_result, &c);
}
