/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: bench-page [--hostile] [NODES]
 *
 * Prints the page of `weft bench compare --html` for made-up nodes (5), the same each time: in
 * pools, with and without a price, native and emulated, with failed, skipped, noisy and missing
 * kernels, ties, and long names. --hostile: names are markup, as a result could have them that
 * nobody's weft wrote.
 */
#include "config.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "bench/compare.h"
#include "engine/bench_page.h"

enum {
    NODES_MAX = 1000,
    PAIRS = 5,
    NATIVE_NS = 40 * 1000 * 1000,
};

/* A kind of machine. */
static const struct kind {
    const char *cpu, *pool, *name;
    const char *os_arch;
    double speed; /* of native runs; 1: the first */
    double price;
} kinds[] = {
    {"AMD EPYC 9R14", "c7a.2xlarge", "ci-amd", "linux/amd64", 1, 0.41},
    {"AMD EPYC 9R14", "c7a.2xlarge", "ci-amd", "linux/amd64", 1.004, 0.41},
    {"Intel(R) Xeon(R) Platinum 8488C", "c7i.2xlarge",
     "ip-10-0-12-34.eu-central-1.compute.internal", "linux/amd64", 1.13, 0.357},
    {"implementer 0x41, part 0xd4f", "r8g.large", "graviton", "linux/arm64", 0.94, 0.118},
    {"Intel(R) Core(TM) i5-7500T CPU @ 2.70GHz", "closet", "closet", "linux/amd64", 2.31, 0},
};

static const struct {
    const char *name;
    bool plain;
    double ratio;
} kernels[] = {
    {"interp", false, 9.2},   {"sha256", false, 7.9},        {"lz", false, 8.6},
    {"sort", false, 6.4},     {"float", false, 27},          {"vector", false, 31},
    {"stream", false, 1.2},   {"syscall", false, 2.4},       {"files", false, 2.6},
    {"fork-exec", false, 19}, {"threads", false, 4.1},       {"signals", false, 14},
    {"mmap", false, 1.9},     {"calls", false, 11},          {"calls", true, 10.4},
    {"compiler", false, 8.8}, {"start-dynamic", false, 7.7}, {"start-large", false, 96},
};

static const struct {
    const char *platform, *version, *model;
    double times;
} targets[] = {
    {"linux/arm64", "7.2.22", "cortex-a53", 1},     {"linux/arm64", "7.2.22", "max", 1.9},
    {"linux/arm64", "10.0.13", "cortex-a53", 1.08}, {"linux/arm64", "10.0.13", "max", 1.2},
    {"linux/riscv64", "7.2.22", "rv64", 1.3},       {"linux/riscv64", "10.0.13", "rv64", 1.1},
    {"linux/s390x", "10.0.13", "z14", 1.7},         {"linux/s390x", "10.0.13", "max", 1.72},
};

static const char *const hostile[] = {
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "</style></td></table></title><svg onload='alert(1)'>",
    "' autofocus onfocus='alert(1)",
    "&lt;b&gt; \x1b[31m\xff \xe2\x80\xae {{7*7}} <!-- ]]>",
};

static double noise(void)
{
    static unsigned long state = 1;

    state = (state * 1103515245UL + 12345UL) % 2147483648UL;
    return (double)state / 2147483648.0 - 0.5;
}

static const struct weft_platform_info *find(const char *name)
{
    size_t n;
    const struct weft_platform_info *all = weft_catalogue(&n);
    char buf[WEFT_PLATFORM_SIZE];

    for (size_t i = 0; i < n; i++) {
        if (weft_str_eq(weft_platform_format(&all[i].platform, buf), name)) {
            return &all[i];
        }
    }
    abort();
}

