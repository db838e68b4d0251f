/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/build_logs.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/build_state.h"
#include "engine/request.h"

/* "DIR/linux_arm64.log". Caller frees. */
static char *log_path(const struct weft_build *b, size_t i)
{
    char name[WEFT_PLATFORM_SIZE];

    weft_platform_dirname(&b->r->platforms[i], name);
    return weft_fmt("%s/%s.log", b->r->log_dir, name);
}

int weft_build_open_logs(struct weft_build *b, struct weft_err **err)
{
    if (!b->r->log_dir) {
        return 0;
    }
    if (weft_mkdirs(b->r->log_dir, 0755, err) < 0) {
        return weft_err_wrap(err, "--log-dir");
    }
    for (size_t i = 0; i < b->r->n_platforms; i++) {
        weft_auto_free char *path = log_path(b, i);

        /* in its place, not into it: somebody may be reading the last one, or it is a link */
        if (unlink(path) < 0 && errno != ENOENT) {
            return weft_fail_sys(err, errno, "--log-dir: %s", path);
        }
        b->lanes[i].log = fopen(path, "wxe");
        if (!b->lanes[i].log) {
            return weft_fail_sys(err, errno, "--log-dir: %s", path);
        }
    }
    return 0;
}

void weft_build_close_logs(struct weft_build *b)
{
    for (size_t i = 0; b->lanes && i < b->r->n_platforms; i++) {
        FILE *log = weft_steal(&b->lanes[i].log);
        bool failed;

        if (!log) {
            continue;
        }
        failed = ferror(log) != 0;
        if (fclose(log) != 0 || failed) {
            weft_auto_free char *path = log_path(b, i);

            weft_warn("%s is not complete: it could not be written", path);
        }
    }
}
