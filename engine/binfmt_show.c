/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/binfmt_show.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "binfmt/held.h"
#include "binfmt/owners.h"
#include "binfmt/probe.h"

/* Where paths begin. */
#define ROOT "/"

/* One line of the table. */
struct row {
    const struct weft_existing *e; /* NULL: nothing is known but what runs */
    struct weft_strv platforms;
    struct weft_held held;
    struct weft_owner owner;
};

struct rows {
    struct row *v;
    size_t n;
};

static void rows_finish(struct rows *r)
{
    for (size_t i = 0; i < r->n; i++) {
        weft_strv_finish(&r->v[i].platforms);
        weft_held_finish(&r->v[i].held);
        weft_owner_finish(&r->v[i].owner);
    }
    free(r->v);
    *r = (struct rows){0};
}

static struct row *rows_add(struct rows *r)
{
    r->v = weft_xrealloc(r->v, r->n + 1, sizeof(*r->v));
    r->v[r->n] = (struct row){0};
    return &r->v[r->n++];
}

static void add_platforms(const struct weft_machine *m, struct weft_strv *out)
{
    size_t n;
    const struct weft_platform_info *all = weft_catalogue(&n);

    for (size_t i = 0; i < n; i++) {
        char text[WEFT_PLATFORM_SIZE];

        if (all[i].machine == m) {
            weft_strv_add(out, weft_platform_format(&all[i].platform, text));
        }
    }
}

static void collect_seen(const struct weft_binfmt_registry *r, struct rows *rows)
{
    size_t n;
    const struct weft_machine *const *machines = weft_catalogue_machines(&n);

    for (size_t i = 0; i < r->table.n; i++) {
        struct row *row = rows_add(rows);

        row->e = &r->table.v[i];
        for (size_t j = 0; j < n; j++) {
            if (weft_existing_takes(row->e, machines[j])) {
                add_platforms(machines[j], &row->platforms);
            }
        }
        weft_held_find(&r->table, row->e, &row->held);
        weft_owner_find(ROOT, row->e, &row->owner);
    }
}

/* The table is out of sight, but not what it does. */
static void collect_unseen(struct rows *rows)
{
    size_t n;
    const struct weft_machine *const *machines = weft_catalogue_machines(&n);

    for (size_t i = 0; i < n; i++) {
        struct weft_held held = {0};
        struct row *row;

        weft_held_find_unseen(machines[i], &held);
        if (held.state == WEFT_HELD_UNKNOWN) {
            weft_held_finish(&held);
            continue;
        }
        row = rows_add(rows);
        row->held = held;
        add_platforms(machines[i], &row->platforms);
    }
}

static char *hex(const unsigned char *bytes, size_t n)
{
    weft_auto_buf b = {0};

    for (size_t i = 0; i < n; i++) {
        weft_buf_printf(&b, "%02x", bytes[i]);
    }
    return weft_buf_steal(&b);
}

static void set_entry(struct weft_json *j, const struct weft_existing *e)
{
    weft_json_set_str(j, "name", e->name);
    weft_json_set_bool(j, "enabled", e->enabled);
    weft_json_set_str(j, "unclear", e->unclear);
    weft_json_set_str(j, "interpreter", e->interpreter);
    if (e->unclear) {
        return;
    }
    weft_json_set_str(j, "flags", e->flags);
    weft_json_set_str(j, "extension", e->extension);
    if (!e->extension) {
        weft_auto_free char *magic = hex(e->magic, e->magic_len);
        weft_auto_free char *mask = hex(e->mask, e->magic_len);

        weft_json_set_int(j, "offset", (int64_t)e->offset);
        weft_json_set_str(j, "magic", magic);
        weft_json_set_str(j, "mask", mask);
    }
}

static struct weft_json *row_json(const struct row *row)
{
    struct weft_json *j = weft_json_object();
    struct weft_json *platforms = weft_json_array();
    struct weft_json *file = weft_json_object();

    if (row->e) {
        set_entry(j, row->e);
    } else {
        weft_json_set_str(j, "interpreter", row->held.interpreter);
    }
    for (size_t i = 0; i < row->platforms.n; i++) {
        weft_json_append(platforms, weft_json_string(row->platforms.v[i]));
    }
    weft_json_set(j, "platforms", platforms);
    weft_json_set_str(j, "version", row->held.version);
    weft_json_set_str(file, "state", weft_held_name(row->held.state));
    weft_json_set_str(file, "path", row->held.path);
    weft_json_set_str(file, "why", row->held.why);
    weft_json_set(j, "file", file);
    if (row->e) {
        struct weft_json *owner = weft_json_object();

        weft_json_set_str(owner, "kind", weft_owner_name(row->owner.kind));
        weft_json_set_str(owner, "package", row->owner.package);
        weft_json_set_str(owner, "file", row->owner.file);
        weft_json_set_bool(owner, "weft", row->owner.ours);
        weft_json_set(j, "owner", owner);
    }
    return j;
}

