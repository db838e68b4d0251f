/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user's config file: $WEFT_CONFIG, or $XDG_CONFIG_HOME/weft/config.yaml (~/.config/weft).
 * YAML, checked against what is known: an unknown key or a wrong type is an error with file, line
 * and column. Flags win over it. The only place that knows libfyaml.
 */
#ifndef WEFT_ENGINE_SETTINGS_H
#define WEFT_ENGINE_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "engine/registry/hosts.h"
#include "platforms/cpu.h"

struct weft_err;

enum {
    WEFT_SETTINGS_LIMIT = 1 << 20,     /* bytes of a config file */
    WEFT_SETTINGS_PEM_LIMIT = 4 << 20, /* of a file of certificates that it names */
};

/** Start from {0}; end with weft_settings_finish. */
struct weft_settings {
    char *path;                  /* of the file that was read; NULL: there is none */
    struct weft_cpu_choices cpu; /* cpu: max, or cpu: {linux/arm64: cortex-a72, ...} */
    char *qemu;                  /* qemu.use: a version or an absolute directory; or NULL */
    struct weft_strv qemu_dirs;  /* qemu.dirs: absolute directories to look in, before $PATH */
    struct weft_registry_hosts registries; /* their files were there, and PEM */
    uint64_t disk_bytes; /* disk: what the caches of all workers may have; 0: not said */
};

/**
 * Read it. No file is fine, unless WEFT_CONFIG names it; so is a directory for it that the process
 * may not enter.
 * @param out zeroed; untouched on failure
 * Errors: WEFT_E_USAGE (its content; or it cannot be read, and then with an errno value).
 */
int weft_settings_load(struct weft_settings *out, struct weft_err **err);

/**
 * The same for a text of len <= WEFT_SETTINGS_LIMIT bytes and a NUL behind them. `name` is what
 * errors call it; paths in it are relative to the directory of `name`, and looked up. `path` is not
 * set.
 */
int weft_settings_parse(const char *text, size_t len, const char *name, struct weft_settings *out,
                        struct weft_err **err);

/**
 * Which QEMU is meant by `text`: a version ("7.2", "10.0.13") as it is, or a directory, made
 * absolute against `dir`, or the working directory if that is NULL. Caller frees. NULL with
 * WEFT_E_USAGE for what is neither.
 */
char *weft_settings_qemu(const char *text, const char *dir, struct weft_err **err);

/**
 * Put what the command line says over the settings: the values of --cpu, and of --qemu (NULL: not
 * given). A --cpu for all platforms leaves nothing of what the file says for some. Errors:
 * WEFT_E_USAGE.
 */
int weft_settings_override(struct weft_settings *s, const struct weft_strv *cpu, const char *qemu,
                           struct weft_err **err);

void weft_settings_finish(struct weft_settings *c);

#endif
