/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads with atomics, a lock and a condition. They may all be on one CPU: whoever waits sleeps.
 */
#include "bench/kernels/kernels.h"

#include <pthread.h>

enum {
    THREADS = 4,
    ADDS = 40,
    SWAPS = 20,
    LOCKS = 20,
    TURN_EVERY = 16
};

static struct {
    pthread_barrier_t start;
    pthread_mutex_t mutex;
    pthread_cond_t turned;
    uint64_t iterations;
    uint32_t added, swapped;      /* atomic */
    uint32_t locked, turn, turns; /* with the mutex */
    uint64_t locked_sum;
} shared = {.mutex = PTHREAD_MUTEX_INITIALIZER, .turned = PTHREAD_COND_INITIALIZER};

static void use_atomics(uint32_t value)
{
    for (uint32_t i = 0; i < ADDS; i++) {
        __atomic_fetch_add(&shared.added, value + i, __ATOMIC_SEQ_CST);
    }
    for (int i = 0; i < SWAPS; i++) {
        uint32_t seen = __atomic_load_n(&shared.swapped, __ATOMIC_ACQUIRE);

        while (!__atomic_compare_exchange_n(&shared.swapped, &seen, seen + value, 1,
                                            __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        }
    }
}

static void use_lock(uint32_t value)
{
    for (uint32_t i = 0; i < LOCKS; i++) {
        kernel_need(pthread_mutex_lock(&shared.mutex) == 0);
        shared.locked++;
        shared.locked_sum += value ^ i;
        kernel_need(pthread_mutex_unlock(&shared.mutex) == 0);
    }
}

static void take_turn(uint32_t id)
{
    kernel_need(pthread_mutex_lock(&shared.mutex) == 0);
    while (shared.turn != id) {
        kernel_need(pthread_cond_wait(&shared.turned, &shared.mutex) == 0);
    }
    shared.turn = (id + 1) % THREADS;
    shared.turns = shared.turns * 5 + id;
    kernel_need(pthread_cond_broadcast(&shared.turned) == 0);
    kernel_need(pthread_mutex_unlock(&shared.mutex) == 0);
}

static void *work(void *arg)
{
    const uint32_t *id = arg;

    pthread_barrier_wait(&shared.start);
    for (uint64_t n = 0; n < shared.iterations; n++) {
        use_atomics((uint32_t)n + *id);
        use_lock((uint32_t)n * THREADS + *id);
        if (n % TURN_EVERY == 0) {
            take_turn(*id);
        }
    }
    return NULL;
}

static void run_threads(struct kernel_run *run)
{
    pthread_t threads[THREADS];
    uint32_t ids[THREADS];

    shared.iterations = run->iterations;
    kernel_need(pthread_barrier_init(&shared.start, NULL, THREADS + 1) == 0);
    for (uint32_t i = 0; i < THREADS; i++) {
        ids[i] = i;
        kernel_need(pthread_create(&threads[i], NULL, work, &ids[i]) == 0);
    }
    kernel_begin(run);
    pthread_barrier_wait(&shared.start);
    for (int i = 0; i < THREADS; i++) {
        kernel_need(pthread_join(threads[i], NULL) == 0);
    }
    kernel_end(run);
    if (shared.locked != (uint32_t)run->iterations * THREADS * LOCKS) {
        kernel_fail("the lock let two in: %u times counted", shared.locked);
    }
    kernel_mix(run, (uint64_t)shared.added << 32 | shared.swapped);
    kernel_mix(run, shared.locked_sum);
    kernel_mix(run, shared.turns);
}

const struct kernel kernel_threads = {"threads", 10000,
                                      "4 threads with atomics, a lock, a condition", run_threads};
