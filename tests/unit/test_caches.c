/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What du and prune make of their flags, of buildctl's lines, and of a state directory.
 */
#include "config.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "engine/cache_filter.h"
#include "engine/cache_record.h"
#include "engine/cache_show.h"
#include "engine/state_usage.h"
#include "engine/worker_disk.h"
#include "tests/helpers.h"

/* ---- filters ---- */

static const struct {
    const char *values; /* apart by '|' */
    const char *want;   /* "TEXT UNTIL_MS", or the error */
} filters[] = {
    {"until=24h", "- 86400000"},
    {"unused-for=2h30m", "- 9000000"},
    {"until=0", "- 0"},
    {"type=regular", "type==\"regular\" 0"},
    {"type!=exec.cachemount", "type!=\"exec.cachemount\" 0"},
    {"TYPE = regular ", "type==\"regular\" 0"},
    {"type~=^source", "type~=\"^source\" 0"},
    {"id=abc", "id~=\"abc\" 0"},
    {"id!=abc", "id!=\"abc\" 0"},
    {"parents=a;b", "parents==\"a;b\" 0"},
    {"description~=gola.g", "description~=\"gola.g\" 0"},
    {"description=RUN a, \"b\" \\c", "description==\"RUN a, \\\"b\\\" \\\\c\" 0"},
    {"description=a\tb", "description==\"a\\x09b\" 0"},
    {"description=a=b", "description==\"a=b\" 0"},
    {"inuse", "inuse 0"},
    {"mutable=true|private", "mutable,private 0"},
    {"type=regular|description~=x|until=1h|shared",
     "type==\"regular\",description~=\"x\",shared 3600000"},
    {"type!=regular|type!=internal", "--filter: type is given twice"},
    {"type!=regular|type~=e", "type!=\"regular\",type~=\"e\" 0"},
    {"until=1h|unused-for=1h", "--filter: unused-for is given twice"},
    {"until=24", "--filter: until is a duration"},
    {"until", "--filter: until is a duration"},
    {"until!=24h", "--filter: until is a duration"},
    {"type", "--filter: type has no value"},
    {"type=", "--filter: type has no value"},
    {"type=nothing", "--filter: \"nothing\" is no type of cache records"},
    {"shared=false", "--filter: shared takes no value"},
    {"inuse~=x", "--filter: inuse takes no value"},
    {"size=1", "--filter: \"size\" is no filter"},
    {"=1", "--filter: \"\" is no filter"},
    {"", "--filter: \"\" is no filter"},
    {"id=\xff", "--filter: the value of id is not UTF-8"},
};

static void test_filter(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(filters); i++) {
        weft_auto_strv values = {0};
        weft_auto_err err = NULL;
        struct weft_cache_filter f = {0};
        weft_auto_free char *got = NULL;

        weft_split(filters[i].values, '|', &values);
        got = weft_cache_filter_parse(&values, &f, &err) < 0
                  ? weft_fmt("%s", err->msg)
                  : weft_fmt("%s %lld", f.text ? f.text : "-", (long long)f.until_ms);
        assert_string_equal(got, filters[i].want);
        weft_cache_filter_finish(&f);
    }
}

/* ---- records ---- */

static const char line[] =
    "{\"id\":\"one\",\"mutable\":true,\"inUse\":false,\"size\":8224,"
    "\"createdAt\":\"2026-11-30T20:57:01.123456789Z\",\"lastUsedAt\":\"2026-11-30T20:57:02Z\","
    "\"usageCount\":3,\"parents\":[\"p\",\"q\"],\"description\":\"a\\u001bb\","
    "\"recordType\":\"source.local\",\"shared\":true}";

static void test_record(void **state)
{
    struct weft_cache_record r = {0};
    struct weft_err *err = NULL;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    (void)state;
    if (weft_cache_record_parse(line, strlen(line), &r, &err) < 0) {
        fail_msg("%s", err->msg);
    }
    assert_int_equal(r.last_used_s, 1796072222);
    weft_cache_show_row(out, &r, r.last_used_s + 60);
    weft_cache_show_block(out, &r, r.last_used_s + 60);
    weft_cache_show_json_line(out, &r, "group");
    fclose(out);
    assert_string_equal(
        text, "one*                              true         8.224kB*   About a minute ago\n"
              "ID:           one\n"
              "Parents:\n - p\n - q\n"
              "Created at:   2026-11-30 20:57:01.123456789 +0000 UTC\n"
              "Mutable:      true\n"
              "Reclaimable:  true\n"
              "Shared:       true\n"
              "Size:         8.224kB\n"
              "Description:  a\\x1bb\n"
              "Usage count:  3\n"
              "Last used:    About a minute ago\n"
              "Type:         source.local\n"
              "\n"
              "{\"CreatedAt\":\"2026-11-30T20:57:01.123456789Z\",\"Description\":\"a\\u001Bb\","
              "\"ID\":\"one\",\"LastUsedAt\":\"2026-11-30T20:57:02Z\",\"Mutable\":true,"
              "\"Parents\":[\"p\",\"q\"],\"Reclaimable\":true,\"Shared\":true,\"Size\":\"8224\","
              "\"Type\":\"source.local\",\"UsageCount\":3,\"Worker\":\"group\"}\n");
    weft_cache_record_finish(&r);
    free(text);
}

