/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/descriptor.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

/* More layers or platforms than anybody has: Docker stops at 127 layers. Bounds memory per byte of
 * a hostile manifest. */
enum {
    CHILDREN_LIMIT = 10000
};

/* ---- descriptors ---- */

/* A field that may be absent must have the right shape where it is present. */
static bool object_or_absent(const struct weft_json *j, const char *key)
{
    const struct weft_json *v = weft_json_get(j, key);

    return !v || weft_json_is_object(v);
}

static int parse_platform(const struct weft_json *json, struct weft_platform *out,
                          struct weft_err **err)
{
    const char *os = weft_json_str(json, "os");
    const char *arch = weft_json_str(json, "architecture");
    const char *variant = weft_json_str(json, "variant");

    if (!os || !arch || !*os || !*arch) {
        return weft_fail(err, WEFT_E_FORMAT, "platform without os or architecture");
    }
    if (strlen(os) >= sizeof(out->os) || strlen(arch) >= sizeof(out->arch) ||
        (variant && strlen(variant) >= sizeof(out->variant))) {
        return weft_fail(err, WEFT_E_FORMAT, "platform with an overlong name");
    }
    weft_platform_from_fields(os, arch, variant, out);
    return 0;
}

int weft_descriptor_parse(const struct weft_json *json, struct weft_descriptor *out,
                          struct weft_err **err)
{
    const char *media_type = weft_json_str(json, "mediaType");
    const char *digest = weft_json_str(json, "digest");
    const struct weft_json *platform = weft_json_get(json, "platform");
    int64_t size = weft_json_int(json, "size", -1);
    struct weft_platform p = {0};

    if (!weft_json_is_object(json)) {
        return weft_fail(err, WEFT_E_FORMAT, "descriptor is not an object");
    }
    if (!media_type || !*media_type) {
        return weft_fail(err, WEFT_E_FORMAT, "descriptor without a media type");
    }
    if (!weft_digest_valid(digest)) {
        weft_auto_free char *shown = weft_printable(digest ? digest : "");

        return weft_fail(err, WEFT_E_FORMAT,
                         "descriptor whose digest '%.100s' is not a sha256 digest", shown);
    }
    if (size < 0) {
        return weft_fail(err, WEFT_E_FORMAT, "descriptor of %s without a valid size", digest);
    }
    if (!object_or_absent(json, "annotations") || !object_or_absent(json, "platform")) {
        return weft_fail(err, WEFT_E_FORMAT, "descriptor of %s is malformed", digest);
    }
    if (platform && parse_platform(platform, &p, err) < 0) {
        return weft_err_wrap(err, "descriptor of %s", digest);
    }
    out->json = weft_json_copy(json);
    out->media_type = weft_json_str(out->json, "mediaType");
    memcpy(out->digest, digest, WEFT_DIGEST_SIZE);
    out->size_bytes = (uint64_t)size;
    out->has_platform = platform != NULL;
    out->platform = p;
    return 0;
}

void weft_descriptor_init(struct weft_descriptor *d, const char *media_type, const char *digest,
                          uint64_t size_bytes, const struct weft_platform *platform)
{
    d->json = weft_json_object();
    weft_json_set_str(d->json, "mediaType", media_type);
    weft_json_set_str(d->json, "digest", digest);
    weft_json_set_int(d->json, "size", (int64_t)size_bytes);
    d->media_type = weft_json_str(d->json, "mediaType");
    memcpy(d->digest, digest, WEFT_DIGEST_SIZE);
    d->size_bytes = size_bytes;
    d->has_platform = false;
    if (platform) {
        weft_descriptor_set_platform(d, platform);
    }
}

void weft_descriptor_set_platform(struct weft_descriptor *d, const struct weft_platform *platform)
{
    struct weft_json *p = weft_json_object();

    weft_json_set_str(p, "architecture", platform->arch);
    weft_json_set_str(p, "os", platform->os);
    if (*platform->variant) {
        weft_json_set_str(p, "variant", platform->variant);
    }
    weft_json_set(d->json, "platform", p);
    d->has_platform = true;
    d->platform = *platform;
}

void weft_descriptor_set_os(struct weft_descriptor *d, const char *config, size_t len)
{
    weft_auto_json doc = weft_json_parse(config, len, NULL);
    struct weft_json *platform = weft_json_get(d->json, "platform");
    const struct weft_json *features = weft_json_get(doc, "os.features");
    bool strings = weft_json_len(features) > 0;

    weft_json_set_str(platform, "os.version", weft_json_str(doc, "os.version"));
    for (size_t i = 0; i < weft_json_len(features); i++) {
        strings = strings && weft_json_value_str(weft_json_at(features, i));
    }
    if (strings) {
        weft_json_set(platform, "os.features", weft_json_copy(features));
    }
}

void weft_descriptor_copy(struct weft_descriptor *to, const struct weft_descriptor *from)
{
    *to = *from;
    to->json = weft_json_copy(from->json);
    to->media_type = weft_json_str(to->json, "mediaType");
}

void weft_descriptor_finish(struct weft_descriptor *d)
{
    weft_json_free(d->json);
    memset(d, 0, sizeof(*d));
}

const char *weft_descriptor_annotation(const struct weft_descriptor *d, const char *key)
{
    return weft_json_str(weft_json_get(d->json, "annotations"), key);
}

bool weft_descriptor_is_attestation(const struct weft_descriptor *d)
{
    return weft_str_eq(weft_descriptor_annotation(d, "vnd.docker.reference.type"),
                       "attestation-manifest") ||
           (d->has_platform && strcmp(d->platform.os, "unknown") == 0 &&
            strcmp(d->platform.arch, "unknown") == 0);
}

