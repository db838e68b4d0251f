/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <elf.h>

#include "base/cleanup.h"
#include "platforms/elf.h"
#include "tests/helpers.h"

/* An ELF file that is laid out here, byte by byte, so that no byte order is that of this machine.
 */
struct image {
    unsigned char bytes[16384];
    size_t len;
    bool big;
    bool wide;
    size_t n;
};

static void put(struct image *m, size_t at, size_t size, uint64_t value)
{
    assert_true(at + size <= sizeof(m->bytes));
    for (size_t i = 0; i < size; i++) {
        m->bytes[at + (m->big ? size - 1 - i : i)] = (unsigned char)(value >> (8 * i));
    }
}

static void image_init(struct image *m, bool wide, bool big, uint16_t type, uint16_t machine,
                       uint64_t entry)
{
    size_t word = wide ? 8 : 4;

    *m = (struct image){.big = big, .wide = wide, .len = 8192};
    memcpy(m->bytes, ELFMAG, SELFMAG);
    m->bytes[EI_CLASS] = wide ? ELFCLASS64 : ELFCLASS32;
    m->bytes[EI_DATA] = big ? ELFDATA2MSB : ELFDATA2LSB;
    m->bytes[EI_VERSION] = EV_CURRENT;
    m->bytes[EI_OSABI] = ELFOSABI_LINUX;
    put(m, 16, 2, type);
    put(m, 18, 2, machine);
    put(m, 20, 4, EV_CURRENT);
    put(m, 24, word, entry);
    put(m, 24 + word, word, wide ? 64 : 52);
    put(m, 24 + 3 * word, 4, 0x1234);
    put(m, 28 + 3 * word, 2, wide ? 64 : 52);
    put(m, 30 + 3 * word, 2, wide ? 56 : 32);
}

static void image_add(struct image *m, struct weft_elf_segment s)
{
    size_t at = m->wide ? 64 + 56 * m->n : 52 + 32 * m->n;

    put(m, at, 4, s.type);
    if (m->wide) {
        put(m, at + 4, 4, s.flags);
        put(m, at + 8, 8, s.offset);
        put(m, at + 16, 8, s.vaddr);
        put(m, at + 24, 8, s.vaddr);
        put(m, at + 32, 8, s.file_bytes);
        put(m, at + 40, 8, s.memory_bytes);
        put(m, at + 48, 8, s.align);
    } else {
        put(m, at + 4, 4, s.offset);
        put(m, at + 8, 4, s.vaddr);
        put(m, at + 12, 4, s.vaddr);
        put(m, at + 16, 4, s.file_bytes);
        put(m, at + 20, 4, s.memory_bytes);
        put(m, at + 24, 4, s.flags);
        put(m, at + 28, 4, s.align);
    }
    m->n++;
    put(m, m->wide ? 56 : 44, 2, m->n);
}

static const struct weft_elf_segment text = {PT_LOAD, PF_R | PF_X, 0, 0x1000, 0x800, 0x800, 0x1000};
static const struct weft_elf_segment data = {PT_LOAD, PF_R | PF_W, 0x1000, 0x2000,
                                             0x100,   0x1100,      0x1000};
static const struct weft_elf_segment stack = {PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0, 16};
static const struct weft_elf_segment note = {PT_NOTE, PF_R, 0x700, 0x1700, 0x20, 0x20, 4};

/* A static program of this type, with these segments between text and data, and the stack. */
static void program(struct image *m, uint16_t type, const struct weft_elf_segment *more, size_t n)
{
    image_init(m, true, false, type, EM_X86_64, 0x1400);
    image_add(m, text);
    image_add(m, data);
    for (size_t i = 0; i < n; i++) {
        image_add(m, more[i]);
    }
    image_add(m, stack);
}

