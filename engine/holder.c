/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/holder.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "base/str.h"
#include "engine/proxy_args.h"
#include "engine/request.h"

struct weft_holder {
    struct weft_child *child;
    weft_holder_ready_fn *ready;
    weft_holder_exit_fn *exit;
    void *data;
    int announced;
    int64_t sent_bytes;
    char *error;
};

char *weft_holder_local_name(const char *context_name)
{
    return weft_fmt("named:%s", context_name);
}

/* "NAME=DIR" for each directory. `identity`: for a directory that was made for this build, what is
 * in it instead. */
static void add_locals(const struct weft_request *r, bool identity, struct weft_strv *out)
{
    weft_auto_free char *dockerfile_dir = r->dockerfile ? weft_path_dir(r->dockerfile) : NULL;
    bool made = r->dockerfile_place != WEFT_DOCKERFILE_FILE;

    weft_strv_addf(out, "context=%s",
                   identity && r->pinned.identity ? r->pinned.identity : r->context);
    if (dockerfile_dir) {
        weft_strv_addf(out, "dockerfile=%s", identity && made ? "-" : dockerfile_dir);
    }
    for (size_t i = 0; i < r->n_contexts; i++) {
        if (r->contexts[i].kind == WEFT_CONTEXT_DIR) {
            weft_auto_free char *name = weft_holder_local_name(r->contexts[i].name);

            weft_strv_addf(out, "%s=%s", name, r->contexts[i].path);
        }
    }
}

void weft_holder_locals(const struct weft_request *r, struct weft_strv *out)
{
    add_locals(r, false, out);
}

/* BuildKit takes a file of the same name, size and time for the same one. Archives can have one
 * time for all files, so what was sent of one is not used for another; the Dockerfile is sent
 * anew each time. */
char *weft_holder_shared_key(const struct weft_request *r)
{
    weft_auto_strv locals = {0};
    weft_auto_free char *all = NULL;
    char digest[WEFT_DIGEST_SIZE];

    add_locals(r, true, &locals);
    all = weft_strv_join(&locals, "\n");
    weft_digest_bytes(all, strlen(all), digest);
    return weft_fmt("weft-%.32s", weft_digest_hex(digest));
}

static void on_stdout(char *line, size_t len, void *data)
{
    struct weft_holder *h = data;
    weft_auto_json j = weft_json_parse(line, len, NULL);
    const char *id = weft_json_str(j, "id");
    const char *error = weft_json_str(j, "error");
    const char *note = weft_json_str(j, "note");

    if (id && !h->announced) {
        h->announced = 1;
        h->ready(id, h->data);
    }
    if (error && !h->error) {
        h->error = weft_xstrdup(error);
    }
    if (note) {
        weft_auto_free char *shown = weft_printable(note);

        weft_warn("%s", shown);
    }
    h->sent_bytes = weft_json_int(j, "sent_bytes", h->sent_bytes);
}

static void on_stderr(char *line, size_t len, void *data)
{
    weft_auto_free char *text = weft_printable(line);

    (void)len;
    (void)data;
    weft_debug("weft-session: %s", text);
}

static void on_exit_(int code, void *data)
{
    struct weft_holder *h = data;

    if (code != 0 && !h->error) {
        h->error = weft_fmt("weft-session ended with exit code %d", code);
    }
    h->exit(h->sent_bytes, h->error, h->data);
    free(h->error);
    free(h);
}

char *weft_holder_relay_address(const char *worker_address)
{
    weft_auto_free char *dir = weft_path_dir(worker_address);

    /* no longer than the worker's own: the path of a socket has little room */
    return weft_fmt("%s/r%ld", dir, (long)getpid());
}

/* The secrets, as the first line of the holder's standard input. It ends without them, and then
 * why is known. */
static void send_secrets(struct weft_holder *h, const struct weft_request *r)
{
    weft_auto_err err = NULL;
    weft_auto_json all = weft_json_object();
    struct weft_json *secrets = weft_json_array();
    struct weft_json *options = weft_json_object();
    weft_auto_strv proxies = {0};
    weft_auto_free char *text = NULL;
    weft_auto_free char *line = NULL;

    for (size_t i = 0; i < r->cache_secrets.n; i++) {
        weft_json_append_str(secrets, r->cache_secrets.v[i]);
    }
    weft_proxy_args_secret(r, &proxies);
    for (size_t i = 0; i < proxies.n; i++) {
        const char *value = strchr(proxies.v[i], '=') + 1;
        weft_auto_free char *key =
            weft_fmt("build-arg:%.*s", (int)(value - proxies.v[i]) - 1, proxies.v[i]);

        weft_json_set_str(options, key, value);
    }
    weft_json_set(all, "secrets", secrets);
    weft_json_set(all, "options", options);
    text = weft_json_dump(all, 0);
    line = weft_fmt("%s\n", text);
    if (weft_child_write_stdin(h->child, line, strlen(line), &err) < 0) {
        h->error = weft_xstrdup(err->msg);
        weft_child_close_stdin(h->child);
    }
}

struct weft_holder *weft_holder_start(struct weft_loop *loop, const char *program,
                                      const char *address, const char *relay,
                                      const struct weft_request *r, weft_holder_ready_fn *ready,
                                      weft_holder_exit_fn *exit, void *data, struct weft_err **err)
{
    weft_auto_free char *key = weft_holder_shared_key(r);
    weft_auto_strv locals = {0};
    weft_auto_strv argv = {0};
    struct weft_holder *h = weft_xcalloc(1, sizeof(*h));

    h->ready = ready;
    h->exit = exit;
    h->data = data;
    h->sent_bytes = -1;
    weft_strv_add(&argv, "weft-session");
    weft_strv_addf(&argv, "--addr=%s", address);
    weft_strv_addf(&argv, "--shared-key=%s", key);
    if (relay) {
        weft_strv_addf(&argv, "--relay=%s", relay);
    }
    weft_holder_locals(r, &locals);
    for (size_t i = 0; i < locals.n; i++) {
        weft_strv_addf(&argv, "--local=%s", locals.v[i]);
    }
    h->child = weft_child_spawn(loop,
                                &(struct weft_child_opts){.file = program,
                                                          .argv = argv.v,
                                                          .on_stdout = on_stdout,
                                                          .on_stderr = on_stderr,
                                                          .stdin_pipe = 1,
                                                          .on_exit = on_exit_,
                                                          .data = h},
                                err);
    if (!h->child) {
        free(h);
        return NULL;
    }
    if (relay) {
        send_secrets(h, r);
    }
    return h;
}

void weft_holder_stop(struct weft_holder *h)
{
    weft_child_close_stdin(h->child);
}

void weft_holder_kill(struct weft_holder *h)
{
    weft_child_kill(h->child, SIGKILL);
}
