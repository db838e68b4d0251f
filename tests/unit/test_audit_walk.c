/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers as a whole: what is left of them, and where libraries are looked for. Files are laid out
 * here; tests/e2e/audit_images.sh has those of compilers, and layers of BuildKit.
 */
#include "config.h"

#include <elf.h>
#include <fcntl.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "engine/audit_walk.h"
#include "tests/helpers.h"
#include "tests/unit/tar_fixture.h"

static const struct weft_platform arm64 = {"linux", "arm64", ""};

/* Add an ELF file to a layer. */
static void add_elf(struct weft_buf *tar, const char *path, struct elf_recipe r)
{
    weft_auto_buf elf = {0};

    r.type = r.type ? r.type : ET_DYN;
    r.machine = r.machine ? r.machine : EM_AARCH64;
    elf_make(&r, &elf);
    tar_add(tar, path, '0', 0755, NULL, elf.data, elf.len);
}

static void add_text(struct weft_buf *tar, const char *path, const char *text)
{
    tar_add(tar, path, '0', 0755, NULL, text, strlen(text));
}

/* The findings: "rule path: found; ..." */
static char *text_of(const struct weft_audit_report *r)
{
    weft_auto_buf b = {0};

    for (size_t i = 0; i < r->n; i++) {
        const struct weft_audit_finding *f = &r->findings[i];

        weft_buf_printf(&b, "%s%s %d %s: %s", i ? "; " : "", weft_audit_rule_name(f->rule),
                        f->layer, f->path ? f->path : "-", f->found);
    }
    return weft_buf_steal(&b);
}

/* Walk over tars, which are ended and freed. */
static void walk(const struct weft_audit_walk_opts *opts, struct weft_buf *tars, size_t n,
                 struct weft_audit_report *out)
{
    struct weft_audit_walk *w = weft_audit_walk_create(opts);

    for (size_t i = 0; i < n; i++) {
        struct weft_err *err = NULL;
        char digest[WEFT_DIGEST_SIZE];
        struct weft_layer_input in = {.name = "layer", .digest = digest};

        tar_end(&tars[i]);
        weft_digest_bytes(tars[i].data, tars[i].len, digest);
        in.bytes = tars[i].data;
        in.size_bytes = tars[i].len;
        assert_ok(weft_audit_walk_layer(w, &in, &err), &err);
        weft_buf_finish(&tars[i]);
    }
    weft_audit_walk_finish(w, out);
    weft_audit_walk_destroy(w);
}

static void assert_findings(struct weft_buf *tars, size_t n, const char *wanted)
{
    const struct weft_audit_walk_opts opts = {.platform = arm64};
    struct weft_audit_report r = {0};
    weft_auto_free char *got = NULL;

    walk(&opts, tars, n, &r);
    got = text_of(&r);
    weft_audit_report_finish(&r);
    assert_string_equal(got, wanted);
}

static void test_machine(void **state)
{
    struct weft_buf tar[1] = {{0}};

    (void)state;
    add_elf(tar, "app/good", (struct elf_recipe){0});
    add_elf(tar, "./app/bad", (struct elf_recipe){.machine = EM_X86_64, .type = ET_EXEC});
    add_text(tar, "app/text", "text");
    assert_findings(tar, 1, "wrong-machine 0 /app/bad: a program for x86-64");
}

/* What a layer takes away is none of the image; what one replaces is the upper one's. */
static void test_layers(void **state)
{
    const struct elf_recipe bad = {.machine = EM_X86_64, .type = ET_EXEC};
    struct weft_buf tars[3] = {{0}, {0}, {0}};

    (void)state;
    add_elf(&tars[0], "gone", bad);
    add_elf(&tars[0], "dir/gone", bad);
    add_elf(&tars[0], "replaced", bad);
    add_elf(&tars[0], "worse", (struct elf_recipe){0});
    add_elf(&tars[0], "opaque/gone", bad);
    add_elf(&tars[0], "stays", bad);
    add_text(&tars[1], ".wh.gone", "");
    add_text(&tars[1], ".wh.dir", "");
    add_text(&tars[1], ".wh..wh.plnk", "");
    add_elf(&tars[1], "replaced", (struct elf_recipe){0});
    add_elf(&tars[1], "worse", bad);
    add_elf(&tars[1], "opaque/new", bad);
    add_text(&tars[1], "opaque/.wh..wh..opq", "");
    assert_findings(tars, 3,
                    "wrong-machine 1 /opaque/new: a program for x86-64; "
                    "wrong-machine 0 /stays: a program for x86-64; "
                    "wrong-machine 1 /worse: a program for x86-64");
}

