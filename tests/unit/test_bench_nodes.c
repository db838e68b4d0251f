/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/cleanup.h"
#include "bench/nodes.h"
#include "bench/prices.h"
#include "tests/helpers.h"
#include "tests/unit/bench_fixture.h"

/* --- nodes --- */

static struct weft_bench_result result(const char *node, const char *cpu, time_t started,
                                       const char *model, double ns)
{
    struct weft_bench_result r = bench_result(node, NULL, cpu);

    r.started = started;
    bench_target(&r, "linux/arm64", model, 100, ns, 0, 10);
    return r;
}

static void assert_names(const struct weft_nodes *nodes, const char *wanted)
{
    weft_auto_strv names = {0};
    weft_auto_free char *got = NULL;

    for (size_t i = 0; i < nodes->n; i++) {
        weft_strv_add(&names, nodes->v[i].name);
    }
    got = weft_strv_join(&names, "|");
    assert_string_equal(got, wanted);
}

static void assert_notes(const struct weft_nodes *nodes, const char *wanted)
{
    weft_auto_free char *got = weft_strv_join(&nodes->notes, "|");

    assert_string_equal(got, wanted);
}

/* What a name and a pool are taken from, and that they are fit for a terminal. */
static void test_names(void **state)
{
    struct weft_nodes nodes = {0};
    struct weft_bench_result r = result("n1", "A", 1, "max", 10);

    (void)state;
    r.machine.pool = weft_xstrdup("p\033");
    r.machine.instance_type = weft_xstrdup("m6g.large");
    weft_nodes_add(&nodes, "x/one.json", &r);
    assert_null(r.targets);
    r = result(NULL, "A", 2, "max", 10);
    r.machine.instance_type = weft_xstrdup("m7g.large");
    weft_nodes_add(&nodes, "x/two.json", &r);
    r = result(NULL, "A CPU", 3, "max", 10);
    weft_nodes_add(&nodes, "x/thr\nee.json", &r);
    r = result(NULL, NULL, 4, "max", 10);
    weft_nodes_add(&nodes, "-", &r);
    /* an empty name is none */
    for (time_t i = 5; i <= 6; i++) {
        r = result("", "A", i, "max", 10);
        r.machine.pool = weft_xstrdup("");
        r.machine.instance_type = weft_xstrdup("");
        weft_nodes_add(&nodes, i == 5 ? "x/five.json" : "x/six.json", &r);
    }
    weft_nodes_settle(&nodes);
    assert_names(&nodes, "n1|m7g.large|thr\\x0aee|-|five|six");
    assert_string_equal(nodes.v[4].pool, "A");
    assert_string_equal(nodes.v[0].pool, "p\\x1b");
    assert_string_equal(nodes.v[1].pool, "m7g.large");
    assert_string_equal(nodes.v[2].pool, "A CPU");
    assert_string_equal(nodes.v[3].pool, "unknown");
    assert_notes(&nodes, "");
    weft_nodes_finish(&nodes);
}

static void test_same_names(void **state)
{
    struct weft_nodes nodes = {0};
    struct weft_bench_result r;
    static const char *const files[] = {"a/x.json", "b/x.json", "b/x", "b/y.json", "c/y.json"};

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        r = result(NULL, "A", (time_t)i, "max", 10);
        r.machine.instance_type = i >= 2 ? weft_xstrdup("t1") : NULL;
        weft_nodes_add(&nodes, files[i], &r);
    }
    /* clusters may have nodes of the same name */
    r = result("n", "A", 1, "max", 10);
    weft_nodes_add(&nodes, "n1.json", &r);
    r = result("n", "B", 2, "max", 10);
    weft_nodes_add(&nodes, "n2.json", &r);
    weft_nodes_settle(&nodes);
    assert_names(&nodes, "x (a/x.json)|x (b/x.json)|t1 (x)|t1 (y) (b/y.json)|t1 (y) (c/y.json)|"
                         "n (A)|n (B)");
    assert_notes(&nodes, "");
    weft_nodes_finish(&nodes);
}

static const char *model_of(const struct weft_nodes *nodes, size_t target, double *ratio)
{
    *ratio = nodes->v[0].result->targets[target].mean.ratio;
    return nodes->v[0].result->targets[target].model;
}

