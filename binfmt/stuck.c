/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "binfmt/stuck.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/str.h"

enum {
    STATUS_BYTES = 8192
};

static uint64_t bit(int signum)
{
    return 1ull << (signum - 1);
}

/* The value of "NAME:" in a status file, or NULL. */
static const char *field(const char *status, const char *name)
{
    size_t len = strlen(name);

    for (const char *line = status; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, len) == 0 && line[len] == ':') {
            return line + len + 1;
        }
    }
    return NULL;
}

static bool signals(const char *status, const char *name, uint64_t *set)
{
    const char *value = field(status, name);
    char *end;

    if (!value) {
        return false;
    }
    *set = strtoull(value, &end, 16);
    return end != value && *end == '\n';
}

/* "NSpid: 1012 1": its ids from the reader's namespace inwards. */
static bool is_init_below(const char *status)
{
    const char *p = field(status, "NSpid");
    long last = 0;
    int n = 0;

    while (p && *p && *p != '\n') {
        char *end;

        last = strtol(p, &end, 10);
        if (end == p) {
            return false;
        }
        n++;
        p = end + strspn(end, " \t");
    }
    return n > 1 && last == 1;
}

bool weft_stuck_status(const char *status, int *signum)
{
    /* what blocks all signals leaves these two out: the kernel lets nobody block the first, glibc
     * uses the second */
    const uint64_t never = bit(SIGKILL) | bit(SIGSTOP);
    const uint64_t glibc = bit(32) | bit(33);
    uint64_t blocked;
    uint64_t ignored;
    uint64_t caught;
    uint64_t waited;

    if (!is_init_below(status) || !signals(status, "SigBlk", &blocked) ||
        !signals(status, "SigIgn", &ignored) || !signals(status, "SigCgt", &caught)) {
        return false;
    }
    waited = ~blocked & ~never & ~glibc;
    if (waited == 0 || (waited & (waited - 1)) || (waited & (ignored | caught))) {
        return false;
    }
    if (waited & (bit(SIGCHLD) | bit(SIGCONT) | bit(SIGURG) | bit(SIGWINCH) | bit(SIGTSTP) |
                  bit(SIGTTIN) | bit(SIGTTOU))) {
        return false; /* these do not kill */
    }
    *signum = __builtin_ctzll(waited) + 1;
    return true;
}

static bool read_status(int task_fd, const char *tid, char text[STATUS_BYTES])
{
    weft_auto_free char *path = weft_fmt("%s/status", tid);
    weft_auto_fd fd = openat(task_fd, path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, STATUS_BYTES - 1);

    if (n < 0) {
        return false;
    }
    text[n] = '\0';
    return true;
}

/* The signal that some thread of a process waits for in vain, or 0. */
static int stuck_on(int proc_fd, const char *pid)
{
    weft_auto_free char *path = weft_fmt("%s/task", pid);
    int fd = openat(proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    weft_auto_dir tasks = fd < 0 ? NULL : fdopendir(fd);
    char text[STATUS_BYTES];
    struct dirent *e;
    int signum;

    while (tasks && (e = readdir(tasks))) {
        if (*e->d_name != '.' && read_status(fd, e->d_name, text)) {
            if (weft_stuck_status(text, &signum)) {
                return signum;
            }
            if (!is_init_below(text)) {
                return 0; /* nor are its other threads */
            }
        }
    }
    return 0;
}

void weft_stuck_scan(int proc_fd, void (*found)(pid_t pid, int signum, void *data), void *data)
{
    int fd = openat(proc_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    weft_auto_dir dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;

    while (dir && (e = readdir(dir))) {
        long pid;
        int signum;

        if (weft_parse_long(e->d_name, 2, INT32_MAX, "pid", &pid, NULL) == 0) {
            signum = stuck_on(proc_fd, e->d_name);
            if (signum) {
                found((pid_t)pid, signum, data);
            }
        }
    }
}
