/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of struct weft_worker_config, for the files of this module and their tests; others use
 * engine/worker.h.
 */
#ifndef WEFT_ENGINE_WORKER_CONFIG_H
#define WEFT_ENGINE_WORKER_CONFIG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/answers.h"
#include "base/digest.h"
#include "base/str.h"
#include "binfmt/emulator.h"
#include "binfmt/handler.h"
#include "binfmt/qemu.h"
#include "engine/buildkit.h"
#include "platforms/catalogue.h"
#include "platforms/speeds.h"

struct weft_err;
struct weft_worker_options;
struct weft_worker_registries;

/** A platform that QEMU runs here, on the CPU model that was asked for. */
struct weft_emulated {
    struct weft_emulator emulator;
    char *line; /* the handler's registration */
    char *slot; /* the only one whose handler for this machine it is; NULL: of all others */
    bool built; /* a platform of the command runs on it */
};

struct weft_worker_config {
    enum weft_scope scope;
    long idle_ms;
    uint64_t disk_bytes; /* of the options: for all states together */
    char *runtime_root;
    char *state_root;
    struct weft_buildkit buildkit;
    const struct weft_machine *host; /* NULL: not in the catalogue */
    bool runs_compat;                /* the CPU and kernel run the 32-bit machine of the host too */
    struct weft_answers *answers;
    struct weft_qemus qemus;
    const struct weft_cpu_choices *cpu; /* the caller's */
    const char *qemu;                   /* asked for, or NULL; the caller's */
    struct weft_speeds speeds;          /* measured on this machine */
    char *copies_dir;
    const atomic_bool *cancel;      /* the caller's, or NULL */
    struct weft_emulated *emulated; /* first those of all slots, one for each machine */
    size_t n_emulated;
    struct weft_strv env; /* passed to buildkitd */
    struct weft_worker_registries *registries;
};

/**
 * The registration lines of a slot's worker, in the order of the machines; none in scope EXISTING.
 */
void weft_worker_config_handlers(const struct weft_worker_config *cfg, const char *slot,
                                 struct weft_strv *lines);

/** The programs that these lines name. */
void weft_worker_config_programs(const struct weft_worker_config *cfg, const char *slot,
                                 struct weft_strv *programs);

/** Choose the emulators that all workers have; weft_worker_config_create does it. Errors: a choice
 * of the user that cannot be met (weft_emulator_choose). */
int weft_worker_config_find_emulators(struct weft_worker_config *cfg, struct weft_err **err);
void weft_worker_config_free_emulators(struct weft_worker_config *cfg);

/** Everything that the worker of a slot is started with, as one JSON text: equal texts, equal
 * workers. Caller frees. */
char *weft_worker_config_canonical(const struct weft_worker_config *cfg, const char *slot);

/** The digest of it. */
void weft_worker_config_identity(const struct weft_worker_config *cfg, const char *slot,
                                 char identity[WEFT_DIGEST_SIZE]);

/** What an emulator is chosen from. Borrowed from cfg. */
struct weft_emulators weft_worker_config_emulators(const struct weft_worker_config *cfg);

/** The emulator of p in the worker of `slot`; NULL: none (yet). Borrowed. */
const struct weft_emulator *weft_worker_config_emulator(const struct weft_worker_config *cfg,
                                                        const char *slot,
                                                        const struct weft_platform_info *p);

/** Whether programs of m run on this CPU. */
bool weft_worker_config_native(const struct weft_worker_config *cfg, const struct weft_machine *m);

/** Make the directories that all workers lie in, and bring the states to our format. Errors:
 * WEFT_E_IO; WEFT_E_UNSUPPORTED (a newer weft's, or an older one's that are in use). */
int weft_worker_config_prepare_dirs(const struct weft_worker_config *cfg, struct weft_err **err);

/** The release of buildkitd, "v0.32.2"; it is asked once, and the answer kept. NULL: it does not
 * say. Caller frees. */
char *weft_worker_config_buildkit(const struct weft_worker_config *cfg);

/**
 * The OCI runtimes that are new enough for BuildKit, the preferred one first; each is asked once,
 * and the answer kept.
 * @param other set to the second, or NULL; whether the first works in a worker, its init finds out.
 * May be NULL Returns the first, NULL with WEFT_E_UNSUPPORTED. Both are borrowed from cfg.
 */
const char *weft_worker_config_runtime(const struct weft_worker_config *cfg, const char **other,
                                       struct weft_err **err);

/** What all states together may have. Errors: WEFT_E_IO (the state directory is not there). */
int weft_worker_config_budget(const struct weft_worker_config *cfg, uint64_t *bytes,
                              struct weft_err **err);

/** Where QEMU programs are looked for, joined by ':': what the options name, then the usual places.
 * Caller frees. */
char *weft_worker_config_qemu_dirs(const struct weft_worker_options *options);

#endif