static void test_bad_record(void **state)
{
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"id\":\"\",\"createdAt\":\"2026-11-30T20:57:01Z\"}",
        "{\"id\":\"x\"}",
        "{\"id\":\"x\",\"createdAt\":\"2026-11-30T20:57:01\"}",
        "{\"id\":\"x\",\"createdAt\":\"2026-11-30T20:57:01.Z\"}",
        "{\"id\":\"x\",\"createdAt\":\"2026-11-30T20:57:01+01:00\"}",
        "{\"id\":\"x\",\"createdAt\":\"2026-11-30T20:57:01Z\",\"lastUsedAt\":\"x\"}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct weft_cache_record r = {0};
        weft_auto_err err = NULL;

        assert_int_equal(weft_cache_record_parse(bad[i], strlen(bad[i]), &r, &err), -1);
        assert_int_equal(err->code, WEFT_E_FORMAT);
    }
}

static void test_totals(void **state)
{
    struct weft_cache_totals t = {0}, all = {0};
    struct weft_cache_record r = {.size_bytes = 10};
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    (void)state;
    weft_cache_totals_add(&t, &r);
    r.in_use = true;
    r.size_bytes = 100;
    weft_cache_totals_add(&t, &r);
    weft_cache_show_totals(out, &t);
    r.shared = true;
    r.in_use = false;
    r.size_bytes = 1000;
    weft_cache_totals_add(&t, &r);
    weft_cache_totals_join(&all, &t);
    weft_cache_show_totals(out, &all);
    fclose(out);
    assert_int_equal(all.own_bytes, 110);
    assert_string_equal(text, "Reclaimable:  10B\nTotal:        110B\n"
                              "Shared:       1kB\nPrivate:      110B\n"
                              "Reclaimable:  1.01kB\nTotal:        1.11kB\n");
    free(text);
}

/* ---- limits ---- */

static void test_limits(void **state)
{
    static const struct {
        struct weft_cache_limits limits;
        uint64_t used, left;
        int64_t keep; /* -1: no limit */
    } cases[] = {
        {{0, 0, 0}, 100, 50, -1},    {{0, 60, 0}, 100, 50, 60},
        {{70, 60, 0}, 100, 50, 70}, /* what is reserved wins */
        {{30, 0, 0}, 100, 50, 30},  /* alone it is a limit, as for BuildKit */
        {{0, 0, 40}, 100, 50, -1},  /* so much is free */
        {{0, 0, 70}, 100, 50, 80},  /* 20 are lacking */
        {{0, 60, 70}, 100, 50, 60}, /* the smaller one */
        {{0, 90, 70}, 100, 50, 80},  {{0, 0, 700}, 100, 50, 0}, /* it cannot be had */
        {{10, 0, 700}, 100, 50, 10}, {{0, 60, 40}, 100, 50, 60},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        uint64_t keep = 0;
        bool got = weft_cache_limits_keep(&cases[i].limits, cases[i].used, cases[i].left, &keep);

        if (got != (cases[i].keep >= 0) || (got && keep != (uint64_t)cases[i].keep)) {
            fail_msg("case %zu: %d %llu", i, got, (unsigned long long)keep);
        }
    }
}

static void test_level(void **state)
{
    static const uint64_t used[] = {50, 10, 100, 10};

    (void)state;
    assert_int_equal(weft_cache_level(used, 4, 170), UINT64_MAX);
    assert_int_equal(weft_cache_level(used, 4, 169), 99); /* 10, 10, 50, 99 */
    assert_int_equal(weft_cache_level(used, 4, 120), 50); /* 10, 10, 50, 50 */
    assert_int_equal(weft_cache_level(used, 4, 100), 40); /* 10, 10, 40, 40 */
    assert_int_equal(weft_cache_level(used, 4, 20), 5);
    assert_int_equal(weft_cache_level(used, 4, 0), 0);
    assert_int_equal(weft_cache_level(NULL, 0, 0), UINT64_MAX);
}

/* ---- the state directory ---- */

