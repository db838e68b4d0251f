/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "bench/facts.h"

#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mem.h"

enum {
    FILE_MAX_BYTES =
        1 << 20, /* of /proc/cpuinfo of a machine with hundreds of CPUs, the first ones */
    FIRST_CPUS_BYTES = 32 << 10, /* where the first one is enough: each build asks which it is */
};

/* The content of a file below root, of what is longer than `max` the beginning; NULL: it cannot be
 * read. Caller frees. */
static char *read_some(int root, const char *path, size_t max)
{
    weft_auto_fd fd = openat(root, path, O_RDONLY | O_CLOEXEC);
    weft_auto_buf buf = {0};
    char chunk[4096];
    ssize_t n;

    if (fd < 0) {
        return NULL;
    }
    while (buf.len < max && (n = read(fd, chunk, sizeof(chunk))) > 0) {
        weft_buf_append(&buf, chunk, (size_t)n);
    }
    return weft_buf_steal(&buf);
}

static char *read_at(int root, const char *path)
{
    return read_some(root, path, FILE_MAX_BYTES);
}

/* Its first line without blanks around it; NULL where that is empty. Caller frees. */
static char *line_at(int root, const char *path)
{
    weft_auto_free char *text = read_at(root, path);
    size_t from = text ? strspn(text, " \t") : 0;
    size_t n = text ? strcspn(text + from, "\n") : 0;

    while (n > 0 && strchr(" \t", text[from + n - 1])) {
        n--;
    }
    if (n == 0) {
        return NULL;
    }
    text[from + n] = '\0';
    return weft_printable(text + from);
}

/* --- /proc/cpuinfo --- */

/* The value of `key` in what begins at `text`: "key<blanks>: value". Caller frees; NULL: none. */
static char *value_of(const char *text, const char *key)
{
    size_t len = strlen(key);

    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        size_t at;

        line += *line == '\n';
        if (strncmp(line, key, len) != 0) {
            continue;
        }
        at = len + strspn(line + len, " \t");
        if (line[at] == ':') {
            weft_auto_free char *value = NULL;

            at++;
            at += strspn(line + at, " \t");
            value = weft_xstrndup(line + at, strcspn(line + at, "\n"));
            return weft_printable(value);
        }
    }
    return NULL;
}

static char *cpu_name(const char *cpuinfo)
{
    /* x86; some arm; mips; ppc; riscv; s390 */
    static const char *const keys[] = {"model name", "Model Name", "cpu model", "cpu",
                                       "uarch",      "Model",      "vendor_id"};
    weft_auto_free char *implementer = value_of(cpuinfo, "CPU implementer");
    weft_auto_free char *part = value_of(cpuinfo, "CPU part");

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        weft_auto_free char *value = value_of(cpuinfo, keys[i]);

        if (value && *value) {
            return weft_steal(&value);
        }
    }
    return implementer && part ? weft_fmt("implementer %s, part %s", implementer, part) : NULL;
}

static void split_flags(const char *cpuinfo, struct weft_strv *out)
{
    static const char *const keys[] = {"flags", "Features", "features", "isa"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]) && out->n == 0; i++) {
        weft_auto_free char *value = value_of(cpuinfo, keys[i]);
        weft_auto_strv words = {0};

        if (value) {
            weft_split(value, ' ', &words);
        }
        for (size_t k = 0; k < words.n; k++) {
            if (*words.v[k]) {
                weft_strv_add(out, words.v[k]);
            }
        }
    }
}

/* The part of cpuinfo about one CPU. Borrowed. */
static const char *part_of(const char *cpuinfo, int cpu)
{
    for (const char *at = strstr(cpuinfo, "processor"); at; at = strstr(at + 1, "\nprocessor")) {
        const char *colon = strchr(at, ':');

        if (colon && strtol(colon + 1, NULL, 10) == cpu) {
            return at;
        }
    }
    return NULL;
}

/* --- what the machine is --- */

static uint64_t memory_of(int root)
{
    weft_auto_free char *text = read_at(root, "proc/meminfo");
    weft_auto_free char *value = text ? value_of(text, "MemTotal") : NULL;

    return value ? strtoull(value, NULL, 10) * 1024 : 0;
}

/* Which hypervisor a vendor's name stands for. */
static const struct hypervisor {
    const char *vendor; /* begins with */
    const char *product;
    const char *name;
} hypervisors[] = {
    {"QEMU", "", "kvm"},
    {"Red Hat", "KVM", "kvm"},
    {"Google", "Google Compute Engine", "kvm"},
    {"OpenStack Foundation", "", "kvm"},
    {"DigitalOcean", "", "kvm"},
    {"Hetzner", "vServer", "kvm"},
    {"Alibaba Cloud", "", "kvm"},
    {"VMware", "", "vmware"},
    {"innotek", "", "virtualbox"},
    {"Microsoft Corporation", "Virtual Machine", "hyperv"},
    {"Xen", "", "xen"},
    {"Parallels", "", "parallels"},
};

