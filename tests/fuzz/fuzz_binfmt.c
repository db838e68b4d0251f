/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "binfmt/existing.h"
#include "binfmt/owners.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was accepted fits into the kernel's buffer; the line that registers it says the same; a file
 * that is made for it is taken by it. */
static void check_entry(struct weft_existing *e)
{
    weft_auto_free char *line = weft_existing_line(e);
    struct weft_existing_table table = {.v = e, .n = 1, .mounted = true, .enabled = true};
    unsigned char bytes[WEFT_HANDLER_MAGIC_MAX] = {0};
    unsigned char free_bits[WEFT_HANDLER_MAGIC_MAX];
    size_t n;
    const struct weft_machine *const *machines = weft_catalogue_machines(&n);
    bool takes = false;

    assert(e->name && e->interpreter && *e->interpreter && !e->unclear);
    assert(strspn(e->flags, "POCF") == strlen(e->flags) && strlen(e->flags) <= 4);
    assert(e->offset + e->magic_len <= WEFT_HANDLER_MAGIC_MAX);
    assert((e->extension != NULL) == (e->magic_len == 0));
    for (size_t i = 0; i < n; i++) {
        takes |= weft_existing_takes(e, machines[i]);
    }
    assert(!takes || !e->extension);
    if (!e->extension) {
        memset(free_bits, 0xff, sizeof(free_bits));
        assert(!weft_existing_mark(&table, e, free_bits, bytes));
        assert(weft_existing_takes_bytes(e, bytes));
    }
    /* no separator is left for a name with all of them, and a newline in it would be lost */
    if (line && *e->name && !strpbrk(line, "\n")) {
        struct weft_existing again = {0};

        if (weft_existing_parse_line(line, &again, NULL) < 0) {
            assert(!"the line is one");
        }
        assert(weft_existing_same(e, &again));
        assert(strcmp(e->name, again.name) == 0);
        weft_existing_entry_finish(&again);
    }
    weft_existing_entry_finish(e);
}

/* The same text as the kernel's, as a line that registers, and as binfmt-support's. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_auto_free char *text = weft_xstrndup((const char *)data, size);
    weft_auto_free char *package = NULL;
    weft_auto_err err = NULL;
    struct weft_existing e = {0};

    if (weft_existing_parse("name", text, &e, &err) == 0) {
        check_entry(&e);
    } else {
        assert(err->code == WEFT_E_FORMAT && !e.name);
    }
    if (weft_existing_parse_line(text, &e, NULL) == 0) {
        check_entry(&e);
    }
    if (weft_owner_parse_support("name", text, &e, &package, NULL) == 0) {
        check_entry(&e);
    }
    return 0;
}
