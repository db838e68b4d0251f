/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "binfmt/health.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/loop.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "binfmt/probe.h"
#include "binfmt/qemu.h"

enum {
    TIME_MS = 10000, /* for all guest programs together; the probe has as much of its own */
    COMPILE_MS = 20000,
    COMPILE_RUNS = 3,
    THREADS_MAX = 4,
    SAID_MAX = 300, /* of what a program said, in a message */
    OUTPUT_MAX = 64 << 20,
};

/*
 * What is run. Several of the same, where good and bad depend on where the kernel puts things,
 * which differs from start to start: a large heap above a program at a fixed address is what QEMUs
 * linked at a fixed address themselves have crashed with since Linux moved heaps further away from
 * their programs (x86, 6.9), and cc1 has a large heap.
 */
static const struct check {
    const char *name;
    bool dynamic; /* position-independent, with the C library of its machine */
    bool dir;     /* takes a directory */
    int times;
} checks[] = {
    {"start", false, false, 1},    {"start", true, false, 1},   {"threads", false, false, 1},
    {"processes", true, false, 1}, {"signals", true, false, 1}, {"memory", false, true, 1},
    {"memory", true, true, 1},     {"files", true, true, 1},    {"heap", false, false, 6},
    {"heap", true, false, 2},
};

enum {
    N_CHECKS = sizeof(checks) / sizeof(checks[0])
};

/* How one of them went. */
struct result {
    bool done;
    bool unsure;   /* it ran out of time, or was killed: no verdict on QEMU */
    char *failure; /* NULL: it worked */
};

/* One health check, shared by the threads that run its guest programs. */
struct session {
    const char *program;
    const char *model;
    char *guests; /* directory of the machine's guest programs */
    char *tmp;
    uint64_t deadline_ms;
    const atomic_bool *cancel;
    atomic_int next;
    atomic_bool failed;
    struct result results[N_CHECKS];
};

void weft_health_finish(struct weft_health *h)
{
    weft_strv_finish(&h->tried);
    weft_strv_finish(&h->skipped);
    free(h->failure);
    *h = (struct weft_health){0};
}

static const char *const names[] = {
    [WEFT_HEALTH_UNKNOWN] = "unknown",
    [WEFT_HEALTH_GOOD] = "good",
    [WEFT_HEALTH_PARTLY] = "partly",
    [WEFT_HEALTH_BAD] = "bad",
};

const char *weft_health_name(enum weft_health_verdict v)
{
    return names[v];
}

char *weft_health_guest_dir(void)
{
    weft_auto_free char *libexec = weft_dir_libexec();

    return weft_path_join(libexec, "guest");
}

static char *guests_of(const struct weft_machine *m)
{
    weft_auto_free char *dir = weft_health_guest_dir();

    return weft_path_join(dir, m->qemu);
}

/* --- what was found before --- */

/* Another kernel, or guest programs that try more, is another question. */
static char *question(const struct weft_machine *m, const char *model)
{
    weft_auto_free char *dir = guests_of(m);
    weft_auto_free char *check = weft_path_join(dir, "check");
    weft_auto_free char *guests = weft_file_identity(check);
    struct utsname u;

    if (uname(&u) < 0) {
        return NULL;
    }
    return weft_fmt("health of %s on %s under Linux %s by %s", m->qemu,
                    model ? model : "its default", u.release, guests);
}

static enum weft_health_verdict recall(struct weft_answers *a, const char *program,
                                       const struct weft_machine *m, const char *model,
                                       char **failure)
{
    weft_auto_free char *what = question(m, model);
    weft_auto_free char *answer = what ? weft_answers_recall(a, what, program) : NULL;

    *failure = NULL;
    for (int v = WEFT_HEALTH_GOOD; answer && v <= WEFT_HEALTH_BAD; v++) {
        size_t n = strlen(names[v]);

        if (strncmp(answer, names[v], n) == 0 && (answer[n] == '\0' || answer[n] == ':')) {
            if (weft_starts_with(answer + n, ": ")) {
                *failure = weft_xstrdup(answer + n + 2);
            }
            return (enum weft_health_verdict)v;
        }
    }
    return WEFT_HEALTH_UNKNOWN;
}

enum weft_health_verdict weft_health_recall(struct weft_answers *a, const char *program,
                                            const struct weft_machine *m, const char *model)
{
    weft_auto_free char *failure = NULL;

    return recall(a, program, m, model, &failure);
}

char *weft_health_recall_failure(struct weft_answers *a, const char *program,
                                 const struct weft_machine *m, const char *model)
{
    char *failure;

    recall(a, program, m, model, &failure);
    return failure;
}

