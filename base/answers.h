/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What programs have said of themselves, or have been found to do, kept in one JSON file: asking
 * costs 5 ms to a second each time. An answer belongs to a file as it was when it was asked; a
 * program that is replaced is asked again. Knows no program and no question.
 */
#ifndef WEFT_BASE_ANSWERS_H
#define WEFT_BASE_ANSWERS_H

/** May be used from several threads and several processes at once. */
struct weft_answers;

/** Answers kept in the file `path`, which need not exist; path NULL: kept in memory only. Caller:
 * weft_answers_destroy. */
struct weft_answers *weft_answers_create(const char *path);
void weft_answers_destroy(struct weft_answers *a); /* writes first */

/** Write what is new to the file. Best effort: what cannot be written is asked again by the next
 * one. */
void weft_answers_write(struct weft_answers *a);

/** What `program` has answered to `what` ("version"). NULL: it has not been asked, or the file was
 * replaced since. Caller frees. */
char *weft_answers_recall(struct weft_answers *a, const char *what, const char *program);

/** Remember an answer for as long as `a` lives, and never in the file: one that may be another the
 * next time. */
void weft_answers_remember(struct weft_answers *a, const char *what, const char *program,
                           const char *answer);

/** Keep an answer: in memory, and with weft_answers_write in the file. */
void weft_answers_keep(struct weft_answers *a, const char *what, const char *program,
                       const char *answer);

/** The file as it is now, as text: path, device, inode, size, time. Another file in its place, or
 * the same one changed, gives another text. Caller frees. */
char *weft_file_identity(const char *path);

#endif
