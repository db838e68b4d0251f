/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mem.h"
#include "platforms/cpu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A model that is listed is one word that QEMU can be given, and that a user can ask for. */
static void check_help(const char *text)
{
    weft_auto_strv models = {0};

    weft_cpu_parse_help(text, &models);
    for (size_t i = 0; i < models.n; i++) {
        assert(models.v[i][0] != '\0' && models.v[i][0] != '-');
        assert(strpbrk(models.v[i], " \t\r\n,='\"") == NULL);
    }
}

/* What is refused changes nothing; what is taken, taken again, is the same. */
static void check_choice(const char *text)
{
    struct weft_cpu_choices c = {0};
    weft_auto_err err = NULL;

    if (weft_cpu_choices_add(&c, text, &err) < 0) {
        assert(err->code == WEFT_E_USAGE && err->hint);
        assert(!c.given && c.n == 0);
    } else {
        assert(!err && c.given && c.n <= 1 && c.all.policy != WEFT_CPU_MODEL);
        if (c.n == 1) {
            char *model = c.v[0].choice.model;

            assert((model != NULL) == (c.v[0].choice.policy == WEFT_CPU_MODEL));
            assert(!model || (*model && *model != '-' && weft_ends_with(text, model)));
            (void)weft_cpu_too_weak(&c.v[0].platform, model ? model : "");
        }
        if (weft_cpu_choices_add(&c, text, &err) < 0 || c.n > 1) {
            assert(!"it is taken once more");
        }
    }
    weft_cpu_choices_finish(&c);
}

/* The whole as the output of "-cpu help", its first line as a value of --cpu. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    weft_auto_free char *text = weft_xstrndup((const char *)data, size);

    check_help(text);
    text[strcspn(text, "\n")] = '\0';
    check_choice(text);
    return 0;
}
