/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/git_remote.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "base/str.h"
#include "engine/git_url.h"

enum {
    LIMIT_MS = 60 * 60 * 1000,        /* for what somebody has forgotten; SIGINT ends it */
    TEXT_LIMIT_BYTES = (1 << 20) - 1, /* of what weft_run keeps; as much may be cut off */
};

struct weft_git_remote {
    struct weft_git_remote_opts opts;
    char *program;
    char *config;         /* a file: the remote's URL, and credentials */
    char *repo;           /* a bare repository; NULL: not made yet */
    int n_repos;          /* that have been made */
    char *shown;          /* the URL, for errors */
    struct weft_strv env; /* whole */
};

/* ---- set up ---- */

/* A value of git's configuration, quoted. */
static void add_value(struct weft_buf *b, const char *s)
{
    weft_buf_puts(b, "\"");
    for (; *s; s++) {
        weft_buf_printf(b, "%s%c", *s == '"' || *s == '\\' ? "\\" : "", *s);
    }
    weft_buf_puts(b, "\"");
}

/* For which URLs the header is: those of the repository, and on github.com all, as in BuildKit,
 * for its submodules. */
static const char *header_scope(const char *remote)
{
    static const char *const wide[] = {"https://github.com/", "https://www.github.com/"};

    for (size_t i = 0; i < sizeof(wide) / sizeof(wide[0]); i++) {
        if (weft_starts_with(remote, wide[i])) {
            return wide[i];
        }
    }
    return remote;
}

/* A command line shows to everybody what is in it. */
static int write_config(struct weft_git_remote *g, struct weft_err **err)
{
    const struct weft_git_url *u = g->opts.url;
    weft_auto_buf b = {0};
    int rc;

    weft_buf_puts(&b, "[remote \"origin\"]\n\turl = ");
    add_value(&b, u->remote);
    weft_buf_puts(&b, "\n[protocol \"file\"]\n\tallow = user\n");
    if (g->opts.authorization) {
        weft_buf_puts(&b, "[http ");
        add_value(&b, header_scope(u->remote));
        weft_buf_puts(&b, "]\n\textraHeader = ");
        {
            weft_auto_free char *header = weft_fmt("Authorization: %s", g->opts.authorization);

            add_value(&b, header);
            explicit_bzero(header, strlen(header));
        }
        weft_buf_puts(&b, "\n");
    }
    g->config = weft_path_join(g->opts.dir, "config");
    rc = weft_write_file(g->config, b.data, b.len, 0600, err);
    explicit_bzero(b.data, b.len);
    return rc;
}

/* "'it'\''s'": for the shell, which git gives GIT_SSH_COMMAND to. */
static void add_quoted(struct weft_buf *b, const char *s)
{
    weft_buf_puts(b, "'");
    for (; *s; s++) {
        weft_buf_puts(b, *s == '\'' ? "'\\'" : "");
        weft_buf_append(b, s, 1);
    }
    weft_buf_puts(b, "'");
}

/* The agent or the keys of --ssh default, which is what BuildKit gives to git. A host that is not
 * known is taken as it is, as BuildKit takes it; one that is known has to be the same. */
static void add_ssh(struct weft_git_remote *g)
{
    weft_auto_free char *hosts = weft_fmt("UserKnownHostsFile=\"%s/known_hosts\" "
                                          "~/.ssh/known_hosts",
                                          g->opts.dir);
    weft_auto_buf command = {0};
    const char *agent = getenv("SSH_AUTH_SOCK");
    weft_auto_strv paths = {0};

    for (size_t i = 0; g->opts.ssh && i < g->opts.ssh->n; i++) {
        if (weft_starts_with(g->opts.ssh->v[i], "default=")) {
            weft_split(g->opts.ssh->v[i] + strlen("default="), ',', &paths);
        }
    }
    weft_buf_puts(&command, "ssh -F /dev/null -o BatchMode=yes -o StrictHostKeyChecking=accept-new "
                            "-o ");
    add_quoted(&command, hosts);
    for (size_t i = 0; i < paths.n; i++) {
        struct stat st;

        if (stat(paths.v[i], &st) == 0 && S_ISSOCK(st.st_mode)) {
            agent = paths.v[i];
        } else {
            weft_buf_puts(&command, " -o IdentitiesOnly=yes -i ");
            add_quoted(&command, paths.v[i]);
            agent = NULL;
        }
    }
    weft_strv_addf(&g->env, "GIT_SSH_COMMAND=%s", command.data);
    if (agent) {
        weft_strv_addf(&g->env, "SSH_AUTH_SOCK=%s", agent);
    }
}

