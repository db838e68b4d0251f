/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/buildkit.h"
#include "engine/cmd.h"
#include "engine/worker.h"
#include "engine/worker_disk.h"
#include "engine/worker_logs.h"

static const char usage[] =
    "usage: weft worker list [--json] [--size]\n"
    "       weft worker stop [--force] (--all | SLOT...)\n"
    "       weft worker remove [--force] (--all | SLOT...)\n"
    "       weft worker logs [--follow] [--tail N] SLOT\n"
    "\n"
    "A worker is a buildkitd that weft has started for a platform (or for a group of them). It "
    "ends\n"
    "by itself when it has not been used for a while; its state, the build cache, is kept.\n"
    "\n"
    "list          the workers that run, and the states of those that do not\n"
    "  --json      as JSON\n"
    "  --size      with the disk space of each state (walks over all of its files)\n"
    "stop          end workers, and wait until nothing of them is left\n"
    "remove        end workers, and remove their states, or what was set aside\n"
    "  -a, --all   all of them\n"
    "  -f, --force also those in use: their builds fail\n"
    "logs          what the buildkitd of a worker has written since its start\n"
    "  -f, --follow  go on until it ends\n"
    "  -n, --tail    the last N lines only\n"
    "\n"
    "examples:\n"
    "  weft worker list\n"
    "  weft worker stop linux_arm64\n"
    "  weft worker stop --all\n"
    "  weft worker remove linux_arm64     the next build for it starts cold\n"
    "  weft worker remove --all --force   nothing is left\n"
    "  weft worker logs -n 20 group\n";

static const char *const status_names[] = {
    [WEFT_WORKER_STOPPED] = "stopped",   [WEFT_WORKER_IDLE] = "idle",   [WEFT_WORKER_BUSY] = "busy",
    [WEFT_WORKER_REMOVING] = "removing", [WEFT_WORKER_ASIDE] = "aside",
};

static int fail_usage(struct weft_err **err, const char *what)
{
    weft_fail(err, WEFT_E_USAGE, "worker: %s", what);
    return weft_err_hint(err, "weft worker --help");
}

static int fail_none(const char *slot, const char *what, struct weft_err **err)
{
    weft_auto_free char *shown = weft_printable(slot);

    weft_fail(err, WEFT_E_USAGE, "there is no %s %s", what, shown);
    return weft_err_hint(err, "weft worker list");
}

static char *uptime(int64_t started_s)
{
    long long s = (long long)time(NULL) - started_s;

    s = s < 0 ? 0 : s;
    if (s < 60) {
        return weft_fmt("%llds", s);
    }
    return s < 3600 ? weft_fmt("%lldm%02llds", s / 60, s % 60)
                    : weft_fmt("%lldh%02lldm", s / 3600, s / 60 % 60);
}

/* What buildkitd says of itself, or where none runs, what the state was last given to. */
static char *buildkit_version(const struct weft_worker_entry *e)
{
    weft_auto_free char *line = e->buildkitd ? weft_buildkit_version(e->buildkitd) : NULL;
    char *number = line ? weft_buildkit_number(line) : NULL;

    if (!line) {
        return weft_xstrdup_null(e->buildkit);
    }
    return number ? number : weft_steal(&line);
}

