/* SPDX-License-Identifier: Apache-2.0 */
/* What runs the programs of each platform: this CPU, QEMU, or a handler of the host. */
#include "config.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "binfmt/existing.h"
#include "binfmt/health.h"
#include "binfmt/probe.h"
#include "binfmt/qemu.h"
#include "engine/doctor_check.h"
#include "platforms/level.h"

static const char try_native[] = "native";
static const char try_scan[] = "qemu";
static const char try_health[] = "health";

static const char mend_missing[] = "sudo apt-get install qemu-user-static";

static const struct weft_machine *machine_named(const char *qemu)
{
    size_t n;
    const struct weft_machine *const *machines = weft_catalogue_machines(&n);

    for (size_t i = 0; i < n; i++) {
        if (weft_str_eq(machines[i]->qemu, qemu)) {
            return machines[i];
        }
    }
    return NULL;
}

/* "linux/arm64" for a machine. */
static const char *name_of(const struct weft_machine *m, char buf[WEFT_PLATFORM_SIZE])
{
    return weft_platform_format(&weft_catalogue_default_of(m)->platform, buf);
}

/* Facts: each machine that runs natively, by QEMU's name of it, true. */
static void run_native(struct weft_try_self *self, const void *data)
{
    size_t n;
    const struct weft_machine *const *machines = weft_catalogue_machines(&n);

    (void)data;
    for (size_t i = 0; i < n; i++) {
        if (weft_probe_native(machines[i])) {
            weft_json_set_bool(self->facts, machines[i]->qemu, true);
        }
    }
}

/* Facts: "programs", a list of {machine, path, version}. */
static void run_scan(struct weft_try_self *self, const void *data)
{
    const struct weft_doctor *d = data;
    weft_auto_free char *dirs = weft_qemu_dirs();
    struct weft_qemus found = {0};
    struct weft_json *list = weft_json_array();

    weft_qemu_scan(dirs, d->answers, &found);
    weft_json_set(self->facts, "programs", list);
    for (size_t i = 0; i < found.n; i++) {
        struct weft_json *j = weft_json_object();

        weft_json_set_str(j, "machine", found.v[i].machine->qemu);
        weft_json_set_str(j, "path", found.v[i].path);
        weft_json_set_str(j, "version", found.v[i].version);
        weft_json_append(list, j);
    }
    weft_qemus_finish(&found);
}

void weft_doctor_qemu_start(struct weft_doctor *d)
{
    weft_tries_add(d->tries, &(struct weft_try_opts){.name = try_native,
                                                     .limit_ms = WEFT_DOCTOR_SHORT_MS,
                                                     .fn = run_native});
    weft_tries_add(d->tries, &(struct weft_try_opts){.name = try_scan,
                                                     .limit_ms = WEFT_DOCTOR_SHORT_MS,
                                                     .fn = run_scan,
                                                     .data = d});
}

static bool is_native(const struct weft_doctor *d, const struct weft_machine *m)
{
    return weft_json_bool(weft_tries_facts(d->tries, try_native, 0, NULL), m->qemu, false);
}

/* The programs that were found. */
static const struct weft_json *programs(const struct weft_doctor *d)
{
    return weft_json_get(weft_tries_facts(d->tries, try_scan, 0, NULL), "programs");
}

/* Facts: "verdict", "failure". data: a struct weft_doctor_health. */
static void run_health(struct weft_try_self *self, const void *data)
{
    const struct weft_doctor_health *h = data;
    weft_auto_free char *said = NULL;
    weft_auto_err err = NULL;
    int code = weft_probe_run(h->machine, h->program, NULL, &said, &err);

    weft_json_set_int(self->facts, "verdict",
                      code == WEFT_PROBE_EXIT ? WEFT_HEALTH_PARTLY : WEFT_HEALTH_BAD);
    weft_json_set_str(self->facts, "failure", err ? err->msg : said);
}

