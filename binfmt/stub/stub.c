/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a copy of QEMU does before QEMU: puts "-cpu MODEL" behind argv[0]. Freestanding: no library,
 * no data that is written, no address that would have to be relocated. Built into a flat binary
 * (binfmt/local.mk), which binfmt/stub.c carries.
 */
#include "config.h"

#include <stddef.h>
#include <stdint.h>

#include "binfmt/stub/layout.h"

extern const struct weft_stub_head weft_stub_head __attribute__((visibility("hidden")));

/* What entry.S goes on with; two registers. */
struct onward {
    uintptr_t *sp;
    uintptr_t entry;
};

struct onward weft_stub_main(uintptr_t *sp) __attribute__((visibility("hidden")));

static uintptr_t at(int64_t offset)
{
    return (uintptr_t)&weft_stub_head + (uintptr_t)offset;
}

/* sp: argc, argv[argc], NULL, envp, NULL, auxv. The two words more make it grow down; what is
 * behind argv[0] stays where it is, and the stack stays a multiple of 16. */
struct onward weft_stub_main(uintptr_t *sp)
{
    static const char option[] = "-cpu";
    struct onward to = {sp, at(weft_stub_head.qemu_entry)};
    uintptr_t argc = sp[0];
    uintptr_t name = sp[1];

    if (argc == 0) { /* no argv[0] to stand behind: QEMU says what it says */
        return to;
    }
    to.sp = sp - 2;
    to.sp[0] = argc + 2;
    to.sp[1] = name;
    to.sp[2] = (uintptr_t)option;
    to.sp[3] = at(weft_stub_head.model);
    return to;
}
