/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "binfmt/held.h"
#include "binfmt/install.h"
#include "binfmt/owners.h"
#include "binfmt/probe.h"
#include "binfmt/qemu.h"
#include "engine/binfmt_show.h"
#include "engine/cmd.h"
#include "engine/flags.h"

/* Where paths begin. */
#define ROOT "/"

/* What all four take; each has a table with what it knows of it. */
struct options {
    bool json, replace, dry_run, all, foreign, help;
    char *flags;
};

/* The last of each table, which the help leaves out. */
#define HELP_FLAG                                                                        \
    {                                                                                    \
        WEFT_FLAG_SWITCH, 'h', "help", NULL, offsetof(struct options, help), "this text" \
    }

static const struct weft_flag list_flags[] = {
    {WEFT_FLAG_SWITCH, 0, "json", NULL, offsetof(struct options, json), "as JSON"},
    HELP_FLAG,
};

static const struct weft_flag install_flags[] = {
    {WEFT_FLAG_SWITCH, 0, "replace", NULL, offsetof(struct options, replace),
     "in the place of handlers that weft did not install"},
    {WEFT_FLAG_SWITCH, 0, "dry-run", NULL, offsetof(struct options, dry_run),
     "print the commands and the bytes, and do nothing"},
    {WEFT_FLAG_VALUE, 0, "flags", "POCF", offsetof(struct options, flags),
     "binfmt_misc's flags (default: POCF)"},
    HELP_FLAG,
};

static const struct weft_flag remove_flags[] = {
    {WEFT_FLAG_SWITCH, 'a', "all", NULL, offsetof(struct options, all),
     "all handlers that weft has installed"},
    {WEFT_FLAG_SWITCH, 0, "foreign", NULL, offsetof(struct options, foreign),
     "also handlers that weft did not install; each has to be named"},
    {WEFT_FLAG_SWITCH, 0, "dry-run", NULL, offsetof(struct options, dry_run),
     "print the commands and the bytes, and do nothing"},
    HELP_FLAG,
};

#define N_FLAGS(table) (sizeof(table) / sizeof((table)[0]))

static void print_help(FILE *out)
{
    fputs("usage: weft binfmt list [--json]\n"
          "       weft binfmt check [--json] [NAME | PLATFORM]...\n"
          "       weft binfmt install [--replace] [--dry-run] [--flags=POCF] [PLATFORM]...\n"
          "       weft binfmt remove [--dry-run] (--all | [--foreign] (NAME | PLATFORM)...)\n"
          "\n"
          "The handlers by which the kernel runs programs of other platforms: those of the host.\n"
          "weft build does not need them; it registers its own, for its workers alone.\n"
          "\n"
          "list: the handlers in force, what runs for each of them, whose they are\n"
          "check: runs a program of each, or of those named; exit status 1 if one fails\n",
          out);
    weft_flags_help(list_flags, N_FLAGS(list_flags) - 1, out);
    fputs("\n"
          "install: registers QEMU for platforms, by default for all that have one at hand and\n"
          "that this machine does not run itself; as root\n",
          out);
    weft_flags_help(install_flags, N_FLAGS(install_flags) - 1, out);
    fputs("\n"
          "remove: removes what install has registered; as root\n",
          out);
    weft_flags_help(remove_flags, N_FLAGS(remove_flags) - 1, out);
    fputs("\n"
          "examples:\n"
          "  weft binfmt list\n"
          "  weft binfmt check linux/arm64\n"
          "  weft binfmt install --dry-run linux/arm64 linux/riscv64\n"
          "  weft binfmt remove --all\n",
          out);
}

/* What a run works with. */
struct session {
    struct weft_binfmt_registry registry;
    struct weft_install install;
    char *update_binfmts;
    struct weft_strv words;
    struct options opts;
};

static void session_finish(struct session *s)
{
    weft_binfmt_registry_close(&s->registry);
    free(s->update_binfmts);
    weft_strv_finish(&s->words);
    free(s->opts.flags);
}

/* For a person to type: the command as root. */
static char *as_root(int argc, char **argv)
{
    weft_auto_buf b = {0};

    weft_buf_puts(&b, "sudo weft binfmt");
    for (int i = 0; i < argc; i++) {
        weft_auto_free char *shown = weft_printable(argv[i]);

        weft_buf_printf(&b, " %s", shown);
    }
    return weft_buf_steal(&b);
}

