/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether a native CPU is one that a variant asks for: linux/amd64/v3 on a machine without AVX2
 * builds, until its first program dies. Pure; the flags come from the caller.
 */
#ifndef WEFT_PLATFORMS_LEVEL_H
#define WEFT_PLATFORMS_LEVEL_H

#include "platforms/platform.h"

/**
 * The first flag that programs of p may rely on and `flags` lacks; NULL: none is known to be
 * lacking. `flags`: words separated by blanks, as in the line "flags" (x86) or "Features" (arm64)
 * of /proc/cpuinfo. Sources: x86-64 psABI, "Micro-Architecture Levels"; Linux,
 * Documentation/arch/arm64/elf_hwcaps.rst, and the features that the Arm architecture makes
 * mandatory by version. Static.
 */
const char *weft_level_lacks(const struct weft_platform *p, const char *flags);

#endif
