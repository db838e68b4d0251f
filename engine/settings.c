/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/settings.h"

#include <errno.h>
#include <libfyaml.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "engine/request_parts.h"
#include "engine/settings_reader.h"
#include "engine/worker_disk.h"

enum {
    WORD_MAX = 4096 /* no path is longer */
};

int weft_reader_here(const struct weft_reader *r)
{
    return weft_err_wrap(r->err, "%s:%d:%d", r->name, r->line, r->column);
}

/* What the library found wrong. */
static int syntax_error(const struct weft_reader *r)
{
    const struct fy_diag_error *e;
    void *iter = NULL;

    while ((e = fy_diag_errors_iterate(r->diag, &iter)) != NULL) {
        weft_auto_free char *shown = weft_printable(e->msg ? e->msg : "");

        if (e->type != FYET_ERROR) {
            continue;
        }
        weft_fail(r->err, WEFT_E_USAGE, "not YAML: %s", shown);
        return weft_err_wrap(r->err, "%s:%d:%d", r->name, e->line, e->column);
    }
    weft_fail(r->err, WEFT_E_USAGE, "not YAML");
    return weft_reader_here(r);
}

/* What a value may carry besides itself. */
static int check_plain(const struct weft_reader *r)
{
    const struct fy_event *e = r->event;
    const struct fy_token *anchor = NULL;
    const struct fy_token *tag = NULL;

    if (e->type == FYET_ALIAS) {
        weft_fail(r->err, WEFT_E_USAGE, "an alias (*), and weft knows none: write out the value");
        return weft_reader_here(r);
    }
    if (e->type == FYET_SCALAR) {
        anchor = e->scalar.anchor;
        tag = e->scalar.tag;
    } else if (e->type == FYET_MAPPING_START) {
        anchor = e->mapping_start.anchor;
        tag = e->mapping_start.tag;
    } else if (e->type == FYET_SEQUENCE_START) {
        anchor = e->sequence_start.anchor;
        tag = e->sequence_start.tag;
    }
    if (anchor || tag) {
        weft_fail(r->err, WEFT_E_USAGE, "%s, and weft knows none: leave it out",
                  anchor ? "an anchor (&)" : "a tag (!)");
        return weft_reader_here(r);
    }
    return 0;
}

/* A value that is not there: "cpu:" and no more. */
static bool is_absent(const struct fy_event *e)
{
    size_t len = 0;

    return e->type == FYET_SCALAR && (!fy_token_get_text(e->scalar.value, &len) || len == 0);
}

/* Go on to the next event. What is not there has the place of its key: libfyaml 0.7 and 0.9 differ
 * in what they call its own. */
int weft_reader_next(struct weft_reader *r)
{
    const struct fy_mark *mark;

    if (r->event) {
        fy_parser_event_free(r->parser, r->event);
    }
    r->event = fy_parser_parse(r->parser);
    if (!r->event || fy_parser_get_stream_error(r->parser)) {
        return syntax_error(r);
    }
    mark = fy_event_start_mark(r->event);
    if (mark && !is_absent(r->event)) {
        r->line = mark->line + 1;
        r->column = mark->column + 1;
    }
    return check_plain(r);
}

static bool is(const struct weft_reader *r, enum fy_event_type type)
{
    return r->event->type == type;
}

bool weft_reader_is_map(const struct weft_reader *r)
{
    return is(r, FYET_MAPPING_START);
}

char *weft_reader_text(const struct weft_reader *r, const char *what)
{
    const char *text = NULL;
    size_t len = 0;

    if (is(r, FYET_SCALAR)) {
        text = fy_token_get_text(r->event->scalar.value, &len);
    }
    if (!text || len == 0) {
        weft_fail(r->err, WEFT_E_USAGE, "%s %s", what,
                  is(r, FYET_MAPPING_START)    ? "is a word, not a map"
                  : is(r, FYET_SEQUENCE_START) ? "is a word, not a list"
                                               : "has no value");
        weft_reader_here(r);
        return NULL;
    }
    if (len > WORD_MAX || memchr(text, '\0', len)) {
        weft_fail(r->err, WEFT_E_USAGE, "%s %s", what,
                  len > WORD_MAX ? "is too long" : "holds a NUL character");
        weft_reader_here(r);
        return NULL;
    }
    return weft_xstrndup(text, len);
}