static void list_json(const struct weft_binfmt_registry *r, const struct rows *rows, FILE *out)
{
    weft_auto_json root = weft_json_object();
    struct weft_json *table = weft_json_object();
    struct weft_json *handlers = weft_json_array();
    weft_auto_free char *text = NULL;

    weft_json_set_str(table, "path", WEFT_REGISTRY_DIR);
    weft_json_set_str(table, "view", weft_binfmt_registry_view_name(r->view));
    weft_json_set_str(table, "why", r->why);
    if (r->view != WEFT_REGISTRY_HIDDEN) {
        weft_json_set_bool(table, "enabled", r->table.enabled);
    }
    for (size_t i = 0; i < rows->n; i++) {
        weft_json_append(handlers, row_json(&rows->v[i]));
    }
    weft_json_set_int(root, "schema", 1);
    weft_json_set(root, "table", table);
    weft_json_set(root, "handlers", handlers);
    text = weft_json_dump(root, 2);
    fprintf(out, "%s\n", text);
}

enum {
    SHOWN_MAX = 4
};

/* "linux/arm/v7,v6,v5", "linux/arm64,v8.1,...,v9.5"; of an entry without platforms what it goes by.
 */
static char *platforms_text(const struct row *row)
{
    weft_auto_buf b = {0};
    const struct weft_strv *p = &row->platforms;

    for (size_t i = 0; i < p->n; i++) {
        const char *variant = strrchr(p->v[i], '/');
        size_t stem = strcspn(p->v[i] + strlen("linux/"), "/") + strlen("linux/");
        bool same = i > 0 && strncmp(p->v[i - 1], p->v[i], stem) == 0 && p->v[i][stem] == '/';

        if (p->n > SHOWN_MAX && i == SHOWN_MAX / 2) {
            weft_buf_puts(&b, ",...");
            i = p->n - 2;
            continue;
        }
        weft_buf_printf(&b, "%s%s", i ? "," : "", same ? variant + 1 : p->v[i]);
    }
    if (p->n == 0 && row->e && row->e->extension) {
        weft_auto_free char *shown = weft_printable(row->e->extension);

        weft_buf_printf(&b, "*.%s", shown);
    } else if (p->n == 0) {
        weft_buf_puts(&b, "-");
    }
    return weft_buf_steal(&b);
}

static char *owner_text(const struct weft_owner *o)
{
    return o->package ? weft_fmt("%s (%s)", weft_owner_name(o->kind), o->package)
                      : weft_xstrdup(weft_owner_name(o->kind));
}

/* What does not show in the columns, or NULL. Caller frees. */
static char *note_on(const struct row *row)
{
    const struct weft_held *h = &row->held;
    weft_auto_free char *path = weft_printable(h->path ? h->path : "");

    switch (h->state) {
    case WEFT_HELD_REPLACED:
        return weft_fmt("the interpreter was replaced after it was registered; the old file still "
                        "runs%s",
                        row->owner.ours ? "; to have the new one: weft binfmt install" : "");
    case WEFT_HELD_DELETED:
        return weft_fmt("the interpreter was deleted after it was registered; it still runs: %s",
                        path);
    case WEFT_HELD_ELSEWHERE:
        return weft_fmt("the interpreter lies in another file system, there it is %s", path);
    case WEFT_HELD_MISSING:
        return weft_fmt("the interpreter is not there, and flag F is not set: %s", h->why);
    case WEFT_HELD_UNKNOWN:
        return weft_printable(h->why);
    case WEFT_HELD_CURRENT:
    case WEFT_HELD_BY_PATH:
        break;
    }
    return row->platforms.n > 0 && row->e && h->state == WEFT_HELD_BY_PATH
               ? weft_xstrdup("without flag F it does not work in containers")
               : NULL;
}

enum {
    N_COLUMNS = 7
};

/* Columns as wide as what is in them; the last is not filled up. */
static void print_columns(struct weft_strv *lines, struct weft_strv *notes, FILE *out)
{
    int width[N_COLUMNS] = {0};
    size_t n = lines->n / N_COLUMNS;

    for (size_t i = 0; i < lines->n; i++) {
        int len = (int)strlen(lines->v[i]);

        width[i % N_COLUMNS] = len > width[i % N_COLUMNS] ? len : width[i % N_COLUMNS];
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t c = 0; c < N_COLUMNS; c++) {
            fprintf(out, "%-*s%s", c + 1 < N_COLUMNS ? width[c] : 0, lines->v[i * N_COLUMNS + c],
                    c + 1 < N_COLUMNS ? "  " : "\n");
        }
        if (*notes->v[i]) {
            fprintf(out, "  ^ %s\n", notes->v[i]);
        }
    }
}

