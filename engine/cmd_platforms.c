/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "binfmt/held.h"
#include "binfmt/sandbox_try.h"
#include "engine/cmd.h"
#include "engine/flags.h"
#include "engine/run_times.h"
#include "engine/settings.h"
#include "engine/worker.h"
#include "platforms/catalogue.h"
#include "platforms/cpu.h"

struct options {
    bool json, help;
    char *qemu;
    struct weft_strv cpu;
};

static const struct weft_flag flags[] = {
    {WEFT_FLAG_LIST, 0, "cpu", "[PLATFORM=]POLICY", offsetof(struct options, cpu),
     "as for weft build: baseline (default), max, fastest, or for one platform the name of a "
     "model"},
    {WEFT_FLAG_SWITCH, 0, "json", NULL, offsetof(struct options, json),
     "as JSON, with all that weft knows of each platform"},
    {WEFT_FLAG_VALUE, 0, "qemu", "VERSION|DIR", offsetof(struct options, qemu),
     "as for weft build: the QEMU to be used"},
    {WEFT_FLAG_SWITCH, 'h', "help", NULL, offsetof(struct options, help), "this text"},
};

enum {
    N_FLAGS = sizeof(flags) / sizeof(flags[0]),
    LINE_WIDTH = 80,
};

/* How programs of a platform get to run. */
enum how {
    HOW_NATIVE,     /* the platform is this machine's, or a variant that its CPU has */
    HOW_COMPATIBLE, /* another platform whose programs this CPU and kernel run */
    HOW_EMULATED,
    HOW_MISSING,
    HOW_COPY /* none can run; images are made of files that are copied */
};

static const char *const how_names[] = {
    [HOW_NATIVE] = "native",   [HOW_COMPATIBLE] = "compatible", [HOW_EMULATED] = "emulated",
    [HOW_MISSING] = "missing", [HOW_COPY] = "copy-only",
};

struct row {
    const struct weft_platform_info *info;
    enum how how;
    struct weft_runs runs;
    char *why;  /* missing: what; emulated: why not on the CPU model of the policy; or NULL */
    char *mend; /* the command that mends it; or NULL */
};

struct survey {
    struct weft_platform host;
    struct weft_err *no_workers; /* why workers cannot be started at all; NULL: they can */
    enum weft_scope scope;       /* that they would have */
    struct row *rows;
    size_t n;
};

static void survey_finish(struct survey *s)
{
    for (size_t i = 0; i < s->n; i++) {
        weft_runs_finish(&s->rows[i].runs);
        free(s->rows[i].why);
        free(s->rows[i].mend);
    }
    free(s->rows);
    weft_err_free(s->no_workers);
}

/* A handler of the host: which it is, where the table is out of sight, and whether it works, are
 * found by running. */
static void ask_host_handler(struct row *r)
{
    const struct weft_machine *m = r->info->machine;
    weft_auto_free char *why = NULL;

    if (!r->runs.interpreter || !r->runs.version) {
        struct weft_held held = {0};

        weft_held_find_unseen(m, &held);
        if (!r->runs.interpreter) {
            r->runs.interpreter = weft_steal(&held.path);
        }
        if (!r->runs.version) {
            r->runs.version = weft_steal(&held.version);
        }
        weft_held_finish(&held);
    }
    if (r->runs.interpreter && weft_held_try_any(m, &why)) {
        r->how = HOW_EMULATED;
        r->why = why ? weft_fmt("the host's handler works, but %s", why) : NULL;
        return;
    }
    r->how = HOW_MISSING;
    r->why = r->runs.interpreter ? weft_fmt("the host's handler does not work: %s", why)
                                 : weft_fmt("the host has no handler for its programs");
    r->mend = weft_fmt("sudo weft binfmt install (on the host)");
}

