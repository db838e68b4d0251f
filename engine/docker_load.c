/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/docker_load.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/log.h"
#include "base/spawn.h"
#include "base/str.h"
#include "engine/layout.h"

enum {
    LOAD_LIMIT_MS = 6 * 60 * 60 * 1000,
    CHECK_LIMIT_MS = 30 * 1000, /* through SSH, it may be */
};

char *weft_docker_program(struct weft_err **err)
{
    static const char *const names[] = {"docker", "podman"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *path = weft_find_program(names[i]);

        if (path) {
            return path;
        }
    }
    weft_fail(err, WEFT_E_UNSUPPORTED, "there is neither docker nor podman to load the image into");
    weft_err_hint(err, "-o type=docker,dest=FILE, for docker load elsewhere");
    return NULL;
}

/* Who writes while the program reads. */
struct writer {
    struct weft_stage *stage;
    const struct weft_descriptor *root;
    const struct weft_layout_naming *naming;
    const atomic_bool *cancel;
    const char *program;
    int fd;
    struct weft_err *err;
};

static void *write_work(void *data)
{
    struct writer *w = data;

    weft_layout_write_docker_tar(w->stage, w->fd, w->program, w->root, w->naming, w->cancel,
                                 &w->err);
    close(w->fd); /* the end of the file, for the program */
    return NULL;
}

/* The last line of what a program said: its error. Caller frees. */
static char *last_line(const char *text)
{
    weft_auto_strv lines = {0};
    const char *last = "";

    weft_split(text, '\n', &lines);
    for (size_t i = 0; i < lines.n; i++) {
        if (lines.v[i][strspn(lines.v[i], " \r\t")]) {
            last = lines.v[i];
        }
    }
    return weft_printable(last);
}

/* What became of it: the program knows better why it stopped reading than the pipe does. */
static int judge(struct writer *w, int code, const char *text, struct weft_err **err)
{
    weft_auto_free char *said = last_line(text ? text : "");
    weft_auto_err written = weft_steal(&w->err);

    if (code < 0) {
        return -1;
    }
    if (code == 0 && !written) {
        weft_debug("%s: %s", w->program, said);
        return 0;
    }
    if (code == 0 || (written && written->sys != EPIPE)) {
        if (err) {
            *err = weft_steal(&written);
        }
        return -1;
    }
    return weft_fail(err, WEFT_E_CHILD, "%s load failed: %s", w->program,
                     *said ? said : "it gave no reason");
}

int weft_docker_check(const char *program, struct weft_err **err)
{
    char version[] = "version";
    weft_auto_free char *self = weft_fmt("%s", weft_path_base(program));
    char *argv[] = {self, version, NULL};
    weft_auto_free char *text = NULL;
    weft_auto_free char *said = NULL;
    int code;

    if (strcmp(self, "docker") != 0) {
        return 0; /* podman has no daemon */
    }
    code = weft_run(
        &(struct weft_run_opts){
            .file = program, .argv = argv, .both = true, .timeout_ms = CHECK_LIMIT_MS},
        &text, err);
    if (code == 0) {
        return 0;
    }
    if (code > 0) {
        said = last_line(text ? text : "");
        weft_fail(err, WEFT_E_UNSUPPORTED, "docker cannot load the image: %s",
                  *said ? said : "it gives no reason");
    }
    return weft_err_hint(err, "start it, or say where it is with DOCKER_HOST; or "
                              "-o type=docker,dest=FILE, for docker load elsewhere");
}

int weft_docker_load(const char *program, struct weft_stage *stage,
                     const struct weft_descriptor *root, const struct weft_layout_naming *naming,
                     const atomic_bool *cancel, struct weft_err **err)
{
    char name[] = "load";
    weft_auto_free char *self = weft_fmt("%s", weft_path_base(program));
    char *argv[] = {self, name, NULL};
    struct writer w = {
        .stage = stage, .root = root, .naming = naming, .cancel = cancel, .program = self};
    weft_auto_free char *text = NULL;
    weft_auto_fd read_end = -1;
    int ends[2];
    pthread_t thread;
    int code;
    int rc;

    if (pipe2(ends, O_CLOEXEC) < 0) {
        return weft_fail_sys(err, errno, "pipe");
    }
    read_end = ends[0];
    w.fd = ends[1];
    rc = pthread_create(&thread, NULL, write_work, &w);
    if (rc) {
        close(w.fd);
        return weft_fail_sys(err, rc, "thread");
    }
    code = weft_run(&(struct weft_run_opts){.file = program,
                                            .argv = argv,
                                            .both = true,
                                            .stdin_fd = read_end,
                                            .timeout_ms = LOAD_LIMIT_MS,
                                            .cancel = cancel},
                    &text, err);
    close(weft_steal_fd(&read_end)); /* who still writes has nobody to write to */
    pthread_join(thread, NULL);
    return judge(&w, code, text, err);
}
