/* SPDX-License-Identifier: Apache-2.0 */
/* Whether what files are linked to, and what runs them, is in the image. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fs.h"
#include "base/mem.h"
#include "engine/audit_search.h"

enum {
    NAMED = 4,                 /* libraries that one finding names */
    LOOKUPS_LIMIT = 200000000, /* of a name in a directory */
};

static const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/* What is searched. */
struct links {
    struct weft_audit_walk *w;
    struct weft_audit_search search;
    uint32_t *anywhere; /* by the number of a name: a file or link that has it; 0: none */
    uint32_t n_anywhere;
    long lookups; /* that are left */
};

/* Where a library is, of a program or library. */
enum where {
    NOWHERE,
    ELSEWHERE, /* in the image, where the loader does not look */
    FOUND
};

static const struct weft_audit_info *info_of(const struct weft_audit_walk *w, uint32_t node)
{
    return node && weft_tree_kind(w->tree, node) == WEFT_TREE_FILE
               ? &w->infos[weft_tree_data(w->tree, node)]
               : NULL;
}

/* Whether a node is, links followed, a library that a loader would take for `i`. */
static bool fits(const struct weft_audit_walk *w, uint32_t node, const struct weft_audit_info *i)
{
    const struct weft_audit_info *l = info_of(w, node ? weft_tree_follow(w->tree, node) : 0);

    return l && l->kind == WEFT_AUDIT_IS_ELF && l->machine == i->machine && l->bits == i->bits &&
           l->big_endian == i->big_endian;
}

static bool in_dirs(struct links *l, const struct weft_audit_dirs *d, uint32_t name,
                    const struct weft_audit_info *i)
{
    const struct weft_audit_walk *w = l->w;

    for (size_t k = 0; k < d->n; k++) {
        l->lookups--;
        if (fits(w, weft_tree_child(w->tree, d->v[k], name), i)) {
            return true;
        }
    }
    return false;
}

/* ---- RPATH and RUNPATH ---- */

/* What an entry begins with, if it is the directory of the file. */
static size_t origin_len(const char *entry)
{
    return weft_starts_with(entry, "$ORIGIN") ? 7 : weft_starts_with(entry, "${ORIGIN}") ? 9 : 0;
}

/* "$LIB" in a directory's name, which is one of several. */
static bool replace_lib(const char *entry, const char *by, struct weft_buf *out)
{
    const char *at = strstr(entry, "$LIB");
    size_t len = 4;

    if (!at) {
        at = strstr(entry, "${LIB}");
        len = 6;
    }
    weft_buf_clear(out);
    if (!at) {
        weft_buf_puts(out, entry);
        return false;
    }
    weft_buf_append(out, entry, (size_t)(at - entry));
    weft_buf_puts(out, by);
    weft_buf_puts(out, at + len);
    return true;
}

/* Find "path/name" from the directory of the file on, or from the root. */
static bool in_entry(struct links *l, uint32_t dir, const char *entry, uint32_t name,
                     const struct weft_audit_info *i)
{
    const struct weft_audit_walk *w = l->w;
    size_t origin = origin_len(entry);
    const char *rest = entry + origin;
    uint32_t at;

    l->lookups -= 4;

    if (origin == 0 && *entry != '/') {
        return false; /* relative to wherever it is started */
    }
    /* what is behind $ORIGIN begins with a slash, and is no absolute path for it */
    rest += strspn(rest, "/");
    at = weft_tree_find(w->tree, origin ? dir : WEFT_TREE_ROOT, *rest ? rest : ".", true);
    return at && weft_tree_kind(w->tree, at) == WEFT_TREE_DIR &&
           fits(w, weft_tree_child(w->tree, at, name), i);
}

static bool in_list(struct links *l, uint32_t dir, uint32_t list, uint32_t name,
                    const struct weft_audit_info *i)
{
    static const char *const libs[] = {"lib", "lib64", "lib32"};
    weft_auto_free char *text = weft_xstrdup(list ? weft_audit_text(l->w, list) : "");
    weft_auto_buf entry = {0};

    for (char *s = text; s && *s;) {
        char *end = strchr(s, ':');

        if (end) {
            *end = '\0';
        }
        for (size_t k = 0; k < sizeof(libs) / sizeof(libs[0]); k++) {
            bool more = replace_lib(s, libs[k], &entry);

            if (in_entry(l, dir, entry.data, name, i)) {
                return true;
            }
            if (!more) {
                break;
            }
        }
        s = end ? end + 1 : NULL;
    }
    return false;
}

/* ---- libraries ---- */

static bool is_musl(const struct weft_audit_walk *w, const struct weft_audit_info *i)
{
    return i->interpreter &&
           weft_starts_with(weft_path_base(weft_audit_text(w, i->interpreter)), "ld-musl-");
}

