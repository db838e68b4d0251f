/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/bench_commands.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/str.h"
#include "bench/kernels.h"
#include "bench/profile.h"
#include "bench/result.h"
#include "bench/results.h"
#include "bench/runner.h"
#include "bench/target.h"
#include "binfmt/probe.h"
#include "binfmt/qemu_copy.h"
#include "binfmt/unshare.h"
#include "engine/bench_show.h"
#include "engine/flags.h"
#include "engine/settings.h"

struct options {
    bool json, quick, help;
    char *output;
    struct weft_strv platform, kernel, qemu, cpu;
};

static const struct weft_flag flags[] = {
    {WEFT_FLAG_LIST, 0, "cpu", "[PLATFORM=]POLICY", offsetof(struct options, cpu),
     "a CPU model to measure: baseline, max, fastest (by earlier runs), or\n"
     "for one platform the name of a model; may be given several times\n"
     "(default: baseline and max; with --quick that of a build)"},
    {WEFT_FLAG_SWITCH, 0, "json", NULL, offsetof(struct options, json),
     "print the result as JSON, with every sample"},
    {WEFT_FLAG_LIST, 0, "kernel", "NAME", offsetof(struct options, kernel),
     "measure this kernel; may be given several times (default: all, with\n"
     "--quick six)"},
    {WEFT_FLAG_VALUE, 'o', "output", "FILE", offsetof(struct options, output),
     "also write the JSON to FILE"},
    {WEFT_FLAG_LIST, 0, "platform", "PLATFORM", offsetof(struct options, platform),
     "measure this platform; several with commas, or given several times\n"
     "(default: one of each machine that has a QEMU)"},
    {WEFT_FLAG_LIST, 0, "qemu", "VERSION|DIR", offsetof(struct options, qemu),
     "measure this QEMU; may be given several times (default: all; with\n"
     "--quick that of a build)"},
    {WEFT_FLAG_SWITCH, 0, "quick", NULL, offsetof(struct options, quick),
     "six kernels under the QEMU and CPU model of a build: under a minute\n"
     "for a platform"},
    {WEFT_FLAG_SWITCH, 'h', "help", NULL, offsetof(struct options, help), "this text"},
};

enum {
    N_FLAGS = sizeof(flags) / sizeof(flags[0]),
    REDRAW_MS = 250,
    LINE_MS = 10 * 1000, /* between lines of progress where there is no terminal */
    BAR_WIDTH = 20,
};

/* What is being measured, told by one thread and shown by another. */
struct progress {
    pthread_mutex_t lock;
    char *what; /* NULL: nothing yet */
    size_t done, total;
    uint64_t told_ms; /* when that was so */
};

struct bench {
    struct options opts;
    struct weft_settings settings;
    struct weft_strv qemus_wanted; /* versions or absolute directories */
    struct weft_answers *answers;
    struct weft_qemus qemus;
    struct weft_speeds speeds; /* of earlier runs */
    const struct weft_platform_info *native;
    struct weft_kernels kernels;
    struct weft_bench_result result;
    char *state;       /* weft's; found out before handlers are made, since we are root then */
    char *copies_dir;  /* of QEMU */
    char *tmp;         /* what kernels leave goes with it */
    char *handlers;    /* in it: where a binfmt_misc of our own is mounted */
    char *no_handlers; /* why none is; NULL: one is */

    struct weft_loop *loop;
    struct weft_timer *timer;
    struct progress progress;
    atomic_bool cancel;
    bool terminal;       /* stderr is one */
    uint64_t started_ms; /* of the measuring */
    uint64_t shown_ms;   /* when a line of progress was last logged */
    struct weft_err *failed;
};

static void bench_finish(struct bench *b)
{
    weft_strv_finish(&b->opts.platform);
    weft_strv_finish(&b->opts.kernel);
    weft_strv_finish(&b->opts.qemu);
    weft_strv_finish(&b->opts.cpu);
    free(b->opts.output);
    weft_settings_finish(&b->settings);
    weft_strv_finish(&b->qemus_wanted);
    weft_answers_destroy(b->answers);
    weft_qemus_finish(&b->qemus);
    weft_speeds_finish(&b->speeds);
    weft_kernels_finish(&b->kernels);
    weft_bench_result_finish(&b->result);
    free(b->state);
    free(b->copies_dir);
    free(b->tmp);
    free(b->handlers);
    free(b->no_handlers);
    weft_err_free(b->failed);
}

