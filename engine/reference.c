/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/reference.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

static const char default_domain[] = "docker.io";
static const char official_prefix[] = "library/";

static bool is_one_of(char c, const char *set)
{
    return c && strchr(set, c);
}

/* host[:port]; host is a dotted name or an IPv6 address in brackets. */
static bool domain_ok(const char *s)
{
    if (*s == '[') {
        size_t n = strspn(s + 1, "abcdefABCDEF" DIGITS ":");

        if (n == 0 || s[1 + n] != ']') {
            return false;
        }
        s += n + 2;
    } else {
        for (;;) {
            size_t n = strspn(s, LOWER UPPER DIGITS "-");

            if (n == 0 || s[0] == '-' || s[n - 1] == '-') {
                return false;
            }
            s += n;
            if (*s != '.') {
                break;
            }
            s++;
        }
    }
    if (*s == ':') {
        size_t n = strspn(s + 1, DIGITS);

        return n > 0 && n <= 5 && s[1 + n] == '\0';
    }
    return *s == '\0';
}

/* Parts of lower-case letters and digits, parted by '/', or within a component by ".", "_", "__" or
 * dashes. */
static bool path_ok(const char *s)
{
    for (;;) {
        size_t n = strspn(s, LOWER DIGITS);

        if (n == 0) {
            return false;
        }
        s += n;
        if (*s == '\0') {
            return true;
        }
        if (*s == '-') {
            s += strspn(s, "-");
        } else if (s[0] == '_' && s[1] == '_') {
            s += 2;
        } else if (*s == '/' || *s == '.' || *s == '_') {
            s++;
        } else {
            return false;
        }
    }
}

static bool tag_ok(const char *s)
{
    size_t n = strspn(s, LOWER UPPER DIGITS "_.-");

    return n > 0 && n <= WEFT_REFERENCE_TAG_MAX && s[n] == '\0' && !is_one_of(s[0], ".-");
}

/* Whether the part before the first slash names a registry, and not a user of the default one. */
static bool looks_like_domain(const char *s, size_t len)
{
    if (len == strlen("localhost") && memcmp(s, "localhost", len) == 0) {
        return true;
    }
    for (size_t i = 0; i < len; i++) {
        if (is_one_of(s[i], ".:" UPPER)) {
            return true;
        }
    }
    return false;
}

/* Fill domain and path from a name without tag and digest. */
static void split_name(const char *name, struct weft_reference *out)
{
    const char *slash = strchr(name, '/');

    if (slash && looks_like_domain(name, (size_t)(slash - name))) {
        out->domain = weft_xstrndup(name, (size_t)(slash - name));
        name = slash + 1;
    } else {
        out->domain = weft_xstrdup(default_domain);
    }
    if (strcmp(out->domain, "index.docker.io") == 0) {
        free(out->domain);
        out->domain = weft_xstrdup(default_domain);
    }
    if (strcmp(out->domain, default_domain) == 0 && !strchr(name, '/')) {
        out->path = weft_fmt("%s%s", official_prefix, name);
    } else {
        out->path = weft_xstrdup(name);
    }
}

static bool is_image_id(const char *s)
{
    size_t n = strspn(s, "abcdef" DIGITS);

    return n == 64 && s[n] == '\0';
}

/* What is wrong with the text, or NULL. */
static const char *parse(char *text, struct weft_reference *out)
{
    char *at = strchr(text, '@');
    char *colon;

    if (at) {
        *at = '\0';
        if (!weft_digest_valid(at + 1)) {
            return "the digest is not \"sha256:\" and 64 lower-case hexadecimal digits";
        }
        out->digest = weft_xstrdup(at + 1);
    }
    colon = strrchr(text, ':');
    if (colon && !strchr(colon, '/')) {
        *colon = '\0';
        if (!tag_ok(colon + 1)) {
            return "the tag has to be 1 to 128 letters, digits, \"_\", \".\" or \"-\", and not to "
                   "begin with \".\" or \"-\"";
        }
        out->tag = weft_xstrdup(colon + 1);
    }
    if (text[0] == '\0') {
        return "there is no name";
    }
    if (is_image_id(text)) {
        return "a name of 64 hexadecimal digits would be taken for an image ID";
    }
    split_name(text, out);
    if (!domain_ok(out->domain)) {
        return "the part before the first \"/\" is not a registry's host[:port]";
    }
    if (strpbrk(out->path, UPPER)) {
        return "the repository's name has to be lower case";
    }
    if (strlen(out->path) > WEFT_REFERENCE_PATH_MAX) {
        return "the repository's name has more than 255 characters";
    }
    if (!path_ok(out->path)) {
        return "the repository's name has to be letters and digits, parted by \"/\", \".\", \"_\", "
               "\"__\" or dashes";
    }
    return NULL;
}

int weft_reference_parse(const char *text, struct weft_reference *out, struct weft_err **err)
{
    weft_auto_free char *copy = NULL;
    weft_auto_free char *shown = NULL;
    weft_auto_reference r = {0};
    const char *wrong;

    if (strlen(text) > WEFT_REFERENCE_MAX) {
        return weft_fail(err, WEFT_E_USAGE, "an image reference of more than %d characters",
                         WEFT_REFERENCE_MAX);
    }
    copy = weft_xstrdup(text);
    wrong = parse(copy, &r);
    if (wrong) {
        shown = weft_printable(text);
        return weft_fail(err, WEFT_E_USAGE, "\"%s\" is not an image reference: %s", shown, wrong);
    }
    *out = r;
    r = (struct weft_reference){0};
    return 0;
}

void weft_reference_finish(struct weft_reference *r)
{
    free(r->domain);
    free(r->path);
    free(r->tag);
    free(r->digest);
    *r = (struct weft_reference){0};
}

char *weft_reference_full(const struct weft_reference *r)
{
    const char *tag = r->tag ? r->tag : r->digest ? NULL : "latest";

    return weft_fmt("%s/%s%s%s%s%s", r->domain, r->path, tag ? ":" : "", tag ? tag : "",
                    r->digest ? "@" : "", r->digest ? r->digest : "");
}

char *weft_reference_familiar(const struct weft_reference *r)
{
    bool is_default = strcmp(r->domain, default_domain) == 0;
    const char *path = r->path;

    if (is_default && weft_starts_with(path, official_prefix) &&
        !strchr(path + strlen(official_prefix), '/')) {
        path += strlen(official_prefix);
    }
    return weft_fmt("%s%s%s%s%s%s%s", is_default ? "" : r->domain, is_default ? "" : "/", path,
                    r->tag ? ":" : "", r->tag ? r->tag : "", r->digest ? "@" : "",
                    r->digest ? r->digest : "");
}
