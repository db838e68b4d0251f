/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/progress.h"

#include <fcntl.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "engine/progress_model.h"
#include "tests/helpers.h"
#include "tests/vt.h"

/* A display whose clock, terminal and output the test holds. */
struct rig {
    struct weft_progress *p;
    int64_t now_ms;
    unsigned int columns, rows;
    FILE *out;
    char *written;
    size_t written_len;
    size_t seen;   /* of written: given to the terminal */
    struct vt *vt; /* tty only */
};

static int64_t rig_now(void *data)
{
    return ((struct rig *)data)->now_ms;
}

static int64_t rig_wall(void *data)
{
    return 1767323045000 + ((struct rig *)data)->now_ms;
}

static void rig_size(unsigned int *columns, unsigned int *rows, void *data)
{
    *columns = ((struct rig *)data)->columns;
    *rows = ((struct rig *)data)->rows;
}

static const struct weft_progress_lane two_lanes[] = {
    {"linux/arm64", "emulated (QEMU 7.2.22)", true},
    {"linux/amd64", "native", false},
};

struct look {
    unsigned int columns, rows;
    bool no_colour, ascii;
};

static struct rig *rig_new(enum weft_progress_mode mode, const struct weft_progress_lane *lanes,
                           size_t n_lanes, struct look look)
{
    struct rig *r = weft_xcalloc(1, sizeof(*r));
    struct weft_progress_opts o;

    r->columns = look.columns ? look.columns : 80;
    r->rows = look.rows ? look.rows : 24;
    r->out = open_memstream(&r->written, &r->written_len);
    assert_non_null(r->out);
    weft_progress_opts_init(&o);
    o.mode = mode;
    o.out = r->out;
    o.title = "weft build";
    o.lanes = lanes;
    o.n_lanes = n_lanes;
    o.colour = !look.no_colour;
    o.utf8 = !look.ascii;
    o.now_ms = rig_now;
    o.wall_ms = rig_wall;
    o.size = rig_size;
    o.data = r;
    r->vt = mode == WEFT_PROGRESS_TTY ? vt_new(r->columns, r->rows) : NULL;
    r->p = weft_progress_create(&o);
    return r;
}

static void rig_free(struct rig *r)
{
    weft_progress_destroy(r->p);
    fclose(r->out);
    free(r->written);
    free(r->vt);
    free(r);
}

/* Give the terminal what was written, and check what must hold after each frame. */
static void rig_look(struct rig *r)
{
    fflush(r->out);
    vt_write(r->vt, r->written + r->seen, r->written_len - r->seen);
    r->seen = r->written_len;
    if (r->vt->offences) {
        fail_msg("%s (%u x %u)", r->vt->offence, r->columns, r->rows);
    }
    assert_false(r->vt->cursor_hidden);
    assert_false(r->vt->no_wrap);
    assert_int_equal(r->vt->x, 0);
}

static void rig_tick(struct rig *r, int64_t ms)
{
    r->now_ms += ms;
    weft_progress_tick(r->p);
    if (r->vt) {
        rig_look(r);
    }
}

static void rig_feed(struct rig *r, size_t lane, const char *line)
{
    weft_progress_feed(r->p, lane, line, strlen(line));
}

static char *rig_screen(struct rig *r)
{
    rig_look(r);
    return vt_text(r->vt);
}

static char *data_path(const char *name, const char *suffix)
{
    const char *srcdir = getenv("srcdir");

    return weft_fmt("%s/tests/data/progress/%s%s", srcdir ? srcdir : ".", name, suffix);
}

/* Play a record into a lane at its own pace, or up to `until_ms`. What is no JSON is added to text.
 */
static void play(struct rig *r, size_t lane, const char *name, int64_t until_ms,
                 struct weft_buf *text)
{
    weft_auto_free char *path = data_path(name, ".timed");
    weft_auto_file f = fopen(path, "re");
    weft_auto_free char *line = NULL;
    int64_t start_ms = r->now_ms;
    size_t cap = 0;

    if (!f) {
        fail_msg("cannot open %s (is srcdir set?)", path);
    }
    while (getline(&line, &cap, f) > 0) {
        char *json;
        int64_t at_ms = strtoll(line, &json, 10);

        json++;
        if (at_ms > until_ms) {
            break;
        }
        while (r->now_ms < start_ms + at_ms) {
            int64_t left = start_ms + at_ms - r->now_ms;

            rig_tick(r, left < 100 ? left : 100);
        }
        if (!weft_progress_feed(r->p, lane, json, strlen(json)) && text) {
            weft_buf_puts(text, json);
        }
    }
}

