/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --log-dir: a file per platform with what the plain progress display says of it, whatever the
 * terminal shows. The display writes them (engine/progress.h); this opens and closes them. Private
 * to the build's files. Thread: the loop thread.
 */
#ifndef WEFT_ENGINE_BUILD_LOGS_H
#define WEFT_ENGINE_BUILD_LOGS_H

struct weft_build;
struct weft_err;

/** Make the directory and the files, in the place of earlier ones. Nothing without --log-dir. The
 * lanes are laid out already. Errors: WEFT_E_IO. */
int weft_build_open_logs(struct weft_build *b, struct weft_err **err);

/** Close them; the display is gone already. A file that is not complete is a warning. */
void weft_build_close_logs(struct weft_build *b);

#endif
