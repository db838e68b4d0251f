/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/buildkit.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/dirs.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/json.h"
#include "base/mem.h"
#include "base/spawn.h"
#include "engine/registry/hosts.h"

enum {
    PING_RETRY_MS = 5,
    ASK_MS = 30 * 1000 /* a loaded machine; it takes 40 ms */
};

static bool is_program(const char *path)
{
    return access(path, X_OK) == 0 && !weft_is_dir(path);
}

/* variable: NULL where there is none. Sets no error where nothing is found. */
static int find(const char *name, const char *variable, const char *libexec, char **out,
                struct weft_err **err)
{
    const char *given = variable ? getenv(variable) : NULL;
    weft_auto_free char *path = NULL;

    if (given && *given) {
        path = weft_path_abs(given, err);
        if (!path) {
            return -1;
        }
        if (!is_program(path)) {
            return weft_fail(err, WEFT_E_UNSUPPORTED, "%s=%s is not a program", variable, given);
        }
        *out = weft_steal(&path);
        return 0;
    }
    path = weft_path_join(libexec, name);
    if (is_program(path)) {
        *out = weft_path_abs(path, err);
        return *out ? 0 : -1;
    }
    free(weft_steal(&path));
    path = weft_find_program(name);
    if (path) {
        *out = weft_path_abs(path, err);
        return *out ? 0 : -1;
    }
    return 0;
}

int weft_buildkit_find_one(const char *name, const char *variable, char **out,
                           struct weft_err **err)
{
    weft_auto_free char *libexec = weft_dir_libexec();

    if (find(name, variable, libexec, out, err) < 0) {
        return -1;
    }
    if (!*out) {
        weft_fail(err, WEFT_E_UNSUPPORTED, "%s is missing: it is neither in %s nor in PATH", name,
                  libexec);
        return weft_err_hint(err, "build it with ./bootstrap%s%s%s",
                             variable ? ", or say where it is with " : "", variable ? variable : "",
                             variable ? "=PATH" : "");
    }
    return 0;
}

int weft_buildkit_find_runtimes(struct weft_strv *out, struct weft_err **err)
{
    static const char *const names[] = {"crun", "runc"};
    const char *given = getenv("WEFT_RUNTIME");

    if (given && *given) {
        char *path = strchr(given, '/') ? weft_path_abs(given, err) : weft_find_program(given);

        if (!path || !is_program(path)) {
            free(path);
            return err && *err ? -1
                               : weft_fail(err, WEFT_E_UNSUPPORTED,
                                           "WEFT_RUNTIME=%s is not a program", given);
        }
        weft_strv_take(out, path);
        return 0;
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        static const char *const more[] = {"/usr/sbin", "/usr/local/sbin", "/sbin"};
        char *path = weft_find_program(names[i]);

        /* Debian has runc in /usr/sbin, which an ordinary user's PATH may lack */
        for (size_t k = 0; !path && k < sizeof(more) / sizeof(more[0]); k++) {
            path = weft_path_join(more[k], names[i]);
            if (!is_program(path)) {
                free(weft_steal(&path));
            }
        }
        if (path) {
            weft_strv_take(out, path);
        }
    }
    if (out->n == 0) {
        weft_fail(err, WEFT_E_UNSUPPORTED, "no OCI runtime: neither crun nor runc is in PATH");
        return weft_err_hint(err, "sudo apt-get install runc");
    }
    return 0;
}

int weft_buildkit_find(struct weft_buildkit *b, struct weft_err **err)
{
    if (weft_buildkit_find_one("buildkitd", "WEFT_BUILDKITD", &b->buildkitd, err) < 0 ||
        weft_buildkit_find_one("buildctl", "WEFT_BUILDCTL", &b->buildctl, err) < 0 ||
        weft_buildkit_find_one("weft-init", NULL, &b->init, err) < 0) {
        return -1;
    }
    (void)weft_buildkit_find_one("weft-session", NULL, &b->session, NULL); /* it goes without */
    return weft_buildkit_find_runtimes(&b->runtimes, err);
}

char *weft_buildkit_find_init(struct weft_err **err)
{
    char *init = NULL;

    return weft_buildkit_find_one("weft-init", NULL, &init, err) < 0 ? NULL : init;
}

void weft_buildkit_finish(struct weft_buildkit *b)
{
    free(b->buildkitd);
    free(b->buildctl);
    free(b->init);
    free(b->session);
    weft_strv_finish(&b->runtimes);
    *b = (struct weft_buildkit){0};
}