static void measure(struct weft_bench_kernel *k, double native, double ratio, double spread)
{
    double ratios[PAIRS];

    k->samples = weft_xcalloc(PAIRS, sizeof(*k->samples));
    k->n = PAIRS;
    k->iterations = 1000;
    for (size_t i = 0; i < PAIRS; i++) {
        double own = NATIVE_NS * native * (1 + 0.01 * noise());

        k->samples[i].native_ns = (uint64_t)own;
        k->samples[i].emulated_ns = (uint64_t)(own * ratio * (1 + spread * noise()));
        k->samples[i].counted = true;
        ratios[i] = (double)k->samples[i].emulated_ns / (double)k->samples[i].native_ns;
    }
    k->ratio = weft_stats_ratio(ratios, PAIRS);
}

/* node, target, kernel: which one of a node's goes wrong, and how */
static void set_kernel(struct weft_bench_kernel *k, size_t node, size_t t, size_t i, double native)
{
    bool pac = strcmp(targets[t].model, "max") == 0 && !kernels[i].plain;
    double ratio = kernels[i].ratio * targets[t].times;

    k->name = weft_xstrdup(kernels[i].name);
    k->plain = kernels[i].plain;
    if (pac && t < 2 && strcmp(k->name, "calls") == 0) {
        ratio *= 3;
    }
    if (strcmp(k->name, "fork-exec") == 0 && node % 5 == 2) {
        k->skipped = weft_xstrdup("no handler of its own: Linux 6.7 or later is needed");
    } else if (strcmp(k->name, "interp") == 0 && node % 5 == 4 && t == 5) {
        k->failure = weft_xstrdup("a wrong result: 0123456789abcdef, natively fedcba9876543210");
    } else if (strcmp(k->name, "files") == 0 && node % 5 == 4) {
        measure(k, native, ratio, 0.8);
        weft_strv_add(&k->noise, "other programs had 12 % of the CPU");
        weft_strv_add(&k->noise, "the interval is wide");
    } else if (!(strcmp(k->name, "mmap") == 0 && t == 3)) {
        measure(k, native, ratio, node % 5 == 4 ? 0.5 : 0.05);
    }
}

static void set_target(struct weft_bench_target *out, size_t node, size_t t, double native)
{
    out->platform = find(targets[t].platform);
    out->qemu = weft_fmt("/opt/qemu-%s/bin/qemu", targets[t].version);
    out->version = weft_xstrdup(targets[t].version);
    out->model = weft_xstrdup(targets[t].model);
    out->n = sizeof(kernels) / sizeof(kernels[0]);
    out->kernels = weft_xcalloc(out->n, sizeof(*out->kernels));
    for (size_t i = 0; i < out->n; i++) {
        set_kernel(&out->kernels[i], node, t, i, native);
    }
    weft_bench_target_sum_up(out);
}

static void set_machine(struct weft_facts *f, const struct kind *kind)
{
    static const char *const flags[] = {"fpu", "sse2", "avx", "avx2", "aes", "sha_ni", "erms"};

    f->platform = find(kind->os_arch)->platform;
    f->cpu = weft_xstrdup(kind->cpu);
    f->cpus = kind->price > 0.2 ? 8 : 2;
    f->cpus_allowed = f->cpus;
    f->memory_bytes = (uint64_t)f->cpus * 2000000000;
    f->kernel = weft_xstrdup("6.18.1");
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        weft_strv_add(&f->flags, flags[i]);
    }
    if (kind->price > 0) {
        f->hypervisor = weft_xstrdup("kvm");
        f->vendor = weft_xstrdup("Amazon EC2");
        f->instance_type = weft_xstrdup(kind->pool);
    }
}

static void set_result(struct weft_bench_result *r, size_t node)
{
    const struct kind *kind = &kinds[node % 5];
    size_t before = node / 5; /* of its kind; each is a bit slower */
    double native = kind->speed * (1 + 0.002 * (double)before);

    set_machine(&r->machine, kind);
    r->weft = weft_xstrdup("0.3");
    r->started = 1763900000 + (time_t)node * 40000;
    r->seconds = 611;
    r->interrupted = node == 4;
    r->load_before = 0.12;
    r->load_after = 1.01;
    r->stolen = kind->price > 0 ? 0.004 : 0;
    r->targets = weft_xcalloc(sizeof(targets) / sizeof(targets[0]), sizeof(*r->targets));
    for (size_t t = 0; t < sizeof(targets) / sizeof(targets[0]); t++) {
        if (strcmp(targets[t].platform, kind->os_arch) != 0 && !(node == 4 && t >= 6)) {
            set_target(&r->targets[r->n++], node, t, native);
        }
    }
    weft_strv_add(&r->skipped, "linux/386: runs natively");
}

