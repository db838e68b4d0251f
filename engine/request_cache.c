/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "engine/cache_args.h"
#include "engine/reference.h"
#include "engine/request_parts.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* For which of the two flags an attribute is. */
enum use {
    FROM = 1,
    TO = 2,
    BOTH = FROM | TO,
};

enum kind {
    TEXT,
    BOOL,
    NUMBER, /* from 0; `least` is more */
    WORD,   /* one of `words` */
    DURATION,
    URL,
    DIRECTORY,
    REF,
    DIGEST,
    NAMES,  /* parted by semicolons, none of them empty */
    SECRET, /* kept apart: never an argument of a program */
};

struct attr {
    const char *key;
    enum use use;
    enum kind kind;
    enum use needed;
    const char *env; /* where it comes from when it is not given; or NULL */
    const char *const *words;
    long least;
};

static const char *const modes[] = {"min", "max", NULL};
static const char *const compressions[] = {"uncompressed", "gzip", "estargz", "zstd", NULL};
static const char *const retry_modes[] = {"standard", "adaptive", NULL};
static const char *const versions[] = {"1", "2", NULL};

/* What all exports have, and those that write a manifest. */
/* clang-format off */
#define EXPORT_ATTRS                           \
    {.key = "mode", TO, WORD, .words = modes}, \
    {.key = "ignore-error", TO, BOOL}
#define MANIFEST_ATTRS                                       \
    {.key = "oci-mediatypes", TO, BOOL},                     \
    {.key = "image-manifest", TO, BOOL},                     \
    {.key = "compression", TO, WORD, .words = compressions}, \
    {.key = "compression-level", TO, NUMBER},                \
    {.key = "force-compression", TO, BOOL}
/* clang-format on */

static const struct attr registry_attrs[] = {
    {.key = "ref", BOTH, REF, .needed = BOTH},
    {.key = "registry.insecure", BOTH, BOOL},
    MANIFEST_ATTRS,
    EXPORT_ATTRS,
};

static const struct attr local_attrs[] = {
    {.key = "src", FROM, DIRECTORY, .needed = FROM},
    {.key = "dest", TO, DIRECTORY, .needed = TO},
    {.key = "tag", BOTH, TEXT},
    {.key = "digest", FROM, DIGEST},
    {.key = "reset", TO, BOOL},
    MANIFEST_ATTRS,
    EXPORT_ATTRS,
};

static const struct attr gha_attrs[] = {
    {.key = "scope", BOTH, TEXT},
    {.key = "url", BOTH, URL},
    {.key = "url_v2", BOTH, URL},
    {.key = "version", BOTH, WORD, .words = versions},
    {.key = "timeout", BOTH, DURATION},
    {.key = "token", BOTH, SECRET},
    {.key = "repository", TO, TEXT},
    {.key = "ghtoken", TO, SECRET},
    EXPORT_ATTRS,
};

static const struct attr s3_attrs[] = {
    {.key = "bucket", BOTH, TEXT, .needed = BOTH, .env = "AWS_BUCKET"},
    {.key = "region", BOTH, TEXT, .needed = BOTH, .env = "AWS_REGION"},
    {.key = "name", BOTH, NAMES},
    {.key = "prefix", BOTH, TEXT},
    {.key = "manifests_prefix", BOTH, TEXT},
    {.key = "blobs_prefix", BOTH, TEXT},
    {.key = "endpoint_url", BOTH, URL},
    {.key = "use_path_style", BOTH, BOOL},
    {.key = "access_key_id", BOTH, SECRET},
    {.key = "secret_access_key", BOTH, SECRET},
    {.key = "session_token", BOTH, SECRET},
    {.key = "disable_accept_encoding", BOTH, BOOL},
    {.key = "retry_mode", BOTH, WORD, .words = retry_modes},
    {.key = "retry_max_attempts", BOTH, NUMBER, .least = 1},
    {.key = "touch_refresh", TO, DURATION},
    {.key = "upload_parallelism", TO, NUMBER, .least = 1},
    EXPORT_ATTRS,
};

