/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/bench_pods.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    NAME_MAX_LEN = 253, /* of Kubernetes' names (DNS subdomains) */
    PART_MAX = 80       /* of a file's name; there are three */
};

/* In the manifest of deploy/kubernetes. */
static const char container_name[] = "bench";

/* What providers and installers call a node's pool; the more specific first. */
static const char *const pool_labels[] = {
    "eks.amazonaws.com/nodegroup",
    "alpha.eksctl.io/nodegroup-name",
    "karpenter.sh/nodepool",
    "cloud.google.com/gke-nodepool",
    "kubernetes.azure.com/agentpool",
    "agentpool",
    "doks.digitalocean.com/node-pool",
    "k8s.scaleway.com/pool-name",
    "lke.linode.com/pool-id",
    "kops.k8s.io/instancegroup",
    "nodepool",
};

static const char *const type_labels[] = {
    "node.kubernetes.io/instance-type",
    "beta.kubernetes.io/instance-type",
};

enum {
    N_POOL_LABELS = sizeof(pool_labels) / sizeof(pool_labels[0]),
    N_TYPE_LABELS = sizeof(type_labels) / sizeof(type_labels[0]),
};

/* --- pods --- */

static void pod_finish(struct weft_bench_pod *p)
{
    free(p->name);
    free(p->namespace);
    free(p->node);
    free(p->container);
    free(p->attempt);
    free(p->trouble);
    free(p->instance_type);
    free(p->pool);
    *p = (struct weft_bench_pod){0};
}

void weft_bench_pods_finish(struct weft_bench_pods *pods)
{
    for (size_t i = 0; i < pods->n; i++) {
        pod_finish(&pods->v[i]);
    }
    free(pods->v);
    *pods = (struct weft_bench_pods){0};
}

/* A name of Kubernetes, which is also no flag. Caller frees; NULL with an error. */
static char *read_name(const struct weft_json *j, const char *key, const char *what,
                       struct weft_err **err)
{
    const char *name = weft_json_str(j, key);

    if (!name) {
        weft_fail(err, WEFT_E_FORMAT, "a pod without %s", what);
        return NULL;
    }
    if (strlen(name) > NAME_MAX_LEN || *name == '\0' || *name == '-' || *name == '.' ||
        name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-.")] != '\0') {
        weft_auto_free char *shown = weft_printable(name);

        weft_fail(err, WEFT_E_FORMAT, "\"%.*s\" is not %s", NAME_MAX_LEN, shown, what);
        return NULL;
    }
    return weft_xstrdup(name);
}

/* "Evicted: the node was low on memory", of what there is; NULL: nothing. Caller frees. */
static char *reason_of(const struct weft_json *j)
{
    const char *reason = weft_json_str(j, "reason");
    const char *message = weft_json_str(j, "message");
    weft_auto_free char *text = NULL;

    if (!reason || !*reason) {
        reason = NULL;
    }
    if (!message || !*message) {
        message = NULL;
    }
    if (!reason && !message) {
        return NULL;
    }
    text = weft_fmt("%s%s%s", reason ? reason : "", reason && message ? ": " : "",
                    message ? message : "");
    return weft_printable(text);
}

/* The member of an array that has this name, else the first if it may be that, else NULL.
 * Borrowed. */
static const struct weft_json *named(const struct weft_json *array, const char *name, bool or_first)
{
    for (size_t i = 0; i < weft_json_len(array); i++) {
        const struct weft_json *item = weft_json_at(array, i);

        if (weft_str_eq(weft_json_str(item, "name"), name)) {
            return item;
        }
    }
    return or_first ? weft_json_at(array, 0) : NULL;
}

/* How the container ended. */
static void read_ended(struct weft_bench_pod *p, const struct weft_json *terminated)
{
    const char *at = weft_json_str(terminated, "finishedAt");
    int64_t code = weft_json_int(terminated, "exitCode", 0);
    weft_auto_free char *reason = reason_of(terminated);

    p->ended = true;
    if (!at || weft_parse_time_utc(at, &p->ended_at) < 0) {
        p->ended_at = 0;
    }
    if (code != 0) {
        p->trouble = weft_fmt("it ended with exit code %lld%s%s%s", (long long)code,
                              reason ? " (" : "", reason ? reason : "", reason ? ")" : "");
    }
}

/* Why a pod whose container has no state does not run. */
static void read_unstarted(struct weft_bench_pod *p, const struct weft_json *status)
{
    const struct weft_json *conditions = weft_json_get(status, "conditions");
    weft_auto_free char *reason = reason_of(status);

    for (size_t i = 0; i < weft_json_len(conditions) && !reason; i++) {
        const struct weft_json *condition = weft_json_at(conditions, i);

        if (weft_str_eq(weft_json_str(condition, "type"), "PodScheduled") &&
            weft_str_eq(weft_json_str(condition, "status"), "False")) {
            reason = reason_of(condition);
        }
    }
    p->trouble = weft_fmt(
        "%s%s%s",
        weft_str_eq(weft_json_str(status, "phase"), "Failed") ? "it failed" : "it has not started",
        reason ? ": " : "", reason ? reason : "");
}

