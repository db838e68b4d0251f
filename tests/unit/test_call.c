/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/request.h"

/* "FROM a\nRUN b\nRUN c\nRUN d\nRUN e\nRUN f" */
#define SOURCES                                                           \
    "\\\"sources\\\":[{\\\"filename\\\":\\\"Dockerfile\\\",\\\"data\\\":" \
    "\\\"RlJPTSBhClJVTiBiClJVTiBjClJVTiBkClJVTiBlClJVTiBm\\\"}]"
#define ERROR_AT(first, last)                                                                 \
    "\\\"buildError\\\":{\\\"message\\\":\\\"it is wrong\\\",\\\"location\\\":{"              \
    "\\\"ranges\\\":[{\\\"start\\\":{\\\"line\\\":" first "},\\\"end\\\":{\\\"line\\\":" last \
    "}}]}}"

static const struct {
    const char *what;
    const char *call;
    bool json;
    bool ignore;
    const char *answer;
    int rc;
    const char *printed;
    const char *message;
} cases[] = {
    {"text", "outline", false, false, "{\"result.json\":\"{}\",\"result.txt\":\"T\\n\"}", 0, "T\n",
     NULL},
    {"text that is no text", "outline", false, false,
     "{\"result.txt\":\"a\\u001b[2Jb\\tc\\r\\n\\u0007d\\u009b1m\\n\\ne\"}", 0,
     "ab      c\nd\\xc2\\x9b1m\n\ne", NULL},
    {"json", "outline", true, false, "{\"result.json\":\"{}\",\"result.txt\":\"T\\n\"}", 0, "{}\n",
     NULL},
    {"no text", "x", false, false, "{\"result.json\":\"[1]\"}", 0, "[1]\n", NULL},
    {"nothing", "x", false, false, "{\"version\":\"1\"}", -1, "",
     "the frontend has no answer to x"},
    {"a status", "x", false, false, "{\"result.txt\":\"T\\n\",\"result.statuscode\":\"7\"}", -1,
     "T\n", ""},
    {"a status to ignore", "x", false, true,
     "{\"result.txt\":\"T\\n\",\"result.statuscode\":\"7\"}", 0, "T\n", NULL},
    {"no warnings", "lint", false, false,
     "{\"result.json\":\"{\\\"warnings\\\":[]}\",\"result.txt\":\"\",\"result.statuscode\":\"0\"}",
     0, "Check complete, no warnings found.\n", NULL},
    {"a warning", "lint", false, false,
     "{\"result.json\":\"{\\\"warnings\\\":[{}]}\",\"result.txt\":\"\\nWARNING: W\\n\","
     "\"result.statuscode\":\"1\"}",
     -1, "Check complete, 1 warning has been found!\n\nWARNING: W\n", ""},
    {"two warnings, ignored", "lint", false, true,
     "{\"result.json\":\"{\\\"warnings\\\":[{},{}]}\",\"result.txt\":\"\\nW\\n\","
     "\"result.statuscode\":\"1\"}",
     0, "Check complete, 2 warnings have been found!\n\nW\n", NULL},
    {"warnings as JSON", "lint", true, false,
     "{\"result.json\":\"{\\\"warnings\\\":[{}]}\",\"result.statuscode\":\"1\"}", -1,
     "{\"warnings\":[{}]}\n", ""},
    {"an error of one line", "lint", false, false,
     "{\"result.json\":\"{" SOURCES "," ERROR_AT("1", "1") "}\",\"result.statuscode\":\"1\"}", -1,
     "",
     "it is wrong\nDockerfile:1\n--------------------\n   1 | >>> FROM a\n   2 |     RUN b\n"
     "   3 |     RUN c\n--------------------"},
    {"in the middle", "lint", false, false,
     "{\"result.json\":\"{" SOURCES "," ERROR_AT("3", "3") "}\",\"result.statuscode\":\"1\"}", -1,
     "",
     "it is wrong\nDockerfile:3\n--------------------\n   1 |     FROM a\n   2 |     RUN b\n"
     "   3 | >>> RUN c\n   4 |     RUN d\n   5 |     RUN e\n--------------------"},
    {"of two lines, past the end", "lint", false, false,
     "{\"result.json\":\"{" SOURCES "," ERROR_AT("5", "9") "}\",\"result.statuscode\":\"1\"}", -1,
     "",
     "it is wrong\nDockerfile:5\n--------------------\n   4 |     RUN d\n   5 | >>> RUN e\n"
     "   6 | >>> RUN f\n--------------------"},
    {"after warnings", "lint", false, false,
     "{\"result.json\":\"{\\\"warnings\\\":[{}]," ERROR_AT("1", "1") "}\",\"result.txt\":\"W\\n\"}",
     -1, "Check complete, 1 warning has been found!\nW\n\n", "it is wrong"},
    {"no such line", "lint", false, false,
     "{\"result.json\":\"{" SOURCES "," ERROR_AT("70", "70") "}\"}", -1, "", "it is wrong"},
    {"no JSON", "lint", false, false, "{\"result.json\":\"{\"}", -1, "", NULL},
};

static void test_print(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *call = weft_xstrdup(cases[i].call);
        struct weft_request r = {
            .call = call, .call_json = cases[i].json, .call_ignore_status = cases[i].ignore};
        weft_auto_err err = NULL;
        weft_auto_json answer = weft_call_parse(cases[i].answer, strlen(cases[i].answer), &err);
        weft_auto_free char *printed = NULL;
        size_t len;
        FILE *out = open_memstream(&printed, &len);

        assert_non_null(answer);
        assert_int_equal(weft_call_print(&r, answer, out, &err), cases[i].rc);
        fclose(out);
        if (strcmp(printed, cases[i].printed) != 0) {
            fail_msg("%s: \"%s\"", cases[i].what, printed);
        }
        if (cases[i].message && strcmp(err->msg, cases[i].message) != 0) {
            fail_msg("%s: \"%s\"", cases[i].what, err->msg);
        }
        free(call);
    }
}

static void test_parse(void **state)
{
    static const char *const bad[] = {"", "[]", "{", "\"x\"", "{} {}"};

    (void)state;
    assert_null(weft_call_parse(NULL, 0, NULL));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        weft_auto_err err = NULL;

        assert_null(weft_call_parse(bad[i], strlen(bad[i]), &err));
        assert_int_equal(err->code, WEFT_E_FORMAT);
    }
}

static void test_metadata(void **state)
{
    static const char text[] = "{\"result.json\":\"{\\\"a\\\":1}\",\"result.txt\":\"{}\"}";
    weft_auto_json answer = weft_call_parse(text, strlen(text), NULL);
    weft_auto_json metadata = weft_json_object();

    (void)state;
    weft_call_metadata(answer, metadata);
    assert_int_equal(weft_json_int(weft_json_get(metadata, "result.json"), "a", 0), 1);
    assert_string_equal(weft_json_str(metadata, "result.txt"), "{}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_print),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_metadata),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
