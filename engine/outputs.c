/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/outputs.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/descriptor.h"
#include "engine/docker_load.h"
#include "engine/layout.h"
#include "engine/local_output.h"
#include "engine/merge.h"
#include "engine/outfile.h"
#include "engine/push_output.h"
#include "engine/request.h"
#include "engine/stage.h"
#include "engine/workdir.h"

enum {
    FULL_BELOW_BYTES = 128 << 10
};

/* One output of the request, and where its parts wait. */
struct place {
    const struct weft_output *output;
    struct weft_workdir
        *parts; /* local, tar: "linux_arm64" or "linux_arm64.tar" for each platform */
    struct weft_stage
        *stage; /* a layout directory other than the first: a stage on its own file system */
    struct weft_outfile *file; /* tar files: open once the commit has begun */
};

struct weft_outputs {
    const struct weft_request *request;
    const struct weft_outputs_opts *opts;
    struct place *places;     /* one per output of the request, in the same order */
    struct weft_stage *stage; /* where the images come together; NULL without an image */
    const struct weft_output
        *stage_for;            /* the layout directory that the stage becomes; NULL: tars only */
    struct weft_image *images; /* one per platform */
    bool *left_out;            /* likewise */
    struct weft_pushes *pushes;
};

static bool is_layout_dir(const struct weft_output *o)
{
    return o->type == WEFT_OUTPUT_OCI && !o->tar;
}

/* Loaded into a container engine. */
static bool is_load(const struct weft_output *o)
{
    return o->type == WEFT_OUTPUT_DOCKER && !o->dest;
}

static const char *dest_name(const struct weft_output *o)
{
    return strcmp(o->dest, "-") == 0 ? "standard output" : o->dest;
}

/* The one name of a path, whose end need not exist. Caller frees. */
static char *canonical(const char *path)
{
    char *real = realpath(path, NULL);
    const char *name = weft_path_base(path);
    weft_auto_free char *parent = NULL;
    weft_auto_free char *dir = NULL;

    if (real || strcmp(path, "/") == 0) {
        return real ? real : weft_xstrdup(path);
    }
    parent = weft_path_dir(path);
    dir = canonical(parent);
    return *name && strcmp(name, ".") != 0 ? weft_path_join(dir, name) : weft_steal(&dir);
}

/* Take note of a file or directory that will be written. One name for two of them is an error, but
 * for devices, which take both. */
static int claim(struct weft_strv *paths, const char *what, const char *path, struct weft_err **err)
{
    char *name;
    struct stat st;

    if (!path || (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))) {
        return 0;
    }
    name = strcmp(path, "-") == 0 ? weft_xstrdup(path) : canonical(path);
    if (weft_strv_has(paths, name)) {
        free(name);
        return weft_fail(err, WEFT_E_USAGE, "%s have the destination %s", what, path);
    }
    weft_strv_take(paths, name);
    return 0;
}

static int check_dest(const struct weft_output *o, struct weft_err **err)
{
    if (is_load(o)) {
        weft_auto_free char *program = weft_docker_program(err);

        return program ? weft_docker_check(program, err) : -1;
    }
    if (o->type == WEFT_OUTPUT_IMAGE) {
        return 0;
    }
    return is_layout_dir(o)               ? weft_layout_check_dest(o->dest, err)
           : o->type == WEFT_OUTPUT_LOCAL ? weft_local_check_dest(o->dest, err)
                                          : weft_outfile_check(o->dest, err);
}

int weft_outputs_check(const struct weft_request *r, struct weft_err **err)
{
    weft_auto_strv paths = {0};

    for (size_t i = 0; i < r->n_outputs; i++) {
        const struct weft_output *o = &r->outputs[i];

        if (check_dest(o, err) < 0 || claim(&paths, "two outputs", o->dest, err) < 0) {
            return -1;
        }
    }
    return claim(&paths, "--metadata-file and an output", r->metadata_file, err) < 0
               ? -1
               : claim(&paths, "--iidfile and something else", r->iidfile, err);
}

/* What becomes of the blobs in the stage. A push checks what it sends, and need not touch what the
 * registry has; of an image that stays in the workers only the digest is wanted. */
static enum weft_stage_blobs blobs_wanted(const struct weft_request *r)
{
    enum weft_stage_blobs blobs = WEFT_STAGE_LEAVE;

    for (size_t i = 0; i < r->n_outputs; i++) {
        const struct weft_output *o = &r->outputs[i];

        if (o->type == WEFT_OUTPUT_OCI || o->type == WEFT_OUTPUT_DOCKER) {
            return WEFT_STAGE_CHECK;
        }
        blobs = o->push ? WEFT_STAGE_PLACE : blobs;
    }
    return blobs;
}

