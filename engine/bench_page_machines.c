/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/bench_page_parts.h"

#include "base/cleanup.h"
#include "engine/html.h"

enum {
    FEW = 3, /* machines whose facts are not folded */
};

static void fact(struct weft_buf *b, const char *name, const char *value)
{
    if (value && *value) {
        weft_html_element(b, "dt", "%s", name);
        weft_html_element(b, "dd", "%s", value);
        weft_buf_puts(b, "\n");
    }
}

/* Each version once, in the order of the result. */
static char *qemus(const struct weft_bench_result *r)
{
    weft_auto_strv versions = {0};

    for (size_t i = 0; i < r->n; i++) {
        const char *v = r->targets[i].version ? r->targets[i].version : r->targets[i].qemu;

        if (v && !weft_strv_has(&versions, v)) {
            weft_strv_add(&versions, v);
        }
    }
    return weft_strv_join(&versions, ", ");
}

static void hardware(struct weft_buf *b, const struct weft_facts *f)
{
    weft_auto_free char *cpus = weft_fmt("%ld online, %ld allowed", f->cpus, f->cpus_allowed);
    weft_auto_free char *memory = f->memory_bytes ? weft_human_size((double)f->memory_bytes) : NULL;
    weft_auto_free char *made = weft_fmt("%s%s%s", f->vendor ? f->vendor : "",
                                         f->vendor && f->product ? ", " : "",
                                         f->product ? f->product : "");
    char platform[WEFT_PLATFORM_SIZE];

    fact(b, "Native platform", weft_platform_format(&f->platform, platform));
    fact(b, "CPU", f->cpu);
    fact(b, "CPUs", cpus);
    fact(b, "Memory", memory);
    fact(b, "Kernel", f->kernel);
    fact(b, "Virtualisation",
         !f->hypervisor                          ? "none"
         : weft_str_eq(f->hypervisor, "unknown") ? "yes, of an unknown kind"
                                                 : f->hypervisor);
    fact(b, "Machine", made);
    fact(b, "Instance type", f->instance_type);
    fact(b, "Node", f->node);
}

static void conditions(struct weft_buf *b, const struct weft_bench_result *r)
{
    weft_auto_free char *started = weft_time_utc(r->started);
    weft_auto_free char *when = weft_fmt("%s, %.0f s%s%s", started ? started : "at an unknown time",
                                         r->seconds, r->quick ? ", a quick run" : "",
                                         r->interrupted ? ", interrupted: incomplete" : "");
    weft_auto_free char *by =
        weft_fmt("weft %s, on CPU %d", r->weft ? r->weft : PACKAGE_VERSION, r->cpu);
    weft_auto_free char *load = weft_fmt("%.2f before, %.2f after", r->load_before, r->load_after);
    weft_auto_free char *stolen = weft_fmt("%.1f %% of the time", 100 * r->stolen);
    weft_auto_free char *versions = qemus(r);
    weft_auto_free char *skipped = weft_strv_join(&r->skipped, "; ");

    fact(b, "Measured", when);
    fact(b, "Measured by", by);
    fact(b, "QEMU", versions);
    fact(b, "Load", load);
    fact(b, "Stolen by the hypervisor", stolen);
    fact(b, "Not measured", skipped);
}

static void summary(struct weft_buf *b, const struct weft_compare_node *node)
{
    const struct weft_facts *f = &node->result->machine;

    weft_buf_puts(b, "<summary>");
    weft_html_element(b, "strong", "%s", node->name);
    weft_html_textf(b, " %s, %ld CPU%s", f->cpu ? f->cpu : "unknown CPU", f->cpus,
                    f->cpus == 1 ? "" : "s");
    weft_buf_puts(b, "</summary>\n");
}

void weft_page_machines(struct weft_buf *b, const struct weft_comparison *c)
{
    for (size_t i = 0; i < c->n_nodes; i++) {
        const struct weft_compare_node *node = &c->nodes[i];
        const struct weft_strv *flags = &node->result->machine.flags;

        weft_buf_puts(b, c->n_nodes > FEW ? "<details>" : "<details open='open'>");
        summary(b, node);
        weft_buf_printf(b, "<dl id='node-%zu'>\n", i);
        fact(b, "Pool", node->pool);
        if (node->price > 0) {
            weft_auto_free char *price = weft_fmt("%.4g per hour", node->price);

            fact(b, "Price", price);
        }
        hardware(b, &node->result->machine);
        conditions(b, node->result);
        if (flags->n > 0) {
            weft_auto_free char *all = weft_strv_join(flags, " ");

            fact(b, "CPU flags", all);
        }
        weft_buf_puts(b, "</dl></details>\n");
    }
}