/* Markup wherever a file could have some. */
static void make_hostile(struct weft_compare_node *node, struct weft_bench_result *r, size_t i)
{
    const char *text = hostile[i % (sizeof(hostile) / sizeof(hostile[0]))];
    char **strings[] = {
        &r->weft,           &r->machine.cpu,     &r->machine.kernel,       &r->machine.hypervisor,
        &r->machine.vendor, &r->machine.product, &r->machine.instance_type};

    node->name = weft_fmt("%s %zu", text, i);
    node->pool = text;
    for (size_t s = 0; s < sizeof(strings) / sizeof(strings[0]); s++) {
        free(*strings[s]);
        *strings[s] = weft_xstrdup(text);
    }
    weft_strv_add(&r->machine.flags, text);
    weft_strv_add(&r->skipped, text);
    for (size_t t = 0; t < r->n; t++) {
        struct weft_bench_target *target = &r->targets[t];

        free(target->model);
        target->model = weft_fmt("%s %zu", text, t);
        free(target->version);
        target->version = weft_xstrdup(text);
        for (size_t k = 0; k < target->n; k++) {
            /* one that no ranking needs */
            if (strcmp(target->kernels[k].name, "stream") == 0) {
                free(target->kernels[k].name);
                target->kernels[k].name = weft_xstrdup(text);
            }
            if (target->kernels[k].failure) {
                free(target->kernels[k].failure);
                target->kernels[k].failure = weft_xstrdup(text);
            }
            if (target->kernels[k].noise.n > 0) {
                weft_strv_add(&target->kernels[k].noise, text);
            }
        }
    }
}

int main(int argc, char **argv)
{
    bool bad = argc > 1 && strcmp(argv[1], "--hostile") == 0;
    long n = 5;
    int rc;
    weft_auto_err err = NULL;
    weft_auto_free char *page = NULL;
    struct weft_bench_result *results;
    struct weft_compare_node *nodes;
    struct weft_comparison c = {0};
    const struct weft_strv all = {0};

    if (argc - bad > 1 &&
        weft_parse_long(argv[argc - 1], 1, NODES_MAX, "number of nodes", &n, &err) < 0) {
        fprintf(stderr, "bench-page: %s\n", err->msg);
        return 2;
    }
    results = weft_xcalloc((size_t)n, sizeof(*results));
    nodes = weft_xcalloc((size_t)n, sizeof(*nodes));
    for (size_t i = 0; i < (size_t)n; i++) {
        set_result(&results[i], i);
        nodes[i].result = &results[i];
        nodes[i].name = weft_fmt("%s-%zu", kinds[i % 5].name, i + 1);
        nodes[i].pool = kinds[i % 5].pool;
        nodes[i].price = kinds[i % 5].price;
        if (bad) {
            free((char *)(uintptr_t)nodes[i].name);
            make_hostile(&nodes[i], &results[i], i);
        }
    }
    rc = weft_compare(nodes, (size_t)n, &all, &c, &err);
    if (rc < 0) {
        fprintf(stderr, "bench-page: %s\n", err->msg);
    } else {
        page = weft_bench_page(&c);
        fputs(page, stdout);
    }
    weft_comparison_finish(&c);
    for (size_t i = 0; i < (size_t)n; i++) {
        weft_bench_result_finish(&results[i]);
        free((char *)(uintptr_t)nodes[i].name);
    }
    free(results);
    free(nodes);
    return rc < 0 ? 1 : 0;
}