/* The stage that receives the images: on the file system of the first layout directory, so that its
 * blobs are linked. */
static int create_stage(struct weft_outputs *o, struct weft_err **err)
{
    weft_auto_free char *spare = weft_path_join(o->opts->scratch, "oci");
    bool wanted = false;

    for (size_t i = 0; i < o->request->n_outputs; i++) {
        const struct weft_output *output = &o->request->outputs[i];

        wanted |= weft_output_is_image(output);
        if (is_layout_dir(output) && !o->stage_for) {
            o->stage_for = output;
        }
    }
    if (!wanted) {
        return 0;
    }
    o->stage = weft_stage_create(o->stage_for ? o->stage_for->dest : spare, err);
    if (!o->stage) {
        return -1;
    }
    weft_stage_set_blobs(o->stage, blobs_wanted(o->request));
    return 0;
}

/* The directories that wait for what local and tar export. */
static int create_parts(struct weft_outputs *o, struct weft_err **err)
{
    weft_auto_free char *spare = weft_path_join(o->opts->scratch, "tar");

    for (size_t i = 0; i < o->request->n_outputs; i++) {
        const struct weft_output *output = &o->request->outputs[i];

        o->places[i].output = output;
        if (weft_output_is_image(output)) {
            continue;
        }
        o->places[i].parts =
            weft_workdir_create(output->type == WEFT_OUTPUT_LOCAL ? output->dest : spare, err);
        if (!o->places[i].parts) {
            return -1;
        }
    }
    return 0;
}

struct weft_outputs *weft_outputs_create(const struct weft_request *r,
                                         const struct weft_outputs_opts *opts,
                                         struct weft_err **err)
{
    struct weft_outputs *o = weft_xcalloc(1, sizeof(*o));

    o->request = r;
    o->opts = opts;
    o->places = weft_xcalloc(r->n_outputs, sizeof(*o->places));
    o->images = weft_xcalloc(r->n_platforms, sizeof(*o->images));
    o->left_out = weft_xcalloc(r->n_platforms, sizeof(*o->left_out));
    if (create_parts(o, err) == 0 && create_stage(o, err) == 0) {
        o->pushes = weft_pushes_create(r, opts->bases, blobs_wanted(r) == WEFT_STAGE_PLACE,
                                       opts->state_dir, opts->cancel, err);
    }
    if (!o->pushes) {
        weft_outputs_destroy(o);
        return NULL;
    }
    return o;
}

void weft_outputs_destroy(struct weft_outputs *o)
{
    if (!o) {
        return;
    }
    for (size_t i = 0; i < o->request->n_outputs; i++) {
        weft_workdir_destroy(o->places[i].parts);
        weft_stage_destroy(o->places[i].stage);
        weft_outfile_discard(o->places[i].file);
    }
    for (size_t i = 0; i < o->request->n_platforms; i++) {
        weft_image_finish(&o->images[i]);
    }
    weft_pushes_destroy(o->pushes);
    weft_stage_destroy(o->stage);
    free(o->places);
    free(o->images);
    free(o->left_out);
    free(o);
}

int weft_outputs_ask(struct weft_outputs *o, struct weft_err **err)
{
    return weft_pushes_check(o->pushes, err);
}

static bool is_full(const char *dir)
{
    struct statvfs st;

    return statvfs(dir, &st) == 0 && st.f_blocks > 0 &&
           (uint64_t)st.f_bavail * st.f_frsize < FULL_BELOW_BYTES;
}

const char *weft_outputs_full(const struct weft_outputs *o)
{
    for (size_t i = 0; i < o->request->n_outputs; i++) {
        const struct place *p = &o->places[i];

        if (is_full(p->parts ? p->parts->path : weft_stage_temp_dir(o->stage))) {
            return p->output->type == WEFT_OUTPUT_LOCAL || p->output == o->stage_for
                       ? p->output->dest
                       : o->opts->scratch;
        }
    }
    return NULL;
}

bool weft_outputs_want_images(const struct weft_outputs *o)
{
    return o->stage != NULL;
}

/* Where the part of platform i waits for the commit. */
static char *part_path(const struct weft_outputs *o, const struct place *p, size_t i)
{
    char name[WEFT_PLATFORM_SIZE];

    weft_platform_dirname(&o->request->platforms[i], name);
    return weft_fmt("%s/%s%s", p->parts->path, name,
                    p->output->type == WEFT_OUTPUT_TAR ? ".tar" : "");
}

