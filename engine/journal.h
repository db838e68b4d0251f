/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Renames that can be taken back. A commit that needs many of them records each one here; if it
 * fails half-way, undo puts everything back to where it was, in reverse order. All paths of one
 * journal lie on one file system.
 */
#ifndef WEFT_ENGINE_JOURNAL_H
#define WEFT_ENGINE_JOURNAL_H

#include <sys/types.h>

struct weft_err;
struct weft_journal;

struct weft_journal *weft_journal_create(void);

/** Rename src to dst, which must not exist (WEFT_E_IO with sys EEXIST). Undone by renaming it back.
 */
int weft_journal_move(struct weft_journal *j, const char *src, const char *dst,
                      struct weft_err **err);

/** Put src in the place of dst, and what dst was in the place of src: dst is never missing where
 * the file system can exchange two names, or both are files and it has hard links. Undone the same
 * way. Errors: WEFT_E_IO. */
int weft_journal_replace(struct weft_journal *j, const char *src, const char *dst,
                         struct weft_err **err);

/** Make a directory and those above it that are missing (mode 0777 less the umask). Existing ones
 * are fine and stay. */
int weft_journal_mkdirs(struct weft_journal *j, const char *path, struct weft_err **err);

/** Put everything back. Goes on after a failure. Returns 0, or -1 with the first error (WEFT_E_IO).
 */
int weft_journal_undo(struct weft_journal *j, struct weft_err **err);

/** Forget the record (what was done stays done). NULL is fine. */
void weft_journal_destroy(struct weft_journal *j);

#endif
