/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/registry/client.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/cleanup.h"
#include "engine/registry/docker_config.h"
#include "engine/registry/hosts.h"
#include "tests/helpers.h"
#include "tests/unit/http_script.h"

#define OK_DIGEST_OF(digest)                                                   \
    "Content-Type: application/vnd.oci.image.index.v1+json; charset=utf-8\r\n" \
    "Docker-Content-Digest: " digest "\r\n"
#define LARGE_DIGEST "sha256:d69e68988157833272305aaf21f453c800346e8a3640db6578e260215542e5d4"
#define HI_DIGEST \
    "sha256:8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4" /* "hi" */
#define TEN_DIGEST "sha256:84d89877f0d4041efb6bf91a16f0248f2fd573e6af05c19f96bedb9f882f7882"
#define TEN "0123456789"
#define EMPTY_CHALLENGE "WWW-Authenticate: Basic realm=\"x\"\r\n"

/* A script, and a client of it. */
struct fixture {
    struct http_script *s;
    struct weft_docker_config *docker;
    struct weft_registry *r;
    char *dir;
    char *file; /* holds TEN */
};

static int setup(void **state)
{
    struct fixture *f = weft_xcalloc(1, sizeof(*f));

    unsetenv("http_proxy");
    unsetenv("HTTP_PROXY");
    f->s = http_script_start();
    temp_setup((void **)&f->dir);
    f->file = weft_path_join(f->dir, "blob");
    put_file(f->file, TEN, strlen(TEN));
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    weft_docker_config_destroy(f->docker);
    free(f->file);
    temp_teardown((void **)&f->dir);
    free(f);
    return 0;
}

/* `auth`: the members of the host's entry in auths, or NULL. */
static void open_registry(struct fixture *f, bool push, const char *auth)
{
    struct weft_err *err = NULL;
    weft_auto_free char *config =
        weft_fmt("{\"auths\":{\"%s\":{%s}}}", http_script_host(f->s), auth ? auth : "");

    f->docker = weft_docker_config_parse(config, strlen(config), "config.json", &err);
    assert_null(err);
    f->r = weft_registry_open(
        &(struct weft_registry_opts){
            .domain = http_script_host(f->s), .path = "app", .push = push, .docker = f->docker},
        &err);
    assert_null(err);
}

static void finish(struct fixture *f)
{
    weft_registry_close(f->r);
    http_script_stop(f->s);
}

static void open_plain(struct fixture *f)
{
    open_registry(f, true, NULL);
    http_script_add(f->s, "GET /v2/ ", "200 OK", "", "");
}

/* The challenge of a registry whose tokens come from the same script. */
static char *challenge(const struct fixture *f)
{
    return weft_fmt("WWW-Authenticate: Bearer realm=\"http://%s/token?x=1\",service=\"a b\"\r\n",
                    http_script_host(f->s));
}

static int get(struct fixture *f, const char *wanted, struct weft_buf *bytes, struct weft_err **err)
{
    char digest[WEFT_DIGEST_SIZE] = "";
    char *media_type = NULL;
    int rc = weft_registry_get_manifest(f->r, wanted, bytes, &media_type, digest, err);

    if (rc == 1) {
        assert_string_equal(digest, HI_DIGEST);
        assert_string_equal(media_type, "application/vnd.oci.image.index.v1+json");
    }
    free(media_type);
    return rc;
}

static void test_token(void **state)
{
    struct fixture *f = *state;
    weft_auto_free char *asks = challenge(f);
    struct weft_err *err = NULL;
    weft_auto_buf bytes = {0};

    open_registry(f, true, "\"auth\":\"bWU6cHc=\"");
    http_script_add(f->s, "GET /v2/ ", "401 Unauthorized", asks, "");
    http_script_add(f->s,
                    "GET /token?x=1&service=a%20b&account=me&"
                    "scope=repository%3Aapp%3Apull%2Cpush ",
                    "200 OK", "", "{\"token\":\"T1\",\"expires_in\":300}");
    http_script_add(f->s, "GET /v2/app/manifests/latest ", "200 OK", OK_DIGEST_OF(HI_DIGEST), "hi");
    assert_int_equal(get(f, "latest", &bytes, &err), 1);
    assert_string_equal(bytes.data, "hi");
    assert_false(http_script_has(f->s, 0, "Authorization"));
    assert_true(http_script_has(f->s, 1, "\r\nAuthorization: Basic bWU6cHc=\r\n"));
    assert_true(http_script_has(f->s, 2, "\r\nAuthorization: Bearer T1\r\n"));
    assert_true(http_script_has(f->s, 2, "application/vnd.oci.image.index.v1+json"));

    /* it has run out before its time */
    http_script_add(f->s, "HEAD /v2/app/blobs/" HI_DIGEST " ", "401 Unauthorized", asks, "");
    http_script_add(f->s, "GET /token?", "200 OK", "", "{\"access_token\":\"T2\"}");
    http_script_add(f->s, "HEAD /v2/app/blobs/" HI_DIGEST " ", "404 Not Found", "", "");
    assert_int_equal(weft_registry_has_blob(f->r, HI_DIGEST, &err), 0);
    assert_true(http_script_has(f->s, 5, "Authorization: Bearer T2\r\n"));
    finish(f);
}

