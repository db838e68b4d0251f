/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "platforms/match.h"

#include <limits.h>
#include <string.h>

enum {
    NO_MATCH = INT_MAX,
    MINOR_MAX = 9, /* the last of arm64/v8 */
    V9_IS_V8 = 5,  /* v9.0 has what v8.5 has */
    ARM_MIN = 5,
    OTHER_ARCH = 100, /* behind all variants of the architecture itself */
};

struct version {
    int major;
    int minor;
};

/* "v8", "v8.2", each number of one digit; "" is `plain`. */
static bool parse_version(const char *variant, int plain, struct version *out)
{
    *out = (struct version){plain, 0};
    if (!*variant) {
        return true;
    }
    if (variant[0] != 'v' || variant[1] < '0' || variant[1] > '9') {
        return false;
    }
    out->major = variant[1] - '0';
    if (!variant[2]) {
        return true;
    }
    if (variant[2] != '.' || variant[3] < '0' || variant[3] > '9' || variant[4]) {
        return false;
    }
    out->minor = variant[3] - '0';
    return true;
}

/* How far down the list of what runs on `want` an image of `have` stands, for one architecture
 * whose variants are plain numbers. */
static int rank_numbered(const char *want, const char *have, int plain, int min)
{
    struct version w;
    struct version h;

    if (!parse_version(want, plain, &w) || !parse_version(have, plain, &h) || w.minor || h.minor ||
        h.major < min || h.major > w.major) {
        return NO_MATCH;
    }
    return w.major - h.major;
}

static int rank_arm64(const struct version *want, const struct version *have)
{
    int as_v8;

    if (have->major == want->major) {
        return have->minor <= want->minor ? want->minor - have->minor : NO_MATCH;
    }
    if (want->major != 9 || have->major != 8) {
        return NO_MATCH;
    }
    as_v8 = want->minor + V9_IS_V8 < MINOR_MAX ? want->minor + V9_IS_V8 : MINOR_MAX;
    return have->minor <= as_v8 ? want->minor + 1 + as_v8 - have->minor : NO_MATCH;
}

/* The same for what is not `want` itself. */
static int rank_other(const struct weft_platform *want, const struct weft_platform *have)
{
    bool same_arch = strcmp(want->arch, have->arch) == 0;
    struct version w;
    struct version h;

    if (strcmp(want->arch, "amd64") == 0) {
        if (same_arch) {
            return rank_numbered(want->variant, have->variant, 1, 1);
        }
        return strcmp(have->arch, "386") == 0 && !have->variant[0] ? OTHER_ARCH : NO_MATCH;
    }
    if (strcmp(want->arch, "arm") == 0 && same_arch) {
        return rank_numbered(want->variant, have->variant, 7, ARM_MIN);
    }
    if (strcmp(want->arch, "arm64") == 0 && parse_version(want->variant, 8, &w) &&
        (w.major == 8 || w.major == 9)) {
        if (same_arch) {
            return parse_version(have->variant, 8, &h) ? rank_arm64(&w, &h) : NO_MATCH;
        }
        if (strcmp(have->arch, "arm") == 0) { /* the 32-bit side of any arm64 is v8 */
            int steps = rank_numbered("v8", have->variant, 7, ARM_MIN);

            return steps == NO_MATCH ? NO_MATCH : OTHER_ARCH + steps;
        }
    }
    return NO_MATCH;
}

/* 0: the same; larger: worse. */
static int rank(const struct weft_platform *want, const struct weft_platform *have)
{
    if (weft_platform_eq(want, have)) {
        return 0;
    }
    if (strcmp(want->os, have->os) != 0) {
        return NO_MATCH;
    }
    return rank_other(want, have);
}

bool weft_platform_matches(const struct weft_platform *want, const struct weft_platform *have,
                           bool strict)
{
    return strict ? weft_platform_eq(want, have) : rank(want, have) != NO_MATCH;
}

bool weft_platform_better(const struct weft_platform *want, const struct weft_platform *a,
                          const struct weft_platform *b)
{
    return rank(want, a) < rank(want, b);
}
