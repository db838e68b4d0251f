/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/cache_args.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/layout_name.h"
#include "engine/progress_model.h"
#include "engine/reference.h"
#include "engine/request.h"

/* What BuildKit calls a cache that has no name. */
static const char default_name[] = "buildkit";

/* "-linux-arm64". Caller frees. */
static char *suffix_of(const struct weft_platform *p)
{
    char name[WEFT_PLATFORM_SIZE];
    char *suffix = weft_fmt("-%s", weft_platform_format(p, name));

    for (char *c = suffix; *c; c++) {
        if (*c == '/') {
            *c = '-';
        }
    }
    return suffix;
}

char *weft_cache_own_ref(const char *ref, const struct weft_platform *p)
{
    weft_auto_free char *suffix = suffix_of(p);
    weft_auto_reference parsed = {0};

    if (weft_reference_parse(ref, &parsed, NULL) < 0 || parsed.digest || !parsed.tag ||
        strlen(parsed.tag) + strlen(suffix) > WEFT_REFERENCE_TAG_MAX) {
        return NULL;
    }
    return weft_fmt("%s%s", ref, suffix);
}

/* "a-linux-arm64;b-linux-arm64" of "a;b". Caller frees. */
static char *own_names(const char *names, const char *suffix)
{
    weft_auto_strv parts = {0};
    weft_auto_buf b = {0};

    weft_split(names ? names : default_name, ';', &parts);
    for (size_t i = 0; i < parts.n; i++) {
        weft_buf_printf(&b, "%s%s%s", i ? ";" : "", parts.v[i], suffix);
    }
    return weft_buf_steal(&b);
}

/* The attribute that says where a cache lies, and that differs from platform to platform. */
static const char *place_key(const struct weft_cache *c)
{
    switch (c->type) {
    case WEFT_CACHE_REGISTRY:
        return "ref";
    case WEFT_CACHE_LOCAL:
        return weft_cache_attr(c, "src") ? "src" : "dest";
    case WEFT_CACHE_GHA:
        return "scope";
    case WEFT_CACHE_S3:
    case WEFT_CACHE_AZBLOB:
        return "name";
    case WEFT_CACHE_INLINE:
        break;
    }
    return NULL;
}

/* The platform's own place, a value for place_key; NULL: there is none. Caller frees. */
static char *own_place(const struct weft_cache *c, const struct weft_platform *p)
{
    const char *key = place_key(c);
    const char *place = key ? weft_cache_attr(c, key) : NULL;
    weft_auto_free char *suffix = suffix_of(p);
    char dir[WEFT_PLATFORM_SIZE];

    switch (c->type) {
    case WEFT_CACHE_REGISTRY:
        return weft_cache_own_ref(place, p);
    case WEFT_CACHE_LOCAL:
        weft_platform_dirname(p, dir);
        return weft_path_join(place, dir);
    case WEFT_CACHE_GHA:
    case WEFT_CACHE_S3:
    case WEFT_CACHE_AZBLOB:
        return own_names(place, suffix);
    case WEFT_CACHE_INLINE:
        break;
    }
    return NULL;
}

static void add_field(struct weft_buf *b, const char *text)
{
    weft_auto_free char *field = weft_csv_field(text);

    weft_buf_printf(b, ",%s", field);
}

/* The argument of one cache, with `place` in the stead of its own. `extra`: one more attribute, or
 * NULL. */
static void add_arg(struct weft_strv *argv, const char *flag, const struct weft_cache *c,
                    const char *place, const char *extra)
{
    const char *key = place_key(c);
    weft_auto_buf b = {0};

    weft_buf_printf(&b, "type=%s", weft_cache_type_name(c->type));
    if (key && place) {
        weft_auto_free char *pair = weft_fmt("%s=%s", key, place);

        add_field(&b, pair);
    }
    for (size_t i = 0; i < c->attrs.n; i++) {
        const char *attr = c->attrs.v[i];
        size_t len = key ? strlen(key) : 0;

        if (!key || !place || strncmp(attr, key, len) != 0 || attr[len] != '=') {
            add_field(&b, attr);
        }
    }
    if (extra) {
        add_field(&b, extra);
    }
    weft_strv_add(argv, flag);
    weft_strv_take(argv, weft_buf_steal(&b));
}

/*
 * A directory that holds the cache, the platform's own before the plain one. buildctl would make
 * one that is not there, and warn of it in its own words.
 */
static void add_local_import(const struct weft_cache *c, const struct weft_platform *p,
                             struct weft_strv *argv, struct weft_strv *notices)
{
    const char *src = weft_cache_attr(c, "src");
    const char *tag = weft_cache_attr(c, "tag");
    const char *wanted = weft_cache_attr(c, "digest");
    weft_auto_free char *own = own_place(c, p);
    const char *places[] = {own, src};

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        weft_auto_free char *image = wanted ? weft_fmt("%s@%s", places[i], wanted)
                                            : weft_fmt("%s:%s", places[i], tag ? tag : "latest");
        weft_auto_free char *dir = NULL;
        weft_auto_free char *digest = NULL;
        weft_auto_free char *extra = NULL;

        if (!weft_is_dir(places[i]) || weft_layout_name_parse(image, &dir, &digest, NULL) < 0) {
            continue;
        }
        extra = wanted ? NULL : weft_fmt("digest=%s", digest);
        add_arg(argv, "--import-cache", c, places[i], extra);
        return;
    }
    weft_strv_addf(notices, "no cache in %s yet, nor in %s", own, src);
}