/* Where buildctl writes the layout of platform i when the content store could not be read. */
static char *layout_path(const struct weft_outputs *o, size_t i)
{
    return weft_fmt("%s/layout-%zu", weft_stage_temp_dir(o->stage), i);
}

/* Annotations are weft's own to make: see engine/annotation.h. */
static void add_attrs(struct weft_buf *b, const struct weft_output *output)
{
    for (size_t i = 0; i < output->attrs.n; i++) {
        weft_auto_free char *field = weft_csv_field(output->attrs.v[i]);

        if (!weft_starts_with(output->attrs.v[i], "annotation")) {
            weft_buf_printf(b, ",%s", field);
        }
    }
}

/* The image exporter's value: its names are the subjects of the attestations, so they are the final
 * ones. */
static void image_arg(const struct weft_outputs *o, const struct weft_output *output, size_t i,
                      bool export_layout, struct weft_strv *out)
{
    weft_auto_buf b = {0};

    if (export_layout) {
        weft_auto_free char *dir = layout_path(o, i);
        weft_auto_free char *dest = weft_fmt("dest=%s", dir);
        weft_auto_free char *field = weft_csv_field(dest);

        weft_buf_printf(&b, "type=oci,tar=false,%s", field);
    } else {
        weft_buf_puts(&b, "type=image,push=false");
    }
    if (o->request->tags.n > 0) {
        weft_auto_free char *names = weft_strv_join(&o->request->tags, ",");
        weft_auto_free char *name = weft_fmt("name=%s", names);
        weft_auto_free char *field = weft_csv_field(name);

        weft_buf_printf(&b, ",%s", field);
    }
    add_attrs(&b, output);
    weft_strv_take(out, weft_buf_steal(&b));
}

void weft_outputs_solve_args(const struct weft_outputs *o, size_t i, bool export_layout,
                             struct weft_strv *out)
{
    bool image_done = false;

    for (size_t k = 0; k < o->request->n_outputs; k++) {
        const struct place *p = &o->places[k];
        weft_auto_buf b = {0};
        weft_auto_free char *path = NULL;
        weft_auto_free char *dest = NULL;
        weft_auto_free char *field = NULL;

        if (weft_output_is_image(p->output)) {
            if (!image_done) {
                image_arg(o, p->output, i, export_layout, out); /* all have the same attributes */
            }
            image_done = true;
            continue;
        }
        if (export_layout) {
            continue; /* the first solve wrote these */
        }
        path = part_path(o, p, i);
        dest = weft_fmt("dest=%s", path);
        field = weft_csv_field(dest);
        weft_buf_printf(&b, "type=%s,%s", p->output->type == WEFT_OUTPUT_LOCAL ? "local" : "tar",
                        field);
        add_attrs(&b, p->output);
        weft_strv_take(out, weft_buf_steal(&b));
    }
}

int weft_outputs_take(struct weft_outputs *o, size_t i, const char *content_dir, const char *root,
                      const atomic_bool *cancel, struct weft_err **err)
{
    weft_auto_free char *layout = layout_path(o, i);
    weft_auto_free char *blobs = weft_path_join(layout, "blobs/sha256");

    return weft_stage_take_result(
        o->stage,
        &(struct weft_stage_result){.blobs_dir = content_dir ? content_dir : blobs,
                                    .root = root,
                                    .platform = &o->request->platforms[i],
                                    .annotations = &o->request->annotations},
        cancel, &o->images[i], err);
}

bool weft_outputs_want_push(const struct weft_outputs *o)
{
    return weft_pushes_any(o->pushes);
}

int weft_outputs_push(struct weft_outputs *o, size_t i, struct weft_err **err)
{
    return weft_pushes_send(o->pushes, i, weft_stage_blobs_dir(o->stage), &o->images[i], err);
}

void weft_outputs_push_bytes(const struct weft_outputs *o, size_t i, uint64_t *done_bytes,
                             uint64_t *total_bytes)
{
    weft_pushes_bytes(o->pushes, i, done_bytes, total_bytes);
}

void weft_outputs_leave_out(struct weft_outputs *o, size_t i)
{
    o->left_out[i] = true;
}

void weft_result_finish(struct weft_result *r)
{
    weft_json_free(r->metadata);
    free(r->image_id);
    free(r->digest);
    free(r->loader);
    weft_strv_finish(&r->written);
    weft_strv_finish(&r->pushed);
    *r = (struct weft_result){0};
}

/*
 * What buildctl exported. Of several platforms each solve is a multi-platform one
 * (weft_solve.index), and what it exports lies in the platform's folder already.
 */
static struct weft_local_part *make_parts(const struct weft_outputs *o, const struct place *p,
                                          struct weft_strv *strings, size_t *n)
{
    struct weft_local_part *parts = weft_xcalloc(o->request->n_platforms, sizeof(*parts));

