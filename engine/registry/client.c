/* SPDX-License-Identifier: Apache-2.0 */
/* What is asked of a registry, but for uploads of blobs. */
#include "config.h"

#include "engine/registry/client.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/descriptor.h"
#include "engine/registry/client_parts.h"
#include "engine/registry/reply.h"

static const char accept_manifests[] = "Accept: " WEFT_MEDIA_OCI_INDEX ", " WEFT_MEDIA_OCI_MANIFEST
                                       ", " WEFT_MEDIA_DOCKER_LIST ", " WEFT_MEDIA_DOCKER_MANIFEST
                                       ", */*";

/* "application/json; charset=utf-8" without what follows. Caller frees; NULL: there is none. */
static char *media_type_of(const struct weft_http_answer *a)
{
    const char *value = weft_http_header(a, "content-type");
    size_t len = value ? strcspn(value, "; \t,") : 0;

    return len > 0 ? weft_xstrndup(value, len) : NULL;
}

static int fail_content(const struct weft_registry *r, const char *doing, const char *got,
                        const char *wanted, struct weft_err **err)
{
    return weft_fail(err, WEFT_E_DIGEST, "%s: %s: what the registry sent is %s, not %s", r->name,
                     doing, got, wanted);
}

int weft_registry_get_manifest(struct weft_registry *r, const char *tag_or_digest,
                               struct weft_buf *bytes, char **media_type,
                               char digest[WEFT_DIGEST_SIZE], struct weft_err **err)
{
    weft_auto_free char *path = weft_fmt("manifests/%s", tag_or_digest);
    weft_auto_free char *doing = weft_fmt("getting manifest %s", tag_or_digest);
    weft_auto_strv headers = {0};
    const struct weft_registry_call call = {.doing = doing,
                                            .method = "GET",
                                            .path = path,
                                            .headers = &headers,
                                            .limit = WEFT_MANIFEST_LIMIT};
    struct weft_http_answer a = {0};
    int rc;

    weft_strv_add(&headers, accept_manifests);
    if (weft_registry_call(r, &call, &a, err) < 0) {
        return -1;
    }
    if (a.status == 404) {
        rc = 0;
    } else if (a.status != 200) {
        rc = weft_registry_refused(r, &call, &a, err);
    } else {
        weft_digest_bytes(a.body.data, a.body.len, digest);
        rc = 1;
        if (weft_digest_valid(tag_or_digest) && strcmp(tag_or_digest, digest) != 0) {
            rc = fail_content(r, doing, digest, tag_or_digest, err);
        } else if (weft_registry_check_digest(r, &call, &a, digest, err) < 0) {
            rc = -1;
        } else {
            *media_type = media_type_of(&a);
            weft_buf_append(bytes, a.body.data, a.body.len);
        }
    }
    weft_http_answer_finish(&a);
    return rc;
}

/* For a registry that does not name the digest in its headers. */
static int resolve_by_content(struct weft_registry *r, const char *tag_or_digest,
                              char digest[WEFT_DIGEST_SIZE], struct weft_err **err)
{
    weft_auto_free char *media_type = NULL;
    weft_auto_buf bytes = {0};

    return weft_registry_get_manifest(r, tag_or_digest, &bytes, &media_type, digest, err);
}

int weft_registry_resolve(struct weft_registry *r, const char *tag_or_digest,
                          char digest[WEFT_DIGEST_SIZE], struct weft_err **err)
{
    weft_auto_free char *path = weft_fmt("manifests/%s", tag_or_digest);
    weft_auto_free char *doing = weft_fmt("looking for manifest %s", tag_or_digest);
    weft_auto_strv headers = {0};
    const struct weft_registry_call call = {
        .doing = doing, .method = "HEAD", .path = path, .headers = &headers};
    struct weft_http_answer a = {0};
    const char *theirs;
    int rc;

    weft_strv_add(&headers, accept_manifests);
    if (weft_registry_call(r, &call, &a, err) < 0) {
        return -1;
    }
    theirs = weft_http_header(&a, "docker-content-digest");
    if (a.status == 404) {
        rc = 0;
    } else if (a.status != 200) {
        rc = weft_registry_refused(r, &call, &a, err);
    } else if (theirs && weft_digest_valid(theirs)) {
        memcpy(digest, theirs, WEFT_DIGEST_SIZE);
        rc = 1;
    } else {
        rc = resolve_by_content(r, tag_or_digest, digest, err);
    }
    weft_http_answer_finish(&a);
    return rc;
}

