/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `weft buildctl`: the pinned buildctl against a worker that is started for it. weft becomes
 * buildctl, so that terminal, signals and exit code are its own; the worker is held by a lock that
 * goes with it.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/buildkit.h"
#include "engine/cmd.h"
#include "engine/flags.h"
#include "engine/request.h"
#include "engine/settings.h"
#include "engine/worker.h"
#include "platforms/catalogue.h"

static const char slot[] = "group"; /* as of builds whose platforms share a worker */

struct options {
    struct weft_strv cpu;
    char *qemu;
    char *worker_idle;
    bool help;
};

/* Those of ours come first; what follows is buildctl's. */
static const struct weft_flag flags[] = {
    {WEFT_FLAG_LIST, 0, "cpu", "POLICY", offsetof(struct options, cpu),
     "CPU models of emulated platforms, as for weft build"},
    {WEFT_FLAG_VALUE, 0, "qemu", "VERSION|DIR", offsetof(struct options, qemu),
     "the QEMU to emulate with, as for weft build"},
    {WEFT_FLAG_VALUE, 0, "worker-idle", "DURATION", offsetof(struct options, worker_idle),
     "the worker ends when it was not used for so long (default 10m)"},
    {WEFT_FLAG_SWITCH, 'h', "help", NULL, offsetof(struct options, help), "print this"},
};

enum {
    N_FLAGS = sizeof(flags) / sizeof(flags[0])
};

static void help(FILE *out)
{
    fputs(
        "usage: weft buildctl [FLAGS] [--] ARGS...\n"
        "\n"
        "Starts a BuildKit worker that builds for all platforms this machine can, where none\n"
        "is up, and runs buildctl against it. Everything from the first argument on that is none\n"
        "of the flags below is buildctl's. The worker ends by itself later; its cache is kept,\n"
        "and is that of weft build --workers=group.\n",
        out);
    fputs("\nFlags:\n", out);
    weft_flags_help(flags, N_FLAGS, out);
    fputs(
        "\n"
        "examples:\n"
        "  weft buildctl build --frontend dockerfile.v0 --local context=. --local dockerfile=. \\\n"
        "        --opt platform=linux/amd64,linux/arm64 --output type=oci,dest=image.tar\n"
        "  weft buildctl du\n"
        "  weft buildctl prune --all\n"
        "  weft buildctl build --help     the help of buildctl itself\n",
        out);
}

static const struct weft_flag *own_flag(const char *arg)
{
    size_t len;

    if (strcmp(arg, "-h") == 0) {
        return &flags[N_FLAGS - 1];
    }
    if (!weft_starts_with(arg, "--")) {
        return NULL;
    }
    len = strcspn(arg + 2, "=");
    for (size_t i = 0; i < N_FLAGS; i++) {
        if (strlen(flags[i].name) == len && strncmp(arg + 2, flags[i].name, len) == 0) {
            return &flags[i];
        }
    }
    return NULL;
}

/* Where buildctl's arguments begin. */
static int split(int argc, char **argv)
{
    int i = 1;

    while (i < argc) {
        const struct weft_flag *f = own_flag(argv[i]);

        if (!f) {
            break;
        }
        i += f->metavar && !strchr(argv[i], '=') ? 2 : 1;
    }
    return i < argc ? i : argc;
}

/* "addr" of "--addr", "-addr=x"; whether arg is that flag. */
static bool is_flag(const char *arg, const char *name)
{
    size_t len = strlen(name);

    if (arg[0] != '-') {
        return false;
    }
    arg += arg[1] == '-' ? 2 : 1;
    return strncmp(arg, name, len) == 0 && (arg[len] == '\0' || arg[len] == '=');
}

/* buildctl's command among its arguments; NULL: there is none, or only help or the version is
 * asked for, which takes no worker. */
static char **find_command(char **args)
{
    static const char *const with_value[] = {
        "log-format",  "timeout",        "tlscacert",          "tlscert",      "tlsdir", "tlskey",
        "profile-cpu", "profile-memory", "profile-memoryrate", "tlsservername"};
    char **found = NULL;

    for (char **a = args; *a && strcmp(*a, "--") != 0; a++) {
        if (is_flag(*a, "help") || strcmp(*a, "-h") == 0) {
            return NULL;
        }
        if (found) {
            continue;
        }
        if ((*a)[0] != '-') {
            found = a;
            continue;
        }
        if (is_flag(*a, "version") || strcmp(*a, "-v") == 0) {
            return NULL;
        }
        for (size_t i = 0; i < sizeof(with_value) / sizeof(with_value[0]); i++) {
            if (is_flag(*a, with_value[i]) && !strchr(*a, '=') && a[1]) {
                a++;
                break;
            }
        }
    }
    return found && strcmp(*found, "help") != 0 ? found : NULL;
}

static bool is_build(const char *command)
{
    return strcmp(command, "build") == 0 || strcmp(command, "b") == 0;
}

