/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "platforms/elf.h"

#include <gelf.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    HEAD_LIMIT = 1 << 20,    /* of the bytes from the ELF header to the program headers */
    PAGE_BYTES = 4096,       /* the smallest of any machine that weft runs on */
    ALIGN_LIMIT = 1 << 24,   /* the largest alignment of a segment that we follow */
    SEGMENT_LIMIT = 1 << 20, /* of a segment that is inserted */
};

/* Above this no program is loaded on any machine with 4-level page tables. */
#define ADDRESS_LIMIT (UINT64_C(1) << 46)

static void elf_endp(Elf **e)
{
    elf_end(*e);
}

#define auto_libelf __attribute__((cleanup(elf_endp))) Elf *

static int fail_libelf(struct weft_err **err)
{
    const char *why = elf_errmsg(-1);

    return weft_fail(err, WEFT_E_FORMAT, "not a whole ELF file: %s", why ? why : "unknown");
}

/* libelf takes a buffer to write to, and does not write to it. */
static Elf *open_image(const void *image, size_t len, struct weft_err **err)
{
    Elf *e = NULL;

    if (len < EI_NIDENT || memcmp(image, ELFMAG, SELFMAG) != 0) {
        weft_fail(err, WEFT_E_FORMAT, "not an ELF file");
        return NULL;
    }
    if (elf_version(EV_CURRENT) != EV_NONE) {
        e = elf_memory((char *)(uintptr_t)image, len);
    }
    if (!e) {
        fail_libelf(err);
        return NULL;
    }
    if (elf_kind(e) != ELF_K_ELF) {
        weft_fail(err, WEFT_E_FORMAT, "not a whole ELF file");
        elf_end(e);
        return NULL;
    }
    return e;
}

/* The number of program headers, all of which lie in the image. */
static int count_segments(Elf *e, const GElf_Ehdr *eh, size_t len, size_t *n, struct weft_err **err)
{
    size_t size = gelf_fsize(e, ELF_T_PHDR, 1, EV_CURRENT);

    if (elf_getphdrnum(e, n) < 0) {
        return fail_libelf(err);
    }
    if (*n > 0 &&
        (eh->e_phentsize != size || eh->e_phoff > len || *n > (len - eh->e_phoff) / size)) {
        return weft_fail(err, WEFT_E_FORMAT, "its program headers do not lie in the file");
    }
    return 0;
}

int weft_elf_read(const void *image, size_t len, struct weft_elf *out, struct weft_err **err)
{
    auto_libelf e = open_image(image, len, err);
    weft_auto_elf found = {0};
    GElf_Ehdr eh;

    if (!e) {
        return -1;
    }
    if (!gelf_getehdr(e, &eh)) {
        return fail_libelf(err);
    }
    if (count_segments(e, &eh, len, &found.n, err) < 0) {
        return -1;
    }
    found.bits = gelf_getclass(e) == ELFCLASS64 ? 64 : 32;
    found.big_endian = eh.e_ident[EI_DATA] == ELFDATA2MSB;
    found.os_abi = eh.e_ident[EI_OSABI];
    found.type = eh.e_type;
    found.machine = eh.e_machine;
    found.flags = eh.e_flags;
    found.entry = eh.e_entry;
    found.segments_offset = eh.e_phoff;
    found.segments = weft_xcalloc(found.n + 1, sizeof(*found.segments));
    for (size_t i = 0; i < found.n; i++) {
        GElf_Phdr ph;

        if (!gelf_getphdr(e, (int)i, &ph)) {
            return fail_libelf(err);
        }
        found.segments[i] = (struct weft_elf_segment){.type = ph.p_type,
                                                      .flags = ph.p_flags,
                                                      .offset = ph.p_offset,
                                                      .vaddr = ph.p_vaddr,
                                                      .file_bytes = ph.p_filesz,
                                                      .memory_bytes = ph.p_memsz,
                                                      .align = ph.p_align};
    }
    *out = found;
    found = (struct weft_elf){0};
    return 0;
}

void weft_elf_finish(struct weft_elf *e)
{
    free(e->segments);
    *e = (struct weft_elf){0};
}

static const struct weft_elf_segment *find_type(const struct weft_elf *e, uint32_t type)
{
    for (size_t i = 0; i < e->n; i++) {
        if (e->segments[i].type == type) {
            return &e->segments[i];
        }
    }
    return NULL;
}

