/* SPDX-License-Identifier: Apache-2.0 */
/* Copy, scale, add and triad over arrays that no small cache holds: what memory gives. */
#include "bench/kernels/kernels.h"

#include <stdlib.h>

enum {
    COUNT = 1 << 20
}; /* of each array: 4 MiB */

static KERNEL_OPAQUE void copy(uint32_t *restrict to, const uint32_t *restrict from)
{
    for (int i = 0; i < COUNT; i++) {
        to[i] = from[i];
    }
}

static KERNEL_OPAQUE void scale(uint32_t *restrict to, const uint32_t *restrict from, uint32_t by)
{
    for (int i = 0; i < COUNT; i++) {
        to[i] = from[i] * by;
    }
}

static KERNEL_OPAQUE void add(uint32_t *restrict to, const uint32_t *restrict one,
                              const uint32_t *restrict two)
{
    for (int i = 0; i < COUNT; i++) {
        to[i] = one[i] + two[i];
    }
}

static KERNEL_OPAQUE void triad(uint32_t *restrict to, const uint32_t *restrict one,
                                const uint32_t *restrict two, uint32_t by)
{
    for (int i = 0; i < COUNT; i++) {
        to[i] = one[i] + two[i] * by;
    }
}

static void run_stream(struct kernel_run *run)
{
    uint32_t *a = kernel_alloc(COUNT * sizeof(*a)), *b = kernel_alloc(COUNT * sizeof(*b));
    uint32_t *c = kernel_alloc(COUNT * sizeof(*c));
    uint32_t sum = 0;

    for (uint32_t i = 0; i < COUNT; i++) {
        a[i] = i * 2654435761u;
        b[i] = c[i] = ~i;
    }
    kernel_begin(run);
    for (uint64_t n = 0; n < run->iterations; n++) {
        copy(c, a);
        scale(b, c, (uint32_t)n | 1);
        add(c, a, b);
        triad(a, b, c, 3);
        kernel_mix(run, a[n * 65537 % COUNT]);
    }
    kernel_end(run);
    for (int i = 0; i < COUNT; i++) {
        sum = sum * 31 + (a[i] ^ b[i] ^ c[i]);
    }
    kernel_mix(run, sum);
    free(c);
    free(b);
    free(a);
}

const struct kernel kernel_stream = {"stream", 55, "copy, scale, add and triad over 12 MiB",
                                     run_stream};
