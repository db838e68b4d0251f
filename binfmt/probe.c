/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "binfmt/probe.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/spawn.h"
#include "base/str.h"

enum {
    CODE_MAX = 16,
    LOAD_ADDRESS = 0x400000, /* above vm.mmap_min_addr, and aligned for pages of 64 KiB */
    TIMEOUT_MS = 10 * 1000,
    MARKED_BYTE = EI_NIDENT - 1, /* padding, which handlers want to be zero */
};

/* exit(42). */
static const struct code {
    const char *machine;
    unsigned char len;
    unsigned char bytes[CODE_MAX];
} codes[] = {
    {"x86_64",
     12,
     {0xbf, 0x2a, 0x00, 0x00, 0x00, /* mov $42, %edi */
      0xb8, 0x3c, 0x00, 0x00, 0x00, /* mov $60, %eax */
      0x0f, 0x05}},                 /* syscall */
    {"i386",
     12,
     {0xbb, 0x2a, 0x00, 0x00, 0x00, /* mov $42, %ebx */
      0xb8, 0x01, 0x00, 0x00, 0x00, /* mov $1, %eax */
      0xcd, 0x80}},                 /* int $0x80 */
    {"aarch64",
     12,
     {0x40, 0x05, 0x80, 0xd2,   /* mov x0, #42 */
      0xa8, 0x0b, 0x80, 0xd2,   /* mov x8, #93 */
      0x01, 0x00, 0x00, 0xd4}}, /* svc #0 */
    {"arm",
     12,
     {0x2a, 0x00, 0xa0, 0xe3,   /* mov r0, #42 */
      0x01, 0x70, 0xa0, 0xe3,   /* mov r7, #1 */
      0x00, 0x00, 0x00, 0xef}}, /* svc #0 */
    {"riscv64",
     12,
     {0x13, 0x05, 0xa0, 0x02,   /* li a0, 42 */
      0x93, 0x08, 0xd0, 0x05,   /* li a7, 93 */
      0x73, 0x00, 0x00, 0x00}}, /* ecall */
    {"ppc64le",
     12,
     {0x2a, 0x00, 0x60, 0x38,   /* li r3, 42 */
      0x01, 0x00, 0x00, 0x38,   /* li r0, 1 */
      0x02, 0x00, 0x00, 0x44}}, /* sc */
    {"ppc64",
     12,
     {0x38, 0x60, 0x00, 0x2a,   /* li r3, 42 */
      0x38, 0x00, 0x00, 0x01,   /* li r0, 1 */
      0x44, 0x00, 0x00, 0x02}}, /* sc */
    {"s390x",
     6,
     {0xa7, 0x29, 0x00, 0x2a, /* lghi %r2, 42 */
      0x0a, 0x01}},           /* svc 1 */
    {"mips64el",
     12,
     {0x2a, 0x00, 0x04, 0x24,   /* li $a0, 42 */
      0xc2, 0x13, 0x02, 0x24,   /* li $v0, 5058 */
      0x0c, 0x00, 0x00, 0x00}}, /* syscall */
    {"mips64",
     12,
     {0x24, 0x04, 0x00, 0x2a,   /* li $a0, 42 */
      0x24, 0x02, 0x13, 0xc2,   /* li $v0, 5058 */
      0x00, 0x00, 0x00, 0x0c}}, /* syscall */
    {"mipsel",
     12,
     {0x2a, 0x00, 0x04, 0x24,   /* li $a0, 42 */
      0xa1, 0x0f, 0x02, 0x24,   /* li $v0, 4001 */
      0x0c, 0x00, 0x00, 0x00}}, /* syscall */
    {"mips",
     12,
     {0x24, 0x04, 0x00, 0x2a,   /* li $a0, 42 */
      0x24, 0x02, 0x0f, 0xa1,   /* li $v0, 4001 */
      0x00, 0x00, 0x00, 0x0c}}, /* syscall */
    {"loongarch64",
     12,
     {0x04, 0xa8, 0x80, 0x02,   /* li.w $a0, 42 */
      0x0b, 0x74, 0x81, 0x02,   /* li.w $a7, 93 */
      0x00, 0x00, 0x2b, 0x00}}, /* syscall 0 */
};

static const struct code *code_of(const struct weft_machine *m)
{
    size_t i = 0;

    while (strcmp(codes[i].machine, m->qemu) != 0) {
        i++; /* every machine has one: tests/unit/test_probe.c */
    }
    return &codes[i];
}

/* A file in the making: numbers in the machine's byte order. */
struct image {
    unsigned char *bytes;
    size_t len;
    bool big;
    size_t word; /* bytes of an address */
};

static void put(struct image *f, uint64_t value, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        f->bytes[f->len++] = (unsigned char)(value >> 8 * (f->big ? size - 1 - i : i));
    }
}

static void put_address(struct image *f, uint64_t value)
{
    put(f, value, f->word);
}

/* ELFv1 of ppc64: the entry point is that of a descriptor: address of the code, TOC, environment */
static bool has_descriptor(const struct weft_machine *m)
{
    return m->elf_machine == EM_PPC64 && m->elf_data == ELFDATA2MSB;
}

