/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "engine/request.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "engine/flags.h"
#include "engine/proxy_args.h"
#include "engine/reference.h"
#include "engine/request_parts.h"

enum {
    JOBS_MAX = 1024,
};

/* The command line as it was given, before any value is looked at. */
struct raw {
    char *file;
    char *target;
    char *network;
    char *provenance;
    char *sbom;
    char *metadata_file;
    char *iidfile;
    char *call;
    char *log_dir;
    char *progress;
    char *jobs;
    char *workers;
    char *worker_idle;
    char *qemu;
    char *os_version;
    struct weft_strv platforms;
    struct weft_strv cpu;
    struct weft_strv tags;
    struct weft_strv build_args;
    struct weft_strv labels;
    struct weft_strv contexts;
    struct weft_strv secrets;
    struct weft_strv ssh;
    struct weft_strv allow;
    struct weft_strv attests;
    struct weft_strv annotations;
    struct weft_strv outputs;
    struct weft_strv no_cache_filter;
    struct weft_strv cache_from;
    struct weft_strv cache_to;
    struct weft_strv hosts;
    struct weft_strv ulimits;
    char *shm_size;
    struct weft_strv ignored;
    struct weft_strv paths; /* what is no flag */
    bool check;
    bool no_cache;
    bool pull;
    bool pull_frontend;
    bool fail_fast;
    bool allow_partial;
    bool push;
    bool load;
    bool quiet;
    bool debug;
    bool help;
};

#define HEADING(text)                     \
    {                                     \
        WEFT_FLAG_HEADING, .help = (text) \
    }
#define SWITCH(letter, name, field, help)                                       \
    {                                                                           \
        WEFT_FLAG_SWITCH, letter, name, NULL, offsetof(struct raw, field), help \
    }
#define VALUE(letter, name, field, metavar, help)                                 \
    {                                                                             \
        WEFT_FLAG_VALUE, letter, name, metavar, offsetof(struct raw, field), help \
    }
#define LIST(letter, name, field, metavar, help)                                 \
    {                                                                            \
        WEFT_FLAG_LIST, letter, name, metavar, offsetof(struct raw, field), help \
    }
#define IGNORED(name, metavar, help)                                             \
    {                                                                            \
        WEFT_FLAG_IGNORED, 0, name, metavar, offsetof(struct raw, ignored), help \
    }