static void keep(struct weft_answers *a, const char *program, const struct weft_machine *m,
                 const char *model, const struct weft_health *h, bool unsure)
{
    weft_auto_free char *what = question(m, model);
    weft_auto_free char *answer =
        weft_fmt("%s%s%s", names[h->verdict], h->failure ? ": " : "", h->failure ? h->failure : "");

    if (what && unsure) {
        weft_answers_remember(a, what, program, answer);
    } else if (what) {
        weft_answers_keep(a, what, program, answer);
    }
}

void weft_health_spoil(struct weft_answers *a, const char *program, const struct weft_machine *m,
                       const char *model, const char *failure)
{
    struct weft_health h = {.verdict = WEFT_HEALTH_BAD, .failure = weft_xstrdup(failure)};

    keep(a, program, m, model, &h, false);
    weft_health_finish(&h);
}

/* --- running guest programs --- */

/* "exit code 1: what it said last" */
static char *describe(int code, const char *said)
{
    weft_auto_strv lines = {0};
    weft_auto_free char *last = NULL;
    weft_auto_free char *how = code > 128 ? weft_fmt("signal %d", code - 128)
                                          : weft_fmt("exit code %d", code);

    weft_split(said, '\n', &lines);
    for (size_t i = lines.n; i > 0 && !last; i--) {
        if (lines.v[i - 1][0]) {
            weft_auto_free char *cut = weft_xstrndup(lines.v[i - 1], SAID_MAX);

            last = weft_printable(cut);
        }
    }
    return last ? weft_fmt("%s: %s", how, last) : weft_steal(&how);
}

/* By somebody else, as where memory is short: not its doing, nor forever so. */
static bool was_killed(int code)
{
    return code == 128 + SIGKILL || code == 128 + SIGTERM;
}

static void add_qemu(struct weft_strv *argv, const char *program, const char *model,
                     const char *root)
{
    weft_strv_add(argv, program);
    if (model) {
        weft_strv_add(argv, "-cpu");
        weft_strv_add(argv, model);
    }
    if (root) {
        weft_strv_add(argv, "-L");
        weft_strv_add(argv, root);
    }
}

static void add_guest(const struct session *s, const struct check *c, struct weft_strv *argv)
{
    weft_auto_free char *root = weft_path_join(s->guests, "root");
    weft_auto_free char *guest = weft_path_join(s->guests, c->dynamic ? "check-dynamic" : "check");

    add_qemu(argv, s->program, s->model, c->dynamic ? root : NULL);
    weft_strv_add(argv, guest);
}

/* NULL: it worked */
static char *run_once(const struct session *s, const struct check *c, const char *dir, bool *unsure)
{
    weft_auto_strv argv = {0};
    weft_auto_free char *said = NULL;
    weft_auto_free char *ok = weft_fmt("%s ok\n", c->name);
    weft_auto_err err = NULL;
    uint64_t now = weft_now_ms();
    int code;

    add_guest(s, c, &argv);
    weft_strv_add(&argv, c->name);
    if (c->dir) {
        weft_strv_add(&argv, dir);
    }
    if (strcmp(c->name, "processes") == 0) { /* what it has to execute */
        add_guest(s, c, &argv);
        weft_strv_add(&argv, "start");
        weft_strv_add(&argv, "child");
    }
    *unsure = now >= s->deadline_ms;
    if (*unsure) {
        return weft_fmt("no time was left for it");
    }
    code = weft_run(&(struct weft_run_opts){.file = s->program,
                                            .argv = argv.v,
                                            .both = true,
                                            .timeout_ms = (long)(s->deadline_ms - now),
                                            .cancel = s->cancel},
                    &said, &err);
    *unsure = code < 0 || was_killed(code);
    if (code < 0) {
        return weft_fmt("%s", err->msg);
    }
    if (code == 0 && !weft_ends_with(said, ok)) {
        return weft_fmt("it does not say that it is through");
    }
    return code == 0 ? NULL : describe(code, said);
}

static void run_check(struct session *s, int i)
{
    const struct check *c = &checks[i];
    weft_auto_free char *dir = weft_fmt("%s/%d", s->tmp, i);
    struct result *r = &s->results[i];
    weft_auto_free char *failure = NULL;
    weft_auto_err err = NULL;

    r->done = true;
    if (c->dir && weft_mkdirs(dir, 0700, &err) < 0) {
        failure = weft_xstrdup(err->msg);
        r->unsure = true; /* nothing that QEMU did */
    }
    for (int k = 0; k < c->times && !failure; k++) {
        failure = run_once(s, c, dir, &r->unsure);
    }
    if (failure) {
        r->failure = weft_fmt("%s%s: %s", c->dynamic ? "dynamic " : "", c->name, failure);
        atomic_store(&s->failed, true);
    }
}

static void *run_checks(void *data)
{
    struct session *s = data;
    int i;

    while (!atomic_load(&s->failed) && (i = atomic_fetch_add(&s->next, 1)) < N_CHECKS) {
        run_check(s, i);
    }
    return NULL;
}

