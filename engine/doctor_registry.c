/* SPDX-License-Identifier: Apache-2.0 */
/* Registries that were asked for: whether they answer, and what time they have. */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/doctor_check.h"
#include "engine/registry_ping.h"

enum {
    CLOCK_OFF_S = 60 /* tokens of registries are good for some minutes, from the moment on */
};

static const char name[] = "registry";

/* Facts: "error" and "hint"; or "status", "ms", and "clock_off_s" (how far ours is ahead). */
static void try_registry(struct weft_try_self *self, const void *data)
{
    struct weft_registry_answer answer = {0};
    weft_auto_err err = NULL;

    if (weft_registry_ping(data, WEFT_DOCTOR_LONG_MS - 500, &answer, &err) < 0) {
        weft_json_set_str(self->facts, "error", err->msg);
        weft_json_set_str(self->facts, "hint", err->hint);
    } else {
        weft_json_set_int(self->facts, "status", answer.status);
        weft_json_set_int(self->facts, "ms", answer.taken_ms);
    }
    if (answer.date_s > 0) {
        weft_json_set_int(self->facts, "clock_off_s", (int64_t)time(NULL) - answer.date_s);
    }
    weft_registry_answer_finish(&answer);
}

void weft_doctor_registry_start(struct weft_doctor *d)
{
    const struct weft_strv *hosts = d->options->registries;

    for (size_t i = 0; hosts && i < hosts->n; i++) {
        weft_tries_add(d->tries, &(struct weft_try_opts){.name = name,
                                                         .limit_ms = WEFT_DOCTOR_LONG_MS,
                                                         .fn = try_registry,
                                                         .data = hosts->v[i]});
    }
}

static void report_one(struct weft_doctor *d, const char *host, const struct weft_json *facts,
                       enum weft_try_outcome outcome)
{
    const char *error = weft_json_str(facts, "error");
    int64_t off = weft_json_int(facts, "clock_off_s", 0);

    if (outcome != WEFT_TRY_DONE) {
        weft_doctor_add(d, name, host, WEFT_DOCTOR_FAIL,
                        weft_fmt("asking it%s", weft_doctor_outcome_text(outcome)), NULL);
    } else if (error) {
        weft_doctor_add(d, name, host, WEFT_DOCTOR_FAIL, weft_xstrdup(error),
                        weft_xstrdup_null(weft_json_str(facts, "hint")));
    } else {
        weft_doctor_add(
            d, name, host, WEFT_DOCTOR_OK,
            weft_fmt("answers in %" PRId64 " ms%s", weft_json_int(facts, "ms", 0),
                     weft_json_int(facts, "status", 0) == 401 ? ", wants credentials" : ""),
            NULL);
    }
    if (off > CLOCK_OFF_S || off < -CLOCK_OFF_S) {
        weft_doctor_add(d, "clock", host, WEFT_DOCTOR_WARN,
                        weft_fmt("%" PRId64 " s %s that of the registry", off < 0 ? -off : off,
                                 off < 0 ? "behind" : "ahead of"),
                        weft_fmt("sudo timedatectl set-ntp true"));
    }
}

void weft_doctor_registry(struct weft_doctor *d)
{
    const struct weft_json *facts;
    enum weft_try_outcome outcome;

    for (size_t i = 0; (facts = weft_tries_facts(d->tries, name, i, &outcome)); i++) {
        report_one(d, d->options->registries->v[i], facts, outcome);
    }
}
