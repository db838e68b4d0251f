/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/helpers.h"

#include "base/cleanup.h"
#include "base/json.h"
#include "engine/bench_pods.h"

#define POD(status)                                                                                \
    "{\"items\": [{\"metadata\": {\"name\": \"p-0\", \"namespace\": \"ci\", \"labels\": {"         \
    "\"batch.kubernetes.io/job-name\": \"j\", \"batch.kubernetes.io/job-completion-index\": \"3\"" \
    "}}, \"spec\": {\"nodeName\": \"n1.example\", \"containers\": [{\"name\": \"sidecar\"}, "      \
    "{\"name\": \"bench\"}]}, \"status\": " status "}]}"

#define STATE(state)                                                                \
    POD("{\"phase\": \"Running\", \"containerStatuses\": [{\"name\": \"sidecar\", " \
        "\"state\": {\"running\": {}}}, {\"name\": \"bench\", \"state\": " state "}]}")

static int parse(const char *text, struct weft_bench_pods *pods, struct weft_err **err)
{
    struct weft_json *j = weft_json_parse(text, strlen(text), err);
    int rc = 0;

    if (!j) {
        fail_msg("%s", text);
    }
    rc = weft_bench_pods_parse(j, pods, err);
    weft_json_free(j);
    return rc;
}