    *n = 0;
    for (size_t i = 0; i < o->request->n_platforms; i++) {
        if (!o->left_out[i]) {
            weft_strv_take(strings, part_path(o, p, i));
            parts[(*n)++].path = strings->v[strings->n - 1];
        }
    }
    return parts;
}

/* When the image is said to be made: as the exporter has it, its own attribute first, which is the
 * same for all outputs. */
static int64_t created_s(const struct weft_request *r)
{
    static const char key[] = "source-date-epoch=";

    for (size_t i = 0; i < r->n_outputs; i++) {
        const struct weft_strv *attrs = &r->outputs[i].attrs;

        for (size_t k = 0; k < attrs->n; k++) {
            if (weft_starts_with(attrs->v[k], key)) {
                return strtoll(attrs->v[k] + strlen(key), NULL, 10);
            }
        }
    }
    return r->epoch_s >= 0 ? r->epoch_s : (int64_t)time(NULL);
}

/* What a commit brings to the destinations. */
struct commit {
    struct weft_outputs *o;
    struct weft_image *images; /* those that are not left out; borrowed */
    size_t n;
    struct weft_descriptor root;
    struct weft_layout_naming naming; /* but for the names */
    const atomic_bool *cancel;
    struct weft_result *result;
};

static struct weft_layout_naming naming_of(const struct commit *c, const struct weft_output *output)
{
    return (struct weft_layout_naming){.names = &output->names, .created_s = c->naming.created_s};
}

/* A layout directory other than the first, on what may be another file system. */
static int prepare_copy(const struct commit *c, struct place *p, struct weft_err **err)
{
    struct weft_image copy = {0};
    int rc;

    p->stage = weft_stage_create(p->output->dest, err);
    if (!p->stage) {
        return -1;
    }
    rc = weft_stage_take_image(p->stage, weft_stage_blobs_dir(c->o->stage), c->root.digest, NULL,
                               c->cancel, &copy, err);
    weft_image_finish(&copy);
    return rc;
}

static int prepare_tar(const struct commit *c, struct place *p, struct weft_err **err)
{
    const struct weft_layout_naming naming = naming_of(c, p->output);
    weft_auto_strv strings = {0};
    weft_auto_free struct weft_local_part *parts = NULL;
    size_t n;

    p->file = weft_outfile_open(p->output->dest, c->cancel, err);
    if (!p->file) {
        return -1;
    }
    if (p->output->type == WEFT_OUTPUT_OCI) {
        return weft_layout_write_tar(c->o->stage, p->file->fd, p->file->dest, &c->root, &naming,
                                     c->cancel, err);
    }
    if (p->output->type == WEFT_OUTPUT_DOCKER) {
        return weft_layout_write_docker_tar(c->o->stage, p->file->fd, p->file->dest,
                                            &c->images[0].manifests[0].desc, &naming, c->cancel,
                                            err);
    }
    parts = make_parts(c->o, p, &strings, &n);
    return weft_local_write_tar(parts, n, p->file,
                                c->o->request->epoch_s >= 0 ? c->o->request->epoch_s : 0, c->cancel,
                                err);
}

/* All that takes time, and nothing that changes a destination. */
static int prepare(const struct commit *c, struct place *p, struct weft_err **err)
{
    const struct weft_output *output = p->output;
    int rc;

    if (output->type == WEFT_OUTPUT_LOCAL || output->type == WEFT_OUTPUT_IMAGE || is_load(output) ||
        output == c->o->stage_for) {
        return 0;
    }
    rc = is_layout_dir(output) ? prepare_copy(c, p, err) : prepare_tar(c, p, err);
    return rc < 0 ? weft_err_wrap(err, "output %s", dest_name(output)) : 0;
}

static int load(const struct commit *c, const struct weft_output *output, struct weft_err **err)
{
    const struct weft_layout_naming naming = naming_of(c, output);
    weft_auto_free char *program = weft_docker_program(err);

    if (!program || weft_docker_load(program, c->o->stage, &c->images[0].manifests[0].desc, &naming,
                                     c->cancel, err) < 0) {
        return -1;
    }
    free(c->result->loader);
    c->result->loader = weft_xstrdup(weft_path_base(program));
    return 0;
}

static int put_files(const struct commit *c, struct place *p, const atomic_bool *cancel,
                     struct weft_err **err)
{
    const struct weft_layout_naming naming = naming_of(c, p->output);
    weft_auto_strv strings = {0};
    weft_auto_free struct weft_local_part *parts = NULL;
    size_t n;

