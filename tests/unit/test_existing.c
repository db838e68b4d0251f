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

static const struct weft_machine *machine(const char *name)
{
    size_t n;
    const struct weft_machine *const *all = weft_catalogue_machines(&n);

    for (size_t i = 0; i < n; i++) {
        if (strcmp(all[i]->qemu, name) == 0) {
            return all[i];
        }
    }
    fail_msg("no machine %s", name);
    return NULL;
}

static void free_entry(struct weft_existing *e)
{
    free(e->name);
    free(e->interpreter);
}

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
    free_entry(&e);

    /* no mask: every bit counts */
    assert_ok(weft_existing_parse(
                  "jar", "disabled\ninterpreter /j\nflags: \noffset 4\nmagic 504b\n", &e, &err),
              &err);
    assert_false(e.enabled);
    assert_int_equal(e.offset, 4);
    assert_int_equal(e.mask[1], 0xff);
    free_entry(&e);

    assert_int_equal(
        weft_existing_parse("py", "enabled\ninterpreter /p\nflags: \nextension .py\n", &e, &err),
        1);
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
    assert_int_equal(t.n, 1);
    found = weft_existing_find(&t, machine("aarch64"), &without_f);
    assert_non_null(found);
    assert_string_equal(found->name, "z-arm64");
    assert_null(without_f);
    assert_null(weft_existing_find(&t, machine("s390x"), &without_f));
    assert_null(without_f);
    weft_existing_finish(&t);

    /* one that would need the interpreter in each container */
    put(dir, "z-arm64", ARM64("enabled", "OC"));
    read_table(dir, &t);
    assert_null(weft_existing_find(&t, machine("aarch64"), &without_f));
    assert_string_equal(without_f->name, "z-arm64");
    put(dir, "a-arm64", ARM64("enabled", "F"));
    weft_existing_finish(&t);
    read_table(dir, &t);
    assert_string_equal(weft_existing_find(&t, machine("aarch64"), &without_f)->name, "a-arm64");
    weft_existing_finish(&t);

    /* one that is switched off, one that wants more than the machine, and all switched off */
    put(dir, "a-arm64", ARM64("disabled", "F"));
    put(dir, "z-arm64",
        "enabled\ninterpreter /q\nflags: F\noffset 0\n"
        "magic 7f454c460201010000000000000000000200b70001\n");
    read_table(dir, &t);
    assert_null(weft_existing_find(&t, machine("aarch64"), NULL));
    weft_existing_finish(&t);
    put(dir, "a-arm64", ARM64("enabled", "F"));
    put(dir, "status", "disabled\n");
    read_table(dir, &t);
    assert_null(weft_existing_find(&t, machine("aarch64"), NULL));
    weft_existing_finish(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_malformed),
        temp_test(test_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
