/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the user of `weft build` asks for: the flags, parsed, checked and resolved against the file
 * system, before anything is started. Everything wrong with a command line is found here (exit 2).
 * Knows nothing of workers.
 */
#ifndef WEFT_ENGINE_REQUEST_H
#define WEFT_ENGINE_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/str.h"
#include "engine/annotation.h"
#include "engine/registry/hosts.h"
#include "platforms/cpu.h"
#include "platforms/platform.h"

struct weft_err;
struct weft_flag;

#define WEFT_EPOCH_MAX_S 253402300799 /* the last second of the year 9999 */

enum weft_output_type {
    WEFT_OUTPUT_OCI,
    WEFT_OUTPUT_LOCAL,
    WEFT_OUTPUT_TAR,
    WEFT_OUTPUT_IMAGE, /* in the workers, or pushed to registries */
    WEFT_OUTPUT_DOCKER
};

/** One -o/--output. */
struct weft_output {
    enum weft_output_type type;
    char *dest; /* absolute path, or "-": standard output (tar files). NULL: an image, or a docker
                   image that is loaded */
    bool tar;   /* oci: one tar file (default), or with tar=false a layout directory */
    struct weft_strv attrs; /* "key=value" for BuildKit's exporter: compression=zstd, ... */
    /* oci, image and docker: what it is called, full references, those of --tag if there are any;
     * pushed by digest: without tags */
    struct weft_strv names;
    struct weft_strv bare; /* the same, without the tag "latest" where none was given */
    /* image */
    bool push;
    bool by_digest; /* no tag is set */
    bool insecure;  /* the registry may be without TLS, or with a certificate that nobody knows */
    bool canonical; /* its names are told with the digest */
};

/** Whether the output is the image itself and not its files. */
bool weft_output_is_image(const struct weft_output *o);

/** Where the context comes from: what PATH is. */
enum weft_source {
    WEFT_SOURCE_DIR,
    WEFT_SOURCE_STDIN, /* "-": an archive, or the Dockerfile of an empty context */
    WEFT_SOURCE_GIT,
    WEFT_SOURCE_HTTP, /* a URL: an archive, or the Dockerfile of an empty context */
};

/** Where the Dockerfile comes from. */
enum weft_dockerfile_place {
    WEFT_DOCKERFILE_FILE,   /* a file of this machine */
    WEFT_DOCKERFILE_INSIDE, /* the context, which is not WEFT_SOURCE_DIR */
    WEFT_DOCKERFILE_STDIN,
    WEFT_DOCKERFILE_URL,
};

enum weft_context_kind {
    WEFT_CONTEXT_DIR,
    WEFT_CONTEXT_OCI_LAYOUT,
    WEFT_CONTEXT_IMAGE,
    WEFT_CONTEXT_GIT,
    WEFT_CONTEXT_HTTP
};

/** One --build-context. */
struct weft_named_context {
    char *name; /* normalised as buildx does */
    enum weft_context_kind kind;
    char *path;   /* of the first two: absolute directory; else NULL */
    char *digest; /* oci-layout: of the image, looked up by tag where none was given; else NULL */
    char *url;    /* of the others: as given, an image as "docker-image://REF" */
    char *pinned; /* of the others: what all platforms are given, set by weft_source_fetch; git:
                     also for frontends of any age */
    char *pinned_plain;
};

enum weft_workers_mode {
    WEFT_WORKERS_AUTO,
    WEFT_WORKERS_PLATFORM,
    WEFT_WORKERS_GROUP
};

enum weft_progress_mode {
    WEFT_PROGRESS_AUTO,
    WEFT_PROGRESS_TTY,
    WEFT_PROGRESS_PLAIN,
    WEFT_PROGRESS_RAWJSON,
    WEFT_PROGRESS_QUIET,
};

enum weft_cache_type {
    WEFT_CACHE_REGISTRY,
    WEFT_CACHE_LOCAL,
    WEFT_CACHE_INLINE,
    WEFT_CACHE_GHA,
    WEFT_CACHE_S3,
    WEFT_CACHE_AZBLOB,
};

/** One --cache-from or --cache-to. */
struct weft_cache {
    enum weft_cache_type type;
    struct weft_strv attrs; /* "key=value", checked; ref in full, src and dest absolute; of a secret
                               the value is WEFT_CACHE_SECRET_MARK and its index in cache_secrets */
};

struct weft_caches {
    struct weft_cache *v;
    size_t n;
};

/** "registry", "s3", ... */
const char *weft_cache_type_name(enum weft_cache_type type);

/** The value of an attribute, or NULL. Borrowed. */
const char *weft_cache_attr(const struct weft_cache *c, const char *key);

