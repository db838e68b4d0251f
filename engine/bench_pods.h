/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `weft bench collect` makes of kubectl's JSON: pods and how they fare, what the labels of a
 * node say of its kind, and the name of its file. Pure: starts no program and knows no file.
 */
#ifndef WEFT_ENGINE_BENCH_PODS_H
#define WEFT_ENGINE_BENCH_PODS_H

#include <stdbool.h>
#include <stddef.h>
#include <time.h>

struct weft_err;
struct weft_json;

/** A pod. Strings are printable; names are fit to be arguments of kubectl. */
struct weft_bench_pod {
    char *name;
    char *namespace;
    char *node;      /* NULL: it has none yet */
    char *container; /* that measures: "bench", or the first */
    char *attempt;   /* "JOB/INDEX": what it was to do, which other pods may have tried too; NULL */
    bool ended;      /* the container has, so that its log is whole */
    time_t ended_at; /* 0: not known */
    char *trouble;   /* why there is no log, or how the container failed; NULL: all went well */
    char *instance_type; /* of its node; NULL: not known */
    char *pool;          /* the same */
};

/** Start from {0}; end with weft_bench_pods_finish. */
struct weft_bench_pods {
    struct weft_bench_pod *v;
    size_t n;
};

/** Append the pods of a list, as `kubectl get pods --output json` prints it. Errors: WEFT_E_FORMAT:
 * it is none, or the name of something in it is no name. */
int weft_bench_pods_parse(const struct weft_json *list, struct weft_bench_pods *out,
                          struct weft_err **err);

/**
 * Give the pods on them the instance types and pools of nodes.
 * @param nodes a Node or a list of them, as `kubectl get nodes --output json` prints it
 * @param label the label that names a node's pool; NULL: the first that it has of those that
 *        providers use
 */
void weft_bench_pods_label(struct weft_bench_pods *pods, const struct weft_json *nodes,
                           const char *label);

void weft_bench_pods_finish(struct weft_bench_pods *pods);

/** "NODE_TYPE_POOL.json", less what is not known (NULL), and with '-' for what does not belong into
 * a file's name. It has no slash, does not begin with a dot, and is short enough for a file.
 * Caller frees. */
char *weft_bench_pod_file(const char *node, const char *instance_type, const char *pool);

#endif
