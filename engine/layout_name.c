/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/layout_name.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

/* Whether an entry of an index.json has this tag, or this as its name in full. */
static bool entry_has_tag(const struct weft_json *entry, const char *tag)
{
    const struct weft_json *a = weft_json_get(entry, "annotations");
    const char *ref = weft_json_str(a, "org.opencontainers.image.ref.name");
    const char *name = weft_json_str(a, "io.containerd.image.name");

    return weft_str_eq(ref, tag) || weft_str_eq(name, tag);
}

static void list_tags(const struct weft_json *entries, struct weft_buf *b)
{
    for (size_t i = 0; i < weft_json_len(entries); i++) {
        const struct weft_json *a = weft_json_get(weft_json_at(entries, i), "annotations");
        const char *ref = weft_json_str(a, "org.opencontainers.image.ref.name");

        if (ref) {
            weft_auto_free char *shown = weft_printable(ref);

            weft_buf_printf(b, "%s%s", b->len > 0 ? ", " : "", shown);
        }
    }
}

char *weft_layout_name_find(const struct weft_json *index, const char *what, const char *tag,
                            struct weft_err **err)
{
    const struct weft_json *entries = weft_json_get(index, "manifests");
    weft_auto_buf tags = {0};
    const char *digest = NULL;

    for (size_t i = 0; i < weft_json_len(entries); i++) {
        const struct weft_json *entry = weft_json_at(entries, i);
        const char *found = weft_json_str(entry, "digest");

        if (!entry_has_tag(entry, tag ? tag : "latest")) {
            continue;
        }
        if (digest && !weft_str_eq(digest, found)) {
            weft_fail(err, WEFT_E_USAGE, "%s has several images with the tag %s", what,
                      tag ? tag : "latest");
            weft_err_hint(err, "name it by digest: @sha256:...");
            return NULL;
        }
        digest = found;
    }
    if (!digest && !tag && weft_json_len(entries) == 1) {
        digest = weft_json_str(weft_json_at(entries, 0), "digest");
    }
    if (!digest) {
        /* the tag is said to be missing with the list of those that there are: it is mostly a
         * typing error */
        weft_fail(err, WEFT_E_USAGE, "%s has no image with the tag %s", what, tag ? tag : "latest");
        list_tags(entries, &tags);
        if (tags.len > 0) {
            weft_err_hint(err, "one of its tags: %s", tags.data);
        } else if (weft_json_len(entries) > 0) {
            weft_err_hint(err, "its images have no tags: name one by its digest, @sha256:...");
        }
        return NULL;
    }
    if (!weft_digest_valid(digest)) {
        weft_fail(err, WEFT_E_USAGE, "%s: index.json: the digest of the image is malformed", what);
        return NULL;
    }
    return weft_xstrdup(digest);
}

static char *find_image(const char *dir, const char *tag, struct weft_err **err)
{
    weft_auto_free char *path = weft_path_join(dir, "index.json");
    weft_auto_json index = NULL;
    weft_auto_err broken = NULL;

    if (!weft_exists(path)) {
        weft_fail(err, WEFT_E_USAGE, "%s is not an OCI layout: it has no index.json", dir);
        return NULL;
    }
    index = weft_json_load(path, &broken);
    if (!index) {
        weft_fail(err, WEFT_E_USAGE, "%s", broken->msg);
        return NULL;
    }
    return weft_layout_name_find(index, dir, tag, err);
}

/* Cut "DIR:TAG" where DIR is a directory; colons may be in either. Returns the tag, or NULL. */
static char *cut_tag(char *text)
{
    char *first = strchr(text, ':');

    for (char *colon = first; colon && !weft_is_dir(text); colon = strchr(colon + 1, ':')) {
        *colon = '\0';
        if (weft_is_dir(text)) {
            return colon + 1;
        }
        *colon = ':';
    }
    if (!first || weft_is_dir(text)) {
        return NULL;
    }
    *first = '\0'; /* there is no such directory: the error names the likely one */
    return first + 1;
}

/* The directory in its real name, checked. NULL with WEFT_E_USAGE. */
static char *layout_dir(const char *dir, struct weft_err **err)
{
    weft_auto_free char *real = realpath(dir, NULL);
    weft_auto_free char *shown = weft_printable(dir);

    if (!real) {
        weft_fail(err, WEFT_E_USAGE, "%s: %s", *shown ? shown : "a layout without a directory",
                  strerror(errno));
        return NULL;
    }
    if (!weft_is_dir(real)) {
        weft_fail(err, WEFT_E_USAGE, "%s is not a directory", shown);
        return NULL;
    }
    if (access(real, R_OK | X_OK) < 0) {
        weft_fail(err, WEFT_E_USAGE, "%s: %s", shown, strerror(errno));
        return NULL;
    }
    return weft_steal(&real);
}

static int parse(char *text, char **dir, char **digest, struct weft_err **err)
{
    weft_auto_free char *blobs = NULL;
    weft_auto_free char *blob = NULL;
    char *at = strstr(text, "@sha256:");
    char *tag;

    if (at) {
        *at = '\0';
        if (!weft_digest_valid(at + 1)) {
            return weft_fail(err, WEFT_E_USAGE,
                             "the digest is not \"sha256:\" and 64 hexadecimal digits");
        }
        *digest = weft_xstrdup(at + 1);
    }
    tag = cut_tag(text);
    if (tag && !*tag) {
        return weft_fail(err, WEFT_E_USAGE, "the tag is empty");
    }
    *dir = layout_dir(text, err);
    if (!*dir) {
        return -1;
    }
    if (!*digest) {
        *digest = find_image(*dir, tag, err);
        if (!*digest) {
            return -1;
        }
    }
    blobs = weft_path_join(*dir, "blobs/sha256");
    blob = weft_path_join(blobs, weft_digest_hex(*digest));
    if (!weft_exists(blob)) {
        return weft_fail(err, WEFT_E_USAGE, "%s has no blob %s", *dir, *digest);
    }
    return 0;
}

int weft_layout_name_parse(const char *text, char **dir, char **digest, struct weft_err **err)
{
    weft_auto_free char *copy = weft_xstrdup(text);
    weft_auto_free char *found_dir = NULL;
    weft_auto_free char *found_digest = NULL;

    if (parse(copy, &found_dir, &found_digest, err) < 0) {
        return -1;
    }
    *dir = weft_steal(&found_dir);
    *digest = weft_steal(&found_digest);
    return 0;
}
