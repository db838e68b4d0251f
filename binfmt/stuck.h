/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Emulated programs that cannot die. When a guest program is killed by a signal, QEMU
 * (linux-user/signal.c, 7.2) gives itself that signal with its default action, and waits for it
 * with all others blocked. But process 1 of a PID namespace gets no signal with a default action
 * from its own namespace (pid_namespaces(7)): the first program of a RUN step, and with it the
 * build, hangs for ever. Only SIGKILL from the namespace above helps, which is where weft's init
 * is.
 */
#ifndef WEFT_BINFMT_STUCK_H
#define WEFT_BINFMT_STUCK_H

#include <stdbool.h>
#include <sys/types.h>

/**
 * Whether the text of a /proc/PID/task/TID/status is that of a thread of process 1 of a namespace
 * below, which blocks every signal but one, and that one would kill it: it waits for a signal that
 * never comes, whatever happens.
 * @param signum set to that signal; untouched if not
 */
bool weft_stuck_status(const char *status, int *signum);

/**
 * Look through the processes below `proc_fd` (a directory like /proc) for such threads.
 * @param found called for each of their processes, once
 */
void weft_stuck_scan(int proc_fd, void (*found)(pid_t pid, int signum, void *data), void *data);

#endif
