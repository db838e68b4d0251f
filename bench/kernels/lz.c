/* SPDX-License-Identifier: Apache-2.0 */
/* The match finder of a compressor, with chains of positions by hash, and its decompressor. */
#include "bench/kernels/kernels.h"

#include <stdlib.h>
#include <string.h>

enum {
    SIZE = 32768,
    HASH_BITS = 12,
    CHAIN = 16, /* positions tried */
    SHORTEST = 4,
    LONGEST = 255,
    NONE = UINT16_MAX,
};

struct lz {
    uint8_t text[SIZE];
    uint8_t packed[2 * SIZE]; /* 0, byte; or length, distance (2 bytes) */
    uint8_t unpacked[SIZE];
    uint16_t head[1 << HASH_BITS];
    uint16_t previous[SIZE];
};

/* Words of few kinds, as in source text. */
static void make_text(uint8_t *text)
{
    uint32_t seed = 12345;
    int at = 0;

    while (at < SIZE) {
        uint32_t word = kernel_random(&seed) % 400;
        uint32_t letter = word * 7 + 1;

        for (uint32_t i = 0; i < 2 + word % 9 && at < SIZE; i++) {
            text[at++] = (uint8_t)('a' + kernel_random(&letter) % 26);
        }
        if (at < SIZE) {
            text[at++] = word % 11 == 0 ? '\n' : ' ';
        }
    }
}

static uint32_t hash(const uint8_t *p)
{
    uint32_t word = (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 |
                    (uint32_t)p[3] << 24;

    return word * 2654435761u >> (32 - HASH_BITS);
}

static void insert(struct lz *lz, int at)
{
    uint32_t h = hash(lz->text + at);

    lz->previous[at] = lz->head[h];
    lz->head[h] = (uint16_t)at;
}

static int longest_match(const struct lz *lz, int at, int *from)
{
    const uint8_t *text = lz->text;
    int limit = SIZE - at < LONGEST ? SIZE - at : LONGEST;
    int best = SHORTEST - 1;
    int candidate = lz->head[hash(text + at)];

    for (int tries = 0; candidate != NONE && tries < CHAIN && best < limit; tries++) {
        if (text[candidate + best] == text[at + best]) {
            int length = 0;

            while (length < limit && text[candidate + length] == text[at + length]) {
                length++;
            }
            if (length > best) {
                best = length;
                *from = candidate;
            }
        }
        candidate = lz->previous[candidate];
    }
    return best >= SHORTEST ? best : 0;
}

static KERNEL_OPAQUE int pack(struct lz *lz)
{
    int size = 0, at = 0;

    memset(lz->head, 0xff, sizeof(lz->head));
    while (at < SIZE) {
        int from = 0;
        int length = at + SHORTEST <= SIZE ? longest_match(lz, at, &from) : 0;
        int next = at + (length > 0 ? length : 1);

        lz->packed[size++] = (uint8_t)length;
        if (length > 0) {
            lz->packed[size++] = (uint8_t)(at - from);
            lz->packed[size++] = (uint8_t)((at - from) >> 8);
        } else {
            lz->packed[size++] = lz->text[at];
        }
        for (; at < next; at++) {
            if (at + SHORTEST <= SIZE) {
                insert(lz, at);
            }
        }
    }
    return size;
}

static KERNEL_OPAQUE void unpack(struct lz *lz, int size)
{
    int out = 0;

    for (int at = 0; at < size;) {
        int length = lz->packed[at++];

        if (length == 0) {
            lz->unpacked[out++] = lz->packed[at++];
            continue;
        }
        int distance = lz->packed[at] | lz->packed[at + 1] << 8;

        at += 2;
        if (distance == 0 || distance > out || length > SIZE - out) {
            kernel_fail("what was compressed is no text");
        }
        for (; length > 0; length--, out++) {
            lz->unpacked[out] = lz->unpacked[out - distance];
        }
    }
}

static void run_lz(struct kernel_run *run)
{
    struct lz *lz = kernel_alloc(sizeof(*lz));
    uint32_t seed = 99;

    make_text(lz->text);
    kernel_begin(run);
    for (uint64_t n = 0; n < run->iterations; n++) {
        for (int i = 0; i < 16; i++) {
            uint32_t x = kernel_random(&seed);

            lz->text[x % SIZE] = (uint8_t)(x >> 24);
        }
        int size = pack(lz);

        unpack(lz, size);
        if (memcmp(lz->text, lz->unpacked, SIZE) != 0) {
            kernel_fail("what was decompressed is another text");
        }
        kernel_mix(run, (uint64_t)size << 32 | kernel_hash((const char *)lz->packed, 256));
    }
    kernel_end(run);
    kernel_mix(run, kernel_hash((const char *)lz->packed, SIZE));
    free(lz);
}

const struct kernel kernel_lz = {"lz", 110, "an LZ match finder on 32 KiB of text, and back",
                                 run_lz};
