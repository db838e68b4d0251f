/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "engine/audit.h"
#include "engine/audit_show.h"
#include "engine/cmd.h"
#include "engine/flags.h"
#include "engine/inspect.h"
#include "engine/registry/docker_config.h"
#include "engine/settings.h"

struct options {
    bool insecure, json, sarif, summary, help;
    char *mode, *platform;
    struct weft_strv allow;
};

static const struct weft_flag flags[] = {
    {WEFT_FLAG_VALUE, 0, "audit", "MODE", offsetof(struct options, mode),
     "what fails it: \"warn\" errors (default), \"strict\" also warnings"},
    {WEFT_FLAG_LIST, 0, "audit-allow", "PATH-PATTERN", offsetof(struct options, allow),
     "files that may be for another machine, or lack libraries:\n\"/opt/cross/*\"; may be given "
     "again"},
    {WEFT_FLAG_SWITCH, 0, "insecure", NULL, offsetof(struct options, insecure),
     "take plain HTTP, or a certificate that nobody knows"},
    {WEFT_FLAG_SWITCH, 0, "json", NULL, offsetof(struct options, json), "as JSON"},
    {WEFT_FLAG_VALUE, 0, "platform", "PLATFORM", offsetof(struct options, platform),
     "only this one"},
    {WEFT_FLAG_SWITCH, 0, "sarif", NULL, offsetof(struct options, sarif),
     "as SARIF 2.1.0, which forges show"},
    {WEFT_FLAG_SWITCH, 0, "summary", NULL, offsetof(struct options, summary),
     "what each platform's image needs of a machine, in place of the\nfindings"},
    {WEFT_FLAG_SWITCH, 'h', "help", NULL, offsetof(struct options, help), "this text"},
};

enum {
    N_FLAGS = sizeof(flags) / sizeof(flags[0])
};

static atomic_bool cancelled;

static void on_signal(int sig)
{
    (void)sig;
    atomic_store(&cancelled, true);
}

static void print_help(FILE *out)
{
    fputs(
        "usage: weft audit [FLAGS] LAYOUT|TAR|REF\n"
        "\n"
        "Checks that what is in an image fits its platform: the machine, ABI and instructions of\n"
        "each ELF file, and that the loaders, libraries and interpreters that files want are\n"
        "there. LAYOUT is DIR, DIR:TAG or DIR@sha256:..., TAR a tar of a layout, REF is in a\n"
        "registry. Nothing is unpacked. docs/audit.md has the rules.\n"
        "\n",
        out);
    weft_flags_help(flags, N_FLAGS, out);
    fputs("\n"
          "examples:\n"
          "  weft audit ./out\n"
          "  weft audit --platform linux/arm64 registry.example/app:1.2\n"
          "  weft audit --audit=strict --audit-allow '/usr/share/firmware/*' app.tar\n",
          out);
}

static int check(const struct options *o, const struct weft_strv *words, bool *strict,
                 struct weft_err **err)
{
    if (words->n != 1) {
        weft_fail(err, WEFT_E_USAGE, "audit takes one LAYOUT, TAR or REF");
        return weft_err_hint(err, "weft audit --help");
    }
    *strict = weft_str_eq(o->mode, "strict");
    if (o->mode && !*strict && strcmp(o->mode, "warn") != 0) {
        weft_auto_free char *shown = weft_printable(o->mode);

        return weft_fail(err, WEFT_E_USAGE, "--audit is \"warn\" or \"strict\", not \"%s\"", shown);
    }
    if (o->json + o->sarif + o->summary > 1) {
        return weft_fail(err, WEFT_E_USAGE,
                         "of --json (which has the summary, too), --sarif and --summary give one");
    }
    return 0;
}

static int show(const struct options *o, bool strict, struct weft_inspection *x, FILE *out,
                struct weft_err **err)
{
    struct weft_platform platform;
    const struct weft_audit_opts opts = {
        .platform = o->platform ? &platform : NULL, .allow = &o->allow, .cancel = &cancelled};
    struct weft_audited found = {0};
    int rc = 0;

    if (o->platform && weft_platform_parse(o->platform, &platform, err) < 0) {
        return weft_err_wrap(err, "--platform");
    }
    rc = weft_audit(x, &opts, &found, err);
    if (rc == 0) {
        if (o->json) {
            weft_audit_show_json(&found, strict, out);
        } else if (o->sarif) {
            weft_audit_show_sarif(&found, out);
        } else if (o->summary) {
            weft_audit_show_summary(&found, out);
        } else {
            weft_audit_show(&found, isatty(fileno(out)) && !getenv("NO_COLOR"), out);
        }
        if (!o->summary &&
            weft_audited_count(&found, strict ? WEFT_AUDIT_WARNING : WEFT_AUDIT_ERROR) > 0) {
            rc = weft_fail(err, WEFT_E_BUILD, "%s", ""); /* said above */
        }
    }
    weft_audited_finish(&found);
    return rc;
}

static int audit(const struct options *o, bool strict, const char *name, FILE *out,
                 struct weft_err **err)
{
    const struct sigaction action = {.sa_handler = on_signal};
    struct weft_settings settings = {0};
    struct weft_docker_config *docker = NULL;
    struct weft_inspect_opts where = {
        .name = name, .insecure = o->insecure, .hosts = &settings.registries, .cancel = &cancelled};
    struct weft_inspection *x = NULL;
    int rc = -1;

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    if (weft_settings_load(&settings, err) == 0) {
        docker = weft_docker_config_load(err);
        where.docker = docker;
        x = docker ? weft_inspect_open(&where, err) : NULL;
        rc = x ? show(o, strict, x, out, err) : -1;
    }
    weft_inspect_close(x);
    weft_docker_config_destroy(docker);
    weft_settings_finish(&settings);
    return rc;
}

static int run(int argc, char **argv, FILE *out, struct weft_err **err)
{
    struct options o = {0};
    weft_auto_strv words = {0};
    bool strict = false;
    int rc = weft_flags_parse(flags, N_FLAGS, argc, argv, &o, &words, err);

    if (rc == 0 && o.help) {
        print_help(out);
    } else if (rc == 0 && (rc = check(&o, &words, &strict, err)) == 0) {
        rc = audit(&o, strict, words.v[0], out, err);
    }
    free(o.mode);
    free(o.platform);
    weft_strv_finish(&o.allow);
    return rc;
}

const struct weft_cmd weft_cmd_audit = {
    .name = "audit",
    .summary = "Check that what is in an image fits its platform",
    .run = run,
};
