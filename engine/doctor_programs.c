/* SPDX-License-Identifier: Apache-2.0 */
/* BuildKit's programs and weft's own: each is run. And a whole build. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "binfmt/probe.h"
#include "engine/doctor_check.h"

/* Facts: "code", "version" (the first line of what it says). */
static void try_version(struct weft_try_self *self, const void *data)
{
    const char *program = data;
    weft_auto_free char *said = NULL;
    weft_auto_free char *shown = NULL;
    weft_auto_strv argv = {0};
    int code;

    weft_strv_add(&argv, weft_path_base(program));
    weft_strv_add(&argv, "--version");
    code = weft_run_capture(program, argv.v, 1, &said, NULL);
    weft_json_set_int(self->facts, "code", code);
    if (code >= 0) {
        said[strcspn(said, "\n")] = '\0';
        shown = weft_printable(said);
        weft_json_set_str(self->facts, "version", shown);
    }
}

static void add_try(struct weft_doctor *d, const char *name, const char *program)
{
    if (program) {
        weft_tries_add(d->tries, &(struct weft_try_opts){.name = name,
                                                         .limit_ms = WEFT_DOCTOR_SHORT_MS,
                                                         .fn = try_version,
                                                         .data = program});
    }
}

void weft_doctor_programs_start(struct weft_doctor *d)
{
    static const char *const names[] = {"runtime0", "runtime1", "runtime2", "runtime3"};

    add_try(d, "buildkitd", d->programs.buildkitd);
    add_try(d, "buildctl", d->programs.buildctl);
    add_try(d, "weft-init", d->programs.init);
    add_try(d, "weft-session", d->programs.session);
    for (size_t i = 0; i < d->programs.runtimes.n && i < sizeof(names) / sizeof(names[0]); i++) {
        add_try(d, names[i], d->programs.runtimes.v[i]);
    }
}

/* "v0.32.2" of "buildkitd github.com/moby/buildkit v0.32.2 REVISION"; NULL. Caller frees. */
static char *version_word(const char *line)
{
    weft_auto_strv words = {0};

    weft_split(line, ' ', &words);
    for (size_t i = 0; i < words.n; i++) {
        if (words.v[i][0] == 'v' && words.v[i][1] >= '0' && words.v[i][1] <= '9') {
            return weft_xstrdup(words.v[i]);
        }
    }
    return NULL;
}

/* code: what a program of this name ends with that has understood us. */
static void report_program(struct weft_doctor *d, const char *id, const char *path,
                           const struct weft_err *why, int code, enum weft_doctor_status bad)
{
    enum weft_try_outcome outcome = WEFT_TRY_DONE;
    const struct weft_json *facts = weft_tries_facts(d->tries, id, 0, &outcome);
    const char *line = weft_json_str(facts, "version");
    weft_auto_free char *version = NULL;

    if (why) {
        weft_doctor_add_err(d, id, bad, why);
    } else if (outcome != WEFT_TRY_DONE || weft_json_int(facts, "code", -1) != code) {
        weft_doctor_add(d, id, NULL, bad,
                        weft_fmt("%s does not run%s%s%s", path, weft_doctor_outcome_text(outcome),
                                 line && *line ? ": " : "", line ? line : ""),
                        weft_fmt("build it again: ./bootstrap"));
    } else {
        version = version_word(line);
        weft_doctor_add(d, id, NULL, WEFT_DOCTOR_OK,
                        version ? weft_fmt("%s, %s", version, path) : weft_xstrdup(path), NULL);
    }
}

void weft_doctor_programs(struct weft_doctor *d)
{
    enum {
        USAGE = 2 /* what an unknown option is */
    };

    report_program(d, "buildkitd", d->programs.buildkitd, d->why_buildkitd, 0, WEFT_DOCTOR_FAIL);
    report_program(d, "buildctl", d->programs.buildctl, d->why_buildctl, 0, WEFT_DOCTOR_FAIL);
    report_program(d, "weft-init", d->programs.init, d->why_init, USAGE, WEFT_DOCTOR_FAIL);
    /* without it the context is sent once more for each platform */
    report_program(d, "weft-session", d->programs.session, d->why_session, USAGE, WEFT_DOCTOR_WARN);
}

/* The build: an image of one program, which a step runs, in a state of its own. */

static int run_weft(const struct weft_try_self *self, const struct weft_strv *args, char **said)
{
    weft_auto_free char *state = weft_path_join(self->dir, "s");
    weft_auto_free char *weft = NULL;
    char path[4096];
    ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);

    if (len < 0) {
        return -1;
    }
    path[len] = '\0';
    setenv("WEFT_STATE_DIR", state, 1);
    setenv("WEFT_RUNTIME_DIR", self->short_dir, 1);
    return weft_run_capture(path, args->v, 1, said, NULL);
}

