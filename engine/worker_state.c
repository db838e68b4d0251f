/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/worker_state.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/lock.h"
#include "base/str.h"
#include "engine/buildkit.h"
#include "engine/worker_files.h"

enum {
    VERSION_MAX_BYTES = 256
};

/* The init of each worker holds the lock of its state, also that of an older weft. */
static int unused(const char *workers, struct weft_err **err)
{
    weft_auto_dir dir = opendir(workers);
    const struct dirent *e;

    while (dir && (e = readdir(dir))) {
        weft_auto_free char *path = weft_fmt("%s/%s/lock", workers, e->d_name);
        weft_auto_fd fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);

        if (e->d_name[0] != '.' && fd >= 0 && weft_lock_try(fd, true, NULL) == 0) {
            weft_auto_free char *shown = weft_printable(e->d_name);

            weft_fail(err, WEFT_E_UNSUPPORTED,
                      "%s is of another format than that of this weft, and worker %s still uses it",
                      workers, shown);
            return weft_err_hint(err, "it ends when it has not been used for a while; the weft "
                                      "that started it ends it at once: weft worker stop --all");
        }
    }
    return 0;
}

const struct weft_state_part weft_worker_state = {
    .name = "workers",
    .format = 1,
    .unmarked = 1,
    .mode = 0700,
    .ours = true,
    .unused = unused,
    .remove = "weft worker remove",
};

char *weft_worker_state_buildkit(const struct weft_worker_files *f)
{
    weft_auto_free char *text = NULL;

    return weft_read_file(f->buildkit_version, VERSION_MAX_BYTES, &text, NULL, NULL) == 0
               ? weft_buildkit_number(text)
               : NULL;
}

bool weft_worker_state_fits(const struct weft_worker_files *f, const char *version, char **newer)
{
    weft_auto_free char *known = weft_worker_state_buildkit(f);
    bool fits = !known || !version || !weft_buildkit_older(version, known);

    if (!fits && newer) {
        *newer = weft_steal(&known);
    }
    return fits;
}

int weft_worker_state_give(const struct weft_worker_files *f, const char *version,
                           struct weft_err **err)
{
    weft_auto_free char *newer = NULL;
    weft_auto_free char *known = NULL;
    weft_auto_free char *line = NULL;

    if (!version) {
        return 0;
    }
    if (!weft_worker_state_fits(f, version, &newer)) {
        weft_fail(
            err, WEFT_E_UNSUPPORTED,
            "%s was last used by BuildKit %s, and %s, which is older, may not know its format",
            f->state_dir, newer, version);
        return weft_err_hint(err,
                             "use the weft that has it; or, to give the cache up: "
                             "weft worker remove %s",
                             f->slot);
    }
    known = weft_worker_state_buildkit(f);
    if (weft_str_eq(known, version)) {
        return 0;
    }
    line = weft_fmt("%s\n", version);
    return weft_write_file(f->buildkit_version, line, strlen(line), 0600, err);
}