const struct weft_elf_segment *weft_elf_segment_at(const struct weft_elf *e, uint64_t vaddr)
{
    for (size_t i = 0; i < e->n; i++) {
        const struct weft_elf_segment *s = &e->segments[i];

        if (s->type == PT_LOAD && vaddr >= s->vaddr && vaddr - s->vaddr < s->file_bytes) {
            return s;
        }
    }
    return NULL;
}

bool weft_elf_is_static(const struct weft_elf *e)
{
    const struct weft_elf_segment *code = weft_elf_segment_at(e, e->entry);

    /* a shared library has no loader either, but nothing to run at its entry */
    return (e->type == ET_EXEC || e->type == ET_DYN) && !find_type(e, PT_INTERP) && code &&
           (code->flags & PF_X);
}

char *weft_elf_machine_name(uint16_t machine)
{
    static const struct {
        uint16_t machine;
        const char *name;
    } names[] = {
        {EM_386, "i386"},        {EM_X86_64, "x86-64"}, {EM_ARM, "arm"},
        {EM_AARCH64, "aarch64"}, {EM_PPC, "ppc"},       {EM_PPC64, "ppc64"},
        {EM_S390, "s390x"},      {EM_MIPS, "mips"},     {EM_RISCV, "riscv"},
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (names[i].machine == machine) {
            return weft_xstrdup(names[i].name);
        }
    }
    return weft_fmt("machine %u", machine);
}

/* What a note segment is good for, from the one that is missed least. */
enum note {
    NOTE_PROPERTY_TWICE, /* GNU properties, which PT_GNU_PROPERTY names too */
    NOTE_OTHER,          /* the ABI tag, which is for dynamic loaders */
    NOTE_PROPERTY,       /* GNU properties, and only here */
    NOTE_BUILD_ID,       /* by which debuggers and weft know a program */
};

static const char *const note_names[] = {
    [NOTE_PROPERTY_TWICE] = "the property note, which PT_GNU_PROPERTY names too",
    [NOTE_OTHER] = "a note",
    [NOTE_PROPERTY] = "the property note",
    [NOTE_BUILD_ID] = "the build ID",
};

/* By the first note in it: linkers merge neighbours. */
static enum note note_of(const struct weft_elf *e, const struct weft_elf_segment *s,
                         const unsigned char *image, size_t len)
{
    const struct weft_elf_segment *property = find_type(e, PT_GNU_PROPERTY);
    enum note note = NOTE_OTHER;
    uint64_t at = 0;

    if (property && property->offset == s->offset && property->file_bytes == s->file_bytes) {
        return NOTE_PROPERTY_TWICE;
    }
    /* a build ID anywhere in it counts */
    while (s->offset <= len && s->file_bytes <= len - s->offset && s->file_bytes - at >= 16) {
        const unsigned char *p = image + s->offset + at;
        uint32_t name_len = 0;
        uint32_t desc_len = 0;
        uint32_t type = 0;
        uint64_t total;

        /* the callers' machines are little-endian */
        for (int i = 3; i >= 0; i--) {
            name_len = name_len << 8 | p[i];
            desc_len = desc_len << 8 | p[4 + i];
            type = type << 8 | p[8 + i];
        }
        if (name_len == 4 && memcmp(p + 12, "GNU", 4) == 0) {
            if (type == NT_GNU_BUILD_ID) {
                return NOTE_BUILD_ID;
            }
            if (type == NT_GNU_PROPERTY_TYPE_0) {
                note = NOTE_PROPERTY;
            }
        }
        total = 12 + (((uint64_t)name_len + 3) & ~UINT64_C(3)) +
                (((uint64_t)desc_len + 3) & ~UINT64_C(3));
        if (total > s->file_bytes - at) {
            break;
        }
        at += total;
    }
    return note;
}

/* The note segment that is given up, or NULL. */
static const struct weft_elf_segment *
spare_note(const struct weft_elf *e, const unsigned char *image, size_t len, const char **name)
{
    const struct weft_elf_segment *best = NULL;
    enum note least = NOTE_BUILD_ID;

    for (size_t i = 0; i < e->n; i++) {
        if (e->segments[i].type == PT_NOTE) {
            enum note note = note_of(e, &e->segments[i], image, len);

            if (!best || note < least) {
                best = &e->segments[i];
                least = note;
                *name = note_names[note];
            }
        }
    }
    return best;
}

