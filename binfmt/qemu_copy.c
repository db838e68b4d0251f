/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "binfmt/qemu_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/str.h"
#include "binfmt/probe.h"
#include "binfmt/stub.h"

/* DIR/NAME/PROGRAM is a copy: NAME of the content, PROGRAM QEMU's own name, so that a list of
 * processes reads as ever. DIR/.new-XXXXXX is one that is being made. DIR/lock: held shared while a
 * copy is looked for or made, alone while old ones are removed. */
#define TEMP_PREFIX ".new-"
#define LOCK "lock"

/* What is kept in the answers: the digest of a QEMU program, and the boot in which a copy was found
 * to be good. */
#define DIGEST "sha256"
#define GOOD "good copy"

/* A model that no QEMU has: a copy with it must fail by its name. */
#define NO_MODEL "weft-tries-the-stub"

enum {
    NAME_DIGITS = 32,        /* of the digest: 128 bits */
    PROGRAM_LIMIT = 1 << 30, /* bytes; QEMU has some 15 million */
    /* Programs of other users run the copy too, through binfmt_misc, which opens it for them: they
     * need not pass the directory, but a program that they could not read would be undumpable, and
     * its /proc/self root's. */
    COPY_MODE = 0755,
    CHUNK_BYTES = 1 << 18,
    SAID_MAX = 300,
    BUSY_TRIES = 50,
    BUSY_MS = 10,
    LOCK_MS = 10000,
    DAY_SECONDS = 24 * 60 * 60
};

const struct weft_state_part weft_qemu_state = {
    .name = "qemu",
    .format = 1,
    .unmarked = 1,
    .mode = 0700,
    .ours = true,
};

struct weft_answers *weft_qemu_answers(const char *state, bool make, struct weft_err **err)
{
    weft_auto_free char *path = NULL;
    weft_auto_err why = NULL;
    int got = !state  ? 0
              : !make ? weft_state_readable(state, &weft_qemu_state, &why)
                      : weft_state_open(state, &weft_qemu_state, &why) + 1;

    if (got < 1 && why && why->code == WEFT_E_UNSUPPORTED) {
        weft_fail(err, why->code, "%s", why->msg);
        weft_err_hint(err, "%s", why->hint);
        return NULL;
    }
    path = got == 1 ? weft_fmt("%s/%s/answers.json", state, weft_qemu_state.name) : NULL;
    return weft_answers_create(path);
}

/* One call. */
struct job {
    const char *dir;
    struct weft_answers *answers;
    const char *program;
    const struct weft_machine *machine;
    const char *model;
    const struct weft_stub *stub;
};

/* The file of a copy before it has its name. Removed unless `path` is NULL. */
struct temp {
    char *path;
    int fd;
    unsigned char *map;
    size_t len;
};

static void temp_unmap(struct temp *t)
{
    if (t->map) {
        munmap(t->map, t->len);
        t->map = NULL;
    }
}

static void temp_finish(struct temp *t)
{
    temp_unmap(t);
    if (t->fd >= 0) {
        close(t->fd);
    }
    if (t->path) {
        (void)unlink(t->path);
        free(t->path);
    }
}

#define auto_temp __attribute__((cleanup(temp_finish))) struct temp

/* Where the copy of a QEMU with this digest is. Caller frees. */
static char *path_of(const struct job *j, const char *qemu_digest)
{
    struct weft_hash *h = weft_hash_create();
    char digest[WEFT_DIGEST_SIZE];
    weft_auto_free char *dir = NULL;
    weft_auto_free char *name = NULL;

    weft_hash_update(h, qemu_digest, strlen(qemu_digest) + 1);
    weft_hash_update(h, j->model, strlen(j->model) + 1);
    weft_hash_update(h, j->stub->code, j->stub->len);
    weft_hash_final(h, digest);
    weft_hash_destroy(h);
    name = weft_xstrndup(weft_digest_hex(digest), NAME_DIGITS);
    dir = weft_path_join(j->dir, name);
    return weft_path_join(dir, weft_path_base(j->program));
}

/* This boot's id. What was written before a crash may be there in part only: after another boot a
 * copy is looked at again. Caller frees. */
