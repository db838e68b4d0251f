/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/layout.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/annotation.h"
#include "engine/descriptor.h"
#include "engine/journal.h"
#include "engine/layer.h"
#include "engine/reference.h"
#include "engine/stage.h"
#include "engine/workdir.h"

#define IMAGE_NAME "io.containerd.image.name"
#define REF_NAME "org.opencontainers.image.ref.name"

static const char layout_file[] = "{\"imageLayoutVersion\":\"1.0.0\"}";

static bool is_set(const atomic_bool *cancel)
{
    return cancel && atomic_load_explicit(cancel, memory_order_relaxed);
}

/* ---- index.json ---- */

/* What containerd takes for the tag: behind the first ':' of the path, or all from the first '@'
 * on. */
static const char *tag_of(const char *name)
{
    const char *path = strchr(name, '/');
    const char *sep = path ? strpbrk(path, ":@") : NULL;

    if (!sep) {
        return name;
    }
    return *sep == ':' ? sep + 1 : sep;
}

static void each_into(const char *key, const struct weft_json *value, void *data)
{
    struct weft_json *to = data;

    if (!weft_json_get(to, key)) {
        weft_json_set(to, key, weft_json_copy(value));
    }
}

/* The entry of index.json: image_name and tag may be NULL. An annotation of the root says better
 * than the clock when it was made. */
static struct weft_json *index_entry(const struct weft_descriptor *root, const char *image_name,
                                     const char *tag, int64_t created_s)
{
    struct weft_json *entry = weft_json_object();
    struct weft_json *annotations = weft_json_object();
    weft_auto_free char *now = weft_time_utc((time_t)created_s);
    const char *created = weft_descriptor_annotation(root, WEFT_ANNOTATION_CREATED);

    weft_json_set_str(annotations, WEFT_ANNOTATION_CREATED, created ? created : now);
    weft_json_set_str(annotations, IMAGE_NAME, image_name);
    weft_json_set_str(annotations, REF_NAME, tag);
    weft_json_each(weft_json_get(root->json, "annotations"), each_into, annotations);
    weft_json_set_str(entry, "mediaType", root->media_type);
    weft_json_set_str(entry, "digest", root->digest);
    weft_json_set_int(entry, "size", (int64_t)root->size_bytes);
    weft_json_set(entry, "annotations", annotations);
    weft_json_each(root->json, each_into, entry);
    return entry;
}

/* Whether an entry of index.json goes by this image name (NULL: none) and tag. */
static bool goes_by(const struct weft_json *entry, const char *image_name, const char *tag)
{
    const struct weft_json *annotations = weft_json_get(entry, "annotations");
    const char *other = weft_json_str(annotations, IMAGE_NAME);

    return weft_str_eq(weft_json_str(annotations, REF_NAME), tag) &&
           weft_str_eq(other ? other : "", image_name ? image_name : "");
}

/* A copy of `manifests` without the entries of that name. */
static struct weft_json *without(const struct weft_json *manifests, const char *image_name,
                                 const char *tag)
{
    struct weft_json *kept = weft_json_array();

    for (size_t i = 0; i < weft_json_len(manifests); i++) {
        const struct weft_json *entry = weft_json_at(manifests, i);

        if (!goes_by(entry, image_name, tag)) {
            weft_json_append(kept, weft_json_copy(entry));
        }
    }
    return kept;
}

/* Replace or append in *manifests. */
static void upsert(struct weft_json **manifests, const struct weft_descriptor *root,
                   const char *image_name, const char *tag, int64_t created_s)
{
    struct weft_json *kept = without(*manifests, image_name, tag);

    weft_json_append(kept, index_entry(root, image_name, tag, created_s));
    weft_json_free(*manifests);
    *manifests = kept;
}

/*
 * The text of index.json. `old`: what is there, or NULL; its other members and entries stay.
 * `unnamed_tag`: the tag where there are no names, or NULL for none.
 */
