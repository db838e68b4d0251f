/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit's rules: what of one file does not fit a platform. Pure: facts in, verdicts out. Knows
 * no image, no layer and no other file: whether the libraries of a program are there is the matter
 * of engine/audit.h.
 */
#ifndef WEFT_PLATFORMS_AUDIT_H
#define WEFT_PLATFORMS_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "platforms/catalogue.h"
#include "platforms/elf_facts.h"

/** What can be wrong. The order is that of the table of rules in docs/audit.md. */
enum weft_audit_rule {
    WEFT_AUDIT_MACHINE,    /* for another machine, class or byte order */
    WEFT_AUDIT_COMPATIBLE, /* for another machine, whose programs this one may run, too */
    WEFT_AUDIT_ABI,        /* for the machine, with another float ABI or EABI version */
    WEFT_AUDIT_ISA,        /* needs instructions that the platform does not promise */
    WEFT_AUDIT_FORMAT,     /* a program for Windows in an image for Linux, or the other way round */
    WEFT_AUDIT_OBJECT,     /* an object, or an archive of them, for another machine */
    WEFT_AUDIT_INTERPRETER, /* the dynamic loader of a program is not in the image */
    WEFT_AUDIT_LIBRARY,     /* a library that it is linked to is not in the image */
    WEFT_AUDIT_SEARCH,      /* that library is there, where it is not looked for */
    WEFT_AUDIT_SCRIPT,      /* the program behind the #! of a script is not in the image */
    WEFT_AUDIT_DAMAGE,      /* an ELF file, or a layer, that could not be read as a whole */
    WEFT_AUDIT_LIMIT,       /* more than the audit looks at */
    WEFT_AUDIT_RULES
};

enum weft_audit_severity {
    WEFT_AUDIT_NOTICE,
    WEFT_AUDIT_WARNING,
    WEFT_AUDIT_ERROR,
};

/** The rule's name in reports ("wrong-machine") and what it says, in one sentence. Static. */
const char *weft_audit_rule_name(enum weft_audit_rule r);
const char *weft_audit_rule_text(enum weft_audit_rule r);
/** How grave it is, unless a verdict says otherwise. */
enum weft_audit_severity weft_audit_rule_severity(enum weft_audit_rule r);
/** "notice", "warning", "error". Static. */
const char *weft_audit_severity_name(enum weft_audit_severity s);

/** What a file was judged to be. */
struct weft_audit_verdict {
    enum weft_audit_rule rule;
    enum weft_audit_severity severity;
    char *found;    /* "an ELF file for x86-64" */
    char *expected; /* "one for aarch64" */
};

/** Start from {0}; end with weft_audit_verdicts_finish. */
struct weft_audit_verdicts {
    struct weft_audit_verdict *v;
    size_t n;
};
void weft_audit_verdicts_finish(struct weft_audit_verdicts *v);
#define weft_auto_audit_verdicts \
    __attribute__((cleanup(weft_audit_verdicts_finish))) struct weft_audit_verdicts

/** Add a verdict of the rule's own severity; the strings are taken over. */
void weft_audit_verdict_add(struct weft_audit_verdicts *out, enum weft_audit_rule rule, char *found,
                            char *expected);

/** What is expected of files of platform p. Plain value. */
struct weft_audit_target {
    struct weft_platform platform;
    const struct weft_platform_info *info; /* NULL: the catalogue does not know its machine */
};
void weft_audit_target_init(struct weft_audit_target *t, const struct weft_platform *p);

/** Judge an ELF file. Nothing is added for one that fits, or where t->info is NULL. */
void weft_audit_elf(const struct weft_audit_target *t, const struct weft_elf_facts *f,
                    struct weft_audit_verdicts *out);

/** Judge the instructions that it says it needs, only; what weft_audit_elf does where machine and
 * ABI fit. */
void weft_audit_isa(const struct weft_audit_target *t, const struct weft_elf_facts *f,
                    struct weft_audit_verdicts *out);

/** "x86-64-v3", "ARMv7", "rv64imafdc": the instructions that it says it needs. Caller frees; NULL:
 * it does not say. */
char *weft_audit_isa_text(const struct weft_elf_facts *f);

/** An ELF file's machine, class and byte order: "x86-64", "mips64 (little-endian)". Caller frees.
 */
char *weft_audit_machine_text(const struct weft_elf_facts *f);

#endif
