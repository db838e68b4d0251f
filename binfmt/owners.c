/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "binfmt/owners.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    FILE_MAX = 65536
};

/* The lines of a file in binfmt-support's database. */
enum {
    LINE_PACKAGE,
    LINE_TYPE,
    LINE_OFFSET,
    LINE_MAGIC, /* or the extension */
    LINE_MASK,
    LINE_INTERPRETER,
    LINE_DETECTOR,
    LINE_CREDENTIALS,
    LINE_PRESERVE,
    LINE_FIX_BINARY,
    N_LINES
};

/* A file here hides those of the same name in the directories behind it. */
static const char *const binfmt_d[] = {
    "etc/binfmt.d",
    "run/binfmt.d",
    "usr/local/lib/binfmt.d",
    "usr/lib/binfmt.d",
};

const char *weft_owner_name(enum weft_owner_kind kind)
{
    static const char *const names[] = {
        [WEFT_OWNER_UNKNOWN] = "unknown",
        [WEFT_OWNER_SUPPORT] = "binfmt-support",
        [WEFT_OWNER_BINFMT_D] = "binfmt.d",
        [WEFT_OWNER_WEFT] = "weft",
    };

    return names[kind];
}

char *weft_owner_our_name(const struct weft_machine *m)
{
    return weft_fmt("weft-%s", m->qemu);
}

static bool is_our_name(const char *name)
{
    size_t n;
    const struct weft_machine *const *machines = weft_catalogue_machines(&n);

    for (size_t i = 0; weft_starts_with(name, "weft-") && i < n; i++) {
        if (strcmp(name + strlen("weft-"), machines[i]->qemu) == 0) {
            return true;
        }
    }
    return false;
}

int weft_owner_parse_support(const char *name, const char *text, struct weft_existing *e,
                             char **package, struct weft_err **err)
{
    weft_auto_strv l = {0};
    struct weft_existing r = {.enabled = true};
    bool magic, fits;
    int len = 0, mask_len = 0;

    weft_split(text, '\n', &l);
    while (l.n < N_LINES) { /* older versions knew fewer */
        weft_strv_add(&l, "");
    }
    magic = strcmp(l.v[LINE_TYPE], "magic") == 0;
    fits = (magic || strcmp(l.v[LINE_TYPE], "extension") == 0) && *l.v[LINE_MAGIC] &&
           *l.v[LINE_INTERPRETER];
    if (fits && magic) {
        long offset = 0;

        len = weft_existing_parse_bytes(l.v[LINE_MAGIC], r.magic);
        mask_len = weft_existing_parse_bytes(l.v[LINE_MASK], r.mask);
        fits = (!*l.v[LINE_OFFSET] || weft_parse_long(l.v[LINE_OFFSET], 0, WEFT_HANDLER_MAGIC_MAX,
                                                      "offset", &offset, NULL) == 0) &&
               len > 0 && offset + len <= WEFT_HANDLER_MAGIC_MAX &&
               (mask_len == 0 || mask_len == len);
        r.offset = (size_t)offset;
    }
    if (!fits) {
        weft_auto_free char *shown = weft_printable(name);

        return weft_fail(err, WEFT_E_FORMAT, "binfmt-support's %s is not in the form of its files",
                         shown);
    }
    if (magic) {
        r.magic_len = (size_t)len;
        if (mask_len == 0) {
            memset(r.mask, 0xff, r.magic_len);
        }
    } else {
        r.extension = weft_xstrdup(l.v[LINE_MAGIC]);
    }
    snprintf(r.flags, sizeof(r.flags), "%s%s%s", strcmp(l.v[LINE_PRESERVE], "yes") == 0 ? "P" : "",
             strcmp(l.v[LINE_CREDENTIALS], "yes") == 0 ? "OC" : "",
             strcmp(l.v[LINE_FIX_BINARY], "yes") == 0 ? "F" : "");
    r.name = weft_xstrdup(name);
    /* with a detector, a program of binfmt-support's own chooses the interpreter */
    r.interpreter = weft_xstrdup(*l.v[LINE_DETECTOR] ? "/usr/lib/binfmt-support/run-detectors"
                                                     : l.v[LINE_INTERPRETER]);
    *e = r;
    *package = strcmp(l.v[LINE_PACKAGE], ":") == 0 ? NULL : weft_xstrdup(l.v[LINE_PACKAGE]);
    return 0;
}

