/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "binfmt/qemu_models.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/loop.h"
#include "binfmt/probe.h"
#include "binfmt/qemu.h"
#include "tests/helpers.h"

/*
 * A program that behaves like a QEMU of few models, and writes a line to the file beside it at each
 * start. Its -cpu help is that of QEMU 11.1.
 */
static const char fake[] = "#!/bin/sh\n"
                           "echo \"$2\" >>\"$0.runs\"\n"
                           "case $2 in\n"
                           "help) echo 'Available CPUs:'\n"
                           "      for m in arm926 arm1176 cortex-a8 cortex-a15 loud broken; do\n"
                           "          echo \"  $m\"\n"
                           "      done\n"
                           "      exit 1 ;;\n"
                           "cortex-a8,neon=off | cortex-a15 | arm926) exit 42 ;;\n"
                           "loud) echo 'fake: warning: loud' >&2; exit 42 ;;\n"
                           "broken) exit 3 ;;\n"
                           "killed) kill -9 $$ ;;\n"
                           "'') exit 42 ;;\n"
                           "*) echo \"fake: unable to find CPU model '$2'\" >&2; exit 1 ;;\n"
                           "esac\n";

static const struct weft_platform armv7 = {"linux", "arm", "v7"};

static char *put_script(const char *dir, const char *script)
{
    char *path = weft_path_join(dir, "fake");

    put_file(path, script, strlen(script));
    chmod(path, 0755);
    return path;
}

static char *put_fake(const char *dir)
{
    return put_script(dir, fake);
}

/* The arguments with which it was started so far, and from now on none. */
static char *take_runs(const char *program)
{
    weft_auto_free char *path = weft_fmt("%s.runs", program);
    char *text = NULL;
    size_t len = 0;

    if (weft_read_file(path, 4096, &text, &len, NULL) < 0) {
        return weft_xstrdup("");
    }
    unlink(path);
    return text;
}

static void assert_runs(const char *program, const char *want)
{
    weft_auto_free char *runs = take_runs(program);

    assert_string_equal(runs, want);
}

static void test_models(void **state)
{
    weft_auto_free char *program = put_fake(*state);
    struct weft_answers *a = weft_answers_create(NULL);
    weft_auto_free char *silent = weft_path_join(*state, "silent");
    struct weft_err *err = NULL;

    for (int i = 0; i < 2; i++) {
        weft_auto_strv models = {0};
        weft_auto_free char *all = NULL;

        assert_ok(weft_qemu_models(a, program, NULL, &models, &err), &err);
        all = weft_strv_join(&models, " ");
        assert_string_equal(all, "arm926 arm1176 cortex-a8 cortex-a15 loud broken");
    }
    assert_runs(program, "help\n");

    put_file(silent, "#!/bin/sh\n", 10);
    chmod(silent, 0755);
    assert_int_equal(weft_qemu_models(a, silent, NULL, &(struct weft_strv){0}, &err), -1);
    assert_err(&err, WEFT_E_CHILD, 0, "lists no models");
    assert_int_equal(weft_qemu_models(a, "/nonexistent", NULL, &(struct weft_strv){0}, &err), -1);
    assert_int_equal(err->code, WEFT_E_CHILD);
    weft_err_freep(&err);
    weft_answers_destroy(a);
}

static void test_usable(void **state)
{
    static const struct {
        const char *model;
        const char *why; /* NULL: usable */
    } cases[] = {
        {"cortex-a15", NULL},
        {"loud", "warning: loud"},
        {"broken", "a program that exits with 42 ends with 3"},
        {"cortex-a5", "unable to find CPU model 'cortex-a5'"},
    };
    weft_auto_free char *program = put_fake(*state);
    const struct weft_machine *m = weft_catalogue_find(&armv7)->machine;
    struct weft_answers *a = weft_answers_create(NULL);
    struct weft_err *err = NULL;

    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < COUNT(cases); i++) {
            weft_auto_free char *why = NULL;
            int usable = weft_qemu_model_usable(a, program, m, cases[i].model, NULL, &why, &err);

            assert_null(err);
            assert_int_equal(usable, cases[i].why == NULL);
            if (cases[i].why) {
                assert_string_equal(why, cases[i].why);
            } else {
                assert_null(why);
            }
        }
    }
    assert_runs(program, "cortex-a15\nloud\nbroken\ncortex-a5\n");

    /* what may be otherwise next time is not kept */
    for (int i = 0; i < 2; i++) {
        assert_int_equal(weft_qemu_model_usable(a, program, m, "killed", NULL, NULL, &err), -1);
        assert_err(&err, WEFT_E_CHILD, 0, "was killed by signal 9");
    }
    assert_runs(program, "killed\nkilled\n");
    weft_answers_destroy(a);
}

