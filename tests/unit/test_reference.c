/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"
#include "engine/reference.h"

#define D "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_accepted(void **state)
{
    static const struct {
        const char *text;
        const char *full;
        const char *familiar;
    } cases[] = {
        {"app", "docker.io/library/app:latest", "app"},
        {"app:v1", "docker.io/library/app:v1", "app:v1"},
        {"user/app", "docker.io/user/app:latest", "user/app"},
        {"docker.io/app", "docker.io/library/app:latest", "app"},
        {"index.docker.io/app:x", "docker.io/library/app:x", "app:x"},
        {"docker.io/library/app", "docker.io/library/app:latest", "app"},
        {"library/app", "docker.io/library/app:latest", "app"},
        {"docker.io/library/a/b", "docker.io/library/a/b:latest", "library/a/b"},
        {"localhost/x", "localhost/x:latest", "localhost/x"},
        {"localhost:5000/x/y:tag", "localhost:5000/x/y:tag", "localhost:5000/x/y:tag"},
        {"localhost:5000", "docker.io/library/localhost:5000", "localhost:5000"},
        {"[::1]:5000/x", "[::1]:5000/x:latest", "[::1]:5000/x"},
        {"gcr.io/p/a-b_c__d.e", "gcr.io/p/a-b_c__d.e:latest", "gcr.io/p/a-b_c__d.e"},
        {"a---b", "docker.io/library/a---b:latest", "a---b"},
        {"UPPER.example/x", "UPPER.example/x:latest", "UPPER.example/x"},
        {"UPPER/x", "UPPER/x:latest", "UPPER/x"},
        {"app" D, "docker.io/library/app" D, "app" D},
        {"app:v1" D, "docker.io/library/app:v1" D, "app:v1" D},
        {"app:_V.1-2", "docker.io/library/app:_V.1-2", "app:_V.1-2"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        weft_auto_reference ref = {0};
        weft_auto_reference again = {0};
        weft_auto_err err = NULL;
        weft_auto_free char *full = NULL;
        weft_auto_free char *familiar = NULL;
        weft_auto_free char *second = NULL;

        if (weft_reference_parse(cases[i].text, &ref, &err) < 0) {
            fail_msg("%s: %s", cases[i].text, err->msg);
        }
        full = weft_reference_full(&ref);
        familiar = weft_reference_familiar(&ref);
        assert_string_equal(full, cases[i].full);
        assert_string_equal(familiar, cases[i].familiar);
        /* both forms stand for the same image */
        assert_int_equal(weft_reference_parse(familiar, &again, NULL), 0);
        second = weft_reference_full(&again);
        assert_string_equal(second, full);
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *text;
        const char *in_msg;
    } cases[] = {
        {"", "there is no name"},
        {":v1", "there is no name"},
        {D, "there is no name"},
        {"App", "lower case"},
        {"user/App", "lower case"},
        {"app:", "the tag"},
        {"app:-x", "the tag"},
        {"app:.x", "the tag"},
        {"app:a b", "the tag"},
        {"app:v1:v2", "letters and digits"},
        {"app@sha256:12", "the digest"},
        {"app@sha512:12", "the digest"},
        {"app" D "0", "the digest"},
        {"-app", "letters and digits"},
        {"app-", "letters and digits"},
        {"a..b", "letters and digits"},
        {"a___b", "letters and digits"},
        {"a//b", "letters and digits"},
        {"/a", "letters and digits"},
        {"a/", "letters and digits"},
        {"-x.example/a", "registry's host"},
        {"x..example/a", "registry's host"},
        {"x.example:/a", "registry's host"},
        {"x.example:123456/a", "registry's host"},
        {"[::1/a", "registry's host"},
        {"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "image ID"},
        {"\x1b[1m", "\"\\x1b[1m\" is not"},
    };
    char longer[2048];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        weft_auto_reference ref = {0};
        weft_auto_err err = NULL;

        assert_int_equal(weft_reference_parse(cases[i].text, &ref, &err), -1);
        assert_int_equal(err->code, WEFT_E_USAGE);
        if (!strstr(err->msg, cases[i].in_msg)) {
            fail_msg("%s: message \"%s\"", cases[i].text, err->msg);
        }
        assert_null(ref.path);
    }

    /* 255 bytes of path and 128 of tag are fine, one more of either is not. */
    for (int path = 255; path <= 256; path++) {
        for (int tag = 128; tag <= 129; tag++) {
            weft_auto_reference ref = {0};

            memset(longer, 'a', sizeof(longer));
            memcpy(longer, "x.y/", 4);
            longer[4 + path] = ':';
            longer[4 + path + 1 + tag] = '\0';
            assert_int_equal(weft_reference_parse(longer, &ref, NULL),
                             path == 255 && tag == 128 ? 0 : -1);
        }
    }
    memset(longer, 'a', sizeof(longer));
    longer[sizeof(longer) - 1] = '\0';
    {
        weft_auto_reference ref = {0};
        weft_auto_err err = NULL;

        assert_int_equal(weft_reference_parse(longer, &ref, &err), -1);
        assert_true(strlen(err->msg) < 200);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