bool weft_buildkit_help_has_keep(const char *help)
{
    static const char option[] = "--keep";

    for (const char *p = help; (p = strstr(p, option)); p += sizeof(option) - 1) {
        char before = p == help ? ' ' : p[-1];
        char after = p[sizeof(option) - 1];

        if (before != '-' && !isalnum((unsigned char)before) && after != '-' &&
            !isalnum((unsigned char)after)) {
            return true;
        }
    }
    return false;
}

static char *capture(const char *program, const char *const *args)
{
    weft_auto_strv argv = {0};
    weft_auto_free char *text = NULL;

    weft_strv_add(&argv, weft_path_base(program));
    for (; *args; args++) {
        weft_strv_add(&argv, *args);
    }
    return weft_run(
               &(struct weft_run_opts){
                   .file = program, .argv = argv.v, .both = true, .timeout_ms = ASK_MS},
               &text, NULL) == 0
               ? weft_steal(&text)
               : NULL;
}

int weft_buildkit_runtime_fits(const char *runtime)
{
    static const char *const args[] = {"run", "--help", NULL};
    weft_auto_free char *help = capture(runtime, args);

    return help ? weft_buildkit_help_has_keep(help) : -1;
}

/* Three numbers; false: they are not there. */
static bool read_numbers(const char *version, long numbers[3])
{
    const char *p = version + (*version == 'v');

    for (int i = 0; i < 3; i++) {
        char *end;

        if (!isdigit((unsigned char)*p)) {
            return false;
        }
        numbers[i] = strtol(p, &end, 10);
        if (i < 2 && *end != '.') {
            return false;
        }
        p = end + 1;
    }
    return true;
}

char *weft_buildkit_number(const char *line)
{
    weft_auto_free char *first = weft_xstrndup(line, strcspn(line, "\n"));
    weft_auto_strv words = {0};
    long numbers[3];

    weft_split(first, ' ', &words);
    for (size_t i = 0; i < words.n; i++) {
        if (words.v[i][0] == 'v' && read_numbers(words.v[i], numbers)) {
            return weft_printable(words.v[i]);
        }
    }
    return NULL;
}

bool weft_buildkit_older(const char *a, const char *b)
{
    long of_a[3];
    long of_b[3];

    if (!read_numbers(a, of_a) || !read_numbers(b, of_b)) {
        return false;
    }
    for (int i = 0; i < 3; i++) {
        if (of_a[i] != of_b[i]) {
            return of_a[i] < of_b[i];
        }
    }
    return false;
}

char *weft_buildkit_version(const char *program)
{
    static const char *const args[] = {"--version", NULL};
    weft_auto_free char *text = capture(program, args);

    if (!text) {
        return NULL;
    }
    text[strcspn(text, "\n")] = '\0';
    return weft_printable(text);
}

char *weft_buildkit_config(uint64_t share_bytes, const char *platform, const char *registries)
{
    weft_auto_free char *platforms = NULL;

    /*
     * Without a list of platforms for both kinds of workers buildkitd makes one, by running a
     * program of each platform that it knows, and runs them all again to warn of those that it
     * found: 21 programs, most of them under QEMU. What handlers there are, weft knows. The first
     * of the list is $BUILDPLATFORM.
     */
    platforms = !platform ? weft_xstrdup("")
                          : weft_fmt("platforms = [\"%s\"]\n"
                                     "[worker.containerd]\n"
                                     "platforms = [\"%s\"]\n"
                                     "[system]\n"
                                     "platformsCacheMaxAge = \"-1s\"\n",
                                     platform, platform);
    return weft_fmt("# written by weft at each start of this worker\n"
                    "[worker.oci]\n"
                    "gc = true\n"
                    "reservedSpace = \"%llu\"\n"
                    "maxUsedSpace = \"%llu\"\n"
                    "minFreeSpace = \"20%%\"\n"
                    "%s%s",
                    (unsigned long long)(share_bytes / 10), (unsigned long long)share_bytes,
                    platforms, registries ? registries : "");
}

static void add_file(struct weft_buf *line, const char *key, const char *path)
{
    weft_auto_free char *field = weft_fmt("%s=%s", key, path);
    weft_auto_free char *csv = weft_csv_field(field);

    weft_buf_printf(line, ",%s", csv);
}

