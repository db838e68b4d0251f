/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "engine/settings.h"
#include "tests/helpers.h"

/* What was read, in one line. */
static char *dump(const struct weft_settings *s)
{
    static const char *const policies[] = {"baseline", "max", "fastest", "model"};
    struct weft_buf b = {0};

    weft_buf_printf(&b, "%s", s->cpu.given ? policies[s->cpu.all.policy] : "-");
    for (size_t i = 0; i < s->cpu.n; i++) {
        const struct weft_cpu_choice *c = &s->cpu.v[i].choice;
        char name[WEFT_PLATFORM_SIZE];

        weft_buf_printf(&b, " %s=%s", weft_platform_format(&s->cpu.v[i].platform, name),
                        c->model ? c->model : policies[c->policy]);
    }
    if (s->qemu) {
        weft_buf_printf(&b, " use:%s", s->qemu);
    }
    for (size_t i = 0; i < s->qemu_dirs.n; i++) {
        weft_buf_printf(&b, " dir:%s", s->qemu_dirs.v[i]);
    }
    for (size_t i = 0; i < s->registries.n; i++) {
        const struct weft_registry_host *h = &s->registries.v[i];

        weft_buf_printf(&b, " %s%s%s%s", h->host, h->http ? "+http" : "", h->https ? "+https" : "",
                        h->insecure ? "+insecure" : "");
        for (size_t k = 0; k < h->mirrors.n; k++) {
            weft_buf_printf(&b, "<%s", h->mirrors.v[k]);
        }
    }
    if (s->disk_bytes) {
        weft_buf_printf(&b, " disk=%llu", (unsigned long long)s->disk_bytes);
    }
    return weft_buf_steal(&b);
}

static const struct {
    const char *text;
    const char *want;
} good[] = {
    {"", "-"},
    {"\n\n", "-"},
    {"# only a comment\n", "-"},
    {"---\n", "-"},
    {"---\n...\n", "-"},
    {"{}", "-"},
    {"cpu: max", "max"},
    {"cpu: fastest", "fastest"},
    {"cpu: {linux/arm64: fastest}", "baseline linux/arm64=fastest"},
    {"cpu: 'baseline'\r\n", "baseline"},
    {"\xef\xbb\xbf"
     "cpu: max\n",
     "max"},
    {"%YAML 1.2\n---\ncpu: max\n...\n", "max"},
    {"cpu:\n  linux/arm64: cortex-a72\n  linux/arm/v6: \"arm1176,vfp=off\"\n  riscv64: max\n",
     "baseline linux/arm64=cortex-a72 linux/arm/v6=arm1176,vfp=off linux/riscv64=max"},
    {"cpu: {}\n", "-"},
    {"disk: 50G\n", "- disk=50000000000"},
    {"disk: 1000000\n", "- disk=1000000"},
    {"qemu: 7.2\n", "- use:7.2"},
    {"qemu: \"10.0.13\"\n", "- use:10.0.13"},
    {"qemu: 11\n", "- use:11"},
    {"qemu: /usr\n", "- use:/usr"},
    {"qemu: {use: 7.2, dirs: [/, /usr]}\n", "- use:7.2 dir:/ dir:/usr"},
    {"qemu:\n  dirs:\n    - /usr\n", "- dir:/usr"},
    {"qemu: {dirs: []}\n", "-"},
    {"registries: {}\n", "-"},
    {"registries:\n  localhost:5000:\n    http: true\n  '[::1]:5000': {http: false}\n",
     "- localhost:5000+http [::1]:5000+https"},
    {"registries: {index.docker.io: {mirrors: [m.example, 'm.example:5000/Hub/x_y']}}\n",
     "- docker.io<m.example<m.example:5000/Hub/x_y"},
    {"registries: {a.example: {insecure: true, mirrors: []}, b.example: {}}\n",
     "- a.example+insecure b.example"},
    {"{\"cpu\": \"max\", \"qemu\": {\"use\": \"7.2\"}}", "max use:7.2"},
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        struct weft_settings s = {0};
        struct weft_err *err = NULL;
        weft_auto_free char *found = NULL;
        int rc = weft_settings_parse(good[i].text, strlen(good[i].text), "config.yaml", &s, &err);

        if (rc < 0) {
            fail_msg("case %zu: %s", i, err->msg);
        }
        found = dump(&s);
        assert_string_equal(found, good[i].want);
        weft_settings_finish(&s);
    }
}

