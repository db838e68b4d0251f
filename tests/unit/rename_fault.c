/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "rename_fault.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

struct rename_fault rename_fault;

int __real_rename(const char *from, const char *to);
int __real_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned int flags);
int __wrap_rename(const char *from, const char *to);
int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned int flags);

/* Whether this call is to fail. */
static bool strikes(void)
{
    int call = atomic_fetch_add(&rename_fault.calls, 1) + 1;

    if (call == rename_fault.cancel_at) {
        atomic_store(rename_fault.cancel, true);
    }
    if (call == rename_fault.fail_at) {
        errno = ENOSPC;
        return true;
    }
    return false;
}

static void look(void)
{
    int sys = errno;

    if (rename_fault.look) {
        rename_fault.look(rename_fault.data);
    }
    errno = sys;
}

int __wrap_rename(const char *from, const char *to)
{
    int rc;

    look();
    rc = strikes() ? -1 : __real_rename(from, to);
    look();
    return rc;
}

int __wrap_renameat2(int from_fd, const char *from, int to_fd, const char *to, unsigned int flags)
{
    int rc;

    if (rename_fault.no_flags) {
        errno = EINVAL;
        return -1;
    }
    look();
    rc = strikes() ? -1 : __real_renameat2(from_fd, from, to_fd, to, flags);
    look();
    return rc;
}
