/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deny-mount COMMAND [ARG...]: runs a command for which the kernel refuses, with EPERM, the mount
 * of a binfmt_misc by weft-init, as a kernel before 6.7 does for every user namespace. A seccomp
 * filter sees no strings, so it goes by the mount's flags, a set that nothing else uses
 * (binfmt/sandbox.c). Needs root, or no_new_privs.
 */
#include "config.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LOW_HALF 0
#else
#define LOW_HALF 4
#endif

int main(int argc, char **argv)
{
    const unsigned flags = MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME;
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mount, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[3]) + LOW_HALF),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, flags, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

    if (argc < 2) {
        fprintf(stderr, "usage: deny-mount COMMAND [ARG...]\n");
        return 2;
    }
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0) {
        perror("deny-mount: PR_SET_SECCOMP");
        return 1;
    }
    execvp(argv[1], argv + 1);
    perror(argv[1]);
    return 127;
}
