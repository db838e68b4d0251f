/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "binfmt/existing.h"
#include "engine/worker.h"
#include "engine/worker_config.h"
#include "platforms/level.h"

enum {
    CPUINFO_MAX = 8 << 20
};

#define BINFMT_DIR "/proc/sys/fs/binfmt_misc"

void weft_runs_finish(struct weft_runs *r)
{
    free(r->interpreter);
    free(r->version);
    free(r->model);
    free(r->program);
    free(r->plain_why);
    free(r->handler);
    free(r->mend);
    *r = (struct weft_runs){0};
}

static const char *sudo(void)
{
    return geteuid() == 0 ? "" : "sudo ";
}

static const char *go_arch(const struct weft_machine *m)
{
    size_t n;
    const struct weft_platform_info *all = weft_catalogue(&n);

    for (size_t i = 0; i < n; i++) {
        if (all[i].machine == m) {
            return all[i].platform.arch;
        }
    }
    return NULL;
}

static int runs_own(const struct weft_worker_config *cfg, const char *slot,
                    const struct weft_platform_info *p, struct weft_runs *out,
                    struct weft_err **err)
{
    const struct weft_emulators from = weft_worker_config_emulators(cfg);
    const struct weft_emulator *e = weft_worker_config_emulator(cfg, slot, p);
    struct weft_emulator chosen = {0};
    int got = 1;

    if (!e || (!slot && e->platform != p)) { /* no worker yet: as it would have it */
        got = weft_emulator_choose(&from, p, false, &chosen, err);
        e = &chosen;
    }
    if (got == 1) {
        out->how = WEFT_RUNS_OWN;
        out->interpreter = weft_xstrdup(e->qemu);
        out->version = weft_xstrdup_null(e->version);
        out->model = weft_xstrdup_null(e->model);
        out->program = weft_xstrdup(e->program);
        out->plain_why = weft_xstrdup_null(e->why);
        out->unmeasured = e->unmeasured;
    } else if (got == 0) {
        out->how = WEFT_RUNS_NOT;
        out->mend =
            weft_fmt("%sapt-get install qemu-user-static; or WEFT_QEMU_DIR=DIR, a directory "
                     "with static QEMU programs",
                     sudo());
    }
    weft_emulator_finish(&chosen);
    return got < 0 ? -1 : 0;
}

/* What was asked for can only be had with handlers of one's own. */
static int refuse_choices(const struct weft_worker_config *cfg, struct weft_err **err)
{
    if (!cfg->cpu->given && !cfg->qemu) {
        return 0;
    }
    weft_fail(err, WEFT_E_UNSUPPORTED,
              "%s cannot be followed here: the kernel denies the mount of a binfmt_misc of weft's "
              "own, and the host's handlers run whatever QEMU and CPU model they were made with",
              cfg->cpu->given ? "--cpu" : "--qemu");
    return weft_err_hint(err,
                         "leave it out (also from the config file), or use Linux 6.7 or newer");
}

/* The host's table is not to be seen from here (a container), but it may work all the same. */
static int runs_unseen(const struct weft_worker_config *cfg, const struct weft_worker *w,
                       const struct weft_machine *m, struct weft_runs *out, struct weft_err **err)
{
    weft_auto_strv archs = {0};
    const char *arch = go_arch(m);

    if (w && weft_buildkit_ask_archs(cfg->buildkit.buildctl, w->address, &archs, err) < 0) {
        return -1;
    }
    if (!w || (arch && weft_strv_has(&archs, arch))) {
        out->how = WEFT_RUNS_EXISTING;
        return 0;
    }
    out->how = WEFT_RUNS_NOT;
    out->mend = weft_fmt("%sapt-get install qemu-user-static binfmt-support (on the host)", sudo());
    return 0;
}