static void read_status(struct weft_bench_pod *p, const struct weft_json *status)
{
    const struct weft_json *container =
        named(weft_json_get(status, "containerStatuses"), p->container, false);
    const struct weft_json *state = weft_json_get(container, "state");
    const struct weft_json *waiting = weft_json_get(state, "waiting");

    if (weft_json_is_object(weft_json_get(state, "terminated"))) {
        read_ended(p, weft_json_get(state, "terminated"));
    } else if (weft_json_is_object(weft_json_get(state, "running"))) {
        p->trouble = weft_xstrdup("it is still running");
    } else if (weft_json_is_object(waiting)) {
        weft_auto_free char *reason = reason_of(waiting);

        p->trouble = weft_fmt("it has not started%s%s", reason ? ": " : "", reason ? reason : "");
    } else {
        read_unstarted(p, status);
    }
}

static int read_pod(const struct weft_json *j, struct weft_bench_pod *p, struct weft_err **err)
{
    const struct weft_json *metadata = weft_json_get(j, "metadata");
    const struct weft_json *spec = weft_json_get(j, "spec");
    const struct weft_json *labels = weft_json_get(metadata, "labels");
    const struct weft_json *container =
        named(weft_json_get(spec, "containers"), container_name, true);
    const char *job = weft_json_str(labels, "batch.kubernetes.io/job-name");
    const char *index = weft_json_str(labels, "batch.kubernetes.io/job-completion-index");

    p->name = read_name(metadata, "name", "the name of a pod", err);
    if (!p->name) {
        return -1;
    }
    p->namespace = read_name(metadata, "namespace", "the name of a namespace", err);
    p->container = p->namespace ? read_name(container, "name", "the name of a container", err)
                                : NULL;
    if (!p->container) {
        return weft_err_wrap(err, "pod %s", p->name);
    }
    if (weft_json_str(spec, "nodeName")) {
        p->node = read_name(spec, "nodeName", "the name of a node", err);
        if (!p->node) {
            return weft_err_wrap(err, "pod %s", p->name);
        }
    }
    if (job && index) {
        p->attempt = weft_fmt("%s/%s", job, index);
    }
    read_status(p, weft_json_get(j, "status"));
    return 0;
}

int weft_bench_pods_parse(const struct weft_json *list, struct weft_bench_pods *out,
                          struct weft_err **err)
{
    const struct weft_json *items = weft_json_get(list, "items");

    if (!weft_json_is_array(items)) {
        return weft_fail(err, WEFT_E_FORMAT, "this is no list of pods");
    }
    for (size_t i = 0; i < weft_json_len(items); i++) {
        struct weft_bench_pod p = {0};

        if (read_pod(weft_json_at(items, i), &p, err) < 0) {
            pod_finish(&p);
            return -1;
        }
        out->v = weft_xgrow(out->v, out->n, sizeof(*out->v));
        out->v[out->n++] = p;
    }
    return 0;
}

/* --- nodes --- */

/* The first of these labels that there is and is not empty, printable; NULL: none. Caller frees. */
static char *first_label(const struct weft_json *labels, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *value = weft_json_str(labels, names[i]);

        if (value && *value) {
            return weft_printable(value);
        }
    }
    return NULL;
}

static void label_from(struct weft_bench_pods *pods, const struct weft_json *node,
                       const char *label)
{
    const struct weft_json *metadata = weft_json_get(node, "metadata");
    const struct weft_json *labels = weft_json_get(metadata, "labels");
    const char *name = weft_json_str(metadata, "name");

    for (size_t i = 0; i < pods->n; i++) {
        struct weft_bench_pod *p = &pods->v[i];

        if (!name || !weft_str_eq(p->node, name)) {
            continue;
        }
        free(p->instance_type);
        free(p->pool);
        p->instance_type = first_label(labels, type_labels, N_TYPE_LABELS);
        p->pool = label ? first_label(labels, &label, 1)
                        : first_label(labels, pool_labels, N_POOL_LABELS);
    }
}

void weft_bench_pods_label(struct weft_bench_pods *pods, const struct weft_json *nodes,
                           const char *label)
{
    const struct weft_json *items = weft_json_get(nodes, "items");

    if (!items) {
        label_from(pods, nodes, label);
    }
    for (size_t i = 0; i < weft_json_len(items); i++) {
        label_from(pods, weft_json_at(items, i), label);
    }
}

/* --- files --- */

static void add_part(struct weft_buf *name, const char *part)
{
    if (!part || !*part) {
        return;
    }
    if (name->len > 0) {
        weft_buf_puts(name, "_");
    }
    for (size_t i = 0; part[i] && i < PART_MAX; i++) {
        char c = part[i];
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '-' || c == '_' || (c == '.' && name->len > 0);

        weft_buf_append(name, fine ? &c : "-", 1);
    }
}

char *weft_bench_pod_file(const char *node, const char *instance_type, const char *pool)
{
    weft_auto_buf name = {0};

    add_part(&name, node);
    add_part(&name, instance_type);
    add_part(&name, pool);
    weft_buf_puts(&name, name.len > 0 ? ".json" : "node.json");
    return weft_buf_steal(&name);
}
