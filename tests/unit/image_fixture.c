/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "image_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/descriptor.h"

int fixture_setup(void **state)
{
    struct fixture *f = weft_xcalloc(1, sizeof(*f));
    const char *tmp = getenv("TMPDIR");

    f->dir = weft_temp_dir(tmp ? tmp : "/tmp", "weft-unit", NULL);
    assert_non_null(f->dir);
    f->blobs = weft_path_join(f->dir, "store/blobs/sha256");
    assert_int_equal(weft_mkdirs(f->blobs, 0755, NULL), 0);
    *state = f;
    return 0;
}

int fixture_teardown(void **state)
{
    struct fixture *f = *state;

    assert_int_equal(weft_rmtree(f->dir, NULL), 0);
    free(f->dir);
    free(f->blobs);
    free(f);
    return 0;
}

char *fixture_path(const struct fixture *f, const char *name)
{
    return weft_path_join(f->dir, name);
}

void fixture_write(const char *path, const char *text)
{
    weft_auto_free char *dir = weft_path_dir(path);

    assert_int_equal(weft_mkdirs(dir, 0755, NULL), 0);
    assert_int_equal(weft_write_file(path, text, strlen(text), 0644, NULL), 0);
}

char *fixture_read(const char *path)
{
    char *text = NULL;

    assert_int_equal(weft_read_file(path, 1u << 24, &text, NULL, NULL), 0);
    return text;
}

void fixture_blob(const struct fixture *f, const char *text, char digest[WEFT_DIGEST_SIZE])
{
    weft_auto_free char *path = NULL;

    weft_digest_bytes(text, strlen(text), digest);
    path = weft_path_join(f->blobs, weft_digest_hex(digest));
    if (!weft_exists(path)) {
        assert_int_equal(weft_write_file(path, text, strlen(text), 0444, NULL), 0);
    }
}

struct weft_json *fixture_descriptor(const struct fixture *f, const char *media_type,
                                     const char *text)
{
    struct weft_json *d = weft_json_object();
    char digest[WEFT_DIGEST_SIZE];

    fixture_blob(f, text, digest);
    weft_json_set_str(d, "mediaType", media_type);
    weft_json_set_str(d, "digest", digest);
    weft_json_set_int(d, "size", (int64_t)strlen(text));
    return d;
}

void fixture_document(const struct fixture *f, struct weft_json *doc, char digest[WEFT_DIGEST_SIZE])
{
    weft_auto_free char *text = weft_json_dump(doc, 2);

    fixture_blob(f, text, digest);
    weft_json_free(doc);
}

static struct weft_json *manifest_doc(const struct fixture *f, const char *media_type,
                                      const char *config_type, const char *config,
                                      const char *layer_type, const char *const *layers)
{
    struct weft_json *doc = weft_json_object();
    struct weft_json *list = weft_json_array();

    for (size_t i = 0; layers[i]; i++) {
        weft_json_append(list, fixture_descriptor(f, layer_type, layers[i]));
    }
    weft_json_set_int(doc, "schemaVersion", 2);
    weft_json_set_str(doc, "mediaType", media_type);
    weft_json_set(doc, "config", fixture_descriptor(f, config_type, config));
    weft_json_set(doc, "layers", list);
    return doc;
}

static char *config_text(const char *arch)
{
    return weft_fmt("{\"architecture\":\"%s\",\"os\":\"linux\",\"config\":{},\"rootfs\":{\"type\":"
                    "\"layers\",\"diff_ids\":[]}}",
                    arch);
}

void fixture_manifest(const struct fixture *f, const char *arch, const char *const *layers,
                      char digest[WEFT_DIGEST_SIZE])
{
    weft_auto_free char *config = config_text(arch);

    fixture_document(f,
                     manifest_doc(f, WEFT_MEDIA_OCI_MANIFEST,
                                  "application/vnd.oci.image.config.v1+json", config,
                                  "application/vnd.oci.image.layer.v1.tar+gzip", layers),
                     digest);
}

void fixture_docker_manifest(const struct fixture *f, const char *arch, const char *const *layers,
                             char digest[WEFT_DIGEST_SIZE])
{
    weft_auto_free char *config = config_text(arch);

    fixture_document(f,
                     manifest_doc(f, WEFT_MEDIA_DOCKER_MANIFEST,
                                  "application/vnd.docker.container.image.v1+json", config,
                                  "application/vnd.docker.image.rootfs.diff.tar.gzip", layers),
                     digest);
}