/* Many names, one finding; a name that comes before its file. */
static void test_hard_links(void **state)
{
    struct weft_buf tars[2] = {{0}, {0}};

    (void)state;
    tar_add(&tars[0], "early", '1', 0755, "file", NULL, 0);
    add_elf(&tars[0], "file", (struct elf_recipe){.machine = EM_X86_64, .type = ET_EXEC});
    tar_add(&tars[0], "late", '1', 0755, "file", NULL, 0);
    tar_add(&tars[0], "file", '1', 0755, "file", NULL, 0);
    tar_add(&tars[1], "upper", '1', 0755, "/file", NULL, 0);
    tar_add(&tars[1], ".wh.file", '0', 0755, NULL, NULL, 0);
    tar_add(&tars[1], ".wh.early", '0', 0755, NULL, NULL, 0);
    tar_add(&tars[1], ".wh.late", '0', 0755, NULL, NULL, 0);
    assert_findings(tars, 2, "wrong-machine 1 /upper: a program for x86-64");
}

static void test_lost_links(void **state)
{
    struct weft_buf tar[1] = {{0}};

    (void)state;
    tar_add(tar, "a", '1', 0755, "nothing", NULL, 0);
    tar_add(tar, "b", '1', 0755, "a", NULL, 0);
    assert_findings(tar, 1, "damaged 0 -: 2 hard links to what is not there: a, a link to nothing");
}

/* ---- libraries ---- */

static const char loader[] = "/lib/ld-linux-aarch64.so.1";

static void test_found(void **state)
{
    struct weft_buf tars[2] = {{0}, {0}};
    struct elf_recipe program = {.interpreter = loader, .needed = {"libc.so.6", "libx.so.1"}};

    (void)state;
    tar_add(&tars[0], "lib", '2', 0777, "usr/lib", NULL, 0);
    add_elf(&tars[0], "usr/lib/ld-linux-aarch64.so.1", (struct elf_recipe){0});
    add_elf(&tars[0], "usr/lib/aarch64-linux-gnu/libc.so.6",
            (struct elf_recipe){.needed = {"ld-linux-aarch64.so.1"}});
    add_elf(&tars[1], "opt/x/lib/libx.so.1.2", (struct elf_recipe){.needed = {"libc.so.6"}});
    tar_add(&tars[1], "opt/x/lib/libx.so.1", '2', 0777, "libx.so.1.2", NULL, 0);
    add_text(&tars[1], "etc/ld.so.conf", "# comment\ninclude ld.so.conf.d/*.conf\n");
    add_text(&tars[1], "etc/ld.so.conf.d/x.conf", "/opt/x/lib # here\n");
    add_text(&tars[1], "etc/ld.so.conf.d/x.not", "/opt/y/lib\n");
    add_elf(&tars[1], "usr/bin/by-conf", program);
    program.runpath = "/nowhere:$ORIGIN/../lib";
    program.needed[1] = "liby.so.1";
    add_elf(&tars[1], "opt/y/bin/by-runpath", program);
    program.runpath = "${ORIGIN}/../$LIB";
    add_elf(&tars[1], "opt/y/bin/by-lib", program);
    add_elf(&tars[1], "opt/y/lib/liby.so.1", (struct elf_recipe){0});
    assert_findings(tars, 2, "");
}

