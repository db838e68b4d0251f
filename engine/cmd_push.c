/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

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
#include "base/log.h"
#include "base/loop.h"
#include "base/str.h"
#include "engine/cmd.h"
#include "engine/descriptor.h"
#include "engine/flags.h"
#include "engine/layout_name.h"
#include "engine/progress.h"
#include "engine/reference.h"
#include "engine/registry/content.h"
#include "engine/registry/docker_config.h"
#include "engine/registry/push.h"
#include "engine/settings.h"

struct options {
    bool insecure, json, quiet, debug, help;
};

static const struct weft_flag flags[] = {
    {WEFT_FLAG_SWITCH, 'D', "debug", NULL, offsetof(struct options, debug), "more messages"},
    {WEFT_FLAG_SWITCH, 0, "insecure", NULL, offsetof(struct options, insecure),
     "take plain HTTP, or a certificate that nobody vouches for"},
    {WEFT_FLAG_SWITCH, 0, "json", NULL, offsetof(struct options, json),
     "print what was pushed as JSON"},
    {WEFT_FLAG_SWITCH, 'q', "quiet", NULL, offsetof(struct options, quiet),
     "no progress; print the digest of what was pushed"},
    {WEFT_FLAG_SWITCH, 'h', "help", NULL, offsetof(struct options, help), "this text"},
};

enum {
    N_FLAGS = sizeof(flags) / sizeof(flags[0]),
    REDRAW_MS = 100,
    PLAIN_MS = 5000, /* between two lines where the display is none that can be redrawn */
    COLUMNS = 80,    /* of a terminal that does not say */
};

static void help(FILE *out)
{
    fputs(
        "usage: weft push [FLAGS] LAYOUT REF...\n"
        "\n"
        "Pushes an image of an OCI layout directory, with all its platforms and attestations, "
        "byte\n"
        "for byte. Blobs that the registry has are not sent, and those that another of its\n"
        "repositories is known to have are mounted. Tags are set last.\n"
        "\n"
        "LAYOUT  DIR, DIR:TAG or DIR@DIGEST; without a tag \"latest\", or the only image there is\n"
        "REF     [HOST[:PORT]/]NAME[:TAG], without a tag \"latest\"\n"
        "\n",
        out);
    weft_flags_help(flags, N_FLAGS, out);
    fputs("\n"
          "examples:\n"
          "  weft build --platform linux/amd64,linux/arm64 -o type=oci,dest=app,tar=false .\n"
          "  weft push app registry.example/app:1.2 registry.example/app:latest\n"
          "  weft push -q app:v1 localhost:5000/app\n",
          out);
}

/* One push. */
struct run {
    const struct options *o;
    struct weft_strv names; /* full references */
    char *blobs_dir;
    struct weft_descriptor root;
    struct weft_settings settings;
    struct weft_docker_config *docker;
    char *state_dir;
    struct weft_push *push;
    struct weft_push_counts counts;
    struct weft_loop *loop;
    atomic_bool cancel;
    struct weft_err *err; /* of the work */
    bool redraw;          /* one line of a terminal, drawn again and again */
    bool drawn;           /* it is on the screen */
    int64_t plain_bytes;  /* that the last plain line had */
};

static void run_finish(struct run *r)
{
    weft_push_destroy(r->push);
    weft_docker_config_destroy(r->docker);
    weft_settings_finish(&r->settings);
    weft_descriptor_finish(&r->root);
    weft_strv_finish(&r->names);
    weft_err_free(r->err);
    free(r->blobs_dir);
    free(r->state_dir);
}

/* ---- what is to be pushed, and where ---- */

static int read_names(struct run *r, const struct weft_strv *args, struct weft_err **err)
{
    for (size_t i = 1; i < args->n; i++) {
        weft_auto_reference ref = {0};

        if (weft_reference_parse(args->v[i], &ref, err) < 0) {
            return -1;
        }
        if (ref.digest) {
            weft_auto_free char *shown = weft_printable(args->v[i]);

            weft_fail(err, WEFT_E_USAGE, "\"%s\": the digest comes from what is pushed", shown);
            return weft_err_hint(err, "name a tag, or none");
        }
        weft_strv_take(&r->names, weft_reference_full(&ref));
    }
    return 0;
}