/* The address is ours to give, and with it how it is connected to. */
static int check_args(char **args, struct weft_err **err)
{
    static const char *const ours[] = {"addr",   "tlscacert", "tlscert",
                                       "tlskey", "tlsdir",    "tlsservername"};

    for (char **a = args; *a && strcmp(*a, "--") != 0; a++) {
        for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
            if (is_flag(*a, ours[i])) {
                weft_fail(err, WEFT_E_USAGE,
                          "--%s: weft buildctl starts the worker that it talks to", ours[i]);
                return weft_err_hint(err,
                                     "leave it out; for another buildkitd, run buildctl itself");
            }
        }
    }
    if (getenv("BUILDKIT_HOST") && *getenv("BUILDKIT_HOST")) {
        weft_warn("BUILDKIT_HOST is set, and not used: weft buildctl starts the worker that it "
                  "talks to");
    }
    return 0;
}

/* The value of `--opt NAME=...`, the last one; `name` ends with "=". NULL: none. Borrowed. */
static const char *opt_value(char **args, const char *name)
{
    const char *found = NULL;

    for (char **a = args; *a; a++) {
        const char *value = !is_flag(*a, "opt") ? NULL
                            : strchr(*a, '=')   ? strchr(*a, '=') + 1
                                                : a[1];

        if (value && weft_starts_with(value, name)) {
            found = value + strlen(name);
        }
    }
    return found;
}

/*
 * Make the worker one for the platforms of a build. It has one handler for the platforms of a
 * machine: that of the plain one (linux/arm/v7), unless only another (linux/arm/v6) is built for.
 * What is no platform that weft knows is left to buildkitd to refuse.
 */
static int need_platforms(struct weft_worker_config *cfg, char **args, struct weft_err **err)
{
    const char *text = opt_value(args, "platform=");
    weft_auto_strv names = {0};
    weft_auto_free const struct weft_platform_info **found = NULL;
    size_t n = 0;

    if (!text) {
        return 0;
    }
    weft_split(text, ',', &names);
    found = weft_xcalloc(names.n, sizeof(*found));
    for (size_t i = 0; i < names.n; i++) {
        struct weft_platform p;
        const struct weft_platform_info *info =
            weft_platform_parse(names.v[i], &p, NULL) < 0 ? NULL : weft_catalogue_find(&p);

        if (info && info->machine) {
            found[n++] = info;
        }
    }
    for (size_t i = 0; i < n; i++) {
        bool other = false;

        for (size_t k = 0; k < n; k++) {
            other |= found[k]->machine == found[i]->machine && found[k] != found[i];
        }
        if (other && weft_worker_config_clashes(cfg, found[i])) {
            continue;
        }
        if (weft_worker_config_need(cfg, slot, found[i], err) < 0) {
            return -1;
        }
    }
    return 0;
}

static atomic_bool interrupted;

static void interrupt(int sig)
{
    (void)sig;
    atomic_store(&interrupted, true);
}

static const int signals[] = {SIGHUP, SIGINT, SIGTERM};

enum {
    N_SIGNALS = sizeof(signals) / sizeof(signals[0])
};

/* While the worker is being started, these end it with us. */
static void catch_signals(struct sigaction before[N_SIGNALS])
{
    const struct sigaction action = {.sa_handler = interrupt};

    for (size_t i = 0; i < N_SIGNALS; i++) {
        sigaction(signals[i], NULL, &before[i]);
        if (before[i].sa_handler != SIG_IGN) { /* nohup */
            sigaction(signals[i], &action, NULL);
        }
    }
}

static void release_signals(const struct sigaction before[N_SIGNALS])
{
    for (size_t i = 0; i < N_SIGNALS; i++) {
        sigaction(signals[i], &before[i], NULL);
    }
    signal(SIGPIPE, SIG_DFL); /* main() ignores it */
}

static int become(const char *buildctl, char **argv, struct weft_err **err)
{
    execv(buildctl, argv);
    return weft_fail(err, WEFT_E_CHILD, "cannot run %s: %s", buildctl, strerror(errno));
}

/* buildctl's arguments, with what weft adds: the address; and for a build, behind the command so
 * that the user's own come later and count, how tokens for registries are asked for, and what keeps
 * the cache entries of other CPU models apart (engine/solve.c, add_salt). */
static void make_argv(const struct weft_worker *w, const struct weft_registry_hosts *registries,
                      char **args, char **command, struct weft_strv *argv)
{
    weft_auto_free char *salt = weft_worker_config_salt(w->cfg);

    weft_strv_add(argv, "buildctl");
    weft_strv_addf(argv, "--addr=%s", w->address);
    for (char **a = args; *a; a++) {
        weft_strv_add(argv, *a);
        if (a == command && is_build(*command)) {
            weft_buildkit_registry_args(registries, argv);
            if (salt) {
                weft_strv_addf(argv, "--opt=cgroup-parent=weft-%s", salt);
            }
        }
    }
}

