/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of struct weft_worker_config, for the files of this module and their tests; others use
 * engine/worker.h.
 */
#ifndef WEFT_ENGINE_WORKER_CONFIG_H
#define WEFT_ENGINE_WORKER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/answers.h"
#include "base/digest.h"
#include "base/str.h"
#include "binfmt/handler.h"
#include "engine/buildkit.h"
#include "platforms/catalogue.h"

struct weft_err;

/** A machine that QEMU runs here. */
struct weft_emulated {
    const struct weft_machine *machine;
    char *qemu; /* path of the program */
    char *line; /* the handler's registration */
};

struct weft_worker_config {
    enum weft_scope scope;
    long idle_ms;
    uint64_t disk_bytes; /* for all states together; 0: by the size of the file system */
    char *runtime_root;
    char *state_root;
    struct weft_buildkit buildkit;
    const struct weft_machine *host; /* NULL: not in the catalogue */
    bool runs_compat;                /* the CPU and kernel run the 32-bit machine of the host too */
    struct weft_emulated *emulated;
    size_t n_emulated;
    struct weft_answers *answers;
    struct weft_strv env; /* passed to buildkitd */
    char identity[WEFT_DIGEST_SIZE];
};

/** Everything that a worker is started with, as one JSON text: equal texts, equal workers. Caller
 * frees. */
char *weft_worker_config_canonical(const struct weft_worker_config *cfg);

/** Whether programs of m run on this CPU. */
bool weft_worker_config_native(const struct weft_worker_config *cfg, const struct weft_machine *m);

/** Make the directories that all workers lie in and check the version of the state. Errors:
 * WEFT_E_IO; WEFT_E_UNSUPPORTED (a newer weft's). */
int weft_worker_config_prepare_dirs(const struct weft_worker_config *cfg, struct weft_err **err);

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

#endif