/* Of the threads, the calling one is the last: without others it does everything. */
static void run_all(struct session *s)
{
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    pthread_t threads[THREADS_MAX];
    int n = 0;

    while (n + 1 < cpus && n + 1 < THREADS_MAX &&
           pthread_create(&threads[n], NULL, run_checks, s) == 0) {
        n++;
    }
    run_checks(s);
    for (int i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
    }
}

/* In $TMPDIR, or in /tmp where that cannot be written. */
static char *temp_dir(struct weft_err **err)
{
    const char *base = getenv("TMPDIR");
    char *dir = base && *base == '/' ? weft_temp_dir(base, "weft-health", NULL) : NULL;

    return dir ? dir : weft_temp_dir("/tmp", "weft-health", err);
}

/* *unsure: it is no verdict on QEMU */
static void judge(struct session *s, struct weft_health *out, bool *unsure)
{
    out->verdict = WEFT_HEALTH_GOOD;
    for (int i = 0; i < N_CHECKS; i++) {
        struct result *r = &s->results[i];

        if (r->failure && out->verdict != WEFT_HEALTH_BAD) {
            out->verdict = WEFT_HEALTH_BAD;
            out->failure = weft_steal(&r->failure);
            *unsure = r->unsure;
        } else if (r->done && !r->failure && checks[i].dynamic) {
            weft_strv_addf(&out->tried, "dynamic %s", checks[i].name);
        } else if (r->done && !r->failure) {
            weft_strv_add(&out->tried, checks[i].name);
        }
        free(r->failure);
    }
}

static int run_guests(const char *program, const char *model, const char *guests,
                      const atomic_bool *cancel, struct weft_health *out, bool *unsure,
                      struct weft_err **err)
{
    weft_auto_free char *tmp = temp_dir(err);
    struct session s = {
        .program = program,
        .model = model,
        .guests = weft_xstrdup(guests),
        .tmp = tmp,
        .deadline_ms = weft_now_ms() + TIME_MS,
        .cancel = cancel,
    };

    if (tmp) {
        run_all(&s);
        judge(&s, out, unsure);
        (void)weft_rmtree(tmp, NULL);
    }
    free(s.guests);
    if (tmp && cancel && atomic_load(cancel)) {
        return weft_fail(err, WEFT_E_CANCELLED, "interrupted");
    }
    return tmp ? 0 : -1;
}

/* The machine's smallest program. Returns its exit code or 128 + signal, or -1. */
static int run_probe(struct weft_answers *a, const char *program, const struct weft_machine *m,
                     const char *model, const atomic_bool *cancel, char **said,
                     struct weft_err **err)
{
    weft_auto_strv args = {0};
    weft_auto_err failed = NULL;
    int code;

    if (weft_qemu_hung(a, program, err) < 0) {
        return -1;
    }
    if (model) {
        weft_strv_add(&args, "-cpu");
        weft_strv_add(&args, model);
    }
    code = weft_probe_run(m, program, args.v, cancel, said, &failed);
    if (code < 0) {
        weft_qemu_note(a, program, failed);
        if (err) {
            *err = weft_steal(&failed);
        }
        return -1;
    }
    if (was_killed(code)) {
        return weft_fail(err, WEFT_E_CHILD, "%s was killed by signal %d", program, code - 128);
    }
    return code;
}

int weft_health_check(struct weft_answers *a, const char *program, const struct weft_machine *m,
                      const char *model, const atomic_bool *cancel, struct weft_health *out,
                      struct weft_err **err)
{
    weft_auto_free char *said = NULL;
    weft_auto_free char *guests = guests_of(m);
    weft_auto_free char *check = weft_path_join(guests, "check");
    bool unsure = false;
    int code = run_probe(a, program, m, model, cancel, &said, err);

    if (code < 0) {
        return -1;
    }
    if (code != WEFT_PROBE_EXIT) {
        weft_auto_free char *how = describe(code, said);

        out->verdict = WEFT_HEALTH_BAD;
        out->failure = weft_fmt("probe: %s", how);
    } else {
        weft_strv_add(&out->tried, "probe");
        if (access(check, R_OK) < 0) {
            out->verdict = WEFT_HEALTH_PARTLY;
            weft_strv_addf(&out->skipped, "all but the probe: no guest programs for %s in %s",
                           m->qemu, guests);
        } else if (run_guests(program, model, guests, cancel, out, &unsure, err) < 0) {
            return -1;
        }
    }
    keep(a, program, m, model, out, unsure);
    return 0;
}

/* --- compiling --- */

