/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"

/*
 * ROOT/PART/version is "FORMAT\nweft VERSION\n", or "FORMAT from OLD\n..." while OLD is migrated to
 * FORMAT: the number alone is what wefts have always read, so one of format OLD refuses what is
 * half done. Wefts before this file refuse to read more than 64 bytes. ROOT/lock: who changes the
 * format of a part holds it.
 */
enum {
    VERSION_MAX_BYTES = 4096, /* what a newer weft may have more to say */
    BY_MAX = 40,
    LOCK_MS = 20 * 1000,
    NAMES_MAX = 1000 /* set aside within one second */
};

static char *version_path(const char *root, const struct weft_state_part *part)
{
    return weft_fmt("%s/%s/version", root, part->name);
}

/* A whole number of 1 or more; 0: none is there. *end: behind it. */
static int read_number(const char *text, const char **end)
{
    char *e;
    long n;

    *end = text;
    if (*text < '0' || *text > '9') {
        return 0;
    }
    errno = 0;
    n = strtol(text, &e, 10);
    *end = e;
    return errno == ERANGE || n > INT_MAX ? INT_MAX : (int)n;
}

int weft_state_parse(const char *text, size_t len, int *format, int *from, char **by)
{
    static const char word[] = " from ";
    const char *p;

    *from = 0;
    *by = NULL;
    *format = strlen(text) == len ? read_number(text, &p) : 0;
    if (*format < 1) {
        return -1;
    }
    if (weft_starts_with(p, word)) {
        *from = read_number(p + strlen(word), &p);
        if (*from < 1 || *from >= *format) {
            return -1;
        }
    }
    if (*p != '\n' && *p != '\0') {
        return -1;
    }
    if (*p == '\n' && p[1] != '\0') {
        size_t n = strcspn(p + 1, "\n");
        weft_auto_free char *line = weft_xstrndup(p + 1, n < BY_MAX ? n : BY_MAX);

        *by = n > 0 ? weft_printable(line) : NULL;
    }
    return 0;
}

/* Nothing, or zeros: what is left where a machine stopped before the bytes had reached the disk.
 * Such a version was written by a weft that did not wait for that, before this file. */
static bool is_blank(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '\0') {
            return false;
        }
    }
    return true;
}

void weft_state_look_finish(struct weft_state_look *look)
{
    free(look->by);
    *look = (struct weft_state_look){0};
}

/* The version, if there is one. 1 read, 0 there is none, -1. */
static int read_version(const char *root, const struct weft_state_part *part, char **text,
                        size_t *len, struct weft_err **err)
{
    weft_auto_free char *path = version_path(root, part);
    weft_auto_err why = NULL;

    if (weft_read_file(path, VERSION_MAX_BYTES, text, len, &why) == 0) {
        return 1;
    }
    if (why->sys == ENOENT || why->sys == ENOTDIR) {
        return 0;
    }
    if (why->code == WEFT_E_FORMAT) { /* too long */
        *text = weft_xstrdup("?");
        *len = 1;
        return 1;
    }
    weft_fail(err, why->code, "%s", why->msg);
    if (err && *err) {
        (*err)->sys = why->sys;
    }
    return weft_err_hint(err, "WEFT_STATE_DIR can name a directory of yours");
}

/* One that was being made, and did not get as far as its version. */
static bool is_empty(const char *path)
{
    weft_auto_dir dir = opendir(path);
    const struct dirent *e;

    while (dir && (e = readdir(dir))) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            strcmp(e->d_name, "version.new") != 0) {
            return false;
        }
    }
    return dir != NULL;
}

int weft_state_look(const char *root, const struct weft_state_part *part,
                    struct weft_state_look *out, struct weft_err **err)
{
    weft_auto_free char *dir = weft_path_join(root, part->name);
    weft_auto_free char *text = NULL;
    size_t len = 0;
    int from = 0;
    int got = read_version(root, part, &text, &len, err);
    struct stat st;

    *out = (struct weft_state_look){0};
    if (got < 0) {
        return -1;
    }
    if (got == 0 && lstat(dir, &st) < 0) {
        return errno == ENOENT || errno == ENOTDIR ? 0 : weft_fail_sys(err, errno, "%s", dir);
    }
    if (got == 0 && is_empty(dir)) {
        return 0;
    }
    if (got == 0 || is_blank(text, len)) {
        out->format = part->unmarked;
    } else if (weft_state_parse(text, len, &out->format, &from, &out->by) < 0) {
        out->format = 0;
        out->is = WEFT_STATE_UNKNOWN;
        return 0;
    } else {
        out->marked = from == 0;
    }
    out->is = out->format > part->format                ? WEFT_STATE_NEWER
              : out->format < part->format || from != 0 ? WEFT_STATE_OLDER
                                                        : WEFT_STATE_OURS;
    if (from != 0 && out->is == WEFT_STATE_OLDER) {
        out->format = from;
    }
    return 0;
}

