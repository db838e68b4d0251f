/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Platform names: os/architecture[/variant], in the normal form of containerd's platforms package
 * (the rules are facts of that package's documentation; the code and the test vectors are ours).
 * Knows no machine and no I/O.
 */
#ifndef WEFT_PLATFORMS_PLATFORM_H
#define WEFT_PLATFORMS_PLATFORM_H

#include <stdbool.h>

struct weft_err;

enum {
    WEFT_PLATFORM_SIZE = 64
}; /* the longest printed form, with the NUL */

/** A platform in normal form. Plain value; unused parts are "". */
struct weft_platform {
    char os[16];
    char arch[16];
    char variant[16];
};

/**
 * Parse and normalise "linux/arm64", "arm64" (os linux), "linux" (this machine's), "linux/arm/v7",
 * with containerd's aliases: aarch64, x86_64, x86-64, i386, armhf (arm/v7), armel (arm/v6; Debian's
 * port of that name is v5), arm (arm/v7), arm64/v8 (arm64), arm64/v9.0 (arm64/v9), amd64/v1
 * (amd64); and with names that the kernel, GNU and Debian use: i686, armv7l, ppc64el, mips64el,
 * loongarch64 and the like.
 * Errors: WEFT_E_USAGE (malformed; or unknown, with the nearest known name as a hint).
 */
int weft_platform_parse(const char *text, struct weft_platform *out, struct weft_err **err);

/** Build a normalised platform from the fields of an OCI image config or descriptor, with
 * containerd's aliases alone; NULL counts as "". No check of names. */
void weft_platform_from_fields(const char *os, const char *arch, const char *variant,
                               struct weft_platform *out);

/** "linux/arm/v7" into buf. Returns buf. */
const char *weft_platform_format(const struct weft_platform *p, char buf[WEFT_PLATFORM_SIZE]);

/** "linux_arm_v7": as BuildKit and buildx name directories. Returns buf. */
const char *weft_platform_dirname(const struct weft_platform *p, char buf[WEFT_PLATFORM_SIZE]);

bool weft_platform_eq(const struct weft_platform *a, const struct weft_platform *b);

/** The platform of the machine that this program was built for ("local" in --platform): from
 * compile-time macros. */
void weft_platform_host(struct weft_platform *out);

#endif