/* Results of one node: the newest of each target, whatever order they come in. */
static void test_merge(void **state)
{
    static const int orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 2, 0}};

    (void)state;
    for (size_t i = 0; i < COUNT(orders); i++) {
        struct weft_nodes nodes = {0};
        double ratio;

        for (size_t k = 0; k < 3; k++) {
            int which = orders[i][k];
            struct weft_bench_result r = result(
                "n", "A", 100 + which, which == 1 ? "cortex-a53" : "max", 1000 * (which + 1));

            if (which == 2) {
                free(r.weft);
                r.weft = weft_xstrdup("2.0");
            }
            weft_nodes_add(&nodes, "file.json", &r);
        }
        weft_nodes_settle(&nodes);
        assert_names(&nodes, "n");
        assert_notes(&nodes, "there are several results of n: the newest count");
        assert_string_equal(nodes.v[0].result->weft, "2.0");
        assert_int_equal(nodes.v[0].result->n, 2);
        assert_string_equal(model_of(&nodes, 0, &ratio), "max");
        assert_true(ratio > 29.9 && ratio < 30.1);
        assert_string_equal(model_of(&nodes, 1, &ratio), "cortex-a53");
        assert_true(ratio > 19.9 && ratio < 20.1);
        weft_nodes_finish(&nodes);
    }
}

/* A run of few kernels does not hide one of all of them; one that shows a failure does. */
static void test_merge_weak(void **state)
{
    (void)state;
    for (int failed = 0; failed < 2; failed++) {
        struct weft_nodes nodes = {0};
        struct weft_bench_result r = result("n", "A", 1, "max", 1000);
        double ratio;

        weft_nodes_add(&nodes, "1.json", &r);
        r = result("n", "A", 2, "max", 2000);
        if (failed) {
            bench_fail(&r.targets[0], "calls", "a wrong result");
        } else {
            bench_drop(&r.targets[0], "calls");
        }
        weft_nodes_add(&nodes, "2.json", &r);
        weft_nodes_settle(&nodes);
        assert_int_equal(nodes.n, 1);
        assert_int_equal(nodes.v[0].result->n, 1);
        (void)model_of(&nodes, 0, &ratio);
        assert_true(failed ? ratio > 19 : ratio < 11);
        weft_nodes_finish(&nodes);
    }
}

static void test_copies(void **state)
{
    struct weft_nodes nodes = {0};
    struct weft_bench_result r;

    (void)state;
    for (int i = 0; i < 3; i++) {
        r = result(NULL, "A", 7, "max", i < 2 ? 1000 : 1001);
        weft_nodes_add(&nodes, i == 0 ? "a.json" : i == 1 ? "b.json" : "c.json", &r);
    }
    weft_nodes_settle(&nodes);
    assert_names(&nodes, "a|c");
    assert_notes(&nodes, "b.json is the same result as a.json");
    weft_nodes_finish(&nodes);
}

/* --- prices --- */

static void test_price(void **state)
{
    static const struct {
        const char *text;
        const char *name; /* NULL: an error */
        double price;
    } cases[] = {
        {"a=1", "a", 1},        {"a=b=0.5", "a=b", 0.5}, {" AMD EPYC = .25 ", "AMD EPYC", 0.25},
        {"a", NULL, 0},         {"", NULL, 0},           {"=1", NULL, 0},
        {"a=", NULL, 0},        {"a=0", NULL, 0},        {"a=0.0", NULL, 0},
        {"a=-1", NULL, 0},      {"a=1e3", NULL, 0},      {"a=inf", NULL, 0},
        {"a=nan", NULL, 0},     {"a=0x10", NULL, 0},     {"a=1.2.3", NULL, 0},
        {"a=1000001", NULL, 0}, {"a=$1", NULL, 0},       {"a=1,5", NULL, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct weft_prices prices = {0};
        struct weft_err *err = NULL;
        int rc = weft_prices_add(&prices, cases[i].text, &err);

        if ((rc == 0) != (cases[i].name != NULL)) {
            fail_msg("\"%s\" gives %d", cases[i].text, rc);
        }
        if (rc == 0) {
            assert_int_equal(prices.n, 1);
            assert_string_equal(prices.v[0].name, cases[i].name);
            assert_true(prices.v[0].price >= cases[i].price && prices.v[0].price <= cases[i].price);
        } else {
            assert_int_equal(err->code, WEFT_E_USAGE);
        }
        weft_err_free(err);
        weft_prices_finish(&prices);
    }
}

static void test_price_list(void **state)
{
    static const char text[] = "\xef\xbb\xbf"
                               "# per hour\r\n"
                               "Name,Price\r\n"
                               "\n"
                               "m6g.large, 0.077\r\n"
                               "\"a, b\",2\n"
                               "  # not this one,3\n"
                               "last,4";
    static const struct {
        const char *text;
        const char *error;
    } bad[] = {
        {"", "p.csv has no prices"},
        {"# nothing\n\n", "p.csv has no prices"},
        {"name,price\n", "p.csv has no prices"},
        {"a,1\nb\n", "p.csv, line 2: there are 1 fields"},
        {"a,1,2\n", "p.csv, line 1: there are 3 fields"},
        {"\na,1\n\na,2\n", "p.csv, line 4: a has a price already"},
        {"a,1\nb,x\n", "p.csv, line 2: \"x\" is no price"},
        {"a,1\nb,-1\n", "p.csv, line 2: \"-1\" is no price"},
        {",1\n", "p.csv, line 1: the price 1 is of nothing"},
        {"a,1\n\"b,2\n", "p.csv, line 2: "},
    };
    struct weft_prices prices = {0};

    (void)state;
    assert_int_equal(weft_prices_read(&prices, text, strlen(text), "p.csv", NULL), 0);
    assert_int_equal(prices.n, 3);
    assert_string_equal(prices.v[0].name, "m6g.large");
    assert_true(prices.v[0].price > 0.0769 && prices.v[0].price < 0.0771);
    assert_string_equal(prices.v[1].name, "a, b");
    assert_string_equal(prices.v[2].name, "last");
    weft_prices_finish(&prices);
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct weft_err *err = NULL;

        assert_int_equal(weft_prices_read(&prices, bad[i].text, strlen(bad[i].text), "p.csv", &err),
                         -1);
        assert_int_equal(err->code, WEFT_E_USAGE);
        if (!weft_starts_with(err->msg, bad[i].error)) {
            fail_msg("%s, not %s", err->msg, bad[i].error);
        }
        weft_err_free(err);
        weft_prices_finish(&prices);
    }
    assert_int_equal(weft_prices_read(&prices, "a,1\0b", 5, "p.csv", NULL), -1);
}

