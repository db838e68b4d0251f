/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scope cleanup for synchronous resources, and the two ways in which ownership leaves a function.
 * Variables of these kinds are initialised where they are declared. Objects that hold a loop handle
 * never use scope cleanup (base/loop.h).
 */
#ifndef WEFT_BASE_CLEANUP_H
#define WEFT_BASE_CLEANUP_H

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void weft_cleanup_free(void *p)
{
    int saved = errno;

    free(*(void **)p);
    errno = saved;
}

/* close() is not retried on EINTR: on Linux the descriptor is gone already, and may belong to
 * another thread by then. */
static inline void weft_cleanup_fd(const int *fd)
{
    int saved = errno;

    if (*fd >= 0) {
        close(*fd);
    }
    errno = saved;
}

static inline void weft_cleanup_file(FILE **f)
{
    int saved = errno;

    if (*f) {
        fclose(*f);
    }
    errno = saved;
}

static inline void weft_cleanup_dir(DIR **d)
{
    int saved = errno;

    if (*d) {
        closedir(*d);
    }
    errno = saved;
}

#define weft_auto_free __attribute__((cleanup(weft_cleanup_free)))
#define weft_auto_fd __attribute__((cleanup(weft_cleanup_fd))) int
#define weft_auto_file __attribute__((cleanup(weft_cleanup_file))) FILE *
#define weft_auto_dir __attribute__((cleanup(weft_cleanup_dir))) DIR *

/** The pointer in *p, which becomes NULL: ownership goes to the reader of the value. */
#define weft_steal(p)                         \
    ({                                        \
        __typeof__(*(p)) weft_stolen_ = *(p); \
        *(p) = NULL;                          \
        weft_stolen_;                         \
    })

/** As weft_steal, for a file descriptor, which becomes -1. */
static inline int weft_steal_fd(int *fd)
{
    int v = *fd;

    *fd = -1;
    return v;
}

#endif