void weft_doctor_health_start(struct weft_doctor *d)
{
    const struct weft_json *list = programs(d);

    for (size_t i = 0; i < weft_json_len(list); i++) {
        const struct weft_json *j = weft_json_at(list, i);
        const struct weft_machine *m = machine_named(weft_json_str(j, "machine"));

        if (m && !is_native(d, m)) {
            struct weft_doctor_health *h = weft_xcalloc(1, sizeof(*h));

            *h = (struct weft_doctor_health){.next = d->health,
                                             .answers = d->answers,
                                             .machine = m,
                                             .program = weft_json_str(j, "path"),
                                             .version = weft_json_str(j, "version"),
                                             .nth = d->n_health++};
            d->health = h;
            weft_tries_add(d->tries, &(struct weft_try_opts){.name = try_health,
                                                             .limit_ms = WEFT_DOCTOR_LONG_MS,
                                                             .fn = run_health,
                                                             .data = h});
        }
    }
}

void weft_doctor_native(struct weft_doctor *d)
{
    weft_auto_strv names = {0};
    size_t n;
    const struct weft_machine *const *machines = weft_catalogue_machines(&n);
    char buf[WEFT_PLATFORM_SIZE];
    char *list;

    for (size_t i = 0; i < n; i++) {
        if (is_native(d, machines[i])) {
            weft_strv_add(&names, name_of(machines[i], buf));
        }
    }
    list = weft_strv_join(&names, ", ");
    if (names.n == 0) {
        free(list);
        weft_doctor_add(d, "native", NULL, WEFT_DOCTOR_WARN,
                        weft_fmt("no program of a platform that weft knows runs without emulation"),
                        NULL);
        return;
    }
    weft_doctor_add(d, "native", NULL, WEFT_DOCTOR_OK, list, NULL);
}

/* How a program does. */
static enum weft_health_verdict verdict_of(const struct weft_doctor *d,
                                           const struct weft_doctor_health *h, const char **why)
{
    enum weft_try_outcome outcome;
    const struct weft_json *facts = weft_tries_facts(d->tries, try_health, h->nth, &outcome);

    *why = weft_json_str(facts, "failure");
    if (outcome != WEFT_TRY_DONE) {
        *why = outcome == WEFT_TRY_TOO_LONG ? "it hangs" : "it was killed";
        return WEFT_HEALTH_BAD;
    }
    return (enum weft_health_verdict)weft_json_int(facts, "verdict", WEFT_HEALTH_BAD);
}

/* The best verdict over the programs of a machine; *best is that program. UNKNOWN: there is none.
 */
static enum weft_health_verdict machine_verdict(const struct weft_doctor *d,
                                                const struct weft_machine *m,
                                                const struct weft_doctor_health **best,
                                                const char **why)
{
    enum weft_health_verdict found = WEFT_HEALTH_UNKNOWN;

    *best = NULL;
    *why = NULL;
    for (const struct weft_doctor_health *h = d->health; h; h = h->next) {
        const char *this_why;
        enum weft_health_verdict v;

        if (h->machine != m) {
            continue;
        }
        v = verdict_of(d, h, &this_why);
        if (!*best || found == WEFT_HEALTH_BAD ||
            (found == WEFT_HEALTH_PARTLY && v == WEFT_HEALTH_GOOD)) {
            found = v;
            *best = h;
            *why = this_why;
        }
    }
    return found;
}

/* "7.2.22, 10.0.13": the versions at hand. Caller frees. */
static char *versions(const struct weft_doctor *d)
{
    weft_auto_strv seen = {0};

    for (const struct weft_doctor_health *h = d->health; h; h = h->next) {
        const char *version = h->version ? h->version : "of unknown version";

        if (!weft_strv_has(&seen, version)) {
            weft_strv_add(&seen, version);
        }
    }
    return weft_strv_join(&seen, ", ");
}