static char *index_text(const struct weft_json *old, const struct weft_descriptor *root,
                        const struct weft_layout_naming *naming, const char *unnamed_tag)
{
    weft_auto_json index = old ? weft_json_copy(old) : weft_json_object();
    struct weft_json *manifests = weft_json_get(index, "manifests");

    manifests = manifests ? weft_json_copy(manifests) : weft_json_array();
    for (size_t i = 0; naming->names && i < naming->names->n; i++) {
        const char *name = naming->names->v[i];

        upsert(&manifests, root, name, tag_of(name), naming->created_s);
    }
    if (!naming->names || naming->names->n == 0) {
        upsert(&manifests, root, NULL, unnamed_tag, naming->created_s);
    }
    if (!old) {
        weft_json_set_int(index, "schemaVersion", 2);
        weft_json_set_str(index, "mediaType", WEFT_MEDIA_OCI_INDEX);
    }
    weft_json_set(index, "manifests", manifests);
    return weft_json_dump(index, 0);
}

/* ---- what a destination is ---- */

enum dest_kind {
    DEST_ABSENT,
    DEST_EMPTY,
    DEST_LAYOUT,
    DEST_OTHER
};

static bool is_layout(const char *dest)
{
    weft_auto_free char *mark = weft_path_join(dest, "oci-layout");
    weft_auto_json j = weft_json_load(mark, NULL);

    return weft_json_str(j, "imageLayoutVersion") != NULL;
}

/* A layout without index.json is as good as empty: a run was killed while it made it. */
static bool harmless(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strcmp(name, "blobs") == 0 ||
           strcmp(name, "oci-layout") == 0 || weft_workdir_is_name(name);
}

/* Returns enum dest_kind or -1. */
static int look_at(const char *dest, struct weft_err **err)
{
    weft_auto_dir d = opendir(dest);
    bool other = false;
    struct dirent *e;

    if (!d && errno == ENOENT) {
        struct stat st;

        return lstat(dest, &st) == 0 ? DEST_OTHER : DEST_ABSENT; /* a link to nowhere is there */
    }
    if (!d && errno == ENOTDIR) {
        return DEST_OTHER;
    }
    if (!d) {
        return weft_fail_sys(err, errno, "open %s", dest);
    }
    while ((e = readdir(d))) {
        if (strcmp(e->d_name, "index.json") == 0) {
            return is_layout(dest) ? DEST_LAYOUT : DEST_OTHER;
        }
        other |= !harmless(e->d_name);
    }
    return other ? DEST_OTHER : DEST_EMPTY;
}

static int refuse(const char *dest, struct weft_err **err)
{
    weft_fail(err, WEFT_E_USAGE, "%s is neither an OCI layout nor an empty directory", dest);
    return weft_err_hint(err, "give a new directory as dest=, or empty this one");
}

int weft_layout_check_dest(const char *dest, struct weft_err **err)
{
    weft_auto_err cause = NULL;
    int kind = look_at(dest, &cause);

    if (kind < 0) {
        return weft_fail(err, WEFT_E_USAGE, "%s", cause->msg);
    }
    return kind == DEST_OTHER ? refuse(dest, err) : weft_workdir_check_dest(dest, err);
}

/* ---- commit ---- */

/* What the steps of a commit share. */
struct commit {
    struct weft_stage *stage;
    const char *dest;
    const struct weft_descriptor *root;
    const struct weft_layout_naming *naming;
    const atomic_bool *cancel;
    struct weft_journal *journal;
    int lock_fd; /* of the destination; -1 where it did not exist */
};

static int stop_if_cancelled(const struct commit *c, struct weft_err **err)
{
    return is_set(c->cancel) ? weft_fail(err, WEFT_E_CANCELLED, "interrupted") : 0;
}

/* Write a file inside `dir`, which nobody else sees. */
static int write_in(const char *dir, const char *name, const char *text, struct weft_err **err)
{
    weft_auto_free char *path = weft_path_join(dir, name);

    return weft_write_file(path, text, strlen(text), 0644, err);
}