static void test_read(void **state)
{
    (void)state;
    for (int k = 0; k < 4; k++) {
        struct image m;
        struct weft_err *err = NULL;
        weft_auto_elf e = {0};

        image_init(&m, k & 1, k & 2, ET_EXEC, EM_MIPS, 0x1400);
        image_add(&m, text);
        image_add(&m, data);
        assert_ok(weft_elf_read(m.bytes, m.len, &e, &err), &err);
        assert_int_equal(e.bits, k & 1 ? 64 : 32);
        assert_int_equal(e.big_endian, (k & 2) != 0);
        assert_int_equal(e.os_abi, ELFOSABI_LINUX);
        assert_int_equal(e.type, ET_EXEC);
        assert_int_equal(e.machine, EM_MIPS);
        assert_int_equal(e.flags, 0x1234);
        assert_int_equal(e.entry, 0x1400);
        assert_int_equal(e.n, 2);
        assert_memory_equal(&e.segments[0], &text, sizeof(text));
        assert_memory_equal(&e.segments[1], &data, sizeof(data));
        assert_true(weft_elf_is_static(&e));
        assert_ptr_equal(weft_elf_segment_at(&e, 0x20ff), &e.segments[1]);
        assert_null(weft_elf_segment_at(&e, 0x2100)); /* .bss: not from the file */
        assert_null(weft_elf_segment_at(&e, 0xfff));
    }
}

/* The heads are read of a file of which only the beginning is there. */
static void test_read_head_only(void **state)
{
    struct image m;
    struct weft_err *err = NULL;
    weft_auto_elf e = {0};

    (void)state;
    program(&m, ET_DYN, &note, 1);
    put(&m, 40, 8, 0x100000); /* section headers */
    put(&m, 58, 2, 64);
    put(&m, 60, 2, 30);
    put(&m, 62, 2, 29);
    assert_ok(weft_elf_read(m.bytes, 64 + 4 * 56, &e, &err), &err);
    assert_int_equal(e.n, 4);
}

static void test_read_refuses(void **state)
{
    static const struct {
        size_t at, size;
        uint64_t value;
        size_t len;
    } cases[] = {
        {0, 4, 0, 8192},                /* no magic */
        {EI_CLASS, 1, 3, 8192},         /* a class that there is not */
        {EI_DATA, 1, 0, 8192},          /* a byte order that there is not */
        {0, 1, 0x7f, 0},                /* nothing */
        {0, 1, 0x7f, 3},                /* less than the magic */
        {0, 1, 0x7f, 16},               /* e_ident only */
        {0, 1, 0x7f, 63},               /* less than the header */
        {0, 1, 0x7f, 64 + 56},          /* less than the program headers */
        {32, 8, 8192 - 56, 8192},       /* program headers that end behind the end */
        {32, 8, UINT64_MAX - 55, 8192}, /* that wrap around */
        {32, 8, 1, 8192},               /* that overlap the header: for insertion, below */
        {54, 2, 32, 8192},              /* of another size */
        {56, 2, 1000, 8192},            /* too many */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct image m;
        struct weft_err *err = NULL;
        weft_auto_elf e = {0};
        weft_auto_elf_insertion in = {0};
        weft_auto_free unsigned char *exact = NULL;

        program(&m, ET_EXEC, &note, 1);
        put(&m, cases[i].at, cases[i].size, cases[i].value);
        exact = weft_xmalloc(cases[i].len + 1);
        memcpy(exact, m.bytes, cases[i].len);
        if (weft_elf_read(exact, cases[i].len, &e, &err) < 0) {
            assert_int_equal(err->code, WEFT_E_FORMAT);
            weft_err_freep(&err);
        } else if (i != 10) {
            fail_msg("case %zu is taken", i);
        }
        assert_int_equal(weft_elf_insert(exact, cases[i].len, EM_X86_64, 16, 0, &in, &err), -1);
        assert_non_null(err);
        assert_null(in.head);
        weft_err_freep(&err);
    }
}

static void test_static(void **state)
{
    static const struct weft_elf_segment interp = {PT_INTERP, PF_R, 0x200, 0x1200, 0x1c, 0x1c, 1};
    static const struct {
        uint16_t type;
        uint64_t entry;
        bool interp, is_static;
    } cases[] = {
        {ET_EXEC, 0x1400, false, true},  {ET_DYN, 0x1400, false, true},
        {ET_EXEC, 0x1400, true, false},  {ET_DYN, 0x1400, true, false},
        {ET_REL, 0x1400, false, false},  {ET_CORE, 0x1400, false, false},
        {ET_DYN, 0, false, false},       /* a shared library */
        {ET_EXEC, 0x2010, false, false}, /* the entry is in data */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct image m;
        struct weft_err *err = NULL;
        weft_auto_elf e = {0};

        program(&m, cases[i].type, cases[i].interp ? &interp : &note, 1);
        put(&m, 24, 8, cases[i].entry);
        assert_ok(weft_elf_read(m.bytes, m.len, &e, &err), &err);
        assert_int_equal(weft_elf_is_static(&e), cases[i].is_static);
    }
}

