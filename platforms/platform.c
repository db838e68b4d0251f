/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "platforms/platform.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "platforms/catalogue.h"

/* Names that stand for another one. A NULL variant keeps the variant that was given. */
struct arch_alias {
    const char *from;
    const char *arch;
    const char *variant;
};

/* In whatever names a platform, images included. */
static const struct arch_alias arch_aliases[] = {
    {"aarch64", "arm64", NULL}, {"x86_64", "amd64", NULL}, {"x86-64", "amd64", NULL},
    {"i386", "386", ""},        {"armhf", "arm", "v7"},    {"armel", "arm", "v6"},
};

/* And what only people say: the names of the kernel (uname -m), of GNU and of Debian. */
static const struct arch_alias spoken_aliases[] = {
    {"i486", "386", ""},          {"i586", "386", ""},
    {"i686", "386", ""},          {"armv7l", "arm", "v7"},
    {"armv6l", "arm", "v6"},      {"armv5tel", "arm", "v5"},
    {"ppc64el", "ppc64le", NULL}, {"powerpc64le", "ppc64le", NULL},
    {"powerpc64", "ppc64", NULL}, {"mips64el", "mips64le", NULL},
    {"mipsel", "mipsle", NULL},   {"loongarch64", "loong64", NULL},
};

/* Per architecture, after the aliases: a variant and its normal form. */
static const struct {
    const char *arch;
    const char *from;
    const char *variant;
} variant_aliases[] = {
    {"amd64", "v1", ""},  {"arm64", "8", ""},     {"arm64", "v8", ""},     {"arm64", "v8.0", ""},
    {"arm64", "9", "v9"}, {"arm64", "9.0", "v9"}, {"arm64", "v9.0", "v9"}, {"arm", "", "v7"},
    {"arm", "5", "v5"},   {"arm", "6", "v6"},     {"arm", "7", "v7"},      {"arm", "8", "v8"},
};

/* Copy in lower case; what does not fit is cut. */
static void copy_lower(char *dst, size_t size, const char *src)
{
    size_t n = strnlen(src, size - 1);

    for (size_t i = 0; i < n; i++) {
        dst[i] = (char)tolower((unsigned char)src[i]);
    }
    dst[n] = '\0';
}

static void apply_alias(struct weft_platform *p, const struct arch_alias *aliases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(p->arch, aliases[i].from) == 0) {
            copy_lower(p->arch, sizeof(p->arch), aliases[i].arch);
            if (aliases[i].variant) {
                copy_lower(p->variant, sizeof(p->variant), aliases[i].variant);
            }
            return;
        }
    }
}

static void normalise(struct weft_platform *p)
{
    if (strcmp(p->os, "macos") == 0) {
        copy_lower(p->os, sizeof(p->os), "darwin");
    }
    apply_alias(p, arch_aliases, sizeof(arch_aliases) / sizeof(arch_aliases[0]));
    for (size_t i = 0; i < sizeof(variant_aliases) / sizeof(variant_aliases[0]); i++) {
        if (strcmp(p->arch, variant_aliases[i].arch) == 0 &&
            strcmp(p->variant, variant_aliases[i].from) == 0) {
            copy_lower(p->variant, sizeof(p->variant), variant_aliases[i].variant);
            break;
        }
    }
}

void weft_platform_from_fields(const char *os, const char *arch, const char *variant,
                               struct weft_platform *out)
{
    copy_lower(out->os, sizeof(out->os), os ? os : "");
    copy_lower(out->arch, sizeof(out->arch), arch ? arch : "");
    copy_lower(out->variant, sizeof(out->variant), variant ? variant : "");
    normalise(out);
}

/* The nearest to `text` of all that can be built, as a hint; or all but the variants of amd64 and
 * arm64, which are many. */
static int hint_nearest(const char *text, struct weft_err **err)
{
    weft_auto_strv names = {0};
    weft_auto_strv plain = {0};
    weft_auto_free char *most = NULL;
    weft_auto_free char *full = weft_fmt("linux/%s", text); /* "arn64", "amd64/v5" */
    const char *near;
    size_t n = 0;
    const struct weft_platform_info *infos = weft_catalogue(&n);

    for (size_t i = 0; i < n; i++) {
        const struct weft_platform *p = &infos[i].platform;
        char buf[WEFT_PLATFORM_SIZE];

        weft_strv_add(&names, weft_platform_format(p, buf));
        if (!p->variant[0] || strcmp(p->arch, "arm") == 0) {
            weft_strv_add(&plain, buf);
        }
    }
    near = weft_nearest(full, (const char *const *)names.v, names.n);
    if (!near) {
        near = weft_nearest(text, (const char *const *)names.v, names.n);
    }
    if (near) {
        return weft_err_hint(err, "%s", near);
    }
    most = weft_strv_join(&plain, ", ");
    return weft_err_hint(err, "one of %s; all: weft platforms", most);
}

