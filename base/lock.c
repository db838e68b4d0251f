/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/file.h>
#include <time.h>

#include "base/err.h"

enum {
    RETRY_MS = 5
};

int weft_lock_open(const char *path, struct weft_err **err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0) {
        return weft_fail_sys(err, errno, "open lock file %s", path);
    }
    return fd;
}

int weft_lock_try(int fd, bool exclusive, struct weft_err **err)
{
    while (flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) < 0) {
        if (errno == EWOULDBLOCK) {
            return 0;
        }
        if (errno != EINTR) {
            return weft_fail_sys(err, errno, "lock");
        }
    }
    return 1;
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int weft_lock_wait(int fd, bool exclusive, int timeout_ms, struct weft_err **err)
{
    const struct timespec pause = {0, RETRY_MS * 1000000L};
    const int64_t start_ms = now_ms();

    for (;;) {
        int got = weft_lock_try(fd, exclusive, err);

        if (got != 0 || (timeout_ms >= 0 && now_ms() - start_ms >= timeout_ms)) {
            return got;
        }
        nanosleep(&pause, NULL);
    }
}

void weft_lock_release(int fd)
{
    (void)flock(fd, LOCK_UN);
}
