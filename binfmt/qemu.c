/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "binfmt/qemu.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "base/str.h"

/* What a QEMU program is asked, for base/answers.h. */
#define ASKED_VERSION "version"
#define ASKED_HANGS "hangs"

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define HOST_DATA ELFDATA2LSB
#else
#define HOST_DATA ELFDATA2MSB
#endif

enum {
    PHDRS_MAX = 64,
    ASK_MS = 5000 /* what hangs is no QEMU to be asked */
};

/* The e_machine of this program. */
#if defined(__x86_64__)
#define HOST_MACHINE EM_X86_64
#elif defined(__i386__)
#define HOST_MACHINE EM_386
#elif defined(__aarch64__)
#define HOST_MACHINE EM_AARCH64
#elif defined(__arm__)
#define HOST_MACHINE EM_ARM
#elif defined(__riscv)
#define HOST_MACHINE EM_RISCV
#elif defined(__powerpc64__)
#define HOST_MACHINE EM_PPC64
#elif defined(__s390__)
#define HOST_MACHINE EM_S390
#elif defined(__mips__)
#define HOST_MACHINE EM_MIPS
#elif defined(__loongarch__)
#define HOST_MACHINE EM_LOONGARCH
#else
#error "which e_machine have programs of this machine?"
#endif

/* A host program: its headers have our byte order and word size. */
#if __SIZEOF_POINTER__ == 8
typedef Elf64_Ehdr host_ehdr;
typedef Elf64_Phdr host_phdr;
#define HOST_CLASS ELFCLASS64
#else
typedef Elf32_Ehdr host_ehdr;
typedef Elf32_Phdr host_phdr;
#define HOST_CLASS ELFCLASS32
#endif

bool weft_qemu_is_static(const char *path)
{
    weft_auto_fd fd = open(path, O_RDONLY | O_CLOEXEC);
    host_phdr phdrs[PHDRS_MAX];
    host_ehdr eh;
    ssize_t size;

    if (fd < 0 || pread(fd, &eh, sizeof(eh), 0) != (ssize_t)sizeof(eh) ||
        memcmp(eh.e_ident, ELFMAG, SELFMAG) != 0 || eh.e_ident[EI_CLASS] != HOST_CLASS ||
        eh.e_ident[EI_DATA] != HOST_DATA || eh.e_machine != HOST_MACHINE ||
        (eh.e_type != ET_EXEC && eh.e_type != ET_DYN) || eh.e_phentsize != sizeof(host_phdr) ||
        eh.e_phnum == 0 || eh.e_phnum > PHDRS_MAX) {
        return false;
    }
    size = (ssize_t)(eh.e_phnum * sizeof(host_phdr));
    if (pread(fd, phdrs, (size_t)size, (off_t)eh.e_phoff) != size) {
        return false;
    }
    for (int i = 0; i < eh.e_phnum; i++) {
        if (phdrs[i].p_type == PT_INTERP) {
            return false;
        }
    }
    return true;
}

char *weft_qemu_dirs(void)
{
    const char *only = getenv("WEFT_QEMU_DIR");
    const char *path = getenv("PATH");

    if (only && *only) {
        return weft_xstrdup(only);
    }
    return weft_fmt("%s%s/usr/bin", path ? path : "", path && *path ? ":" : "");
}

/* The program for m in one directory by one of its two names. Caller frees; NULL: it is not there.
 */
static char *find_in(const char *dir, const struct weft_machine *m, bool plain)
{
    weft_auto_free char *name = weft_fmt("qemu-%s%s", m->qemu, plain ? "" : "-static");
    weft_auto_free char *path = weft_path_join(dir, name);

    if (*dir != '/' || access(path, X_OK) != 0 || !weft_qemu_is_static(path)) {
        return NULL;
    }
    return realpath(path, NULL);
}

char *weft_qemu_find(const struct weft_machine *m, const char *dirs)
{
    weft_auto_strv list = {0};

    weft_split(dirs, ':', &list);
    for (size_t i = 0; i < list.n; i++) {
        char *path = find_in(list.v[i], m, false);

        if (!path) {
            path = find_in(list.v[i], m, true);
        }
        if (path) {
            return path;
        }
    }
    return NULL;
}

/* "qemu-aarch64 version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18)" */
char *weft_qemu_parse_version(const char *answer)
{
    const char *v = strstr(answer, " version ");
    const char *end = strchr(answer, '\n');
    size_t n;

    if (!v || (end && v > end)) {
        return NULL;
    }
    v += strlen(" version ");
    n = strspn(v, "0123456789.");
    return n > 0 ? weft_xstrndup(v, n) : NULL;
}

static char *ask_version(const char *program, struct weft_err **err)
{
    weft_auto_free char *name = weft_xstrdup(weft_path_base(program));
    char option[] = "--version";
    char *argv[] = {name, option, NULL};
    weft_auto_free char *answer = NULL;

    if (weft_run(&(struct weft_run_opts){.file = program, .argv = argv, .timeout_ms = ASK_MS},
                 &answer, err) != 0 ||
        !answer) {
        return NULL;
    }
    return weft_qemu_parse_version(answer);
}

