/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small program is started and waited for, as a shell does it: fork, exec, wait. Under QEMU, exec
 * goes to the machine's own kernel: a program of the guest needs a handler for it there.
 */
#include "bench/kernels/kernels.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    NO_EXEC = 126,
    NO_HANDLER = 127
};

static int start_and_wait(char *program)
{
    static char option[] = "--exit";
    char *args[] = {program, option, NULL};
    int status = -1;
    pid_t pid;

    pid = fork();
    if (pid == 0) {
        execv(program, args);
        _exit(errno == ENOEXEC ? NO_HANDLER : NO_EXEC);
    }
    kernel_need(pid > 0 && waitpid(pid, &status, 0) == pid);
    return status;
}

static void run_fork_exec(struct kernel_run *run)
{
    kernel_begin(run);
    for (uint64_t n = 0; n < run->iterations; n++) {
        int status = start_and_wait(run->program);

        if (WIFEXITED(status) && WEXITSTATUS(status) == NO_HANDLER) {
            kernel_give_up(KERNEL_SKIPPED, "the kernel has no handler for %s", run->program);
        }
        if (status != 0) {
            kernel_fail("%s: wait status 0x%x", run->program, (unsigned int)status);
        }
        kernel_mix(run, n);
    }
    kernel_end(run);
}

const struct kernel kernel_fork_exec = {"fork-exec", 115, "a small program started and waited for",
                                        run_fork_exec};
