/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A command line, one argument per line; a newline at the end makes no further one. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_auto_free char *text = weft_xstrndup((const char *)data, size);
    weft_auto_strv argv = {0};
    weft_auto_err err = NULL;
    struct weft_request r = {0};

    if (weft_ends_with(text, "\n")) {
        text[strlen(text) - 1] = '\0';
    }
    setenv("WEFT_CONFIG", "/dev/null", 1);
    weft_strv_add(&argv, "build");
    weft_split(text, '\n', &argv);
    if (weft_request_parse((int)argv.n, argv.v, &r, &err) < 0) {
        assert(err && err->msg[0] && !r.context);
        assert(err->code == WEFT_E_USAGE || err->code == WEFT_E_IO);
        return 0;
    }
    assert(!err && (r.help || (r.context[0] == '/' && r.n_platforms > 0)));
    weft_request_finish(&r);
    return 0;
}
