/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state file of pushes: whatever is in it, reading must not crash, what is accepted must be
 * names that can go into a request, within the bounds, and what is written of it must read as the
 * same.
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "engine/registry/blob_homes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_auto_blob_homes h = {0};
    weft_auto_blob_homes again = {0};
    weft_auto_err err = NULL;
    weft_auto_free char *first = NULL;
    weft_auto_free char *second = NULL;

    if (weft_blob_homes_parse((const char *)data, size, &h, &err) < 0) {
        require(err && (err->code == WEFT_E_FORMAT || err->code == WEFT_E_UNSUPPORTED) && h.n == 0);
        return 0;
    }
    require(h.n <= WEFT_BLOB_HOMES_MAX);
    for (size_t i = 0; i < h.n; i++) {
        require(weft_digest_valid(h.v[i].digest) && !strpbrk(h.v[i].host, "/?# \r\n"));
        require(h.v[i].paths.n >= 1 && h.v[i].paths.n <= WEFT_BLOB_HOMES_PATHS);
        for (size_t k = 0; k < h.v[i].paths.n; k++) {
            require(!strpbrk(h.v[i].paths.v[k], "?#&:@ \r\n") && h.v[i].paths.v[k][0] != '/');
        }
    }
    first = weft_blob_homes_dump(&h);
    require(weft_blob_homes_parse(first, strlen(first), &again, NULL) == 0);
    second = weft_blob_homes_dump(&again);
    require(strcmp(first, second) == 0);
    return 0;
}