static void print_help(FILE *out)
{
    fputs(
        "usage: weft bench run [FLAGS]\n"
        "\n"
        "Measures what emulation costs on this machine: programs that do what builds do are run\n"
        "natively and under QEMU, in pairs on one CPU, and the ratios of the times are shown with\n"
        "their 95 % intervals. Nothing else should run on the machine meanwhile.\n"
        "\n",
        out);
    weft_flags_help(flags, N_FLAGS, out);
    fputs("\n"
          "examples:\n"
          "  weft bench run --quick --platform linux/arm64\n"
          "  weft bench run --platform linux/arm64,linux/riscv64 -o node.json\n"
          "  weft bench run --kernel calls --cpu linux/arm64=cortex-a53 --cpu linux/arm64=max\n",
          out);
}

/* --- progress --- */

static void tell(const struct weft_bench_target *target, const char *kernel, size_t done,
                 size_t total, void *data)
{
    struct progress *p = data;
    weft_auto_free char *with = weft_bench_target_how(target);
    char name[WEFT_PLATFORM_SIZE];
    char *what = weft_fmt("%s on %s, %s", kernel,
                          weft_platform_format(&target->platform->platform, name), with);

    pthread_mutex_lock(&p->lock);
    free(p->what);
    p->what = what;
    p->done = done;
    p->total = total;
    p->told_ms = weft_now_ms();
    pthread_mutex_unlock(&p->lock);
}

/* ", 2 min 5 s left", if the rest goes as what is over; "" where nothing is. Caller frees. */
static char *time_left(const struct bench *b, const struct progress *p)
{
    double each_s, left_s;
    unsigned left;

    if (p->done == 0) {
        return weft_xstrdup("");
    }
    each_s = (double)(p->told_ms - b->started_ms) / 1000 / (double)p->done;
    left_s = each_s * (double)(p->total - p->done) - (double)(weft_now_ms() - p->told_ms) / 1000;
    if (left_s < each_s * (double)(p->total - p->done - 1)) {
        left_s = each_s * (double)(p->total - p->done - 1);
    }
    left = (unsigned)left_s + 1;
    return left >= 60 ? weft_fmt(", %u min %u s left", left / 60, left % 60)
                      : weft_fmt(", %u s left", left);
}

static size_t columns(void)
{
    struct winsize w;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : 80;
}

static void clear_line(const struct bench *b)
{
    if (b->terminal) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
    }
}

static void draw(const struct bench *b, const struct progress *p)
{
    weft_auto_free char *left = time_left(b, p);
    weft_auto_free char *line = NULL;
    char bar[BAR_WIDTH + 1] = {0};
    size_t width = columns();

    memset(bar, '.', BAR_WIDTH);
    memset(bar, '#', BAR_WIDTH * p->done / p->total);
    line = weft_fmt("[%s] %zu of %zu%s: %s", bar, p->done + 1, p->total, left, p->what);
    if (strlen(line) >= width) {
        line[width - 1] = '\0';
    }
    fprintf(stderr, "\r\033[K%s", line);
    fflush(stderr);
}

static void show_progress(void *data)
{
    struct bench *b = data;
    struct progress p;

    pthread_mutex_lock(&b->progress.lock);
    p = b->progress;
    p.what = weft_xstrdup_null(p.what);
    pthread_mutex_unlock(&b->progress.lock);
    if (p.what && b->terminal) {
        draw(b, &p);
    } else if (p.what && weft_now_ms() - b->shown_ms >= LINE_MS) {
        weft_auto_free char *left = time_left(b, &p);

        b->shown_ms = weft_now_ms();
        weft_info("%zu of %zu%s: %s", p.done + 1, p.total, left, p.what);
    }
    free(p.what);
}

/* --- measuring --- */

static void on_interrupt(void *data)
{
    struct bench *b = data;

    atomic_store(&b->cancel, true);
}

static void work(void *data)
{
    struct bench *b = data;
    const struct weft_runner runner = {
        .native = b->native,
        .kernels = &b->kernels,
        .only = &b->opts.kernel,
        .handlers = b->no_handlers ? NULL : b->handlers,
        .no_handlers = b->no_handlers,
        .copies_dir = b->copies_dir,
        .answers = b->answers,
        .cancel = &b->cancel,
        .progress = tell,
        .data = &b->progress,
    };

    (void)weft_runner_measure(&runner, &b->result, &b->failed);
}

static void done(void *data)
{
    struct bench *b = data;

    weft_timer_stop(weft_steal(&b->timer));
    weft_loop_stop(b->loop);
}

