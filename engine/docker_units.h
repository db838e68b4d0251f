/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sizes and times as docker's commands print and read them, for output and flags that scripts know
 * from there. Everything else prints sizes with weft_human_size. Pure.
 */
#ifndef WEFT_ENGINE_DOCKER_UNITS_H
#define WEFT_ENGINE_DOCKER_UNITS_H

#include <stdint.h>

/** "1.704GB": four digits, powers of 1000, no space. Caller frees. */
char *weft_docker_size(uint64_t bytes);

/** "13 days", "About an hour", "Less than a second". Negative: as 0. Caller frees. */
char *weft_docker_duration(int64_t seconds);

/** Parse a size of a flag: "64m", "1.5GiB", "2 gb", "67108864"; k, m, g, t, p are powers of 1024.
 * Returns 0, or -1 if it is none, or 2^62 or more. */
int weft_docker_parse_size(const char *text, uint64_t *bytes);

/** Parse a duration as Go writes them: "24h", "2h30m", "1.5s", "0". Returns 0, or -1 if it is none,
 * is negative, or is more than 250 years. */
int weft_docker_parse_duration(const char *text, int64_t *ms);

#endif
