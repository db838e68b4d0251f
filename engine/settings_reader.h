/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of engine/settings.c: how its keys are read from the text, for the files that have
 * keys of their own. Who uses this knows nothing of libfyaml.
 *
 * The text is read as a stream of events, never as a document: what is not in the schema ends the
 * reading where it is met, so that there is nothing for aliases to multiply or for depth to fill.
 */
#ifndef WEFT_ENGINE_SETTINGS_READER_H
#define WEFT_ENGINE_SETTINGS_READER_H

#include <stdbool.h>

struct fy_diag;
struct fy_event;
struct fy_parser;
struct weft_err;
struct weft_settings;

struct weft_reader {
    struct fy_diag *diag; /* collects what the library would print */
    struct fy_parser *parser;
    struct fy_event *event; /* the present one; freed by the next */
    int line, column;       /* from 1: of the last event that has a place */
    const char *name;
    const char *dir; /* what relative paths are relative to; NULL: the working directory */
    struct weft_settings *out;
    struct weft_err **err;
};

/** Put the file and the present place in it before the error. Returns -1. */
int weft_reader_here(const struct weft_reader *r);

/** Go on to the next event. */
int weft_reader_next(struct weft_reader *r);

/** Whether the present event is the start of a map. */
bool weft_reader_is_map(const struct weft_reader *r);

/** The present event's text, which must be one; `what` is what it is called. Caller frees. */
char *weft_reader_text(const struct weft_reader *r, const char *what);

/** What a map's member is read by: the present event is its key, which has been read, and is to be
 * the last one of its value afterwards. */
typedef int weft_reader_member_fn(struct weft_reader *r, const char *key);

/** Read a map, of which the present event is the start. `what`: what its keys are called. */
int weft_reader_map(struct weft_reader *r, const char *what, weft_reader_member_fn *fn);

/** What an item of a list is read by: the present event is its first, and is to be its last
 * afterwards. */
typedef int weft_reader_item_fn(struct weft_reader *r);

/** Read the list `what` of `of`; that the present event starts one is checked. */
int weft_reader_list(struct weft_reader *r, const char *what, const char *of,
                     weft_reader_item_fn *fn);

/** A path in the text, absolute; relative ones are against `dir`. Caller frees. Errors:
 * WEFT_E_USAGE, WEFT_E_IO, without the place. */
char *weft_reader_path(const char *text, const char *dir, struct weft_err **err);

/** The value of `registries`; the present event is its key (engine/settings_registries.c). */
int weft_settings_read_registries(struct weft_reader *r);

#endif