static int read_layout(struct run *r, const char *name, struct weft_err **err)
{
    weft_auto_free char *dir = NULL;
    weft_auto_free char *digest = NULL;

    if (weft_layout_name_parse(name, &dir, &digest, err) < 0) {
        return -1;
    }
    r->blobs_dir = weft_path_join(dir, "blobs/sha256");
    return weft_content_root(r->blobs_dir, digest, &r->root, err);
}

static int set_up(struct run *r, const struct weft_strv *args, struct weft_err **err)
{
    struct weft_push_opts opts = {.names = &r->names,
                                  .insecure = r->o->insecure,
                                  .verify = true,
                                  .hosts = &r->settings.registries,
                                  .cancel = &r->cancel};

    if (args->n < 2) {
        weft_fail(err, WEFT_E_USAGE, "push takes a layout and a reference, or several");
        return weft_err_hint(err, "weft push --help");
    }
    if (read_names(r, args, err) < 0 || read_layout(r, args->v[0], err) < 0 ||
        weft_settings_load(&r->settings, err) < 0) {
        return -1;
    }
    r->docker = weft_docker_config_load(err);
    if (!r->docker) {
        return -1;
    }
    r->state_dir = weft_dir_state(NULL); /* without one nothing is remembered */
    opts.docker = r->docker;
    opts.state_dir = r->state_dir;
    r->push = weft_push_create(&opts, err);
    return r->push ? 0 : -1;
}

/* ---- progress ---- */

/* "12.3 MB of 40.0 MB" and how the blobs went. Caller frees. */
static char *progress_text(struct run *r)
{
    weft_auto_free char *sent = weft_human_size((double)atomic_load(&r->counts.sent_bytes));
    weft_auto_free char *total = weft_human_size((double)atomic_load(&r->counts.total_bytes));

    return weft_fmt("pushing: %s of %s; blobs: %d sent, %d mounted, %d there already", sent, total,
                    atomic_load(&r->counts.blobs_sent), atomic_load(&r->counts.blobs_mounted),
                    atomic_load(&r->counts.blobs_there));
}

static size_t terminal_columns(void)
{
    struct winsize w;

    return ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col > 0 ? w.ws_col : COLUMNS;
}

/* The cursor is left at the line's begin: what another thread logs goes over it. */
static void draw(void *data)
{
    struct run *r = data;
    weft_auto_free char *text = progress_text(r);

    fprintf(stderr, "\r%.*s\033[K\r", (int)terminal_columns() - 1, text);
    fflush(stderr);
    r->drawn = true;
}

static void wipe(struct run *r)
{
    if (r->drawn) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
        r->drawn = false;
    }
}

static void print_plain(void *data)
{
    struct run *r = data;
    int64_t sent = atomic_load(&r->counts.sent_bytes);
    weft_auto_free char *text = NULL;

    if (sent != r->plain_bytes) {
        text = progress_text(r);
        weft_info("%s", text);
        r->plain_bytes = sent;
    }
}

static int choose_display(struct run *r, struct weft_err **err)
{
    enum weft_progress_mode mode = WEFT_PROGRESS_QUIET;

    if (r->o->quiet) {
        return 0;
    }
    if (weft_progress_resolve(WEFT_PROGRESS_AUTO, NULL, STDERR_FILENO, &mode, err) < 0) {
        return -1;
    }
    r->redraw = mode == WEFT_PROGRESS_TTY && !r->o->debug; /* the log would tear it */
    if (r->redraw) {
        weft_timer_start(r->loop, REDRAW_MS, REDRAW_MS, 1, draw, r);
    } else if (mode != WEFT_PROGRESS_QUIET) {
        weft_timer_start(r->loop, PLAIN_MS, PLAIN_MS, 1, print_plain, r);
    }
    return 0;
}

/* ---- the work ---- */

static void on_interrupt(void *data)
{
    struct run *r = data;

    atomic_store(&r->cancel, true);
}