static char *summary(const struct weft_doctor *d, const size_t by_verdict[WEFT_HEALTH_BAD + 1])
{
    weft_auto_free char *all = versions(d);
    weft_auto_buf b = {0};

    weft_buf_printf(&b, "QEMU %s:", all);
    if (by_verdict[WEFT_HEALTH_GOOD]) {
        weft_buf_printf(&b, " %zu machines good", by_verdict[WEFT_HEALTH_GOOD]);
    }
    if (by_verdict[WEFT_HEALTH_PARTLY]) {
        weft_buf_printf(&b, "%s %zu start (no guest programs to try more)",
                        by_verdict[WEFT_HEALTH_GOOD] ? "," : "", by_verdict[WEFT_HEALTH_PARTLY]);
    }
    return weft_buf_steal(&b);
}

void weft_doctor_qemu(struct weft_doctor *d)
{
    size_t n, by_verdict[WEFT_HEALTH_BAD + 1] = {0};
    const struct weft_machine *const *machines = weft_catalogue_machines(&n);
    weft_auto_strv missing = {0};
    const struct weft_doctor_health *best;
    const char *why;
    char buf[WEFT_PLATFORM_SIZE];

    for (size_t i = 0; i < n; i++) {
        if (!is_native(d, machines[i])) {
            enum weft_health_verdict v = machine_verdict(d, machines[i], &best, &why);

            by_verdict[v]++;
            if (v == WEFT_HEALTH_UNKNOWN) {
                weft_strv_add(&missing, name_of(machines[i], buf));
            }
        }
    }
    if (!d->health) {
        weft_doctor_add(
            d, "qemu", NULL, WEFT_DOCTOR_WARN,
            weft_fmt("no static QEMU program; only native platforms can have RUN steps"),
            weft_fmt("%s", mend_missing));
        return;
    }
    if (by_verdict[WEFT_HEALTH_GOOD] + by_verdict[WEFT_HEALTH_PARTLY] > 0) {
        weft_doctor_add(d, "qemu", NULL, WEFT_DOCTOR_OK, summary(d, by_verdict), NULL);
    }
    if (missing.n > 0) {
        weft_auto_free char *list = weft_strv_join(&missing, ", ");

        weft_doctor_add(d, "qemu", NULL, WEFT_DOCTOR_WARN, weft_fmt("none for %s", list),
                        weft_fmt("%s", mend_missing));
    }
    for (size_t i = 0; i < n; i++) {
        if (!is_native(d, machines[i]) &&
            machine_verdict(d, machines[i], &best, &why) == WEFT_HEALTH_BAD) {
            weft_doctor_add(d, "qemu", name_of(machines[i], buf), WEFT_DOCTOR_WARN,
                            weft_fmt("%s: %s", best->program, why ? why : "it fails"),
                            weft_fmt("another version of QEMU: --qemu, or WEFT_QEMU_DIR=DIR"));
        }
    }
}