static void ask(const struct weft_worker_config *cfg, const struct survey *s, struct row *r)
{
    weft_auto_err err = NULL;
    char name[WEFT_PLATFORM_SIZE];

    if (!r->info->machine) {
        r->how = HOW_COPY;
        return;
    }
    weft_platform_format(&r->info->platform, name);
    if (weft_worker_runs(cfg, NULL, r->info, &r->runs, &err) < 0) {
        const char *why = err->msg;
        size_t len = strlen(name);

        if (strncmp(why, name, len) == 0 && weft_starts_with(why + len, ": ")) {
            why += len + 2; /* the row's own name stands above it */
        }
        r->how = HOW_MISSING;
        r->why = weft_xstrdup(why);
        r->mend = weft_xstrdup_null(err->hint);
        return;
    }
    switch (r->runs.how) {
    case WEFT_RUNS_NATIVE:
        r->how = strcmp(r->info->platform.arch, s->host.arch) == 0 ? HOW_NATIVE : HOW_COMPATIBLE;
        break;
    case WEFT_RUNS_OWN:
        r->how = HOW_EMULATED;
        r->why = r->runs.unmeasured
                     ? weft_xstrdup("the fastest CPU model is not known, since this machine has "
                                    "not measured them: it is the baseline's")
                     : weft_xstrdup_null(r->runs.plain_why);
        if (r->runs.unmeasured) {
            r->mend = weft_fmt("weft bench run --platform %s", name);
        }
        break;
    case WEFT_RUNS_EXISTING:
        ask_host_handler(r);
        break;
    case WEFT_RUNS_NOT:
        r->how = HOW_MISSING;
        r->why = weft_xstrdup("nothing on this machine runs its programs");
        r->mend = weft_xstrdup_null(r->runs.mend);
        break;
    }
}

/* The rows that are asked for; all where none is. */
static int choose_rows(const struct weft_strv *words, struct survey *s, struct weft_err **err)
{
    size_t n;
    const struct weft_platform_info *all = weft_catalogue(&n);
    weft_auto_free bool *wanted = weft_xcalloc(n, sizeof(*wanted));

    for (size_t i = 0; i < words->n; i++) {
        struct weft_platform p;

        if (weft_platform_parse(words->v[i], &p, err) < 0) {
            return -1;
        }
        wanted[weft_catalogue_find(&p) - all] = true;
    }
    s->rows = weft_xcalloc(n, sizeof(*s->rows));
    for (size_t i = 0; i < n; i++) {
        if (words->n == 0 || wanted[i]) {
            s->rows[s->n++].info = &all[i];
        }
    }
    return 0;
}

static int take_survey(const struct weft_worker_options *options, const struct weft_strv *words,
                       struct survey *s, struct weft_err **err)
{
    struct weft_worker_options o = *options;
    struct weft_worker_config *cfg;

    weft_platform_host(&s->host);
    if (choose_rows(words, s, err) < 0) {
        return -1;
    }
    if (weft_sandbox_try(&o.scope, &s->no_workers) < 0) {
        o.scope = WEFT_SCOPE_NAMESPACE; /* what there would be, if they could be started */
    }
    s->scope = o.scope;
    cfg = weft_worker_config_create(&o, err);
    if (!cfg) {
        return -1;
    }
    for (size_t i = 0; i < s->n; i++) {
        ask(cfg, s, &s->rows[i]);
    }
    weft_worker_config_destroy(cfg);
    return 0;
}

/* Text. */

static const char *or_dash(const char *s)
{
    return s ? s : "-";
}

/* Whether it is known what its emulation costs here. */
static bool is_measured(const struct row *r)
{
    return r->how == HOW_EMULATED && r->runs.ratio > 0;
}

/* "about 9x". Caller frees. */
static char *about(double ratio)
{
    weft_auto_free char *number = weft_run_about(ratio);

    return weft_fmt("about %sx", number);
}

