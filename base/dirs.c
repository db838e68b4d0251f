/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/dirs.h"

#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

/* The XDG specification: a value that is not an absolute path is to be ignored. */
static const char *absolute_env(const char *name)
{
    const char *v = getenv(name);

    return v && *v == '/' ? v : NULL;
}

char *weft_dir_state(struct weft_err **err)
{
    const char *own = absolute_env("WEFT_STATE_DIR");
    const char *xdg = absolute_env("XDG_STATE_HOME");
    const char *home = absolute_env("HOME");

    if (own) {
        return weft_xstrdup(own);
    }
    if (geteuid() == 0) {
        return weft_xstrdup("/var/lib/weft");
    }
    if (xdg) {
        return weft_path_join(xdg, "weft");
    }
    if (home) {
        return weft_path_join(home, ".local/state/weft");
    }
    weft_fail(err, WEFT_E_USAGE, "no place for the workers' state: HOME is not set");
    weft_err_hint(err, "set HOME, XDG_STATE_HOME or WEFT_STATE_DIR to a directory on a disk");
    return NULL;
}

char *weft_dir_runtime(void)
{
    const char *own = absolute_env("WEFT_RUNTIME_DIR");
    const char *xdg = absolute_env("XDG_RUNTIME_DIR");

    if (own) {
        return weft_xstrdup(own);
    }
    if (geteuid() == 0) {
        return weft_xstrdup("/run/weft");
    }
    return xdg ? weft_path_join(xdg, "weft") : weft_fmt("/tmp/weft-%u", (unsigned int)geteuid());
}

char *weft_dir_config(void)
{
    const char *xdg = absolute_env("XDG_CONFIG_HOME");
    const char *home = absolute_env("HOME");

    if (xdg) {
        return weft_path_join(xdg, "weft");
    }
    return home ? weft_path_join(home, ".config/weft") : NULL;
}

char *weft_dir_libexec(void)
{
    const char *own = absolute_env("WEFT_LIBEXEC");
    char exe[PATH_MAX];
    ssize_t n;

    if (own) {
        return weft_xstrdup(own);
    }
    n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    if (n > 0) {
        weft_auto_free char *dir = NULL;
        weft_auto_free char *libexec = NULL;
        weft_auto_free char *init = NULL;

        exe[n] = '\0';
        dir = weft_path_dir(exe);
        libexec = weft_path_join(dir, "libexec");
        init = weft_path_join(libexec, "weft-init");
        if (access(init, X_OK) == 0) {
            return weft_steal(&libexec);
        }
    }
    return weft_xstrdup(WEFT_LIBEXECDIR);
}