static const struct {
    const char *text;
    const char *msg;  /* all of it */
    const char *hint; /* NULL: any */
} bad[] = {
    /* what it is not */
    {"max", "c:1:1: the config file is a map, such as \"cpu: max\"", NULL},
    {"- cpu\n", "c:1:1: the config file is a map, such as \"cpu: max\"", NULL},
    {"cpu: max\n---\ncpu: max\n", "c:2:1: a second document begins, and a config file has one",
     NULL},
    /* keys */
    {"cpu: max\ncpus: max\n", "c:2:1: \"cpus\" is none of the keys of the config file", "cpu"},
    {"zzzzzz: 1\n", "c:1:1: \"zzzzzz\" is none of the keys of the config file",
     "one of cpu, disk, qemu, registries"},
    {"cpu: max\nqemu: 7.2\ncpu: max\n", "c:3:1: \"cpu\" is there twice", NULL},
    {"qemu:\n  usr: 7.2\n", "c:2:3: \"usr\" is none of the keys of qemu", "use"},
    {"qemu: {use: 7.2, use: 7.2}\n", "c:1:18: \"use\" is there twice", NULL},
    {"[a]: b\n", "c:1:1: a key is a word, not a list", NULL},
    {"? {a: b}\n: c\n", "c:1:3: a key is a word, not a map", NULL},
    {": max\n", "c:1:1: a key has no value", NULL},
    {"<<: {cpu: max}\n", "c:1:1: \"<<\" is none of the keys of the config file", NULL},
    /* disk */
    {"disk: 10%\n", "c:1:7: disk=10% is not a size of at least 1M",
     "a number of bytes, with k, M, G or T behind it, as 50G"},
    {"disk: 100k\n", "c:1:7: disk=100k is not a size of at least 1M", NULL},
    {"disk:\n", "c:1:1: disk has no value", NULL},
    {"disk: [50G]\n", "c:1:7: disk is a word, not a list", NULL},
    /* cpu */
    {"cpu:\n", "c:1:1: cpu has no value", NULL},
    {"cpu: [max]\n", "c:1:6: cpu is a word, not a list", NULL},
    {"cpu: linux/arm64=max\n",
     "c:1:6: \"linux/arm64=max\" is no policy; platforms are written as a map",
     "cpu: {PLATFORM: MODEL}"},
    {"cpu:\n  linux/arm46: max\n", "c:2:3: unknown platform \"linux/arm46\"", "linux/arm64"},
    {"cpu: {linux/arm64: max, linux/aarch64: max}\n",
     "c:1:25: \"linux/aarch64\" is there twice, under another name", NULL},
    {"cpu: {linux/arm64: cortex-a53,aes=off}\n", "c:1:31: \"aes=off\" is not a platform",
     "a model with a comma in it is quoted: \"cortex-a53,aes=off\""},
    {"cpu: {linux/arm64: {a: b}}\n", "c:1:20: the CPU of a platform is a word, not a map", NULL},
    {"cpu: {linux/arm64: }\n", "c:1:7: the CPU of a platform has no value", NULL},
    /* qemu */
    {"qemu:\n", "c:1:1: the QEMU to use has no value", NULL},
    {"qemu: ~/qemu\n", "c:1:7: \"~/qemu\": a ~ is not expanded here", "write the whole path"},
    {"qemu: /nonexistent\n", "c:1:7: there is no /nonexistent",
     "a version is digits and dots, such as 7.2 or 10.0.13"},
    {"qemu: /dev/null\n", "c:1:7: not a directory: /dev/null", NULL},
    {"qemu: /nonexistent/7..2\n", "c:1:7: there is no /nonexistent/7..2", NULL},
    {"qemu: {dirs: /}\n", "c:1:14: dirs is a list of directories", NULL},
    {"qemu: {dirs: [/, [/]]}\n", "c:1:18: a directory is a word, not a list", NULL},
    {"qemu: {dirs: [/, /nonexistent]}\n", "c:1:18: there is no /nonexistent", NULL},
    {"qemu: [7.2]\n", "c:1:7: the QEMU to use is a word, not a list", NULL},
    /* registries */
    {"registries: [a.example]\n",
     "c:1:13: registries is a map of hosts, such as {localhost:5000: {http: true}}", NULL},
    {"registries: {a.example: true}\n", "c:1:25: a registry is a map, such as {insecure: true}",
     NULL},
    {"registries: {'http://a.example': {}}\n",
     "c:1:15: \"http://a.example\" is not the host of a registry",
     "a.example, without the scheme; plain HTTP is \"http: true\" of that host"},
    {"registries: {a.example/x: {}}\n", "c:1:14: \"a.example/x\" is not the host of a registry",
     NULL},
    {"registries: {docker.io: {}, index.docker.io: {}}\n",
     "c:1:29: \"index.docker.io\" is there twice, under another name", NULL},
    {"registries: {a.example: {mirror: [b]}}\n",
     "c:1:26: \"mirror\" is none of the keys of a registry", "mirrors"},
    {"registries: {a.example: {mirrors: b}}\n", "c:1:35: mirrors is a list of hosts", NULL},
    {"registries: {a.example: {mirrors: [b, 'https://c/d']}}\n",
     "c:1:40: \"https://c/d\" is not a mirror, HOST or HOST/PATH",
     "c/d, without the scheme; plain HTTP is \"http: true\" of that host"},
    {"registries: {a.example: {mirrors: [b/]}}\n",
     "c:1:36: \"b/\" is not a mirror, HOST or HOST/PATH", NULL},
    {"registries: {a.example: {mirrors: [b/../c]}}\n",
     "c:1:36: \"b/../c\" is not a mirror, HOST or HOST/PATH", NULL},
    {"registries: {a.example: {mirrors: [b, b]}}\n", "c:1:39: \"b\" is there twice", NULL},
    {"registries: {a.example: {http: yes}}\n", "c:1:32: http is true or false, not \"yes\"", NULL},
    {"registries: {a.example: {insecure: [true]}}\n", "c:1:36: insecure is a word, not a list",
     NULL},
    {"registries: {a.example: {http: true, insecure: true}}\n",
     "c:1:52: a.example: http is without TLS, and ca, cert, key and insecure are about TLS", NULL},
    {"registries: {a.example: {ca: /nonexistent}}\n",
     "c:1:30: /nonexistent: No such file or directory", NULL},
    {"registries: {a.example: {ca: /dev/zero}}\n", "c:1:30: /dev/zero is not a file", NULL},
    {"registries: {a.example: {ca: /etc/passwd}}\n",
     "c:1:30: /etc/passwd holds no CERTIFICATE in PEM", NULL},
    {"registries: {a.example: {key: ~/k}}\n", "c:1:31: \"~/k\": a ~ is not expanded here",
     "write the whole path"},
    /* YAML that is not wanted */
    {"cpu: &a max\n", "c:1:9: an anchor (&), and weft knows none: leave it out", NULL},
    {"cpu: *a\n", "c:1:7: an alias (*), and weft knows none: write out the value", NULL},
    {"cpu: !!str max\n", "c:1:12: a tag (!), and weft knows none: leave it out", NULL},
    {"!!map {cpu: max}\n", "c:1:7: a tag (!), and weft knows none: leave it out", NULL},
    {"qemu: {dirs: &a [*a]}\n", "c:1:17: an anchor (&), and weft knows none: leave it out", NULL},
    /* broken YAML, in the words of libfyaml */
    {"cpu: {linux/arm64: max\n", NULL, NULL},
    {"cpu: \"max\n", NULL, NULL},
    {"cpu:\n\tlinux/arm64: max\n", NULL, NULL},
    {"cpu: max\n  x: y: z\n", NULL, NULL},
    {"cpu: max\n]\n", NULL, NULL},
    {"%YAML 3.0\n---\ncpu: max\n", NULL, NULL},
    {"cpu: @x\n", NULL, NULL},
    /* bytes */
    {"cpu: max\n\xff\n", "c:2: a byte that is not UTF-8", NULL},
    {"cpu: m\xc3\n", "c:1: a byte that is not UTF-8", NULL},
    {"qemu: \"/\\0\"\n", "c:1:8: the QEMU to use holds a NUL character", NULL},
    {"\"c\\e\": 1\n", "c:1:2: \"c\\x1b\" is none of the keys of the config file", NULL},
};