static void test_states(void **state)
{
    static const struct {
        const char *text;
        const char *trouble;
        bool ended;
        time_t ended_at;
    } cases[] = {
        {STATE("{\"terminated\": {\"exitCode\": 0, \"reason\": \"Completed\", \"finishedAt\": "
               "\"2026-11-24T00:00:01Z\"}}"),
         NULL, true, 1795478401},
        {STATE("{\"terminated\": {\"exitCode\": 137, \"reason\": \"OOMKilled\"}}"),
         "it ended with exit code 137 (OOMKilled)", true, 0},
        {STATE("{\"terminated\": {\"exitCode\": 2, \"finishedAt\": \"yesterday\"}}"),
         "it ended with exit code 2", true, 0},
        {STATE("{\"running\": {\"startedAt\": \"2026-11-24T00:00:01Z\"}}"), "it is still running",
         false, 0},
        {STATE("{\"waiting\": {\"reason\": \"ImagePullBackOff\", \"message\": \"no \\u001bsuch "
               "image\"}}"),
         "it has not started: ImagePullBackOff: no \\x1bsuch image", false, 0},
        {STATE("{}"), "it has not started", false, 0},
        {POD("{\"phase\": \"Pending\", \"conditions\": [{\"type\": \"PodScheduled\", \"status\": "
             "\"False\", \"reason\": \"Unschedulable\", \"message\": \"0/1 nodes\"}]}"),
         "it has not started: Unschedulable: 0/1 nodes", false, 0},
        {POD("{\"phase\": \"Failed\", \"reason\": \"Evicted\", \"message\": \"low on memory\"}"),
         "it failed: Evicted: low on memory", false, 0},
        {POD("{}"), "it has not started", false, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct weft_bench_pods pods = {0};
        weft_auto_err err = NULL;

        assert_int_equal(parse(cases[i].text, &pods, &err), 0);
        assert_int_equal(pods.n, 1);
        assert_string_equal(pods.v[0].name, "p-0");
        assert_string_equal(pods.v[0].namespace, "ci");
        assert_string_equal(pods.v[0].node, "n1.example");
        assert_string_equal(pods.v[0].container, "bench");
        assert_string_equal(pods.v[0].attempt, "j/3");
        assert_int_equal(pods.v[0].ended, cases[i].ended);
        assert_int_equal(pods.v[0].ended_at, cases[i].ended_at);
        if (cases[i].trouble) {
            assert_string_equal(pods.v[0].trouble, cases[i].trouble);
        } else {
            assert_null(pods.v[0].trouble);
        }
        weft_bench_pods_finish(&pods);
    }
}

/* A pod that some other job or nobody made, and that has no node. */
static void test_plain_pod(void **state)
{
    struct weft_bench_pods pods = {0};
    weft_auto_err err = NULL;

    (void)state;
    assert_int_equal(parse("{\"items\": []}", &pods, &err), 0);
    assert_int_equal(parse("{\"items\": [{\"metadata\": {\"name\": \"p\", \"namespace\": \"d\"}, "
                           "\"spec\": {\"containers\": [{\"name\": \"a\"}, {\"name\": \"b\"}]}}]}",
                           &pods, &err),
                     0);
    assert_int_equal(pods.n, 1);
    assert_string_equal(pods.v[0].container, "a");
    assert_null(pods.v[0].node);
    assert_null(pods.v[0].attempt);
    weft_bench_pods_finish(&pods);
}

/* Names become arguments of kubectl. */
static void test_hostile(void **state)
{
    static const char *const texts[] = {
        "[]",
        "{\"items\": 1}",
        "{\"items\": [1]}",
        "{\"items\": [{\"metadata\": {\"name\": \"--kubeconfig=x\", \"namespace\": \"d\"}}]}",
        "{\"items\": [{\"metadata\": {\"name\": \"a/../b\", \"namespace\": \"d\"}}]}",
        "{\"items\": [{\"metadata\": {\"name\": \"\", \"namespace\": \"d\"}}]}",
        "{\"items\": [{\"metadata\": {\"name\": \"p\"}}]}",
        "{\"items\": [{\"metadata\": {\"name\": \"p\", \"namespace\": \"d\"}}]}",
        "{\"items\": [{\"metadata\": {\"name\": \"p\", \"namespace\": \"d\"}, \"spec\": "
        "{\"nodeName\": \"a b\", \"containers\": [{\"name\": \"a\"}]}}]}",
        "{\"items\": [{\"metadata\": {\"name\": \"p\", \"namespace\": \"d\"}, \"spec\": "
        "{\"containers\": [{\"name\": \"-a\"}]}}]}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct weft_bench_pods pods = {0};
        weft_auto_err err = NULL;

        assert_int_equal(parse(texts[i], &pods, &err), -1);
        assert_int_equal(err->code, WEFT_E_FORMAT);
        weft_bench_pods_finish(&pods);
    }
}

static void test_labels(void **state)
{
    static const struct {
        const char *labels; /* of the node */
        const char *asked;
        const char *instance_type, *pool;
    } cases[] = {
        {"", NULL, NULL, NULL},
        {"\"node.kubernetes.io/instance-type\": \"c7a.large\", "
         "\"beta.kubernetes.io/instance-type\": "
         "\"old\", \"eks.amazonaws.com/nodegroup\": \"c7a\"",
         NULL, "c7a.large", "c7a"},
        {"\"beta.kubernetes.io/instance-type\": \"old\", \"cloud.google.com/gke-nodepool\": \"g\"",
         NULL, "old", "g"},
        {"\"agentpool\": \"a\", \"kubernetes.azure.com/agentpool\": \"\"", NULL, NULL, "a"},
        {"\"karpenter.sh/nodepool\": \"k\"", NULL, NULL, "k"},
        {"\"doks.digitalocean.com/node-pool\": \"d\"", NULL, NULL, "d"},
        {"\"agentpool\": \"a\", \"example.com/pool\": \"mine\"", "example.com/pool", NULL, "mine"},
        {"\"agentpool\": \"a\"", "example.com/pool", NULL, NULL},
        {"\"agentpool\": \"a\\n\\u001b[1m\"", NULL, NULL, "a\\x0a\\x1b[1m"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (int in_list = 0; in_list < 2; in_list++) {
            struct weft_bench_pods pods = {0};
            weft_auto_err err = NULL;
            weft_auto_free char *node =
                weft_fmt("%s{\"metadata\": {\"name\": \"n1.example\", \"labels\": {%s}}}%s",
                         in_list ? "{\"items\": [{\"metadata\": {\"name\": \"other\"}}, " : "",
                         cases[i].labels, in_list ? "]}" : "");
            weft_auto_json j = weft_json_parse(node, strlen(node), NULL);

            assert_non_null(j);
            assert_int_equal(parse(POD("{}"), &pods, &err), 0);
            weft_bench_pods_label(&pods, j, cases[i].asked);
            assert_true(weft_str_eq(pods.v[0].instance_type, cases[i].instance_type));
            assert_true(weft_str_eq(pods.v[0].pool, cases[i].pool));
            weft_bench_pods_finish(&pods);
        }
    }
}

static void test_files(void **state)
{
    static const struct {
        const char *node, *type, *pool, *file;
    } cases[] = {
        {"ip-10-0-0-1.internal", "c7a.large", "c7a", "ip-10-0-0-1.internal_c7a.large_c7a.json"},
        {"n1", NULL, NULL, "n1.json"},
        {"n1", NULL, "p", "n1_p.json"},
        {"n1", "", "p", "n1_p.json"},
        {NULL, NULL, NULL, "node.json"},
        {NULL, "t", NULL, "t.json"},
        {"../../etc/passwd", NULL, NULL, "-.-..-etc-passwd.json"},
        {"n1", "..", "/", "n1_.._-.json"},
        {"a\\x0Ab", NULL, NULL, "a-x0Ab.json"},
    };
    char longest[1024];
    weft_auto_free char *cut = NULL;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_auto_free char *file =
            weft_bench_pod_file(cases[i].node, cases[i].type, cases[i].pool);

        assert_string_equal(file, cases[i].file);
    }
    memset(longest, 'x', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    cut = weft_bench_pod_file(longest, longest, longest);
    assert_true(strlen(cut) <= 255);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),  cmocka_unit_test(test_plain_pod),
        cmocka_unit_test(test_hostile), cmocka_unit_test(test_labels),
        cmocka_unit_test(test_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
