/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/worker_config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "bench/profile.h"
#include "binfmt/existing.h"
#include "binfmt/probe.h"
#include "binfmt/qemu.h"
#include "binfmt/qemu_copy.h"
#include "engine/worker.h"
#include "engine/worker_disk.h"
#include "engine/worker_files.h"
#include "engine/worker_registries.h"
#include "engine/worker_state.h"

/* Whether m is the 32-bit machine of the host's CPUs. */
static bool is_compat(const struct weft_machine *host, const struct weft_machine *m)
{
    return m != host && weft_catalogue_maybe_native(&weft_catalogue_default_of(host)->platform,
                                                    &weft_catalogue_default_of(m)->platform);
}

/* Whether that one runs: kernels can be built, or started, without its system calls, and newer CPUs
 * of arm64 lack it. */
static bool runs_compat(const struct weft_machine *host)
{
    size_t n;
    const struct weft_machine *const *machines = weft_catalogue_machines(&n);

    for (size_t i = 0; i < n; i++) {
        if (is_compat(host, machines[i])) {
            return weft_probe_native(machines[i]);
        }
    }
    return false;
}

bool weft_worker_config_native(const struct weft_worker_config *cfg, const struct weft_machine *m)
{
    if (cfg->host == NULL) {
        return false;
    }
    return m == cfg->host || (cfg->runs_compat && is_compat(cfg->host, m));
}

static void append_file(struct weft_json *list, const char *path)
{
    weft_auto_free char *id = weft_file_identity(path);

    weft_json_append_str(list, id);
}

char *weft_worker_config_canonical(const struct weft_worker_config *cfg, const char *slot)
{
    weft_auto_json root = weft_json_object();
    struct weft_json *handlers = weft_json_array();
    struct weft_json *files = weft_json_array();
    struct weft_json *env = weft_json_array();
    weft_auto_strv lines = {0};
    weft_auto_strv programs = {0};
    weft_auto_free char *registries = weft_worker_registries_toml(cfg->registries, "");

    weft_json_set_int(root, "format", WEFT_WORKER_FORMAT);
    weft_json_set_int(root, "uid", geteuid());
    weft_json_set_str(root, "scope", weft_scope_name(cfg->scope));
    weft_worker_config_handlers(cfg, slot, &lines);
    for (size_t i = 0; i < lines.n; i++) {
        weft_json_append_str(handlers, lines.v[i]);
    }
    weft_worker_config_programs(cfg, slot, &programs);
    for (size_t i = 0; i < programs.n; i++) {
        append_file(files, programs.v[i]);
    }
    append_file(files, cfg->buildkit.buildkitd);
    append_file(files, cfg->buildkit.init);
    for (size_t i = 0; i < cfg->buildkit.runtimes.n; i++) {
        append_file(files, cfg->buildkit.runtimes.v[i]);
    }
    for (size_t i = 0; i < cfg->env.n; i++) {
        weft_json_append_str(env, cfg->env.v[i]);
    }
    weft_json_set(root, "handlers", handlers);
    weft_json_set(root, "files", files);
    weft_json_set(root, "env", env);
    weft_json_set_str(root, "registries", registries);
    return weft_json_dump(root, 0);
}

char *weft_worker_config_qemu_dirs(const struct weft_worker_options *options)
{
    weft_auto_free char *usual = weft_qemu_dirs();
    weft_auto_strv dirs = {0};

    if (options && options->qemu && options->qemu[0] == '/') {
        weft_strv_add(&dirs, options->qemu);
    }
    if (options && options->qemu_dirs) {
        weft_strv_concat(&dirs, options->qemu_dirs);
    }
    weft_strv_add(&dirs, usual);
    return weft_strv_join(&dirs, ":");
}

/* What programs have said, and the copies of QEMU, lie in STATE/qemu, which can be removed at any
 * time while no worker is up. */
static int find_qemus(struct weft_worker_config *cfg, const struct weft_worker_options *options,
                      struct weft_err **err)
{
    static const struct weft_cpu_choices baseline = {0};
    weft_auto_free char *dirs = weft_worker_config_qemu_dirs(options);
    weft_auto_free char *path = NULL;

