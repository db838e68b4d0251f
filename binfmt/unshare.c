/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "binfmt/unshare.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "binfmt/handler.h"
#include "binfmt/sandbox.h"

/* The kernel's files take one write(). 0, or an errno value. */
static int put(const char *path, const char *text)
{
    weft_auto_fd fd = open(path, O_WRONLY | O_CLOEXEC);

    return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : errno;
}

/* NULL: done; or what was refused. Caller frees. */
static char *enter(const char *dir)
{
    static const struct weft_strv no_lines;
    weft_auto_free char *uids = weft_fmt("0 %u 1", (unsigned)geteuid());
    weft_auto_free char *gids = weft_fmt("0 %u 1", (unsigned)getegid());
    weft_auto_err err = NULL;
    int sys;

    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0) {
        return weft_fmt("user namespaces are refused: %s", strerror(errno));
    }
    sys = put("/proc/self/setgroups", "deny");
    sys = sys ? sys : put("/proc/self/uid_map", uids);
    sys = sys ? sys : put("/proc/self/gid_map", gids);
    if (sys) {
        return weft_fmt("id maps of user namespaces are refused: %s", strerror(sys));
    }
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        return weft_fmt("mount namespaces are refused: %s", strerror(errno));
    }
    switch (weft_sandbox_handlers(dir, &no_lines, &err)) {
    case 1:
        return NULL;
    case 0:
        return weft_fmt("the kernel lets no user namespace have a binfmt_misc (Linux >= 6.7 does)");
    default:
        return weft_xstrdup(err->msg);
    }
}

static void try_in_child(const char *dir, int fd) __attribute__((noreturn));
static void try_in_child(const char *dir, int fd)
{
    weft_auto_free char *why = NULL;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    why = enter(dir);
    if (why) {
        (void)weft_write_all(fd, why, strlen(why), "pipe", NULL);
    } else {
        (void)weft_write_all(fd, "", 1, "pipe", NULL);
    }
    _exit(0);
}

/* What a child says: nothing but a NUL where it worked. */
static char *try_first(const char *dir)
{
    weft_auto_fd read_end = -1;
    char said[256] = "";
    ssize_t n, len = 0;
    int fds[2];
    pid_t pid;

    if (pipe2(fds, O_CLOEXEC) < 0) {
        return weft_fmt("pipe: %s", strerror(errno));
    }
    read_end = fds[0];
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        try_in_child(dir, fds[1]);
    }
    close(fds[1]);
    if (pid < 0) {
        return weft_fmt("fork: %s", strerror(errno));
    }
    do {
        n = read(read_end, said + len, sizeof(said) - 1 - (size_t)len);
        len += n > 0 ? n : 0;
    } while (n > 0 || (n < 0 && errno == EINTR));
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
    if (len == 0) {
        return weft_fmt("entering user namespaces: the child died");
    }
    return said[0] ? weft_xstrdup(said) : NULL;
}

int weft_unshare_handlers(const char *dir, char **why)
{
    *why = try_first(dir);
    if (!*why) {
        *why = enter(dir);
    }
    return *why ? 0 : 1;
}

int weft_unshare_register(const char *dir, const struct weft_machine *m, const char *interpreter,
                          struct weft_err **err)
{
    weft_auto_free char *path = weft_path_join(dir, "register");
    weft_auto_free char *line = weft_handler_line(m, interpreter, "POCF", err);
    int sys;

    if (!line) {
        return -1;
    }
    sys = put(path, line);
    return sys ? weft_fail(err, WEFT_E_UNSUPPORTED, "the kernel refuses the handler %s: %s", line,
                           strerror(sys))
               : 0;
}

void weft_unshare_clear(const char *dir)
{
    weft_auto_free char *path = weft_path_join(dir, "status");

    (void)put(path, "-1");
}

void weft_unshare_end(const char *dir)
{
    (void)umount2(dir, MNT_DETACH);
}
