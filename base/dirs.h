/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where weft keeps its things (XDG base directories; design: "Files and state"). Only names:
 * nothing is made here.
 */
#ifndef WEFT_BASE_DIRS_H
#define WEFT_BASE_DIRS_H

struct weft_err;

/** Kept across reboots: $WEFT_STATE_DIR, else root /var/lib/weft, else $XDG_STATE_HOME/weft, else
 * ~/.local/state/weft. Caller frees; NULL with WEFT_E_USAGE where there is neither of the variables
 * nor HOME. */
char *weft_dir_state(struct weft_err **err);

/** Sockets and locks: $WEFT_RUNTIME_DIR, else root /run/weft, else $XDG_RUNTIME_DIR/weft, else
 * /tmp/weft-UID. Caller frees. */
char *weft_dir_runtime(void);

/** The user's configuration: $XDG_CONFIG_HOME/weft, else ~/.config/weft. Caller frees; NULL where
 * neither is set (no error). */
char *weft_dir_config(void);

/** Programs that weft ships with: $WEFT_LIBEXEC, else ./libexec beside the running program (a build
 * tree), else the installed one. Caller frees. */
char *weft_dir_libexec(void);

#endif
