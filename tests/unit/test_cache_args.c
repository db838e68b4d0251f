/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/cache_args.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/progress_model.h"
#include "engine/request.h"

#define HEX "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define TAG_INDEX                                                                      \
    "{\"schemaVersion\":2,\"manifests\":[{\"digest\":\"sha256:" HEX "\",\"size\":1,"   \
    "\"annotations\":{\"org.opencontainers.image.ref.name\":\"latest\"}},{\"digest\":" \
    "\"sha256:" HEX "\",\"size\":1,\"annotations\":{"                                  \
    "\"org.opencontainers.image.ref.name\":\"other\"}}]}"

static const struct {
    const char *path;
    const char *text;
} files[] = {
    {"Dockerfile", "FROM scratch\n"},           {"own/linux_arm64/index.json", TAG_INDEX},
    {"own/linux_arm64/blobs/sha256/" HEX, "x"}, {"plain/index.json", TAG_INDEX},
    {"plain/blobs/sha256/" HEX, "x"},           {"broken/index.json", "{\"manifests\":"},
};

/* What is read from the environment. */
static const char *const variables[] = {
    "ACTIONS_CACHE_URL",
    "ACTIONS_RESULTS_URL",
    "ACTIONS_RUNTIME_TOKEN",
    "AWS_BUCKET",
    "AWS_REGION",
    "BUILDKIT_AZURE_STORAGE_ACCOUNT_URL",
    "BUILDKIT_AZURE_STORAGE_ACCOUNT_NAME",
    "BUILDKIT_AZURE_STORAGE_CONTAINER",
    "BUILDKIT_AZURE_STORAGE_PREFIX",
};

static char *root;

static void clear_environment(void)
{
    for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
        unsetenv(variables[i]);
    }
}

static int setup(void **state)
{
    weft_auto_free char *made = weft_temp_dir("/tmp", "weft-test-cache", NULL);

    (void)state;
    root = made ? realpath(made, NULL) : NULL;
    if (!root) {
        return -1;
    }
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        weft_auto_free char *path = weft_path_join(root, files[i].path);
        weft_auto_free char *dir = weft_path_dir(path);

        if (weft_mkdirs(dir, 0755, NULL) < 0 ||
            weft_write_file(path, files[i].text, strlen(files[i].text), 0644, NULL) < 0) {
            return -1;
        }
    }
    setenv("WEFT_CONFIG", "/dev/null", 1);
    unsetenv("DOCKER_DEFAULT_PLATFORM");
    unsetenv("BUILDX_NO_DEFAULT_ATTESTATIONS");
    unsetenv("SOURCE_DATE_EPOCH");
    clear_environment();
    return chdir(root);
}

static int teardown(void **state)
{
    int r = weft_rmtree(root, NULL);

    (void)state;
    free(root);
    return r;
}

/* The command line `text`, words parted by blanks, for linux/arm64 and linux/arm/v7. */
static int parse(const char *text, struct weft_request *r, struct weft_err **err)
{
    weft_auto_strv argv = {0};

    weft_split("build --platform linux/arm64,linux/arm/v7 -o type=oci,dest=x.tar .", ' ', &argv);
    weft_split(text, ' ', &argv);
    return weft_request_parse((int)argv.n, argv.v, r, err);
}

/* The arguments of the solve of platform i, "from VALUE" and "to VALUE" with the working directory
 * as ROOT, and what is said before it, "says TEXT"; parted by newlines. Caller frees. */
static char *args(const char *text, size_t i)
{
    struct weft_request r = {0};
    weft_auto_err err = NULL;
    weft_auto_strv argv = {0};
    weft_auto_strv notices = {0};
    weft_auto_buf b = {0};
    weft_auto_buf out = {0};

    if (parse(text, &r, &err) < 0) {
        fail_msg("%s: %s", text, err->msg);
    }
    weft_cache_args(&r, &r.platforms[i], false, &argv, &notices);
    for (size_t k = 0; k + 1 < argv.n; k += 2) {
        bool from = strcmp(argv.v[k], "--import-cache") == 0;

        assert_true(from || strcmp(argv.v[k], "--export-cache") == 0);
        weft_buf_printf(&b, "%s%s %s", b.len ? "\n" : "", from ? "from" : "to", argv.v[k + 1]);
    }
    for (size_t k = 0; k < r.notices.n; k++) {
        weft_buf_printf(&b, "%swarns %s", b.len ? "\n" : "", r.notices.v[k]);
    }
    for (size_t k = 0; k < notices.n; k++) {
        weft_buf_printf(&b, "%ssays %s", b.len ? "\n" : "", notices.v[k]);
    }
    for (const char *p = b.data; p && *p;) {
        if (weft_starts_with(p, root)) {
            weft_buf_puts(&out, "ROOT");
            p += strlen(root);
        } else {
            weft_buf_append(&out, p++, 1);
        }
    }
    weft_request_finish(&r);
    return weft_buf_steal(&out);
}