static void test_bad(void **state)
{
    int failed = 0;

    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct weft_settings s = {0};
        struct weft_err *err = NULL;

        if (weft_settings_parse(bad[i].text, strlen(bad[i].text), "c", &s, &err) == 0) {
            fail_msg("taken: %s", bad[i].text);
        }
        assert_int_equal(err->code, WEFT_E_USAGE);
        assert_true(!s.qemu && !s.cpu.v && !s.qemu_dirs.v && !s.path && !s.registries.v);
        if (bad[i].msg ? strcmp(err->msg, bad[i].msg) != 0
                       : !weft_starts_with(err->msg, "c:") || !strstr(err->msg, "not YAML")) {
            print_error("case %zu: %s\n", i, err->msg);
            failed++;
        }
        if (bad[i].hint && !weft_str_eq(err->hint, bad[i].hint)) {
            print_error("case %zu: hint: %s\n", i, err->hint ? err->hint : "none");
            failed++;
        }
        weft_err_free(err);
    }
    assert_int_equal(failed, 0);
}

/* Without a "---" it begins at the dots (libfyaml 0.7), or behind them (0.9). */
static void test_second_document(void **state)
{
    static const char text[] = "cpu: max\n...\ncpu: max\n";
    struct weft_settings s = {0};
    struct weft_err *err = NULL;

    (void)state;
    assert_int_equal(weft_settings_parse(text, strlen(text), "c", &s, &err), -1);
    assert_int_equal(err->code, WEFT_E_USAGE);
    assert_true(weft_starts_with(err->msg, "c:2:1: ") || weft_starts_with(err->msg, "c:3:1: "));
    assert_string_equal(err->msg + strlen("c:2:1: "),
                        "a second document begins, and a config file has one");
    weft_err_free(err);
}

