/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "bench/profile.h"
#include "binfmt/emulator.h"
#include "binfmt/health.h"
#include "binfmt/qemu.h"
#include "binfmt/qemu_copy.h"
#include "binfmt/qemu_models.h"
#include "binfmt/stub.h"
#include "engine/cmd.h"
#include "engine/flags.h"
#include "engine/settings.h"

struct options {
    bool json, check, help;
    char *qemu, *root;
};

#define HELP_FLAG                                                                        \
    {                                                                                    \
        WEFT_FLAG_SWITCH, 'h', "help", NULL, offsetof(struct options, help), "this text" \
    }

static const struct weft_flag list_flags[] = {
    {WEFT_FLAG_SWITCH, 0, "check", NULL, offsetof(struct options, check),
     "check the health of those that are not known yet, a second each"},
    {WEFT_FLAG_SWITCH, 0, "json", NULL, offsetof(struct options, json), "as JSON"},
    {WEFT_FLAG_VALUE, 0, "qemu", "VERSION|DIR", offsetof(struct options, qemu),
     "show what weft build --qemu would choose"},
    HELP_FLAG,
};

static const struct weft_flag check_flags[] = {
    {WEFT_FLAG_SWITCH, 0, "json", NULL, offsetof(struct options, json), "as JSON"},
    {WEFT_FLAG_VALUE, 0, "root", "DIR", offsetof(struct options, root),
     "also compile with the cc1 of the root file system in DIR"},
    HELP_FLAG,
};

enum {
    VARIANTS_SHOWN = 3,
    N_LIST_FLAGS = sizeof(list_flags) / sizeof(list_flags[0]),
    N_CHECK_FLAGS = sizeof(check_flags) / sizeof(check_flags[0]),
};

static void print_help(FILE *out)
{
    fputs("usage: weft qemu list [--check] [--json] [--qemu VERSION|DIR]\n"
          "       weft qemu check [--json] [--root DIR] [PROGRAM|DIR|VERSION|MACHINE|PLATFORM]...\n"
          "\n"
          "The QEMU programs at hand: in the directories of the config file (qemu.dirs), and in\n"
          "$WEFT_QEMU_DIR or else $PATH.\n"
          "\n"
          "list: all of them, and which one weft build uses for which platform\n",
          out);
    weft_flags_help(list_flags, N_LIST_FLAGS - 1, out);
    fputs(
        "\n"
        "check: runs programs of the machine under each QEMU, or those named: processes, threads,\n"
        "signals, memory, files; exit status 1 if one of them is bad\n",
        out);
    weft_flags_help(check_flags, N_CHECK_FLAGS - 1, out);
    fputs("\n"
          "examples:\n"
          "  weft qemu list\n"
          "  weft qemu list --qemu 10\n"
          "  weft qemu check linux/arm64\n"
          "  weft qemu check --root /srv/armhf 10.0 arm\n",
          out);
}

/* What a run works with. */
struct session {
    struct options opts;
    struct weft_strv words;
    struct weft_settings settings;
    struct weft_answers *answers;
    struct weft_qemus qemus;
    struct weft_speeds speeds; /* measured on this machine */
    struct row *rows;          /* one for each of qemus */
    char *qemu;                /* that is asked for; or NULL */
};

/* One QEMU program. */
struct row {
    const struct weft_platform_info *plain; /* the plain platform of its machine */
    struct weft_strv platforms;             /* of its machine */
    struct weft_strv chosen_for;            /* those of them that weft build uses it for */
    char
        *model; /* of the plain platform; NULL: it has none of the policy, or no copy is possible */
    char *plain_why; /* why there can be no copy of it; NULL: there can */
    struct weft_health health;
};

static void session_finish(struct session *s)
{
    for (size_t i = 0; s->rows && i < s->qemus.n; i++) {
        struct row *r = &s->rows[i];

        weft_strv_finish(&r->platforms);
        weft_strv_finish(&r->chosen_for);
        free(r->model);
        free(r->plain_why);
        weft_health_finish(&r->health);
    }
    free(s->rows);
    weft_qemus_finish(&s->qemus);
    weft_speeds_finish(&s->speeds);
    weft_answers_destroy(s->answers);
    weft_settings_finish(&s->settings);
    weft_strv_finish(&s->words);
    free(s->opts.qemu);
    free(s->opts.root);
    free(s->qemu);
}

static char *dirs_of(const struct weft_settings *settings)
{
    weft_auto_free char *first = weft_strv_join(&settings->qemu_dirs, ":");
    weft_auto_free char *rest = weft_qemu_dirs();

    return weft_fmt("%s%s%s", first, *first ? ":" : "", rest);
}

