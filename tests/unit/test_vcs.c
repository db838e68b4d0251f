/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/vcs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cleanup.h"

static void test_redact(void **state)
{
    static const char *const cases[][2] = {
        {"https://host/x.git", "https://host/x.git"},
        {"https://user@host/x.git", "https://xxxxx@host/x.git"},
        {"https://user:pass@host:80/x.git", "https://xxxxx:xxxxx@host:80/x.git"},
        {"https://user:p@ss@host/x@y", "https://xxxxx:xxxxx@host/x@y"},
        {"https://host/a@b", "https://host/a@b"},
        {"git@host:x.git", "git@host:x.git"},
        {"/srv/x.git", "/srv/x.git"},
        {"ssh://git@host", "ssh://xxxxx@host"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        weft_auto_free char *got = weft_vcs_redact(cases[i][0]);

        assert_string_equal(got, cases[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_redact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
