/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/intern.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/mem.h"
#include "base/str.h"

enum {
    FIRST_BUCKETS = 256 /* a power of two */
};

struct item {
    uint32_t at;   /* of its bytes in `text` */
    uint32_t hash; /* the lower half of it */
    uint32_t next; /* in its bucket */
};

struct weft_intern {
    struct weft_buf text; /* each with its NUL */
    struct item *items;   /* [0] is not used */
    size_t n;
    uint32_t *buckets;
    size_t n_buckets;
    size_t limit;
    uint64_t seed;
};

struct weft_intern *weft_intern_create(size_t limit)
{
    struct weft_intern *t = weft_xcalloc(1, sizeof(*t));

    t->limit = limit;
    t->n_buckets = FIRST_BUCKETS;
    t->buckets = weft_xcalloc(t->n_buckets, sizeof(*t->buckets));
    t->items = weft_xgrow(NULL, 0, sizeof(*t->items));
    t->items[0] = (struct item){0};
    t->n = 1;
    if (getrandom(&t->seed, sizeof(t->seed), GRND_NONBLOCK) != (ssize_t)sizeof(t->seed)) {
        t->seed = (uintptr_t)t; /* good enough before the kernel has any */
    }
    return t;
}

void weft_intern_destroy(struct weft_intern *t)
{
    if (t) {
        weft_buf_finish(&t->text);
        free(t->items);
        free(t->buckets);
        free(t);
    }
}

static uint32_t hash_of(const struct weft_intern *t, const char *s, size_t len)
{
    uint64_t h = t->seed ^ len * UINT64_C(0x9e3779b97f4a7c15);

    for (size_t i = 0; i < len; i++) {
        h = (h ^ (unsigned char)s[i]) * UINT64_C(0xff51afd7ed558ccd);
        h ^= h >> 32;
    }
    return (uint32_t)(h ^ h >> 29);
}

static uint32_t find(const struct weft_intern *t, const char *s, size_t len, uint32_t hash)
{
    for (uint32_t i = t->buckets[hash & (t->n_buckets - 1)]; i; i = t->items[i].next) {
        const char *text = t->text.data + t->items[i].at;

        if (t->items[i].hash == hash && strncmp(text, s, len) == 0 && text[len] == '\0') {
            return i;
        }
    }
    return 0;
}

uint32_t weft_intern_find(const struct weft_intern *t, const char *s, size_t len)
{
    return find(t, s, len, hash_of(t, s, len));
}

static void link_item(struct weft_intern *t, uint32_t i)
{
    uint32_t *bucket = &t->buckets[t->items[i].hash & (t->n_buckets - 1)];

    t->items[i].next = *bucket;
    *bucket = i;
}

static void grow(struct weft_intern *t)
{
    t->n_buckets *= 2;
    free(t->buckets);
    t->buckets = weft_xcalloc(t->n_buckets, sizeof(*t->buckets));
    for (uint32_t i = 1; i < t->n; i++) {
        link_item(t, i);
    }
}

uint32_t weft_intern_add(struct weft_intern *t, const char *s, size_t len)
{
    uint32_t hash = hash_of(t, s, len);
    uint32_t i = find(t, s, len, hash);

    if (i) {
        return i;
    }
    if (len >= t->limit - t->text.len) {
        return 0;
    }
    t->items = weft_xgrow(t->items, t->n, sizeof(*t->items));
    i = (uint32_t)t->n++;
    t->items[i] = (struct item){.at = (uint32_t)t->text.len, .hash = hash};
    weft_buf_append(&t->text, s, len);
    weft_buf_append(&t->text, "", 1);
    link_item(t, i);
    if (t->n > t->n_buckets) {
        grow(t);
    }
    return i;
}

const char *weft_intern_text(const struct weft_intern *t, uint32_t id)
{
    return t->text.data + t->items[id].at;
}

uint32_t weft_intern_count(const struct weft_intern *t)
{
    return (uint32_t)(t->n - 1);
}