/* From here on a signal ends only the measuring: what has been made is put away. */
static int open_loop(struct bench *b, struct weft_err **err)
{
    b->loop = weft_loop_create(1, err);
    if (!b->loop) {
        return -1;
    }
    weft_signal_watch(b->loop, SIGINT, on_interrupt, b);
    weft_signal_watch(b->loop, SIGTERM, on_interrupt, b);
    weft_signal_watch(b->loop, SIGHUP, on_interrupt, b);
    return 0;
}

static int measure(struct bench *b, struct weft_err **err)
{
    pthread_mutex_init(&b->progress.lock, NULL);
    b->terminal = isatty(STDERR_FILENO);
    b->started_ms = weft_now_ms();
    b->shown_ms = b->started_ms;
    b->timer = weft_timer_start(b->loop, REDRAW_MS, REDRAW_MS, 1, show_progress, b);
    weft_work(b->loop, work, done, b);
    weft_loop_run(b->loop);
    clear_line(b);
    pthread_mutex_destroy(&b->progress.lock);
    free(b->progress.what);
    if (b->failed) {
        if (err) {
            *err = weft_steal(&b->failed);
        }
        return -1;
    }
    return 0;
}

/* --- what is measured --- */

/* --qemu, or with --quick what the config file says: a directory is looked in first. */
static int read_qemus(struct bench *b, struct weft_strv *dirs, struct weft_err **err)
{
    weft_auto_free char *usual = weft_qemu_dirs();

    for (size_t i = 0; i < b->opts.qemu.n; i++) {
        char *wanted = weft_settings_qemu(b->opts.qemu.v[i], NULL, err);

        if (!wanted) {
            return weft_err_wrap(err, "--qemu");
        }
        weft_strv_take(&b->qemus_wanted, wanted);
    }
    if (b->opts.quick && b->qemus_wanted.n == 0 && b->settings.qemu) {
        weft_strv_add(&b->qemus_wanted, b->settings.qemu);
    }
    for (size_t i = 0; i < b->qemus_wanted.n; i++) {
        if (*b->qemus_wanted.v[i] == '/') {
            weft_strv_add(dirs, b->qemus_wanted.v[i]);
        }
    }
    weft_strv_concat(dirs, &b->settings.qemu_dirs);
    weft_strv_add(dirs, usual);
    return 0;
}

static int check_kernels(const struct bench *b, struct weft_err **err)
{
    for (size_t i = 0; i < b->opts.kernel.n; i++) {
        weft_auto_strv names = {0};
        bool found = false;

        for (size_t k = 0; k < b->kernels.n; k++) {
            weft_strv_add(&names, b->kernels.v[k].name);
            found = found || strcmp(b->kernels.v[k].name, b->opts.kernel.v[i]) == 0;
        }
        if (!found) {
            weft_auto_free char *shown = weft_printable(b->opts.kernel.v[i]);
            weft_auto_free char *list = weft_strv_join(&names, ", ");

            weft_fail(err, WEFT_E_USAGE, "--kernel: there is no \"%s\"", shown);
            return weft_err_hint(err, "one of %s", list);
        }
    }
    return 0;
}

static int open_bench(struct bench *b, struct weft_err **err)
{
    weft_auto_strv dirs = {0};
    weft_auto_free char *joined = NULL;
    struct weft_platform host;

    b->state = weft_dir_state(err);
    /* before hours of measuring, and not after */
    if (!b->state || weft_state_readable(b->state, &weft_bench_state, err) < 0 ||
        weft_settings_load(&b->settings, err) < 0 ||
        (b->opts.quick && weft_settings_override(&b->settings, &b->opts.cpu, NULL, err) < 0) ||
        read_qemus(b, &dirs, err) < 0) {
        return -1;
    }
    weft_platform_host(&host);
    b->native = weft_catalogue_find(&host);
    if (weft_kernels_list(b->native, &b->kernels, err) < 0 || check_kernels(b, err) < 0) {
        return -1;
    }
    joined = weft_strv_join(&dirs, ":");
    b->copies_dir = weft_path_join(b->state, "qemu");
    b->answers = weft_qemu_answers(b->state, true, err); /* shared with builds */
    if (!b->answers) {
        return -1;
    }
    weft_qemu_scan(joined, b->answers, &b->qemus);
    weft_profile_load(b->state, &b->speeds);
    return 0;
}

