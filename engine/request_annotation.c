/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/annotation.h"
#include "engine/request_parts.h"

static const char *const levels[] = {
    [WEFT_ANNOTATE_MANIFEST] = "manifest",
    [WEFT_ANNOTATE_MANIFEST_DESCRIPTOR] = "manifest-descriptor",
    [WEFT_ANNOTATE_INDEX] = "index",
    [WEFT_ANNOTATE_INDEX_DESCRIPTOR] = "index-descriptor",
};

#define N_LEVELS (sizeof(levels) / sizeof(levels[0]))

/* What an annotation is for: "manifest", "index-descriptor", "manifest[linux/arm64]". */
struct target {
    enum weft_annotation_level level;
    bool has_platform;
    struct weft_platform platform;
};

static int parse_platform(const char *text, size_t len, struct target *out, struct weft_err **err)
{
    weft_auto_free char *name = NULL;

    if (len < 2 || text[len - 1] != ']') {
        return weft_fail(err, WEFT_E_USAGE, "the platform is not closed with \"]\"");
    }
    name = weft_xstrndup(text + 1, len - 2);
    out->has_platform = true;
    return weft_platform_parse(name, &out->platform, err);
}

static int parse_target(const char *text, size_t len, struct target *out, struct weft_err **err)
{
    const char *bracket = memchr(text, '[', len);
    size_t n = bracket ? (size_t)(bracket - text) : len;
    weft_auto_free char *name = weft_xstrndup(text, n);

    for (size_t i = 0; i < N_LEVELS; i++) {
        if (strcmp(name, levels[i]) == 0) {
            out->level = (enum weft_annotation_level)i;
            return bracket ? parse_platform(bracket, len - n, out, err) : 0;
        }
    }
    return weft_request_unknown_key(name, "types of annotations", levels, N_LEVELS, err);
}

static int check_key(const char *key, struct weft_err **err)
{
    if (!*key) {
        return weft_fail(err, WEFT_E_USAGE, "the name of the annotation is missing");
    }
    for (const char *s = key; *s; s++) {
        if (isspace((unsigned char)*s)) {
            return weft_fail(err, WEFT_E_USAGE, "the name of an annotation has no blanks");
        }
    }
    return 0;
}

static int put(struct weft_annotations *out, const char *target, size_t len, const char *key,
               const char *value, struct weft_err **err)
{
    struct target t = {.level = WEFT_ANNOTATE_MANIFEST};

    if (parse_target(target, len, &t, err) < 0) {
        return -1;
    }
    weft_annotations_put(out, t.level, t.has_platform ? &t.platform : NULL, key, value);
    return 0;
}

/* The targets, parted by commas: "index,manifest[linux/arm64]". */
static int put_each(struct weft_annotations *out, const char *targets, const char *key,
                    const char *value, struct weft_err **err)
{
    weft_auto_strv list = {0};

    weft_split(targets, ',', &list);
    for (size_t i = 0; i < list.n; i++) {
        if (put(out, list.v[i], strlen(list.v[i]), key, value, err) < 0) {
            return -1;
        }
    }
    return 0;
}

int weft_request_add_annotation(struct weft_request *r, const char *value, struct weft_err **err)
{
    const char *equals = strchr(value, '=');
    weft_auto_free char *shown = weft_printable(value);
    weft_auto_free char *name = NULL;
    char *colon;

    if (!equals) {
        weft_fail(err, WEFT_E_USAGE, "\"%s\" has no \"=\"", shown);
        return weft_err_hint(err, "--annotation NAME=VALUE");
    }
    name = weft_xstrndup(value, (size_t)(equals - value));
    colon = strchr(name, ':');
    if (colon) {
        *colon = '\0';
    }
    if (check_key(colon ? colon + 1 : name, err) < 0 ||
        put_each(&r->annotations, colon ? name : levels[WEFT_ANNOTATE_MANIFEST],
                 colon ? colon + 1 : name, equals + 1, err) < 0) {
        return weft_err_wrap(err, "\"%s\"", shown);
    }
    return 0;
}

bool weft_request_is_annotation(const char *key)
{
    size_t n = strlen("annotation");

    return weft_starts_with(key, "annotation") && (key[n] == '.' || key[n] == '-' || key[n] == '[');
}

int weft_request_add_annotation_attr(struct weft_request *r, const char *key, const char *value,
                                     struct weft_err **err)
{
    static const char usual[] = "manifest";
    const char *target = key + strlen("annotation");
    weft_auto_free char *text = NULL;
    size_t len;

    target += *target == '-';
    len = strcspn(target, ".[");
    if (target[len] == '[') {
        len += strcspn(target + len, "]");
        len += target[len] == ']';
    }
    if (target[len] != '.') {
        weft_fail(err, WEFT_E_USAGE, "\"%s\" names no annotation", key);
        return weft_err_hint(err, "annotation.NAME=VALUE");
    }
    /* "annotation[linux/arm64].NAME" */
    text = weft_fmt("%s%.*s", len == 0 || *target == '[' ? usual : "", (int)len, target);
    return check_key(target + len + 1, err) < 0
               ? -1
               : put(&r->annotations, text, strlen(text), target + len + 1, value, err);
}

int weft_request_check_annotations(const struct weft_request *r, struct weft_err **err)
{
    for (size_t i = 0; i < r->annotations.n; i++) {
        const struct weft_annotation *a = &r->annotations.v[i];
        char name[WEFT_PLATFORM_SIZE];
        bool built = !a->has_platform;

        for (size_t k = 0; k < r->n_platforms; k++) {
            built |= weft_platform_eq(&r->platforms[k], &a->platform);
        }
        if (!built) {
            return weft_fail(err, WEFT_E_USAGE,
                             "the annotation \"%s\" is for %s, which is not built", a->key,
                             weft_platform_format(&a->platform, name));
        }
    }
    return 0;
}
