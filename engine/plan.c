/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/plan.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/str.h"

enum {
    COUNT_FILES = 200000,
    COUNT_DEPTH = 100
};

static bool shares_worker(const struct weft_request *r, bool pinned, uint64_t context_bytes,
                          enum weft_plan_reason *reason)
{
    if (r->workers != WEFT_WORKERS_AUTO) {
        *reason = WEFT_PLAN_ASKED;
        return r->workers == WEFT_WORKERS_GROUP;
    }
    if (r->n_platforms == 1) {
        *reason = WEFT_PLAN_SINGLE;
        return false;
    }
    *reason = pinned                                        ? WEFT_PLAN_PINNED
              : r->pinned.context                           ? WEFT_PLAN_REMOTE
              : context_bytes > WEFT_PLAN_BIG_CONTEXT_BYTES ? WEFT_PLAN_BIG_CONTEXT
                                                            : WEFT_PLAN_APART;
    return *reason != WEFT_PLAN_APART;
}

static size_t add_slot(struct weft_plan *p, char *name)
{
    p->slots[p->n_slots] = name;
    return p->n_slots++;
}

/* The common one has the handlers of the machines' plain platforms. One whose handler would be
 * another (arm v5 and v6 beside v7) has a group of its own, of the same name in every build. */
static void share(const struct weft_request *r, const bool *clashes, struct weft_plan *out)
{
    char name[WEFT_PLATFORM_SIZE];
    size_t common = r->n_platforms; /* no such slot yet */

    for (size_t i = 0; i < r->n_platforms; i++) {
        if (clashes && clashes[i]) {
            out->slot_of[i] =
                add_slot(out, weft_fmt("group_%s", weft_platform_dirname(&r->platforms[i], name)));
            continue;
        }
        if (common == r->n_platforms) {
            common = add_slot(out, weft_xstrdup("group"));
        }
        out->slot_of[i] = common;
    }
}

void weft_plan_make(const struct weft_request *r, const bool *clashes, bool pinned,
                    uint64_t context_bytes, struct weft_plan *out)
{
    bool shared = shares_worker(r, pinned, context_bytes, &out->reason);
    char name[WEFT_PLATFORM_SIZE];

    out->n_platforms = r->n_platforms;
    out->slot_of = weft_xcalloc(r->n_platforms, sizeof(*out->slot_of));
    out->slots = weft_xcalloc(r->n_platforms, sizeof(*out->slots));
    if (shared) {
        share(r, clashes, out);
        return;
    }
    for (size_t i = 0; i < r->n_platforms; i++) {
        out->slot_of[i] =
            add_slot(out, weft_xstrdup(weft_platform_dirname(&r->platforms[i], name)));
    }
}

void weft_plan_finish(struct weft_plan *p)
{
    for (size_t i = 0; i < p->n_slots; i++) {
        free(p->slots[i]);
    }
    free(p->slots);
    free(p->slot_of);
    *p = (struct weft_plan){0};
}

const char *weft_plan_reason_text(enum weft_plan_reason reason)
{
    switch (reason) {
    case WEFT_PLAN_ASKED:
        return "as asked";
    case WEFT_PLAN_SINGLE:
        return "one platform";
    case WEFT_PLAN_APART:
        return "nothing to share, so a worker each";
    case WEFT_PLAN_PINNED:
        return "a stage is pinned to a platform, so one worker runs it once for all";
    case WEFT_PLAN_REMOTE:
        return "a context from elsewhere, so one worker fetches it once for all";
    case WEFT_PLAN_BIG_CONTEXT:
        return "a large context, so one worker gets it once for all";
    default:
        return "?";
    }
}

struct count {
    uint64_t bytes;
    uint64_t enough;
    long files_left;
};

static void count_dir(int at, const char *name, int depth, struct count *c)
{
    int nofollow = depth ? O_NOFOLLOW : 0; /* the context itself may be a link */
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | nofollow);
    weft_auto_dir dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *e;

    while (dir && c->bytes <= c->enough && (e = readdir(dir))) {
        struct stat st;

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) {
            continue;
        }
        if (c->files_left-- <= 0) {
            return;
        }
        if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
            continue;
        }
        if (S_ISREG(st.st_mode)) {
            c->bytes += (uint64_t)st.st_size;
        } else if (S_ISDIR(st.st_mode) && depth < COUNT_DEPTH) {
            count_dir(fd, e->d_name, depth + 1, c);
        }
    }
}

uint64_t weft_tree_bytes(const char *dir, uint64_t enough)
{
    struct count c = {.enough = enough, .files_left = COUNT_FILES};

    count_dir(AT_FDCWD, dir, 0, &c);
    return c.bytes;
}
