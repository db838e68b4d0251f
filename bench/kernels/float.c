/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies that draw each other: floating point with division and square root, one at a time. */
#include "bench/kernels/kernels.h"

#include <math.h>
#include <string.h>

enum {
    BODIES = 5,
    STEPS = 100
};

struct body {
    double x, y, z, vx, vy, vz, mass;
};

static KERNEL_OPAQUE void step(struct body *bodies, double dt)
{
    for (int i = 0; i < BODIES; i++) {
        struct body *a = &bodies[i];

        for (int j = i + 1; j < BODIES; j++) {
            struct body *b = &bodies[j];
            double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
            double square = dx * dx + dy * dy + dz * dz + 0.01;
            double pull = dt / (square * sqrt(square));

            a->vx -= dx * b->mass * pull;
            a->vy -= dy * b->mass * pull;
            a->vz -= dz * b->mass * pull;
            b->vx += dx * a->mass * pull;
            b->vy += dy * a->mass * pull;
            b->vz += dz * a->mass * pull;
        }
    }
    for (int i = 0; i < BODIES; i++) {
        bodies[i].x += dt * bodies[i].vx;
        bodies[i].y += dt * bodies[i].vy;
        bodies[i].z += dt * bodies[i].vz;
    }
}

static uint64_t bits(double d)
{
    uint64_t u;

    memcpy(&u, &d, sizeof(u));
    return u;
}

static void run_float(struct kernel_run *run)
{
    struct body bodies[BODIES];

    for (int i = 0; i < BODIES; i++) {
        bodies[i] = (struct body){i * 1.25, 3.5 - i, i * i * 0.125, 0.25 * i, -0.125, 0.5, 1 + i};
    }
    kernel_begin(run);
    for (uint64_t n = 0; n < run->iterations; n++) {
        for (int i = 0; i < STEPS; i++) {
            step(bodies, 1.0 / 1024);
        }
        kernel_mix(run, bits(bodies[0].x));
    }
    kernel_end(run);
    for (int i = 0; i < BODIES; i++) {
        kernel_mix(run, bits(bodies[i].y));
        kernel_mix(run, bits(bodies[i].vz));
        if (!isfinite(bodies[i].x)) {
            kernel_fail("a body has left space");
        }
    }
}

const struct kernel kernel_float = {"float", 3200, "floating point, one operation at a time",
                                    run_float};
