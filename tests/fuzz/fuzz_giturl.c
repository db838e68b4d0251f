/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/git_url.h"

#define COMMIT "0123456789abcdef0123456789abcdef01234567"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

/* What is accepted is, pinned, a URL of the same: repository, ref, directory, at that commit. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_auto_free char *text = weft_xstrndup((const char *)data, size);
    weft_auto_git_url u = {0};
    weft_auto_git_url again = {0};
    weft_auto_git_url plain = {0};
    weft_auto_free char *pinned = NULL;
    weft_auto_free char *pinned_plain = NULL;
    weft_auto_free char *shown = NULL;
    weft_auto_err err = NULL;
    int rc;

    text[strcspn(text, "\n")] = '\0'; /* what an editor puts behind a seed */
    rc = weft_git_url_parse(text, &u, &err);
    if (rc <= 0) {
        require(rc == 0 ? !err : err->code == WEFT_E_USAGE);
        require(!u.base);
        return 0;
    }
    require(!err && u.remote && *u.host && (!u.ref || *u.ref != '-'));
    require(!u.subdir || (*u.subdir != '/' && *u.subdir));
    shown = weft_git_url_shown(&u);
    pinned = weft_git_url_pinned(&u, NULL, COMMIT);
    require(weft_git_url_parse(pinned, &again, NULL) == 1);
    require(strcmp(again.remote, u.remote) == 0 && strcmp(again.host, u.host) == 0);
    require(weft_str_eq(again.ref, u.ref) && weft_str_eq(again.subdir, u.subdir));
    require(again.by_commit && strcmp(again.checksum, COMMIT) == 0);
    require(again.options.n == u.options.n);
    pinned_plain = weft_git_url_pinned_plain(&u, COMMIT);
    if (pinned_plain) {
        require(weft_git_url_parse(pinned_plain, &plain, NULL) == 1);
        require(strcmp(plain.ref, COMMIT) == 0 && strcmp(plain.remote, u.remote) == 0);
        require(weft_str_eq(plain.subdir, u.subdir));
    }
    return 0;
}
