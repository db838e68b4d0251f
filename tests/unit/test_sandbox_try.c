/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "binfmt/sandbox_try.h"
#include "tests/helpers.h"

/* Whatever this machine allows, there is an answer, it is the same each time, and nothing is left;
 * tests/e2e/platforms.sh knows what the answer has to be. */
static void test_answer(void **state)
{
    enum weft_scope first = WEFT_SCOPE_EXISTING;
    int first_rc = 0;

    (void)state;
    for (int i = 0; i < 3; i++) {
        enum weft_scope scope = WEFT_SCOPE_EXISTING;
        weft_auto_err err = NULL;
        int fds = open_fds();
        int rc = weft_sandbox_try(&scope, &err);

        assert_int_equal(open_fds(), fds);
        if (i == 0) {
            first = scope;
            first_rc = rc;
        }
        assert_int_equal(rc, first_rc);
        assert_int_equal(scope, first);
        assert_int_equal(rc == 0, err == NULL);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
