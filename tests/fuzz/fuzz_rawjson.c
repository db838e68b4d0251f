/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The progress stream of a build, drawn. The first three bytes are the display (its colours, its
 * mode), the columns and the rows of the terminal; then lines: "!N" sets the lane's phase, "#text"
 * is a log line, "@ab" another size, and anything else is fed. Whatever comes, a terminal must be
 * left whole and plain text must be text.
 */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/progress.h"
#include "tests/vt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    int64_t now_ms;
    unsigned int columns;
    unsigned int rows;
    enum weft_progress_mode mode;
    bool utf8;
    struct vt *vt;
    char *written;
    size_t written_len;
    size_t seen;
    FILE *out;
};

static int64_t now_ms(void *data)
{
    return ((struct world *)data)->now_ms;
}

static void terminal_size(unsigned int *columns, unsigned int *rows, void *data)
{
    const struct world *w = data;

    *columns = w->columns;
    *rows = w->rows;
}

static void check(struct world *w)
{
    fflush(w->out);
    for (size_t i = w->seen; i < w->written_len; i++) {
        unsigned char c = (unsigned char)w->written[i];

        assert(c >= 0x20 || c == '\n' || w->mode == WEFT_PROGRESS_TTY);
        assert(c < 0x80 || w->utf8 || w->mode != WEFT_PROGRESS_TTY);
    }
    if (w->mode == WEFT_PROGRESS_TTY) {
        /* lines above and below the live area may be longer than the screen is wide */
        vt_write(w->vt, w->written + w->seen, w->written_len - w->seen);
        assert(!w->vt->cursor_hidden && !w->vt->no_wrap && w->vt->x == 0);
        if (w->vt->offences && strcmp(w->vt->offence, "cursor above the screen") != 0) {
            fprintf(stderr, "%s\n", w->vt->offence);
            abort();
        }
    }
    w->seen = w->written_len;
}

static void take_line(struct world *w, struct weft_progress *p, const char *line, size_t len)
{
    size_t lane = (size_t)w->now_ms / 50 % 2;
    unsigned int columns = w->columns;

    if (len >= 2 && line[0] == '!') {
        weft_progress_set_phase(p, lane, (unsigned char)line[1] % 6, len > 2 ? "some text" : NULL);
        weft_progress_set_bytes(p, lane, (unsigned char)line[1], 200);
    } else if (len >= 1 && line[0] == '#' && w->mode != WEFT_PROGRESS_TTY) {
        char *text = weft_xstrndup(line + 1, len - 1);

        weft_progress_log_line(p, text);
        free(text);
    } else if (len >= 3 && line[0] == '@') {
        w->columns = 1 + (unsigned char)line[1];
        w->rows = 1 + (unsigned char)line[2];
        if (w->columns < columns) {
            w->vt->offences = 0; /* how a terminal breaks old lines anew is its own affair */
        }
        w->vt->columns = w->columns;
        w->vt->rows = w->rows;
        w->vt->y = w->vt->y < w->rows ? w->vt->y : w->rows - 1;
        weft_progress_resize(p);
    } else {
        weft_progress_feed(p, lane, line, len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct weft_progress_lane lanes[] = {{"linux/arm64", "emulated", true},
                                                      {"linux/amd64", NULL, false}};
    const char *s = (const char *)data + 3, *end = (const char *)data + size;
    struct weft_progress_opts o;
    struct weft_progress *p;
    struct world w = {0};

    if (size < 3) {
        return 0;
    }
    w.columns = 1 + data[1];
    w.rows = 1 + data[2];
    w.vt = vt_new(w.columns, w.rows);
    w.out = open_memstream(&w.written, &w.written_len);
    weft_progress_opts_init(&o);
    o.title = "weft build";
    o.mode = WEFT_PROGRESS_TTY + data[0] % 4;
    o.colour = data[0] & 4;
    o.utf8 = data[0] & 8;
    o.lanes = lanes;
    o.n_lanes = 2;
    o.out = w.out;
    o.now_ms = now_ms;
    o.size = terminal_size;
    o.data = &w;
    w.mode = o.mode;
    w.utf8 = o.utf8;
    p = weft_progress_create(&o);
    weft_progress_set_phase(p, 0, WEFT_PHASE_SOLVING, NULL);
    while (s < end) {
        const char *newline = memchr(s, '\n', (size_t)(end - s));
        size_t len = newline ? (size_t)(newline - s) : (size_t)(end - s);

        w.now_ms += 150;
        take_line(&w, p, s, len);
        weft_progress_tick(p);
        check(&w);
        s += len + 1;
    }
    free(weft_progress_failure(p, 0, "Dockerfile:1", NULL));
    free(weft_progress_failure(p, 1, NULL, "error"));
    weft_progress_set_phase(p, 0, WEFT_PHASE_DONE, NULL);
    weft_progress_destroy(p);
    check(&w);
    fclose(w.out);
    free(w.written);
    free(w.vt);
    return 0;
}
