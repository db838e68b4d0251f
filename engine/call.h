/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a frontend answers when it is asked for something else than a build (`weft build --call`,
 * --check), and how buildx shows that. The answer is the one line of JSON that `weft-session call`
 * prints: an object of strings, "result.json", "result.txt", "result.statuscode", ... Pure.
 */
#ifndef WEFT_ENGINE_CALL_H
#define WEFT_ENGINE_CALL_H

#include <stddef.h>
#include <stdio.h>

struct weft_err;
struct weft_json;
struct weft_request;

/** The answer as an object. New, or NULL with WEFT_E_FORMAT. */
struct weft_json *weft_call_parse(const char *text, size_t len, struct weft_err **err);

/**
 * Print an answer. Returns 0, or -1 with WEFT_E_BUILD: the frontend found an error, which is then
 * the message, or answers with a status other than 0 (--check: there are warnings), and then the
 * message is empty, since all is said on `out`. WEFT_E_FORMAT: it is no answer to r->call.
 */
int weft_call_print(const struct weft_request *r, const struct weft_json *answer, FILE *out,
                    struct weft_err **err);

/** Put the answer into the object of --metadata-file, with the JSON in it as JSON. */
void weft_call_metadata(const struct weft_json *answer, struct weft_json *metadata);

#endif
