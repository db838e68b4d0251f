/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of several images fits a platform best, as containerd's platforms package has it (Only,
 * OnlyStrict; the rules are facts of that package, code and test vectors are ours). What a CPU
 * really runs is another question: platforms/level.h, binfmt/probe.h.
 */
#ifndef WEFT_PLATFORMS_MATCH_H
#define WEFT_PLATFORMS_MATCH_H

#include <stdbool.h>

#include "platforms/platform.h"

/**
 * Whether an image of platform `have` will do where `want` is asked for, both in normal form. The
 * same platform always does; unless `strict`, so does what its CPUs run as well: lower variants
 * (arm no lower than v5; arm64/v9.N like v8.(N+5)), 386 for amd64, arm for arm64.
 */
bool weft_platform_matches(const struct weft_platform *want, const struct weft_platform *have,
                           bool strict);

/** Whether an image of platform a fits `want` better than one of b: the higher variant first, then
 * the 32-bit platforms, then what does not match. */
bool weft_platform_better(const struct weft_platform *want, const struct weft_platform *a,
                          const struct weft_platform *b);

#endif
