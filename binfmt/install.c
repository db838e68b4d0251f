/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "binfmt/install.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "binfmt/handler.h"
#include "binfmt/held.h"
#include "binfmt/owners.h"
#include "binfmt/probe.h"

static void action_finish(struct weft_action *a)
{
    weft_strv_finish(&a->argv);
    free(a->file);
    free(a->text);
    *a = (struct weft_action){0};
}

void weft_actions_finish(struct weft_actions *a)
{
    for (size_t i = 0; i < a->n; i++) {
        action_finish(&a->v[i].act);
        action_finish(&a->v[i].undo);
    }
    free(a->v);
    *a = (struct weft_actions){0};
}

static struct weft_action_pair *add_pair(struct weft_actions *a)
{
    a->v = weft_xrealloc(a->v, a->n + 1, sizeof(*a->v));
    a->v[a->n] = (struct weft_action_pair){0};
    return &a->v[a->n++];
}

static void set_write(struct weft_action *a, const char *file, char *text)
{
    a->file = weft_xstrdup(file);
    a->text = text;
}

/* A word for a shell. Bytes that a terminal would act on are escaped, as bash, ksh and zsh undo it.
 */
static void put_word(const char *word, FILE *out)
{
    bool strange = false;

    for (const char *p = word; *p; p++) {
        strange |= (unsigned char)*p < ' ' || (unsigned char)*p >= 0x7f;
    }
    fputs(strange ? "$'" : "'", out);
    for (const char *p = word; *p; p++) {
        if (strange && ((unsigned char)*p < ' ' || (unsigned char)*p >= 0x7f)) {
            fprintf(out, "\\x%02x", (unsigned char)*p);
        } else if (strange && (*p == '\'' || *p == '\\')) {
            fprintf(out, "\\%c", *p);
        } else if (*p == '\'') {
            fputs("'\\''", out);
        } else {
            fputc(*p, out);
        }
    }
    fputc('\'', out);
}

static bool is_plain(const char *word)
{
    return *word && !word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789-_./")];
}

static void print_action(const struct weft_action *a, FILE *out)
{
    if (a->argv.n > 0) {
        for (size_t i = 0; i < a->argv.n; i++) {
            fputs(i ? " " : "", out);
            if (is_plain(a->argv.v[i])) {
                fputs(a->argv.v[i], out);
            } else {
                put_word(a->argv.v[i], out);
            }
        }
    } else {
        weft_auto_free char *path = weft_path_join(WEFT_REGISTRY_DIR, a->file);

        fputs("printf %s ", out);
        put_word(a->text, out);
        fputs(" >", out);
        if (is_plain(path)) {
            fputs(path, out);
        } else {
            put_word(path, out);
        }
    }
    fputc('\n', out);
}

void weft_actions_print(const struct weft_actions *a, FILE *out)
{
    for (size_t i = 0; i < a->n; i++) {
        print_action(&a->v[i].act, out);
    }
}

static int run_program(const struct weft_action *a, struct weft_err **err)
{
    weft_auto_free char *said = NULL;
    weft_auto_free char *shown = NULL;
    int code = weft_run_capture(a->argv.v[0], a->argv.v, 1, &said, err);

    if (code <= 0) {
        return code;
    }
    said[strcspn(said, "\n")] = '\0';
    shown = weft_printable(said);
    return weft_fail(err, WEFT_E_CHILD, "%s ended with exit code %d: %s", a->argv.v[0], code,
                     shown);
}