/* Whether a copy of a program that holds to a model can be made: the file is looked at, and none is
 * written. NULL: it can. Caller frees. */
static char *why_no_copy(const char *program, const char *model)
{
    const struct weft_stub *stub = weft_stub_here();
    weft_auto_fd fd = open(program, O_RDONLY | O_CLOEXEC);
    weft_auto_stub_patch patch = {0};
    weft_auto_err err = NULL;
    char *why = NULL;
    struct stat st;
    void *map;

    if (!stub) {
        return weft_fmt("weft has no stub for this machine");
    }
    if (fd < 0 || fstat(fd, &st) < 0 || st.st_size <= 0) {
        return weft_fmt("it cannot be read");
    }
    map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED) {
        return weft_fmt("it cannot be read");
    }
    if (weft_stub_prepare(stub, map, (size_t)st.st_size, model, &patch, &err) < 0) {
        why = weft_xstrdup(err->msg);
    }
    munmap(map, (size_t)st.st_size);
    return why;
}

static struct row *row_of(struct session *s, const char *program, const struct weft_machine *m)
{
    for (size_t i = 0; i < s->qemus.n; i++) {
        if (s->qemus.v[i].machine == m && strcmp(s->qemus.v[i].path, program) == 0) {
            return &s->rows[i];
        }
    }
    return NULL;
}

static struct weft_emulators emulators(const struct session *s)
{
    return (struct weft_emulators){.answers = s->answers,
                                   .qemus = &s->qemus,
                                   .cpu = &s->settings.cpu,
                                   .speeds = &s->speeds,
                                   .qemu = s->qemu};
}

/* Which program is used for which platform. Nothing is run for it but what it takes to know a CPU
 * model, and no copy is made. */
static void choose(struct session *s, struct weft_err **first_error)
{
    const struct weft_emulators from = emulators(s);
    size_t n;
    const struct weft_platform_info *all = weft_catalogue(&n);

    for (size_t i = 0; i < n; i++) {
        char name[WEFT_PLATFORM_SIZE];
        struct weft_emulator e = {0};
        struct weft_err *err = NULL;

        if (!all[i].machine) {
            continue;
        }
        weft_platform_format(&all[i].platform, name);
        for (size_t k = 0; k < s->qemus.n; k++) {
            if (s->qemus.v[k].machine == all[i].machine) {
                weft_strv_add(&s->rows[k].platforms, name);
            }
        }
        if (weft_emulator_choose(&from, &all[i], false, &e, &err) == 1) {
            struct row *r = row_of(s, e.qemu, all[i].machine);

            if (r) {
                weft_strv_add(&r->chosen_for, name);
            }
        }
        weft_emulator_finish(&e);
        /* that no QEMU has what a platform needs, as linux/amd64/v4, is no news */
        if (err && err->code == WEFT_E_USAGE && !*first_error) {
            *first_error = err;
        } else {
            weft_err_free(err);
        }
    }
}

/* The CPU model that a program runs the plain platform of its machine on. */
static void find_model(struct session *s, size_t i)
{
    const struct weft_emulators from = emulators(s);
    const struct weft_qemu *q = &s->qemus.v[i];
    struct row *r = &s->rows[i];
    weft_auto_err err = NULL;

    r->plain = weft_catalogue_default_of(q->machine);
    if (weft_emulator_model(&from, q, r->plain, &r->model, NULL, &err) < 0) {
        r->plain_why = weft_xstrdup(err->msg);
        return;
    }
    r->plain_why = why_no_copy(q->path, r->model);
    if (r->plain_why) {
        free(weft_steal(&r->model));
    }
}

static void check_health(struct session *s, size_t i)
{
    const struct weft_qemu *q = &s->qemus.v[i];
    struct row *r = &s->rows[i];
    weft_auto_err err = NULL;

    weft_health_finish(&r->health);
    if (weft_health_check(s->answers, q->path, q->machine, r->model, NULL, &r->health, &err) < 0 ||
        (s->opts.root &&
         weft_health_compile(q->path, q->machine, r->model, s->opts.root, &r->health, &err) < 0)) {
        weft_health_finish(&r->health);
        r->health.verdict = WEFT_HEALTH_BAD;
        r->health.failure = weft_xstrdup(err->msg);
    }
}

