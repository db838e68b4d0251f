/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workers: each is one buildkitd in a user, mount and PID namespace of its own, with its own
 * binfmt_misc, under weft's init (libexec/weft-init). This module finds the worker of a slot,
 * starts it where there is none, shares it between commands, and ends it. All calls block, keep no
 * global state and may be made from several threads at once; one struct weft_worker belongs to one
 * thread at a time. Knows nothing of builds.
 *
 * In RUNTIME/workers/SLOT (0700): worker.json, buildkitd.sock, clients.lock (shared by all who use
 * the worker), start.lock. In STATE/workers/SLOT: buildkit/ (BuildKit's root), buildkitd.log, lock
 * (held by the init while it lives).
 */
#ifndef WEFT_ENGINE_WORKER_H
#define WEFT_ENGINE_WORKER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "binfmt/handler.h"
#include "platforms/catalogue.h"
#include "platforms/cpu.h"

struct weft_err;
struct weft_registry_hosts;

enum {
    WEFT_IDLE_DEFAULT_MS = 10 * 60 * 1000
};

/** What a caller can choose. */
struct weft_worker_options {
    enum weft_scope scope; /* NAMESPACE falls back to EXISTING where the mount is denied */
    long idle_ms;          /* it ends after so long without a client; 0: as soon as it has none */
    const struct weft_cpu_choices *cpu; /* NULL: baseline for all; borrowed by the config */
    const char *qemu; /* version or absolute directory, borrowed by the config; NULL: weft chooses
                       */
    const struct weft_strv *qemu_dirs;            /* looked in before $PATH; NULL: none */
    const struct weft_registry_hosts *registries; /* NULL: none; borrowed by the config */
    uint64_t disk_bytes; /* for the caches of all workers, unless WEFT_WORKER_DISK says it; 0: by
                            the size of the file system */
    const atomic_bool *cancel; /* ends the search for QEMU programs; borrowed; or NULL */
    bool without_buildkit; /* only to ask what runs: none of BuildKit's programs is looked for, and
                              no worker can be acquired */
};

/**
 * What is the same for all workers of one command: QEMU programs at hand, BuildKit's programs,
 * directories, proxies, registries, and the identity made of them. Gathered once; read only after
 * that, so all threads share it.
 */
struct weft_worker_config;

/**
 * Gather it; options NULL: the defaults. Starts no program but, on amd64, one that shows whether
 * the kernel runs 386 code. Errors: WEFT_E_UNSUPPORTED (no buildkitd, buildctl, weft-init or OCI
 * runtime; the hint says how to get them), WEFT_E_IO, WEFT_E_USAGE (neither HOME nor
 * WEFT_STATE_DIR), WEFT_E_CANCELLED. Ownership: caller, weft_worker_config_destroy, after the last
 * worker made with it.
 */
struct weft_worker_config *weft_worker_config_create(const struct weft_worker_options *options,
                                                     struct weft_err **err);
void weft_worker_config_destroy(struct weft_worker_config *cfg);

/**
 * Say that the worker of `slot` builds for p: its handler for p's machine will hold to p's CPU
 * model. Of several QEMUs one that works is found by trying, up to a second each. To be called
 * before the workers are acquired, by one thread. Nothing is done for what is native or runs by the
 * host's handlers, and where there is no QEMU, which weft_worker_runs tells of. Errors: as of
 * weft_emulator_choose.
 */
int weft_worker_config_need(struct weft_worker_config *cfg, const char *slot,
                            const struct weft_platform_info *p, struct weft_err **err);

/** Whether p cannot be built on a worker whose handlers are those of the machines' plain platforms,
 * since its CPU model is another: linux/arm/v6 beside linux/arm/v7. */
bool weft_worker_config_clashes(const struct weft_worker_config *cfg,
                                const struct weft_platform_info *p);

/**
 * What tells the cache entries of this command's settings from those of others: a short text of
 * letters and digits, from what --cpu asks for and the CPU models that the platforms built
 * (weft_worker_config_need) run on, as far as these are not those of the policy baseline. The same
 * on machines with the same models, whatever else they emulate; but with --cpu=fastest it is made
 * of the models that this comes to here. NULL: there are none. Caller frees.
 */
char *weft_worker_config_salt(const struct weft_worker_config *cfg);

/** Absolute paths of buildctl, and of weft-session (NULL: not found). Borrowed from cfg. */
const char *weft_worker_config_buildctl(const struct weft_worker_config *cfg);
const char *weft_worker_config_session(const struct weft_worker_config *cfg);

/** Log (debug level) which buildkitd, buildctl, QEMU and runtime were found, and their versions.
 * Runs each of them. */
void weft_worker_config_log(const struct weft_worker_config *cfg);

/** One attached worker. Fields are read-only for callers. */
struct weft_worker {
    const struct weft_worker_config *cfg;
    char *slot;            /* "linux_arm64"; "linux_arm64.1" where that was in use, set otherwise */
    char *wanted_slot;     /* "linux_arm64", in both cases */
    char *address;         /* "unix:///run/weft/workers/SLOT/buildkitd.sock": buildctl --addr */
    char *socket_path;     /* the same without "unix://" */
    char *state_dir;       /* STATE/workers/SLOT */
    char *buildkit_root;   /* STATE/workers/SLOT/buildkit */
    char *content_dir;     /* blobs/sha256 of the content store; NULL: its place is not known */
    char *note;            /* one line that the user should see (slow state directory), or NULL */
    bool started_here;     /* false: it was up already */
    enum weft_scope scope; /* in force */
    bool process_sandbox;  /* false: /proc is masked; RUN steps see the worker's processes */
    pid_t pid;             /* of its init, as seen from here */
    uint64_t pid_start;    /* field 22 of /proc/PID/stat: with pid, the identity of the process */
    int clients_fd;        /* holds the shared lock */
};

/**
 * Attach to the worker of `slot` ([a-z0-9_.-], a platform's directory name or "group"), or start
 * it. A worker with other settings is replaced while it is idle; while it is in use, the next of
 * SLOT.1, SLOT.2, ... is taken, state and all. What a killed worker left is cleared away. `cancel`
 * (may be NULL) is looked at at least every 50 ms; a worker half started is then ended. Returns 0
 * and *out (caller: weft_worker_release), or -1. Errors: WEFT_E_UNSUPPORTED (namespaces, id maps:
 * the hint has the command), WEFT_E_CHILD (buildkitd did not start; its last lines in the message),
 * WEFT_E_IO, WEFT_E_CANCELLED.
 */
int weft_worker_acquire(const struct weft_worker_config *cfg, const char *slot,
                        const atomic_bool *cancel, struct weft_worker **out, struct weft_err **err);

/**
 * Attach to the worker of an exact slot name as it is, whatever its settings are, and leave it no
 * wishes; where it does not run, start it, with those of cfg (idle_ms 0, so that it ends with its
 * client even if that is killed). For what is done to a state, and not with it. Otherwise as
 * weft_worker_acquire; made by a caller that knows that there is such a state.
 */
int weft_worker_visit(const struct weft_worker_config *cfg, const char *slot,
                      const atomic_bool *cancel, struct weft_worker **out, struct weft_err **err);

/** Give up the room that the state of a slot keeps for its cache to be trimmed in: to be called
 * before that, where the disk may be full. The worker makes it again. */
void weft_worker_give_up_reserve(const struct weft_worker_config *cfg, const char *slot);

/** Let go of the worker, which lives on until it has been idle for long enough. NULL is fine. */
void weft_worker_release(struct weft_worker *w);

/** Let go, and end the worker if nobody else uses it; returns when its last process is gone (10 s,
 * then it is killed). NULL is fine. */
void weft_worker_stop_if_unused(struct weft_worker *w);

/** Whether its init lives and its socket takes connections: tells a dead worker from a failed
 * build. */
bool weft_worker_alive(const struct weft_worker *w);

/** How the programs of a platform run in a worker. */
enum weft_runs_how {
    WEFT_RUNS_NATIVE,   /* this CPU, no emulation */
    WEFT_RUNS_OWN,      /* the worker's own handler */
    WEFT_RUNS_EXISTING, /* a handler of the host */
    WEFT_RUNS_NOT,      /* nothing runs them */
};

/** Start from {0}; end with weft_runs_finish. */
struct weft_runs {
    enum weft_runs_how how;
    char *interpreter; /* path of QEMU; NULL: native, or the host's table is out of sight */
    char *version;     /* of QEMU; NULL: not known */
    char *model;       /* own: the CPU model in force; NULL: QEMU's default */
    char *program;     /* own: what is registered, the copy of QEMU that holds to the model */
    char *plain_why;   /* own, without a model: why not */
    double ratio;      /* to native, as measured on this machine (bench/profile.h); 0: it was not */
    bool unmeasured;   /* own: --cpu=fastest, and too little was measured to know that model */
    char *handler;     /* existing: the entry's name */
    char *mend;        /* not: the command that mends it */
};

/**
 * How programs of `p` run in worker w; w == NULL: in a worker that is yet to be started, as far as
 * can be told. Returns 0, or -1 with WEFT_E_CHILD where buildkitd had to be asked and did not
 * answer; WEFT_E_USAGE, WEFT_E_UNSUPPORTED where a choice of CPU model or QEMU cannot be met.
 */
int weft_worker_runs(const struct weft_worker_config *cfg, const struct weft_worker *w,
                     const struct weft_platform_info *p, struct weft_runs *out,
                     struct weft_err **err);
void weft_runs_finish(struct weft_runs *r);

/** "7.2.22" of a QEMU program; asked once and kept in the state directory. NULL where it does not
 * say. Caller frees. */
char *weft_worker_qemu_version(const struct weft_worker_config *cfg, const char *program);

/** "1.27.0" of the Dockerfile frontend that is built into the worker's buildkitd; asked once and
 * kept likewise. NULL where it does not say. Caller frees. */
char *weft_worker_frontend_version(const struct weft_worker *w);

enum weft_worker_status {
    WEFT_WORKER_STOPPED,
    WEFT_WORKER_IDLE,
    WEFT_WORKER_BUSY,
    WEFT_WORKER_REMOVING, /* what weft_worker_remove has not got rid of (yet); never used again */
    WEFT_WORKER_ASIDE,    /* all states of another format, under the name that they were set aside
                             by; never used again */
};

/** One line of `weft worker list`. */
struct weft_worker_entry {
    char *slot;
    enum weft_worker_status status;
    pid_t pid;         /* 0: stopped */
    int64_t started_s; /* Unix time; 0: stopped */
    char *socket_path; /* NULL: stopped */
    char *buildkitd;   /* path of the program it runs; NULL: stopped */
    enum weft_scope scope;
    bool process_sandbox;
    char *identity; /* 64 hex digits; NULL: stopped */
    char *state_dir;
    char *buildkit; /* the newest release that the state was given to; NULL: not known */
};

/** All slots that have a state (or a rest of one) or a process, sorted, and behind them what was
 * set aside. Needs no config. Returns 0 and entries[n] (caller frees), or -1 (WEFT_E_IO,
 * WEFT_E_USAGE; WEFT_E_UNSUPPORTED: the states are of a newer weft). */
int weft_worker_list(struct weft_worker_entry **entries, size_t *n, struct weft_err **err);
void weft_worker_entries_free(struct weft_worker_entry *entries, size_t n);

/** End the worker of an exact slot name and wait for it. force: also while it is in use. Returns 1
 * ended, 0 there was none, -1 (WEFT_E_IO; WEFT_E_USAGE: in use). */
int weft_worker_stop(const char *slot, bool force, struct weft_err **err);

/**
 * Remove the state of a worker, in a user namespace with its id maps; a worker that is up is ended
 * first, one in use only with `force`. The state gets another name before anything of it is
 * removed; what an earlier, interrupted removal has left goes too. *freed_bytes: disk space.
 * Returns 1 removed, 0 there was none, -1 (WEFT_E_USAGE: in use; WEFT_E_IO: something cannot be
 * removed; WEFT_E_UNSUPPORTED: no namespaces).
 */
int weft_worker_remove(const char *slot, bool force, uint64_t *freed_bytes, struct weft_err **err);

/**
 * Bring caches of stopped workers that have more than their share of the disk, since there are more
 * states now, back to it. It goes on in the background; what cannot be done is left for another
 * time. Copies of QEMU that were not used for a month go too. `cancel`: as for weft_worker_acquire.
 */
void weft_worker_trim_stopped(const struct weft_worker_config *cfg, const atomic_bool *cancel);

#endif
