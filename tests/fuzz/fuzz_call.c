/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A frontend's answer to a call. The first byte says how it is asked; what is printed is text, and
 * where something is wrong an error says so.
 */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/mem.h"
#include "engine/call.h"
#include "engine/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_auto_err err = NULL;
    weft_auto_json answer = NULL;
    weft_auto_json metadata = weft_json_object();
    weft_auto_free char *call = NULL;
    weft_auto_free char *printed = NULL;
    struct weft_request r = {0};
    size_t len;
    FILE *out;
    int rc;

    if (size < 1) {
        return 0;
    }
    call = weft_xstrdup(data[0] & 1 ? "lint" : "outline");
    r.call = call;
    r.call_json = data[0] & 2;
    answer = weft_call_parse((const char *)data + 1, size - 1, &err);
    if (!answer) {
        assert(err && err->msg[0]);
        return 0;
    }
    out = open_memstream(&printed, &len);
    rc = weft_call_print(&r, answer, out, &err);
    assert((rc == 0) == (err == NULL));
    fclose(out);
    weft_call_metadata(answer, metadata);
    return 0;
}