/* Errors of libfyaml name the place, counted from 1. */
static void test_place(void **state)
{
    static const char text[] = "cpu: max\nqemu:\n\tuse: 7.2\n";
    struct weft_settings s = {0};
    struct weft_err *err = NULL;

    (void)state;
    assert_int_equal(weft_settings_parse(text, strlen(text), "c", &s, &err), -1);
    assert_true(weft_starts_with(err->msg, "c:3:1: not YAML: "));
    weft_err_free(err);
}

static void test_nul(void **state)
{
    static const char text[] = "cpu: max\n\0cpu: [\n";
    struct weft_settings s = {0};
    struct weft_err *err = NULL;

    (void)state;
    assert_int_equal(weft_settings_parse(text, sizeof(text) - 1, "c", &s, &err), -1);
    assert_string_equal(err->msg, "c:2: a NUL byte");
    weft_err_free(err);
}

/* `count` times `part`: an error, and that at once. */
static void check_many(const char *part, size_t count)
{
    weft_auto_buf b = {0};
    struct weft_settings s = {0};
    struct weft_err *err = NULL;

    for (size_t i = 0; i < count; i++) {
        weft_buf_puts(&b, part);
    }
    if (weft_settings_parse(b.data, b.len, "c", &s, &err) == 0) {
        fail_msg("taken: %zu times %s", count, part);
    }
    assert_int_equal(err->code, WEFT_E_USAGE);
    assert_true(strlen(err->msg) < 500);
    weft_err_free(err);
}

static void test_hostile(void **state)
{
    weft_auto_buf b = {0};
    struct weft_settings s = {0};
    struct weft_err *err = NULL;

    (void)state;
    check_many("[", 500000);
    check_many("{cpu: ", 100000);
    check_many("- ", 500000);
    check_many("? ", 500000);
    check_many("cpu: {linux/arm64: [[[[[[[[", 10000);
    check_many("qemu: {dirs: [", 50000);
    check_many("a", 1000000);
    check_many("cpu:\n ", 100000);
    check_many("&a ", 100000);
    weft_buf_puts(&b, "a: &a [x, x]\n");
    for (char c = 'b'; c <= 'z'; c++) {
        weft_buf_printf(&b, "%c: &%c [*%c, *%c, *%c]\n", c, c, c - 1, c - 1, c - 1);
    }
    assert_int_equal(weft_settings_parse(b.data, b.len, "c", &s, &err), -1);
    weft_err_freep(&err);
}