static void test_refresh_token(void **state)
{
    struct fixture *f = *state;
    weft_auto_free char *asks = challenge(f);
    struct weft_err *err = NULL;
    char digest[WEFT_DIGEST_SIZE];

    open_registry(f, false, "\"identitytoken\":\"r/1\"");
    http_script_add(f->s, "GET /v2/ ", "401 Unauthorized", asks, "");
    http_script_add(f->s, "POST /token?x=1 ", "200 OK", "", "{\"access_token\":\"T3\"}");
    http_script_add(f->s, "HEAD /v2/app/manifests/1 ", "200 OK", OK_DIGEST_OF(HI_DIGEST), "");
    assert_int_equal(weft_registry_resolve(f->r, "1", digest, &err), 1);
    assert_string_equal(digest, HI_DIGEST);
    assert_string_equal(http_script_body(f->s, 1),
                        "grant_type=refresh_token&client_id=weft&service=a%20b&"
                        "scope=repository%3Aapp%3Apull&refresh_token=r%2F1");
    assert_true(http_script_has(f->s, 2, "Authorization: Bearer T3\r\n"));
    finish(f);
}

/* A request whose body is a secret stays where it was sent. */
static void test_refresh_token_redirected(void **state)
{
    struct fixture *f = *state;
    struct http_script *other = http_script_start();
    weft_auto_free char *asks = challenge(f);
    weft_auto_free char *location =
        weft_fmt("Location: http://%s/token\r\n", http_script_host(other));
    struct weft_err *err = NULL;
    char digest[WEFT_DIGEST_SIZE];

    open_registry(f, false, "\"identitytoken\":\"r/1\"");
    http_script_add(f->s, "GET /v2/ ", "401 Unauthorized", asks, "");
    http_script_add(f->s, "POST /token?x=1 ", "307 Temporary Redirect", location, "");
    assert_int_equal(weft_registry_resolve(f->r, "1", digest, &err), -1);
    assert_null(strstr(err->msg, "r/1"));
    assert_err(&err, WEFT_E_NET, 0, "/token: the token server answers with status 307");
    http_script_stop(other);

    /* within one host it is followed */
    http_script_add(f->s, "POST /token?x=1 ", "308 Permanent Redirect", "Location: /t2\r\n", "");
    http_script_add(f->s, "POST /t2 ", "200 OK", "", "{\"access_token\":\"T3\"}");
    http_script_add(f->s, "HEAD /v2/app/manifests/1 ", "200 OK", OK_DIGEST_OF(HI_DIGEST), "");
    assert_int_equal(weft_registry_resolve(f->r, "1", digest, &err), 1);
    finish(f);
}

static void test_wrong_password(void **state)
{
    struct fixture *f = *state;
    struct weft_err *err = NULL;

    open_registry(f, true, "\"username\":\"me\",\"password\":\"secret-1\"");
    http_script_add(f->s, "GET /v2/ ", "401 Unauthorized", EMPTY_CHALLENGE, "");
    http_script_add(f->s, "POST /v2/app/blobs/uploads/ ", "401 Unauthorized", EMPTY_CHALLENGE, "");
    assert_int_equal(weft_registry_check(f->r, &err), -1);
    assert_non_null(strstr(err->hint, "docker login 127.0.0.1:"));
    assert_null(strstr(err->msg, "secret"));
    assert_err(&err, WEFT_E_NET, 0, "does not accept the credentials");
    assert_true(http_script_has(f->s, 1, "Authorization: Basic bWU6c2VjcmV0LTE="));
    finish(f);
}

static void test_no_password(void **state)
{
    struct fixture *f = *state;
    struct weft_err *err = NULL;

    open_registry(f, true, NULL);
    http_script_add(f->s, "GET /v2/ ", "401 Unauthorized", EMPTY_CHALLENGE, "");
    assert_int_equal(weft_registry_check(f->r, &err), -1);
    assert_err(&err, WEFT_E_NET, 0, "wants credentials, and none are known");
    finish(f);
}

static void test_token_refused(void **state)
{
    struct fixture *f = *state;
    weft_auto_free char *asks = challenge(f);
    struct weft_err *err = NULL;

    open_registry(f, true, "\"auth\":\"bWU6cHc=\"");
    http_script_add(f->s, "GET /v2/ ", "401 Unauthorized", asks, "");
    http_script_add(f->s, "GET /token?", "401 Unauthorized", "",
                    "{\"details\":\"incorrect \\u001b[1m password\"}");
    assert_int_equal(weft_registry_check(f->r, &err), -1);
    assert_non_null(strstr(err->msg, "does not accept the credentials"));
    assert_err(&err, WEFT_E_NET, 0, "incorrect \\x1b[1m password");
    finish(f);
}

