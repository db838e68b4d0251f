/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/diagnose.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    QUOTE_BYTES = 160,
    ADVICE_BYTES = 256
};

/* Where `word` stands in the error or the output, in any case; NULL: nowhere. */
static const char *find(const struct weft_failure_facts *f, const char *word)
{
    const char *s = f->log ? strcasestr(f->log, word) : NULL;

    return s ? s : f->error ? strcasestr(f->error, word) : NULL;
}

/* The line that s is in. Caller frees. */
static char *line_of(const struct weft_failure_facts *f, const char *s)
{
    const char *text = f->log && s >= f->log && s < f->log + strlen(f->log) ? f->log : f->error;
    const char *start = s, *end = s + strcspn(s, "\n");

    while (start > text && start[-1] != '\n') {
        start--;
    }
    while (start < end && isspace((unsigned char)*start)) {
        start++;
    }
    return weft_xstrndup(start, (size_t)(end - start));
}

/* "linux/arm64 is emulated (QEMU 7.2.22)". Caller frees. */
static char *emulation_of(const struct weft_failure_facts *f)
{
    return weft_fmt("%s is %s", f->platform, f->note && *f->note ? f->note : "emulated");
}

static const char advice_other_ways[] =
    "run the step again: a crash that comes and goes is QEMU's\n"
    "try another QEMU: --qemu VERSION; `weft qemu list` shows what is here\n"
    "run the tool natively, in a stage FROM --platform=$BUILDPLATFORM, and copy its result";

static const char *advice_model(const struct weft_failure_facts *f, char *buf, size_t size)
{
    snprintf(buf, size,
             "if every machine that will run the result has the instruction: --cpu %s=max, or a "
             "model by name\n",
             f->platform);
    return buf;
}

static void set(struct weft_diagnosis *d, enum weft_cause cause, char *what, char *advice)
{
    d->cause = cause;
    d->what = what;
    d->advice = advice;
}

/* "qemu: uncaught target signal 11 (Segmentation fault) - core dumped" */
static bool guest_signal(const struct weft_failure_facts *f, struct weft_diagnosis *d)
{
    static const char sign[] = "uncaught target signal ";
    const char *s = find(f, sign);
    weft_auto_free char *emulation = emulation_of(f);
    char more[ADVICE_BYTES];
    long signal = s ? strtol(s + strlen(sign), NULL, 10) : 0;

    if (!s) {
        return false;
    }
    if (signal == 4) {
        set(d, WEFT_CAUSE_ILLEGAL,
            weft_fmt("a program used an instruction that the emulated CPU does not have; %s",
                     emulation),
            weft_fmt("build for the baseline of %s: no -march=native, no probing of this "
                     "machine's CPU\n%s%s",
                     f->platform, advice_model(f, more, sizeof(more)), advice_other_ways));
    } else if (signal == 6) {
        set(d, WEFT_CAUSE_GUEST_SIGNAL,
            weft_fmt("a program aborted itself (signal 6) under QEMU; %s", emulation),
            weft_fmt("look at the program's own message above: an abort is rarely QEMU's\n%s",
                     advice_other_ways));
    } else {
        set(d, WEFT_CAUSE_GUEST_SIGNAL,
            weft_fmt(
                "a program crashed with signal %ld under QEMU, by a defect of QEMU or its own; %s",
                signal, emulation),
            weft_xstrdup(advice_other_ways));
    }
    return true;
}

/* "qemu-aarch64-static: Could not open '/lib/ld-linux-aarch64.so.1': No such file or directory" */
static bool no_loader(const struct weft_failure_facts *f, struct weft_diagnosis *d)
{
    const char *s = find(f, ": Could not open '");
    weft_auto_free char *line = s ? line_of(f, s) : NULL;

    if (!line || !weft_starts_with(line, "qemu") ||
        (!strstr(line, "/ld") && !strstr(line, ".so"))) {
        return false;
    }
    set(d, WEFT_CAUSE_NO_LOADER,
        weft_xstrdup("a program's dynamic loader is not in the image: it is of another "
                     "architecture, or of another C library, than the image"),
        weft_fmt("copy only files of %s into the image: `file PROGRAM` or `readelf -h PROGRAM` "
                 "tells\nlink the program statically, or use the base image that it was built in",
                 f->platform));
    return true;
}