char *weft_qemu_ask_version(const char *program)
{
    return ask_version(program, NULL);
}

int weft_qemu_hung(struct weft_answers *a, const char *program, struct weft_err **err)
{
    weft_auto_free char *how = weft_answers_recall(a, ASKED_HANGS, program);

    return how ? weft_fail(err, WEFT_E_CHILD, "%s", how) : 0;
}

void weft_qemu_note(struct weft_answers *a, const char *program, const struct weft_err *e)
{
    if (e->code == WEFT_E_CHILD && e->sys == 0) { /* one that cannot be executed has sys */
        weft_answers_remember(a, ASKED_HANGS, program, e->msg);
    }
}

static bool has(const struct weft_qemus *q, const struct weft_machine *m, const char *path)
{
    for (size_t i = 0; i < q->n; i++) {
        if (q->v[i].machine == m && strcmp(q->v[i].path, path) == 0) {
            return true;
        }
    }
    return false;
}

static char *version_of(const char *program, struct weft_answers *a)
{
    char *version = weft_answers_recall(a, ASKED_VERSION, program);

    if (!version && weft_qemu_hung(a, program, NULL) == 0) {
        weft_auto_err err = NULL;

        version = ask_version(program, &err);
        if (version) {
            weft_answers_keep(a, ASKED_VERSION, program, version);
        } else if (err) {
            weft_qemu_note(a, program, err);
        }
    }
    return version;
}

void weft_qemu_scan(const char *dirs, struct weft_answers *a, struct weft_qemus *out)
{
    weft_auto_strv list = {0};
    size_t n;
    const struct weft_machine *const *machines = weft_catalogue_machines(&n);

    weft_split(dirs, ':', &list);
    for (size_t i = 0; i < list.n; i++) {
        for (size_t k = 0; k < 2 * n; k++) {
            const struct weft_machine *m = machines[k / 2];
            weft_auto_free char *path = find_in(list.v[i], m, k % 2);

            if (path && !has(out, m, path)) {
                out->v = weft_xrealloc(out->v, out->n + 1, sizeof(*out->v));
                out->v[out->n++] = (struct weft_qemu){m, path, version_of(path, a)};
                path = NULL; /* out's now */
            }
        }
    }
}

void weft_qemus_finish(struct weft_qemus *q)
{
    for (size_t i = 0; i < q->n; i++) {
        free(q->v[i].path);
        free(q->v[i].version);
    }
    free(q->v);
    *q = (struct weft_qemus){0};
}

bool weft_qemu_is(const struct weft_qemu *q, const char *want)
{
    size_t n = strlen(want);

    if (*want == '/') {
        weft_auto_free char *named = find_in(want, q->machine, false);
        weft_auto_free char *plain = find_in(want, q->machine, true);

        return weft_str_eq(named, q->path) || weft_str_eq(plain, q->path);
    }
    /* "10" is "10.0.13", but not "100.1" */
    return n > 0 && q->version && strncmp(q->version, want, n) == 0 &&
           (q->version[n] == '\0' || q->version[n] == '.');
}

/*
 * Whether a QEMU computes pointer authentication as Arm's CPUs do (QARMA5) on this model: at every
 * call and return of what Debian builds for arm64. Until 10.0 that was so on "max", which is the
 * default too, unless pauth-impdef=on asks for a quicker method: 10 times slower in calls than any
 * difference below.
 */
static bool slow_calls(const struct weft_machine *m, const char *model, long major)
{
    return major < 10 && strcmp(m->qemu, "aarch64") == 0 &&
           (!model || (strncmp(model, "max", 3) == 0 && (model[3] == '\0' || model[3] == ',') &&
                       !strstr(model, "pauth-impdef=on") && !strstr(model, "pauth=off")));
}

/*
 * Older is faster, on every machine and model that was measured: against 7.2, 10.0 takes 1.1 to 1.4
 * times as long to start a program and 1.2 to 1.4 times for calls; 11.1 as 10.0 to start one, 1.3
 * to 1.8 times for calls. What lies between was not measured, and counts as the next one.
 */
static int age(long major)
{
    return major < 8 ? 0 : major < 11 ? 1 : 2;
}

int weft_qemu_rank(const struct weft_machine *m, const char *a, const char *model_a, const char *b,
                   const char *model_b)
{
    long major_a, major_b;
    bool slow_a, slow_b;

    if (!a || !b) {
        return (a == NULL) - (b == NULL);
    }
    major_a = strtol(a, NULL, 10);
    major_b = strtol(b, NULL, 10);
    slow_a = slow_calls(m, model_a, major_a);
    slow_b = slow_calls(m, model_b, major_b);
    if (slow_a != slow_b) {
        return slow_a ? 1 : -1;
    }
    return age(major_a) - age(major_b);
}