static void test_missing(void **state)
{
    struct weft_buf tar[1] = {{0}};

    (void)state;
    add_elf(tar, "lib/ld-linux-aarch64.so.1", (struct elf_recipe){0});
    add_elf(tar, "bin/lacks",
            (struct elf_recipe){.interpreter = loader, .needed = {"liba.so.1", "libb.so.1"}});
    add_elf(tar, "bin/musl",
            (struct elf_recipe){.interpreter = "/lib/ld-musl-aarch64.so.1",
                                .needed = {"libc.musl-aarch64.so.1"}});
    add_elf(tar, "bin/elsewhere",
            (struct elf_recipe){.interpreter = loader, .needed = {"libo.so.1"}});
    add_elf(tar, "opt/libo.so.1", (struct elf_recipe){0});
    /* who loads a library knows where its own are */
    add_elf(tar, "opt/libp.so.1", (struct elf_recipe){.needed = {"libo.so.1"}});
    add_elf(tar, "opt/libq.so.1", (struct elf_recipe){.needed = {"libr.so.1"}});
    /* one for another machine is none */
    add_elf(tar, "bin/foreign",
            (struct elf_recipe){.interpreter = loader, .needed = {"libf.so.1"}});
    add_elf(tar, "lib/libf.so.1", (struct elf_recipe){.machine = EM_X86_64});
    assert_findings(tar, 1,
                    "wrong-machine 0 /lib/libf.so.1: a library or program for x86-64; "
                    "missing-library 0 /bin/foreign: it is linked to libf.so.1; "
                    "missing-library 0 /bin/lacks: it is linked to liba.so.1 and libb.so.1; "
                    "missing-loader 0 /bin/musl: its dynamic loader is /lib/ld-musl-aarch64.so.1; "
                    "missing-library 0 /opt/libq.so.1: it is linked to libr.so.1; "
                    "unsearched-library 0 /bin/elsewhere: it is linked to libo.so.1");
}

static void test_musl(void **state)
{
    struct weft_buf tar[1] = {{0}};
    const struct elf_recipe program = {.interpreter = "/lib/ld-musl-aarch64.so.1",
                                       .needed = {"libc.musl-aarch64.so.1", "libz.so.1"}};

    (void)state;
    add_elf(tar, "lib/ld-musl-aarch64.so.1", (struct elf_recipe){0});
    add_elf(tar, "usr/local/lib/libz.so.1", (struct elf_recipe){0});
    add_elf(tar, "bin/good", program);
    assert_findings(tar, 1, "");
    add_elf(tar, "lib/ld-musl-aarch64.so.1", (struct elf_recipe){0});
    add_elf(tar, "usr/local/lib/libz.so.1", (struct elf_recipe){0});
    add_elf(tar, "bin/bad", program);
    add_text(tar, "etc/ld-musl-aarch64.path", "/lib\n/usr/lib\n");
    assert_findings(tar, 1, "unsearched-library 0 /bin/bad: it is linked to libz.so.1");
}

/* What the image's config says to search, and the patterns of --audit-allow. */
static void test_options(void **state)
{
    struct weft_strv allow = {0};
    const struct weft_audit_walk_opts opts = {
        .platform = arm64, .allow = &allow, .path = "/opt/bin", .library_path = "/opt/lib"};
    struct weft_audit_report r = {0};
    struct weft_buf tar[1] = {{0}};
    weft_auto_free char *got = NULL;

    (void)state;
    weft_strv_add(&allow, "/opt/cross/*");
    add_elf(tar, "lib/ld-linux-aarch64.so.1", (struct elf_recipe){0});
    add_elf(tar, "bin/a", (struct elf_recipe){.interpreter = loader, .needed = {"liba.so"}});
    add_elf(tar, "opt/lib/liba.so", (struct elf_recipe){0});
    add_elf(tar, "opt/cross/bin/as", (struct elf_recipe){.machine = EM_X86_64, .type = ET_EXEC});
    add_elf(tar, "usr/lib/grub/x", (struct elf_recipe){.machine = EM_386, .type = ET_EXEC});
    add_text(tar, "usr/bin/env", "\177");
    add_text(tar, "opt/bin/python3", "");
    add_text(tar, "s1", "#!/usr/bin/env python3\n");
    walk(&opts, tar, 1, &r);
    got = text_of(&r);
    assert_string_equal(got, "");
    assert_int_equal(r.n_allowed, 2);
    weft_audit_report_finish(&r);
    weft_strv_finish(&allow);
}

static void test_scripts(void **state)
{
    struct weft_buf tar[1] = {{0}};

    (void)state;
    add_text(tar, "bin/sh", "x");
    add_text(tar, "usr/bin/env", "x");
    add_text(tar, "good", "#!/bin/sh\n");
    add_text(tar, "bad", "#! /usr/bin/perl -w\n");
    add_text(tar, "env", "#!/usr/bin/env -S X=1 perl -w\n");
    add_text(tar, "env-good", "#!/usr/bin/env sh\n");
    tar_add(tar, "data", '0', 0644, NULL, "#!/usr/bin/perl\n", 16);
    assert_findings(tar, 1,
                    "missing-interpreter 0 /bad: a script for /usr/bin/perl; "
                    "missing-interpreter 0 /env: a script for /usr/bin/env perl");
}