static const struct weft_flag flags[] = {
    HEADING("What is built"),
    LIST(0, "platform", platforms, "PLATFORM[,...]",
         "build for these, \"local\" being this machine's (default:\n"
         "$DOCKER_DEFAULT_PLATFORM, else local)"),
    VALUE(0, "os-version", os_version, "VERSION",
          "the os.version of a windows image FROM scratch, such as\n"
          "10.0.20348.1"),
    VALUE('f', "file", file, "FILE",
          "the Dockerfile, a URL of it, or - for standard input (default:\n"
          "PATH/Dockerfile); where PATH is no directory, its name in there"),
    VALUE(0, "target", target, "STAGE", "build this stage (default: the last one)"),
    LIST(0, "build-arg", build_args, "NAME[=VALUE]",
         "set a build argument; without a value, from the environment"),
    LIST(0, "label", labels, "NAME[=VALUE]", "set a label of the image"),
    LIST(0, "build-context", contexts, "NAME=CONTEXT",
         "a further context: a directory, a URL or git repository as for\n"
         "PATH, or an image: docker-image://REF,\n"
         "oci-layout://DIR[:TAG][@DIGEST] (default tag: latest)"),

    HEADING("What comes out"),
    LIST('t', "tag", tags, "NAME[:TAG]", "name the image (default tag: latest)"),
    SWITCH(0, "push", push, "push the image to the registries of its names: -o type=registry"),
    SWITCH(0, "load", load, "load the image of one platform into docker, or else podman"),
    LIST('o', "output", outputs, "OUTPUT",
         "where to, any number of times (default: the cache only):\n"
         "type=registry                 the registries of the names\n"
         "type=image                    the cache; with push=true as registry\n"
         "type=docker                   docker, or else podman\n"
         "type=docker,dest=FILE         a tar file for docker load\n"
         "type=oci,dest=FILE            an OCI layout as a tar file\n"
         "type=oci,dest=DIR,tar=false   an OCI layout directory\n"
         "type=local,dest=DIR or DIR    the files of the image\n"
         "type=tar,dest=FILE            the same, as a tar file\n"
         "type=cacheonly                nothing but the cache\n"
         "dest=- is standard output, and \"-\" is type=tar,dest=-.\n"
         "Also for oci, registry, image and docker: name, compression,\n"
         "compression-level, force-compression, oci-mediatypes,\n"
         "oci-artifact, rewrite-timestamp, source-date-epoch,\n"
         "annotation.NAME and its like (see --annotation).\n"
         "Also for registry and image: push, push-by-digest,\n"
         "registry.insecure, name-canonical, unpack, store.\n"
         "Also for local and tar: attestation-prefix"),
    LIST(0, "annotation", annotations, "[TYPE[,...]:]NAME=VALUE",
         "annotate the image; TYPE is manifest (default), index,\n"
         "manifest-descriptor or index-descriptor, for one platform\n"
         "manifest[linux/arm64]"),
    VALUE(0, "provenance", provenance, "BOOL|ATTRIBUTES",
          "--attest type=provenance; true is mode=max (default: mode=min\n"
          "for several platforms and for type=registry and image, none for\n"
          "other images of a single platform)"),
    VALUE(0, "sbom", sbom, "BOOL|ATTRIBUTES",
          "--attest type=sbom, such as generator=IMAGE (default: false)"),
    LIST(0, "attest", attests, "type=TYPE[,...]", "attach an attestation: provenance or sbom"),
    VALUE(0, "metadata-file", metadata_file, "FILE", "write what was built to FILE, as JSON"),
    VALUE(0, "iidfile", iidfile, "FILE", "write the image's ID to FILE"),

    HEADING("What is asked for instead of a build"),
    VALUE(0, "call", call, "METHOD[,format=json]",
          "ask the frontend: check (the Dockerfile), outline (its\n"
          "arguments), targets (its stages) or subrequests.describe\n"
          "(the methods); build is the default"),
    SWITCH(0, "check", check, "--call=check: exit code 1 where there are warnings"),
    VALUE(0, "print", call, "METHOD[,format=json]", "an old name of --call"),

    HEADING("How it is built"),
    SWITCH(0, "no-cache", no_cache, "run every step again"),
    LIST(0, "no-cache-filter", no_cache_filter, "STAGE[,...]",
         "run every step of these stages again"),
    LIST(0, "cache-from", cache_from, "REF|CACHE",
         "take steps from a cache, any number of times; each platform\n"
         "from its own part of it, and from what buildx wrote:\n"
         "NAME:TAG or type=registry,ref=NAME:TAG, type=local,src=DIR,\n"
         "type=gha, type=s3,bucket=NAME,region=NAME,\n"
         "type=azblob,account_url=URL"),
    LIST(0, "cache-to", cache_to, "REF|CACHE",
         "write a cache, each platform to a part of its own: the same\n"
         "types, with dest=DIR for local, and type=inline (in the image).\n"
         "mode=max has the steps of all stages (default: mode=min);\n"
         "ignore-error=true goes on when it cannot be written"),
    SWITCH(0, "pull", pull, "look for newer base images"),
    SWITCH(0, "pull-frontend", pull_frontend,
           "fetch the frontend that \"# syntax\" names also where the\n"
           "built-in one would do"),
    LIST(0, "secret", secrets, "id=ID[,src=FILE|,env=NAME]",
         "give RUN --mount=type=secret a file or an environment variable\n"
         "(default: the variable ID, else the file ID)"),
    LIST(0, "ssh", ssh, "ID[=SOCKET|KEY[,KEY...]]",
         "give RUN --mount=type=ssh an agent or keys (default: the agent\n"
         "of $SSH_AUTH_SOCK)"),
    VALUE(0, "network", network, "MODE",
          "network of RUN: default, none or host (default: \"default\")"),
    LIST(0, "add-host", hosts, "NAME=ADDRESS",
         "a line in /etc/hosts of RUN; the address host-gateway is this\n"
         "machine"),
    VALUE(0, "shm-size", shm_size, "SIZE", "size of /dev/shm in RUN, such as 256m"),
    LIST(0, "ulimit", ulimits, "NAME=SOFT[:HARD]",
         "a limit of the processes of RUN: nofile=1024:2048"),
    LIST(0, "allow", allow, "ENTITLEMENT",
         "allow RUN to ask for network.host or security.insecure"),
    LIST(0, "cpu", cpu, "[PLATFORM=]CPU",
         "the CPU that emulated programs see: baseline (default), max,\n"
         "fastest (of those that weft bench run has measured); for a\n"
         "platform also a model of its QEMU: arm64=cortex-a72"),
    VALUE(0, "qemu", qemu, "VERSION|DIR",
          "use this QEMU, such as 7.2, or the one in this directory\n"
          "(default: of those at hand, the fastest that works)"),
    SWITCH(0, "fail-fast", fail_fast, "stop all platforms when one has failed"),
    SWITCH(0, "allow-partial", allow_partial,
           "write the platforms that succeeded also when others failed; the\n"
           "exit code is 1 all the same"),
    VALUE(0, "jobs", jobs, "N",
          "platforms that are built at once (default: from the processors\n"
          "and the memory that the process may use)"),
    VALUE(0, "workers", workers, "MODE",
          "auto, platform (a worker each) or group (as few as can be)\n"
          "(default: auto)"),
    VALUE(0, "worker-idle", worker_idle, "DURATION",
          "stop workers that are idle for so long, \"0\" at once (default:\n"
          "$WEFT_WORKER_IDLE, else 10m)"),

    HEADING("What is shown"),
    VALUE(0, "progress", progress, "MODE",
          "auto, tty, plain, rawjson, quiet or none (default:\n"
          "$BUILDKIT_PROGRESS, else auto)"),
    VALUE(0, "log-dir", log_dir, "DIR",
          "write what --progress=plain says of a platform to a file of its\n"
          "own, such as DIR/linux_arm64.log"),
    SWITCH('q', "quiet", quiet, "no progress; print the image's ID on standard output"),
    SWITCH('D', "debug", debug, "say what is done and why"),
    SWITCH('h', "help", help, "show this help"),

    HEADING("Taken with a warning, and ignored, as docker buildx does"),
    IGNORED("compress", NULL, "the context is never compressed"),
    IGNORED("force-rm", NULL, "no containers are left to remove"),
    IGNORED("isolation", "TYPE", "there is but one"),
    IGNORED("rm", NULL, "no containers are left to remove"),
    IGNORED("security-opt", "OPTION", "RUN --security asks for more, --allow gives it"),
    IGNORED("squash", NULL, "a last stage with one COPY --from has one layer"),
};

