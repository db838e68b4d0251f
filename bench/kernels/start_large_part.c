/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A part of start-large (start_large.c): 64 functions, each with other constants, other branches,
 * another order of them. It is compiled once, and linked many times under other names (build).
 */
#include "bench/kernels/kernels.h"

#define FUNCTION(n)                                                 \
    static KERNEL_OPAQUE uint32_t f##n(uint32_t x, uint32_t *cells) \
    {                                                               \
        uint32_t y = x * (0x##n##u * 2 + 1);                        \
                                                                    \
        if ((y >> (0x##n % 13)) & 1) {                              \
            y += cells[0x##n % 64];                                 \
        } else {                                                    \
            cells[0x##n % 61] ^= y >> 3;                            \
        }                                                           \
        for (uint32_t i = 0; i < (y & 1) + 1; i++) {                \
            y = (y << (0x##n % 7 + 1)) + cells[(y >> 24) % 64];     \
        }                                                           \
        if (y % (0x##n % 17 + 3) == 1) {                            \
            cells[y % 64] += x;                                     \
        }                                                           \
        return y;                                                   \
    }
#define CALL(n) x = f##n(x, cells);

/* DO for each of the numbers n0 to nf, then for 00 to 3f. */
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
    EACH16(DO, 2) \
    EACH16(DO, 3)

uint32_t part(uint32_t x, uint32_t *cells);

EACH(FUNCTION)

uint32_t part(uint32_t x, uint32_t *cells)
{
    EACH(CALL)
    return x;
}
