/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What registries, token servers and docker's config.json hold. The first byte chooses the reader;
 * what is accepted must keep the promises of engine/registry/reply.h and docker_config.h.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/registry/docker_config.h"
#include "engine/registry/proxy.h"
#include "engine/registry/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

/* One line, without what a terminal would obey. */
static bool is_clean(const char *s)
{
    for (; s && *s; s++) {
        if ((unsigned char)*s < ' ' || *s == 0x7f) {
            return false;
        }
    }
    return true;
}

static void try_challenge(const char *text)
{
    static const char *const scopes[] = {"repository:a:pull"};
    struct weft_challenge c = {0};
    weft_auto_err err = NULL;
    weft_auto_free char *url = NULL;

    if (weft_challenge_parse(text, &c, &err) < 0) {
        require(err->code == WEFT_E_FORMAT && is_clean(err->msg) && !c.realm && !c.service);
        return;
    }
    if (c.kind == WEFT_CHALLENGE_BEARER) {
        url = weft_challenge_url(&c, "me", scopes, 1);
        require(is_clean(url) && !strchr(url, ' ') && weft_starts_with(url, c.realm));
        require(strncasecmp(url, "http", 4) == 0);
    }
    weft_challenge_finish(&c);
}

static void try_config(const char *text, size_t len)
{
    weft_auto_err err = NULL;
    struct weft_docker_config *c;
    struct weft_credentials found = {0};
    weft_auto_strv proxies = {0};

    /* no program is to be started */
    if (strstr(text, "cred") || strchr(text, '\\')) {
        return;
    }
    c = weft_docker_config_parse(text, len, "c", &err);
    if (!c) {
        require(err->code == WEFT_E_USAGE && weft_starts_with(err->msg, "c: "));
        return;
    }
    if (weft_docker_config_credentials(c, "docker.io", NULL, &found, &err) == 0) {
        require(!found.user || *found.user);
    } else {
        require(err->code == WEFT_E_USAGE && is_clean(err->msg));
    }
    weft_credentials_finish(&found);
    weft_docker_config_proxies(c, NULL, &proxies);
    for (size_t i = 0; i < proxies.n; i++) {
        const char *value = strstr(proxies.v[i], "_PROXY=");

        require(value && value[strlen("_PROXY=")]);
    }
    weft_docker_config_destroy(c);
}

static void try_refusal(const char *text, size_t len)
{
    struct weft_refusal r = {0};

    weft_refusal_read(text, len, &r);
    require(is_clean(r.code) && is_clean(r.text) && (!r.text || strlen(r.text) < 16384));
    weft_refusal_finish(&r);
}

static void try_proxy(char *text)
{
    char *no = strchr(text, '\n');
    struct weft_proxies p = {.http = text};
    weft_auto_free char *found = NULL;

    if (no) {
        *no = '\0';
        p.no = no + 1;
    }
    found = weft_proxy_for(&p, false, "10.1.2.3", 80);
    require(!found || strstr(found, "://"));
}

static void try_headers(const char *text)
{
    uint64_t bytes = 0;

    require(weft_retry_after(text, -1, 5) >= -1);
    if (weft_upload_range(text, &bytes) == 0) {
        require(bytes != 1 && bytes <= INT64_MAX);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_auto_free char *text = NULL;

    if (size == 0) {
        return 0;
    }
    text = weft_xcalloc(size, 1); /* with a NUL behind what follows the first byte */
    memcpy(text, data + 1, size - 1);
    if (data[0] % 5 != 3) { /* a header has no end of line; there it parts two variables */
        text[strcspn(text, "\n")] = '\0';
    }
    switch (data[0] % 5) {
    case 0:
        try_challenge(text);
        break;
    case 1:
        try_config(text, strlen(text));
        break;
    case 2:
        try_refusal((const char *)data + 1, size - 1);
        break;
    case 3:
        try_proxy(text);
        break;
    default:
        try_headers(text);
        break;
    }
    return 0;
}