/* A good token, and no right: one more token, and then no more. */
static void test_no_right(void **state)
{
    struct fixture *f = *state;
    weft_auto_free char *asks = challenge(f);
    struct weft_err *err = NULL;

    open_registry(f, true, "\"auth\":\"bWU6cHc=\"");
    http_script_add(f->s, "GET /v2/ ", "401 Unauthorized", asks, "");
    for (int i = 0; i < 3; i++) {
        http_script_add(f->s, "GET /token?", "200 OK", "", "{\"token\":\"T\"}");
        http_script_add(f->s, "POST /v2/app/blobs/uploads/ ", "401 Unauthorized", asks,
                        "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"not yours\"}]}");
    }
    assert_int_equal(weft_registry_check(f->r, &err), -1);
    assert_non_null(strstr(err->msg, "no right to push to app"));
    assert_err(&err, WEFT_E_NET, 0, "not yours (DENIED)");
    finish(f);
}

static void test_tries(void **state)
{
    struct fixture *f = *state;
    struct weft_err *err = NULL;
    weft_auto_buf bytes = {0};

    open_plain(f);
    http_script_add(f->s, "GET /v2/app/manifests/1 ", "429 Too Many Requests", "Retry-After: 1\r\n",
                    "");
    http_script_add_cut(f->s, "GET /v2/app/manifests/1 ", "h", 2);
    http_script_add(f->s, "GET /v2/app/manifests/1 ", "200 OK", OK_DIGEST_OF(HI_DIGEST), "hi");
    assert_int_equal(get(f, "1", &bytes, &err), 1);
    assert_string_equal(bytes.data, "hi");
    http_script_add(f->s, "GET /v2/app/manifests/2 ", "429 Too Many Requests",
                    "Retry-After: 3600\r\n", "");
    assert_int_equal(get(f, "2", &bytes, &err), -1);
    assert_err(&err, WEFT_E_NET, 0, "asks to come back in 3600 s");
    finish(f);
}

static void test_not_there(void **state)
{
    struct fixture *f = *state;
    struct weft_err *err = NULL;
    weft_auto_buf bytes = {0};
    char digest[WEFT_DIGEST_SIZE];

    open_plain(f);
    http_script_add(f->s, "GET /v2/app/manifests/1 ", "404 Not Found", "", "");
    http_script_add(f->s, "HEAD /v2/app/manifests/1 ", "404 Not Found", "", "");
    http_script_add(f->s, "GET /v2/app/blobs/" HI_DIGEST " ", "404 Not Found", "", "");
    assert_int_equal(get(f, "1", &bytes, &err), 0);
    assert_int_equal(weft_registry_resolve(f->r, "1", digest, &err), 0);
    assert_int_equal(weft_registry_get_blob(f->r, HI_DIGEST, 10, &bytes, &err), 0);
    assert_null(err);
    finish(f);
}

static void test_wrong_content(void **state)
{
    struct fixture *f = *state;
    struct weft_err *err = NULL;
    weft_auto_buf bytes = {0};

    open_plain(f);
    http_script_add(f->s, "GET /v2/app/manifests/" TEN_DIGEST, "200 OK", "", "hi");
    assert_int_equal(get(f, TEN_DIGEST, &bytes, &err), -1);
    assert_err(&err, WEFT_E_DIGEST, 0, TEN_DIGEST);
    http_script_add(f->s, "GET /v2/app/manifests/1 ", "200 OK", OK_DIGEST_OF(TEN_DIGEST), "hi");
    assert_int_equal(get(f, "1", &bytes, &err), -1);
    assert_err(&err, WEFT_E_DIGEST, 0, "the registry calls it " TEN_DIGEST);
    http_script_add(f->s, "GET /v2/app/blobs/" TEN_DIGEST, "200 OK", "", "hi");
    assert_int_equal(weft_registry_get_blob(f->r, TEN_DIGEST, 10, &bytes, &err), -1);
    assert_err(&err, WEFT_E_DIGEST, 0, HI_DIGEST);
    http_script_add(f->s, "GET /v2/app/blobs/" TEN_DIGEST, "200 OK", "", TEN);
    assert_int_equal(weft_registry_get_blob(f->r, TEN_DIGEST, 9, &bytes, &err), -1);
    assert_err(&err, WEFT_E_NET, 0, "more than 9 bytes");
    assert_int_equal(bytes.len, 0);
    finish(f);
}