static int write_table(const struct weft_binfmt_registry *r, const struct weft_action *a,
                       struct weft_err **err)
{
    weft_auto_fd fd = openat(r->dir_fd, a->file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    weft_auto_free char *shown = weft_printable(a->file);
    ssize_t n = fd < 0 ? -1 : write(fd, a->text, strlen(a->text));

    if (n == (ssize_t)strlen(a->text)) {
        return 0;
    }
    if (fd < 0 && (errno == EROFS || errno == EACCES || errno == EPERM)) {
        weft_fail(err, WEFT_E_UNSUPPORTED, "%s cannot be written here: %s", WEFT_REGISTRY_DIR,
                  strerror(errno));
        return weft_err_hint(err, "in a container: run it on the host");
    }
    return weft_fail_sys(err, n < 0 ? errno : EIO, "%s/%s: the kernel does not take it",
                         WEFT_REGISTRY_DIR, shown);
}

static int do_action(const struct weft_binfmt_registry *r, const struct weft_action *a,
                     struct weft_err **err)
{
    return a->argv.n > 0 ? run_program(a, err) : write_table(r, a, err);
}

int weft_actions_do(const struct weft_binfmt_registry *r, const struct weft_actions *a,
                    struct weft_err **err)
{
    for (size_t i = 0; i < a->n; i++) {
        if (do_action(r, &a->v[i].act, err) == 0) {
            continue;
        }
        while (i-- > 0) {
            const struct weft_action *undo = &a->v[i].undo;

            if ((undo->argv.n > 0 || undo->file) && do_action(r, undo, NULL) < 0) {
                weft_err_wrap(err, "and what was there before could not be brought back");
            }
        }
        return -1;
    }
    return 0;
}

char *weft_install_find_support(void)
{
    static const char *const places[] = {"/usr/sbin/update-binfmts", "/sbin/update-binfmts"};
    char *path = weft_find_program("update-binfmts");

    for (size_t i = 0; !path && i < 2; i++) { /* not on every root's PATH */
        path = access(places[i], X_OK) == 0 ? weft_xstrdup(places[i]) : NULL;
    }
    return path;
}

static void add_package(struct weft_strv *argv, const char *package)
{
    if (package) {
        weft_strv_add(argv, "--package");
        weft_strv_add(argv, package);
    }
}

static void add_bytes(struct weft_strv *argv, const unsigned char *bytes, size_t n)
{
    weft_auto_buf b = {0};

    for (size_t i = 0; i < n; i++) {
        weft_buf_printf(&b, "\\x%02x", bytes[i]);
    }
    weft_strv_take(argv, weft_buf_steal(&b));
}

static const char *yes(const struct weft_existing *e, char flag)
{
    return strchr(e->flags, flag) ? "yes" : "no";
}

static void support_install(const char *program, const struct weft_existing *e, const char *package,
                            struct weft_strv *argv)
{
    weft_strv_add(argv, program);
    add_package(argv, package);
    weft_strv_add(argv, "--install");
    weft_strv_add(argv, e->name);
    weft_strv_add(argv, e->interpreter);
    if (e->extension) {
        weft_strv_add(argv, "--extension");
        weft_strv_add(argv, e->extension);
    } else {
        weft_strv_add(argv, "--offset");
        weft_strv_addf(argv, "%zu", e->offset);
        weft_strv_add(argv, "--magic");
        add_bytes(argv, e->magic, e->magic_len);
        weft_strv_add(argv, "--mask");
        add_bytes(argv, e->mask, e->magic_len);
    }
    weft_strv_add(argv, "--credentials");
    weft_strv_add(argv, yes(e, 'C'));
    weft_strv_add(argv, "--preserve");
    weft_strv_add(argv, yes(e, 'P'));
    weft_strv_add(argv, "--fix-binary");
    weft_strv_add(argv, yes(e, 'F'));
}

/* Take the handler `name` out of binfmt-support's database, which takes it out of the table too.
 * False: the database does not have it. */
static bool add_support_removal(const struct weft_install *in, const char *name,
                                struct weft_actions *out)
{
    weft_auto_free char *package = NULL;
    struct weft_existing said = {0};
    struct weft_action_pair *pair;

    if (!in->update_binfmts || !weft_owner_read_support(in->root, name, &said, &package)) {
        return false;
    }
    pair = add_pair(out);
    weft_strv_add(&pair->act.argv, in->update_binfmts);
    add_package(&pair->act.argv, package);
    weft_strv_add(&pair->act.argv, "--remove");
    weft_strv_add(&pair->act.argv, name);
    weft_strv_add(&pair->act.argv, said.interpreter);
    support_install(in->update_binfmts, &said, package, &pair->undo.argv);
    weft_existing_entry_finish(&said);
    return true;
}

/* update-binfmts takes out of the table what it has put there, whatever is registered under that
 * name; what it has not it leaves. */
static void add_removal(const struct weft_install *in, const struct weft_existing *e,
                        struct weft_actions *out)
{
    struct weft_action_pair *pair;

