/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the audit's walk share: what is kept of each file. Private to engine/audit_*.c.
 * Strings are numbers of `names`: most of them come up again and again.
 */
#ifndef WEFT_ENGINE_AUDIT_PARTS_H
#define WEFT_ENGINE_AUDIT_PARTS_H

#include "base/intern.h"
#include "engine/audit_tree.h"
#include "engine/audit_walk.h"
#include "platforms/audit_file.h"

/** A verdict on one file. */
struct weft_audit_kept {
    uint32_t found, expected;
    uint8_t rule, severity;
};

/** What is known of a file that has rules. A file has several names where there are hard links. */
struct weft_audit_info {
    uint32_t interpreter; /* of a program, or of a script; 0: none */
    uint32_t argument;    /* of a script's interpreter; 0: none */
    uint32_t rpath, runpath, soname, glibc, isa, damage;
    uint32_t needed, n_needed;     /* numbers of names in `needed` */
    uint32_t verdicts, n_verdicts; /* in `verdicts` */
    uint32_t kernel;               /* 8 bits each of major, minor, patch; 0: it does not say */
    uint16_t machine;
    uint8_t bits;
    uint8_t kind; /* enum weft_audit_kind; WEFT_AUDIT_OTHER: a file of the loader's configuration */
    bool big_endian;
    bool is_ours;   /* a program or library for the platform */
    bool is_linked; /* it is for the platform, and the dynamic loader would load it */
    bool no_default_dirs;
    bool is_seen; /* by one of its names */
    char *text;   /* of a configuration; or NULL */
};

struct weft_audit_walk {
    struct weft_audit_walk_opts opts;
    struct weft_audit_target target;
    struct weft_intern *names;
    struct weft_tree *tree;
    struct weft_audit_info *infos; /* [0] is not used */
    size_t n_infos;
    uint32_t *needed;
    size_t n_needed;
    struct weft_audit_kept *verdicts;
    size_t n_verdicts;
    unsigned int n_layers;
    size_t entries;
    bool is_stopped; /* a limit was reached: nothing more is read */
    struct weft_audit_report report;
    size_t n_dropped; /* findings over the limit, and the gravest of them */
    enum weft_audit_severity dropped;
    struct weft_audit_spool *spool;
};

/** The number of a string; 0 for NULL, and where there is no more room. */
uint32_t weft_audit_name(struct weft_audit_walk *w, const char *s);
/** The string of a number; NULL for 0. Borrowed until a name is added. */
const char *weft_audit_text(const struct weft_audit_walk *w, uint32_t id);

/** Add a finding, unless its path is allowed. The strings are taken over. */
void weft_audit_add(struct weft_audit_walk *w, enum weft_audit_rule rule,
                    enum weft_audit_severity severity, int layer, const char *path, char *found,
                    char *expected);

/**
 * Read a file's content and keep what is of use (engine/audit_content.c). Returns its number in
 * w->infos, 0 for one without rules, or -1. Errors: as weft_layer_data; WEFT_E_IO.
 */
int64_t weft_audit_content(struct weft_audit_walk *w, struct weft_layer *l,
                           const struct weft_layer_entry *e, struct weft_err **err);
void weft_audit_spool_destroy(struct weft_audit_spool *s);

/** Look for the interpreters and libraries of all files (engine/audit_links.c). */
void weft_audit_links(struct weft_audit_walk *w);

#endif
