/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "binfmt/idmap.h"

#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "base/str.h"

enum {
    FILE_MAX_BYTES = 1 << 20
};

/* what useradd gives: SUB_UID_MIN and SUB_UID_COUNT of login.defs(5) */
#define SUBIDS_FIRST UINT64_C(100000)
#define SUBIDS_COUNT UINT64_C(65536)
#define IDS_LAST UINT32_C(4294967294) /* how many of 2^32 - 1 ids a worker may have */

static void add(struct weft_idmap *map, uint32_t inside, uint32_t outside, uint32_t count)
{
    if (count > 0 && map->n < WEFT_IDMAP_RANGES_MAX) {
        map->v[map->n++] = (struct weft_idrange){inside, outside, count};
    }
}

static uint64_t ids_in(const struct weft_idmap *map)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < map->n; i++) {
        sum += map->v[i].count;
    }
    return sum;
}

int weft_idmap_from_proc(const char *text, struct weft_idmap *map, struct weft_err **err)
{
    weft_auto_strv lines = {0};

    map->n = 0;
    weft_split(text, '\n', &lines);
    for (size_t i = 0; i < lines.n; i++) {
        uint32_t inside, outside, count;
        char rest;

        if (*lines.v[i] == '\0') {
            continue;
        }
        if (sscanf(lines.v[i], "%" SCNu32 " %" SCNu32 " %" SCNu32 "%c", &inside, &outside, &count,
                   &rest) != 3 ||
            count > UINT32_MAX - inside) {
            return weft_fail(err, WEFT_E_FORMAT, "unexpected line in an id map: %s", lines.v[i]);
        }
        if (inside + count > IDS_LAST) {
            count = inside < IDS_LAST ? IDS_LAST - inside : 0;
        }
        add(map, inside, inside, count);
    }
    return 0;
}

/* Append a range of subordinate ids behind those that the map has. */
static void add_subids(struct weft_idmap *map, const char *start_text, const char *count_text)
{
    char *end_start, *end_count;
    unsigned long long start, count;
    uint64_t next = ids_in(map);

    if (*start_text < '0' || *start_text > '9' || *count_text < '0' || *count_text > '9') {
        return;
    }
    start = strtoull(start_text, &end_start, 10);
    count = strtoull(count_text, &end_count, 10);
    if (*end_start || *end_count || start >= UINT32_MAX || count == 0 ||
        count > UINT32_MAX - start || next + count > IDS_LAST) {
        return;
    }
    add(map, (uint32_t)next, (uint32_t)start, (uint32_t)count);
}

uint64_t weft_idmap_from_subid(const char *text, const char *user, uid_t uid, uint32_t self,
                               struct weft_idmap *map)
{
    weft_auto_free char *number = weft_fmt("%u", (unsigned)uid);
    weft_auto_strv lines = {0};

    map->n = 0;
    add(map, 0, self, 1);
    weft_split(text, '\n', &lines);
    for (size_t i = 0; i < lines.n; i++) {
        weft_auto_strv parts = {0};

        weft_split(lines.v[i], ':', &parts);
        if (parts.n == 3 && *lines.v[i] != '#' &&
            (weft_str_eq(parts.v[0], user) || strcmp(parts.v[0], number) == 0)) {
            add_subids(map, parts.v[1], parts.v[2]);
        }
    }
    return ids_in(map) - 1;
}

uint64_t weft_idmap_from_getsubids(const char *text, uint32_t self, struct weft_idmap *map)
{
    weft_auto_strv lines = {0};

    map->n = 0;
    add(map, 0, self, 1);
    weft_split(text, '\n', &lines);
    for (size_t i = 0; i < lines.n; i++) {
        weft_auto_strv parts = {0};

        weft_split(lines.v[i], ' ', &parts);
        if (parts.n == 4 && weft_ends_with(parts.v[0], ":")) {
            add_subids(map, parts.v[2], parts.v[3]);
        }
    }
    return ids_in(map) - 1;
}

char *weft_idmap_text(const struct weft_idmap *map)
{
    weft_auto_buf b = {0};

    for (size_t i = 0; i < map->n; i++) {
        weft_buf_printf(&b, "%" PRIu32 " %" PRIu32 " %" PRIu32 "\n", map->v[i].inside,
                        map->v[i].outside, map->v[i].count);
    }
    return weft_buf_steal(&b);
}

static int detect_root(const char *path, struct weft_idmap *map, struct weft_err **err)
{
    weft_auto_free char *text = NULL;
    uint64_t ids;

    if (weft_read_file(path, FILE_MAX_BYTES, &text, NULL, err) < 0 ||
        weft_idmap_from_proc(text, map, err) < 0) {
        return weft_err_wrap(err, "%s", path);
    }
    ids = ids_in(map);
    if (map->n == 0 || map->v[0].inside != 0 || ids < WEFT_IDMAP_IDS_MIN) {
        weft_fail(err, WEFT_E_UNSUPPORTED,
                  "root has only %" PRIu64 " ids here (%s); a worker needs at least %d", ids, path,
                  WEFT_IDMAP_IDS_MIN);
        return weft_err_hint(err, "give the outer container or namespace a wider id map");
    }
    return 0;
}