static void recall_health(struct session *s, size_t i)
{
    const struct weft_qemu *q = &s->qemus.v[i];
    struct row *r = &s->rows[i];

    r->health.verdict = weft_health_recall(s->answers, q->path, q->machine, r->model);
    r->health.failure = weft_health_recall_failure(s->answers, q->path, q->machine, r->model);
}

static int open_session(struct session *s, bool keep, struct weft_err **err)
{
    weft_auto_free char *state = weft_dir_state(NULL);
    weft_auto_free char *dirs = NULL;

    if (weft_settings_load(&s->settings, err) < 0) {
        return -1;
    }
    s->qemu = weft_steal(&s->settings.qemu);
    if (s->opts.qemu) {
        free(s->qemu);
        s->qemu = weft_settings_qemu(s->opts.qemu, NULL, err);
        if (!s->qemu) {
            return weft_err_wrap(err, "--qemu");
        }
    }
    dirs = dirs_of(&s->settings);
    s->answers = weft_qemu_answers(state, keep, err); /* where workers look too */
    if (!s->answers) {
        return -1;
    }
    weft_qemu_scan(dirs, s->answers, &s->qemus);
    if (state) {
        weft_profile_load(state, &s->speeds);
    }
    s->rows = weft_xcalloc(s->qemus.n + 1, sizeof(*s->rows));
    for (size_t i = 0; i < s->qemus.n; i++) {
        find_model(s, i);
    }
    return 0;
}

/* --- output --- */

static struct weft_json *strings(const struct weft_strv *v)
{
    struct weft_json *list = weft_json_array();

    for (size_t i = 0; i < v->n; i++) {
        weft_json_append_str(list, v->v[i]);
    }
    return list;
}

static struct weft_json *row_json(const struct weft_qemu *q, const struct row *r, bool listed)
{
    struct weft_json *j = weft_json_object();

    weft_json_set_str(j, "machine", q->machine->qemu);
    weft_json_set_str(j, "path", q->path);
    weft_json_set_str(j, "version", q->version);
    if (listed) {
        weft_json_set(j, "platforms", strings(&r->platforms));
        weft_json_set(j, "chosen_for", strings(&r->chosen_for));
    }
    weft_json_set_str(j, "cpu_model", r->model);
    weft_json_set_bool(j, "copy", !r->plain_why);
    weft_json_set_str(j, "why_no_copy", r->plain_why);
    weft_json_set_str(j, "health", weft_health_name(r->health.verdict));
    weft_json_set_str(j, "failure", r->health.failure);
    if (r->health.tried.n > 0) {
        weft_json_set(j, "tried", strings(&r->health.tried));
        weft_json_set(j, "skipped", strings(&r->health.skipped));
    }
    return j;
}

static void print_json(FILE *out, struct weft_json *programs)
{
    weft_auto_json root = weft_json_object();
    weft_auto_free char *text = NULL;

    weft_json_set_int(root, "schema", 1);
    weft_json_set(root, "programs", programs);
    text = weft_json_dump(root, 2);
    fprintf(out, "%s\n", text);
}

static int width_of(int least, const char *text)
{
    int n = text ? (int)strlen(text) : 1;

    return n > least ? n : least;
}

/* Platforms as they are shown: "arm/v7, arm/v6, arm/v5", without the "linux/" that all of them
 * have; of many variants of one only the first. */
static char *short_names(const struct weft_strv *platforms)
{
    weft_auto_strv shown = {0};

    for (size_t i = 0; i < platforms->n;) {
        const char *name = platforms->v[i] + strlen("linux/");
        size_t arch = strcspn(name, "/");
        size_t same = 1;

        while (i + same < platforms->n &&
               strncmp(platforms->v[i + same] + strlen("linux/"), name, arch) == 0) {
            same++;
        }
        if (same > VARIANTS_SHOWN) {
            weft_strv_addf(&shown, "%s and %zu variants", name, same - 1);
            i += same;
        } else {
            weft_strv_add(&shown, name);
            i++;
        }
    }
    return shown.n > 0 ? weft_strv_join(&shown, ", ") : weft_xstrdup("-");
}