enum {
    N_FLAGS = sizeof(flags) / sizeof(flags[0])
};

const struct weft_flag *weft_request_flags(size_t *n)
{
    *n = N_FLAGS;
    return flags;
}

void weft_request_help(FILE *out)
{
    fputs(
        "usage: weft build [FLAGS] PATH|URL|-\n"
        "\n"
        "Build the Dockerfile in the directory PATH, for one or many platforms. Also in a git\n"
        "repository, URL[#REF[:DIR]], in an archive, URL, or in one from standard input, -.\n"
        "\n"
        "Examples:\n"
        "  weft build -t app -o type=oci,dest=app.tar .\n"
        "  weft build --platform linux/amd64,linux/arm64 -t app -o type=oci,dest=app,tar=false .\n"
        "  weft build --platform linux/amd64,linux/arm64 -t REGISTRY/APP --push .\n"
        "  weft build --platform linux/riscv64 --target binaries -o out .\n"
        "  weft build --platform linux/arm/v6,linux/arm64 --cpu linux/arm64=cortex-a72 .\n"
        "  weft build --platform linux/s390x --cpu max --qemu 7.2 .\n"
        "  weft build --check .\n"
        "  weft build --secret id=token,env=TOKEN --build-arg VERSION=1.2 -f docker/Dockerfile .\n",
        out);
    weft_flags_help(flags, N_FLAGS, out);
}

