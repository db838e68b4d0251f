/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sending a blob: all of it in one request, as BuildKit does; what a lost connection leaves of it
 * is asked for, and the rest follows.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "engine/registry/client_parts.h"
#include "engine/registry/reply.h"

struct upload {
    struct weft_registry *r;
    const char *digest;
    const char *doing;
    int fd;
    uint64_t size_bytes;
    _Atomic int64_t *sent;
    char *location; /* where it goes on; NULL: it is not begun */
    uint64_t at;    /* bytes that the registry has */
    bool resumed;   /* `at` is what the registry says */
};

/* What a request came to. */
enum outcome {
    FAILED = -1,
    DONE,
    AGAIN, /* ask where it is, and go on */
};

static int begin(struct upload *u, struct weft_err **err)
{
    const struct weft_registry_call call = {
        .doing = u->doing, .method = "POST", .path = "blobs/uploads/"};
    struct weft_http_answer a = {0};
    int rc = 0;

    u->location = weft_registry_take_session(u->r, u->digest);
    if (u->location) {
        return 0;
    }
    if (weft_registry_call(u->r, &call, &a, err) < 0) {
        return -1;
    }
    if (a.status != 202) {
        rc = weft_registry_refused(u->r, &call, &a, err);
    } else {
        u->location = weft_registry_location(&a);
        if (!u->location) {
            rc = weft_fail(err, WEFT_E_NET,
                           "%s: %s: the registry began an upload, and did not say where",
                           u->r->name, u->doing);
        }
    }
    weft_http_answer_finish(&a);
    return rc;
}

/* The bytes that the registry has count as sent. */
static void set_at(struct upload *u, uint64_t at)
{
    if (u->sent) {
        atomic_fetch_add(u->sent, (int64_t)(at - u->at));
    }
    u->at = at;
}

static void start_over(struct upload *u)
{
    free(weft_steal(&u->location));
    set_at(u, 0);
    u->resumed = false;
}

/* Whether the registry has forgotten the upload, or keeps another count of it than it has said. */
static bool is_gone(const struct upload *u, const struct weft_http_answer *a)
{
    struct weft_refusal refusal = {0};
    bool gone;

    weft_refusal_read(a->body.data, a->body.len, &refusal);
    gone = a->status == 404 || a->status == 410 || a->status == 416 ||
           (a->status == 400 && (weft_str_eq(refusal.code, "BLOB_UPLOAD_INVALID") ||
                                 weft_str_eq(refusal.code, "BLOB_UPLOAD_UNKNOWN"))) ||
           (u->resumed && weft_str_eq(refusal.code, "DIGEST_INVALID"));
    weft_refusal_finish(&refusal);
    return gone;
}

static char *status_text(const struct upload *u, const struct weft_http_answer *a)
{
    weft_auto_free char *text = weft_registry_status_text(a);

    return weft_fmt("%s: %s: %s", u->r->name, u->doing, text);
}

/* The specification has 202 for a piece and 201 for the end; there are registries that give others,
 * and other clients take these, too. */
static bool is_taken(const struct weft_http_answer *a)
{
    return a->status == 200 || a->status == 201 || a->status == 202 || a->status == 204;
}

/* Send a request that may not be repeated as it is, and judge its answer. */
static enum outcome send_once(struct upload *u, const struct weft_registry_call *call,
                              struct weft_http_answer *a, char **why, struct weft_err **err)
{
    weft_auto_err lost = NULL;

    if (weft_registry_call(u->r, call, a, &lost) < 0) {
        if (weft_registry_error_passes(u->r, lost)) {
            *why = weft_xstrdup(lost->msg);
            return AGAIN;
        }
        if (err) {
            *err = weft_steal(&lost);
        }
        return FAILED;
    }
    if (is_taken(a)) {
        return DONE;
    }
    if (weft_registry_answer_passes(a)) {
        *why = status_text(u, a);
        return AGAIN;
    }
    if (is_gone(u, a)) {
        *why = status_text(u, a);
        start_over(u);
        return AGAIN;
    }
    weft_registry_refused(u->r, call, a, err);
    return FAILED;
}

/* How far a piece has brought the upload: to its end, if the registry says nothing that makes
 * sense. */
static uint64_t reached(const struct upload *u, const struct weft_http_answer *a)
{
    const char *range = weft_http_header(a, "range");
    uint64_t at;

    return range && weft_upload_range(range, &at) == 0 && at > u->at && at < u->size_bytes
               ? at
               : u->size_bytes;
}

/* The rest of a broken upload, without its end. */
static enum outcome send_rest(struct upload *u, struct weft_http_answer *a, char **why,
                              struct weft_err **err)
{
    weft_auto_strv headers = {0};
    const struct weft_registry_call call = {.doing = u->doing,
                                            .method = "PATCH",
                                            .url = u->location,
                                            .headers = &headers,
                                            .body_fd = u->fd,
                                            .from_file = true,
                                            .body_offset = u->at,
                                            .body_bytes = u->size_bytes - u->at,
                                            .sent = u->sent,
                                            .once = true};
    enum outcome o;
    uint64_t at;
    char *location;

