/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/annotation.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/descriptor.h"

enum {
    HEX_LENGTH = WEFT_DIGEST_SIZE - 1 - 7
};

/* ---- the list ---- */

void weft_annotations_finish(struct weft_annotations *a)
{
    for (size_t i = 0; i < a->n; i++) {
        free(a->v[i].key);
        free(a->v[i].value);
    }
    free(a->v);
    *a = (struct weft_annotations){0};
}

static bool is_for(const struct weft_annotation *a, const struct weft_platform *platform)
{
    return platform ? a->has_platform && weft_platform_eq(&a->platform, platform)
                    : !a->has_platform;
}

void weft_annotations_put(struct weft_annotations *a, enum weft_annotation_level level,
                          const struct weft_platform *platform, const char *key, const char *value)
{
    struct weft_annotation *out;

    for (size_t i = 0; i < a->n; i++) {
        struct weft_annotation *old = &a->v[i];

        if (old->level == level && is_for(old, platform) && strcmp(old->key, key) == 0) {
            free(old->value);
            old->value = weft_xstrdup(value);
            return;
        }
    }
    a->v = weft_xrealloc(a->v, a->n + 1, sizeof(*a->v));
    out = &a->v[a->n++];
    *out = (struct weft_annotation){
        .level = level,
        .has_platform = platform != NULL,
        .key = weft_xstrdup(key),
        .value = weft_xstrdup(value),
    };
    if (platform) {
        out->platform = *platform;
    }
}

bool weft_annotations_have(const struct weft_annotations *a, enum weft_annotation_level level)
{
    for (size_t i = 0; a && i < a->n; i++) {
        if (a->v[i].level == level) {
            return true;
        }
    }
    return false;
}

/* ---- objects ---- */

static void add_key(const char *key, const struct weft_json *value, void *data)
{
    (void)value;
    weft_strv_add(data, key);
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* A copy whose members are in the order of their names, as Go writes a map. */
static struct weft_json *sorted(const struct weft_json *object)
{
    struct weft_json *out = weft_json_object();
    weft_auto_strv keys = {0};

    weft_json_each(object, add_key, &keys);
    if (keys.n > 0) {
        qsort(keys.v, keys.n, sizeof(*keys.v), compare);
    }
    for (size_t i = 0; i < keys.n; i++) {
        weft_json_set(out, keys.v[i], weft_json_copy(weft_json_get(object, keys.v[i])));
    }
    return out;
}

static bool is_empty(const struct weft_json *object)
{
    weft_auto_strv keys = {0};

    weft_json_each(object, add_key, &keys);
    return keys.n == 0;
}

struct weft_json *weft_annotations_for(const struct weft_annotations *a,
                                       enum weft_annotation_level level,
                                       const struct weft_platform *platform,
                                       const struct weft_json *base)
{
    weft_auto_json all = base ? weft_json_copy(base) : weft_json_object();
    bool of_index = level == WEFT_ANNOTATE_INDEX || level == WEFT_ANNOTATE_INDEX_DESCRIPTOR;

    for (int qualified = 0; qualified < 2; qualified++) {
        for (size_t i = 0; a && i < a->n; i++) {
            const struct weft_annotation *one = &a->v[i];
            bool meant = of_index || !one->has_platform ||
                         (platform && weft_platform_eq(&one->platform, platform));

            if (one->level == level && one->has_platform == (qualified == 1) && meant) {
                weft_json_set_str(all, one->key, one->value);
            }
        }
    }
    return is_empty(all) ? NULL : sorted(all);
}

/* ---- documents ---- */

/* Go's encoder escapes what HTML and JavaScript would trip over. These bytes are nowhere in JSON
 * but inside strings. */
char *weft_document_text(const struct weft_json *document)
{
    static const char separators[][4] = {"\xe2\x80\xa8", "\xe2\x80\xa9"}; /* U+2028, U+2029 */
    weft_auto_free char *text = weft_json_dump(document, 2);
    weft_auto_buf b = {0};

    for (const char *s = text; *s; s++) {
        if (*s == '<' || *s == '>' || *s == '&') {
            weft_buf_printf(&b, "\\u%04x", (unsigned int)(unsigned char)*s);
        } else if (weft_starts_with(s, separators[0]) || weft_starts_with(s, separators[1])) {
            weft_buf_puts(&b, weft_starts_with(s, separators[0]) ? "\\u2028" : "\\u2029");
            s += 2;
        } else {
            weft_buf_append(&b, s, 1);
        }
    }
    return weft_buf_steal(&b);
}

char *weft_annotate_manifest(const char *data, size_t len, const struct weft_json *annotations,
                             struct weft_err **err)
{
    weft_auto_json document = weft_json_parse(data, len, err);

    if (!document) {
        return NULL;
    }
    weft_json_set(document, "annotations", weft_json_copy(annotations));
    return weft_document_text(document);
}

/* What Go's Descriptor has behind its annotations. */
static bool is_behind(const char *key)
{
    return strcmp(key, "data") == 0 || strcmp(key, "platform") == 0 ||
           strcmp(key, "artifactType") == 0;
}

struct insertion {
    struct weft_json *to;
    const struct weft_json *annotations; /* NULL once they are in */
};

static void insert(struct insertion *in)
{
    if (in->annotations) {
        weft_json_set(in->to, "annotations", weft_json_copy(in->annotations));
        in->annotations = NULL;
    }
}

static void copy_member(const char *key, const struct weft_json *value, void *data)
{
    struct insertion *in = data;

    if (strcmp(key, "annotations") == 0) {
        return;
    }
    if (is_behind(key)) {
        insert(in);
    }
    weft_json_set(in->to, key, weft_json_copy(value));
}

void weft_annotate_descriptor(struct weft_descriptor *d, const struct weft_json *annotations)
{
    struct insertion in = {.to = weft_json_object(), .annotations = annotations};

    weft_json_each(d->json, copy_member, &in);
    insert(&in);
    weft_json_free(d->json);
    d->json = in.to;
    d->media_type = weft_json_str(d->json, "mediaType");
}

bool weft_rename_digests(char *data, size_t len, const struct weft_renamed *renamed, size_t n)
{
    bool found = false;

    for (size_t i = 0; i < n; i++) {
        const char *from = weft_digest_hex(renamed[i].from);
        char *at = memmem(data, len, from, HEX_LENGTH);

        while (at) {
            size_t rest = len - (size_t)(at - data) - HEX_LENGTH;

            memcpy(at, weft_digest_hex(renamed[i].to), HEX_LENGTH);
            found = true;
            at = memmem(at + HEX_LENGTH, rest, from, HEX_LENGTH);
        }
    }
    return found;
}

char *weft_annotate_attestation(char *data, size_t len, const struct weft_renamed *renamed,
                                size_t n, const struct weft_descriptor *subject,
                                struct weft_err **err)
{
    weft_auto_json document = NULL;
    struct weft_json *old;

    weft_rename_digests(data, len, renamed, n);
    document = weft_json_parse(data, len, err);
    if (!document) {
        return NULL;
    }
    old = weft_json_get(document, "subject");
    if (weft_json_is_object(old)) { /* the form that is no artifact has none */
        weft_json_set_int(old, "size", (int64_t)subject->size_bytes);
    }
    return weft_document_text(document);
}
