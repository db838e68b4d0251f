/* SPDX-License-Identifier: Apache-2.0 */
/* Findings as SARIF 2.1.0, which forges and other tools show beside the code. */
#include "config.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/audit.h"
#include "engine/audit_show.h"

static const char schema[] = "https://json.schemastore.org/sarif-2.1.0.json";

static struct weft_json *text_json(const char *text)
{
    struct weft_json *j = weft_json_object();

    weft_json_set_str(j, "text", text);
    return j;
}

static const char *level_of(enum weft_audit_severity s)
{
    return s == WEFT_AUDIT_NOTICE ? "note" : weft_audit_severity_name(s);
}

static struct weft_json *rules_json(void)
{
    struct weft_json *rules = weft_json_array();

    for (int r = 0; r < WEFT_AUDIT_RULES; r++) {
        enum weft_audit_rule rule = (enum weft_audit_rule)r;
        struct weft_json *j = weft_json_object(), *usual = weft_json_object();

        weft_json_set_str(usual, "level", level_of(weft_audit_rule_severity(rule)));
        weft_json_set_str(j, "id", weft_audit_rule_name(rule));
        weft_json_set(j, "shortDescription", text_json(weft_audit_rule_text(rule)));
        weft_json_set(j, "defaultConfiguration", usual);
        weft_json_append(rules, j);
    }
    return rules;
}

/* A path as a relative URI: bytes that are not plain are "%HH". Caller frees. */
static char *uri_of(const char *path)
{
    struct weft_buf b = {0};

    for (path += strspn(path, "/"); *path; path++) {
        unsigned char c = (unsigned char)*path;

        if (c < 128 && (isalnum(c) || strchr("/-._~", c))) {
            weft_buf_append(&b, path, 1);
        } else {
            weft_buf_printf(&b, "%%%02X", c);
        }
    }
    return weft_buf_steal(&b);
}

/* The file within the image; for a layer or an image its digest, which is a URI, too. */
static struct weft_json *location_json(const struct weft_audited_image *i,
                                       const struct weft_audit_finding *f, const char *platform)
{
    const struct weft_audited_layer *l = weft_audited_layer(i, f);
    weft_auto_free char *uri = f->path ? uri_of(f->path) : weft_xstrdup(l ? l->digest : i->digest);
    struct weft_json *j = weft_json_object(), *physical = weft_json_object();
    struct weft_json *artifact = weft_json_object(), *logical = weft_json_array();
    struct weft_json *name = weft_json_object();

    weft_json_set_str(artifact, "uri", uri);
    weft_json_set(physical, "artifactLocation", artifact);
    weft_json_set(j, "physicalLocation", physical);
    weft_json_set_str(name, "fullyQualifiedName", platform);
    weft_json_set_str(name, "kind", "platform");
    weft_json_append(logical, name);
    weft_json_set(j, "logicalLocations", logical);
    return j;
}

/* "linux/arm64: /app: found a program for x86-64, expected aarch64. Made by ..." */
static char *message_of(const struct weft_audited_image *i, const struct weft_audit_finding *f,
                        const char *platform)
{
    const struct weft_audited_layer *l = weft_audited_layer(i, f);
    const char *cause = weft_audited_cause(i, f);
    struct weft_buf b = {0};

    weft_buf_printf(&b, "%s%s%s, for %s: %s", f->path ? f->path : "", f->path ? "" : "the image",
                    l && !f->path ? " (a layer)" : "", platform, f->found);
    if (f->expected) {
        weft_buf_printf(&b, "; expected: %s", f->expected);
    }
    if (l && l->step) {
        weft_buf_printf(&b, ". Step: %s", l->step);
    }
    if (cause) {
        weft_buf_printf(&b, ". Usual cause: %s", cause);
    }
    return weft_buf_steal(&b);
}

/* What makes a finding the same one in the next build: neither layers nor digests. */
static struct weft_json *fingerprints_json(const struct weft_audit_finding *f, const char *platform)
{
    struct weft_json *j = weft_json_object();
    weft_auto_free char *text = weft_fmt("%s\n%s\n%s\n%s", platform, weft_audit_rule_name(f->rule),
                                         f->path ? f->path : "", f->found);
    char digest[WEFT_DIGEST_SIZE];

    weft_digest_bytes(text, strlen(text), digest);
    weft_json_set_str(j, "weftFinding/v1", weft_digest_hex(digest));
    return j;
}

static struct weft_json *result_json(const struct weft_audited_image *i,
                                     const struct weft_audit_finding *f)
{
    const struct weft_audited_layer *l = weft_audited_layer(i, f);
    struct weft_json *j = weft_json_object(), *locations = weft_json_array();
    struct weft_json *properties = weft_json_object();
    char platform[WEFT_PLATFORM_SIZE];
    weft_auto_free char *message = NULL;

    weft_platform_format(&i->platform, platform);
    message = message_of(i, f, platform);
    weft_json_set_str(j, "ruleId", weft_audit_rule_name(f->rule));
    weft_json_set_int(j, "ruleIndex", (int64_t)f->rule);
    weft_json_set_str(j, "level", level_of(f->severity));
    weft_json_set(j, "message", text_json(message));
    weft_json_append(locations, location_json(i, f, platform));
    weft_json_set(j, "locations", locations);
    weft_json_set(j, "partialFingerprints", fingerprints_json(f, platform));
    weft_json_set_str(properties, "platform", platform);
    weft_json_set_str(properties, "image", i->digest);
    weft_json_set_str(properties, "layer", l ? l->digest : NULL);
    weft_json_set_str(properties, "step", l ? l->step : NULL);
    weft_json_set(j, "properties", properties);
    return j;
}

void weft_audit_show_sarif(const struct weft_audited *a, FILE *out)
{
    weft_auto_json root = weft_json_object();
    struct weft_json *runs = weft_json_array(), *run = weft_json_object();
    struct weft_json *tool = weft_json_object(), *driver = weft_json_object();
    struct weft_json *results = weft_json_array();
    weft_auto_free char *text = NULL;

    weft_json_set_str(driver, "name", "weft audit");
    weft_json_set_str(driver, "version", PACKAGE_VERSION);
    weft_json_set(driver, "rules", rules_json());
    weft_json_set(tool, "driver", driver);
    for (size_t i = 0; i < a->n; i++) {
        for (size_t k = 0; k < a->images[i].report.n; k++) {
            weft_json_append(results, result_json(&a->images[i], &a->images[i].report.findings[k]));
        }
    }
    weft_json_set(run, "tool", tool);
    weft_json_set(run, "results", results);
    weft_json_append(runs, run);
    weft_json_set_str(root, "$schema", schema);
    weft_json_set_str(root, "version", "2.1.0");
    weft_json_set(root, "runs", runs);
    text = weft_json_dump(root, 2);
    fprintf(out, "%s\n", text);
}