static void assert_golden(const char *name, const char *got)
{
    weft_auto_free char *path = data_path(name, ".plain");

    if (getenv("WEFT_UPDATE_GOLDEN")) {
        put_file(path, got, strlen(got));
        return;
    }
    weft_auto_err err = NULL;
    weft_auto_free char *want = NULL;

    if (weft_read_file(path, 1 << 20, &want, NULL, &err) < 0) {
        fail_msg("%s", err->msg);
    }
    assert_string_equal(got, want);
}

static void test_plain_golden(void **state)
{
    static const struct {
        const char *name;
        enum weft_phase end;
    } cases[] = {
        {"ok", WEFT_PHASE_DONE},      {"context", WEFT_PHASE_DONE},     {"fail", WEFT_PHASE_FAILED},
        {"crash", WEFT_PHASE_FAILED}, {"cancel", WEFT_PHASE_CANCELLED},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rig *r = rig_new(WEFT_PROGRESS_PLAIN, two_lanes, 1, (struct look){0});
        weft_auto_buf text = {0};

        weft_progress_set_phase(r->p, 0, WEFT_PHASE_WAITING, "starting worker");
        weft_progress_set_phase(r->p, 0, WEFT_PHASE_WAITING, "starting worker");
        weft_progress_set_phase(r->p, 0, WEFT_PHASE_SOLVING, NULL);
        play(r, 0, cases[i].name, INT64_MAX, &text);
        weft_progress_set_phase(r->p, 0, cases[i].end, NULL);
        weft_progress_finish(r->p, cases[i].end == WEFT_PHASE_DONE);
        if (cases[i].end == WEFT_PHASE_FAILED) {
            weft_progress_print_failure(r->p, 0, text.data, NULL);
        }
        fflush(r->out);
        assert_golden(cases[i].name, r->written);
        for (const char *s = r->written; *s; s++) {
            assert_true(*s == '\n' || (unsigned char)*s >= 0x20);
        }
        rig_free(r);
    }
}

/* BuildKit's prefix is ours: every line of every lane can be found by its platform. */
static void test_plain_prefix(void **state)
{
    struct rig *r = rig_new(WEFT_PROGRESS_PLAIN, two_lanes, 2, (struct look){0});
    weft_auto_strv lines = {0};

    (void)state;
    for (size_t lane = 0; lane < 2; lane++) {
        weft_progress_set_phase(r->p, lane, WEFT_PHASE_SOLVING, "building");
        play(r, lane, lane ? "context" : "cancel", INT64_MAX, NULL);
        weft_progress_set_phase(r->p, lane, WEFT_PHASE_DONE, NULL);
    }
    fflush(r->out);
    weft_split(r->written, '\n', &lines);
    assert_true(lines.n > 20);
    for (size_t i = 0; i + 1 < lines.n; i++) {
        assert_true(weft_starts_with(lines.v[i], "[linux/arm64] ") ||
                    weft_starts_with(lines.v[i], "[linux/amd64] "));
    }
    /* at the end, how each of them ended, together */
    {
        size_t before = strlen(r->written);
        const char *end;

        weft_progress_finish(r->p, true);
        fflush(r->out);
        end = r->written + before;
        assert_non_null(strstr(end, "[linux/arm64] done: "));
        assert_non_null(strstr(end, "[linux/amd64] done: "));
    }
    rig_free(r);
}

static void test_plain_transfer_rate(void **state)
{
    struct rig *r = rig_new(WEFT_PROGRESS_PLAIN, two_lanes, 1, (struct look){0});
    size_t lines = 0;

    (void)state;
    rig_feed(r, 0,
             "{\"vertexes\":[{\"digest\":\"a\",\"name\":\"x\",\"started\":"
             "\"2026-01-02T03:04:05Z\"}]}");
    for (int i = 0; i <= 120; i++) { /* 12 s */
        weft_auto_free char *line = weft_fmt(
            "{\"statuses\":[{\"id\":\"l\",\"vertex\":\"a\",\"current\":%d,\"total\":120}]}", i);

        rig_feed(r, 0, line);
        rig_tick(r, 100);
    }
    fflush(r->out);
    for (const char *s = r->written; (s = strstr(s, "#1 l")); s++) {
        lines++;
    }
    assert_int_equal(lines, 3); /* at 0, 5 and 10 s */
    rig_free(r);
}