static const struct attr azblob_attrs[] = {
    {.key = "account_url", BOTH, URL, .needed = BOTH, .env = "BUILDKIT_AZURE_STORAGE_ACCOUNT_URL"},
    {.key = "account_name", BOTH, TEXT, .env = "BUILDKIT_AZURE_STORAGE_ACCOUNT_NAME"},
    {.key = "container", BOTH, TEXT, .env = "BUILDKIT_AZURE_STORAGE_CONTAINER"},
    {.key = "prefix", BOTH, TEXT, .env = "BUILDKIT_AZURE_STORAGE_PREFIX"},
    {.key = "name", BOTH, NAMES},
    {.key = "manifests_prefix", BOTH, TEXT},
    {.key = "blobs_prefix", BOTH, TEXT},
    {.key = "secret_access_key", BOTH, SECRET},
    EXPORT_ATTRS,
};

static const struct type {
    const char *name;
    const struct attr *attrs;
    size_t n;
} types[] = {
    [WEFT_CACHE_REGISTRY] = {"registry", registry_attrs, N(registry_attrs)},
    [WEFT_CACHE_LOCAL] = {"local", local_attrs, N(local_attrs)},
    [WEFT_CACHE_INLINE] = {"inline", NULL, 0},
    [WEFT_CACHE_GHA] = {"gha", gha_attrs, N(gha_attrs)},
    [WEFT_CACHE_S3] = {"s3", s3_attrs, N(s3_attrs)},
    [WEFT_CACHE_AZBLOB] = {"azblob", azblob_attrs, N(azblob_attrs)},
};

const char *weft_cache_type_name(enum weft_cache_type type)
{
    return types[type].name;
}

const char *weft_cache_attr(const struct weft_cache *c, const char *key)
{
    size_t len = strlen(key);

    for (size_t i = 0; i < c->attrs.n; i++) {
        if (strncmp(c->attrs.v[i], key, len) == 0 && c->attrs.v[i][len] == '=') {
            return c->attrs.v[i] + len + 1;
        }
    }
    return NULL;
}

static void put_attr(struct weft_cache *c, const char *key, const char *value)
{
    char *pair = weft_fmt("%s=%s", key, value);
    size_t len = strlen(key) + 1;

    for (size_t i = 0; i < c->attrs.n; i++) {
        if (strncmp(c->attrs.v[i], pair, len) == 0) {
            free(c->attrs.v[i]);
            c->attrs.v[i] = pair;
            return;
        }
    }
    weft_strv_take(&c->attrs, pair);
}

static const char *env(const char *name)
{
    const char *value = name ? getenv(name) : NULL;

    return value && *value ? value : NULL;
}

/* As Go's time.ParseDuration has it, without a sign: "24h", "1m30s", "1.5h", "0". */
static bool is_duration(const char *s)
{
    static const char *const units[] = {"ns", "us", "ms", "s", "m", "h"};
    bool ok = *s != '\0';

    if (strcmp(s, "0") == 0) {
        return true;
    }
    while (ok && *s) {
        size_t digits = strspn(s, "0123456789");
        size_t unit = 0;

        s += digits;
        if (*s == '.') {
            size_t more = strspn(s + 1, "0123456789");

            digits += more;
            s += 1 + more;
        }
        ok = digits > 0;
        /* "m" last, since "ms" begins with it */
        while (unit < N(units) && !weft_starts_with(s, units[unit])) {
            unit++;
        }
        ok = ok && unit < N(units);
        s += ok ? strlen(units[unit]) : 0;
    }
    return ok;
}

static bool is_word(const char *s, const char *const *words)
{
    while (*words && strcmp(s, *words) != 0) {
        words++;
    }
    return *words != NULL;
}

static int check_names(const char *key, const char *value, struct weft_err **err)
{
    weft_auto_strv names = {0};

    weft_split(value, ';', &names);
    if (weft_strv_has(&names, "")) {
        return weft_fail(err, WEFT_E_USAGE, "a %s is empty", key);
    }
    return 0;
}

