/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernels --list                         a line per kernel: NAME <tab> ITERATIONS <tab> DESCRIPTION
 * kernels NAME ITERATIONS [PROGRAM]      runs it: "NAME ITERATIONS NANOSECONDS CHECK"
 * kernels --exit                         ends at once: what fork-exec starts by default
 *
 * NANOSECONDS is the time of the work, without its set-up; CHECK is the same on every machine. Exit
 * code 1: the kernel failed; 77: it cannot be run here; 2: it was not called like this. Stderr has
 * the reason.
 */
#include "bench/kernels/kernels.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct kernel *const kernels[] = {
    &kernel_interp,     &kernel_sha256,  &kernel_crc32,  &kernel_lz,        &kernel_sort,
    &kernel_hash_table, &kernel_float,   &kernel_vector, &kernel_stream,    &kernel_chase,
    &kernel_string,     &kernel_syscall, &kernel_files,  &kernel_fork_exec, &kernel_threads,
    &kernel_signals,    &kernel_mmap,    &kernel_calls,  &kernel_compiler,
};

static const char *running = "";
static void (*clean_up)(void);

static int64_t now_ns(void)
{
    struct timespec t;

    kernel_need(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void kernel_begin(struct kernel_run *run)
{
    run->begun_ns = now_ns();
}

void kernel_end(struct kernel_run *run)
{
    run->work_ns = now_ns() - run->begun_ns;
}

void kernel_at_failure(void (*clean)(void))
{
    clean_up = clean;
}

void kernel_give_up(enum kernel_end how, const char *fmt, ...)
{
    va_list ap;

    fprintf(stderr, "%s: ", running);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    if (clean_up != NULL) {
        clean_up();
    }
    _exit((int)how);
}

void *kernel_alloc(size_t size_bytes)
{
    void *p = calloc(1, size_bytes);

    kernel_need(p != NULL);
    return p;
}

/* Where floating point is x87's: to 53 bits, as everywhere else. */
static void round_to_double(void)
{
#if defined(__i386__) && !defined(__SSE2_MATH__)
    uint16_t control;

    __asm__ volatile("fnstcw %0" : "=m"(control));
    control = (uint16_t)((control & ~0x300) | 0x200);
    __asm__ volatile("fldcw %0" : : "m"(control));
#endif
}

static int run_kernel(const struct kernel *kernel, const char *count, char *program)
{
    static char self[PATH_MAX];
    struct kernel_run run = {.program = program};
    char *end;

    errno = 0;
    run.iterations = strtoull(count, &end, 10);
    if (errno != 0 || *end != '\0' || count[0] < '0' || count[0] > '9' || run.iterations == 0) {
        fprintf(stderr, "%s: iterations are a number of at least 1, not \"%s\"\n", kernel->name,
                count);
        return 2;
    }
    running = kernel->name;
    if (program == NULL) {
        kernel_need(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
        run.program = self;
    }
    kernel_mix(&run, kernel_hash(kernel->name, strlen(kernel->name)));
    kernel_mix(&run, run.iterations);
    round_to_double();
    kernel->run(&run);
    printf("%s %" PRIu64 " %" PRId64 " %016" PRIx64 "\n", kernel->name, run.iterations, run.work_ns,
           run.check);
    return fflush(stdout) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    size_t n = sizeof(kernels) / sizeof(kernels[0]);

    if (argc == 2 && strcmp(argv[1], "--exit") == 0) {
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (size_t i = 0; i < n; i++) {
            printf("%s\t%" PRIu64 "\t%s\n", kernels[i]->name, kernels[i]->iterations,
                   kernels[i]->what);
        }
        return fflush(stdout) == 0 ? 0 : 1;
    }
    for (size_t i = 0; (argc == 3 || argc == 4) && i < n; i++) {
        if (strcmp(argv[1], kernels[i]->name) == 0) {
            return run_kernel(kernels[i], argv[2], argv[3]);
        }
    }
    fprintf(stderr, "usage: kernels --list | kernels NAME ITERATIONS [PROGRAM]\n");
    return 2;
}
