/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "base/cleanup.h"
#include "engine/worker.h"
#include "engine/worker_config.h"
#include "tests/helpers.h"
#include "tests/unit/fake_qemu.h"

#define BASELINE "cortex-a8,neon=off"

/* The salt of --cpu flags, separated by blanks; "" for none. Caller frees. */
static char *salt_of(struct weft_worker_config *cfg, const char *flags)
{
    struct weft_cpu_choices c = {0};
    weft_auto_strv words = {0};
    struct weft_err *err = NULL;
    char *salt;

    weft_split(flags, ' ', &words);
    for (size_t i = 0; i < words.n; i++) {
        assert_ok(weft_cpu_choices_add(&c, words.v[i], &err), &err);
    }
    cfg->cpu = &c;
    salt = weft_worker_config_salt(cfg);
    cfg->cpu = NULL;
    weft_cpu_choices_finish(&c);
    return salt ? salt : weft_xstrdup("");
}

static void measure(struct weft_worker_config *cfg, size_t qemu, const char *platform,
                    const char *model, double ratio)
{
    const struct weft_qemu *q = &cfg->qemus.v[qemu];
    weft_auto_free char *path = weft_xstrdup(q->path);
    weft_auto_free char *version = weft_xstrdup(q->version);
    weft_auto_free char *copy = weft_xstrdup(model);
    struct weft_platform p;

    assert_int_equal(weft_platform_parse(platform, &p, NULL), 0);
    weft_speeds_add(&cfg->speeds, &(struct weft_speed){.platform = weft_catalogue_find(&p),
                                                       .qemu = path,
                                                       .version = version,
                                                       .model = copy,
                                                       .ratio = ratio,
                                                       .low = ratio - 0.1,
                                                       .high = ratio + 0.1});
}

static void test_fastest(void **state)
{
    /* figures that make cortex-a15 the fastest of linux/arm/v7, and nothing of the others */
    static const struct {
        const char *flags, *same_as;
    } cases[] = {
        {"fastest", "linux/arm/v7=cortex-a15"},
        {"linux/arm/v7=fastest", "linux/arm/v7=cortex-a15"},
        {"fastest linux/arm/v7=baseline", "baseline"},
        {"fastest linux/arm/v7=cortex-a9", "linux/arm/v7=cortex-a9"},
        {"fastest linux/arm/v6=max", "linux/arm/v7=cortex-a15 linux/arm/v6=max"},
        {"linux/riscv64=fastest", "baseline"}, /* nothing is known to be faster */
        {"linux/arm/v6=fastest", "baseline"},  /* not measured */
        {"max linux/riscv64=fastest", "max linux/riscv64=baseline"},
        {"max linux/arm/v6=fastest", "max linux/arm/v6=baseline"},
        {"max linux/arm/v7=fastest", "max linux/arm/v7=cortex-a15"},
    };
    struct weft_worker_config cfg = {.answers = weft_answers_create(NULL)};
    weft_auto_free char *none = NULL;
    weft_auto_free char *one = NULL;
    weft_auto_free char *both = NULL;

    fake_qemu_add(&cfg.qemus, *state, "arm", "arm", "7.2.22");
    fake_qemu_add(&cfg.qemus, *state, "riscv64", "riscv64", "7.2.22");
    none = salt_of(&cfg, "fastest");
    assert_string_equal(none, ""); /* it all comes to the baseline */
    measure(&cfg, 0, "linux/arm/v7", BASELINE, 9);
    measure(&cfg, 0, "linux/arm/v7", "cortex-a15", 8);
    measure(&cfg, 1, "linux/riscv64", "sifive-u54", 7);
    measure(&cfg, 1, "linux/riscv64", "max", 8);
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_auto_free char *a = salt_of(&cfg, cases[i].flags);
        weft_auto_free char *b = salt_of(&cfg, cases[i].same_as);

        if (strcmp(a, b) != 0 || (strcmp(cases[i].same_as, "baseline") == 0) != (*a == '\0')) {
            fail_msg("%s: %s, and %s: %s", cases[i].flags, a, cases[i].same_as, b);
        }
    }
    one = salt_of(&cfg, "fastest");
    measure(&cfg, 0, "linux/arm/v7", "cortex-a9", 6);
    both = salt_of(&cfg, "fastest"); /* another model now */
    assert_string_not_equal(one, both);
    weft_speeds_finish(&cfg.speeds);
    weft_qemus_finish(&cfg.qemus);
    weft_answers_destroy(cfg.answers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {temp_test(test_fastest)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
