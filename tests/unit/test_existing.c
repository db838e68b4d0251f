/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "binfmt/existing.h"

#include <fcntl.h>

#include "tests/helpers.h"

/* As the kernel prints Debian's handler of arm64. */
#define ARM64_MAGIC "magic 7f454c460201010000000000000000000200b700\n"
#define ARM64_MASK "mask ffffffffffffff00fffffffffffffffffeffffff\n"
#define ARM64(status, flags)                                           \
    status "\ninterpreter /usr/bin/qemu-aarch64-static\nflags: " flags \
           "\noffset 0\n" ARM64_MAGIC ARM64_MASK

static void test_parse(void **state)
{
    struct weft_existing e;
    struct weft_err *err = NULL;

    (void)state;
    assert_ok(weft_existing_parse("qemu-aarch64", ARM64("enabled", "POCF"), &e, &err), &err);
    assert_string_equal(e.name, "qemu-aarch64");
    assert_string_equal(e.interpreter, "/usr/bin/qemu-aarch64-static");
    assert_string_equal(e.flags, "POCF");
    assert_true(e.enabled);
    assert_int_equal(e.magic_len, 20);
    assert_int_equal(e.magic[18], 0xb7);
    assert_int_equal(e.mask[16], 0xfe);
    weft_existing_entry_finish(&e);

    /* no mask: every bit counts */
    assert_ok(weft_existing_parse(
                  "jar", "disabled\ninterpreter /j\nflags: \noffset 4\nmagic 504b\n", &e, &err),
              &err);
    assert_false(e.enabled);
    assert_int_equal(e.offset, 4);
    assert_int_equal(e.mask[1], 0xff);
    weft_existing_entry_finish(&e);

    /* by the name of the file */
    assert_ok(
        weft_existing_parse("py", "enabled\ninterpreter /p\nflags: OC\nextension .py\n", &e, &err),
        &err);
    assert_string_equal(e.extension, "py");
    assert_string_equal(e.flags, "OC");
    assert_int_equal(e.magic_len, 0);
    weft_existing_entry_finish(&e);
}

static void test_malformed(void **state)
{
    static const char *const texts[] = {
        "",
        "enabled\n",
        "enabled\ninterpreter /q\nflags: \noffset 0\n",
        "enabled\ninterpreter /q\nflags: \noffset 0\nmagic 7f4\n",
        "enabled\ninterpreter /q\nflags: \noffset 0\nmagic 7g\n",
        "enabled\ninterpreter /q\nflags: \noffset 0\nmagic 7f45\nmask ff\n",
        "enabled\ninterpreter /q\nflags: \noffset 0\nmagic 7f45\nmask f\n",
        "interpreter /q\nflags: \noffset 0\nmagic 7f45\n",
        "enabled\ninterpreter /q\nflags: X\noffset 0\nmagic 7f45\n",
        "enabled\ninterpreter /q\nflags: \noffset -1\nmagic 7f45\n",
        "enabled\ninterpreter /q\nflags: \noffset 255\nmagic 7f45\n",
        "enabled\ninterpreter /q\nflags: \nextension .\n",
        "enabled\ninterpreter \nflags: \nextension .x\n",
        "enabled\ninterpreter /q\nflags: \noffset 0\nmagic 7f45",
        /* newlines in the interpreter or the extension pretend to be other lines */
        "enabled\ninterpreter /q\nflags: F\noffset 0\nmagic 7f45\nflags: \noffset 0\nmagic 00\n",
        "enabled\ninterpreter /q\nflags: \nextension .p\noffset 0\nmagic 00\n",
        "enabled\ninterpreter /q\nflags: \noffset 0\nmagic 7f45\nextension .p\n",
        "enabled\ninterpreter /q\nflags: \noffset 0\nmagic 7f45\nmask ffff\nmask ffff\n",
    };
    struct weft_existing e;
    struct weft_err *err = NULL;

    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        assert_int_equal(weft_existing_parse("x", texts[i], &e, &err), -1);
        assert_err(&err, WEFT_E_FORMAT, 0, "handler x");
    }
}

static void put(const char *dir, const char *name, const char *text)
{
    char *path = weft_path_join(dir, name);

    put_file(path, text, strlen(text));
    free(path);
}

static void read_table(const char *dir, struct weft_existing_table *t)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct weft_err *err = NULL;

    assert_true(fd >= 0);
    *t = (struct weft_existing_table){0};
    assert_ok(weft_existing_read(fd, t, &err), &err);
    close(fd);
}

