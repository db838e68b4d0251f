/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A worker's files: where they are, and worker.json, by which a worker is found. Shared by weft and
 * weft-init.
 */
#ifndef WEFT_ENGINE_WORKER_FILES_H
#define WEFT_ENGINE_WORKER_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "binfmt/handler.h"

struct weft_err;

enum {
    WEFT_WORKER_FORMAT = 1, /* of these files; part of a worker's identity */
    WEFT_SOCKET_PATH_MAX = 107,
};

/** Whether a slot can have this name ([a-z0-9_.-], no dot in front). */
bool weft_worker_slot_ok(const char *slot);

/** Where workers' files lie (base/dirs.h), absolute. Caller frees. Errors: WEFT_E_USAGE; WEFT_E_IO;
 * WEFT_E_UNSUPPORTED (the states are of a newer weft, whose files we do not know). */
int weft_worker_roots(char **runtime_root, char **state_root, struct weft_err **err);

/** All absolute. Start from {0}; end with weft_worker_files_finish. */
struct weft_worker_files {
    char *slot;
    /* in the runtime directory */
    char *runtime_dir;  /* RUNTIME/workers/SLOT; also the worker's XDG_RUNTIME_DIR */
    char *info;         /* worker.json: written by the init, removed when it ends */
    char *spec;         /* spec.json: what the init is to do */
    char *socket;       /* buildkitd.sock */
    char *clients_lock; /* shared: a client; exclusive: the worker is being ended */
    char *start_lock;   /* exclusive: somebody looks for or starts the worker */
    char *wishes;       /* the latest client's, as text: idle time in ms, disk budget in bytes */
    char *registries;   /* certificates and keys for buildkitd, while it runs */
    char *binfmt_dir;   /* where the worker has its binfmt_misc */
    /* in the state directory */
    char *state_dir;  /* STATE/workers/SLOT */
    char *state_lock; /* held by the init while it lives */
    char *buildkit_root;
    char *buildkit_version; /* of which it is (engine/worker_state.h) */
    char *log;              /* buildkitd.log */
    char *usage;            /* usage.json: how large the cache is (engine/worker_disk.h) */
    char *reserve; /* room that is given up so that a cache on a full disk can be trimmed */
    char *config;  /* buildkitd.toml, in HOME: buildkitd takes its defaults from there */
    char *home;
    char *tmp;
    char *removing; /* STATE/workers/.SLOT.removing: what is left of a state that was given up */
};

/** Name the files of a slot below the directories that base/dirs.h gives. */
void weft_worker_files_init(struct weft_worker_files *f, const char *runtime_root,
                            const char *state_root, const char *slot);
void weft_worker_files_finish(struct weft_worker_files *f);

/** Errors: WEFT_E_USAGE where a socket's path would be too long for the kernel. */
int weft_worker_files_check(const struct weft_worker_files *f, struct weft_err **err);

/** worker.json. Start from {0}; end with weft_worker_info_finish. */
struct weft_worker_info {
    pid_t pid;
    uint64_t pid_start;
    bool ready; /* false: buildkitd is not up yet */
    bool process_sandbox;
    enum weft_scope scope;
    int64_t started_s; /* Unix time */
    char *identity;
    char *buildkitd;
    char *runtime;
};

/** Returns 1, or 0 where there is none or it is not of this format (then nobody can use it). */
int weft_worker_info_read(const struct weft_worker_files *f, struct weft_worker_info *info);
int weft_worker_info_write(const struct weft_worker_files *f, const struct weft_worker_info *info,
                           struct weft_err **err);
void weft_worker_info_finish(struct weft_worker_info *info);

/** Whether the init that the file names lives. */
bool weft_worker_info_lives(const struct weft_worker_info *info);

/** The last `lines` lines of a file, at most 64 KiB. "" where it cannot be read. Caller frees. */
char *weft_file_tail(const char *path, int lines);

#endif