static void set_env(struct weft_git_remote *g)
{
    weft_auto_free char *above = weft_path_dir(g->opts.dir);
    static const char *const kept[] = {"PATH",        "HTTP_PROXY", "HTTPS_PROXY",
                                       "NO_PROXY",    "ALL_PROXY",  "http_proxy",
                                       "https_proxy", "no_proxy",   "all_proxy"};

    for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++) {
        const char *value = getenv(kept[i]);

        if (value) {
            weft_strv_addf(&g->env, "%s=%s", kept[i], value);
        }
    }
    weft_strv_add(&g->env, "GIT_TERMINAL_PROMPT=0");
    weft_strv_add(&g->env, "GIT_CONFIG_NOSYSTEM=1");
    weft_strv_addf(&g->env, "GIT_CONFIG_GLOBAL=%s", g->config);
    weft_strv_addf(&g->env, "GIT_CEILING_DIRECTORIES=%s", above);
    weft_strv_add(&g->env, "HOME=/dev/null");
    weft_strv_add(&g->env, "LC_ALL=C");
    add_ssh(g);
}

struct weft_git_remote *weft_git_remote_open(const struct weft_git_remote_opts *opts,
                                             struct weft_err **err)
{
    weft_auto_git_remote g = weft_xcalloc(1, sizeof(*g));

    g->opts = *opts;
    g->shown = weft_git_url_shown(opts->url);
    g->program = weft_find_program("git");
    if (!g->program) {
        weft_fail(err, WEFT_E_UNSUPPORTED, "%s is a git repository, and git is not installed",
                  g->shown);
        weft_err_hint(err, "sudo apt-get install git");
        return NULL;
    }
    if (weft_mkdirs(opts->dir, 0700, err) < 0 || write_config(g, err) < 0) {
        return NULL;
    }
    set_env(g);
    return weft_steal(&g);
}

void weft_git_remote_close(struct weft_git_remote *g)
{
    if (g) {
        free(g->program);
        free(g->config);
        free(g->repo);
        free(g->shown);
        weft_strv_finish(&g->env);
        free(g);
    }
}

void weft_git_remote_closep(struct weft_git_remote **g)
{
    weft_git_remote_close(*g);
}

/* ---- running git ---- */

/* Its exit code, or -1. `both`: with what it complains of. */
static int run(struct weft_git_remote *g, bool both, char **text, struct weft_err **err, ...)
{
    weft_auto_strv argv = {0};
    const char *arg;
    va_list args;

    weft_strv_add(&argv, "git");
    if (g->repo) {
        weft_strv_addf(&argv, "--git-dir=%s", g->repo);
    } else { /* in none: one whose names have another length refuses to talk to the server */
        weft_strv_add(&argv, "-C");
        weft_strv_add(&argv, g->opts.dir);
    }
    va_start(args, err);
    while ((arg = va_arg(args, const char *)) != NULL) {
        weft_strv_add(&argv, arg);
    }
    va_end(args);
    return weft_run(&(struct weft_run_opts){.file = g->program,
                                            .argv = argv.v,
                                            .env = (const char *const *)g->env.v,
                                            .both = both,
                                            .timeout_ms = LIMIT_MS,
                                            .cancel = g->opts.cancel},
                    text, err);
}

