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
#include "engine/flags.h"

struct values {
    bool quiet;
    bool debug;
    char *file;
    struct weft_strv tags;
};

static const struct weft_flag flags[] = {
    {WEFT_FLAG_HEADING, .help = "Things"},
    {WEFT_FLAG_SWITCH, 'q', "quiet", NULL, offsetof(struct values, quiet), "say nothing"},
    {WEFT_FLAG_SWITCH, 'D', "debug", NULL, offsetof(struct values, debug), "say more"},
    {WEFT_FLAG_VALUE, 'f', "file", "FILE", offsetof(struct values, file), "one\nand another line"},
    {WEFT_FLAG_LIST, 't', "tag", "NAME[:AND-A-LONG-METAVAR]", offsetof(struct values, tags), "tag"},
};

enum {
    N_FLAGS = sizeof(flags) / sizeof(flags[0]),
    MAX_ARGS = 8
};

static int parse(const char *const *args, struct values *v, struct weft_strv *rest,
                 struct weft_err **err)
{
    weft_auto_strv argv = {0};

    weft_strv_add(&argv, "test");
    for (size_t i = 0; i < MAX_ARGS && args[i]; i++) {
        weft_strv_add(&argv, args[i]);
    }
    return weft_flags_parse(flags, N_FLAGS, (int)argv.n, argv.v, v, rest, err);
}

static void values_finish(struct values *v)
{
    free(v->file);
    weft_strv_finish(&v->tags);
}

static void test_accepted(void **state)
{
    static const struct {
        const char *args[MAX_ARGS];
        const char *want; /* quiet debug file tags | rest */
    } cases[] = {
        {{NULL}, "00 - [] []"},
        {{"."}, "00 - [] [.]"},
        {{".", "-t", "x"}, "00 - [x] [.]"},
        {{"-t", "x", ".", "-ty", "-t=z"}, "00 - [x y z] [.]"},
        {{"--tag=a", "--tag", "b", "--tag", "--c"}, "00 - [a b --c] []"},
        {{"--tag="}, "00 - [] []"}, /* one empty tag */
        {{"-q", "-D"}, "11 - [] []"},
        {{"-qD"}, "11 - [] []"},
        {{"-qDfx"}, "11 x [] []"},
        {{"-qf", "x"}, "10 x [] []"},
        {{"-q=false"}, "00 - [] []"},
        {{"--quiet", "--quiet=false"}, "00 - [] []"},
        {{"--quiet=1", "--debug=T"}, "11 - [] []"},
        {{"--quiet", "false"}, "10 - [] [false]"}, /* a switch takes no next argument */
        {{"-f", "a", "--file", "b"}, "00 b [] []"},
        {{"-f", "-"}, "00 - [] []"},
        {{"-"}, "00 - [] [-]"},
        {{"-q", "--", "-t", "--tag"}, "10 - [] [-t --tag]"},
        {{"--file=a=b"}, "00 a=b [] []"},
        {{"-f=a=b"}, "00 a=b [] []"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct values v = {0};
        weft_auto_strv rest = {0};
        weft_auto_err err = NULL;
        weft_auto_free char *tags = NULL;
        weft_auto_free char *args = NULL;
        weft_auto_free char *got = NULL;

        if (parse(cases[i].args, &v, &rest, &err) < 0) {
            fail_msg("case %zu: %s", i, err->msg);
        }
        tags = weft_strv_join(&v.tags, " ");
        args = weft_strv_join(&rest, " ");
        got = weft_fmt("%d%d %s [%s] [%s]", v.quiet, v.debug, v.file ? v.file : "-", tags, args);
        assert_string_equal(got, cases[i].want);
        values_finish(&v);
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *args[MAX_ARGS];
        const char *msg;
        const char *hint;
    } cases[] = {
        {{"--tagg", "x"}, "unknown flag --tagg", "--tag"},
        {{"--fil=x"}, "unknown flag --fil", "--file"},
        {{"--push"}, "unknown flag --push", "--help, which lists the flags"},
        {{"--"}, NULL, NULL},
        {{"--=x"}, "unknown flag --", "--help, which lists the flags"},
        {{"-x"}, "unknown flag -x", "--help, which lists the flags"},
        {{"-qx"}, "unknown flag -x", "--help, which lists the flags"},
        {{"-file"}, NULL, NULL}, /* -f ile, as docker has it */
        {{"-quiet"}, "unknown flag -u", "--help, which lists the flags"},
        {{"--tag"}, "--tag needs a value: --tag NAME[:AND-A-LONG-METAVAR]", NULL},
        {{"-t"}, "--tag needs a value: --tag NAME[:AND-A-LONG-METAVAR]", NULL},
        {{"-qf"}, "--file needs a value: --file FILE", NULL},
        {{"--quiet=maybe"}, "--quiet takes true or false, not \"maybe\"", NULL},
        {{"--quiet="}, "--quiet takes true or false, not \"\"", NULL},
        {{"-\x1b"}, "unknown flag -\\x1b", "--help, which lists the flags"},
        {{"--a\x1b[m"}, "unknown flag --a\\x1b[m", "--help, which lists the flags"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct values v = {0};
        weft_auto_strv rest = {0};
        weft_auto_err err = NULL;
        int r = parse(cases[i].args, &v, &rest, &err);

        values_finish(&v);
        if (!cases[i].msg) {
            assert_int_equal(r, 0);
            continue;
        }
        assert_int_equal(r, -1);
        assert_int_equal(err->code, WEFT_E_USAGE);
        assert_string_equal(err->msg, cases[i].msg);
        if (!weft_str_eq(err->hint, cases[i].hint)) {
            fail_msg("%s: hint \"%s\"", err->msg, err->hint ? err->hint : "none");
        }
    }
}

static void test_help(void **state)
{
    static const char want[] = "\nThings:\n"
                               "  -q, --quiet                 say nothing\n"
                               "  -D, --debug                 say more\n"
                               "  -f, --file FILE             one\n"
                               "                              and another line\n"
                               "  -t, --tag NAME[:AND-A-LONG-METAVAR]\n"
                               "                              tag\n";
    weft_auto_free char *text = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&text, &len);

    (void)state;
    assert_non_null(f);
    weft_flags_help(flags, N_FLAGS, f);
    assert_int_equal(fclose(f), 0);
    assert_string_equal(text, want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_help),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
