/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/solve.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/buildkit.h"
#include "engine/holder.h"
#include "engine/proxy_args.h"
#include "engine/request.h"

static void opt(struct weft_strv *argv, const char *key, const char *value)
{
    weft_strv_add(argv, "--opt");
    weft_strv_addf(argv, "%s=%s", key, value);
}

static void each(struct weft_strv *argv, const char *flag, const struct weft_strv *values)
{
    for (size_t i = 0; i < values->n; i++) {
        weft_strv_add(argv, flag);
        weft_strv_add(argv, values->v[i]);
    }
}

static void each_opt(struct weft_strv *argv, const char *prefix, const struct weft_strv *values)
{
    for (size_t i = 0; i < values->n; i++) {
        weft_strv_add(argv, "--opt");
        weft_strv_addf(argv, "%s%s", prefix, values->v[i]);
    }
}

static void add_main_context(const struct weft_solve *s, struct weft_strv *argv)
{
    const struct weft_request *r = s->request;
    const struct weft_pinned *p = &r->pinned;
    weft_auto_free char *context_id =
        s->context_slot ? weft_fmt("%s:%s", s->context_slot, s->session_id) : NULL;

    if (p->context) {
        opt(argv, "context", s->forwarded && p->context_plain ? p->context_plain : p->context);
    } else {
        opt(argv, "local-sessionid:context", context_id ? context_id : s->session_id);
    }
    if (r->dockerfile) {
        opt(argv, "local-sessionid:dockerfile", s->session_id);
    }
    if (r->dockerfile && p->context) { /* else it is taken from the context */
        opt(argv, "dockerfilekey", "dockerfile");
    }
}

static void add_named_context(const struct weft_solve *s, const struct weft_named_context *c,
                              struct weft_strv *argv)
{
    weft_auto_free char *key = weft_fmt("context:%s", c->name);
    weft_auto_free char *value = NULL;

    if (c->kind == WEFT_CONTEXT_DIR) {
        weft_auto_free char *local = weft_holder_local_name(c->name);
        weft_auto_free char *session_key = weft_fmt("local-sessionid:%s", local);

        value = weft_fmt("local:%s", local);
        opt(argv, session_key, s->session_id);
    } else if (c->kind == WEFT_CONTEXT_OCI_LAYOUT) {
        /* the id of the store is part of a reference: letters and digits only, the same in
         * every build */
        char id[WEFT_DIGEST_SIZE];

        weft_digest_bytes(c->path, strlen(c->path), id);
        value = weft_fmt("oci-layout://%.16s@%s", weft_digest_hex(id), c->digest);
        weft_strv_add(argv, "--oci-layout");
        weft_strv_addf(argv, "%.16s=%s", weft_digest_hex(id), c->path);
    } else {
        value = weft_xstrdup(s->forwarded && c->pinned_plain ? c->pinned_plain : c->pinned);
    }
    opt(argv, key, value);
}

/* What an old `# syntax` frontend may not know: it then says so. */
static void add_caps(const struct weft_solve *s, struct weft_strv *argv)
{
    const struct weft_request *r = s->request;
    bool query = r->source == WEFT_SOURCE_GIT && !(s->forwarded && r->pinned.context_plain);
    weft_auto_strv caps = {0};
    weft_auto_free char *all = NULL;
    bool named_query = false;

    for (size_t i = 0; i < r->n_contexts; i++) {
        named_query |= r->contexts[i].kind == WEFT_CONTEXT_GIT &&
                       !(s->forwarded && r->contexts[i].pinned_plain);
    }
    if (r->n_contexts > 0) {
        weft_strv_add(&caps, "moby.buildkit.frontend.contexts+forward");
    }
    if (query || named_query) {
        weft_strv_addf(&caps, "moby.buildkit.frontend.gitquerystring%s",
                       named_query ? "+forward" : "");
    }
    all = weft_strv_join(&caps, ",");
    if (*all) {
        opt(argv, "frontend.caps", all);
    }
}

/*
 * The directories come from the holder's session: buildkitd looks for the one whose id it is told
 * (frontend/dockerui/config.go, "local-sessionid:"). It keeps one copy of a directory per name, and
 * asks only for what the solve uses: platforms that use different parts would replace each other's,
 * and each build would send them again. "SLOT:ID" gives a platform a copy of its own.
 */
static void add_contexts(const struct weft_solve *s, struct weft_strv *argv)
{
    add_main_context(s, argv);
    for (size_t i = 0; i < s->request->n_contexts; i++) {
        add_named_context(s, &s->request->contexts[i], argv);
    }
    add_caps(s, argv);
}

