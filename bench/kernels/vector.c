/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loops that the compiler turns into vector instructions where the machine's baseline has them. All
 * floating point results are exact, so that no machine rounds.
 */
#include "bench/kernels/kernels.h"

#include <stdlib.h>

enum {
    COUNT = 4096
};

struct arrays {
    float a[COUNT], b[COUNT];
    double c[COUNT];
    int32_t d[COUNT];
    uint32_t e[COUNT];
    uint8_t f[COUNT], g[COUNT];
    int16_t h[COUNT];
};

#ifdef __clang__
#define VECTOR KERNEL_OPAQUE
#else
#define VECTOR __attribute__((optimize("O3"))) KERNEL_OPAQUE
#endif

static VECTOR void floats(struct arrays *v)
{
    for (int i = 0; i < COUNT; i++) {
        v->b[i] = v->a[i] * 3.0f + v->b[i] * 0.5f; /* up to 17 bits */
    }
    for (int i = 0; i < COUNT; i++) {
        v->c[i] = (double)v->b[i] * v->c[i] - (double)v->a[i]; /* up to 34 */
    }
}

static VECTOR void words(struct arrays *v, uint32_t n)
{
    for (int i = 0; i < COUNT; i++) {
        v->e[i] = (v->e[i] ^ v->e[i] >> 7) + ((uint32_t)v->d[i] << 3) + n;
    }
    for (int i = 0; i < COUNT; i++) {
        v->d[i] = v->d[i] > 0 ? v->d[i] - (int32_t)(v->e[i] >> 20) : v->d[i] + 5000;
    }
}

/* Two rows of an image are blended, and their differences added up. */
static VECTOR uint32_t bytes(struct arrays *v)
{
    uint32_t sum = 0;

    for (int i = 0; i < COUNT; i++) {
        v->f[i] = (uint8_t)((v->f[i] + v->g[i] + 1) >> 1);
    }
    for (int i = 0; i < COUNT; i++) {
        v->h[i] = (int16_t)(v->f[i] - v->g[i]);
    }
    for (int i = 0; i < COUNT; i++) {
        sum += (uint32_t)(v->h[i] * v->h[i]);
    }
    return sum;
}

static void fill(struct arrays *v, uint32_t *seed)
{
    for (int i = 0; i < COUNT; i++) {
        uint32_t x = kernel_random(seed);

        v->a[i] = (float)(x >> 20);
        v->b[i] = (float)(x & 4094);
        v->c[i] = (double)(x >> 16);
        v->d[i] = (int32_t)(x >> 8 & 0xffff);
        v->e[i] = x;
        v->f[i] = (uint8_t)x;
        v->g[i] = (uint8_t)(x >> 24);
    }
}

static void run_vector(struct kernel_run *run)
{
    struct arrays *v = kernel_alloc(sizeof(*v)), *first = kernel_alloc(sizeof(*first));
    uint32_t seed = 31337;

    fill(first, &seed);
    *v = *first;
    kernel_begin(run);
    for (uint64_t n = 0; n < run->iterations; n++) {
        uint32_t at = (uint32_t)(n * 257 % COUNT);

        for (int i = 0; i < COUNT; i++) {
            v->b[i] = first->b[i];
            v->c[i] = first->c[i];
            v->g[i] = (uint8_t)(v->g[i] + n);
        }
        v->a[at] = (float)(n % 4096);
        floats(v);
        words(v, (uint32_t)n);
        kernel_mix(run, bytes(v));
        kernel_mix(run, (uint64_t)((int64_t)v->b[at] * 3 + (int64_t)v->c[at]) ^ v->e[at]);
    }
    kernel_end(run);
    for (int i = 0; i < COUNT; i++) {
        kernel_mix(run, (uint64_t)((int64_t)v->b[i] + (int64_t)v->c[i]) ^ v->e[i] ^
                            (uint64_t)(int64_t)v->d[i] << 32 ^ v->f[i]);
    }
    free(first);
    free(v);
}

const struct kernel kernel_vector = {"vector", 3000, "loops that compilers vectorise", run_vector};
