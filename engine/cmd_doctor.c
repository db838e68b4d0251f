/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "engine/cmd.h"
#include "engine/doctor.h"
#include "engine/flags.h"

enum {
    INDENT = 20, /* columns before what was found */
    WIDTH = 80,  /* without a terminal */
    WIDTH_LEAST = 40,
};

struct options {
    bool json;
    bool build;
    bool help;
    struct weft_strv platforms;
    struct weft_strv registries;
};

static const struct weft_flag flags[] = {
    {WEFT_FLAG_SWITCH, 0, "build", NULL, offsetof(struct options, build),
     "also build a tiny image, in a state of its own (takes seconds)"},
    {WEFT_FLAG_SWITCH, 0, "json", NULL, offsetof(struct options, json), "as JSON"},
    {WEFT_FLAG_LIST, 0, "platform", "PLATFORM,...", offsetof(struct options, platforms),
     "platforms that have to run here: fail where one does not"},
    {WEFT_FLAG_LIST, 0, "registry", "HOST[:PORT],...", offsetof(struct options, registries),
     "registries that have to answer"},
    {WEFT_FLAG_SWITCH, 'h', "help", NULL, offsetof(struct options, help), "show this"},
};

enum {
    N_FLAGS = sizeof(flags) / sizeof(flags[0])
};

static void help(FILE *out)
{
    fputs(
        "usage: weft doctor [FLAGS]\n"
        "\n"
        "Tries what builds need of this machine, and says of each thing whether it works, what was "
        "found,\n"
        "and what mends it. Leaves nothing behind. Exit status 3: no build can work here, or not "
        "what was\n"
        "asked for.\n"
        "\n"
        "Flags:\n",
        out);
    weft_flags_help(flags, N_FLAGS, out);
    fputs("\n"
          "examples:\n"
          "  weft doctor\n"
          "  weft doctor --platform linux/arm64,linux/s390x --registry ghcr.io\n"
          "  weft doctor --build\n"
          "  weft doctor --json\n",
          out);
}

/* Lists may be written with commas. */
static void split_lists(struct weft_strv *list)
{
    struct weft_strv parts = {0};

    for (size_t i = 0; i < list->n; i++) {
        weft_split(list->v[i], ',', &parts);
    }
    weft_strv_finish(list);
    *list = parts;
}

static void print_json(FILE *out, const struct weft_doctor_report *r)
{
    weft_auto_json root = weft_json_object();
    struct weft_json *checks = weft_json_array();
    weft_auto_free char *text = NULL;

    weft_json_set_int(root, "schema", 1);
    weft_json_set_bool(root, "works", weft_doctor_count(r, WEFT_DOCTOR_FAIL) == 0);
    for (size_t i = 0; i < r->n; i++) {
        const struct weft_doctor_line *l = &r->v[i];
        struct weft_json *j = weft_json_object();

        weft_json_set_str(j, "id", l->id);
        weft_json_set_str(j, "subject", l->subject);
        weft_json_set_str(j, "status", weft_doctor_status_name(l->status));
        weft_json_set_str(j, "found", l->found);
        weft_json_set_str(j, "mend", l->mend);
        weft_json_append(checks, j);
    }
    weft_json_set(root, "checks", checks);
    text = weft_json_dump(root, 2);
    fprintf(out, "%s\n", text);
}

static int screen_width(FILE *out)
{
    struct winsize size;

    if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col >= WIDTH_LEAST) {
        return size.ws_col;
    }
    return WIDTH;
}

/* Words in lines of `width` columns, which begin behind INDENT. The first line has begun. */
static void print_wrapped(FILE *out, const char *text, int width)
{
    int column = INDENT;

    for (const char *p = text; *p;) {
        int len = (int)strcspn(p, " ");

        if (column > INDENT && column + 1 + len > width) {
            fprintf(out, "\n%*s", INDENT, "");
            column = INDENT;
        } else if (column > INDENT) {
            fputc(' ', out);
            column++;
        }
        fprintf(out, "%.*s", len, p);
        column += len;
        p += len;
        p += *p == ' ';
    }
    fputc('\n', out);
}