    cfg->cpu = options && options->cpu ? options->cpu : &baseline;
    cfg->qemu = options ? options->qemu : NULL;
    cfg->cancel = options ? options->cancel : NULL;
    cfg->copies_dir = weft_path_join(cfg->state_root, "qemu");
    if (weft_state_open(cfg->state_root, &weft_qemu_state, err) < 0) {
        return -1;
    }
    path = weft_path_join(cfg->copies_dir, "answers.json");
    cfg->answers = weft_answers_create(path);
    weft_qemu_scan(dirs, cfg->answers, &cfg->qemus);
    weft_profile_load(cfg->state_root, &cfg->speeds);
    return 0;
}

static int gather(struct weft_worker_config *cfg, const struct weft_worker_options *options,
                  struct weft_err **err)
{
    weft_auto_free char *state = weft_dir_state(err);
    weft_auto_free char *runtime = weft_dir_runtime();
    const struct weft_platform_info *host;
    struct weft_platform platform;
    struct weft_worker_room room; /* what WEFT_WORKER_DISK says is looked at before all else */

    if (!state) {
        return -1;
    }
    cfg->state_root = weft_path_abs(state, err);
    cfg->runtime_root = cfg->state_root ? weft_path_abs(runtime, err) : NULL;
    cfg->disk_bytes = options ? options->disk_bytes : 0;
    if (!cfg->runtime_root ||
        weft_worker_room_look(cfg->state_root, cfg->disk_bytes, &room, err) < 0 ||
        (!(options && options->without_buildkit) && weft_buildkit_find(&cfg->buildkit, err) < 0)) {
        return -1;
    }
    weft_platform_host(&platform);
    host = weft_catalogue_find(&platform);
    cfg->host = host ? host->machine : NULL;
    cfg->runs_compat = cfg->host && runs_compat(cfg->host);
    weft_buildkit_passed_env(&cfg->env);
    cfg->registries = weft_worker_registries_load(options ? options->registries : NULL, err);
    if (!cfg->registries) {
        return -1;
    }
    return find_qemus(cfg, options, err) < 0 ? -1 : weft_worker_config_find_emulators(cfg, err);
}

struct weft_worker_config *weft_worker_config_create(const struct weft_worker_options *options,
                                                     struct weft_err **err)
{
    struct weft_worker_config *cfg = weft_xcalloc(1, sizeof(*cfg));

    cfg->scope = options ? options->scope : WEFT_SCOPE_NAMESPACE;
    cfg->idle_ms = options ? options->idle_ms : WEFT_IDLE_DEFAULT_MS;
    if (gather(cfg, options, err) < 0) {
        weft_worker_config_destroy(cfg);
        return NULL;
    }
    return cfg;
}

void weft_worker_config_destroy(struct weft_worker_config *cfg)
{
    if (!cfg) {
        return;
    }
    weft_worker_config_free_emulators(cfg);
    free(cfg->copies_dir);
    weft_answers_destroy(cfg->answers);
    weft_speeds_finish(&cfg->speeds);
    free(cfg->runtime_root);
    free(cfg->state_root);
    weft_buildkit_finish(&cfg->buildkit);
    weft_strv_finish(&cfg->env);
    weft_worker_registries_destroy(cfg->registries);
    free(cfg);
}

const char *weft_worker_config_buildctl(const struct weft_worker_config *cfg)
{
    return cfg->buildkit.buildctl;
}

const char *weft_worker_config_session(const struct weft_worker_config *cfg)
{
    return cfg->buildkit.session;
}

static void log_program(const char *what, const char *path)
{
    weft_auto_free char *version = weft_buildkit_version(path);

    weft_debug("%s: %s: %s", what, path, version ? version : "does not say its version");
}

void weft_worker_config_log(const struct weft_worker_config *cfg)
{
    const char *runtime = weft_worker_config_runtime(cfg, NULL, NULL);

    log_program("buildkitd", cfg->buildkit.buildkitd);
    log_program("buildctl", cfg->buildkit.buildctl);
    for (size_t i = 0; i < cfg->buildkit.runtimes.n; i++) {
        const char *path = cfg->buildkit.runtimes.v[i];

        log_program(runtime && strcmp(path, runtime) == 0 ? "runtime" : "runtime not used", path);
    }
    for (size_t i = 0; i < cfg->n_emulated; i++) {
        const struct weft_emulator *e = &cfg->emulated[i].emulator;

        weft_debug("qemu for %s: %s: %s, CPU model %s%s%s: %s", e->platform->machine->qemu, e->qemu,
                   e->version ? e->version : "does not say its version",
                   e->model ? e->model : "not under control", e->why ? ": " : "",
                   e->why ? e->why : "", e->program);
    }
    weft_debug("workers: scope %s", weft_scope_name(cfg->scope));
}