static void test_table(void **state)
{
    const char *dir = *state;
    struct weft_existing_table t;
    const struct weft_existing *found, *without_f;

    read_table(dir, &t);
    assert_false(t.mounted);
    weft_existing_finish(&t);

    put(dir, "status", "enabled\n");
    put(dir, "register", "");
    put(dir, "z-arm64", ARM64("enabled", "POCF"));
    put(dir, "python", "enabled\ninterpreter /p\nflags: \nextension .py\n");
    read_table(dir, &t);
    assert_true(t.mounted);
    assert_int_equal(t.n, 2);
    assert_string_equal(weft_existing_named(&t, "python")->extension, "py");
    assert_null(weft_existing_named(&t, "pytho"));
    found = weft_existing_find(&t, machine_named("aarch64"), &without_f);
    assert_non_null(found);
    assert_string_equal(found->name, "z-arm64");
    assert_null(without_f);
    assert_null(weft_existing_find(&t, machine_named("s390x"), &without_f));
    assert_null(without_f);
    weft_existing_finish(&t);

    /* one that would need the interpreter in each container */
    put(dir, "z-arm64", ARM64("enabled", "OC"));
    read_table(dir, &t);
    assert_null(weft_existing_find(&t, machine_named("aarch64"), &without_f));
    assert_string_equal(without_f->name, "z-arm64");
    put(dir, "a-arm64", ARM64("enabled", "F"));
    weft_existing_finish(&t);
    read_table(dir, &t);
    assert_string_equal(weft_existing_find(&t, machine_named("aarch64"), &without_f)->name,
                        "a-arm64");
    weft_existing_finish(&t);

    /* one that is switched off, one that wants more than the machine, and all switched off */
    put(dir, "a-arm64", ARM64("disabled", "F"));
    put(dir, "z-arm64",
        "enabled\ninterpreter /q\nflags: F\noffset 0\n"
        "magic 7f454c460201010000000000000000000200b70001\n");
    read_table(dir, &t);
    assert_null(weft_existing_find(&t, machine_named("aarch64"), NULL));
    weft_existing_finish(&t);
    put(dir, "a-arm64", ARM64("enabled", "F"));
    put(dir, "status", "disabled\n");
    read_table(dir, &t);
    assert_null(weft_existing_find(&t, machine_named("aarch64"), NULL));
    weft_existing_finish(&t);
}

/* What cannot be read for certain stays in the table, takes nothing, and hides nothing. */
static void test_unclear(void **state)
{
    const char *dir = *state;
    struct weft_existing_table t;

    put(dir, "status", "enabled\n");
    put(dir, "a", "enabled\ninterpreter /q\nflags: F\nextension .p\n" ARM64_MAGIC);
    put(dir, "b-arm64", ARM64("enabled", "F"));
    put(dir, ".dot", "enabled\ninterpreter /p\nflags: \nextension .py\n");
    read_table(dir, &t);
    assert_int_equal(t.n, 3);
    assert_string_equal(t.v[0].name, ".dot");
    assert_non_null(t.v[1].unclear);
    assert_null(t.v[1].interpreter);
    assert_false(weft_existing_takes(&t.v[1], machine_named("aarch64")));
    assert_null(weft_existing_line(&t.v[1]));
    assert_string_equal(weft_existing_find(&t, machine_named("aarch64"), NULL)->name, "b-arm64");
    weft_existing_finish(&t);
}

static void test_line(void **state)
{
    static const char *const lines[] = {
        ":jar:M:0:\\x50\\x4b::/usr/bin/jexec:",
        ":py:E::py::/usr/bin/python3:OC",
        ":m:M:3:\\x50\\x4b:\\xff\\x0f:/q:POCF",
        ",a:b,E,,py,,/opt/a:b,",
    };
    static const char *const bad[] = {
        "",
        ":",
        ":a",
        ":a:M::x::/q",
        ":a:M::x::/q:X",
        ":a:X::x::/q:",
        "::M::x::/q:",
        ":a:M::::/q:",
        ":a:M::x:::",
        ":a:M:300:x::/q:",
        ":a:M:256:x::/q:",
        ":a:M::xx:x:/q:",
        ":a:M::x::/q::",
        ":a:M:-1:x::/q:",
    };
    struct weft_existing e, again;
    struct weft_err *err = NULL;

    (void)state;
    for (size_t i = 0; i < COUNT(lines); i++) {
        char *line;

        assert_ok(weft_existing_parse_line(lines[i], &e, &err), &err);
        assert_true(e.enabled);
        line = weft_existing_line(&e);
        assert_string_equal(line, lines[i]);
        weft_existing_entry_finish(&e);
        free(line);
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        assert_int_equal(weft_existing_parse_line(bad[i], &e, &err), -1);
        assert_err(&err, WEFT_E_FORMAT, 0, "not a line");
    }
    /* escapes, capitals, one digit, raw bytes; C stands for O; a newline at the end */
    assert_ok(weft_existing_parse_line("+a+M++\\x7FE\\xa\\+\\xFF\\xff\\xff\\xff+/q+FC\n", &e, &err),
              &err);
    assert_int_equal(e.magic_len, 4);
    assert_memory_equal(e.magic,
                        "\x7f"
                        "E\n\\",
                        4);
    assert_string_equal(e.flags, "OCF");
    assert_ok(weft_existing_parse("b",
                                  "disabled\ninterpreter /q\nflags: OCF\noffset 0\nmagic "
                                  "7f450a5c\n",
                                  &again, &err),
              &err);
    assert_true(weft_existing_same(&e, &again));
    again.magic[3] ^= 1;
    assert_false(weft_existing_same(&e, &again));
    again.mask[3] ^= 1;
    e.mask[3] ^= 1;
    assert_true(weft_existing_same(&e, &again)); /* what the mask leaves out does not count */
    weft_existing_entry_finish(&e);
    weft_existing_entry_finish(&again);
}

