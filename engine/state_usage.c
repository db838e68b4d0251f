/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/state_usage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

/* Files with more than one name that were counted: a set of (device, inode), open addressing. */
struct seen {
    struct {
        dev_t dev;
        ino_t ino; /* 0: free */
    } * v;
    size_t size; /* a power of two, or 0 */
    size_t n;
};

struct count {
    struct seen seen;
    uint64_t bytes;
    bool whole;
};

static bool insert(struct seen *s, dev_t dev, ino_t ino)
{
    size_t i = (size_t)((ino * UINT64_C(0x9e3779b97f4a7c15)) >> 20) & (s->size - 1);

    for (; s->v[i].ino != 0; i = (i + 1) & (s->size - 1)) {
        if (s->v[i].ino == ino && s->v[i].dev == dev) {
            return false;
        }
    }
    s->v[i].dev = dev;
    s->v[i].ino = ino;
    s->n++;
    return true;
}

static void grow(struct seen *s)
{
    struct seen bigger = {.size = s->size ? s->size * 2 : 1024};

    bigger.v = weft_xcalloc(bigger.size, sizeof(*bigger.v));
    for (size_t i = 0; i < s->size; i++) {
        if (s->v[i].ino != 0) {
            insert(&bigger, s->v[i].dev, s->v[i].ino);
        }
    }
    free(s->v);
    *s = bigger;
}

/* Whether this is the first of its names. */
static bool is_first(struct seen *s, const struct stat *st)
{
    if (S_ISDIR(st->st_mode) || st->st_nlink == 1 || st->st_ino == 0) {
        return true;
    }
    if (s->n >= s->size / 2) {
        grow(s);
    }
    return insert(s, st->st_dev, st->st_ino);
}

static void walk(struct count *c, int dir_fd, const char *name);

/* fd is closed here */
static void walk_dir(struct count *c, int fd)
{
    weft_auto_dir dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;

    if (!dir) {
        c->whole = c->whole && errno == ENOENT;
        if (fd >= 0) {
            close(fd);
        }
        return;
    }
    while ((e = readdir(dir))) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            walk(c, dirfd(dir), e->d_name);
        }
    }
}

static void walk(struct count *c, int dir_fd, const char *name)
{
    struct stat st;

    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        c->whole = c->whole && errno == ENOENT; /* removed by a worker meanwhile */
        return;
    }
    if (is_first(&c->seen, &st)) {
        c->bytes += (uint64_t)st.st_blocks * 512;
    }
    if (S_ISDIR(st.st_mode)) {
        walk_dir(c, openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    }
}

static const char *what_is(const char *path)
{
    static const struct {
        const char *path, *what;
    } known[] = {
        {"bench", "results of weft bench"},
        {"builds", "files of builds that run, or were killed"},
        {"qemu", "copies of QEMU, and what programs said of themselves"},
        {"registry", "which registries have which blobs"},
        {"workers/version", ""},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strcmp(path, known[i].path) == 0) {
            return known[i].what;
        }
    }
    if (weft_starts_with(path, "workers/")) {
        return weft_ends_with(path, ".removing") ? "rest of a state that was removed"
                                                 : "cache, BuildKit's databases, log";
    }
    return "";
}

static void add_part(struct weft_state_usage *u, struct count *c, int dir_fd, const char *name,
                     char *path)
{
    struct weft_state_part *p;

    c->bytes = 0;
    c->whole = true;
    walk(c, dir_fd, name);
    u->v = weft_xrealloc(u->v, u->n + 1, sizeof(*u->v));
    p = &u->v[u->n++];
    *p = (struct weft_state_part){path, what_is(path), c->bytes, c->whole};
    u->total_bytes += c->bytes;
    u->is_whole &= c->whole;
}

/* Each entry of a directory is a part; but "workers" is gone through likewise. fd is closed here.
 */
static void add_parts(struct weft_state_usage *u, struct count *c, int fd, const char *prefix)
{
    weft_auto_dir dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;
    struct stat st;

    if (!dir) {
        u->is_whole &= errno == ENOENT;
        if (fd >= 0) {
            close(fd);
        }
        return;
    }
    if (fstat(fd, &st) == 0) {
        u->total_bytes += (uint64_t)st.st_blocks * 512;
    }
    while ((e = readdir(dir))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) {
            continue;
        }
        if (!*prefix && strcmp(e->d_name, "workers") == 0) {
            add_parts(
                u, c,
                openat(dirfd(dir), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
                "workers/");
        } else {
            add_part(u, c, dirfd(dir), e->d_name, weft_fmt("%s%s", prefix, e->d_name));
        }
    }
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct weft_state_part *)a)->path,
                  ((const struct weft_state_part *)b)->path);
}

void weft_state_usage_count(const char *state_root, struct weft_state_usage *out)
{
    struct count c = {0};

    *out = (struct weft_state_usage){.is_whole = true};
    add_parts(out, &c, open(state_root, O_RDONLY | O_DIRECTORY | O_CLOEXEC), "");
    if (out->n > 1) {
        qsort(out->v, out->n, sizeof(*out->v), by_path);
    }
    free(c.seen.v);
}

void weft_state_usage_finish(struct weft_state_usage *u)
{
    for (size_t i = 0; i < u->n; i++) {
        free(u->v[i].path);
    }
    free(u->v);
    *u = (struct weft_state_usage){0};
}