static void watch_signals(struct run *r)
{
    struct sigaction hangup;

    weft_signal_watch(r->loop, SIGINT, on_interrupt, r);
    weft_signal_watch(r->loop, SIGTERM, on_interrupt, r);
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN) { /* nohup */
        weft_signal_watch(r->loop, SIGHUP, on_interrupt, r);
    }
}

static void push_work(void *data)
{
    struct run *r = data;

    weft_push_commit(r->push, r->blobs_dir, &r->root, &r->counts, &r->err);
}

static void push_done(void *data)
{
    struct run *r = data;

    weft_loop_stop(r->loop);
}

static void report_text(struct run *r)
{
    weft_auto_free char *size = weft_human_size((double)atomic_load(&r->counts.sent_bytes));

    for (size_t i = 0; i + 1 < r->names.n; i++) {
        weft_info("pushed %s@%s", r->names.v[i], r->root.digest);
    }
    weft_info("pushed %s@%s (blobs: %d sent, %d mounted, %d there already; %s)",
              r->names.v[r->names.n - 1], r->root.digest, atomic_load(&r->counts.blobs_sent),
              atomic_load(&r->counts.blobs_mounted), atomic_load(&r->counts.blobs_there), size);
}

static void report_json(struct run *r, FILE *out)
{
    weft_auto_json j = weft_json_object();
    struct weft_json *names = weft_json_array();
    struct weft_json *blobs = weft_json_object();
    weft_auto_free char *text = NULL;

    for (size_t i = 0; i < r->names.n; i++) {
        weft_json_append_str(names, r->names.v[i]);
    }
    weft_json_set_int(blobs, "sent", atomic_load(&r->counts.blobs_sent));
    weft_json_set_int(blobs, "mounted", atomic_load(&r->counts.blobs_mounted));
    weft_json_set_int(blobs, "there", atomic_load(&r->counts.blobs_there));
    weft_json_set_int(j, "schema", 1);
    weft_json_set_str(j, "digest", r->root.digest);
    weft_json_set_str(j, "media_type", r->root.media_type);
    weft_json_set(j, "names", names);
    weft_json_set(j, "blobs", blobs);
    weft_json_set_int(j, "sent_bytes", atomic_load(&r->counts.sent_bytes));
    text = weft_json_dump(j, 2);
    fprintf(out, "%s\n", text);
}

static int push(struct run *r, FILE *out, struct weft_err **err)
{
    watch_signals(r);
    if (choose_display(r, err) < 0) {
        return -1;
    }
    weft_work(r->loop, push_work, push_done, r);
    weft_loop_run(r->loop);
    wipe(r);
    if (r->err) {
        *err = weft_steal(&r->err);
        return -1;
    }
    if (!r->o->quiet) {
        report_text(r);
    }
    if (r->o->json) {
        report_json(r, out);
    } else if (r->o->quiet) {
        fprintf(out, "%s\n", r->root.digest);
    }
    return 0;
}

static int run_with(const struct options *o, const struct weft_strv *args, FILE *out,
                    struct weft_err **err)
{
    struct run r = {.o = o};
    int rc = set_up(&r, args, err);

    if (rc == 0) {
        r.loop = weft_loop_create(1, err);
        rc = r.loop ? push(&r, out, err) : -1;
        weft_loop_destroy(r.loop);
    }
    run_finish(&r);
    return rc;
}

static int run(int argc, char **argv, FILE *out, struct weft_err **err)
{
    struct options o = {0};
    weft_auto_strv args = {0};

    if (weft_flags_parse(flags, N_FLAGS, argc, argv, &o, &args, err) < 0) {
        weft_err_wrap(err, "push");
        return weft_err_hint(err, "weft push --help");
    }
    if (o.help) {
        help(out);
        return 0;
    }
    weft_log_set_level(o.debug ? WEFT_LOG_DEBUG : WEFT_LOG_INFO);
    return run_with(&o, &args, out, err);
}

const struct weft_cmd weft_cmd_push = {
    .name = "push",
    .summary = "Push an image of an OCI layout to registries",
    .run = run,
};
