/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <elf.h>

#include "base/cleanup.h"
#include "binfmt/stub.h"
#include "binfmt/stub/layout.h"
#include "tests/helpers.h"

enum {
    IMAGE_BYTES = 4096,
    ENTRY = 0x400100
};

/* A static program of nothing but heads. */
static void image_init(unsigned char image[IMAGE_BYTES], uint16_t machine)
{
    Elf64_Ehdr eh = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, 1},
                     .e_type = ET_EXEC,
                     .e_machine = machine,
                     .e_version = EV_CURRENT,
                     .e_entry = ENTRY,
                     .e_phoff = sizeof(eh),
                     .e_ehsize = sizeof(eh),
                     .e_phentsize = sizeof(Elf64_Phdr),
                     .e_phnum = 2};
    Elf64_Phdr ph[] = {
        {PT_LOAD, PF_R | PF_X, 0, 0x400000, 0x400000, IMAGE_BYTES, IMAGE_BYTES, 0x1000},
        {PT_NOTE, PF_R, 0x200, 0x400200, 0x400200, 0x20, 0x20, 4},
    };

    memset(image, 0, IMAGE_BYTES);
    memcpy(image, &eh, sizeof(eh));
    memcpy(image + sizeof(eh), ph, sizeof(ph));
}

/* A stub of which only the head is right. */
static struct weft_stub fake_stub(unsigned char *code, size_t len)
{
    struct weft_stub_head head = {.version = WEFT_STUB_VERSION, .start = sizeof(head)};

    memcpy(head.magic, WEFT_STUB_MAGIC, sizeof(head.magic));
    memset(code, 0x90, len);
    memcpy(code, &head, sizeof(head));
    return (struct weft_stub){code, len, EM_X86_64};
}

static void test_prepare(void **state)
{
    unsigned char image[IMAGE_BYTES];
    unsigned char code[100];
    struct weft_stub stub = fake_stub(code, sizeof(code));
    struct weft_stub_head head;
    struct weft_err *err = NULL;
    weft_auto_stub_patch p = {0};
    weft_auto_free unsigned char *copy = NULL;
    size_t copy_len;

    (void)state;
    image_init(image, EM_X86_64);
    assert_ok(weft_stub_prepare(&stub, image, sizeof(image), "cortex-a53,aes=off", &p, &err), &err);
    memcpy(&head, p.segment, sizeof(head));
    assert_memory_equal(head.magic, "weftstub", 8);
    assert_int_equal(head.version, WEFT_STUB_VERSION);
    assert_int_equal(head.start, sizeof(head));
    assert_int_equal(p.where.vaddr + (uint64_t)head.qemu_entry, ENTRY);
    assert_int_equal(head.qemu_entry, ENTRY - 0x401000);
    assert_int_equal(head.size, p.segment_len);
    assert_int_equal(head.model, sizeof(code));
    assert_string_equal((char *)p.segment + head.model, "cortex-a53,aes=off");
    assert_memory_equal(p.segment + sizeof(head), code + sizeof(head), sizeof(code) - sizeof(head));
    /* the result is known for what it is */
    copy_len = (size_t)p.where.offset + p.segment_len;
    copy = weft_xcalloc(1, copy_len);
    memcpy(copy, image, sizeof(image));
    memcpy(copy, p.where.head, p.where.head_len);
    memcpy(copy + p.where.offset, p.segment, p.segment_len);
    weft_stub_patch_finish(&p);
    assert_int_equal(weft_stub_prepare(&stub, copy, copy_len, "max", &p, &err), -1);
    assert_err(&err, WEFT_E_UNSUPPORTED, 0, "it is a copy that weft has made");
    assert_null(p.segment);
}

static void test_refuses(void **state)
{
    static const char *const models[] = {"", "a b", "a\n", "caf\xc3\xa9", "\t"};
    unsigned char image[IMAGE_BYTES];
    unsigned char code[100];
    struct weft_stub stub = fake_stub(code, sizeof(code));
    struct weft_stub odd = stub;
    weft_auto_free char *endless = weft_xcalloc(1, 5000);
    struct weft_err *err = NULL;
    weft_auto_stub_patch p = {0};

    (void)state;
    image_init(image, EM_X86_64);
    for (size_t i = 0; i < COUNT(models); i++) {
        assert_int_equal(weft_stub_prepare(&stub, image, sizeof(image), models[i], &p, &err), -1);
        assert_err(&err, WEFT_E_USAGE, 0, "a CPU model");
    }
    memset(endless, 'x', 4999);
    assert_int_equal(weft_stub_prepare(&stub, image, sizeof(image), endless, &p, &err), -1);
    assert_err(&err, WEFT_E_USAGE, 0, "1 to 4096 characters");
    image_init(image, EM_AARCH64);
    assert_int_equal(weft_stub_prepare(&stub, image, sizeof(image), "max", &p, &err), -1);
    assert_err(&err, WEFT_E_UNSUPPORTED, 0, "a program for aarch64, not for x86-64");
    assert_int_equal(weft_stub_prepare(&stub, "#!/bin/sh\n", 10, "max", &p, &err), -1);
    assert_err(&err, WEFT_E_FORMAT, 0, "not an ELF file");
    odd.len = 8;
    assert_int_equal(weft_stub_prepare(&odd, image, sizeof(image), "max", &p, &err), -1);
    assert_err(&err, WEFT_E_INTERNAL, 0, "a stub of 8 bytes");
    code[8]++;
    assert_int_equal(weft_stub_prepare(&stub, image, sizeof(image), "max", &p, &err), -1);
    assert_err(&err, WEFT_E_INTERNAL, 0, "another head");
}

/* The one that was built for this machine has the head that weft knows. */
static void test_here(void **state)
{
    const struct weft_stub *stub = weft_stub_here();
    unsigned char image[IMAGE_BYTES];
    struct weft_err *err = NULL;
    weft_auto_stub_patch p = {0};

    (void)state;
#ifdef HAVE_STUB
    assert_non_null(stub);
    image_init(image, stub->machine);
    assert_ok(weft_stub_prepare(stub, image, sizeof(image), "max", &p, &err), &err);
#else
    (void)image;
    (void)err;
    (void)p;
    assert_null(stub);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prepare),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_here),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
