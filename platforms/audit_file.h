/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of the audit that are no ELF files: programs of Windows (PE), archives of objects (ar),
 * scripts; and which of all these a file is, by its first bytes.
 */
#ifndef WEFT_PLATFORMS_AUDIT_FILE_H
#define WEFT_PLATFORMS_AUDIT_FILE_H

#include "platforms/audit.h"

enum weft_audit_kind {
    WEFT_AUDIT_OTHER, /* none that has rules */
    WEFT_AUDIT_IS_ELF,
    WEFT_AUDIT_IS_PE,
    WEFT_AUDIT_IS_AR,
    WEFT_AUDIT_IS_SCRIPT,
};

enum {
    WEFT_AUDIT_HEAD_BYTES = 256,    /* that tell the kind, and hold the first line of a script:
                                       Linux reads no more of it */
    WEFT_AUDIT_PE_BYTES = 64 << 10, /* that hold the heads of any PE file that is one */
};

/** What a file that begins with these bytes (its first WEFT_AUDIT_HEAD_BYTES, or all) is. */
enum weft_audit_kind weft_audit_sniff(const unsigned char *head, size_t len);

/**
 * The program of a script's first line, "/usr/bin/env", and in *argument (may be NULL) what stands
 * behind it. NULL: there is none, or none that is an absolute path. Caller frees both.
 */
char *weft_audit_script(const unsigned char *head, size_t len, char **argument);

/** Judge a PE file by its heads. Programs of .NET run anywhere, and a "MZ" may begin anything: no
 * verdict. */
void weft_audit_pe(const struct weft_audit_target *t, const struct weft_elf_input *in,
                   struct weft_audit_verdicts *out);

/** Judge an archive by the first of its members that is an ELF file. */
void weft_audit_ar(const struct weft_audit_target *t, const struct weft_elf_input *in,
                   struct weft_audit_verdicts *out);

/** Why a finding at this path is none: files that are for another machine by design, such as boot
 * loaders. NULL: no reason is known. Path: absolute, within the image. Static. */
const char *weft_audit_known(const char *path, enum weft_audit_rule rule);

/** Whether a path matches a pattern with *, ? and [...], as --audit-allow takes it: "*" also
 * matches slashes. A pattern without a slash at its start may match anywhere behind one. */
bool weft_audit_path_matches(const char *pattern, const char *path);

/** What mostly causes a finding of this rule in a step of a Dockerfile (text as in the history of
 * the image; NULL: not known). Static. */
const char *weft_audit_cause(enum weft_audit_rule rule, const char *step);

#endif
