/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/disk_full.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/cleanup.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/workdir.h"

/* Less than that is what a step or a database cannot use: full. */
static const uint64_t full_bytes = 1 << 20;

/* Where the text says so, or NULL. */
static const char *find_phrase(const char *text)
{
    static const char *const phrases[] = {"no space left", "disk quota exceeded"};

    for (size_t i = 0; text && i < sizeof(phrases) / sizeof(phrases[0]); i++) {
        const char *found = strcasestr(text, phrases[i]);

        if (found) {
            return found;
        }
    }
    return NULL;
}

bool weft_disk_full_said(const char *text)
{
    return find_phrase(text) != NULL;
}

/*
 * The absolute path that the text is about: the last one before the phrase, as in "write /a/b: no
 * space left on device", else the first one behind it, as in "no space left for /a/b". Of one with
 * a space in it, the beginning: only the directories above it matter. Caller frees; NULL: there is
 * none, or it is where BuildKit mounts layers for a moment, and not where these are.
 */
static char *find_path(const char *text)
{
    const char *phrase = find_phrase(text);
    const char *found = NULL;
    weft_auto_free char *path = NULL;

    for (const char *p = text; phrase && *p && (p < phrase || !found); p++) {
        if (*p == '/' && (p == text || strchr(" \"'", p[-1]))) {
            found = p;
        }
    }
    path = found ? weft_xstrndup(found, strcspn(found, " :\"'\n")) : NULL;
    return path && !strstr(path, "/containerd-mount") ? weft_steal(&path) : NULL;
}

/* A file system that may be meant. Start from {0}; end with place_finish. */
struct place {
    char *dir; /* in it; NULL: there is none */
    dev_t dev;
    uint64_t free_bytes, size_bytes;
    bool full, no_files;
};

static void place_finish(struct place *p)
{
    free(p->dir);
}

static void look_at(const char *path, struct place *out)
{
    weft_auto_free char *dir = path && path[0] == '/' ? weft_workdir_existing(path) : NULL;
    struct statvfs fs;
    struct stat st;

    if (!dir || stat(dir, &st) < 0 || statvfs(dir, &fs) < 0) {
        return;
    }
    out->dev = st.st_dev;
    out->free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    out->size_bytes = (uint64_t)fs.f_blocks * fs.f_frsize;
    out->no_files = fs.f_files > 0 && fs.f_favail == 0;
    out->full = out->no_files || out->free_bytes < full_bytes;
    out->dir = weft_steal(&dir);
}

/* The highest directory above p that is in the same file system. Caller frees. */
static char *mount_point(const struct place *p)
{
    char *at = weft_xstrdup(p->dir);

    while (strcmp(at, "/") != 0) {
        weft_auto_free char *up = weft_path_dir(at);
        struct stat st;

        if (stat(up, &st) < 0 || st.st_dev != p->dev) {
            break;
        }
        free(at);
        at = weft_steal(&up);
    }
    return at;
}

/* "the file system at /var (0 B of 20 GB free)". Caller frees. */
static char *words(const struct place *p)
{
    weft_auto_free char *mounted = mount_point(p);
    weft_auto_free char *shown = weft_printable(mounted);
    weft_auto_free char *left = weft_human_size((double)p->free_bytes);
    weft_auto_free char *size = weft_human_size((double)p->size_bytes);

    return weft_fmt("the file system at %s (%s of %s free%s)", shown, left, size,
                    p->no_files ? ", but no more files can be made" : "");
}

static char *advice(const struct place *meant, const struct place *state,
                    const struct place *runtime)
{
    weft_auto_free char *fs = words(meant);

    if (state->dir && meant->dev == state->dev) {
        return weft_fmt("make room in %s: weft du shows what weft has there, weft prune --all or "
                        "weft worker remove SLOT removes it; WEFT_WORKER_DISK=SIZE keeps caches "
                        "smaller",
                        fs);
    }
    if (runtime->dir && meant->dev == runtime->dev) {
        return weft_fmt("make room in %s, or WEFT_RUNTIME_DIR=DIR on another one", fs);
    }
    return weft_fmt("make room in %s", fs);
}

char *weft_disk_full_hint(const char *text)
{
    weft_auto_free char *path = find_path(text);
    weft_auto_free char *state_dir = weft_dir_state(NULL);
    weft_auto_free char *runtime_dir = weft_dir_runtime();
    struct place named = {0}, state = {0}, runtime = {0};
    const struct place *meant;
    char *hint;

    look_at(path, &named);
    look_at(state_dir, &state);
    look_at(runtime_dir, &runtime);
    meant = named.full     ? &named
            : state.full   ? &state
            : runtime.full ? &runtime
            : named.dir    ? &named
                           : &state;
    hint = meant->dir ? advice(meant, &state, &runtime)
                      : weft_xstrdup("weft du shows what weft has, weft prune removes it");
    place_finish(&named);
    place_finish(&state);
    place_finish(&runtime);
    return hint;
}

void weft_disk_full_explain(struct weft_err *err)
{
    if (err->code == WEFT_E_NET) {
        return;
    }
    if (err->sys == ENOSPC || err->sys == EDQUOT || weft_disk_full_said(err->msg)) {
        char *hint = weft_disk_full_hint(err->msg);

        free(err->hint);
        err->hint = hint;
    }
}