/* Files for one entry that no other takes. */
static void test_mark(void **state)
{
    struct weft_existing v[4] = {0};
    struct weft_existing_table t = {.v = v, .n = 3, .mounted = true, .enabled = true};
    unsigned char bytes[WEFT_HANDLER_MAGIC_MAX] = {0}, all[WEFT_HANDLER_MAGIC_MAX], none[256] = {0};
    struct weft_err *err = NULL;

    (void)state;
    memset(all, 0xff, sizeof(all));
    assert_ok(weft_existing_parse_line(":a:M::AB::/q:", &v[0], &err), &err);
    assert_ok(weft_existing_parse_line(":b:M:1:B\\x00::/q:", &v[1], &err), &err);
    assert_ok(weft_existing_parse_line(":c:M:3:\\x00\\x00::/q:", &v[2], &err), &err);
    assert_null(weft_existing_mark(&t, &v[0], all, bytes));
    assert_true(weft_existing_takes_bytes(&v[0], bytes));
    assert_false(weft_existing_takes_bytes(&v[1], bytes));
    assert_false(weft_existing_takes_bytes(&v[2], bytes));

    /* nothing may be changed; then all but what decides */
    memset(bytes, 0, sizeof(bytes));
    assert_ptr_equal(weft_existing_mark(&t, &v[0], none, bytes), &v[1]);
    assert_memory_equal(bytes, "AB\0", 3);
    v[1].enabled = false;
    assert_ptr_equal(weft_existing_mark(&t, &v[0], none, bytes), &v[2]);
    v[1].enabled = true;

    /* one that takes whatever this one takes */
    assert_ok(weft_existing_parse_line(":d:M::A::/q:", &v[3], &err), &err);
    t.n = 4;
    memset(bytes, 0, sizeof(bytes));
    assert_ptr_equal(weft_existing_mark(&t, &v[0], all, bytes), &v[3]);
    assert_null(weft_existing_mark(&t, &v[3], all, bytes));
    assert_false(weft_existing_takes_bytes(&v[0], bytes));
    for (size_t i = 0; i < COUNT(v); i++) {
        weft_existing_entry_finish(&v[i]);
    }
}

/* Debian's handlers of mips look at e_flags, to leave N32 programs to others. */
static void test_mips(void **state)
{
    static const char magic[] = "\\x7f\\x45\\x4c\\x46\\x01\\x02\\x01\\x00\\x00\\x00\\x00\\x00\\x00"
                                "\\x00\\x00\\x00\\x00\\x02\\x00\\x08";
    static const char mask[] = "\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xfe\\xff\\xff\\xff\\xff"
                               "\\xff\\xff\\xff\\xff\\xfe\\xff\\xff";
    static const char zeros[] = "\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00"
                                "\\x00\\x00\\x00\\x00\\x00\\x00";
    struct weft_err *err = NULL;

    (void)state;
    for (int n32 = 0; n32 < 2; n32++) {
        char *line = weft_fmt(":m:M::%s%s%s:%s%s\\x20:/q:F", magic, zeros, n32 ? "\\x20" : "\\x00",
                              mask, zeros);
        struct weft_existing e;

        assert_ok(weft_existing_parse_line(line, &e, &err), &err);
        assert_int_equal(weft_existing_takes(&e, machine_named("mips")), !n32);
        assert_false(weft_existing_takes(&e, machine_named("mipsel")));
        weft_existing_entry_finish(&e);
        free(line);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse), cmocka_unit_test(test_malformed), temp_test(test_table),
        temp_test(test_unclear),      cmocka_unit_test(test_line),      cmocka_unit_test(test_mark),
        cmocka_unit_test(test_mips),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
