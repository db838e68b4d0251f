/* SPDX-License-Identifier: Apache-2.0 */
/*
 * merge_layouts DEST NAME LAYOUT...: merge the images that OCI layouts hold into the layout DEST (a
 * tar where it ends with ".tar") under NAME, with the code and the threads of `weft build`, but
 * without a build. For tests and for the merge's benchmark. Prints one JSON line: the digest, the
 * number of blobs, how many were copied, the milliseconds that taking and committing needed.
 */
#include "config.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/layout.h"
#include "engine/merge.h"
#include "engine/outfile.h"
#include "engine/stage.h"

struct job {
    struct weft_stage *stage;
    const char *layout;
    struct weft_image image;
    struct weft_err *err;
    pthread_t thread;
};

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static int take_layout(struct job *j, struct weft_err **err)
{
    weft_auto_free char *path = weft_path_join(j->layout, "index.json");
    weft_auto_free char *blobs = weft_path_join(j->layout, "blobs/sha256");
    weft_auto_json index = weft_json_load(path, err);

    return index ? weft_stage_take_image(
                       j->stage, blobs,
                       weft_json_str(weft_json_at(weft_json_get(index, "manifests"), 0), "digest"),
                       NULL, NULL, &j->image, err)
                 : -1;
}

static void *run_job(void *data)
{
    struct job *j = data;

    take_layout(j, &j->err);
    return NULL;
}

static int take_all(struct job *jobs, struct weft_image *images, int n, struct weft_err **err)
{
    int r = 0;

    for (int i = 0; i < n; i++) {
        if (pthread_create(&jobs[i].thread, NULL, run_job, &jobs[i]) != 0) {
            abort();
        }
    }
    for (int i = 0; i < n; i++) {
        pthread_join(jobs[i].thread, NULL);
        images[i] = jobs[i].image;
        if (jobs[i].err && r == 0) {
            *err = weft_steal(&jobs[i].err);
            r = weft_err_wrap(err, "%s", jobs[i].layout);
        }
        weft_err_free(jobs[i].err);
    }
    return r;
}

static bool is_tar(const char *dest)
{
    return weft_ends_with(dest, ".tar");
}

static int check_dest(const char *dest, struct weft_err **err)
{
    return is_tar(dest) ? weft_outfile_check(dest, err) : weft_layout_check_dest(dest, err);
}

static int write_tar(struct weft_stage *stage, const char *dest, const struct weft_descriptor *root,
                     const struct weft_layout_naming *naming, struct weft_err **err)
{
    struct weft_outfile *out = weft_outfile_open(dest, NULL, err);

    if (!out) {
        return -1;
    }
    if (weft_layout_write_tar(stage, out->fd, dest, root, naming, NULL, err) < 0) {
        weft_outfile_discard(out);
        return -1;
    }
    return weft_outfile_commit(&out, err);
}

static int merge(const char *dest, const char *name, char **layouts, int n, struct weft_err **err)
{
    weft_auto_free struct job *jobs = weft_xcalloc((size_t)n, sizeof(*jobs));
    weft_auto_free struct weft_image *images = weft_xcalloc((size_t)n, sizeof(*images));
    weft_auto_descriptor root = {0};
    weft_auto_strv names = {0};
    const struct weft_layout_naming naming = {.names = &names, .created_s = 0};
    struct weft_stage *stage = NULL;
    double start = now_ms();
    double taken = 0;
    size_t blobs = 0;
    size_t copied = 0;
    int r = -1;

    weft_strv_add(&names, name);
    if (check_dest(dest, err) == 0 && (stage = weft_stage_create(dest, err))) {
        for (int i = 0; i < n; i++) {
            jobs[i] = (struct job){.stage = stage, .layout = layouts[i]};
        }
        r = take_all(jobs, images, n, err);
        taken = now_ms();
        weft_stage_counts(stage, &blobs, &copied);
    }
    if (r == 0) {
        r = weft_merge(stage, images, (size_t)n, NULL, &root, err);
    }
    if (r == 0) {
        r = is_tar(dest) ? write_tar(stage, dest, &root, &naming, err)
                         : weft_layout_commit(stage, dest, &root, &naming, NULL, err);
    }
    if (r == 0) {
        printf("{\"digest\":\"%s\",\"blobs\":%zu,\"copied\":%zu,\"take_ms\":%.1f,\"commit_ms\":%."
               "1f}\n",
               root.digest, blobs, copied, taken - start, now_ms() - taken);
    }
    for (int i = 0; i < n; i++) {
        weft_image_finish(&images[i]);
    }
    weft_stage_destroy(stage);
    return r;
}

int main(int argc, char **argv)
{
    weft_auto_free char *dest = NULL;
    weft_auto_err err = NULL;

    if (argc < 4) {
        fprintf(stderr, "usage: merge_layouts DEST NAME LAYOUT...\n");
        return 2;
    }
    dest = weft_path_abs(argv[1], &err);
    if (!dest || merge(dest, argv[2], argv + 3, argc - 3, &err) < 0) {
        fprintf(stderr, "merge_layouts: %s\n", err->msg);
        return 1;
    }
    return 0;
}
