/* SPDX-License-Identifier: Apache-2.0 */
/*
 * usage: cpu_table
 *
 * Prints the table of docs/cpu-models.md from the catalogue. Neighbours of which all is the same
 * share a row.
 */
#include "config.h"

#include <stdio.h>

#include "platforms/catalogue.h"
#include "platforms/cpu.h"

static void print_models(const struct weft_cpu_model *list)
{
    for (const struct weft_cpu_model *m = list; m->model; m++) {
        printf("%s`%s`", m > list ? ", else " : "", m->model);
        if (*m->exceeds) {
            printf(" (exceeds: %s)", m->exceeds);
        }
    }
    printf(list->model ? " | " : "none | ");
}

int main(void)
{
    size_t n = 0;
    const struct weft_platform_info *all = weft_catalogue(&n);

    printf("| platform | promises | `baseline` | `max` | why these |\n"
           "| --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < n; i++) {
        const struct weft_cpu_spec *spec = weft_cpu_spec(&all[i].platform);
        char buf[WEFT_PLATFORM_SIZE];

        if (!spec) {
            continue;
        }
        printf("| %s", weft_platform_format(&all[i].platform, buf));
        while (i + 1 < n && weft_cpu_spec(&all[i + 1].platform) == spec) {
            i++;
            printf(", %s", all[i].platform.variant);
        }
        printf(" | %s | ", spec->promises);
        print_models(spec->baseline);
        print_models(spec->max);
        printf("%s |\n", spec->why);
    }
    return fflush(stdout) == 0 ? 0 : 1;
}