static char *support_path(const char *root, const char *name)
{
    weft_auto_free char *dir = weft_path_join(root, "var/lib/binfmts");

    return weft_path_join(dir, name);
}

int weft_owner_read_support(const char *root, const char *name, struct weft_existing *e,
                            char **package)
{
    weft_auto_free char *path = support_path(root, name);
    weft_auto_free char *text = NULL;

    return !strchr(name, '/') && weft_read_file(path, FILE_MAX, &text, NULL, NULL) == 0 &&
           weft_owner_parse_support(name, text, e, package, NULL) == 0;
}

static bool owned_by_support(const char *root, const struct weft_existing *e,
                             struct weft_owner *out)
{
    weft_auto_free char *package = NULL;
    struct weft_existing said = {0};
    bool same;

    if (!weft_owner_read_support(root, e->name, &said, &package)) {
        return false;
    }
    /* where formats share a magic, run-detectors stands for the interpreter of each of them */
    same = weft_existing_same(e, &said) ||
           (e->interpreter && strcmp(e->interpreter, "/usr/lib/binfmt-support/run-detectors") == 0);
    weft_existing_entry_finish(&said);
    if (same) {
        out->kind = WEFT_OWNER_SUPPORT;
        out->file = support_path(root, e->name);
        out->package = weft_steal(&package);
        out->ours = is_our_name(e->name) && weft_str_eq(out->package, "weft");
    }
    return same;
}

/* Whether a file of binfmt.d has the line that registers e. */
static bool says(const char *path, const struct weft_existing *e)
{
    weft_auto_free char *text = NULL;
    weft_auto_strv lines = {0};
    bool found = false;

    if (weft_read_file(path, FILE_MAX, &text, NULL, NULL) < 0) {
        return false;
    }
    weft_split(text, '\n', &lines);
    for (size_t i = 0; i < lines.n && !found; i++) {
        struct weft_existing said = {0};
        const char *line = lines.v[i] + strspn(lines.v[i], " \t");

        if (!*line || strchr("#;", *line) || weft_existing_parse_line(line, &said, NULL) < 0) {
            continue;
        }
        found = strcmp(said.name, e->name) == 0 && weft_existing_same(&said, e);
        weft_existing_entry_finish(&said);
    }
    return found;
}

static bool owned_by_binfmt_d(const char *root, const struct weft_existing *e,
                              struct weft_owner *out)
{
    weft_auto_strv seen = {0};

    for (size_t i = 0; i < sizeof(binfmt_d) / sizeof(binfmt_d[0]); i++) {
        weft_auto_free char *path = weft_path_join(root, binfmt_d[i]);
        weft_auto_dir dir = opendir(path);
        const struct dirent *d;

        while (dir && (d = readdir(dir))) {
            weft_auto_free char *file = weft_path_join(path, d->d_name);

            if (!weft_ends_with(d->d_name, ".conf") || weft_strv_has(&seen, d->d_name)) {
                continue;
            }
            weft_strv_add(&seen, d->d_name);
            if (says(file, e)) {
                out->kind = WEFT_OWNER_BINFMT_D;
                out->file = weft_steal(&file);
                out->ours = is_our_name(e->name);
                return true;
            }
        }
    }
    return false;
}

void weft_owner_find(const char *root, const struct weft_existing *e, struct weft_owner *out)
{
    if (e->unclear || owned_by_support(root, e, out) || owned_by_binfmt_d(root, e, out)) {
        return;
    }
    if (is_our_name(e->name)) {
        out->kind = WEFT_OWNER_WEFT;
        out->ours = true;
    }
}

void weft_owner_finish(struct weft_owner *o)
{
    free(o->package);
    free(o->file);
    *o = (struct weft_owner){0};
}