    if (p->file) {
        return weft_outfile_commit(&p->file, err);
    }
    if (is_layout_dir(p->output)) {
        return weft_layout_commit(p->stage ? p->stage : c->o->stage, p->output->dest, &c->root,
                                  &naming, cancel, err);
    }
    parts = make_parts(c->o, p, &strings, &n);
    return weft_local_commit(parts, n, p->output->dest, cancel, err);
}

/* Name what was done before a later output failed: those destinations are new, and the user has to
 * know. */
static int wrap_partial(const struct weft_result *result, struct weft_err **err)
{
    weft_auto_strv done = {0};

    if (result->loader) {
        weft_strv_addf(&done, "image loaded by %s", result->loader);
    }
    if (result->pushed.n > 0) {
        weft_auto_free char *list = weft_strv_join(&result->pushed, ", ");

        weft_strv_addf(&done, "%s pushed", list);
    }
    if (result->written.n > 0) {
        weft_auto_free char *list = weft_strv_join(&result->written, ", ");

        weft_strv_addf(&done, "%s written", list);
    }
    if (done.n > 0) {
        weft_auto_free char *list = weft_strv_join(&done, ", ");

        weft_err_wrap(err, "%s, but then", list);
    }
    return -1;
}

/* What is most likely to fail comes first. */
static int deliver(const struct commit *c, struct weft_err **err)
{
    const struct weft_request *r = c->o->request;

    for (size_t i = 0; i < r->n_outputs; i++) {
        if (is_load(&r->outputs[i]) && load(c, &r->outputs[i], err) < 0) {
            return -1;
        }
    }
    if (weft_pushes_any(c->o->pushes) &&
        weft_pushes_commit(c->o->pushes, weft_stage_blobs_dir(c->o->stage), &c->root,
                           &c->result->pushed, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < r->n_outputs; i++) {
        const struct weft_output *output = &r->outputs[i];
        /* once one destination has changed, the rest follows: an interruption now would leave a
         * part */
        bool first = !c->result->loader && c->result->pushed.n + c->result->written.n == 0;

        if (output->type == WEFT_OUTPUT_IMAGE || is_load(output)) {
            continue;
        }
        if (put_files(c, &c->o->places[i], first ? c->cancel : NULL, err) < 0) {
            return weft_err_wrap(err, "output %s", dest_name(output));
        }
        weft_strv_add(&c->result->written, dest_name(output));
    }
    return 0;
}

/* The result's digest, and what is told of it. */
static int merge(struct commit *c, struct weft_err **err)
{
    const struct weft_request *r = c->o->request;
    const struct weft_strv *names = &r->tags;
    int64_t created = -1;

    if (weft_merge(c->o->stage, c->images, c->n, &r->annotations, &c->root, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < r->n_outputs; i++) {
        const struct weft_output *output = &r->outputs[i];

        if (output->by_digest) {
            names = &output->names; /* has no tags */
        }
        if (output->type == WEFT_OUTPUT_OCI || output->type == WEFT_OUTPUT_DOCKER) {
            created = c->naming.created_s;
        }
    }
    c->result->metadata = weft_merge_metadata(&c->root, c->images, c->n, names, created);
    c->result->image_id = weft_xstrdup(weft_merge_image_id(&c->root, c->images, c->n));
    c->result->digest = weft_xstrdup(c->root.digest);
    return 0;
}

static int run_commit(struct commit *c, struct weft_err **err)
{
    const struct weft_request *r = c->o->request;

    if (!c->o->stage) {
        c->result->metadata = weft_json_object();
    } else if (merge(c, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < r->n_outputs; i++) {
        if (prepare(c, &c->o->places[i], err) < 0) {
            return -1;
        }
    }
    return deliver(c, err) < 0 ? wrap_partial(c->result, err) : 0;
}

int weft_outputs_commit(struct weft_outputs *o, const atomic_bool *cancel,
                        struct weft_result *result, struct weft_err **err)
{
    const struct weft_request *r = o->request;
    weft_auto_free struct weft_image *images = weft_xcalloc(r->n_platforms, sizeof(*images));
    struct commit c = {.o = o,
                       .images = images,
                       .naming = {.created_s = created_s(r)},
                       .cancel = cancel,
                       .result = result};
    int rc;

    for (size_t i = 0; i < r->n_platforms; i++) {
        if (!o->left_out[i]) {
            images[c.n++] = o->images[i];
        }
    }
    rc = run_commit(&c, err);
    result->begun = result->loader || result->pushed.n + result->written.n > 0 ||
                    weft_pushes_tagging(o->pushes);
    weft_descriptor_finish(&c.root);
    return rc;
}