    weft_strv_add(&headers, "Content-Type: application/octet-stream");
    weft_strv_addf(&headers, "Content-Range: %" PRIu64 "-%" PRIu64, u->at, u->size_bytes - 1);
    o = send_once(u, &call, a, why, err);
    if (o != DONE) {
        return o;
    }
    location = weft_registry_location(a);
    if (location) {
        free(u->location);
        u->location = location;
    }
    at = reached(u, a);
    u->at = u->size_bytes; /* which are counted */
    set_at(u, at);
    weft_http_answer_finish(a);
    return DONE;
}

/* All of it, or where the registry has all of it, the end. */
static enum outcome send_end(struct upload *u, struct weft_http_answer *a, char **why,
                             struct weft_err **err)
{
    weft_auto_free char *url = weft_url_with(u->location, "digest", u->digest);
    weft_auto_strv headers = {0};
    const struct weft_registry_call call = {.doing = u->doing,
                                            .method = "PUT",
                                            .url = url,
                                            .headers = &headers,
                                            .body_fd = u->fd,
                                            .from_file = true,
                                            .body_offset = u->at,
                                            .body_bytes = u->size_bytes - u->at,
                                            .sent = u->sent,
                                            .once = true};
    enum outcome o;

    weft_strv_add(&headers, "Content-Type: application/octet-stream");
    o = send_once(u, &call, a, why, err);
    if (o == DONE && weft_registry_check_digest(u->r, &call, a, u->digest, err) < 0) {
        return FAILED;
    }
    return o;
}

static enum outcome send_all(struct upload *u, struct weft_http_answer *a, char **why,
                             struct weft_err **err)
{
    if (!u->location && begin(u, err) < 0) {
        return FAILED;
    }
    while (u->at > 0 && u->at < u->size_bytes) {
        enum outcome o = send_rest(u, a, why, err);

        if (o != DONE) {
            return o;
        }
    }
    return send_end(u, a, why, err);
}

/*
 * Ask how much has arrived. An upload that is not known any more is begun anew, unless it has come
 * to its end and only the answer was lost. Returns 1 where the blob is there, 0, or -1.
 */
static int find_place(struct upload *u, struct weft_err **err)
{
    const struct weft_registry_call call = {.doing = u->doing, .method = "GET", .url = u->location};
    struct weft_http_answer a = {0};
    const char *range;
    uint64_t at = 0;
    char *location;

    if (!u->location) {
        return 0;
    }
    if (weft_registry_call(u->r, &call, &a, err) < 0) {
        return -1;
    }
    range = weft_http_header(&a, "range");
    if ((a.status != 204 && a.status != 200) || (range && weft_upload_range(range, &at) < 0) ||
        at > u->size_bytes) {
        weft_http_answer_finish(&a);
        start_over(u);
        return weft_registry_has_blob(u->r, u->digest, err);
    }
    location = weft_registry_location(&a);
    if (location) {
        free(u->location);
        u->location = location;
    }
    set_at(u, at);
    u->resumed = true;
    weft_http_answer_finish(&a);
    if (at > 0) {
        weft_debug("%s: %s: goes on at byte %" PRIu64, u->r->name, u->doing, at);
    }
    return 0;
}

static int upload(struct upload *u, struct weft_err **err)
{
    uint64_t best = 0;

    for (int next = 2;; next++) {
        struct weft_http_answer a = {0};
        weft_auto_free char *why = NULL;
        enum outcome o = send_all(u, &a, &why, err);
        int rc;

        if (o == AGAIN && next > WEFT_REGISTRY_TRIES) {
            weft_fail(err, WEFT_E_NET, "%s (tried %d times)", why, WEFT_REGISTRY_TRIES);
            o = FAILED;
        }
        rc = o == AGAIN ? weft_registry_pause(u->r, next, why, &a, err) : (int)o;
        weft_http_answer_finish(&a);
        if (rc != 0 || o == DONE) {
            return rc;
        }
        rc = find_place(u, err);
        if (rc > 0) {
            set_at(u, u->size_bytes);
            return 0;
        }
        if (rc < 0) {
            return -1;
        }
        if (u->at > best) {
            best = u->at;
            next = 1; /* as long as it gets on, it is worth it */
        }
    }
}

static int open_file(const char *file, uint64_t size_bytes, struct weft_err **err)
{
    weft_auto_fd fd = open(file, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0) {
        return weft_fail_sys(err, errno, "%s", file);
    }
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != size_bytes) {
        return weft_fail(err, WEFT_E_IO, "%s is not a file of %" PRIu64 " bytes", file, size_bytes);
    }
    return weft_steal_fd(&fd);
}

int weft_registry_put_blob(struct weft_registry *r, const char *digest, uint64_t size_bytes,
                           const char *file, _Atomic int64_t *sent, struct weft_err **err)
{
    weft_auto_free char *doing = weft_fmt("sending blob %s", digest);
    weft_auto_fd fd = open_file(file, size_bytes, err);
    struct upload u = {
        .r = r, .digest = digest, .doing = doing, .fd = fd, .size_bytes = size_bytes, .sent = sent};
    int rc;

    if (fd < 0) {
        return -1;
    }
    rc = upload(&u, err);
    free(u.location);
    return rc;
}