int weft_registry_has_blob(struct weft_registry *r, const char *digest, struct weft_err **err)
{
    weft_auto_free char *path = weft_fmt("blobs/%s", digest);
    weft_auto_free char *doing = weft_fmt("looking for blob %s", digest);
    const struct weft_registry_call call = {.doing = doing, .method = "HEAD", .path = path};
    struct weft_http_answer a = {0};
    int rc;

    if (weft_registry_call(r, &call, &a, err) < 0) {
        return -1;
    }
    rc = a.status == 200 ? 1 : a.status == 404 ? 0 : weft_registry_refused(r, &call, &a, err);
    weft_http_answer_finish(&a);
    return rc;
}

int weft_registry_get_blob(struct weft_registry *r, const char *digest, uint64_t limit,
                           struct weft_buf *bytes, struct weft_err **err)
{
    weft_auto_free char *path = weft_fmt("blobs/%s", digest);
    weft_auto_free char *doing = weft_fmt("getting blob %s", digest);
    const struct weft_registry_call call = {
        .doing = doing, .method = "GET", .path = path, .limit = limit > 0 ? limit : 1};
    struct weft_http_answer a = {0};
    char found[WEFT_DIGEST_SIZE];
    int rc;

    if (weft_registry_call(r, &call, &a, err) < 0) {
        return -1;
    }
    if (a.status == 404) {
        rc = 0;
    } else if (a.status != 200) {
        rc = weft_registry_refused(r, &call, &a, err);
    } else {
        weft_digest_bytes(a.body.data, a.body.len, found);
        rc = strcmp(found, digest) == 0 ? 1 : fail_content(r, doing, found, digest, err);
        if (rc == 1) {
            weft_buf_append(bytes, a.body.data, a.body.len);
        }
    }
    weft_http_answer_finish(&a);
    return rc;
}

/* The registry did not say what it made of the bytes: ask, by the digest, since a tag may be
 * another push's by now. One that never says is believed. */
static int check_written(struct weft_registry *r, const struct weft_registry_call *call,
                         const char *digest, struct weft_err **err)
{
    char found[WEFT_DIGEST_SIZE];
    int rc = weft_registry_resolve(r, digest, found, err);

    if (rc < 0) {
        return -1;
    }
    if (rc == 0) {
        return weft_fail(err, WEFT_E_NET, "%s: %s: the registry took it, and does not have it",
                         r->name, call->doing);
    }
    return strcmp(found, digest) == 0
               ? 0
               : weft_fail(err, WEFT_E_DIGEST, "%s: %s: the registry has %s, and it is %s", r->name,
                           call->doing, found, digest);
}

int weft_registry_put_manifest(struct weft_registry *r, const char *tag_or_digest,
                               const char *media_type, const void *data, size_t len,
                               struct weft_err **err)
{
    weft_auto_free char *path = weft_fmt("manifests/%s", tag_or_digest);
    weft_auto_free char *doing = weft_fmt("writing manifest %s", tag_or_digest);
    weft_auto_strv headers = {0};
    const struct weft_registry_call call = {.doing = doing,
                                            .method = "PUT",
                                            .path = path,
                                            .headers = &headers,
                                            .body = data,
                                            .body_len = len};
    struct weft_http_answer a = {0};
    char digest[WEFT_DIGEST_SIZE];
    int rc;

    weft_strv_addf(&headers, "Content-Type: %s", media_type);
    weft_digest_bytes(data, len, digest);
    if (weft_registry_call(r, &call, &a, err) < 0) {
        return -1;
    }
    if (a.status != 201 && a.status != 200 && a.status != 202) {
        rc = weft_registry_refused(r, &call, &a, err);
    } else if (weft_http_header(&a, "docker-content-digest")) {
        rc = weft_registry_check_digest(r, &call, &a, digest, err);
    } else {
        rc = check_written(r, &call, digest, err);
    }
    weft_http_answer_finish(&a);
    return rc;
}

/* ---- rights ---- */

