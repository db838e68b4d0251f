/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a user names an image in an OCI layout directory: DIR, DIR:TAG, DIR@DIGEST. Reads index.json
 * and no blob.
 */
#ifndef WEFT_ENGINE_LAYOUT_NAME_H
#define WEFT_ENGINE_LAYOUT_NAME_H

struct weft_err;
struct weft_json;

/**
 * Find the image. Without a tag it is "latest", or the only one that there is. A tag may also be a
 * name in full, as BuildKit writes it. `dir` receives the directory as the kernel names it,
 * `digest` the digest of a manifest or an index whose blob exists (not looked into); both are the
 * caller's to free, and untouched on failure. Errors: WEFT_E_USAGE, with the tags that there are as
 * a hint.
 */
int weft_layout_name_parse(const char *text, char **dir, char **digest, struct weft_err **err);

/**
 * The digest of the image with a tag (NULL: "latest", or the only image there is) in an index.json.
 * `what`: the layout, for errors. Caller frees. NULL with WEFT_E_USAGE.
 */
char *weft_layout_name_find(const struct weft_json *index, const char *what, const char *tag,
                            struct weft_err **err);

#endif
