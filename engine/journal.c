/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

enum op {
    OP_MOVE,
    OP_REPLACE,
    OP_MKDIR
};

struct entry {
    enum op op;
    char *src; /* NULL for OP_MKDIR */
    char *dst;
};

struct weft_journal {
    struct entry *entries;
    size_t n;
};

struct weft_journal *weft_journal_create(void)
{
    return weft_xcalloc(1, sizeof(struct weft_journal));
}

static void record(struct weft_journal *j, enum op op, const char *src, const char *dst)
{
    j->entries = weft_xrealloc(j->entries, j->n + 1, sizeof(*j->entries));
    j->entries[j->n].op = op;
    j->entries[j->n].src = weft_xstrdup_null(src);
    j->entries[j->n].dst = weft_xstrdup(dst);
    j->n++;
}

/* Whether the file system does not know the flags of renameat2. */
static bool flags_refused(int e)
{
    return e == EINVAL || e == ENOSYS || e == EOPNOTSUPP;
}

/* Rename without overwriting. Returns 0 or an errno value. */
static int rename_new(const char *src, const char *dst)
{
    struct stat st;

    if (renameat2(AT_FDCWD, src, AT_FDCWD, dst, RENAME_NOREPLACE) == 0) {
        return 0;
    }
    if (!flags_refused(errno)) {
        return errno;
    }
    if (lstat(dst, &st) == 0) {
        return EEXIST;
    }
    return rename(src, dst) == 0 ? 0 : errno;
}

/*
 * As rename_new; a directory that its owner may not write to is opened up for the moment: its ".."
 * changes, which the kernel takes for a write.
 */
static int rename_any(const char *src, const char *dst)
{
    struct stat st;
    int e = rename_new(src, dst);

    if (e != EACCES || lstat(src, &st) < 0 || !S_ISDIR(st.st_mode) || (st.st_mode & S_IWUSR)) {
        return e;
    }
    if (chmod(src, (st.st_mode & 07777) | S_IRWXU) < 0) {
        return e;
    }
    e = rename_new(src, dst);
    (void)chmod(e == 0 ? dst : src, st.st_mode & 07777);
    return e;
}

int weft_journal_move(struct weft_journal *j, const char *src, const char *dst,
                      struct weft_err **err)
{
    int e = rename_any(src, dst);

    if (e != 0) {
        return weft_fail_sys(err, e, "make %s", dst);
    }
    record(j, OP_MOVE, src, dst);
    return 0;
}

/* Exchange two files where there are no flags: b is one or the other at any time, also if we are
 * killed. Returns 0 or an errno value. */
static int exchange_files(const char *a, const char *b, const char *aside)
{
    if (link(b, aside) < 0) {
        return errno;
    }
    if (rename(a, b) < 0) {
        int e = errno;

        (void)unlink(aside);
        return e;
    }
    if (rename(aside, a) < 0) {
        int e = errno;

        (void)!link(b, a);
        (void)rename(aside, b);
        return e;
    }
    return 0;
}

/* Exchange two names. Returns 0 or an errno value. */
static int exchange(const char *a, const char *b)
{
    weft_auto_free char *aside = NULL;
    struct stat st;
    int e;

    if (renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE) == 0) {
        return 0;
    }
    if (!flags_refused(errno)) {
        return errno;
    }
    aside = weft_fmt("%s.aside", a);
    if (lstat(b, &st) == 0 && S_ISREG(st.st_mode) && lstat(a, &st) == 0 && S_ISREG(st.st_mode)) {
        e = exchange_files(a, b, aside);
        if (e != EPERM && e != EOPNOTSUPP && e != EMLINK && e != ENOSYS) { /* no hard links */
            return e;
        }
    }
    if (rename(b, aside) < 0) {
        return errno;
    }
    if (rename(a, b) == 0) {
        if (rename(aside, a) == 0) {
            return 0;
        }
        e = errno;
        (void)rename(b, a);
    } else {
        e = errno;
    }
    (void)rename(aside, b);
    return e;
}

int weft_journal_replace(struct weft_journal *j, const char *src, const char *dst,
                         struct weft_err **err)
{
    int e = exchange(src, dst);

    if (e != 0) {
        return weft_fail_sys(err, e, "replace %s", dst);
    }
    record(j, OP_REPLACE, src, dst);
    return 0;
}

int weft_journal_mkdirs(struct weft_journal *j, const char *path, struct weft_err **err)
{
    weft_auto_free char *parent = NULL;

    if (weft_is_dir(path)) {
        return 0;
    }
    parent = weft_path_dir(path);
    if (strcmp(parent, path) != 0 && weft_journal_mkdirs(j, parent, err) < 0) {
        return -1;
    }
    if (mkdir(path, 0777) == 0) {
        record(j, OP_MKDIR, NULL, path);
        return 0;
    }
    /* EEXIST: another run made it, or the path ends with a slash and its parent was the same */
    return errno == EEXIST && weft_is_dir(path) ? 0 : weft_fail_sys(err, errno, "make %s", path);
}

static int undo_one(const struct entry *e)
{
    switch (e->op) {
    case OP_MOVE:
        return rename_any(e->dst, e->src);
    case OP_REPLACE:
        return exchange(e->src, e->dst);
    case OP_MKDIR:
        /* not empty: somebody else has put something there meanwhile, which stays */
        return rmdir(e->dst) == 0 || errno == ENOTEMPTY || errno == EEXIST ? 0 : errno;
    }
    return EINVAL;
}

int weft_journal_undo(struct weft_journal *j, struct weft_err **err)
{
    int first = 0;
    weft_auto_free char *where = NULL;

    for (size_t i = j->n; i-- > 0;) {
        int e = undo_one(&j->entries[i]);

        if (e != 0 && first == 0) {
            first = e;
            where = weft_xstrdup(j->entries[i].dst);
        }
    }
    for (size_t i = 0; i < j->n; i++) {
        free(j->entries[i].src);
        free(j->entries[i].dst);
    }
    j->n = 0;
    return first == 0 ? 0 : weft_fail_sys(err, first, "put %s back", where);
}

void weft_journal_destroy(struct weft_journal *j)
{
    if (!j) {
        return;
    }
    for (size_t i = 0; i < j->n; i++) {
        free(j->entries[i].src);
        free(j->entries[i].dst);
    }
    free(j->entries);
    free(j);
}
