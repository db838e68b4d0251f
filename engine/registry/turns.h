/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who of several threads brings what: each thing is brought to a repository by one thread, the
 * others wait for it, and few uploads run at once, whoever calls. Thread: any, but for init and
 * finish. Private to engine/registry/push.c.
 */
#ifndef WEFT_ENGINE_REGISTRY_TURNS_H
#define WEFT_ENGINE_REGISTRY_TURNS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct weft_err;
struct weft_turn;

enum {
    WEFT_TURNS_UPLOADS = 4, /* at once */
};

/** Start with weft_turns_init; end with weft_turns_finish. */
struct weft_turns {
    const atomic_bool *cancel; /* ends every wait; or NULL */
    pthread_mutex_t lock;      /* for what follows */
    pthread_cond_t changed;
    struct weft_turn *v; /* what is brought, or was */
    size_t n;
    int uploads;
};

void weft_turns_init(struct weft_turns *t, const atomic_bool *cancel);
void weft_turns_finish(struct weft_turns *t);

/**
 * Undertake to bring something to repository number `to`. Returns 1: it is up to the caller, who
 * says with weft_turns_release how it went; 0: it is there, maybe since another thread has brought
 * it meanwhile; -1: WEFT_E_CANCELLED.
 */
int weft_turns_claim(struct weft_turns *t, size_t to, const char *digest, struct weft_err **err);
void weft_turns_release(struct weft_turns *t, size_t to, const char *digest, bool there);

/** Whether something has been brought to a repository. */
bool weft_turns_there(struct weft_turns *t, size_t to, const char *digest);

/** Wait for a turn to send. Errors: WEFT_E_CANCELLED. */
int weft_turns_begin_upload(struct weft_turns *t, struct weft_err **err);
void weft_turns_end_upload(struct weft_turns *t);

#endif