static bool part_ok(const char *s)
{
    size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-");

    return n > 0 && s[n] == '\0' && n < sizeof(((struct weft_platform *)NULL)->arch);
}

/* An operating system alone is that of the host's architecture. */
static bool is_os(const char *s)
{
    return strcasecmp(s, "linux") == 0 || strcasecmp(s, "windows") == 0;
}

int weft_platform_parse(const char *text, struct weft_platform *out, struct weft_err **err)
{
    weft_auto_strv parts = {0};
    weft_auto_free char *shown = weft_printable(text);
    struct weft_platform p = {0};
    bool ok;

    weft_split(text, '/', &parts);
    ok = parts.n >= 1 && parts.n <= 3;
    for (size_t i = 0; ok && i < parts.n; i++) {
        ok = part_ok(parts.v[i]);
    }
    if (!ok) {
        weft_fail(err, WEFT_E_USAGE, "\"%s\" is not a platform: os/architecture[/variant]", shown);
        return weft_err_hint(err, "for example linux/arm64 or linux/arm/v7");
    }
    if (parts.n == 1 && is_os(parts.v[0])) {
        weft_platform_host(&p);
        copy_lower(p.os, sizeof(p.os), parts.v[0]);
    } else if (parts.n == 1) {
        weft_platform_from_fields("linux", parts.v[0], NULL, &p);
    } else {
        weft_platform_from_fields(parts.v[0], parts.v[1], parts.n == 3 ? parts.v[2] : NULL, &p);
    }
    apply_alias(&p, spoken_aliases, sizeof(spoken_aliases) / sizeof(spoken_aliases[0]));
    if (!weft_catalogue_find(&p)) {
        if (strcmp(p.os, "linux") != 0) {
            weft_fail(err, WEFT_E_USAGE,
                      "platform \"%s\": weft builds for linux, and for windows/amd64", shown);
        } else {
            weft_fail(err, WEFT_E_USAGE, "unknown platform \"%s\"", shown);
        }
        return hint_nearest(text, err);
    }
    *out = p;
    return 0;
}

static const char *join_parts(const struct weft_platform *p, char sep, char buf[WEFT_PLATFORM_SIZE])
{
    int n = snprintf(buf, WEFT_PLATFORM_SIZE, "%s%c%s", p->os, sep, p->arch);

    if (p->variant[0]) {
        snprintf(buf + n, WEFT_PLATFORM_SIZE - (size_t)n, "%c%s", sep, p->variant);
    }
    return buf;
}

const char *weft_platform_format(const struct weft_platform *p, char buf[WEFT_PLATFORM_SIZE])
{
    return join_parts(p, '/', buf);
}

const char *weft_platform_dirname(const struct weft_platform *p, char buf[WEFT_PLATFORM_SIZE])
{
    return join_parts(p, '_', buf);
}

bool weft_platform_eq(const struct weft_platform *a, const struct weft_platform *b)
{
    return strcmp(a->os, b->os) == 0 && strcmp(a->arch, b->arch) == 0 &&
           strcmp(a->variant, b->variant) == 0;
}

/* Byte order tells the twins of one macro apart. */
#define LITTLE_ENDIAN_HOST (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)

void weft_platform_host(struct weft_platform *out)
{
#if defined(__x86_64__)
    weft_platform_from_fields("linux", "amd64", NULL, out);
#elif defined(__i386__)
    weft_platform_from_fields("linux", "386", NULL, out);
#elif defined(__aarch64__)
    weft_platform_from_fields("linux", "arm64", NULL, out);
#elif defined(__arm__) && __ARM_ARCH >= 7
    weft_platform_from_fields("linux", "arm", "v7", out);
#elif defined(__arm__) && __ARM_ARCH == 6
    weft_platform_from_fields("linux", "arm", "v6", out);
#elif defined(__arm__)
    weft_platform_from_fields("linux", "arm", "v5", out);
#elif defined(__riscv) && __riscv_xlen == 64
    weft_platform_from_fields("linux", "riscv64", NULL, out);
#elif defined(__powerpc64__)
    weft_platform_from_fields("linux", LITTLE_ENDIAN_HOST ? "ppc64le" : "ppc64", NULL, out);
#elif defined(__s390x__)
    weft_platform_from_fields("linux", "s390x", NULL, out);
#elif defined(__mips64)
    weft_platform_from_fields("linux", LITTLE_ENDIAN_HOST ? "mips64le" : "mips64", NULL, out);
#elif defined(__mips__)
    weft_platform_from_fields("linux", LITTLE_ENDIAN_HOST ? "mipsle" : "mips", NULL, out);
#elif defined(__loongarch64)
    weft_platform_from_fields("linux", "loong64", NULL, out);
#else
#error "weft does not know the platform name of this machine: add it to weft_platform_host"
#endif
}