static void test_tty_lanes(void **state)
{
    struct rig *r = rig_new(WEFT_PROGRESS_TTY, two_lanes, 2, (struct look){0});
    weft_auto_free char *first = NULL, *running = NULL, *last = NULL;

    (void)state;
    weft_progress_set_phase(r->p, 0, WEFT_PHASE_WAITING, "starting worker");
    weft_progress_set_phase(r->p, 1, WEFT_PHASE_WAITING, "waiting for a job slot");
    rig_tick(r, 100);
    first = rig_screen(r);
    assert_string_equal(
        first, "weft build  0/2 platforms done                                             0.1s\n"
               "· linux/arm64  starting worker\n"
               "· linux/amd64  waiting for a job slot\n");
    weft_progress_set_phase(r->p, 0, WEFT_PHASE_SOLVING, NULL);
    play(r, 0, "ok", 1500, NULL);
    running = rig_screen(r);
    assert_non_null(strstr(running, "▸ linux/arm64  [builder 3/5] RUN for i in"));
    assert_non_null(strstr(running, "\n               cc -O2 -c file"));
    assert_non_null(strstr(running, "· linux/amd64  waiting for a job slot\n"));
    free(weft_steal(&running));

    play(r, 0, "ok", INT64_MAX, NULL);
    weft_progress_set_phase(r->p, 0, WEFT_PHASE_EXPORTING, "checking blobs");
    weft_progress_set_bytes(r->p, 0, 50000000, 100000000);
    rig_tick(r, 100);
    running = rig_screen(r);
    assert_non_null(strstr(running, "▸ linux/arm64  checking blobs  "
                                    "━━━━━━━━━━"
                                    "──────────  50.0 MB / 100 MB\n"));
    free(weft_steal(&running));
    weft_progress_set_phase(r->p, 0, WEFT_PHASE_PUSHING, "pushing");
    rig_tick(r, 100);
    running = rig_screen(r);
    assert_non_null(strstr(running, "▸ linux/arm64  pushing\n"));
    weft_progress_set_phase(r->p, 0, WEFT_PHASE_DONE, NULL);
    weft_progress_set_phase(r->p, 1, WEFT_PHASE_FAILED, "the worker ended");
    weft_progress_finish(r->p, false);
    last = rig_screen(r);
    assert_non_null(strstr(last, "weft build  1/2 platforms done, 1 failed"));
    assert_non_null(strstr(last, "✔ linux/arm64  6 steps, "));
    assert_non_null(strstr(last, "s, emulated (QEMU 7.2.22)\n"));
    assert_non_null(strstr(last, "✘ linux/amd64  the worker ended"));
    assert_non_null(strstr(last, "\n1 warning\n  Dockerfile:1: FromAsCasing: 'as' and 'FROM'"));
    assert_null(strstr(last, "cc -O2"));
    assert_int_equal(r->vt->scrolled, 0);
    rig_free(r);
}

/* The frame is never higher or wider than the terminal, whatever its size, and never scrolls old
 * frames away. */
static void test_tty_sizes(void **state)
{
    static const unsigned int columns[] = {1, 2, 10, 20, 40, 80, 200};
    static const unsigned int rows[] = {2, 3, 5, 8, 24, 50};
    static const char *const records[] = {"ok", "fail", "cancel", "context"};
    struct weft_progress_lane lanes[9];

    (void)state;
    for (size_t i = 0; i < COUNT(lanes); i++) {
        lanes[i] = two_lanes[i % 2];
    }
    for (size_t i = 0; i < COUNT(columns) * COUNT(rows); i++) {
        struct look look = {columns[i % COUNT(columns)], rows[i / COUNT(columns)], i % 2,
                            i % 3 == 0};
        struct rig *r = rig_new(WEFT_PROGRESS_TTY, lanes, COUNT(lanes), look);

        for (size_t k = 0; k < COUNT(records); k++) {
            weft_progress_set_phase(r->p, k + 2, WEFT_PHASE_SOLVING, NULL);
            play(r, k + 2, records[k], 2200, NULL);
        }
        rig_tick(r, 1000);
        assert_int_equal(r->vt->scrolled, 0);
        rig_free(r);
    }
}

