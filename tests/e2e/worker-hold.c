/* SPDX-License-Identifier: Apache-2.0 */
/*
 * worker-hold [-i IDLE_MS] [-e] [-s] [-n TIMES] SLOT [COMMAND [ARG...]]: acquires a worker, prints
 * one line of JSON, runs the command with BUILDKIT_HOST and BUILDCTL set, and lets go (-s: stops it
 * if unused). Without a command it lets go when stdin ends. -e: scope existing. -n: attach so
 * often, and print the mean time.
 */
#include "config.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/log.h"
#include "base/str.h"
#include "engine/worker.h"

static atomic_bool interrupted;

static void interrupt(int sig)
{
    (void)sig;
    atomic_store(&interrupted, true);
}

static int fail(struct weft_err *err)
{
    int code = weft_err_exit_code(err);

    fprintf(stderr, "worker-hold: %s\n", err->msg);
    if (err->hint) {
        fprintf(stderr, "hint: %s\n", err->hint);
    }
    weft_err_free(err);
    return code;
}

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void print_worker(const struct weft_worker *w, double seconds)
{
    static const char *const hows[] = {"native", "own", "existing", "not"};
    weft_auto_json j = weft_json_object();
    struct weft_json *runs = weft_json_object();
    weft_auto_free char *text = NULL;
    size_t n;
    const struct weft_machine *const *machines = weft_catalogue_machines(&n);

    weft_json_set_str(j, "slot", w->slot);
    weft_json_set_str(j, "address", w->address);
    weft_json_set_str(j, "content", w->content_dir);
    weft_json_set_str(j, "note", w->note);
    weft_json_set_bool(j, "started", w->started_here);
    weft_json_set_bool(j, "process_sandbox", w->process_sandbox);
    weft_json_set_str(j, "scope", weft_scope_name(w->scope));
    weft_json_set_int(j, "pid", w->pid);
    weft_json_set_real(j, "seconds", seconds);
    for (size_t i = 0; i < n; i++) {
        struct weft_runs r = {0};
        struct weft_err *err = NULL;
        weft_auto_free char *shown = NULL;

        if (weft_worker_runs(w->cfg, w, weft_catalogue_default_of(machines[i]), &r, &err) < 0) {
            shown = weft_fmt("error: %s", err->msg);
            weft_err_free(err);
        } else {
            shown = weft_fmt("%s%s%s%s%s", hows[r.how], r.interpreter ? " " : "",
                             r.interpreter ? r.interpreter : "", r.mend ? ": " : "",
                             r.mend ? r.mend : "");
        }
        weft_json_set_str(runs, machines[i]->qemu, shown);
        weft_runs_finish(&r);
    }
    weft_json_set(j, "runs", runs);
    text = weft_json_dump(j, 0);
    printf("%s\n", text);
    fflush(stdout);
}

static int run_command(const struct weft_worker *w, char **argv)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setenv("BUILDKIT_HOST", w->address, 1);
        setenv("BUILDCTL", weft_worker_config_buildctl(w->cfg), 1);
        execvp(argv[0], argv);
        _exit(127);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0) {
        return 127;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
    struct weft_worker_options options = {.idle_ms = WEFT_IDLE_DEFAULT_MS};
    struct weft_worker_config *cfg;
    struct weft_worker *w = NULL;
    struct weft_err *err = NULL;
    bool stop = false;
    long times = 1;
    double start;
    int opt, code = 0;

    while ((opt = getopt(argc, argv, "+i:esdn:")) != -1) {
        switch (opt) {
        case 'i':
            options.idle_ms = strtol(optarg, NULL, 10);
            break;
        case 'e':
            options.scope = WEFT_SCOPE_EXISTING;
            break;
        case 's':
            stop = true;
            break;
        case 'd':
            weft_log_set_level(WEFT_LOG_DEBUG);
            break;
        case 'n':
            times = strtol(optarg, NULL, 10);
            break;
        default:
            return 2;
        }
    }
    if (optind >= argc || times < 1) {
        fprintf(stderr,
                "usage: worker-hold [-i IDLE_MS] [-e] [-s] [-d] [-n TIMES] SLOT [COMMAND]\n");
        return 2;
    }
    signal(SIGINT, interrupt);
    start = now_s();
    for (long i = 0; i < times; i++) {
        weft_worker_release(w);
        w = NULL;
        cfg = weft_worker_config_create(&options, &err);
        if (!cfg || weft_worker_acquire(cfg, argv[optind], &interrupted, &w, &err) < 0) {
            weft_worker_config_destroy(cfg);
            return fail(err);
        }
        if (i + 1 < times) {
            weft_worker_config_destroy(cfg);
        }
    }
    start = (now_s() - start) / (double)times;
    if (weft_log_level() == WEFT_LOG_DEBUG) {
        weft_worker_config_log(cfg);
    }
    print_worker(w, start);
    if (optind + 1 < argc) {
        code = run_command(w, argv + optind + 1);
    } else {
        while (getchar() != EOF) {
        }
    }
    if (code && !weft_worker_alive(w)) {
        fprintf(stderr, "worker-hold: the worker is gone\n");
    }
    if (stop) {
        weft_worker_stop_if_unused(w);
    } else {
        weft_worker_release(w);
    }
    weft_worker_config_destroy(cfg);
    return code;
}