/* ---- what layers are like that nobody meant well ---- */

static void test_hostile(void **state)
{
    static const char zeros[4000];
    struct weft_buf tars[4] = {{0}, {0}, {0}, {0}};

    (void)state;
    add_text(&tars[0], "../../etc/passwd", "x");
    add_text(&tars[0], "a/../../b", "x");
    tar_add(&tars[0], "x", '2', 0777, "x", NULL, 0);
    add_text(&tars[0], "x/y", "x");
    add_elf(&tars[0], "bad", (struct elf_recipe){.machine = EM_X86_64, .type = ET_EXEC});
    tar_add(&tars[1], "cut", '0', 0644, NULL, zeros, sizeof(zeros));
    tars[1].len = 1000;
    weft_buf_puts(&tars[2], "this is no tar at all");
    for (int i = 0; i < 100; i++) {
        weft_buf_puts(&tars[2], "........................................");
    }
    assert_findings(tars, 4,
                    "damaged 1 -: the layer cannot be read: layer: Truncated tar archive; "
                    "damaged 2 -: the layer cannot be read: layer: Unrecognized archive format; "
                    "wrong-machine 0 /bad: a program for x86-64; "
                    "damaged 0 -: 3 entries without a place: ../../etc/passwd: it leads out of the "
                    "layer");
}

/* A header that takes what there is: the map of a sparse file, a name. */
static void test_endless_header(void **state)
{
    struct weft_buf tars[2] = {{0}, {0}};
    const size_t len = 9 << 20;
    weft_auto_free char *long_name = weft_xcalloc(1, len);
    weft_auto_free char *map = weft_xcalloc(1, len);
    static const char pax[] = "22 GNU.sparse.major=1\n22 GNU.sparse.minor=0\n"
                              "27 GNU.sparse.realsize=999\n";

    (void)state;
    memset(long_name, 'n', len - 1);
    tar_add(&tars[0], "././@LongLink", 'L', 0644, NULL, long_name, len);
    add_text(&tars[0], "x", "x");
    memset(map, '0', len);
    memcpy(map, "3000000\n", 8);
    for (size_t i = 9; i < len; i += 2) {
        map[i] = '\n';
    }
    tar_add(&tars[1], "pax", 'x', 0644, NULL, pax, strlen(pax));
    tar_add(&tars[1], "sparse", '0', 0644, NULL, map, len);
    {
        const struct weft_audit_walk_opts opts = {.platform = arm64};
        struct weft_audit_report r = {0};

        walk(&opts, tars, 2, &r);
        assert_int_equal(r.n, 2);
        for (size_t i = 0; i < 2; i++) {
            assert_int_equal(r.findings[i].rule, WEFT_AUDIT_DAMAGE);
            assert_int_equal(r.findings[i].severity, WEFT_AUDIT_ERROR);
        }
        weft_audit_report_finish(&r);
    }
}

static void test_digest(void **state)
{
    const struct weft_audit_walk_opts opts = {.platform = arm64};
    struct weft_audit_walk *w = weft_audit_walk_create(&opts);
    struct weft_err *err = NULL;
    weft_auto_buf tar = {0};
    struct weft_layer_input in = {.name = "layer"};
    char digest[WEFT_DIGEST_SIZE];

    (void)state;
    weft_digest_bytes("x", 1, digest);
    in.digest = digest;
    add_text(&tar, "a", "b");
    tar_end(&tar);
    in.bytes = tar.data;
    in.size_bytes = tar.len;
    assert_int_equal(weft_audit_walk_layer(w, &in, &err), -1);
    assert_int_equal(err->code, WEFT_E_DIGEST);
    weft_err_free(err);
    weft_audit_walk_destroy(w);
}