bool weft_descriptor_is_foreign(const struct weft_descriptor *d)
{
    return (strstr(d->media_type, ".nondistributable.") || strstr(d->media_type, ".foreign.")) &&
           weft_json_len(weft_json_get(d->json, "urls")) > 0;
}

/* ---- manifests and indexes ---- */

static const char *const index_types[] = {WEFT_MEDIA_OCI_INDEX, WEFT_MEDIA_DOCKER_LIST};
static const char *const manifest_types[] = {WEFT_MEDIA_OCI_MANIFEST, WEFT_MEDIA_DOCKER_MANIFEST};

/* The constant that equals media_type, or NULL. */
static const char *one_of(const char *const types[2], const char *media_type)
{
    for (int i = 0; i < 2; i++) {
        if (weft_str_eq(types[i], media_type)) {
            return types[i];
        }
    }
    return NULL;
}

bool weft_media_is_index(const char *media_type)
{
    return one_of(index_types, media_type) != NULL;
}

bool weft_media_is_manifest(const char *media_type)
{
    return one_of(manifest_types, media_type) != NULL;
}

bool weft_media_is_docker(const char *media_type)
{
    return weft_str_eq(media_type, WEFT_MEDIA_DOCKER_LIST) ||
           weft_str_eq(media_type, WEFT_MEDIA_DOCKER_MANIFEST);
}

static int parse_children(const struct weft_json *array, struct weft_manifest *out,
                          struct weft_err **err)
{
    size_t n = weft_json_len(array);

    if (n > CHILDREN_LIMIT) {
        return weft_fail(err, WEFT_E_FORMAT, "%zu entries are more than weft takes", n);
    }
    out->children = weft_xcalloc(n ? n : 1, sizeof(*out->children));
    for (size_t i = 0; i < n; i++) {
        if (weft_descriptor_parse(weft_json_at(array, i), &out->children[i], err) < 0) {
            return -1;
        }
        out->n_children++;
    }
    return 0;
}

/*
 * What the document is. One that could be read as either is refused: two readers would see two
 * different images (CVE-2021-41190).
 */
static int classify(const struct weft_json *doc, const char *media_type, struct weft_manifest *out,
                    struct weft_err **err)
{
    const char *own = weft_json_str(doc, "mediaType");
    bool has_index_part = weft_json_get(doc, "manifests") != NULL;
    bool has_manifest_part = weft_json_get(doc, "layers") || weft_json_get(doc, "config");
    const char *const *types;

    if (weft_json_int(doc, "schemaVersion", 0) != 2) {
        return weft_fail(err, WEFT_E_FORMAT, "not an image manifest of schema version 2");
    }
    if (has_index_part == has_manifest_part) {
        return weft_fail(err, WEFT_E_FORMAT,
                         has_index_part ? "both an image manifest and an image index"
                                        : "neither an image manifest nor an image index");
    }
    if (own && media_type && strcmp(own, media_type) != 0) {
        return weft_fail(err, WEFT_E_FORMAT, "media type differs from that of its descriptor");
    }
    out->is_index = has_index_part;
    types = out->is_index ? index_types : manifest_types;
    if (!media_type) {
        media_type = own ? own : types[0];
    }
    out->media_type = one_of(types, media_type);
    if (!out->media_type) {
        weft_auto_free char *shown = weft_printable(media_type);

        return weft_fail(err, WEFT_E_FORMAT, "an image %s whose media type is '%.100s'",
                         out->is_index ? "index" : "manifest", shown);
    }
    return 0;
}

static int parse_document(const struct weft_json *doc, const char *media_type,
                          struct weft_manifest *out, struct weft_err **err)
{
    const struct weft_json *children;
    const struct weft_json *annotations;

    if (classify(doc, media_type, out, err) < 0) {
        return -1;
    }
    children = weft_json_get(doc, out->is_index ? "manifests" : "layers");
    annotations = weft_json_get(doc, "annotations");
    if (!weft_json_is_array(children) || !object_or_absent(doc, "annotations")) {
        return weft_fail(err, WEFT_E_FORMAT, "malformed image %s",
                         out->is_index ? "index" : "manifest");
    }
    if (!out->is_index &&
        weft_descriptor_parse(weft_json_get(doc, "config"), &out->config, err) < 0) {
        return weft_err_wrap(err, "config");
    }
    if (annotations) {
        out->annotations = weft_json_copy(annotations);
    }
    return parse_children(children, out, err);
}

int weft_manifest_parse(const char *data, size_t len, const char *media_type,
                        struct weft_manifest *out, struct weft_err **err)
{
    weft_auto_json doc = NULL;

    if (len > WEFT_MANIFEST_LIMIT) {
        return weft_fail(err, WEFT_E_FORMAT, "a manifest of %zu bytes", len);
    }
    doc = weft_json_parse(data, len, err);
    if (!doc) {
        return -1;
    }
    if (parse_document(doc, media_type, out, err) < 0) {
        weft_manifest_finish(out);
        return -1;
    }
    return 0;
}

void weft_manifest_finish(struct weft_manifest *m)
{
    weft_descriptor_finish(&m->config);
    for (size_t i = 0; i < m->n_children; i++) {
        weft_descriptor_finish(&m->children[i]);
    }
    free(m->children);
    weft_json_free(m->annotations);
    memset(m, 0, sizeof(*m));
}

int weft_config_platform(const char *data, size_t len, struct weft_platform *out,
                         struct weft_err **err)
{
    weft_auto_json doc = weft_json_parse(data, len, err);

    return doc ? parse_platform(doc, out, err) : -1;
}
