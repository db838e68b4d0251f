/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/audit_show.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/audit.h"

/* ---- text ---- */

static const char *color_of(enum weft_audit_severity s)
{
    switch (s) {
    case WEFT_AUDIT_ERROR:
        return "\033[1;31m";
    case WEFT_AUDIT_WARNING:
        return "\033[33m";
    case WEFT_AUDIT_NOTICE:
        break;
    }
    return "\033[2m";
}

static void print_line(FILE *out, const char *title, const char *text)
{
    weft_auto_free char *shown = text ? weft_printable(text) : NULL;

    if (shown && *shown) {
        fprintf(out, "             %-9s %s\n", title, shown);
    }
}

static void print_finding(FILE *out, bool color, const struct weft_audited_image *i,
                          const struct weft_audit_finding *f)
{
    const struct weft_audited_layer *l = weft_audited_layer(i, f);
    weft_auto_free char *path = f->path ? weft_printable(f->path) : weft_xstrdup("");
    weft_auto_free char *layer =
        l ? weft_fmt("%s (%d of %zu)", l->digest, f->layer + 1, i->n_layers) : NULL;

    fprintf(out, "\n  %s%-9s%s  %s%s%s\n", color ? color_of(f->severity) : "",
            weft_audit_severity_name(f->severity), color ? "\033[0m" : "",
            weft_audit_rule_name(f->rule), *path ? "  " : "", path);
    print_line(out, "found", f->found);
    print_line(out, "expected", f->expected);
    print_line(out, "layer", layer);
    print_line(out, "step", l ? l->step : NULL);
    print_line(out, "cause", weft_audited_cause(i, f));
}

/* "2 errors" */
static void count_text(struct weft_buf *b, const struct weft_audit_report *r,
                       enum weft_audit_severity s)
{
    size_t n = 0;

    for (size_t k = 0; k < r->n; k++) {
        n += r->findings[k].severity == s;
    }
    if (n > 0) {
        weft_buf_printf(b, "%s%zu %s%s", b->len > 0 ? ", " : "", n, weft_audit_severity_name(s),
                        n == 1 ? "" : "s");
    }
}

void weft_audit_show(const struct weft_audited *a, bool color, FILE *out)
{
    for (size_t i = 0; i < a->n; i++) {
        const struct weft_audited_image *image = &a->images[i];
        char name[WEFT_PLATFORM_SIZE];
        weft_auto_free char *platform =
            weft_printable(weft_platform_format(&image->platform, name));
        weft_auto_buf counts = {0};

        count_text(&counts, &image->report, WEFT_AUDIT_ERROR);
        count_text(&counts, &image->report, WEFT_AUDIT_WARNING);
        count_text(&counts, &image->report, WEFT_AUDIT_NOTICE);
        fprintf(out, "%s%-16s  %s  (%zu files, %zu of them ELF)\n", i ? "\n" : "", platform,
                counts.len > 0 ? counts.data : "nothing found", image->report.summary.files,
                image->report.summary.elf_files);
        for (size_t k = 0; k < image->report.n; k++) {
            print_finding(out, color, image, &image->report.findings[k]);
        }
    }
}

/* ---- the summary ---- */

static const char *or_dash(const char *s)
{
    return s ? s : "-";
}

void weft_audit_show_summary(const struct weft_audited *a, FILE *out)
{
    fprintf(out, "%-16s  %-18s  %-7s  %-8s  %-8s  %7s  %7s\n", "PLATFORM", "INSTRUCTIONS", "LIBC",
            "GLIBC", "KERNEL", "FILES", "ELF");
    for (size_t i = 0; i < a->n; i++) {
        const struct weft_audit_summary *s = &a->images[i].report.summary;
        char name[WEFT_PLATFORM_SIZE];
        weft_auto_free char *platform =
            weft_printable(weft_platform_format(&a->images[i].platform, name));
        weft_auto_free char *isa = weft_printable(or_dash(s->isa));

        fprintf(out, "%-16s  %-18s  %-7s  %-8s  %-8s  %7zu  %7zu\n", platform, isa, s->libc,
                or_dash(s->glibc), or_dash(s->kernel), s->files, s->elf_files);
    }
    for (size_t i = 0; i < a->n; i++) {
        const struct weft_audit_summary *s = &a->images[i].report.summary;
        char name[WEFT_PLATFORM_SIZE];
        weft_auto_free char *platform =
            weft_printable(weft_platform_format(&a->images[i].platform, name));

        if (s->n_biggest > 0) {
            fprintf(out, "\nBiggest files of %s:\n", platform);
        }
        for (size_t k = 0; k < s->n_biggest; k++) {
            weft_auto_free char *size = weft_human_size((double)s->biggest[k].size_bytes);
            weft_auto_free char *path = weft_printable(s->biggest[k].path);

            fprintf(out, "  %9s  %s\n", size, path);
        }
    }
}