static char *hypervisor_of(int root, const struct weft_facts *f)
{
    char *type = line_at(root, "sys/hypervisor/type");
    bool flagged = weft_strv_has(&f->flags, "hypervisor");

    if (type) {
        return type;
    }
    for (size_t i = 0; f->vendor && i < sizeof(hypervisors) / sizeof(hypervisors[0]); i++) {
        const struct hypervisor *h = &hypervisors[i];

        if (weft_starts_with(f->vendor, h->vendor) &&
            weft_starts_with(f->product ? f->product : "", h->product)) {
            return weft_xstrdup(h->name);
        }
    }
    /* Amazon's machines without a hypervisor say so in the name of their type */
    if (weft_str_eq(f->vendor, "Amazon EC2") && f->product && !strstr(f->product, "metal")) {
        return weft_xstrdup("kvm");
    }
    return flagged ? weft_xstrdup("unknown") : NULL;
}

/* The value of a variable, printable. Caller frees; NULL: it is not set. */
static char *given(const char *variable)
{
    const char *value = getenv(variable);

    return value && *value ? weft_printable(value) : NULL;
}

static char *instance_type_of(const struct weft_facts *f)
{
    char *type = given("WEFT_INSTANCE_TYPE");

    if (type) {
        return type;
    }
    /* the type is the product on Amazon's newer machines alone: "m6g.large" */
    if (weft_str_eq(f->vendor, "Amazon EC2") && f->product && strchr(f->product, '.')) {
        return weft_xstrdup(f->product);
    }
    return NULL;
}

void weft_facts_gather(int root, struct weft_facts *out)
{
    weft_auto_free char *cpuinfo = read_some(root, "proc/cpuinfo", FIRST_CPUS_BYTES);
    cpu_set_t allowed;
    struct utsname u;

    weft_platform_host(&out->platform);
    if (cpuinfo) {
        out->cpu = cpu_name(cpuinfo);
        split_flags(cpuinfo, &out->flags);
    }
    out->cpus = sysconf(_SC_NPROCESSORS_ONLN);
    out->cpus_allowed = sched_getaffinity(0, sizeof(allowed), &allowed) == 0 ? CPU_COUNT(&allowed)
                                                                             : out->cpus;
    out->memory_bytes = memory_of(root);
    out->kernel = line_at(root, "proc/sys/kernel/osrelease");
    if (!out->kernel && uname(&u) == 0) {
        out->kernel = weft_printable(u.release);
    }
    out->vendor = line_at(root, "sys/class/dmi/id/sys_vendor");
    out->product = line_at(root, "sys/class/dmi/id/product_name");
    out->hypervisor = hypervisor_of(root, out);
    out->instance_type = instance_type_of(out);
    out->node = given("WEFT_NODE_NAME");
    out->pool = given("WEFT_NODE_POOL");
}

void weft_facts_finish(struct weft_facts *f)
{
    free(f->cpu);
    weft_strv_finish(&f->flags);
    free(f->kernel);
    free(f->hypervisor);
    free(f->vendor);
    free(f->product);
    free(f->instance_type);
    free(f->node);
    free(f->pool);
    *f = (struct weft_facts){0};
}

/* --- how it is right now --- */

double weft_facts_load(int root)
{
    weft_auto_free char *load = line_at(root, "proc/loadavg");

    return load ? strtod(load, NULL) : 0;
}

double weft_facts_mhz(int root, int cpu)
{
    weft_auto_free char *path =
        weft_fmt("sys/devices/system/cpu/cpu%d/cpufreq/scaling_cur_freq", cpu);
    weft_auto_free char *khz = line_at(root, path);
    weft_auto_free char *cpuinfo = NULL;
    weft_auto_free char *mhz = NULL;
    const char *part;

    if (khz) {
        return strtod(khz, NULL) / 1000;
    }
    cpuinfo = read_at(root, "proc/cpuinfo");
    part = cpuinfo ? part_of(cpuinfo, cpu) : NULL;
    mhz = part ? value_of(part, "cpu MHz") : NULL;
    return mhz ? strtod(mhz, NULL) : 0;
}

/* "cpu1 user nice system idle iowait irq softirq steal guest guest_nice"; the last two are in the
 * first two already. */
static void read_ticks(const char *stat, int cpu, struct weft_ticks *out)
{
    enum {
        IDLE = 3,
        IOWAIT = 4,
        STEAL = 7,
        FIELDS = 8
    };
    weft_auto_free char *name = weft_fmt("\ncpu%d ", cpu);
    const char *at = strstr(stat, name);

    if (!at) {
        return;
    }
    at += strlen(name);
    for (int i = 0; i < FIELDS; i++) {
        char *end;
        uint64_t ticks = strtoull(at, &end, 10);

        if (end == at) {
            return;
        }
        out->total += ticks;
        if (i == STEAL) {
            out->steal = ticks;
        } else if (i == IDLE || i == IOWAIT) {
            out->idle += ticks;
        }
        at = end;
    }
}

void weft_ticks_look(int root, int cpu, struct weft_ticks *out)
{
    weft_auto_free char *stat = read_at(root, "proc/stat");

    *out = (struct weft_ticks){0};
    if (stat) {
        read_ticks(stat, cpu, out);
    }
}

double weft_ticks_per_s(void)
{
    long n = sysconf(_SC_CLK_TCK);

    return n > 0 ? (double)n : 100;
}

double weft_ticks_stolen(const struct weft_ticks *from, const struct weft_ticks *to)
{
    if (to->total <= from->total || to->steal <= from->steal) {
        return 0;
    }
    return (double)(to->steal - from->steal) / (double)(to->total - from->total);
}