static void test_tty_many_lanes(void **state)
{
    struct rig *r;
    struct weft_progress_lane lanes[9];
    weft_auto_free char *screen = NULL;

    (void)state;
    for (size_t i = 0; i < COUNT(lanes); i++) {
        lanes[i] = two_lanes[0];
    }
    lanes[7].platform = "linux/seven";
    r = rig_new(WEFT_PROGRESS_TTY, lanes, COUNT(lanes), (struct look){.columns = 60, .rows = 7});
    weft_progress_set_phase(r->p, 0, WEFT_PHASE_SOLVING, NULL);
    weft_progress_set_phase(r->p, 0, WEFT_PHASE_DONE, NULL);
    weft_progress_set_phase(r->p, 7, WEFT_PHASE_SOLVING, "starting");
    rig_tick(r, 100);
    screen = rig_screen(r);
    assert_non_null(strstr(screen, "▸ linux/seven"));
    assert_null(strstr(screen, "✔")); /* what is done gives way to what is not */
    assert_non_null(strstr(screen, "\n… and 5 more\n"));
    weft_progress_finish(r->p, true);
    rig_look(r);
    assert_int_equal(r->vt->scrolled, 4); /* all ten lines are in the scrollback */
    rig_free(r);
}

static void test_tty_log_line(void **state)
{
    struct rig *r = rig_new(WEFT_PROGRESS_TTY, two_lanes, 2, (struct look){0});
    weft_auto_free char *screen = NULL;

    (void)state;
    rig_tick(r, 100);
    weft_progress_log_line(r->p, "weft: first\nsecond \033[2Jx");
    weft_progress_log_line(r->p, "third");
    screen = rig_screen(r);
    assert_string_equal(
        screen, "weft: first\n"
                "second x\n"
                "third\n"
                "weft build  0/2 platforms done                                             0.1s\n"
                "· linux/arm64  waiting\n"
                "· linux/amd64  waiting\n");
    rig_free(r);
}

static void test_tty_redraws(void **state)
{
    struct rig *r = rig_new(WEFT_PROGRESS_TTY, two_lanes, 2, (struct look){0});
    size_t before;

    (void)state;
    rig_tick(r, 0);
    before = r->written_len;
    rig_tick(r, 99); /* too soon */
    assert_int_equal(r->written_len, before);
    rig_tick(r, 2); /* only the clock in the header moved: only that line is written */
    assert_true(r->written_len > before);
    assert_null(strstr(r->written + before, "linux/"));
    rig_free(r);
}

static void test_tty_resize(void **state)
{
    struct rig *r = rig_new(WEFT_PROGRESS_TTY, two_lanes, 2, (struct look){0});
    weft_auto_free char *screen = NULL;

    (void)state;
    weft_progress_set_phase(r->p, 0, WEFT_PHASE_SOLVING, NULL);
    play(r, 0, "ok", 1500, NULL);
    for (unsigned int columns = 81; columns < 120; columns++) { /* wider: lines stay as they are */
        r->columns = columns;
        r->vt->columns = columns;
        weft_progress_resize(r->p);
        rig_look(r);
    }
    screen = rig_screen(r);
    assert_true(weft_starts_with(screen, "weft build  0/2 platforms done "));
    assert_null(strstr(screen + 1, "weft build"));
    rig_free(r);
}

static void test_tty_plain_looks(void **state)
{
    struct rig *r =
        rig_new(WEFT_PROGRESS_TTY, two_lanes, 2, (struct look){.no_colour = true, .ascii = true});
    weft_auto_free char *screen = NULL;

    (void)state;
    weft_progress_set_phase(r->p, 0, WEFT_PHASE_SOLVING, NULL);
    weft_progress_set_phase(r->p, 1, WEFT_PHASE_SOLVING, NULL);
    rig_feed(r, 0,
             "{\"vertexes\":[{\"digest\":\"a\",\"name\":\"[1/2] RUN caf\303\251 \344\275\240\","
             "\"started\":\"2026-01-02T03:04:05Z\"}]}");
    rig_feed(r, 0,
             "{\"statuses\":[{\"id\":\"sha256:0123456789abcdef0\",\"vertex\":\"a\","
             "\"current\":5000000,\"total\":20000000}]}");
    weft_progress_set_phase(r->p, 1, WEFT_PHASE_DONE, NULL);
    rig_tick(r, 1000);
    screen = rig_screen(r);
    assert_string_equal(
        screen, "weft build  1/2 platforms done                                             1.0s\n"
                "> linux/arm64  [1/2] RUN caf? ?                                            1.0s\n"
                "               sha256:0123456789ab  #####---------------  5.0 MB / 20.0 MB\n"
                "+ linux/amd64  0.0s, native\n");
    assert_int_equal(r->vt->colours, 0);
    for (size_t i = 0; i < r->written_len; i++) {
        assert_true((unsigned char)r->written[i] < 0x80);
    }
    rig_free(r);
}

