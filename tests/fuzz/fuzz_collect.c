/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "bench/result_log.h"
#include "engine/bench_pods.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The result that is found in a log can be written, and found again in what was written. */
static void check_found(const struct weft_bench_result *r)
{
    weft_auto_json j = weft_bench_result_json(r);
    weft_auto_free char *text = weft_json_dump(j, 2);
    struct weft_result_log log = {0};
    struct weft_bench_result again = {0};
    weft_auto_err err = NULL;

    for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        weft_result_log_line(&log, line, strcspn(line, "\n"));
    }
    if (weft_result_log_end(&log, &again, &err) < 0) {
        assert(!"it is found again");
    }
    assert(weft_str_eq(r->machine.node, again.machine.node) && r->n == again.n);
    assert(log.n_other == 0);
    weft_bench_result_finish(&again);
    weft_result_log_finish(&log);
}

static void check_log(const char *text, size_t size)
{
    struct weft_result_log log = {0};
    struct weft_bench_result r = {0};
    weft_auto_strv others = {0};
    weft_auto_err err = NULL;

    for (size_t at = 0; at < size;) {
        const char *end = memchr(text + at, '\n', size - at);
        size_t len = end ? (size_t)(end - (text + at)) : size - at;

        weft_result_log_line(&log, text + at, len);
        at += len + 1;
    }
    weft_result_log_others(&log, &others);
    assert(others.n <= WEFT_RESULT_LOG_LAST);
    for (size_t i = 0; i < others.n; i++) {
        assert(*others.v[i] && !strpbrk(others.v[i], "\n\r\033"));
    }
    if (weft_result_log_end(&log, &r, &err) == 0) {
        assert(!err);
        check_found(&r);
    } else {
        assert(err->code == WEFT_E_FORMAT && r.n == 0);
    }
    weft_bench_result_finish(&r);
    weft_result_log_finish(&log);
}

/* A pod's names are arguments of kubectl, a node's labels become a file's name. */
static void check_pods(const char *text, size_t size)
{
    weft_auto_json j = weft_json_parse(text, size, NULL);
    struct weft_bench_pods pods = {0};
    weft_auto_err err = NULL;

    if (weft_bench_pods_parse(j, &pods, &err) < 0) {
        assert(err->code == WEFT_E_FORMAT);
    }
    weft_bench_pods_label(&pods, j, NULL);
    for (size_t i = 0; i < pods.n; i++) {
        const struct weft_bench_pod *p = &pods.v[i];
        weft_auto_free char *file = weft_bench_pod_file(p->node, p->instance_type, p->pool);

        assert(*p->name && *p->name != '-' && *p->namespace != '-' && *p->container != '-');
        assert(!strpbrk(p->name, "/ \n") && (!p->node || !strpbrk(p->node, "/ \n")));
        assert(p->ended || p->trouble);
        assert(*file != '.' && !strchr(file, '/') && strlen(file) <= 255);
    }
    weft_bench_pods_finish(&pods);
}

/* The whole as a pod's log, and as what kubectl prints of pods and nodes. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_log((const char *)data, size);
    check_pods((const char *)data, size);
    return 0;
}