static void print_list(FILE *out, const struct session *s)
{
    int version = 7, chosen = 8, machine = 7;

    for (size_t i = 0; i < s->qemus.n; i++) {
        weft_auto_free char *used = short_names(&s->rows[i].chosen_for);

        machine = width_of(machine, s->qemus.v[i].machine->qemu);
        version = width_of(version, s->qemus.v[i].version);
        chosen = width_of(chosen, used);
    }
    fprintf(out, "%-*s  %-*s  %-*s  %-7s  %-4s  %s\n", machine, "MACHINE", version, "VERSION",
            chosen, "USED FOR", "HEALTH", "COPY", "PATH");
    for (size_t i = 0; i < s->qemus.n; i++) {
        const struct weft_qemu *q = &s->qemus.v[i];
        const struct row *r = &s->rows[i];
        weft_auto_free char *used = short_names(&r->chosen_for);
        weft_auto_free char *path = weft_printable(q->path);

        fprintf(out, "%-*s  %-*s  %-*s  %-7s  %-4s  %s\n", machine, q->machine->qemu, version,
                q->version ? q->version : "-", chosen, used, weft_health_name(r->health.verdict),
                r->plain_why ? "no" : "yes", path);
    }
    for (size_t i = 0; i < s->qemus.n; i++) {
        const struct row *r = &s->rows[i];

        if (r->plain_why) {
            weft_info("%s: runs on its default CPU model: %s", s->qemus.v[i].path, r->plain_why);
        }
        if (r->health.failure) {
            weft_warn("%s: %s", s->qemus.v[i].path, r->health.failure);
        }
    }
}

static void print_check(FILE *out, const struct weft_qemu *q, const struct row *r)
{
    weft_auto_free char *path = weft_printable(q->path);
    weft_auto_free char *model = r->model ? weft_fmt(" on %s", r->model) : weft_xstrdup("");
    weft_auto_free char *tried = weft_strv_join(&r->health.tried, ", ");
    weft_auto_free char *skipped = weft_strv_join(&r->health.skipped, "; ");

    fprintf(out, "%s (%s)%s: %s\n", path, q->version ? q->version : "no version", model,
            weft_health_name(r->health.verdict));
    if (r->health.failure) {
        fprintf(out, "  failed: %s\n", r->health.failure);
    }
    if (*tried) {
        fprintf(out, "  worked: %s\n", tried);
    }
    if (*skipped) {
        fprintf(out, "  skipped: %s\n", skipped);
    }
    fflush(out);
}

/* --- commands --- */

static int fail_none(struct weft_err **err)
{
    weft_fail(err, WEFT_E_UNSUPPORTED, "there is no static QEMU program on this machine");
    return weft_err_hint(err,
                         "%sapt-get install qemu-user-static (or qemu-user, from Debian 13 on)",
                         geteuid() == 0 ? "" : "sudo ");
}

static bool any_chosen(const struct session *s)
{
    for (size_t i = 0; i < s->qemus.n; i++) {
        if (s->rows[i].chosen_for.n > 0) {
            return true;
        }
    }
    return false;
}

