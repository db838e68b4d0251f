/* SPDX-License-Identifier: Apache-2.0 */
/* The OCI runtimes, as the sandbox has tried them. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/doctor_check.h"

static const struct weft_json *sandbox_facts(const struct weft_doctor *d)
{
    return weft_tries_facts(d->tries, WEFT_TRY_SANDBOX, 0, NULL);
}

bool weft_doctor_runtime_works(const struct weft_doctor *d)
{
    const struct weft_json *trials = weft_json_get(sandbox_facts(d), "trials");
    size_t n = weft_json_len(trials);

    return n > 0 && weft_str_eq(weft_json_value_str(weft_json_at(trials, n - 1)), "works");
}

/* Of runtime i, in a few words; *works is set where it is the one that is taken. Caller frees. */
static char *describe_runtime(const struct weft_doctor *d, const struct weft_json *facts, size_t i,
                              bool *works)
{
    const char *path = d->programs.runtimes.v[i];
    const char *fits = weft_json_value_str(weft_json_at(weft_json_get(facts, "fits"), i));
    const char *trial = weft_json_value_str(weft_json_at(weft_json_get(facts, "trials"), i));
    weft_auto_free char *name = weft_fmt("runtime%zu", i);
    const char *said = weft_json_str(weft_tries_facts(d->tries, name, 0, NULL), "version");
    weft_auto_free char *version = weft_xstrdup(said ? said : weft_path_base(path));
    char *word = strstr(version, " version ");
    enum weft_try_outcome outcome;
    const char *no_answer;

    (void)weft_tries_facts(d->tries, WEFT_TRY_SANDBOX, 0, &outcome);
    no_answer = outcome == WEFT_TRY_TOO_LONG ? "hangs" : "not tried";
    *works = weft_str_eq(trial, "works");
    if (word) {
        memmove(word + 1, word + 9, strlen(word + 9) + 1);
    }
    if (!fits) {
        return weft_fmt("%s %s", version, no_answer);
    }
    if (*fits != 'y') {
        return weft_fmt("%s %s", version,
                        *fits == 'n' ? "is too old for BuildKit" : "does not run");
    }
    if (*works) {
        return weft_fmt("%s works", version);
    }
    return trial && *trial ? weft_fmt("%s fails: %s", version, trial)
                           : weft_fmt("%s %s", version, trial ? "not tried" : no_answer);
}

void weft_doctor_runtime(struct weft_doctor *d)
{
    const struct weft_json *facts = sandbox_facts(d);
    weft_auto_strv words = {0};
    bool any_fits = false, any_works = false;
    char *found;

    if (d->why_runtimes) {
        weft_doctor_add_err(d, "runtime", WEFT_DOCTOR_FAIL, d->why_runtimes);
        return;
    }
    for (size_t i = 0; i < d->programs.runtimes.n; i++) {
        const char *fits = weft_json_value_str(weft_json_at(weft_json_get(facts, "fits"), i));
        bool works;

        weft_strv_take(&words, describe_runtime(d, facts, i, &works));
        any_fits = any_fits || (fits && *fits == 'y');
        any_works = any_works || works;
    }
    found = weft_strv_join(&words, "; ");
    if (any_works) {
        weft_doctor_add(d, "runtime", NULL, WEFT_DOCTOR_OK, found, NULL);
    } else if (!any_fits) {
        weft_doctor_add(
            d, "runtime", NULL,
            weft_json_str(facts, "dir_error") ? WEFT_DOCTOR_SKIP : WEFT_DOCTOR_FAIL, found,
            weft_json_str(facts, "dir_error") ? NULL : weft_fmt("sudo apt-get install runc"));
    } else if (!weft_doctor_entered(d) || !d->programs.buildctl) {
        weft_doctor_add(d, "runtime", NULL, WEFT_DOCTOR_SKIP, found, NULL);
    } else {
        weft_doctor_add(d, "runtime", NULL, WEFT_DOCTOR_FAIL, found,
                        weft_doctor_is_bad(d, "seccomp")
                            ? weft_fmt("the seccomp profile, as above")
                            : weft_fmt("WEFT_RUNTIME=PATH, where PATH is a runtime that works"));
    }
}
