/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "platforms/elf_facts.h"

#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "platforms/elf_attributes.h"

enum {
    SEGMENT_LIMIT = 1024,      /* program headers */
    SECTION_LIMIT = 65536,     /* section headers */
    DYNAMIC_LIMIT = 1 << 14,   /* entries */
    NOTES_LIMIT = 1 << 16,     /* bytes of one note segment */
    VERSIONS_LIMIT = 1 << 12,  /* entries of the version table */
    ATTRIBUTES_LIMIT = 1 << 16 /* bytes */
};

/* What <elf.h> of glibc 2.36 has no names for. */
enum {
    SHT_ATTRIBUTES = 0x70000003, /* of arm and of riscv */
    PT_RISCV_ATTRIBUTES_ = 0x70000003,
    PT_MIPS_ABIFLAGS_ = 0x70000003,
    SHT_MIPS_ABIFLAGS_ = 0x7000002a,
    PROPERTY_X86_ISA_NEEDED = 0xc0008002,
    MIPS_ABIFLAGS_BYTES = 24,
};

/* What is worked on. Headers are kept in the form of 64-bit files. */
struct reader {
    const struct weft_elf_input *in;
    struct weft_elf_facts *f;
    Elf64_Ehdr eh;
    Elf64_Phdr *segments;
    size_t n_segments;
    const Elf64_Phdr *dynamic; /* or NULL */
    uint64_t strings_offset;   /* of the dynamic string table, in the file */
    uint64_t strings_bytes;
};

int weft_elf_input_read(const struct weft_elf_input *in, uint64_t offset, void *buf, size_t len,
                        struct weft_err **err)
{
    char *to = buf;

    if (offset > in->size_bytes || len > in->size_bytes - offset) {
        return weft_fail(err, WEFT_E_FORMAT, "the file is cut off");
    }
    if (in->image) {
        memcpy(buf, (const char *)in->image + offset, len);
        return 0;
    }
    while (len > 0) {
        ssize_t n = pread(in->fd, to, len, (off_t)offset);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return weft_fail_sys(err, n < 0 ? errno : EIO, "reading a file of the image");
        }
        to += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    return 0;
}

/* The same for what may be missing. */
static bool get(const struct reader *r, uint64_t offset, void *buf, size_t len)
{
    return weft_elf_input_read(r->in, offset, buf, len, NULL) == 0;
}

static void damaged(const struct reader *r, const char *what)
{
    if (!r->f->damage) {
        r->f->damage = what;
    }
}

/* ---- numbers and structures ---- */