static void test_redirect(void **state)
{
    struct fixture *f = *state;
    struct http_script *other = http_script_start();
    weft_auto_free char *location =
        weft_fmt("Location: http://%s/there?signed=secret-2\r\n", http_script_host(other));
    struct weft_err *err = NULL;
    weft_auto_buf bytes = {0};

    open_registry(f, false, "\"auth\":\"bWU6cHc=\"");
    http_script_add(f->s, "GET /v2/ ", "401 Unauthorized", EMPTY_CHALLENGE, "");
    http_script_add(f->s, "GET /v2/app/blobs/" HI_DIGEST " ", "307 Temporary Redirect", location,
                    "");
    http_script_add(other, "GET /there?signed=secret-2 ", "200 OK", "", "hi");
    assert_int_equal(weft_registry_get_blob(f->r, HI_DIGEST, 10, &bytes, &err), 1);
    assert_true(http_script_has(f->s, 1, "Authorization: Basic "));
    assert_false(http_script_has(other, 0, "Authorization"));

    http_script_add(f->s, "GET /v2/app/blobs/" HI_DIGEST " ", "307 Temporary Redirect", location,
                    "");
    http_script_add(other, "GET /there", "200 OK", "", "hihihihihihi");
    assert_int_equal(weft_registry_get_blob(f->r, HI_DIGEST, 10, &bytes, &err), -1);
    assert_null(strstr(err->msg, "secret"));
    assert_err(&err, WEFT_E_NET, 0, "/there: its answer has more than 10 bytes");
    http_script_stop(other);
    finish(f);
}

static void test_put_blob(void **state)
{
    struct fixture *f = *state;
    struct weft_err *err = NULL;
    _Atomic int64_t sent = 0;

    open_plain(f);
    http_script_add(f->s, "POST /v2/app/blobs/uploads/ ", "202 Accepted",
                    "Location: /up/1?state=a%3D\r\n", "");
    http_script_add(f->s, "PUT /up/1?state=a%3D&digest=sha256%3A84d8", "201 Created",
                    "Docker-Content-Digest: " TEN_DIGEST "\r\n", "");
    assert_ok(weft_registry_put_blob(f->r, TEN_DIGEST, 10, f->file, &sent, &err), &err);
    assert_true(http_script_has(f->s, 1, "\r\nContent-Length: 0\r\n"));
    assert_string_equal(http_script_body(f->s, 2), TEN);
    assert_true(http_script_has(f->s, 2, "Content-Type: application/octet-stream\r\n"));
    assert_int_equal(sent, 10);
    assert_int_equal(weft_registry_put_blob(f->r, TEN_DIGEST, 11, f->file, &sent, &err), -1);
    assert_err(&err, WEFT_E_IO, 0, "not a file of 11 bytes");
    finish(f);
}

static void test_resume(void **state)
{
    struct fixture *f = *state;
    struct weft_err *err = NULL;
    _Atomic int64_t sent = 0;

    open_plain(f);
    http_script_add(f->s, "POST /v2/app/blobs/uploads/ ", "202 Accepted", "Location: /up/1\r\n",
                    "");
    http_script_add_drop(f->s, "PUT /up/1?digest=", 4);
    http_script_add(f->s, "GET /up/1 ", "204 No Content", "Range: 0-3\r\nLocation: /up/2\r\n", "");
    http_script_add_drop(f->s, "PATCH /up/2 ", 2);
    http_script_add(f->s, "GET /up/2 ", "204 No Content", "Range: 0-5\r\nLocation: /up/3\r\n", "");
    http_script_add(f->s, "PATCH /up/3 ", "202 Accepted", "Location: /up/4?s=1\r\n", "");
    http_script_add(f->s, "PUT /up/4?s=1&digest=", "201 Created", "", "");
    assert_ok(weft_registry_put_blob(f->r, TEN_DIGEST, 10, f->file, &sent, &err), &err);
    assert_true(http_script_has(f->s, 4, "Content-Range: 4-9\r\n"));
    assert_true(http_script_has(f->s, 6, "Content-Range: 6-9\r\n"));
    assert_string_equal(http_script_body(f->s, 6), "6789");
    assert_true(http_script_has(f->s, 7, "\r\nContent-Length: 0\r\n"));
    assert_int_equal(sent, 10);
    finish(f);
}

