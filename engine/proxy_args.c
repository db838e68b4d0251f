/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/proxy_args.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/registry/docker_config.h"
#include "engine/request.h"

/* The variables, in lower case: libcurl, which git has, knows no other http_proxy. */
static const char *const variables[] = {"http_proxy", "https_proxy", "no_proxy"};

/* Build arguments that BuildKit takes for proxies, whatever their case. */
static const char *const names[] = {"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "FTP_PROXY",
                                    "ALL_PROXY"};

/* What docker's configuration calls the daemon of whom the proxies are. */
static const char *daemon_host(void)
{
    const char *host = getenv("DOCKER_HOST");

    return host && *host ? host : "unix:///var/run/docker.sock";
}

static bool same_name(const char *arg, const char *name)
{
    size_t len = strlen(name);

    return strncasecmp(arg, name, len) == 0 && arg[len] == '=';
}

static bool in_environment(const char *lower)
{
    weft_auto_free char *upper = weft_xstrdup(lower);

    for (char *c = upper; *c; c++) {
        *c = (char)toupper((unsigned char)*c);
    }
    return getenv(lower) || getenv(upper);
}

/* Append the proxies of the configuration. -1: it cannot be read. */
static int load(struct weft_strv *out, struct weft_err **err)
{
    struct weft_docker_config *c = weft_docker_config_load(err);

    weft_docker_config_proxies(c, daemon_host(), out);
    weft_docker_config_destroy(c);
    return c ? 0 : -1;
}

void weft_proxy_env_adopt(void)
{
    weft_auto_strv proxies = {0};
    weft_auto_err err = NULL;

    if (load(&proxies, &err) < 0) {
        weft_debug("no proxies: %s", err->msg);
        return;
    }
    for (size_t i = 0; i < proxies.n; i++) {
        for (size_t k = 0; k < sizeof(variables) / sizeof(variables[0]); k++) {
            if (same_name(proxies.v[i], variables[k]) && !in_environment(variables[k])) {
                setenv(variables[k], strchr(proxies.v[i], '=') + 1, 1);
            }
        }
    }
}

static bool is_given(const struct weft_request *r, const char *proxy)
{
    weft_auto_free char *name = weft_xstrndup(proxy, strcspn(proxy, "="));

    for (size_t i = 0; i < r->build_args.n; i++) {
        if (same_name(r->build_args.v[i], name)) {
            return true;
        }
    }
    return false;
}

void weft_proxy_args_load(struct weft_request *r)
{
    weft_auto_strv proxies = {0};
    weft_auto_err err = NULL;

    if (load(&proxies, &err) < 0) {
        weft_strv_addf(&r->notices, "RUN gets no proxies of docker's configuration: %s", err->msg);
        return;
    }
    for (size_t i = 0; i < proxies.n; i++) {
        if (!is_given(r, proxies.v[i])) {
            weft_strv_add(&r->proxy_args, proxies.v[i]);
        }
    }
}

/* "http://user:password@proxy:3128", also without its scheme. */
static bool has_credentials(const char *url)
{
    const char *scheme = strstr(url, "://");
    const char *host = scheme ? scheme + 3 : url;

    return memchr(host, '@', strcspn(host, "/"));
}

bool weft_proxy_arg_is_secret(const char *arg)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (same_name(arg, names[i])) {
            return has_credentials(strchr(arg, '=') + 1);
        }
    }
    return false;
}

static void add_secret(const struct weft_strv *args, struct weft_strv *out)
{
    for (size_t i = 0; i < args->n; i++) {
        if (weft_proxy_arg_is_secret(args->v[i])) {
            weft_strv_add(out, args->v[i]);
        }
    }
}

void weft_proxy_args_secret(const struct weft_request *r, struct weft_strv *out)
{
    add_secret(&r->build_args, out);
    add_secret(&r->proxy_args, out);
}

bool weft_proxy_args_need_relay(const struct weft_request *r)
{
    weft_auto_strv secret = {0};

    weft_proxy_args_secret(r, &secret);
    return secret.n > 0;
}
