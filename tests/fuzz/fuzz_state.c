/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The version of a part of the state: whatever is in the file, reading must not crash, and what is
 * accepted must be a format, with a name that fits a terminal.
 */
#include "config.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/mem.h"
#include "base/state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_auto_free char *text = weft_xmalloc(size + 1);
    weft_auto_free char *by = NULL;
    int format, from;

    memcpy(text, data, size);
    text[size] = '\0';
    if (weft_state_parse(text, size, &format, &from, &by) < 0) {
        require(!by);
        return 0;
    }
    require(format >= 1 && (from == 0 || (from >= 1 && from < format)));
    require(!by || !strpbrk(by, "\n\r\x1b"));
    return 0;
}