/* Take back an upload that was begun. It is dropped some day in any case. */
static void drop_upload(struct weft_registry *r, const char *doing, const char *location)
{
    const struct weft_registry_call drop = {
        .doing = doing, .method = "DELETE", .url = location, .once = true};
    struct weft_http_answer a = {0};
    weft_auto_err why = NULL;

    if (weft_registry_call(r, &drop, &a, &why) < 0) {
        weft_debug("%s", why->msg);
    }
    weft_http_answer_finish(&a);
}

/* Begin an upload, and drop it. */
static int check_push(struct weft_registry *r, struct weft_err **err)
{
    const struct weft_registry_call begin = {
        .doing = "asking whether it may be pushed to", .method = "POST", .path = "blobs/uploads/"};
    struct weft_http_answer a = {0};
    weft_auto_free char *location = NULL;

    if (weft_registry_call(r, &begin, &a, err) < 0) {
        return -1;
    }
    if (a.status != 202) {
        weft_registry_refused(r, &begin, &a, err);
        weft_http_answer_finish(&a);
        return -1;
    }
    location = weft_registry_location(&a);
    weft_http_answer_finish(&a);
    if (location) {
        drop_upload(r, begin.doing, location);
    }
    return 0;
}

int weft_registry_check(struct weft_registry *r, struct weft_err **err)
{
    const struct weft_registry_call list = {
        .doing = "asking whether it may be pulled from", .method = "GET", .path = "tags/list?n=1"};
    struct weft_http_answer a = {0};
    int rc;

    if (r->opts.push) {
        return check_push(r, err);
    }
    if (weft_registry_call(r, &list, &a, err) < 0) {
        return -1;
    }
    rc = a.status == 401 || a.status == 403 ? weft_registry_refused(r, &list, &a, err) : 0;
    weft_http_answer_finish(&a);
    return rc;
}

/* ---- mounts ---- */

/* One for a blob is enough. Returns whether it is kept; then `location` is the registry's. */
static bool remember_session(struct weft_registry *r, const char *digest, char *location)
{
    struct weft_registry_session *s;
    bool known = false;

    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->n_sessions; i++) {
        known |= strcmp(r->sessions[i].digest, digest) == 0;
    }
    if (known) {
        pthread_mutex_unlock(&r->lock);
        return false;
    }
    r->sessions = weft_xrealloc(r->sessions, r->n_sessions + 1, sizeof(*r->sessions));
    s = &r->sessions[r->n_sessions++];
    memcpy(s->digest, digest, WEFT_DIGEST_SIZE);
    s->location = location;
    pthread_mutex_unlock(&r->lock);
    return true;
}

char *weft_registry_take_session(struct weft_registry *r, const char *digest)
{
    char *location = NULL;

    pthread_mutex_lock(&r->lock);
    for (size_t i = 0; i < r->n_sessions && !location; i++) {
        if (strcmp(r->sessions[i].digest, digest) == 0) {
            location = r->sessions[i].location;
            r->sessions[i] = r->sessions[--r->n_sessions];
        }
    }
    pthread_mutex_unlock(&r->lock);
    return location;
}

int weft_registry_mount_blob(struct weft_registry *r, const char *digest, const char *from_path,
                             struct weft_err **err)
{
    weft_auto_free char *mount = weft_url_with("blobs/uploads/", "mount", digest);
    weft_auto_free char *path = weft_url_with(mount, "from", from_path);
    weft_auto_free char *doing = weft_fmt("mounting blob %s from %s", digest, from_path);
    const struct weft_registry_call call = {
        .doing = doing, .method = "POST", .path = path, .from = from_path};
    struct weft_http_answer a = {0};
    weft_auto_err why = NULL;
    weft_auto_free char *location = NULL;
    int rc;

    if (weft_registry_call(r, &call, &a, &why) < 0) {
        if (why->code != WEFT_E_CANCELLED) {
            weft_debug("%s", why->msg); /* what is wrong in earnest shows when the blob is sent */
            return 0;
        }
        if (err) {
            *err = weft_steal(&why);
        }
        return -1;
    }
    rc = a.status == 201;
    /* where it is mounted, the upload that an earlier try has begun is of no use any more */
    location = rc                ? weft_registry_take_session(r, digest)
               : a.status == 202 ? weft_registry_location(&a)
                                 : NULL;
    weft_http_answer_finish(&a);
    if (location && !rc && remember_session(r, digest, location)) {
        weft_steal(&location);
    } else if (location) {
        drop_upload(r, doing, location);
    }
    return rc;
}