/* The destination does not exist: the stage's layout is completed and becomes it. */
static int commit_new(const struct commit *c, struct weft_err **err)
{
    const char *layout = weft_stage_layout_dir(c->stage);
    weft_auto_free char *index = index_text(NULL, c->root, c->naming, "latest");
    weft_auto_free char *parent = weft_path_dir(c->dest);

    if (write_in(layout, "oci-layout", layout_file, err) < 0 ||
        write_in(layout, "index.json", index, err) < 0 || stop_if_cancelled(c, err) < 0 ||
        weft_journal_mkdirs(c->journal, parent, err) < 0) {
        return -1;
    }
    return weft_journal_move(c->journal, layout, c->dest, err);
}

/*
 * One file from the stage to the destination. One that is there already and is not this very file
 * is exchanged: of the two blobs, ours was verified.
 */
static int place_file(const struct commit *c, const char *src, const char *dst,
                      struct weft_err **err)
{
    struct stat ours;
    struct stat theirs;

    if (lstat(src, &ours) < 0) {
        return weft_fail_sys(err, errno, "%s", src);
    }
    if (lstat(dst, &theirs) < 0) {
        return weft_journal_move(c->journal, src, dst, err);
    }
    if (ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino) {
        return 0;
    }
    return weft_journal_replace(c->journal, src, dst, err);
}

