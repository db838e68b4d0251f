/* SPDX-License-Identifier: Apache-2.0 */
/* Names of layers, put together as an extractor and overlayfs would. */
#include "config.h"

#include "base/cleanup.h"
#include "base/intern.h"
#include "engine/audit_tree.h"
#include "tests/helpers.h"

struct world {
    struct weft_intern *names;
    struct weft_tree *tree;
};

static int setup(void **state)
{
    struct world *w = weft_xcalloc(1, sizeof(*w));

    w->names = weft_intern_create(1 << 20);
    w->tree = weft_tree_create(w->names);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    weft_tree_destroy(w->tree);
    weft_intern_destroy(w->names);
    free(w);
    return 0;
}

/* Put an entry: "dir/", "link -> target", or a file. */
static uint32_t put(struct world *w, const char *text, unsigned int layer)
{
    weft_auto_free char *path = weft_xstrdup(text);
    char *arrow = strstr(path, " -> ");
    enum weft_tree_kind kind = arrow                       ? WEFT_TREE_LINK
                               : weft_ends_with(path, "/") ? WEFT_TREE_DIR
                                                           : WEFT_TREE_FILE;
    const char *why;
    uint32_t node;

    if (arrow) {
        *arrow = '\0';
    }
    node = weft_tree_put(w->tree, path, kind, layer, &why);
    if (arrow && node) {
        weft_tree_set(w->tree, node, weft_intern_add(w->names, arrow + 4, strlen(arrow + 4)), 0);
    }
    return node;
}

/* All paths, in the order of the alphabet, with a space between. */
static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *all(const struct world *w)
{
    weft_auto_strv paths = {0};

    for (uint32_t n = weft_tree_next(w->tree, WEFT_TREE_ROOT); n; n = weft_tree_next(w->tree, n)) {
        weft_auto_buf path = {0};

        weft_tree_path(w->tree, n, &path);
        weft_strv_addf(&paths, "%s%s", path.data,
                       weft_tree_kind(w->tree, n) == WEFT_TREE_DIR ? "/" : "");
    }
    if (paths.n > 0) {
        qsort(paths.v, paths.n, sizeof(*paths.v), by_text);
    }
    return weft_strv_join(&paths, " ");
}

static void assert_all(const struct world *w, const char *wanted)
{
    weft_auto_free char *got = all(w);

    assert_string_equal(got, wanted);
}

/* What is found at a path, as a path. */
static void assert_at(const struct world *w, const char *path, const char *wanted)
{
    uint32_t n = weft_tree_find(w->tree, WEFT_TREE_ROOT, path, true);
    weft_auto_buf got = {0};

    if (n) {
        weft_tree_path(w->tree, n, &got);
    }
    if (!weft_str_eq(n ? got.data : NULL, wanted)) {
        fail_msg("%s: %s, not %s", path, n ? got.data : "nothing", wanted ? wanted : "nothing");
    }
}

static void test_put(void **state)
{
    struct world *w = *state;

    assert_int_not_equal(put(w, "./usr/bin/tool", 0), 0);
    assert_int_not_equal(put(w, "/etc/", 0), 0);
    assert_int_not_equal(put(w, "etc/./conf", 0), 0);
    assert_int_equal(put(w, "./", 0), WEFT_TREE_ROOT);
    assert_all(w, "/etc/ /etc/conf /usr/ /usr/bin/ /usr/bin/tool");
    assert_at(w, "/usr/bin/../bin/./tool", "/usr/bin/tool");
    assert_at(w, "/../../etc/conf", "/etc/conf");
    assert_at(w, "/usr/bin/tool/x", NULL);
    assert_at(w, "/usr/nothing", NULL);
}

/* As containerd applies layers: what is behind a link of a lower layer goes where it leads. */
static void test_merged_usr(void **state)
{
    struct world *w = *state;

    put(w, "usr/lib/", 0);
    put(w, "lib -> usr/lib", 0);
    put(w, "lib64 -> /usr/lib64", 0);
    put(w, "lib/libc.so.6", 1);
    put(w, "lib64/ld.so", 1);
    assert_all(w, "/lib /lib64 /usr/ /usr/lib/ /usr/lib/libc.so.6 /usr/lib64/ /usr/lib64/ld.so");
    assert_at(w, "/lib/libc.so.6", "/usr/lib/libc.so.6");
    assert_at(w, "/lib64/ld.so", "/usr/lib64/ld.so");
    /* a directory in the place of the link is one */
    put(w, "lib/", 2);
    put(w, "lib/own", 2);
    assert_at(w, "/lib/own", "/lib/own");
    assert_at(w, "/lib/libc.so.6", NULL);
}

static void test_replace(void **state)
{
    struct world *w = *state;

    put(w, "a/b/c", 0);
    put(w, "a/", 1);
    assert_all(w, "/a/ /a/b/ /a/b/c");
    put(w, "a", 1);
    assert_all(w, "/a");
    put(w, "a/d", 2);
    assert_all(w, "/a/ /a/d");
}

static void test_whiteout(void **state)
{
    struct world *w = *state;

    put(w, "a/b/c", 0);
    put(w, "a/x", 0);
    put(w, "z -> a/x", 0);
    weft_tree_remove(w->tree, "a/b", false, 1);
    weft_tree_remove(w->tree, "nothing", false, 1);
    weft_tree_remove(w->tree, "z", false, 1);
    assert_all(w, "/a/ /a/x");
    /* of the same layer, in whichever order: it stays */
    put(w, "a/x", 2);
    weft_tree_remove(w->tree, "a/x", false, 2);
    assert_all(w, "/a/ /a/x");
    weft_tree_remove(w->tree, "../a", false, 3);
    assert_all(w, "/a/ /a/x");
    weft_tree_remove(w->tree, "a", false, 3);
    assert_all(w, "");
}

