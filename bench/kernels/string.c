/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The C library's string functions, on lengths as programs have them. Which code runs is the
 * library's choice, by what the CPU has: under emulation often another than on the machine itself.
 */
#include "bench/kernels/kernels.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STRINGS = 64,
    LONGEST = 300,
    TEXT = 4096
};

struct strings {
    char string[STRINGS][LONGEST + 1];
    char text[TEXT + 1];
    char copy[TEXT + 1];
};

static uint32_t sign(int n)
{
    return n < 0 ? 1 : n > 0 ? 2 : 0;
}

static uint32_t offset(const char *from, const void *found)
{
    return found == NULL ? 0xffff : (uint32_t)((const char *)found - from);
}

static uint32_t search(const struct strings *s, int i, int j)
{
    const char *a = s->string[i], *b = s->string[j];
    uint32_t sum = (uint32_t)strlen(a);

    sum = sum * 5 + offset(a, strchr(a, b[0]));
    sum = sum * 5 + offset(a, strrchr(a, 'q'));
    sum = sum * 5 + sign(strcmp(a, b));
    sum = sum * 5 + sign(strncmp(a, s->copy, 20));
    sum = sum * 5 + offset(s->text, memchr(s->text + 64 * i, '#', TEXT - 64 * (size_t)i));
    sum = sum * 5 + offset(s->text, strstr(s->text + 48 * j, "zzy"));
    sum = sum * 5 + (uint32_t)strspn(a, "abcdefghijklmnop") + (uint32_t)strcspn(b, "xyz");
    return sum;
}

static uint32_t change(struct strings *s, int i, int j)
{
    char number[32];
    size_t length = strlen(s->string[i]);
    uint32_t value = (uint32_t)(i * 77777 + j);

    memcpy(s->copy + 37 * j, s->string[i], length + 1);
    memmove(s->copy + 11, s->copy + 3, TEXT / 2);
    memset(s->copy + 32 * i, 'a' + j % 26, 200);
    snprintf(number, sizeof(number), "%" PRIu32 "/%08" PRIx32, value, value);
    if (strtoul(number, NULL, 10) != value || strtoul(strchr(number, '/') + 1, NULL, 16) != value) {
        kernel_fail("%" PRIu32 " comes back from \"%s\" as another number", value, number);
    }
    return sign(memcmp(s->copy, s->text, TEXT)) + (uint32_t)strlen(number);
}

static void run_string(struct kernel_run *run)
{
    struct strings *s = kernel_alloc(sizeof(*s));
    uint32_t seed = 1618;

    for (int i = 0; i < STRINGS; i++) {
        uint32_t length = 1 + (kernel_random(&seed) % (i % 4 == 0 ? LONGEST : 24));

        for (uint32_t j = 0; j < length; j++) {
            s->string[i][j] = (char)('a' + kernel_random(&seed) % 26);
        }
    }
    for (int i = 0; i < TEXT; i++) {
        s->text[i] = (char)('a' + kernel_random(&seed) % 26);
        s->copy[i] = '.';
    }
    kernel_begin(run);
    for (uint64_t n = 0; n < run->iterations; n++) {
        int i = (int)(n % STRINGS), j = (int)(n * 7 % 61);

        kernel_mix(run, search(s, i, j));
        kernel_mix(run, change(s, i, j));
        s->text[n * 53 % TEXT] = (char)('a' + n % 26);
    }
    kernel_end(run);
    kernel_mix(run, kernel_hash(s->copy, TEXT));
    free(s);
}

const struct kernel kernel_string = {"string", 20000, "the C library's string functions",
                                     run_string};
