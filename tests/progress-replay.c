/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plays recorded progress streams through the display, to look at it and for
 * tests/e2e/progress_tmux.sh. A record is lines "MILLISECONDS LINE": when buildctl wrote the line
 * (any epoch), and the line.
 */
#include "config.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/progress.h"

struct record {
    FILE *file;
    long long first_ms;
    long long next_ms; /* relative to the first line */
    long long start_ms;
    char *line;
    struct weft_buf text; /* what was no JSON */
    size_t cap;
    bool over;
    bool failed;
};

static volatile sig_atomic_t resized;

static void on_winch(int signal)
{
    (void)signal;
    resized = 1;
}

static void next_line(struct record *r, double speed)
{
    char *end;
    long long at;
    ssize_t n = getline(&r->line, &r->cap, r->file);

    if (n < 0) {
        r->over = true;
        return;
    }
    at = strtoll(r->line, &end, 10);
    memmove(r->line, end + (*end == ' '), strlen(end));
    r->first_ms = r->first_ms ? r->first_ms : at;
    r->next_ms = r->start_ms + (long long)((double)(at - r->first_ms) / speed);
}

static void play(struct weft_progress *p, struct record *r, size_t lane, long long now,
                 double speed)
{
    while (!r->over && r->next_ms <= now) {
        weft_progress_set_phase(p, lane, WEFT_PHASE_SOLVING, NULL);
        if (!weft_progress_feed(p, lane, r->line, strlen(r->line)) &&
            strncmp(r->line, "time=", 5) != 0) {
            weft_buf_puts(&r->text, r->line);
            r->failed = r->failed || strncmp(r->line, "error:", 6) == 0;
        }
        next_line(r, speed);
    }
    if (r->over) {
        weft_progress_set_phase(p, lane, r->failed ? WEFT_PHASE_FAILED : WEFT_PHASE_DONE, NULL);
    }
}

static int usage(void)
{
    fputs("usage: progress-replay [-m tty|plain|rawjson|quiet] [-s SPEED] [-d MS] [-a] "
          "PLATFORM=NOTE=RECORD...\n"
          "  -d MS  start each lane so much later than the one before\n"
          "  -a     ASCII only\n",
          stderr);
    return 2;
}

int main(int argc, char **argv)
{
    struct weft_progress_opts o;
    struct weft_progress_lane *lanes;
    struct weft_progress *p;
    struct record *records;
    struct weft_err *err = NULL;
    struct timespec tick = {.tv_nsec = 20 * 1000 * 1000};
    struct sigaction winch = {.sa_handler = on_winch};
    double speed = 1;
    long long delay_ms = 0;
    size_t n, running;
    bool ok = true;
    int c;

    weft_progress_opts_init(&o);
    o.title = "weft build";
    o.mode = WEFT_PROGRESS_AUTO;
    while ((c = getopt(argc, argv, "m:s:d:a")) != -1) {
        if (c == 'm' && weft_progress_resolve(WEFT_PROGRESS_AUTO, optarg, 2, &o.mode, &err) == 0) {
            continue;
        } else if (c == 's' && atof(optarg) > 0) {
            speed = atof(optarg);
        } else if (c == 'd') {
            delay_ms = atoll(optarg);
        } else if (c == 'a') {
            o.utf8 = false;
        } else {
            weft_err_free(err);
            return usage();
        }
    }
    n = (size_t)(argc - optind);
    if (!n || weft_progress_resolve(o.mode, NULL, 2, &o.mode, NULL) < 0) {
        return usage();
    }
    lanes = weft_xcalloc(n, sizeof(*lanes));
    records = weft_xcalloc(n, sizeof(*records));
    for (size_t i = 0; i < n; i++) {
        char *platform = argv[optind + (int)i], *note = strchr(platform, '='), *path;

        if (!note || !(path = strchr(note + 1, '=')) || !(records[i].file = fopen(path + 1, "r"))) {
            return usage();
        }
        *note++ = *path = '\0';
        lanes[i] = (struct weft_progress_lane){platform, note, strncmp(note, "emulated", 8) == 0};
        records[i].start_ms = (long long)i * delay_ms;
        next_line(&records[i], speed);
    }
    o.lanes = lanes;
    o.n_lanes = n;
    sigaction(SIGWINCH, &winch, NULL);
    p = weft_progress_create(&o);
    for (size_t i = 0; i < n; i++) {
        weft_progress_set_phase(p, i, WEFT_PHASE_WAITING, "waiting for a job slot");
    }
    for (long long start = o.now_ms(o.data);;) {
        running = 0;
        for (size_t i = 0; i < n; i++) {
            play(p, &records[i], i, o.now_ms(o.data) - start, speed);
            running += !records[i].over;
        }
        if (resized) {
            resized = 0;
            weft_progress_resize(p);
        }
        weft_progress_tick(p);
        if (!running) {
            break;
        }
        nanosleep(&tick, NULL);
    }
    for (size_t i = 0; i < n; i++) {
        ok = ok && !records[i].failed;
    }
    weft_progress_finish(p, ok);
    for (size_t i = 0; i < n; i++) {
        if (records[i].failed) {
            weft_progress_print_failure(p, i, records[i].text.data, NULL);
        }
        weft_buf_finish(&records[i].text);
        free(records[i].line);
        fclose(records[i].file);
    }
    weft_progress_destroy(p);
    free(records);
    free(lanes);
    return ok ? 0 : 1;
}
