/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/registry/hosts.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/mem.h"

enum {
    HOST_MAX = 253 + 6 /* a name of the DNS, and a port */
};

/* Docker Hub is asked under another name than it is referred to by, and has had a third. */
static const char hub[] = "docker.io";
static const char *const hub_names[] = {"index.docker.io", "registry-1.docker.io"};

const char *weft_registry_host_name(const char *host)
{
    for (size_t i = 0; i < sizeof(hub_names) / sizeof(hub_names[0]); i++) {
        if (strcasecmp(host, hub_names[i]) == 0) {
            return hub;
        }
    }
    return host;
}

const struct weft_registry_host *weft_registry_hosts_find(const struct weft_registry_hosts *hosts,
                                                          const char *host)
{
    const char *name = weft_registry_host_name(host);

    for (size_t i = 0; hosts && i < hosts->n; i++) {
        if (strcasecmp(weft_registry_host_name(hosts->v[i].host), name) == 0) {
            return &hosts->v[i];
        }
    }
    return NULL;
}

/* "HOST", "HOST:PORT", "[V6]:PORT", "V6" without what is not the address. Caller frees. */
static char *without_port(const char *host)
{
    const char *colon = strrchr(host, ':');
    const char *end;

    if (*host == '[') {
        end = strchr(host, ']');
        return weft_xstrndup(host + 1, (size_t)((end ? end : host + strlen(host)) - host - 1));
    }
    /* two of them: an address of IPv6, without brackets and so without a port */
    return colon && strchr(host, ':') == colon ? weft_xstrndup(host, (size_t)(colon - host))
                                               : weft_xstrdup(host);
}

/* ":5000" */
static bool port_ok(const char *s)
{
    size_t n = strspn(s + 1, "0123456789");
    long port = n >= 1 && n <= 5 && s[1 + n] == '\0' ? strtol(s + 1, NULL, 10) : 0;

    return port >= 1 && port <= 65535;
}

/* "[::1]", "[fe80::1]:5000" */
static bool v6_ok(const char *text)
{
    const char *end = strchr(text, ']');
    weft_auto_free char *address = end ? without_port(text) : NULL;
    struct in6_addr v6;

    return end && inet_pton(AF_INET6, address, &v6) == 1 &&
           (end[1] == '\0' || (end[1] == ':' && port_ok(end + 1)));
}

bool weft_registry_host_ok(const char *text)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    const char *s = text;

    if (*text == '[') {
        return v6_ok(text);
    }
    if (strlen(text) > HOST_MAX) {
        return false;
    }
    for (;;) { /* labels of letters, digits, and dashes and underscores inside */
        size_t n = strspn(s, letters);

        while (n > 0 && (s[n] == '-' || s[n] == '_')) {
            size_t dashes = strspn(s + n, "-_");
            size_t more = strspn(s + n + dashes, letters);

            n = more == 0 ? 0 : n + dashes + more;
        }
        if (n == 0) {
            return false;
        }
        s += n;
        if (*s != '.') {
            return *s == '\0' || (*s == ':' && port_ok(s));
        }
        s++;
    }
}

bool weft_registry_host_plain(const struct weft_registry_host *h, const char *host)
{
    if (h && (h->http || h->https || h->insecure)) {
        return h->http;
    }
    return weft_registry_host_is_local(host);
}

bool weft_registry_host_is_local(const char *host)
{
    weft_auto_free char *name = without_port(host);
    struct in6_addr v6;
    struct in_addr v4;

    if (strcasecmp(name, "localhost") == 0) {
        return true;
    }
    if (inet_pton(AF_INET, name, &v4) == 1) {
        return ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    return inet_pton(AF_INET6, name, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

void weft_registry_host_finish(struct weft_registry_host *h)
{
    free(h->host);
    free(h->ca_file);
    free(h->cert_file);
    free(h->key_file);
    weft_strv_finish(&h->mirrors);
    *h = (struct weft_registry_host){0};
}

void weft_registry_hosts_finish(struct weft_registry_hosts *h)
{
    for (size_t i = 0; i < h->n; i++) {
        weft_registry_host_finish(&h->v[i]);
    }
    free(h->v);
    *h = (struct weft_registry_hosts){0};
}
