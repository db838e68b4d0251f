/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "binfmt/existing.h"
#include "engine/worker.h"
#include "engine/worker_config.h"

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

static void runs_own(const struct weft_worker_config *cfg, const struct weft_machine *m,
                     struct weft_runs *out)
{
    for (size_t i = 0; i < cfg->n_emulated; i++) {
        if (cfg->emulated[i].machine == m) {
            out->how = WEFT_RUNS_OWN;
            out->interpreter = weft_xstrdup(cfg->emulated[i].qemu);
            return;
        }
    }
    out->how = WEFT_RUNS_NOT;
    out->mend = weft_fmt("%sapt-get install qemu-user-static (it has no qemu-%s? then set "
                         "WEFT_QEMU_DIR to a directory with a static one)",
                         sudo(), m->qemu);
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

int weft_worker_runs(const struct weft_worker_config *cfg, const struct weft_worker *w,
                     const struct weft_platform_info *p, struct weft_runs *out,
                     struct weft_err **err)
{
    const struct weft_machine *m = p->machine;

    *out = (struct weft_runs){0};
    if (!m) {
        out->how = WEFT_RUNS_NOT;
        out->mend = weft_xstrdup("build the programs on a platform of linux, and COPY them");
        return 0;
    }
    if (weft_worker_config_native(cfg, m)) {
        out->how = WEFT_RUNS_NATIVE;
        return 0;
    }
    if ((w ? w->scope : cfg->scope) == WEFT_SCOPE_NAMESPACE) {
        runs_own(cfg, m, out);
        return 0;
    }
    return runs_existing(cfg, w, m, out, err);
}