static int refuse(const char *root, const struct weft_state_part *part,
                  const struct weft_state_look *look, struct weft_err **err)
{
    weft_fail(err, WEFT_E_UNSUPPORTED,
              "%s/%s was made by a newer weft (%s%sformat %d; this is weft %s, format %d)", root,
              part->name, look->by ? look->by : "", look->by ? ", " : "", look->format,
              PACKAGE_VERSION, part->format);
    return weft_err_hint(err, "use that weft, or set WEFT_STATE_DIR to another directory");
}

int weft_state_readable(const char *root, const struct weft_state_part *part, struct weft_err **err)
{
    struct weft_state_look look;
    int rc;

    if (weft_state_look(root, part, &look, err) < 0) {
        return -1;
    }
    rc = look.is == WEFT_STATE_NEWER ? refuse(root, part, &look, err) : look.is == WEFT_STATE_OURS;
    weft_state_look_finish(&look);
    return rc;
}

/* Write the version, so that also a machine that stops leaves the old one or the new one, and the
 * marks of a migration in their order. What the part's own files need is up to its steps. */
static int mark(const char *root, const struct weft_state_part *part, int format, int from,
                struct weft_err **err)
{
    weft_auto_free char *path = version_path(root, part);
    weft_auto_free char *dir = weft_path_join(root, part->name);
    weft_auto_free char *temp = weft_fmt("%s.new", path); /* we hold the lock */
    weft_auto_free char *step = from ? weft_fmt(" from %d", from) : weft_xstrdup("");
    weft_auto_free char *text =
        weft_fmt("%d%s\nweft %.*s\n", format, step, BY_MAX - 5, PACKAGE_VERSION);
    weft_auto_fd fd =
        open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, part->mode & 0666);
    weft_auto_fd dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        return weft_fail_sys(err, errno, "write %s", temp);
    }
    if (weft_write_all(fd, text, strlen(text), temp, err) < 0) {
        return -1;
    }
    if (fsync(fd) < 0 || rename(temp, path) < 0) {
        return weft_fail_sys(err, errno, "write %s", path);
    }
    if (dir_fd >= 0) {
        (void)fsync(dir_fd);
    }
    return 0;
}

static const struct weft_state_step *step_from(const struct weft_state_part *part, int format)
{
    for (size_t i = 0; i < part->n_steps; i++) {
        if (part->steps[i].from == format) {
            return &part->steps[i];
        }
    }
    return NULL;
}

static bool has_way(const struct weft_state_part *part, int format)
{
    while (format < part->format && step_from(part, format)) {
        format++;
    }
    return format == part->format;
}

static int migrate(const char *root, const struct weft_state_part *part, int format,
                   struct weft_err **err)
{
    weft_auto_free char *dir = weft_path_join(root, part->name);

    for (; format < part->format; format++) {
        if (mark(root, part, format + 1, format, err) < 0 ||
            step_from(part, format)->run(dir, err) < 0) {
            return weft_err_wrap(err, "migrate %s from format %d", dir, format);
        }
        if (mark(root, part, format + 1, 0, err) < 0) {
            return -1;
        }
        weft_debug("%s: migrated from format %d", dir, format);
    }
    return 0;
}

/* As rename, but never onto something. */
static int rename_new(const char *from, const char *to)
{
    struct stat st;

    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) {
        return 0;
    }
    if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP) {
        return -1;
    }
    if (lstat(to, &st) == 0) { /* others that set aside wait for our lock */
        errno = EEXIST;
        return -1;
    }
    return rename(from, to);
}

static int set_aside(const char *root, const struct weft_state_part *part,
                     const struct weft_state_look *look, struct weft_err **err)
{
    weft_auto_free char *dir = weft_path_join(root, part->name);
    weft_auto_free char *format = look->format > 0 ? weft_fmt("%d", look->format)
                                                   : weft_xstrdup("unknown");
    weft_auto_free char *remove = NULL;
    time_t now = time(NULL);
    struct tm tm;
    char date[32];

    gmtime_r(&now, &tm);
    strftime(date, sizeof(date), "%Y%m%d-%H%M%S", &tm);
    for (int i = 1; i < NAMES_MAX; i++) {
        weft_auto_free char *more = i > 1 ? weft_fmt("-%d", i) : weft_xstrdup("");
        weft_auto_free char *name = weft_fmt("%s.old-%s-%s%s", part->name, format, date, more);
        weft_auto_free char *aside = weft_path_join(root, name);

        if (rename_new(dir, aside) == 0) {
            remove = part->remove ? weft_fmt("%s %s", part->remove, name)
                                  : weft_fmt("rm -rf %s", aside);
            weft_warn("%s is of an %s format and was set aside as %s; nothing uses that any more; "
                      "to remove it: %s",
                      dir, look->format > 0 ? "older" : "unknown", aside, remove);
            return 0;
        }
        if (errno != EEXIST) {
            return weft_fail_sys(err, errno, "set %s aside", dir);
        }
    }
    return weft_fail(err, WEFT_E_IO, "set %s aside: no name is left", dir);
}

