/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/cmd.h"
#include "engine/flags.h"
#include "engine/inspect.h"
#include "engine/registry/docker_config.h"
#include "engine/settings.h"

struct options {
    bool raw, json, insecure, help;
    char *platform;
};

static const struct weft_flag flags[] = {
    {WEFT_FLAG_SWITCH, 0, "insecure", NULL, offsetof(struct options, insecure),
     "take plain HTTP, or a certificate that nobody knows"},
    {WEFT_FLAG_SWITCH, 0, "json", NULL, offsetof(struct options, json), "as JSON"},
    {WEFT_FLAG_VALUE, 0, "platform", "PLATFORM", offsetof(struct options, platform),
     "only this one"},
    {WEFT_FLAG_SWITCH, 0, "raw", NULL, offsetof(struct options, raw),
     "the bytes of the index or manifest, as they are;\nwith --platform those of its manifest"},
    {WEFT_FLAG_SWITCH, 'h', "help", NULL, offsetof(struct options, help), "this text"},
};

enum {
    N_FLAGS = sizeof(flags) / sizeof(flags[0])
};

static void print_help(FILE *out)
{
    fputs(
        "usage: weft inspect [--json|--raw] [--platform PLATFORM] [--insecure] REF|LAYOUT\n"
        "\n"
        "Shows what an image consists of: its platforms, the sizes of their layers, attestations\n"
        "and annotations. REF is in a registry; LAYOUT is DIR, DIR:TAG or DIR@sha256:..., or the\n"
        "same of a tar. A name that could be both is a layout; docker-image://REF and\n"
        "oci-layout://DIR leave no doubt.\n"
        "\n",
        out);
    weft_flags_help(flags, N_FLAGS, out);
    fputs("\n"
          "examples:\n"
          "  weft inspect debian:12\n"
          "  weft inspect --platform linux/arm64 --raw localhost:5000/app:1\n"
          "  weft inspect --json ./out\n",
          out);
}

/* "linux/arm/v7", "windows/amd64 10.0.20348.1", "-". Caller frees. */
static char *platform_text(const struct weft_inspected_image *i)
{
    char name[WEFT_PLATFORM_SIZE];
    weft_auto_free char *version = i->os_version ? weft_printable(i->os_version) : NULL;
    weft_auto_free char *shown = NULL;

    if (!i->has_platform) {
        return weft_xstrdup("-");
    }
    shown = weft_printable(weft_platform_format(&i->platform, name));
    return weft_fmt("%s%s%s", shown, version ? " " : "", version ? version : "");
}

/* ---- JSON ---- */

static struct weft_json *copy_or_empty(const struct weft_json *j)
{
    return j ? weft_json_copy(j) : weft_json_object();
}

static struct weft_json *attestations_json(const struct weft_inspected_attestation *list, size_t n)
{
    struct weft_json *out = weft_json_array();

    for (size_t i = 0; i < n; i++) {
        struct weft_json *a = weft_json_object();
        struct weft_json *types = weft_json_array();

        for (size_t k = 0; k < list[i].predicates.n; k++) {
            weft_json_append_str(types, list[i].predicates.v[k]);
        }
        weft_json_set_str(a, "digest", list[i].digest);
        weft_json_set(a, "predicate_types", types);
        weft_json_append(out, a);
    }
    return out;
}

static struct weft_json *image_json(const struct weft_inspected_image *i)
{
    struct weft_json *j = weft_json_object();
    char name[WEFT_PLATFORM_SIZE];

    weft_json_set_str(j, "platform",
                      i->has_platform ? weft_platform_format(&i->platform, name) : NULL);
    weft_json_set_str(j, "os_version", i->os_version);
    weft_json_set_str(j, "digest", i->digest);
    weft_json_set_str(j, "media_type", i->media_type);
    weft_json_set_int(j, "size_bytes", (int64_t)i->size_bytes);
    weft_json_set_bool(j, "missing", i->is_missing);
    if (!i->is_missing && !i->is_other) {
        weft_json_set_str(j, "config", i->config_digest);
        weft_json_set_int(j, "layers", (int64_t)i->n_layers);
        weft_json_set_int(j, "layers_bytes", (int64_t)i->layers_bytes);
        weft_json_set(j, "annotations", copy_or_empty(i->annotations));
    }
    weft_json_set(j, "descriptor_annotations", copy_or_empty(i->here_annotations));
    weft_json_set(j, "attestations", attestations_json(i->attestations, i->n_attestations));
    return j;
}

