/* SPDX-License-Identifier: Apache-2.0 */
/* CPU models: whether a copy of QEMU can be made that holds to one. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "bench/profile.h"
#include "binfmt/emulator.h"
#include "binfmt/qemu.h"
#include "engine/doctor_check.h"

static const char name[] = "cpu-models";

/* Facts: for the first machine with a QEMU, of those that are asked for and then of all others:
 * "platform", "model", and "why" where no copy can be made; or "platform", "error" and "hint". */
static void try_models(struct weft_try_self *self, const void *data)
{
    const struct weft_doctor *d = data;
    struct weft_qemus qemus = {0};
    struct weft_speeds speeds = {0};
    struct weft_emulator found = {0};
    struct weft_emulators from = {.answers = d->answers,
                                  .qemus = &qemus,
                                  .cpu = &d->settings.cpu,
                                  .speeds = &speeds,
                                  .qemu = d->settings.qemu,
                                  .copies_dir = self->dir};
    const struct weft_platform_info *info = NULL;
    weft_auto_err err = NULL;
    char buf[WEFT_PLATFORM_SIZE];

    setenv("TMPDIR", self->dir, 1);
    weft_qemu_scan(d->qemu_dirs, d->answers, &qemus);
    if (d->state_root) {
        weft_profile_load(d->state_root, &speeds);
    }
    info = weft_doctor_emulated(d, &qemus);
    if (!info) {
        return;
    }
    weft_json_set_str(self->facts, "platform", weft_platform_format(&info->platform, buf));
    weft_try_tell(self);
    if (weft_emulator_choose(&from, info, false, &found, &err) < 0) {
        weft_json_set_str(self->facts, "error", err->msg);
        weft_json_set_str(self->facts, "hint", err->hint);
        return;
    }
    weft_json_set_str(self->facts, "model", found.model);
    weft_json_set_str(self->facts, "why", found.why);
    weft_emulator_finish(&found);
    weft_speeds_finish(&speeds);
    weft_qemus_finish(&qemus);
}

void weft_doctor_cpu_start(struct weft_doctor *d)
{
    weft_tries_add(d->tries, &(struct weft_try_opts){.name = name,
                                                     .limit_ms = WEFT_DOCTOR_LONG_MS,
                                                     .dir = d->try_dir,
                                                     .fn = try_models,
                                                     .data = d});
}

void weft_doctor_cpu_models(struct weft_doctor *d)
{
    enum weft_try_outcome outcome;
    const struct weft_json *facts = weft_tries_facts(d->tries, name, 0, &outcome);
    const char *platform = weft_json_str(facts, "platform");
    const char *model = weft_json_str(facts, "model");
    const char *error = weft_json_str(facts, "error");
    const char *why = weft_json_str(facts, "why");

    if (!platform) {
        weft_doctor_add(d, name, NULL, WEFT_DOCTOR_SKIP, weft_fmt("nothing to try it with"), NULL);
    } else if (error) {
        weft_doctor_add(d, name, platform, WEFT_DOCTOR_WARN, weft_xstrdup(error),
                        weft_xstrdup_null(weft_json_str(facts, "hint")));
    } else if (model) {
        weft_doctor_add(d, name, platform, WEFT_DOCTOR_OK,
                        weft_fmt("QEMU is held to a CPU model, %s", model), NULL);
    } else {
        weft_doctor_add(
            d, name, platform, WEFT_DOCTOR_WARN,
            weft_fmt("QEMU's own CPU, which can do more than the platform promises%s%s%s",
                     why ? ": " : "", why ? why : "", weft_doctor_outcome_text(outcome)),
            weft_fmt("another version of QEMU: weft build --qemu, or WEFT_QEMU_DIR=DIR"));
    }
}