    if (add_support_removal(in, e->name, out)) {
        return;
    }
    pair = add_pair(out);
    set_write(&pair->act, e->name, weft_xstrdup("-1"));
    if (!e->unclear) {
        char *line = weft_existing_line(e);

        if (line) {
            set_write(&pair->undo, "register", line);
        }
    }
}

static bool is_ours(const struct weft_install *in, const struct weft_existing *e)
{
    struct weft_owner owner = {0};
    bool ours;

    weft_owner_find(in->root, e, &owner);
    ours = owner.ours;
    weft_owner_finish(&owner);
    return ours;
}

static const struct weft_existing *next_rival(const struct weft_install *in,
                                              const struct weft_machine *m, size_t *at)
{
    const struct weft_existing_table *t = &in->registry->table;

    while (*at < t->n) {
        const struct weft_existing *e = &t->v[(*at)++];

        if (e->enabled && weft_existing_takes(e, m) && !is_ours(in, e)) {
            return e;
        }
    }
    return NULL;
}

const struct weft_existing *weft_install_rival(const struct weft_install *in,
                                               const struct weft_machine *m)
{
    size_t at = 0;

    return next_rival(in, m, &at);
}

/* With flag C the interpreter gets the rights of setuid programs, so nobody but root may be able to
 * put another one in its place. */
static int check_trusted(const char *path, struct weft_err **err)
{
    weft_auto_free char *at = weft_xstrdup(path);

    while (weft_binfmt_registry_initial_namespace()) {
        weft_auto_free char *up = weft_path_dir(at);
        struct stat st;

        if (stat(at, &st) < 0) {
            return weft_fail_sys(err, errno, "%s", at);
        }
        if (st.st_uid != 0 || ((st.st_mode & 022) && !(st.st_mode & S_ISVTX))) {
            return weft_fail(err, WEFT_E_UNSUPPORTED,
                             "%s is not to be registered for everybody: others than root can "
                             "change %s",
                             path, at);
        }
        if (strcmp(at, "/") == 0) {
            break;
        }
        free(at);
        at = weft_steal(&up);
    }
    return 0;
}

/* weft_qemu_find gives only programs of this machine, whose handlers are refused before this. But
 * where that fails once, no program of the interpreter's kind starts any more, and nothing is left
 * to mend it with. */
static int check_head(const struct weft_existing *e, struct weft_err **err)
{
    weft_auto_fd fd = open(e->interpreter, O_RDONLY | O_CLOEXEC);
    unsigned char head[WEFT_HANDLER_MAGIC_MAX] = {0};

    if (fd < 0 || pread(fd, head, sizeof(head), 0) < 0) {
        return weft_fail_sys(err, errno, "%s", e->interpreter);
    }
    return !weft_existing_takes_bytes(e, head)
               ? 0
               : weft_fail(err, WEFT_E_USAGE,
                           "a handler that runs programs with %s would take %s itself: nothing of "
                           "its kind could start any more",
                           e->interpreter, e->interpreter);
}

/* What would break the machine, or would not work. */
static int check_wanted(const struct weft_machine *m, const struct weft_existing *e,
                        struct weft_err **err)
{
    char platform[WEFT_PLATFORM_SIZE];
    weft_auto_free char *said = NULL;
    int code;

