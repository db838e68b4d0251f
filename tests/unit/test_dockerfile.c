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
#include "base/mem.h"
#include "base/str.h"
#include "engine/dockerfile.h"

/* "base", "base AS name", "--platform=X base AS name" joined by "; ". Caller frees. */
static char *stages_text(const struct weft_dockerfile *d)
{
    struct weft_buf b = {0};

    for (size_t i = 0; i < d->n_stages; i++) {
        const struct weft_dockerfile_stage *s = &d->stages[i];

        weft_buf_printf(&b, "%s%s%s%s%s%s%s", i > 0 ? "; " : "", s->platform ? "--platform=" : "",
                        s->platform ? s->platform : "", s->platform ? " " : "", s->base,
                        s->name ? " AS " : "", s->name ? s->name : "");
    }
    return weft_buf_steal(&b);
}

static void test_stages(void **state)
{
    static const struct {
        const char *file;
        const char *want;
    } cases[] = {
        {"", ""},
        {"FROM scratch", "scratch"},
        {"FROM scratch\n", "scratch"},
        {"\xef\xbb\xbf"
         "from a\r\nFrom b as X\r\n",
         "a; b AS x"},
        {"FROM --platform=$BUILDPLATFORM golang AS build\nFROM scratch\nCOPY --from=build /a /\n",
         "--platform=$BUILDPLATFORM golang AS build; scratch"},
        {"FROM --platform=\"linux/amd64\" x\n", "--platform=linux/amd64 x"},
        {"FROM \\\n  --platform=linux/amd64 \\\n  # a comment\n\n  x \\\n AS y\n",
         "--platform=linux/amd64 x AS y"},
        {"  \tFROM   a\tAS\tb  \n", "a AS b"},
        {"# FROM --platform=x a\nFROM b\n", "b"},
        {"#FROM a\n\n  # FROM c\nFROM b\n", "b"},
        /* not FROM instructions */
        {"FROM a\nRUN echo \\\nFROM --platform=x b\n", "a"},
        {"FROM a\nRUN echo \\\\\nFROM b\n", "a; b"}, /* doubled: continues nothing */
        {"FROM a\nRUN echo \\ \t\n FROM b\n", "a"},  /* blanks behind the backslash */
        {"FROM a\nONBUILD FROM b\nFROMM c\nLABEL FROM=d\n", "a"},
        {"FROM a\nRUN <<EOF\nFROM --platform=x b\nEOF\nFROM c\n", "a; c"},
        {"FROM a\nRUN cat <<A <<-\"B\"\nFROM 1\nA\nFROM 2\n\t\tB\nFROM c\n", "a; c"},
        {"FROM a\nCOPY <<EOF /x\nFROM b\nEOF \nEOF\nFROM c\n", "a; c"},
        {"FROM a\nADD --chmod=1 <<'E F' /x\nFROM b\nE F\nFROM c\n", "a; c"},
        {"FROM a\nONBUILD RUN <<EOF\nFROM b\nEOF\nFROM c\n", "a; c"},
        {"FROM a\nRUN << EOF\nFROM b\nEOF\nFROM c\n", "a; c"},
        {"FROM a\nRUN 3<<EOF cmd\nFROM b\nEOF\nFROM c\n", "a; c"},
        {"FROM a\r\nRUN <<EOF\r\nFROM b\r\nEOF\r\nFROM c\r\n", "a; c"},
        {"FROM a\nRUN <<EOF\nFROM b\n", "a"}, /* without an end: BuildKit will say so */
        /* no heredocs */
        {"FROM a\nRUN cat <<<EOF\nFROM b\n", "a; b"},
        {"FROM a\nRUN echo '<<EOF'\nFROM b\n", "a; b"},
        {"FROM a\nRUN echo \"x <<EOF\"\nFROM b\n", "a; b"},
        {"FROM a\nRUN echo \\<<EOF\nFROM b\n", "a; b"},
        {"FROM a\nRUN echo it's <<EOF\nFROM b\n", "a; b"},
        {"FROM a\nRUN [\"cat\", \"<<EOF\"]\nFROM b\n", "a; b"},
        {"FROM a\nRUN [ 1 <<EOF\nx\nEOF\nFROM b\n", "a; b"}, /* not JSON: a shell line */
        {"FROM a\nENV X <<EOF\nFROM b\n", "a; b"},
        /* the escape directive */
        {"# escape=`\nFROM `\n a\nRUN echo \\\nFROM b\n", "a; b"},
        {"# syntax=x\n# ESCAPE = `\nFROM `\n a\n", "a"},
        {"\n# escape=`\nFROM a\nRUN x `\nFROM b\n", "a; b"}, /* too late */
        {"# comment\n# escape=`\nFROM a\nRUN x `\nFROM b\n", "a; b"},
        {"FROM\nFROM --platform=x\nFROM --\n", "; --platform=x ; "},
        {"FROM --platform=x -- a\n", "--platform=x a"},
        {"FROM $A:${B:-c} AS $D\n", "$A:${B:-c} AS $d"},
        {"FROM a b c\nFROM a as\n", "a; a"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        weft_auto_dockerfile d = {0};
        weft_auto_free char *got = NULL;

        assert_int_equal(weft_dockerfile_scan(cases[i].file, strlen(cases[i].file), &d, NULL), 0);
        got = stages_text(&d);
        if (strcmp(got, cases[i].want) != 0) {
            fail_msg("%s\ngives \"%s\", not \"%s\"", cases[i].file, got, cases[i].want);
        }
        assert_int_equal(d.pins_platform, strstr(cases[i].want, "--platform=") != NULL);
    }
}

static void test_syntax(void **state)
{
    static const struct {
        const char *file;
        const char *want;
    } cases[] = {
        {"FROM a\n", NULL},
        {"# syntax=docker/dockerfile:1\nFROM a\n", "docker/dockerfile:1"},
        {"#syntax=docker/dockerfile:1", "docker/dockerfile:1"},
        {"#  SynTax =  x:1 and more \r\nFROM a\n", "x:1"},
        {"\xef\xbb\xbf# syntax=x\n", "x"},
        {"#!/usr/bin/env weft\n# syntax=x\n", "x"},
        {"# escape=`\n# check=skip=all\n# syntax=x\n", "x"},
        {"# a comment\n# syntax=x\n", NULL},
        {"\n# syntax=x\n", NULL},
        {" # syntax=x\n", NULL},
        {"# syntax\n# syntax=x\n", NULL},
        {"# syntax=\n", NULL},
        {"# other=1\n# syntax=x\n", NULL},
        {"# syntax=x\n# syntax=y\n", "x"},
        {"# escape=`\n# escape=`\n# syntax=y\n", NULL},
        {"FROM a\n# syntax=x\n", NULL},
        {"// syntax=x\nanything\n", "x"},
        {"#!x\n//syntax=x", "x"},
        {"{\"syntax\": \"x\", \"a\": [1]}\n", "x"},
        {"{\"syntax\": 1}", NULL},
        {"{\"syntax\": \"x\"} y", NULL},
        {"[\"syntax\"]", NULL},
        {"", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        weft_auto_dockerfile d = {0};

        assert_int_equal(weft_dockerfile_scan(cases[i].file, strlen(cases[i].file), &d, NULL), 0);
        if (!weft_str_eq(d.syntax, cases[i].want)) {
            fail_msg("%s\ngives \"%s\"", cases[i].file, d.syntax ? d.syntax : "nothing");
        }
    }
}

static void test_builtin(void **state)
{
    static const struct {
        const char *syntax;
        const char *builtin;
        bool want;
    } cases[] = {
        {"docker/dockerfile:1", "1.27.0", true},
        {"docker.io/docker/dockerfile:1", "1.27.0", true},
        {"index.docker.io/docker/dockerfile:1.4", "1.27.0", true},
        {"docker/dockerfile:1.27", "1.27.0", true},
        {"docker/dockerfile:1.27.0", "1.27.0", true},
        {"docker/dockerfile:1.9.9", "1.27.0", true},
        {"docker/dockerfile:1.4 --some=flag", "1.27.0", true},
        {" docker/dockerfile:1", "1.27.0", true},
        {"docker/dockerfile:1", "v1.27.0", true},
        {"docker/dockerfile:1.27.1", "1.27.0", false},
        {"docker/dockerfile:1.28", "1.27.0", false},
        {"docker/dockerfile:2", "1.27.0", false},
        {"docker/dockerfile:0.9", "1.27.0", false},
        {"docker/dockerfile:1-labs", "1.27.0", false},
        {"docker/dockerfile:1.4-labs", "1.27.0", false},
        {"docker/dockerfile:labs", "1.27.0", false},
        {"docker/dockerfile:latest", "1.27.0", false},
        {"docker/dockerfile", "1.27.0", false},
        {"docker/dockerfile:1.", "1.27.0", false},
        {"docker/dockerfile:1.2.3.4", "1.27.0", false},
        {"docker/dockerfile:1.99999999999999999999", "1.27.0", false},
        {"docker/dockerfile:1@sha256:"
         "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
         "1.27.0", false},
        {"docker/dockerfile-upstream:1", "1.27.0", false},
        {"dockerfile:1", "1.27.0", false},
        {"ghcr.io/docker/dockerfile:1", "1.27.0", false},
        {"docker/dockerfile:1", "", false},
        {"docker/dockerfile:1", "1.27", false},
        {"docker/dockerfile:1", "1.27.0-dev", false},
        {"", "1.27.0", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (weft_syntax_builtin(cases[i].syntax, cases[i].builtin) != cases[i].want) {
            fail_msg("%s with %s", cases[i].syntax, cases[i].builtin);
        }
    }
}

static void test_limit(void **state)
{
    weft_auto_dockerfile d = {0};
    weft_auto_err err = NULL;
    weft_auto_free char *big = weft_xcalloc(1, WEFT_DOCKERFILE_LIMIT + 1);

    (void)state;
    assert_int_equal(weft_dockerfile_scan(big, WEFT_DOCKERFILE_LIMIT, &d, NULL), 0);
    assert_int_equal(d.n_stages, 0);
    weft_dockerfile_finish(&d);
    assert_int_equal(weft_dockerfile_scan(big, WEFT_DOCKERFILE_LIMIT + 1, &d, &err), -1);
    assert_int_equal(err->code, WEFT_E_FORMAT);
    weft_err_free(err);
    err = NULL;
    assert_int_equal(weft_dockerfile_load("/nonexistent/Dockerfile", &d, &err), -1);
    assert_int_equal(err->code, WEFT_E_USAGE);
}

static void test_context_by_platform(void **state)
{
    static const struct {
        const char *file;
        bool want;
    } cases[] = {
        {"FROM a\nCOPY . /\n", false},
        {"FROM a\nARG TARGETARCH\nRUN echo $TARGETARCH\nCOPY . /\n", false},
        {"FROM a\nARG TARGETARCH\nCOPY bin/$TARGETARCH /\n", true},
        {"FROM a\nadd \\\n  bin-${TARGETARCH}${TARGETVARIANT} /\n", true},
        {"FROM a\nCOPY --from=b /$TARGETARCH /\n", true}, /* costs a copy, no more */
        {"FROM a\nRUN --mount=type=bind,source=bin/$TARGETARCH,target=/b true\n", true},
        {"FROM a AS x-arm64\nFROM a AS x-amd64\nFROM x-$TARGETARCH\n", true},
        {"FROM --platform=$TARGETPLATFORM a\nCOPY . /\n", true},
        {"FROM --platform=$BUILDPLATFORM a\nCOPY . /\n", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        weft_auto_dockerfile d = {0};

        assert_int_equal(weft_dockerfile_scan(cases[i].file, strlen(cases[i].file), &d, NULL), 0);
        assert_int_equal(d.context_by_platform, cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_context_by_platform),
        cmocka_unit_test(test_stages),
        cmocka_unit_test(test_syntax),
        cmocka_unit_test(test_builtin),
        cmocka_unit_test(test_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