static void test_rawjson(void **state)
{
    struct rig *r = rig_new(WEFT_PROGRESS_RAWJSON, two_lanes, 2, (struct look){0});
    weft_auto_strv lines = {0};

    (void)state;
    assert_false(weft_progress_feed(r->p, 0, "error: x\n", 9));
    rig_feed(r, 0, "{}\n");
    rig_feed(r, 1, "{ \"vertexes\":[{\"digest\":\"a\",\"extra\":1e400}]}\r\n");
    rig_feed(r, 1, "{ \"vertexes\":[{\"digest\":\"a\",\"extra\":10000000.10}]}\r\n");
    weft_progress_set_phase(r->p, 1, WEFT_PHASE_SOLVING, NULL);
    weft_progress_set_phase(r->p, 1, WEFT_PHASE_FAILED, "no \"memory\"");
    weft_progress_log_line(r->p, "weft: hello");
    weft_progress_finish(r->p, false);
    weft_progress_print_failure(r->p, 1, NULL, NULL);
    fflush(r->out);
    weft_split(r->written, '\n', &lines);
    assert_int_equal(lines.n, 8);
    assert_string_equal(lines.v[0], "{\"platform\":\"linux/arm64\"}");
    assert_string_equal(
        lines.v[1],
        "{\"platform\":\"linux/amd64\",\"vertexes\":[{\"digest\":\"a\",\"extra\":10000000.10}]}");
    assert_string_equal(lines.v[2], "{\"platform\":\"linux/amd64\",\"weft\":{\"time\":"
                                    "\"2026-01-02T03:04:05.000Z\",\"phase\":\"solving\"}}");
    assert_string_equal(lines.v[3],
                        "{\"platform\":\"linux/amd64\",\"weft\":{\"time\":"
                        "\"2026-01-02T03:04:05.000Z\",\"phase\":\"failed\",\"text\":\"no "
                        "\\\"memory\\\"\",\"steps\":0,\"cached\":0,\"wallMs\":0,\"note\":"
                        "\"native\"}}");
    assert_non_null(strstr(lines.v[4], "\"log\":\"weft: hello\""));
    assert_non_null(strstr(lines.v[5], "\"ok\":false"));
    assert_non_null(
        strstr(lines.v[6], "\"failure\":\"linux/amd64 failed\\nno \\\"memory\\\"\\n\""));
    for (size_t i = 0; i + 1 < lines.n; i++) {
        weft_auto_json j = weft_json_parse(lines.v[i], strlen(lines.v[i]), NULL);

        assert_true(weft_json_is_object(j));
    }
    rig_free(r);
}

static void test_quiet(void **state)
{
    struct rig *r = rig_new(WEFT_PROGRESS_QUIET, two_lanes, 1, (struct look){0});
    weft_auto_free char *report = NULL;

    (void)state;
    play(r, 0, "crash", INT64_MAX, NULL);
    weft_progress_set_phase(r->p, 0, WEFT_PHASE_FAILED, NULL);
    weft_progress_log_line(r->p, "x");
    weft_progress_finish(r->p, false);
    assert_int_equal(r->written_len, 0);
    /* what failed is known all the same */
    report = weft_progress_failure(r->p, 0, NULL, NULL);
    assert_non_null(strstr(report, "exit code 139\n"));
    assert_non_null(strstr(report, "    about to crash\n"));
    assert_non_null(strstr(report, "a program crashed with signal 11 under QEMU"));
    rig_free(r);
}