static void print_json(FILE *out, const struct weft_worker_entry *list, size_t n, bool size)
{
    weft_auto_json root = weft_json_object();
    struct weft_json *workers = weft_json_array();
    weft_auto_free char *text = NULL;

    for (size_t i = 0; i < n; i++) {
        const struct weft_worker_entry *e = &list[i];
        struct weft_json *j = weft_json_object();
        weft_auto_free char *version = buildkit_version(e);

        weft_json_set_str(j, "slot", e->slot);
        weft_json_set_str(j, "status", status_names[e->status]);
        if (e->pid) {
            weft_json_set_int(j, "pid", e->pid);
            weft_json_set_int(j, "started", e->started_s);
            weft_json_set_str(j, "socket", e->socket_path);
            weft_json_set_str(j, "buildkitd", e->buildkitd);
            weft_json_set_str(j, "handlers", weft_scope_name(e->scope));
            weft_json_set_bool(j, "process_sandbox", e->process_sandbox);
            weft_json_set_str(j, "identity", e->identity);
        }
        weft_json_set_str(j, "buildkit", version);
        weft_json_set_str(j, "state", e->state_dir);
        if (size) {
            bool whole;

            weft_json_set_int(j, "size_bytes",
                              (int64_t)weft_worker_disk_walk(e->state_dir, &whole));
            weft_json_set_bool(j, "size_whole", whole);
        }
        weft_json_append(workers, j);
    }
    weft_json_set_int(root, "schema", 1);
    weft_json_set(root, "workers", workers);
    text = weft_json_dump(root, 2);
    fprintf(out, "%s\n", text);
}

static void print_table(FILE *out, const struct weft_worker_entry *list, size_t n, bool size)
{
    int width = 4;

    if (n == 0) {
        fprintf(out, "no workers; weft build starts them\n");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        int len = (int)strlen(list[i].slot);

        width = len > width ? len : width;
    }
    fprintf(out, "%-*s  %-8s  %7s  %8s  %-10s  %-9s  %s%s\n", width, "SLOT", "STATUS", "PID", "UP",
            "BUILDKIT", "HANDLERS", size ? "     SIZE  " : "", "SOCKET OR STATE");
    for (size_t i = 0; i < n; i++) {
        const struct weft_worker_entry *e = &list[i];
        bool up = e->pid != 0;
        weft_auto_free char *pid = up ? weft_fmt("%d", (int)e->pid) : weft_fmt("-");
        weft_auto_free char *time_up = up ? uptime(e->started_s) : weft_fmt("-");
        weft_auto_free char *version = buildkit_version(e);
        weft_auto_free char *used = weft_fmt("%s", "");

        if (size) {
            bool whole;
            weft_auto_free char *human =
                weft_human_size((double)weft_worker_disk_walk(e->state_dir, &whole));
            weft_auto_free char *mark = weft_fmt("%s%s", whole ? "" : ">", human);

            free(used);
            used = weft_fmt("%9s  ", mark);
        }
        fprintf(out, "%-*s  %-8s  %7s  %8s  %-10s  %-9s  %s%s\n", width, e->slot,
                status_names[e->status], pid, time_up, version ? version : "-",
                up ? weft_scope_name(e->scope) : "-", used, up ? e->socket_path : e->state_dir);
    }
}

static int run_list(int argc, char **argv, FILE *out, struct weft_err **err)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},
        {"size", no_argument, NULL, 's'},
        {0},
    };
    struct weft_worker_entry *list;
    bool json = false, size = false;
    size_t n;
    int opt;

    while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (opt) {
        case 'j':
            json = true;
            break;
        case 's':
            size = true;
            break;
        default:
            return fail_usage(err, "list takes --json and --size");
        }
    }
    if (optind < argc) {
        return fail_usage(err, "list takes no arguments");
    }
    if (weft_worker_list(&list, &n, err) < 0) {
        return -1;
    }
    if (json) {
        print_json(out, list, n, size);
    } else {
        print_table(out, list, n, size);
    }
    weft_worker_entries_free(list, n);
    return 0;
}

/* What is done to a worker, by its slot: 1 done, 0 there is none, -1. */
typedef int slot_fn(const char *slot, bool force, FILE *out, struct weft_err **err);

static int stop_one(const char *slot, bool force, FILE *out, struct weft_err **err)
{
    int got = weft_worker_stop(slot, force, err);

    if (got == 1) {
        fprintf(out, "%s\n", slot);
    }
    return got;
}

static int remove_one(const char *slot, bool force, FILE *out, struct weft_err **err)
{
    uint64_t bytes;
    int got = weft_worker_remove(slot, force, &bytes, err);

    if (got == 1) {
        weft_auto_free char *human = weft_human_size((double)bytes);

        fprintf(out, "%s: %s freed\n", slot, human);
        fflush(out);
    }
    return got;
}