size_t weft_probe_program(const struct weft_machine *m, unsigned char out[WEFT_PROBE_SIZE_MAX])
{
    const struct code *code = code_of(m);
    bool wide = m->elf_class == ELFCLASS64;
    size_t header = wide ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr);
    size_t segment = wide ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
    size_t descriptor = has_descriptor(m) ? 3 * sizeof(uint64_t) : 0;
    size_t code_at = header + segment + descriptor;
    size_t size = code_at + code->len;
    struct image f = {out, EI_NIDENT, m->elf_data == ELFDATA2MSB, wide ? 8 : 4};

    memcpy(out, m->magic, EI_NIDENT);
    put(&f, ET_EXEC, 2);
    put(&f, m->elf_machine, 2);
    put(&f, EV_CURRENT, 4);
    put_address(&f, LOAD_ADDRESS + header + segment); /* e_entry: the code, or its descriptor */
    put_address(&f, header);                          /* e_phoff */
    put_address(&f, 0);                               /* e_shoff */
    put(&f, m->elf_flags, 4);
    put(&f, header, 2);
    put(&f, segment, 2);
    put(&f, 1, 2);
    put(&f, 0, 6); /* no sections */

    /* the whole file, readable and executable; the flags have their place by the class */
    put(&f, PT_LOAD, 4);
    if (wide) {
        put(&f, PF_R | PF_X, 4);
    }
    put_address(&f, 0);
    put_address(&f, LOAD_ADDRESS);
    put_address(&f, LOAD_ADDRESS);
    put_address(&f, size);
    put_address(&f, size);
    if (!wide) {
        put(&f, PF_R | PF_X, 4);
    }
    put_address(&f, 0x10000);

    if (descriptor) {
        put_address(&f, LOAD_ADDRESS + code_at);
        put_address(&f, 0);
        put_address(&f, 0);
    }
    memcpy(out + f.len, code->bytes, code->len);
    return size;
}

#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif

/* A file in memory: it can be executed also where everything that is writable is mounted noexec.
 * Kernels before 6.3 do not know MFD_EXEC. */
static int memory_file(void)
{
    int fd = memfd_create("weft-probe", MFD_CLOEXEC | MFD_EXEC);

    return fd >= 0 ? fd : memfd_create("weft-probe", MFD_CLOEXEC);
}

bool weft_probe_native(const struct weft_machine *m)
{
    unsigned char program[WEFT_PROBE_SIZE_MAX];
    size_t size = weft_probe_program(m, program);
    weft_auto_fd fd = memory_file();
    weft_auto_free char *path = weft_fmt("/proc/self/fd/%d", fd);
    char *argv[] = {path, NULL};
    weft_auto_free char *said = NULL;

    program[MARKED_BYTE] = 1;
    return fd >= 0 && weft_write_all(fd, program, size, "memfd", NULL) == 0 &&
           weft_run(&(struct weft_run_opts){.file = path, .argv = argv, .timeout_ms = TIMEOUT_MS},
                    &said, NULL) == WEFT_PROBE_EXIT;
}

/* In $TMPDIR, or in /tmp where that cannot be written. */
static int open_temporary(char **path)
{
    const char *dir = getenv("TMPDIR");
    int fd = -1;

    if (dir && *dir) {
        *path = weft_path_join(dir, "weft-probe-XXXXXX");
        fd = mkostemp(*path, O_CLOEXEC);
    }
    if (fd < 0) {
        free(*path);
        *path = weft_path_join("/tmp", "weft-probe-XXXXXX");
        fd = mkostemp(*path, O_CLOEXEC);
    }
    return fd;
}

/* A real file: QEMU resolves the path of what it runs, and complains of one that has none. Returns
 * its path (caller removes and frees) or NULL. */
static char *temporary_file(const struct weft_machine *m, struct weft_err **err)
{
    weft_auto_free char *path = NULL;
    unsigned char program[WEFT_PROBE_SIZE_MAX];
    size_t size = weft_probe_program(m, program);
    weft_auto_fd fd = open_temporary(&path);

    if (fd < 0) {
        weft_fail_sys(err, errno, "%s", path);
        return NULL;
    }
    if (fchmod(fd, 0700) < 0) { /* QEMU refuses others */
        weft_fail_sys(err, errno, "%s", path);
        unlink(path);
        return NULL;
    }
    if (weft_write_all(fd, program, size, path, err) < 0) {
        unlink(path);
        return NULL;
    }
    return weft_steal(&path);
}

int weft_probe_run(const struct weft_machine *m, const char *interpreter, char *const *args,
                   const atomic_bool *cancel, char **said, struct weft_err **err)
{
    weft_auto_free char *path = temporary_file(m, err);
    weft_auto_strv argv = {0};
    int code;

    if (!path) {
        return -1;
    }
    weft_strv_add(&argv, interpreter);
    for (size_t i = 0; args && args[i]; i++) {
        weft_strv_add(&argv, args[i]);
    }
    weft_strv_add(&argv, path);
    code = weft_run(&(struct weft_run_opts){.file = interpreter,
                                            .argv = argv.v,
                                            .both = true,
                                            .timeout_ms = TIMEOUT_MS,
                                            .cancel = cancel},
                    said, err);
    unlink(path);
    return code;
}
