/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/git_url.h"

#include "base/cleanup.h"
#include "tests/helpers.h"

#define COMMIT "0123456789abcdef0123456789abcdef01234567"
#define BY "checksum=" COMMIT "&fetch-by-commit=true"

static void test_accepted(void **state)
{
    static const struct {
        const char *text;
        const char *remote;
        const char *host;
        const char *ref;
        const char *subdir;
        const char *pinned;
        const char *plain;
    } cases[] = {
        {"https://h/a.git", "https://h/a.git", "h", NULL, NULL, "https://h/a.git?" BY,
         "https://h/a.git#" COMMIT},
        {"https://u:p@h:8443/a.git#main", "https://u:p@h:8443/a.git", "h:8443", "main", NULL,
         "https://u:p@h:8443/a.git?ref=main&" BY, "https://u:p@h:8443/a.git#" COMMIT},
        {"HTTPS://h/a.git#v1:sub/dir/", "HTTPS://h/a.git", "h", "v1", "sub/dir",
         "HTTPS://h/a.git?ref=v1&subdir=sub/dir&" BY, "HTTPS://h/a.git#" COMMIT ":sub/dir"},
        {"http://h/a.git#:../s/./t", "http://h/a.git", "h", NULL, "s/t",
         "http://h/a.git?subdir=s/t&" BY, "http://h/a.git#" COMMIT ":s/t"},
        {"git://h/a", "git://h/a", "h", NULL, NULL, "git://h/a?" BY, "git://h/a#" COMMIT},
        {"ssh://git@h:22/a#b", "ssh://git@h:22/a", "h:22", "b", NULL, "ssh://git@h:22/a?ref=b&" BY,
         "ssh://git@h:22/a#" COMMIT},
        {"git@h.org:a/b#b/c:d", "git@h.org:a/b", "h.org", "b/c", "d",
         "git@h.org:a/b?ref=b/c&subdir=d&" BY, "git@h.org:a/b#" COMMIT ":d"},
        {"github.com/a/b#main", "https://github.com/a/b", "github.com", "main", NULL,
         "github.com/a/b?ref=main&" BY, "github.com/a/b#" COMMIT},
        {"https://h/a.git#x%20y:z%25", NULL, NULL, NULL, NULL, NULL, NULL},
        {"https://h/a.git#x:y%20z", "https://h/a.git", "h", "x", "y z",
         "https://h/a.git?ref=x&subdir=y%20z&" BY, "https://h/a.git#" COMMIT ":y%20z"},
        {"https://h/a.git?branch=b&subdir=c+d", "https://h/a.git", "h", "refs/heads/b", "c d",
         "https://h/a.git?ref=refs/heads/b&subdir=c%20d&" BY, "https://h/a.git#" COMMIT ":c%20d"},
        {"https://h/a.git?tag=v1&keep-git-dir", "https://h/a.git", "h", "refs/tags/v1", NULL,
         "https://h/a.git?ref=refs/tags/v1&keep-git-dir=true&" BY, NULL},
        {"https://h/a.git?ref=x&submodules=0&mtime=commit#x", "https://h/a.git", "h", "x", NULL,
         "https://h/a.git?ref=x&submodules=false&mtime=commit&" BY, NULL},
        {"https://h/a.git?commit=" COMMIT "&fetch-by-commit=1", "https://h/a.git", "h", NULL, NULL,
         "https://h/a.git?" BY, "https://h/a.git#" COMMIT},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_auto_git_url u = {0};
        int rc = weft_git_url_parse(cases[i].text, &u, NULL);
        weft_auto_free char *pinned = NULL;
        weft_auto_free char *plain = NULL;

        if (!cases[i].remote) {
            assert_int_equal(rc, -1);
            continue;
        }
        assert_int_equal(rc, 1);
        pinned = weft_git_url_pinned(&u, NULL, COMMIT);
        plain = weft_git_url_pinned_plain(&u, COMMIT);
        assert_string_equal(u.remote, cases[i].remote);
        assert_string_equal(u.host, cases[i].host);
        assert_string_equal(pinned, cases[i].pinned);
        if (!weft_str_eq(u.ref, cases[i].ref) || !weft_str_eq(u.subdir, cases[i].subdir) ||
            !weft_str_eq(plain, cases[i].plain)) {
            fail_msg("%s: ref %s, subdir %s, plain %s", cases[i].text, u.ref, u.subdir, plain);
        }
        assert_int_equal(u.ssh, strstr(u.remote, "git@") != NULL);
        assert_int_equal(u.http, strncasecmp(u.remote, "http", 4) == 0);
    }
}

static void test_no_git(void **state)
{
    static const char *const cases[] = {
        "",
        ".",
        "./git@h:x",
        "dir",
        "https://h/a.tar.gz",
        "https://h/a.git/x",
        "https://h/a?x=.git",
        "file:///srv/a.git",
        "ext::sh -c x",
        "git@h",
        "git@h/a.git",
        "bad:user@h:a.git",
        "h:a.git",
        "docker-image://x",
        "/abs",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_auto_git_url u = {0};

        if (weft_git_url_parse(cases[i], &u, NULL) != 0) {
            fail_msg("%s is taken for git", cases[i]);
        }
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *text;
        const char *in_msg;
    } cases[] = {
        {"https://h/a.git#-x", "cannot begin with"},
        {"https://h/a.git#a b", "can be no ref"},
        {"https://h/a.git#a%0ab", "control characters"},
        {"https://h/a.git#%zz", "stands for nothing"},
        {"https://h/a.git?ref=a#b", "two refs"},
        {"https://h/a.git?tag=a&branch=b", "exclude each other"},
        {"https://h/a.git?ref=a&ref=a", "two refs"},
        {"https://h/a.git?ref", "no value"},
        {"https://h/a.git?rev=a", "\"rev\""},
        {"https://h/a.git?mtime=now", "mtime"},
        {"https://h/a.git?checksum=xyz", "hex digits"},
        {"https://h/a.git?submodules=maybe", "true or false"},
        {"https://h/a.git?fetch-by-commit=1&checksum=012", "full commit"},
        {"https://u:secret@/a.git", "no host"},
        {"git://-x/a", "no host"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        weft_auto_git_url u = {0};
        weft_auto_err err = NULL;

        if (weft_git_url_parse(cases[i].text, &u, &err) != -1) {
            fail_msg("%s is accepted", cases[i].text);
        }
        assert_int_equal(err->code, WEFT_E_USAGE);
        if (!strstr(err->msg, cases[i].in_msg) || strstr(err->msg, "secret")) {
            fail_msg("%s: %s", cases[i].text, err->msg);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),
        cmocka_unit_test(test_no_git),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