static void test_resolve(void **state)
{
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    enum weft_progress_mode mode = WEFT_PROGRESS_AUTO;
    struct weft_err *err = NULL;

    (void)state;
    assert_int_equal(weft_progress_resolve(WEFT_PROGRESS_TTY, "bad", null_fd, &mode, &err), 0);
    assert_int_equal(mode, WEFT_PROGRESS_TTY);
    assert_ok(weft_progress_resolve(WEFT_PROGRESS_AUTO, NULL, null_fd, &mode, &err), &err);
    assert_int_equal(mode, WEFT_PROGRESS_PLAIN);
    assert_ok(weft_progress_resolve(WEFT_PROGRESS_AUTO, "rawjson", null_fd, &mode, &err), &err);
    assert_int_equal(mode, WEFT_PROGRESS_RAWJSON);
    assert_ok(weft_progress_resolve(WEFT_PROGRESS_AUTO, "none", null_fd, &mode, &err), &err);
    assert_int_equal(mode, WEFT_PROGRESS_QUIET);
    assert_int_equal(weft_progress_resolve(WEFT_PROGRESS_AUTO, "x\n", null_fd, &mode, &err), -1);
    assert_err(&err, WEFT_E_USAGE, 0, "BUILDKIT_PROGRESS=x\\x0a");
    close(null_fd);
}

/* Whatever the display: a lane's log has the plain text of that lane alone, and its failure. */
static void test_lane_logs(void **state)
{
    static const enum weft_progress_mode modes[] = {WEFT_PROGRESS_TTY, WEFT_PROGRESS_PLAIN,
                                                    WEFT_PROGRESS_QUIET, WEFT_PROGRESS_RAWJSON};

    (void)state;
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        struct weft_progress_lane lanes[2] = {two_lanes[0], two_lanes[1]};
        char *text[2] = {NULL, NULL};
        size_t len[2];
        struct rig *r;

        for (size_t k = 0; k < 2; k++) {
            lanes[k].log = open_memstream(&text[k], &len[k]);
        }
        r = rig_new(modes[i], lanes, 2, (struct look){0});
        for (size_t k = 0; k < 2; k++) {
            weft_progress_set_phase(r->p, k, WEFT_PHASE_SOLVING, NULL);
        }
        rig_feed(r, 0,
                 "{\"vertexes\":[{\"digest\":\"sha256:a\",\"name\":\"[1/1] RUN a\","
                 "\"started\":\"2026-01-02T03:04:05Z\"}]}");
        rig_feed(r, 0,
                 "{\"logs\":[{\"vertex\":\"sha256:a\",\"stream\":1,\"data\":\"aGVsbG8K\","
                 "\"timestamp\":\"2026-01-02T03:04:06Z\"}]}");
        fflush(lanes[0].log); /* a FILE in memory: on a disk it is there already */
        assert_non_null(strstr(text[0], "[linux/arm64] #1 1.000 hello\n"));
        rig_feed(r, 0,
                 "{\"vertexes\":[{\"digest\":\"sha256:a\",\"name\":\"[1/1] RUN a\","
                 "\"started\":\"2026-01-02T03:04:05Z\",\"completed\":\"2026-01-02T03:04:06Z\","
                 "\"error\":\"exit code: 3\"}]}");
        weft_progress_set_phase(r->p, 0, WEFT_PHASE_FAILED, "exit code: 3");
        weft_progress_set_phase(r->p, 1, WEFT_PHASE_DONE, NULL);
        weft_progress_finish(r->p, false);
        weft_progress_print_failure(r->p, 0, "Dockerfile:1", NULL);
        rig_free(r);
        for (size_t k = 0; k < 2; k++) {
            fclose(lanes[k].log);
        }
        assert_non_null(strstr(text[0], "[linux/arm64] failed: exit code: 3\n"));
        assert_non_null(strstr(text[0], "\nlinux/arm64 failed at [1/1] RUN a\n"));
        assert_non_null(strstr(text[0], "Dockerfile:1"));
        assert_null(strstr(text[0], "amd64"));
        assert_null(strchr(text[0], '\033'));
        assert_non_null(strstr(text[1], "[linux/amd64] done: "));
        assert_null(strstr(text[1], "arm64"));
        free(text[0]);
        free(text[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_golden),
        cmocka_unit_test(test_plain_prefix),
        cmocka_unit_test(test_plain_transfer_rate),
        cmocka_unit_test(test_tty_lanes),
        cmocka_unit_test(test_tty_sizes),
        cmocka_unit_test(test_tty_many_lanes),
        cmocka_unit_test(test_tty_log_line),
        cmocka_unit_test(test_tty_redraws),
        cmocka_unit_test(test_tty_resize),
        cmocka_unit_test(test_tty_plain_looks),
        cmocka_unit_test(test_rawjson),
        cmocka_unit_test(test_quiet),
        cmocka_unit_test(test_lane_logs),
        cmocka_unit_test(test_resolve),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
