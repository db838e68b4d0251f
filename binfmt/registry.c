/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "binfmt/registry.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

/* The number of the first user namespace, since Linux 3.8; <linux/nsfs.h> names it since 6.18. */
#define INITIAL_USER_NS 0xeffffffdU

const char *weft_binfmt_registry_view_name(enum weft_binfmt_registry_view view)
{
    static const char *const names[] = {
        [WEFT_REGISTRY_MOUNTED] = "mounted",
        [WEFT_REGISTRY_PRIVATE] = "private",
        [WEFT_REGISTRY_HIDDEN] = "hidden",
    };

    return names[view];
}

bool weft_binfmt_registry_initial_namespace(void)
{
    struct stat st;

    return stat("/proc/self/ns/user", &st) == 0 && st.st_ino == INITIAL_USER_NS;
}

/* A mount of binfmt_misc that has no place in any mount namespace: nobody else sees it, and it is
 * gone with its descriptor. Returns that, or -1. */
static int mount_nowhere(void)
{
    weft_auto_fd fs = (int)syscall(SYS_fsopen, "binfmt_misc", FSOPEN_CLOEXEC);

    if (fs < 0 || syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) {
        return -1;
    }
    return (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
                        MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
}

/*
 * In the initial user namespace a mount shows the one table that there is. In any other one it
 * would make a table for this namespace, which hides the one that is in force, and go on hiding it
 * when it is unmounted.
 */
static void look_without_mount(struct weft_binfmt_registry *r)
{
    if (!weft_binfmt_registry_initial_namespace()) {
        r->why = weft_xstrdup("this is a user namespace, where a mount would make a new table and "
                              "not show the one in force");
        return;
    }
    r->dir_fd = mount_nowhere();
    if (r->dir_fd >= 0) {
        r->view = WEFT_REGISTRY_PRIVATE;
    } else if (geteuid() != 0) {
        r->why = weft_xstrdup("only root may mount it to look");
    } else {
        r->why = weft_fmt("it cannot be mounted to look: %s", strerror(errno));
    }
}

int weft_binfmt_registry_open(const char *root, struct weft_binfmt_registry *out,
                              struct weft_err **err)
{
    weft_auto_free char *path = weft_path_join(root, &WEFT_REGISTRY_DIR[1]);

    out->view = WEFT_REGISTRY_MOUNTED;
    out->dir_fd =
        open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* an automount is mounted by it */
    if (out->dir_fd >= 0 && weft_binfmt_registry_reread(out, err) < 0) {
        return -1;
    }
    if (out->table.mounted) {
        return 0;
    }
    if (out->dir_fd >= 0) {
        close(weft_steal_fd(&out->dir_fd));
    }
    out->view = WEFT_REGISTRY_HIDDEN;
    look_without_mount(out);
    return out->dir_fd < 0 ? 0 : weft_binfmt_registry_reread(out, err);
}

int weft_binfmt_registry_reread(struct weft_binfmt_registry *r, struct weft_err **err)
{
    weft_existing_finish(&r->table);
    return weft_existing_read(r->dir_fd, &r->table, err);
}

void weft_binfmt_registry_close(struct weft_binfmt_registry *r)
{
    if (r->dir_fd >= 0) {
        close(weft_steal_fd(&r->dir_fd));
    }
    free(r->why);
    r->why = NULL;
    weft_existing_finish(&r->table);
}