/* What QEMU says of itself: "qemu: ...", "qemu-aarch64-static: ...", "QEMU internal SIGSEGV". */
static bool qemu_internal(const struct weft_failure_facts *f, struct weft_diagnosis *d)
{
    static const char *const signs[] = {
        "QEMU internal SIG",           "qemu: unhandled CPU exception",
        "qemu: Unsupported syscall",   "qemu: fatal",
        "qemu: qemu_thread_create",    "of virtual address space",
        "Unable to find a guest_base", "unsupported ioctl",
    };
    const char *s = NULL;
    weft_auto_free char *line = NULL, *emulation = NULL;
    size_t cut;

    for (size_t i = 0; !s && i < sizeof(signs) / sizeof(signs[0]); i++) {
        s = find(f, signs[i]);
    }
    if (!s) {
        s = find(f, "qemu: ");
    }
    line = s ? line_of(f, s) : NULL;
    if (!line || !strcasestr(line, "qemu")) {
        return false;
    }
    emulation = emulation_of(f);
    for (cut = strlen(line); cut > QUOTE_BYTES || (line[cut] & 0xc0) == 0x80; cut--) {
    }
    set(d, WEFT_CAUSE_QEMU_INTERNAL,
        weft_fmt("QEMU itself gave up: \"%.*s\"; %s", (int)cut, line, emulation),
        weft_xstrdup(advice_other_ways));
    return true;
}

static bool exec_format(const struct weft_failure_facts *f, struct weft_diagnosis *d)
{
    if (!find(f, "exec format error")) {
        return false;
    }
    set(d, WEFT_CAUSE_EXEC_FORMAT,
        weft_fmt("the kernel could not start a program: it is not one for %s, or no program",
                 f->platform),
        weft_fmt("check that the base image and the files copied into it are of %s: `file PROGRAM` "
                 "tells\na script needs a first line such as #!/bin/sh\n%s",
                 f->platform,
                 f->emulated ? "`weft build -D` says which QEMU handlers the worker has"
                             : "programs of a stage of another platform cannot run in this one"));
    return true;
}

static bool illegal(const struct weft_failure_facts *f, struct weft_diagnosis *d)
{
    char more[ADVICE_BYTES];

    if (!find(f, "Illegal instruction") && !(f->error && strstr(f->error, "exit code: 132"))) {
        return false;
    }
    set(d, WEFT_CAUSE_ILLEGAL,
        weft_fmt("a program used an instruction that the %s does not have",
                 f->emulated ? "emulated CPU" : "machine's CPU"),
        weft_fmt("build for the baseline of %s: no -march=native, no probing of this machine's "
                 "CPU%s%s%s",
                 f->platform, f->emulated ? "\n" : "",
                 f->emulated ? advice_model(f, more, sizeof(more)) : "",
                 f->emulated ? advice_other_ways : ""));
    return true;
}

/* runc: "error setting rlimit type 8: operation not permitted"; crun: "setrlimit `RLIMIT_...`" */
static bool limit(const struct weft_failure_facts *f, struct weft_diagnosis *d)
{
    if (!find(f, "error setting rlimit") && !find(f, "setrlimit `RLIMIT_")) {
        return false;
    }
    set(d, WEFT_CAUSE_LIMIT,
        weft_xstrdup("a limit cannot be raised: --ulimit asks for more than the worker has itself"),
        weft_xstrdup("ask for less: `ulimit -Ha` shows what there is\n"
                     "or raise the limit where weft runs, and start the workers anew: "
                     "`weft worker stop --all`"));
    return true;
}

static bool killed(const struct weft_failure_facts *f, struct weft_diagnosis *d)
{
    const char *s = f->error ? strstr(f->error, "exit code: 137") : NULL;

    if (!s || weft_ends_with(f->error, "context canceled")) {
        return false;
    }
    set(d, WEFT_CAUSE_KILLED,
        weft_xstrdup("a process was killed (signal 9), as the kernel does when memory is out"),
        weft_xstrdup("give the build more memory, or let less run at once: --jobs 1, make -j2"));
    return true;
}

/* A URL that is pinned by its digest (engine/source.h). */
static bool moved(const struct weft_failure_facts *f, struct weft_diagnosis *d)
{
    if (!f->error || !strstr(f->error, "digest mismatch sha256:")) {
        return false;
    }
    set(d, WEFT_CAUSE_MOVED,
        weft_xstrdup("a URL has other content than the one it is pinned to: by ADD --checksum, or, "
                     "for all platforms alike, when the build began"),
        weft_xstrdup("build again\nif it changes each time: curl URL | weft build [FLAGS] -"));
    return true;
}

bool weft_diagnose(const struct weft_failure_facts *facts, struct weft_diagnosis *out)
{
    static bool (*const causes[])(const struct weft_failure_facts *f, struct weft_diagnosis *d) = {
        guest_signal, no_loader, qemu_internal, exec_format, illegal, limit, killed, moved,
    };

    for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
        if (causes[i](facts, out)) {
            return true;
        }
    }
    return false;
}

void weft_diagnosis_finish(struct weft_diagnosis *d)
{
    free(d->what);
    free(d->advice);
    memset(d, 0, sizeof(*d));
}