/* Look at the table, and refuse where it is not to be written. */
static int prepare(struct session *s, int argc, char **argv, struct weft_err **err)
{
    if (geteuid() != 0 && !s->opts.dry_run) {
        weft_auto_free char *command = as_root(argc, argv);

        weft_fail(err, WEFT_E_UNSUPPORTED, "only root may change the handlers of the host");
        return weft_err_hint(err, "%s (weft build needs no handlers of the host)", command);
    }
    if (weft_binfmt_registry_open(ROOT, &s->registry, err) < 0) {
        return -1;
    }
    if (s->registry.view != WEFT_REGISTRY_MOUNTED && !s->opts.dry_run) {
        weft_fail(err, WEFT_E_UNSUPPORTED,
                  "%s is not mounted: handlers would not last (and weft leaves no mount behind)",
                  WEFT_REGISTRY_DIR);
        return weft_err_hint(
            err, weft_binfmt_registry_initial_namespace()
                     ? "mount -t binfmt_misc binfmt_misc " WEFT_REGISTRY_DIR
                     : "on the host: mount -t binfmt_misc binfmt_misc " WEFT_REGISTRY_DIR);
    }
    if (s->registry.view == WEFT_REGISTRY_HIDDEN) {
        weft_warn("%s is not mounted (%s): laid out as for an empty table", WEFT_REGISTRY_DIR,
                  s->registry.why);
    }
    s->update_binfmts = weft_install_find_support();
    s->install = (struct weft_install){.root = ROOT,
                                       .update_binfmts = s->update_binfmts,
                                       .registry = &s->registry,
                                       .replace = s->opts.replace || s->opts.foreign};
    return 0;
}

static const char *platform_of(const struct weft_machine *m, char text[WEFT_PLATFORM_SIZE])
{
    return weft_platform_format(&weft_catalogue_default_of(m)->platform, text);
}

/* That the kernel has it (update-binfmts ends well also where it does not), and that it works. */
static int confirm(struct session *s, const struct weft_machine *m, const char *interpreter,
                   struct weft_err **err)
{
    weft_auto_free char *name = weft_owner_our_name(m);
    weft_auto_free char *why = NULL;
    const struct weft_existing *e;

    if (weft_binfmt_registry_reread(&s->registry, err) < 0) {
        return -1;
    }
    e = weft_existing_named(&s->registry.table, name);
    if (!e || !e->enabled || !weft_str_eq(e->interpreter, interpreter)) {
        return weft_fail(err, WEFT_E_CHILD,
                         "%s was registered without an error, but the kernel does not have it as "
                         "it should be",
                         name);
    }
    if (!s->registry.table.enabled) {
        weft_warn("all handlers are switched off (%s/status)", WEFT_REGISTRY_DIR);
    } else if (!weft_held_try(&s->registry.table, e, m, &why)) {
        weft_fail(err, WEFT_E_CHILD, "%s is registered, but does not work: %s", name, why);
        return weft_err_hint(err, "weft binfmt list; weft binfmt remove %s", name);
    } else if (why) {
        weft_warn("%s: %s", name, why);
    }
    return 0;
}

static void say_how_to_keep(const struct session *s, const struct weft_machine *m)
{
    weft_auto_free char *name = weft_owner_our_name(m);
    const struct weft_existing *e = weft_existing_named(&s->registry.table, name);
    weft_auto_free char *line = e ? weft_existing_line(e) : NULL;

    if (line) {
        weft_info("%s lasts until the next boot; to keep it, with systemd: "
                  "printf '%%s\\n' '%s' >/etc/binfmt.d/%s.conf",
                  name, line, name);
    }
}

/* 1: registered; 0: there was nothing to do; -1. */
static int install_one(struct session *s, const struct weft_machine *m, const char *interpreter,
                       FILE *out, struct weft_err **err)
{
    const char *flags = s->opts.flags ? s->opts.flags : "POCF";
    struct weft_actions actions = {0};
    char platform[WEFT_PLATFORM_SIZE];
    int got = weft_install_plan(&s->install, m, interpreter, flags, &actions, err);

    platform_of(m, platform);
    if (got == 1 && s->opts.dry_run) {
        weft_actions_print(&actions, out);
    } else if (got == 1) {
        got = weft_actions_do(&s->registry, &actions, err) < 0 ||
                      confirm(s, m, interpreter, err) < 0
                  ? weft_err_wrap(err, "%s", platform)
                  : 1;
    }
    if (got >= 0 && !s->opts.dry_run) {
        fprintf(out, "%s: %s as weft-%s, %s\n", platform, got ? "registered" : "already registered",
                m->qemu, interpreter);
        fflush(out);
    }
    if (got == 1 && !s->opts.dry_run && !s->update_binfmts) {
        say_how_to_keep(s, m);
    }
    weft_actions_finish(&actions);
    return got;
}

