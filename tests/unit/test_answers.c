/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <pthread.h>
#include <sys/stat.h>

#include "base/answers.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "tests/helpers.h"

static char *program_in(void **state)
{
    char *path = weft_path_join(*state, "program");
    struct weft_err *err = NULL;

    assert_ok(weft_write_file(path, "1", 1, 0600, &err), &err);
    return path;
}

static void assert_answer(struct weft_answers *a, const char *what, const char *program,
                          const char *wanted)
{
    weft_auto_free char *answer = weft_answers_recall(a, what, program);

    if (wanted) {
        assert_non_null(answer);
        assert_string_equal(answer, wanted);
    } else {
        assert_null(answer);
    }
}

static void test_kept(void **state)
{
    weft_auto_free char *path = weft_path_join(*state, "answers.json");
    weft_auto_free char *program = program_in(state);
    struct weft_answers *a = weft_answers_create(path);
    struct weft_answers *b = weft_answers_create(path);
    struct weft_err *err = NULL;

    weft_answers_keep(a, "x", program, "1");
    weft_answers_keep(b, "y", program, ""); /* and leaves what a has kept */
    weft_answers_destroy(a);
    weft_answers_destroy(b);
    a = weft_answers_create(path);
    assert_answer(a, "x", program, "1");
    assert_answer(a, "y", program, "");
    assert_answer(a, "z", program, NULL);
    assert_ok(weft_write_file(program, "2", 1, 0600, &err), &err); /* another file */
    assert_answer(a, "x", program, NULL);
    weft_answers_destroy(a);
}

static void test_spoilt(void **state)
{
    static const char *const texts[] = {"", "{\"a\":", "[1]", "{\"x\": 1}"};
    weft_auto_free char *path = weft_path_join(*state, "answers.json");
    weft_auto_free char *program = program_in(state);
    struct weft_err *err = NULL;

    for (size_t i = 0; i < COUNT(texts); i++) {
        struct weft_answers *a;

        assert_ok(weft_write_file(path, texts[i], strlen(texts[i]), 0600, &err), &err);
        a = weft_answers_create(path);
        assert_answer(a, "x", program, NULL);
        weft_answers_keep(a, "x", program, "1");
        weft_answers_destroy(a);
        a = weft_answers_create(path);
        assert_answer(a, "x", program, "1");
        weft_answers_destroy(a);
    }
}

static void test_nowhere(void **state)
{
    weft_auto_free char *path = weft_path_join(*state, "none/answers.json");
    weft_auto_free char *program = program_in(state);
    const char *const paths[] = {path, NULL};

    for (size_t i = 0; i < COUNT(paths); i++) {
        struct weft_answers *a = weft_answers_create(paths[i]);

        weft_answers_keep(a, "x", program, "1");
        assert_answer(a, "x", program, "1");
        weft_answers_destroy(a);
    }
}

/* A file does not grow for ever, and has the latest answers. */
static void test_full(void **state)
{
    enum {
        MANY = 1100
    };
    weft_auto_free char *path = weft_path_join(*state, "answers.json");
    weft_auto_free char *program = program_in(state);
    weft_auto_json old = weft_json_object();
    weft_auto_free char *text = NULL;
    struct weft_answers *a;
    struct weft_err *err = NULL;
    struct stat st;

    for (int i = 0; i < MANY; i++) {
        weft_auto_free char *key = weft_fmt("version of /gone/%d 1:1 1 1", i);

        weft_json_set_str(old, key, "1");
    }
    text = weft_json_dump(old, 2);
    assert_ok(weft_write_file(path, text, strlen(text), 0600, &err), &err);
    a = weft_answers_create(path);
    weft_answers_keep(a, "x", program, "1");
    weft_answers_keep(a, "y", program, "2");
    weft_answers_destroy(a);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size < 1000);
    a = weft_answers_create(path);
    assert_answer(a, "x", program, "1");
    assert_answer(a, "y", program, "2");
    weft_answers_destroy(a);
}

struct keeper {
    struct weft_answers *a;
    const char *program;
    int first;
};

static void *keep_some(void *data)
{
    const struct keeper *k = data;

    for (int i = k->first; i < k->first + 20; i++) {
        weft_auto_free char *what = weft_fmt("what %d", i);

        weft_answers_keep(k->a, what, k->program, what);
    }
    return NULL;
}

static void test_threads(void **state)
{
    weft_auto_free char *path = weft_path_join(*state, "answers.json");
    weft_auto_free char *program = program_in(state);
    struct weft_answers *a = weft_answers_create(path);
    struct weft_answers *b = weft_answers_create(path);
    struct keeper keepers[] = {{a, program, 0}, {a, program, 20}, {b, program, 40}};
    pthread_t threads[COUNT(keepers)];

    for (size_t i = 0; i < COUNT(keepers); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, keep_some, &keepers[i]), 0);
    }
    for (size_t i = 0; i < COUNT(keepers); i++) {
        pthread_join(threads[i], NULL);
    }
    weft_answers_destroy(a);
    weft_answers_destroy(b);
    a = weft_answers_create(path);
    for (int i = 0; i < 60; i++) {
        weft_auto_free char *what = weft_fmt("what %d", i);

        assert_answer(a, what, program, what);
    }
    weft_answers_destroy(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        temp_test(test_kept), temp_test(test_spoilt),  temp_test(test_nowhere),
        temp_test(test_full), temp_test(test_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
