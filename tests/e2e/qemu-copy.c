/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qemu-copy DIR PROGRAM MODEL...: makes a copy of a QEMU program (named qemu-ARCH or
 *     qemu-ARCH-static) for each model and prints its path; what is known is kept in DIR/answers.
 * qemu-copy -s STUB -m ELF-MACHINE PROGRAM MODEL OUT: puts another stub in, and tries nothing.
 * qemu-copy -t DAYS DIR: removes the copies that were not used for so long.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/answers.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "binfmt/qemu_copy.h"
#include "binfmt/stub.h"

enum {
    PROGRAM_LIMIT = 1 << 28
};

static int fail(struct weft_err *err)
{
    int code = weft_err_exit_code(err);

    fprintf(stderr, "qemu-copy: %s\n", err->msg);
    weft_err_free(err);
    return code;
}

/* The machine of "qemu-aarch64-static". */
static const struct weft_machine *machine_of(const char *program)
{
    weft_auto_free char *name = weft_xstrdup(weft_path_base(program));
    const struct weft_machine *const *all;
    size_t n;

    if (weft_ends_with(name, "-static")) {
        name[strlen(name) - strlen("-static")] = '\0';
    }
    all = weft_catalogue_machines(&n);
    for (size_t i = 0; i < n; i++) {
        if (weft_starts_with(name, "qemu-") && strcmp(name + strlen("qemu-"), all[i]->qemu) == 0) {
            return all[i];
        }
    }
    return NULL;
}

static int make_copies(char **argv)
{
    weft_auto_free char *dir = weft_path_abs(argv[0], NULL);
    weft_auto_free char *kept = weft_path_join(dir, "answers");
    struct weft_answers *a;
    struct weft_err *err = NULL;
    int code = 0;

    if (!machine_of(argv[1])) {
        fprintf(stderr, "qemu-copy: %s: no machine has this name\n", argv[1]);
        return 2;
    }
    if (weft_private_dir(dir, &err) < 0) {
        return fail(err);
    }
    a = weft_answers_create(kept);
    for (int i = 2; argv[i] && code == 0; i++) {
        weft_auto_free char *copy =
            weft_qemu_copy(dir, a, argv[1], machine_of(argv[1]), argv[i], &err);

        if (copy) {
            puts(copy);
        } else {
            code = fail(err);
        }
    }
    weft_answers_destroy(a);
    return code;
}

/* The program, with what the patch says in place of it. */
static int put_in(const struct weft_stub *stub, char **argv)
{
    weft_auto_stub_patch p = {0};
    weft_auto_free char *image = NULL;
    weft_auto_free char *out = NULL;
    struct weft_err *err = NULL;
    size_t len, out_len;

    if (weft_read_file(argv[0], PROGRAM_LIMIT, &image, &len, &err) < 0 ||
        weft_stub_prepare(stub, image, len, argv[1], &p, &err) < 0) {
        return fail(err);
    }
    out_len = (size_t)p.where.offset + p.segment_len;
    out = weft_xcalloc(1, out_len);
    memcpy(out, image, len);
    memcpy(out, p.where.head, p.where.head_len);
    memcpy(out + p.where.offset, p.segment, p.segment_len);
    if (weft_write_file(argv[2], out, out_len, 0755, &err) < 0) {
        return fail(err);
    }
    printf("gives up %s\n", p.where.given_up);
    return 0;
}

int main(int argc, char **argv)
{
    weft_auto_free char *code = NULL;
    struct weft_stub stub = {0};
    struct weft_err *err = NULL;
    long days = -1;
    int opt;

    while ((opt = getopt(argc, argv, "s:m:t:")) != -1) {
        switch (opt) {
        case 's':
            if (weft_read_file(optarg, 1 << 20, &code, &stub.len, &err) < 0) {
                return fail(err);
            }
            stub.code = (const unsigned char *)code;
            break;
        case 'm':
            stub.machine = (uint16_t)strtol(optarg, NULL, 10);
            break;
        case 't':
            days = strtol(optarg, NULL, 10);
            break;
        default:
            return 2;
        }
    }
    argc -= optind;
    argv += optind;
    if (days >= 0 && argc == 1) {
        weft_qemu_copies_trim(argv[0], (int)days);
        return 0;
    }
    if (stub.code && argc == 3) {
        return put_in(&stub, argv);
    }
    return !stub.code && argc >= 3 ? make_copies(argv) : 2;
}