static char *boot_id(void)
{
    char *id = NULL;

    if (weft_read_file("/proc/sys/kernel/random/boot_id", 4096, &id, NULL, NULL) < 0) {
        return weft_xstrdup("unknown");
    }
    id[strcspn(id, "\n")] = '\0';
    return id;
}

/* Note in the directory's time that the copy in it was used. */
static void touch(const char *path)
{
    weft_auto_free char *dir = weft_path_dir(path);

    (void)utimensat(AT_FDCWD, dir, NULL, 0);
}

/* The copy that has been made before, when it is known to be good. Caller frees. */
static char *recall(const struct job *j)
{
    weft_auto_free char *digest = weft_answers_recall(j->answers, DIGEST, j->program);
    weft_auto_free char *path = NULL;
    weft_auto_free char *good = NULL;
    weft_auto_free char *boot = NULL;

    if (!weft_digest_valid(digest)) {
        return NULL;
    }
    path = path_of(j, digest);
    touch(path);
    good = weft_answers_recall(j->answers, GOOD, path);
    boot = boot_id();
    return weft_str_eq(good, boot) ? weft_steal(&path) : NULL;
}

static int open_temp(const struct job *j, struct temp *t, struct weft_err **err)
{
    t->path = weft_path_join(j->dir, TEMP_PREFIX "XXXXXX");
    t->fd = mkostemp(t->path, O_CLOEXEC);
    if (t->fd < 0) {
        free(weft_steal(&t->path));
        return weft_fail_sys(err, errno, "make a copy of QEMU in %s", j->dir);
    }
    return 0;
}

