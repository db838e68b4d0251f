/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: cpu-model QEMU [PLATFORM=]POLICY|MODEL PLATFORM
 *
 * Prints the CPU model that a value of --cpu comes to for PLATFORM under the program QEMU.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "binfmt/qemu_models.h"
#include "platforms/catalogue.h"
#include "platforms/cpu.h"
#include "platforms/platform.h"

int main(int argc, char **argv)
{
    struct weft_answers *a = weft_answers_create(NULL);
    struct weft_cpu_choices choices = {0};
    weft_auto_err err = NULL;
    struct weft_platform p;
    char *model = NULL;
    int rc;

    if (argc != 4) {
        fprintf(stderr, "usage: cpu-model QEMU [PLATFORM=]POLICY|MODEL PLATFORM\n");
        return 2;
    }
    rc = weft_platform_parse(argv[3], &p, &err);
    if (rc == 0) {
        rc = weft_cpu_choices_add(&choices, argv[2], &err);
    }
    if (rc == 0) {
        rc = weft_qemu_model_for(a, argv[1], weft_catalogue_find(&p),
                                 weft_cpu_choices_for(&choices, &p), NULL, &model, &err);
    }
    if (rc == 0) {
        puts(model);
    } else {
        fprintf(stderr, "cpu-model: %s%s%s\n", err->msg, err->hint ? ": " : "",
                err->hint ? err->hint : "");
    }
    free(model);
    weft_cpu_choices_finish(&choices);
    weft_answers_destroy(a);
    return rc == 0 ? 0 : 1;
}