static int make(const char *root, const struct weft_state_part *part, struct weft_err **err)
{
    weft_auto_free char *dir = weft_path_join(root, part->name);

    return weft_mkdirs(dir, part->mode, err) < 0 ? -1 : mark(root, part, part->format, 0, err);
}

/* With the lock held. */
static int bring_up(const char *root, const struct weft_state_part *part,
                    const struct weft_state_look *look, struct weft_err **err)
{
    weft_auto_free char *dir = weft_path_join(root, part->name);

    if (look->is == WEFT_STATE_NEWER) {
        return refuse(root, part, look, err);
    }
    if (look->is == WEFT_STATE_NONE || look->is == WEFT_STATE_OURS) {
        return look->marked ? 0 : make(root, part, err);
    }
    if (part->unused && part->unused(dir, err) < 0) {
        return -1;
    }
    if (look->is == WEFT_STATE_OLDER && has_way(part, look->format)) {
        return migrate(root, part, look->format, err);
    }
    return set_aside(root, part, look, err) < 0 ? -1 : make(root, part, err);
}

/* Whoever can write there can put a state of theirs in the place of ours. Groups are left alone:
 * volumes of pods come with one (fsGroup). */
static int check_owner(const char *root, const struct weft_state_part *part, struct weft_err **err)
{
    weft_auto_free char *dir = weft_path_join(root, part->name);
    struct stat st;

    if (!part->ours) {
        return 0;
    }
    if (lstat(dir, &st) < 0) {
        return errno == ENOENT ? 0 : weft_fail_sys(err, errno, "%s", dir);
    }
    if (!S_ISDIR(st.st_mode)) {
        return weft_fail(err, WEFT_E_IO, "%s is not a directory", dir);
    }
    return st.st_uid == geteuid() && !(st.st_mode & S_IWOTH)
               ? 0
               : weft_fail(err, WEFT_E_IO, "%s belongs to another user, or others can write it",
                           dir);
}

int weft_state_open(const char *root, const struct weft_state_part *part, struct weft_err **err)
{
    weft_auto_free char *path = weft_path_join(root, "lock");
    struct weft_state_look look;
    weft_auto_err why = NULL;
    weft_auto_fd lock = -1;
    bool done, ours;
    int rc;

    if (check_owner(root, part, err) < 0) {
        return weft_err_hint(err, "WEFT_STATE_DIR can name another directory");
    }
    if (weft_state_look(root, part, &look, err) < 0) {
        return -1;
    }
    ours = look.is == WEFT_STATE_OURS;
    done = look.is == WEFT_STATE_NEWER || (ours && look.marked);
    rc = look.is == WEFT_STATE_NEWER ? refuse(root, part, &look, err) : 0;
    weft_state_look_finish(&look);
    if (done) {
        return rc;
    }
    if (weft_mkdirs(root, 0700, err) < 0) {
        return weft_err_hint(err, "WEFT_STATE_DIR can name another directory");
    }
    lock = weft_lock_open(path, &why);
    if (lock < 0 && ours) { /* it cannot be written, and only its version is missing */
        return 0;
    }
    if (lock < 0) {
        weft_fail_sys(err, why->sys, "open lock file %s", path);
        return weft_err_hint(err, "WEFT_STATE_DIR can name another directory");
    }
    rc = weft_lock_wait(lock, true, LOCK_MS, err);
    if (rc == 0) {
        return weft_fail(err, WEFT_E_IO, "%s is kept locked by another process", path);
    }
    if (rc < 0 || weft_state_look(root, part, &look, err) < 0) {
        return weft_err_hint(err, "WEFT_STATE_DIR can name another directory");
    }
    rc = bring_up(root, part, &look, err);
    weft_state_look_finish(&look);
    return rc < 0 ? weft_err_hint(err, "WEFT_STATE_DIR can name another directory") : 0;
}

/* --- what was set aside --- */

bool weft_state_is_aside(const struct weft_state_part *part, const char *name)
{
    weft_auto_free char *prefix = weft_fmt("%s.old-", part->name);

    return weft_starts_with(name, prefix) && !strchr(name, '/');
}

static int by_time(const void *a, const void *b)
{
    const char *x = *(char *const *)a;
    const char *y = *(char *const *)b;
    const char *x_date = strstr(x, ".old-");
    const char *y_date = strstr(y, ".old-");

    x_date = strchr(x_date + 5, '-');
    y_date = strchr(y_date + 5, '-');
    return x_date && y_date && strcmp(x_date, y_date) != 0 ? strcmp(x_date, y_date) : strcmp(x, y);
}

void weft_state_list_aside(const char *root, const struct weft_state_part *part,
                           struct weft_strv *names)
{
    weft_auto_dir dir = opendir(root);
    const struct dirent *e;
    size_t first = names->n;

    while (dir && (e = readdir(dir))) {
        if (weft_state_is_aside(part, e->d_name)) {
            weft_strv_add(names, e->d_name);
        }
    }
    if (names->n > first + 1) {
        qsort(names->v + first, names->n - first, sizeof(*names->v), by_time);
    }
}
