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
#include "base/fs.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "base/str.h"

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define HOST_DATA ELFDATA2LSB
#else
#define HOST_DATA ELFDATA2MSB
#endif

enum {
    PHDRS_MAX = 64
};

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
        eh.e_ident[EI_DATA] != HOST_DATA || (eh.e_type != ET_EXEC && eh.e_type != ET_DYN) ||
        eh.e_phentsize != sizeof(host_phdr) || eh.e_phnum == 0 || eh.e_phnum > PHDRS_MAX) {
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

char *weft_qemu_find(const struct weft_machine *m, const char *dirs)
{
    weft_auto_strv list = {0};

    weft_split(dirs, ':', &list);
    for (size_t i = 0; i < list.n; i++) {
        for (int plain = 0; *list.v[i] == '/' && plain < 2; plain++) {
            weft_auto_free char *name = weft_fmt("qemu-%s%s", m->qemu, plain ? "" : "-static");
            weft_auto_free char *path = weft_path_join(list.v[i], name);

            if (access(path, X_OK) == 0 && weft_qemu_is_static(path)) {
                return realpath(path, NULL);
            }
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

char *weft_qemu_ask_version(const char *program)
{
    weft_auto_free char *name = weft_xstrdup(weft_path_base(program));
    char option[] = "--version";
    char *argv[] = {name, option, NULL};
    weft_auto_free char *answer = NULL;

    if (weft_run_capture(program, argv, 0, &answer, NULL) != 0 || !answer) {
        return NULL;
    }
    return weft_qemu_parse_version(answer);
}