/* What a user can do about what git says; NULL: that speaks for itself. */
static const char *hint_of(const struct weft_git_remote *g, const char *text)
{
    static const struct {
        const char *said;
        const char *hint;
    } known[] = {
        {"Permission denied", "--ssh default=KEYFILE, or an agent that has the key: ssh-add -l"},
        {"Host key verification failed", "the host's key is not the one in ~/.ssh/known_hosts: "
                                         "ssh-keygen -R HOST, if that is right"},
        {"Could not resolve host", "is the name right, and does DNS work here? getent hosts HOST"},
        {"unable to look up", "is the name right, and does DNS work here? getent hosts HOST"},
        {"Failed to connect", "nothing listens there, or a firewall is between; is a proxy needed "
                              "(HTTPS_PROXY)?"},
        {"unable to connect", "nothing listens there, or a firewall is between"},
        {"Couldn't connect", "nothing listens there, or a firewall is between; is a proxy needed "
                             "(HTTPS_PROXY)?"},
        {"not our ref", "the server gives out tips of branches and tags only"},
        {"unadvertised object", "the server gives out tips of branches and tags only"},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if (strstr(text, known[i].said)) {
            return known[i].hint;
        }
    }
    return !g->opts.url->http ? "git ls-remote URL"
           : g->opts.authorization
               ? "is the URL right, and may the token of GIT_AUTH_TOKEN read the repository?"
               : "is the URL right? One that is not public wants --secret "
                 "id=GIT_AUTH_TOKEN,env=VARIABLE, or git@HOST:REPO with --ssh default";
}

/* What git complained of: its lines less the advice that is for other people. Caller frees. */
static char *complaint(const struct weft_git_remote *g, const char *text)
{
    static const char *const noise[] = {"Please make sure", "and the repository exists",
                                        "warning:", "Warning: Permanently"};
    weft_auto_strv lines = {0};
    weft_auto_strv kept = {0};
    weft_auto_free char *all = NULL;
    const char *at;

    weft_split(text, '\n', &lines);
    for (size_t i = 0; i < lines.n; i++) {
        bool skip;

        lines.v[i][strcspn(lines.v[i], "\r")] = '\0';
        skip = !*lines.v[i];

        for (size_t k = 0; k < sizeof(noise) / sizeof(noise[0]); k++) {
            skip |= weft_starts_with(lines.v[i], noise[k]);
        }
        if (!skip) {
            weft_strv_add(&kept, lines.v[i]);
        }
    }
    all = weft_strv_some(&kept, 3);
    at = strstr(all, g->opts.url->remote); /* may hold a password */
    if (at) {
        weft_auto_free char *clean =
            weft_fmt("%.*s%s%s", (int)(at - all), all, g->shown, at + strlen(g->opts.url->remote));

        return weft_printable(clean);
    }
    return weft_printable(*all ? all : "it says nothing of why");
}

static int git_failed(const struct weft_git_remote *g, const char *text, struct weft_err **err)
{
    weft_auto_free char *why = complaint(g, text);

    weft_fail(err, WEFT_E_NET, "%s: %s", g->shown, why);
    return weft_err_hint(err, "%s", hint_of(g, text));
}

/* A new repository, in the place of the last one. */
static int make_repo(struct weft_git_remote *g, const char *commit, struct weft_err **err)
{
    bool sha256 = strlen(commit) == 64;
    weft_auto_free char *repo = weft_fmt("%s/repo-%d", g->opts.dir, g->n_repos++);
    weft_auto_free char *text = NULL;
    int code;

    free(weft_steal(&g->repo));
    code = run(g, true, &text, err, "init", "-q", "--bare",
               "--template=", sha256 ? "--object-format=sha256" : "--object-format=sha1", repo,
               NULL);
    if (code > 0) {
        return weft_fail(err, WEFT_E_CHILD, "git init %s: %s", repo, text);
    }
    g->repo = weft_steal(&repo);
    return code;
}

/* ---- which commit it is ---- */

/* The name of the object that `ls-remote` lists under `ref`, or NULL. Caller frees. */
static char *listed(const char *text, const char *ref)
{
    weft_auto_strv lines = {0};

    weft_split(text, '\n', &lines);
    for (size_t i = 0; i < lines.n; i++) {
        char *tab = strchr(lines.v[i], '\t');

        if (tab && strcmp(tab + 1, ref) == 0) {
            *tab = '\0';
            if (weft_git_is_commit(lines.v[i])) {
                return weft_xstrdup(lines.v[i]);
            }
        }
    }
    return NULL;
}

/* "refs/heads/x" for "x" and "refs/heads/x". */
static char *full_ref(const char *prefix, const char *ref)
{
    return weft_fmt("%s%s", prefix, ref + (weft_starts_with(ref, prefix) ? strlen(prefix) : 0));
}

