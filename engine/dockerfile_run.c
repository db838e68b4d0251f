/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "engine/dockerfile.h"
#include "platforms/platform.h"

enum {
    STAGES_MAX = 500, /* names are looked up one by one; nobody has as many */
    VALUE_MAX = 4096, /* of a variable: ARG A=$A$A doubles it */
};

/* A stage as it will be built. */
struct state {
    char *base;
    ptrdiff_t from; /* the index of the stage that it is built on; -1: an image or scratch */
    bool replaced;  /* a context takes its place */
    bool windows;   /* its steps are for windows */
    bool needed;
};

struct look {
    const struct weft_dockerfile *d;
    const struct weft_dockerfile_use *use;
    struct weft_strv env; /* "K=V": the variables that FROM lines can name */
    struct state *states; /* one per stage */
};

/* ---- variables ---- */

static const char *get(const struct weft_strv *env, const char *key, size_t len)
{
    for (size_t i = env->n; i-- > 0;) {
        if (strncmp(env->v[i], key, len) == 0 && env->v[i][len] == '=') {
            return env->v[i] + len + 1;
        }
    }
    return NULL;
}

static size_t name_length(const char *s)
{
    size_t n = 0;

    while (s[n] == '_' || isalpha((unsigned char)s[n]) || (n > 0 && isdigit((unsigned char)s[n]))) {
        n++;
    }
    return n;
}

/*
 * Expand $NAME, ${NAME}, ${NAME:-word} and ${NAME-word}, the word as it is. NULL for any other
 * form, which only BuildKit can tell, and for what gets too long. Caller frees.
 */
static char *expand(const struct weft_strv *env, const char *s)
{
    weft_auto_buf b = {0};

    while (*s && b.len <= VALUE_MAX) {
        bool braces = s[0] == '$' && s[1] == '{';
        const char *name = s + (braces ? 2 : 1);
        size_t n = s[0] == '$' ? name_length(name) : 0;
        const char *value = n ? get(env, name, n) : NULL;
        const char *rest = name + n;

        if (s[0] != '$') {
            weft_buf_append(&b, s++, 1);
            continue;
        }
        if (n == 0) {
            return NULL;
        }
        if (braces) {
            const char *end = strchr(rest, '}');
            size_t op = strncmp(rest, ":-", 2) == 0 ? 2 : rest[0] == '-' ? 1 : 0;

            if (!end || (op == 0 && end != rest) || memchr(rest, '$', (size_t)(end - rest))) {
                return NULL;
            }
            if (op > 0 && (!value || (op == 2 && !*value))) {
                weft_buf_append(&b, rest + op, (size_t)(end - rest) - op);
                value = NULL;
            }
            rest = end + 1;
        }
        weft_buf_puts(&b, value ? value : "");
        s = rest;
    }
    return b.len <= VALUE_MAX ? weft_buf_steal(&b) : NULL;
}

static void put(struct look *l, const char *key, const char *value)
{
    const char *given = get(l->use->args, key, strlen(key));

    weft_strv_addf(&l->env, "%s=%s", key, given ? given : value);
}

/* The variables that BuildKit sets, and those of ARG before the first FROM. */
static void make_env(struct look *l)
{
    const struct weft_platform *target = l->use->platform;
    struct weft_platform host;
    char name[WEFT_PLATFORM_SIZE];

    weft_platform_host(&host);
    put(l, "BUILDPLATFORM", weft_platform_format(&host, name));
    put(l, "BUILDOS", host.os);
    put(l, "BUILDARCH", host.arch);
    put(l, "BUILDVARIANT", host.variant);
    put(l, "TARGETPLATFORM", weft_platform_format(target, name));
    put(l, "TARGETOS", target->os);
    put(l, "TARGETARCH", target->arch);
    put(l, "TARGETVARIANT", target->variant);
    put(l, "TARGETSTAGE", l->use->target ? l->use->target : "default");
    for (size_t i = 0; i < l->d->args.n; i++) {
        const char *arg = l->d->args.v[i];
        size_t n = strcspn(arg, "=");
        weft_auto_free char *key = weft_xstrndup(arg, n);
        const char *given = get(l->use->args, key, n);
        weft_auto_free char *value = arg[n] ? expand(&l->env, arg + n + 1) : NULL;

        if (given || value) {
            weft_strv_addf(&l->env, "%s=%s", key, given ? given : value);
        }
    }
}

/* ---- stages ---- */

/* The last of the first `n` stages of this name, or -1. */
static ptrdiff_t find_stage(const struct look *l, const char *name, size_t n)
{
    while (n-- > 0) {
        if (l->d->stages[n].name && strcasecmp(l->d->stages[n].name, name) == 0) {
            return (ptrdiff_t)n;
        }
    }
    return -1;
}