static int check_word(const struct attr *a, const char *value, struct weft_err **err)
{
    weft_auto_free char *shown = weft_printable(value);
    weft_auto_strv words = {0};
    weft_auto_free char *list = NULL;

    if (is_word(value, a->words)) {
        return 0;
    }
    for (const char *const *w = a->words; *w; w++) {
        weft_strv_add(&words, *w);
    }
    list = weft_strv_join(&words, ", ");
    return weft_fail(err, WEFT_E_USAGE, "%s is one of %s, not \"%s\"", a->key, list, shown);
}

/* The reference in full, so that two ways to write it are one. */
static int take_ref(struct weft_cache *c, const char *value, bool to, struct weft_err **err)
{
    weft_auto_reference ref = {0};
    weft_auto_free char *full = NULL;

    if (weft_reference_parse(value, &ref, err) < 0) {
        return weft_err_wrap(err, "ref");
    }
    if (to && ref.digest) {
        weft_fail(err, WEFT_E_USAGE, "ref \"%s\": a cache is not written to a digest", value);
        return weft_err_hint(err, "a tag: ref=NAME:TAG");
    }
    full = weft_reference_full(&ref);
    put_attr(c, "ref", full);
    return 0;
}

static int take_dir(struct weft_cache *c, const char *key, const char *value, struct weft_err **err)
{
    weft_auto_free char *abs = NULL;

    if (!*value) {
        return weft_fail(err, WEFT_E_USAGE, "%s is empty", key);
    }
    abs = weft_path_abs(value, err);
    if (!abs) {
        return -1;
    }
    put_attr(c, key, abs);
    return 0;
}

/* The value stays with the request; in its place is a mark that only weft-session knows to read. */
static void take_secret(struct weft_request *r, struct weft_cache *c, const char *key,
                        const char *value)
{
    weft_auto_free char *mark = weft_fmt("%s%zu", WEFT_CACHE_SECRET_MARK, r->cache_secrets.n);

    weft_strv_add(&r->cache_secrets, value);
    put_attr(c, key, mark);
}

static int take_attr(struct weft_request *r, struct weft_cache *c, const struct attr *a,
                     const char *value, bool to, struct weft_err **err)
{
    weft_auto_free char *shown = weft_printable(value);
    long n;
    bool b;

    switch (a->kind) {
    case SECRET:
        take_secret(r, c, a->key, value);
        return 0;
    case REF:
        return take_ref(c, value, to, err);
    case DIRECTORY:
        return take_dir(c, a->key, value, err);
    case BOOL:
        if (weft_parse_bool(value, &b) < 0) {
            return weft_fail(err, WEFT_E_USAGE, "%s is true or false, not \"%s\"", a->key, shown);
        }
        break;
    case NUMBER:
        if (weft_parse_long(value, a->least, strcmp(a->key, "compression-level") == 0 ? 22 : 10000,
                            a->key, &n, err) < 0) {
            return -1;
        }
        break;
    case WORD:
        if (check_word(a, value, err) < 0) {
            return -1;
        }
        break;
    case DURATION:
        if (!is_duration(value)) {
            return weft_fail(err, WEFT_E_USAGE, "%s is a time such as 90s or 24h, not \"%s\"",
                             a->key, shown);
        }
        break;
    case URL:
        if (!weft_starts_with(value, "http://") && !weft_starts_with(value, "https://")) {
            return weft_fail(err, WEFT_E_USAGE, "%s is an http or https URL, not \"%s\"", a->key,
                             shown);
        }
        break;
    case DIGEST:
        if (!weft_digest_valid(value)) {
            return weft_fail(err, WEFT_E_USAGE, "%s is sha256:..., not \"%s\"", a->key, shown);
        }
        break;
    case NAMES:
        if (check_names(a->key, value, err) < 0) {
            return -1;
        }
        break;
    case TEXT:
        if (!*value) {
            return weft_fail(err, WEFT_E_USAGE, "%s is empty", a->key);
        }
        break;
    }
    put_attr(c, a->key, value);
    return 0;
}

