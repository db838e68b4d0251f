/* SPDX-License-Identifier: Apache-2.0 */
/* Memory mapped, touched page by page, protected, moved and unmapped: what page faults cost. */
#include "bench/kernels/kernels.h"

#include <sys/mman.h>

/* Multiples of the largest page that a machine may have. */
enum {
    STEP = 4096,
    PART = 65536,
    SIZE = 16 * PART
};

static KERNEL_OPAQUE uint32_t touch(char *map, size_t size, uint32_t value)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < size; i += STEP) {
        sum += (uint32_t)(unsigned char)map[i]; /* zero, or what was written before */
        map[i] = (char)(value + i / STEP);
    }
    return sum;
}

static void run_mmap(struct kernel_run *run)
{
    kernel_begin(run);
    for (uint64_t n = 0; n < run->iterations; n++) {
        uint32_t value = (uint32_t)n | 1;
        char *map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        kernel_need(map != MAP_FAILED);
        if (touch(map, SIZE, value) != 0) {
            kernel_fail("new memory is not zero");
        }
        kernel_need(mprotect(map + 4 * PART, PART, PROT_READ) == 0);
        kernel_need(mprotect(map + 4 * PART, PART, PROT_READ | PROT_WRITE) == 0);
        map = mremap(map, SIZE, 2 * SIZE, MREMAP_MAYMOVE);
        kernel_need(map != MAP_FAILED);
        kernel_mix(run, touch(map, 2 * SIZE, value));
        kernel_need(madvise(map + PART, 4 * PART, MADV_DONTNEED) == 0);
        kernel_mix(run, touch(map, SIZE, value));
        kernel_need(munmap(map, 2 * SIZE) == 0);
    }
    kernel_end(run);
}

const struct kernel kernel_mmap = {"mmap", 20, "memory mapped, touched, moved, unmapped", run_mmap};