static void test_qemu(void **state)
{
    weft_auto_free char *sub = weft_path_join(*state, "7.2");
    weft_auto_free char *found = NULL;
    weft_auto_free char *version = NULL;
    weft_auto_free char *here = NULL;
    struct weft_err *err = NULL;
    static const char *const wrong[] = {"", "7.", ".7", "7..2", "v7.2", "7.2-rc1", "1234567890"};

    assert_int_equal(mkdir(sub, 0755), 0);
    found = weft_settings_qemu("./7.2", *state, &err);
    version = weft_settings_qemu("7.2", *state, &err);
    here = weft_settings_qemu(".", NULL, &err);
    assert_null(err);
    assert_true(found[0] == '/' && weft_is_dir(found));
    assert_string_equal(version, "7.2");
    assert_true(here[0] == '/' && weft_is_dir(here));
    for (size_t i = 0; i < COUNT(wrong); i++) {
        assert_null(weft_settings_qemu(wrong[i], *state, &err));
        assert_int_equal(err->code, WEFT_E_USAGE);
        assert_non_null(err->hint);
        weft_err_freep(&err);
    }
}

/* Relative directories are relative to the file's. */
static void test_load(void **state)
{
    static const char text[] = "cpu: max\nqemu: {use: sub, dirs: [sub, /]}\n";
    weft_auto_free char *path = weft_path_join(*state, "my.yaml");
    weft_auto_free char *sub = weft_path_join(*state, "sub");
    struct weft_settings s = {0};
    struct weft_err *err = NULL;

    put_file(path, text, strlen(text));
    assert_int_equal(mkdir(sub, 0755), 0);
    setenv("WEFT_CONFIG", path, 1);
    assert_ok(weft_settings_load(&s, &err), &err);
    assert_string_equal(s.path, path);
    assert_string_equal(s.qemu, sub);
    assert_string_equal(s.qemu_dirs.v[0], sub);
    assert_string_equal(s.qemu_dirs.v[1], "/");
    assert_int_equal(s.cpu.all.policy, WEFT_CPU_MAX);
    weft_settings_finish(&s);
    put_file(path, "cpus:", 5);
    assert_int_equal(weft_settings_load(&s, &err), -1);
    assert_err(&err, WEFT_E_USAGE, 0, "my.yaml:1:1: \"cpus\"");
}

/* The files of registries: absolute paths, looked at. Not real ones: OpenSSL is not asked. */
static void test_pem(void **state)
{
    static const char cert[] =
        "text\n-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";
    static const char key[] = "-----BEGIN EC PRIVATE KEY-----\r\nAA==\r\n"
                              "-----END EC PRIVATE KEY-----\r\n";
    static const char locked[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n"
                                 "-----END ENCRYPTED PRIVATE KEY-----\n";
    static const struct {
        const char *members;
        const char *msg; /* NULL: taken */
    } cases[] = {
        {"ca: cert.pem", NULL},
        {"ca: cert.pem, cert: cert.pem, key: key.pem", NULL},
        {"insecure: true, cert: both.pem, key: both.pem", NULL},
        {"cert: cert.pem", "a.example: cert is given, and no key"},
        {"key: key.pem", "a.example: key is given, and no cert"},
        {"cert: cert.pem, key: cert.pem", "cert.pem holds no PRIVATE KEY in PEM"},
        {"cert: key.pem, key: key.pem", "key.pem holds no CERTIFICATE in PEM"},
        {"cert: cert.pem, key: locked.pem", "is encrypted"},
        {"ca: cert.pem, insecure: true", "with insecure no certificate is checked"},
        {"ca: cert.pem, http: true", "http is without TLS"},
        {"ca: sub", "sub is not a file"},
    };
    static const struct {
        const char *name, *text;
    } files[] = {{"cert.pem", cert}, {"key.pem", key}, {"locked.pem", locked}};
    weft_auto_free char *name = weft_path_join(*state, "c.yaml");
    weft_auto_free char *both = weft_path_join(*state, "both.pem");
    weft_auto_free char *sub = weft_path_join(*state, "sub");
    weft_auto_free char *joined = weft_fmt("%s%s", cert, key);
    weft_auto_free char *ca = weft_path_join(*state, "cert.pem");

    for (size_t i = 0; i < COUNT(files); i++) {
        weft_auto_free char *path = weft_path_join(*state, files[i].name);

        put_file(path, files[i].text, strlen(files[i].text));
    }
    put_file(both, joined, strlen(joined));
    assert_int_equal(mkdir(sub, 0755), 0);
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_auto_free char *text = weft_fmt("registries: {a.example: {%s}}\n", cases[i].members);
        struct weft_settings s = {0};
        struct weft_err *err = NULL;
        int rc = weft_settings_parse(text, strlen(text), name, &s, &err);

        if (cases[i].msg) {
            assert_int_equal(rc, -1);
            assert_err(&err, WEFT_E_USAGE, 0, cases[i].msg);
            continue;
        }
        assert_ok(rc, &err);
        assert_true(s.registries.v[0].https || s.registries.v[0].insecure);
        if (i == 0) {
            assert_string_equal(s.registries.v[0].ca_file, ca);
        }
        weft_settings_finish(&s);
    }
}

