/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/answers.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    LOCK_MS = 2000,
    KEPT_MAX = 1000 /* answers in a file; there are some 60 for the QEMUs of a machine */
};

struct weft_answers {
    pthread_mutex_t mutex;
    char *path;
    struct weft_json *known; /* from "WHAT of FILE IDENTITY" to the answer */
    struct weft_json *fresh; /* of these, what is not in the file yet */
    size_t n_fresh;
};

static struct weft_json *load(const char *path)
{
    struct weft_json *j = path ? weft_json_load(path, NULL) : NULL;

    if (!weft_json_is_object(j)) { /* none, or spoilt: everything is asked again */
        weft_json_free(j);
        j = weft_json_object();
    }
    return j;
}

struct weft_answers *weft_answers_create(const char *path)
{
    struct weft_answers *a = weft_xcalloc(1, sizeof(*a));

    pthread_mutex_init(&a->mutex, NULL);
    a->path = weft_xstrdup_null(path);
    a->known = load(path);
    a->fresh = weft_json_object();
    return a;
}

void weft_answers_destroy(struct weft_answers *a)
{
    if (!a) {
        return;
    }
    weft_answers_write(a);
    pthread_mutex_destroy(&a->mutex);
    weft_json_free(a->known);
    weft_json_free(a->fresh);
    free(a->path);
    free(a);
}

char *weft_file_identity(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0) {
        return weft_fmt("%s: %d", path, errno);
    }
    return weft_fmt("%s %llx:%llu %lld %lld.%09ld", path, (unsigned long long)st.st_dev,
                    (unsigned long long)st.st_ino, (long long)st.st_size,
                    (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

static char *key_of(const char *what, const char *program)
{
    weft_auto_free char *id = weft_file_identity(program);

    return weft_fmt("%s of %s", what, id);
}

char *weft_answers_recall(struct weft_answers *a, const char *what, const char *program)
{
    weft_auto_free char *key = key_of(what, program);
    char *answer;

    pthread_mutex_lock(&a->mutex);
    answer = weft_xstrdup_null(weft_json_str(a->known, key));
    pthread_mutex_unlock(&a->mutex);
    return answer;
}

void weft_answers_remember(struct weft_answers *a, const char *what, const char *program,
                           const char *answer)
{
    weft_auto_free char *key = key_of(what, program);

    pthread_mutex_lock(&a->mutex);
    weft_json_set_str(a->known, key, answer);
    pthread_mutex_unlock(&a->mutex);
}

static void count(const char *key, const struct weft_json *value, void *data)
{
    (void)key;
    (void)value;
    ++*(size_t *)data;
}

static void add(const char *key, const struct weft_json *value, void *data)
{
    weft_json_set_str(data, key, weft_json_value_str(value));
}

/* What another process has written meanwhile stays. Most answers in a full file are of files that
 * are gone: in containers with a state that outlives them, all of the last one's are. */
static void store(const struct weft_answers *a)
{
    weft_auto_free char *lock = weft_fmt("%s.lock", a->path);
    weft_auto_fd fd = weft_lock_open(lock, NULL);
    weft_auto_json all = NULL;
    weft_auto_free char *text = NULL;
    size_t n = 0;

    if (fd < 0 || weft_lock_wait(fd, true, LOCK_MS, NULL) != 1) {
        return;
    }
    all = load(a->path);
    weft_json_each(all, count, &n);
    if (n + a->n_fresh > KEPT_MAX) {
        weft_json_free(all);
        all = weft_json_object();
    }
    weft_json_each(a->fresh, add, all);
    text = weft_json_dump(all, 2);
    (void)weft_write_file(a->path, text, strlen(text), 0600, NULL);
}

void weft_answers_write(struct weft_answers *a)
{
    pthread_mutex_lock(&a->mutex);
    if (a->path && a->n_fresh > 0) {
        store(a);
        weft_json_free(a->fresh);
        a->fresh = weft_json_object();
        a->n_fresh = 0;
    }
    pthread_mutex_unlock(&a->mutex);
}

void weft_answers_keep(struct weft_answers *a, const char *what, const char *program,
                       const char *answer)
{
    weft_auto_free char *key = key_of(what, program);

    pthread_mutex_lock(&a->mutex);
    weft_json_set_str(a->known, key, answer);
    weft_json_set_str(a->fresh, key, answer);
    a->n_fresh++;
    pthread_mutex_unlock(&a->mutex);
}