static void raw_finish(struct raw *raw)
{
    for (size_t i = 0; i < N_FLAGS; i++) {
        void *field = (char *)raw + flags[i].offset;

        if (flags[i].kind == WEFT_FLAG_VALUE) {
            free(*(char **)field);
            *(char **)field = NULL; /* two flags may share a field */
        } else if (flags[i].kind == WEFT_FLAG_LIST) {
            weft_strv_finish(field);
        }
    }
    weft_strv_finish(&raw->ignored);
    weft_strv_finish(&raw->paths);
}

/* The index of value in names, or -1 with the list of those that there are. */
static int choose(const char *flag, const char *value, const char *const *names, size_t n,
                  struct weft_err **err)
{
    weft_auto_buf list = {0};
    weft_auto_free char *shown = NULL;

    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], value) == 0) {
            return (int)i;
        }
        weft_buf_printf(&list, "%s%s", i == 0 ? "" : i + 1 == n ? " or " : ", ", names[i]);
    }
    shown = weft_printable(value);
    return weft_fail(err, WEFT_E_USAGE, "%s is %s, not \"%s\"", flag, list.data, shown);
}

#define CHOOSE(flag, value, names, err) \
    choose(flag, value, names, sizeof(names) / sizeof((names)[0]), err)

/* An environment variable that is set and not empty, or NULL. */
static const char *env(const char *name)
{
    const char *value = getenv(name);

    return value && *value ? value : NULL;
}

static int add_platform(struct weft_request *r, const char *name, struct weft_err **err)
{
    struct weft_platform p = {0};

    if (strcmp(name, "local") == 0) {
        weft_platform_host(&p);
    } else if (weft_platform_parse(name, &p, err) < 0) {
        return weft_err_wrap(err, "--platform");
    }
    for (size_t i = 0; i < r->n_platforms; i++) {
        if (weft_platform_eq(&r->platforms[i], &p)) {
            return 0;
        }
    }
    r->platforms = weft_xrealloc(r->platforms, r->n_platforms + 1, sizeof(*r->platforms));
    r->platforms[r->n_platforms++] = p;
    return 0;
}

static int set_platforms(struct weft_request *r, const struct raw *raw, struct weft_err **err)
{
    weft_auto_strv names = {0};

    for (size_t i = 0; i < raw->platforms.n; i++) {
        weft_split(raw->platforms.v[i], ',', &names);
    }
    if (names.n == 0) {
        const char *preset = env("DOCKER_DEFAULT_PLATFORM");

        weft_split(preset ? preset : "local", ',', &names);
    }
    for (size_t i = 0; i < names.n; i++) {
        char *name = names.v[i];
        size_t len;

        name += strspn(name, " \t");
        len = strlen(name);
        while (len > 0 && isspace((unsigned char)name[len - 1])) {
            name[--len] = '\0';
        }
        if (add_platform(r, name, err) < 0) {
            return -1;
        }
    }
    return 0;
}

/* Add "K=V", in the place of an earlier one of the same K. */
static void put_pair(struct weft_strv *pairs, const char *key, size_t key_len, const char *value)
{
    char *pair = weft_fmt("%.*s=%s", (int)key_len, key, value);

    for (size_t i = 0; i < pairs->n; i++) {
        if (strncmp(pairs->v[i], pair, key_len + 1) == 0) {
            free(pairs->v[i]);
            pairs->v[i] = pair;
            return;
        }
    }
    weft_strv_take(pairs, pair);
}