/*
 * BuildKit's cache keys know nothing of QEMU's CPU models: a step that ran under --cpu=max would be
 * taken for one that ran under the baseline. The parent cgroup is part of the key of a RUN step
 * (solver/llbsolver/ops/exec.go), and comes to nothing in a rootless worker and in provenance.
 */
static void add_salt(const struct weft_solve *s, struct weft_strv *argv)
{
    if (s->salt) {
        weft_strv_add(argv, "--opt");
        weft_strv_addf(argv, "cgroup-parent=weft-%s", s->salt);
    }
}

/* BUILDKIT_SYNTAX names a frontend as the directive does; where the built-in one stands in, it must
 * not be forwarded. */
static void add_args(const struct weft_solve *s, const struct weft_strv *args,
                     struct weft_strv *argv)
{
    for (size_t i = 0; i < args->n; i++) {
        const char *arg = args->v[i];

        if (weft_proxy_arg_is_secret(arg) || /* the holder adds it */
            (s->builtin_syntax && weft_starts_with(arg, "BUILDKIT_SYNTAX="))) {
            continue;
        }
        weft_strv_add(argv, "--opt");
        weft_strv_addf(argv, "build-arg:%s", arg);
    }
}

static void add_build_args(const struct weft_solve *s, struct weft_strv *argv)
{
    add_args(s, &s->request->build_args, argv);
    add_args(s, &s->request->proxy_args, argv);
    if (s->builtin_syntax) {
        opt(argv, "cmdline", s->builtin_syntax);
    }
}

/* Whether the result will be an index, so that there is room for a provenance that only goes where
 * there is room. */
static bool makes_index(const struct weft_request *r)
{
    static const char key[] = "BUILDKIT_MULTI_PLATFORM=";
    bool index = r->n_platforms > 1 || r->attests.n > 0;

    for (size_t i = 0; i < r->n_outputs; i++) {
        index |= r->outputs[i].type == WEFT_OUTPUT_IMAGE;
    }
    for (size_t i = 0; i < r->build_args.n; i++) {
        bool asked;

        if (weft_starts_with(r->build_args.v[i], key) &&
            weft_parse_bool(r->build_args.v[i] + strlen(key), &asked) == 0) {
            index |= asked;
        }
    }
    return index;
}

/* "http://user:password@proxy:3128", in an argument or a part of one: where the password is, and
 * its length; NULL: there is none. "https://token@host" is one, too: a token goes without a colon.
 * Commas and apostrophes may be in a password, so they do not end it. */
static const char *find_password(const char *s, size_t *len)
{
    for (const char *p = s; (p = strstr(p, "://")); p += 3) {
        const char *from = p + 3;
        size_t host = strcspn(from, "/ ?#\"");
        const char *at = memrchr(from, '@', host);
        const char *colon = at ? memchr(from, ':', (size_t)(at - from)) : NULL;
        bool http = (p - s >= 4 && strncasecmp(p - 4, "http", 4) == 0) ||
                    (p - s >= 5 && strncasecmp(p - 5, "https", 5) == 0);

        if (colon) {
            *len = (size_t)(at - colon) - 1;
            return colon + 1;
        }
        if (at > from && http) {
            *len = (size_t)(at - from);
            return from;
        }
    }
    return NULL;
}

char *weft_solve_shown(const struct weft_strv *argv)
{
    weft_auto_free char *line = weft_strv_join(argv, " ");
    struct weft_buf b = {0};
    const char *at = line;
    const char *password;
    size_t len;

    while ((password = find_password(at, &len))) {
        weft_buf_append(&b, at, (size_t)(password - at));
        weft_buf_puts(&b, "***");
        at = password + len;
    }
    weft_buf_puts(&b, at);
    return weft_buf_steal(&b);
}

void weft_solve_attests(const struct weft_request *r, struct weft_strv *out)
{
    if (!r->provenance_given && makes_index(r)) {
        weft_strv_add(out, "provenance=mode=min,inline-only=true");
    }
    weft_strv_concat(out, &r->attests);
}

/* "linux/arm64"; with --os-version, "windows(10.0.20348.1)/amd64", as containerd writes it. */
static char *platform_text(const struct weft_solve *s)
{
    char name[WEFT_PLATFORM_SIZE];
    const char *rest;

    weft_platform_format(s->platform, name);
    rest = strchr(name, '/');
    if (s->request->os_version && strcmp(s->platform->os, "windows") == 0) {
        return weft_fmt("%s(%s)%s", s->platform->os, s->request->os_version, rest);
    }
    return weft_xstrdup(name);
}