static void test_load_default(void **state)
{
    weft_auto_free char *dir = weft_path_join(*state, "weft");
    weft_auto_free char *path = weft_path_join(dir, "config.yaml");
    struct weft_settings s = {0};
    struct weft_err *err = NULL;

    unsetenv("WEFT_CONFIG");
    setenv("XDG_CONFIG_HOME", *state, 1);
    assert_ok(weft_settings_load(&s, &err), &err); /* there is none */
    assert_null(s.path);
    put_file(dir, "", 0);
    assert_ok(weft_settings_load(&s, &err), &err); /* nor can be */
    assert_null(s.path);
    assert_int_equal(unlink(dir), 0);
    assert_int_equal(mkdir(dir, 0755), 0);
    put_file(path, "qemu: 7.2\n", 10);
    setenv("WEFT_CONFIG", "", 1); /* as if it were not set */
    assert_ok(weft_settings_load(&s, &err), &err);
    assert_string_equal(s.path, path);
    assert_string_equal(s.qemu, "7.2");
    weft_settings_finish(&s);
    setenv("WEFT_CONFIG", "/dev/null", 1); /* a way to have none */
    assert_ok(weft_settings_load(&s, &err), &err);
    assert_true(!s.qemu && !s.cpu.given);
    weft_settings_finish(&s);
}

static void test_load_fails(void **state)
{
    weft_auto_free char *path = weft_path_join(*state, "config.yaml");
    weft_auto_free char *large = weft_xmalloc(WEFT_SETTINGS_LIMIT + 1);
    struct weft_settings s = {0};
    struct weft_err *err = NULL;

    setenv("WEFT_CONFIG", path, 1);
    assert_int_equal(weft_settings_load(&s, &err), -1);
    assert_err(&err, WEFT_E_USAGE, ENOENT, "config file: ");
    setenv("WEFT_CONFIG", *state, 1);
    assert_int_equal(weft_settings_load(&s, &err), -1);
    assert_err(&err, WEFT_E_USAGE, EISDIR, "config file: ");
    setenv("WEFT_CONFIG", path, 1);
    memset(large, '\n', WEFT_SETTINGS_LIMIT + 1);
    put_file(path, large, WEFT_SETTINGS_LIMIT);
    assert_ok(weft_settings_load(&s, &err), &err);
    weft_settings_finish(&s);
    put_file(path, large, WEFT_SETTINGS_LIMIT + 1);
    assert_int_equal(weft_settings_load(&s, &err), -1);
    assert_err(&err, WEFT_E_USAGE, 0, "config file: ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_second_document),
        cmocka_unit_test(test_place),
        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_hostile),
        temp_test(test_qemu),
        temp_test(test_load),
        temp_test(test_pem),
        temp_test(test_load_default),
        temp_test(test_load_fails),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