int weft_reader_map(struct weft_reader *r, const char *what, weft_reader_member_fn *fn)
{
    weft_auto_strv seen = {0};

    for (;;) {
        weft_auto_free char *key = NULL;

        if (weft_reader_next(r) < 0) {
            return -1;
        }
        if (is(r, FYET_MAPPING_END)) {
            return 0;
        }
        key = weft_reader_text(r, what);
        if (!key) {
            return -1;
        }
        if (weft_strv_has(&seen, key)) {
            weft_auto_free char *shown = weft_printable(key);

            weft_fail(r->err, WEFT_E_USAGE, "\"%s\" is there twice", shown);
            return weft_reader_here(r);
        }
        weft_strv_add(&seen, key);
        if (fn(r, key) < 0) {
            return -1;
        }
    }
}

int weft_reader_list(struct weft_reader *r, const char *what, const char *of,
                     weft_reader_item_fn *fn)
{
    if (!is(r, FYET_SEQUENCE_START)) {
        weft_fail(r->err, WEFT_E_USAGE, "%s is a list of %s", what, of);
        return weft_reader_here(r);
    }
    for (;;) {
        if (weft_reader_next(r) < 0) {
            return -1;
        }
        if (is(r, FYET_SEQUENCE_END)) {
            return 0;
        }
        if (fn(r) < 0) {
            return -1;
        }
    }
}

/* ---- cpu ---- */

static int read_cpu_of(struct weft_reader *r, const char *key)
{
    struct weft_platform platform;
    weft_auto_free char *value = NULL;
    weft_auto_free char *choice = NULL;

    if (strchr(key, '=')) { /* in a map in braces, a comma ends the value */
        weft_auto_free char *shown = weft_printable(key);

        weft_fail(r->err, WEFT_E_USAGE, "\"%s\" is not a platform", shown);
        weft_err_hint(r->err, "a model with a comma in it is quoted: \"cortex-a53,aes=off\"");
        return weft_reader_here(r);
    }
    if (weft_platform_parse(key, &platform, r->err) < 0) {
        return weft_reader_here(r);
    }
    for (size_t i = 0; i < r->out->cpu.n; i++) {
        if (weft_platform_eq(&r->out->cpu.v[i].platform, &platform)) {
            weft_fail(r->err, WEFT_E_USAGE, "\"%s\" is there twice, under another name", key);
            return weft_reader_here(r);
        }
    }
    if (weft_reader_next(r) < 0) {
        return -1;
    }
    value = weft_reader_text(r, "the CPU of a platform");
    if (!value) {
        return -1;
    }
    choice = weft_fmt("%s=%s", key, value);
    return weft_cpu_choices_add(&r->out->cpu, choice, r->err) < 0 ? weft_reader_here(r) : 0;
}

static int read_cpu(struct weft_reader *r)
{
    weft_auto_free char *policy = NULL;

    if (weft_reader_next(r) < 0) {
        return -1;
    }
    if (is(r, FYET_MAPPING_START)) {
        return weft_reader_map(r, "a platform", read_cpu_of);
    }
    policy = weft_reader_text(r, "cpu");
    if (!policy) {
        return -1;
    }
    if (strchr(policy, '=')) {
        weft_auto_free char *shown = weft_printable(policy);

        weft_fail(r->err, WEFT_E_USAGE, "\"%s\" is no policy; platforms are written as a map",
                  shown);
        weft_err_hint(r->err, "cpu: {PLATFORM: MODEL}");
        return weft_reader_here(r);
    }
    return weft_cpu_choices_add(&r->out->cpu, policy, r->err) < 0 ? weft_reader_here(r) : 0;
}