static int run_list(struct session *s, FILE *out, struct weft_err **err)
{
    weft_auto_err first = NULL;

    if (s->words.n > 0) {
        return weft_fail(err, WEFT_E_USAGE, "qemu list takes no arguments");
    }
    if (open_session(s, s->opts.check, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < s->qemus.n; i++) {
        recall_health(s, i);
        if (s->opts.check && s->rows[i].health.verdict == WEFT_HEALTH_UNKNOWN) {
            check_health(s, i);
        }
    }
    choose(s, &first);
    if (s->opts.qemu && first && !any_chosen(s)) {
        if (err) {
            *err = weft_steal(&first);
        }
        return -1;
    }
    if (s->opts.json) {
        struct weft_json *programs = weft_json_array();

        for (size_t i = 0; i < s->qemus.n; i++) {
            weft_json_append(programs, row_json(&s->qemus.v[i], &s->rows[i], true));
        }
        print_json(out, programs);
        return 0;
    }
    if (s->qemus.n == 0) {
        return fail_none(err);
    }
    print_list(out, s);
    if (first && !s->qemu) {
        weft_warn("%s", first->msg);
    }
    return 0;
}

/* Whether a word of the command line means this program. */
static bool means(const char *word, const struct weft_qemu *q)
{
    struct weft_platform p;

    if (*word == '/') {
        weft_auto_free char *path = realpath(word, NULL);

        return weft_str_eq(path, q->path) || weft_qemu_is(q, word);
    }
    if (weft_platform_parse(word, &p, NULL) == 0) {
        const struct weft_platform_info *info = weft_catalogue_find(&p);

        if (info && info->machine == q->machine) {
            return true;
        }
    }
    return strcmp(word, q->machine->qemu) == 0 || weft_qemu_is(q, word);
}

/* A word that begins with a digit is a version, one with a '/' in front a place: several of the
 * same kind are alternatives, of different kinds all have to hold. */
static int kind_of(const char *word)
{
    return *word == '/' ? 0 : *word >= '0' && *word <= '9' && !strchr(word, '/') ? 1 : 2;
}

static bool wanted(const struct weft_strv *words, const struct weft_qemu *q)
{
    bool asked[3] = {0}, met[3] = {0};

    for (size_t i = 0; i < words->n; i++) {
        int kind = kind_of(words->v[i]);

        asked[kind] = true;
        met[kind] = met[kind] || means(words->v[i], q);
    }
    return (met[0] || !asked[0]) && (met[1] || !asked[1]) && (met[2] || !asked[2]);
}

/* Each word has to mean something that is there. */
static int check_words(const struct session *s, struct weft_err **err)
{
    for (size_t i = 0; i < s->words.n; i++) {
        bool found = false;

        for (size_t k = 0; k < s->qemus.n; k++) {
            found = found || means(s->words.v[i], &s->qemus.v[k]);
        }
        if (!found) {
            weft_auto_free char *shown = weft_printable(s->words.v[i]);

            weft_fail(err, WEFT_E_USAGE, "there is no QEMU program that \"%s\" means", shown);
            return weft_err_hint(err, "weft qemu list");
        }
    }
    return 0;
}

/* Relative paths of the command line, made absolute: nothing else has a '/' but platforms. */
static int resolve_words(struct session *s, struct weft_err **err)
{
    for (size_t i = 0; i < s->words.n; i++) {
        if (weft_starts_with(s->words.v[i], ".")) {
            char *path = weft_path_abs(s->words.v[i], err);

            if (!path) {
                return -1;
            }
            free(s->words.v[i]);
            s->words.v[i] = path;
        }
    }
    if (s->opts.root) {
        weft_auto_free char *root = weft_steal(&s->opts.root);

        s->opts.root = realpath(root, NULL);
        if (!s->opts.root || !weft_is_dir(s->opts.root)) {
            return weft_fail(err, WEFT_E_USAGE, "--root: %s is not a directory", root);
        }
    }
    return 0;
}

static int run_check(struct session *s, FILE *out, struct weft_err **err)
{
    struct weft_json *programs;
    size_t checked = 0, bad = 0;

    if (resolve_words(s, err) < 0 || open_session(s, true, err) < 0) {
        return -1;
    }
    if (s->qemus.n == 0) {
        return fail_none(err);
    }
    if (check_words(s, err) < 0) {
        return -1;
    }
    programs = weft_json_array();
    for (size_t i = 0; i < s->qemus.n; i++) {
        if (!wanted(&s->words, &s->qemus.v[i])) {
            continue;
        }
        check_health(s, i);
        checked++;
        bad += s->rows[i].health.verdict == WEFT_HEALTH_BAD;
        if (s->opts.json) {
            weft_json_append(programs, row_json(&s->qemus.v[i], &s->rows[i], false));
        } else {
            print_check(out, &s->qemus.v[i], &s->rows[i]);
        }
    }
    if (s->opts.json) {
        print_json(out, programs);
    } else {
        weft_json_free(programs);
    }
    if (checked == 0) {
        weft_fail(err, WEFT_E_USAGE, "no QEMU program is all that was asked for");
        return weft_err_hint(err, "weft qemu list");
    }
    return bad == 0 ? 0
                    : weft_fail(err, WEFT_E_BUILD, "%zu of %zu QEMU programs do not work here", bad,
                                checked);
}

static int run(int argc, char **argv, FILE *out, struct weft_err **err)
{
    struct session s = {0};
    bool list = argc > 1 && strcmp(argv[1], "list") == 0;
    bool check = argc > 1 && strcmp(argv[1], "check") == 0;
    int rc;

    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        print_help(out);
        return 0;
    }
    if (!list && !check) {
        weft_fail(err, WEFT_E_USAGE, "qemu: it knows list and check");
        return weft_err_hint(err, "weft qemu --help");
    }
    rc = weft_flags_parse(list ? list_flags : check_flags, list ? N_LIST_FLAGS : N_CHECK_FLAGS,
                          argc - 1, argv + 1, &s.opts, &s.words, err);
    if (rc == 0 && s.opts.help) {
        print_help(out);
    } else if (rc == 0) {
        rc = list ? run_list(&s, out, err) : run_check(&s, out, err);
    }
    session_finish(&s);
    return rc;
}

const struct weft_cmd weft_cmd_qemu = {
    .name = "qemu",
    .summary = "List the QEMU programs at hand, or check how they work here",
    .run = run,
};