/** Start from {0}; end with weft_request_finish. */
struct weft_request {
    enum weft_source source;
    /* Absolute directory. Other than WEFT_SOURCE_DIR: NULL; from weft_source_fetch on where the
     * archive lies that was read from standard input */
    char *context;
    char *context_url; /* git, http: as given; else NULL */
    enum weft_dockerfile_place dockerfile_place;
    /* Absolute path of a regular file. Other than WEFT_DOCKERFILE_FILE: NULL; from
     * weft_source_fetch on the copy that is served, if there is one */
    char *dockerfile;
    char *dockerfile_name;   /* inside: path in the context, NULL for the usual names; URL: that one
                              */
    struct weft_pinned {     /* what weft_source_fetch has found; till then empty */
        char *context;       /* the URL that all platforms are given; NULL: `context` is served */
        char *context_plain; /* git: for frontends that know no query in a URL; or NULL */
        char *seen;          /* a file with the Dockerfile's text; NULL: weft has not seen it */
        char *shown;         /* the Dockerfile's name for messages */
        char *identity;      /* of what is served, where its path says nothing of it; or NULL */
        char *policy;        /* BuildKit's source policy, a file; or NULL */
    } pinned;
    struct weft_platform *platforms; /* in the order given, each once; at least one */
    size_t n_platforms;
    char *os_version;            /* of a windows platform, "10.0.20348.1"; or NULL */
    struct weft_strv tags;       /* full references: "docker.io/library/app:latest"; all names that
                                    the image gets anywhere */
    struct weft_strv bare_tags;  /* those of --tag, without the tag "latest" where none was given */
    char *target;                /* or NULL */
    struct weft_strv build_args; /* "K=V"; a bare K was resolved from the environment, or dropped
                                    where it is unset */
    struct weft_strv proxy_args; /* "K=V": build arguments of docker's configuration
                                    (proxy_args.h) that build_args do not have */
    struct weft_strv labels;     /* "K=V" */
    int64_t epoch_s; /* SOURCE_DATE_EPOCH, the build argument or the variable; -1: not given */
    struct weft_named_context *contexts;
    size_t n_contexts;
    bool no_cache;
    struct weft_strv no_cache_stages; /* whose steps run again */
    bool pull;
    struct weft_strv secrets; /* as buildctl takes them, paths absolute */
    struct weft_strv ssh;     /* the same */
    struct weft_strv allow;
    struct weft_strv hosts;   /* "NAME=ADDRESS", for /etc/hosts of RUN */
    struct weft_strv ulimits; /* "NAME=SOFT:HARD", of RUN */
    int64_t shm_bytes;        /* of /dev/shm of RUN; 0: not given */
    char *network;            /* "default", "none", "host"; or NULL */
    struct weft_strv attests; /* "TYPE=ATTRS", such as "provenance=mode=min" */
    /* --provenance (also false) or --attest type=provenance was on the command line, or
     * BUILDX_NO_DEFAULT_ATTESTATIONS is true: no default */
    bool provenance_given;
    bool sbom_given;                     /* --sbom or --attest type=sbom was on the command line */
    struct weft_annotations annotations; /* --annotation, and the outputs' annotation attributes */
    struct weft_output *outputs;
    size_t n_outputs;
    bool names_unused; /* an output has a name= that --tag goes before */
    bool cache_only;   /* --output type=cacheonly: that nothing is written is what was asked for */
    struct weft_caches cache_from;
    struct weft_caches cache_to;
    struct weft_strv cache_secrets; /* values of their attributes that must show up nowhere */
    char *metadata_file;            /* absolute path, or NULL */
    char *iidfile;                  /* absolute path, or NULL */
    enum weft_progress_mode progress;
    bool quiet;
    bool fail_fast;
    bool allow_partial; /* what succeeded is written also if a platform failed */
    long jobs;          /* solves at once; 0: weft chooses */
    bool pull_frontend;
    /* CPUs and QEMU: those of the config file, and over them those of the flags */
    struct weft_cpu_choices cpu;
    char *qemu;                            /* a version, or an absolute directory; or NULL */
    struct weft_strv qemu_dirs;            /* absolute directories to look in first */
    struct weft_registry_hosts registries; /* of the config file */
    uint64_t disk_bytes;                   /* likewise; 0: not said */
    enum weft_workers_mode workers;
    long worker_idle_s;       /* seconds after which an idle worker is stopped; 0: at once */
    struct weft_strv ignored; /* flags that were given and do nothing: "squash" */
    struct weft_strv notices; /* what the user should know of the flags, before the build */
    bool debug;
    /* --call: the frontend's method, such as "lint", and how its answer is shown. Then `platforms`
     * has only the first, and there are no outputs. */
    char *call;           /* NULL: a build */
    char *call_platforms; /* all of them: "linux/amd64,linux/arm64" */
    bool call_json;
    bool call_ignore_status;
    char *log_dir; /* absolute, or NULL */
    bool help;     /* the user wants weft_request_help, and nothing else here is set */
};

/**
 * Parse and check the command line of `weft build`; argv[0] is not looked at. Reads the config file
 * (engine/settings.h), docker's (engine/proxy_args.h), the environment (bare --build-arg, secrets,
 * SOURCE_DATE_EPOCH, WEFT_WORKER_IDLE, DOCKER_DEFAULT_PLATFORM, BUILDKIT_PROGRESS,
 * BUILDX_NO_DEFAULT_ATTESTATIONS) and the file system; writes nothing.
 * @param out zeroed; untouched on failure
 * Errors: WEFT_E_USAGE; WEFT_E_IO where the working directory or a file cannot be read.
 */
int weft_request_parse(int argc, char *const *argv, struct weft_request *out,
                       struct weft_err **err);
void weft_request_finish(struct weft_request *r);

/** The value of a --secret, by its id. Returns 1, 0 where there is none, or -1 (WEFT_E_IO,
 * WEFT_E_FORMAT). Caller wipes and frees *value. */
int weft_request_secret(const struct weft_request *r, const char *id, char **value,
                        struct weft_err **err);

/** Print what `weft build --help` says. */
void weft_request_help(FILE *out);

/** The table that drives parser and help. Static. */
const struct weft_flag *weft_request_flags(size_t *n);

/** The seconds that --worker-idle says, or else WEFT_WORKER_IDLE, or else the default. `value` may
 * be NULL. The flag's or the variable's name is in the error. */
int weft_request_worker_idle(const char *value, long *out_s, struct weft_err **err);

#endif
