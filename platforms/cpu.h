/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU models: which one QEMU shows to the programs of a platform. What the user asks for (--cpu),
 * what the catalogue names for each platform and why, and the reader of QEMU's "-cpu help". Pure:
 * runs nothing; binfmt/qemu_models.h asks a QEMU what it has.
 */
#ifndef WEFT_PLATFORMS_CPU_H
#define WEFT_PLATFORMS_CPU_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"
#include "platforms/catalogue.h"

struct weft_err;

enum weft_cpu_policy {
    WEFT_CPU_BASELINE, /* nearest to what the platform promises, from above; the default */
    WEFT_CPU_MAX,      /* the most capable that QEMU has */
    WEFT_CPU_FASTEST,  /* of those that were measured here, the one that costs least */
    WEFT_CPU_MODEL,    /* one by name */
};

/** A choice for one platform. */
struct weft_cpu_choice {
    enum weft_cpu_policy policy;
    char *model; /* WEFT_CPU_MODEL: as for QEMU's -cpu, "cortex-a53,aes=off"; else NULL */
};

/** What was asked for, per platform. Start from {0} (everything baseline). */
struct weft_cpu_choices {
    struct weft_cpu_choice all; /* never WEFT_CPU_MODEL: a model belongs to one platform */
    struct weft_cpu_choice_of {
        struct weft_platform platform;
        struct weft_cpu_choice choice;
    } * v;
    size_t n;
    bool given; /* something was added, be it the default */
};

/**
 * Add "POLICY" or "PLATFORM=POLICY|MODEL". A later one for the same platform replaces the earlier.
 * Errors: WEFT_E_USAGE (unknown policy or platform, with the nearest; a model without a platform; a
 * text that is no -cpu argument).
 */
int weft_cpu_choices_add(struct weft_cpu_choices *c, const char *text, struct weft_err **err);
void weft_cpu_choices_finish(struct weft_cpu_choices *c);

/** What holds for platform p. Borrowed from c. */
const struct weft_cpu_choice *weft_cpu_choices_for(const struct weft_cpu_choices *c,
                                                   const struct weft_platform *p);

/** One model that the catalogue names. */
struct weft_cpu_model {
    const char *model;   /* for QEMU's -cpu */
    const char *exceeds; /* what of it a program of the platform may not rely on, and QEMU cannot
                            switch off; "" nothing that is known */
};

/** What the catalogue knows of a platform's CPUs. The lists are in order of preference, for QEMUs
 * of different ages; a model of NULL ends them. */
struct weft_cpu_spec {
    const char *promises;                  /* what the platform's baseline is, in words */
    const char *why;                       /* why these models */
    const struct weft_cpu_model *baseline; /* the first that the QEMU at hand takes in silence */
    const struct weft_cpu_model *max;
};

/** Of every platform in the catalogue that has RUN steps; NULL for others. */
const struct weft_cpu_spec *weft_cpu_spec(const struct weft_platform *p);

/** Whether a model is known to lack what programs of p may rely on (arm926 for linux/arm/v7);
 * unknown models are not. */
bool weft_cpu_too_weak(const struct weft_platform *p, const char *model);

/** The model names in what "qemu-ARCH -cpu help" prints; all formats of QEMU 7.2 to 11. Lines that
 * are no models are left out. */
void weft_cpu_parse_help(const char *text, struct weft_strv *models);

#endif