static void test_opaque(void **state)
{
    struct world *w = *state;

    put(w, "a/b/c/d", 0);
    put(w, "a/old", 0);
    put(w, "a/b/", 1);
    put(w, "a/b/new", 1);
    weft_tree_remove(w->tree, "a", true, 1);
    assert_all(w, "/a/ /a/b/ /a/b/new");
    weft_tree_remove(w->tree, "", true, 2);
    assert_all(w, "");
    /* nodes that were removed are used again */
    put(w, "q/r", 2);
    assert_all(w, "/q/ /q/r");
}

static void test_links(void **state)
{
    struct world *w = *state;
    const char *why;

    put(w, "circle -> circle", 0);
    put(w, "a -> b", 0);
    put(w, "b -> a", 0);
    put(w, "up -> ../../../../etc", 0);
    put(w, "gone -> nothing/here", 0);
    put(w, "etc/file", 0);
    put(w, "to -> etc/file", 0);
    assert_at(w, "/circle", NULL);
    assert_at(w, "/a/x", NULL);
    assert_at(w, "/up/file", "/etc/file");
    assert_at(w, "/gone", NULL);
    assert_at(w, "/to", "/etc/file");
    assert_int_equal(weft_tree_kind(w->tree, weft_tree_find(w->tree, WEFT_TREE_ROOT, "to", false)),
                     WEFT_TREE_LINK);
    assert_int_equal(weft_tree_put(w->tree, "circle/x", WEFT_TREE_FILE, 1, &why), 0);
    assert_non_null(why);
    assert_int_equal(weft_tree_put(w->tree, "../x", WEFT_TREE_FILE, 1, &why), 0);
    assert_non_null(why);
    assert_int_equal(weft_tree_put(w->tree, "a/../../x", WEFT_TREE_FILE, 1, &why), 0);
    assert_int_not_equal(weft_tree_put(w->tree, "gone/x", WEFT_TREE_FILE, 1, &why), 0);
    assert_at(w, "/gone/x", "/nothing/here/x");
}

/* A path that is longer than any of the kernel: links make them. */
static void test_deep(void **state)
{
    struct world *w = *state;
    weft_auto_buf path = {0};
    weft_auto_buf got = {0};
    uint32_t n;

    for (int i = 0; i < 2000; i++) {
        weft_buf_puts(&path, "d/");
    }
    put(w, path.data, 0);
    weft_buf_consume(&path, 1);
    weft_buf_puts(&path, "e");
    for (int i = 0; i < 5; i++) {
        weft_auto_free char *link = weft_fmt("l%d -> %s%s", i, i ? "" : "d", i ? "" : path.data);
        weft_auto_free char *below = NULL;

        if (i == 0) {
            put(w, link, 0);
        }
        below = weft_fmt("l0%s", path.data);
        put(w, below, 0);
    }
    n = weft_tree_find(w->tree, WEFT_TREE_ROOT, "l0", true);
    assert_int_not_equal(n, 0);
    while (weft_tree_first(w->tree, n)) {
        n = weft_tree_first(w->tree, n);
    }
    weft_tree_path(w->tree, n, &got);
    assert_true(got.len > 4096);
    weft_tree_remove(w->tree, "d", false, 1);
    assert_at(w, "/d", NULL);
}

static void test_full(void **state)
{
    struct world *w = *state;
    uint32_t n = 1;
    int i;

    /* by the bytes of names */
    for (i = 0; n && i < 1 << 20; i++) {
        weft_auto_free char *name = weft_fmt("name-%d", i);

        n = put(w, name, 0);
    }
    assert_int_equal(n, 0);
    assert_true(weft_tree_is_full(w->tree));
    assert_true(i > 50000);
}

static void test_intern(void **state)
{
    struct world *w = *state;
    uint32_t a = weft_intern_add(w->names, "abc", 3);

    assert_int_equal(weft_intern_add(w->names, "abcd", 3), a);
    assert_int_equal(weft_intern_find(w->names, "abc", 3), a);
    assert_int_equal(weft_intern_find(w->names, "ab", 2), 0);
    assert_int_equal(weft_intern_find(w->names, "abcd", 4), 0);
    assert_string_equal(weft_intern_text(w->names, a), "abc");
    assert_int_equal(weft_intern_count(w->names), 1);
    for (int i = 0; i < 5000; i++) {
        weft_auto_free char *s = weft_fmt("%d", i);
        uint32_t id = weft_intern_add(w->names, s, strlen(s));

        assert_string_equal(weft_intern_text(w->names, id), s);
    }
    for (int i = 0; i < 5000; i++) {
        weft_auto_free char *s = weft_fmt("%d", i);

        assert_int_equal(weft_intern_find(w->names, s, strlen(s)), i + 2);
    }
}

#define tree_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        tree_test(test_put),      tree_test(test_merged_usr), tree_test(test_replace),
        tree_test(test_whiteout), tree_test(test_opaque),     tree_test(test_links),
        tree_test(test_deep),     tree_test(test_full),       tree_test(test_intern),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
