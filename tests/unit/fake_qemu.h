/* SPDX-License-Identifier: Apache-2.0 */
/* A program that behaves like a QEMU of few CPU models, of arm and riscv64. */
#ifndef WEFT_TESTS_UNIT_FAKE_QEMU_H
#define WEFT_TESTS_UNIT_FAKE_QEMU_H

#include <sys/stat.h>

#include "base/fs.h"
#include "binfmt/qemu.h"
#include "tests/helpers.h"

/** Add one to q: the file dir/name. */
static inline void fake_qemu_add(struct weft_qemus *q, const char *dir, const char *name,
                                 const char *machine, const char *version)
{
    static const char script[] =
        "#!/bin/sh\n"
        "models='cortex-a8,neon=off cortex-a9 cortex-a15 arm926 arm1176 sifive-u54 max'\n"
        "[ -n \"$2\" ] || exit 42\n"
        "[ \"$2\" != help ] || { printf '  %s\\n' $models; exit 1; }\n"
        "case \" $models \" in\n"
        "*\" $2 \"*) exit 42 ;;\n"
        "*) echo \"fake: unable to find CPU model '$2'\" >&2; exit 1 ;;\n"
        "esac\n";
    char *path = weft_path_join(dir, name);

    put_file(path, script, strlen(script));
    chmod(path, 0755);
    q->v = weft_xrealloc(q->v, q->n + 1, sizeof(*q->v));
    q->v[q->n++] = (struct weft_qemu){machine_named(machine), path, weft_xstrdup(version)};
}

#endif