/* ---- qemu ---- */

/* "7.2", "10.0.13" */
static bool is_version(const char *s)
{
    for (;;) {
        size_t n = strspn(s, "0123456789");

        if (n == 0 || n > 9) {
            return false;
        }
        s += n;
        if (*s == '\0') {
            return true;
        }
        if (*s++ != '.') {
            return false;
        }
    }
}

char *weft_reader_path(const char *text, const char *dir, struct weft_err **err)
{
    weft_auto_free char *joined = NULL;

    if (text[0] == '~') {
        weft_auto_free char *shown = weft_printable(text);

        weft_fail(err, WEFT_E_USAGE, "\"%s\": a ~ is not expanded here", shown);
        weft_err_hint(err, "write the whole path");
        return NULL;
    }
    joined = text[0] == '/' || !dir ? weft_xstrdup(text) : weft_path_join(dir, text);
    return weft_path_abs(joined, err);
}

/* A directory that is there, as an absolute path. */
static char *get_dir(const char *text, const char *dir, struct weft_err **err)
{
    weft_auto_free char *abs = weft_reader_path(text, dir, err);
    weft_auto_free char *shown = NULL;

    if (!abs) {
        return NULL;
    }
    shown = weft_printable(abs);
    if (!weft_is_dir(abs)) {
        weft_fail(err, WEFT_E_USAGE, "%s %s", weft_exists(abs) ? "not a directory:" : "there is no",
                  shown);
        return NULL;
    }
    if (access(abs, X_OK) < 0) {
        weft_fail(err, WEFT_E_USAGE, "%s: %s", shown, strerror(errno));
        return NULL;
    }
    return weft_steal(&abs);
}

char *weft_settings_qemu(const char *text, const char *dir, struct weft_err **err)
{
    char *found;

    if (is_version(text)) {
        return weft_xstrdup(text);
    }
    found = *text ? get_dir(text, dir, err) : NULL;
    if (!found && !*text) {
        weft_fail(err, WEFT_E_USAGE, "neither a version nor a directory");
    }
    if (!found) {
        weft_err_hint(err, "a version is digits and dots, such as 7.2 or 10.0.13");
    }
    return found;
}

static int read_qemu_use(struct weft_reader *r)
{
    weft_auto_free char *text = weft_reader_text(r, "the QEMU to use");

    if (!text) {
        return -1;
    }
    r->out->qemu = weft_settings_qemu(text, r->dir, r->err);
    return r->out->qemu ? 0 : weft_reader_here(r);
}

static int read_qemu_dir(struct weft_reader *r)
{
    weft_auto_free char *text = weft_reader_text(r, "a directory");
    char *dir = text ? get_dir(text, r->dir, r->err) : NULL;

    if (!dir) {
        return text ? weft_reader_here(r) : -1;
    }
    weft_strv_take(&r->out->qemu_dirs, dir);
    return 0;
}

static int read_qemu_key(struct weft_reader *r, const char *key)
{
    static const char *const known[] = {"use", "dirs"};

    if (strcmp(key, "use") == 0) {
        return weft_reader_next(r) < 0 ? -1 : read_qemu_use(r);
    }
    if (strcmp(key, "dirs") == 0) {
        return weft_reader_next(r) < 0 ? -1
                                       : weft_reader_list(r, "dirs", "directories", read_qemu_dir);
    }
    weft_request_unknown_key(key, "keys of qemu", known, 2, r->err);
    return weft_reader_here(r);
}

static int read_qemu(struct weft_reader *r)
{
    if (weft_reader_next(r) < 0) {
        return -1;
    }
    return is(r, FYET_MAPPING_START) ? weft_reader_map(r, "a key", read_qemu_key)
                                     : read_qemu_use(r);
}

/* ---- disk ---- */

