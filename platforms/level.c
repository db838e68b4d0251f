/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "platforms/level.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum {
    FLAGS_MAX = 12
};

/* What a variant adds to the one before it, which is the row above unless `base` says otherwise. */
struct level {
    const char *arch;
    const char *variant;
    const char *base; /* variant that it contains; NULL: none */
    const char *flags[FLAGS_MAX];
};

/* "abm" is how Linux calls LZCNT, "pni" SSE3. */
static const struct level levels[] = {
    {"amd64", "v2", NULL, {"pni", "ssse3", "sse4_1", "sse4_2", "popcnt", "cx16", "lahf_lm"}},
    {"amd64", "v3", "v2", {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"}},
    {"amd64", "v4", "v3", {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}},
    {"arm64", "v8.1", NULL, {"crc32", "atomics", "asimdrdm"}},
    {"arm64", "v8.2", "v8.1", {"dcpop"}},
    {"arm64", "v8.3", "v8.2", {"jscvt", "fcma", "lrcpc"}},
    {"arm64", "v8.4", "v8.3", {"asimddp", "flagm", "dit", "uscat", "ilrcpc"}},
    {"arm64", "v8.5", "v8.4", {"flagm2", "frint", "sb"}},
    {"arm64", "v8.6", "v8.5", {"i8mm", "bf16"}},
    {"arm64", "v8.7", "v8.6", {"wfxt"}},
    {"arm64", "v8.8", "v8.7", {"mops"}},
    {"arm64", "v8.9", "v8.8", {NULL}},
    {"arm64", "v9", "v8.5", {"sve2"}},
    {"arm64", "v9.1", "v9", {"i8mm", "bf16"}},
    {"arm64", "v9.2", "v9.1", {"wfxt"}},
    {"arm64", "v9.3", "v9.2", {"mops"}},
    {"arm64", "v9.4", "v9.3", {NULL}},
    {"arm64", "v9.5", "v9.4", {NULL}},
};

static const struct level *find(const char *arch, const char *variant)
{
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        if (strcmp(levels[i].arch, arch) == 0 && strcmp(levels[i].variant, variant) == 0) {
            return &levels[i];
        }
    }
    return NULL;
}

static bool has_word(const char *words, const char *word)
{
    size_t len = strlen(word);

    for (const char *s = words; (s = strstr(s, word)); s += len) {
        bool begins = s == words || s[-1] == ' ' || s[-1] == '\t';

        if (begins && strchr(" \t\n", s[len])) { /* or its NUL */
            return true;
        }
    }
    return false;
}

const char *weft_level_lacks(const struct weft_platform *p, const char *flags)
{
    const struct level *l = find(p->arch, p->variant);

    while (l) {
        for (size_t i = 0; i < FLAGS_MAX && l->flags[i]; i++) {
            if (!has_word(flags, l->flags[i])) {
                return l->flags[i];
            }
        }
        l = l->base ? find(p->arch, l->base) : NULL;
    }
    return NULL;
}
