/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The commands of `weft`. One engine/cmd_<name>.c each, which exports one constant; the array in
 * main.c drives dispatch and `weft --help`.
 */
#ifndef WEFT_ENGINE_CMD_H
#define WEFT_ENGINE_CMD_H

#include <stdio.h>

struct weft_err;

struct weft_cmd {
    const char *name;
    const char *summary; /* one line of `weft --help` */
    /**
     * Run the command. argv[0] is its name. Data goes to `out`, everything else to the log.
     * Returns 0, or -1 with the error that main() prints and turns into the exit code. A command
     * that has reported its failure itself gives WEFT_E_BUILD or WEFT_E_CANCELLED with an empty
     * message.
     */
    int (*run)(int argc, char **argv, FILE *out, struct weft_err **err);
};

extern const struct weft_cmd weft_cmd_audit;
extern const struct weft_cmd weft_cmd_bench;
extern const struct weft_cmd weft_cmd_binfmt;
extern const struct weft_cmd weft_cmd_build;
extern const struct weft_cmd weft_cmd_buildctl;
extern const struct weft_cmd weft_cmd_doctor;
extern const struct weft_cmd weft_cmd_du;
extern const struct weft_cmd weft_cmd_inspect;
extern const struct weft_cmd weft_cmd_platforms;
extern const struct weft_cmd weft_cmd_prune;
extern const struct weft_cmd weft_cmd_push;
extern const struct weft_cmd weft_cmd_qemu;
extern const struct weft_cmd weft_cmd_worker;

#endif
