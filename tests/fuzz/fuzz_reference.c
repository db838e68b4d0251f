/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/reference.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * Whether the short form stands for the same image. Docker's rule has two gaps: on docker.io, a
 * path that begins like a host ("docker.io/a.b/c"), and a name that looks like an image ID.
 */
static bool short_form_is_faithful(const struct weft_reference *ref)
{
    size_t first = strcspn(ref->path, "/");

    if (strcmp(ref->domain, "docker.io") != 0) {
        return true;
    }
    return strncmp(ref->path, "localhost/", 10) != 0 && strcspn(ref->path, ".") >= first &&
           strlen(ref->path) != strlen("library/") + 64;
}

/* What is accepted has one full form: its own, and that of its short one. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_auto_free char *text = weft_xstrndup((const char *)data, size);
    weft_auto_free char *full = NULL;
    weft_auto_free char *familiar = NULL;
    weft_auto_free char *again_full = NULL;
    weft_auto_free char *short_full = NULL;
    weft_auto_reference ref = {0};
    weft_auto_reference again = {0};
    weft_auto_reference from_short = {0};
    weft_auto_err err = NULL;

    text[strcspn(text, "\n")] = '\0';
    if (weft_reference_parse(text, &ref, &err) < 0) {
        assert(err->code == WEFT_E_USAGE && !ref.path);
        return 0;
    }
    assert(!err);
    full = weft_reference_full(&ref);
    familiar = weft_reference_familiar(&ref);
    assert(strpbrk(full, " \t\n\"'\\,=") == NULL);
    if (weft_reference_parse(full, &again, NULL) < 0) {
        assert(!"the full form is a reference");
    }
    again_full = weft_reference_full(&again);
    assert(strcmp(full, again_full) == 0);
    if (!short_form_is_faithful(&ref)) {
        return 0;
    }
    if (weft_reference_parse(familiar, &from_short, NULL) < 0) {
        assert(!"the short form is a reference");
    }
    short_full = weft_reference_full(&from_short);
    assert(strcmp(full, short_full) == 0);
    return 0;
}