/* The attribute, if the type has it for this flag. */
static const struct attr *find_attr(const struct type *t, const char *key, bool to,
                                    struct weft_err **err)
{
    const char *known[32];
    size_t n = 0;

    for (size_t i = 0; i < t->n; i++) {
        const struct attr *a = &t->attrs[i];

        if (a->use & (to ? TO : FROM)) {
            if (strcmp(a->key, key) == 0) {
                return a;
            }
            known[n++] = a->key;
        } else if (strcmp(a->key, key) == 0) {
            weft_fail(err, WEFT_E_USAGE, "%s is for %s", key, to ? "--cache-from" : "--cache-to");
            return NULL;
        }
    }
    if (n == 0) {
        weft_fail(err, WEFT_E_USAGE, "it has no attributes, and so no %s", key);
    } else {
        weft_auto_free char *of = weft_fmt("attributes of type=%s", t->name);

        weft_request_unknown_key(key, of, known, n, err);
    }
    return NULL;
}

/* What comes from the environment when it is not given, and what has to be there. */
static int complete(struct weft_request *r, struct weft_cache *c, bool to, struct weft_err **err)
{
    const struct type *t = &types[c->type];

    for (size_t i = 0; i < t->n; i++) {
        const struct attr *a = &t->attrs[i];
        const char *value = env(a->env);

        if (weft_cache_attr(c, a->key)) {
            continue;
        }
        if (value && take_attr(r, c, a, value, to, err) < 0) {
            return weft_err_wrap(err, "$%s", a->env);
        }
        if (!value && (a->needed & (to ? TO : FROM))) {
            weft_fail(err, WEFT_E_USAGE, "%s= is missing", a->key);
            return a->env ? weft_err_hint(err, "%s=..., or the variable %s", a->key, a->env)
                          : weft_err_hint(err, "type=%s,%s=...", t->name, a->key);
        }
    }
    return 0;
}

/* gzip and what builds on it know the levels up to 9. */
static int check_level(const struct weft_cache *c, struct weft_err **err)
{
    const char *level = weft_cache_attr(c, "compression-level");
    long n;

    if (!level || weft_str_eq(weft_cache_attr(c, "compression"), "zstd")) {
        return 0;
    }
    return weft_parse_long(level, 0, 9, "compression-level", &n, err);
}

/* BuildKit has a manifest of Docker's media types only in the form of a list. */
static int check_manifest(const struct weft_cache *c, struct weft_err **err)
{
    const char *oci = weft_cache_attr(c, "oci-mediatypes");
    const char *manifest = weft_cache_attr(c, "image-manifest");
    bool is_oci = true, is_manifest = false;

    if (oci && manifest && weft_parse_bool(oci, &is_oci) == 0 &&
        weft_parse_bool(manifest, &is_manifest) == 0 && is_manifest && !is_oci) {
        return weft_fail(err, WEFT_E_USAGE,
                         "image-manifest=true and oci-mediatypes=false exclude each other");
    }
    return 0;
}

/*
 * Whether GitHub's cache can be reached: outside of its jobs there is neither an address nor a
 * token, and buildx leaves the cache out then. buildctl reads the same variables.
 */
static bool gha_is_active(const struct weft_cache *c)
{
    bool has_url = weft_cache_attr(c, "url") || weft_cache_attr(c, "url_v2") ||
                   env("ACTIONS_CACHE_URL") || env("ACTIONS_RESULTS_URL");

    return has_url && (weft_cache_attr(c, "token") || env("ACTIONS_RUNTIME_TOKEN"));
}

static int find_type(const struct weft_strv *fields, bool to, enum weft_cache_type *out,
                     struct weft_err **err)
{
    const char *names[N(types)];
    const char *value = NULL;

