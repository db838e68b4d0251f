/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "binfmt/install.h"

#include <errno.h>
#include <fcntl.h>

#include "base/spawn.h"
#include "tests/helpers.h"

/* A directory in the place of the table: what is written to a file of it stays there. */
static void open_table(const char *dir, struct weft_binfmt_registry *r)
{
    static const char *const names[] = {"status", "register", "old"};

    for (size_t i = 0; i < COUNT(names); i++) {
        char *path = weft_path_join(dir, names[i]);

        put_file(path, "", 0);
        free(path);
    }
    r->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(r->dir_fd >= 0);
}

static void assert_written(const char *dir, const char *name, const char *text)
{
    char *path = weft_path_join(dir, name);

    assert_file(path, text, strlen(text));
    free(path);
}

static void set(struct weft_action *a, const char *file, const char *text)
{
    a->file = weft_xstrdup(file);
    a->text = weft_xstrdup(text);
}

static struct weft_action_pair *add(struct weft_actions *a)
{
    a->v = weft_xrealloc(a->v, a->n + 1, sizeof(*a->v));
    a->v[a->n] = (struct weft_action_pair){0};
    return &a->v[a->n++];
}

static void test_do(void **state)
{
    const char *dir = *state;
    struct weft_binfmt_registry r = {.dir_fd = -1};
    struct weft_actions a = {0};
    struct weft_err *err = NULL;
    struct weft_action_pair *pair;

    open_table(dir, &r);
    pair = add(&a);
    set(&pair->act, "old", "-1");
    set(&pair->undo, "register", ":old:again");
    set(&add(&a)->act, "register", ":new:");
    assert_ok(weft_actions_do(&r, &a, &err), &err);
    assert_written(dir, "old", "-1");
    assert_written(dir, "register", ":new:");

    /* a file that is not there; then a program that fails: what was done before is undone */
    free(a.v[1].act.file);
    a.v[1].act.file = weft_xstrdup("nowhere");
    assert_int_equal(weft_actions_do(&r, &a, &err), -1);
    assert_err(&err, WEFT_E_IO, ENOENT, "nowhere: the kernel does not take it");
    assert_written(dir, "register", ":old:again");
    weft_strv_add(&a.v[1].act.argv, "/bin/sh");
    weft_strv_add(&a.v[1].act.argv, "-c");
    weft_strv_add(&a.v[1].act.argv, "echo too late; exit 3");
    free(a.v[0].undo.text);
    a.v[0].undo.text = weft_xstrdup(":old:a third time");
    assert_int_equal(weft_actions_do(&r, &a, &err), -1);
    assert_err(&err, WEFT_E_CHILD, 0, "exit code 3: too late");
    assert_written(dir, "register", ":old:a third time");

    /* and where that fails too, it is said */
    free(a.v[0].undo.file);
    a.v[0].undo.file = weft_xstrdup("nowhere");
    assert_int_equal(weft_actions_do(&r, &a, &err), -1);
    assert_err(&err, WEFT_E_CHILD, 0, "could not be brought back");
    weft_actions_finish(&a);
    weft_binfmt_registry_close(&r);
}

/* What is printed is what a shell does. */
static void test_print(void **state)
{
    static const char text[] = ":it's:\\x7f\x1b$(id)`id`\"\xff:";
    const char *dir = *state;
    struct weft_actions a = {0};
    char *out = weft_path_join(dir, "out"), *script = weft_path_join(dir, "script"), *said = NULL;
    char sh[] = "/bin/bash";
    char *argv[] = {sh, script, NULL};
    struct weft_err *err = NULL;
    struct weft_action_pair *pair;
    FILE *f = fopen(script, "we");

    assert_non_null(f);
    pair = add(&a);
    weft_strv_add(&pair->act.argv, "/usr/bin/printf");
    weft_strv_add(&pair->act.argv, "%s|%s");
    weft_strv_add(&pair->act.argv, text);
    weft_strv_add(&pair->act.argv, "plain");
    weft_actions_print(&a, f);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(weft_run_capture(sh, argv, 1, &said, &err), 0);
    assert_memory_equal(said, text, sizeof(text) - 1);
    assert_string_equal(said + sizeof(text) - 1, "|plain");
    free(said);
    weft_actions_finish(&a);

    set(&add(&a)->act, "register", "a'b");
    f = fopen(out, "we");
    assert_non_null(f);
    weft_actions_print(&a, f);
    assert_int_equal(fclose(f), 0);
    assert_file(out, "printf %s 'a'\\''b' >/proc/sys/fs/binfmt_misc/register\n",
                strlen("printf %s 'a'\\''b' >/proc/sys/fs/binfmt_misc/register\n"));
    weft_actions_finish(&a);
    free(out);
    free(script);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        temp_test(test_do),
        temp_test(test_print),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