/* Reads the host's table. False: it is not to be seen. */
static bool read_table(struct weft_existing_table *t)
{
    weft_auto_fd fd = open("/proc/sys/fs/binfmt_misc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return fd >= 0 && weft_existing_read(fd, t, NULL) == 0 && t->mounted;
}

void weft_doctor_host_handlers(struct weft_doctor *d)
{
    struct weft_existing_table table = {0};
    bool seen = read_table(&table);
    size_t n, covered = 0;
    const struct weft_machine *const *machines = weft_catalogue_machines(&n);

    for (size_t i = 0; i < n; i++) {
        covered += !is_native(d, machines[i]) && table.enabled &&
                   weft_existing_find(&table, machines[i], NULL) != NULL;
    }
    if (d->own_handlers || weft_doctor_is_bad(d, "handlers")) {
        weft_doctor_add(d, "host-handlers", NULL, WEFT_DOCTOR_OK,
                        seen ? weft_fmt("%zu registered; none is needed", table.n)
                             : weft_fmt("binfmt_misc is not mounted; it is not needed"),
                        NULL);
    } else {
        weft_doctor_add(d, "host-handlers", NULL, covered ? WEFT_DOCTOR_OK : WEFT_DOCTOR_WARN,
                        seen ? weft_fmt("for %zu machines", covered)
                             : weft_fmt("binfmt_misc is not mounted here"),
                        covered ? NULL : weft_fmt("sudo weft binfmt install"));
    }
    weft_existing_finish(&table);
}

/* The flags of this CPU, as the kernel lists them. Caller frees; NULL. */
static char *cpu_flags(void)
{
    static const char *const keys[] = {"\nflags", "\nFeatures"};
    weft_auto_free char *text = NULL;

    if (weft_read_file("/proc/cpuinfo", 1 << 22, &text, NULL, NULL) < 0) {
        return NULL;
    }
    for (size_t i = 0; i < 2; i++) {
        const char *p = strstr(text, keys[i]);

        p = p ? strchr(p, ':') : NULL;
        if (p) {
            return weft_xstrndup(p + 1, strcspn(p + 1, "\n"));
        }
    }
    return NULL;
}

/* A platform that was asked for by name: what cannot run is a failure. */
static void report_platform(struct weft_doctor *d, const char *name)
{
    const struct weft_platform_info *info;
    const struct weft_doctor_health *best;
    struct weft_existing_table table = {0};
    struct weft_platform p;
    char buf[WEFT_PLATFORM_SIZE];
    const char *why;

    if (weft_platform_parse(name, &p, NULL) < 0) {
        return; /* checked before */
    }
    name = weft_platform_format(&p, buf);
    info = weft_catalogue_find(&p);
    if (!info || !info->machine) {
        weft_doctor_add(d, "platform", name, WEFT_DOCTOR_FAIL,
                        weft_fmt("nothing here runs its programs: no RUN steps"), NULL);
        return;
    }
    if (is_native(d, info->machine)) {
        weft_auto_free char *flags = cpu_flags();
        const char *lacks = weft_level_lacks(&p, flags ? flags : "");

        weft_doctor_add(d, "platform", name, lacks && flags ? WEFT_DOCTOR_FAIL : WEFT_DOCTOR_OK,
                        lacks && flags ? weft_fmt("this CPU lacks %s", lacks)
                                       : weft_fmt("runs natively"),
                        lacks && flags ? weft_fmt("a machine with such a CPU") : NULL);
        return;
    }
    if (weft_doctor_is_bad(d, "handlers")) {
        weft_doctor_add(d, "platform", name, WEFT_DOCTOR_SKIP, weft_fmt("see handlers"), NULL);
        return;
    }
    if (!d->own_handlers) {
        bool covered = read_table(&table) && table.enabled &&
                       weft_existing_find(&table, info->machine, NULL) != NULL;

        weft_doctor_add(d, "platform", name, covered ? WEFT_DOCTOR_OK : WEFT_DOCTOR_FAIL,
                        covered ? weft_fmt("the host's handler runs its programs")
                                : weft_fmt("the host has no handler for it, and workers can have "
                                           "none of their own"),
                        covered ? NULL : weft_fmt("sudo weft binfmt install"));
        weft_existing_finish(&table);
        return;
    }
    switch (machine_verdict(d, info->machine, &best, &why)) {
    case WEFT_HEALTH_UNKNOWN:
        weft_doctor_add(d, "platform", name, WEFT_DOCTOR_FAIL,
                        weft_fmt("no QEMU program for it (qemu-%s)", info->machine->qemu),
                        weft_fmt("%s", mend_missing));
        break;
    case WEFT_HEALTH_BAD:
        weft_doctor_add(d, "platform", name, WEFT_DOCTOR_FAIL,
                        weft_fmt("%s: %s", best->program, why ? why : "it fails"),
                        weft_fmt("another version of QEMU: --qemu, or WEFT_QEMU_DIR=DIR"));
        break;
    case WEFT_HEALTH_PARTLY:
    case WEFT_HEALTH_GOOD:
        weft_doctor_add(d, "platform", name, WEFT_DOCTOR_OK,
                        weft_fmt("%s%s%s", best->program, best->version ? " " : "",
                                 best->version ? best->version : ""),
                        NULL);
        break;
    }
}

void weft_doctor_platforms(struct weft_doctor *d)
{
    const struct weft_strv *asked = d->options->platforms;

    for (size_t i = 0; asked && i < asked->n; i++) {
        report_platform(d, asked->v[i]);
    }
}