/* What a program must be for a segment to be put into it. */
static int check_program(const struct weft_elf *e, uint16_t machine, struct weft_err **err)
{
    if (e->machine != machine) {
        weft_auto_free char *is = weft_elf_machine_name(e->machine);
        weft_auto_free char *wanted = weft_elf_machine_name(machine);

        return weft_fail(err, WEFT_E_UNSUPPORTED, "it is a program for %s, not for %s", is, wanted);
    }
    if (e->bits != 64 || e->big_endian) {
        return weft_fail(err, WEFT_E_UNSUPPORTED, "it is a %u-bit %s-endian program", e->bits,
                         e->big_endian ? "big" : "little");
    }
    if (find_type(e, PT_INTERP)) {
        return weft_fail(err, WEFT_E_UNSUPPORTED, "it is not static: it needs a dynamic loader");
    }
    if (!weft_elf_is_static(e)) {
        return weft_fail(err, WEFT_E_UNSUPPORTED, "it is not a program: nothing runs at its entry");
    }
    return 0;
}

/* The segments that are loaded: that they are as the kernel wants them, and where the last ends. */
static int check_loaded(const struct weft_elf *e, uint64_t *end, uint64_t *align, size_t *last,
                        struct weft_err **err)
{
    *end = 0;
    *align = PAGE_BYTES;
    for (size_t i = 0; i < e->n; i++) {
        const struct weft_elf_segment *s = &e->segments[i];

        if (s->type != PT_LOAD) {
            continue;
        }
        if (s->vaddr < *end || s->vaddr > ADDRESS_LIMIT ||
            s->memory_bytes > ADDRESS_LIMIT - s->vaddr || s->file_bytes > s->memory_bytes) {
            return weft_fail(err, WEFT_E_UNSUPPORTED,
                             "its segments do not lie one above the other");
        }
        if (s->align > ALIGN_LIMIT || (s->align & (s->align - 1)) != 0) {
            return weft_fail(err, WEFT_E_UNSUPPORTED, "its segments have an odd alignment");
        }
        *align = s->align > *align ? s->align : *align;
        *end = s->vaddr + s->memory_bytes;
        *last = i;
    }
    return 0;
}

/* Numbers of this machine as they are in the file, or back. */
static int translate(Elf_Type type, const void *from, void *to, size_t size, bool to_file,
                     struct weft_err **err)
{
    Elf_Data src = {
        .d_buf = (void *)(uintptr_t)from, .d_type = type, .d_version = EV_CURRENT, .d_size = size};
    Elf_Data dst = {.d_buf = to, .d_type = type, .d_version = EV_CURRENT, .d_size = size};
    const Elf_Data *done = to_file ? elf64_xlatetof(&dst, &src, ELFDATA2LSB)
                                   : elf64_xlatetom(&dst, &src, ELFDATA2LSB);

    return done ? 0 : fail_libelf(err);
}

/* Whether everything that the headers speak of is in the file, and not in the heads: what is cut
 * off would come to lie where the segment goes. */
static int check_whole(const struct weft_elf *e, const void *image, size_t len, size_t head_len,
                       struct weft_err **err)
{
    Elf64_Ehdr eh;
    uint64_t sections_len;

    if (translate(ELF_T_EHDR, image, &eh, sizeof(eh), false, err) < 0) {
        return -1;
    }
    /* a number of 0 with an offset: the number is in the first header */
    sections_len = eh.e_shoff ? (uint64_t)eh.e_shentsize * (eh.e_shnum ? eh.e_shnum : 1) : 0;
    if (eh.e_shoff != 0 && eh.e_shoff < head_len) {
        return weft_fail(err, WEFT_E_UNSUPPORTED, "its section headers are in an odd place");
    }
    if (eh.e_shoff != 0 && eh.e_shentsize != sizeof(Elf64_Shdr)) {
        return weft_fail(err, WEFT_E_UNSUPPORTED, "its section headers have an odd size");
    }
    if (eh.e_shoff > len || sections_len > len - eh.e_shoff) {
        return weft_fail(err, WEFT_E_UNSUPPORTED, "its end is missing");
    }
    for (size_t i = 0; i < e->n; i++) {
        const struct weft_elf_segment *s = &e->segments[i];

        if (s->type == PT_LOAD && (s->offset > len || s->file_bytes > len - s->offset)) {
            return weft_fail(err, WEFT_E_UNSUPPORTED, "its end is missing");
        }
    }
    return 0;
}