static void test_policies(void **state)
{
    static const struct weft_cpu_choice baseline = {WEFT_CPU_BASELINE, NULL};
    static const struct weft_cpu_choice max = {WEFT_CPU_MAX, NULL};
    static const struct weft_cpu_choice fastest = {WEFT_CPU_FASTEST, NULL};
    weft_auto_free char *program = put_fake(*state);
    const struct weft_platform_info *p = weft_catalogue_find(&armv7);
    struct weft_answers *a = weft_answers_create(NULL);
    struct weft_err *err = NULL;
    char *model = NULL;

    /* the second of its list: this QEMU is older */
    for (int i = 0; i < 2; i++) {
        assert_ok(weft_qemu_model_for(a, program, p, &baseline, NULL, &model, &err), &err);
        assert_string_equal(model, "cortex-a8,neon=off");
        free(model);
        model = NULL;
    }
    assert_runs(program, "cortex-a8,neon=off,vfp-d32=off\ncortex-a8,neon=off\n");

    assert_int_equal(weft_qemu_model_for(a, program, p, &max, NULL, &model, &err), -1);
    assert_null(model);
    assert_err(&err, WEFT_E_UNSUPPORTED, 0, "linux/arm/v7: ");
    assert_int_equal(weft_qemu_model_for(a, program, p, &fastest, NULL, &model, &err), -1);
    assert_err(&err, WEFT_E_INTERNAL, 0, "chosen elsewhere"); /* test_emulator has it */
    weft_answers_destroy(a);
}

static void test_names(void **state)
{
    static const struct {
        const char *model;
        const char *msg;
        const char *hint;
    } cases[] = {
        {"cortex-a16", "has no CPU model cortex-a16", "cortex-a15"},
        {"zsystem", "has no CPU model zsystem", "one of cortex-a8, cortex-a15, loud, broken"},
        {"arm925", "has no CPU model arm925", "one of cortex-a8, cortex-a15, loud, broken"},
        {"arm926", "arm926 is too weak: the platform promises Armv7-A",
         "one of cortex-a8, cortex-a15, loud, broken"},
        {"loud", "does not run with CPU model loud: warning: loud", "--cpu linux/arm/v7=baseline"},
        {"cortex-a8,wings=on", "unable to find CPU model 'cortex-a8,wings=on'",
         "--cpu linux/arm/v7=baseline"},
    };
    weft_auto_free char *program = put_fake(*state);
    const struct weft_platform_info *p = weft_catalogue_find(&armv7);
    struct weft_answers *a = weft_answers_create(NULL);
    struct weft_err *err = NULL;
    char *model = NULL;

    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_auto_free char *name = weft_xstrdup(cases[i].model);
        struct weft_cpu_choice choice = {WEFT_CPU_MODEL, name};

        assert_int_equal(weft_qemu_model_for(a, program, p, &choice, NULL, &model, &err), -1);
        assert_null(model);
        assert_non_null(err->hint);
        if (!strstr(err->hint, cases[i].hint)) {
            fail_msg("%s: hint %s", name, err->hint);
        }
        assert_err(&err, WEFT_E_USAGE, 0, cases[i].msg);
    }
    {
        weft_auto_free char *name = weft_xstrdup("cortex-a15");
        struct weft_cpu_choice choice = {WEFT_CPU_MODEL, name};

        assert_ok(weft_qemu_model_for(a, program, p, &choice, NULL, &model, &err), &err);
        assert_string_equal(model, "cortex-a15");
        free(model);
    }
    weft_answers_destroy(a);
}

