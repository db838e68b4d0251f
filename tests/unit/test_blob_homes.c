/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/registry/blob_homes.h"

#include "base/cleanup.h"
#include "tests/helpers.h"

#define A "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static void assert_paths(const struct weft_blob_homes *h, const char *host, const char *digest,
                         const char *want)
{
    const struct weft_strv *paths = weft_blob_homes_find(h, host, digest);
    weft_auto_free char *found = paths ? weft_strv_join(paths, " ") : weft_xstrdup("none");

    assert_string_equal(found, want);
}

/* Each repository once, the newest last; the oldest of too many goes. */
static void test_add(void **state)
{
    weft_auto_blob_homes h = {0};

    (void)state;
    assert_paths(&h, "docker.io", A, "none");
    weft_blob_homes_add(&h, "docker.io", A, "library/one");
    weft_blob_homes_add(&h, "docker.io", A, "two");
    weft_blob_homes_add(&h, "localhost:5000", A, "other");
    weft_blob_homes_add(&h, "docker.io", A, "library/one");
    assert_paths(&h, "docker.io", A, "two library/one");
    assert_paths(&h, "localhost:5000", A, "other");
    assert_paths(&h, "docker.io", B, "none");
    weft_blob_homes_add(&h, "docker.io", A, "three");
    weft_blob_homes_add(&h, "docker.io", A, "four");
    weft_blob_homes_add(&h, "docker.io", A, "five");
    assert_paths(&h, "docker.io", A, "library/one three four five");
    weft_blob_homes_remove(&h, "docker.io", A, "three");
    weft_blob_homes_remove(&h, "docker.io", A, "nowhere");
    weft_blob_homes_remove(&h, "docker.io", B, "five");
    assert_paths(&h, "docker.io", A, "library/one four five");
    weft_blob_homes_remove(&h, "localhost:5000", A, "other");
    assert_paths(&h, "localhost:5000", A, "none");
    assert_int_equal(h.n, 1);
}

/* One more than there is room for: the one that was learned longest ago is forgotten. */
static void test_bounded(void **state)
{
    weft_auto_blob_homes h = {0};
    char digest[WEFT_BLOB_HOMES_MAX + 1][72];

    (void)state;
    for (int i = 0; i <= WEFT_BLOB_HOMES_MAX; i++) {
        snprintf(digest[i], sizeof(digest[i]), "sha256:%064d", i);
        if (i == WEFT_BLOB_HOMES_MAX) {
            weft_blob_homes_add(&h, "r", digest[0], "a"); /* is the newest now */
        }
        weft_blob_homes_add(&h, "r", digest[i], "a");
    }
    assert_int_equal(h.n, WEFT_BLOB_HOMES_MAX);
    assert_paths(&h, "r", digest[0], "a");
    assert_paths(&h, "r", digest[1], "none");
    assert_paths(&h, "r", digest[WEFT_BLOB_HOMES_MAX], "a");
}

static void test_parse(void **state)
{
    static const char text[] =
        "{\"schema\":1,\"more\":0,\"blobs\":["
        "{\"host\":\"localhost:5000\",\"digest\":\"" A "\",\"repositories\":[\"a/b\",\"c\"]},"
        "{\"host\":\"localhost:5000\",\"digest\":\"sha256:x\",\"repositories\":[\"a\"]},"
        "{\"host\":\"localhost:5000/up\",\"digest\":\"" B "\",\"repositories\":[\"a\"]},"
        "{\"host\":\"evil\\r\\nX: y\",\"digest\":\"" B "\",\"repositories\":[\"a\"]},"
        "{\"host\":\"localhost:5000\",\"digest\":\"" B
        "\",\"repositories\":[\"../x\",\"A\",\"a:b\",\"a?b=c\",7,null,\"ok\"]},"
        "7,null,[]]}";
    static const char *const bad[] = {"",
                                      "{",
                                      "[]",
                                      "{}",
                                      "{\"schema\":1}",
                                      "{\"schema\":0,\"blobs\":[]}",
                                      "{\"schema\":1,\"blobs\":{}}"};
    weft_auto_blob_homes h = {0};
    weft_auto_blob_homes again = {0};
    weft_auto_free char *dump = NULL;
    struct weft_err *err = NULL;

    (void)state;
    assert_ok(weft_blob_homes_parse(text, strlen(text), &h, &err), &err);
    assert_int_equal(h.n, 2);
    assert_paths(&h, "localhost:5000", A, "a/b c");
    assert_paths(&h, "localhost:5000", B, "ok");
    dump = weft_blob_homes_dump(&h);
    assert_ok(weft_blob_homes_parse(dump, strlen(dump), &again, &err), &err);
    assert_int_equal(again.n, 2);
    assert_paths(&again, "localhost:5000", A, "a/b c");
    for (size_t i = 0; i < COUNT(bad); i++) {
        weft_auto_blob_homes none = {0};

        assert_int_equal(weft_blob_homes_parse(bad[i], strlen(bad[i]), &none, &err), -1);
        assert_err(&err, WEFT_E_FORMAT, 0, "");
    }
}

