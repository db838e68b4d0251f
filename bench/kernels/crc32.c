/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32 by table, a byte at a time: each step waits for the load of the one before. */
#include "bench/kernels/kernels.h"

#include <stdlib.h>
#include <string.h>

enum {
    SIZE = 16384
};

static KERNEL_OPAQUE uint32_t update(const uint32_t table[256], uint32_t crc, const uint8_t *data,
                                     size_t size_bytes)
{
    for (size_t i = 0; i < size_bytes; i++) {
        crc = table[(crc ^ data[i]) & 255] ^ crc >> 8;
    }
    return crc;
}

static void run_crc32(struct kernel_run *run)
{
    static const char digits[] = "123456789";
    uint32_t table[256], crc = 0, seed = 1;
    uint8_t *data = kernel_alloc(SIZE);

    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int bit = 0; bit < 8; bit++) {
            table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0xedb88320 : 0);
        }
    }
    memcpy(data, digits, sizeof(digits) - 1);
    if (update(table, UINT32_MAX, data, sizeof(digits) - 1) != ~0xcbf43926u) {
        kernel_fail("the CRC-32 of \"%s\" is wrong", digits);
    }
    for (int i = 0; i < SIZE; i++) {
        data[i] = (uint8_t)kernel_random(&seed);
    }
    kernel_begin(run);
    for (uint64_t n = 0; n < run->iterations; n++) {
        crc = update(table, crc, data, SIZE);
        kernel_mix(run, crc);
    }
    kernel_end(run);
    free(data);
}

const struct kernel kernel_crc32 = {"crc32", 1000, "CRC-32 of 16 KiB by table", run_crc32};
