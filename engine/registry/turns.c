/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/registry/turns.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/digest.h"
#include "base/err.h"
#include "base/mem.h"

enum {
    WAIT_MS = 100 /* between two looks at `cancel` */
};

struct weft_turn {
    size_t to;
    char digest[WEFT_DIGEST_SIZE];
    bool there; /* else it is on its way */
};

void weft_turns_init(struct weft_turns *t, const atomic_bool *cancel)
{
    *t = (struct weft_turns){.cancel = cancel};
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->changed, NULL);
}

void weft_turns_finish(struct weft_turns *t)
{
    free(t->v);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->lock);
}

/* Wait for a change, for a moment. The lock is held. */
static int wait_change(struct weft_turns *t, struct weft_err **err)
{
    struct timespec until;

    if (t->cancel && atomic_load(t->cancel)) {
        return weft_fail(err, WEFT_E_CANCELLED, "interrupted");
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += WAIT_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_cond_timedwait(&t->changed, &t->lock, &until);
    return 0;
}

/* The lock is held. */
static struct weft_turn *find(const struct weft_turns *t, size_t to, const char *digest)
{
    for (size_t i = 0; i < t->n; i++) {
        if (t->v[i].to == to && strcmp(t->v[i].digest, digest) == 0) {
            return &t->v[i];
        }
    }
    return NULL;
}

int weft_turns_claim(struct weft_turns *t, size_t to, const char *digest, struct weft_err **err)
{
    const struct weft_turn *found;
    int rc = 0;

    pthread_mutex_lock(&t->lock);
    while ((found = find(t, to, digest)) && !found->there && rc == 0) {
        rc = wait_change(t, err);
    }
    if (!found) {
        t->v = weft_xgrow(t->v, t->n, sizeof(*t->v));
        t->v[t->n].to = to;
        t->v[t->n].there = false;
        memcpy(t->v[t->n].digest, digest, WEFT_DIGEST_SIZE);
        t->n++;
        rc = 1;
    }
    pthread_mutex_unlock(&t->lock);
    return rc;
}

void weft_turns_release(struct weft_turns *t, size_t to, const char *digest, bool there)
{
    struct weft_turn *own;

    pthread_mutex_lock(&t->lock);
    own = find(t, to, digest);
    if (there) {
        own->there = true;
    } else {
        *own = t->v[--t->n];
    }
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

bool weft_turns_there(struct weft_turns *t, size_t to, const char *digest)
{
    const struct weft_turn *found;
    bool there;

    pthread_mutex_lock(&t->lock);
    found = find(t, to, digest);
    there = found && found->there;
    pthread_mutex_unlock(&t->lock);
    return there;
}

int weft_turns_begin_upload(struct weft_turns *t, struct weft_err **err)
{
    int rc = 0;

    pthread_mutex_lock(&t->lock);
    while (t->uploads >= WEFT_TURNS_UPLOADS && rc == 0) {
        rc = wait_change(t, err);
    }
    if (rc == 0) {
        t->uploads++;
    }
    pthread_mutex_unlock(&t->lock);
    return rc;
}

void weft_turns_end_upload(struct weft_turns *t)
{
    pthread_mutex_lock(&t->lock);
    t->uploads--;
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}