int weft_worker_config_budget(const struct weft_worker_config *cfg, uint64_t *bytes,
                              struct weft_err **err)
{
    struct weft_worker_room room;

    if (weft_worker_room_look(cfg->state_root, cfg->disk_bytes, &room, err) < 0) {
        return -1;
    }
    *bytes = room.budget_bytes;
    return 0;
}

int weft_worker_config_prepare_dirs(const struct weft_worker_config *cfg, struct weft_err **err)
{
    weft_auto_free char *runtime = weft_path_join(cfg->runtime_root, "workers");

    if (weft_private_dir(cfg->runtime_root, err) < 0 || weft_private_dir(runtime, err) < 0) {
        return weft_err_hint(err, "WEFT_RUNTIME_DIR can name another directory");
    }
    return weft_state_open(cfg->state_root, &weft_worker_state, err);
}

char *weft_worker_config_buildkit(const struct weft_worker_config *cfg)
{
    static const char what[] = "BuildKit";
    const char *program = cfg->buildkit.buildkitd;
    char *number = weft_answers_recall(cfg->answers, what, program);
    weft_auto_free char *line = NULL;

    if (!number) {
        line = weft_buildkit_version(program);
        number = line ? weft_buildkit_number(line) : NULL;
        if (number) {
            weft_answers_keep(cfg->answers, what, program, number);
        }
    }
    return number;
}

char *weft_worker_qemu_version(const struct weft_worker_config *cfg, const char *program)
{
    static const char what[] = "version";
    char *version = weft_answers_recall(cfg->answers, what, program);

    if (!version) {
        version = weft_qemu_ask_version(program);
        if (version) {
            weft_answers_keep(cfg->answers, what, program, version);
        }
    }
    return version;
}

char *weft_worker_frontend_version(const struct weft_worker *w)
{
    static const char what[] = "frontend";
    const struct weft_buildkit *b = &w->cfg->buildkit;
    char *version = weft_answers_recall(w->cfg->answers, what, b->buildkitd);

    if (!version) {
        version = weft_buildkit_ask_frontend(b->buildctl, w->address);
        if (version) {
            weft_answers_keep(w->cfg->answers, what, b->buildkitd, version);
        }
    }
    return version;
}

static bool runtime_fits(const struct weft_worker_config *cfg, const char *runtime)
{
    static const char what[] = "run --keep";
    weft_auto_free char *known = weft_answers_recall(cfg->answers, what, runtime);
    int fits;

    if (known) {
        return strcmp(known, "yes") == 0;
    }
    fits = weft_buildkit_runtime_fits(runtime);
    if (fits >= 0) {
        weft_answers_keep(cfg->answers, what, runtime, fits ? "yes" : "no");
    }
    return fits > 0;
}

const char *weft_worker_config_runtime(const struct weft_worker_config *cfg, const char **other,
                                       struct weft_err **err)
{
    const struct weft_strv *runtimes = &cfg->buildkit.runtimes;
    weft_auto_free char *tried = NULL;
    const char *fit[2] = {NULL, NULL};
    size_t n = 0;

    for (size_t i = 0; i < runtimes->n && n < 2; i++) {
        if (runtime_fits(cfg, runtimes->v[i])) {
            fit[n++] = runtimes->v[i];
        }
    }
    if (other) {
        *other = fit[1];
    }
    if (n > 0) {
        return fit[0];
    }
    tried = weft_strv_join(runtimes, ", ");
    weft_fail(
        err, WEFT_E_UNSUPPORTED,
        "no OCI runtime here is new enough for BuildKit, which calls it with 'run --keep': %s",
        tried);
    weft_err_hint(err, "sudo apt-get install runc");
    return NULL;
}