static void print_json(FILE *out, const struct weft_inspected *x)
{
    weft_auto_json root = weft_json_object();
    struct weft_json *images = weft_json_array();
    weft_auto_free char *text = NULL;

    weft_json_set_int(root, "schema", 1);
    weft_json_set_str(root, "name", x->name);
    weft_json_set_str(root, "digest", x->digest);
    weft_json_set_str(root, "media_type", x->media_type);
    weft_json_set_int(root, "size_bytes", (int64_t)x->raw.len);
    weft_json_set(root, "annotations", copy_or_empty(x->annotations));
    for (size_t i = 0; i < x->n_images; i++) {
        weft_json_append(images, image_json(&x->images[i]));
    }
    weft_json_set(root, "images", images);
    weft_json_set(root, "other_attestations", attestations_json(x->others, x->n_others));
    text = weft_json_dump(root, 2);
    fprintf(out, "%s\n", text);
}

/* ---- text ---- */

/* The types of predicates, "slsa.dev/provenance/v1, spdx.dev/Document". Caller frees. */
static char *attestations_text(const struct weft_inspected_image *i)
{
    weft_auto_strv types = {0};

    for (size_t k = 0; k < i->n_attestations; k++) {
        for (size_t l = 0; l < i->attestations[k].predicates.n; l++) {
            const char *type = i->attestations[k].predicates.v[l];
            weft_auto_free char *shown =
                weft_printable(weft_starts_with(type, "https://") ? type + 8 : type);

            if (!weft_strv_has(&types, shown)) {
                weft_strv_add(&types, shown);
            }
        }
    }
    if (types.n == 0) {
        return weft_xstrdup(i->n_attestations > 0 ? "missing" : "-");
    }
    return weft_strv_join(&types, ", ");
}

static void print_row(FILE *out, int width, const struct weft_inspected_image *i)
{
    weft_auto_free char *platform = platform_text(i);
    bool is_known = !i->is_missing && !i->is_other;
    weft_auto_free char *size = is_known ? weft_human_size((double)i->layers_bytes)
                                         : weft_xstrdup(i->is_missing ? "missing" : "-");
    weft_auto_free char *layers = is_known ? weft_fmt("%zu", i->n_layers) : weft_xstrdup("-");
    weft_auto_free char *attestations = attestations_text(i);

    fprintf(out, "%-*s  %s  %8s  %6s  %s\n", width, platform, i->digest, size, layers,
            attestations);
}

static void print_annotation(const char *key, const struct weft_json *value, void *data)
{
    const char *text = weft_json_value_str(value);
    weft_auto_free char *shown_key = weft_printable(key);
    weft_auto_free char *shown = weft_printable(text ? text : "");

    fprintf(data, "  %s: %s\n", shown_key, shown);
}

static void count_member(const char *key, const struct weft_json *value, void *data)
{
    size_t *n = data;

    (void)key;
    (void)value;
    (*n)++;
}

static void print_annotations(FILE *out, const char *title, const struct weft_json *annotations)
{
    size_t n = 0;

    weft_json_each(annotations, count_member, &n);
    if (n > 0) {
        fprintf(out, "\n%s:\n", title);
        weft_json_each(annotations, print_annotation, out);
    }
}

static void print_table(FILE *out, const struct weft_inspected *x)
{
    weft_auto_free char *name = weft_printable(x->name);
    int width = (int)strlen("PLATFORM");

    fprintf(out, "Name:        %s\nDigest:      %s\nMedia type:  %s\n\n", name, x->digest,
            x->media_type);
    for (size_t i = 0; i < x->n_images; i++) {
        weft_auto_free char *platform = platform_text(&x->images[i]);

        width = (int)strlen(platform) > width ? (int)strlen(platform) : width;
    }
    fprintf(out, "%-*s  %-71s  %8s  %6s  %s\n", width, "PLATFORM", "DIGEST", "SIZE", "LAYERS",
            "ATTESTATIONS");
    for (size_t i = 0; i < x->n_images; i++) {
        print_row(out, width, &x->images[i]);
    }
    print_annotations(out, "Annotations of the index", x->annotations);
    for (size_t i = 0; i < x->n_images; i++) {
        weft_auto_free char *platform = platform_text(&x->images[i]);
        weft_auto_free char *of = weft_fmt("Annotations of %s", platform);
        weft_auto_free char *in_index = weft_fmt("Annotations of %s in the index", platform);

        print_annotations(out, of, x->images[i].annotations);
        print_annotations(out, in_index, x->images[i].here_annotations);
    }
}

