/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls and returns, deep ones and through pointers: what call and return instructions cost, and
 * the signing of return addresses in kernels-branch-protection.
 */
#include "bench/kernels/kernels.h"

enum {
    FIBONACCI = 16,
    DEPTH = 1000,
    ROUNDS = 200
};

static KERNEL_OPAQUE uint32_t fibonacci(uint32_t n)
{
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

/* Not a call at the end, which would become a jump. */
static uint32_t odd(uint32_t depth, uint32_t x);

static KERNEL_OPAQUE uint32_t even(uint32_t depth, uint32_t x)
{
    return depth == 0 ? x : odd(depth - 1, x * 3) + 1;
}

static KERNEL_OPAQUE uint32_t odd(uint32_t depth, uint32_t x)
{
    return depth == 0 ? x : even(depth - 1, x ^ depth) * 5;
}

static KERNEL_OPAQUE uint32_t apply(uint32_t (*f)(uint32_t), uint32_t x)
{
    return f(x) + 1;
}

static uint32_t twice(uint32_t x)
{
    return x * 2;
}

static uint32_t thrice_plus(uint32_t x)
{
    return apply(twice, x) + x;
}

static uint32_t shifted(uint32_t x)
{
    return x >> 1 ^ 0x5bd1e995;
}

static void run_calls(struct kernel_run *run)
{
    static uint32_t (*volatile functions[])(uint32_t) = {twice, thrice_plus, shifted};
    uint32_t x = 1;

    if (fibonacci(FIBONACCI) != 987) {
        kernel_fail("a Fibonacci number is wrong");
    }
    kernel_begin(run);
    for (uint64_t n = 0; n < run->iterations; n++) {
        x += fibonacci(FIBONACCI - (uint32_t)(n & 1));
        x = even(DEPTH, x + (uint32_t)n);
        for (uint32_t i = 0; i < ROUNDS; i++) {
            x += apply(functions[i % 3], x);
        }
        kernel_mix(run, x);
    }
    kernel_end(run);
}

const struct kernel kernel_calls = {"calls", 9000, "calls and returns, deep and through pointers",
                                    run_calls};
