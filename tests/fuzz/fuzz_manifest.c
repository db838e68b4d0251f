/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Manifests and indexes from anywhere: parsing them must not crash, and what is accepted must keep
 * the promises of engine/descriptor.h. The first byte chooses the media type that the descriptor
 * claims.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "engine/annotation.h"
#include "engine/descriptor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void check_descriptor(const struct weft_descriptor *d)
{
    weft_auto_descriptor again = {0};

    require(weft_digest_valid(d->digest));
    require(d->media_type && *d->media_type);
    require(d->size_bytes <= INT64_MAX);
    require(!strchr(weft_digest_hex(d->digest), '/'));
    require(weft_descriptor_parse(d->json, &again, NULL) == 0);
    require(again.has_platform == d->has_platform);
    (void)weft_descriptor_is_attestation(d);
    (void)weft_descriptor_is_foreign(d);
}

/* With an annotation it is the same manifest; as an attestation of another one, too. */
static void check_annotated(const char *data, size_t len, const char *claim,
                            const struct weft_manifest *m)
{
    weft_auto_json annotations = weft_json_object();
    weft_auto_free char *text = NULL;
    weft_auto_free char *moved = NULL;
    weft_auto_manifest again = {0};
    struct weft_renamed renamed;

    weft_json_set_str(annotations, "k", "<v>");
    text = weft_annotate_manifest(data, len, annotations, NULL);
    require(text != NULL);
    if (strlen(text) <= WEFT_MANIFEST_LIMIT) {
        require(weft_manifest_parse(text, strlen(text), claim, &again, NULL) == 0);
        require(again.n_children == m->n_children);
        require(weft_str_eq(weft_json_str(again.annotations, "k"), "<v>"));
    }
    memcpy(renamed.from, m->config.digest, WEFT_DIGEST_SIZE);
    weft_digest_bytes(data, len, renamed.to);
    moved = weft_annotate_attestation(text, strlen(text), &renamed, 1, &m->config, NULL);
    require(moved && !strstr(moved, weft_digest_hex(renamed.from)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const claims[] = {NULL, WEFT_MEDIA_OCI_INDEX, WEFT_MEDIA_OCI_MANIFEST,
                                         WEFT_MEDIA_DOCKER_LIST, WEFT_MEDIA_DOCKER_MANIFEST};
    weft_auto_manifest m = {0};
    weft_auto_err err = NULL;
    struct weft_platform platform;
    const char *claim;

    if (size == 0) {
        return 0;
    }
    claim = claims[data[0] % (sizeof(claims) / sizeof(*claims))];
    (void)weft_config_platform((const char *)data + 1, size - 1, &platform, NULL);
    if (weft_manifest_parse((const char *)data + 1, size - 1, claim, &m, &err) < 0) {
        require(err && err->code == WEFT_E_FORMAT && m.n_children == 0 && !m.annotations);
        return 0;
    }
    require(m.is_index == weft_media_is_index(m.media_type));
    require(!claim || strcmp(claim, m.media_type) == 0);
    for (size_t i = 0; i < m.n_children; i++) {
        check_descriptor(&m.children[i]);
    }
    if (!m.is_index) {
        check_descriptor(&m.config);
        check_annotated((const char *)data + 1, size - 1, claim, &m);
    }
    return 0;
}