/* What insertion makes of an image, read back. */
static void inserted(const struct image *m, size_t seg_len, uint64_t start,
                     struct weft_elf_insertion *in, struct weft_elf *after)
{
    struct weft_err *err = NULL;
    weft_auto_free unsigned char *out = NULL;

    assert_ok(weft_elf_insert(m->bytes, m->len, EM_X86_64, seg_len, start, in, &err), &err);
    out = weft_xcalloc(1, (size_t)in->offset + seg_len);
    memcpy(out, m->bytes, m->len);
    memcpy(out, in->head, in->head_len);
    assert_ok(weft_elf_read(out, (size_t)in->offset + seg_len, after, &err), &err);
}

static void test_insert(void **state)
{
    static const uint16_t types[] = {ET_EXEC, ET_DYN};

    (void)state;
    for (size_t i = 0; i < COUNT(types); i++) {
        struct image m;
        weft_auto_elf e = {0};
        weft_auto_elf_insertion in = {0};
        const struct weft_elf_segment want = {PT_LOAD, PF_R | PF_X, 0x2000, 0x4000,
                                              100,     100,         0x1000};

        program(&m, types[i], &note, 1);
        m.len = 8000; /* no multiple of a page */
        inserted(&m, 100, 32, &in, &e);
        assert_int_equal(e.type, types[i]);
        assert_int_equal(e.entry, 0x4020);
        assert_int_equal(in.vaddr, 0x4000); /* above .bss, which ends at 0x3100 */
        assert_int_equal(in.offset, 0x2000);
        assert_int_equal(in.head_len, 64 + 4 * 56);
        assert_int_equal(e.n, 4);
        assert_memory_equal(&e.segments[0], &text, sizeof(text));
        assert_memory_equal(&e.segments[1], &data, sizeof(data));
        assert_memory_equal(&e.segments[2], &want, sizeof(want));
        assert_memory_equal(&e.segments[3], &stack, sizeof(stack));
        assert_true(weft_elf_is_static(&e));
        /* nothing else of the header changes */
        assert_memory_equal(in.head, m.bytes, 24);
        assert_memory_equal(in.head + 32, m.bytes + 32, 32);
    }
}

/* The new header stands behind those of what is loaded, wherever the note's was. */
static void test_insert_order(void **state)
{
    static const struct weft_elf_segment phdr = {PT_PHDR, PF_R, 64, 0x1040, 56 * 5, 56 * 5, 8};
    struct weft_elf_segment large = data;
    uint32_t want[] = {PT_PHDR, PT_LOAD, PT_LOAD, PT_LOAD, PT_GNU_STACK};

    (void)state;
    large.align = 0x10000;
    large.vaddr = 0x20000;
    for (int k = 0; k < 4; k++) { /* the note before, between, behind, and at the end */
        struct image m;
        weft_auto_elf e = {0};
        weft_auto_elf_insertion in = {0};
        uint64_t above = 0;

        image_init(&m, true, false, ET_DYN, EM_X86_64, 0x1400);
        image_add(&m, phdr);
        if (k == 0) {
            image_add(&m, note);
        }
        image_add(&m, text);
        if (k == 1) {
            image_add(&m, note);
        }
        image_add(&m, large);
        if (k == 2) {
            image_add(&m, note);
        }
        image_add(&m, stack);
        if (k == 3) {
            image_add(&m, note);
        }
        inserted(&m, 64, 0, &in, &e);
        assert_int_equal(e.n, COUNT(want));
        for (size_t i = 0; i < e.n; i++) {
            assert_int_equal(e.segments[i].type, want[i]);
            if (want[i] == PT_LOAD) {
                assert_true(e.segments[i].vaddr >= above);
                above = e.segments[i].vaddr + e.segments[i].memory_bytes;
            }
        }
        assert_int_equal(in.vaddr, 0x30000); /* by the largest alignment */
        assert_int_equal(in.offset, 0x10000);
        assert_int_equal(e.segments[3].vaddr, in.vaddr);
        assert_int_equal(e.segments[3].align, 0x10000);
    }
}