/* "K=V" or "K", which stands for the environment's value (from_env; dropped where it is unset), or
 * the empty one. */
static int add_pairs(const char *flag, const struct weft_strv *given, bool from_env,
                     struct weft_strv *out, struct weft_err **err)
{
    for (size_t i = 0; i < given->n; i++) {
        const char *text = given->v[i];
        size_t len = strcspn(text, "=");
        const char *value = "";

        if (len == 0) {
            weft_auto_free char *shown = weft_printable(text);

            return weft_fail(err, WEFT_E_USAGE, "%s \"%s\": the name is missing", flag, shown);
        }
        if (text[len] == '=') {
            value = text + len + 1;
        } else if (from_env) {
            value = getenv(text);
            if (!value) {
                continue;
            }
        }
        put_pair(out, text, len, value);
    }
    return 0;
}

int weft_request_add_name(struct weft_strv *names, struct weft_strv *bare, const char *value,
                          struct weft_err **err)
{
    weft_auto_reference ref = {0};
    weft_auto_free char *full = NULL;

    if (weft_reference_parse(value, &ref, err) < 0) {
        return -1;
    }
    if (ref.digest) {
        return weft_fail(err, WEFT_E_USAGE, "\"%s\": a tag cannot have a digest", value);
    }
    full = weft_reference_full(&ref);
    if (!weft_strv_has(names, full)) {
        weft_strv_addf(bare, "%s/%s%s%s", ref.domain, ref.path, ref.tag ? ":" : "",
                       ref.tag ? ref.tag : "");
        weft_strv_take(names, weft_steal(&full));
    }
    return 0;
}

int weft_request_add_tag(struct weft_request *r, const char *value, struct weft_err **err)
{
    return weft_request_add_name(&r->tags, &r->bare_tags, value, err);
}

typedef int add_fn(struct weft_request *r, const char *value, struct weft_err **err);

static int add_all(struct weft_request *r, const char *flag, const struct weft_strv *values,
                   add_fn *add, struct weft_err **err)
{
    for (size_t i = 0; i < values->n; i++) {
        if (add(r, values->v[i], err) < 0) {
            return weft_err_wrap(err, "%s", flag);
        }
    }
    return 0;
}

static int add_entitlement(struct weft_request *r, const char *value, struct weft_err **err)
{
    static const char *const names[] = {"network.host", "security.insecure"};

    if (CHOOSE("it", value, names, err) < 0) {
        return -1;
    }
    if (!weft_strv_has(&r->allow, value)) {
        weft_strv_add(&r->allow, value);
    }
    return 0;
}

static int set_network(struct weft_request *r, const char *value, struct weft_err **err)
{
    static const char *const names[] = {"default", "none", "host"};

    if (!value) {
        return 0;
    }
    if (CHOOSE("--network", value, names, err) < 0) {
        return -1;
    }
    r->network = weft_xstrdup(value);
    return 0;
}

static int set_attests(struct weft_request *r, const struct raw *raw, struct weft_err **err)
{
    const char *no_default = env("BUILDX_NO_DEFAULT_ATTESTATIONS");
    bool b = false;

    if (add_all(r, "--attest", &raw->attests, weft_request_add_attest, err) < 0) {
        return -1;
    }
    if (raw->provenance &&
        weft_request_add_attest_short(r, "provenance", raw->provenance, err) < 0) {
        return weft_err_wrap(err, "--provenance");
    }
    if (raw->sbom && weft_request_add_attest_short(r, "sbom", raw->sbom, err) < 0) {
        return weft_err_wrap(err, "--sbom");
    }
    if (no_default && weft_parse_bool(no_default, &b) < 0) {
        weft_auto_free char *shown = weft_printable(no_default);

        return weft_fail(err, WEFT_E_USAGE,
                         "BUILDX_NO_DEFAULT_ATTESTATIONS is true or false, not \"%s\"", shown);
    }
    r->provenance_given |= b;
    return 0;
}

