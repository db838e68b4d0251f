/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/lock.h"
#include "tests/helpers.h"

static int open_lock(void **state)
{
    weft_auto_free char *path = weft_path_join(*state, "lock");
    struct weft_err *err = NULL;
    int fd = weft_lock_open(path, &err);

    assert_ok(fd, &err);
    return fd;
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void test_open(void **state)
{
    weft_auto_free char *link = weft_path_join(*state, "link");
    weft_auto_free char *deep = weft_path_join(*state, "no/lock");
    weft_auto_fd fd = open_lock(state);
    struct weft_err *err = NULL;
    struct stat st;

    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(symlink("lock", link), 0);
    assert_int_equal(weft_lock_open(link, &err), -1);
    assert_err(&err, WEFT_E_IO, ELOOP, "link");
    assert_int_equal(weft_lock_open(deep, &err), -1);
    assert_err(&err, WEFT_E_IO, ENOENT, "no/lock");
}

static void test_matrix(void **state)
{
    static const struct {
        bool first;
        bool second;
        int want;
    } cases[] = {{false, false, 1}, {false, true, 0}, {true, false, 0}, {true, true, 0}};
    struct weft_err *err = NULL;

    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_auto_fd a = open_lock(state);
        weft_auto_fd b = open_lock(state);

        assert_int_equal(weft_lock_try(a, cases[i].first, &err), 1);
        assert_int_equal(weft_lock_try(a, cases[i].first, &err), 1); /* what one has one gets */
        assert_int_equal(weft_lock_try(b, cases[i].second, &err), cases[i].want);
        weft_lock_release(a);
        assert_int_equal(weft_lock_try(b, cases[i].second, &err), 1);
    }
    assert_null(err);
}

static void test_close_releases(void **state)
{
    weft_auto_fd a = open_lock(state);
    weft_auto_fd b = open_lock(state);
    struct weft_err *err = NULL;

    assert_int_equal(weft_lock_try(a, true, &err), 1);
    close(weft_steal_fd(&a));
    assert_int_equal(weft_lock_try(b, true, &err), 1);
}

/* The header says so: a failed conversion loses the lock. */
static void test_conversion(void **state)
{
    weft_auto_fd a = open_lock(state);
    weft_auto_fd b = open_lock(state);
    weft_auto_fd c = open_lock(state);
    struct weft_err *err = NULL;

    assert_int_equal(weft_lock_try(a, false, &err), 1);
    assert_int_equal(weft_lock_try(a, true, &err), 1);
    assert_int_equal(weft_lock_try(a, false, &err), 1);
    assert_int_equal(weft_lock_try(b, false, &err), 1);
    assert_int_equal(weft_lock_try(a, true, &err), 0);
    weft_lock_release(b);
    assert_int_equal(weft_lock_try(c, true, &err), 1); /* a has none any more */
}

static void test_bad_fd(void **state)
{
    struct weft_err *err = NULL;

    (void)state;
    assert_int_equal(weft_lock_try(-1, true, &err), -1);
    assert_err(&err, WEFT_E_IO, EBADF, "lock");
    assert_int_equal(weft_lock_wait(-1, true, -1, &err), -1);
    assert_err(&err, WEFT_E_IO, EBADF, "lock");
    weft_lock_release(-1);
}

static void test_wait_times_out(void **state)
{
    weft_auto_fd a = open_lock(state);
    weft_auto_fd b = open_lock(state);
    struct weft_err *err = NULL;
    int64_t start_ms;

    assert_int_equal(weft_lock_try(a, false, &err), 1);
    assert_int_equal(weft_lock_wait(b, true, 0, &err), 0);
    start_ms = now_ms();
    assert_int_equal(weft_lock_wait(b, true, 60, &err), 0);
    assert_in_range(now_ms() - start_ms, 60, 5000);
    assert_null(err);
}

/* A holder that is killed: the waiter, who would wait for ever, gets the lock. */
static void test_holder_dies(void **state)
{
    weft_auto_fd mine = open_lock(state);
    struct weft_err *err = NULL;
    int ready[2];
    char c;
    pid_t pid;

    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        int fd = open_lock(state);

        if (weft_lock_try(fd, true, NULL) != 1 || write(ready[1], "x", 1) != 1) {
            _exit(1);
        }
        for (;;) {
            pause();
        }
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &c, 1), 1);
    close(ready[0]);
    assert_int_equal(weft_lock_try(mine, false, &err), 0);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(weft_lock_wait(mine, false, -1, &err), 1);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        temp_test(test_open),        temp_test(test_matrix),        temp_test(test_close_releases),
        temp_test(test_conversion),  cmocka_unit_test(test_bad_fd), temp_test(test_wait_times_out),
        temp_test(test_holder_dies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
