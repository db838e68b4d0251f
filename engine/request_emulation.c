/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/request_parts.h"
#include "engine/settings.h"

enum {
    OS_VERSION_MAX = 63
};

int weft_request_set_emulation(struct weft_request *r, const struct weft_strv *cpu,
                               const char *qemu, struct weft_err **err)
{
    struct weft_settings settings = {0};
    int rc = weft_settings_load(&settings, err);

    if (rc == 0) {
        rc = weft_settings_override(&settings, cpu, qemu, err);
    }
    if (rc == 0) {
        r->cpu = settings.cpu;
        settings.cpu = (struct weft_cpu_choices){0};
        r->qemu = weft_steal(&settings.qemu);
        r->qemu_dirs = settings.qemu_dirs;
        settings.qemu_dirs = (struct weft_strv){0};
        r->registries = settings.registries;
        settings.registries = (struct weft_registry_hosts){0};
        r->disk_bytes = settings.disk_bytes;
    }
    weft_settings_finish(&settings);
    return rc;
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
