/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether this machine can build, and if not, what it lacks: everything that a build needs is
 * tried, in children that leave nothing (engine/doctor_try.h), within seconds. The ids of the
 * checks are an interface: scripts go by them.
 *
 *   kernel         release and machine
 *   machine        CPUs and memory
 *   native         platforms that this CPU and kernel run without emulation
 *   seccomp        system calls that a filter (of a container) refuses
 *   userns         user, mount, PID, IPC, UTS and cgroup namespaces, and private mounts in them
 *   idmap          more than one user and group id in a user namespace
 *   handlers       a binfmt_misc of a worker's own
 *   host-handlers  what is registered on the host; needed only where `handlers` does not work
 *   proc           a /proc, and so a PID namespace, of a worker's own
 *   config         the config file: can be read and understood
 *   state          the directory of caches: can be written, and whose it is
 *   runtime-dir    the directory of sockets
 *   disk           space in the state directory, and weft's budget
 *   overlay        stacking layers in the state directory without copies
 *   cgroup         version, and whether a user may use them
 *   buildkitd, buildctl, weft-init, weft-session   programs: found, and run
 *   runtime        OCI runtimes, and whether one makes a container in a worker
 *   qemu           QEMU programs and their health; one more line (subject: platform) for a bad one
 *   cpu-models     whether QEMU can be held to a CPU model (subject: the platform it was tried for)
 *   clock          not before this weft was made
 *   platform       a platform that was asked for (subject)
 *   registry       a registry that was asked for (subject)
 *   build          a build, tried (subject: platform)
 */
#ifndef WEFT_ENGINE_DOCTOR_H
#define WEFT_ENGINE_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

struct weft_err;

enum weft_doctor_status {
    WEFT_DOCTOR_OK,
    WEFT_DOCTOR_WARN, /* builds work, but slower, or not for all platforms */
    WEFT_DOCTOR_FAIL, /* no build works; or not what was asked for by name */
    WEFT_DOCTOR_SKIP  /* cannot be tried, since something else failed */
};

/** "ok", "warn", "fail", "skip". */
const char *weft_doctor_status_name(enum weft_doctor_status s);

struct weft_doctor_line {
    const char *id;
    char *subject; /* what of several: a platform, a registry; or NULL */
    enum weft_doctor_status status;
    char *found; /* one line */
    char *mend;  /* what mends it, a command where there is one; NULL: nothing to mend */
};

/** Start from {0}; end with weft_doctor_report_finish. */
struct weft_doctor_report {
    struct weft_doctor_line *v;
    size_t n;
};

/** What to look at besides. All borrowed. */
struct weft_doctor_options {
    const struct weft_strv *platforms;  /* have to run; NULL: none */
    const struct weft_strv *registries; /* HOST[:PORT] that have to be reachable; NULL: none */
    bool build;                         /* try a build too: takes seconds */
};

/** Look. Errors: WEFT_E_USAGE (an option: no such platform); WEFT_E_IO (no processes are left).
 * What is wrong with the machine is no error, but a line. */
int weft_doctor_run(const struct weft_doctor_options *options, struct weft_doctor_report *out,
                    struct weft_err **err);
void weft_doctor_report_finish(struct weft_doctor_report *r);

/** How many lines have this status. */
size_t weft_doctor_count(const struct weft_doctor_report *r, enum weft_doctor_status s);

#endif
