/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What RUN steps find: names of hosts, limits, shared memory; and the stages whose steps run again.
 */
#include "config.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/docker_units.h"
#include "engine/request_parts.h"

/* RUN steps are in the network of the worker's host, where it has this address. */
static const char gateway[] = "127.0.0.1";

static int fail_with(const char *what, const char *value, struct weft_err **err)
{
    weft_auto_free char *shown = weft_printable(value);

    return weft_fail(err, WEFT_E_USAGE, "%s, not \"%s\"", what, shown);
}

static bool is_address(const char *s)
{
    unsigned char address[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, s, address) == 1 || inet_pton(AF_INET6, s, address) == 1;
}

/* Of what names of hosts are made, and no more: the list of them is a CSV line for BuildKit. */
static bool is_host(const char *s, size_t len)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";

    return len > 0 && strspn(s, letters) >= len;
}

int weft_request_add_host(struct weft_request *r, const char *value, struct weft_err **err)
{
    static const char usage[] =
        "it is NAME=ADDRESS or NAME:ADDRESS, such as registry=10.0.0.7, db:[::1] or "
        "host.internal=host-gateway";
    size_t len = strchr(value, '=') ? strcspn(value, "=") : strcspn(value, ":");
    const char *address = value + len + 1;
    weft_auto_free char *bare = NULL;
    size_t n;

    if (!value[len] || !is_host(value, len)) {
        return fail_with(usage, value, err);
    }
    n = strlen(address);
    bare = n > 2 && address[0] == '[' && address[n - 1] == ']' ? weft_xstrndup(address + 1, n - 2)
                                                               : weft_xstrdup(address);
    if (strcmp(bare, "host-gateway") == 0) {
        address = gateway;
    } else if (is_address(bare)) {
        address = bare;
    } else {
        return fail_with(usage, value, err);
    }
    weft_strv_addf(&r->hosts, "%.*s=%s", (int)len, value, address);
    return 0;
}

/* --- --shm-size --- */

int weft_request_set_shm_size(struct weft_request *r, const char *value, struct weft_err **err)
{
    static const char usage[] =
        "it is a size such as 64m, 1.5g or 67108864 (k, m, g, t: 1024 each)";
    uint64_t bytes;

    if (!value) {
        return 0;
    }
    if (weft_docker_parse_size(value, &bytes) < 0 || bytes < 1) {
        return fail_with(usage, value, err);
    }
    r->shm_bytes = (int64_t)bytes;
    return 0;
}

/* --- --ulimit --- */

/* -1 is no limit. Gives the number of characters, 0 where there is no such number. */
static size_t limit_of(const char *s, int64_t *out)
{
    size_t digits = strspn(s, "0123456789");

    if (strncmp(s, "-1", 2) == 0 && strspn(s + 1, "0123456789") == 1) {
        *out = -1;
        return 2;
    }
    *out = strtoll(s, NULL, 10);
    return digits <= 18 ? digits : 0;
}

int weft_request_add_ulimit(struct weft_request *r, const char *value, struct weft_err **err)
{
    static const char *const names[] = {
        "core",   "cpu",   "data", "fsize",  "locks",  "memlock",    "msgqueue", "nice",
        "nofile", "nproc", "rss",  "rtprio", "rttime", "sigpending", "stack",
    };
    static const char usage[] = "it is NAME=SOFT[:HARD], such as nofile=1024:2048 (-1: no limit)";
    size_t len = strcspn(value, "=");
    weft_auto_free char *name = weft_xstrndup(value, len);
    const char *at = value + len + 1;
    int64_t soft, hard;
    bool known = false;
    size_t n;

    if (!value[len] || (n = limit_of(at, &soft)) == 0) {
        return fail_with(usage, value, err);
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        known = known || strcmp(names[i], name) == 0;
    }
    if (!known) {
        return weft_request_unknown_key(name, "limits", names, sizeof(names) / sizeof(names[0]),
                                        err);
    }
    at += n;
    hard = soft;
    if (*at == ':') {
        n = limit_of(at + 1, &hard);
        at += n > 0 ? n + 1 : 0;
    }
    if (*at) {
        return fail_with(usage, value, err);
    }
    if (hard != -1 && (soft == -1 || soft > hard)) {
        return fail_with("the soft limit is at most the hard one", value, err);
    }
    for (size_t i = 0; i < r->ulimits.n; i++) {
        if (strncmp(r->ulimits.v[i], value, len + 1) == 0) { /* the last one counts */
            free(r->ulimits.v[i]);
            r->ulimits.v[i] = weft_fmt("%s=%" PRId64 ":%" PRId64, name, soft, hard);
            return 0;
        }
    }
    weft_strv_addf(&r->ulimits, "%s=%" PRId64 ":%" PRId64, name, soft, hard);
    return 0;
}

/* --- --no-cache-filter --- */

int weft_request_add_no_cache(struct weft_request *r, const char *value, struct weft_err **err)
{
    weft_auto_strv stages = {0};

    weft_split(value, ',', &stages);
    for (size_t i = 0; i < stages.n; i++) {
        if (!*stages.v[i]) {
            return fail_with("it is the name of a stage, or several with commas", value, err);
        }
        if (!weft_strv_has(&r->no_cache_stages, stages.v[i])) {
            weft_strv_add(&r->no_cache_stages, stages.v[i]);
        }
    }
    return 0;
}