/* A file that is read from a temporary file is judged as one that is not. */
static void test_large(void **state)
{
    struct weft_buf tar[1] = {{0}};
    weft_auto_buf elf = {0};
    weft_auto_free char *rest = weft_xcalloc(1, 20 << 20);

    (void)state;
    elf_make(
        &(struct elf_recipe){
            .machine = EM_AARCH64, .type = ET_DYN, .interpreter = loader, .needed = {"liba.so.1"}},
        &elf);
    weft_buf_append(&elf, rest, 20 << 20);
    tar_add(tar, "large", '0', 0755, NULL, elf.data, elf.len);
    assert_findings(tar, 1,
                    "missing-loader 0 /large: its dynamic loader is /lib/ld-linux-aarch64.so.1; "
                    "missing-library 0 /large: it is linked to liba.so.1");
}

static void test_empty(void **state)
{
    struct weft_buf tars[2] = {{0}, {0}};

    (void)state;
    assert_findings(tars, 2, "");
}

/* Errors count, also where notices have taken all the room. */
static void test_many_findings(void **state)
{
    const struct weft_audit_walk_opts opts = {.platform = arm64};
    struct weft_audit_report r = {0};
    struct weft_buf tar[1] = {{0}};

    (void)state;
    add_elf(tar, "last", (struct elf_recipe){.machine = EM_X86_64, .type = ET_EXEC});
    for (int i = 0; i < WEFT_AUDIT_FINDINGS_LIMIT; i++) {
        weft_auto_free char *name = weft_fmt("%d.o", i);

        add_elf(tar, name, (struct elf_recipe){.machine = EM_X86_64, .type = ET_REL});
    }
    walk(&opts, tar, 1, &r);
    assert_int_equal(r.n, WEFT_AUDIT_FINDINGS_LIMIT + 1);
    assert_int_equal(r.findings[0].severity, WEFT_AUDIT_ERROR);
    weft_audit_report_finish(&r);
}

static void test_unknown_platform(void **state)
{
    const struct weft_audit_walk_opts opts = {.platform = {"linux", "sparc64", ""}};
    struct weft_audit_report r = {0};
    struct weft_buf tar[1] = {{0}};

    (void)state;
    add_elf(tar, "a", (struct elf_recipe){0});
    walk(&opts, tar, 1, &r);
    assert_int_equal(r.n, 1);
    assert_int_equal(r.findings[0].rule, WEFT_AUDIT_LIMIT);
    weft_audit_report_finish(&r);
}

static void test_summary(void **state)
{
    const struct weft_audit_walk_opts opts = {.platform = arm64};
    struct weft_audit_report r = {0};
    struct weft_buf tar[1] = {{0}};

    (void)state;
    add_elf(tar, "lib/ld-musl-aarch64.so.1", (struct elf_recipe){0});
    add_elf(tar, "bin/a", (struct elf_recipe){.interpreter = "/lib/ld-musl-aarch64.so.1"});
    tar_add(tar, "bin/b", '1', 0755, "bin/a", NULL, 0);
    for (char c = 'a'; c <= 'h'; c++) {
        char name[] = {c, '\0'};
        static const char bytes[600];

        tar_add(tar, name, '0', 0644, NULL, bytes, (size_t)(c - 'a') + 500);
    }
    walk(&opts, tar, 1, &r);
    assert_int_equal(r.summary.files, 11);
    assert_int_equal(r.summary.elf_files, 2);
    assert_string_equal(r.summary.libc, "musl");
    assert_null(r.summary.glibc);
    assert_null(r.summary.isa);
    assert_int_equal(r.summary.n_biggest, WEFT_AUDIT_BIGGEST);
    assert_string_equal(r.summary.biggest[0].path, "/h");
    assert_int_equal(r.summary.biggest[0].size_bytes, 507);
    assert_string_equal(r.summary.biggest[4].path, "/d");
    weft_audit_report_finish(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_machine),        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_hard_links),     cmocka_unit_test(test_lost_links),
        cmocka_unit_test(test_found),          cmocka_unit_test(test_missing),
        cmocka_unit_test(test_musl),           cmocka_unit_test(test_options),
        cmocka_unit_test(test_scripts),        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_endless_header), cmocka_unit_test(test_digest),
        cmocka_unit_test(test_large),          cmocka_unit_test(test_empty),
        cmocka_unit_test(test_many_findings),  cmocka_unit_test(test_unknown_platform),
        cmocka_unit_test(test_summary),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
