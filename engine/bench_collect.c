/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/bench_commands.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "bench/result.h"
#include "bench/result_log.h"
#include "engine/bench_pods.h"
#include "engine/flags.h"
#include "engine/kubectl.h"

struct options {
    char *context, *namespace, *selector, *output, *pool_label;
    bool json, help;
};

/* The label of the pods of deploy/kubernetes/bench-job.yaml. */
#define SELECTOR "app.kubernetes.io/name=weft-bench"
#define OUTPUT "bench-results"

static const struct weft_flag flags[] = {
    {WEFT_FLAG_SWITCH, 0, "json", NULL, offsetof(struct options, json),
     "print what was done as JSON"},
    {WEFT_FLAG_VALUE, 0, "kubectl-context", "NAME", offsetof(struct options, context),
     "context of kubectl's configuration (default: kubectl's own)"},
    {WEFT_FLAG_VALUE, 'n', "namespace", "NAME", offsetof(struct options, namespace),
     "namespace of the pods (default: the context's)"},
    {WEFT_FLAG_VALUE, 'o', "output", "DIR", offsetof(struct options, output),
     "write the results there (default: " OUTPUT ")"},
    {WEFT_FLAG_VALUE, 0, "pool-label", "LABEL", offsetof(struct options, pool_label),
     "the label of nodes that names their pool (default: those of the\n"
     "usual providers)"},
    {WEFT_FLAG_VALUE, 'l', "selector", "SELECTOR", offsetof(struct options, selector),
     "labels of the pods (default: " SELECTOR ")"},
    {WEFT_FLAG_SWITCH, 'h', "help", NULL, offsetof(struct options, help), "this text"},
};

enum {
    N_FLAGS = sizeof(flags) / sizeof(flags[0]),
    NODES_AT_ONCE = 50 /* that one kubectl is asked for */
};

enum outcome {
    MISSING, /* it should have a result, and has none */
    WRITTEN,
    PASSED_OVER, /* its node has a later result, or another pod did its work */
};

static const char *const outcome_names[] = {"missing", "written", "passed over"};

/* What became of a pod. */
struct fate {
    enum outcome outcome;
    char *file;            /* that was written */
    char *why;             /* what is wrong, or to be known; NULL: nothing */
    struct weft_strv last; /* lines of the log of one without a result */
};

struct collect {
    struct options opts;
    struct weft_kubectl *kubectl;
    struct weft_bench_pods pods;
    struct fate *fates;        /* of each pod */
    size_t *order;             /* the pods' indices, those that ended last first */
    struct weft_strv nodes;    /* that have a result */
    struct weft_strv attempts; /* that came to one */
    struct weft_strv files;    /* that were written, without their directory */
    struct weft_err *stopped;  /* why the rest was not looked at; NULL: all was */
};

static void collect_finish(struct collect *c)
{
    free(c->opts.context);
    free(c->opts.namespace);
    free(c->opts.selector);
    free(c->opts.output);
    free(c->opts.pool_label);
    weft_kubectl_close(c->kubectl);
    for (size_t i = 0; c->fates && i < c->pods.n; i++) {
        free(c->fates[i].file);
        free(c->fates[i].why);
        weft_strv_finish(&c->fates[i].last);
    }
    free(c->fates);
    free(c->order);
    weft_bench_pods_finish(&c->pods);
    weft_strv_finish(&c->nodes);
    weft_strv_finish(&c->attempts);
    weft_strv_finish(&c->files);
    weft_err_free(c->stopped);
}

static void print_help(FILE *out)
{
    fputs(
        "usage: weft bench collect [FLAGS]\n"
        "\n"
        "Gathers the results of benchmarks that ran as pods on the nodes of a cluster from the\n"
        "pods' logs, with kubectl: a file for each node, with the node's name, instance type and\n"
        "pool in it. docs/node-pools.md shows how to run them.\n"
        "\n",
        out);
    weft_flags_help(flags, N_FLAGS, out);
    fputs("\n"
          "examples:\n"
          "  weft bench collect --kubectl-context staging --namespace ci\n"
          "  weft bench collect --selector job-name=weft-bench-c7a --output results\n"
          "  weft bench collect --pool-label example.com/pool\n",
          out);
}

/* --- what there is --- */

/* Those that ended last come first, and before them those that have not ended. */
static int later_first(const void *a, const void *b, void *data)
{
    const struct collect *c = data;
    const struct weft_bench_pod *p = &c->pods.v[*(const size_t *)a];
    const struct weft_bench_pod *q = &c->pods.v[*(const size_t *)b];

    if (p->ended != q->ended) {
        return p->ended ? 1 : -1;
    }
    return (p->ended_at < q->ended_at) - (p->ended_at > q->ended_at);
}

