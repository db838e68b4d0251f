/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of `weft bench`, a file each (bench_run.c, ...); cmd_bench.c calls them. Each is as
 * the run of struct weft_cmd (engine/cmd.h); argv[0] is its own name.
 */
#ifndef WEFT_ENGINE_BENCH_COMMANDS_H
#define WEFT_ENGINE_BENCH_COMMANDS_H

#include <stdio.h>

struct weft_err;

int weft_bench_collect(int argc, char **argv, FILE *out, struct weft_err **err);
int weft_bench_compare(int argc, char **argv, FILE *out, struct weft_err **err);
int weft_bench_run(int argc, char **argv, FILE *out, struct weft_err **err);

#endif