/* ---- the command ---- */

/* Leave only the images of one platform. */
static int select_platform(struct weft_inspected *x, const char *text, struct weft_err **err)
{
    struct weft_platform wanted;
    weft_auto_strv names = {0};
    size_t n = 0;

    if (weft_platform_parse(text, &wanted, err) < 0) {
        return weft_err_wrap(err, "--platform");
    }
    for (size_t i = 0; i < x->n_images; i++) {
        struct weft_inspected_image image = x->images[i];

        if (image.has_platform && weft_platform_eq(&image.platform, &wanted)) {
            x->images[i] = x->images[n];
            x->images[n++] = image;
        } else if (image.has_platform) {
            weft_strv_take(&names, platform_text(&image));
        }
    }
    if (n == 0) {
        weft_auto_free char *list = weft_strv_join(&names, ", ");
        char name[WEFT_PLATFORM_SIZE];

        weft_fail(err, WEFT_E_USAGE, "--platform: %s has no image for %s", x->name,
                  weft_platform_format(&wanted, name));
        return *list ? weft_err_hint(err, "one of those that it has: %s", list) : -1;
    }
    x->n_images = n;
    return 0;
}

static int print_raw(struct weft_inspection *x, const struct options *opts,
                     const struct weft_inspected *found, FILE *out, struct weft_err **err)
{
    weft_auto_buf bytes = {0};

    if (!opts->platform) {
        fwrite(found->raw.data, 1, found->raw.len, out);
        return 0;
    }
    if (found->n_images > 1) {
        weft_fail(err, WEFT_E_USAGE, "--platform: there are %zu images for it", found->n_images);
        return weft_err_hint(err, "name one by its digest, such as @%s", found->images[0].digest);
    }
    if (weft_inspect_raw(x, found->images[0].digest, &bytes, err) < 0) {
        return -1;
    }
    fwrite(bytes.data, 1, bytes.len, out);
    return 0;
}

static int show(struct weft_inspection *x, const struct options *opts, FILE *out,
                struct weft_err **err)
{
    struct weft_inspected found = {0};
    size_t all;
    int rc = weft_inspect(x, !opts->raw || opts->platform, &found, err);

    all = found.n_images;
    if (rc == 0 && opts->platform) {
        rc = select_platform(&found, opts->platform, err);
    }
    if (rc == 0 && opts->raw) {
        rc = print_raw(x, opts, &found, out, err);
    } else if (rc == 0 && opts->json) {
        print_json(out, &found);
    } else if (rc == 0) {
        print_table(out, &found);
    }
    found.n_images = all; /* those that were not shown are there still */
    weft_inspected_finish(&found);
    return rc;
}

static int inspect(const struct options *opts, const struct weft_strv *words, FILE *out,
                   struct weft_err **err)
{
    struct weft_settings settings = {0};
    struct weft_docker_config *docker = NULL;
    struct weft_inspect_opts where = {.insecure = opts->insecure, .hosts = &settings.registries};
    struct weft_inspection *x = NULL;
    int rc = -1;

    if (words->n != 1) {
        weft_fail(err, WEFT_E_USAGE, "inspect takes one REF or LAYOUT");
        return weft_err_hint(err, "weft inspect --help");
    }
    if (opts->raw && opts->json) {
        return weft_fail(err, WEFT_E_USAGE, "--raw and --json are two things");
    }
    where.name = words->v[0];
    if (weft_settings_load(&settings, err) == 0) {
        docker = weft_docker_config_load(err);
        where.docker = docker;
        x = docker ? weft_inspect_open(&where, err) : NULL;
        rc = x ? show(x, opts, out, err) : -1;
    }
    weft_inspect_close(x);
    weft_docker_config_destroy(docker);
    weft_settings_finish(&settings);
    return rc;
}

static int run(int argc, char **argv, FILE *out, struct weft_err **err)
{
    struct options opts = {0};
    weft_auto_strv words = {0};
    int rc = weft_flags_parse(flags, N_FLAGS, argc, argv, &opts, &words, err);

    if (rc == 0 && opts.help) {
        print_help(out);
    } else if (rc == 0) {
        rc = inspect(&opts, &words, out, err);
    }
    free(opts.platform);
    return rc;
}

const struct weft_cmd weft_cmd_inspect = {
    .name = "inspect",
    .summary = "Show what an image in a registry or a layout consists of",
    .run = run,
};
