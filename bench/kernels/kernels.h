/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernels of `weft bench` share: the clock around the work, the check of its result, and
 * the end of a run without a result. Kernels are programs of the guest: libc, libm and threads
 * only, nothing of weft; each is a file of its own, and kernels.c lists them
 * (docs/bench-kernels.md).
 *
 * A check depends on all of the work, and is the same on every machine: no size of a type, order of
 * bytes, address or time may go into it, and of floating point only results whose rounding IEEE 754
 * fixes (+, -, *, / and sqrt; the build forbids fused operations).
 */
#ifndef WEFT_BENCH_KERNELS_KERNELS_H
#define WEFT_BENCH_KERNELS_KERNELS_H

#include <stddef.h>
#include <stdint.h>

/** One run of one kernel. */
struct kernel_run {
    uint64_t iterations; /* at least 1 */
    char *program;       /* what the kernel fork-exec starts */
    uint64_t check;      /* so far */
    int64_t begun_ns;    /* of CLOCK_MONOTONIC */
    int64_t work_ns;     /* between kernel_begin() and kernel_end() */
};

/** A kernel: how it is called, how much is 40 ms on a current x86_64, and what it does. */
struct kernel {
    const char *name;
    uint64_t iterations;
    const char *what; /* one line */
    /** Sets up, calls kernel_begin(), does the work, calls kernel_end(), and puts all away. */
    void (*run)(struct kernel_run *run);
};

/** Start the clock: set-up is done. */
void kernel_begin(struct kernel_run *run);

/** Stop the clock: only putting away and judging are left. */
void kernel_end(struct kernel_run *run);

/** Have @a clean called before the program gives up; NULL: nothing is left to put away. */
void kernel_at_failure(void (*clean)(void));

/** How a run ends that has no result: the exit codes. */
enum kernel_end {
    KERNEL_FAILED = 1,   /* its result is wrong, or something that it needs failed */
    KERNEL_SKIPPED = 77, /* it cannot be run here, which is no fault of its own */
};

/** End the program, with the reason on stderr. */
void kernel_give_up(enum kernel_end how, const char *fmt, ...)
    __attribute__((format(printf, 2, 3), noreturn));

#define kernel_fail(...) kernel_give_up(KERNEL_FAILED, __VA_ARGS__)

/** What has to hold; says what it is, and errno as it is then. */
#define kernel_need(condition)                          \
    do {                                                \
        if (!(condition)) {                             \
            kernel_fail("not so: %s (%m)", #condition); \
        }                                               \
    } while (0)

/** Memory of @a size_bytes, zeroed. Returns: never NULL. Ownership: the caller's, free(). */
void *kernel_alloc(size_t size_bytes);

/** Make @a value part of the run's check. */
static inline void kernel_mix(struct kernel_run *run, uint64_t value)
{
    run->check = (run->check ^ value) * 0x9e3779b97f4a7c15u;
    run->check ^= run->check >> 29;
}

/** Next number of a xorshift generator; @a state is not 0. Returns: 1 to 2^32 - 1. */
static inline uint32_t kernel_random(uint32_t *state)
{
    uint32_t x = *state;

    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    *state = x;
    return x;
}

/** FNV-1a of @a size_bytes at @a data. */
static inline uint32_t kernel_hash(const char *data, size_t size_bytes)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < size_bytes; i++) {
        hash = (hash ^ (uint8_t)data[i]) * 16777619u;
    }
    return hash;
}

/** A kernel that is neither inlined nor known to its caller. */
#if defined(__GNUC__) && !defined(__clang__)
#define KERNEL_OPAQUE __attribute__((noipa))
#else
#define KERNEL_OPAQUE __attribute__((noinline))
#endif

extern const struct kernel kernel_interp, kernel_sha256, kernel_crc32, kernel_lz, kernel_sort;
extern const struct kernel kernel_hash_table, kernel_float, kernel_vector, kernel_stream;
extern const struct kernel kernel_chase, kernel_string, kernel_syscall, kernel_files;
extern const struct kernel kernel_fork_exec, kernel_threads, kernel_signals, kernel_mmap;
extern const struct kernel kernel_calls, kernel_compiler;

#endif
