/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parts of request.c: what one value of a flag with a syntax of its own says, added to the
 * request. Private to the request's files. Every function gives WEFT_E_USAGE, without the flag's
 * name: the caller puts it in front.
 */
#ifndef WEFT_ENGINE_REQUEST_PARTS_H
#define WEFT_ENGINE_REQUEST_PARTS_H

#include "engine/request.h"

/** One --output. */
int weft_request_add_output(struct weft_request *r, const char *value, struct weft_err **err);

/**
 * Add what --push and --load stand for, give the outputs their names, and check what they may not
 * be together, or with other flags. Tags, platforms, attestations and annotations are there.
 */
int weft_request_set_outputs(struct weft_request *r, bool push, bool load, struct weft_err **err);

void weft_request_output_finish(struct weft_output *o);

/** One --tag. */
int weft_request_add_tag(struct weft_request *r, const char *value, struct weft_err **err);

/** A name of an image, in full to `names` and with no tag made up to `bare`, unless it is there. */
int weft_request_add_name(struct weft_strv *names, struct weft_strv *bare, const char *value,
                          struct weft_err **err);

/** One --annotation. */
int weft_request_add_annotation(struct weft_request *r, const char *value, struct weft_err **err);

/** Whether an attribute of an output, in lower case, is an annotation: "annotation-index.NAME". */
bool weft_request_is_annotation(const char *key);

/** One of them. */
int weft_request_add_annotation_attr(struct weft_request *r, const char *key, const char *value,
                                     struct weft_err **err);

/** Whether all annotations are for platforms that are built. */
int weft_request_check_annotations(const struct weft_request *r, struct weft_err **err);

/** One --build-context. A later one of the same name counts. */
int weft_request_add_context(struct weft_request *r, const char *value, struct weft_err **err);
void weft_request_context_finish(struct weft_named_context *c);

/** --ssh=default, where a git repository is fetched by ssh and no --ssh is given. */
int weft_request_add_git_ssh(struct weft_request *r, struct weft_err **err);

/** One --secret. */
int weft_request_add_secret(struct weft_request *r, const char *value, struct weft_err **err);

/** One --ssh. */
int weft_request_add_ssh(struct weft_request *r, const char *value, struct weft_err **err);

/** One --attest, as "type=provenance,mode=max". */
int weft_request_add_attest(struct weft_request *r, const char *value, struct weft_err **err);

/** --provenance or --sbom: a bool, or attributes. `type`: the flag's name. */
int weft_request_add_attest_short(struct weft_request *r, const char *type, const char *value,
                                  struct weft_err **err);

/** One --add-host. */
int weft_request_add_host(struct weft_request *r, const char *value, struct weft_err **err);

/** --shm-size, or NULL. */
int weft_request_set_shm_size(struct weft_request *r, const char *value, struct weft_err **err);

/** One --ulimit. */
int weft_request_add_ulimit(struct weft_request *r, const char *value, struct weft_err **err);

/** One --cache-from or --cache-to. A gha cache outside of GitHub's jobs becomes a notice. */
int weft_request_add_cache_from(struct weft_request *r, const char *value, struct weft_err **err);
int weft_request_add_cache_to(struct weft_request *r, const char *value, struct weft_err **err);

/** What they may not be together, or with outputs and platforms; BUILDKIT_INLINE_CACHE among the
 * build arguments is one more. The flags' names are in the errors. */
int weft_request_check_caches(struct weft_request *r, struct weft_err **err);
void weft_caches_finish(struct weft_caches *list);

/** One --no-cache-filter. */
int weft_request_add_no_cache(struct weft_request *r, const char *value, struct weft_err **err);

/** --call (or NULL) and --check, over what outputs and platforms there are. The flags' names are in
 * the errors. */
int weft_request_set_call(struct weft_request *r, const char *value, bool check,
                          struct weft_err **err);

/** --log-dir, or NULL. It is made when the build begins. The flag's name is in the errors. */
int weft_request_set_log_dir(struct weft_request *r, const char *value, struct weft_err **err);

/** PATH and --file (or NULL). */
int weft_request_set_source(struct weft_request *r, const char *path, const char *file,
                            struct weft_err **err);

/** --cpu and --qemu (or NULL), over the config file, which is read here. The flags' names are in
 * the errors. */
int weft_request_set_emulation(struct weft_request *r, const struct weft_strv *cpu,
                               const char *qemu, struct weft_err **err);

/** --os-version, or NULL; the platforms are set already. */
int weft_request_set_os_version(struct weft_request *r, const char *value, struct weft_err **err);

/** One field of a CSV value, "key=value". */
struct weft_request_field {
    char *key;         /* lower case, without blanks around */
    const char *value; /* borrowed from the field's text */
};
int weft_request_field_parse(const char *text, struct weft_request_field *out,
                             struct weft_err **err);

/** Fail for a key that is none of `known`, naming the nearest. Returns -1. (The config file's
 * reader has keys as well.) */
int weft_request_unknown_key(const char *key, const char *of, const char *const *known, size_t n,
                             struct weft_err **err);

#endif
