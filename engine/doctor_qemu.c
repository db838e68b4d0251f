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
static const char try_probe[] = "probe";
static const char try_health[] = "health";

static const char mend_missing[] = "sudo apt-get install qemu-user-static";
static const char mend_bad[] = "another version of QEMU: weft build --qemu, or WEFT_QEMU_DIR=DIR";

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

/* What is killed half way leaves its files where they go with the try. */
static void use_dir(const struct weft_try_self *self)
{
    setenv("TMPDIR", self->dir, 1);
}

/* Facts: each machine that runs natively, by QEMU's name of it, true. */
static void run_native(struct weft_try_self *self, const void *data)
{
    size_t n;
    const struct weft_machine *const *machines = weft_catalogue_machines(&n);

    (void)data;
    use_dir(self);
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
    struct weft_qemus found = {0};
    struct weft_json *list = weft_json_array();

    weft_qemu_scan(d->qemu_dirs, d->answers, &found);
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
                                                     .dir = d->tmp,
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

/* Facts: "works"; "failure". data: a struct weft_doctor_health. */
static void run_probe(struct weft_try_self *self, const void *data)
{
    const struct weft_doctor_health *h = data;
    weft_auto_free char *said = NULL;
    weft_auto_err err = NULL;
    int code;

    use_dir(self);
    code = weft_probe_run(h->machine, h->program, NULL, NULL, &said, &err);
    if (code == WEFT_PROBE_EXIT) {
        weft_json_set_bool(self->facts, "works", true);
    } else {
        weft_auto_free char *line =
            err ? weft_fmt("%s", err->msg)
                : weft_fmt("exit code %d: %.*s", code, (int)strcspn(said, "\n"), said);

        weft_json_set_str(self->facts, "failure", line);
    }
}

/* Facts: "verdict", "failure". data: as above. */
static void run_health(struct weft_try_self *self, const void *data)
{
    const struct weft_doctor_health *h = data;
    struct weft_health health = {0};
    weft_auto_err err = NULL;

    use_dir(self);
    if (weft_health_check(h->answers, h->program, h->machine, NULL, NULL, &health, &err) < 0) {
        weft_json_set_int(self->facts, "verdict", WEFT_HEALTH_BAD);
        weft_json_set_str(self->facts, "failure", err->msg);
    } else {
        weft_json_set_int(self->facts, "verdict", health.verdict);
        weft_json_set_str(self->facts, "failure", health.failure);
    }
    weft_health_finish(&health);
    weft_answers_write(h->answers); /* this is a child, whose memory is not its parent's */
}

/* Whether a program of this machine is in the list already. */
static bool has_machine(const struct weft_doctor *d, const struct weft_machine *m)
{
    for (const struct weft_doctor_health *h = d->health; h; h = h->next) {
        if (h->machine == m) {
            return true;
        }
    }
    return false;
}

static void add_health(struct weft_doctor *d, const struct weft_json *j,
                       const struct weft_machine *m)
{
    struct weft_doctor_health *h = weft_xcalloc(1, sizeof(*h));

    h->answers = d->answers;
    h->machine = m;
    h->program = weft_json_str(j, "path");
    h->version = weft_json_str(j, "version");
    h->verdict = weft_health_recall(d->answers, h->program, m, NULL);
    h->failure = weft_health_recall_failure(d->answers, h->program, m, NULL);
    h->next = d->health;
    d->health = h;
    if (h->verdict == WEFT_HEALTH_UNKNOWN) {
        h->tried = true;
        h->nth = d->n_health++;
        weft_tries_add(d->tries, &(struct weft_try_opts){.name = try_probe,
                                                         .limit_ms = WEFT_DOCTOR_SHORT_MS,
                                                         .dir = d->tmp,
                                                         .fn = run_probe,
                                                         .data = h});
    }
}

/* The first program of each machine first, then, as far as time goes, the others. */
void weft_doctor_probe_start(struct weft_doctor *d)
{
    const struct weft_json *list = programs(d);
    size_t n = weft_json_len(list);
    bool *later = weft_xcalloc(n + 1, sizeof(*later));

    for (size_t round = 0; round < 2; round++) {
        for (size_t i = 0; i < n; i++) {
            const struct weft_json *j = weft_json_at(list, i);
            const struct weft_machine *m = machine_named(weft_json_str(j, "machine"));

            if (m && !is_native(d, m) && (round == 0 ? !has_machine(d, m) : later[i])) {
                add_health(d, j, m);
            } else {
                later[i] = round == 0 && m && !is_native(d, m);
            }
        }
    }
    free(later);
}

/* Of those that start and are not known from before. In the order of the probes. */
void weft_doctor_health_start(struct weft_doctor *d)
{
    for (size_t nth = 0; nth < d->n_health; nth++) {
        for (struct weft_doctor_health *h = d->health; h; h = h->next) {
            if (h->tried && h->nth == nth) {
                weft_tries_add(d->tries, &(struct weft_try_opts){.name = try_health,
                                                                 .limit_ms = WEFT_DOCTOR_HEALTH_MS,
                                                                 .dir = d->tmp,
                                                                 .fn = run_health,
                                                                 .data = h});
            }
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

static bool qemu_for(const struct weft_qemus *qemus, const struct weft_machine *m)
{
    for (size_t i = 0; i < qemus->n; i++) {
        if (qemus->v[i].machine == m) {
            return true;
        }
    }
    return false;
}

const struct weft_platform_info *weft_doctor_emulated(const struct weft_doctor *d,
                                                      const struct weft_qemus *qemus)
{
    const struct weft_strv *asked = d->options->platforms;
    struct weft_platform host;
    size_t n;
    const struct weft_machine *const *machines = weft_catalogue_machines(&n);

    for (size_t i = 0; asked && i < asked->n; i++) {
        struct weft_platform p;
        const struct weft_platform_info *info =
            weft_platform_parse(asked->v[i], &p, NULL) == 0 ? weft_catalogue_find(&p) : NULL;

        if (info && info->machine && !weft_probe_native(info->machine) &&
            qemu_for(qemus, info->machine)) {
            return info;
        }
    }
    weft_platform_host(&host);
    for (size_t i = 0; i < n; i++) {
        const struct weft_platform_info *info = weft_catalogue_default_of(machines[i]);

        if (!weft_catalogue_maybe_native(&host, &info->platform) && qemu_for(qemus, machines[i])) {
            return info;
        }
    }
    return NULL;
}

/* Whether it runs the smallest program; one that is known from before is not asked again. */
static bool starts(const struct weft_doctor *d, const struct weft_doctor_health *h)
{
    return !h->tried ||
           weft_json_bool(weft_tries_facts(d->tries, try_probe, h->nth, NULL), "works", false);
}

/* How a program does. PARTLY: it starts, but there was no time, or nothing, to try more. */
static enum weft_health_verdict verdict_of(const struct weft_doctor *d,
                                           const struct weft_doctor_health *h, const char **why)
{
    enum weft_try_outcome outcome;
    const struct weft_json *facts;

    *why = h->failure;
    if (!h->tried) {
        return h->verdict;
    }
    if (!starts(d, h)) {
        facts = weft_tries_facts(d->tries, try_probe, h->nth, &outcome);
        *why = outcome == WEFT_TRY_DONE ? weft_json_str(facts, "failure") : "it hangs";
        return WEFT_HEALTH_BAD;
    }
    facts = weft_tries_facts(d->tries, try_health, h->nth, &outcome);
    if (outcome != WEFT_TRY_DONE) {
        return WEFT_HEALTH_PARTLY; /* a busy machine is no bad QEMU */
    }
    *why = weft_json_str(facts, "failure");
    return (enum weft_health_verdict)weft_json_int(facts, "verdict", WEFT_HEALTH_PARTLY);
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
        weft_buf_printf(&b, " %zu good", by_verdict[WEFT_HEALTH_GOOD]);
    }
    if (by_verdict[WEFT_HEALTH_PARTLY]) {
        weft_buf_printf(&b, "%s %zu start (not all of it checked)",
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
                            weft_fmt("%s", mend_bad));
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

/* The platforms that were asked for by name: what cannot run is a failure. */

static void report_native(struct weft_doctor *d, const struct weft_platform *p, const char *name)
{
    weft_auto_free char *flags = cpu_flags();
    const char *lacks = flags ? weft_level_lacks(p, flags) : NULL;

    if (lacks) {
        weft_doctor_add(d, "platform", name, WEFT_DOCTOR_FAIL,
                        weft_fmt("this CPU lacks %s, and QEMU is not used where programs run "
                                 "natively",
                                 lacks),
                        weft_fmt("build it on a machine with such a CPU"));
    } else {
        weft_doctor_add(d, "platform", name, WEFT_DOCTOR_OK, weft_fmt("runs natively"), NULL);
    }
}

/* Where workers have no handlers of their own. */
static void report_existing(struct weft_doctor *d, const struct weft_machine *m, const char *name)
{
    struct weft_existing_table table = {0};
    const struct weft_existing *e =
        read_table(&table) && table.enabled ? weft_existing_find(&table, m, NULL) : NULL;

    if (e) {
        weft_doctor_add(d, "platform", name, WEFT_DOCTOR_OK,
                        weft_fmt("the host's handler %s runs its programs", e->name), NULL);
    } else {
        weft_doctor_add(d, "platform", name, WEFT_DOCTOR_FAIL,
                        weft_fmt("workers can have no handlers of their own here, and the host has "
                                 "none for it"),
                        weft_fmt("sudo weft binfmt install"));
    }
    weft_existing_finish(&table);
}

static void report_emulated(struct weft_doctor *d, const struct weft_machine *m, const char *name)
{
    const struct weft_doctor_health *best;
    const char *why;

    switch (machine_verdict(d, m, &best, &why)) {
    case WEFT_HEALTH_UNKNOWN:
        weft_doctor_add(d, "platform", name, WEFT_DOCTOR_FAIL,
                        weft_fmt("no static qemu-%s", m->qemu), weft_fmt("%s", mend_missing));
        break;
    case WEFT_HEALTH_BAD:
        /* one that starts is taken for want of a better one */
        weft_doctor_add(d, "platform", name, starts(d, best) ? WEFT_DOCTOR_WARN : WEFT_DOCTOR_FAIL,
                        weft_fmt("%s: %s", best->program, why ? why : "it fails"),
                        weft_fmt("%s", mend_bad));
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

static void report_platform(struct weft_doctor *d, const char *name)
{
    const struct weft_platform_info *info;
    struct weft_platform p;
    char buf[WEFT_PLATFORM_SIZE];

    if (weft_platform_parse(name, &p, NULL) < 0) {
        return; /* checked before */
    }
    name = weft_platform_format(&p, buf);
    info = weft_catalogue_find(&p);
    if (!info) {
        weft_doctor_add(d, "platform", name, WEFT_DOCTOR_FAIL,
                        weft_fmt("weft knows nothing that runs its programs"), NULL);
    } else if (!info->machine) {
        weft_doctor_add(d, "platform", name, WEFT_DOCTOR_OK,
                        weft_fmt("images without RUN steps: nothing here runs its programs"), NULL);
    } else if (is_native(d, info->machine)) {
        report_native(d, &p, name);
    } else if (weft_doctor_is_bad(d, "handlers")) {
        weft_doctor_skip(d, "platform", name);
    } else if (!d->own_handlers) {
        report_existing(d, info->machine, name);
    } else {
        report_emulated(d, info->machine, name);
    }
}

void weft_doctor_platforms(struct weft_doctor *d)
{
    const struct weft_strv *asked = d->options->platforms;

    for (size_t i = 0; asked && i < asked->n; i++) {
        report_platform(d, asked->v[i]);
    }
}
