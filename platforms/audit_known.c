/* SPDX-License-Identifier: Apache-2.0 */
/* Cases that are no mistakes, paths as --audit-allow takes them, and the usual causes. */
#include "config.h"

#include <fnmatch.h>
#include <string.h>

#include "base/str.h"
#include "platforms/audit_file.h"

#define RULE(r) (1u << (r))

enum {
    /* what makes a file one for another machine or system */
    FOREIGN = RULE(WEFT_AUDIT_MACHINE) | RULE(WEFT_AUDIT_COMPATIBLE) | RULE(WEFT_AUDIT_FORMAT) |
              RULE(WEFT_AUDIT_OBJECT) | RULE(WEFT_AUDIT_ABI) | RULE(WEFT_AUDIT_ISA),
    /* what is missing to run it here */
    MISSING = RULE(WEFT_AUDIT_INTERPRETER) | RULE(WEFT_AUDIT_LIBRARY) | RULE(WEFT_AUDIT_SEARCH) |
              RULE(WEFT_AUDIT_SCRIPT),
    BROKEN = RULE(WEFT_AUDIT_DAMAGE),
    ALL = FOREIGN | MISSING | BROKEN,
};

/* A row needs a reason that holds for every image, and a package in which it was seen. */
static const struct {
    const char *pattern;
    unsigned int rules;
    const char *reason;
} known[] = {
    {"/usr/lib/grub/*", ALL, "grub: code that runs before any system"},
    {"/boot/*", ALL, "what runs before or as the kernel"},
    {"/usr/lib/systemd/boot/efi/*", ALL, "systemd: programs of the firmware"},
    {"/usr/lib/shim/*", ALL, "shim: programs of the firmware"},
    {"/usr/share/qemu/*", FOREIGN, "qemu: firmware of the machines that it emulates"},
    {"/usr/share/seabios/*", FOREIGN, "seabios: firmware of emulated machines"},
    {"/usr/lib/ipxe/*", FOREIGN, "ipxe: firmware of network cards"},
    {"/lib/firmware/*", ALL, "firmware of devices"},
    {"/usr/lib/firmware/*", ALL, "firmware of devices"},
    {"/usr/lib/debug/*", ALL, "symbols for debuggers: the code was taken out"},
    {"*/glibc-hwcaps/*", RULE(WEFT_AUDIT_ISA), "glibc loads it only where the CPU has the level"},
    {"/usr/lib/*-linux-gnu*/valgrind/*", FOREIGN, "valgrind: tools for programs of other widths"},
    {"/usr/libexec/valgrind/*", FOREIGN, "valgrind: tools for programs of other widths"},
    {"/usr/*-linux-gnu*/lib/*", ALL, "the libraries of a cross compiler's target"},
    {"/usr/*-linux-gnu*/lib32/*", ALL, "the libraries of a cross compiler's target"},
    {"/usr/*-linux-gnu*/libx32/*", ALL, "the libraries of a cross compiler's target"},
    {"/usr/lib/gcc-cross/*", FOREIGN, "the libraries of a cross compiler's target"},
    {"/usr/lib/gcc/*/32/*", FOREIGN, "gcc: what -m32 links"},
    {"/usr/lib/gcc/*/x32/*", FOREIGN, "gcc: what -mx32 links"},
    {"*/lib/clang/*/lib/linux/*", FOREIGN, "clang: its run-time libraries of all machines"},
    {"/usr/lib/perf-core/*", FOREIGN, "perf: readers of other widths, and test data"},
    {"*/debug/elf/testdata/*", ALL, "Go: test data of debug/elf"},
    {"*/debug/*/testdata/*", ALL, "Go: test data of its readers of programs"},
    {"*/cmd/*/testdata/*", ALL, "Go: test data of its tools"},
    {"*/internal/*/testdata/*", ALL, "Go: test data"},
    {"*/distlib/*.exe", RULE(WEFT_AUDIT_FORMAT), "pip: starters for Windows"},
    {"*/setuptools/*.exe", RULE(WEFT_AUDIT_FORMAT), "setuptools: starters for Windows"},
    {"*/setuptools/command/*.exe", RULE(WEFT_AUDIT_FORMAT), "setuptools: starters for Windows"},
    {"*/distutils/command/*.exe", RULE(WEFT_AUDIT_FORMAT), "Python: installers for Windows"},
    {"/usr/share/doc/*", ALL, "documentation: examples that nobody starts here"},
    {"*/examples/*", RULE(WEFT_AUDIT_SCRIPT), "examples that nobody starts here"},
};

const char *weft_audit_known(const char *path, enum weft_audit_rule rule)
{
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        if ((known[i].rules & RULE(rule)) && weft_audit_path_matches(known[i].pattern, path)) {
            return known[i].reason;
        }
    }
    return NULL;
}

bool weft_audit_path_matches(const char *pattern, const char *path)
{
    if (*pattern == '/' || *pattern == '*') {
        return fnmatch(pattern, path, FNM_NOESCAPE) == 0;
    }
    /* "app/x.so": from any directory on */
    for (const char *s = path; s; s = strchr(s, '/')) {
        s += *s == '/';
        if (fnmatch(pattern, s, FNM_NOESCAPE) == 0) {
            return true;
        }
    }
    return false;
}

const char *weft_audit_cause(enum weft_audit_rule rule, const char *step)
{
    bool copied = step && (weft_starts_with(step, "COPY") || weft_starts_with(step, "ADD"));
    bool run = step && weft_starts_with(step, "RUN");

    switch (rule) {
    case WEFT_AUDIT_MACHINE:
    case WEFT_AUDIT_COMPATIBLE:
    case WEFT_AUDIT_OBJECT:
        return copied ? "COPY --from of a stage that is pinned to $BUILDPLATFORM and does not "
                        "compile for $TARGETARCH; or a file of the context that was built for "
                        "another machine"
               : run  ? "a download of one fixed architecture: use $TARGETARCH in its address"
                      : "a base image, or a file, of another platform";
    case WEFT_AUDIT_ABI:
        return "a compiler of another port (gnueabi, gnueabihf), or a download for another variant";
    case WEFT_AUDIT_ISA:
        return "-march=native or -march=LEVEL in the compiler's flags, or a download for newer "
               "CPUs";
    case WEFT_AUDIT_FORMAT:
        return "a download for another system";
    case WEFT_AUDIT_INTERPRETER:
        return "a program that was linked with another C library (glibc, musl) than the image's, "
               "or a dynamic program in an image without one";
    case WEFT_AUDIT_LIBRARY:
    case WEFT_AUDIT_SEARCH:
        return "the package of the library is not installed in the final stage, or its directory "
               "is none that the loader searches";
    case WEFT_AUDIT_SCRIPT:
        return "the interpreter's package is not installed in the final stage";
    case WEFT_AUDIT_DAMAGE:
    case WEFT_AUDIT_LIMIT:
    case WEFT_AUDIT_RULES:
        break;
    }
    return NULL;
}