/* What keeps a platform from being measured; NULL: it was added. Caller frees. -1: an error. */
static int add_platform(struct bench *b, const struct weft_platform_info *p, char **why,
                        struct weft_err **err)
{
    const struct weft_targets from = {
        .answers = b->answers,
        .qemus = &b->qemus,
        .wanted = &b->qemus_wanted,
        .chosen = &b->settings.cpu,
        .speeds = &b->speeds,
        .candidates = &b->opts.cpu,
        .only_chosen = b->opts.quick,
    };

    *why = NULL;
    if (!p->machine) {
        *why = weft_fmt("nothing runs its programs");
        return 0;
    }
    if (!weft_kernels_programs(p)) {
        weft_auto_free char *dir = weft_kernels_dir();

        *why = weft_fmt("there are no programs of %s in %s", p->machine->qemu, dir);
        return 0;
    }
    return weft_targets_add(&from, p, &b->result, why, err) < 0 ? -1 : 0;
}

/* Those that are named have to be measured. */
static int add_named(struct bench *b, struct weft_err **err)
{
    weft_auto_strv names = {0};

    for (size_t i = 0; i < b->opts.platform.n; i++) {
        weft_split(b->opts.platform.v[i], ',', &names);
    }
    for (size_t i = 0; i < names.n; i++) {
        weft_auto_free char *why = NULL;
        struct weft_platform p;
        char name[WEFT_PLATFORM_SIZE];

        if (weft_platform_parse(names.v[i], &p, err) < 0) {
            return weft_err_wrap(err, "--platform");
        }
        if (add_platform(b, weft_catalogue_find(&p), &why, err) < 0) {
            return -1;
        }
        if (why) {
            weft_fail(err, WEFT_E_UNSUPPORTED, "%s cannot be measured: %s",
                      weft_platform_format(&p, name), why);
            return weft_err_hint(err, "weft qemu list");
        }
    }
    return 0;
}

/* One of each machine that is not this one, and whose programs this one does not run. */
static int add_all(struct bench *b, struct weft_err **err)
{
    size_t n;
    const struct weft_machine *const *machines = weft_catalogue_machines(&n);
    struct weft_platform host;

    weft_platform_host(&host);
    for (size_t i = 0; i < n; i++) {
        const struct weft_platform_info *p = weft_catalogue_default_of(machines[i]);
        weft_auto_free char *why = NULL;
        weft_auto_err failed = NULL;
        char name[WEFT_PLATFORM_SIZE];

        if (machines[i] == b->native->machine) {
            continue;
        }
        weft_platform_format(&p->platform, name);
        if (weft_catalogue_maybe_native(&host, &p->platform) && weft_probe_native(machines[i])) {
            why = weft_fmt("it runs natively");
        } else if (add_platform(b, p, &why, &failed) < 0) {
            if (failed->code != WEFT_E_USAGE) {
                if (err) {
                    *err = weft_steal(&failed);
                }
                return -1;
            }
            why = weft_xstrdup(failed->msg); /* what was asked for fits other machines */
        }
        if (why) {
            weft_strv_addf(&b->result.skipped, "%s: %s", name, why);
        }
    }
    if (b->result.n == 0) {
        weft_auto_free char *list = weft_strv_join(&b->result.skipped, "; ");

        weft_fail(err, WEFT_E_UNSUPPORTED, "there is nothing to measure: %s", list);
        return weft_err_hint(err, "weft qemu list");
    }
    return 0;
}

/* --- the result --- */

static int print_result(const struct bench *b, FILE *out, struct weft_err **err)
{
    weft_auto_json j = weft_bench_result_json(&b->result);
    weft_auto_free char *text = weft_json_dump(j, 2);
    weft_auto_free char *lines = weft_fmt("%s\n", text);

    if (b->opts.json) {
        fputs(lines, out);
    } else {
        weft_auto_free struct weft_profile_change *last =
            weft_xcalloc(b->result.n + 1, sizeof(*last));

        weft_bench_show(&b->result, out);
        weft_profile_compare_last(b->state, &b->result, last);
        weft_bench_show_last(&b->result, last, out);
    }
    return b->opts.output ? weft_write_file(b->opts.output, lines, strlen(lines), 0644, err) : 0;
}

/* A machine whose state cannot be written has its result all the same. */
static void keep_result(const struct bench *b)
{
    weft_auto_free char *path = NULL;
    weft_auto_err err = NULL;

    if (weft_results_keep(b->state, &b->result, &path, &err) < 0) {
        weft_warn("the result is not kept: %s", err->msg);
        return;
    }
    weft_info("kept as %s", path);
    if (weft_profile_update(b->state, &err) < 0) {
        weft_warn("builds will not know of it: %s", err->msg);
    }
}