    weft_platform_format(&weft_catalogue_default_of(m)->platform, platform);
    if (weft_probe_native(m)) {
        return weft_fail(err, WEFT_E_USAGE,
                         "this machine runs programs of %s itself: a handler would put every one "
                         "of them under emulation",
                         platform);
    }
    if (check_head(e, err) < 0 || check_trusted(e->interpreter, err) < 0) {
        return -1;
    }
    code = weft_probe_run(m, e->interpreter, NULL, NULL, &said, err);
    if (code < 0) {
        return weft_err_wrap(err, "%s", platform);
    }
    if (code != WEFT_PROBE_EXIT) {
        return weft_fail(err, WEFT_E_UNSUPPORTED,
                         "%s does not run programs of %s here: the smallest one ends with %d, not "
                         "%d",
                         e->interpreter, platform, code, (int)WEFT_PROBE_EXIT);
    }
    return 0;
}

/* Whether the table, and binfmt-support where it is to know, say what is wanted, and what runs is
 * the file that is there now. */
static bool is_done(const struct weft_install *in, const struct weft_existing *wanted)
{
    const struct weft_existing_table *t = &in->registry->table;
    const struct weft_existing *e = weft_existing_named(t, wanted->name);
    struct weft_held held = {0};
    bool done;

    if (!e || !e->enabled || !weft_existing_same(e, wanted)) {
        return false;
    }
    if (in->update_binfmts) {
        weft_auto_free char *package = NULL;
        struct weft_existing said = {0};
        bool known = weft_owner_read_support(in->root, e->name, &said, &package) &&
                     weft_existing_same(&said, wanted);

        weft_existing_entry_finish(&said);
        if (!known) {
            return false;
        }
    }
    weft_held_find(t, e, &held);
    done = !weft_held_is_stale(held.state);
    weft_held_finish(&held);
    return done;
}

static int refuse_rival(const struct weft_existing *rival, const struct weft_machine *m,
                        struct weft_err **err)
{
    weft_auto_free char *name = weft_printable(rival->name);
    weft_auto_free char *interpreter = weft_printable(rival->interpreter);
    char platform[WEFT_PLATFORM_SIZE];

    weft_platform_format(&weft_catalogue_default_of(m)->platform, platform);
    weft_fail(err, WEFT_E_USAGE,
              "the handler %s, which is not weft's, is registered already, with %s", name,
              interpreter);
    return weft_err_hint(err,
                         "weft binfmt check %s; or, in its place: weft binfmt install "
                         "--replace %s",
                         platform, platform);
}

int weft_install_plan(const struct weft_install *in, const struct weft_machine *m,
                      const char *interpreter, const char *flags, struct weft_actions *out,
                      struct weft_err **err)
{
    weft_auto_free char *line = weft_handler_line(m, interpreter, flags, err);
    const struct weft_existing *rival, *own;
    struct weft_existing wanted = {0};
    struct weft_action_pair *pair;
    size_t at = 0;
    int result = -1;

    if (!line) {
        return -1;
    }
    if (weft_existing_parse_line(line, &wanted, NULL) < 0) {
        weft_auto_free char *shown = weft_printable(flags);

        weft_fail(err, WEFT_E_USAGE, "flags are of P, O, C and F, not \"%s\"", shown);
        return weft_err_hint(err, "--flags POCF, which is the default");
    }
    own = weft_existing_named(&in->registry->table, wanted.name);
    rival = own && !is_ours(in, own) ? own : weft_install_rival(in, m);
    if (check_wanted(m, &wanted, err) == 0) {
        if (rival && !in->replace) {
            refuse_rival(rival, m, err);
        } else {
            result = rival || !is_done(in, &wanted);
        }
    }
    while (result == 1 && (rival = next_rival(in, m, &at))) {
        if (rival != own) {
            add_removal(in, rival, out);
        }
    }
    if (result == 1) {
        if (own) {
            add_removal(in, own, out);
        } else {
            add_support_removal(in, wanted.name, out); /* registered, but not for now */
        }
        pair = add_pair(out);
        if (in->update_binfmts) {
            support_install(in->update_binfmts, &wanted, "weft", &pair->act.argv);
        } else {
            set_write(&pair->act, "register", weft_steal(&line));
        }
    }
    weft_existing_entry_finish(&wanted);
    return result;
}

int weft_install_plan_removal(const struct weft_install *in, const char *name,
                              struct weft_actions *out, struct weft_err **err)
{
    const struct weft_existing *e = weft_existing_named(&in->registry->table, name);
    weft_auto_free char *package = NULL;
    struct weft_existing said = {0};
    bool ours;

    if (e) {
        ours = is_ours(in, e);
    } else if (in->update_binfmts && weft_owner_read_support(in->root, name, &said, &package)) {
        weft_existing_entry_finish(&said);
        ours = weft_str_eq(package, "weft");
    } else {
        return 0;
    }
    if (!ours && !in->replace) {
        weft_auto_free char *shown = weft_printable(name);

        weft_fail(err, WEFT_E_USAGE, "the handler %s is not weft's", shown);
        return weft_err_hint(err, "to remove it all the same: weft binfmt remove --foreign %s",
                             shown);
    }
    if (e) {
        add_removal(in, e, out);
    } else {
        add_support_removal(in, name, out);
    }
    return 1;
}
