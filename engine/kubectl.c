/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/kubectl.h"

#include <ctype.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    WORDS_MAX = 1000 /* bytes of its words that are shown */
};

struct weft_kubectl {
    char *path;
    const char *context, *namespace;
    struct weft_loop *loop;
    bool interrupted;

    /* while it runs */
    struct weft_child *child;
    weft_child_line_fn *on_line;
    void *data;
    int code;
    char *words; /* the last line that it said; NULL: none */
};

/* A second signal is for a kubectl, or what it has started, that does not heed the first. */
static void on_interrupt(void *data)
{
    struct weft_kubectl *k = data;

    if (k->child) {
        weft_child_kill(k->child, k->interrupted ? SIGKILL : SIGTERM);
    }
    k->interrupted = true;
}

struct weft_kubectl *weft_kubectl_open(const char *context, const char *namespace,
                                       struct weft_err **err)
{
    weft_auto_free char *path = weft_find_program("kubectl");
    struct weft_loop *loop = NULL;
    struct weft_kubectl *k = NULL;

    if (!path) {
        weft_fail(err, WEFT_E_UNSUPPORTED, "there is no kubectl on $PATH");
        weft_err_hint(err, "https://kubernetes.io/docs/tasks/tools/");
        return NULL;
    }
    loop = weft_loop_create(1, err);
    if (!loop) {
        return NULL;
    }
    k = weft_xcalloc(1, sizeof(*k));
    k->path = weft_steal(&path);
    k->context = context;
    k->namespace = namespace;
    k->loop = loop;
    weft_signal_watch(loop, SIGINT, on_interrupt, k);
    weft_signal_watch(loop, SIGTERM, on_interrupt, k);
    weft_signal_watch(loop, SIGHUP, on_interrupt, k);
    return k;
}

void weft_kubectl_close(struct weft_kubectl *k)
{
    if (!k) {
        return;
    }
    weft_loop_destroy(k->loop);
    free(k->path);
    free(k->words);
    free(k);
}

static void on_stdout(char *line, size_t len, void *data)
{
    const struct weft_kubectl *k = data;

    k->on_line(line, len, k->data);
}

/* "E1124 00:10:11.123456 ...": the log of its libraries, which repeats what it then says itself. */
static bool is_library_log(const char *line)
{
    if (*line == '\0' || !strchr("EWI", *line)) {
        return false;
    }
    for (size_t i = 1; i <= 4; i++) {
        if (!isdigit((unsigned char)line[i])) {
            return false;
        }
    }
    return line[5] == ' ';
}

static void on_stderr(char *line, size_t len, void *data)
{
    struct weft_kubectl *k = data;

    if (len == 0 || is_library_log(line)) {
        return;
    }
    if (len > WORDS_MAX) {
        line[WORDS_MAX] = '\0';
    }
    free(k->words);
    k->words = weft_printable(line);
}

static void on_exit_(int code, void *data)
{
    struct weft_kubectl *k = data;

    k->code = code;
    k->child = NULL;
    weft_loop_stop(k->loop);
}

static void make_argv(const struct weft_kubectl *k, const char *const *args, struct weft_strv *argv)
{
    weft_strv_add(argv, "kubectl");
    weft_strv_add(argv, "--request-timeout=30s");
    if (k->context) {
        weft_strv_addf(argv, "--context=%s", k->context);
    }
    if (k->namespace) {
        weft_strv_addf(argv, "--namespace=%s", k->namespace);
    }
    for (size_t i = 0; args[i]; i++) {
        weft_strv_add(argv, args[i]);
    }
}

int weft_kubectl_run(struct weft_kubectl *k, const char *const *args, weft_child_line_fn *on_line,
                     void *data, struct weft_err **err)
{
    weft_auto_strv argv = {0};

    make_argv(k, args, &argv);
    k->on_line = on_line;
    k->data = data;
    free(weft_steal(&k->words));
    if (!k->interrupted) {
        k->child = weft_child_spawn(k->loop,
                                    &(struct weft_child_opts){.file = k->path,
                                                              .argv = argv.v,
                                                              .on_stdout = on_stdout,
                                                              .on_stderr = on_stderr,
                                                              .on_exit = on_exit_,
                                                              .data = k},
                                    err);
        if (!k->child) {
            return -1;
        }
        weft_loop_run(k->loop);
    }
    if (k->interrupted) {
        return weft_fail(err, WEFT_E_CANCELLED, "interrupted");
    }
    if (k->code != 0) {
        return weft_fail(err, WEFT_E_UNSUPPORTED, "kubectl: %s",
                         k->words ? k->words : "it failed, and did not say why");
    }
    return 0;
}

struct text {
    struct weft_buf buf;
    bool too_much;
};

static void on_text(char *line, size_t len, void *data)
{
    struct text *t = data;

    t->too_much = t->too_much || t->buf.len + len >= WEFT_KUBECTL_JSON_MAX;
    if (t->too_much) {
        weft_buf_clear(&t->buf);
    } else {
        weft_buf_append(&t->buf, line, len);
        weft_buf_append(&t->buf, "\n", 1);
    }
}

struct weft_json *weft_kubectl_json(struct weft_kubectl *k, const char *const *args,
                                    struct weft_err **err)
{
    struct text text = {0};
    struct weft_json *j = NULL;

    if (weft_kubectl_run(k, args, on_text, &text, err) == 0) {
        if (text.too_much) {
            weft_fail(err, WEFT_E_FORMAT, "kubectl printed more than %d MiB",
                      WEFT_KUBECTL_JSON_MAX / 1024 / 1024);
        } else if (text.buf.len == 0) {
            j = weft_json_object();
        } else {
            j = weft_json_parse(text.buf.data, text.buf.len, err);
            if (!j) {
                weft_err_wrap(err, "what kubectl printed");
            }
        }
    }
    weft_buf_finish(&text.buf);
    return j;
}