/* Find a ref in the list, in BuildKit's order. */
static bool find_ref(const char *text, const char *wanted, struct weft_git_found *out)
{
    weft_auto_free char *whole = full_ref("refs/", wanted);
    weft_auto_free char *head = full_ref("refs/heads/", wanted);
    weft_auto_free char *tag = full_ref("refs/tags/", wanted);
    const char *const names[] = {whole, head, tag};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        weft_auto_free char *peeled = weft_fmt("%s^{}", names[i]);

        out->object = listed(text, names[i]);
        if (out->object) {
            out->commit = listed(text, peeled); /* of an annotated tag */
            if (!out->commit) {
                out->commit = weft_xstrdup(out->object);
            }
            /* a short name is a branch to BuildKit */
            out->ref = weft_xstrdup(names[i] == head ? wanted : names[i]);
            return true;
        }
    }
    return false;
}

static int ask(struct weft_git_remote *g, const char *wanted, char **text, struct weft_err **err)
{
    weft_auto_free char *peeled = weft_fmt("%s^{}", wanted);
    int code = run(g, true, text, err, "ls-remote", "--", "origin", wanted, peeled, NULL);

    if (code < 0) {
        return weft_err_wrap(err, "%s", g->shown);
    }
    return code == 0 ? 0 : git_failed(g, *text, err);
}

static bool begins_with(const char *commit, const char *checksum)
{
    return strncasecmp(commit, checksum, strlen(checksum)) == 0;
}

static int check_commit(const struct weft_git_remote *g, const struct weft_git_found *found,
                        struct weft_err **err)
{
    const char *checksum = g->opts.url->checksum;

    if (!checksum || begins_with(found->commit, checksum) || begins_with(found->object, checksum)) {
        return 0;
    }
    return weft_fail(err, WEFT_E_USAGE, "%s: %s is commit %s, and the URL wants %s", g->shown,
                     g->opts.url->ref ? g->opts.url->ref : "HEAD", found->commit, checksum);
}

/* Ask the server for the URL's ref. Found or not. */
static int find(struct weft_git_remote *g, struct weft_git_found *found, struct weft_err **err)
{
    const char *ref = g->opts.url->ref;
    weft_auto_free char *text = NULL;

    if (ask(g, ref ? ref : "HEAD", &text, err) < 0) {
        return -1;
    }
    if (ref) {
        find_ref(text, ref, found);
        return 0;
    }
    found->commit = listed(text, "HEAD");
    found->object = weft_xstrdup_null(found->commit);
    return 0;
}

int weft_git_remote_resolve(struct weft_git_remote *g, struct weft_git_found *out,
                            struct weft_err **err)
{
    const struct weft_git_url *u = g->opts.url;
    bool is_commit = u->ref && weft_git_is_commit(u->ref);
    struct weft_git_found found = {0};
    int rc = 0;

    if (is_commit || u->by_commit) {
        found.ref = weft_xstrdup_null(u->ref);
        found.commit = weft_xstrdup(is_commit ? u->ref : u->checksum);
        found.object = weft_xstrdup(found.commit);
    } else {
        rc = find(g, &found, err);
    }
    if (rc == 0 && !found.commit) {
        weft_fail(err, WEFT_E_USAGE, "%s has no %s%s", g->shown,
                  u->ref ? "branch or tag " : "default branch", u->ref ? u->ref : "");
        rc = weft_err_hint(err, "git ls-remote --heads --tags %s", g->shown);
    }
    if (rc == 0) {
        rc = check_commit(g, &found, err);
    }
    if (rc < 0) {
        weft_git_found_finish(&found);
        return -1;
    }
    *out = found;
    return 0;
}

void weft_git_found_finish(struct weft_git_found *f)
{
    free(f->ref);
    free(f->commit);
    free(f->object);
    *f = (struct weft_git_found){0};
}

/* ---- what is in it ---- */

enum entry {
    ENTRY_NONE,
    ENTRY_FILE,
    ENTRY_DIR,
    ENTRY_OTHER /* a link, or a submodule */
};

/* What is at `path` in the commit; -1 on failure. */
static int look(struct weft_git_remote *g, const char *commit, const char *path,
                struct weft_err **err)
{
    weft_auto_free char *text = NULL;
    int code = run(g, false, &text, err, "ls-tree", "--full-tree", commit, "--", path, NULL);