static void put_note(struct image *m, size_t at, uint32_t type)
{
    put(m, at, 4, 4);
    put(m, at + 4, 4, 16);
    put(m, at + 8, 4, type);
    memcpy(m->bytes + at + 12, "GNU", 4);
}

static void test_insert_note(void **state)
{
    static const struct weft_elf_segment build_id = {PT_NOTE, PF_R, 0x600, 0x1600, 32, 32, 4};
    static const struct weft_elf_segment tag_and_id = {PT_NOTE, PF_R, 0x640, 0x1640, 64, 64, 4};
    static const struct weft_elf_segment tag = {PT_NOTE, PF_R, 0x640, 0x1640, 32, 32, 4};
    static const struct weft_elf_segment property = {PT_NOTE, PF_R, 0x680, 0x1680, 32, 32, 8};
    static const struct weft_elf_segment odd = {PT_NOTE, PF_R, UINT64_MAX - 7, 0, UINT64_MAX, 0, 8};
    struct weft_elf_segment twice = property;
    const struct {
        struct weft_elf_segment segments[4];
        size_t n;
        const char *given_up;
        uint64_t gone; /* offset of the note that is given up */
    } cases[] = {
        {{build_id}, 1, "the build ID", 0x600},
        {{build_id, tag}, 2, "a note", 0x640},
        {{tag, build_id}, 2, "a note", 0x640},
        {{tag_and_id, property}, 2, "the property note", 0x680},
        {{property, build_id}, 2, "the property note", 0x680},
        {{property, tag, build_id}, 3, "a note", 0x640},
        {{tag, build_id, property, twice}, 4, "the property note, which PT_GNU_PROPERTY", 0x680},
        {{build_id, odd}, 2, "a note", UINT64_MAX - 7},
    };

    (void)state;
    twice.type = PT_GNU_PROPERTY;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct image m;
        weft_auto_elf e = {0};
        weft_auto_elf_insertion in = {0};

        program(&m, ET_DYN, cases[i].segments, cases[i].n);
        if (i == 6) {
            put(&m, 64 + 56 * 5, 4, PT_GNU_PROPERTY);
        }
        put_note(&m, 0x600, NT_GNU_BUILD_ID);
        put_note(&m, 0x640, NT_GNU_ABI_TAG);
        put_note(&m, 0x660, NT_GNU_BUILD_ID);
        put_note(&m, 0x680, NT_GNU_PROPERTY_TYPE_0);
        inserted(&m, 64, 0, &in, &e);
        if (strncmp(in.given_up, cases[i].given_up, strlen(cases[i].given_up)) != 0) {
            fail_msg("case %zu: %s", i, in.given_up);
        }
        for (size_t k = 0; k < e.n; k++) {
            assert_false(e.segments[k].type == PT_NOTE && e.segments[k].offset == cases[i].gone);
        }
    }
}