static void print_rows(const struct survey *s, FILE *out)
{
    char name[WEFT_PLATFORM_SIZE];
    int width = 8; /* PLATFORM */

    for (size_t i = 0; i < s->n; i++) {
        int len = (int)strlen(weft_platform_format(&s->rows[i].info->platform, name));

        width = len > width ? len : width;
    }
    fprintf(out, "%-*s  %-10s  %-8s  %-10s  %s\n", width, "PLATFORM", "HOW", "QEMU", "SLOWDOWN",
            "CPU MODEL");
    for (size_t i = 0; i < s->n; i++) {
        const struct row *r = &s->rows[i];
        bool emulated = r->how == HOW_EMULATED;
        weft_auto_free char *slowdown = is_measured(r) ? about(r->runs.ratio) : NULL;

        fprintf(out, "%-*s  %-10s  %-8s  %-10s  %s\n", width,
                weft_platform_format(&r->info->platform, name), how_names[r->how],
                emulated ? or_dash(r->runs.version) : "-", or_dash(slowdown),
                !emulated       ? "-"
                : r->runs.model ? r->runs.model
                                : "QEMU's default");
    }
}

static bool same_note(const struct row *a, const struct row *b)
{
    return weft_str_eq(a->why, b->why) &&
           (weft_str_eq(a->mend, b->mend) || (a->runs.unmeasured && b->runs.unmeasured));
}

/* "a, b, c:", in lines of up to 80 characters. */
static void print_names(const struct weft_strv *names, FILE *out)
{
    size_t column = 0;

    for (size_t i = 0; i < names->n; i++) {
        size_t len = strlen(names->v[i]) + 1; /* with what follows */

        if (column > 0 && column + 1 + len > LINE_WIDTH) {
            fputc('\n', out);
            column = 0;
        }
        column += (size_t)fprintf(out, "%s%s%c", column > 0 ? " " : "", names->v[i],
                                  i + 1 < names->n ? ',' : ':');
    }
    fputc('\n', out);
}

/* What is to be said of a row, once for all rows of which the same is to be said. */
static void print_notes(const struct survey *s, FILE *out)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct row *r = &s->rows[i];
        weft_auto_strv names = {0};
        char name[WEFT_PLATFORM_SIZE];
        size_t first = 0;

        while (first < i && !same_note(&s->rows[first], r)) {
            first++;
        }
        if (!r->why || first < i) {
            continue;
        }
        for (size_t k = i; k < s->n; k++) {
            if (same_note(&s->rows[k], r)) {
                weft_strv_add(&names, weft_platform_format(&s->rows[k].info->platform, name));
            }
        }
        fputc('\n', out);
        print_names(&names, out);
        fprintf(out, "  %s\n", r->why);
        if (r->runs.unmeasured) { /* one run measures all of them */
            weft_auto_free char *list = weft_strv_join(&names, ",");

            fprintf(out, "  try: weft bench run --platform %s\n", list);
        } else if (r->mend) {
            fprintf(out, "  try: %s\n", r->mend);
        }
    }
}

/* Where nothing was measured: what measures it. */
static void print_unmeasured(const struct survey *s, FILE *out)
{
    const struct row *first = NULL;
    char name[WEFT_PLATFORM_SIZE];

    for (size_t i = 0; i < s->n; i++) {
        if (is_measured(&s->rows[i]) || s->rows[i].runs.unmeasured) {
            return; /* it is known how, or said already */
        }
        if (!first && s->rows[i].how == HOW_EMULATED) {
            first = &s->rows[i];
        }
    }
    if (first) {
        fprintf(out,
                "\nSLOWDOWN is not known yet. To measure it, in about a minute:\n"
                "  weft bench run --quick --platform %s\n",
                weft_platform_format(&first->info->platform, name));
    }
}