static int read_disk(struct weft_reader *r)
{
    weft_auto_free char *text = weft_reader_next(r) < 0 ? NULL : weft_reader_text(r, "disk");

    if (!text) {
        return -1;
    }
    return weft_worker_disk_parse("disk", text, &r->out->disk_bytes, r->err) < 0
               ? weft_reader_here(r)
               : 0;
}

/* ---- the file ---- */

static int read_key(struct weft_reader *r, const char *key)
{
    static const char *const known[] = {"cpu", "disk", "qemu", "registries"};

    if (strcmp(key, "cpu") == 0) {
        return read_cpu(r);
    }
    if (strcmp(key, "disk") == 0) {
        return read_disk(r);
    }
    if (strcmp(key, "qemu") == 0) {
        return read_qemu(r);
    }
    if (strcmp(key, "registries") == 0) {
        return weft_settings_read_registries(r);
    }
    weft_request_unknown_key(key, "keys of the config file", known, 4, r->err);
    return weft_reader_here(r);
}

/* Whether the present event is a value that says nothing, as in a file of comments and "---". */
static bool is_nothing(const struct weft_reader *r)
{
    size_t len = 0;

    return is(r, FYET_SCALAR) && (!fy_token_get_text(r->event->scalar.value, &len) || len == 0);
}

static int read_document(struct weft_reader *r)
{
    if (weft_reader_next(r) < 0) {
        return -1;
    }
    if (is(r, FYET_MAPPING_START)) {
        return weft_reader_map(r, "a key", read_key);
    }
    if (!is_nothing(r)) {
        weft_fail(r->err, WEFT_E_USAGE, "the config file is a map, such as \"cpu: max\"");
        return weft_reader_here(r);
    }
    return 0;
}

static int read_stream(struct weft_reader *r)
{
    if (weft_reader_next(r) < 0 ||
        weft_reader_next(r) < 0) { /* the start of the stream, and what comes first in it */
        return -1;
    }
    if (is(r, FYET_STREAM_END)) {
        return 0;
    }
    if (read_document(r) < 0 || weft_reader_next(r) < 0 || weft_reader_next(r) < 0) {
        return -1;
    }
    if (!is(r, FYET_STREAM_END)) {
        weft_fail(r->err, WEFT_E_USAGE, "a second document begins, and a config file has one");
        return weft_reader_here(r);
    }
    return 0;
}

/* libfyaml takes a NUL for the end, and some bytes that are no UTF-8 for nothing. `text` has a NUL
 * behind its len bytes. */
static int check_bytes(const char *text, size_t len, const char *name, struct weft_err **err)
{
    const char *nul = memchr(text, '\0', len);
    const char *bad = weft_utf8_bad(text);
    int line = 1;

    if (!nul && !bad) {
        return 0;
    }
    for (const char *p = text; p < (bad ? bad : nul); p++) {
        line += *p == '\n';
    }
    return weft_fail(err, WEFT_E_USAGE, "%s:%d: %s", name, line,
                     bad ? "a byte that is not UTF-8" : "a NUL byte");
}

static struct fy_diag *create_diag(void)
{
    struct fy_diag_cfg cfg;
    struct fy_diag *diag;

    fy_diag_cfg_default(&cfg);
    cfg.fp = NULL;
    cfg.colorize = false;
    diag = fy_diag_create(&cfg);
    if (diag) {
        fy_diag_set_collect_errors(diag, true);
    }
    return diag;
}

static int read_text(struct weft_reader *r, const char *text, size_t len)
{
    struct fy_parse_cfg cfg = {.flags = FYPCF_QUIET | FYPCF_JSON_NONE, .diag = r->diag};
    int rc;

    r->parser = fy_parser_create(&cfg);
    if (!r->parser || fy_parser_set_string(r->parser, text, len) != 0) {
        rc = weft_fail(r->err, WEFT_E_INTERNAL, "%s: libfyaml does not start", r->name);
    } else {
        rc = read_stream(r);
    }
    if (r->event) {
        fy_parser_event_free(r->parser, r->event);
    }
    fy_parser_destroy(r->parser);
    return rc;
}