static int verdict(const struct bench *b, struct weft_err **err)
{
    weft_auto_strv names = {0};
    weft_auto_free char *list = NULL;

    for (size_t t = 0; t < b->result.n; t++) {
        const struct weft_bench_target *target = &b->result.targets[t];
        weft_auto_free char *what = weft_bench_target_how(target);
        char name[WEFT_PLATFORM_SIZE];

        weft_platform_format(&target->platform->platform, name);
        for (size_t k = 0; k < target->n; k++) {
            if (target->kernels[k].failure) {
                weft_strv_addf(&names, "%s on %s, %s: %s", target->kernels[k].name, name, what,
                               target->kernels[k].failure);
            }
        }
    }
    if (b->result.interrupted) {
        return weft_fail(err, WEFT_E_CANCELLED, "interrupted");
    }
    if (names.n == 0) {
        return 0;
    }
    list = weft_strv_join(&names, "; ");
    return weft_fail(err, WEFT_E_BUILD, "failed: %s", list);
}

/* A directory for the kernels' files, since those that are killed leave theirs; and handlers, if a
 * kernel may need them. */
static int make_tmp(struct bench *b, struct weft_err **err)
{
    const char *base = getenv("TMPDIR");
    bool needed = !b->opts.quick && b->opts.kernel.n == 0;

    b->tmp = weft_temp_dir(base && *base == '/' ? base : "/tmp", "weft-bench", err);
    if (!b->tmp) {
        return -1;
    }
    setenv("TMPDIR", b->tmp, 1);
    for (size_t i = 0; i < b->opts.kernel.n; i++) {
        needed = needed || weft_kernel_needs_handler(b->opts.kernel.v[i]);
    }
    b->handlers = weft_path_join(b->tmp, "handlers");
    if (needed) {
        if (weft_mkdirs(b->handlers, 0700, err) < 0) {
            return -1;
        }
        free(weft_steal(&b->no_handlers));
        (void)weft_unshare_handlers(b->handlers, &b->no_handlers);
    }
    return 0;
}

/* Two runs at once would take turns on the same CPU. Where nothing can be kept, nobody can say. */
static int lock_out_others(const struct bench *b, int *lock, struct weft_err **err)
{
    weft_auto_free char *dir = weft_results_open(b->state, NULL);
    weft_auto_free char *path = dir ? weft_path_join(dir, "run.lock") : NULL;

    *lock = path ? weft_lock_open(path, NULL) : -1;
    if (*lock >= 0 && weft_lock_try(*lock, true, NULL) == 0) {
        weft_fail(err, WEFT_E_IO, "another weft bench run is measuring on this machine");
        return weft_err_hint(err, "wait for its end: each would disturb the other");
    }
    return 0;
}

static int measure_in_tmp(struct bench *b, struct weft_err **err)
{
    weft_auto_fd lock = -1;
    int rc;

    if (lock_out_others(b, &lock, err) < 0) {
        return -1;
    }
    b->no_handlers = weft_fmt("none was made");
    if (open_loop(b, err) < 0) {
        return -1;
    }
    rc = make_tmp(b, err) < 0 ? -1 : measure(b, err);
    if (!b->no_handlers) {
        weft_unshare_end(b->handlers);
    }
    if (b->tmp) {
        (void)weft_rmtree(b->tmp, NULL);
    }
    weft_loop_destroy(weft_steal(&b->loop));
    return rc;
}

static int run_bench(struct bench *b, FILE *out, struct weft_err **err)
{
    if (open_bench(b, err) < 0 ||
        (b->opts.platform.n > 0 ? add_named(b, err) : add_all(b, err)) < 0) {
        return -1;
    }
    b->result.quick = b->opts.quick;
    if (measure_in_tmp(b, err) < 0) {
        return -1;
    }
    keep_result(b);
    return print_result(b, out, err) < 0 ? -1 : verdict(b, err);
}

int weft_bench_run(int argc, char **argv, FILE *out, struct weft_err **err)
{
    struct bench b = {0};
    weft_auto_strv args = {0};
    int rc = weft_flags_parse(flags, N_FLAGS, argc, argv, &b.opts, &args, err);

    if (rc == 0 && b.opts.help) {
        print_help(out);
    } else if (rc == 0 && args.n > 0) {
        rc = weft_fail(err, WEFT_E_USAGE, "bench run takes no arguments");
    } else if (rc == 0) {
        rc = run_bench(&b, out, err);
    }
    bench_finish(&b);
    return rc;
}
