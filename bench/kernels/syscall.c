/* SPDX-License-Identifier: Apache-2.0 */
/* System calls that do next to nothing: what the way into the kernel and back costs. */
#include "bench/kernels/kernels.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
    MESSAGE = 64
};

static void run_syscall(struct kernel_run *run)
{
    uint8_t out[MESSAGE] = {0}, in[MESSAGE];
    int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    int pipes[2];
    long parent = getppid();

    kernel_need(zero >= 0 && null >= 0 && pipe2(pipes, O_CLOEXEC) == 0);
    kernel_begin(run);
    for (uint64_t n = 0; n < run->iterations; n++) {
        struct iovec parts[2] = {{in, MESSAGE / 2}, {in + MESSAGE / 2, MESSAGE / 2}};
        struct pollfd ready = {pipes[0], POLLIN, 0};
        struct stat st;

        out[n % MESSAGE] = (uint8_t)(n * 31);
        kernel_need(syscall(SYS_getppid) == parent);
        kernel_need(read(zero, in, 1) == 1 && in[0] == 0);
        kernel_need(write(null, out, MESSAGE) == MESSAGE);
        kernel_need(fstat(null, &st) == 0 && S_ISCHR(st.st_mode));
        kernel_need(fcntl(zero, F_GETFD) == FD_CLOEXEC);
        kernel_need(write(pipes[1], out, MESSAGE) == MESSAGE);
        kernel_need(poll(&ready, 1, 1000) == 1);
        kernel_need(readv(pipes[0], parts, 2) == MESSAGE);
        kernel_mix(run, kernel_hash((const char *)in, MESSAGE));
    }
    kernel_end(run);
    close(pipes[0]);
    close(pipes[1]);
    close(null);
    close(zero);
}

const struct kernel kernel_syscall = {"syscall", 13000, "system calls: pipe, poll, stat and others",
                                      run_syscall};
