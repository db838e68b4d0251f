/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <fnmatch.h>
#include <string.h>

#include "base/str.h"
#include "platforms/cpu.h"

/*
 * What a platform promises is the most that its usual programs need: those of Debian's port (the
 * defaults of its compiler, "gcc -v") and those of Go (go.dev/wiki/MinimumRequirements, and what
 * its run-time library checks at start). The models below have run both, where there is a port,
 * under QEMU 7.2, 10.0 and 11.1. Programs that use one instruction more die under `baseline`
 * (tests/e2e/cpu_models.sh), but where `exceeds` says otherwise.
 */

#define LIST(...) ((const struct weft_cpu_model[]){__VA_ARGS__, {NULL, NULL}})
#define NONE ((const struct weft_cpu_model[]){{NULL, NULL}})
#define PATTERNS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* max: with QEMU's own method of pointer authentication, not Arm's, which is the same to programs
 * but several times slower in software. QEMU 10 does so by itself. */
#define ARM64_MAX LIST({"max,pauth-impdef=on", ""}, {"max", ""})
#define ARM64_V8_MAX                                                                               \
    LIST({"max,sve=off,sme=off,pauth-impdef=on", "what later versions of the architecture added"}, \
         {"max", "what later versions of the architecture added, SVE and SME"})
#define ARM64_V9_MAX                                                                       \
    LIST({"max,sme=off,pauth-impdef=on", "what later versions of the architecture added"}, \
         {"max", "what later versions of the architecture added, SME"})
/* pauth-qarma5 has no effect here: it came with QEMU 10, whose max is the first with all of
 * Armv8.7. No option tells those apart that have CSSC, of Armv8.9. */
#define ARM64_NEW_V8                                                                         \
    LIST({"max,sve=off,sme=off,pauth-qarma5=off", "what later versions of the architecture " \
                                                  "added"})
#define ARM64_NEW_V9 \
    LIST({"max,sme=off,pauth-qarma5=off", "what later versions of the architecture added"})
#define ARM64_NEW_MAX LIST({"max,pauth-qarma5=off", ""})
#define ARM64_AGES "QEMU's max is Armv8.6 in QEMU 7.2, Armv8.8 in 10.0, Armv8.9 in 11.1"

#define X86_V2 "qemu64,svm=off,ssse3=on,sse4.1=on,sse4.2=on,popcnt=on"
#define X86_V3 X86_V2 ",avx=on,avx2=on,bmi1=on,bmi2=on,f16c=on,fma=on,abm=on,movbe=on,xsave=on"

/* Names of models that lack what the platform promises. */
#define X86_32 "486*", "pentium*", "athlon*", "coreduo*", "n270*", "qemu32*", "kvm32*", "base"
#define X86_1 \
    X86_32, "qemu64*", "kvm64*", "core2duo*", "phenom*", "Conroe*", "Penryn*", "Opteron_G[123]*"
#define X86_2                                                                                     \
    X86_1, "Nehalem*", "Westmere*", "SandyBridge*", "IvyBridge*", "Opteron_G[45]*", "Denverton*", \
        "Snowridge*"
#define ARM_4 "sa1100", "sa1110", "ti925t", "cortex-m*"
#define ARM_5 ARM_4, "arm926", "arm946", "arm1026", "pxa2*"
#define ARM_6 ARM_5, "arm1136*", "arm1176", "arm11mpcore"
#define MIPS_NO_FPU "4K*", "24Kc", "24KEc", "M14K*"
#define MIPS_R6 "mips32r6-generic", "I6400", "I6500", "I7200"

struct platform_cpus {
    const char *arch;
    const char *variant; /* a pattern */
    struct weft_cpu_spec spec;
    const char *const *weak;   /* patterns of models that are too weak; or NULL ... */
    const char *const *strong; /* ... patterns of those that are not, where they are the few */
};

