/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The user's config file: $WEFT_CONFIG, or $XDG_CONFIG_HOME/weft/config.yaml (~/.config/weft).
 * YAML, checked against what is known: an unknown key or a wrong type is an error with file, line
 * and column. Flags win over it. The only place that knows libfyaml.
 */
#ifndef WEFT_ENGINE_SETTINGS_H
#define WEFT_ENGINE_SETTINGS_H

#include "base/str.h"
#include "platforms/cpu.h"

struct weft_err;

/** Start from {0}; end with weft_settings_finish. */
struct weft_settings {
    char *path;                  /* of the file that was read; NULL: there is none */
    struct weft_cpu_choices cpu; /* cpu: max, or cpu: {linux/arm64: cortex-a72, ...} */
    char *qemu;                  /* qemu.use: a version or an absolute directory; or NULL */
    struct weft_strv qemu_dirs;  /* qemu.dirs: absolute directories to look in, before $PATH */
};

/** Read it. No file is fine, unless WEFT_CONFIG names it. Errors: WEFT_E_USAGE (its content),
 * WEFT_E_IO.
 */
int weft_settings_load(struct weft_settings *out, struct weft_err **err);

/** The same for a text; `name` is what errors call it. */
int weft_settings_parse(const char *text, size_t len, const char *name, struct weft_settings *out,
                        struct weft_err **err);

void weft_settings_finish(struct weft_settings *c);

#endif