/* getsubids knows more sources than the files (nsswitch.conf "subid:"). */
static uint64_t ask_getsubids(bool groups, const char *user, uint32_t self, struct weft_idmap *map)
{
    weft_auto_free char *program = weft_find_program("getsubids");
    weft_auto_free char *answer = NULL;
    weft_auto_strv argv = {0};

    if (!program) {
        return 0;
    }
    weft_strv_add(&argv, "getsubids");
    if (groups) {
        weft_strv_add(&argv, "-g");
    }
    weft_strv_add(&argv, user);
    if (weft_run_capture(program, argv.v, 0, &answer, NULL) != 0 || !answer) {
        return 0;
    }
    return weft_idmap_from_getsubids(answer, self, map);
}

uint64_t weft_idmap_first_free(const char *text)
{
    weft_auto_strv lines = {0};
    uint64_t first = SUBIDS_FIRST;

    weft_split(text, '\n', &lines);
    for (size_t i = 0; i < lines.n; i++) {
        weft_auto_strv parts = {0};
        uint64_t end;

        weft_split(lines.v[i], ':', &parts);
        if (parts.n == 3 && *lines.v[i] != '#') {
            end = strtoull(parts.v[1], NULL, 10) + strtoull(parts.v[2], NULL, 10);
            first = end > first && end < IDS_LAST ? end : first;
        }
    }
    return first;
}

/* The command that gives a user ids which nobody has yet. */
static int hint_subids(const char *user, struct weft_err **err)
{
    static const char *const paths[] = {"/etc/subuid", "/etc/subgid"};
    uint64_t first = SUBIDS_FIRST;

    for (size_t i = 0; i < 2; i++) {
        weft_auto_free char *text = NULL;

        if (weft_read_file(paths[i], FILE_MAX_BYTES, &text, NULL, NULL) == 0) {
            uint64_t behind = weft_idmap_first_free(text);

            first = behind > first ? behind : first;
        }
    }
    return weft_err_hint(err,
                         "sudo usermod --add-subuids %" PRIu64 "-%" PRIu64 " --add-subgids %" PRIu64
                         "-%" PRIu64 " %s",
                         first, first + SUBIDS_COUNT - 1, first, first + SUBIDS_COUNT - 1, user);
}

static int detect_user(bool groups, const char *user, struct weft_idmap *map, struct weft_err **err)
{
    const char *path = groups ? "/etc/subgid" : "/etc/subuid";
    uint32_t self = groups ? getegid() : geteuid();
    weft_auto_free char *text = NULL;
    uint64_t ids = 0;

    if (weft_exists(path)) {
        if (weft_read_file(path, FILE_MAX_BYTES, &text, NULL, err) < 0) {
            return -1;
        }
        ids = weft_idmap_from_subid(text, user, geteuid(), self, map);
    }
    if (ids == 0) {
        ids = ask_getsubids(groups, user, self, map);
    }
    if (ids < WEFT_IDMAP_IDS_MIN) {
        weft_fail(err, WEFT_E_UNSUPPORTED,
                  "user %s has %" PRIu64 " subordinate %s ids (%s); a worker needs at least %d",
                  user, ids, groups ? "group" : "user", path, WEFT_IDMAP_IDS_MIN);
        return hint_subids(user, err);
    }
    return 0;
}

static char *need_program(const char *name, struct weft_err **err)
{
    char *path = weft_find_program(name);

    if (!path) {
        weft_fail(err, WEFT_E_UNSUPPORTED, "%s is missing: a user other than root needs it", name);
        weft_err_hint(err, "sudo apt-get install uidmap");
    }
    return path;
}

static char *user_name(void)
{
    struct passwd pw, *found = NULL;
    char buf[4096];

    if (getpwuid_r(geteuid(), &pw, buf, sizeof(buf), &found) == 0 && found) {
        return weft_xstrdup(pw.pw_name);
    }
    return weft_fmt("%u", (unsigned)geteuid());
}

int weft_idmaps_detect(struct weft_idmaps *maps, struct weft_err **err)
{
    weft_auto_free char *user = NULL;

    *maps = (struct weft_idmaps){0};
    if (geteuid() == 0) {
        return detect_root("/proc/self/uid_map", &maps->uid, err) < 0
                   ? -1
                   : detect_root("/proc/self/gid_map", &maps->gid, err);
    }
    user = user_name();
    if (detect_user(false, user, &maps->uid, err) < 0 ||
        detect_user(true, user, &maps->gid, err) < 0) {
        return -1;
    }
    maps->newuidmap = need_program("newuidmap", err);
    if (!maps->newuidmap) {
        return -1;
    }
    maps->newgidmap = need_program("newgidmap", err);
    return maps->newgidmap ? 0 : -1;
}

void weft_idmaps_finish(struct weft_idmaps *maps)
{
    free(maps->newuidmap);
    free(maps->newgidmap);
    *maps = (struct weft_idmaps){0};
}
