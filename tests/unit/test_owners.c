/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "binfmt/owners.h"

#include "tests/helpers.h"

#define SUPPORT(package, type, offset, magic, mask, interpreter, rest) \
    package "\n" type "\n" offset "\n" magic "\n" mask "\n" interpreter "\n" rest

static void parse_line(const char *line, struct weft_existing *e)
{
    struct weft_err *err = NULL;

    assert_ok(weft_existing_parse_line(line, e, &err), &err);
}

static void put(const char *root, const char *dir, const char *name, const char *text)
{
    char *full = weft_path_join(root, dir);
    char *path = weft_path_join(full, name);
    struct weft_err *err = NULL;

    assert_ok(weft_mkdirs(full, 0755, &err), &err);
    put_file(path, text, strlen(text));
    free(path);
    free(full);
}

static void assert_owner(const char *root, const char *line, enum weft_owner_kind kind, bool ours,
                         const char *package, const char *file)
{
    struct weft_existing e = {0};
    struct weft_owner o = {0};

    parse_line(line, &e);
    weft_owner_find(root, &e, &o);
    assert_int_equal(o.kind, kind);
    assert_int_equal(o.ours, ours);
    assert_true(weft_str_eq(o.package, package));
    if (file) {
        assert_true(weft_ends_with(o.file, file));
    } else {
        assert_null(o.file);
    }
    weft_owner_finish(&o);
    weft_existing_entry_finish(&e);
}

static void test_support(void **state)
{
    static const char text[] = SUPPORT("qemu-user-static", "magic", "0", "\\x7fELF\\x02",
                                       "\\xff\\xff\\xff\\xff\\xfe", "/q", "\nno\nyes\nyes\n");
    struct weft_existing e = {0}, same = {0};
    struct weft_err *err = NULL;
    char *package = NULL;

    (void)state;
    assert_ok(weft_owner_parse_support("n", text, &e, &package, &err), &err);
    assert_string_equal(package, "qemu-user-static");
    parse_line(":x:M::\\x7f\\x45LF\\x02:\\xff\\xff\\xff\\xff\\xfe:/q:PF", &same);
    assert_true(weft_existing_same(&e, &same));
    weft_existing_entry_finish(&e);
    weft_existing_entry_finish(&same);
    free(package);

    /* the administrator's, by extension, with a detector, from before fix_binary was */
    assert_ok(weft_owner_parse_support(
                  "n", SUPPORT(":", "extension", "", "py", "", "/q", "/detect\nyes\nno"), &e,
                  &package, &err),
              &err);
    assert_null(package);
    assert_string_equal(e.extension, "py");
    assert_string_equal(e.flags, "OC");
    assert_string_equal(e.interpreter, "/usr/lib/binfmt-support/run-detectors");
    weft_existing_entry_finish(&e);
}

static void test_support_malformed(void **state)
{
    static const char *const texts[] = {
        "",
        "p\n",
        SUPPORT("p", "other", "0", "x", "", "/q", "\n"),
        SUPPORT("p", "magic", "0", "", "", "/q", "\n"),
        SUPPORT("p", "magic", "0", "x", "", "", "\n"),
        SUPPORT("p", "magic", "-1", "x", "", "/q", "\n"),
        SUPPORT("p", "magic", "256", "x", "", "/q", "\n"),
        SUPPORT("p", "magic", "0", "x", "xx", "/q", "\n"),
        SUPPORT("p", "magic", "zero", "x", "", "/q", "\n"),
    };
    struct weft_existing e;
    struct weft_err *err = NULL;
    char *package = NULL;

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_int_equal(weft_owner_parse_support("x", texts[i], &e, &package, &err), -1);
        assert_err(&err, WEFT_E_FORMAT, 0, "binfmt-support's x");
        assert_null(package);
    }
}

static void test_find(void **state)
{
    const char *root = *state;

    assert_owner(root, ":qemu-arm:M::a::/q:F", WEFT_OWNER_UNKNOWN, false, NULL, NULL);
    assert_owner(root, ":weft-arm:M::a::/q:F", WEFT_OWNER_WEFT, true, NULL, NULL);
    assert_owner(root, ":weft-vax:M::a::/q:F", WEFT_OWNER_UNKNOWN, false, NULL, NULL);

    /* the database says just this, something else, or of another package */
    put(root, "var/lib/binfmts", "qemu-arm",
        SUPPORT("qemu", "magic", "0", "a", "", "/q", "\nno\nno\nyes\n"));
    put(root, "var/lib/binfmts", "weft-arm",
        SUPPORT("weft", "magic", "0", "a", "", "/q", "\nno\nno\nyes\n"));
    put(root, "var/lib/binfmts", "weft-mips",
        SUPPORT("other", "magic", "0", "a", "", "/q", "\nno\nno\nyes\n"));
    assert_owner(root, ":qemu-arm:M::a::/q:F", WEFT_OWNER_SUPPORT, false, "qemu",
                 "var/lib/binfmts/qemu-arm");
    assert_owner(root, ":qemu-arm:M::a::/q:", WEFT_OWNER_UNKNOWN, false, NULL, NULL);
    assert_owner(root, ":qemu-arm:M::a::/r:F", WEFT_OWNER_UNKNOWN, false, NULL, NULL);
    assert_owner(root, ":weft-arm:M::a::/q:F", WEFT_OWNER_SUPPORT, true, "weft",
                 "var/lib/binfmts/weft-arm");
    assert_owner(root, ":weft-mips:M::a::/q:F", WEFT_OWNER_SUPPORT, false, "other",
                 "var/lib/binfmts/weft-mips");
    assert_owner(root,
                 ":weft-mips:M::a::/usr/lib/binfmt-support/run-detectors:", WEFT_OWNER_SUPPORT,
                 false, "other", "var/lib/binfmts/weft-mips");
}

/* A file hides those of its name in later directories; what is registered has to be what it says.
 */
static void test_binfmt_d(void **state)
{
    const char *root = *state;

    put(root, "usr/lib/binfmt.d", "q.conf",
        "# comment\n; another\n\nnonsense\n  :s390x:M::b::/q:F\n:arm:M::a::/q:F\n");
    put(root, "usr/lib/binfmt.d", "not-read", ":mips:M::c::/q:F\n");
    assert_owner(root, ":arm:M:0:a:\\xff:/q:F", WEFT_OWNER_BINFMT_D, false, NULL,
                 "usr/lib/binfmt.d/q.conf");
    assert_owner(root, ":s390x:M::b::/q:F", WEFT_OWNER_BINFMT_D, false, NULL,
                 "usr/lib/binfmt.d/q.conf");
    assert_owner(root, ":arm:M::a::/q:", WEFT_OWNER_UNKNOWN, false, NULL, NULL);
    assert_owner(root, ":mips:M::c::/q:F", WEFT_OWNER_UNKNOWN, false, NULL, NULL);
    put(root, "etc/binfmt.d", "q.conf", "");
    assert_owner(root, ":arm:M::a::/q:F", WEFT_OWNER_UNKNOWN, false, NULL, NULL);
    put(root, "run/binfmt.d", "weft.conf", ":weft-arm:M::a::/q:F\n");
    assert_owner(root, ":weft-arm:M::a::/q:F", WEFT_OWNER_BINFMT_D, true, NULL,
                 "run/binfmt.d/weft.conf");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_support),
        cmocka_unit_test(test_support_malformed),
        temp_test(test_find),
        temp_test(test_binfmt_d),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
