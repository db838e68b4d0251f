/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "bench/kernels.h"

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "base/str.h"

enum {
    LIST_MS = 10000,
    STARTS = 40, /* that take some 20 ms natively */
    CHECK_DIGITS = 16,
    KERNEL_FAILED =
        1,          /* exit code: a kernel does not stand by its result (docs/bench-kernels.md) */
    SAID_MAX = 300, /* of what a program said, in a message */
};

/* The programs whose start is a kernel. */
static const struct {
    const char *program; /* its name is that of the kernel */
    const char *description;
} starts[] = {
    {"start", "start of the smallest static program"},
    {"start-dynamic", "start of a program with its dynamic loader and libc"},
    {"start-large", "start of a large program, of which each part runs once"},
};

/* What builds spend their time with, one of a kind. */
static const char *const quick[] = {"interp",   "sha256",  "calls",
                                    "compiler", "syscall", "start-dynamic"};

static const char distribution[] = "kernels-branch-protection";

enum {
    N_QUICK = sizeof(quick) / sizeof(quick[0])
};

const char *const *weft_kernels_quick(size_t *n)
{
    *n = N_QUICK;
    return quick;
}

char *weft_kernels_dir(void)
{
    weft_auto_free char *libexec = weft_dir_libexec();

    return weft_path_join(libexec, "bench");
}

static char *dir_of(const char *programs)
{
    weft_auto_free char *dir = weft_kernels_dir();

    return weft_path_join(dir, programs);
}

static bool has(const char *programs, const char *program)
{
    weft_auto_free char *dir = dir_of(programs);
    weft_auto_free char *path = weft_path_join(dir, program);

    return access(path, X_OK) == 0;
}

const char *weft_kernels_programs(const struct weft_platform_info *p)
{
    if (p->debian_arch && has(p->debian_arch, "kernels")) {
        return p->debian_arch;
    }
    return has(p->machine->qemu, "kernels") ? p->machine->qemu : NULL;
}

bool weft_kernels_soft_float(const struct weft_platform_info *p, const char *programs)
{
    return (p->elf_flags & EF_ARM_ABI_FLOAT_HARD) && strcmp(programs, p->machine->qemu) == 0;
}

bool weft_kernels_has_distribution(const char *programs)
{
    return has(programs, distribution);
}

bool weft_kernel_needs_handler(const char *name)
{
    return strcmp(name, "fork-exec") == 0;
}

/* --- the list --- */

static void add(struct weft_kernels *k, const char *name, uint64_t iterations,
                const char *description, const char *start)
{
    struct weft_kernel *new;

    k->v = weft_xrealloc(k->v, k->n + 1, sizeof(*k->v));
    new = &k->v[k->n++];
    *new = (struct weft_kernel){.name = weft_printable(name),
                                .description = weft_printable(description),
                                .iterations = iterations,
                                .start = start};
    for (size_t i = 0; i < N_QUICK; i++) {
        new->quick = new->quick || strcmp(name, quick[i]) == 0;
    }
}

/* "NAME TAB ITERATIONS TAB DESCRIPTION" */
static int add_line(struct weft_kernels *k, const char *line, struct weft_err **err)
{
    weft_auto_strv parts = {0};
    weft_auto_free char *shown = weft_printable(line);
    uint64_t iterations = 0;
    char *end = NULL;

    weft_split(line, '\t', &parts);
    if (parts.n == 3) {
        iterations = strtoull(parts.v[1], &end, 10);
    }
    if (!end || *end || iterations == 0 || !*parts.v[0]) {
        return weft_fail(err, WEFT_E_FORMAT, "not a line of a list of kernels: %s", shown);
    }
    add(k, parts.v[0], iterations, parts.v[2], NULL);
    return 0;
}

static int read_list(const char *program, const char *text, struct weft_kernels *out,
                     struct weft_err **err)
{
    weft_auto_strv lines = {0};

