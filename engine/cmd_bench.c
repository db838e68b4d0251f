/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "engine/bench_commands.h"
#include "engine/cmd.h"

static const struct command {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv, FILE *out, struct weft_err **err);
} commands[] = {
    {"run", "measure what emulation costs on this machine", weft_bench_run},
    {"compare", "compare the results of many machines, also by price", weft_bench_compare},
    {"collect", "gather the results of the nodes of a cluster", weft_bench_collect},
};

enum {
    N_COMMANDS = sizeof(commands) / sizeof(commands[0])
};

static void print_help(FILE *out)
{
    fputs("usage: weft bench COMMAND [FLAGS]\n"
          "\n"
          "What emulation costs.\n"
          "\n"
          "Commands:\n",
          out);
    for (size_t i = 0; i < N_COMMANDS; i++) {
        fprintf(out, "  %-8s %s\n", commands[i].name, commands[i].summary);
    }
    fputs("\n"
          "  weft bench COMMAND --help   what a command takes, with examples\n",
          out);
}

static int unknown(const char *name, struct weft_err **err)
{
    const char *names[N_COMMANDS];
    weft_auto_free char *shown = weft_printable(name);
    const char *near;

    for (size_t i = 0; i < N_COMMANDS; i++) {
        names[i] = commands[i].name;
    }
    near = weft_nearest(name, names, N_COMMANDS);
    weft_fail(err, WEFT_E_USAGE, "bench: unknown command \"%s\"%s%s%s", shown,
              near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    return weft_err_hint(err, "weft bench --help");
}

static int run(int argc, char **argv, FILE *out, struct weft_err **err)
{
    if (argc < 2) {
        weft_fail(err, WEFT_E_USAGE, "bench: which command?");
        return weft_err_hint(err, "weft bench --help");
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(out);
        return 0;
    }
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) == 0) {
            return commands[i].run(argc - 1, argv + 1, out, err);
        }
    }
    return unknown(argv[1], err);
}

const struct weft_cmd weft_cmd_bench = {
    .name = "bench",
    .summary = "Measure what emulation costs on this machine",
    .run = run,
};