/* An index entry for a manifest that lies in the store. */
static struct weft_json *index_entry(const struct fixture *f, const char *digest, const char *os,
                                     const char *arch)
{
    weft_auto_free char *path = weft_path_join(f->blobs, weft_digest_hex(digest));
    weft_auto_free char *text = fixture_read(path);
    struct weft_json *d = fixture_descriptor(f, WEFT_MEDIA_OCI_MANIFEST, text);
    struct weft_json *p = weft_json_object();

    weft_json_set_str(p, "architecture", arch);
    weft_json_set_str(p, "os", os);
    weft_json_set(d, "platform", p);
    return d;
}

void fixture_attested(const struct fixture *f, const char *arch, const char *layer,
                      char digest[WEFT_DIGEST_SIZE])
{
    weft_auto_free char *statement = weft_fmt("{\"predicate\":\"of %s\"}", arch);
    const char *const layers[] = {layer, NULL};
    const char *const statements[] = {statement, NULL};
    struct weft_json *index = weft_json_object();
    struct weft_json *list = weft_json_array();
    struct weft_json *annotations = weft_json_object();
    struct weft_json *attestation;
    char image[WEFT_DIGEST_SIZE];
    char attested[WEFT_DIGEST_SIZE];

    fixture_manifest(f, arch, layers, image);
    fixture_document(f,
                     manifest_doc(f, WEFT_MEDIA_OCI_MANIFEST, "application/vnd.oci.empty.v1+json",
                                  "{}", "application/vnd.in-toto+json", statements),
                     attested);
    attestation = index_entry(f, attested, "unknown", "unknown");
    weft_json_set_str(annotations, "vnd.docker.reference.digest", image);
    weft_json_set_str(annotations, "vnd.docker.reference.type", "attestation-manifest");
    weft_json_set(attestation, "annotations", annotations);
    weft_json_set_str(attestation, "artifactType", "application/vnd.example");
    weft_json_append(list, index_entry(f, image, "linux", arch));
    weft_json_append(list, attestation);
    weft_json_set_int(index, "schemaVersion", 2);
    weft_json_set_str(index, "mediaType", WEFT_MEDIA_OCI_INDEX);
    weft_json_set(index, "manifests", list);
    fixture_document(f, index, digest);
}

int fixture_shell(const struct fixture *f, const char *script)
{
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        if (chdir(f->dir) == 0) {
            execl("/bin/sh", "sh", "-e", "-c", script, (char *)NULL);
        }
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- snapshots ---- */

static void snapshot_into(const char *path, const char *shown, struct weft_strv *lines)
{
    weft_auto_free char *what = NULL;
    struct stat st;

    assert_int_equal(lstat(path, &st), 0);
    if (S_ISREG(st.st_mode)) {
        weft_auto_free char *text = NULL;
        char digest[WEFT_DIGEST_SIZE];
        size_t len;

        assert_int_equal(weft_read_file(path, 1u << 24, &text, &len, NULL), 0);
        weft_digest_bytes(text, len, digest);
        what = weft_xstrdup(digest);
    } else if (S_ISLNK(st.st_mode)) {
        char target[PATH_MAX] = "";

        assert_true(readlink(path, target, sizeof(target) - 1) >= 0);
        what = weft_xstrdup(target);
    }
    weft_strv_addf(lines, "%s %o %s", shown, st.st_mode, what ? what : "");
    if (S_ISDIR(st.st_mode)) {
        weft_auto_dir d = opendir(path);
        struct dirent *e;

        assert_non_null(d);
        while ((e = readdir(d))) {
            if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
                weft_auto_free char *sub = weft_path_join(path, e->d_name);
                weft_auto_free char *sub_shown = weft_path_join(shown, e->d_name);

                snapshot_into(sub, sub_shown, lines);
            }
        }
    }
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

char *fixture_snapshot(const char *dir)
{
    weft_auto_strv lines = {0};
    struct stat st;

    if (lstat(dir, &st) < 0) {
        return weft_xstrdup("");
    }
    snapshot_into(dir, "", &lines);
    qsort(lines.v, lines.n, sizeof(*lines.v), compare_lines);
    return weft_strv_join(&lines, "\n");
}