/* Whether lines fail that are not about something that was asked for by name. */
static bool fails_for_all(const struct weft_doctor_report *r)
{
    for (size_t i = 0; i < r->n; i++) {
        if (r->v[i].status == WEFT_DOCTOR_FAIL && strcmp(r->v[i].id, "platform") != 0 &&
            strcmp(r->v[i].id, "registry") != 0) {
            return true;
        }
    }
    return false;
}

static void print_screen(FILE *out, const struct weft_doctor_report *r)
{
    static const char *const colours[] = {
        [WEFT_DOCTOR_OK] = "\033[32m",
        [WEFT_DOCTOR_WARN] = "\033[33m",
        [WEFT_DOCTOR_FAIL] = "\033[1;31m",
        [WEFT_DOCTOR_SKIP] = "\033[2m",
    };
    const char *no_color = getenv("NO_COLOR");
    bool colour = isatty(fileno(out)) && !(no_color && *no_color);
    int width = screen_width(out);
    size_t fails = weft_doctor_count(r, WEFT_DOCTOR_FAIL);
    size_t warns = weft_doctor_count(r, WEFT_DOCTOR_WARN);

    for (size_t i = 0; i < r->n; i++) {
        const struct weft_doctor_line *l = &r->v[i];
        weft_auto_free char *found = l->subject ? weft_fmt("%s: %s", l->subject, l->found)
                                                : weft_fmt("%s", l->found);

        fprintf(out, "%s%-4s%s  %-13s ", colour ? colours[l->status] : "",
                weft_doctor_status_name(l->status), colour ? "\033[0m" : "", l->id);
        print_wrapped(out, found, width);
        if (l->mend) {
            /* not wrapped in a terminal either: it is to be copied */
            fprintf(out, "%*stry: %s\n", INDENT, "", l->mend);
        }
    }
    if (fails_for_all(r)) {
        fprintf(out, "\nbuilds do not work here: %zu line%s fail%s\n", fails, fails == 1 ? "" : "s",
                fails == 1 ? "s" : "");
    } else if (fails) {
        fprintf(out, "\nbuilds work here, but not all that was asked for\n");
    } else {
        fprintf(out, "\nbuilds work here%s\n", warns ? ", with the limits above" : "");
    }
}

static int run_parsed(struct options *o, FILE *out, struct weft_err **err)
{
    struct weft_doctor_report report = {0};
    struct weft_doctor_options options = {&o->platforms, &o->registries, o->build};
    int rc;

    split_lists(&o->platforms);
    split_lists(&o->registries);
    rc = weft_doctor_run(&options, &report, err);
    if (rc == 0) {
        (o->json ? print_json : print_screen)(out, &report);
        if (weft_doctor_count(&report, WEFT_DOCTOR_FAIL) > 0) {
            rc = weft_fail(err, WEFT_E_UNSUPPORTED, "%s", "");
        }
    }
    weft_doctor_report_finish(&report);
    return rc;
}

static int run(int argc, char **argv, FILE *out, struct weft_err **err)
{
    struct options o = {0};
    weft_auto_strv args = {0};
    int rc = weft_flags_parse(flags, N_FLAGS, argc, argv, &o, &args, err);

    if (rc == 0 && o.help) {
        help(out);
    } else if (rc == 0 && args.n > 0) {
        weft_fail(err, WEFT_E_USAGE, "doctor takes no arguments");
        rc = weft_err_hint(err, "weft doctor --help");
    } else if (rc == 0) {
        rc = run_parsed(&o, out, err);
    }
    weft_strv_finish(&o.platforms);
    weft_strv_finish(&o.registries);
    return rc;
}

const struct weft_cmd weft_cmd_doctor = {
    .name = "doctor",
    .summary = "Find out what this machine lacks for builds, and what mends it",
    .run = run,
};
