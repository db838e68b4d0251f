/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers, packed or not: one over itself, so that there is something to replace and to take away.
 * The seeds are small tars, of Python and GNU tar.
 */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "engine/audit_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct weft_audit_walk_opts opts = {.platform = {"linux", "amd64", "v2"},
                                              .path = "/bin:relative:",
                                              .library_path = "/lib:/opt/lib"};
    const struct weft_layer_input in = {
        .name = "layer", .bytes = data, .fd = -1, .size_bytes = size};
    struct weft_audit_walk *w = weft_audit_walk_create(&opts);
    struct weft_audit_report r = {0};

    for (int i = 0; i < 2; i++) {
        weft_auto_err err = NULL;

        if (weft_audit_walk_layer(w, &in, &err) < 0) {
            assert(err->code == WEFT_E_IO);
        }
    }
    weft_audit_walk_finish(w, &r);
    for (size_t i = 0; i < r.n; i++) {
        assert(r.findings[i].found && r.findings[i].rule < WEFT_AUDIT_RULES);
        assert(!r.findings[i].path || *r.findings[i].path == '/');
        assert(r.findings[i].layer < 2);
    }
    assert(r.summary.elf_files <= r.summary.files);
    weft_audit_report_finish(&r);
    weft_audit_walk_destroy(w);
    return 0;
}