/* The registry forgets the upload: once before, and once after it had all. */
static void test_start_over(void **state)
{
    struct fixture *f = *state;
    struct weft_err *err = NULL;
    _Atomic int64_t sent = 0;

    open_plain(f);
    http_script_add(f->s, "POST /v2/app/blobs/uploads/ ", "202 Accepted", "Location: /up/1\r\n",
                    "");
    http_script_add_drop(f->s, "PUT /up/1?digest=", 4);
    http_script_add(f->s, "GET /up/1 ", "400 Bad Request", "",
                    "{\"errors\":[{\"code\":\"BLOB_UPLOAD_INVALID\"}]}");
    http_script_add(f->s, "HEAD /v2/app/blobs/" TEN_DIGEST " ", "404 Not Found", "", "");
    http_script_add(f->s, "POST /v2/app/blobs/uploads/ ", "202 Accepted", "Location: /up/2\r\n",
                    "");
    http_script_add_drop(f->s, "PUT /up/2?digest=", 10);
    http_script_add(f->s, "GET /up/2 ", "404 Not Found", "", "");
    http_script_add(f->s, "HEAD /v2/app/blobs/" TEN_DIGEST " ", "200 OK", "", "");
    assert_ok(weft_registry_put_blob(f->r, TEN_DIGEST, 10, f->file, &sent, &err), &err);
    assert_int_equal(sent, 10);
    finish(f);
}

/* A count of what has arrived is only as good as the registry: where the whole turns out to be
 * another, it is sent once more from the start. */
static void test_resume_wrong(void **state)
{
    static const char wrong[] = "{\"errors\":[{\"code\":\"DIGEST_INVALID\"}]}";
    struct fixture *f = *state;
    struct weft_err *err = NULL;
    _Atomic int64_t sent = 0;

    open_plain(f);
    http_script_add(f->s, "POST /v2/app/blobs/uploads/ ", "202 Accepted", "Location: /up/1\r\n",
                    "");
    http_script_add_drop(f->s, "PUT /up/1?digest=", 4);
    /* no count at all, and yet it keeps what it has */
    http_script_add(f->s, "GET /up/1 ", "204 No Content", "", "");
    http_script_add(f->s, "PUT /up/1?digest=", "400 Bad Request", "", wrong);
    http_script_add(f->s, "POST /v2/app/blobs/uploads/ ", "202 Accepted", "Location: /up/2\r\n",
                    "");
    http_script_add(f->s, "PUT /up/2?digest=", "201 Created", "", "");
    assert_ok(weft_registry_put_blob(f->r, TEN_DIGEST, 10, f->file, &sent, &err), &err);
    assert_string_equal(http_script_body(f->s, 6), TEN);
    assert_int_equal(sent, 10);

    /* of an upload in one piece the answer counts */
    http_script_add(f->s, "POST /v2/app/blobs/uploads/ ", "202 Accepted", "Location: /up/3\r\n",
                    "");
    http_script_add(f->s, "PUT /up/3?digest=", "400 Bad Request", "", wrong);
    assert_int_equal(weft_registry_put_blob(f->r, TEN_DIGEST, 10, f->file, &sent, &err), -1);
    assert_err(&err, WEFT_E_DIGEST, 0, "the registry got other bytes");
    finish(f);
}

/* It took a part of what was sent, and says so. */
static void test_resume_in_parts(void **state)
{
    struct fixture *f = *state;
    struct weft_err *err = NULL;
    _Atomic int64_t sent = 0;

    open_plain(f);
    http_script_add(f->s, "POST /v2/app/blobs/uploads/ ", "202 Accepted", "Location: /up/1\r\n",
                    "");
    http_script_add_drop(f->s, "PUT /up/1?digest=", 4);
    http_script_add(f->s, "GET /up/1 ", "204 No Content", "Range: 0-3\r\n", "");
    http_script_add(f->s, "PATCH /up/1 ", "202 Accepted", "Location: /up/2\r\nRange: 0-6\r\n", "");
    http_script_add(f->s, "PATCH /up/2 ", "202 Accepted", "Location: /up/3\r\nRange: 0-9\r\n", "");
    http_script_add(f->s, "PUT /up/3?digest=", "201 Created", "", "");
    assert_ok(weft_registry_put_blob(f->r, TEN_DIGEST, 10, f->file, &sent, &err), &err);
    assert_true(http_script_has(f->s, 5, "Content-Range: 7-9\r\n"));
    assert_string_equal(http_script_body(f->s, 5), "789");
    assert_int_equal(sent, 10);
    finish(f);
}

/* A registry that keeps blobs elsewhere: by a redirection, or by where it says that the upload goes
 * on. The other host gets all of the blob, and no credentials. */