static int find_pods(struct collect *c, struct weft_err **err)
{
    const char *selector = c->opts.selector ? c->opts.selector : SELECTOR;
    weft_auto_free char *flag = weft_fmt("--selector=%s", selector);
    const char *const args[] = {"get", "pods", flag, "--output=json", NULL};
    weft_auto_json list = weft_kubectl_json(c->kubectl, args, err);

    if (!list) {
        return -1;
    }
    if (weft_bench_pods_parse(list, &c->pods, err) < 0) {
        return weft_err_wrap(err, "what kubectl printed");
    }
    if (c->pods.n == 0) {
        weft_fail(err, WEFT_E_BUILD, "there are no pods with %s in %s%s", selector,
                  c->opts.namespace ? "the namespace " : "kubectl's namespace",
                  c->opts.namespace ? c->opts.namespace : "");
        return weft_err_hint(err, "kubectl get pods --all-namespaces --selector %s", selector);
    }
    c->fates = weft_xcalloc(c->pods.n, sizeof(*c->fates));
    c->order = weft_xcalloc(c->pods.n, sizeof(*c->order));
    for (size_t i = 0; i < c->pods.n; i++) {
        c->order[i] = i;
    }
    qsort_r(c->order, c->pods.n, sizeof(*c->order), later_first, c);
    return 0;
}

/* Nodes may be out of bounds for those who may read logs, or gone: then their names have to do. */
static int ask_for_nodes(struct collect *c, const struct weft_strv *names, struct weft_err **err)
{
    weft_auto_strv args = {0};
    weft_auto_json nodes = NULL;
    weft_auto_err failed = NULL;

    weft_strv_add(&args, "get");
    weft_strv_concat(&args, names);
    weft_strv_add(&args, "--ignore-not-found");
    weft_strv_add(&args, "--output=json");
    nodes = weft_kubectl_json(c->kubectl, (const char *const *)args.v, &failed);
    if (nodes && !weft_json_get(nodes, "items") && !weft_json_get(nodes, "metadata")) {
        weft_warn("instance types and pools are not known: the nodes are gone");
    } else if (nodes) {
        weft_bench_pods_label(&c->pods, nodes, c->opts.pool_label);
    } else if (failed->code == WEFT_E_CANCELLED) {
        return weft_fail(err, failed->code, "%s", failed->msg);
    } else {
        weft_warn("instance types and pools are not known: %s", failed->msg);
    }
    return 0;
}

static int find_nodes(struct collect *c, struct weft_err **err)
{
    weft_auto_strv all = {0};

    for (size_t i = 0; i < c->pods.n; i++) {
        weft_auto_free char *name = weft_fmt("node/%s", c->pods.v[i].node ? c->pods.v[i].node : "");

        if (c->pods.v[i].ended && c->pods.v[i].node && !weft_strv_has(&all, name)) {
            weft_strv_take(&all, weft_steal(&name));
        }
    }
    for (size_t i = 0; i < all.n; i += NODES_AT_ONCE) {
        weft_auto_strv some = {0};

        for (size_t k = i; k < all.n && k < i + NODES_AT_ONCE; k++) {
            weft_strv_add(&some, all.v[k]);
        }
        if (ask_for_nodes(c, &some, err) < 0) {
            return -1;
        }
    }
    return 0;
}

/* --- a pod --- */

static void on_log_line(char *line, size_t len, void *data)
{
    weft_result_log_line(data, line, len);
}

/* Read the result in the pod's log. Where there is none, fate says why; -1: it is for nothing to
 * go on. */
static int read_result(struct collect *c, const struct weft_bench_pod *p, struct fate *fate,
                       struct weft_bench_result *r, struct weft_err **err)
{
    weft_auto_free char *pod = weft_fmt("pod/%s", p->name);
    weft_auto_free char *namespace = weft_fmt("--namespace=%s", p->namespace);
    weft_auto_free char *container = weft_fmt("--container=%s", p->container);
    const char *const args[] = {"logs", pod, namespace, container, NULL};
    struct weft_result_log log = {0};
    weft_auto_err failed = NULL;
    int rc = weft_kubectl_run(c->kubectl, args, on_log_line, &log, &failed);
    bool read = rc == 0;

