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
#include "platforms/platform.h"

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

#define PINNED "FROM --platform=$BUILDPLATFORM golang AS build\nRUN go build\n"

/* The line of a RUN that is for windows. */
static void test_windows_run(void **state)
{
    static const struct {
        const char *file;
        const char *target;
        const char *arg;
        const char *context;
        int windows; /* where it is built for windows/amd64 */
        int linux_;  /* where it is built for linux/arm64 */
    } cases[] = {
        {"FROM scratch\nCOPY . /\n", NULL, NULL, NULL, 0, 0},
        {"FROM scratch\nRUN x\n", NULL, NULL, NULL, 2, 0},
        {"# a comment\n\nFROM a\nCOPY . /\nrun \\\n x \\\n y\nRUN z\n", NULL, NULL, NULL, 5, 0},
        {"FROM a\r\nRUN [\"x\"]\r\n", NULL, NULL, NULL, 2, 0},
        {"FROM a\nCOPY <<EOF /x\nRUN y\nEOF\nLABEL RUN=x\nCMD RUN\n", NULL, NULL, NULL, 0, 0},
        {"FROM a\nCOPY <<EOF /x\nRUN y\nEOF\nRUN <<EOF\nx\nEOF\n", NULL, NULL, NULL, 5, 0},
        {"", NULL, NULL, NULL, 0, 0},
        {"RUN x\nFROM a\n", NULL, NULL, NULL, 0, 0},
        /* stages that are not needed, or are pinned */
        {PINNED "FROM scratch\nCOPY --from=build /x /\n", NULL, NULL, NULL, 0, 0},
        {PINNED "FROM build\nRUN more\nFROM scratch\nCOPY --from=1 / /\n", NULL, NULL, NULL, 0, 0},
        {PINNED "FROM scratch\nCOPY --from=build /x /\nRUN x\n", NULL, NULL, NULL, 5, 0},
        {"FROM a AS t\nRUN x\nFROM scratch\nCOPY . /\n", NULL, NULL, NULL, 0, 0},
        {"FROM a AS t\nRUN x\nFROM scratch\nCOPY . /\n", "T", NULL, NULL, 2, 0},
        {"FROM a AS t\nRUN x\nFROM scratch\nCOPY . /\n", "0", NULL, NULL, 2, 0},
        {"FROM a AS t\nRUN x\nFROM scratch\nCOPY . /\n", "none", NULL, NULL, 0, 0},
        {"FROM a AS t\nRUN x\nFROM scratch\nCOPY --from=t . /\n", NULL, NULL, NULL, 2, 0},
        {"FROM a AS t\nRUN x\nFROM scratch\nCOPY --chmod=1 --from=T . /\n", NULL, NULL, NULL, 2, 0},
        {"FROM a AS t\nRUN x\nFROM t\n", NULL, NULL, NULL, 2, 0},
        {"FROM a\nRUN x\nFROM b\nCOPY --from=0 . /\n", NULL, NULL, NULL, 2, 0},
        {"FROM a AS t\nRUN x\nFROM --platform=linux/amd64 b AS u\n"
         "RUN --mount=type=bind,from=t,target=/t y\nFROM scratch\nCOPY --from=u . /\n",
         NULL, NULL, NULL, 2, 0},
        {"FROM a AS t\nFROM a AS t\nRUN x\nFROM t\n", NULL, NULL, NULL, 3, 0},
        {"FROM a AS t\nRUN x\nFROM a AS t\nFROM t\n", NULL, NULL, NULL, 0, 0},
        /* platforms */
        {"FROM --platform=$TARGETPLATFORM a\nRUN x\n", NULL, NULL, NULL, 2, 0},
        {"FROM --platform=${TARGETOS}/${TARGETARCH} a\nRUN x\n", NULL, NULL, NULL, 2, 0},
        {"FROM --platform=linux a\nRUN x\n", NULL, NULL, NULL, 0, 0},
        {"FROM --platform=Windows/amd64 a\nRUN x\n", NULL, NULL, NULL, 2, 2},
        {"FROM --platform=windows(10.0.20348.1)/amd64 a AS w\nRUN x\nFROM scratch\n"
         "COPY --from=w / /\n",
         NULL, NULL, NULL, 2, 2},
        {"FROM --platform=$BUILDPLATFORM scratch\nRUN x\n", NULL, NULL, NULL, 2, 0},
        {"FROM --platform=linux/amd64 a AS b\nFROM --platform=windows/amd64 b\nRUN x\n", NULL, NULL,
         NULL, 0, 0}, /* a stage keeps the platform of its base */
        /* variables */
        {"ARG P=$BUILDPLATFORM\nFROM --platform=$P a\nRUN x\n", NULL, NULL, NULL, 0, 0},
        {"ARG P=$BUILDPLATFORM\nFROM --platform=$P a\nRUN x\n", NULL, "P=windows/amd64", NULL, 3,
         3},
        {"ARG A P='windows/amd64'\nFROM --platform=${P} a\nRUN x\n", NULL, NULL, NULL, 3, 3},
        {"FROM --platform=${P:-$BUILDPLATFORM} a\nRUN x\n", NULL, NULL, NULL, 0, 0},
        {"FROM --platform=${P:-windows} a\nRUN x\n", NULL, NULL, NULL, 2, 2},
        {"FROM --platform=${P-windows} a\nRUN x\n", NULL, NULL, NULL, 2, 2},
        {"ARG P=linux\nFROM --platform=${P:-windows} a\nRUN x\n", NULL, NULL, NULL, 0, 0},
        {"FROM --platform=${P a\nRUN x\n", NULL, NULL, NULL, 0, 0},
        {"FROM --platform=$ a\nRUN x\n", NULL, NULL, NULL, 0, 0},
        {"ARG B=t\nFROM a AS t\nRUN x\nFROM $B\n", NULL, NULL, NULL, 3, 0},
        {"ARG B=t\nFROM a AS t\nRUN x\nFROM $B\n", NULL, "B=other", NULL, 0, 0},
        {"FROM a AS t-windows\nRUN x\nFROM b AS t-linux\nRUN y\nFROM t-$TARGETOS\n", NULL, NULL,
         NULL, 2, 0},
        {"ARG BUILDPLATFORM=windows/amd64\nFROM --platform=$BUILDPLATFORM a\nRUN x\n", NULL, NULL,
         NULL, 3, 3},
        /* contexts go before stages */
        {"FROM a AS t\nRUN x\nFROM t\n", NULL, NULL, "t", 0, 0},
        {"FROM a AS t\nRUN x\nFROM t\nRUN y\n", NULL, NULL, "t", 0, 0},
        {"FROM a AS t\nRUN x\nFROM scratch\nCOPY --from=t / /\n", NULL, NULL, "t", 0, 0},
        /* ONBUILD */
        {"FROM a AS t\nONBUILD RUN x\nFROM t\n", NULL, NULL, NULL, 2, 0},
        {"FROM a AS t\nONBUILD RUN x\nFROM t AS u\nFROM u\n", NULL, NULL, NULL, 2, 0},
        {"FROM a AS t\nONBUILD RUN x\nFROM scratch\nCOPY --from=t / /\n", NULL, NULL, NULL, 0, 0},
        {"FROM --platform=linux a AS t\nONBUILD RUN x\nFROM t\n", NULL, NULL, NULL, 0, 0},
    };
    struct weft_platform windows;
    struct weft_platform other;
    int failed = 0;

    (void)state;
    weft_platform_from_fields("windows", "amd64", NULL, &windows);
    weft_platform_from_fields("linux", "arm64", NULL, &other);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        weft_auto_dockerfile d = {0};
        weft_auto_strv args = {0};
        weft_auto_strv contexts = {0};
        struct weft_dockerfile_use use = {&windows, cases[i].target, &args, &contexts};
        size_t stage = SIZE_MAX;
        int found;

        if (cases[i].arg) {
            weft_strv_add(&args, cases[i].arg);
        }
        if (cases[i].context) {
            weft_strv_add(&contexts, cases[i].context);
        }
        assert_int_equal(weft_dockerfile_scan(cases[i].file, strlen(cases[i].file), &d, NULL), 0);
        found = weft_dockerfile_windows_run(&d, &use, &stage);
        if (found != cases[i].windows || (found > 0) != (stage < d.n_stages)) {
            print_error("%s\nfor windows: %d\n", cases[i].file, found);
            failed++;
        }
        use.platform = &other;
        found = weft_dockerfile_windows_run(&d, &use, &stage);
        if (found != cases[i].linux_) {
            print_error("%s\nfor linux: %d\n", cases[i].file, found);
            failed++;
        }
    }
    assert_int_equal(failed, 0);
}

/* Files that are made to take long. */
static void test_windows_run_large(void **state)
{
    static const char *const lines[] = {"FROM s AS s\n", "COPY --from=s a b\n", "ARG A=$A$A\n"};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        weft_auto_dockerfile d = {0};
        weft_auto_buf b = {0};
        weft_auto_strv none = {0};
        struct weft_platform p;
        struct weft_dockerfile_use use = {&p, NULL, &none, &none};
        size_t stage;

        weft_platform_from_fields("windows", "amd64", NULL, &p);
        weft_buf_puts(&b, i == 1 ? "FROM s\n" : "ARG A=x\n");
        while (b.len < 4 << 20) {
            weft_buf_puts(&b, lines[i]);
        }
        weft_buf_puts(&b, "FROM x\nRUN x\n");
        assert_int_equal(weft_dockerfile_scan(b.data, b.len, &d, NULL), 0);
        assert_true(weft_dockerfile_windows_run(&d, &use, &stage) >= 0);
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
        cmocka_unit_test(test_windows_run),
        cmocka_unit_test(test_windows_run_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