static void add_row(const struct row *row, struct weft_strv *cells, struct weft_strv *notes)
{
    const struct weft_existing *e = row->e;
    const char *interpreter = e ? e->interpreter : row->held.interpreter;
    char *note = note_on(row);

    weft_strv_take(cells, weft_printable(e ? e->name : "?"));
    weft_strv_add(cells, !e || e->enabled ? "on" : "off");
    weft_strv_take(cells, platforms_text(row));
    weft_strv_add(cells, row->held.version ? row->held.version : "-");
    weft_strv_add(cells, !e ? "?" : (*e->flags ? e->flags : "-"));
    weft_strv_take(cells, e ? owner_text(&row->owner) : weft_xstrdup("?"));
    weft_strv_take(cells, weft_printable(interpreter ? interpreter : "-"));
    weft_strv_take(notes, note ? note : weft_xstrdup(""));
}

static void list_text(const struct weft_binfmt_registry *r, const struct rows *rows, FILE *out)
{
    static const char *const heads[N_COLUMNS] = {"NAME",  "STATUS", "PLATFORMS",  "QEMU",
                                                 "FLAGS", "OWNER",  "INTERPRETER"};
    weft_auto_strv cells = {0};
    weft_auto_strv notes = {0};

    switch (r->view) {
    case WEFT_REGISTRY_MOUNTED:
        fprintf(out, "%s is mounted%s\n", WEFT_REGISTRY_DIR,
                r->table.enabled ? "" : ", and switched off: no handler takes anything");
        break;
    case WEFT_REGISTRY_PRIVATE:
        fprintf(out,
                "%s is not mounted; it was looked at through a mount of weft's own, which is "
                "gone%s\n",
                WEFT_REGISTRY_DIR, r->table.enabled ? "" : "; it is switched off");
        break;
    case WEFT_REGISTRY_HIDDEN:
        fprintf(out,
                "%s is not mounted, and the handlers are out of sight: %s\n"
                "%s\n",
                WEFT_REGISTRY_DIR, r->why,
                rows->n > 0 ? "Found by running a program of each platform:"
                            : "No program of another platform runs here.");
        break;
    }
    if (rows->n == 0) {
        if (r->view != WEFT_REGISTRY_HIDDEN) {
            fprintf(out, "no handlers; weft build needs none\n");
        }
        return;
    }
    for (size_t c = 0; c < N_COLUMNS; c++) {
        weft_strv_add(&cells, heads[c]);
    }
    weft_strv_add(&notes, "");
    for (size_t i = 0; i < rows->n; i++) {
        add_row(&rows->v[i], &cells, &notes);
    }
    print_columns(&cells, &notes, out);
}

void weft_binfmt_list(const struct weft_binfmt_registry *r, bool json, FILE *out)
{
    struct rows rows = {0};

    if (r->view == WEFT_REGISTRY_HIDDEN) {
        collect_unseen(&rows);
    } else {
        collect_seen(r, &rows);
    }
    if (json) {
        list_json(r, &rows, out);
    } else {
        list_text(r, &rows, out);
    }
    rows_finish(&rows);
}

const struct weft_machine *weft_binfmt_machine(const char *word, struct weft_err **err)
{
    const struct weft_platform_info *info;
    char text[WEFT_PLATFORM_SIZE];
    struct weft_platform p;

    if (weft_platform_parse(word, &p, err) < 0) {
        return NULL;
    }
    info = weft_catalogue_find(&p);
    if (!info || !info->machine) {
        weft_fail(err, WEFT_E_USAGE, "there are no handlers for %s: nothing here runs its programs",
                  weft_platform_format(&p, text));
        return NULL;
    }
    return info->machine;
}

enum result {
    RESULT_OK,
    RESULT_FAILS,
    RESULT_SKIPPED
};

/* What a check prints. */
struct report {
    FILE *out;
    struct weft_json *checks; /* NULL: as text */
    bool failed;
};

static void report(struct report *rep, enum result result, const char *name,
                   const struct weft_machine *m, const char *why)
{
    static const char *const names[] = {
        [RESULT_OK] = "ok",
        [RESULT_FAILS] = "fails",
        [RESULT_SKIPPED] = "skipped",
    };
    char platform[WEFT_PLATFORM_SIZE] = "-";

    if (m) {
        weft_platform_format(&weft_catalogue_default_of(m)->platform, platform);
    }
    rep->failed |= result == RESULT_FAILS;
    if (rep->checks) {
        struct weft_json *j = weft_json_object();

        weft_json_set_str(j, "name", name);
        weft_json_set_str(j, "platform", m ? platform : NULL);
        weft_json_set_str(j, "result", names[result]);
        weft_json_set_str(j, "why", why);
        weft_json_append(rep->checks, j);
    } else {
        weft_auto_free char *shown = weft_printable(name ? name : "-");
        weft_auto_free char *reason = weft_printable(why ? why : "");

        fprintf(rep->out, "%-7s  %-14s  %s%s%s\n", names[result], platform, shown,
                *reason ? ": " : "", reason);
        fflush(rep->out);
    }
}