    for (size_t i = 0; i < fields->n; i++) {
        struct weft_request_field f = {0};

        if (weft_request_field_parse(fields->v[i], &f, err) < 0) {
            return -1;
        }
        if (strcmp(f.key, "type") == 0) {
            value = f.value;
        }
        free(f.key);
    }
    if (!value) {
        weft_fail(err, WEFT_E_USAGE, "type= is missing");
        return weft_err_hint(err, "type=registry,ref=NAME:TAG");
    }
    if (!to && strcmp(value, "inline") == 0) {
        weft_fail(err, WEFT_E_USAGE, "an inline cache is read from its image");
        return weft_err_hint(err, "type=registry,ref=IMAGE");
    }
    for (size_t i = 0; i < N(types); i++) {
        names[i] = types[i].name;
        if (strcmp(value, names[i]) == 0) {
            *out = (enum weft_cache_type)i;
            return 0;
        }
    }
    return weft_request_unknown_key(value, "types of cache", names, N(names), err);
}

static int parse_fields(struct weft_request *r, struct weft_cache *c,
                        const struct weft_strv *fields, bool to, struct weft_err **err)
{
    for (size_t i = 0; i < fields->n; i++) {
        struct weft_request_field f = {0};
        weft_auto_free char *key = NULL;
        const struct attr *a;

        if (weft_request_field_parse(fields->v[i], &f, err) < 0) {
            return -1;
        }
        key = f.key;
        if (strcmp(key, "type") == 0) {
            continue;
        }
        a = find_attr(&types[c->type], key, to, err);
        if (!a || take_attr(r, c, a, f.value, to, err) < 0) {
            return -1;
        }
    }
    if (complete(r, c, to, err) < 0 || check_level(c, err) < 0) {
        return -1;
    }
    return check_manifest(c, err);
}

static void cache_finish(struct weft_cache *c)
{
    weft_strv_finish(&c->attrs);
}

static void add(struct weft_caches *list, struct weft_cache *c)
{
    list->v = weft_xrealloc(list->v, list->n + 1, sizeof(*list->v));
    list->v[list->n++] = *c;
}

static int add_one(struct weft_request *r, const struct weft_strv *fields, bool to,
                   struct weft_err **err)
{
    struct weft_cache c = {0};

    if (find_type(fields, to, &c.type, err) < 0) {
        return -1;
    }
    if (parse_fields(r, &c, fields, to, err) < 0) {
        cache_finish(&c);
        return weft_err_wrap(err, "type=%s", types[c.type].name); /* the rest may hold secrets */
    }
    if (c.type == WEFT_CACHE_GHA && !gha_is_active(&c)) {
        weft_strv_addf(&r->notices,
                       "%s type=gha is left out, as by docker buildx: it wants the variables "
                       "ACTIONS_RUNTIME_TOKEN and ACTIONS_RESULTS_URL of a job of GitHub Actions",
                       to ? "--cache-to" : "--cache-from");
        cache_finish(&c);
        return 0;
    }
    add(to ? &r->cache_to : &r->cache_from, &c);
    return 0;
}

/* Without any "=" each field is a reference, as in buildx. */
static int add_value(struct weft_request *r, const char *value, bool to, struct weft_err **err)
{
    weft_auto_strv fields = {0};

    if (!*value) {
        return 0; /* of an unset variable in a script; buildx does nothing either */
    }
    if (weft_csv_split(value, &fields, err) < 0) {
        return -1;
    }
    if (strchr(value, '=')) {
        return add_one(r, &fields, to, err);
    }
    for (size_t i = 0; i < fields.n; i++) {
        weft_auto_strv ref = {0};

        weft_strv_add(&ref, "type=registry");
        weft_strv_addf(&ref, "ref=%s", fields.v[i]);
        if (add_one(r, &ref, to, err) < 0) {
            return -1;
        }
    }
    return 0;
}

int weft_request_add_cache_from(struct weft_request *r, const char *value, struct weft_err **err)
{
    return add_value(r, value, false, err);
}

int weft_request_add_cache_to(struct weft_request *r, const char *value, struct weft_err **err)
{
    return add_value(r, value, true, err);
}