static void test_insert_refuses(void **state)
{
    static const struct weft_elf_segment interp = {PT_INTERP, PF_R, 0x200, 0x1200, 0x1c, 0x1c, 1};
    static const struct weft_elf_segment both[] = {
        {PT_INTERP, PF_R, 0x200, 0x1200, 0x1c, 0x1c, 1},
        {PT_NOTE, PF_R, 0x700, 0x1700, 0x20, 0x20, 4},
    };
    static const struct {
        const struct weft_elf_segment *more;
        size_t n;
        size_t at, size; /* what is changed, at which byte */
        uint64_t value;
        const char *why;
    } cases[] = {
        {both, 2, 4, 1, ELFCLASS64, "it is not static: it needs a dynamic loader"},
        {&interp, 1, 4, 1, ELFCLASS64, "it is not static"},
        {NULL, 0, 4, 1, ELFCLASS64, "it has no note"},
        {&note, 1, 18, 2, EM_AARCH64, "it is a program for aarch64, not for x86-64"},
        {&note, 1, 18, 2, 0x4242, "it is a program for machine 16962, not for x86-64"},
        {&note, 1, 16, 2, ET_REL, "it is not a program"},
        {&note, 1, 24, 8, 0, "it is not a program: nothing runs at its entry"},
        {&note, 1, 64 + 40, 8, 0x2000, "do not lie one above the other"},
        {&note, 1, 64 + 40, 8, 0x100, "do not lie one above the other"},
        {&note, 1, 64 + 56 + 16, 8, 0x1000, "do not lie one above the other"},
        {&note, 1, 64 + 56 + 16, 8, UINT64_MAX - 0xfff, "do not lie one above the other"},
        {&note, 1, 64 + 56 + 40, 8, UINT64_MAX, "do not lie one above the other"},
        {&note, 1, 64 + 56 + 48, 8, 0x1800, "odd alignment"},
        {&note, 1, 64 + 56 + 8, 8, 0x1f01, "its end is missing"},
        {&note, 1, 64 + 56 + 8, 8, UINT64_MAX - 8, "its end is missing"},
        {&note, 1, 40, 8, 8192 - 63, "its end is missing"}, /* section headers */
        {&note, 1, 40, 8, 8193, "its end is missing"},
        {&note, 1, 40, 8, 64 + 4 * 56 - 1, "its section headers are in an odd place"},
        {&note, 1, 64 + 56 + 48, 8, UINT64_C(1) << 40, "odd alignment"},
    };
    struct weft_err *err = NULL;
    weft_auto_elf_insertion in = {0};
    struct image m;

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        program(&m, ET_DYN, cases[i].more, cases[i].n);
        put(&m, 58, 2, 64); /* the size of a section header; there are none */
        put(&m, cases[i].at, cases[i].size, cases[i].value);
        assert_int_equal(weft_elf_insert(m.bytes, m.len, EM_X86_64, 64, 0, &in, &err), -1);
        assert_err(&err, WEFT_E_UNSUPPORTED, 0, cases[i].why);
    }
    /* who reads it takes them to be of the usual size, and to begin before the file's old end */
    program(&m, ET_DYN, &note, 1);
    put(&m, 40, 8, 8192 - 63);
    put(&m, 58, 2, 0);
    assert_int_equal(weft_elf_insert(m.bytes, m.len, EM_X86_64, 64, 0, &in, &err), -1);
    assert_err(&err, WEFT_E_UNSUPPORTED, 0, "its section headers have an odd size");
    program(&m, ET_DYN, &note, 1);
    assert_int_equal(weft_elf_insert(m.bytes, m.len, EM_X86_64, 0, 0, &in, &err), -1);
    assert_err(&err, WEFT_E_UNSUPPORTED, 0, "a segment of 0 bytes");
    assert_int_equal(weft_elf_insert(m.bytes, m.len, EM_X86_64, 64, 64, &in, &err), -1);
    assert_err(&err, WEFT_E_UNSUPPORTED, 0, "a segment of 64 bytes");
    assert_int_equal(weft_elf_insert(m.bytes, m.len, EM_X86_64, 2 << 20, 0, &in, &err), -1);
    assert_err(&err, WEFT_E_UNSUPPORTED, 0, "cannot be put in");
    image_init(&m, true, true, ET_EXEC, EM_AARCH64, 0x1400);
    image_add(&m, text);
    image_add(&m, note);
    assert_int_equal(weft_elf_insert(m.bytes, m.len, EM_AARCH64, 64, 0, &in, &err), -1);
    assert_err(&err, WEFT_E_UNSUPPORTED, 0, "64-bit big-endian");
    image_init(&m, false, false, ET_EXEC, EM_X86_64, 0x1400); /* x32 */
    image_add(&m, text);
    image_add(&m, note);
    assert_int_equal(weft_elf_insert(m.bytes, m.len, EM_X86_64, 64, 0, &in, &err), -1);
    assert_err(&err, WEFT_E_UNSUPPORTED, 0, "32-bit little-endian");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),         cmocka_unit_test(test_read_head_only),
        cmocka_unit_test(test_read_refuses), cmocka_unit_test(test_static),
        cmocka_unit_test(test_insert),       cmocka_unit_test(test_insert_order),
        cmocka_unit_test(test_insert_note),  cmocka_unit_test(test_insert_refuses),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