static int set_progress(struct weft_request *r, const struct raw *raw, struct weft_err **err)
{
    static const char *const names[] = {"auto", "tty", "plain", "rawjson", "quiet", "none"};
    static const enum weft_progress_mode modes[] = {
        WEFT_PROGRESS_AUTO,    WEFT_PROGRESS_TTY,   WEFT_PROGRESS_PLAIN,
        WEFT_PROGRESS_RAWJSON, WEFT_PROGRESS_QUIET, WEFT_PROGRESS_QUIET,
    };
    const char *from_env = env("BUILDKIT_PROGRESS");
    int i = 0;

    if (raw->progress) {
        i = CHOOSE("--progress", raw->progress, names, err);
    } else if (from_env && !raw->quiet) {
        i = CHOOSE("BUILDKIT_PROGRESS", from_env, names, err);
    }
    if (i < 0) {
        return -1;
    }
    /* as buildx has it: "none" shows nothing either, and prints no ID */
    r->quiet = raw->quiet || (raw->progress && strcmp(raw->progress, "quiet") == 0);
    r->progress = r->quiet ? WEFT_PROGRESS_QUIET : modes[i];
    if (raw->quiet && modes[i] != WEFT_PROGRESS_AUTO && modes[i] != WEFT_PROGRESS_QUIET) {
        return weft_fail(err, WEFT_E_USAGE, "--quiet and --progress=%s exclude each other",
                         names[i]);
    }
    return 0;
}

static int set_workers(struct weft_request *r, const struct raw *raw, struct weft_err **err)
{
    static const char *const names[] = {"auto", "platform", "group"};
    static const enum weft_workers_mode modes[] = {WEFT_WORKERS_AUTO, WEFT_WORKERS_PLATFORM,
                                                   WEFT_WORKERS_GROUP};
    int i = raw->workers ? CHOOSE("--workers", raw->workers, names, err) : 0;

    if (i < 0) {
        return -1;
    }
    r->workers = modes[i];
    return weft_request_worker_idle(raw->worker_idle, &r->worker_idle_s, err);
}

/* The path of a file that will be written: absolute, in a directory that exists. */
static int set_file(const char *flag, const char *path, char **out, struct weft_err **err)
{
    weft_auto_free char *abs = NULL;
    weft_auto_free char *dir = NULL;
    struct stat st;

    if (!path) {
        return 0;
    }
    if (!*path) {
        return weft_fail(err, WEFT_E_USAGE, "%s: the name is empty", flag);
    }
    abs = weft_path_abs(path, err);
    if (!abs) {
        return -1;
    }
    dir = weft_path_dir(abs);
    if (weft_is_dir(abs)) {
        return weft_fail(err, WEFT_E_USAGE, "%s: %s is a directory", flag, abs);
    }
    if (!weft_is_dir(dir)) {
        weft_fail(err, WEFT_E_USAGE, "%s: there is no directory %s", flag, dir);
        return weft_err_hint(err, "mkdir -p %s", dir);
    }
    if (access(dir, W_OK | X_OK) < 0) {
        return weft_fail(err, WEFT_E_USAGE, "%s: cannot write to %s: %s", flag, dir,
                         strerror(errno));
    }
    if ((stat(abs, &st) < 0 || S_ISREG(st.st_mode)) && access(dir, W_OK | X_OK) < 0) {
        return weft_fail(err, WEFT_E_USAGE, "%s: cannot write to %s: %s", flag, dir,
                         strerror(errno));
    }
    *out = weft_steal(&abs);
    return 0;
}