static const struct platform_cpus cpus[] = {
    {"amd64",
     "",
     {"x86-64-v1, as the psABI has it: SSE2",
      "QEMU's own model without what x86-64-v2 begins with; the models that are named after "
      "products warn of what QEMU lacks, at each start",
      LIST({"qemu64,sse3=off,cx16=off,lahf-lm=off,svm=off", ""}), LIST({"max", ""})},
     PATTERNS(X86_32),
     NULL},
    {"amd64",
     "v2",
     {"x86-64-v2: SSE4.2, POPCNT, CMPXCHG16B", "QEMU's own model and what it lacks of the level",
      LIST({X86_V2, ""}), LIST({"max", ""})},
     PATTERNS(X86_1),
     NULL},
    {"amd64",
     "v3",
     {"x86-64-v3: AVX2, BMI2, FMA", "QEMU's own model and what it lacks of the level",
      LIST({X86_V3, ""}), LIST({"max", ""})},
     PATTERNS(X86_2),
     NULL},
    {"amd64",
     "v4",
     {"x86-64-v4: AVX-512", "QEMU does not emulate AVX-512: only a CPU that has it runs these",
      NONE, NONE},
     PATTERNS("*"),
     NULL},
    {"386",
     "",
     {"i686 with SSE2: Go, and Debian 13; Debian 12 needs no SSE2",
      "QEMU's own 32-bit model, which is just that, and SSE3", LIST({"qemu32,sse3=off", ""}),
      LIST({"max", ""})},
     PATTERNS("486*", "pentium", "pentium-v1", "pentium[23]*", "athlon*", "base"),
     NULL},
    {"arm64",
     "",
     {"Armv8.0 with floating point and Advanced SIMD",
      "the plainest Armv8.0 core that every QEMU has; the options that QEMU gives it cannot be "
      "switched off",
      LIST({"cortex-a53", "AES, PMULL, SHA-1, SHA-2 and CRC32, which Armv8.0 leaves open"}),
      ARM64_MAX},
     NULL,
     NULL},
    {"arm64",
     "v8.[12]",
     {"Armv8.1 or Armv8.2: LSE atomics, RDM", "the plainest Armv8.2 core that every QEMU has",
      LIST({"cortex-a76", "half precision, dot products, RCPC, SSBS and cryptography"}), ARM64_MAX},
     PATTERNS("cortex-a3*", "cortex-a53", "cortex-a57", "cortex-a72"),
     NULL},
    {"arm64",
     "v8.[34]",
     {"Armv8.3 or Armv8.4: pointer authentication, RCPC",
      "the only Armv8.4 core that QEMU has; 7.2 has none",
      LIST({"neoverse-v1,sve=off", "BFloat16, Int8 matrices, random numbers and cryptography"},
           {"max,sve=off,sme=off,pauth-impdef=on", "what later versions of the architecture added"},
           {"max", "what later versions of the architecture added, SVE and SME"}),
      ARM64_MAX},
     PATTERNS("cortex-a[357]*", "neoverse-n1", "a64fx"),
     PATTERNS("cortex-a7[18]*", "neoverse-[nv][12]*", "max")},
    {"arm64",
     "v8.[56]",
     {"Armv8.5 or Armv8.6: BTI, BFloat16", ARM64_AGES, ARM64_V8_MAX, ARM64_MAX},
     PATTERNS("cortex-a[357]*", "neoverse-n1", "neoverse-v1", "a64fx"),
     PATTERNS("cortex-a710", "neoverse-n2", "max")},
    {"arm64",
     "v8.[789]",
     {"Armv8.7 to Armv8.9: WFxT, MOPS, CSSC", ARM64_AGES, ARM64_NEW_V8, ARM64_NEW_MAX},
     PATTERNS("cortex-a*", "neoverse-*", "a64fx"),
     PATTERNS("max")},
    {"arm64",
     "v9",
     {"Armv9.0: Armv8.5 and SVE2", ARM64_AGES, ARM64_V9_MAX, ARM64_MAX},
     PATTERNS("cortex-a[357]*", "neoverse-n1", "neoverse-v1", "a64fx"),
     PATTERNS("cortex-a710", "neoverse-n2", "max")},
    {"arm64",
     "v9.1",
     {"Armv9.1: Armv8.6 and SVE2", ARM64_AGES, ARM64_V9_MAX, ARM64_MAX},
     PATTERNS("cortex-a[357]*", "neoverse-n1", "neoverse-v1", "a64fx"),
     PATTERNS("cortex-a710", "neoverse-n2", "max")},
    {"arm64",
     "v9.[2345]",
     {"Armv9.2 to Armv9.5: Armv8.7 and later, and SVE2", ARM64_AGES, ARM64_NEW_V9, ARM64_NEW_MAX},
     PATTERNS("cortex-a*", "neoverse-*", "a64fx"),
     PATTERNS("max")},
    {"arm",
     "v7",
     {"Armv7-A with Thumb-2 and VFPv3-D16: Debian's armhf, GOARM=7",
      "the plainest Armv7-A core, without NEON; QEMU 8.1 and later drop the upper half of the "
      "floating-point registers with it",
      LIST({"cortex-a8,neon=off,vfp-d32=off", "ThumbEE"},
           {"cortex-a8,neon=off", "ThumbEE and floating-point registers 16 to 31"}),
      LIST({"max", ""})},
     PATTERNS(ARM_6, "cortex-r*"),
     NULL},
    {"arm",
     "v6",
     {"Armv6 with VFPv2: GOARM=6, Raspberry Pi OS, Alpine's armhf",
      "the core of the Raspberry Pi 1 and Zero, for which all of these are made",
      LIST({"arm1176", "Armv6K: exclusive loads of other sizes than a word, the TLS register"}),
      LIST({"max", ""})},
     PATTERNS(ARM_5),
     NULL},
    {"arm",
     "v5",
     {"Armv5TE without floating point: Debian's armel, GOARM=5",
      "the core of the boards that Debian's armel is made for, without its VFP",
      LIST({"arm926,vfp=off", ""}), LIST({"max", ""})},
     PATTERNS(ARM_4),
     NULL},
    {"riscv64",
     "",
     {"RV64GC: Debian, GORISCV64=rva20u64", "a core that is just that", LIST({"sifive-u54", ""}),
      LIST({"max", ""}, {"rv64,v=true,vext_spec=v1.0", ""}, {"rv64", ""})},
     PATTERNS("sifive-e*", "rv64e", "rv64i", "x-rv128"),
     NULL},
    {"ppc64le",
     "",
     {"POWER8 (Power ISA 2.07): Debian's ppc64el, GOPPC64=power8", "it is what both name",
      LIST({"power8", ""}), LIST({"max", ""}, {"power11", ""}, {"power10", ""}, {"power9", ""})},
     NULL,
     PATTERNS("power[89]*", "power[1-9][0-9]*", "max")},
    {"ppc64",
     "",
     {"POWER8 (Power ISA 2.07): GOPPC64=power8; Debian's ppc64 needs less",
      "the programs of Go die on anything older",
      LIST({"power8", "what POWER5 to POWER8 added, for programs of Debian's ppc64"}),
      LIST({"max", ""}, {"power11", ""}, {"power10", ""}, {"power9", ""})},
     NULL,
     PATTERNS("power[89]*", "power[1-9][0-9]*", "max")},
    {"s390x",
     "",
     {"z13: Go (its vector facility); Debian's s390x needs z196",
      "QEMU's own model without what z14 and later added: QEMU refuses the models that are named "
      "after machines, as it has no decimal floating point",
      LIST({"qemu,vxeh=off,vxeh2=off,minste2=off,minste3=off,msa8=off,iep=off",
            "the instructions of z14 and z15: their facility bits are off, but QEMU runs them"}),
      LIST({"max", ""})},
     PATTERNS("z900*", "z9[0-9]*", "z9EC*", "z9BC*", "z890*", "z10*", "z196*", "z114*", "zEC12*",
              "zBC12*"),
     NULL},
    {"mips64le",
     "",
     {"MIPS64 release 2 with floating point: Debian's mips64el; Go needs MIPS III",
      "a core that is just that; max is the most capable that is not release 6, which removed "
      "instructions",
      LIST({"5KEf", "MSA instructions do nothing instead of failing"}),
      LIST({"Loongson-3A4000", ""}, {"mips64dspr2", ""})},
     PATTERNS(MIPS_NO_FPU, MIPS_R6, "24Kf", "34Kf", "74Kf", "P5600", "XBurst*", "R4000", "VR5432",
              "5Kc", "5Kf", "5KEc", "20Kc", "Loongson-2*"),
     NULL},
    {"mips64",
     "",
     {"MIPS64 release 2 with floating point; Go needs MIPS III",
      "a core that is just that; max is the most capable big-endian one that is not release 6, "
      "which removed instructions",
      LIST({"5KEf", "MSA instructions do nothing instead of failing"}), LIST({"mips64dspr2", ""})},
     PATTERNS(MIPS_NO_FPU, MIPS_R6, "24Kf", "34Kf", "74Kf", "P5600", "XBurst*", "R4000", "VR5432",
              "5Kc", "5Kf", "5KEc", "20Kc", "Loongson-2*"),
     NULL},
    {"mipsle",
     "",
     {"MIPS32 release 2 with floating point: Debian 12's mipsel; Go needs release 1",
      "a core that is just that, and MIPS16e; P5600 cannot run their programs, which have the "
      "older NaN",
      LIST({"24Kf", "MIPS16e"}), LIST({"74Kf", ""})},
     PATTERNS(MIPS_NO_FPU, MIPS_R6, "P5600"),
     NULL},
    {"mips",
     "",
     {"MIPS32 release 2 with floating point; Go needs release 1",
      "a core that is just that, and MIPS16e; P5600 cannot run their programs, which have the "
      "older NaN",
      LIST({"24Kf", "MIPS16e"}), LIST({"74Kf", ""})},
     PATTERNS(MIPS_NO_FPU, MIPS_R6, "P5600"),
     NULL},
    {"loong64",
     "",
     {"LA64 1.0 with LSX: Debian; Go needs no LSX",
      "a core that is just that, without LASX; the la464 of QEMU 7.2 has neither, and runs "
      "programs of Go but not of Debian",
      LIST({"la464,lasx=off", ""}, {"la464", "LASX, where QEMU has it"}),
      LIST({"max", ""}, {"la464", ""})},
     PATTERNS("la132"),
     NULL},
};

