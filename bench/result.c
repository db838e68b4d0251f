/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "bench/result.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"

void weft_bench_kernel_finish(struct weft_bench_kernel *k)
{
    free(k->name);
    free(k->samples);
    weft_strv_finish(&k->noise);
    free(k->failure);
    free(k->skipped);
}

void weft_bench_target_finish(struct weft_bench_target *t)
{
    for (size_t i = 0; i < t->n; i++) {
        weft_bench_kernel_finish(&t->kernels[i]);
    }
    free(t->kernels);
    free(t->qemu);
    free(t->version);
    free(t->model);
    free(t->programs);
}

void weft_bench_result_finish(struct weft_bench_result *r)
{
    for (size_t i = 0; i < r->n; i++) {
        weft_bench_target_finish(&r->targets[i]);
    }
    free(r->targets);
    free(r->weft);
    weft_facts_finish(&r->machine);
    weft_strv_finish(&r->skipped);
    *r = (struct weft_bench_result){0};
}

char *weft_bench_target_how(const struct weft_bench_target *t)
{
    weft_auto_free char *version = weft_printable(t->version ? t->version : t->qemu);
    weft_auto_free char *model = weft_printable(t->model ? t->model : "its default CPU model");

    return weft_fmt("QEMU %s on %s", version, model);
}

bool weft_bench_target_same(const struct weft_bench_target *a, const struct weft_bench_target *b)
{
    return a->platform == b->platform && strcmp(a->qemu, b->qemu) == 0 &&
           weft_str_eq(a->version, b->version) && weft_str_eq(a->model, b->model);
}

bool weft_bench_kernel_counts(const struct weft_bench_kernel *k)
{
    return !k->failure && !k->skipped && !k->plain && k->ratio.ratio > 0;
}

/* The ratios of the pairs that count, into room for k->n. Gives their number. */
static size_t ratios_of(const struct weft_bench_kernel *k, double *ratios)
{
    size_t n = 0;

    for (size_t i = 0; i < k->n; i++) {
        if (k->samples[i].counted) {
            ratios[n++] = (double)k->samples[i].emulated_ns / (double)k->samples[i].native_ns;
        }
    }
    return n;
}

size_t weft_bench_kernel_sum_up(struct weft_bench_kernel *k)
{
    weft_auto_free double *ratios = weft_xcalloc(k->n + 1, sizeof(*ratios));
    size_t n = ratios_of(k, ratios);

    k->ratio = n > 0 ? weft_stats_ratio(ratios, n) : (struct weft_ratio){0};
    return n;
}

struct weft_ratio weft_bench_kernels_mean(const struct weft_bench_kernel *const *kernels, size_t n)
{
    weft_auto_free struct weft_stats_set *sets = weft_xcalloc(n + 1, sizeof(*sets));
    weft_auto_free double *ratios = NULL;
    double *at;
    size_t samples = 0;

    for (size_t i = 0; i < n; i++) {
        samples += kernels[i]->n;
    }
    ratios = weft_xcalloc(samples + 1, sizeof(*ratios));
    at = ratios;
    for (size_t i = 0; i < n; i++) {
        sets[i] = (struct weft_stats_set){at, ratios_of(kernels[i], at)};
        at += sets[i].n;
    }
    return n > 0 ? weft_stats_mean(sets, n) : (struct weft_ratio){0};
}

void weft_bench_target_sum_up(struct weft_bench_target *target)
{
    weft_auto_free const struct weft_bench_kernel **counting =
        weft_xcalloc(target->n + 1, sizeof(*counting));
    size_t n = 0;

    for (size_t i = 0; i < target->n; i++) {
        if (weft_bench_kernel_counts(&target->kernels[i])) {
            counting[n++] = &target->kernels[i];
        }
    }
    target->mean = weft_bench_kernels_mean(counting, n);
}

/* --- JSON --- */

static struct weft_json *strings(const struct weft_strv *v)
{
    struct weft_json *list = weft_json_array();

    for (size_t i = 0; i < v->n; i++) {
        weft_json_append_str(list, v->v[i]);
    }
    return list;
}

static struct weft_json *machine_json(const struct weft_facts *f)
{
    struct weft_json *j = weft_json_object();
    char name[WEFT_PLATFORM_SIZE];

    weft_json_set_str(j, "platform", weft_platform_format(&f->platform, name));
    weft_json_set_str(j, "cpu", f->cpu);
    weft_json_set(j, "flags", strings(&f->flags));
    weft_json_set_int(j, "cpus", f->cpus);
    weft_json_set_int(j, "cpus_allowed", f->cpus_allowed);
    if (f->memory_bytes > 0) {
        weft_json_set_int(j, "memory_bytes", (int64_t)f->memory_bytes);
    }
    weft_json_set_str(j, "kernel", f->kernel);
    weft_json_set_str(j, "hypervisor", f->hypervisor ? f->hypervisor : "none");
    weft_json_set_str(j, "vendor", f->vendor);
    weft_json_set_str(j, "product", f->product);
    weft_json_set_str(j, "instance_type", f->instance_type);
    weft_json_set_str(j, "node", f->node);
    weft_json_set_str(j, "pool", f->pool);
    return j;
}

