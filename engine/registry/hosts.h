/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a registry is reached: what config.yaml's `registries:` says of a host, for weft's own
 * requests and for the workers' buildkitd.toml alike. Pure data; engine/settings.c reads it.
 */
#ifndef WEFT_ENGINE_REGISTRY_HOSTS_H
#define WEFT_ENGINE_REGISTRY_HOSTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

/** One host. Start from {0}; end with weft_registry_host_finish. */
struct weft_registry_host {
    char *host;               /* "docker.io", "localhost:5000", as references name it */
    bool http;                /* plain HTTP */
    bool https;               /* never that, also where the host is this machine */
    bool insecure;            /* HTTPS whose certificate is not checked; of this machine, plain HTTP
                                 where there is no HTTPS */
    char *ca_file;            /* absolute path of more authorities, PEM; or NULL */
    char *cert_file;          /* of a client certificate, PEM; or NULL */
    char *key_file;           /* and its key; both or neither */
    struct weft_strv mirrors; /* "HOST[/PATH]", asked first for pulls, in this order */
};
void weft_registry_host_finish(struct weft_registry_host *h);

/** All that are configured. Start from {0}; end with weft_registry_hosts_finish. */
struct weft_registry_hosts {
    struct weft_registry_host *v;
    size_t n;
};
void weft_registry_hosts_finish(struct weft_registry_hosts *h);

/** What a host is configured and referred to by: "docker.io" for each of the names of Docker Hub,
 * any other as it is. Borrowed from `host`, or static. */
const char *weft_registry_host_name(const char *host);

/** The entry of a host ("docker.io" and its other names are one); NULL: none. Borrowed. `hosts` may
 * be NULL. */
const struct weft_registry_host *weft_registry_hosts_find(const struct weft_registry_hosts *hosts,
                                                          const char *host);

/** Whether a text can be a registry's host: a name or an address (one of IPv6 in brackets), and a
 * port where it has one. */
bool weft_registry_host_ok(const char *text);

/** Whether the first request to a host is plain HTTP, by its entry `h` (NULL: it has none). */
bool weft_registry_host_plain(const struct weft_registry_host *h, const char *host);

/** Whether a host is this machine (localhost, 127.0.0.0/8, ::1; a port may follow): then BuildKit
 * and weft speak plain HTTP if nothing else is said. */
bool weft_registry_host_is_local(const char *host);

#endif