/* `named`: the user has asked for just this one. */
static void check_entry(const struct weft_binfmt_registry *r, const struct weft_existing *e,
                        bool named, struct report *rep)
{
    size_t n, found = 0;
    const struct weft_machine *const *machines = weft_catalogue_machines(&n);

    if (!named && !e->enabled) {
        report(rep, RESULT_SKIPPED, e->name, NULL, "it is switched off");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        weft_auto_free char *why = NULL;
        int ok;

        if (!weft_existing_takes(e, machines[i])) {
            continue;
        }
        found++;
        ok = weft_held_try(&r->table, e, machines[i], &why);
        if (ok && !why && !strchr(e->flags, 'F')) {
            why = weft_xstrdup("but not in containers: it has no flag F");
        }
        report(rep, ok ? RESULT_OK : RESULT_FAILS, e->name, machines[i], why);
    }
    if (found == 0) {
        report(rep, RESULT_SKIPPED, e->name, NULL,
               e->unclear ? e->unclear : "it is for no platform; there is no program to run");
    }
}

static void check_machine(const struct weft_binfmt_registry *r, const struct weft_machine *m,
                          struct report *rep)
{
    size_t found = 0;
    weft_auto_free char *why = NULL;

    for (size_t i = 0; i < r->table.n; i++) {
        if (r->table.v[i].enabled && weft_existing_takes(&r->table.v[i], m)) {
            check_entry(r, &r->table.v[i], true, rep);
            found++;
        }
    }
    if (found > 0) {
        return;
    }
    if (weft_probe_native(m)) {
        report(rep, RESULT_OK, NULL, m, "it is native and needs no handler");
    } else if (r->view != WEFT_REGISTRY_HIDDEN) {
        report(rep, RESULT_FAILS, NULL, m, "no handler takes its programs");
    } else {
        int ok = weft_held_try_any(m, &why);

        report(rep, ok ? RESULT_OK : RESULT_FAILS, NULL, m, why);
    }
}

static int check_wanted(const struct weft_binfmt_registry *r, const struct weft_strv *wanted,
                        struct report *rep, struct weft_err **err)
{
    for (size_t i = 0; i < wanted->n; i++) {
        const struct weft_existing *e = weft_existing_named(&r->table, wanted->v[i]);
        const struct weft_machine *m = NULL;

        if (e) {
            check_entry(r, e, true, rep);
            continue;
        }
        m = weft_binfmt_machine(wanted->v[i], err);
        if (!m) {
            weft_err_hint(err, "weft binfmt list");
            return weft_err_wrap(err, "no handler has this name");
        }
        check_machine(r, m, rep);
    }
    return 0;
}

static void check_all(const struct weft_binfmt_registry *r, struct report *rep)
{
    size_t n;
    const struct weft_machine *const *machines = weft_catalogue_machines(&n);

    for (size_t i = 0; i < r->table.n; i++) {
        check_entry(r, &r->table.v[i], false, rep);
    }
    for (size_t i = 0; r->view == WEFT_REGISTRY_HIDDEN && i < n; i++) {
        struct weft_held held = {0};

        weft_held_find_unseen(machines[i], &held);
        if (held.state != WEFT_HELD_UNKNOWN) {
            check_machine(r, machines[i], rep);
        }
        weft_held_finish(&held);
    }
}

int weft_binfmt_check(const struct weft_binfmt_registry *r, const struct weft_strv *wanted,
                      bool json, FILE *out, struct weft_err **err)
{
    struct weft_json *checks = json ? weft_json_array() : NULL;
    struct report rep = {.out = out, .checks = checks};
    int result = 0;

    if (wanted->n > 0) {
        result = check_wanted(r, wanted, &rep, err);
    } else {
        check_all(r, &rep);
    }
    if (json) {
        weft_auto_json root = weft_json_object();
        weft_auto_free char *text = NULL;

        weft_json_set_int(root, "schema", 1);
        weft_json_set_bool(root, "ok", !rep.failed && result == 0);
        weft_json_set(root, "checks", checks);
        text = weft_json_dump(root, 2);
        if (result == 0) {
            fprintf(out, "%s\n", text);
        }
    }
    return result < 0 || !rep.failed ? result : weft_fail(err, WEFT_E_BUILD, "%s", "");
}