static int set_results(struct weft_request *r, const struct raw *raw, struct weft_err **err)
{
    if (add_all(r, "--tag", &raw->tags, weft_request_add_tag, err) < 0 ||
        add_all(r, "--output", &raw->outputs, weft_request_add_output, err) < 0 ||
        set_file("--metadata-file", raw->metadata_file, &r->metadata_file, err) < 0 ||
        set_file("--iidfile", raw->iidfile, &r->iidfile, err) < 0 || set_attests(r, raw, err) < 0 ||
        add_all(r, "--annotation", &raw->annotations, weft_request_add_annotation, err) < 0) {
        return -1;
    }
    if (weft_request_set_outputs(r, raw->push, raw->load, err) < 0 ||
        add_all(r, "--cache-from", &raw->cache_from, weft_request_add_cache_from, err) < 0 ||
        add_all(r, "--cache-to", &raw->cache_to, weft_request_add_cache_to, err) < 0) {
        return -1;
    }
    return weft_request_check_caches(r, err);
}

/* SOURCE_DATE_EPOCH: buildctl makes the variable a build argument where that is not given.
 * "context" is BuildKit's, and for a directory as good as none. */
static int set_epoch(struct weft_request *r, struct weft_err **err)
{
    static const char key[] = "SOURCE_DATE_EPOCH=";
    const char *value = env("SOURCE_DATE_EPOCH");
    long seconds;

    for (size_t i = 0; i < r->build_args.n; i++) {
        if (weft_starts_with(r->build_args.v[i], key)) {
            value = r->build_args.v[i] + strlen(key);
        }
    }
    r->epoch_s = -1;
    if (!value || !*value || strcmp(value, "context") == 0) {
        return 0;
    }
    if (weft_parse_long(value, 0, WEFT_EPOCH_MAX_S, "SOURCE_DATE_EPOCH", &seconds, err) < 0) {
        return -1;
    }
    r->epoch_s = seconds;
    return 0;
}

static int set_run(struct weft_request *r, const struct raw *raw, struct weft_err **err)
{
    if (raw->no_cache && raw->no_cache_filter.n > 0) {
        return weft_fail(err, WEFT_E_USAGE, "--no-cache and --no-cache-filter exclude each other");
    }
    if (weft_request_set_shm_size(r, raw->shm_size, err) < 0) {
        return weft_err_wrap(err, "--shm-size");
    }
    return add_all(r, "--no-cache-filter", &raw->no_cache_filter, weft_request_add_no_cache, err) <
                       0 ||
                   add_all(r, "--add-host", &raw->hosts, weft_request_add_host, err) < 0 ||
                   add_all(r, "--ulimit", &raw->ulimits, weft_request_add_ulimit, err) < 0
               ? -1
               : 0;
}

static int set_inputs(struct weft_request *r, const struct raw *raw, struct weft_err **err)
{
    if (add_pairs("--build-arg", &raw->build_args, true, &r->build_args, err) < 0 ||
        set_epoch(r, err) < 0 || add_pairs("--label", &raw->labels, false, &r->labels, err) < 0 ||
        add_all(r, "--build-context", &raw->contexts, weft_request_add_context, err) < 0 ||
        add_all(r, "--secret", &raw->secrets, weft_request_add_secret, err) < 0 ||
        add_all(r, "--ssh", &raw->ssh, weft_request_add_ssh, err) < 0 ||
        weft_request_add_git_ssh(r, err) < 0 ||
        add_all(r, "--allow", &raw->allow, add_entitlement, err) < 0 || set_run(r, raw, err) < 0) {
        return -1;
    }
    if (raw->target && *raw->target) {
        r->target = weft_xstrdup(raw->target);
    }
    weft_proxy_args_load(r);
    r->no_cache = raw->no_cache;
    r->pull = raw->pull;
    r->pull_frontend = raw->pull_frontend;
    return set_network(r, raw->network, err);
}