    if (read && weft_result_log_end(&log, r, &failed) < 0) {
        rc = -1;
        weft_result_log_others(&log, &fate->last);
    }
    weft_result_log_finish(&log);
    if (rc == 0) {
        return 1;
    }
    if (failed->code == WEFT_E_CANCELLED) {
        return weft_fail(err, failed->code, "%s", failed->msg);
    }
    fate->why = weft_fmt("%s%s%s%s", p->trouble ? p->trouble : "", p->trouble ? "; " : "",
                         read ? "" : "its log cannot be read: ", failed->msg);
    return 0;
}

/* What the cluster calls the node is better known to it than to the pod. */
static void name_machine(const struct weft_bench_pod *p, struct weft_facts *machine)
{
    const struct {
        char **field;
        const char *value;
    } rows[] = {
        {&machine->node, p->node},
        {&machine->instance_type, p->instance_type},
        {&machine->pool, p->pool},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].value) {
            free(*rows[i].field);
            *rows[i].field = weft_xstrdup(rows[i].value);
        }
    }
}

/* A path in the directory that no other result has; caller frees. */
static char *choose_file(struct collect *c, const struct weft_facts *machine)
{
    const char *dir = c->opts.output ? c->opts.output : OUTPUT;
    weft_auto_free char *first =
        weft_bench_pod_file(machine->node, machine->instance_type, machine->pool);
    weft_auto_free char *name = weft_xstrdup(first);

    for (unsigned i = 2; weft_strv_has(&c->files, name); i++) {
        free(name);
        name = weft_fmt("%.*s-%u.json", (int)(strlen(first) - strlen(".json")), first, i);
    }
    weft_strv_add(&c->files, name);
    return weft_path_join(dir, name);
}

static int write_result(struct collect *c, const struct weft_bench_result *r, struct fate *fate,
                        struct weft_err **err)
{
    weft_auto_json j = weft_bench_result_json(r);
    weft_auto_free char *text = weft_json_dump(j, 2);
    weft_auto_free char *lines = weft_fmt("%s\n", text);
    weft_auto_free char *file = choose_file(c, &r->machine);

    if (weft_mkdirs(c->opts.output ? c->opts.output : OUTPUT, 0755, err) < 0 ||
        weft_write_file(file, lines, strlen(lines), 0644, err) < 0) {
        return -1;
    }
    fate->outcome = WRITTEN;
    fate->file = weft_steal(&file);
    return 0;
}

static int take_result(struct collect *c, const struct weft_bench_pod *p,
                       struct weft_bench_result *r, struct fate *fate, struct weft_err **err)
{
    name_machine(p, &r->machine);
    if (p->node && weft_strv_has(&c->nodes, p->node)) {
        fate->outcome = PASSED_OVER;
        fate->why = weft_xstrdup("there is a later result of its node");
    } else if (write_result(c, r, fate, err) < 0) {
        fate->why = weft_xstrdup("its result could not be written");
        return -1;
    } else if (r->interrupted) {
        fate->why = weft_xstrdup("incomplete: it was interrupted");
    } else if (r->failed) {
        fate->why = weft_xstrdup("a kernel failed");
    } else if (p->trouble) {
        fate->why = weft_xstrdup(p->trouble);
    }
    if (p->attempt) {
        weft_strv_add(&c->attempts, p->attempt);
    }
    if (p->node && !r->interrupted) { /* an earlier one may be whole: compare takes from both */
        weft_strv_add(&c->nodes, p->node);
    }
    return 0;
}

static int collect_pod(struct collect *c, size_t i, struct weft_err **err)
{
    const struct weft_bench_pod *p = &c->pods.v[i];
    struct fate *fate = &c->fates[i];
    struct weft_bench_result r = {0};
    int rc;

    if (!p->ended) {
        fate->why = weft_xstrdup(p->trouble);
        return 0;
    }
    rc = read_result(c, p, fate, &r, err);
    if (rc > 0) {
        rc = take_result(c, p, &r, fate, err);
    }
    weft_bench_result_finish(&r);
    return rc;
}

/* A pod of a job that came to nothing is made up for by the one that was started in its place. One
 * that was not looked at has no `why`. */
static void forgive(struct collect *c)
{
    for (size_t i = 0; i < c->pods.n; i++) {
        struct fate *fate = &c->fates[i];
        const char *attempt = c->pods.v[i].attempt;

        if (fate->outcome == MISSING && fate->why && attempt &&
            weft_strv_has(&c->attempts, attempt)) {
            weft_auto_free char *why = weft_steal(&fate->why);

            fate->outcome = PASSED_OVER;
            fate->why = weft_fmt("another pod did its work; %s", why);
            weft_strv_finish(&fate->last);
        }
    }
}

