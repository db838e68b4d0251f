/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "engine/annotation.h"
#include "engine/request_parts.h"
#include "engine/solve.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

static const struct {
    const char *name;
    enum weft_output_type type;
    bool push;
} types[] = {
    {"oci", WEFT_OUTPUT_OCI, false},       {"local", WEFT_OUTPUT_LOCAL, false},
    {"tar", WEFT_OUTPUT_TAR, false},       {"image", WEFT_OUTPUT_IMAGE, false},
    {"registry", WEFT_OUTPUT_IMAGE, true}, {"docker", WEFT_OUTPUT_DOCKER, false},
};

/* What may stand beside type. BuildKit takes any attribute in silence, so that a typing error would
 * go unseen. */
#define IMAGE_KEYS                                                                     \
    "name", "compression", "compression-level", "force-compression", "oci-mediatypes", \
        "oci-artifact", "rewrite-timestamp", "source-date-epoch"

static const char *const oci_keys[] = {"dest", "tar", IMAGE_KEYS};
static const char *const docker_keys[] = {"dest", IMAGE_KEYS};
static const char *const image_keys[] = {
    "push", "push-by-digest", "registry.insecure", "name-canonical", "unpack", "store", IMAGE_KEYS,
};
static const char *const files_keys[] = {"dest", "attestation-prefix"};

static const struct {
    const char *const *v;
    size_t n;
} keys_of[] = {
    [WEFT_OUTPUT_OCI] = {oci_keys, N(oci_keys)},
    [WEFT_OUTPUT_LOCAL] = {files_keys, N(files_keys)},
    [WEFT_OUTPUT_TAR] = {files_keys, N(files_keys)},
    [WEFT_OUTPUT_IMAGE] = {image_keys, N(image_keys)},
    [WEFT_OUTPUT_DOCKER] = {docker_keys, N(docker_keys)},
};

static const char *const bool_keys[] = {"force-compression", "oci-mediatypes", "oci-artifact",
                                        "rewrite-timestamp"};
static const char *const compressions[] = {"uncompressed", "gzip", "estargz", "zstd"};

