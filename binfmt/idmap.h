/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which user and group ids a worker's user namespace gets: from /proc/self/uid_map for root, from
 * /etc/subuid and /etc/subgid for an ordinary user. The parsers are pure; writing the maps is
 * binfmt/sandbox.h's.
 */
#ifndef WEFT_BINFMT_IDMAP_H
#define WEFT_BINFMT_IDMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct weft_err;

enum {
    WEFT_IDMAP_RANGES_MAX = 32,
    WEFT_IDMAP_IDS_MIN =
        1000, /* fewer are of no use: RUN steps need a terminal's group (5), images their owners */
};

struct weft_idrange {
    uint32_t inside;
    uint32_t outside; /* as the namespace that makes the map sees it */
    uint32_t count;
};

struct weft_idmap {
    struct weft_idrange v[WEFT_IDMAP_RANGES_MAX];
    size_t n;
};

/** The maps of one namespace. */
struct weft_idmaps {
    struct weft_idmap uid, gid;
    char *newuidmap, *newgidmap; /* programs that write them; NULL: we may write them ourselves */
};

/**
 * The map that root makes: every id of `text` (the content of /proc/self/uid_map) onto itself, but
 * never all 2^32-1 of them, which BuildKit takes for the initial namespace. Returns 0, or -1
 * WEFT_E_FORMAT.
 */
int weft_idmap_from_proc(const char *text, struct weft_idmap *map, struct weft_err **err);

/**
 * The first id, 100000 (as useradd counts) or above, behind every range that `text` (/etc/subuid or
 * /etc/subgid) gives to anybody: where a new range shares no id with another user's.
 */
uint64_t weft_idmap_first_free(const char *text);

/**
 * The map of an ordinary user: 0 is `self`, then the ranges that `text` (/etc/subuid or
 * /etc/subgid) gives to the user, by name or by number. Returns how many ids the ranges have (0: no
 * line for this user).
 */
uint64_t weft_idmap_from_subid(const char *text, const char *user, uid_t uid, uint32_t self,
                               struct weft_idmap *map);

/** As above, from the output of getsubids(1): "0: NAME START COUNT". */
uint64_t weft_idmap_from_getsubids(const char *text, uint32_t self, struct weft_idmap *map);

/** "0 1000 1\n1 100000 65536\n": what /proc/PID/uid_map takes. Caller frees. */
char *weft_idmap_text(const struct weft_idmap *map);

/**
 * The maps of this user on this machine. Errors: WEFT_E_UNSUPPORTED with the command that mends it
 * (no range, no newuidmap, too few ids); WEFT_E_IO. Ownership: weft_idmaps_finish.
 */
int weft_idmaps_detect(struct weft_idmaps *maps, struct weft_err **err);
void weft_idmaps_finish(struct weft_idmaps *maps);

#endif