static int install_named(struct session *s, const char *dirs, FILE *out, struct weft_err **err)
{
    const struct weft_machine *done[64];
    size_t n_done = 0;

    for (size_t i = 0; i < s->words.n; i++) {
        const struct weft_machine *m = weft_binfmt_machine(s->words.v[i], err);
        weft_auto_free char *qemu = m ? weft_qemu_find(m, dirs) : NULL;
        bool again = false;

        if (!m) {
            return -1;
        }
        for (size_t j = 0; j < n_done; j++) { /* linux/arm/v6 and v7 have one handler */
            again |= done[j] == m;
        }
        if (again) {
            continue;
        }
        if (n_done < sizeof(done) / sizeof(done[0])) {
            done[n_done++] = m;
        }
        if (!qemu && !weft_probe_native(m)) {
            weft_fail(err, WEFT_E_UNSUPPORTED, "there is no static qemu-%s in %s", m->qemu, dirs);
            return weft_err_hint(err, "apt-get install qemu-user-static, or WEFT_QEMU_DIR");
        }
        /* what is native is refused, whatever would be its interpreter */
        if (install_one(s, m, qemu ? qemu : "/", out, err) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Every machine that has a QEMU; the handlers of others are left as they are. */
static int install_all(struct session *s, const char *dirs, FILE *out, struct weft_err **err)
{
    size_t n, found = 0;
    const struct weft_machine *const *machines = weft_catalogue_machines(&n);

    for (size_t i = 0; i < n; i++) {
        const struct weft_machine *m = machines[i];
        weft_auto_free char *qemu = weft_qemu_find(m, dirs);
        const struct weft_existing *rival = weft_install_rival(&s->install, m);

        if (!qemu || weft_probe_native(m)) {
            continue;
        }
        found++;
        if (rival && !s->opts.replace) {
            weft_auto_free char *shown = weft_printable(rival->name);
            char platform[WEFT_PLATFORM_SIZE];

            weft_info("%s: left to the handler %s, which is not weft's (--replace takes its place)",
                      platform_of(m, platform), shown);
            continue;
        }
        if (install_one(s, m, qemu, out, err) < 0) {
            return -1;
        }
    }
    if (found == 0) {
        weft_fail(err, WEFT_E_UNSUPPORTED, "there is no static QEMU in %s", dirs);
        return weft_err_hint(err, "apt-get install qemu-user-static, or WEFT_QEMU_DIR");
    }
    return 0;
}

static int run_install(struct session *s, int argc, char **argv, FILE *out, struct weft_err **err)
{
    weft_auto_free char *dirs = weft_qemu_dirs();

    if (prepare(s, argc, argv, err) < 0) {
        return -1;
    }
    return s->words.n > 0 ? install_named(s, dirs, out, err) : install_all(s, dirs, out, err);
}

/* 1: removed; 0: there is none; -1. */
static int remove_one(struct session *s, const char *name, FILE *out, struct weft_err **err)
{
    weft_auto_free char *shown = weft_printable(name);
    struct weft_actions actions = {0};
    int got = weft_install_plan_removal(&s->install, name, &actions, err);

    if (got == 1 && s->opts.dry_run) {
        weft_actions_print(&actions, out);
    } else if (got == 1) {
        got = weft_actions_do(&s->registry, &actions, err) < 0 ||
                      weft_binfmt_registry_reread(&s->registry, err) < 0
                  ? -1
                  : 1;
        if (got == 1 && weft_existing_named(&s->registry.table, name)) {
            got = weft_fail(err, WEFT_E_CHILD,
                            "the handler %s was removed without an error, but is still there",
                            shown);
        }
    }
    if (got == 1 && !s->opts.dry_run) {
        fprintf(out, "%s: removed\n", shown);
        fflush(out);
    }
    weft_actions_finish(&actions);
    return got;
}

static int remove_all(struct session *s, FILE *out, struct weft_err **err)
{
    size_t n;
    const struct weft_machine *const *machines = weft_catalogue_machines(&n);

    for (size_t i = 0; i < n; i++) {
        weft_auto_free char *name = weft_owner_our_name(machines[i]);
        const struct weft_existing *e = weft_existing_named(&s->registry.table, name);
        struct weft_owner owner = {0};
        bool ours;

        if (e) {
            weft_owner_find(ROOT, e, &owner);
        }
        ours = !e || owner.ours;
        weft_owner_finish(&owner);
        if (ours && remove_one(s, name, out, err) < 0) {
            return -1;
        }
    }
    return 0;
}

/* A name, or a platform: weft's handler for it; with --foreign every one that takes it. */
static int remove_word(struct session *s, const char *word, FILE *out, struct weft_err **err)
{
    weft_auto_free char *name = NULL;
    const struct weft_machine *m;
    const struct weft_existing *rival;
    int got = remove_one(s, word, out, err);

    if (got != 0) {
        return got;
    }
    m = weft_binfmt_machine(word, err);
    if (!m) {
        weft_err_hint(err, "weft binfmt list");
        return weft_err_wrap(err, "no handler has this name");
    }
    name = weft_owner_our_name(m);
    got = remove_one(s, name, out, err);
    while (got >= 0 && s->opts.foreign && (rival = weft_install_rival(&s->install, m))) {
        weft_auto_free char *theirs = weft_fmt("%s", rival->name);

        got = remove_one(s, theirs, out, err);
        if (s->opts.dry_run) {
            break;
        }
    }
    if (got == 0 && !s->opts.foreign && (rival = weft_install_rival(&s->install, m))) {
        return remove_one(s, rival->name, out, err); /* which refuses it, and says whose it is */
    }
    if (got == 0) {
        weft_info("%s: there is no handler of weft's", word);
    }
    return got < 0 ? -1 : 0;
}

static int run_remove(struct session *s, int argc, char **argv, FILE *out, struct weft_err **err)
{
    if (s->opts.all == (s->words.n > 0) || (s->opts.all && s->opts.foreign)) {
        weft_fail(err, WEFT_E_USAGE,
                  "binfmt: remove takes either --all, which is what weft has installed, or names "
                  "of handlers or platforms");
        return weft_err_hint(err, "weft binfmt --help");
    }
    if (prepare(s, argc, argv, err) < 0) {
        return -1;
    }
    if (s->opts.all) {
        return remove_all(s, out, err);
    }
    for (size_t i = 0; i < s->words.n; i++) {
        if (remove_word(s, s->words.v[i], out, err) < 0) {
            return -1;
        }
    }
    return 0;
}

static int run_list(struct session *s, int argc, char **argv, FILE *out, struct weft_err **err)
{
    (void)argc;
    (void)argv;
    if (s->words.n > 0) {
        return weft_fail(err, WEFT_E_USAGE, "binfmt: list takes no arguments");
    }
    if (weft_binfmt_registry_open(ROOT, &s->registry, err) < 0) {
        return -1;
    }
    weft_binfmt_list(&s->registry, s->opts.json, out);
    return 0;
}

static int run_check(struct session *s, int argc, char **argv, FILE *out, struct weft_err **err)
{
    (void)argc;
    (void)argv;
    return weft_binfmt_registry_open(ROOT, &s->registry, err) < 0
               ? -1
               : weft_binfmt_check(&s->registry, &s->words, s->opts.json, out, err);
}

static const struct sub {
    const char *name;
    const struct weft_flag *flags;
    size_t n_flags;
    int (*run)(struct session *s, int argc, char **argv, FILE *out, struct weft_err **err);
} subs[] = {
    {"list", list_flags, N_FLAGS(list_flags), run_list},
    {"check", list_flags, N_FLAGS(list_flags), run_check},
    {"install", install_flags, N_FLAGS(install_flags), run_install},
    {"remove", remove_flags, N_FLAGS(remove_flags), run_remove},
};

static int run(int argc, char **argv, FILE *out, struct weft_err **err)
{
    struct session s = {.registry.dir_fd = -1};
    const struct sub *sub = NULL;
    int result;

    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        print_help(out);
        return 0;
    }
    for (size_t i = 0; argc > 1 && i < sizeof(subs) / sizeof(subs[0]); i++) {
        sub = strcmp(argv[1], subs[i].name) == 0 ? &subs[i] : sub;
    }
    if (!sub) {
        weft_fail(err, WEFT_E_USAGE, "binfmt: list, check, install or remove?");
        return weft_err_hint(err, "weft binfmt --help");
    }
    result = weft_flags_parse(sub->flags, sub->n_flags, argc - 1, argv + 1, &s.opts, &s.words, err);
    if (result == 0 && s.opts.help) {
        print_help(out);
    } else if (result == 0) {
        result = sub->run(&s, argc - 1, argv + 1, out, err);
    }
    session_finish(&s);
    return result;
}

const struct weft_cmd weft_cmd_binfmt = {
    .name = "binfmt",
    .summary = "List, check, install or remove the host's handlers of foreign programs",
    .run = run,
};