/* Nodes n1 (pool p, type t), n2 (pool p, type t), n3 (type t), n4. */
static void make_nodes(struct weft_nodes *nodes)
{
    static const char *const names[] = {"n1", "n2", "n3", "n4"};

    for (size_t i = 0; i < 4; i++) {
        struct weft_bench_result r = result(names[i], "A", (time_t)i, "max", 1000);

        r.machine.pool = i < 2 ? weft_xstrdup("p") : NULL;
        r.machine.instance_type = i < 3 ? weft_xstrdup("t") : NULL;
        weft_nodes_add(nodes, names[i], &r);
    }
    weft_nodes_settle(nodes);
}

static void assert_prices(const char *list, const char *flags, const char *wanted,
                          const char *notes)
{
    struct weft_nodes nodes = {0};
    struct weft_prices prices = {0};
    weft_auto_strv words = {0};
    weft_auto_strv got = {0};
    weft_auto_free char *text = NULL;
    weft_auto_err err = NULL;

    make_nodes(&nodes);
    if (*list) {
        assert_int_equal(weft_prices_read(&prices, list, strlen(list), "list", NULL), 0);
    }
    weft_split(flags, ' ', &words);
    for (size_t i = 0; *flags && i < words.n; i++) {
        assert_int_equal(weft_prices_add(&prices, words.v[i], NULL), 0);
    }
    if (weft_nodes_set_prices(&nodes, &prices, &err) < 0) {
        assert_int_equal(err->code, WEFT_E_USAGE);
        text = weft_xstrdup(err->msg);
    } else {
        for (size_t i = 0; i < nodes.n; i++) {
            weft_strv_addf(&got, "%g", nodes.v[i].price);
        }
        text = weft_strv_join(&got, " ");
        assert_notes(&nodes, notes);
    }
    assert_string_equal(text, wanted);
    weft_nodes_finish(&nodes);
    weft_prices_finish(&prices);
}

static void test_set_prices(void **state)
{
    (void)state;
    assert_prices("", "", "0 0 0 0", "");
    assert_prices("", "t=1 p=2 n2=3 A=4", "2 3 1 4", "");
    assert_prices("", "n2=3 p=2 t=1", "2 3 1 0", "there is no price of n4");
    assert_prices("", "p=2 p=5", "5 5 0 0", "there is no price of n3 and n4");
    assert_prices("p,2\nt,1\nn4,9\n", "p=3", "3 3 1 9", "");
    assert_prices("A,2\nn1,1\nother,9\n", "p=1", "1 1 0 2",
                  "of the prices, those of other are of no node here|there is no price of n3");
    assert_prices("", "p=1 n22=3",
                  "no node, pool or instance type is called \"n22\"; did you mean "
                  "\"n2\"?",
                  "");
    assert_prices("", "whatever=3", "no node, pool or instance type is called \"whatever\"", "");
    assert_prices("n11,1\nother,1\n", "p=1",
                  "no node, pool or instance type is called \"n11\"; did you mean \"n1\"?", "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),      cmocka_unit_test(test_same_names),
        cmocka_unit_test(test_merge),      cmocka_unit_test(test_merge_weak),
        cmocka_unit_test(test_copies),     cmocka_unit_test(test_price),
        cmocka_unit_test(test_price_list), cmocka_unit_test(test_set_prices),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