    weft_split(text, '\n', &lines);
    for (size_t i = 0; i < lines.n; i++) {
        if (*lines.v[i] && add_line(out, lines.v[i], err) < 0) {
            return weft_err_wrap(err, "%s", program);
        }
    }
    return out->n > 0 ? 0 : weft_fail(err, WEFT_E_FORMAT, "%s: lists no kernels", program);
}

int weft_kernels_list(const struct weft_platform_info *p, struct weft_kernels *out,
                      struct weft_err **err)
{
    const char *programs = weft_kernels_programs(p);
    weft_auto_free char *dir = dir_of(programs ? programs : p->machine->qemu);
    weft_auto_free char *program = weft_path_join(dir, "kernels");
    char flag[] = "--list";
    char *argv[] = {program, flag, NULL};
    weft_auto_free char *text = NULL;
    int code;

    if (!programs) {
        return weft_fail(err, WEFT_E_UNSUPPORTED,
                         "there are no programs to measure with: %s is missing", program);
    }
    code = weft_run(&(struct weft_run_opts){.file = program, .argv = argv, .timeout_ms = LIST_MS},
                    &text, err);
    if (code < 0) {
        return -1;
    }
    if (code > 0) {
        return weft_fail(err, WEFT_E_CHILD, "%s --list: exit code %d", program, code);
    }
    if (read_list(program, text, out, err) < 0) {
        return -1;
    }
    for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
        if (has(programs, starts[i].program)) {
            add(out, starts[i].program, STARTS, starts[i].description, starts[i].program);
        }
    }
    return 0;
}

void weft_kernels_finish(struct weft_kernels *k)
{
    for (size_t i = 0; i < k->n; i++) {
        free(k->v[i].name);
        free(k->v[i].description);
    }
    free(k->v);
    *k = (struct weft_kernels){0};
}

/* --- one run --- */

void weft_kernel_run_finish(struct weft_kernel_run *r)
{
    free(r->failure);
    free(r->skipped);
    *r = (struct weft_kernel_run){0};
}

/* The last line of a text that is not empty, cut and printable. Caller frees. */
static char *last_line(const char *text)
{
    weft_auto_strv lines = {0};

    weft_split(text, '\n', &lines);
    for (size_t i = lines.n; i > 0; i--) {
        if (*lines.v[i - 1]) {
            weft_auto_free char *cut = weft_xstrndup(lines.v[i - 1], SAID_MAX);

            return weft_printable(cut);
        }
    }
    return weft_xstrdup("it said nothing");
}

static char *describe(int code, const char *said)
{
    weft_auto_free char *last = said ? last_line(said) : NULL;
    const char *sep = last ? ": " : "";

    return code > 128 ? weft_fmt("signal %d%s%s", code - 128, sep, last ? last : "")
                      : weft_fmt("exit code %d%s%s", code, sep, last ? last : "");
}

/* "NAME ITERATIONS NANOSECONDS CHECK", among what else was said: QEMU may warn of a model. */
static bool read_answer(const struct weft_kernel *k, uint64_t iterations, const char *said,
                        struct weft_kernel_run *out)
{
    weft_auto_free char *begin = weft_fmt("%s %llu ", k->name, (unsigned long long)iterations);
    const char *at = said;
    char *end;

    while (at && !weft_starts_with(at, begin)) {
        at = strchr(at, '\n');
        at = at ? at + 1 : NULL;
    }
    if (!at) {
        return false;
    }
    at += strlen(begin);
    errno = 0;
    out->ns = strtoull(at, &end, 10);
    if (errno || end == at || *at == '-' || *end != ' ' || out->ns == 0 ||
        strspn(end + 1, "0123456789abcdef") != CHECK_DIGITS) {
        return false;
    }
    memcpy(out->check, end + 1, CHECK_DIGITS);
    return true;
}