void weft_buildkit_registry_args(const struct weft_registry_hosts *hosts, struct weft_strv *argv)
{
    for (size_t i = 0; hosts && i < hosts->n; i++) {
        const struct weft_registry_host *h = &hosts->v[i];
        weft_auto_buf line = {0};

        if (!h->ca_file && !h->cert_file && !h->insecure) {
            continue;
        }
        weft_buf_printf(&line, "host=%s", h->host);
        if (h->ca_file) {
            add_file(&line, "ca", h->ca_file);
        }
        if (h->cert_file) {
            add_file(&line, "cert", h->cert_file);
            add_file(&line, "key", h->key_file);
        }
        if (h->insecure) {
            weft_buf_puts(&line, ",insecure=true");
        }
        weft_strv_add(argv, "--registry-auth-tlscontext");
        weft_strv_add(argv, line.data);
    }
}

void weft_buildkit_passed_env(struct weft_strv *env)
{
    static const char *const names[] = {
        "ALL_PROXY",     "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY",    "SSL_CERT_DIR",
        "SSL_CERT_FILE", "all_proxy",   "http_proxy", "https_proxy", "no_proxy",
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        const char *v = getenv(names[i]);

        if (v) {
            weft_strv_addf(env, "%s=%s", names[i], v);
        }
    }
}

static int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* 1: a server answered; 0: not yet; it may be worth another try. */
static bool ping_once(const struct sockaddr_un *addr, int64_t until_ms)
{
    /* the client's half of an HTTP/2 connection: preface, then an empty SETTINGS frame */
    static const char hello[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0";
    enum {
        HEADER = 9,
        TYPE = 3,
        SETTINGS = 4
    };
    weft_auto_fd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    unsigned char header[HEADER];
    size_t got = 0;

    if (fd < 0 || connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) < 0 ||
        send(fd, hello, sizeof(hello) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(hello) - 1) {
        return false;
    }
    while (got < HEADER) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int64_t left = until_ms - now_ms();
        ssize_t n;

        if (left < 0 || poll(&p, 1, (int)left) <= 0) {
            return false;
        }
        n = recv(fd, header + got, HEADER - got, 0);
        if (n <= 0) {
            return false;
        }
        got += (size_t)n;
    }
    return header[TYPE] == SETTINGS;
}

bool weft_buildkit_ping(const char *socket_path, int timeout_ms)
{
    const struct timespec pause = {0, PING_RETRY_MS * 1000000L};
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int64_t until = now_ms() + timeout_ms;

    if (strlen(socket_path) >= sizeof(addr.sun_path)) {
        return false;
    }
    memcpy(addr.sun_path, socket_path, strlen(socket_path) + 1);
    while (!ping_once(&addr, until)) {
        if (now_ms() >= until) {
            return false;
        }
        nanosleep(&pause, NULL);
    }
    return true;
}

/* The answer of `buildctl debug workers`, or NULL. */
static struct weft_json *ask_workers(const char *buildctl, const char *address,
                                     struct weft_err **err)
{
    weft_auto_strv argv = {0};
    weft_auto_free char *text = NULL;
    struct weft_json *root;
    int code;

    weft_strv_add(&argv, "buildctl");
    weft_strv_addf(&argv, "--addr=%s", address);
    weft_strv_add(&argv, "debug");
    weft_strv_add(&argv, "workers");
    weft_strv_add(&argv, "--format={{json .}}");
    code = weft_run_capture(buildctl, argv.v, 0, &text, err);
    if (code < 0) {
        return NULL;
    }
    if (code > 0) {
        weft_fail(err, WEFT_E_CHILD, "buildctl debug workers: exit code %d", code);
        return NULL;
    }
    root = weft_json_parse(text, strlen(text), err);
    if (!root) {
        weft_err_wrap(err, "answer of buildctl debug workers");
    }
    return root;
}

int weft_buildkit_ask_archs(const char *buildctl, const char *address, struct weft_strv *archs,
                            struct weft_err **err)
{
    weft_auto_json root = ask_workers(buildctl, address, err);

    if (!root) {
        return -1;
    }
    for (size_t i = 0; i < weft_json_len(root); i++) {
        const struct weft_json *platforms = weft_json_get(weft_json_at(root, i), "platforms");

        for (size_t k = 0; k < weft_json_len(platforms); k++) {
            const char *arch = weft_json_str(weft_json_at(platforms, k), "architecture");

            if (arch && !weft_strv_has(archs, arch)) {
                weft_strv_add(archs, arch);
            }
        }
    }
    return 0;
}

char *weft_buildkit_ask_frontend(const char *buildctl, const char *address)
{
    weft_auto_json root = ask_workers(buildctl, address, NULL);

    return weft_xstrdup_null(weft_json_str(weft_json_get(weft_json_at(root, 0), "buildkitVersion"),
                                           "dockerfileVersion"));
}
