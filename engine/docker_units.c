/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/docker_units.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

enum {
    DIGITS_MAX = 15 /* what a double holds */
};

char *weft_docker_size(uint64_t bytes)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double size = (double)bytes;
    size_t i = 0;

    while (size >= 1000 && i + 1 < sizeof(units) / sizeof(units[0])) {
        size /= 1000;
        i++;
    }
    return weft_fmt("%.4g%s", size, units[i]);
}

char *weft_docker_duration(int64_t seconds)
{
    long long s = seconds > 0 ? seconds : 0;
    long long hours = (s + 1800) / 3600;

    if (s < 1) {
        return weft_fmt("Less than a second");
    }
    if (s < 60) {
        return weft_fmt("%lld second%s", s, s == 1 ? "" : "s");
    }
    if (s < 3600) {
        return s < 120 ? weft_fmt("About a minute") : weft_fmt("%lld minutes", s / 60);
    }
    if (hours < 48) {
        return hours == 1 ? weft_fmt("About an hour") : weft_fmt("%lld hours", hours);
    }
    if (hours < 24LL * 7 * 2) {
        return weft_fmt("%lld days", hours / 24);
    }
    if (hours < 24LL * 30 * 2) {
        return weft_fmt("%lld weeks", hours / 24 / 7);
    }
    if (hours < 24LL * 365 * 2) {
        return weft_fmt("%lld months", hours / 24 / 30);
    }
    return weft_fmt("%lld years", s / 3600 / 24 / 365);
}

/* Digits with at most one dot among them, and at least one digit: not all that strtod() takes. */
static int read_number(const char **p, double *out)
{
    size_t n = strspn(*p, "0123456789.");
    char *end;

    if (n == 0 || n > DIGITS_MAX || strspn(*p, ".") == n) {
        return -1;
    }
    *out = strtod(*p, &end);
    if (end != *p + n) {
        return -1;
    }
    *p = end;
    return 0;
}

int weft_docker_parse_size(const char *text, uint64_t *bytes)
{
    static const char units[] = "bkmgtp";
    const char *p = text;
    double size;

    if (read_number(&p, &size) < 0) {
        return -1;
    }
    p += *p == ' ';
    if (*p) {
        const char *unit = strchr(units, *p | 0x20);

        if (!unit) {
            return -1;
        }
        p++;
        if (unit > units) { /* "m", "mb" and "mib" are the same */
            p += (p[0] | 0x20) == 'b' ? 1 : (p[0] | 0x20) == 'i' && (p[1] | 0x20) == 'b' ? 2 : 0;
        }
        for (; unit > units; unit--) {
            size *= 1024;
        }
    }
    if (*p || size >= (double)(UINT64_C(1) << 62)) {
        return -1;
    }
    *bytes = (uint64_t)size;
    return 0;
}

/* How many ms a unit at *p has, and go on behind it; 0: there is none. */
static double read_unit(const char **p)
{
    static const struct {
        const char *name;
        double ms;
    } units[] = {
        /* those that begin with another one come first */
        {"ns", 1e-6}, {"us", 1e-3}, {"\xc2\xb5s", 1e-3}, {"\xce\xbcs", 1e-3},
        {"ms", 1},    {"s", 1e3},   {"m", 60e3},         {"h", 3600e3},
    };

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (weft_starts_with(*p, units[i].name)) {
            *p += strlen(units[i].name);
            return units[i].ms;
        }
    }
    return 0;
}

int weft_docker_parse_duration(const char *text, int64_t *ms)
{
    static const double most_ms = 250 * 365.0 * 24 * 3600e3;
    const char *p = text;
    double sum = 0;

    if (strcmp(text, "0") == 0) {
        *ms = 0;
        return 0;
    }
    do {
        double number, unit;

        if (read_number(&p, &number) < 0 || (unit = read_unit(&p)) == 0) {
            return -1;
        }
        sum += number * unit;
    } while (*p);
    if (sum > most_ms) {
        return -1;
    }
    *ms = (int64_t)(sum + 0.5);
    return 0;
}
