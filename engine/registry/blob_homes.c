/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/registry/blob_homes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/reference.h"

const struct weft_state_part weft_registry_state = {
    .name = "registry",
    .format = 1,
    .unmarked = 1,
    .mode = 0700,
};

enum {
    SCHEMA = 1,
    FILE_LIMIT = 8 << 20, /* far more than the bounds above let grow */
    LOCK_WAIT_MS = 2000,  /* it is held for a moment only */
};

static void home_finish(struct weft_blob_home *h)
{
    free(h->host);
    free(h->digest);
    weft_strv_finish(&h->paths);
}

void weft_blob_homes_finish(struct weft_blob_homes *h)
{
    for (size_t i = 0; i < h->n; i++) {
        home_finish(&h->v[i]);
    }
    free(h->v);
    *h = (struct weft_blob_homes){0};
}

static size_t find(const struct weft_blob_homes *h, const char *host, const char *digest)
{
    size_t i = 0;

    while (i < h->n && (strcmp(h->v[i].digest, digest) != 0 || strcmp(h->v[i].host, host) != 0)) {
        i++;
    }
    return i;
}

const struct weft_strv *weft_blob_homes_find(const struct weft_blob_homes *h, const char *host,
                                             const char *digest)
{
    size_t i = find(h, host, digest);

    return i < h->n ? &h->v[i].paths : NULL;
}

static void drop_path(struct weft_strv *paths, size_t i)
{
    free(paths->v[i]);
    paths->n--;
    memmove(&paths->v[i], &paths->v[i + 1], (paths->n - i + 1) * sizeof(*paths->v)); /* and NULL */
}

static void drop_path_named(struct weft_strv *paths, const char *path)
{
    for (size_t i = paths->n; i-- > 0;) {
        if (strcmp(paths->v[i], path) == 0) {
            drop_path(paths, i);
        }
    }
}

/* Take an entry out of its place. Its content is the caller's. */
static struct weft_blob_home take_out(struct weft_blob_homes *h, size_t i)
{
    struct weft_blob_home e = h->v[i];

    h->n--;
    memmove(&h->v[i], &h->v[i + 1], (h->n - i) * sizeof(*h->v));
    return e;
}

void weft_blob_homes_add(struct weft_blob_homes *h, const char *host, const char *digest,
                         const char *path)
{
    size_t i = find(h, host, digest);
    struct weft_blob_home e = {0};

    if (i < h->n) {
        e = take_out(h, i);
    } else {
        e.host = weft_xstrdup(host);
        e.digest = weft_xstrdup(digest);
        if (h->n == WEFT_BLOB_HOMES_MAX) {
            struct weft_blob_home oldest = take_out(h, 0);

            home_finish(&oldest);
        }
    }
    drop_path_named(&e.paths, path);
    weft_strv_add(&e.paths, path);
    if (e.paths.n > WEFT_BLOB_HOMES_PATHS) {
        drop_path(&e.paths, 0);
    }
    if (!h->v) {
        h->v = weft_xcalloc(WEFT_BLOB_HOMES_MAX, sizeof(*h->v));
    }
    h->v[h->n++] = e;
}

void weft_blob_homes_remove(struct weft_blob_homes *h, const char *host, const char *digest,
                            const char *path)
{
    size_t i = find(h, host, digest);

    if (i == h->n) {
        return;
    }
    drop_path_named(&h->v[i].paths, path);
    if (h->v[i].paths.n == 0) {
        struct weft_blob_home e = take_out(h, i);

        home_finish(&e);
    }
}

/* ---- the file ---- */

/* Whether the two make a reference: they will be parts of requests. */
static bool is_repository(const char *host, const char *path)
{
    weft_auto_free char *text = weft_fmt("%s/%s", host, path);
    weft_auto_reference ref = {0};

    return weft_reference_parse(text, &ref, NULL) == 0 && !ref.tag && !ref.digest &&
           strcmp(ref.domain, host) == 0 && strcmp(ref.path, path) == 0;
}

static void parse_blob(const struct weft_json *j, struct weft_blob_homes *out)
{
    const char *host = weft_json_str(j, "host");
    const char *digest = weft_json_str(j, "digest");
    const struct weft_json *paths = weft_json_get(j, "repositories");

    if (!host || !weft_digest_valid(digest)) {
        return;
    }
    for (size_t i = 0; i < weft_json_len(paths); i++) {
        const char *path = weft_json_value_str(weft_json_at(paths, i));

        if (path && is_repository(host, path)) {
            weft_blob_homes_add(out, host, digest, path);
        }
    }
}

int weft_blob_homes_parse(const char *text, size_t len, struct weft_blob_homes *out,
                          struct weft_err **err)
{
    weft_auto_json j = weft_json_parse(text, len, err);
    const struct weft_json *blobs = weft_json_get(j, "blobs");
    int64_t schema = weft_json_int(j, "schema", 0);
    size_t n = weft_json_len(blobs);