static void assert_args(const char *text, const char *want)
{
    char *got = args(text, 0);

    assert_string_equal(got, want);
    free(got);
}

static void test_places(void **state)
{
    static const struct {
        const char *flags;
        const char *want;
    } cases[] = {
        {"--cache-from app", "from type=registry,ref=docker.io/library/app:latest-linux-arm64\n"
                             "from type=registry,ref=docker.io/library/app:latest"},
        {"--cache-from localhost:5000/a:c,localhost:5000/b:d",
         "from type=registry,ref=localhost:5000/a:c-linux-arm64\n"
         "from type=registry,ref=localhost:5000/a:c\n"
         "from type=registry,ref=localhost:5000/b:d-linux-arm64\n"
         "from type=registry,ref=localhost:5000/b:d"},
        {"--cache-from r.io/a@sha256:" HEX, "from type=registry,ref=r.io/a@sha256:" HEX},
        {"--cache-to r.io/a:b", "to type=registry,ref=r.io/a:b-linux-arm64"},
        {"--cache-to mode=max,ref=r.io/a:b,type=registry,compression=zstd,compression-level=19",
         "to "
         "type=registry,ref=r.io/a:b-linux-arm64,mode=max,compression=zstd,compression-level=19"},
        {"--cache-to TYPE=registry,Ref=r.io/a:b,mode=min,mode=max,registry.insecure=true",
         "to type=registry,ref=r.io/a:b-linux-arm64,mode=max,registry.insecure=true"},
        {"--cache-to type=local,dest=d,reset=true",
         "to type=local,dest=ROOT/d/linux_arm64,reset=true"},
        {"--cache-to \"type=local\",\"dest=/a,b\"", "to type=local,\"dest=/a,b/linux_arm64\""},
        {"--cache-to type=inline", "to type=inline"},
        {"--cache-to type=inline --cache-to type=s3,bucket=b,region=r,mode=max",
         "to type=inline\nto type=s3,name=buildkit-linux-arm64,bucket=b,region=r,mode=max"},
        {"--cache-from type=s3,bucket=b,region=r,name=one;two",
         "from type=s3,name=one-linux-arm64;two-linux-arm64,bucket=b,region=r\n"
         "from type=s3,bucket=b,region=r,name=one;two"},
        {"--cache-from type=azblob,account_url=https://x.blob.core.windows.net",
         "from type=azblob,name=buildkit-linux-arm64,account_url=https://x.blob.core.windows.net\n"
         "from type=azblob,account_url=https://x.blob.core.windows.net"},
        {"--cache-from= --cache-to=", ""},
        {"--build-arg BUILDKIT_INLINE_CACHE=1", "to type=inline"},
        {"--build-arg BUILDKIT_INLINE_CACHE=1 --cache-to type=inline", "to type=inline"},
        {"--build-arg BUILDKIT_INLINE_CACHE=0", ""},
        {"--build-arg BUILDKIT_INLINE_CACHE=maybe", ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_args(cases[i].flags, cases[i].want);
    }
    {
        char *v7 = args("--cache-from r.io/a:b --cache-to type=local,dest=/d", 1);

        assert_string_equal(v7, "from type=registry,ref=r.io/a:b-linux-arm-v7\n"
                                "from type=registry,ref=r.io/a:b\n"
                                "to type=local,dest=/d/linux_arm_v7");
        free(v7);
    }
}

/* The second solve, which only exports the image, reads all and writes only what is in the image.
 */
static void test_again(void **state)
{
    struct weft_request r = {0};
    weft_auto_err err = NULL;
    weft_auto_strv argv = {0};
    weft_auto_strv notices = {0};
    weft_auto_free char *text = NULL;

    (void)state;
    assert_int_equal(parse("--cache-from r.io/a@sha256:" HEX
                           " --cache-to r.io/a:b --cache-to type=inline",
                           &r, &err),
                     0);
    weft_cache_args(&r, &r.platforms[0], true, &argv, &notices);
    text = weft_strv_join(&argv, " ");
    assert_string_equal(text, "--import-cache type=registry,ref=r.io/a@sha256:" HEX
                              " --export-cache type=inline");
    weft_request_finish(&r);
}

/* The first of the two directories that has the cache. */
static void test_local(void **state)
{
    (void)state;
    assert_args("--cache-from type=local,src=own",
                "from type=local,src=ROOT/own/linux_arm64,digest=sha256:" HEX);
    assert_args("--cache-from type=local,src=plain,tag=other",
                "from type=local,src=ROOT/plain,tag=other,digest=sha256:" HEX);
    assert_args("--cache-from type=local,src=plain,digest=sha256:" HEX,
                "from type=local,src=ROOT/plain,digest=sha256:" HEX);
    assert_args("--cache-from type=local,src=plain,tag=gone",
                "says no cache in ROOT/plain/linux_arm64 yet, nor in ROOT/plain");
    assert_args("--cache-from type=local,src=broken",
                "says no cache in ROOT/broken/linux_arm64 yet, nor in ROOT/broken");
    assert_args("--cache-from type=local,src=none",
                "says no cache in ROOT/none/linux_arm64 yet, nor in ROOT/none");
    assert_false(weft_exists("none"));
}

static void test_environment(void **state)
{
    (void)state;
    setenv("AWS_BUCKET", "bucket", 1);
    setenv("AWS_REGION", "eu", 1);
    setenv("BUILDKIT_AZURE_STORAGE_ACCOUNT_URL", "http://a", 1);
    setenv("BUILDKIT_AZURE_STORAGE_CONTAINER", "c", 1);
    assert_args("--cache-to type=s3,region=us",
                "to type=s3,name=buildkit-linux-arm64,region=us,bucket=bucket");
    assert_args("--cache-to type=azblob",
                "to type=azblob,name=buildkit-linux-arm64,account_url=http://a,container=c");
    setenv("BUILDKIT_AZURE_STORAGE_ACCOUNT_URL", "ftp://a", 1);
    {
        struct weft_request r = {0};
        weft_auto_err err = NULL;

        assert_int_equal(parse("--cache-to type=azblob", &r, &err), -1);
        assert_string_equal(err->msg, "--cache-to: type=azblob: "
                                      "$BUILDKIT_AZURE_STORAGE_ACCOUNT_URL: account_url is an http "
                                      "or https URL, not \"ftp://a\"");
    }
    clear_environment();
}

#define LEFT_OUT                                                          \
    " type=gha is left out, as by docker buildx: it wants the variables " \
    "ACTIONS_RUNTIME_TOKEN and ACTIONS_RESULTS_URL of a job of GitHub Actions"

static void test_gha(void **state)
{
    (void)state;
    assert_args("--cache-from type=gha --cache-to type=gha,mode=max",
                "warns --cache-from" LEFT_OUT "\nwarns --cache-to" LEFT_OUT);
    assert_args("--cache-from type=gha,url=http://a", "warns --cache-from" LEFT_OUT);
    setenv("ACTIONS_RUNTIME_TOKEN", "hush", 1);
    assert_args("--cache-from type=gha", "warns --cache-from" LEFT_OUT);
    assert_args("--cache-from type=gha,url_v2=http://a",
                "from type=gha,scope=buildkit-linux-arm64,url_v2=http://a\n"
                "from type=gha,url_v2=http://a");
    setenv("ACTIONS_RESULTS_URL", "https://a", 1);
    assert_args("--cache-to type=gha,scope=s,timeout=1m30s,mode=max",
                "to type=gha,scope=s-linux-arm64,timeout=1m30s,mode=max");
    unsetenv("ACTIONS_RUNTIME_TOKEN");
    assert_args("--cache-to type=gha,token=hush,ghtoken=hushhush,repository=o/r",
                "to type=gha,scope=buildkit-linux-arm64,token=weft-secret:0,"
                "ghtoken=weft-secret:1,repository=o/r");
    clear_environment();
}

static void test_secrets(void **state)
{
    struct weft_request r = {0};
    weft_auto_err err = NULL;

    (void)state;
    assert_int_equal(parse("--cache-from r.io/a --cache-to type=local,dest=d", &r, &err), 0);
    assert_false(weft_cache_needs_relay(&r));
    weft_request_finish(&r);
    assert_int_equal(parse("--cache-from type=s3,bucket=b,region=r", &r, &err), 0);
    assert_true(weft_cache_needs_relay(&r)); /* AWS's own credentials */
    weft_request_finish(&r);
    assert_int_equal(parse("--cache-to type=azblob,account_url=http://a,secret_access_key=k=,"
                           "account_name=n --cache-from type=s3,bucket=b,region=r,"
                           "access_key_id=weft-secret:0",
                           &r, &err),
                     0);
    assert_true(weft_cache_needs_relay(&r));
    assert_int_equal(r.cache_secrets.n, 2);
    assert_string_equal(r.cache_secrets.v[0], "weft-secret:0"); /* --cache-from is read first */
    assert_string_equal(r.cache_secrets.v[1], "k=");
    weft_request_finish(&r);
    assert_int_equal(
        parse("--cache-to type=s3,bucket=b,region=r,secret_access_key=hush,mode=hash", &r, &err),
        -1);
    assert_string_equal(err->msg, "--cache-to: type=s3: mode is one of min, max, not \"hash\"");
}

static void test_wrong(void **state)
{
    static const struct {
        const char *flags;
        const char *msg;
        const char *hint; /* or NULL */
    } cases[] = {
        {"--cache-from type=registry", "--cache-from: type=registry: ref= is missing",
         "type=registry,ref=..."},
        {"--cache-from ref=a", "--cache-from: type= is missing", "type=registry,ref=NAME:TAG"},
        {"--cache-from type=inline", "--cache-from: an inline cache is read from its image",
         "type=registry,ref=IMAGE"},
        {"--cache-from type=registri,ref=a",
         "--cache-from: \"registri\" is none of the types of cache", "registry"},
        {"--cache-from type=registry,ref=a,mode=max",
         "--cache-from: type=registry: mode is for --cache-to", NULL},
        {"--cache-to type=registry,ref=a,mod=max",
         "--cache-to: type=registry: \"mod\" is none of the attributes of type=registry", "mode"},
        {"--cache-to type=registry,ref=a,mode", "--cache-to: \"mode\" is not KEY=VALUE", NULL},
        {"--cache-to type=registry,ref=a,ignore-error=yes",
         "--cache-to: type=registry: ignore-error is true or false, not \"yes\"", NULL},
        {"--cache-to type=registry,ref=a,compression=lzma",
         "--cache-to: type=registry: compression is one of uncompressed, gzip, estargz, zstd, not "
         "\"lzma\"",
         NULL},
        {"--cache-to type=registry,ref=a,image-manifest=true,oci-mediatypes=false",
         "--cache-to: type=registry: image-manifest=true and oci-mediatypes=false exclude each "
         "other",
         NULL},
        {"--cache-to r.io/a@sha256:" HEX,
         "--cache-to: type=registry: ref \"r.io/a@sha256:" HEX
         "\": a cache is not written to a digest",
         "a tag: ref=NAME:TAG"},
        {"--cache-to type=inline,mode=max",
         "--cache-to: type=inline: it has no attributes, and so no mode", NULL},
        {"--cache-from type=local,dest=d", "--cache-from: type=local: dest is for --cache-to",
         NULL},
        {"--cache-to type=local,dest=", "--cache-to: type=local: dest is empty", NULL},
        {"--cache-from type=local,src=d,digest=sha256:1",
         "--cache-from: type=local: digest is sha256:..., not \"sha256:1\"", NULL},
        {"--cache-from type=s3,region=r", "--cache-from: type=s3: bucket= is missing",
         "bucket=..., or the variable AWS_BUCKET"},
        {"--cache-from type=s3,bucket=b,region=r,name=a;;b",
         "--cache-from: type=s3: a name is empty", NULL},
        {"--cache-to type=s3,bucket=b,region=r,touch_refresh=1d",
         "--cache-to: type=s3: touch_refresh is a time such as 90s or 24h, not \"1d\"", NULL},
        {"--cache-to type=gha,timeout=5",
         "--cache-to: type=gha: timeout is a time such as 90s or "
         "24h, not \"5\"",
         NULL},
        {"--cache-to type=gha,version=3", "--cache-to: type=gha: version is one of 1, 2, not \"3\"",
         NULL},
        {"--cache-to type=azblob,account_url=x",
         "--cache-to: type=azblob: account_url is an http or https URL, not \"x\"", NULL},
        {"--cache-to app --cache-to type=registry,ref=docker.io/library/app:latest,mode=max",
         "--cache-to: two caches of type=registry go to the same place", NULL},
        {"--cache-to type=local,dest=d --cache-to type=local,dest=d,mode=max",
         "--cache-to: two caches of type=local go to the same place", NULL},
        {"--cache-to type=s3,bucket=b,region=r,secret_access_key=k "
         "--cache-to type=s3,bucket=b,region=r,secret_access_key=k,mode=max",
         "--cache-to: two caches of type=s3 go to the same place", NULL},
        {"--cache-to type=azblob,account_url=http://a,name=x,mode=max "
         "--cache-to type=azblob,account_url=http://a,name=x,secret_access_key=k",
         "--cache-to: two caches of type=azblob go to the same place", NULL},
        {"--cache-to type=inline --cache-to type=inline",
         "--cache-to: two caches of type=inline go to the same place", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct weft_request r = {0};
        weft_auto_err err = NULL;

        if (parse(cases[i].flags, &r, &err) == 0) {
            fail_msg("%s was taken", cases[i].flags);
        }
        assert_string_equal(err->msg, cases[i].msg);
        if (cases[i].hint) {
            assert_string_equal(err->hint, cases[i].hint);
        }
        assert_int_equal(err->code, WEFT_E_USAGE);
    }
}

/* Of 128 characters "-linux-arm64" has 12 and "-linux-arm-v7" 13. */
static void test_long_tag(void **state)
{
    weft_auto_free char *tag = weft_xcalloc(129, 1);
    weft_auto_free char *flags = NULL;
    weft_auto_free char *from = NULL;
    weft_auto_free char *want = NULL;
    struct weft_request r = {0};
    weft_auto_err err = NULL;

    (void)state;
    memset(tag, 'x', 116);
    flags = weft_fmt("--cache-to r.io/a:%s", tag);
    assert_int_equal(parse(flags, &r, &err), -1);
    assert_non_null(strstr(err->msg, "linux/arm/v7"));
    weft_err_free(weft_steal(&err));
    tag[115] = '\0';
    free(flags);
    flags = weft_fmt("--cache-to r.io/a:%s", tag);
    assert_int_equal(parse(flags, &r, &err), 0);
    weft_request_finish(&r);
    memset(tag, 'x', 128);
    from = weft_fmt("--cache-from r.io/a:%s", tag);
    want = weft_fmt("from type=registry,ref=r.io/a:%s", tag);
    assert_args(from, want);
}

static void test_inline_without_image(void **state)
{
    struct weft_request r = {0};
    weft_auto_err err = NULL;
    weft_auto_strv argv = {0};
    weft_auto_strv alias = {0};

    (void)state;
    weft_split("build -o out --cache-to=type=inline .", ' ', &argv);
    weft_split("build -o out --build-arg=BUILDKIT_INLINE_CACHE=1 .", ' ', &alias);
    assert_int_equal(weft_request_parse((int)argv.n, argv.v, &r, &err), -1);
    assert_non_null(strstr(err->msg, "no output is one"));
    weft_err_free(weft_steal(&err));
    assert_int_equal(weft_request_parse((int)alias.n, alias.v, &r, &err), 0);
    assert_int_equal(r.cache_to.n, 0);
    weft_request_finish(&r);
}

/* A lane to which a vertex of this name has happened. */
static void feed(struct weft_lane *lane, const char *name, const char *error)
{
    char digest[WEFT_DIGEST_SIZE];
    weft_auto_free char *line = NULL;

    weft_digest_bytes(name, strlen(name), digest);
    line = weft_fmt("{\"vertexes\":[{\"digest\":\"%s\",\"name\":\"%s\",\"started\":"
                    "\"2026-01-01T00:00:00Z\",\"completed\":\"2026-01-01T00:00:01Z\"%s%s%s}]}",
                    digest, name, error ? ",\"error\":\"" : "", error ? error : "",
                    error ? "\"" : "");
    assert_true(weft_lane_feed(lane, line, strlen(line)));
}

#define IMPORT "importing cache manifest from "
#define FAILED "failed to configure registry cache importer: "

static void test_notices(void **state)
{
    struct weft_request r = {0};
    weft_auto_err err = NULL;
    struct weft_lane lane;
    weft_auto_strv out = {0};

    (void)state;
    setenv("AWS_BUCKET", "b", 1);
    setenv("AWS_REGION", "r", 1);
    assert_int_equal(parse("--cache-from r.io/gone:1 --cache-from r.io/own:1 "
                           "--cache-from r.io/plain:1 --cache-from r.io/shut:1 "
                           "--cache-from r.io/unasked:1 --cache-from r.io/late:1 "
                           "--cache-from type=s3 --cache-from type=s3,name=n "
                           "--cache-to type=local,dest=d,ignore-error=true",
                           &r, &err),
                     0);
    weft_lane_init(&lane, NULL, NULL);
    feed(&lane, IMPORT "r.io/gone:1-linux-arm64", FAILED "r.io/gone:1-linux-arm64: not found");
    feed(&lane, IMPORT "r.io/gone:1", FAILED "r.io/gone:1: not found");
    feed(&lane, IMPORT "r.io/own:1-linux-arm64", NULL);
    feed(&lane, IMPORT "r.io/own:1", FAILED "r.io/own:1: not found");
    feed(&lane, IMPORT "r.io/plain:1-linux-arm64", FAILED "r.io/plain:1-linux-arm64: not found");
    feed(&lane, IMPORT "r.io/plain:1", NULL);
    feed(&lane, IMPORT "r.io/shut:1-linux-arm64", FAILED "dial tcp: refused");
    feed(&lane, IMPORT "r.io/shut:1", FAILED "r.io/shut:1: not found");
    feed(&lane, IMPORT "r.io/late:1-linux-arm64", "context canceled");
    feed(&lane, IMPORT "r.io/late:1", "context canceled");
    feed(&lane, IMPORT "s3:1", "no credentials");
    feed(&lane, IMPORT "s3:2", "no credentials");
    feed(&lane, "exporting cache to client directory", "disk full");
    feed(&lane, "[1/2] RUN x", NULL);
    weft_cache_notices(&r, &r.platforms[0], &lane, &out);
    assert_int_equal(out.n, 4);
    assert_string_equal(out.v[0], "no cache in r.io/gone:1-linux-arm64, nor in r.io/gone:1");
    assert_string_equal(
        out.v[1], "no cache in r.io/shut:1-linux-arm64, nor in r.io/shut:1: dial tcp: refused");
    assert_string_equal(out.v[2], "no cache from type=s3: no credentials");
    assert_string_equal(out.v[3],
                        "the cache was not written (exporting cache to client directory): "
                        "disk full");
    /* none of the imports is what a build failed at */
    assert_string_equal(weft_lane_failed(&lane)->name, "exporting cache to client directory");
    weft_lane_finish(&lane);
    weft_request_finish(&r);
    clear_environment();
}

static void test_lost_race(void **state)
{
    (void)state;
    assert_true(weft_cache_lost_race("error: failed to solve: failed to configure azblob cache "
                                     "exporter: failed to create container client: failed to "
                                     "create cache container c: PUT http://x/c\nERROR CODE: "
                                     "ContainerAlreadyExists\n"));
    assert_false(weft_cache_lost_race("error: failed to create cache container c: no\n"));
    assert_false(weft_cache_lost_race("error: ContainerAlreadyExists\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),      cmocka_unit_test(test_lost_race),
        cmocka_unit_test(test_again),       cmocka_unit_test(test_local),
        cmocka_unit_test(test_environment), cmocka_unit_test(test_gha),
        cmocka_unit_test(test_secrets),     cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_long_tag),    cmocka_unit_test(test_inline_without_image),
        cmocka_unit_test(test_notices),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
