/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which proxy a request goes through, by the rules of Go's programs (buildkitd, docker): those
 * differ from libcurl's in the names of the variables and in what NO_PROXY may hold. Pure.
 */
#ifndef WEFT_ENGINE_REGISTRY_PROXY_H
#define WEFT_ENGINE_REGISTRY_PROXY_H

#include <stdbool.h>

/** The variables' values; each may be NULL or empty. Borrowed. */
struct weft_proxies {
    const char *http;  /* "proxy:3128", "http://user:password@proxy:3128", "socks5://proxy" */
    const char *https; /* for https:// requests */
    const char *no;    /* "localhost,.example.com,10.0.0.0/8,host:8080" or "*" */
};

/** HTTP_PROXY, HTTPS_PROXY and NO_PROXY, each in upper case or else in lower. A process of a web
 * server (REQUEST_METHOD is set) has no HTTP_PROXY: there its value is a client's header. */
struct weft_proxies weft_proxies_of_environment(void);

/**
 * The proxy for a URL's scheme, host (IPv6 with or without brackets) and port: with scheme and
 * port, as libcurl takes it; NULL: none. This machine needs none. It may hold a password. Caller
 * frees.
 */
char *weft_proxy_for(const struct weft_proxies *p, bool https, const char *host, int port);

#endif