static void test_upload_elsewhere(void **state)
{
    struct fixture *f = *state;
    struct http_script *other = http_script_start();
    weft_auto_free char *location =
        weft_fmt("Location: http://%s/store?sig=1\r\n", http_script_host(other));
    struct weft_err *err = NULL;
    _Atomic int64_t sent = 0;

    open_registry(f, true, "\"auth\":\"bWU6cHc=\"");
    http_script_add(f->s, "GET /v2/ ", "401 Unauthorized", EMPTY_CHALLENGE, "");
    http_script_add(f->s, "POST /v2/app/blobs/uploads/ ", "202 Accepted", "Location: /up/1\r\n",
                    "");
    http_script_add(f->s, "PUT /up/1?digest=", "307 Temporary Redirect", location, "");
    http_script_add(other, "PUT /store?sig=1 ", "201 Created", "", "");
    assert_ok(weft_registry_put_blob(f->r, TEN_DIGEST, 10, f->file, &sent, &err), &err);
    assert_true(http_script_has(f->s, 2, "Authorization: Basic bWU6cHc=\r\n"));
    assert_false(http_script_has(other, 0, "Authorization"));
    assert_string_equal(http_script_body(other, 0), TEN);
    assert_int_equal(sent, 10);

    http_script_add(f->s, "POST /v2/app/blobs/uploads/ ", "202 Accepted", location, "");
    http_script_add_drop(other, "PUT /store?sig=1&digest=", 4);
    http_script_add(other, "GET /store?sig=1 ", "204 No Content", "Range: 0-3\r\n", "");
    http_script_add(other, "PATCH /store?sig=1 ", "202 Accepted", "", "");
    http_script_add(other, "PUT /store?sig=1&digest=", "201 Created", "", "");
    assert_ok(weft_registry_put_blob(f->r, TEN_DIGEST, 10, f->file, &sent, &err), &err);
    for (size_t i = 1; i <= 4; i++) {
        assert_false(http_script_has(other, i, "Authorization"));
    }
    assert_string_equal(http_script_body(other, 3), "456789");
    assert_int_equal(sent, 20);

    /* it wants to know who asks: that is no question for the registry's password */
    http_script_add(f->s, "POST /v2/app/blobs/uploads/ ", "202 Accepted", location, "");
    http_script_add(other, "PUT /store?sig=1&digest=", "401 Unauthorized", EMPTY_CHALLENGE, "");
    assert_int_equal(weft_registry_put_blob(f->r, TEN_DIGEST, 10, f->file, &sent, &err), -1);
    assert_false(http_script_has(other, 5, "Authorization"));
    assert_err(&err, WEFT_E_NET, 0, "401");
    http_script_stop(other);
    finish(f);
}

/* Statuses that registries give instead of the specification's, and other clients take: ECR's 201
 * for a piece, and 200 and 202 for the end. */
static void test_other_statuses(void **state)
{
    static const char *const ends[] = {"200 OK", "202 Accepted", "204 No Content"};
    static const char *const pieces[] = {"200 OK", "201 Created", "204 No Content"};
    struct fixture *f = *state;
    struct weft_err *err = NULL;

    open_plain(f);
    for (size_t i = 0; i < 3; i++) {
        http_script_add(f->s, "POST /v2/app/blobs/uploads/ ", "202 Accepted", "Location: /up/1\r\n",
                        "");
        http_script_add_drop(f->s, "PUT /up/1?digest=", 4);
        http_script_add(f->s, "GET /up/1 ", "204 No Content", "Range: 0-3\r\n", "");
        http_script_add(f->s, "PATCH /up/1 ", pieces[i], "", "");
        http_script_add(f->s, "PUT /up/1?digest=", ends[i], "", "");
        assert_ok(weft_registry_put_blob(f->r, TEN_DIGEST, 10, f->file, NULL, &err), &err);
    }
    finish(f);
}

static void test_mount(void **state)
{
    struct fixture *f = *state;
    struct weft_err *err = NULL;

    open_plain(f);
    http_script_add(f->s, "POST /v2/app/blobs/uploads/?mount=sha256%3A84d8", "201 Created", "", "");
    assert_int_equal(weft_registry_mount_blob(f->r, TEN_DIGEST, "base/x", &err), 1);
    assert_true(http_script_has(f->s, 1, "&from=base%2Fx "));
    /* it would not, and has begun an upload: that is used */
    http_script_add(f->s, "POST /v2/app/blobs/uploads/?mount=", "202 Accepted",
                    "Location: /up/9\r\n", "");
    assert_int_equal(weft_registry_mount_blob(f->r, TEN_DIGEST, "base", &err), 0);
    http_script_add(f->s, "PUT /up/9?digest=", "201 Created", "", "");
    assert_ok(weft_registry_put_blob(f->r, TEN_DIGEST, 10, f->file, NULL, &err), &err);
    http_script_add(f->s, "POST /v2/app/blobs/uploads/?mount=", "403 Forbidden", "", "");
    assert_int_equal(weft_registry_mount_blob(f->r, TEN_DIGEST, "base", &err), 0);
    assert_null(err);

    /* an upload that nobody will use is taken back: of two, and where the blob is there after all
     */
    http_script_add(f->s, "POST /v2/app/blobs/uploads/?mount=", "202 Accepted",
                    "Location: /up/a\r\n", "");
    assert_int_equal(weft_registry_mount_blob(f->r, TEN_DIGEST, "a", &err), 0);
    http_script_add(f->s, "POST /v2/app/blobs/uploads/?mount=", "202 Accepted",
                    "Location: /up/b\r\n", "");
    http_script_add(f->s, "DELETE /up/b ", "204 No Content", "", "");
    assert_int_equal(weft_registry_mount_blob(f->r, TEN_DIGEST, "b", &err), 0);
    http_script_add(f->s, "POST /v2/app/blobs/uploads/?mount=", "201 Created", "", "");
    http_script_add(f->s, "DELETE /up/a ", "405 Method Not Allowed", "", "");
    assert_int_equal(weft_registry_mount_blob(f->r, TEN_DIGEST, "c", &err), 1);
    assert_null(err);
    finish(f);
}

