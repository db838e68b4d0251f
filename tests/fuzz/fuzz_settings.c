/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "engine/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* libfyaml 0.7.12 leaks a buffer where a long quoted scalar is followed by an error. weft reads one
 * config file and ends. */
const char *__lsan_default_suppressions(void)
{
    return "leak:libfyaml.so\n";
}

/* A config file. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_auto_free char *text = weft_xmalloc(size + 1);
    weft_auto_err err = NULL;
    struct weft_settings s = {0};

    memcpy(text, data, size);
    text[size] = '\0';
    if (weft_settings_parse(text, size, "c", &s, &err) < 0) {
        assert(err && weft_starts_with(err->msg, "c:"));
        assert(err->code == WEFT_E_USAGE);
        assert(!s.qemu && !s.qemu_dirs.v && !s.cpu.v && !s.registries.v);
        return 0;
    }
    assert(!err && !s.path);
    for (size_t i = 0; i < s.qemu_dirs.n; i++) {
        assert(s.qemu_dirs.v[i][0] == '/');
    }
    for (size_t i = 0; i < s.registries.n; i++) {
        const struct weft_registry_host *h = &s.registries.v[i];

        assert(weft_registry_host_ok(h->host) && !h->cert_file == !h->key_file);
        assert(!h->http || (!h->https && !h->insecure));
    }
    weft_settings_finish(&s);
    return 0;
}