static void put_kib(const char *root, const char *name, size_t kib)
{
    weft_auto_free char *path = weft_path_join(root, name);
    weft_auto_free char *dir = weft_path_dir(path);
    weft_auto_free char *data = weft_xcalloc(kib, 1024);

    assert_int_equal(weft_mkdirs(dir, 0700, NULL), 0);
    put_file(path, data, kib * 1024);
}

/* Blocks of what is there, as a second opinion on what was counted. */
static uint64_t blocks(const char *root, const char *name)
{
    weft_auto_free char *path = weft_path_join(root, name);
    struct stat st;

    assert_int_equal(lstat(path, &st), 0);
    return (uint64_t)st.st_blocks * 512;
}

static void test_state(void **state)
{
    const char *root = *state;
    weft_auto_free char *a = weft_path_join(root, "workers/a/x");
    weft_auto_free char *b = weft_path_join(root, "workers/b/x");
    weft_auto_free char *gone = weft_path_join(root, "gone");
    struct weft_state_usage u;

    put_kib(root, "workers/a/x", 64);
    put_kib(root, "workers/b/y", 32);
    put_kib(root, "workers/.c.removing/z", 16);
    put_kib(root, "qemu/copy", 8);
    put_kib(root, "mine", 4);
    assert_int_equal(link(a, b), 0);
    weft_state_usage_count(root, &u);
    assert_int_equal(u.n, 5);
    assert_true(u.is_whole);
    assert_string_equal(u.v[0].path, "mine");
    assert_string_equal(u.v[0].what, "");
    assert_int_equal(u.v[0].bytes, blocks(root, "mine"));
    assert_string_equal(u.v[1].path, "qemu");
    assert_int_equal(u.v[1].bytes, blocks(root, "qemu") + blocks(root, "qemu/copy"));
    assert_string_equal(u.v[2].path, "workers/.c.removing");
    assert_string_equal(u.v[2].what, "rest of a state that was removed");
    assert_string_equal(u.v[3].path, "workers/a");
    assert_string_equal(u.v[4].path, "workers/b");
    /* a file with two names is in one of them */
    assert_int_equal(u.v[3].bytes + u.v[4].bytes,
                     blocks(root, "workers/a") + blocks(root, "workers/b") +
                         blocks(root, "workers/a/x") + blocks(root, "workers/b/y"));
    assert_int_equal(u.total_bytes, u.v[0].bytes + u.v[1].bytes + u.v[2].bytes + u.v[3].bytes +
                                        u.v[4].bytes + blocks(root, "workers") + blocks(root, "."));
    weft_state_usage_finish(&u);
    weft_state_usage_count(gone, &u);
    assert_int_equal(u.n, 0);
    assert_true(u.is_whole);
    weft_state_usage_finish(&u);
}

static void test_room(void **state)
{
    weft_auto_free char *later = weft_path_join(*state, "not/yet");
    weft_auto_free char *slot = weft_path_join(*state, "workers/a");
    weft_auto_free char *usage = weft_path_join(slot, "usage.json");
    const struct weft_worker_usage used = {.used_bytes = 5, .share_bytes = 7};
    struct weft_worker_room room;
    weft_auto_err err = NULL;

    unsetenv("WEFT_WORKER_DISK");
    assert_int_equal(weft_worker_room_look(later, 0, &room, &err), 0);
    assert_true(room.fs_bytes > 0 && room.free_bytes <= room.fs_bytes && !room.no_files);
    assert_int_equal(room.budget_bytes, weft_worker_disk_default(room.fs_bytes));
    assert_null(room.said_by);
    assert_int_equal(weft_worker_room_look(later, 3000000, &room, &err), 0);
    assert_int_equal(room.budget_bytes, 3000000);
    assert_string_equal(room.said_by, "the config file");
    setenv("WEFT_WORKER_DISK", "2M", 1);
    assert_int_equal(weft_worker_room_look(later, 3000000, &room, &err), 0);
    assert_int_equal(room.budget_bytes, 2000000);
    assert_string_equal(room.said_by, "WEFT_WORKER_DISK");
    setenv("WEFT_WORKER_DISK", "much", 1);
    assert_int_equal(weft_worker_room_look(later, 0, &room, &err), -1);
    assert_int_equal(err->code, WEFT_E_USAGE);
    unsetenv("WEFT_WORKER_DISK");
    assert_int_equal(weft_worker_disk_used(*state), 0);
    assert_int_equal(weft_mkdirs(slot, 0700, NULL), 0);
    assert_int_equal(weft_worker_disk_used(*state), 0);
    assert_int_equal(weft_worker_usage_write(usage, &used, NULL), 0);
    assert_int_equal(weft_worker_disk_used(*state), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_record),
        cmocka_unit_test(test_bad_record),
        cmocka_unit_test(test_totals),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_level),
        temp_test(test_state),
        temp_test(test_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