static uint32_t u32(const struct reader *r, const unsigned char *p)
{
    return r->f->big_endian
               ? (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]
               : (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static uint16_t u16(const struct reader *r, const unsigned char *p)
{
    return (uint16_t)(r->f->big_endian ? p[0] << 8 | p[1] : p[1] << 8 | p[0]);
}

/* Structures of the file into those of this machine. */
static bool translate(const struct reader *r, Elf_Type type, const void *from, size_t size,
                      void *to, size_t to_size)
{
    Elf_Data src = {
        .d_buf = (void *)(uintptr_t)from, .d_type = type, .d_version = EV_CURRENT, .d_size = size};
    Elf_Data dst = {.d_buf = to, .d_type = type, .d_version = EV_CURRENT, .d_size = to_size};
    unsigned int order = r->f->big_endian ? ELFDATA2MSB : ELFDATA2LSB;

    return r->f->bits == 64 ? elf64_xlatetom(&dst, &src, order) != NULL
                            : elf32_xlatetom(&dst, &src, order) != NULL;
}

static bool read_ehdr(struct reader *r)
{
    unsigned char raw[sizeof(Elf64_Ehdr)];
    Elf32_Ehdr e32;

    if (r->f->bits == 64) {
        return get(r, 0, raw, sizeof(Elf64_Ehdr)) &&
               translate(r, ELF_T_EHDR, raw, sizeof(Elf64_Ehdr), &r->eh, sizeof(r->eh));
    }
    if (!get(r, 0, raw, sizeof(e32)) ||
        !translate(r, ELF_T_EHDR, raw, sizeof(e32), &e32, sizeof(e32))) {
        return false;
    }
    r->eh = (Elf64_Ehdr){.e_type = e32.e_type,
                         .e_machine = e32.e_machine,
                         .e_phoff = e32.e_phoff,
                         .e_shoff = e32.e_shoff,
                         .e_flags = e32.e_flags,
                         .e_phentsize = e32.e_phentsize,
                         .e_phnum = e32.e_phnum,
                         .e_shentsize = e32.e_shentsize,
                         .e_shnum = e32.e_shnum};
    return true;
}

static bool read_phdr(const struct reader *r, uint64_t offset, Elf64_Phdr *out)
{
    unsigned char raw[sizeof(Elf64_Phdr)];
    Elf32_Phdr p;

    if (r->f->bits == 64) {
        return get(r, offset, raw, sizeof(*out)) &&
               translate(r, ELF_T_PHDR, raw, sizeof(*out), out, sizeof(*out));
    }
    if (!get(r, offset, raw, sizeof(p)) ||
        !translate(r, ELF_T_PHDR, raw, sizeof(p), &p, sizeof(p))) {
        return false;
    }
    *out = (Elf64_Phdr){.p_type = p.p_type,
                        .p_flags = p.p_flags,
                        .p_offset = p.p_offset,
                        .p_vaddr = p.p_vaddr,
                        .p_filesz = p.p_filesz,
                        .p_memsz = p.p_memsz,
                        .p_align = p.p_align};
    return true;
}

static bool read_shdr(const struct reader *r, uint64_t offset, Elf64_Shdr *out)
{
    unsigned char raw[sizeof(Elf64_Shdr)];
    Elf32_Shdr s;

    if (r->f->bits == 64) {
        return get(r, offset, raw, sizeof(*out)) &&
               translate(r, ELF_T_SHDR, raw, sizeof(*out), out, sizeof(*out));
    }
    if (!get(r, offset, raw, sizeof(s)) ||
        !translate(r, ELF_T_SHDR, raw, sizeof(s), &s, sizeof(s))) {
        return false;
    }
    *out = (Elf64_Shdr){
        .sh_type = s.sh_type, .sh_addr = s.sh_addr, .sh_offset = s.sh_offset, .sh_size = s.sh_size};
    return true;
}

static bool read_dyn(const struct reader *r, uint64_t offset, Elf64_Dyn *out)
{
    unsigned char raw[sizeof(Elf64_Dyn)];
    Elf32_Dyn d;

    if (r->f->bits == 64) {
        return get(r, offset, raw, sizeof(*out)) &&
               translate(r, ELF_T_DYN, raw, sizeof(*out), out, sizeof(*out));
    }
    if (!get(r, offset, raw, sizeof(d)) ||
        !translate(r, ELF_T_DYN, raw, sizeof(d), &d, sizeof(d))) {
        return false;
    }
    *out = (Elf64_Dyn){.d_tag = d.d_tag, .d_un.d_val = d.d_un.d_val};
    return true;
}

static void read_segments(struct reader *r)
{
    size_t size = r->f->bits == 64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
    size_t n = r->eh.e_phnum;

    if (n == 0) {
        return;
    }
    if (n > SEGMENT_LIMIT || r->eh.e_phentsize != size) {
        damaged(r, "its program headers");
        return;
    }
    r->segments = weft_xcalloc(n, sizeof(*r->segments));
    for (size_t i = 0; i < n; i++) {
        if (r->eh.e_phoff > UINT64_MAX - i * size ||
            !read_phdr(r, r->eh.e_phoff + i * size, &r->segments[i])) {
            damaged(r, "its program headers");
            return;
        }
        if (r->segments[i].p_type == PT_DYNAMIC && !r->dynamic) {
            r->dynamic = &r->segments[i];
        }
        r->n_segments = i + 1;
    }
}

/* Where in the file an address is, and how many bytes of its segment follow. */
static bool offset_of(const struct reader *r, uint64_t vaddr, uint64_t *offset, uint64_t *left)
{
    for (size_t i = 0; i < r->n_segments; i++) {
        const Elf64_Phdr *p = &r->segments[i];

        if (p->p_type == PT_LOAD && vaddr >= p->p_vaddr && vaddr - p->p_vaddr < p->p_filesz &&
            p->p_offset <= UINT64_MAX - p->p_filesz) {
            *offset = p->p_offset + (vaddr - p->p_vaddr);
            *left = p->p_filesz - (vaddr - p->p_vaddr);
            return true;
        }
    }
    return false;
}

/* ---- strings ---- */

/* A string of at most `room` bytes with its NUL. NULL: there is no end to it. Caller frees. */
static char *read_string(const struct reader *r, uint64_t offset, uint64_t room)
{
    char text[WEFT_ELF_STRING_LIMIT];
    size_t len = sizeof(text);

    if (offset >= r->in->size_bytes) {
        return NULL;
    }
    if (len > room) {
        len = (size_t)room;
    }
    if (len > r->in->size_bytes - offset) {
        len = (size_t)(r->in->size_bytes - offset);
    }
    if (!get(r, offset, text, len) || !memchr(text, '\0', len)) {
        return NULL;
    }
    return weft_xstrdup(text);
}

static char *dynamic_string(const struct reader *r, uint64_t at)
{
    char *s = at < r->strings_bytes && r->strings_offset <= UINT64_MAX - at
                  ? read_string(r, r->strings_offset + at, r->strings_bytes - at)
                  : NULL;

    if (!s) {
        damaged(r, "a string of its dynamic section");
    }
    return s;
}

static void set_string(const struct reader *r, uint64_t at, char **out)
{
    if (!*out) {
        *out = dynamic_string(r, at);
    }
}

/* ---- the dynamic section ---- */

int weft_version_cmp(const char *a, const char *b)
{
    while (*a || *b) {
        char *end_a, *end_b;
        unsigned long na = strtoul(a, &end_a, 10), nb = strtoul(b, &end_b, 10);

        if (na != nb) {
            return na < nb ? -1 : 1;
        }
        if ((end_a == a && *a) || (end_b == b && *b)) {
            return strcmp(a, b);
        }
        a = *end_a == '.' ? end_a + 1 : end_a;
        b = *end_b == '.' ? end_b + 1 : end_b;
    }
    return 0;
}

static void note_version(const struct reader *r, uint64_t at)
{
    weft_auto_free char *name = dynamic_string(r, at);
    const char *version = name && weft_starts_with(name, "GLIBC_") ? name + strlen("GLIBC_") : "";

    /* GLIBC_PRIVATE and GLIBC_ABI_DT_RELR are no versions */
    if (*version < '0' || *version > '9' || version[strspn(version, "0123456789.")] ||
        strlen(version) > 16) {
        return;
    }
    if (!r->f->glibc || weft_version_cmp(version, r->f->glibc) > 0) {
        free(r->f->glibc);
        r->f->glibc = weft_xstrdup(version);
    }
}

/* The versions that it needs of the libraries' symbols. */
static void read_versions(const struct reader *r, uint64_t vaddr, uint64_t n)
{
    uint64_t at, left, budget = VERSIONS_LIMIT;

    if (!offset_of(r, vaddr, &at, &left)) {
        damaged(r, "its table of versions");
        return;
    }
    for (uint64_t i = 0; i < n && budget > 0; i++, budget--) {
        unsigned char need[16], aux[16];
        uint64_t aux_at;

        if (!get(r, at, need, sizeof(need))) {
            damaged(r, "its table of versions");
            return;
        }
        aux_at = at + u32(r, need + 8);
        for (unsigned int k = u16(r, need + 2); k > 0 && budget > 0; k--, budget--) {
            if (!get(r, aux_at, aux, sizeof(aux))) {
                damaged(r, "its table of versions");
                return;
            }
            note_version(r, u32(r, aux + 8));
            if (u32(r, aux + 12) == 0) {
                break;
            }
            aux_at += u32(r, aux + 12);
        }
        if (u32(r, need + 12) == 0) {
            return;
        }
        at += u32(r, need + 12);
    }
    if (budget == 0) {
        damaged(r, "its table of versions");
    }
}

/* The entries once more, now that it is known where the strings are. */
static void read_names(const struct reader *r, const Elf64_Dyn *dyn, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t v = dyn[i].d_un.d_val;

        switch (dyn[i].d_tag) {
        case DT_NEEDED:
            if (r->f->needed.n < WEFT_ELF_NEEDED_LIMIT) {
                char *name = dynamic_string(r, v);

                if (name) {
                    weft_strv_take(&r->f->needed, name);
                }
            } else {
                damaged(r, "its list of libraries");
            }
            break;
        case DT_SONAME:
            set_string(r, v, &r->f->soname);
            break;
        case DT_RPATH:
            set_string(r, v, &r->f->rpath);
            break;
        case DT_RUNPATH:
            set_string(r, v, &r->f->runpath);
            break;
        default:
            break;
        }
    }
}

static void read_dynamic(struct reader *r)
{
    size_t size = r->f->bits == 64 ? sizeof(Elf64_Dyn) : sizeof(Elf32_Dyn);
    weft_auto_free Elf64_Dyn *dyn = NULL;
    uint64_t max = r->dynamic->p_filesz / size;
    uint64_t strings = 0, strings_bytes = 0, versions = 0, n_versions = 0, left = 0;
    size_t n = 0;

    if (max > DYNAMIC_LIMIT || r->dynamic->p_offset > r->in->size_bytes ||
        r->dynamic->p_filesz > r->in->size_bytes - r->dynamic->p_offset) {
        damaged(r, "its dynamic section");
        return;
    }
    dyn = weft_xcalloc((size_t)max + 1, sizeof(*dyn));
    while (n < max && read_dyn(r, r->dynamic->p_offset + n * size, &dyn[n]) &&
           dyn[n].d_tag != DT_NULL) {
        uint64_t v = dyn[n].d_un.d_val;

        switch (dyn[n].d_tag) {
        case DT_STRTAB:
            strings = v;
            break;
        case DT_STRSZ:
            strings_bytes = v;
            break;
        case DT_VERNEED:
            versions = v;
            break;
        case DT_VERNEEDNUM:
            n_versions = v;
            break;
        case DT_FLAGS_1:
            r->f->no_default_dirs = v & DF_1_NODEFLIB;
            break;
        default:
            break;
        }
        n++;
    }
    r->f->is_dynamic = n > 0;
    if (strings_bytes == 0) {
        return;
    }
    if (!offset_of(r, strings, &r->strings_offset, &left)) {
        damaged(r, "its dynamic section");
        return;
    }
    r->strings_bytes = strings_bytes < left ? strings_bytes : left;
    read_names(r, dyn, n);
    if (n_versions > 0) {
        read_versions(r, versions, n_versions);
    }
}

static void read_interpreter(struct reader *r)
{
    for (size_t i = 0; i < r->n_segments; i++) {
        const Elf64_Phdr *p = &r->segments[i];

        if (p->p_type == PT_INTERP) {
            r->f->interpreter = read_string(r, p->p_offset, p->p_filesz);
            if (!r->f->interpreter) {
                damaged(r, "the name of its interpreter");
            }
            return;
        }
    }
}

/* ---- notes ---- */

static void read_properties(const struct reader *r, const unsigned char *p, size_t len)
{
    size_t align = r->f->bits == 64 ? 8 : 4;

    while (len >= 8) {
        uint32_t type = u32(r, p);
        size_t size = u32(r, p + 4);
        size_t step;

        if (size > len - 8) {
            damaged(r, "its property note");
            return;
        }
        if (type == PROPERTY_X86_ISA_NEEDED && size >= 4 &&
            (r->f->machine == EM_X86_64 || r->f->machine == EM_386)) {
            r->f->x86_needed |= u32(r, p + 8);
        }
        step = 8 + ((size + align - 1) & ~(align - 1));
        if (step >= len) {
            return;
        }
        p += step;
        len -= step;
    }
}

static void read_note(const struct reader *r, uint32_t type, const unsigned char *desc, size_t len)
{
    if (type == NT_GNU_PROPERTY_TYPE_0) {
        read_properties(r, desc, len);
    } else if (type == NT_GNU_ABI_TAG && len >= 16 && u32(r, desc) == ELF_NOTE_OS_LINUX) {
        r->f->has_kernel = true;
        for (size_t i = 0; i < 3; i++) {
            r->f->kernel[i] = u32(r, desc + 4 + 4 * i);
        }
    }
}

static void read_note_segment(const struct reader *r, const Elf64_Phdr *s)
{
    size_t len = (size_t)s->p_filesz, align = s->p_align == 8 ? 8 : 4, at = 0;
    weft_auto_free unsigned char *p = NULL;

    if (s->p_filesz > NOTES_LIMIT) {
        damaged(r, "its notes");
        return;
    }
    p = weft_xmalloc(len + 1);
    if (!get(r, s->p_offset, p, len)) {
        /* the notes of a core file or of a file for debuggers may be elsewhere */
        damaged(r, "its notes");
        return;
    }
    while (len - at >= 12) {
        uint64_t name_len = u32(r, p + at), desc_len = u32(r, p + at + 4);
        uint64_t desc_at = (12 + name_len + align - 1) & ~(uint64_t)(align - 1);
        uint64_t total = (desc_at + desc_len + align - 1) & ~(uint64_t)(align - 1);

        if (desc_at + desc_len > len - at) {
            damaged(r, "its notes");
            return;
        }
        if (name_len == 4 && memcmp(p + at + 12, "GNU", 4) == 0) {
            read_note(r, u32(r, p + at + 8), p + at + desc_at, (size_t)desc_len);
        }
        if (total >= len - at) {
            return;
        }
        at += (size_t)total;
    }
}

/* ---- attributes ---- */

static void read_attributes(const struct reader *r, uint64_t offset, uint64_t size)
{
    weft_auto_free unsigned char *p = NULL;
    bool arm = r->f->machine == EM_ARM;
    struct weft_elf_attributes a = {0};

    if (size > ATTRIBUTES_LIMIT) {
        damaged(r, "its attributes");
        return;
    }
    p = weft_xmalloc((size_t)size + 1);
    if (!get(r, offset, p, (size_t)size) ||
        weft_elf_attributes_read(p, (size_t)size, r->f->big_endian, arm ? "aeabi" : "riscv", &a) <
            0) {
        damaged(r, "its attributes");
    }
    if (arm && a.has_cpu) {
        r->f->has_arm_cpu = true;
        r->f->arm_cpu = a.arm_cpu;
        r->f->arm_vfp_args = a.arm_vfp_args;
    }
    if (!arm && a.riscv_arch && !r->f->riscv_arch) {
        r->f->riscv_arch = weft_steal(&a.riscv_arch);
    }
    free(a.riscv_arch);
}

static void read_mips(const struct reader *r, uint64_t offset, uint64_t size)
{
    unsigned char p[MIPS_ABIFLAGS_BYTES];

    if (size < sizeof(p) || !get(r, offset, p, sizeof(p))) {
        damaged(r, "its ABI flags");
        return;
    }
    r->f->mips = (struct weft_elf_mips){
        .is_known = true, .isa_level = p[2], .isa_rev = p[3], .fp_abi = p[7]};
}

static bool has_attributes(const struct weft_elf_facts *f)
{
    return f->machine == EM_ARM || f->machine == EM_RISCV;
}

static void read_segment(const struct reader *r, const Elf64_Phdr *p)
{
    if (p->p_type == PT_NOTE || p->p_type == PT_GNU_PROPERTY) {
        read_note_segment(r, p);
    } else if (p->p_type == PT_MIPS_ABIFLAGS_ && r->f->machine == EM_MIPS) {
        read_mips(r, p->p_offset, p->p_filesz);
    } else if (p->p_type == PT_RISCV_ATTRIBUTES_ && r->f->machine == EM_RISCV) {
        read_attributes(r, p->p_offset, p->p_filesz);
    }
}

/* Sections are looked at for what no segment has, and for whether the content of the dynamic
 * section was split off. */
static void read_section(struct reader *r, const Elf64_Shdr *s)
{
    if (s->sh_type == SHT_NOBITS && r->dynamic && s->sh_addr == r->dynamic->p_vaddr &&
        s->sh_size > 0 && s->sh_size == r->dynamic->p_memsz) {
        r->f->is_debug = true;
    } else if (s->sh_type == SHT_ATTRIBUTES && has_attributes(r->f) && !r->f->riscv_arch &&
               !r->f->has_arm_cpu) {
        read_attributes(r, s->sh_offset, s->sh_size);
    } else if (s->sh_type == SHT_MIPS_ABIFLAGS_ && r->f->machine == EM_MIPS &&
               !r->f->mips.is_known) {
        read_mips(r, s->sh_offset, s->sh_size);
    }
}

static void read_sections(struct reader *r)
{
    size_t size = r->f->bits == 64 ? sizeof(Elf64_Shdr) : sizeof(Elf32_Shdr);
    uint64_t n = r->eh.e_shnum;
    Elf64_Shdr s;

    /* most machines have all in their segments */
    if (r->eh.e_shoff == 0 || (!r->dynamic && !has_attributes(r->f) && r->f->machine != EM_MIPS)) {
        return;
    }
    if (r->eh.e_shentsize != size || r->eh.e_shoff > r->in->size_bytes) {
        damaged(r, "its section headers");
        return;
    }
    if (n == 0 && read_shdr(r, r->eh.e_shoff, &s)) {
        n = s.sh_size; /* more of them than the header can say */
    }
    if (n > SECTION_LIMIT) {
        damaged(r, "its section headers");
        n = SECTION_LIMIT;
    }
    for (uint64_t i = 0; i < n; i++) {
        if (!read_shdr(r, r->eh.e_shoff + i * size, &s)) {
            damaged(r, "its section headers");
            return;
        }
        read_section(r, &s);
    }
}

/* ---- all of it ---- */

static int read_heads(struct reader *r, struct weft_err **err)
{
    unsigned char ident[EI_NIDENT];

    if (weft_elf_input_read(r->in, 0, ident, sizeof(ident), err) < 0) {
        return -1;
    }
    if (memcmp(ident, ELFMAG, SELFMAG) != 0 ||
        (ident[EI_CLASS] != ELFCLASS32 && ident[EI_CLASS] != ELFCLASS64) ||
        (ident[EI_DATA] != ELFDATA2LSB && ident[EI_DATA] != ELFDATA2MSB)) {
        return weft_fail(err, WEFT_E_FORMAT, "not an ELF file");
    }
    r->f->bits = ident[EI_CLASS] == ELFCLASS64 ? 64 : 32;
    r->f->big_endian = ident[EI_DATA] == ELFDATA2MSB;
    r->f->os_abi = ident[EI_OSABI];
    if (elf_version(EV_CURRENT) == EV_NONE || !read_ehdr(r)) {
        return weft_fail(err, WEFT_E_FORMAT, "not a whole ELF file");
    }
    r->f->type = r->eh.e_type;
    r->f->machine = r->eh.e_machine;
    r->f->flags = r->eh.e_flags;
    return 0;
}

int weft_elf_facts_read(const struct weft_elf_input *in, struct weft_elf_facts *out,
                        struct weft_err **err)
{
    weft_auto_elf_facts f = {0};
    struct reader r = {.in = in, .f = &f};

    if (read_heads(&r, err) < 0) {
        return -1;
    }
    read_segments(&r);
    for (size_t i = 0; i < r.n_segments; i++) {
        read_segment(&r, &r.segments[i]);
    }
    read_sections(&r);
    if (!f.is_debug) {
        read_interpreter(&r);
        if (r.dynamic) {
            read_dynamic(&r);
        }
    }
    free(r.segments);
    *out = f;
    f = (struct weft_elf_facts){0};
    return 0;
}

void weft_elf_facts_finish(struct weft_elf_facts *f)
{
    free(f->interpreter);
    free(f->soname);
    free(f->rpath);
    free(f->runpath);
    weft_strv_finish(&f->needed);
    free(f->glibc);
    free(f->riscv_arch);
    *f = (struct weft_elf_facts){0};
}
