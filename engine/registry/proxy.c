/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/registry/proxy.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    V4_IN_V6_BITS = 96
};

/* An address of either kind, as IPv6 has both. */
struct address {
    unsigned char bytes[16];
};

static const char *variable(const char *upper, const char *lower)
{
    const char *v = getenv(upper);

    return v && *v ? v : getenv(lower);
}

struct weft_proxies weft_proxies_of_environment(void)
{
    const char *request = getenv("REQUEST_METHOD");
    bool is_cgi = request && *request;

    return (struct weft_proxies){.http = is_cgi ? NULL : variable("HTTP_PROXY", "http_proxy"),
                                 .https = variable("HTTPS_PROXY", "https_proxy"),
                                 .no = variable("NO_PROXY", "no_proxy")};
}

static bool parse_address(const char *s, struct address *out)
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

    if (inet_pton(AF_INET6, s, out->bytes) == 1) {
        return true;
    }
    memcpy(out->bytes, mapped, sizeof(mapped));
    return inet_pton(AF_INET, s, out->bytes + sizeof(mapped)) == 1;
}

static bool same_bits(const struct address *a, const struct address *b, int bits)
{
    unsigned char mask = (unsigned char)(0xff00 >> bits % 8);

    return memcmp(a->bytes, b->bytes, (size_t)bits / 8) == 0 &&
           (bits % 8 == 0 || ((a->bytes[bits / 8] ^ b->bytes[bits / 8]) & mask) == 0);
}

static bool is_loopback(const struct address *a)
{
    struct address v6, v4;

    return parse_address("::1", &v6) && parse_address("127.0.0.0", &v4) &&
           (same_bits(a, &v6, 128) || same_bits(a, &v4, V4_IN_V6_BITS + 8));
}

/* "10.0.0.0/8"; *is says whether it is one. */
static bool network_matches(const char *entry, const struct address *a, bool *is)
{
    const char *slash = strchr(entry, '/');
    weft_auto_free char *base = NULL;
    struct address network;
    long bits;
    int most;

    *is = false;
    if (!slash) {
        return false;
    }
    base = weft_xstrndup(entry, (size_t)(slash - entry));
    most = strchr(base, ':') ? 128 : 32;
    if (!parse_address(base, &network) ||
        weft_parse_long(slash + 1, 0, most, "prefix", &bits, NULL) < 0) {
        return false;
    }
    *is = true;
    return a && same_bits(a, &network, (int)bits + 128 - most);
}

/* Cut "host:port", "[v6]:port", "[v6]"; what has more colons without brackets is an address.
 * Returns the port, or NULL. */
static const char *cut_port(char **entry)
{
    char *s = *entry;
    char *colon = strchr(s, ':');

    if (*s == '[') {
        char *end = strchr(s, ']');

        if (!end) {
            return NULL;
        }
        *entry = s + 1;
        *end = '\0';
        return end[1] == ':' ? end + 2 : NULL;
    }
    if (!colon || strchr(colon + 1, ':')) {
        return NULL;
    }
    *colon = '\0';
    return colon + 1;
}

/* One entry of NO_PROXY. `a` is NULL where the host is no address. */
static bool entry_matches(char *entry, const char *host, const struct address *a, const char *port)
{
    struct address own;
    const char *own_port;
    bool is_network;
    bool matches = network_matches(entry, a, &is_network);
    size_t host_len = strlen(host), len;

    if (is_network) {
        return matches;
    }
    own_port = cut_port(&entry);
    if (!*entry || (own_port && *own_port && strcmp(own_port, port) != 0)) {
        return false;
    }
    if (parse_address(entry, &own)) {
        return a && same_bits(a, &own, 128);
    }
    if (weft_starts_with(entry, "*.")) {
        entry++;
    }
    if (*entry != '.' && strcasecmp(entry, host) == 0) {
        return true;
    }
    /* ".example.com", or "example.com" for what is below it */
    len = strlen(entry);
    if (host_len <= len || strcasecmp(host + host_len - len, entry) != 0) {
        return false;
    }
    return *entry == '.' || host[host_len - len - 1] == '.';
}

static char *trim(char *s)
{
    char *end = s + strlen(s);

    while (end > s && isspace((unsigned char)end[-1])) {
        *--end = '\0';
    }
    return s + strspn(s, " \t\r\n");
}

static bool excepted(const char *no, const char *host, const struct address *a, int port)
{
    weft_auto_free char *port_text = weft_fmt("%d", port);
    weft_auto_strv entries = {0};

    weft_split(no, ',', &entries);
    for (size_t i = 0; i < entries.n; i++) {
        char *entry = trim(entries.v[i]);

        if (strcmp(entry, "*") == 0 || (*entry && entry_matches(entry, host, a, port_text))) {
            return true;
        }
    }
    return false;
}

/* With a scheme that libcurl knows, and the port that Go's programs take where there is none:
 * libcurl's is 1080. */
static char *complete(const char *proxy)
{
    const char *scheme = "http", *port = "80";
    const char *rest = proxy, *host, *end;
    size_t len;

    if (strncasecmp(proxy, "http://", 7) == 0) {
        rest = proxy + 7;
    } else if (strncasecmp(proxy, "https://", 8) == 0) {
        scheme = "https";
        port = "443";
        rest = proxy + 8;
    } else if (strncasecmp(proxy, "socks5://", 9) == 0 ||
               strncasecmp(proxy, "socks5h://", 10) == 0) {
        scheme = "socks5h"; /* Go lets the proxy resolve names */
        port = "1080";
        rest = strstr(proxy, "//") + 2;
    }
    len = strcspn(rest, "/?#");
    host = memrchr(rest, '@', len);
    host = host ? host + 1 : rest;
    end = rest + len;
    if (host < end && *host == '[') { /* colons within brackets are an address */
        const char *bracket = memchr(host, ']', (size_t)(end - host));

        host = bracket ? bracket : end;
    }
    if (memchr(host, ':', (size_t)(end - host))) {
        return weft_fmt("%s://%.*s", scheme, (int)len, rest);
    }
    return weft_fmt("%s://%.*s:%s", scheme, (int)len, rest, port);
}

char *weft_proxy_for(const struct weft_proxies *p, bool https, const char *host, int port)
{
    const char *proxy = https ? p->https : p->http;
    weft_auto_free char *name = NULL;
    struct address a;
    bool is_address;

    if (!proxy || !*proxy) {
        return NULL;
    }
    name = *host == '[' ? weft_xstrndup(host + 1, strcspn(host + 1, "]")) : weft_xstrdup(host);
    is_address = parse_address(name, &a);
    if (strcasecmp(name, "localhost") == 0 || (is_address && is_loopback(&a)) ||
        (p->no && excepted(p->no, name, is_address ? &a : NULL, port))) {
        return NULL;
    }
    return complete(proxy);
}
