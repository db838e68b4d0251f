/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "platforms/cpu.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"

#define NAME_CHARS               \
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ" \
    "abcdefghijklmnopqrstuvwxyz0123456789._+-"

static const char *const policies[] = {
    [WEFT_CPU_BASELINE] = "baseline",
    [WEFT_CPU_MAX] = "max",
    [WEFT_CPU_FASTEST] = "fastest",
};

enum {
    POLICIES = sizeof(policies) / sizeof(policies[0]),
    MODEL_MAX = 1024, /* the longest of the catalogue has 120 characters */
};

/* Returns 0, or -1 where text is no policy. */
static int parse_policy(const char *text, struct weft_cpu_choice *out)
{
    for (size_t i = 0; i < POLICIES; i++) {
        if (strcmp(text, policies[i]) == 0) {
            out->policy = (enum weft_cpu_policy)i;
            return 0;
        }
    }
    return -1;
}

/* NAME[,FEATURE[=VALUE]...], of characters that no shell, list or option is ended by. */
static bool model_ok(const char *text)
{
    size_t n = strlen(text);

    return n > 0 && n <= MODEL_MAX && strspn(text, NAME_CHARS ",=") == n &&
           strchr("-,=+.", text[0]) == NULL && text[n - 1] != ',' &&
           strcspn(text, "=") >= strcspn(text, ",") && strcmp(text, "help") != 0;
}

static int bad_policy(const char *text, struct weft_err **err)
{
    weft_auto_free char *shown = weft_printable(text);
    const char *near = weft_nearest(text, policies, POLICIES);

    weft_fail(err, WEFT_E_USAGE, "unknown CPU policy \"%s\"", shown);
    if (near) {
        return weft_err_hint(err, "%s", near);
    }
    return weft_err_hint(err, "baseline, max or fastest; a model belongs to one platform: "
                              "linux/arm64=cortex-a72");
}

static struct weft_cpu_choice *choice_of(struct weft_cpu_choices *c, const struct weft_platform *p)
{
    for (size_t i = 0; i < c->n; i++) {
        if (weft_platform_eq(&c->v[i].platform, p)) {
            return &c->v[i].choice;
        }
    }
    c->v = weft_xrealloc(c->v, c->n + 1, sizeof(*c->v));
    c->v[c->n] = (struct weft_cpu_choice_of){.platform = *p};
    return &c->v[c->n++].choice;
}

static int add_of_platform(struct weft_cpu_choices *c, const char *name, const char *what,
                           struct weft_err **err)
{
    struct weft_cpu_choice choice = {0};
    struct weft_cpu_choice *old;
    struct weft_platform p;

    if (weft_platform_parse(name, &p, err) < 0) {
        return -1;
    }
    if (parse_policy(what, &choice) < 0) {
        if (!model_ok(what)) {
            weft_auto_free char *shown = weft_printable(what);

            weft_fail(err, WEFT_E_USAGE, "\"%s\" is no CPU model", shown);
            return weft_err_hint(err, "a name and features, as for QEMU's -cpu: "
                                      "cortex-a72, or qemu64,avx2=on");
        }
        choice.policy = WEFT_CPU_MODEL;
        choice.model = weft_xstrdup(what);
    }
    old = choice_of(c, &p);
    free(old->model);
    *old = choice;
    c->given = true;
    return 0;
}

int weft_cpu_choices_add(struct weft_cpu_choices *c, const char *text, struct weft_err **err)
{
    const char *equals = strchr(text, '=');

    if (equals && !memchr(text, ',', (size_t)(equals - text))) {
        weft_auto_free char *name = weft_xstrndup(text, (size_t)(equals - text));
        weft_auto_free char *shown = weft_printable(text);

        if (add_of_platform(c, name, equals + 1, err) < 0) {
            return weft_err_wrap(err, "%s", shown);
        }
        return 0;
    }
    if (parse_policy(text, &c->all) < 0) {
        return bad_policy(text, err);
    }
    c->given = true;
    return 0;
}

void weft_cpu_choices_finish(struct weft_cpu_choices *c)
{
    for (size_t i = 0; i < c->n; i++) {
        free(c->v[i].choice.model);
    }
    free(c->v);
    *c = (struct weft_cpu_choices){0};
}

const struct weft_cpu_choice *weft_cpu_choices_for(const struct weft_cpu_choices *c,
                                                   const struct weft_platform *p)
{
    for (size_t i = 0; i < c->n; i++) {
        if (weft_platform_eq(&c->v[i].platform, p)) {
            return &c->v[i].choice;
        }
    }
    return &c->all;
}

/*
 * The formats, of one model each:
 *   "x86 qemu64  (alias configured by machine type)", "PowerPC power8_v2.0  PVR 004d0200",
 *   "s390 z13  IBM z13 GA1  (migration-safe)", "MIPS '24Kf'"       QEMU 7.2
 *   "  cortex-a53", "rv64", "  qemu64-v1  QEMU Virtual CPU"        all; with or without the blanks
 * x86 and s390x then list features, below a line "Recognized ...:".
 */
static void parse_line(const char *line, struct weft_strv *models)
{
    static const char *const prefixes[] = {"x86 ", "PowerPC ", "s390 ", "MIPS "};
    size_t n;

    line += strspn(line, " \t");
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        if (weft_starts_with(line, prefixes[i])) {
            line += strlen(prefixes[i]);
            line += strspn(line, " \t");
            break;
        }
    }
    if (*line == '\'') {
        line++;
        n = strspn(line, NAME_CHARS);
        if (line[n] != '\'') {
            return;
        }
    } else {
        n = strspn(line, NAME_CHARS);
        if (line[n] != '\0' && !strchr(" \t\r", line[n])) {
            return;
        }
    }
    if (n > 0 && n <= MODEL_MAX && line[0] != '-' && line[0] != '+') {
        weft_strv_take(models, weft_xstrndup(line, n));
    }
}

void weft_cpu_parse_help(const char *text, struct weft_strv *models)
{
    weft_auto_strv lines = {0};

    weft_split(text, '\n', &lines);
    for (size_t i = 0; i < lines.n; i++) {
        const char *line = lines.v[i];

        if (weft_starts_with(line, "Recognized ")) {
            return;
        }
        if (!weft_ends_with(line, ":")) {
            parse_line(line, models);
        }
    }
}
