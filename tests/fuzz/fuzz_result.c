/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Results of benchmarks from anywhere: parsing them must not crash, what is accepted must keep the
 * promises of bench/result.h, and what is written of it must read as the same.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "bench/result.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void check_ratio(const struct weft_ratio *r)
{
    require(r->ratio > 0 && r->low > 0 && r->low <= r->ratio && r->ratio <= r->high);
}

static void check_kernel(const struct weft_bench_kernel *k)
{
    require(k->name && *k->name && !(k->failure && k->skipped));
    if (k->failure || k->skipped) {
        require(k->n == 0 && !weft_bench_kernel_counts(k));
    } else {
        require(k->iterations > 0 && k->n > 0);
        check_ratio(&k->ratio);
    }
}

static void check_target(const struct weft_bench_target *t)
{
    bool counts = false;

    require(t->platform && t->qemu && *t->qemu);
    for (size_t i = 0; i < t->n; i++) {
        check_kernel(&t->kernels[i]);
        counts = counts || weft_bench_kernel_counts(&t->kernels[i]);
    }
    if (counts) {
        check_ratio(&t->mean);
    } else {
        require(!(t->mean.ratio > 0));
    }
}

static void check_same_again(const struct weft_bench_result *r)
{
    struct weft_bench_result again = {0};
    weft_auto_json first = weft_bench_result_json(r);
    weft_auto_json second = NULL;
    weft_auto_free char *a = weft_json_dump(first, 0);
    weft_auto_free char *b = NULL;

    require(weft_bench_result_parse(first, &again, NULL) == 0);
    second = weft_bench_result_json(&again);
    b = weft_json_dump(second, 0);
    require(strcmp(a, b) == 0);
    weft_bench_result_finish(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_auto_json j = weft_json_parse((const char *)data, size, NULL);
    struct weft_bench_result r = {0};
    weft_auto_err err = NULL;

    if (!j) {
        return 0;
    }
    if (weft_bench_result_parse(j, &r, &err) < 0) {
        require(err && err->code == WEFT_E_FORMAT && !r.targets && !r.weft);
        return 0;
    }
    require(r.weft && r.machine.cpus >= 1 && r.stolen >= 0 && r.stolen <= 1);
    for (size_t i = 0; i < r.n; i++) {
        check_target(&r.targets[i]);
    }
    check_same_again(&r);
    weft_bench_result_finish(&r);
    return 0;
}
