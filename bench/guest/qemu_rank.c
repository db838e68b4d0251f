/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest program of bench/qemu_rank: qemu_rank start | integer N | calls N. Prints a checksum,
 * which must be the same under each QEMU.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t integer(long n)
{
    uint32_t table[256];
    uint32_t x = 2463534242u, sum = 0;

    for (int i = 0; i < 256; i++) {
        table[i] = (uint32_t)i * 2654435761u;
    }
    for (long i = 0; i < n; i++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        sum += x & 1 ? table[x >> 24] : sum >> 3;
        table[(x >> 8) & 255] ^= sum;
    }
    return sum;
}

/* Calls that a compiler can neither inline nor turn into jumps: what pointer authentication costs,
 * which signs and checks the return address of each. */
static uint32_t fib(uint32_t n) __attribute__((noinline));

static uint32_t fib(uint32_t n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

int main(int argc, char **argv)
{
    long n = argc > 2 ? strtol(argv[2], NULL, 10) : 0;

    if (argc > 1 && strcmp(argv[1], "start") == 0) {
        printf("start\n");
    } else if (argc > 1 && strcmp(argv[1], "integer") == 0) {
        printf("%u\n", integer(n));
    } else if (argc > 1 && strcmp(argv[1], "calls") == 0) {
        printf("%u\n", fib((uint32_t)n));
    } else {
        return 2;
    }
    return 0;
}