    if (!j) {
        return -1;
    }
    if (schema > SCHEMA) {
        return weft_fail(err, WEFT_E_UNSUPPORTED, "written by a newer weft");
    }
    if (schema < SCHEMA || !weft_json_is_array(blobs)) {
        return weft_fail(err, WEFT_E_FORMAT, "not what weft writes");
    }
    for (size_t i = n > WEFT_BLOB_HOMES_MAX ? n - WEFT_BLOB_HOMES_MAX : 0; i < n; i++) {
        parse_blob(weft_json_at(blobs, i), out);
    }
    return 0;
}

char *weft_blob_homes_dump(const struct weft_blob_homes *h)
{
    weft_auto_json j = weft_json_object();
    struct weft_json *blobs = weft_json_array();

    for (size_t i = 0; i < h->n; i++) {
        struct weft_json *blob = weft_json_object();
        struct weft_json *paths = weft_json_array();

        for (size_t k = 0; k < h->v[i].paths.n; k++) {
            weft_json_append_str(paths, h->v[i].paths.v[k]);
        }
        weft_json_set_str(blob, "host", h->v[i].host);
        weft_json_set_str(blob, "digest", h->v[i].digest);
        weft_json_set(blob, "repositories", paths);
        weft_json_append(blobs, blob);
    }
    weft_json_set_int(j, "schema", SCHEMA);
    weft_json_set(j, "blobs", blobs);
    return weft_json_dump(j, 1);
}

/* Returns 0 where `out` is what the file says, or the file is not there; -1 where it is to be left
 * alone. */
static int load(const char *file, struct weft_blob_homes *out, struct weft_err **err)
{
    weft_auto_free char *text = NULL;
    weft_auto_free char *aside = NULL;
    weft_auto_err broken = NULL;
    size_t len;

    if (!weft_exists(file)) {
        return 0;
    }
    if (weft_read_file(file, FILE_LIMIT, &text, &len, &broken) == 0 &&
        weft_blob_homes_parse(text, len, out, &broken) == 0) {
        return 0;
    }
    if (broken->code != WEFT_E_FORMAT) {
        return weft_fail(err, broken->code, "%s: %s", file, broken->msg);
    }
    aside = weft_fmt("%s.bad", file);
    if (rename(file, aside) == 0) {
        weft_warn("%s: %s; it is now %s", file, broken->msg, aside);
    }
    return 0;
}

static char *file_in(const char *state)
{
    return weft_fmt("%s/%s/blobs.json", state, weft_registry_state.name);
}

void weft_blob_homes_load(const char *state, struct weft_blob_homes *out)
{
    weft_auto_free char *file = file_in(state);
    weft_auto_err err = NULL;
    int got = weft_state_readable(state, &weft_registry_state, &err);

    if (got < 0 && err->code == WEFT_E_UNSUPPORTED) {
        weft_warn("%s: which blobs registries have is not known", err->msg);
    } else if (got < 0 || (got == 1 && load(file, out, &err) < 0)) {
        weft_debug("%s", err->msg);
    }
}

/* Call fn for each blob and repository of `of`. */
static void each(const struct weft_blob_homes *of, struct weft_blob_homes *h,
                 void (*fn)(struct weft_blob_homes *h, const char *host, const char *digest,
                            const char *path))
{
    for (size_t i = 0; i < of->n; i++) {
        for (size_t k = 0; k < of->v[i].paths.n; k++) {
            fn(h, of->v[i].host, of->v[i].digest, of->v[i].paths.v[k]);
        }
    }
}

int weft_blob_homes_save(const char *state, const struct weft_blob_homes *learned,
                         const struct weft_blob_homes *unlearned, struct weft_err **err)
{
    weft_auto_blob_homes all = {0};
    weft_auto_free char *file = file_in(state);
    weft_auto_free char *lock_file = weft_fmt("%s.lock", file);
    weft_auto_free char *text = NULL;
    weft_auto_fd lock = -1;
    int got;

    if (weft_state_open(state, &weft_registry_state, err) < 0) {
        return -1;
    }
    lock = weft_lock_open(lock_file, err);
    if (lock < 0) {
        return -1;
    }
    got = weft_lock_wait(lock, true, LOCK_WAIT_MS, err);
    if (got <= 0) {
        return got < 0 ? -1 : weft_fail(err, WEFT_E_IO, "%s is locked by another process", file);
    }
    if (load(file, &all, err) < 0) {
        return -1;
    }
    each(unlearned, &all, weft_blob_homes_remove);
    each(learned, &all, weft_blob_homes_add);
    text = weft_blob_homes_dump(&all);
    return weft_write_file(file, text, strlen(text), 0600, err);
}