static uint64_t round_up(uint64_t n, uint64_t align)
{
    return (n + align - 1) & ~(align - 1);
}

/* The heads as they shall be. The note's header is taken out, and the segment's put in behind the
 * last that is loaded. */
static int rewrite_heads(const struct weft_elf *e, size_t note, size_t last, size_t seg_len,
                         uint64_t align, uint64_t entry, struct weft_elf_insertion *i,
                         struct weft_err **err)
{
    weft_auto_free Elf64_Phdr *ph = weft_xcalloc(e->n, sizeof(*ph));
    Elf64_Phdr added = {.p_type = PT_LOAD,
                        .p_flags = PF_R | PF_X,
                        .p_offset = i->offset,
                        .p_vaddr = i->vaddr,
                        .p_paddr = i->vaddr,
                        .p_filesz = seg_len,
                        .p_memsz = seg_len,
                        .p_align = align};
    unsigned char *table = i->head + e->segments_offset;
    Elf64_Ehdr eh;

    if (translate(ELF_T_EHDR, i->head, &eh, sizeof(eh), false, err) < 0 ||
        translate(ELF_T_PHDR, table, ph, e->n * sizeof(*ph), false, err) < 0) {
        return -1;
    }
    eh.e_entry = entry;
    if (note < last) {
        memmove(ph + note, ph + note + 1, (last - note) * sizeof(*ph));
        ph[last] = added;
    } else {
        memmove(ph + last + 2, ph + last + 1, (note - last - 1) * sizeof(*ph));
        ph[last + 1] = added;
    }
    return translate(ELF_T_EHDR, &eh, i->head, sizeof(eh), true, err) < 0 ||
                   translate(ELF_T_PHDR, ph, table, e->n * sizeof(*ph), true, err) < 0
               ? -1
               : 0;
}

/* Whether the program headers overlap with the ELF header or are too far away to be copied. */
static int check_table(const struct weft_elf *e, size_t *head_len, struct weft_err **err)
{
    size_t size = e->n * sizeof(Elf64_Phdr);

    if (e->segments_offset < sizeof(Elf64_Ehdr) || e->segments_offset > HEAD_LIMIT ||
        size > HEAD_LIMIT) {
        return weft_fail(err, WEFT_E_UNSUPPORTED, "its program headers are in an odd place");
    }
    *head_len = (size_t)e->segments_offset + size;
    return 0;
}

int weft_elf_insert(const void *image, size_t len, uint16_t machine, size_t seg_len, uint64_t start,
                    struct weft_elf_insertion *out, struct weft_err **err)
{
    weft_auto_elf e = {0};
    weft_auto_elf_insertion i = {0};
    const struct weft_elf_segment *note;
    uint64_t end, align;
    size_t last = 0;

    if (weft_elf_read(image, len, &e, err) < 0 || check_program(&e, machine, err) < 0 ||
        check_loaded(&e, &end, &align, &last, err) < 0 || check_table(&e, &i.head_len, err) < 0 ||
        check_whole(&e, image, len, i.head_len, err) < 0) {
        return -1;
    }
    note = spare_note(&e, image, len, &i.given_up);
    if (!note) {
        return weft_fail(err, WEFT_E_UNSUPPORTED,
                         "it has no note (PT_NOTE) whose header could be used for the segment");
    }
    if (seg_len == 0 || seg_len > SEGMENT_LIMIT || start >= seg_len || len > ADDRESS_LIMIT) {
        return weft_fail(err, WEFT_E_UNSUPPORTED, "a segment of %zu bytes cannot be put in",
                         seg_len);
    }
    i.offset = round_up(len, align);
    i.vaddr = round_up(end, align);
    i.head = weft_xmalloc(i.head_len);
    memcpy(i.head, image, i.head_len);
    if (rewrite_heads(&e, (size_t)(note - e.segments), last, seg_len, align, i.vaddr + start, &i,
                      err) < 0) {
        return -1;
    }
    *out = i;
    i = (struct weft_elf_insertion){0};
    return 0;
}

void weft_elf_insertion_finish(struct weft_elf_insertion *i)
{
    free(i->head);
    *i = (struct weft_elf_insertion){0};
}
