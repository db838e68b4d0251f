/* SPDX-License-Identifier: Apache-2.0 */
/* A hash table with chains that grows: strings interned, found, not found and removed. */
#include "bench/kernels/kernels.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    KEYS = 1500,
    LONGEST = 16,
    FIRST_BUCKETS = 64
};

struct entry {
    struct entry *next;
    uint32_t hash, value;
    uint8_t length;
    char key[LONGEST];
};

struct table {
    struct entry **buckets;
    uint32_t count, mask;
};

static void grow(struct table *table)
{
    uint32_t mask = table->mask * 2 + 1;
    struct entry **buckets = kernel_alloc((mask + 1) * sizeof(struct entry *));

    for (uint32_t i = 0; i <= table->mask; i++) {
        struct entry *next;

        for (struct entry *e = table->buckets[i]; e != NULL; e = next) {
            next = e->next;
            e->next = buckets[e->hash & mask];
            buckets[e->hash & mask] = e;
        }
    }
    free(table->buckets);
    table->buckets = buckets;
    table->mask = mask;
}

/* The link to the key's entry, or to NULL. */
static struct entry **find(struct table *table, const char *key, size_t length)
{
    uint32_t hash = kernel_hash(key, length);
    struct entry **link = &table->buckets[hash & table->mask];

    for (; *link != NULL; link = &(*link)->next) {
        struct entry *e = *link;

        if (e->hash == hash && e->length == length && memcmp(e->key, key, length) == 0) {
            break;
        }
    }
    return link;
}

static void add(struct table *table, const char *key, size_t length, uint32_t value)
{
    struct entry *e = *find(table, key, length), **bucket;

    if (e != NULL) {
        e->value += value;
        return;
    }
    e = malloc(sizeof(*e));
    kernel_need(e != NULL);
    e->hash = kernel_hash(key, length);
    e->value = value;
    e->length = (uint8_t)length;
    memcpy(e->key, key, length);
    bucket = &table->buckets[e->hash & table->mask];
    e->next = *bucket;
    *bucket = e;
    if (++table->count > table->mask) {
        grow(table);
    }
}

static bool take(struct table *table, const char *key, size_t length)
{
    struct entry **link = find(table, key, length);
    struct entry *e = *link;

    if (e == NULL) {
        return false;
    }
    *link = e->next;
    free(e);
    table->count--;
    return true;
}

static size_t make_key(char *key, uint32_t number)
{
    size_t length = 0;

    do {
        key[length++] = (char)('a' + number % 26);
        number /= 26;
    } while (number > 0 && length < LONGEST);
    return length;
}

static KERNEL_OPAQUE uint32_t use_table(struct table *table, uint32_t first)
{
    uint32_t sum = 0, found = 0;
    char key[LONGEST];

    for (uint32_t i = 0; i < KEYS; i++) {
        add(table, key, make_key(key, (first + i) * 7919), i);
    }
    for (uint32_t i = 0; i < 2 * KEYS; i++) {
        struct entry *e = *find(table, key, make_key(key, (first + i) * 7919));

        if (e != NULL) {
            found++;
            sum = sum * 31 + e->value;
        }
    }
    for (uint32_t i = 0; i < KEYS; i += 2) {
        found += take(table, key, make_key(key, (first + i) * 7919));
    }
    if (table->count != KEYS / 2 || found != KEYS + KEYS / 2) {
        kernel_fail("%u entries found and %u left, instead of %d and %d", found, table->count,
                    KEYS + KEYS / 2, KEYS / 2);
    }
    return sum;
}

static void run_hash(struct kernel_run *run)
{
    kernel_begin(run);
    for (uint64_t n = 0; n < run->iterations; n++) {
        struct table table = {.mask = FIRST_BUCKETS - 1};

        table.buckets = kernel_alloc(FIRST_BUCKETS * sizeof(struct entry *));
        /* far enough apart from what overflows, so that each key is another */
        kernel_mix(run, use_table(&table, (uint32_t)(n % 256) * 2048));
        for (uint32_t i = 0; i <= table.mask; i++) {
            struct entry *next;

            for (struct entry *e = table.buckets[i]; e != NULL; e = next) {
                next = e->next;
                kernel_mix(run, e->value);
                free(e);
            }
        }
        free(table.buckets);
    }
    kernel_end(run);
}

const struct kernel kernel_hash_table = {"hash", 210, "a hash table of strings that grows",
                                         run_hash};