/* The program's bytes in a file of ours, which nobody changes while we read it. */
static int copy_program(const struct job *j, struct temp *t, struct weft_err **err)
{
    /* O_NONBLOCK: a FIFO in its place must not stop us */
    weft_auto_fd in = open(j->program, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;

    if (in < 0 || fstat(in, &st) < 0) {
        return weft_fail_sys(err, errno, "open %s", j->program);
    }
    if (!S_ISREG(st.st_mode) || st.st_size == 0 || st.st_size > PROGRAM_LIMIT) {
        return weft_fail(err, WEFT_E_UNSUPPORTED, "%s is no program", j->program);
    }
    if (open_temp(j, t, err) < 0 || weft_copy_fd(in, t->fd, t->path, NULL, err) < 0) {
        return -1;
    }
    if (fstat(t->fd, &st) < 0) {
        return weft_fail_sys(err, errno, "copy %s", j->program);
    }
    t->len = (size_t)st.st_size;
    t->map = mmap(NULL, t->len, PROT_READ, MAP_SHARED | MAP_POPULATE, t->fd, 0);
    if (t->map == MAP_FAILED) {
        t->map = NULL;
        return weft_fail_sys(err, errno, "copy %s", j->program);
    }
    return 0;
}

/* The program's digest, kept for the next call unless the file has changed since `before`. */
static void keep_digest(const struct job *j, const struct temp *t, const char *before,
                        char digest[WEFT_DIGEST_SIZE])
{
    weft_auto_free char *now = NULL;

    weft_digest_bytes(t->map, t->len, digest);
    now = weft_file_identity(j->program);
    if (strcmp(before, now) == 0) {
        weft_answers_keep(j->answers, DIGEST, j->program, digest);
    }
}

static int write_at(const struct temp *t, const void *data, size_t len, uint64_t offset,
                    struct weft_err **err)
{
    if (lseek(t->fd, (off_t)offset, SEEK_SET) < 0) {
        return weft_fail_sys(err, errno, "write %s", t->path);
    }
    return weft_write_all(t->fd, data, len, t->path, err);
}

/* Run the machine's smallest program under the copy. A child that another thread has just forked
 * may hold our descriptor for a moment, and the kernel runs no file that is open for writing. */
static int run_probe(const struct job *j, const char *copy, char **said, struct weft_err **err)
{
    for (int i = 0;; i++) {
        weft_auto_err why = NULL;
        int code = weft_probe_run(j->machine, copy, NULL, NULL, said, &why);

        if (code >= 0) {
            return code;
        }
        if (why->sys != ETXTBSY || i >= BUSY_TRIES) {
            if (err) {
                *err = weft_steal(&why);
            }
            return -1;
        }
        nanosleep(&(struct timespec){.tv_nsec = BUSY_MS * 1000000L}, NULL);
    }
}

/* What QEMU said, as one line for a message: an assertion's first line is "**". Caller frees. */
static char *one_line(const char *said)
{
    weft_auto_free char *line = weft_xstrndup(said, SAID_MAX);
    size_t n = strlen(line);

    while (n > 0 && line[n - 1] == '\n') {
        line[--n] = '\0';
    }
    for (char *p = line; *p; p++) {
        *p = *p == '\n' ? ' ' : *p;
    }
    return weft_printable(line);
}

/* Whether the copy runs, and whether the stub's words reach QEMU: `fails`: it has a model that no
 * QEMU has. */
static int try_copy(const struct job *j, const char *copy, bool fails, struct weft_err **err)
{
    weft_auto_free char *said = NULL;
    weft_auto_free char *line = NULL;
    int code = run_probe(j, copy, &said, err);

    if (code < 0) {
        return weft_err_wrap(err, "a copy of %s", j->program);
    }
    line = one_line(said);
    if (fails && (code == WEFT_PROBE_EXIT || !strstr(said, NO_MODEL))) {
        return weft_fail(err, WEFT_E_CHILD,
                         "a copy of %s pays no heed to the CPU model in it (exit code %d%s%s)",
                         j->program, code, *line ? ": " : "", line);
    }
    if (!fails && code != WEFT_PROBE_EXIT) {
        return weft_fail(err, WEFT_E_CHILD,
                         "a copy of %s for CPU model %s does not run programs (exit code %d%s%s)",
                         j->program, j->model, code, *line ? ": " : "", line);
    }
    return 0;
}

static int prepare(const struct job *j, const struct temp *t, const char *model,
                   struct weft_stub_patch *out, struct weft_err **err)
{
    weft_auto_err why = NULL;
    int rc = weft_stub_prepare(j->stub, t->map, t->len, model, out, &why);

    if (rc < 0) {
        /* a file that is no ELF file is as much a program that this cannot be done to */
        weft_fail(err, why->code == WEFT_E_FORMAT ? WEFT_E_UNSUPPORTED : why->code,
                  "%s cannot be given a CPU model: %s", j->program, why->msg);
    }
    return rc;
}

/* Put a stub into the file, over one that is there, and try it. The file is closed after: an open
 * one cannot be run. */
static int patch_and_try(const struct job *j, struct temp *t, const struct weft_stub_patch *p,
                         bool fails, struct weft_err **err)
{
    if (t->fd < 0) {
        t->fd = open(t->path, O_WRONLY | O_CLOEXEC);
    }
    if (t->fd < 0 || ftruncate(t->fd, (off_t)t->len) < 0) {
        return weft_fail_sys(err, errno, "write %s", t->path);
    }
    if (write_at(t, p->where.head, p->where.head_len, 0, err) < 0 ||
        write_at(t, p->segment, p->segment_len, p->where.offset, err) < 0) {
        return -1;
    }
    if (fchmod(t->fd, COPY_MODE) < 0 || close(weft_steal_fd(&t->fd)) < 0) {
        return weft_fail_sys(err, errno, "write %s", t->path);
    }
    return try_copy(j, t->path, fails, err);
}

static bool same_bytes(int a, int b)
{
    weft_auto_free char *x = weft_xmalloc(CHUNK_BYTES);
    weft_auto_free char *y = weft_xmalloc(CHUNK_BYTES);
    off_t at = 0;
    ssize_t n;

    while ((n = pread(a, x, CHUNK_BYTES, at)) > 0) {
        if (pread(b, y, (size_t)n, at) != n || memcmp(x, y, (size_t)n) != 0) {
            return false;
        }
        at += n;
    }
    return n == 0;
}

/* Whether `path` is what the file `made` is. */
static bool is_same(const char *path, const char *made)
{
    weft_auto_fd a = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    weft_auto_fd b = open(made, O_RDONLY | O_CLOEXEC);
    struct stat st_a, st_b;

    return a >= 0 && b >= 0 && fstat(a, &st_a) == 0 && fstat(b, &st_b) == 0 &&
           S_ISREG(st_a.st_mode) && (st_a.st_mode & 07777) == COPY_MODE &&
           st_a.st_size == st_b.st_size && same_bytes(a, b);
}

/* Give the file its name. A good one that is there already stays: a worker may have it, and would
 * take another for a new QEMU. */
static int install(struct temp *t, const char *path, struct weft_err **err)
{
    weft_auto_free char *dir = weft_path_dir(path);

    if (weft_mkdirs(dir, 0700, err) < 0) {
        return -1;
    }
    if (renameat2(AT_FDCWD, t->path, AT_FDCWD, path, RENAME_NOREPLACE) < 0) {
        if (is_same(path, t->path)) {
            return 0;
        }
        if (rename(t->path, path) < 0) {
            return weft_fail_sys(err, errno, "make %s", path);
        }
    }
    free(weft_steal(&t->path)); /* it is not ours to remove any more */
    return 0;
}

/* Make the copy. Returns its path (caller frees), or NULL. */
static char *make(const struct job *j, struct weft_err **err)
{
    auto_temp t = {.fd = -1};
    weft_auto_stub_patch patch = {0};
    weft_auto_stub_patch fails = {0};
    weft_auto_free char *before = weft_file_identity(j->program);
    weft_auto_free char *path = NULL;
    weft_auto_free char *boot = boot_id();
    char digest[WEFT_DIGEST_SIZE];

    if (copy_program(j, &t, err) < 0) {
        return NULL;
    }
    if (prepare(j, &t, j->model, &patch, err) < 0 || prepare(j, &t, NO_MODEL, &fails, err) < 0) {
        return NULL;
    }
    keep_digest(j, &t, before, digest);
    temp_unmap(&t); /* what is mapped counts as open, for writing too, and cannot be run */
    if (patch_and_try(j, &t, &fails, true, err) < 0 ||
        patch_and_try(j, &t, &patch, false, err) < 0) {
        return NULL;
    }
    path = path_of(j, digest);
    if (install(&t, path, err) < 0) {
        return NULL;
    }
    weft_answers_keep(j->answers, GOOD, path, boot);
    return weft_steal(&path);
}

/* Open the lock and take it as asked for. It is only about trimming: without it, work goes on. */
static int take_lock(const char *dir, bool alone, bool *got)
{
    weft_auto_free char *path = weft_path_join(dir, LOCK);
    int fd = weft_lock_open(path, NULL);

    *got = fd >= 0 && weft_lock_wait(fd, alone, alone ? 0 : LOCK_MS, NULL) == 1;
    return fd;
}

char *weft_qemu_copy(const char *dir, struct weft_answers *a, const char *program,
                     const struct weft_machine *m, const char *model, struct weft_err **err)
{
    struct job j = {dir, a, program, m, model, weft_stub_here()};
    weft_auto_fd lock = -1;
    char *path;
    bool locked;

    if (!j.stub) {
        weft_fail(err, WEFT_E_UNSUPPORTED,
                  "%s cannot be given a CPU model: weft has no stub for this machine", program);
        return NULL;
    }
    if (weft_private_dir(dir, err) < 0) {
        return NULL;
    }
    lock = take_lock(dir, false, &locked);
    path = recall(&j);
    return path ? path : make(&j, err);
}

/* Whether a name in the directory is that of a copy. */
static bool is_name(const char *name)
{
    return strlen(name) == NAME_DIGITS && strspn(name, "0123456789abcdef") == NAME_DIGITS;
}

void weft_qemu_copies_trim(const char *dir, int days)
{
    weft_auto_dir d = opendir(dir);
    weft_auto_fd lock = -1;
    const struct dirent *entry;
    bool alone = false;

    if (!d) {
        return;
    }
    lock = take_lock(dir, true, &alone);
    if (!alone) {
        return; /* copies are being made: another time */
    }
    while ((entry = readdir(d)) != NULL) {
        weft_auto_free char *path = weft_path_join(dir, entry->d_name);
        struct stat st;

        /* nobody makes one now, so what is half made has been given up */
        if (weft_starts_with(entry->d_name, TEMP_PREFIX) ||
            (is_name(entry->d_name) && lstat(path, &st) == 0 &&
             time(NULL) - st.st_mtim.tv_sec > (time_t)days * DAY_SECONDS)) {
            (void)weft_rmtree(path, NULL);
        }
    }
}