/* What runs nothing at all lacks no CPU model: the message says how it ended. */
static void test_no_qemu(void **state)
{
    static const struct {
        const char *script;
        const char *msg;
    } cases[] = {
        {"#!/bin/sh\nkill -SEGV $$\n",
         "/fake does not run the smallest arm program: killed by signal 11"},
        {"#!/bin/sh\necho 'no such luck'\necho more\nexit 3\n",
         "/fake does not run the smallest arm program: exit code 3: no such luck"},
        {"#!/bin/sh\nexit 0\n", "/fake does not run the smallest arm program: exit code 0"},
    };
    char name[] = "cortex-a15";
    const struct weft_cpu_choice choices[] = {{WEFT_CPU_BASELINE, NULL}, {WEFT_CPU_MODEL, name}};
    struct weft_err *err = NULL;

    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_auto_free char *program = put_script(*state, cases[i].script);
        struct weft_answers *a = weft_answers_create(NULL);

        for (size_t k = 0; k < COUNT(choices); k++) {
            char *model = NULL;

            assert_int_equal(weft_qemu_model_for(a, program, weft_catalogue_find(&armv7),
                                                 &choices[k], NULL, &model, &err),
                             -1);
            assert_err(&err, WEFT_E_UNSUPPORTED, 0, cases[i].msg);
        }
        weft_answers_destroy(a);
    }
}

/* One that hangs is ended by the flag, and is asked nothing more once it has taken its time. */
static void test_hangs(void **state)
{
    static const struct weft_cpu_choice baseline = {WEFT_CPU_BASELINE, NULL};
    static const char script[] = "#!/bin/sh\necho run >>\"$0.runs\"\nexec sleep 100\n";
    weft_auto_free char *program = put_script(*state, script);
    const struct weft_platform_info *p = weft_catalogue_find(&armv7);
    struct weft_answers *a = weft_answers_create(NULL);
    char text[] = "it hangs";
    const struct weft_err timeout = {.code = WEFT_E_CHILD, .msg = text};
    const struct weft_err missing = {.code = WEFT_E_CHILD, .sys = ENOENT, .msg = text};
    struct weft_err *err = NULL;
    uint64_t start_ms = weft_now_ms();
    atomic_bool cancel;
    char *model = NULL;

    atomic_init(&cancel, true);
    assert_int_equal(weft_qemu_model_for(a, program, p, &baseline, &cancel, &model, &err), -1);
    assert_int_equal(err->code, WEFT_E_CANCELLED);
    weft_err_freep(&err);
    assert_in_range(weft_now_ms() - start_ms, 0, 5000);
    free(take_runs(program));

    weft_qemu_note(a, program, &missing);
    assert_int_equal(weft_qemu_hung(a, program, NULL), 0);
    weft_qemu_note(a, program, &timeout);
    assert_int_equal(weft_qemu_hung(a, program, NULL), -1);
    assert_int_equal(weft_qemu_model_for(a, program, p, &baseline, NULL, &model, &err), -1);
    assert_err(&err, WEFT_E_CHILD, 0, "it hangs");
    assert_int_equal(weft_qemu_models(a, program, NULL, &(struct weft_strv){0}, &err), -1);
    assert_err(&err, WEFT_E_CHILD, 0, "it hangs");
    assert_runs(program, "");
    weft_answers_destroy(a);
}

/* Every platform has a model of each policy under the QEMUs of this machine; QEMU 7.2 has none that
 * is as much as the newest of arm64. */
static void test_real(void **state)
{
    weft_auto_free char *dirs = weft_qemu_dirs();
    struct weft_answers *a = weft_answers_create(NULL);
    size_t n = 0;
    const struct weft_platform_info *all = weft_catalogue(&n);
    struct weft_err *err = NULL;
    int found = 0;

    (void)state;
    for (size_t i = 0; i < n; i++) {
        const struct weft_cpu_spec *spec = weft_cpu_spec(&all[i].platform);
        weft_auto_free char *program = all[i].machine ? weft_qemu_find(all[i].machine, dirs) : NULL;

        if (!program || !spec->baseline->model) {
            continue;
        }
        found++;
        for (enum weft_cpu_policy policy = WEFT_CPU_BASELINE; policy <= WEFT_CPU_MAX; policy++) {
            struct weft_cpu_choice choice = {policy, NULL};
            char *model = NULL;

            if (weft_qemu_model_for(a, program, &all[i], &choice, NULL, &model, &err) < 0) {
                if (strcmp(all[i].platform.arch, "arm64") != 0 || !*all[i].platform.variant) {
                    fail_msg("%s", err->msg);
                }
                assert_err(&err, WEFT_E_UNSUPPORTED, 0, "QEMU's max is Armv8.6 in QEMU 7.2");
                continue;
            }
            free(model);
        }
    }
    if (found == 0) {
        print_message("there is no QEMU here\n");
    }
    weft_answers_destroy(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        temp_test(test_models),      temp_test(test_usable),  temp_test(test_policies),
        temp_test(test_names),       temp_test(test_no_qemu), temp_test(test_hangs),
        cmocka_unit_test(test_real),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
