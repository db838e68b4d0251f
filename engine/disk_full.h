/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Errors about a file system that is full, ours and those that BuildKit and RUN steps report: which
 * file system it is, and what makes room in it.
 */
#ifndef WEFT_ENGINE_DISK_FULL_H
#define WEFT_ENGINE_DISK_FULL_H

#include <stdbool.h>

struct weft_err;

/** Whether a text says that a file system, or somebody's part of it, is full. NULL: no. */
bool weft_disk_full_said(const char *text);

/**
 * What to do about it. The file system is that of a file which the text names, of weft's state, or
 * of its sockets, whichever is full now; if none is any more, the one that is named, else that of
 * the state, where RUN steps write. Caller frees.
 */
char *weft_disk_full_hint(const char *text);

/** Give an error that is about it that hint, instead of one that it has. Others stay as they are,
 * also WEFT_E_NET: that disk is another machine's. */
void weft_disk_full_explain(struct weft_err *err);

#endif
