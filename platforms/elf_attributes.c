/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "platforms/elf_attributes.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum {
    TAG_FILE = 1,
    ARM_CPU_RAW_NAME = 4,
    ARM_CPU_NAME = 5,
    ARM_CPU_ARCH = 6,
    ARM_VFP_ARGS = 28,
    ARM_COMPATIBILITY = 32, /* a number and a string */
    RISCV_ARCH = 5,
    ARCH_LIMIT = 4096, /* bytes of its text; real ones are under 400 */
};

/* What is left to read. */
struct span {
    const unsigned char *p;
    size_t len;
};

static int take_number(struct span *s, uint64_t *out)
{
    *out = 0;
    for (unsigned int shift = 0; s->len > 0 && shift < 64; shift += 7) {
        unsigned char c = *s->p++;

        s->len--;
        *out |= (uint64_t)(c & 0x7f) << shift;
        if (!(c & 0x80)) {
            return 0;
        }
    }
    return -1;
}

static int take_string(struct span *s, const char **out)
{
    const unsigned char *end = s->len > 0 ? memchr(s->p, '\0', s->len) : NULL;

    if (!end) {
        return -1;
    }
    *out = (const char *)s->p;
    s->len -= (size_t)(end + 1 - s->p);
    s->p = end + 1;
    return 0;
}

static int take_u32(struct span *s, bool big, uint32_t *out)
{
    *out = 0;
    if (s->len < 4) {
        return -1;
    }
    for (int i = 0; i < 4; i++) {
        *out |= (uint32_t)s->p[i] << (8 * (big ? 3 - i : i));
    }
    s->p += 4;
    s->len -= 4;
    return 0;
}

static bool is_string(bool arm, uint64_t tag)
{
    if (arm && tag < ARM_COMPATIBILITY) {
        return tag == ARM_CPU_RAW_NAME || tag == ARM_CPU_NAME;
    }
    return tag % 2 == 1;
}

static void keep(bool arm, uint64_t tag, uint64_t number, const char *text,
                 struct weft_elf_attributes *out)
{
    if (arm && tag == ARM_CPU_ARCH) {
        out->has_cpu = true;
        out->arm_cpu = number <= UINT32_MAX ? (unsigned int)number : UINT32_MAX;
    } else if (arm && tag == ARM_VFP_ARGS) {
        out->arm_vfp_args = number <= UINT32_MAX ? (unsigned int)number : UINT32_MAX;
    } else if (!arm && tag == RISCV_ARCH && text && !out->riscv_arch &&
               strlen(text) <= ARCH_LIMIT) {
        out->riscv_arch = weft_xstrdup(text);
    }
}

static int read_list(struct span s, bool arm, struct weft_elf_attributes *out)
{
    while (s.len > 0) {
        uint64_t tag, number = 0;
        const char *text = NULL;

        if (take_number(&s, &tag) < 0) {
            return -1;
        }
        if (arm && tag == ARM_COMPATIBILITY) {
            if (take_number(&s, &number) < 0 || take_string(&s, &text) < 0) {
                return -1;
            }
        } else if (is_string(arm, tag) ? take_string(&s, &text) < 0
                                       : take_number(&s, &number) < 0) {
            return -1;
        }
        keep(arm, tag, number, text, out);
    }
    return 0;
}

/* One vendor's part: lists for the file, for sections, for symbols. */
static int read_vendor(struct span s, bool big, bool arm, struct weft_elf_attributes *out)
{
    while (s.len > 0) {
        struct span list = s;
        uint64_t tag;
        uint32_t size;
        size_t head;

        if (take_number(&list, &tag) < 0 || take_u32(&list, big, &size) < 0) {
            return -1;
        }
        head = s.len - list.len;
        if (size < head || size > s.len) {
            return -1;
        }
        list.len = size - head;
        if (tag == TAG_FILE && read_list(list, arm, out) < 0) {
            return -1;
        }
        s.p += size;
        s.len -= size;
    }
    return 0;
}

int weft_elf_attributes_read(const unsigned char *p, size_t len, bool big_endian,
                             const char *vendor, struct weft_elf_attributes *out)
{
    struct span s = {p, len};

    if (len == 0 || *p != 'A') {
        return -1;
    }
    s.p++;
    s.len--;
    while (s.len > 0) {
        struct span part = s;
        const char *name;
        uint32_t size;

        if (take_u32(&part, big_endian, &size) < 0 || size < 4 || size > s.len) {
            return -1;
        }
        part.len = size - 4;
        if (take_string(&part, &name) < 0) {
            return -1;
        }
        if (strcmp(name, vendor) == 0 &&
            read_vendor(part, big_endian, strcmp(vendor, "aeabi") == 0, out) < 0) {
            return -1;
        }
        s.p += size;
        s.len -= size;
    }
    return 0;
}