static void add_import(const struct weft_cache *c, const struct weft_platform *p,
                       struct weft_strv *argv, struct weft_strv *notices)
{
    weft_auto_free char *own = NULL;

    if (c->type == WEFT_CACHE_LOCAL) {
        add_local_import(c, p, argv, notices);
        return;
    }
    own = own_place(c, p);
    if (own) {
        add_arg(argv, "--import-cache", c, own, NULL);
    }
    add_arg(argv, "--import-cache", c, NULL, NULL);
}

void weft_cache_args(const struct weft_request *r, const struct weft_platform *p, bool again,
                     struct weft_strv *argv, struct weft_strv *notices)
{
    for (size_t i = 0; i < r->cache_from.n; i++) {
        add_import(&r->cache_from.v[i], p, argv, notices);
    }
    for (size_t i = 0; i < r->cache_to.n; i++) {
        bool is_inline = r->cache_to.v[i].type == WEFT_CACHE_INLINE; /* in what this solve makes */
        weft_auto_free char *own = NULL;

        if (again && !is_inline) {
            continue;
        }
        own = own_place(&r->cache_to.v[i], p);
        add_arg(argv, "--export-cache", &r->cache_to.v[i], own, NULL);
    }
}

static bool list_needs_relay(const struct weft_caches *list)
{
    for (size_t i = 0; i < list->n; i++) {
        if (list->v[i].type == WEFT_CACHE_S3) {
            return true;
        }
    }
    return false;
}

bool weft_cache_needs_relay(const struct weft_request *r)
{
    return r->cache_secrets.n > 0 || list_needs_relay(&r->cache_from) ||
           list_needs_relay(&r->cache_to);
}

bool weft_cache_lost_race(const char *text)
{
    return strstr(text, "failed to create cache container") &&
           strstr(text, "ContainerAlreadyExists");
}

/* The vertexes of imports whose name goes on with `prefix` (with `whole`: and ends there): how many
 * there are, and of those that failed the last one. */
static const struct weft_vertex *failed_import(const struct weft_lane *lane, const char *prefix,
                                               bool whole, size_t *n, size_t *failed)
{
    const struct weft_vertex *last = NULL;

    for (size_t i = 0; i < lane->n_vertexes; i++) {
        const struct weft_vertex *v = lane->vertexes[i];
        const char *id = weft_vertex_cache_id(v);

        if (!id || !weft_starts_with(id, prefix) || (whole && strcmp(id, prefix) != 0) ||
            (v->error && weft_ends_with(v->error, "context canceled"))) { /* it was not needed */
            continue;
        }
        ++*n;
        if (v->error) {
            ++*failed;
            last = v;
        }
    }
    return last;
}

/* The reason in an error of an importer, without its wrapping. NULL: that there is none needs no
 * further reason. */
static const char *reason(const char *error)
{
    static const char wrapping[] = " cache importer: ";
    const char *inner = strstr(error, wrapping);

    return weft_ends_with(error, "not found") ? NULL : inner ? inner + strlen(wrapping) : error;
}

static void notice_import(const struct weft_cache *c, const struct weft_platform *p,
                          const struct weft_lane *lane, struct weft_strv *out)
{
    bool registry = c->type == WEFT_CACHE_REGISTRY;
    const char *plain = registry ? weft_cache_attr(c, "ref") : NULL;
    weft_auto_free char *own = registry ? own_place(c, p) : NULL;
    weft_auto_free char *kind = weft_fmt("%s:", weft_cache_type_name(c->type));
    const struct weft_vertex *v;
    size_t n = 0, failed = 0;
    const char *why;

    if (c->type == WEFT_CACHE_LOCAL) {
        return; /* said before the solve */
    }
    v = failed_import(lane, registry ? plain : kind, registry, &n, &failed);
    if (own) {
        const struct weft_vertex *first = failed_import(lane, own, true, &n, &failed);

        /* of two reasons the one that says more */
        v = first && (!v || reason(first->error)) ? first : v;
    }
    if (!v || failed < n) {
        return;
    }
    why = reason(v->error);
    if (registry) {
        weft_strv_addf(out, "no cache in %s%s%s%s%s", own ? own : plain, own ? ", nor in " : "",
                       own ? plain : "", why ? ": " : "", why ? why : "");
    } else {
        weft_strv_addf(out, "no cache from type=%s%s%s", weft_cache_type_name(c->type),
                       why ? ": " : "", why ? why : "");
    }
}

void weft_cache_notices(const struct weft_request *r, const struct weft_platform *p,
                        const struct weft_lane *lane, struct weft_strv *out)
{
    for (size_t i = 0; i < r->cache_from.n; i++) {
        weft_auto_strv one = {0};

        notice_import(&r->cache_from.v[i], p, lane, &one);
        if (one.n > 0 && !weft_strv_has(out, one.v[0])) {
            weft_strv_concat(out, &one);
        }
    }
    for (size_t i = 0; i < lane->n_vertexes && r->cache_to.n > 0; i++) {
        const struct weft_vertex *v = lane->vertexes[i];

        /* all else that fails makes the solve fail */
        if (v->state == WEFT_VERTEX_FAILED && weft_starts_with(v->name, "exporting ")) {
            weft_strv_addf(out, "the cache was not written (%s): %s", v->name, v->error);
        }
    }
}