static void test_put_manifest(void **state)
{
    struct fixture *f = *state;
    struct weft_err *err = NULL;
    weft_auto_free char *large = NULL;

    open_plain(f);
    http_script_add(f->s, "PUT /v2/app/manifests/1 ", "201 Created",
                    "Docker-Content-Digest: " HI_DIGEST "\r\n", "");
    assert_ok(weft_registry_put_manifest(f->r, "1", "a/b", "hi", 2, &err), &err);
    assert_true(http_script_has(f->s, 1, "\r\nContent-Type: a/b\r\n"));
    assert_string_equal(http_script_body(f->s, 1), "hi");
    /* what is small is sent unasked; what is large may not be wanted, and then is not sent */
    assert_false(http_script_has(f->s, 1, "\r\nExpect:"));
    large = weft_xmalloc(100000);
    memset(large, 'x', 100000);
    http_script_add(f->s, "PUT /v2/app/manifests/large ", "201 Created",
                    "Docker-Content-Digest: " LARGE_DIGEST "\r\n", "");
    assert_ok(weft_registry_put_manifest(f->r, "large", "a/b", large, 100000, &err), &err);
    assert_true(http_script_has(f->s, 2, "\r\nExpect: 100-continue\r\n"));

    http_script_add(f->s, "PUT /v2/app/manifests/2 ", "201 Created",
                    "Docker-Content-Digest: " TEN_DIGEST "\r\n", "");
    assert_int_equal(weft_registry_put_manifest(f->r, "2", "a/b", "hi", 2, &err), -1);
    assert_err(&err, WEFT_E_DIGEST, 0, TEN_DIGEST);

    /* it does not say, and is asked */
    http_script_add(f->s, "PUT /v2/app/manifests/3 ", "201 Created", "", "");
    http_script_add(f->s, "HEAD /v2/app/manifests/" HI_DIGEST " ", "200 OK",
                    OK_DIGEST_OF(TEN_DIGEST), "");
    assert_int_equal(weft_registry_put_manifest(f->r, "3", "a/b", "hi", 2, &err), -1);
    assert_err(&err, WEFT_E_DIGEST, 0, "the registry has " TEN_DIGEST);

    /* by its digest: the tag may be another push's by now */
    http_script_add(f->s, "PUT /v2/app/manifests/3 ", "201 Created", "", "");
    http_script_add(f->s, "HEAD /v2/app/manifests/" HI_DIGEST " ", "200 OK",
                    OK_DIGEST_OF(HI_DIGEST), "");
    assert_ok(weft_registry_put_manifest(f->r, "3", "a/b", "hi", 2, &err), &err);

    http_script_add(f->s, "PUT /v2/app/manifests/4 ", "400 Bad Request", "",
                    "{\"errors\":[{\"code\":\"MANIFEST_INVALID\",\"message\":\"manifest "
                    "invalid\",\"detail\":\"x\"}]}");
    assert_int_equal(weft_registry_put_manifest(f->r, "4", "a/b", "hi", 2, &err), -1);
    assert_err(&err, WEFT_E_NET, 0,
               "app: writing manifest 4: the registry refuses it (status 400: manifest invalid: x "
               "(MANIFEST_INVALID))");
    finish(f);
}

static void test_disk_full(void **state)
{
    struct fixture *f = *state;
    struct weft_err *err = NULL;

    open_plain(f);
    http_script_add(f->s, "POST /v2/app/blobs/uploads/ ", "202 Accepted", "Location: /up/1\r\n",
                    "");
    http_script_add(f->s, "PUT /up/1?digest=", "500 Internal Server Error", "",
                    "{\"errors\":[{\"code\":\"UNKNOWN\",\"message\":\"unknown error\",\"detail\":{"
                    "\"DriverName\":\"filesystem\",\"Enclosed\":{\"Op\":\"write\",\"Err\":28}}}]}");
    assert_int_equal(weft_registry_put_blob(f->r, TEN_DIGEST, 10, f->file, NULL, &err), -1);
    assert_err(&err, WEFT_E_NET, 0, "the registry's disk is full");
    finish(f);
}