int weft_settings_parse(const char *text, size_t len, const char *name, struct weft_settings *out,
                        struct weft_err **err)
{
    weft_auto_free char *shown = weft_printable(name);
    weft_auto_free char *dir = strchr(name, '/') ? weft_path_dir(name) : NULL;
    struct weft_settings s = {0};
    struct weft_reader r = {
        .line = 1, .column = 1, .name = shown, .dir = dir, .out = &s, .err = err};
    int rc;

    if (check_bytes(text, len, shown, err) < 0) {
        return -1;
    }
    if (len == 0) {
        return 0;
    }
    r.diag = create_diag();
    rc = r.diag ? read_text(&r, text, len)
                : weft_fail(err, WEFT_E_INTERNAL, "%s: libfyaml does not start", shown);
    fy_diag_destroy(r.diag); /* with what it has collected, which fy_diag_unref leaks */
    if (rc < 0) {
        weft_settings_finish(&s);
        return -1;
    }
    *out = s;
    return 0;
}

/* The file that is to be read; NULL where there is none. */
static char *find_file(void)
{
    const char *own = getenv("WEFT_CONFIG");
    weft_auto_free char *dir = NULL;
    weft_auto_free char *path = NULL;
    struct stat st;

    if (own && *own) {
        return weft_xstrdup(own);
    }
    dir = weft_dir_config();
    path = dir ? weft_path_join(dir, "config.yaml") : NULL;
    if (!path ||
        (stat(path, &st) < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))) {
        return NULL;
    }
    return weft_steal(&path);
}

/* Whatever is wrong with the file, nothing was started: it is the user's to mend. */
static int read_file(const char *path, char **text, size_t *len, struct weft_err **err)
{
    weft_auto_err failed = NULL;

    if (weft_read_file(path, WEFT_SETTINGS_LIMIT, text, len, &failed) == 0) {
        return 0;
    }
    failed->code = WEFT_E_USAGE;
    if (err) {
        *err = weft_steal(&failed);
    }
    return -1;
}

int weft_settings_load(struct weft_settings *out, struct weft_err **err)
{
    weft_auto_free char *path = find_file();
    weft_auto_free char *text = NULL;
    size_t len = 0;

    if (!path) {
        return 0;
    }
    if (read_file(path, &text, &len, err) < 0 ||
        weft_settings_parse(text, len, path, out, err) < 0) {
        return weft_err_wrap(err, "config file");
    }
    out->path = weft_steal(&path);
    return 0;
}

static bool chooses_all(const struct weft_strv *cpu)
{
    for (size_t i = 0; i < cpu->n; i++) {
        if (!strchr(cpu->v[i], '=')) {
            return true;
        }
    }
    return false;
}

int weft_settings_override(struct weft_settings *s, const struct weft_strv *cpu, const char *qemu,
                           struct weft_err **err)
{
    if (chooses_all(cpu)) {
        weft_cpu_choices_finish(&s->cpu);
    }
    for (size_t i = 0; i < cpu->n; i++) {
        if (weft_cpu_choices_add(&s->cpu, cpu->v[i], err) < 0) {
            return weft_err_wrap(err, "--cpu");
        }
    }
    if (qemu) {
        free(s->qemu);
        s->qemu = weft_settings_qemu(qemu, NULL, err);
        return s->qemu ? 0 : weft_err_wrap(err, "--qemu");
    }
    return 0;
}

void weft_settings_finish(struct weft_settings *c)
{
    free(c->path);
    free(c->qemu);
    weft_cpu_choices_finish(&c->cpu);
    weft_strv_finish(&c->qemu_dirs);
    weft_registry_hosts_finish(&c->registries);
    *c = (struct weft_settings){0};
}
