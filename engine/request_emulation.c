/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/request_parts.h"
#include "engine/settings.h"

enum {
    OS_VERSION_MAX = 63
};

/* Whether a flag chooses for all platforms, and so leaves nothing of the config file's choices. */
static bool chooses_all(const struct weft_strv *cpu)
{
    for (size_t i = 0; i < cpu->n; i++) {
        if (!strchr(cpu->v[i], '=')) {
            return true;
        }
    }
    return false;
}

int weft_request_set_emulation(struct weft_request *r, const struct weft_strv *cpu,
                               const char *qemu, struct weft_err **err)
{
    struct weft_settings settings = {0};

    if (weft_settings_load(&settings, err) < 0) {
        return -1;
    }
    if (!chooses_all(cpu)) {
        r->cpu = settings.cpu;
        settings.cpu = (struct weft_cpu_choices){0};
    }
    r->qemu = weft_steal(&settings.qemu);
    r->qemu_dirs = settings.qemu_dirs;
    settings.qemu_dirs = (struct weft_strv){0};
    weft_settings_finish(&settings);
    for (size_t i = 0; i < cpu->n; i++) {
        if (weft_cpu_choices_add(&r->cpu, cpu->v[i], err) < 0) {
            return weft_err_wrap(err, "--cpu");
        }
    }
    if (qemu) {
        free(r->qemu);
        r->qemu = weft_settings_qemu(qemu, NULL, err);
        return r->qemu ? 0 : weft_err_wrap(err, "--qemu");
    }
    return 0;
}

/* Two to four numbers with dots between them. */
static bool is_os_version(const char *s)
{
    int parts = 0;

    for (; strlen(s) <= OS_VERSION_MAX; s++) {
        size_t n = strspn(s, "0123456789");

        parts++;
        s += n;
        if (n == 0 || (*s && *s != '.')) {
            return false;
        }
        if (!*s) {
            return parts >= 2 && parts <= 4;
        }
    }
    return false;
}

int weft_request_set_os_version(struct weft_request *r, const char *value, struct weft_err **err)
{
    bool windows = false;

    if (!value) {
        return 0;
    }
    if (!is_os_version(value)) {
        weft_auto_free char *shown = weft_printable(value);

        weft_fail(err, WEFT_E_USAGE, "--os-version \"%s\" is not a version of Windows", shown);
        return weft_err_hint(err, "for example 10.0.20348.1");
    }
    for (size_t i = 0; i < r->n_platforms; i++) {
        windows = windows || strcmp(r->platforms[i].os, "windows") == 0;
    }
    if (!windows) {
        weft_fail(err, WEFT_E_USAGE,
                  "--os-version is for windows, and no platform of this build is");
        return weft_err_hint(err, "--platform windows/amd64");
    }
    r->os_version = weft_xstrdup(value);
    return 0;
}
