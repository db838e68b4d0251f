/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of engine/doctor.h: what checks share, and the checks, in files by topic. A check has
 * two halves: `start` adds what is to be tried; all tries run side by side; `report` turns what
 * they found into lines. Some tries are of several checks: a worker's sandbox is made once.
 */
#ifndef WEFT_ENGINE_DOCTOR_CHECK_H
#define WEFT_ENGINE_DOCTOR_CHECK_H

#include "base/answers.h"
#include "binfmt/health.h"
#include "engine/buildkit.h"
#include "engine/doctor.h"
#include "engine/doctor_try.h"
#include "engine/settings.h"
#include "engine/worker_files.h"
#include "platforms/catalogue.h"

struct weft_json;
struct weft_qemus;

/* Time limits. All of them together stay below five seconds: tries run side by side. */
enum {
    WEFT_DOCTOR_SHORT_MS = 2000,
    WEFT_DOCTOR_LONG_MS = 4000,
    WEFT_DOCTOR_HEALTH_MS = 2500, /* for one QEMU program; and then no more are begun */
    WEFT_DOCTOR_BUILD_MS = 120 * 1000,
};

/* The name of the try that more than one file reads. */
#define WEFT_TRY_SANDBOX "sandbox"

/** A QEMU program whose health is tried. */
struct weft_doctor_health {
    struct weft_doctor_health *next;
    struct weft_answers *answers;
    const struct weft_machine *machine;
    const char *program;              /* borrowed from the facts */
    const char *version;              /* likewise; or NULL */
    enum weft_health_verdict verdict; /* as known from before; UNKNOWN: it is tried */
    char *failure;                    /* likewise */
    bool tried;
    size_t nth; /* of the tries of this name */
};

struct weft_doctor {
    const struct weft_doctor_options *options;
    struct weft_doctor_report *report;
    struct weft_tries *tries;
    struct weft_settings settings;
    struct weft_err *why_settings;
    char *qemu_dirs;  /* where QEMU programs are looked for */
    char *state_root; /* NULL: state_why */
    char *state_why;
    char *state_near;    /* the state directory, or what there is of the way to it */
    const char *try_dir; /* state_near; where that cannot be written, another directory */
    char *runtime_root;
    const char *tmp;               /* where tries put small files */
    struct weft_buildkit programs; /* NULL: not found; its `why` says so */
    struct weft_err *why_buildkitd, *why_buildctl, *why_init, *why_session, *why_runtimes;
    char host[WEFT_PLATFORM_SIZE]; /* this machine's platform */
    struct weft_answers *answers;
    struct weft_doctor_health *health; /* QEMU programs that are tried */
    size_t n_health;
    bool own_handlers; /* workers can have them; known once weft_doctor_handlers has reported */
};

/** Add a line. subject and mend may be NULL; `found` and `mend` are taken (freed by the report) and
 * made printable. */
void weft_doctor_add(struct weft_doctor *d, const char *id, const char *subject,
                     enum weft_doctor_status status, char *found, char *mend);

/** The line of an error: its message and its hint. */
void weft_doctor_add_err(struct weft_doctor *d, const char *id, enum weft_doctor_status status,
                         const struct weft_err *err);

/** Whether a line of this id failed or was skipped already. */
bool weft_doctor_is_bad(const struct weft_doctor *d, const char *id);

/** " (took too long)" or " (died)" for a try that did not end well; else "". */
const char *weft_doctor_outcome_text(enum weft_try_outcome o);

/** A small file's first line without its newline; NULL where it cannot be read. Caller frees. */
char *weft_doctor_first_line(const char *path);

/* doctor_machine.c */
void weft_doctor_kernel(struct weft_doctor *d);
void weft_doctor_machine(struct weft_doctor *d);
void weft_doctor_cgroup(struct weft_doctor *d);
void weft_doctor_clock(struct weft_doctor *d);

/* doctor_state.c */
void weft_doctor_config(struct weft_doctor *d);
void weft_doctor_state(struct weft_doctor *d);
void weft_doctor_runtime_dir(struct weft_doctor *d);
void weft_doctor_disk(struct weft_doctor *d);

/* doctor_calls.c */
void weft_doctor_calls_start(struct weft_doctor *d);
void weft_doctor_seccomp(struct weft_doctor *d);
void weft_doctor_userns(struct weft_doctor *d);

/* doctor_sandbox.c */
void weft_doctor_sandbox_start(struct weft_doctor *d);
void weft_doctor_idmap(struct weft_doctor *d);
void weft_doctor_handlers(struct weft_doctor *d);
void weft_doctor_proc(struct weft_doctor *d);
void weft_doctor_overlay(struct weft_doctor *d);

/** Whether a worker's namespaces could be made. */
bool weft_doctor_entered(const struct weft_doctor *d);

/** The line of something that takes these namespaces, where there are none. */
void weft_doctor_skip(struct weft_doctor *d, const char *id, const char *what);

/* doctor_runtime.c */
void weft_doctor_runtime(struct weft_doctor *d);
bool weft_doctor_runtime_works(const struct weft_doctor *d);

/* doctor_programs.c */
void weft_doctor_programs_start(struct weft_doctor *d);
void weft_doctor_programs(struct weft_doctor *d);
void weft_doctor_build_start(struct weft_doctor *d);
void weft_doctor_build(struct weft_doctor *d);

/* doctor_qemu.c */
void weft_doctor_qemu_start(struct weft_doctor *d);
void weft_doctor_probe_start(struct weft_doctor *d);  /* second round: of what the scan found */
void weft_doctor_health_start(struct weft_doctor *d); /* third round: of those that start */
/** A platform to try something with, which QEMU runs here: one that was asked for, else any. NULL:
 * there is none. */
const struct weft_platform_info *weft_doctor_emulated(const struct weft_doctor *d,
                                                      const struct weft_qemus *qemus);
void weft_doctor_native(struct weft_doctor *d);
void weft_doctor_host_handlers(struct weft_doctor *d);
void weft_doctor_qemu(struct weft_doctor *d);
void weft_doctor_platforms(struct weft_doctor *d);

/* doctor_cpu.c */
void weft_doctor_cpu_start(struct weft_doctor *d);
void weft_doctor_cpu_models(struct weft_doctor *d);

/* doctor_registry.c */
void weft_doctor_registry_start(struct weft_doctor *d);
void weft_doctor_registry(struct weft_doctor *d);

#endif