static bool is_one_of(const char *s, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(s, list[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void put_attr(struct weft_output *o, const char *key, const char *value)
{
    char *pair = weft_fmt("%s=%s", key, value);
    size_t len = strlen(key) + 1;

    for (size_t i = 0; i < o->attrs.n; i++) {
        if (strncmp(o->attrs.v[i], pair, len) == 0) {
            free(o->attrs.v[i]);
            o->attrs.v[i] = pair;
            return;
        }
    }
    weft_strv_take(&o->attrs, pair);
}

/* The value of an attribute, or NULL. Borrowed. */
static const char *get_attr(const struct weft_output *o, const char *key)
{
    size_t len = strlen(key);

    for (size_t i = 0; i < o->attrs.n; i++) {
        if (strncmp(o->attrs.v[i], key, len) == 0 && o->attrs.v[i][len] == '=') {
            return o->attrs.v[i] + len + 1;
        }
    }
    return NULL;
}

bool weft_output_is_image(const struct weft_output *o)
{
    return o->type == WEFT_OUTPUT_OCI || o->type == WEFT_OUTPUT_IMAGE ||
           o->type == WEFT_OUTPUT_DOCKER;
}

void weft_request_output_finish(struct weft_output *o)
{
    free(o->dest);
    weft_strv_finish(&o->attrs);
    weft_strv_finish(&o->names);
    weft_strv_finish(&o->bare);
}

static int parse_type(const char *value, struct weft_output *out, struct weft_err **err)
{
    const char *names[N(types)];

    for (size_t i = 0; i < N(types); i++) {
        if (strcmp(value, types[i].name) == 0) {
            out->type = types[i].type;
            out->push = types[i].push;
            return 0;
        }
        names[i] = types[i].name;
    }
    if (strcmp(value, "cacheonly") == 0) {
        return weft_fail(err, WEFT_E_USAGE, "type=cacheonly has no attributes");
    }
    return weft_request_unknown_key(value, "types of output", names, N(names), err);
}

static int check_attr(const char *key, const char *value, struct weft_err **err)
{
    long n;
    bool b;

    if (is_one_of(key, bool_keys, N(bool_keys)) && weft_parse_bool(value, &b) < 0) {
        return weft_fail(err, WEFT_E_USAGE, "%s is true or false, not \"%s\"", key, value);
    }
    if (strcmp(key, "compression") == 0 && !is_one_of(value, compressions, N(compressions))) {
        return weft_fail(err, WEFT_E_USAGE,
                         "compression is uncompressed, gzip, estargz or zstd, not \"%s\"", value);
    }
    if (strcmp(key, "compression-level") == 0) {
        return weft_parse_long(value, 0, 22, key, &n, err);
    }
    if (strcmp(key, "source-date-epoch") == 0) {
        return weft_parse_long(value, 0, WEFT_EPOCH_MAX_S, key, &n, err);
    }
    return 0;
}

/* A name attribute holds one or several names, with commas. */
static int add_names(struct weft_output *o, const char *value, struct weft_err **err)
{
    weft_auto_strv names = {0};

    weft_split(value, ',', &names);
    for (size_t i = 0; i < names.n; i++) {
        if (weft_request_add_name(&o->names, &o->bare, names.v[i], err) < 0) {
            return weft_err_wrap(err, "name");
        }
    }
    return 0;
}

/* The switches of type=image, which are weft's to obey and not the exporter's. *known tells whether
 * it is one. */
static int add_switch(struct weft_output *o, const char *key, const char *value, bool *known,
                      struct weft_err **err)
{
    bool store = false;
    const struct {
        const char *key;
        bool *field;
    } switches[] = {
        {"tar", &o->tar},
        {"push", &o->push},
        {"push-by-digest", &o->by_digest},
        {"registry.insecure", &o->insecure},
        {"name-canonical", &o->canonical},
        {"unpack", &store},
        {"store", &store},
    };

    for (size_t i = 0; i < N(switches); i++) {
        if (strcmp(key, switches[i].key) != 0) {
            continue;
        }
        *known = true;
        if (weft_parse_bool(value, switches[i].field) < 0) {
            return weft_fail(err, WEFT_E_USAGE, "%s is true or false, not \"%s\"", key, value);
        }
    }
    if (store) {
        weft_fail(err, WEFT_E_USAGE, "%s=true: weft's workers have a cache and no store of images",
                  key);
        return weft_err_hint(err, "type=oci,dest=DIR,tar=false keeps an image");
    }
    return 0;
}

static int unknown_field(const struct weft_output *o, const char *key, struct weft_err **err)
{
    const char *of = "attributes of this type";

    for (size_t i = 0; i < N(types); i++) {
        if (types[i].type == o->type && types[i].push == o->push && o->type != WEFT_OUTPUT_LOCAL &&
            o->type != WEFT_OUTPUT_TAR) {
            weft_auto_free char *text = weft_fmt("attributes of type=%s", types[i].name);

            return weft_request_unknown_key(key, text, keys_of[o->type].v, keys_of[o->type].n, err);
        }
    }
    return weft_request_unknown_key(key, of, keys_of[o->type].v, keys_of[o->type].n, err);
}

static int add_field(struct weft_request *r, struct weft_output *o, const char *text, char **dest,
                     struct weft_err **err)
{
    struct weft_request_field f = {0};
    weft_auto_free char *key = NULL;
    bool known = false;

    if (weft_request_field_parse(text, &f, err) < 0) {
        return -1;
    }
    key = f.key;
    if (strcmp(key, "type") == 0) {
        return 0;
    }
    if (weft_output_is_image(o) && weft_request_is_annotation(key)) {
        put_attr(o, key, f.value);
        return weft_request_add_annotation_attr(r, key, f.value, err);
    }
    if (o->type == WEFT_OUTPUT_IMAGE && strcmp(key, "dangling-name-prefix") == 0) {
        return weft_fail(err, WEFT_E_USAGE,
                         "dangling-name-prefix: weft's workers have a cache and no store of images "
                         "in which one would lie about");
    }
    if (!is_one_of(key, keys_of[o->type].v, keys_of[o->type].n)) {
        return unknown_field(o, key, err);
    }
    if (strcmp(key, "dest") == 0) {
        free(*dest);
        *dest = weft_xstrdup(f.value);
        return 0;
    }
    if (strcmp(key, "name") == 0) {
        return add_names(o, f.value, err);
    }
    if (add_switch(o, key, f.value, &known, err) < 0) {
        return -1;
    }
    if (known) {
        return 0;
    }
    put_attr(o, key, f.value);
    return check_attr(key, f.value, err);
}

/* gzip and what builds on it know the levels up to 9. */
static int check_level(const struct weft_output *o, struct weft_err **err)
{
    const char *level = get_attr(o, "compression-level");
    const char *kind = get_attr(o, "compression");
    long n;

    if (!level || weft_str_eq(kind, "zstd")) {
        return 0;
    }
    return weft_parse_long(level, 0, 9, "compression-level", &n, err);
}

static int set_dest(struct weft_output *o, const char *dest, struct weft_err **err)
{
    bool file = o->type == WEFT_OUTPUT_TAR || o->type == WEFT_OUTPUT_DOCKER ||
                (o->type == WEFT_OUTPUT_OCI && o->tar);

    if (o->type == WEFT_OUTPUT_IMAGE || (o->type == WEFT_OUTPUT_DOCKER && (!dest || !*dest))) {
        return 0;
    }
    if (dest && *dest && strcmp(dest, "-") != 0) {
        o->dest = weft_path_abs(dest, err);
        return o->dest ? 0 : -1;
    }
    if (!file) {
        return weft_fail(err, WEFT_E_USAGE, "dest=DIR is %s",
                         dest && *dest ? "a directory, not standard output" : "missing");
    }
    if (isatty(STDOUT_FILENO)) {
        weft_fail(err, WEFT_E_USAGE, "a tar file is not written to a terminal");
        return weft_err_hint(err, "dest=FILE");
    }
    o->dest = weft_xstrdup("-");
    return 0;
}

/* The fields of a value. A lone field that does not begin with type= is a path, as in buildx. */
static int split(const char *value, struct weft_strv *fields, struct weft_err **err)
{
    weft_auto_free char *key = NULL;

    if (weft_csv_split(value, fields, err) < 0) {
        return -1;
    }
    if (fields->n != 1 || strcmp(fields->v[0], value) != 0 || weft_starts_with(value, "type=")) {
        return 0;
    }
    key = weft_xstrndup(value, strcspn(value, "="));
    if (value[strlen(key)] == '=' && is_one_of(key, oci_keys, N(oci_keys))) {
        weft_fail(err, WEFT_E_USAGE, "type= is missing");
        return weft_err_hint(err, "type=oci,%s (or ./%s for a directory of that name)", value,
                             value);
    }
    if (!*value) {
        return weft_fail(err, WEFT_E_USAGE, "it is empty");
    }
    weft_strv_finish(fields);
    weft_strv_add(fields, strcmp(value, "-") == 0 ? "type=tar" : "type=local");
    weft_strv_addf(fields, "dest=%s", value);
    return 0;
}

static int parse(struct weft_request *r, const char *value, struct weft_output *o,
                 struct weft_err **err)
{
    weft_auto_strv fields = {0};
    weft_auto_free char *dest = NULL;
    bool typed = false;

    if (split(value, &fields, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < fields.n; i++) { /* the type first: it says what the others may be */
        weft_auto_free char *key = NULL;
        struct weft_request_field f = {0};

        if (weft_request_field_parse(fields.v[i], &f, err) < 0) {
            return -1;
        }
        key = f.key;
        if (strcmp(key, "type") == 0) {
            typed = true;
            if (parse_type(f.value, o, err) < 0) {
                return -1;
            }
        }
    }
    if (!typed) {
        weft_fail(err, WEFT_E_USAGE, "type= is missing");
        return weft_err_hint(err, "type=oci,%s", value);
    }
    o->tar = o->type == WEFT_OUTPUT_OCI;
    for (size_t i = 0; i < fields.n; i++) {
        if (add_field(r, o, fields.v[i], &dest, err) < 0) {
            return -1;
        }
    }
    return check_level(o, err) < 0 ? -1 : set_dest(o, dest, err);
}

static void append(struct weft_request *r, const struct weft_output *o)
{
    r->outputs = weft_xrealloc(r->outputs, r->n_outputs + 1, sizeof(*r->outputs));
    r->outputs[r->n_outputs++] = *o;
}

int weft_request_add_output(struct weft_request *r, const char *value, struct weft_err **err)
{
    struct weft_output o = {0};

    if (strcmp(value, "type=cacheonly") == 0) {
        r->cache_only = true;
        return 0;
    }
    if (parse(r, value, &o, err) < 0) {
        weft_request_output_finish(&o);
        return weft_err_wrap(err, "\"%s\"", value);
    }
    append(r, &o);
    return 0;
}

static bool same_attrs(const struct weft_output *a, const struct weft_output *b)
{
    if (a->attrs.n != b->attrs.n) {
        return false;
    }
    for (size_t i = 0; i < a->attrs.n; i++) {
        if (!weft_strv_has(&b->attrs, a->attrs.v[i])) {
            return false;
        }
    }
    return true;
}

static int check_iidfile(const struct weft_request *r, struct weft_err **err)
{
    bool image = false;

    if (!r->iidfile) {
        return 0;
    }
    for (size_t i = 0; i < r->n_outputs; i++) {
        if (!weft_output_is_image(&r->outputs[i])) {
            return weft_fail(err, WEFT_E_USAGE,
                             "--iidfile: outputs of type local and tar have no image ID");
        }
        image = true;
    }
    if (!image) {
        weft_fail(err, WEFT_E_USAGE, "--iidfile: without an output there is no image");
        return weft_err_hint(err, "--output type=oci,dest=FILE");
    }
    return 0;
}

/* --push pushes the images that there are; without one, as --load, it is an output of its own. */
static void add_short(struct weft_request *r, bool push, bool load)
{
    bool pushed = false;
    bool loaded = false;

    for (size_t i = 0; i < r->n_outputs; i++) {
        struct weft_output *o = &r->outputs[i];

        if (push && o->type == WEFT_OUTPUT_IMAGE) {
            o->push = true;
            pushed = true;
        }
        loaded |= o->type == WEFT_OUTPUT_DOCKER && !o->dest;
    }
    if (push && !pushed) {
        append(r, &(struct weft_output){.type = WEFT_OUTPUT_IMAGE, .push = true});
    }
    if (load && !loaded) {
        append(r, &(struct weft_output){.type = WEFT_OUTPUT_DOCKER});
    }
}

static void replace(struct weft_strv *to, const struct weft_strv *from)
{
    weft_strv_finish(to);
    *to = (struct weft_strv){0};
    weft_strv_concat(to, from);
}

/* The names of --tag are those of all images, whatever name= says; buildx has it so. */
static void give_names(struct weft_request *r)
{
    bool tags = r->tags.n > 0;

    for (size_t i = 0; i < r->n_outputs; i++) {
        struct weft_output *o = &r->outputs[i];

        if (!weft_output_is_image(o)) {
            continue;
        }
        if (tags) {
            r->names_unused |= o->names.n > 0;
            replace(&o->names, &r->tags);
            replace(&o->bare, &r->bare_tags);
            continue;
        }
        for (size_t k = 0; k < o->names.n; k++) {
            if (!weft_strv_has(&r->tags, o->names.v[k])) {
                weft_strv_add(&r->tags, o->names.v[k]);
            }
        }
    }
}

/* Names that are pushed by digest have no tag. */
static int bare_names(struct weft_output *o, struct weft_err **err)
{
    for (size_t i = 0; i < o->bare.n; i++) {
        if (strchr(weft_path_base(o->bare.v[i]), ':')) {
            return weft_fail(err, WEFT_E_USAGE,
                             "push-by-digest=true sets no tag, and the name %s has one",
                             o->bare.v[i]);
        }
    }
    replace(&o->names, &o->bare);
    return 0;
}

static int check_push(struct weft_output *o, struct weft_err **err)
{
    if (!o->push) {
        return o->by_digest || o->insecure
                   ? weft_fail(err, WEFT_E_USAGE,
                               "push-by-digest and registry.insecure are for push=true")
                   : 0;
    }
    if (o->names.n == 0) {
        weft_fail(err, WEFT_E_USAGE, "an image that is pushed needs a name");
        return weft_err_hint(err, "--tag REGISTRY/NAME:TAG");
    }
    return o->by_digest ? bare_names(o, err) : 0;
}

/* What docker load takes: one image, and nothing around it. */
static int check_docker(const struct weft_request *r, const struct weft_output *o,
                        struct weft_err **err)
{
    const char *flag = o->dest ? "type=docker" : "--load";

    if (r->n_platforms > 1) {
        weft_fail(err, WEFT_E_USAGE, "%s is for one platform, and %zu are built", flag,
                  r->n_platforms);
        return weft_err_hint(err, "-o type=oci,dest=FILE takes them all");
    }
    if (r->attests.n > 0) {
        weft_fail(err, WEFT_E_USAGE, "%s cannot hold attestations", flag);
        return weft_err_hint(err, "-o type=oci,dest=FILE can");
    }
    return 0;
}

/* Whether the solves give one plain manifest, which has no index. */
static bool is_plain(const struct weft_request *r)
{
    weft_auto_strv attests = {0};

    for (size_t i = 0; i < r->build_args.n; i++) {
        if (weft_starts_with(r->build_args.v[i], "BUILDKIT_MULTI_PLATFORM=")) {
            return false; /* the frontend reads it: one platform may have an index then */
        }
    }
    weft_solve_attests(r, &attests);
    return r->n_platforms == 1 && attests.n == 0;
}

/* BuildKit would refuse these at the end of the build. */
static int check_annotations(const struct weft_request *r, const struct weft_output *image,
                             struct weft_err **err)
{
    const char *oci = get_attr(image, "oci-mediatypes");
    bool index = weft_annotations_have(&r->annotations, WEFT_ANNOTATE_INDEX) ||
                 weft_annotations_have(&r->annotations, WEFT_ANNOTATE_INDEX_DESCRIPTOR);
    bool oci_types = true;

    if (oci) {
        weft_parse_bool(oci, &oci_types); /* was checked */
    }
    if (!oci_types &&
        (index || weft_annotations_have(&r->annotations, WEFT_ANNOTATE_MANIFEST_DESCRIPTOR))) {
        return weft_fail(err, WEFT_E_USAGE,
                         "annotations of indexes and descriptors need OCI's media types, and "
                         "oci-mediatypes is false");
    }
    if (index && is_plain(r)) {
        weft_fail(err, WEFT_E_USAGE,
                  "an image of a single platform without attestations has no index to annotate");
        return weft_err_hint(err, "--annotation manifest:NAME=VALUE, or --provenance=mode=min");
    }
    return weft_request_check_annotations(r, err);
}

/* All that are images are the same image. */
static int check_images(struct weft_request *r, struct weft_err **err)
{
    const struct weft_output *image = NULL;

    for (size_t i = 0; i < r->n_outputs; i++) {
        struct weft_output *o = &r->outputs[i];

        if (!weft_output_is_image(o)) {
            continue;
        }
        if (image && !same_attrs(image, o)) {
            weft_fail(err, WEFT_E_USAGE,
                      "--output: outputs that are images (oci, registry, image, docker) hold the "
                      "same image, and so cannot differ in attributes");
            return weft_err_hint(err, "give the attributes to all of them; --push is -o "
                                      "type=registry, --load is -o type=docker");
        }
        image = o;
        if (check_push(o, err) < 0 ||
            (o->type == WEFT_OUTPUT_DOCKER && check_docker(r, o, err) < 0)) {
            return weft_err_wrap(err, "--output");
        }
    }
    return image ? check_annotations(r, image, err) : weft_request_check_annotations(r, err);
}

int weft_request_set_outputs(struct weft_request *r, bool push, bool load, struct weft_err **err)
{
    bool to_stdout = false;

    add_short(r, push, load);
    give_names(r);
    for (size_t i = 0; i < r->n_outputs; i++) {
        if (weft_str_eq(r->outputs[i].dest, "-")) {
            if (to_stdout) {
                return weft_fail(err, WEFT_E_USAGE, "--output: two outputs go to standard output");
            }
            to_stdout = true;
        }
    }
    if (check_images(r, err) < 0) {
        return -1;
    }
    if (to_stdout && r->quiet) {
        weft_fail(err, WEFT_E_USAGE,
                  "--quiet prints the image's ID on standard output, where an output goes");
        return weft_err_hint(err, "--progress=none");
    }
    return check_iidfile(r, err);
}