/* Goes on after one that fails (it is in use); the first error is the command's. */
static int for_all(slot_fn *fn, bool force, FILE *out, struct weft_err **err)
{
    struct weft_worker_entry *list;
    struct weft_err *first = NULL;
    size_t n;

    if (weft_worker_list(&list, &n, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        struct weft_err *e = NULL;

        if (fn(list[i].slot, force, out, &e) >= 0) {
            continue;
        }
        if (first) {
            weft_err_free(e);
        } else {
            first = e;
        }
    }
    weft_worker_entries_free(list, n);
    if (first && err) {
        *err = first;
    } else {
        weft_err_free(first);
    }
    return first ? -1 : 0;
}

static int run_for_slots(slot_fn *fn, int argc, char **argv, FILE *out, struct weft_err **err)
{
    static const struct option options[] = {
        {"all", no_argument, NULL, 'a'},
        {"force", no_argument, NULL, 'f'},
        {0},
    };
    bool all = false, force = false;
    int opt;

    while ((opt = getopt_long(argc, argv, "af", options, NULL)) != -1) {
        switch (opt) {
        case 'a':
            all = true;
            break;
        case 'f':
            force = true;
            break;
        default:
            return fail_usage(err, "stop and remove take --all and --force");
        }
    }
    if (all == (optind < argc)) {
        return fail_usage(err, "stop and remove take either --all or the names of slots");
    }
    if (all) {
        return for_all(fn, force, out, err);
    }
    for (int i = optind; i < argc; i++) {
        int got = fn(argv[i], force, out, err);

        if (got == 0) {
            return fail_none(argv[i], "worker", err);
        }
        if (got < 0) {
            return -1;
        }
    }
    return 0;
}

static int run_logs(int argc, char **argv, FILE *out, struct weft_err **err)
{
    static const struct option options[] = {
        {"follow", no_argument, NULL, 'f'},
        {"tail", required_argument, NULL, 'n'},
        {0},
    };
    struct weft_worker_logs what = {.lines = -1};
    int got;
    int opt;

    while ((opt = getopt_long(argc, argv, "fn:", options, NULL)) != -1) {
        switch (opt) {
        case 'f':
            what.follow = true;
            break;
        case 'n':
            if (weft_parse_long(optarg, 0, INT_MAX, "--tail", &what.lines, err) < 0) {
                return -1;
            }
            break;
        default:
            return fail_usage(err, "logs takes --follow and --tail N");
        }
    }
    if (argc - optind != 1) {
        return fail_usage(err, "logs takes the name of one slot");
    }
    got = weft_worker_logs_write(argv[optind], &what, out, err);
    return got == 0 ? fail_none(argv[optind], "log of a worker", err) : got < 0 ? -1 : 0;
}

static int run(int argc, char **argv, FILE *out, struct weft_err **err)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(usage, out);
            return 0;
        }
    }
    if (argc < 2) {
        return fail_usage(err, "list, stop, remove or logs?");
    }
    optind = 0;
    opterr = 0;
    if (strcmp(argv[1], "list") == 0) {
        return run_list(argc - 1, argv + 1, out, err);
    }
    if (strcmp(argv[1], "stop") == 0) {
        return run_for_slots(stop_one, argc - 1, argv + 1, out, err);
    }
    if (strcmp(argv[1], "remove") == 0) {
        return run_for_slots(remove_one, argc - 1, argv + 1, out, err);
    }
    if (strcmp(argv[1], "logs") == 0) {
        return run_logs(argc - 1, argv + 1, out, err);
    }
    return fail_usage(err, "it knows list, stop, remove and logs");
}

const struct weft_cmd weft_cmd_worker = {
    .name = "worker",
    .summary = "List, stop or remove the workers that builds have started, or show their logs",
    .run = run,
};
