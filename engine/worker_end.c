/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/worker_end.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "binfmt/sandbox.h"

enum {
    PATIENT_MS = 10 * 1000,
    IMPATIENT_MS = 3000,
    KILL_MS = 10 * 1000
};

static bool ended(int pidfd, int timeout_ms)
{
    struct pollfd p = {.fd = pidfd, .events = POLLIN};

    return poll(&p, 1, timeout_ms) > 0;
}

/* By number: glibc has these calls since 2.36 only. */
static int send_signal(int pidfd, int sig)
{
    return (int)syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0);
}

int weft_process_end(struct weft_process p, bool patient, struct weft_err **err)
{
    weft_auto_fd pidfd = (int)syscall(SYS_pidfd_open, p.pid, 0);
    uint64_t start;

    if (pidfd < 0) {
        return errno == ESRCH ? 0 : weft_fail_sys(err, errno, "process %d", (int)p.pid);
    }
    if (!weft_process_start(p.pid, &start) || start != p.start) {
        return 0;
    }
    if (send_signal(pidfd, SIGTERM) < 0) {
        return errno == ESRCH ? 0 : weft_fail_sys(err, errno, "end process %d", (int)p.pid);
    }
    if (ended(pidfd, patient ? PATIENT_MS : IMPATIENT_MS)) {
        return 0;
    }
    (void)send_signal(pidfd, SIGKILL);
    return ended(pidfd, KILL_MS) ? 0
                                 : weft_fail(err, WEFT_E_IO, "process %d does not end", (int)p.pid);
}