/* "windows", "windows/amd64", "windows(10.0.20348.1)/amd64" */
static bool is_windows(const char *platform)
{
    size_t n = strcspn(platform, "/(");

    return n == strlen("windows") && strncasecmp(platform, "windows", n) == 0;
}

static void resolve(struct look *l, size_t i)
{
    const struct weft_dockerfile_stage *stage = &l->d->stages[i];
    struct state *s = &l->states[i];
    weft_auto_free char *platform = stage->platform ? expand(&l->env, stage->platform) : NULL;

    s->base = expand(&l->env, stage->base);
    s->from = s->base ? find_stage(l, s->base, i) : -1;
    s->replaced = stage->name && weft_strv_has(l->use->contexts, stage->name);
    s->windows = strcmp(l->use->platform->os, "windows") == 0;
    if (s->from >= 0) {
        s->windows = l->states[s->from].windows;
    } else if (stage->platform && !(s->base && strcmp(s->base, "scratch") == 0)) {
        s->windows = platform && is_windows(platform); /* scratch takes the target's */
    }
    if (s->replaced) {
        s->from = -1;
        s->windows = false;
    }
}

static void need(struct look *l, ptrdiff_t i);

/* What COPY --from or RUN --mount=from names: a stage, by its name or its number, or an image. */
static void need_named(struct look *l, const char *name)
{
    size_t digits = strspn(name, "0123456789");

    if (digits > 0 && digits < 6 && name[digits] == '\0') {
        need(l, (ptrdiff_t)strtol(name, NULL, 10));
        return;
    }
    need(l, find_stage(l, name, l->d->n_stages));
}

static void need(struct look *l, ptrdiff_t i)
{
    struct state *s;

    if (i < 0 || (size_t)i >= l->d->n_stages || l->states[i].needed) {
        return;
    }
    s = &l->states[i];
    s->needed = true;
    if (s->replaced) {
        return;
    }
    need(l, s->from);
    for (size_t k = 0; k < l->d->stages[i].needs.n; k++) {
        need_named(l, l->d->stages[i].needs.v[k]);
    }
}

/* The line of the first RUN that stage i executes, be it one that its base has put off. */
static int run_line(const struct look *l, size_t i)
{
    const struct state *s = &l->states[i];

    if (s->from >= 0 && l->d->stages[s->from].onbuild_line > 0 && !l->states[s->from].replaced) {
        return l->d->stages[s->from].onbuild_line;
    }
    return l->d->stages[i].run_line;
}

/* Find out which stages are needed. */
static void look_at(struct look *l)
{
    size_t n = l->d->n_stages;

    l->states = weft_xcalloc(n, sizeof(*l->states));
    make_env(l);
    for (size_t i = 0; i < n; i++) {
        resolve(l, i);
    }
    if (l->use->target) {
        need_named(l, l->use->target);
    } else {
        need(l, (ptrdiff_t)n - 1);
    }
}

static void look_finish(struct look *l)
{
    for (size_t i = 0; i < l->d->n_stages; i++) {
        free(l->states[i].base);
    }
    free(l->states);
    weft_strv_finish(&l->env);
}

static int first_run(const struct look *l, size_t *stage)
{
    for (size_t i = 0; i < l->d->n_stages; i++) {
        const struct state *s = &l->states[i];
        int line = run_line(l, i);

        if (s->needed && s->windows && !s->replaced && line > 0) {
            *stage = i;
            return line;
        }
    }
    return 0;
}

int weft_dockerfile_windows_run(const struct weft_dockerfile *d,
                                const struct weft_dockerfile_use *use, size_t *stage)
{
    struct look l = {.d = d, .use = use};
    int line;

    if (d->n_stages == 0 || d->n_stages > STAGES_MAX) {
        return 0;
    }
    look_at(&l);
    line = first_run(&l, stage);
    look_finish(&l);
    return line;
}

void weft_dockerfile_bases(const struct weft_dockerfile *d, const struct weft_dockerfile_use *use,
                           struct weft_strv *out)
{
    struct look l = {.d = d, .use = use};

    if (d->n_stages == 0 || d->n_stages > STAGES_MAX) {
        return;
    }
    look_at(&l);
    for (size_t i = 0; i < d->n_stages; i++) {
        const struct state *s = &l.states[i];

        if (s->needed && !s->replaced && s->from < 0 && s->base && *s->base &&
            strcmp(s->base, "scratch") != 0 && !weft_strv_has(use->contexts, s->base) &&
            !weft_strv_has(out, s->base)) {
            weft_strv_add(out, s->base);
        }
    }
    look_finish(&l);
}