    if (code != 0) {
        return code < 0
                   ? -1
                   : weft_fail(err, WEFT_E_CHILD, "%s: git ls-tree fails at %s", g->shown, path);
    }
    return !*text                              ? ENTRY_NONE
           : weft_starts_with(text, "100")     ? ENTRY_FILE
           : weft_starts_with(text, "040000 ") ? ENTRY_DIR
                                               : ENTRY_OTHER;
}

/* The same, through all directories on the way: what is behind a link or in a submodule is other.
 */
static int look_through(struct weft_git_remote *g, const char *commit, const char *path,
                        struct weft_err **err)
{
    for (const char *slash = path; (slash = strchr(slash, '/')); slash++) {
        weft_auto_free char *part = weft_xstrndup(path, (size_t)(slash - path));
        int entry = look(g, commit, part, err);

        if (entry != ENTRY_DIR) {
            return entry == ENTRY_FILE ? ENTRY_NONE : entry;
        }
    }
    return look(g, commit, path, err);
}

/* `files`: with all of them, and not one by one when they are looked at. */
static int fetch(struct weft_git_remote *g, const char *commit, bool files, struct weft_err **err)
{
    weft_auto_free char *text = NULL;
    int code;

    if (make_repo(g, commit, err) < 0) {
        return -1;
    }
    code = run(g, true, &text, err, "fetch", "-q", "--depth=1", "--no-tags",
               files ? "--no-filter" : "--filter=blob:none", "origin", commit, NULL);
    if (code < 0) {
        return weft_err_wrap(err, "%s", g->shown);
    }
    return code == 0 ? 0 : git_failed(g, text, err);
}

/* The URL's directory has to be one. 0: it cannot be seen. */
static int check_subdir(struct weft_git_remote *g, const char *commit, struct weft_err **err)
{
    const char *subdir = g->opts.url->subdir;
    weft_auto_free char *shown = subdir ? weft_printable(subdir) : NULL;
    int entry = subdir ? look_through(g, commit, subdir, err) : ENTRY_DIR;

    if (entry == ENTRY_NONE || entry == ENTRY_FILE) {
        weft_fail(err, WEFT_E_USAGE, "%s has no directory %s at %.12s", g->shown, shown, commit);
        return weft_err_hint(err, "URL#REF:DIR");
    }
    return entry < 0 ? -1 : entry == ENTRY_DIR;
}

static int read_blob(struct weft_git_remote *g, const char *commit, const char *path, char **text,
                     struct weft_err **err)
{
    weft_auto_free char *object = weft_fmt("%s:%s", commit, path);
    weft_auto_free char *found = NULL;
    int code = run(g, false, &found, err, "cat-file", "blob", object, NULL);

    if (code > 0) {
        /* by the protocol's old version, which ssh servers often have, no single file can be got */
        if (fetch(g, commit, true, err) < 0) {
            return -1;
        }
        free(weft_steal(&found));
        code = run(g, false, &found, err, "cat-file", "blob", object, NULL);
    }
    if (code != 0) {
        return code < 0 ? -1 : weft_fail(err, WEFT_E_NET, "%s: cannot read %s", g->shown, path);
    }
    if (strlen(found) > TEXT_LIMIT_BYTES - 1) {
        return 0;
    }
    *text = weft_steal(&found);
    return 1;
}

int weft_git_remote_read(struct weft_git_remote *g, const char *commit, const char *const *names,
                         char **text, struct weft_err **err)
{
    const char *subdir = g->opts.url->subdir;
    int rc = fetch(g, commit, false, err) < 0 ? -1 : check_subdir(g, commit, err);

    for (size_t i = 0; rc > 0 && names[i]; i++) {
        weft_auto_free char *path = subdir ? weft_path_join(subdir, names[i])
                                           : weft_xstrdup(names[i]);
        int entry = look_through(g, commit, path, err);

        if (entry == ENTRY_FILE) {
            return read_blob(g, commit, path, text, err);
        }
        if (entry != ENTRY_NONE) {
            return entry < 0 ? -1 : 0;
        }
    }
    if (rc > 0 && names[0]) {
        weft_auto_free char *shown = weft_printable(names[0]);

        weft_fail(err, WEFT_E_USAGE, "%s has no %s%s%s at %.12s", g->shown, subdir ? subdir : "",
                  subdir ? "/" : "", shown, commit);
        return weft_err_hint(err, "--file FILE, as it is called in the repository");
    }
    return rc < 0 ? -1 : 0;
}