static void make_argv(const struct weft_kernel *k, const struct weft_kernel_side *side,
                      uint64_t iterations, struct weft_strv *argv)
{
    weft_auto_free char *dir = dir_of(side->programs);
    const char *program = k->start ? k->start : "kernels";

    if (!k->start && !side->plain && weft_kernels_has_distribution(side->programs)) {
        program = distribution;
    }
    if (side->qemu) {
        weft_strv_add(argv, side->qemu);
        if (side->model) {
            weft_strv_add(argv, "-cpu");
            weft_strv_add(argv, side->model);
        }
        if (k->start) { /* where the dynamic loader is; it would slow kernels that open files */
            weft_strv_add(argv, "-L");
            weft_strv_add(argv, dir);
        }
    }
    weft_strv_take(argv, weft_path_join(dir, program));
    if (!k->start) {
        weft_strv_add(argv, k->name);
        weft_strv_addf(argv, "%llu", (unsigned long long)iterations);
    }
}

static int run_start(const struct weft_run_opts *opts, uint64_t times, struct weft_kernel_run *out,
                     struct weft_err **err)
{
    int code = weft_run_times(opts, (unsigned)times, &out->ns, err);

    if (code > 0) {
        out->failure = describe(code, NULL);
    }
    return code < 0 ? -1 : 0;
}

/* Whether the kernel says of itself that its result is wrong. The same exit code is QEMU's own, as
 * where memory is short; and the kernel's where something is refused to it ("not so", and errno).
 */
static bool judged_wrong(const struct weft_kernel *k, int code, const char *said)
{
    weft_auto_free char *last = last_line(said);
    weft_auto_free char *begin = weft_fmt("%s: ", k->name);
    weft_auto_free char *refused = weft_fmt("%snot so: ", begin);

    return code == KERNEL_FAILED && weft_starts_with(last, begin) &&
           !weft_starts_with(last, refused);
}

static int run_kernel(const struct weft_kernel *k, const struct weft_run_opts *opts,
                      uint64_t iterations, struct weft_kernel_run *out, struct weft_err **err)
{
    weft_auto_free char *said = NULL;
    int code = weft_run(opts, &said, err);

    if (code < 0) {
        return -1;
    }
    if (code > 0) {
        out->failure = describe(code, said);
        out->wrong = judged_wrong(k, code, said);
    } else if (!read_answer(k, iterations, said, out)) {
        weft_auto_free char *last = last_line(said);

        out->failure = weft_fmt("not an answer: %s", last);
    }
    return 0;
}

int weft_kernel_run(const struct weft_kernel *k, const struct weft_kernel_side *side,
                    uint64_t iterations, long timeout_ms, const atomic_bool *cancel,
                    struct weft_kernel_run *out, struct weft_err **err)
{
    weft_auto_strv argv = {0};
    struct weft_run_opts opts = {.both = true, .timeout_ms = timeout_ms, .cancel = cancel};
    struct weft_err *why = NULL;
    int rc;

    if (side->no_handler && weft_kernel_needs_handler(k->name)) {
        out->skipped = weft_fmt("it needs a handler: %s", side->no_handler);
        return 0;
    }
    if (side->soft_float && (strcmp(k->name, "float") == 0 || strcmp(k->name, "vector") == 0)) {
        out->skipped = weft_xstrdup("there are no hard-float programs of the platform");
        return 0;
    }
    make_argv(k, side, iterations, &argv);
    opts.file = argv.v[0];
    opts.argv = argv.v;
    rc = k->start ? run_start(&opts, iterations, out, &why)
                  : run_kernel(k, &opts, iterations, out, &why);
    if (rc == 0) {
        return 0;
    }
    if (why->code == WEFT_E_CANCELLED) {
        weft_err_free(why);
        return weft_fail(err, WEFT_E_CANCELLED, "interrupted");
    }
    out->failure = weft_xstrdup(why->msg);
    weft_err_free(why);
    return 0;
}