static void print_text(const struct survey *s, FILE *out)
{
    print_rows(s, out);
    print_notes(s, out);
    print_unmeasured(s, out);
    if (s->no_workers) {
        fprintf(out, "\nno platform can be built here: %s\n", s->no_workers->msg);
        if (s->no_workers->hint) {
            fprintf(out, "  try: %s\n", s->no_workers->hint);
        }
    } else if (s->scope == WEFT_SCOPE_EXISTING) {
        fputs(
            "\nThe kernel refuses workers a binfmt_misc of their own (Linux >= 6.7 does not):\n"
            "QEMU and CPU model are those of the host's handlers, whatever --cpu and --qemu say.\n",
            out);
    }
}

/* JSON. */

static char *hex(const unsigned char *bytes, size_t n)
{
    weft_auto_buf b = {0};

    for (size_t i = 0; i < n; i++) {
        weft_buf_printf(&b, "%02x", bytes[i]);
    }
    return weft_buf_steal(&b);
}

static struct weft_json *elf_json(const struct weft_platform_info *p)
{
    const struct weft_machine *m = p->machine;
    weft_auto_free char *magic = hex(m->magic, sizeof(m->magic));
    weft_auto_free char *mask = hex(m->mask, sizeof(m->mask));
    struct weft_json *j = weft_json_object();

    weft_json_set_int(j, "class", m->elf_class);
    weft_json_set_int(j, "data", m->elf_data);
    weft_json_set_int(j, "machine", m->elf_machine);
    weft_json_set_int(j, "flags", m->elf_flags | p->elf_flags);
    weft_json_set_int(j, "flags_mask", m->elf_flags_mask | p->elf_flags_mask);
    weft_json_set_str(j, "magic", magic);
    weft_json_set_str(j, "mask", mask);
    return j;
}

static const struct weft_cpu_model *model_in(const struct weft_cpu_model *list, const char *name)
{
    for (; list->model; list++) {
        if (strcmp(list->model, name) == 0) {
            return list;
        }
    }
    return NULL;
}

static struct weft_json *cpu_json(const struct row *r)
{
    const struct weft_cpu_spec *spec = weft_cpu_spec(&r->info->platform);
    const struct weft_cpu_model *known = NULL;
    struct weft_json *j = weft_json_object();

    if (spec) {
        weft_json_set_str(j, "promises", spec->promises);
        weft_json_set_str(j, "why", spec->why);
    }
    if (r->how == HOW_EMULATED && r->runs.model) {
        weft_json_set_str(j, "model", r->runs.model);
        if (spec) {
            known = model_in(spec->baseline, r->runs.model);
            known = known ? known : model_in(spec->max, r->runs.model);
        }
        if (known) {
            weft_json_set_str(j, "exceeds", known->exceeds);
        }
    }
    return j;
}

static struct weft_json *row_json(const struct survey *s, const struct row *r)
{
    const struct weft_platform *p = &r->info->platform;
    struct weft_json *j = weft_json_object();
    char name[WEFT_PLATFORM_SIZE];

    weft_json_set_str(j, "platform", weft_platform_format(p, name));
    weft_json_set_str(j, "os", p->os);
    weft_json_set_str(j, "architecture", p->arch);
    weft_json_set_str(j, "variant", p->variant[0] ? p->variant : NULL);
    weft_json_set_str(j, "how", how_names[r->how]);
    weft_json_set_bool(j, "ready", r->how != HOW_MISSING && !s->no_workers);
    weft_json_set_str(j, "note", r->why);
    weft_json_set_str(j, "mend", r->mend);
    if (r->how == HOW_EMULATED) {
        struct weft_json *qemu = weft_json_object();

        weft_json_set_str(qemu, "path", r->runs.interpreter);
        weft_json_set_str(qemu, "version", r->runs.version);
        weft_json_set_str(qemu, "copy", r->runs.model ? r->runs.program : NULL);
        weft_json_set_str(qemu, "handler", r->runs.handler);
        weft_json_set(j, "qemu", qemu);
    }
    if (is_measured(r)) {
        weft_json_set_real(j, "slowdown", r->runs.ratio);
    }
    if (r->info->machine) {
        weft_json_set(j, "cpu", cpu_json(r));
        weft_json_set_str(j, "machine", r->info->machine->qemu);
        weft_json_set_str(j, "triplet", r->info->triplet);
        weft_json_set_str(j, "debian", r->info->debian_arch);
        weft_json_set(j, "elf", elf_json(r->info));
    }
    return j;
}