static struct weft_json *conditions_json(const struct weft_bench_result *r)
{
    struct weft_json *j = weft_json_object();

    weft_json_set_int(j, "cpu", r->cpu);
    weft_json_set_real(j, "load_before", r->load_before);
    weft_json_set_real(j, "load_after", r->load_after);
    weft_json_set_real(j, "stolen", r->stolen);
    return j;
}

static void set_ratio(struct weft_json *j, const struct weft_ratio *r)
{
    if (r->ratio > 0) {
        weft_json_set_real(j, "ratio", r->ratio);
        weft_json_set_real(j, "low", r->low);
        weft_json_set_real(j, "high", r->high);
    }
}

static struct weft_json *sample_json(const struct weft_bench_sample *s)
{
    struct weft_json *j = weft_json_object();

    weft_json_set_int(j, "native_ns", (int64_t)s->native_ns);
    weft_json_set_int(j, "emulated_ns", (int64_t)s->emulated_ns);
    weft_json_set_real(j, "stolen", s->stolen);
    weft_json_set_bool(j, "counted", s->counted);
    return j;
}

static struct weft_json *kernel_json(const struct weft_bench_kernel *k)
{
    struct weft_json *j = weft_json_object();
    struct weft_json *samples = weft_json_array();

    weft_json_set_str(j, "name", k->name);
    weft_json_set_bool(j, "plain", k->plain);
    weft_json_set_str(j, "failure", k->failure);
    weft_json_set_str(j, "skipped", k->skipped);
    if (!k->failure && !k->skipped) {
        set_ratio(j, &k->ratio);
        weft_json_set_int(j, "iterations", (int64_t)k->iterations);
        if (k->mhz > 0) {
            weft_json_set_real(j, "mhz", k->mhz);
        }
        weft_json_set(j, "noise", strings(&k->noise));
        for (size_t i = 0; i < k->n; i++) {
            weft_json_append(samples, sample_json(&k->samples[i]));
        }
        weft_json_set(j, "samples", samples);
    } else {
        weft_json_free(samples);
    }
    return j;
}

struct weft_json *weft_bench_target_json(const struct weft_bench_target *t)
{
    struct weft_json *j = weft_json_object();
    struct weft_json *qemu = weft_json_object();
    char name[WEFT_PLATFORM_SIZE];

    weft_json_set_str(j, "platform", weft_platform_format(&t->platform->platform, name));
    weft_json_set_str(qemu, "path", t->qemu);
    weft_json_set_str(qemu, "version", t->version);
    weft_json_set(j, "qemu", qemu);
    weft_json_set_str(j, "cpu_model", t->model);
    return j;
}

static struct weft_json *target_json(const struct weft_bench_target *t)
{
    struct weft_json *j = weft_bench_target_json(t);
    struct weft_json *mean = weft_json_object();
    struct weft_json *kernels = weft_json_array();

    weft_json_set_str(j, "programs", t->programs);
    set_ratio(mean, &t->mean);
    weft_json_set(j, "mean", mean);
    for (size_t i = 0; i < t->n; i++) {
        weft_json_append(kernels, kernel_json(&t->kernels[i]));
    }
    weft_json_set(j, "kernels", kernels);
    return j;
}

struct weft_json *weft_bench_result_json(const struct weft_bench_result *r)
{
    struct weft_json *j = weft_json_object();
    struct weft_json *targets = weft_json_array();
    weft_auto_free char *started = weft_time_utc(r->started);

    weft_json_set_int(j, "schema", WEFT_BENCH_SCHEMA);
    weft_json_set_str(j, "kind", "weft bench");
    weft_json_set_str(j, "weft", r->weft ? r->weft : PACKAGE_VERSION);
    weft_json_set_str(j, "started", started);
    weft_json_set_real(j, "seconds", r->seconds);
    weft_json_set_bool(j, "quick", r->quick);
    weft_json_set_bool(j, "complete", !r->interrupted);
    weft_json_set(j, "machine", machine_json(&r->machine));
    weft_json_set(j, "conditions", conditions_json(r));
    for (size_t i = 0; i < r->n; i++) {
        weft_json_append(targets, target_json(&r->targets[i]));
    }
    weft_json_set(j, "targets", targets);
    weft_json_set(j, "skipped", strings(&r->skipped));
    return j;
}
