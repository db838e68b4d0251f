/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ELF files: what one says of itself, and the room for one more segment in it. The only place that
 * knows libelf. Works on bytes in memory and trusts none of them; opens and writes no file.
 */
#ifndef WEFT_PLATFORMS_ELF_H
#define WEFT_PLATFORMS_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weft_err;

/** A program header. Numbers as in <elf.h>. */
struct weft_elf_segment {
    uint32_t type;
    uint32_t flags;
    uint64_t offset;
    uint64_t vaddr;
    uint64_t file_bytes;
    uint64_t memory_bytes;
    uint64_t align;
};

/** What an ELF file says of itself. Numbers as in <elf.h>. End with weft_elf_finish. */
struct weft_elf {
    unsigned int bits; /* 32 or 64 */
    bool big_endian;
    uint8_t os_abi;
    uint16_t type;
    uint16_t machine;
    uint32_t flags;
    uint64_t entry;
    uint64_t segments_offset; /* of the program headers in the file */
    struct weft_elf_segment *segments;
    size_t n;
};

/**
 * Read the heads of the ELF file image[len]: any class, byte order and machine. A file may be cut
 * off behind its program headers.
 * Errors: WEFT_E_FORMAT (no ELF file, or heads that do not fit in it).
 */
int weft_elf_read(const void *image, size_t len, struct weft_elf *out, struct weft_err **err);
void weft_elf_finish(struct weft_elf *e);
#define weft_auto_elf __attribute__((cleanup(weft_elf_finish))) struct weft_elf

/** Whether it is a program that the kernel starts without a loader: static, or static-pie. */
bool weft_elf_is_static(const struct weft_elf *e);

/** The segment that is loaded from the file to this address, or NULL. Borrowed. */
const struct weft_elf_segment *weft_elf_segment_at(const struct weft_elf *e, uint64_t vaddr);

/** A machine's name ("aarch64"), for messages; "machine NUMBER" where it has none here. Caller
 * frees. */
char *weft_elf_machine_name(uint16_t machine);

/** How a file gets one more segment. End with weft_elf_insertion_finish. */
struct weft_elf_insertion {
    uint64_t offset;     /* where in the file the segment's bytes go, behind its end */
    uint64_t vaddr;      /* where they will be in memory */
    unsigned char *head; /* what the file begins with instead: ELF header to program headers */
    size_t head_len;
    const char *given_up; /* which of its notes the program loses. Static */
};

/**
 * Find room for a segment of seg_len bytes, read-only and executable, in the 64-bit static program
 * image[len] for `machine`, at whose byte `start` it shall begin to run. A PT_NOTE header becomes
 * the segment's, so that nothing moves: one whose note the kernel and the C library find elsewhere
 * too, or do without. The segment lies above all others, and its header behind theirs: the kernel
 * wants them ascending. What is loaded stays as it is, but for the program headers.
 * Errors: WEFT_E_UNSUPPORTED (another machine, not static, cut off, no note to give up), whose
 * message is what the program is ("needs a dynamic loader"); WEFT_E_FORMAT.
 */
int weft_elf_insert(const void *image, size_t len, uint16_t machine, size_t seg_len, uint64_t start,
                    struct weft_elf_insertion *out, struct weft_err **err);
void weft_elf_insertion_finish(struct weft_elf_insertion *i);
#define weft_auto_elf_insertion \
    __attribute__((cleanup(weft_elf_insertion_finish))) struct weft_elf_insertion

#endif