static int place_blobs(const struct commit *c, struct weft_err **err)
{
    const char *from = weft_stage_blobs_dir(c->stage);
    weft_auto_free char *to = weft_path_join(c->dest, "blobs/sha256");
    weft_auto_dir d = opendir(from);
    struct dirent *e;

    if (!d) {
        return weft_fail_sys(err, errno, "open %s", from);
    }
    if (weft_journal_mkdirs(c->journal, to, err) < 0) {
        return -1;
    }
    while ((e = readdir(d))) {
        weft_auto_free char *src = NULL;
        weft_auto_free char *dst = NULL;

        if (e->d_name[0] == '.') {
            continue;
        }
        src = weft_path_join(from, e->d_name);
        dst = weft_path_join(to, e->d_name);
        if (stop_if_cancelled(c, err) < 0 || place_file(c, src, dst, err) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Join the destination. The new index.json, made outside, comes last: with it the result is there.
 */
static int join(const struct commit *c, bool is_layout_already, struct weft_err **err)
{
    const char *temp = weft_stage_temp_dir(c->stage);
    weft_auto_free char *path = weft_path_join(c->dest, "index.json");
    weft_auto_free char *mark = weft_path_join(c->dest, "oci-layout");
    weft_auto_free char *new_path = weft_path_join(temp, "index.json");
    weft_auto_free char *new_mark = weft_path_join(temp, "oci-layout");
    weft_auto_free char *text = NULL;
    weft_auto_json old = NULL;

    if (is_layout_already) {
        old = weft_json_load(path, err);
        if (!old) {
            return -1;
        }
        if (!weft_json_is_array(weft_json_get(old, "manifests"))) {
            return weft_fail(err, WEFT_E_FORMAT, "%s is not an image index", path);
        }
    }
    text = index_text(old, c->root, c->naming, "latest");
    if (write_in(temp, "index.json", text, err) < 0 ||
        write_in(temp, "oci-layout", layout_file, err) < 0) {
        return -1;
    }
    if (place_blobs(c, err) < 0) {
        return -1;
    }
    if (!is_layout_already && place_file(c, new_mark, mark, err) < 0) {
        return -1;
    }
    if (stop_if_cancelled(c, err) < 0) {
        return -1;
    }
    return rename(new_path, path) == 0 ? 0 : weft_fail_sys(err, errno, "replace %s", path);
}

/* The destination exists: join it under its lock, which is kept until what was done is undone, or
 * need not be: a blob that we take back would be missed by another run that has found it there. */
static int commit_existing(struct commit *c, struct weft_err **err)
{
    int got = 0;
    int kind;

    c->lock_fd = open(c->dest, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (c->lock_fd < 0) {
        return weft_fail_sys(err, errno, "open %s", c->dest);
    }
    while (got == 0) {
        if (stop_if_cancelled(c, err) < 0) {
            return -1;
        }
        got = weft_lock_wait(c->lock_fd, true, 100, err);
    }
    if (got < 0) {
        return weft_err_wrap(err, "%s", c->dest);
    }
    kind = look_at(c->dest, err);
    if (kind < 0) {
        return -1;
    }
    if (kind != DEST_EMPTY && kind != DEST_LAYOUT) {
        return refuse(c->dest, err);
    }
    return join(c, kind == DEST_LAYOUT, err);
}

static int try_commit(struct commit *c, struct weft_err **err)
{
    weft_auto_err cause = NULL;

    if (stop_if_cancelled(c, err) < 0) {
        return -1;
    }
    if (weft_is_dir(c->dest)) {
        return commit_existing(c, err);
    }
    if (commit_new(c, &cause) == 0) {
        return 0;
    }
    if (cause->sys == EEXIST && weft_is_dir(c->dest)) { /* another run was first */
        return commit_existing(c, err);
    }
    if (err) {
        *err = weft_steal(&cause);
    }
    return -1;
}

int weft_layout_commit(struct weft_stage *stage, const char *dest,
                       const struct weft_descriptor *root, const struct weft_layout_naming *naming,
                       const atomic_bool *cancel, struct weft_err **err)
{
    struct commit c = {.stage = stage,
                       .dest = dest,
                       .root = root,
                       .naming = naming,
                       .cancel = cancel,
                       .lock_fd = -1};
    int r;

    c.journal = weft_journal_create();
    r = try_commit(&c, err);
    if (r < 0) {
        weft_auto_err undo_err = NULL;

        if (weft_journal_undo(c.journal, &undo_err) < 0) {
            weft_err_hint(err, "%s holds blobs that nothing refers to: %s", dest, undo_err->msg);
        }
    }
    weft_journal_destroy(c.journal);
    if (c.lock_fd >= 0) {
        close(c.lock_fd);
    }
    return r;
}

/* ---- tar ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of all blobs of a stage. */
static int list_blobs(const char *dir, struct weft_strv *names, struct weft_err **err)
{
    weft_auto_dir d = opendir(dir);
    struct dirent *e;

    if (!d) {
        return weft_fail_sys(err, errno, "open %s", dir);
    }
    while ((e = readdir(d))) {
        if (e->d_name[0] != '.') {
            weft_strv_add(names, e->d_name);
        }
    }
    return 0;
}

static int add_blobs(struct weft_tar *t, const char *dir, const struct weft_strv *names,
                     struct weft_err **err)
{
    if (names->n > 0) {
        qsort(names->v, names->n, sizeof(*names->v), compare_names);
    }
    for (size_t i = 0; i < names->n; i++) {
        weft_auto_free char *src = weft_path_join(dir, names->v[i]);
        weft_auto_free char *path = weft_path_join("blobs/sha256", names->v[i]);

        if (weft_tar_add_file(t, path, 0444, 0, src, err) < 0) {
            return -1;
        }
    }
    return 0;
}

/* In the order of containerd's exporter, which is that of the names. */
static int write_tar(const struct commit *c, int fd, const struct weft_strv *blobs,
                     const char *docker_manifest, struct weft_err **err)
{
    weft_auto_free char *index = index_text(NULL, c->root, c->naming, NULL);
    weft_auto_tar t = weft_tar_create(fd, c->dest, c->cancel, err);

    if (!t || weft_tar_add_dir(t, "blobs", 0755, 0, err) < 0 ||
        weft_tar_add_dir(t, "blobs/sha256", 0755, 0, err) < 0 ||
        add_blobs(t, weft_stage_blobs_dir(c->stage), blobs, err) < 0 ||
        weft_tar_add_bytes(t, "index.json", 0644, 0, index, strlen(index), err) < 0 ||
        (docker_manifest && weft_tar_add_bytes(t, "manifest.json", 0644, 0, docker_manifest,
                                               strlen(docker_manifest), err) < 0) ||
        weft_tar_add_bytes(t, "oci-layout", 0444, 0, layout_file, strlen(layout_file), err) < 0) {
        return -1;
    }
    return weft_tar_finish(t, err);
}

int weft_layout_write_tar(struct weft_stage *stage, int fd, const char *name,
                          const struct weft_descriptor *root,
                          const struct weft_layout_naming *naming, const atomic_bool *cancel,
                          struct weft_err **err)
{
    const struct commit c = {
        .stage = stage, .dest = name, .root = root, .naming = naming, .cancel = cancel};
    weft_auto_strv blobs = {0};

    if (list_blobs(weft_stage_blobs_dir(stage), &blobs, err) < 0) {
        return -1;
    }
    return write_tar(&c, fd, &blobs, NULL, err);
}

static struct weft_json *null(void)
{
    return weft_json_parse("null", 4, NULL);
}

/* An array of no strings is null, as Go has it. */
static void set_list(struct weft_json *j, const char *key, const struct weft_strv *list)
{
    struct weft_json *array = weft_json_array();

    for (size_t i = 0; i < list->n; i++) {
        weft_json_append_str(array, list->v[i]);
    }
    if (list->n == 0) {
        weft_json_free(array);
        array = null();
    }
    weft_json_set(j, key, array);
}

static char *blob_path(const char *digest)
{
    return weft_path_join("blobs/sha256", weft_digest_hex(digest));
}

/* manifest.json, by which docker load finds its way. */
static int docker_manifest(const struct weft_manifest *m, const struct weft_strv *names, char **out,
                           struct weft_err **err)
{
    weft_auto_json all = weft_json_array();
    struct weft_json *one = weft_json_object();
    weft_auto_free char *config = blob_path(m->config.digest);
    weft_auto_strv tags = {0};
    weft_auto_strv layers = {0};

    weft_json_append(all, one);
    for (size_t i = 0; i < names->n; i++) {
        weft_auto_reference ref = {0};

        if (weft_reference_parse(names->v[i], &ref, err) < 0) {
            return -1;
        }
        weft_strv_take(&tags, weft_reference_familiar(&ref));
    }
    for (size_t i = 0; i < m->n_children; i++) {
        weft_strv_take(&layers, blob_path(m->children[i].digest));
    }
    weft_json_set_str(one, "Config", config);
    set_list(one, "RepoTags", &tags);
    set_list(one, "Layers", &layers);
    *out = weft_json_dump(all, 0);
    return 0;
}

/* The blobs of one image. */
static void blobs_of(const char *dir, const char *digest, const struct weft_manifest *m,
                     struct weft_strv *out)
{
    weft_strv_add(out, weft_digest_hex(digest));
    weft_strv_add(out, weft_digest_hex(m->config.digest));
    for (size_t i = 0; i < m->n_children; i++) {
        const char *hex = weft_digest_hex(m->children[i].digest);
        weft_auto_free char *path = weft_path_join(dir, hex);
        bool foreign = weft_descriptor_is_foreign(&m->children[i]) && !weft_exists(path);

        if (!foreign && !weft_strv_has(out, hex)) {
            weft_strv_add(out, hex);
        }
    }
}

int weft_layout_write_docker_tar(struct weft_stage *stage, int fd, const char *name,
                                 const struct weft_descriptor *root,
                                 const struct weft_layout_naming *naming, const atomic_bool *cancel,
                                 struct weft_err **err)
{
    const struct commit c = {
        .stage = stage, .dest = name, .root = root, .naming = naming, .cancel = cancel};
    const char *dir = weft_stage_blobs_dir(stage);
    weft_auto_free char *path = weft_path_join(dir, weft_digest_hex(root->digest));
    weft_auto_free char *data = NULL;
    weft_auto_free char *text = NULL;
    weft_auto_manifest m = {0};
    weft_auto_strv blobs = {0};
    size_t len;

    if (weft_read_file(path, WEFT_MANIFEST_LIMIT, &data, &len, err) < 0 ||
        weft_manifest_parse(data, len, root->media_type, &m, err) < 0 ||
        docker_manifest(&m, naming->names, &text, err) < 0) {
        return -1;
    }
    blobs_of(dir, root->digest, &m, &blobs);
    return write_tar(&c, fd, &blobs, text, err);
}
