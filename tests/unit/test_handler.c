/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "binfmt/handler.h"
#include "tests/helpers.h"

static void test_line(void **state)
{
    struct weft_err *err = NULL;
    char *line =
        weft_handler_line(machine_named("s390x"), "/usr/bin/qemu-s390x-static", "POCF", &err);

    (void)state;
    assert_null(err);
    assert_string_equal(
        line, ":weft-s390x:M::"
              "\\x7f\\x45\\x4c\\x46\\x02\\x02\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00"
              "\\x00\\x02\\x00\\x16:"
              "\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfc\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff"
              "\\xff\\xfe\\xff\\xff:"
              "/usr/bin/qemu-s390x-static:POCF");
    free(line);
}

/* No byte of any line but the colons may be one that the kernel's parser acts on. */
static void test_every_machine(void **state)
{
    size_t n;
    const struct weft_machine *const *all = weft_catalogue_machines(&n);

    (void)state;
    for (size_t i = 0; i < n; i++) {
        char *line = weft_handler_line(all[i], "/q", "POCF", NULL);
        int colons = 0;

        assert_non_null(line);
        for (const char *p = line; *p; p++) {
            colons += *p == ':';
            assert_true(*p > ' ' && *p < 0x7f);
        }
        assert_int_equal(colons, 7);
        free(line);
    }
}

static void test_refused(void **state)
{
    static const char *const paths[] = {"qemu", "", "/opt/a:b/qemu", "/opt/a\nb"};
    struct weft_err *err = NULL;
    char *long_path = weft_xmalloc(2001);

    (void)state;
    for (size_t i = 0; i < COUNT(paths); i++) {
        assert_null(weft_handler_line(machine_named("arm"), paths[i], "F", &err));
        assert_err(&err, WEFT_E_UNSUPPORTED, 0, "interpreter");
    }
    memset(long_path, '/', 2000);
    long_path[2000] = '\0';
    assert_null(weft_handler_line(machine_named("arm"), long_path, "F", &err));
    assert_err(&err, WEFT_E_UNSUPPORTED, 0, "1920");
    free(long_path);
}

static void test_scope(void **state)
{
    (void)state;
    assert_int_equal(weft_scope_parse("namespace"), WEFT_SCOPE_NAMESPACE);
    assert_int_equal(weft_scope_parse("existing"), WEFT_SCOPE_EXISTING);
    assert_int_equal(weft_scope_parse("host"), -1);
    assert_int_equal(weft_scope_parse(NULL), -1);
    assert_string_equal(weft_scope_name(WEFT_SCOPE_EXISTING), "existing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_every_machine),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_scope),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