static void add_no_cache(const struct weft_solve *s, struct weft_strv *argv)
{
    const struct weft_request *r = s->request;
    weft_auto_free char *stages = weft_strv_join(&r->no_cache_stages, ",");

    if (s->use_cache) {
        return;
    }
    if (r->no_cache) {
        weft_strv_add(argv, "--no-cache");
    } else if (*stages) {
        opt(argv, "no-cache", stages);
    }
}

/* What RUN steps find. BuildKit takes each list as a line of CSV. */
static void add_run(const struct weft_request *r, struct weft_strv *argv)
{
    weft_auto_free char *hosts = weft_strv_join(&r->hosts, ",");
    weft_auto_free char *ulimits = weft_strv_join(&r->ulimits, ",");

    if (*hosts) {
        opt(argv, "add-hosts", hosts);
    }
    if (*ulimits) {
        opt(argv, "ulimit", ulimits);
    }
    if (r->shm_bytes > 0) {
        weft_strv_add(argv, "--opt");
        weft_strv_addf(argv, "shm-size=%" PRId64, r->shm_bytes);
    }
}

/* The program, the worker, and what both are told of the platform. */
static void add_program(const struct weft_solve *s, struct weft_strv *argv)
{
    const struct weft_request *r = s->request;
    weft_auto_free char *platform = platform_text(s);

    if (r->call) {
        weft_strv_add(argv, "weft-session");
        weft_strv_add(argv, "call");
        weft_strv_addf(argv, "--addr=%s", s->address);
        weft_strv_add(argv, "--opt");
        weft_strv_addf(argv, "requestid=frontend.%s", r->call);
        opt(argv, "platform", r->call_platforms);
        return;
    }
    weft_strv_add(argv, "buildctl");
    weft_strv_addf(argv, "--addr=%s", s->address);
    weft_strv_add(argv, "build");
    weft_strv_add(argv, "--progress=rawjson");
    weft_strv_add(argv, "--frontend=dockerfile.v0");
    opt(argv, "platform", platform);
}

void weft_solve_argv(const struct weft_solve *s, struct weft_strv *argv)
{
    const struct weft_request *r = s->request;
    weft_auto_strv attests = {0};

    add_program(s, argv);
    opt(argv, "filename",
        r->dockerfile        ? weft_path_base(r->dockerfile)
        : r->dockerfile_name ? r->dockerfile_name
                             : "Dockerfile");
    add_contexts(s, argv);
    if (r->target) {
        opt(argv, "target", r->target);
    }
    add_build_args(s, argv);
    add_salt(s, argv);
    each_opt(argv, "label:", &r->labels);
    if (s->vcs) {
        each_opt(argv, "", s->vcs);
    }
    if (s->index) {
        opt(argv, "multi-platform", "true");
    }
    add_no_cache(s, argv);
    add_run(r, argv);
    if (r->pull) {
        opt(argv, "image-resolve-mode", "pull");
    }
    weft_buildkit_registry_args(&r->registries, argv);
    each(argv, "--secret", &r->secrets);
    each(argv, "--ssh", &r->ssh);
    if (r->network && strcmp(r->network, "default") != 0) {
        opt(argv, "force-network-mode", r->network);
    }
    each(argv, "--allow", &r->allow);
    if (r->network && strcmp(r->network, "host") == 0 &&
        !weft_strv_has(&r->allow, "network.host")) {
        weft_strv_add(argv, "--allow"); /* asked for by name: buildx takes that for consent too */
        weft_strv_add(argv, "network.host");
    }
    if (r->call) {
        return;
    }
    if (r->pinned.policy) {
        weft_strv_add(argv, "--source-policy-file");
        weft_strv_add(argv, r->pinned.policy);
    }
    weft_solve_attests(r, &attests);
    each_opt(argv, "attest:", &attests);
    if (s->caches) {
        weft_strv_concat(argv, s->caches);
    }
    for (size_t i = 0; i < s->n_outputs; i++) {
        weft_strv_add(argv, "--output");
        weft_strv_add(argv, s->outputs[i]);
    }
    weft_strv_add(argv, "--metadata-file");
    weft_strv_add(argv, s->metadata_file);
    if (s->ref_file) {
        weft_strv_add(argv, "--ref-file");
        weft_strv_add(argv, s->ref_file);
    }
}