static void test_not_a_registry(void **state)
{
    struct fixture *f = *state;
    struct weft_err *err = NULL;

    open_registry(f, true, NULL);
    http_script_add(f->s, "GET /v2/ ", "404 Not Found", "", "<html>");
    assert_int_equal(weft_registry_check(f->r, &err), -1);
    assert_err(&err, WEFT_E_NET, 0, "not as a registry answers");
    finish(f);
}

static void test_proxy(void **state)
{
    struct fixture *f = *state;
    char domain[] = "registry.invalid";
    struct weft_registry_host host = {.host = domain, .http = true};
    const struct weft_registry_hosts hosts = {.v = &host, .n = 1};
    weft_auto_free char *proxy = weft_fmt("http://u:p@%s/", http_script_host(f->s));
    struct weft_err *err = NULL;

    setenv("HTTP_PROXY", proxy, 1);
    f->r = weft_registry_open(
        &(struct weft_registry_opts){.domain = domain, .path = "app", .hosts = &hosts}, &err);
    http_script_add(f->s, "GET http://registry.invalid/v2/ ", "200 OK", "", "");
    http_script_add(f->s, "HEAD http://registry.invalid/v2/app/blobs/", "200 OK", "", "");
    assert_int_equal(weft_registry_has_blob(f->r, TEN_DIGEST, &err), 1);
    assert_true(http_script_has(f->s, 0, "Proxy-Authorization: Basic dTpw\r\n"));
    unsetenv("HTTP_PROXY");
    finish(f);
}

/* What libcurl says of a proxy that it cannot use has all of it, the password, too. */
static void test_proxy_unusable(void **state)
{
    static const char *const proxies[] = {
        "http://u:secret-3@127.0.0.1:99999", "http://u:secret-3@[::1", "http://u:secret-3@a b:1",
        "ftp://u:secret-3@127.0.0.1:1",      "u:secret-3@:1",
    };
    struct fixture *f = *state;
    struct weft_err *err = NULL;

    for (size_t i = 0; i < sizeof(proxies) / sizeof(proxies[0]); i++) {
        char domain[] = "registry.invalid";
        struct weft_registry_host host = {.host = domain, .http = true};
        const struct weft_registry_hosts hosts = {.v = &host, .n = 1};

        setenv("HTTP_PROXY", proxies[i], 1);
        f->r = weft_registry_open(
            &(struct weft_registry_opts){.domain = domain, .path = "app", .hosts = &hosts}, &err);
        assert_int_equal(weft_registry_has_blob(f->r, TEN_DIGEST, &err), -1);
        unsetenv("HTTP_PROXY");
        if (strstr(err->msg, "secret-3")) {
            fail_msg("%s: %s", proxies[i], err->msg);
        }
        assert_err(&err, WEFT_E_NET, err->sys, "proxy");
        weft_registry_close(f->r);
    }
    http_script_stop(f->s);
}

static void test_cancel(void **state)
{
    struct fixture *f = *state;
    atomic_bool cancel = true;
    struct weft_err *err = NULL;

    f->r = weft_registry_open(&(struct weft_registry_opts){.domain = http_script_host(f->s),
                                                           .path = "app",
                                                           .cancel = &cancel},
                              &err);
    assert_int_equal(weft_registry_has_blob(f->r, TEN_DIGEST, &err), -1);
    assert_err(&err, WEFT_E_CANCELLED, 0, "interrupted");
    weft_registry_close(f->r);
    http_script_stop(f->s);
}

/* Nothing listens there: said at once, and not tried again. */
static void test_not_reached(void **state)
{
    struct fixture *f = *state;
    struct weft_err *err = NULL;

    f->r = weft_registry_open(&(struct weft_registry_opts){.domain = "127.0.0.1:1", .path = "app"},
                              &err);
    assert_int_equal(weft_registry_has_blob(f->r, TEN_DIGEST, &err), -1);
    assert_err(&err, WEFT_E_NET, ECONNREFUSED, "http://127.0.0.1:1/v2/");
    finish(f);
}

#define client_test(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        client_test(test_token),
        client_test(test_refresh_token),
        client_test(test_wrong_password),
        client_test(test_no_password),
        client_test(test_token_refused),
        client_test(test_no_right),
        client_test(test_tries),
        client_test(test_not_there),
        client_test(test_wrong_content),
        client_test(test_redirect),
        client_test(test_put_blob),
        client_test(test_resume),
        client_test(test_start_over),
        client_test(test_mount),
        client_test(test_put_manifest),
        client_test(test_disk_full),
        client_test(test_not_a_registry),
        client_test(test_proxy),
        client_test(test_cancel),
        client_test(test_not_reached),
        client_test(test_refresh_token_redirected),
        client_test(test_resume_wrong),
        client_test(test_resume_in_parts),
        client_test(test_other_statuses),
        client_test(test_upload_elsewhere),
        client_test(test_proxy_unusable),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