static const struct platform_cpus *find(const struct weft_platform *p)
{
    if (strcmp(p->os, "linux") != 0) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof(cpus) / sizeof(cpus[0]); i++) {
        if (strcmp(cpus[i].arch, p->arch) == 0 && fnmatch(cpus[i].variant, p->variant, 0) == 0) {
            return &cpus[i];
        }
    }
    return NULL;
}

const struct weft_cpu_spec *weft_cpu_spec(const struct weft_platform *p)
{
    const struct platform_cpus *c = find(p);

    return c ? &c->spec : NULL;
}

static bool matches(const char *const *patterns, const char *name)
{
    for (; patterns && *patterns; patterns++) {
        if (fnmatch(*patterns, name, 0) == 0) {
            return true;
        }
    }
    return false;
}

bool weft_cpu_too_weak(const struct weft_platform *p, const char *model)
{
    const struct platform_cpus *c = find(p);
    weft_auto_strv parts = {0};
    const char *name;

    if (!c) {
        return false;
    }
    weft_split(model, ',', &parts);
    name = parts.v[0];
    for (size_t i = 1; i < parts.n; i++) { /* what is switched on may be what the model lacks */
        if (parts.v[i][0] == '+' || weft_ends_with(parts.v[i], "=on") ||
            weft_ends_with(parts.v[i], "=true")) {
            return false;
        }
    }
    if (c->strong) {
        return !matches(c->strong, name) && (!c->weak || matches(c->weak, name));
    }
    return matches(c->weak, name);
}
