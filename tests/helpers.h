/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the unit tests share: cmocka with the headers that it wants before it, a directory per test
 * that goes away after it, files in it, and checks of errors and open descriptors.
 */
#ifndef WEFT_TESTS_HELPERS_H
#define WEFT_TESTS_HELPERS_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "platforms/catalogue.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* cmocka setup: *state is the path of a new empty directory. Use temp_teardown with it. */
static inline int temp_setup(void **state)
{
    const char *base = getenv("TMPDIR");
    char *path = weft_fmt("%s/weft-test-XXXXXX", base && *base ? base : "/tmp");

    if (!mkdtemp(path)) {
        free(path);
        return -1;
    }
    *state = path;
    return 0;
}

static inline int temp_teardown(void **state)
{
    struct weft_err *err = NULL;
    int rc = weft_rmtree(*state, &err);

    if (rc < 0) {
        print_error("%s\n", err->msg);
        weft_err_free(err);
    }
    free(*state);
    *state = NULL;
    return rc;
}

/* A test that gets a temporary directory as its state. */
#define temp_test(fn) cmocka_unit_test_setup_teardown(fn, temp_setup, temp_teardown)

/* Write a file, in place, and fail the test if that does not work. */
static inline void put_file(const char *path, const void *data, size_t len)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

/* The file holds exactly these bytes. */
static inline void assert_file(const char *path, const void *data, size_t len)
{
    struct weft_err *err = NULL;
    char *found = NULL;
    size_t found_len = 0;

    if (weft_read_file(path, 64 << 20, &found, &found_len, &err) < 0) {
        fail_msg("%s", err->msg);
    }
    assert_int_equal(found_len, len);
    assert_memory_equal(found, data, len);
    free(found);
}

/* *err is set, with this code, errno value and part of its message; frees it. */
#define assert_err(err, want_code, want_sys, part)                                                 \
    do {                                                                                           \
        assert_non_null(*(err));                                                                   \
        if ((*(err))->code != (want_code) || (*(err))->sys != (want_sys) ||                        \
            !strstr((*(err))->msg, part)) {                                                        \
            fail_msg("error %d, errno %d: %s", (int)(*(err))->code, (*(err))->sys, (*(err))->msg); \
        }                                                                                          \
        weft_err_freep(err);                                                                       \
    } while (0)

/* Fail the test with the error's text if the call failed. */
#define assert_ok(call, err)               \
    do {                                   \
        if ((call) < 0) {                  \
            fail_msg("%s", (*(err))->msg); \
        }                                  \
        assert_null(*(err));               \
    } while (0)

/* The number of descriptors that this process has open. */
static inline int open_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = 0;

    assert_non_null(d);
    while (readdir(d)) {
        n++;
    }
    closedir(d);
    return n;
}

/* A machine by QEMU's name for it. */
static inline const struct weft_machine *machine_named(const char *name)
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

#endif
