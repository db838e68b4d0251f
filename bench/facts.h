/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a machine is, as far as it tells what a benchmark on it means for others: its CPU, memory,
 * kernel and virtualisation; and how busy it is right now. Read from /proc and /sys below a
 * directory that the caller gives, so that tests have machines of their own.
 */
#ifndef WEFT_BENCH_FACTS_H
#define WEFT_BENCH_FACTS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "platforms/platform.h"

/** Start from {0}; end with weft_facts_finish. Strings are printable; NULL: not known. */
struct weft_facts {
    struct weft_platform platform; /* of its programs */
    char *cpu;                     /* "AMD EPYC 7B13"; arm64: "implementer 0x41, part 0xd0c" */
    struct weft_strv flags;        /* of the first CPU, as /proc/cpuinfo has them */
    long cpus;                     /* online */
    long cpus_allowed;             /* that this process may run on */
    uint64_t memory_bytes;         /* 0: not known */
    char *kernel;                  /* "6.18.1" */
    char *hypervisor;       /* "kvm", "xen", "vmware", ...; "unknown": there is one; NULL: none */
    char *vendor, *product; /* DMI */
    char *instance_type;    /* "m6g.large" */
    char *node;             /* what the cluster calls it: $WEFT_NODE_NAME */
    char *pool;             /* of nodes of one kind, that it belongs to: $WEFT_NODE_POOL */
};

/**
 * Gather them.
 * @param root a directory's descriptor, "/" or one with proc/ and sys/ in it
 * Instance type: $WEFT_INSTANCE_TYPE, else where DMI has it. Node and pool: from the environment.
 * Never fails: what cannot be read is not known.
 */
void weft_facts_gather(int root, struct weft_facts *out);
void weft_facts_finish(struct weft_facts *f);

/** The load average of the last minute; 0: not known. */
double weft_facts_load(int root);

/** The frequency of a CPU (its number) now, in MHz; 0: not known. */
double weft_facts_mhz(int root, int cpu);

/** Where the time of a CPU has gone, since boot. */
struct weft_ticks {
    uint64_t steal; /* what the hypervisor gave to others */
    uint64_t idle;  /* also waiting for a disk */
    uint64_t total;
};

void weft_ticks_look(int root, int cpu, struct weft_ticks *out);

/** How many ticks make a second. */
double weft_ticks_per_s(void);

/** The part of the time between two looks that was stolen, 0 to 1. */
double weft_ticks_stolen(const struct weft_ticks *from, const struct weft_ticks *to);

#endif