/* What musl's loader is itself, whatever the file is called. */
static bool is_musl_itself(const char *name)
{
    static const char *const parts[] = {"libc.",  "libpthread.", "librt.",  "libm.",
                                        "libdl.", "libutil.",    "libxnet."};

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (weft_starts_with(name, parts[i])) {
            return true;
        }
    }
    return false;
}

static bool is_found(struct links *l, uint32_t node, const struct weft_audit_info *i, uint32_t name)
{
    const struct weft_audit_walk *w = l->w;
    const char *text = weft_audit_text(w, name);
    uint32_t dir = weft_tree_parent(w->tree, node);
    bool musl = is_musl(w, i);

    if (i->interpreter && strcmp(weft_path_base(weft_audit_text(w, i->interpreter)), text) == 0) {
        return true; /* it is the loader */
    }
    if (strchr(text, '/')) {
        size_t origin = origin_len(text);

        if (!origin && *text != '/') {
            return true; /* relative to wherever it is started: nobody knows */
        }
        text += origin;
        text += origin ? strspn(text, "/") : 0;
        return fits(w, weft_tree_find(w->tree, origin ? dir : WEFT_TREE_ROOT, text, true), i);
    }
    if ((musl && is_musl_itself(text)) || (!i->runpath && in_list(l, dir, i->rpath, name, i)) ||
        in_dirs(l, &l->search.given, name, i) || in_list(l, dir, i->runpath, name, i)) {
        return true;
    }
    return !i->no_default_dirs && in_dirs(l, musl ? &l->search.musl : &l->search.glibc, name, i);
}

/* A library has no loader of its own: the directories of the program that loads it count, and who
 * that is, is not known. So any place in the image will do for it. */
static enum where look(struct links *l, uint32_t node, const struct weft_audit_info *i,
                       uint32_t name)
{
    if (is_found(l, node, i, name)) {
        return FOUND;
    }
    if (name < l->n_anywhere && fits(l->w, l->anywhere[name], i)) {
        return i->interpreter ? ELSEWHERE : FOUND;
    }
    return NOWHERE;
}

static void report_libraries(struct links *l, uint32_t node, const char *path,
                             const struct weft_strv *names, enum where where)
{
    weft_auto_free char *list = NULL;
    bool one = names->n == 1;

    if (names->n == 0) {
        return;
    }
    list = weft_strv_some(names, NAMED);
    weft_audit_add(
        l->w, where == NOWHERE ? WEFT_AUDIT_LIBRARY : WEFT_AUDIT_SEARCH,
        weft_audit_rule_severity(where == NOWHERE ? WEFT_AUDIT_LIBRARY : WEFT_AUDIT_SEARCH),
        (int)weft_tree_layer(l->w->tree, node), path, weft_fmt("it is linked to %s", list),
        where == NOWHERE
            ? weft_fmt("%s in the image", one ? "that library" : "those libraries")
            : weft_fmt("%s where the loader looks", one ? "that library" : "those libraries"));
}

static void check_elf(struct links *l, uint32_t node, const struct weft_audit_info *i,
                      const char *path)
{
    struct weft_audit_walk *w = l->w;
    weft_auto_strv missing = {0};
    weft_auto_strv elsewhere = {0};
    const char *interpreter = weft_audit_text(w, i->interpreter);

    if (interpreter && *interpreter == '/') {
        uint32_t at = weft_tree_find(w->tree, WEFT_TREE_ROOT, interpreter, true);

        if (!at || weft_tree_kind(w->tree, at) != WEFT_TREE_FILE) {
            weft_audit_add(w, WEFT_AUDIT_INTERPRETER,
                           weft_audit_rule_severity(WEFT_AUDIT_INTERPRETER),
                           (int)weft_tree_layer(w->tree, node), path,
                           weft_fmt("its dynamic loader is %s", interpreter),
                           weft_xstrdup("that file in the image"));
        }
    }
    for (uint32_t k = 0; k < i->n_needed; k++) {
        uint32_t name = w->needed[i->needed + k];
        enum where where = look(l, node, i, name);

        if (where != FOUND) {
            weft_strv_add(where == NOWHERE ? &missing : &elsewhere, weft_audit_text(w, name));
        }
    }
    report_libraries(l, node, path, &missing, NOWHERE);
    report_libraries(l, node, path, &elsewhere, ELSEWHERE);
}

/* ---- scripts ---- */

/* What env is to start: the first word that is neither an option nor a variable. Caller frees;
 * NULL: none. */
static char *env_program(const char *argument)
{
    const char *s = argument;

    while (s && *s) {
        size_t len = strcspn(s, " \t");
        bool is_split = len == 2 && s[0] == '-' && s[1] == 'S';

        if (len > 2 && s[0] == '-' && s[1] == 'S') {
            s += 2; /* "-Spython3" */
            continue;
        }
        if (!is_split && *s != '-' && !memchr(s, '=', len)) {
            return weft_xstrndup(s, len);
        }
        s += len;
        s += strspn(s, " \t");
    }
    return NULL;
}