/* What two processes have learned comes together; what is not so any more goes. */
static void test_save(void **state)
{
    weft_auto_free char *file = weft_path_join(*state, "registry/blobs.json");
    weft_auto_blob_homes one = {0};
    weft_auto_blob_homes two = {0};
    weft_auto_blob_homes none = {0};
    weft_auto_blob_homes gone = {0};
    weft_auto_blob_homes found = {0};
    struct weft_err *err = NULL;

    weft_blob_homes_load(*state, &none);
    assert_int_equal(none.n, 0);
    weft_blob_homes_add(&one, "r.example", A, "one");
    weft_blob_homes_add(&two, "r.example", A, "two");
    weft_blob_homes_add(&two, "r.example", B, "two");
    assert_ok(weft_blob_homes_save(*state, &one, &none, &err), &err);
    assert_ok(weft_blob_homes_save(*state, &two, &none, &err), &err);
    weft_blob_homes_load(*state, &found);
    assert_paths(&found, "r.example", A, "one two");
    assert_paths(&found, "r.example", B, "two");
    weft_blob_homes_finish(&found);
    weft_blob_homes_add(&gone, "r.example", A, "one");
    assert_ok(weft_blob_homes_save(*state, &none, &gone, &err), &err);
    weft_blob_homes_load(*state, &found);
    assert_paths(&found, "r.example", A, "two");
}

/* A damaged file is set aside, and a new one is begun; one of a newer weft stays as it is. */
static void test_not_ours(void **state)
{
    static const char broken[] = "{\"schema\":1,\"blobs\":[{\"host\":\"r";
    static const char newer[] = "{\"schema\":2,\"things\":[]}";
    weft_auto_free char *file = weft_path_join(*state, "registry/blobs.json");
    weft_auto_free char *aside = weft_path_join(*state, "registry/blobs.json.bad");
    weft_auto_blob_homes found = {0};
    weft_auto_blob_homes some = {0};
    weft_auto_blob_homes none = {0};
    struct weft_err *err = NULL;

    weft_blob_homes_add(&some, "r.example", A, "one");
    assert_ok(weft_blob_homes_save(*state, &none, &none, &err), &err);
    put_file(file, broken, strlen(broken));
    weft_blob_homes_load(*state, &found);
    assert_int_equal(found.n, 0);
    assert_false(weft_exists(file));
    assert_file(aside, broken, strlen(broken));
    assert_ok(weft_blob_homes_save(*state, &some, &none, &err), &err);
    weft_blob_homes_load(*state, &found);
    assert_paths(&found, "r.example", A, "one");
    weft_blob_homes_finish(&found);

    put_file(file, newer, strlen(newer));
    weft_blob_homes_load(*state, &found);
    assert_int_equal(found.n, 0);
    assert_int_equal(weft_blob_homes_save(*state, &some, &none, &err), -1);
    assert_err(&err, WEFT_E_UNSUPPORTED, 0, "newer weft");
    assert_file(file, newer, strlen(newer));
}

/* The whole part is of a newer weft: not read, and not touched. */
static void test_newer_part(void **state)
{
    static const char text[] = "{\"schema\":1,\"blobs\":[]}";
    weft_auto_free char *file = weft_path_join(*state, "registry/blobs.json");
    weft_auto_free char *version = weft_path_join(*state, "registry/version");
    weft_auto_blob_homes found = {0};
    weft_auto_blob_homes some = {0};
    weft_auto_blob_homes none = {0};
    struct weft_err *err = NULL;

    weft_blob_homes_add(&some, "r.example", A, "one");
    assert_ok(weft_blob_homes_save(*state, &some, &none, &err), &err);
    put_file(file, text, strlen(text));
    put_file(version, "2\n", 2);
    weft_blob_homes_load(*state, &found);
    assert_int_equal(found.n, 0);
    assert_int_equal(weft_blob_homes_save(*state, &some, &none, &err), -1);
    assert_err(&err, WEFT_E_UNSUPPORTED, 0, "newer weft");
    assert_file(file, text, strlen(text));
    assert_file(version, "2\n", 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_add), cmocka_unit_test(test_bounded), cmocka_unit_test(test_parse),
        temp_test(test_save),       temp_test(test_not_ours),       temp_test(test_newer_part),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