/* buildctl takes the last cgroup-parent: one of the user's would undo ours. */
static int check_salt(const struct weft_worker_config *cfg, char **args, char **command,
                      struct weft_err **err)
{
    weft_auto_free char *salt = weft_worker_config_salt(cfg);

    if (salt && is_build(*command) && opt_value(args, "cgroup-parent=")) {
        weft_fail(err, WEFT_E_USAGE,
                  "--opt cgroup-parent: with other CPU models than those of --cpu=baseline it is "
                  "what keeps their steps apart in the cache");
        return weft_err_hint(err, "leave it out; start weft in that cgroup");
    }
    return 0;
}

/* Start it, or find it up. What is to be run is put into the others; the lock that holds the worker
 * is returned, or -1. */
static int hold_worker(const struct weft_worker_options *options, char **args, char **command,
                       char **buildctl, struct weft_strv *argv, struct weft_err **err)
{
    struct weft_worker_config *cfg = weft_worker_config_create(options, err);
    struct weft_worker *w = NULL;
    int fd = -1;

    if (cfg && need_platforms(cfg, args, err) == 0 && check_salt(cfg, args, command, err) == 0 &&
        weft_worker_acquire(cfg, slot, &interrupted, &w, err) == 0) {
        if (w->note) {
            weft_info("%s", w->note);
        }
        make_argv(w, options->registries, args, command, argv);
        *buildctl = weft_xstrdup(weft_worker_config_buildctl(cfg));
        fd = weft_steal_fd(&w->clients_fd);
    }
    weft_worker_release(w);
    weft_worker_config_destroy(cfg);
    return fd;
}

static int run_on_worker(const struct weft_worker_options *options, char **args, char **command,
                         struct weft_err **err)
{
    weft_auto_free char *buildctl = NULL;
    weft_auto_strv argv = {0};
    struct sigaction before[N_SIGNALS];
    weft_auto_fd fd = -1;

    catch_signals(before);
    fd = hold_worker(options, args, command, &buildctl, &argv, err);
    release_signals(before);
    if (fd < 0) {
        return -1;
    }
    if (atomic_load(&interrupted)) {
        return weft_fail(err, WEFT_E_CANCELLED, "interrupted");
    }
    /* not closed on exec: the worker is held for as long as buildctl lives */
    return fcntl(fd, F_SETFD, 0) < 0 ? weft_fail_sys(err, errno, "fcntl")
                                     : become(buildctl, argv.v, err);
}

/* Without a worker: --help, --version. */
static int run_alone(char **args, struct weft_err **err)
{
    weft_auto_free char *buildctl = NULL;
    weft_auto_strv argv = {0};

    if (weft_buildkit_find_one("buildctl", "WEFT_BUILDCTL", &buildctl, err) < 0) {
        return -1;
    }
    weft_strv_add(&argv, "buildctl");
    for (; *args; args++) {
        weft_strv_add(&argv, *args);
    }
    signal(SIGPIPE, SIG_DFL);
    return become(buildctl, argv.v, err);
}

static int run_parsed(const struct options *o, char **args, struct weft_err **err)
{
    struct weft_settings settings = {0};
    char **command = find_command(args);
    long idle_s = 0;
    int rc;

    if (!*args) {
        weft_fail(err, WEFT_E_USAGE, "buildctl's arguments are missing");
        return weft_err_hint(err, "weft buildctl --help");
    }
    if (check_args(args, err) < 0) {
        return -1;
    }
    if (!command) {
        return run_alone(args, err);
    }
    rc = weft_request_worker_idle(o->worker_idle, &idle_s, err);
    if (rc == 0) {
        rc = weft_settings_load(&settings, err);
    }
    if (rc == 0) {
        rc = weft_settings_override(&settings, &o->cpu, o->qemu, err);
    }
    if (rc == 0) {
        rc = run_on_worker(&(struct weft_worker_options){.idle_ms = idle_s * 1000,
                                                         .cpu = &settings.cpu,
                                                         .qemu = settings.qemu,
                                                         .qemu_dirs = &settings.qemu_dirs,
                                                         .registries = &settings.registries,
                                                         .disk_bytes = settings.disk_bytes,
                                                         .cancel = &interrupted},
                           args, command, err);
    }
    weft_settings_finish(&settings);
    return rc;
}

static int run(int argc, char **argv, FILE *out, struct weft_err **err)
{
    struct options o = {0};
    weft_auto_strv none = {0};
    int begin = split(argc, argv);
    int rc = weft_flags_parse(flags, N_FLAGS, begin, argv, &o, &none, err);

    if (rc == 0 && o.help) {
        help(out);
    } else if (rc == 0) {
        rc = run_parsed(&o, argv + begin + (begin < argc && strcmp(argv[begin], "--") == 0), err);
    }
    weft_strv_finish(&o.cpu);
    free(o.qemu);
    free(o.worker_idle);
    return rc;
}

const struct weft_cmd weft_cmd_buildctl = {
    .name = "buildctl",
    .summary = "Run buildctl against a worker that is started for it",
    .run = run,
};