static bool is_program(const struct weft_audit_walk *w, uint32_t from, const char *path)
{
    uint32_t node = weft_tree_find(w->tree, from, path, true);

    return node && weft_tree_kind(w->tree, node) == WEFT_TREE_FILE;
}

static bool in_path(const struct weft_audit_walk *w, const char *program)
{
    weft_auto_strv dirs = {0};

    if (strchr(program, '/')) {
        return *program != '/' || is_program(w, WEFT_TREE_ROOT, program);
    }
    weft_split(w->opts.path ? w->opts.path : default_path, ':', &dirs);
    for (size_t i = 0; i < dirs.n; i++) {
        uint32_t dir = *dirs.v[i] == '/' ? weft_tree_find(w->tree, WEFT_TREE_ROOT, dirs.v[i], true)
                                         : 0;

        if (dir && is_program(w, dir, program)) {
            return true;
        }
    }
    return false;
}

/* Where packages keep what they use themselves: scripts there are mostly started as an argument of
 * their interpreter, or not at all. */
static bool is_internal(const char *path)
{
    static const char *const patterns[] = {"/usr/lib/*",       "/lib/*",
                                           "/usr/share/*",     "/usr/local/lib/*",
                                           "*/node_modules/*", "*/site-packages/*",
                                           "*/dist-packages/*"};

    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        if (weft_audit_path_matches(patterns[i], path)) {
            return true;
        }
    }
    return false;
}

static void check_script(struct links *l, uint32_t node, const struct weft_audit_info *i,
                         const char *path)
{
    struct weft_audit_walk *w = l->w;
    const char *interpreter = weft_audit_text(w, i->interpreter);
    weft_auto_free char *program = NULL;
    bool here = is_program(w, WEFT_TREE_ROOT, interpreter);

    if (here && strcmp(weft_path_base(interpreter), "env") == 0) {
        program = env_program(weft_audit_text(w, i->argument));
        here = !program || in_path(w, program);
    }
    if (!here) {
        weft_audit_add(w, WEFT_AUDIT_SCRIPT,
                       is_internal(path) ? WEFT_AUDIT_NOTICE
                                         : weft_audit_rule_severity(WEFT_AUDIT_SCRIPT),
                       (int)weft_tree_layer(w->tree, node), path,
                       weft_fmt("a script for %s%s%s", interpreter, program ? " " : "",
                                program ? program : ""),
                       weft_xstrdup(program ? "that program in $PATH" : "that file in the image"));
    }
}

/* ---- all ---- */

/* For each name one that has it, of all ELF files and links. Where several have it, that of the
 * platform counts. */
static void index_names(struct links *l)
{
    struct weft_audit_walk *w = l->w;

    l->n_anywhere = weft_intern_count(w->names) + 1;
    l->anywhere = weft_xcalloc(l->n_anywhere, sizeof(*l->anywhere));
    for (uint32_t n = WEFT_TREE_ROOT; n; n = weft_tree_next(w->tree, n)) {
        const struct weft_audit_info *i = info_of(w, n);
        uint32_t name = weft_tree_name(w->tree, n);

        if (weft_tree_kind(w->tree, n) == WEFT_TREE_LINK) {
            i = info_of(w, weft_tree_follow(w->tree, n));
        }
        if (name && i && i->kind == WEFT_AUDIT_IS_ELF && (!l->anywhere[name] || i->is_linked)) {
            l->anywhere[name] = n;
        }
    }
}

void weft_audit_links(struct weft_audit_walk *w)
{
    struct links l = {.w = w, .lookups = LOOKUPS_LIMIT};
    weft_auto_buf path = {0};

    weft_audit_search_init(&l.search, w);
    index_names(&l);
    for (size_t i = 0; i < w->n_infos; i++) {
        w->infos[i].is_seen = false;
    }
    for (uint32_t n = WEFT_TREE_ROOT; n && l.lookups > 0 && !weft_tree_is_full(w->tree);
         n = weft_tree_next(w->tree, n)) {
        const struct weft_audit_info *i = info_of(w, n);
        uint32_t number = i ? weft_tree_data(w->tree, n) : 0;

        if (number == 0 || w->infos[number].is_seen) {
            continue;
        }
        w->infos[number].is_seen = true;
        if (i->kind == WEFT_AUDIT_IS_ELF && i->is_linked) {
            weft_tree_path(w->tree, n, &path);
            check_elf(&l, n, i, path.data);
        } else if (i->kind == WEFT_AUDIT_IS_SCRIPT) {
            weft_tree_path(w->tree, n, &path);
            check_script(&l, n, i, path.data);
        }
    }
    if ((l.lookups <= 0 || weft_tree_is_full(w->tree)) && !w->is_stopped) {
        weft_audit_add(w, WEFT_AUDIT_LIMIT, WEFT_AUDIT_WARNING, -1, NULL,
                       weft_xstrdup("too many libraries and directories to look for all of them"),
                       NULL);
    }
    free(l.anywhere);
    weft_audit_search_finish(&l.search);
}
