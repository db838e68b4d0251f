/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/cmd.h"
#include "engine/disk_full.h"
#include "engine/proxy_args.h"

static const struct weft_cmd *const commands[] = {
    &weft_cmd_audit,  &weft_cmd_build, &weft_cmd_buildctl, &weft_cmd_bench,     &weft_cmd_binfmt,
    &weft_cmd_doctor, &weft_cmd_du,    &weft_cmd_inspect,  &weft_cmd_platforms, &weft_cmd_prune,
    &weft_cmd_push,   &weft_cmd_qemu,  &weft_cmd_worker};

enum {
    N_COMMANDS = sizeof(commands) / sizeof(commands[0])
};

static void help(FILE *f)
{
    fputs("usage: weft COMMAND [FLAGS]\n"
          "\n"
          "weft builds one Dockerfile for many platforms on this machine and merges the results "
          "into\n"
          "one OCI image index. It needs no daemon, no privileges and no set-up.\n"
          "\n"
          "Commands:\n",
          f);
    for (size_t i = 0; i < N_COMMANDS; i++) {
        fprintf(f, "  %-10s %s\n", commands[i]->name, commands[i]->summary);
    }
    fputs("\n"
          "  weft COMMAND --help   what a command takes, with examples\n"
          "  weft --version        the version of weft\n"
          "\n"
          "Exit status: 0 done; 1 the build failed; 2 the command line or a file is wrong, nothing "
          "was\n"
          "started; 3 the machine lacks something; 130 interrupted, everything put away.\n",
          f);
}

static const struct weft_cmd *find(const char *name)
{
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(commands[i]->name, name) == 0) {
            return commands[i];
        }
    }
    return NULL;
}

static int unknown(const char *name)
{
    const char *names[N_COMMANDS];
    const char *near;

    for (size_t i = 0; i < N_COMMANDS; i++) {
        names[i] = commands[i]->name;
    }
    near = weft_nearest(name, names, N_COMMANDS);
    weft_error("unknown command \"%s\"%s%s%s", name, near ? "; did you mean \"" : "",
               near ? near : "", near ? "\"?" : "");
    weft_error("see: weft --help");
    return 2;
}

/* A parent may have closed these three: what we open next would get their numbers, and our messages
 * would go into it. Opened the wrong way round, so that data for a closed standard output is still
 * an error. */
static void open_stdio(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0) {
            (void)!open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
        }
    }
}

/* Data that could not be written is a failed command, however well the rest went. */
static int flushed(int code)
{
    if (code == 0 && (fflush(stdout) != 0 || ferror(stdout))) {
        weft_error("standard output: cannot write");
        return 1;
    }
    return code;
}

int main(int argc, char **argv)
{
    const struct weft_cmd *cmd;
    struct weft_err *err = NULL;
    int code;

    /* a reader of our output that went away is an error of write(), not the end of the program in
     * mid-clean-up */
    signal(SIGPIPE, SIG_IGN);
    open_stdio();
    if (argc < 2) {
        help(stderr);
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        help(stdout);
        return flushed(0);
    }
    if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "version") == 0) {
        printf("weft %s\n", PACKAGE_VERSION);
        return flushed(0);
    }
    cmd = find(argv[1]);
    if (!cmd) {
        return unknown(argv[1]);
    }
    weft_proxy_env_adopt();
    if (cmd->run(argc - 1, argv + 1, stdout, &err) == 0) {
        return flushed(0);
    }
    weft_disk_full_explain(err);
    if (err->msg[0]) {
        weft_error("%s", err->msg);
    }
    if (err->hint) {
        weft_info("try: %s", err->hint);
    }
    code = weft_err_exit_code(err);
    weft_err_free(err);
    return code;
}