static int runs_existing(const struct weft_worker_config *cfg, const struct weft_worker *w,
                         const struct weft_machine *m, struct weft_runs *out, struct weft_err **err)
{
    weft_auto_fd fd = open(BINFMT_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct weft_existing_table table = {0};
    const struct weft_existing *found, *without_f;

    if (fd < 0 && errno != ENOENT) {
        return weft_fail_sys(err, errno, BINFMT_DIR);
    }
    if (fd >= 0 && weft_existing_read(fd, &table, err) < 0) {
        weft_existing_finish(&table);
        return -1;
    }
    if (!table.mounted) {
        weft_existing_finish(&table);
        return runs_unseen(cfg, w, m, out, err);
    }
    found = weft_existing_find(&table, m, &without_f);
    if (found) {
        out->how = WEFT_RUNS_EXISTING;
        out->interpreter = weft_xstrdup(found->interpreter);
        out->handler = weft_xstrdup(found->name);
    } else {
        out->how = WEFT_RUNS_NOT;
        out->mend = without_f
                        ? weft_fmt("%sapt-get install --reinstall qemu-user-static binfmt-support "
                                   "(the handler %s is registered without flag F)",
                                   sudo(), without_f->name)
                        : weft_fmt("%sapt-get install qemu-user-static binfmt-support", sudo());
    }
    weft_existing_finish(&table);
    return 0;
}

/* The line of /proc/cpuinfo that lists what the CPU has. Caller frees. */
static char *cpu_flags(void)
{
    static const char *const names[] = {"\nflags", "\nFeatures"};
    weft_auto_free char *text = NULL;

    if (weft_read_file("/proc/cpuinfo", CPUINFO_MAX, &text, NULL, NULL) < 0) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *line = strstr(text, names[i]);
        const char *colon = line ? strchr(line, ':') : NULL;

        if (colon) {
            return weft_xstrndup(colon + 1, strcspn(colon + 1, "\n"));
        }
    }
    return NULL;
}

/* QEMU does not stand in: the kernel runs a program of this machine itself, whatever it needs. */
static void runs_native(const struct weft_platform_info *p, struct weft_runs *out)
{
    weft_auto_free char *flags = cpu_flags();
    const char *lacks = flags ? weft_level_lacks(&p->platform, flags) : NULL;

    if (!lacks) {
        out->how = WEFT_RUNS_NATIVE;
        return;
    }
    out->how = WEFT_RUNS_NOT;
    out->mend = weft_fmt("build on a machine that has it: this CPU runs %s itself but has no %s "
                         "(/proc/cpuinfo), and QEMU is not put in between",
                         p->platform.arch, lacks);
}

static int runs_of(const struct weft_worker_config *cfg, const struct weft_worker *w,
                   const struct weft_platform_info *p, struct weft_runs *out, struct weft_err **err)
{
    const struct weft_machine *m = p->machine;

    *out = (struct weft_runs){0};
    if (!m) {
        out->how = WEFT_RUNS_NOT;
        out->mend = weft_xstrdup("build the programs on a platform of linux, and COPY them");
        return 0;
    }
    if (weft_worker_config_native(cfg, m)) {
        runs_native(p, out);
        return 0;
    }
    if ((w ? w->scope : cfg->scope) == WEFT_SCOPE_NAMESPACE) {
        return runs_own(cfg, w ? w->wanted_slot : NULL, p, out, err);
    }
    if (refuse_choices(cfg, err) < 0 || runs_existing(cfg, w, m, out, err) < 0) {
        return -1;
    }
    if (out->interpreter) {
        out->version = weft_worker_qemu_version(cfg, out->interpreter);
    }
    return 0;
}

int weft_worker_runs(const struct weft_worker_config *cfg, const struct weft_worker *w,
                     const struct weft_platform_info *p, struct weft_runs *out,
                     struct weft_err **err)
{
    int rc = runs_of(cfg, w, p, out, err);
    const struct weft_speed *speed =
        rc == 0 && out->interpreter
            ? weft_speeds_find(&cfg->speeds, p, out->interpreter, out->version, out->model)
            : NULL;

    out->ratio = speed ? speed->ratio : 0;
    return rc;
}
