/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: fuzz_TARGET [-n RUNS] FILE|DIRECTORY...
 *
 * main() of a fuzz target where libFuzzer is not at hand (gcc). Runs the target on each file, and
 * RUNS times on changed copies of them. The changes are the same in every run. With clang:
 * tests/fuzz/run.
 */
#include "config.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    INPUT_LIMIT = 1024 * 1024,
    GROWTH = 64
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* xorshift64: the same numbers on every machine. */
static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static int list_inputs(const char *path, struct weft_strv *out)
{
    weft_auto_dir dir = NULL;
    const struct dirent *entry;

    if (!weft_is_dir(path)) {
        weft_strv_add(out, path);
        return 0;
    }
    dir = opendir(path);
    if (!dir) {
        fprintf(stderr, "fuzz: cannot open %s\n", path);
        return -1;
    }
    while ((entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] != '.') {
            weft_strv_take(out, weft_path_join(path, entry->d_name));
        }
    }
    return 0;
}

/* A copy of `in` with some bytes changed, dropped, doubled, or taken from `other`. */
static void mutate(const struct weft_buf *in, const struct weft_buf *other, uint64_t *state,
                   struct weft_buf *out)
{
    uint64_t changes = 1 + next_random(state) % 8;

    weft_buf_clear(out);
    weft_buf_append(out, in->data, in->len);
    for (uint64_t i = 0; i < changes; i++) {
        uint64_t r = next_random(state);
        size_t at = out->len ? (size_t)(r >> 8) % out->len : 0;
        size_t n = 1 + (size_t)(r >> 40) % 16;

        if (n > out->len - at) {
            n = out->len - at;
        }
        switch (r & 3) {
        case 0: /* change a byte */
            if (n > 0) {
                out->data[at] = (char)(r >> 32);
            }
            break;
        case 1: /* drop some */
            memmove(out->data + at, out->data + at + n, out->len - at - n);
            out->len -= n;
            break;
        case 2: { /* double some */
            char copy[16];

            memcpy(copy, out->data + at, n);
            if (out->len < INPUT_LIMIT) {
                weft_buf_append(out, copy, n);
            }
            break;
        }
        default: /* append a part of another input */
            if (other->len > 0 && out->len < INPUT_LIMIT) {
                size_t from = (size_t)(r >> 16) % other->len;

                n = other->len - from < GROWTH ? other->len - from : GROWTH;
                weft_buf_append(out, other->data + from, n);
            }
            break;
        }
    }
}

/* A copy in a block of its exact size, so that a sanitizer sees a read behind its end. */
static void run_one(const struct weft_buf *b)
{
    uint8_t *copy = weft_xmalloc(b->len ? b->len : 1);

    memcpy(copy, b->data ? b->data : "", b->len);
    LLVMFuzzerTestOneInput(copy, b->len);
    free(copy);
}

int main(int argc, char **argv)
{
    weft_auto_strv names = {0};
    weft_auto_buf changed = {0};
    weft_auto_free struct weft_buf *inputs = NULL;
    uint64_t state = 0x9e3779b97f4a7c15u;
    long runs = 0;
    int at = 1;

    if (argc > 2 && strcmp(argv[1], "-n") == 0) {
        runs = strtol(argv[2], NULL, 10);
        at = 3;
    }
    for (; at < argc; at++) {
        if (list_inputs(argv[at], &names) < 0) {
            return 1;
        }
    }
    if (names.n == 0) {
        fprintf(stderr, "usage: %s [-n RUNS] FILE|DIRECTORY...\n", argv[0]);
        return 2;
    }
    inputs = weft_xcalloc(names.n, sizeof(*inputs));
    for (size_t i = 0; i < names.n; i++) {
        weft_auto_err err = NULL;

        if (weft_read_file(names.v[i], INPUT_LIMIT, &inputs[i].data, &inputs[i].len, &err) < 0) {
            fprintf(stderr, "fuzz: %s\n", err->msg);
            return 1;
        }
        run_one(&inputs[i]);
    }
    for (long i = 0; i < runs; i++) {
        const struct weft_buf *in = &inputs[next_random(&state) % names.n];

        mutate(in, &inputs[next_random(&state) % names.n], &state, &changed);
        run_one(&changed);
    }
    printf("%zu inputs, %ld changed ones\n", names.n, runs);
    for (size_t i = 0; i < names.n; i++) {
        weft_buf_finish(&inputs[i]);
    }
    return 0;
}