/* The cc1 of a root file system, of machine m. Caller frees; NULL: there is none. */
static char *find_cc1(const char *root, const struct weft_machine *m)
{
    static const char *const patterns[] = {"/usr/libexec/gcc/*/*/cc1", "/usr/lib/gcc/*/*/cc1"};
    char *found = NULL;

    for (int i = 0; i < 2 && !found; i++) {
        weft_auto_free char *pattern = weft_fmt("%s%s", root, patterns[i]);
        glob_t g = {0};

        if (glob(pattern, 0, NULL, &g) == 0) {
            for (size_t k = 0; k < g.gl_pathc && !found; k++) {
                weft_auto_fd fd = open(g.gl_pathv[k], O_RDONLY | O_CLOEXEC);
                unsigned char head[WEFT_ELF_HEAD_SIZE];

                if (fd >= 0 && read(fd, head, sizeof(head)) == (ssize_t)sizeof(head) &&
                    weft_machine_matches(m, head, sizeof(head))) {
                    found = weft_xstrdup(g.gl_pathv[k]);
                }
            }
        }
        globfree(&g);
    }
    return found;
}

/* 16 functions with loops, so that the optimiser has something to do. It includes nothing. */
static const char compiled[] =
    "#define F(n) unsigned long f##n(const unsigned long *p, int k) { unsigned long s = n;"
    " for (int i = 0; i < k; i++) { s = s * 31 + (p[i] ^ (s >> 7)); if (s & 1) s += f(p, i, n); }"
    " return s; }\n"
    "static unsigned long f(const unsigned long *p, int i, int n) {"
    " switch (n & 3) { case 0: return p[i] / 3; case 1: return p[i] % 7; case 2: return i * n; }"
    " return p[i] << (n & 15); }\n"
    "#define G(n) F(n##0) F(n##1) F(n##2) F(n##3) F(n##4) F(n##5) F(n##6) F(n##7)\n"
    "G(1) G(2)\n";

/* Compile once. NULL: it worked, and *text is the assembly. */
static char *compile_once(char *const *argv, const char *output, char **text)
{
    weft_auto_free char *said = NULL;
    weft_auto_err err = NULL;
    int code = weft_run(
        &(struct weft_run_opts){
            .file = argv[0], .argv = argv, .both = true, .timeout_ms = COMPILE_MS},
        &said, &err);

    if (code < 0) {
        return weft_xstrdup(err->msg);
    }
    if (code != 0) {
        return describe(code, said);
    }
    if (weft_read_file(output, OUTPUT_MAX, text, NULL, &err) < 0) {
        return weft_xstrdup(err->msg);
    }
    return strstr(*text, "f27") ? NULL : weft_fmt("its output is not what it was given");
}

/* NULL: it worked */
static char *compile(const char *program, const char *model, const char *root, const char *cc1,
                     const char *tmp, struct weft_err **err)
{
    weft_auto_free char *source = weft_path_join(tmp, "check.c");
    weft_auto_free char *output = weft_path_join(tmp, "check.s");
    weft_auto_free char *first = NULL;
    weft_auto_strv argv = {0};
    char *failure = NULL;

    if (weft_write_file(source, compiled, strlen(compiled), 0600, err) < 0) {
        return NULL;
    }
    add_qemu(&argv, program, model, root);
    weft_strv_add(&argv, cc1);
    weft_strv_add(&argv, "-quiet");
    weft_strv_add(&argv, "-O2");
    weft_strv_add(&argv, source);
    weft_strv_add(&argv, "-o");
    weft_strv_add(&argv, output);
    for (int i = 0; i < COMPILE_RUNS && !failure; i++) {
        weft_auto_free char *text = NULL;

        failure = compile_once(argv.v, output, &text);
        if (!failure && first && strcmp(first, text) != 0) {
            failure = weft_fmt("the same file was compiled to something else the second time");
        }
        if (!first) {
            first = weft_steal(&text);
        }
    }
    return failure;
}

int weft_health_compile(const char *program, const struct weft_machine *m, const char *model,
                        const char *root, struct weft_health *out, struct weft_err **err)
{
    weft_auto_free char *cc1 = find_cc1(root, m);
    weft_auto_free char *tmp = NULL;
    weft_auto_free char *failure = NULL;
    struct weft_err *broken = NULL;

    if (!cc1) {
        weft_strv_addf(&out->skipped, "compile: no cc1 of %s in %s", m->qemu, root);
        return 0;
    }
    tmp = temp_dir(err);
    if (!tmp) {
        return -1;
    }
    failure = compile(program, model, root, cc1, tmp, &broken);
    (void)weft_rmtree(tmp, NULL);
    if (broken) {
        if (err) {
            *err = broken;
        } else {
            weft_err_free(broken);
        }
        return -1;
    }
    if (!failure) {
        weft_strv_add(&out->tried, "compile");
    } else if (out->verdict != WEFT_HEALTH_BAD) {
        out->verdict = WEFT_HEALTH_BAD;
        free(out->failure);
        out->failure = weft_fmt("compile: %s", failure);
    }
    return 0;
}