static void print_json(const struct survey *s, FILE *out)
{
    weft_auto_json root = weft_json_object();
    struct weft_json *workers = weft_json_object();
    struct weft_json *list = weft_json_array();
    weft_auto_free char *text = NULL;
    char name[WEFT_PLATFORM_SIZE];

    weft_json_set_int(root, "schema", 1);
    weft_json_set_str(root, "host", weft_platform_format(&s->host, name));
    weft_json_set_bool(workers, "possible", !s->no_workers);
    if (s->no_workers) {
        weft_json_set_str(workers, "note", s->no_workers->msg);
        weft_json_set_str(workers, "mend", s->no_workers->hint);
    } else {
        weft_json_set_str(workers, "handlers", weft_scope_name(s->scope));
    }
    weft_json_set(root, "workers", workers);
    for (size_t i = 0; i < s->n; i++) {
        weft_json_append(list, row_json(s, &s->rows[i]));
    }
    weft_json_set(root, "platforms", list);
    text = weft_json_dump(root, 2);
    fprintf(out, "%s\n", text);
}

/* The command. */

static void print_help(FILE *out)
{
    fputs(
        "usage: weft platforms [FLAGS] [PLATFORM]...\n"
        "\n"
        "All platforms that weft builds for, or those that are named, and how this machine runs\n"
        "their programs: natively, since the CPU and the kernel do, which is tried out; or under\n"
        "QEMU, with its version, the CPU model that programs see, and, where weft bench run has\n"
        "measured it, how many times longer they take; or what is missing, and the command that\n"
        "mends it. Nothing is changed.\n"
        "\n",
        out);
    weft_flags_help(flags, N_FLAGS, out);
    fputs("\n"
          "examples:\n"
          "  weft platforms\n"
          "  weft platforms --cpu=max linux/arm64 linux/arm/v6\n"
          "  weft platforms --json | jq -r '.platforms[] | select(.ready).platform'\n",
          out);
}

static int run_with(const struct options *o, const struct weft_strv *words, FILE *out,
                    struct weft_err **err)
{
    struct weft_settings settings = {0};
    struct survey s = {0};
    int rc = weft_settings_load(&settings, err);

    if (rc == 0) {
        rc = weft_settings_override(&settings, &o->cpu, o->qemu, err);
    }
    if (rc == 0) {
        const struct weft_worker_options options = {
            .cpu = &settings.cpu,
            .qemu = settings.qemu,
            .qemu_dirs = &settings.qemu_dirs,
            .without_buildkit = true,
        };

        rc = take_survey(&options, words, &s, err);
    }
    if (rc == 0) {
        if (o->json) {
            print_json(&s, out);
        } else {
            print_text(&s, out);
        }
    }
    survey_finish(&s);
    weft_settings_finish(&settings);
    return rc;
}

static int run(int argc, char **argv, FILE *out, struct weft_err **err)
{
    struct options o = {0};
    weft_auto_strv words = {0};
    int rc = weft_flags_parse(flags, N_FLAGS, argc, argv, &o, &words, err);

    if (rc == 0 && o.help) {
        print_help(out);
    } else if (rc == 0) {
        rc = run_with(&o, &words, out, err);
    } else {
        weft_err_hint(err, "weft platforms --help");
    }
    free(o.qemu);
    weft_strv_finish(&o.cpu);
    return rc;
}

const struct weft_cmd weft_cmd_platforms = {
    .name = "platforms",
    .summary = "Show which platforms this machine builds for, and how it runs their programs",
    .run = run,
};