static int write_context(const char *dir, const struct weft_machine *m, struct weft_err **err)
{
    static const char dockerfile[] = "FROM scratch\nCOPY probe /probe\nRUN [\"/probe\"]\n";
    weft_auto_free char *dockerfile_path = weft_path_join(dir, "Dockerfile");
    weft_auto_free char *probe_path = weft_path_join(dir, "probe");
    unsigned char probe[WEFT_PROBE_SIZE_MAX];
    size_t len = weft_probe_program(m, probe);

    return weft_mkdirs(dir, 0755, err) < 0 ||
                   weft_write_file(dockerfile_path, dockerfile, strlen(dockerfile), 0644, err) <
                       0 ||
                   weft_write_file(probe_path, probe, len, 0755, err) < 0
               ? -1
               : 0;
}

/* The last line of a text that says something. Caller frees. */
static char *last_words(const char *text)
{
    weft_auto_strv lines = {0};

    weft_split(text, '\n', &lines);
    for (size_t i = lines.n; i > 0; i--) {
        if (weft_starts_with(lines.v[i - 1], "weft: ") &&
            !weft_starts_with(lines.v[i - 1], "weft: try:")) {
            return weft_printable(lines.v[i - 1] + strlen("weft: "));
        }
    }
    return weft_xstrdup("it failed");
}

/* Facts: "works", or "why". data: the platform, as text. */
static void try_build(struct weft_try_self *self, const void *data)
{
    weft_auto_free char *context = weft_path_join(self->dir, "c");
    weft_auto_free char *said = NULL;
    weft_auto_free char *ignored = NULL;
    weft_auto_free char *why = NULL;
    weft_auto_free char *proof = weft_fmt("exit code: %d", WEFT_PROBE_EXIT);
    weft_auto_strv build = {0}, clean = {0};
    weft_auto_err err = NULL;
    const struct weft_platform_info *info;
    struct weft_platform p;

    if (weft_platform_parse(data, &p, &err) < 0 || !(info = weft_catalogue_find(&p)) ||
        !info->machine || write_context(context, info->machine, &err) < 0) {
        weft_json_set_str(self->facts, "why", err ? err->msg : "nothing runs its programs");
        return;
    }
    weft_strv_add(&build, "weft");
    weft_strv_add(&build, "build");
    weft_strv_add(&build, "--progress=plain");
    weft_strv_add(&build, "--provenance=false");
    weft_strv_addf(&build, "--platform=%s", (const char *)data);
    weft_strv_add(&build, context);
    (void)run_weft(self, &build, &said);
    if (said && strstr(said, proof)) {
        weft_json_set_bool(self->facts, "works", true);
    } else {
        why = said ? last_words(said) : weft_xstrdup("weft cannot be run");
        weft_json_set_str(self->facts, "why", why);
    }
    weft_strv_add(&clean, "weft");
    weft_strv_add(&clean, "worker");
    weft_strv_add(&clean, "remove");
    weft_strv_add(&clean, "--all");
    weft_strv_add(&clean, "--force");
    (void)run_weft(self, &clean, &ignored);
}

/* The platforms to build for: those that were asked for, else this machine's. */
static const char *build_platform(const struct weft_doctor *d, size_t i)
{
    const struct weft_strv *asked = d->options->platforms;

    if (asked && asked->n > 0) {
        return i < asked->n ? asked->v[i] : NULL;
    }
    return i == 0 ? d->host : NULL;
}

void weft_doctor_build_start(struct weft_doctor *d)
{
    const char *platform;

    if (!d->options->build) {
        return;
    }
    for (size_t i = 0; (platform = build_platform(d, i)); i++) {
        weft_tries_add(d->tries, &(struct weft_try_opts){.name = "build",
                                                         .limit_ms = WEFT_DOCTOR_BUILD_MS,
                                                         .dir = d->try_dir,
                                                         .short_dir = "/tmp",
                                                         .fn = try_build,
                                                         .data = platform});
    }
}

void weft_doctor_build(struct weft_doctor *d)
{
    const struct weft_json *facts;
    enum weft_try_outcome outcome;

    for (size_t i = 0; (facts = weft_tries_facts(d->tries, "build", i, &outcome)); i++) {
        const char *why = weft_json_str(facts, "why");

        if (weft_json_bool(facts, "works", false)) {
            weft_doctor_add(d, "build", build_platform(d, i), WEFT_DOCTOR_OK,
                            weft_fmt("an image with a RUN step was built"), NULL);
        } else {
            weft_doctor_add(d, "build", build_platform(d, i), WEFT_DOCTOR_FAIL,
                            why ? weft_xstrdup(why)
                                : weft_fmt("a build%s", weft_doctor_outcome_text(outcome)),
                            NULL);
        }
    }
}
