/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit of one image: its layers are read one after the other, from the lowest on, and what is
 * left of them is judged. Nothing is unpacked: of each file the facts are kept, of other files the
 * name and size; an ELF file that is large goes through an unlinked temporary file. Hostile layers
 * are bounded, and what is not looked at is a finding. Knows no layout and no registry.
 */
#ifndef WEFT_ENGINE_AUDIT_WALK_H
#define WEFT_ENGINE_AUDIT_WALK_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "engine/layer_read.h"
#include "platforms/audit.h"

struct weft_err;
struct weft_audit_walk;

enum {
    WEFT_AUDIT_LAYERS_LIMIT = 1000,
    WEFT_AUDIT_ENTRIES_LIMIT = 1 << 20, /* of all layers together */
    WEFT_AUDIT_FINDINGS_LIMIT = 10000,
    WEFT_AUDIT_BIGGEST = 5, /* files that the summary names */
};

/** One finding. */
struct weft_audit_finding {
    enum weft_audit_rule rule;
    enum weft_audit_severity severity;
    int layer;  /* its number, from 0; -1: the image as a whole */
    char *path; /* absolute, as bytes; NULL: of no file */
    char *found;
    char *expected; /* or NULL */
};

/** A file of the image, and its size. */
struct weft_audit_big {
    char *path;
    uint64_t size_bytes;
};

/** What an image needs of the machine that it runs on. */
struct weft_audit_summary {
    size_t files;     /* that are left of all layers */
    size_t elf_files; /* of them; each once, however many names it has */
    char *isa;        /* "x86-64-v2": the highest of its files; NULL: none says it */
    const char *libc; /* "glibc", "musl", "none" (no program wants a loader), "another". Static */
    char *glibc;      /* "2.34": the highest version of a symbol that its files need; or NULL */
    char *kernel; /* "3.2.0": the highest of the oldest kernels that its files run on; or NULL */
    struct weft_audit_big biggest[WEFT_AUDIT_BIGGEST];
    size_t n_biggest;
};

/** Start from {0}; end with weft_audit_report_finish. */
struct weft_audit_report {
    struct weft_audit_finding *findings; /* the gravest first, then by path */
    size_t n;
    size_t n_allowed; /* findings that --audit-allow or the list of known cases took out */
    size_t entries;   /* of all layers */
    struct weft_audit_summary summary;
};
void weft_audit_report_finish(struct weft_audit_report *r);

/** All is borrowed until weft_audit_walk_destroy. */
struct weft_audit_walk_opts {
    struct weft_platform platform;
    const struct weft_strv *allow; /* patterns of paths (platforms/audit_file.h); or NULL */
    const char *path;              /* $PATH of the image's config; or NULL */
    const char *library_path;      /* its $LD_LIBRARY_PATH; or NULL */
};

struct weft_audit_walk *weft_audit_walk_create(const struct weft_audit_walk_opts *opts);
void weft_audit_walk_destroy(struct weft_audit_walk *w);

/**
 * Read the next layer. One that is damaged, or more than is read, is a finding and no error.
 * Errors: WEFT_E_IO (also the temporary file), WEFT_E_DIGEST, WEFT_E_CANCELLED, WEFT_E_UNSUPPORTED.
 */
int weft_audit_walk_layer(struct weft_audit_walk *w, const struct weft_layer_input *in,
                          struct weft_err **err);

/** Judge what is left of the layers. `out` is zeroed. The walk is only good for destroy after. */
void weft_audit_walk_finish(struct weft_audit_walk *w, struct weft_audit_report *out);

#endif