/* ---- JSON ---- */

static struct weft_json *finding_json(const struct weft_audited_image *i,
                                      const struct weft_audit_finding *f)
{
    const struct weft_audited_layer *l = weft_audited_layer(i, f);
    struct weft_json *j = weft_json_object();

    weft_json_set_str(j, "rule", weft_audit_rule_name(f->rule));
    weft_json_set_str(j, "severity", weft_audit_severity_name(f->severity));
    weft_json_set_str(j, "path", f->path);
    weft_json_set_str(j, "found", f->found);
    weft_json_set_str(j, "expected", f->expected);
    weft_json_set_str(j, "layer", l ? l->digest : NULL);
    weft_json_set_str(j, "step", l ? l->step : NULL);
    weft_json_set_str(j, "cause", weft_audited_cause(i, f));
    return j;
}

static struct weft_json *summary_json(const struct weft_audit_summary *s)
{
    struct weft_json *j = weft_json_object();
    struct weft_json *biggest = weft_json_array();

    weft_json_set_int(j, "files", (int64_t)s->files);
    weft_json_set_int(j, "elf_files", (int64_t)s->elf_files);
    weft_json_set_str(j, "instructions", s->isa);
    weft_json_set_str(j, "libc", s->libc);
    weft_json_set_str(j, "glibc", s->glibc);
    weft_json_set_str(j, "kernel", s->kernel);
    for (size_t k = 0; k < s->n_biggest; k++) {
        struct weft_json *b = weft_json_object();

        weft_json_set_str(b, "path", s->biggest[k].path);
        weft_json_set_int(b, "size_bytes", (int64_t)s->biggest[k].size_bytes);
        weft_json_append(biggest, b);
    }
    weft_json_set(j, "biggest", biggest);
    return j;
}

static struct weft_json *image_json(const struct weft_audited_image *i)
{
    struct weft_json *j = weft_json_object();
    struct weft_json *layers = weft_json_array();
    struct weft_json *findings = weft_json_array();
    char name[WEFT_PLATFORM_SIZE];

    weft_json_set_str(j, "platform", weft_platform_format(&i->platform, name));
    weft_json_set_str(j, "digest", i->digest);
    for (size_t k = 0; k < i->n_layers; k++) {
        struct weft_json *l = weft_json_object();

        weft_json_set_str(l, "digest", i->layers[k].digest);
        weft_json_set_int(l, "size_bytes", (int64_t)i->layers[k].size_bytes);
        weft_json_set_str(l, "step", i->layers[k].step);
        weft_json_append(layers, l);
    }
    for (size_t k = 0; k < i->report.n; k++) {
        weft_json_append(findings, finding_json(i, &i->report.findings[k]));
    }
    weft_json_set(j, "layers", layers);
    weft_json_set(j, "findings", findings);
    weft_json_set_int(j, "allowed", (int64_t)i->report.n_allowed);
    weft_json_set(j, "summary", summary_json(&i->report.summary));
    return j;
}

void weft_audit_show_json(const struct weft_audited *a, bool strict, FILE *out)
{
    weft_auto_json root = weft_json_object();
    struct weft_json *images = weft_json_array();
    weft_auto_free char *text = NULL;

    weft_json_set_int(root, "schema", 1);
    weft_json_set_str(root, "name", a->name);
    weft_json_set_str(root, "digest", a->digest);
    weft_json_set_bool(root, "passed",
                       weft_audited_count(a, strict ? WEFT_AUDIT_WARNING : WEFT_AUDIT_ERROR) == 0);
    for (size_t i = 0; i < a->n; i++) {
        weft_json_append(images, image_json(&a->images[i]));
    }
    weft_json_set(root, "images", images);
    text = weft_json_dump(root, 2);
    fprintf(out, "%s\n", text);
}