/* What makes up the place of a cache; what else is said of it, such as a mode or a secret, makes it
 * no other one. */
static bool same_place(const struct weft_cache *a, const struct weft_cache *b)
{
    static const char *const keys[] = {
        "ref",          "dest",        "scope",        "url",       "url_v2",
        "bucket",       "region",      "name",         "prefix",    "manifests_prefix",
        "endpoint_url", "account_url", "account_name", "container",
    };

    if (a->type != b->type) {
        return false;
    }
    for (size_t i = 0; i < N(keys); i++) {
        if (!weft_str_eq(weft_cache_attr(a, keys[i]), weft_cache_attr(b, keys[i]))) {
            return false;
        }
    }
    return true;
}

static bool has_inline(const struct weft_request *r)
{
    for (size_t i = 0; i < r->cache_to.n; i++) {
        if (r->cache_to.v[i].type == WEFT_CACHE_INLINE) {
            return true;
        }
    }
    return false;
}

/* An inline cache is part of an image. */
static bool makes_image(const struct weft_request *r)
{
    for (size_t i = 0; i < r->n_outputs; i++) {
        if (r->outputs[i].type != WEFT_OUTPUT_LOCAL && r->outputs[i].type != WEFT_OUTPUT_TAR) {
            return true;
        }
    }
    return false;
}

/* BUILDKIT_INLINE_CACHE=1 as a build argument: buildx's older way to write type=inline. It has no
 * say where there is no image. */
static void add_inline_alias(struct weft_request *r)
{
    static const char key[] = "BUILDKIT_INLINE_CACHE=";
    struct weft_cache c = {.type = WEFT_CACHE_INLINE};
    bool on = false;

    for (size_t i = 0; i < r->build_args.n; i++) {
        if (weft_starts_with(r->build_args.v[i], key) &&
            weft_parse_bool(r->build_args.v[i] + strlen(key), &on) < 0) {
            on = false;
        }
    }
    if (on && makes_image(r) && !has_inline(r)) {
        add(&r->cache_to, &c);
    }
}

static int check_platform_names(const struct weft_request *r, const struct weft_cache *c,
                                struct weft_err **err)
{
    for (size_t i = 0; i < r->n_platforms && c->type == WEFT_CACHE_REGISTRY; i++) {
        weft_auto_free char *own = weft_cache_own_ref(weft_cache_attr(c, "ref"), &r->platforms[i]);
        char name[WEFT_PLATFORM_SIZE];

        if (!own) {
            return weft_fail(err, WEFT_E_USAGE,
                             "--cache-to: the tag of %s is too long: with the name of %s behind it "
                             "it has more than %d characters",
                             weft_cache_attr(c, "ref"),
                             weft_platform_format(&r->platforms[i], name), WEFT_REFERENCE_TAG_MAX);
        }
    }
    return 0;
}

int weft_request_check_caches(struct weft_request *r, struct weft_err **err)
{
    add_inline_alias(r);
    if (has_inline(r) && !makes_image(r)) {
        weft_fail(err, WEFT_E_USAGE,
                  "--cache-to type=inline: the cache is kept in the image, and no output is one");
        return weft_err_hint(err, "-o type=oci,dest=FILE, or another type of cache");
    }
    for (size_t i = 0; i < r->cache_to.n; i++) {
        const struct weft_cache *c = &r->cache_to.v[i];

        for (size_t k = 0; k < i; k++) {
            if (same_place(&r->cache_to.v[k], c)) {
                return weft_fail(err, WEFT_E_USAGE,
                                 "--cache-to: two caches of type=%s go to the same place",
                                 types[c->type].name);
            }
        }
        if (check_platform_names(r, c, err) < 0) {
            return -1;
        }
    }
    return 0;
}

void weft_caches_finish(struct weft_caches *list)
{
    for (size_t i = 0; i < list->n; i++) {
        cache_finish(&list->v[i]);
    }
    free(list->v);
    *list = (struct weft_caches){0};
}
