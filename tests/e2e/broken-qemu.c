/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stands in the place of a QEMU program and becomes the real one, but takes something from it that
 * it needs: so that a QEMU or a kernel is broken in one respect. PROGRAM.how, beside it, has the
 * path of the real one in its first line and what to do in the second:
 *   fork, mremap, setitimer, getdents64, flock   the kernel refuses this system call (EPERM)
 *   crash    the same for fork, but by killing the process
 *   space    has an address space of 256 MiB
 *   hang     never ends where the guest program is called with "heap"
 *   kill     is killed there, as by somebody else
 *   run      runs another guest program in the place of the one in the third line: that in the
 * fourth
 */
#include "config.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define ANSWER(what) BPF_STMT(BPF_RET | BPF_K, what)

static int install(struct sock_filter *filter, unsigned short len)
{
    struct sock_fprog prog = {.len = len, .filter = filter};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
                   prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0
               ? 0
               : -1;
}

static int refuse(unsigned int nr)
{
    struct sock_filter filter[] = {
        LOAD(nr),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
        ANSWER(SECCOMP_RET_ERRNO | EPERM),
        ANSWER(SECCOMP_RET_ALLOW),
    };

    return install(filter, sizeof(filter) / sizeof(filter[0]));
}

/* New processes, not threads: those share their memory. clone3's flags are out of a filter's sight;
 * where it is missing, libc uses clone. */
static int refuse_fork(unsigned int answer)
{
    struct sock_filter filter[] = {
        LOAD(nr),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 0, 1),
        ANSWER(SECCOMP_RET_ERRNO | ENOSYS),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 3),
        LOAD(args[0]),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_VM, 1, 0),
        ANSWER(answer),
        ANSWER(SECCOMP_RET_ALLOW),
    };

    return install(filter, sizeof(filter) / sizeof(filter[0]));
}

/* One instruction of the guest program is another: as if QEMU got it wrong there. */
static int replace(int argc, char **argv, char *guest, char *other)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], guest) == 0) {
            argv[i] = other;
        }
    }
    return 0;
}

static int take_away(const char *what, int argc, char **argv)
{
    static const struct {
        const char *name;
        unsigned int nr;
    } calls[] = {
        {"mremap", SYS_mremap},
        {"setitimer", SYS_setitimer},
        {"getdents64", SYS_getdents64},
        {"flock", SYS_flock},
    };
    struct rlimit space = {256 << 20, 256 << 20};

    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (strcmp(what, calls[i].name) == 0) {
            return refuse(calls[i].nr);
        }
    }
    if (strcmp(what, "fork") == 0) {
        return refuse_fork(SECCOMP_RET_ERRNO | EPERM);
    }
    if (strcmp(what, "crash") == 0) {
        return refuse_fork(SECCOMP_RET_KILL_PROCESS);
    }
    if (strcmp(what, "space") == 0) {
        return setrlimit(RLIMIT_AS, &space);
    }
    if (strcmp(what, "kill") == 0) {
        return strcmp(argv[argc - 1], "heap") == 0 ? raise(SIGKILL) : 0;
    }
    if (strcmp(what, "hang") == 0) {
        while (strcmp(argv[argc - 1], "heap") == 0) {
            pause();
        }
        return 0;
    }
    return -1;
}

int main(int argc, char **argv)
{
    char path[4096], real[4096], what[64], guest[4096], other[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 8);
    FILE *f;

    if (n < 0) {
        return 125;
    }
    memcpy(path + n, ".how", 5);
    f = fopen(path, "re");
    n = f ? fscanf(f, "%4095s %63s %4095s %4095s", real, what, guest, other) : 0;
    if (!(n == 2 && take_away(what, argc, argv) == 0) &&
        !(n == 4 && strcmp(what, "run") == 0 && replace(argc, argv, guest, other) == 0)) {
        fprintf(stderr, "broken-qemu: %s: cannot do what it says\n", path);
        return 125;
    }
    execv(real, argv);
    return 125;
}
