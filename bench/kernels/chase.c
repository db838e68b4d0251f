/* SPDX-License-Identifier: Apache-2.0 */
/* One walk through cells in random order, each in a cache line of its own: loads in a row. */
#include "bench/kernels/kernels.h"

#include <stdlib.h>

enum {
    CELLS = 1 << 17,
    HOPS = 4096
}; /* 8 MiB */

struct cell {
    uint32_t next, value;
    uint32_t fill[14];
};

static void run_chase(struct kernel_run *run)
{
    struct cell *cells = kernel_alloc(CELLS * sizeof(*cells));
    uint32_t seed = 271828, at = 0, sum = 0;

    /* Sattolo's shuffle: one cycle through all cells */
    for (uint32_t i = 0; i < CELLS; i++) {
        cells[i].next = i;
        cells[i].value = i * 40503;
    }
    for (uint32_t i = CELLS - 1; i > 0; i--) {
        uint32_t j = kernel_random(&seed) % i;
        uint32_t next = cells[i].next;

        cells[i].next = cells[j].next;
        cells[j].next = next;
    }
    kernel_begin(run);
    for (uint64_t n = 0; n < run->iterations; n++) {
        for (int i = 0; i < HOPS; i++) {
            at = cells[at].next;
            sum += cells[at].value;
        }
        kernel_mix(run, (uint64_t)at << 32 | sum);
    }
    kernel_end(run);
    free(cells);
}

const struct kernel kernel_chase = {"chase", 520, "a pointer chase through 8 MiB", run_chase};