/* --- what became of them --- */

static void print_json(const struct collect *c, FILE *out)
{
    weft_auto_json j = weft_json_object();
    struct weft_json *pods = weft_json_array();
    weft_auto_free char *text = NULL;

    weft_json_set_int(j, "schema", 1);
    for (size_t i = 0; i < c->pods.n; i++) {
        const struct weft_bench_pod *p = &c->pods.v[i];
        const struct fate *fate = &c->fates[i];
        struct weft_json *pod = weft_json_object();
        struct weft_json *last = weft_json_array();

        weft_json_set_str(pod, "pod", p->name);
        weft_json_set_str(pod, "namespace", p->namespace);
        weft_json_set_str(pod, "node", p->node);
        weft_json_set_str(pod, "instance_type", p->instance_type);
        weft_json_set_str(pod, "pool", p->pool);
        weft_json_set_str(pod, "outcome", outcome_names[fate->outcome]);
        weft_json_set_str(pod, "file", fate->file);
        weft_json_set_str(pod, "why", fate->why);
        for (size_t k = 0; k < fate->last.n; k++) {
            weft_json_append_str(last, fate->last.v[k]);
        }
        weft_json_set(pod, "log", last);
        weft_json_append(pods, pod);
    }
    weft_json_set(j, "pods", pods);
    text = weft_json_dump(j, 2);
    fprintf(out, "%s\n", text);
}

static void print_text(const struct collect *c, FILE *out)
{
    int pod_width = (int)strlen("POD");
    int node_width = (int)strlen("NODE");

    for (size_t i = 0; i < c->pods.n; i++) {
        int pod = (int)strlen(c->pods.v[i].name);
        int node = c->pods.v[i].node ? (int)strlen(c->pods.v[i].node) : 1;

        pod_width = pod > pod_width ? pod : pod_width;
        node_width = node > node_width ? node : node_width;
    }
    fprintf(out, "%-*s  %-*s  RESULT\n", pod_width, "POD", node_width, "NODE");
    for (size_t i = 0; i < c->pods.n; i++) {
        const struct weft_bench_pod *p = &c->pods.v[i];
        const struct fate *fate = &c->fates[i];
        weft_auto_free char *file = weft_printable(fate->file ? fate->file : "");

        fprintf(out, "%-*s  %-*s  ", pod_width, p->name, node_width, p->node ? p->node : "-");
        if (!fate->file) {
            fprintf(out, "%s: %s\n", outcome_names[fate->outcome],
                    fate->why ? fate->why : "it was not looked at");
        } else {
            fprintf(out, "%s%s%s%s\n", file, fate->why ? " (" : "", fate->why ? fate->why : "",
                    fate->why ? ")" : "");
        }
        for (size_t k = 0; k < fate->last.n; k++) {
            fprintf(out, "  log: %s\n", fate->last.v[k]);
        }
    }
}

static int verdict(struct collect *c, struct weft_err **err)
{
    size_t missing = 0;

    for (size_t i = 0; i < c->pods.n; i++) {
        missing += c->fates[i].outcome == MISSING;
    }
    if (c->stopped) {
        if (err) {
            *err = weft_steal(&c->stopped);
        }
        return -1;
    }
    return missing == 0 ? 0
                        : weft_fail(err, WEFT_E_BUILD, "%zu of %zu pods without a result", missing,
                                    c->pods.n);
}

static int collect(struct collect *c, FILE *out, struct weft_err **err)
{
    c->kubectl = weft_kubectl_open(c->opts.context, c->opts.namespace, err);
    if (!c->kubectl || find_pods(c, err) < 0 || find_nodes(c, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < c->pods.n; i++) {
        if (collect_pod(c, c->order[i], &c->stopped) < 0) {
            break;
        }
    }
    forgive(c);
    if (c->opts.json) {
        print_json(c, out);
    } else {
        print_text(c, out);
    }
    return verdict(c, err);
}

int weft_bench_collect(int argc, char **argv, FILE *out, struct weft_err **err)
{
    struct collect c = {0};
    weft_auto_strv args = {0};
    int rc = weft_flags_parse(flags, N_FLAGS, argc, argv, &c.opts, &args, err);

    if (rc == 0 && c.opts.help) {
        print_help(out);
    } else if (rc == 0 && args.n > 0) {
        rc = weft_fail(err, WEFT_E_USAGE, "bench collect takes no arguments");
    } else if (rc == 0) {
        rc = collect(&c, out, err);
    }
    collect_finish(&c);
    return rc;
}
