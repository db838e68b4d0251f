/* SPDX-License-Identifier: Apache-2.0 */
/* Quicksort, with insertion sort for short ranges: branches that cannot be foreseen. */
#include "bench/kernels/kernels.h"

#include <stdlib.h>

enum {
    COUNT = 4096,
    SHORT = 12
};

static void insertion_sort(uint32_t *v, int n)
{
    for (int i = 1; i < n; i++) {
        uint32_t x = v[i];
        int j = i;

        for (; j > 0 && v[j - 1] > x; j--) {
            v[j] = v[j - 1];
        }
        v[j] = x;
    }
}

static void swap(uint32_t *a, uint32_t *b)
{
    uint32_t x = *a;

    *a = *b;
    *b = x;
}

static KERNEL_OPAQUE void quicksort(uint32_t *v, int n)
{
    while (n > SHORT) {
        int middle = n / 2, i = 0, j = n - 1;

        /* The median of three is the pivot, and the other two stop the loops below. */
        if (v[middle] < v[0]) {
            swap(&v[middle], &v[0]);
        }
        if (v[n - 1] < v[0]) {
            swap(&v[n - 1], &v[0]);
        }
        if (v[n - 1] < v[middle]) {
            swap(&v[n - 1], &v[middle]);
        }
        uint32_t pivot = v[middle];

        while (i <= j) {
            while (v[i] < pivot) {
                i++;
            }
            while (v[j] > pivot) {
                j--;
            }
            if (i <= j) {
                swap(&v[i++], &v[j--]);
            }
        }
        if (j + 1 < n - i) {
            quicksort(v, j + 1);
            v += i;
            n -= i;
        } else {
            quicksort(v + i, n - i);
            n = j + 1;
        }
    }
    insertion_sort(v, n);
}

static void run_sort(struct kernel_run *run)
{
    uint32_t *v = kernel_alloc(COUNT * sizeof(*v));
    uint32_t seed = 4711;

    kernel_begin(run);
    for (uint64_t n = 0; n < run->iterations; n++) {
        uint32_t before = 0, after;

        for (int i = 0; i < COUNT; i++) {
            v[i] = kernel_random(&seed);
            before += v[i];
        }
        quicksort(v, COUNT);
        after = v[0];
        for (int i = 1; i < COUNT; i++) {
            if (v[i] < v[i - 1]) {
                kernel_fail("number %d is smaller than the one before", i);
            }
            after += v[i];
        }
        if (after != before) {
            kernel_fail("the numbers have become others");
        }
        kernel_mix(run, (uint64_t)v[COUNT / 3] << 32 | v[COUNT / 2]);
    }
    kernel_end(run);
    free(v);
}

const struct kernel kernel_sort = {"sort", 220, "quicksort of 4096 numbers", run_sort};
