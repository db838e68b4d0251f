/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/unit/bench_fixture.h"

#include <string.h>

#include "base/mem.h"
#include "bench/kernels.h"
#include "tests/helpers.h"

enum {
    SAMPLES = 7
};

static const struct weft_platform_info *platform_of(const char *name)
{
    struct weft_platform p;

    assert_int_equal(weft_platform_parse(name, &p, NULL), 0);
    return weft_catalogue_find(&p);
}

struct weft_bench_result bench_result(const char *node, const char *pool, const char *cpu)
{
    return (struct weft_bench_result){
        .weft = weft_xstrdup("1.0"),
        .machine = {.platform = platform_of("linux/amd64")->platform,
                    .cpu = weft_xstrdup_null(cpu),
                    .cpus = 4,
                    .cpus_allowed = 4,
                    .node = weft_xstrdup_null(node),
                    .pool = weft_xstrdup_null(pool)},
        .started = 1000,
        .seconds = 1,
    };
}

struct weft_bench_kernel *bench_kernel(struct weft_bench_target *t, const char *name,
                                       double native_ns, double emulated_ns, double spread,
                                       uint64_t iterations)
{
    struct weft_bench_kernel *k;

    t->kernels = weft_xrealloc(t->kernels, t->n + 1, sizeof(*t->kernels));
    k = &t->kernels[t->n++];
    *k = (struct weft_bench_kernel){.name = weft_xstrdup(name), .iterations = iterations};
    k->samples = weft_xcalloc(SAMPLES, sizeof(*k->samples));
    for (k->n = 0; k->n < SAMPLES; k->n++) {
        double part = 2.0 * (double)k->n / (SAMPLES - 1) - 1; /* -1 to 1 */
        double off = (1 + spread * part) * (double)iterations;

        k->samples[k->n] = (struct weft_bench_sample){
            .native_ns = (uint64_t)(native_ns * off + 0.5),
            .emulated_ns = (uint64_t)(emulated_ns * off + 0.5),
            .counted = true,
        };
    }
    weft_bench_kernel_sum_up(k);
    return k;
}

struct weft_bench_target *bench_target(struct weft_bench_result *r, const char *platform,
                                       const char *model, double native_ns, double emulated_ns,
                                       double spread, uint64_t iterations)
{
    struct weft_bench_target *t;
    size_t n;
    const char *const *quick = weft_kernels_quick(&n);

    r->targets = weft_xrealloc(r->targets, r->n + 1, sizeof(*r->targets));
    t = &r->targets[r->n++];
    *t = (struct weft_bench_target){.platform = platform_of(platform),
                                    .qemu = weft_xstrdup("/usr/bin/qemu"),
                                    .version = weft_xstrdup("7.2"),
                                    .model = weft_xstrdup(model)};
    for (size_t i = 0; i < n; i++) {
        double manyfold = (double)(i + 1);

        bench_kernel(t, quick[i], native_ns * manyfold, emulated_ns * manyfold, spread, iterations);
    }
    weft_bench_target_sum_up(t);
    return t;
}

static struct weft_bench_kernel *find(struct weft_bench_target *t, const char *kernel)
{
    for (size_t i = 0; i < t->n; i++) {
        if (strcmp(t->kernels[i].name, kernel) == 0) {
            return &t->kernels[i];
        }
    }
    fail_msg("no kernel %s", kernel);
    return NULL;
}

void bench_fail(struct weft_bench_target *t, const char *kernel, const char *failure)
{
    struct weft_bench_kernel *k = find(t, kernel);

    k->n = 0;
    k->ratio = (struct weft_ratio){0};
    k->failure = weft_xstrdup(failure);
    weft_bench_target_sum_up(t);
}

void bench_drop(struct weft_bench_target *t, const char *kernel)
{
    struct weft_bench_kernel *k = find(t, kernel);

    weft_bench_kernel_finish(k);
    *k = t->kernels[--t->n];
    weft_bench_target_sum_up(t);
}
