/* SPDX-License-Identifier: Apache-2.0 */
/*
 * start-large: 3072 functions, each of which runs once. That takes the machine itself next to no
 * time; an emulator has to translate all of them. Exit code 1: a result is wrong.
 */
#include "bench/kernels/kernels.h"

/* DO for each of the numbers 00 to 2f: copies of part() in start_large_part.c, made by build. */
#define EACH16(DO, n) \
    DO(n##0)          \
    DO(n##1)          \
    DO(n##2)          \
    DO(n##3)          \
    DO(n##4)          \
    DO(n##5)          \
    DO(n##6)          \
    DO(n##7)          \
    DO(n##8)          \
    DO(n##9)          \
    DO(n##a)          \
    DO(n##b)          \
    DO(n##c)          \
    DO(n##d)          \
    DO(n##e)          \
    DO(n##f)
#define EACH(DO)  \
    EACH16(DO, 0) \
    EACH16(DO, 1) \
    EACH16(DO, 2)
#define DECLARE(n) uint32_t part_##n(uint32_t x, uint32_t *cells);
#define CALL(n) x = part_##n(x, cells);

static const uint32_t result = 0xa5e87d6c;

EACH(DECLARE)

int main(void)
{
    uint32_t cells[64], x = 1;

    for (uint32_t i = 0; i < 64; i++) {
        cells[i] = i * 2654435761u;
    }
    EACH(CALL)
    return x == result ? 0 : 1;
}
