/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "engine/dockerfile.h"
#include "platforms/platform.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_auto_dockerfile d = {0};
    bool pinned = false;
    struct weft_platform windows;
    struct weft_strv none = {0};
    struct weft_dockerfile_use use = {&windows, NULL, &none, &none};
    size_t stage = SIZE_MAX;
    int line;

    if (weft_dockerfile_scan((const char *)data, size, &d, NULL) < 0) {
        return 0;
    }
    for (size_t i = 0; i < d.n_stages; i++) {
        assert(d.stages[i].base);
        assert(strlen(d.stages[i].base) <= size);
        pinned |= d.stages[i].platform != NULL;
    }
    assert(pinned == d.pins_platform);
    weft_platform_from_fields("windows", "amd64", NULL, &windows);
    line = weft_dockerfile_windows_run(&d, &use, &stage);
    assert(line >= 0 && (line == 0 || (stage < d.n_stages && (size_t)line <= size)));
    if (d.syntax) {
        weft_syntax_builtin(d.syntax, "1.27.0");
    }
    return 0;
}