static int resolve(struct weft_request *r, const struct raw *raw, struct weft_err **err)
{
    if (raw->paths.n == 0) {
        weft_fail(err, WEFT_E_USAGE, "PATH, the directory to build, is missing");
        return weft_err_hint(err, "weft build .");
    }
    if (raw->paths.n > 1) {
        weft_fail(err, WEFT_E_USAGE, "one PATH is built, and %zu arguments were given",
                  raw->paths.n);
        return weft_err_hint(err, "weft build [FLAGS] PATH, for example: weft build .");
    }
    if (raw->jobs && weft_parse_long(raw->jobs, 1, JOBS_MAX, "--jobs", &r->jobs, err) < 0) {
        return -1;
    }
    weft_strv_concat(&r->ignored, &raw->ignored);
    if (raw->fail_fast && raw->allow_partial) {
        return weft_fail(err, WEFT_E_USAGE, "--fail-fast and --allow-partial exclude each other");
    }
    r->fail_fast = raw->fail_fast;
    r->allow_partial = raw->allow_partial;
    r->debug = raw->debug;
    if (set_progress(r, raw, err) < 0 || set_workers(r, raw, err) < 0 ||
        set_platforms(r, raw, err) < 0 ||
        weft_request_set_os_version(r, raw->os_version, err) < 0 ||
        weft_request_set_emulation(r, &raw->cpu, raw->qemu, err) < 0 ||
        weft_request_set_source(r, raw->paths.v[0], raw->file, err) < 0 ||
        set_inputs(r, raw, err) < 0) {
        return -1;
    }
    if (set_results(r, raw, err) < 0 || weft_request_set_log_dir(r, raw->log_dir, err) < 0) {
        return -1;
    }
    return weft_request_set_call(r, raw->call, raw->check, err);
}

int weft_request_parse(int argc, char *const *argv, struct weft_request *out, struct weft_err **err)
{
    struct raw raw = {0};
    struct weft_request r = {0};
    int rc = weft_flags_parse(flags, N_FLAGS, argc, argv, &raw, &raw.paths, err);

    if (rc == 0 && raw.help) {
        r.help = true;
    } else if (rc == 0) {
        rc = resolve(&r, &raw, err);
    }
    raw_finish(&raw);
    if (rc < 0) {
        weft_request_finish(&r);
        return -1;
    }
    *out = r;
    return 0;
}

void weft_request_finish(struct weft_request *r)
{
    for (size_t i = 0; i < r->n_contexts; i++) {
        weft_request_context_finish(&r->contexts[i]);
    }
    for (size_t i = 0; i < r->n_outputs; i++) {
        weft_request_output_finish(&r->outputs[i]);
    }
    free(r->contexts);
    free(r->outputs);
    free(r->platforms);
    free(r->context);
    free(r->context_url);
    free(r->dockerfile);
    free(r->dockerfile_name);
    free(r->pinned.context);
    free(r->pinned.context_plain);
    free(r->pinned.seen);
    free(r->pinned.shown);
    free(r->pinned.identity);
    free(r->pinned.policy);
    free(r->target);
    free(r->network);
    free(r->metadata_file);
    free(r->iidfile);
    free(r->call);
    free(r->call_platforms);
    free(r->log_dir);
    free(r->os_version);
    free(r->qemu);
    weft_cpu_choices_finish(&r->cpu);
    weft_strv_finish(&r->qemu_dirs);
    weft_registry_hosts_finish(&r->registries);
    weft_annotations_finish(&r->annotations);
    weft_strv_finish(&r->tags);
    weft_strv_finish(&r->bare_tags);
    weft_strv_finish(&r->build_args);
    weft_strv_finish(&r->proxy_args);
    weft_strv_finish(&r->labels);
    weft_strv_finish(&r->secrets);
    weft_strv_finish(&r->ssh);
    weft_strv_finish(&r->allow);
    weft_strv_finish(&r->attests);
    weft_strv_finish(&r->no_cache_stages);
    weft_strv_finish(&r->hosts);
    weft_strv_finish(&r->ulimits);
    weft_strv_finish(&r->ignored);
    weft_strv_finish(&r->notices);
    weft_strv_finish(&r->cache_secrets);
    weft_caches_finish(&r->cache_from);
    weft_caches_finish(&r->cache_to);
    *r = (struct weft_request){0};
}
