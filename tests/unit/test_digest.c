/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "tests/helpers.h"

#define EMPTY "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static void test_valid(void **state)
{
    static const struct {
        const char *text;
        bool want;
    } cases[] = {
        {EMPTY, true},
        {ABC, true},
        {NULL, false},
        {"", false},
        {"sha256:", false},
        {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", false},
        {EMPTY "0", false},
        {EMPTY "\n", false},
        {EMPTY "/..", false},
        {"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85", false},
        {"sha256:E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", false},
        {"sha256:g3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", false},
        {"sha256:../../../../../../../../../../../../../../../../../../etc/passwd", false},
        {"sha512:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", false},
        {" " ABC, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        if (weft_digest_valid(cases[i].text) != cases[i].want) {
            fail_msg("%s", cases[i].text);
        }
    }
    assert_string_equal(weft_digest_hex(EMPTY), &EMPTY[7]);
}

/* FIPS 180-4's examples. */
static void test_known(void **state)
{
    static const struct {
        const char *text;
        const char *want;
    } cases[] = {
        {"", EMPTY},
        {"abc", ABC},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "sha256:248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        char digest[WEFT_DIGEST_SIZE];

        weft_digest_bytes(cases[i].text, strlen(cases[i].text), digest);
        assert_string_equal(digest, cases[i].want);
        assert_true(weft_digest_valid(digest));
    }
}

static void test_running(void **state)
{
    struct weft_hash *h = weft_hash_create();
    char pieces[WEFT_DIGEST_SIZE];
    char block[1000];

    (void)state;
    memset(block, 'a', sizeof(block));
    for (int i = 0; i < 1000; i++) {
        weft_hash_update(h, block, sizeof(block));
        weft_hash_update(h, NULL, 0);
    }
    weft_hash_final(h, pieces);
    weft_hash_destroy(h);
    weft_hash_destroy(NULL);
    assert_string_equal(pieces,
                        "sha256:cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void test_check_file(void **state)
{
    weft_auto_free char *path = weft_path_join(*state, "blob");
    weft_auto_free char *link = weft_path_join(*state, "link");
    weft_auto_free char *fifo = weft_path_join(*state, "fifo");
    struct weft_err *err = NULL;
    int fds = open_fds();

    assert_int_equal(weft_digest_check_file(path, ABC, 3, NULL, &err), -1);
    assert_err(&err, WEFT_E_IO, ENOENT, "blob");
    put_file(path, "abc", 3);
    assert_ok(weft_digest_check_file(path, ABC, 3, NULL, &err), &err);
    assert_int_equal(weft_digest_check_file(path, ABC, 2, NULL, &err), -1);
    assert_err(&err, WEFT_E_DIGEST, 0, "has 3 bytes where 2 are due");
    assert_int_equal(weft_digest_check_file(path, ABC, 4, NULL, &err), -1);
    assert_err(&err, WEFT_E_DIGEST, 0, "has 3 bytes where 4 are due");
    assert_int_equal(weft_digest_check_file(path, EMPTY, 3, NULL, &err), -1);
    assert_err(&err, WEFT_E_DIGEST, 0, ABC);
    put_file(path, "", 0);
    assert_ok(weft_digest_check_file(path, EMPTY, 0, NULL, &err), &err);

    /* what is no file of our own */
    assert_int_equal(symlink("blob", link), 0);
    assert_int_equal(weft_digest_check_file(link, EMPTY, 0, NULL, &err), -1);
    assert_err(&err, WEFT_E_IO, ELOOP, "link");
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(weft_digest_check_file(fifo, EMPTY, 0, NULL, &err), -1); /* does not hang */
    assert_err(&err, WEFT_E_DIGEST, 0, "fifo is not a regular file");
    assert_int_equal(weft_digest_check_file(*state, EMPTY, 0, NULL, &err), -1);
    assert_err(&err, WEFT_E_DIGEST, 0, "is not a regular file");
    assert_int_equal(open_fds(), fds);
}

/* Over several chunks, and with a size that no chunk divides. */
static void test_check_large(void **state)
{
    const size_t n = (1 << 20) + 17;
    weft_auto_free char *path = weft_path_join(*state, "blob");
    weft_auto_free char *data = weft_xmalloc(n);
    char digest[WEFT_DIGEST_SIZE];
    struct weft_err *err = NULL;
    atomic_bool cancel = false;

    for (size_t i = 0; i < n; i++) {
        data[i] = (char)(i * 31 % 251);
    }
    put_file(path, data, n);
    weft_digest_bytes(data, n, digest);
    assert_ok(weft_digest_check_file(path, digest, n, &cancel, &err), &err);
    atomic_store(&cancel, true);
    assert_int_equal(weft_digest_check_file(path, digest, n, &cancel, &err), -1);
    assert_err(&err, WEFT_E_CANCELLED, 0, "interrupted");
    data[n - 1] ^= 1;
    put_file(path, data, n);
    assert_int_equal(weft_digest_check_file(path, digest, n, NULL, &err), -1);
    assert_err(&err, WEFT_E_DIGEST, 0, digest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid), cmocka_unit_test(test_known), cmocka_unit_test(test_running),
        temp_test(test_check_file),   temp_test(test_check_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
