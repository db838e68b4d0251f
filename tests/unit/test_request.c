/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "engine/flags.h"
#include "engine/request.h"

#define HEX_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEX_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define HEX_C "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

#define ENTRY(hex, tag)                          \
    "{\"digest\":\"sha256:" hex "\",\"size\":1," \
    "\"annotations\":{\"org.opencontainers.image.ref.name\":\"" tag "\"}}"
#define PLAIN_ENTRY(hex) "{\"digest\":\"sha256:" hex "\",\"size\":1}"
#define INDEX(entries) "{\"schemaVersion\":2,\"manifests\":[" entries "]}"

/* The files that the tests see, below a directory of their own, which is the working directory. */
static const struct {
    const char *path;
    const char *text;
} files[] = {
    {"ctx/Dockerfile", "FROM scratch\n"},
    {"good.yaml", "cpu: {arm64: cortex-a72, s390x: max}\nqemu: {use: 7.2, dirs: [data]}\n"},
    {"bad.yaml", "cpu: max\nqmu: 7.2\n"},
    {"ctx/sub/other.Dockerfile", "FROM scratch\n"},
    {"lower/dockerfile", "FROM scratch\n"},
    {"empty/file", ""},
    {"dirfile/Dockerfile/file", ""},
    {"data/file", ""},
    {"secret", "s3cret"},
    {"with,comma", "x"},
    {"key", "k"},
    {"key2", "k"},
    {"layout/index.json", INDEX(ENTRY(HEX_A, "v1") "," ENTRY(HEX_B, "latest"))},
    {"layout/blobs/sha256/" HEX_A, "x"},
    {"layout/blobs/sha256/" HEX_B, "x"},
    {"single/index.json", INDEX(PLAIN_ENTRY(HEX_A))},
    {"single/blobs/sha256/" HEX_A, "x"},
    {"two/index.json", INDEX(PLAIN_ENTRY(HEX_A) "," PLAIN_ENTRY(HEX_B))},
    {"clash/index.json", INDEX(ENTRY(HEX_A, "v1") "," ENTRY(HEX_B, "v1"))},
    {"co:lon/index.json", INDEX(ENTRY(HEX_A, "v1"))},
    {"co:lon/blobs/sha256/" HEX_A, "x"},
    {"named/index.json",
     "{\"manifests\":[{\"digest\":\"sha256:" HEX_A "\",\"annotations\":{"
     "\"io.containerd.image.name\":\"docker.io/library/app:v1\"}},{\"digest\":\"../../x\","
     "\"annotations\":{\"org.opencontainers.image.ref.name\":\"evil\"}}]}"},
    {"named/blobs/sha256/" HEX_A, "x"},
    {"broken/index.json", "{\"manifests\":"},
    {"noblob/index.json", INDEX(ENTRY(HEX_C, "latest"))},
};

#define LIBRARY "docker.io/library/"

static char *root; /* of these files */

static int setup(void **state)
{
    weft_auto_free char *made = weft_temp_dir("/tmp", "weft-test-request", NULL);

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
    unsetenv("DOCKER_DEFAULT_PLATFORM");
    unsetenv("BUILDKIT_PROGRESS");
    unsetenv("BUILDX_NO_DEFAULT_ATTESTATIONS");
    unsetenv("WEFT_WORKER_IDLE");
    setenv("WEFT_CONFIG", "/dev/null", 1);
    setenv("DOCKER_CONFIG", "/nonexistent", 1);
    unsetenv("SSH_AUTH_SOCK");
    unsetenv("WT_UNSET");
    setenv("WT_SET", "value", 1);
    setenv("WT_EMPTY", "", 1);
    return chdir(root);
}

static int teardown(void **state)
{
    int r = weft_rmtree(root, NULL);

    (void)state;
    free(root);
    return r;
}

/* The command line `text`, words parted by blanks. */
static int parse(const char *text, struct weft_request *r, struct weft_err **err)
{
    weft_auto_strv argv = {0};

    weft_strv_add(&argv, "build");
    if (*text) {
        weft_split(text, ' ', &argv);
    }
    return weft_request_parse((int)argv.n, argv.v, r, err);
}

static void dump_list(struct weft_buf *b, const char *name, const struct weft_strv *v)
{
    for (size_t i = 0; i < v->n; i++) {
        weft_buf_printf(b, " %s=%s", name, v->v[i]);
    }
}

static void dump_outputs(struct weft_buf *b, const struct weft_request *r)
{
    static const char *const names[] = {"oci", "local", "tar", "image", "docker"};

    for (size_t i = 0; i < r->n_outputs; i++) {
        const struct weft_output *o = &r->outputs[i];

        weft_buf_printf(b, " %s%s:%s", names[o->type], o->tar ? ".tar" : "",
                        o->dest ? o->dest : "");
        weft_buf_printf(b, "%s%s%s%s", o->push ? "push" : "", o->by_digest ? "+digest" : "",
                        o->insecure ? "+insecure" : "", o->canonical ? "+canonical" : "");
        dump_list(b, "attr", &o->attrs);
        if (weft_output_is_image(o)) {
            dump_list(b, "name", &o->names);
        }
    }
    if (r->names_unused) {
        weft_buf_puts(b, " unused");
    }
}

static void dump_annotations(struct weft_buf *b, const struct weft_annotations *a)
{
    static const char *const levels[] = {"m", "md", "i", "id"};

    for (size_t i = 0; i < a->n; i++) {
        char name[WEFT_PLATFORM_SIZE];

        weft_buf_printf(b, " %s", levels[a->v[i].level]);
        if (a->v[i].has_platform) {
            weft_buf_printf(b, "[%s]", weft_platform_format(&a->v[i].platform, name));
        }
        weft_buf_printf(b, ":%s=%s", a->v[i].key, a->v[i].value);
    }
}

static void dump_emulation(struct weft_buf *b, const struct weft_request *r)
{
    static const char *const policies[] = {"baseline", "max", "model"};

    if (r->cpu.given) {
        weft_buf_printf(b, " cpu=%s", policies[r->cpu.all.policy]);
    }
    for (size_t i = 0; i < r->cpu.n; i++) {
        const struct weft_cpu_choice *c = &r->cpu.v[i].choice;
        char name[WEFT_PLATFORM_SIZE];

        weft_buf_printf(b, " %s=%s", weft_platform_format(&r->cpu.v[i].platform, name),
                        c->model ? c->model : policies[c->policy]);
    }
    if (r->qemu) {
        weft_buf_printf(b, " qemu=%s", r->qemu);
    }
    dump_list(b, "dir", &r->qemu_dirs);
    if (r->os_version) {
        weft_buf_printf(b, " os=%s", r->os_version);
    }
}

static void dump_source(struct weft_buf *b, const struct weft_request *r)
{
    static const char *const sources[] = {"", "stdin", "git:", "http:"};
    static const char *const places[] = {"", "inside:", "stdin", "url:"};

    if (r->source != WEFT_SOURCE_DIR) {
        assert_null(r->context);
        weft_buf_printf(b, " context=%s%s", sources[r->source],
                        r->context_url ? r->context_url : "");
    } else if (strcmp(r->context + strlen(root), "/ctx") != 0) {
        weft_buf_printf(b, " context=%s", r->context);
    }
    if (r->dockerfile_place != WEFT_DOCKERFILE_FILE) {
        assert_null(r->dockerfile);
        weft_buf_printf(b, " dockerfile=%s%s", places[r->dockerfile_place],
                        r->dockerfile_name ? r->dockerfile_name : "");
    } else if (strcmp(r->dockerfile + strlen(root), "/ctx/Dockerfile") != 0) {
        weft_buf_printf(b, " dockerfile=%s", r->dockerfile);
    }
}

/* All of a request that differs from what `weft build ctx` gives. Paths begin with "/". Caller
 * frees. */
static char *dump(const struct weft_request *r)
{
    struct weft_buf b = {0};
    weft_auto_buf out = {0};
    struct weft_platform host;
    char name[WEFT_PLATFORM_SIZE];
    const char *at;

    weft_platform_host(&host);
    dump_source(&b, r);
    if (r->n_platforms != 1 || !weft_platform_eq(&host, &r->platforms[0])) {
        for (size_t i = 0; i < r->n_platforms; i++) {
            weft_buf_printf(&b, " %s", weft_platform_format(&r->platforms[i], name));
        }
    }
    dump_list(&b, "tag", &r->tags);
    dump_list(&b, "arg", &r->build_args);
    dump_list(&b, "label", &r->labels);
    dump_list(&b, "secret", &r->secrets);
    dump_list(&b, "ssh", &r->ssh);
    dump_list(&b, "allow", &r->allow);
    dump_list(&b, "attest", &r->attests);
    dump_annotations(&b, &r->annotations);
    dump_list(&b, "host", &r->hosts);
    dump_list(&b, "ulimit", &r->ulimits);
    dump_list(&b, "stage", &r->no_cache_stages);
    dump_list(&b, "ignored", &r->ignored);
    if (r->shm_bytes != 0 || r->cache_only) {
        weft_buf_printf(&b, " shm=%lld%s", (long long)r->shm_bytes,
                        r->cache_only ? " cache-only" : "");
    }
    for (size_t i = 0; i < r->n_contexts; i++) {
        const struct weft_named_context *c = &r->contexts[i];

        static const char *const kinds[] = {"dir", "layout", "image", "git", "http"};

        weft_buf_printf(&b, " %s=%s:%s%s%s", c->name, kinds[c->kind], c->url ? c->url : c->path,
                        c->digest ? "@" : "", c->digest ? c->digest : "");
    }
    dump_outputs(&b, r);
    dump_emulation(&b, r);
    weft_buf_printf(&b, "%s%s%s%s%s%s%s%s", r->target ? " target=" : "", r->target ? r->target : "",
                    r->network ? " network=" : "", r->network ? r->network : "",
                    r->metadata_file ? " metadata=" : "", r->metadata_file ? r->metadata_file : "",
                    r->iidfile ? " iid=" : "", r->iidfile ? r->iidfile : "");
    weft_buf_printf(&b, "%s%s%s%s%s%s%s%s", r->no_cache ? " no-cache" : "", r->pull ? " pull" : "",
                    r->quiet ? " quiet" : "", r->debug ? " debug" : "",
                    r->fail_fast ? " fail-fast" : "", r->pull_frontend ? " pull-frontend" : "",
                    r->provenance_given ? " +provenance" : "", r->sbom_given ? " +sbom" : "");
    if (r->jobs != 0 || r->workers != WEFT_WORKERS_AUTO || r->progress != WEFT_PROGRESS_AUTO ||
        r->worker_idle_s != 600) {
        weft_buf_printf(&b, " jobs=%ld workers=%d progress=%d idle=%ld", r->jobs, (int)r->workers,
                        (int)r->progress, r->worker_idle_s);
    }
    at = b.data ? b.data : "";
    for (const char *hit; (hit = strstr(at, root)) != NULL; at = hit + strlen(root)) {
        weft_buf_append(&out, at, (size_t)(hit - at));
    }
    weft_buf_puts(&out, at);
    weft_buf_finish(&b);
    return weft_buf_steal(&out);
}

static void test_accepted(void **state)
{
    static const struct {
        const char *args;
        const char *want;
    } cases[] = {
        {"ctx", ""},
        {"./ctx/", ""},
        {"ctx/../ctx", ""},
        {"ctx -f ctx/Dockerfile", ""},
        {"lower", " context=/lower dockerfile=/lower/dockerfile"},
        {"ctx -f ctx/sub/other.Dockerfile", " dockerfile=/ctx/sub/other.Dockerfile"},
        {"-f lower/dockerfile ctx", " dockerfile=/lower/dockerfile"},

        {"ctx --platform local", ""},
        {"ctx --platform linux/s390x,armhf --platform arm,riscv64",
         " linux/s390x linux/arm/v7 linux/riscv64"},
        {"ctx --platform arm/v6", NULL},
        {"ctx --platform windows/amd64 --os-version 10.0.20348.1",
         " windows/amd64 os=10.0.20348.1"},

        {"ctx --cpu max", " cpu=max"},
        {"ctx --cpu baseline", " cpu=baseline"},
        {"ctx --cpu max --cpu baseline", " cpu=baseline"},
        {"ctx --cpu linux/arm64=cortex-a72,aes=off --cpu aarch64=max --cpu armhf=baseline "
         "--cpu max",
         " cpu=max linux/arm64=max linux/arm/v7=baseline"},
        {"ctx --qemu 7.2", " qemu=7.2"},
        {"ctx --qemu 7.2 --qemu 10.0.13", " qemu=10.0.13"},
        {"ctx --qemu data", " qemu=/data"},
        {"ctx --qemu=./data", " qemu=/./data"},

        {"ctx -t app --tag app:latest -t localhost:5000/x:y",
         " tag=docker.io/library/app:latest tag=localhost:5000/x:y"},
        {"ctx --build-arg A=1 --build-arg B= --build-arg A=2=3 --build-arg WT_SET --build-arg "
         "WT_UNSET --build-arg WT_EMPTY",
         " arg=A=2=3 arg=B= arg=WT_SET=value arg=WT_EMPTY="},
        {"ctx --label a=b --label c --label WT_SET", " label=a=b label=c= label=WT_SET="},
        {"ctx --target x --no-cache --pull --fail-fast --pull-frontend -D",
         " target=x no-cache pull debug fail-fast pull-frontend"},
        {"ctx --pull=false --no-cache=true", " no-cache"},
        {"ctx --target=", ""},

        {"ctx --build-context a=data --build-context B:latest=./lower",
         " a=dir:/data b=dir:/lower"},
        {"ctx --build-context a=data --build-context docker.io/library/a=lower", " a=dir:/lower"},
        {"ctx --build-context ghcr.io/x/y:1=data", " ghcr.io/x/y:1=dir:/data"},
        {"-", " context=stdin dockerfile=inside:"},
        {"- -f /sub/../x", " context=stdin dockerfile=inside:x"},
        {"- -f https://h/x", " context=stdin dockerfile=url:https://h/x"},
        {"ctx -f -", " dockerfile=stdin"},
        {"ctx -f http://h/x", " dockerfile=url:http://h/x"},
        {"https://h/x.git#b -f a/b", " context=git:https://h/x.git#b dockerfile=inside:a/b"},
        {"github.com/a/b -f -", " context=git:github.com/a/b dockerfile=stdin"},
        {"git@h:x --ssh a=key", " context=git:git@h:x dockerfile=inside: ssh=a=/key"},
        {"http://h/x", " context=http:http://h/x dockerfile=inside:"},
        {"ctx --build-context a=docker-image://x:1 --build-context b=https://h/y.git",
         " a=image:docker-image://x:1 b=git:https://h/y.git"},
        {"ctx --build-context a=docker-image://scratch --build-context b=https://h/y",
         " a=image:docker-image://scratch b=http:https://h/y"},
        {"ctx --build-context b=oci-layout://layout", " b=layout:/layout@sha256:" HEX_B},
        {"ctx --build-context b=oci-layout://./layout:v1", " b=layout:/layout@sha256:" HEX_A},
        {"ctx --build-context b=oci-layout://layout@sha256:" HEX_A,
         " b=layout:/layout@sha256:" HEX_A},
        {"ctx --build-context b=oci-layout://layout:none@sha256:" HEX_B,
         " b=layout:/layout@sha256:" HEX_B},
        {"ctx --build-context b=oci-layout://named:docker.io/library/app:v1",
         " b=layout:/named@sha256:" HEX_A},
        {"ctx --build-context b=oci-layout://co:lon", " b=layout:/co:lon@sha256:" HEX_A},
        {"ctx --build-context b=oci-layout://co:lon:v1", " b=layout:/co:lon@sha256:" HEX_A},
        {"ctx --build-context b=oci-layout://single", " b=layout:/single@sha256:" HEX_A},

        {"ctx --secret id=a,src=secret", " secret=id=a,src=/secret"},
        {"ctx --secret ID=a,source=./secret,type=file", " secret=id=a,src=/./secret"},
        {"ctx --secret id=a,env=WT_SET --secret type=env,src=WT_EMPTY,id=b",
         " secret=id=a,env=WT_SET secret=id=b,env=WT_EMPTY"},
        {"ctx --secret id=WT_SET --secret id=secret",
         " secret=id=WT_SET,env=WT_SET secret=id=secret,src=/secret"},
        {"ctx --secret id=a,\"src=with,comma\"", " secret=id=a,\"src=/with,comma\""},
        {"ctx --ssh default=key --ssh x=key,key2", " ssh=default=/key ssh=x=/key,/key2"},
        {"ctx --ssh =key", " ssh=default=/key"},

        {"ctx --network host", " network=host"},
        {"ctx --add-host a=10.0.0.1 --add-host b-2.c:[::1] --add-host=d=fe80::1 --add-host "
         "gw:host-gateway",
         " host=a=10.0.0.1 host=b-2.c=::1 host=d=fe80::1 host=gw=127.0.0.1"},
        {"ctx --shm-size 64m", " shm=67108864"},
        {"ctx --shm-size 1.5KiB", " shm=1536"},
        {"ctx --shm-size 2Gb", " shm=2147483648"},
        {"ctx --shm-size 1000b", " shm=1000"},
        {"ctx --shm-size 1000", " shm=1000"},
        {"ctx --ulimit nofile=5 --ulimit nproc=10:-1 --ulimit=nofile=6:7 --ulimit core=-1",
         " ulimit=nofile=6:7 ulimit=nproc=10:-1 ulimit=core=-1:-1"},
        {"ctx --no-cache-filter a,b --no-cache-filter=b,c", " stage=a stage=b stage=c"},
        {"ctx --squash --rm=false --force-rm --compress=true --isolation x --security-opt=a "
         "--security-opt b --squash",
         " ignored=squash ignored=rm ignored=force-rm ignored=compress ignored=isolation "
         "ignored=security-opt"},
        {"ctx --network=none --allow network.host --allow security.insecure --allow network.host",
         " allow=network.host allow=security.insecure network=none"},

        {"ctx --provenance=true", " attest=provenance= +provenance"},
        {"ctx --provenance false", " +provenance"},
        {"ctx --provenance mode=max,builder-id=x",
         " attest=provenance=mode=max,builder-id=x +provenance"},
        {"ctx --provenance=mode=max,disabled=true", " +provenance"},
        {"ctx --provenance=false --provenance=mode=min",
         " attest=provenance=mode=min +provenance"}, /* the last one counts */
        {"ctx --provenance=", ""},
        {"ctx --sbom=1", " attest=sbom= +sbom"},
        {"ctx --sbom=generator=localhost:5000/gen:1,Param=X",
         " attest=sbom=generator=localhost:5000/gen:1,Param=X +sbom"},
        {"ctx --attest type=provenance,mode=min --attest generator=g,type=sbom",
         " attest=provenance=mode=min attest=sbom=generator=g +provenance +sbom"},
        {"ctx --attest type=sbom,disabled=1", " +sbom"},
        {"ctx --attest type=sbom,\"a=1,2\"", " attest=sbom=\"a=1,2\" +sbom"},

        {"ctx -o out", " local:/out"},
        {"ctx -o type=local,dest=/abs/x", " local:/abs/x"},
        {"ctx -o type=tar,dest=a.tar", " tar:/a.tar"},
        {"ctx -o -", " tar:-"},
        {"ctx -o type=oci", " oci.tar:-"},
        {"ctx -o type=oci,dest=-", " oci.tar:-"},
        {"ctx -o type=oci,dest=a.tar", " oci.tar:/a.tar"},
        {"ctx -o dest=a,tar=false,type=oci", " oci:/a"},
        {"ctx -o \"type=oci\",\"dest=a,b\"", " oci.tar:/a,b"},
        {"ctx -o type=oci,dest=a,compression=zstd,compression-level=19,force-compression=true",
         " oci.tar:/a attr=compression=zstd attr=compression-level=19 "
         "attr=force-compression=true"},
        {"ctx -o type=oci,dest=a,Rewrite-Timestamp=true,source-date-epoch=0",
         " oci.tar:/a attr=rewrite-timestamp=true attr=source-date-epoch=0"},
        {"ctx -o type=oci,dest=a,compression=gzip,compression=zstd",
         " oci.tar:/a attr=compression=zstd"},
        {"ctx -o type=oci,dest=x,\"name=b,c:1\"",
         " tag=" LIBRARY "b:latest tag=" LIBRARY "c:1 oci.tar:/x name=" LIBRARY "b:latest "
         "name=" LIBRARY "c:1"},
        {"ctx -t a -o type=oci,dest=x,name=b",
         " tag=" LIBRARY "a:latest oci.tar:/x name=" LIBRARY "a:latest unused"},
        {"ctx -o type=oci,dest=x,name=b -o type=registry,name=r.example/c",
         " tag=" LIBRARY "b:latest tag=r.example/c:latest oci.tar:/x name=" LIBRARY "b:latest "
         "image:push name=r.example/c:latest"},
        {"ctx -t a --push", " tag=" LIBRARY "a:latest image:push name=" LIBRARY "a:latest"},
        {"ctx -t a -o type=image", " tag=" LIBRARY "a:latest image: name=" LIBRARY "a:latest"},
        {"ctx -o type=image", " image:"},
        {"ctx -o type=image,push=false,store=false,unpack=0", " image:"},
        {"ctx -t a --push -o type=image,registry.insecure=1,unpack=false",
         " tag=" LIBRARY "a:latest image:push+insecure name=" LIBRARY "a:latest"},
        {"ctx -t a --push -o type=oci,dest=x", " tag=" LIBRARY "a:latest oci.tar:/x name=" LIBRARY
                                               "a:latest image:push name=" LIBRARY "a:latest"},
        {"ctx -t r.example/a -o type=image,push-by-digest=true,name-canonical=true,push=true",
         " tag=r.example/a:latest image:push+digest+canonical name=r.example/a"},
        {"ctx --load", " docker:"},
        {"ctx --load -o type=docker", " docker:"},
        {"ctx --load -o type=docker,dest=d.tar", " docker:/d.tar docker:"},
        {"ctx -o type=docker,dest=-", " docker:-"},
        {"ctx --provenance=false --load", " docker: +provenance"},

        {"ctx --annotation a.B=x=y", " m:a.B=x=y"},
        {"ctx --annotation a=", " m:a="},
        {"ctx --annotation a=1 --annotation manifest:a=2", " m:a=2"},
        {"ctx --annotation manifest:a:b=c", " m:a:b=c"},
        {"ctx --platform linux/arm64,linux/s390x --annotation "
         "manifest[linux/arm64/v8],index,index-descriptor,manifest-descriptor:k=v",
         " linux/arm64 linux/s390x m[linux/arm64]:k=v i:k=v id:k=v md:k=v"},
        {"ctx --push -t a --annotation index:k=v",
         " tag=" LIBRARY "a:latest i:k=v image:push name=" LIBRARY "a:latest"},
        {"ctx --platform linux/arm64 -o "
         "type=oci,dest=x,annotation.Key=1,annotation-manifest-descriptor[linux/arm64].b=2",
         " linux/arm64 m:key=1 md[linux/arm64]:b=2 oci.tar:/x attr=annotation.key=1 "
         "attr=annotation-manifest-descriptor[linux/arm64].b=2"},
        {"ctx --annotation k=flag -o type=oci,dest=x,annotation[linux/arm64].k=attr "
         "--platform linux/arm64",
         " linux/arm64 m[linux/arm64]:k=attr m:k=flag oci.tar:/x "
         "attr=annotation[linux/arm64].k=attr"},
        {"ctx -o type=oci,dest=a,compression=zstd,rewrite-timestamp=true -o "
         "type=oci,tar=0,dest=b,rewrite-timestamp=true,compression=zstd -o out",
         " oci.tar:/a attr=compression=zstd attr=rewrite-timestamp=true oci:/b "
         "attr=rewrite-timestamp=true attr=compression=zstd local:/out"},
        {"ctx -o type=local,dest=a,attestation-prefix=p-", " local:/a attr=attestation-prefix=p-"},
        {"ctx -o type=oci,dest=x --metadata-file m.json --iidfile ./iid",
         " oci.tar:/x metadata=/m.json iid=/./iid"},

        {"ctx -q", " quiet jobs=0 workers=0 progress=4 idle=600"},
        {"ctx -q --progress=quiet", " quiet jobs=0 workers=0 progress=4 idle=600"},
        {"ctx --progress plain --jobs 3 --workers group --worker-idle 1h30m1s",
         " jobs=3 workers=2 progress=2 idle=5401"},
        {"ctx --worker-idle 0", " jobs=0 workers=0 progress=0 idle=0"},
        {"ctx --worker-idle 0s --progress=tty --workers=platform",
         " jobs=0 workers=1 progress=1 idle=0"},
        {"ctx --worker-idle 720h --progress=rawjson", " jobs=0 workers=0 progress=3 idle=2592000"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct weft_request r = {0};
        weft_auto_err err = NULL;
        weft_auto_free char *got = NULL;

        if (!cases[i].want) {
            assert_int_equal(parse(cases[i].args, &r, &err), -1);
            continue;
        }
        if (parse(cases[i].args, &r, &err) < 0) {
            fail_msg("%s: %s", cases[i].args, err->msg);
        }
        got = dump(&r);
        weft_request_finish(&r);
        if (strcmp(got, cases[i].want) != 0) {
            fail_msg("%s\n gives\n%s\n not\n%s", cases[i].args, got, cases[i].want);
        }
    }
}

/* What --call, --check and --print come to: the method, "json", "ignore"; "" for a build. */
static void test_call(void **state)
{
    static const struct {
        const char *args;
        const char *want;
    } cases[] = {
        {"ctx", ""},
        {"ctx --call=build", ""},
        {"ctx --call=", ""},
        {"ctx --check=false", ""},
        {"ctx --check", "lint linux/arm64,linux/s390x"},
        {"ctx --call check", "lint linux/arm64,linux/s390x"},
        {"ctx --call lint --check", "lint linux/arm64,linux/s390x"},
        {"ctx --print outline,format=json", "outline json linux/arm64,linux/s390x"},
        {"ctx --call outline,Format=text", "outline linux/arm64,linux/s390x"},
        {"ctx --call check,ignorestatus=1", "lint ignore linux/arm64,linux/s390x"},
        {"ctx --call build --call subrequests.describe",
         "subrequests.describe linux/arm64,linux/s390x"},
        {"ctx --call targets -o out -o type=oci,dest=x -t a --sbom=true",
         "targets linux/arm64,linux/s390x"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        weft_auto_free char *args = weft_fmt("%s --platform linux/arm64,s390x", cases[i].args);
        weft_auto_free char *got = NULL;
        struct weft_request r = {0};

        assert_int_equal(parse(args, &r, NULL), 0);
        got = !r.call ? weft_xstrdup("")
                      : weft_fmt("%s%s%s %s", r.call, r.call_json ? " json" : "",
                                 r.call_ignore_status ? " ignore" : "", r.call_platforms);
        assert_string_equal(got, cases[i].want);
        assert_int_equal(r.n_platforms, r.call ? 1 : 2);
        if (r.call) {
            assert_int_equal(r.n_outputs, 0);
            assert_int_equal(r.attests.n, 0);
        }
        weft_request_finish(&r);
    }
}

static void test_secret_values(void **state)
{
    struct weft_request r = {0};
    weft_auto_free char *file = NULL;
    weft_auto_free char *variable = NULL;
    weft_auto_free char *none = NULL;

    (void)state;
    assert_int_equal(parse("ctx --secret id=a,src=secret --secret id=b,env=WT_SET", &r, NULL), 0);
    assert_int_equal(weft_request_secret(&r, "a", &file, NULL), 1);
    assert_int_equal(weft_request_secret(&r, "b", &variable, NULL), 1);
    assert_int_equal(weft_request_secret(&r, "", &none, NULL), 0);
    assert_string_equal(variable, getenv("WT_SET"));
    assert_non_null(file);
    weft_request_finish(&r);
}

static void test_log_dir(void **state)
{
    struct weft_request r = {0};
    weft_auto_free char *want = weft_path_join(root, "logs/new");

    (void)state;
    assert_int_equal(parse("ctx --log-dir logs/new", &r, NULL), 0);
    assert_string_equal(r.log_dir, want);
    assert_false(weft_exists("logs")); /* it is the build that makes it */
    weft_request_finish(&r);
}

static void test_refused(void **state)
{
    static const struct {
        const char *args;
        const char *in_msg;
        const char *in_hint;
    } cases[] = {
        {"", "PATH", "weft build ."},
        {"ctx lower", "2 arguments", "weft build ."},
        {"- -f -", "both the context and the Dockerfile", NULL},
        {"- -f ..", "--file .. is not in the context", NULL},
        {"https://u:secret@example.org/x.git#-a",
         "PATH: https://xxxxx:xxxxx@example.org/x.git: a ref", NULL},
        {"git@example.org:x", "git@example.org:x is fetched by ssh", "ssh-agent"},
        {"https://example.org/x -f /none", "Dockerfile /none: ", NULL},
        {"file:///x", "PATH: file:///x: No such", NULL},
        {"none", "none: No such file", NULL},
        {"secret", "secret is not a directory", NULL},
        {"empty", "there is no Dockerfile (nor dockerfile) in ", "--file"},
        {"dirfile", "is not a regular file", NULL},
        {"ctx -f none", "there is no none", NULL},
        {"ctx -f sub/other.Dockerfile", "there is no sub/other", "--file ctx/sub/other.Dockerfile"},
        {"ctx -f git@x:y", "there is no git@x:y", NULL},
        {"ctx -f lower", "is not a regular file", NULL},

        {"ctx --pusj", "unknown flag --pusj", "--push"},
        {"ctx --cache-too=x", "unknown flag --cache-too", "--cache-to"},
        {"ctx --platfrom linux/arm64", "unknown flag --platfrom", "--platform"},
        {"ctx --platform", "--platform needs a value", NULL},
        {"ctx --platform linux/arm46", "--platform: unknown platform", "linux/arm64"},
        {"ctx --platform linux/arm64,", "--platform: \"\" is not a platform", "linux/arm64"},
        {"ctx --platform windows/amd64 --os-version 10", "--os-version \"10\" is not",
         "10.0.20348.1"},
        {"ctx --platform windows/amd64 --os-version=", "--os-version \"\" is not", NULL},
        {"ctx --platform windows/amd64 --os-version 10.0.", "--os-version", NULL},
        {"ctx --platform windows/amd64 --os-version 1.2.3.4.5", "--os-version", NULL},
        {"ctx --platform windows/amd64 --os-version 10.0)/x", "--os-version", NULL},
        {"ctx --os-version 10.0.20348.1", "--os-version is for windows",
         "--platform windows/amd64"},

        {"ctx --call=check,targets", "--call: \"check,targets\" is not one method",
         "subrequests.describe"},
        {"ctx --call=format=json", "--call: the method is missing", NULL},
        {"ctx --call=check,format=yaml", "--call: format is json or text, not \"yaml\"", NULL},
        {"ctx --call=check,ignorestatus=x", "--call: ignorestatus is true or false", NULL},
        {"ctx --call=check,fromat=json", "--call: \"fromat\" is none of", "format"},
        {"ctx --print=a/b", "--call: \"a/b\" is not one method", NULL},
        {"ctx --check --call=outline", "--check and --call=outline exclude each other", NULL},
        {"ctx --log-dir=", "--log-dir: the name is empty", NULL},
        {"ctx --log-dir secret", "--log-dir: ", NULL},

        {"ctx --cpu maximum", "--cpu: unknown CPU policy \"maximum\"", NULL},
        {"ctx --cpu max --cpu cortex-a72", "--cpu: unknown CPU policy", "one platform"},
        {"ctx --cpu linux/arm46=max", "--cpu: ", "linux/arm64"},
        {"ctx --cpu=", "--cpu: ", NULL},
        {"ctx --qemu none", "--qemu: there is no ", "digits and dots"},
        {"ctx --qemu secret", "--qemu: not a directory: ", NULL},
        {"ctx --qemu=", "--qemu: neither a version nor a directory", NULL},

        {"ctx -t App", "--tag: \"App\" is not an image reference: ", NULL},
        {"ctx -t app@sha256:" HEX_A, "--tag: \"app@sha256:" HEX_A "\": a tag cannot have", NULL},
        {"ctx --build-arg =x", "--build-arg \"=x\": the name is missing", NULL},

        {"ctx --build-context data", "NAME=CONTEXT", "docker-image://"},
        {"ctx --build-context =data", "NAME=CONTEXT", NULL},
        {"ctx --build-context a=", "NAME=CONTEXT", NULL},
        {"ctx --build-context a=docker-image://A", "not an image reference", NULL},
        {"ctx --build-context a=target:x", "in bake files only", "oci-layout://DIR"},
        {"ctx --build-context a=github.com/x/y", "for PATH only", "https://github.com/x/y.git"},
        {"ctx --build-context a=ssh://git@x/y", "for PATH only", "git@HOST"},
        {"ctx --build-context a=https://u:secret@x/y.git?a=b",
         "\"a=https://xxxxx:xxxxx@x/y.git?a=b\": https://xxxxx:xxxxx@x/y.git: \"a\" is nothing",
         NULL},
        {"ctx --build-context a=git@x:y", "git@x:y is fetched by ssh", NULL},
        {"ctx --build-context a/=data", "--build-context: \"a/=data\": ", NULL},
        {"ctx --build-context a=none", "none: No such file", NULL},
        {"ctx --build-context a=secret", "secret is not a directory", NULL},
        {"ctx --build-context a=oci-layout://none", "none: No such file", NULL},
        {"ctx --build-context a=oci-layout://data", "is not an OCI layout", NULL},
        {"ctx --build-context a=oci-layout://layout:", "the tag is empty", NULL},
        {"ctx --build-context a=oci-layout://layout:v2", "no image with the tag v2", "v1, latest"},
        {"ctx --build-context a=oci-layout://layout@sha256:12", "the digest is not", NULL},
        {"ctx --build-context a=oci-layout://layout@sha256:" HEX_C, "has no blob sha256:c", NULL},
        {"ctx --build-context a=oci-layout://single:v1", "no image with the tag v1", NULL},
        {"ctx --build-context a=oci-layout://two", "no image with the tag latest", NULL},
        {"ctx --build-context a=oci-layout://clash:v1", "several images with the tag v1", "digest"},
        {"ctx --build-context a=oci-layout://named:evil",
         "index.json: the digest of the image is malformed", NULL},
        {"ctx --build-context a=oci-layout://broken", "broken/index.json", NULL},
        {"ctx --build-context a=oci-layout://noblob", "has no blob sha256:c", NULL},

        {"ctx --secret src=secret", "id= is missing", "id=NAME"},
        {"ctx --secret x", "\"x\" is not KEY=VALUE", NULL},
        {"ctx --secret id=a,target=/x", "\"target\" is none of the keys", "one of id, src"},
        {"ctx --secret id=a,scr=x", "\"scr\" is none of the keys", "src"},
        {"ctx --secret id=a,src=none", "none: No such file", NULL},
        {"ctx --secret id=a", "a: No such file", NULL},
        {"ctx --secret id=a,src=data", "data is not a regular file", NULL},
        {"ctx --secret id=a,src=big", "big has more than 512000 bytes", NULL},
        {"ctx --secret id=a,env=WT_UNSET", "WT_UNSET is not set", NULL},
        {"ctx --secret id=WT_UNSET,type=env", "WT_UNSET is not set", NULL},
        {"ctx --secret id=WT_SET,type=file", "WT_SET: No such file", NULL},
        {"ctx --secret id=a,type=x,src=secret", "type is file or env", NULL},
        {"ctx --secret id=a,src=secret,env=WT_SET", "exclude each other", NULL},
        {"ctx --secret id=a,type=file,env=WT_SET", "exclude each other", NULL},
        {"ctx --secret id=a,src=secret --secret id=a,env=WT_SET", "given twice", NULL},
        {"ctx --secret \"id=a", "unbalanced quote", NULL},
        {"ctx --ssh default", "SSH_AUTH_SOCK is not set", "ssh-agent"},
        {"ctx --ssh default=none", "--ssh: none: No such file", NULL},
        {"ctx --ssh default=key,", "--ssh: a path is empty", NULL},
        {"ctx --ssh default=data", "data is a directory", NULL},
        {"ctx --ssh default=key --ssh =key2", "default is given twice", NULL},
        {"ctx --ssh default=with,comma", "with: No such file", NULL},

        {"ctx --network bridge", "--network is default, none or host, not \"bridge\"", NULL},
        {"ctx --add-host a", "--add-host: it is NAME=ADDRESS", NULL},
        {"ctx --add-host =1.2.3.4", "--add-host: it is NAME=ADDRESS", NULL},
        {"ctx --add-host a=1.2.3.4,b=1.2.3.4", "--add-host: it is NAME=ADDRESS", NULL},
        {"ctx --add-host a,b=1.2.3.4", "--add-host: it is NAME=ADDRESS", NULL},
        {"ctx --add-host a=[::1", "--add-host: it is NAME=ADDRESS", NULL},
        {"ctx --add-host a=", "--add-host: it is NAME=ADDRESS", NULL},
        {"ctx --shm-size 64x", "--shm-size: it is a size", NULL},
        {"ctx --shm-size 1.2.3m", "--shm-size: it is a size", NULL},
        {"ctx --shm-size 0", "--shm-size: it is a size", NULL},
        {"ctx --shm-size=", "--shm-size: it is a size", NULL},
        {"ctx --shm-size 64mib2", "--shm-size: it is a size", NULL},
        {"ctx --shm-size 99999999999t", "--shm-size: it is a size", NULL},
        {"ctx --ulimit nofiles=1", "--ulimit: \"nofiles\" is none of the limits", "nofile"},
        {"ctx --ulimit nofile", "--ulimit: it is NAME=SOFT[:HARD]", NULL},
        {"ctx --ulimit nofile=", "--ulimit: it is NAME=SOFT[:HARD]", NULL},
        {"ctx --ulimit nofile=1:", "--ulimit: it is NAME=SOFT[:HARD]", NULL},
        {"ctx --ulimit nofile=1:2:3", "--ulimit: it is NAME=SOFT[:HARD]", NULL},
        {"ctx --ulimit nofile=-2", "--ulimit: it is NAME=SOFT[:HARD]", NULL},
        {"ctx --ulimit nofile=3:2", "--ulimit: the soft limit is at most the hard one", NULL},
        {"ctx --ulimit nofile=-1:2", "--ulimit: the soft limit is at most the hard one", NULL},
        {"ctx --no-cache --no-cache-filter a",
         "--no-cache and --no-cache-filter exclude each other", NULL},
        {"ctx --no-cache-filter a,", "--no-cache-filter: it is the name of a stage", NULL},
        {"ctx -o type=cacheonly,dest=x", "type=cacheonly has no attributes", NULL},
        {"ctx --rm=perhaps", "--rm takes true or false", NULL},
        {"ctx --isolation", "--isolation needs a value", NULL},
        {"ctx --allow device", "--allow: it is network.host or security.insecure", NULL},

        {"ctx --attest mode=max", "type= is missing", "type=provenance"},
        {"ctx --attest type=sbomb", "--attest: \"sbomb\" is none of the attestations", "sbom"},
        {"ctx --attest type=provenance,mod=max", "\"mod\" is none of the attributes", "mode"},
        {"ctx --provenance mode=med", "--provenance: mode is min or max", NULL},
        {"ctx --provenance version=v3", "version is v1 or v0.2", NULL},
        {"ctx --provenance inline-only=x", "inline-only is true or false", NULL},
        {"ctx --provenance yes", "--provenance: \"yes\" is not KEY=VALUE", NULL},
        {"ctx --provenance type=sbom", "the flag itself says the type", NULL},
        {"ctx --provenance=true --attest type=provenance", "provenance is given twice", NULL},
        {"ctx --sbom=false --attest type=sbom", "sbom is given twice", NULL},
        {"ctx --attest type=sbom,disabled=x", "disabled is true or false", NULL},

        {"ctx -o type=image,push=true", "pushed needs a name", "--tag"},
        {"ctx -o type=registry", "pushed needs a name", "--tag"},
        {"ctx --push", "pushed needs a name", "--tag"},
        {"ctx -t a -o type=registry,push=maybe", "push is true or false", NULL},
        {"ctx -t a -o type=image,push-by-digest=true", "are for push=true", NULL},
        {"ctx -t a -o type=image,registry.insecure=true", "are for push=true", NULL},
        {"ctx -t a:1 -o type=registry,push-by-digest=true", "library/a:1 has one", NULL},
        {"ctx -t a -o type=image,store=true", "no store of images", "type=oci"},
        {"ctx -t a -o type=image,unpack=true", "no store of images", "type=oci"},
        {"ctx -t a -o type=image,dangling-name-prefix=x", "no store of images", NULL},
        {"ctx -t a -o type=image,dest=x", "none of the attributes of type=image", NULL},
        {"ctx -t a -o type=registry,psh=1", "none of the attributes of type=registry", "push"},
        {"ctx -o type=docker,tar=false,dest=x", "none of the attributes of type=docker", NULL},
        {"ctx --load --platform linux/arm64,linux/s390x", "--load is for one platform", "type=oci"},
        {"ctx -o type=docker,dest=x --platform linux/arm64,linux/s390x",
         "type=docker is for one platform", "type=oci"},
        {"ctx --load --provenance=true", "--load cannot hold attestations", "type=oci"},
        {"ctx --fail-fast --allow-partial", "exclude each other", NULL},

        {"ctx --annotation a", "\"a\" has no \"=\"", "NAME=VALUE"},
        {"ctx --annotation =a", "the name of the annotation is missing", NULL},
        {"ctx --annotation manifest:=a", "the name of the annotation is missing", NULL},
        {"ctx --annotation manifst:a=b", "none of the types of annotations", "manifest"},
        {"ctx --annotation :a=b", "none of the types of annotations", "one of manifest"},
        {"ctx --annotation manifest[linux/arm64:a=b", "not closed", NULL},
        {"ctx --annotation manifest[plan9]:a=b", "plan9", NULL},
        {"ctx --platform linux/arm64 --annotation manifest[linux/s390x]:a=b",
         "for linux/s390x, which is not built", NULL},
        {"ctx -o type=oci,dest=x --annotation index:a=b", "has no index to annotate",
         "--provenance=mode=min"},
        {"ctx -o type=oci,dest=x --annotation index-descriptor:a=b", "has no index", NULL},
        {"ctx -o type=oci,dest=x,oci-mediatypes=false --annotation manifest-descriptor:a=b",
         "oci-mediatypes is false", NULL},
        {"ctx -o type=oci,dest=x,annotation", "\"annotation\" is not KEY=VALUE", NULL},
        {"ctx -o type=oci,dest=x,annotation.=b", "the name of the annotation is missing", NULL},
        {"ctx -o type=oci,dest=x,annotation-index=b", "names no annotation", "annotation.NAME"},
        {"ctx -o type=oci,dest=x,annotation[linux/arm64]=b", "names no annotation", NULL},
        {"ctx -o type=oci,dest=x,annotation-indx.a=b", "none of the types of annotations", "index"},
        {"ctx -t a --push -o type=oci,dest=x,annotation.a=b", "cannot differ", "--push is -o"},
        {"ctx -o type=locl,dest=x", "\"locl\" is none of the types", "local"},
        {"ctx -o type=", "\"\" is none of the types", "one of oci, local, tar"},
        {"ctx -o dest=x", "type= is missing", "type=oci,dest=x"},
        {"ctx -o dest=x,tar=false", "type= is missing", "type=oci,dest=x,tar=false"},
        {"ctx -o=", "it is empty", NULL},
        {"ctx -o type=local", "dest=DIR is missing", NULL},
        {"ctx -o type=local,dest=-", "dest=DIR is a directory", NULL},
        {"ctx -o type=oci,tar=false", "dest=DIR is missing", NULL},
        {"ctx -o type=oci,tar=no,dest=x", "tar is true or false", NULL},
        {"ctx -o type=oci,dest=x,compresion=zstd", "\"compresion\" is none of", "compression"},
        {"ctx -o type=oci,dest=x,push=true", "\"push\" is none of", "one of dest, tar"},
        {"ctx -o type=tar,dest=x,compression=zstd", "\"compression\" is none of", "one of dest"},
        {"ctx -o type=local,dest=x,tar=false", "\"tar\" is none of", "one of dest"},
        {"ctx -o type=oci,dest=x,compression=lz4", "compression is uncompressed, gzip", NULL},
        {"ctx -o type=oci,dest=x,compression-level=10", "compression-level", NULL},
        {"ctx -o type=oci,dest=x,compression=zstd,compression-level=23", "compression-level", NULL},
        {"ctx -o type=oci,dest=x,rewrite-timestamp=x", "rewrite-timestamp is true or false", NULL},
        {"ctx -o type=oci,dest=x,source-date-epoch=now", "source-date-epoch", NULL},
        {"ctx -o type=oci,dest=x,name=A", "name: \"A\" is not an image reference", NULL},
        {"ctx -o type=oci,x", "\"x\" is not KEY=VALUE", NULL},
        {"ctx -o type=oci,dest=a -o type=oci,dest=b,compression=zstd", "cannot differ", NULL},
        {"ctx -o type=oci,dest=a,compression=gzip -o type=oci,dest=b,compression=zstd",
         "cannot differ", NULL},
        {"ctx -o - -o type=oci", "two outputs go to standard output", NULL},
        {"ctx -q -o -", "standard output, where an output goes", "--progress=none"},
        {"ctx --iidfile i -o out", "no image ID", NULL},
        {"ctx --iidfile i -o type=oci,dest=x -o type=tar,dest=y", "no image ID", NULL},
        {"ctx --iidfile i", "without an output", "type=oci"},
        {"ctx --iidfile data -o type=oci,dest=x", "data is a directory", NULL},
        {"ctx --metadata-file none/m", "there is no directory ", "mkdir -p"},
        {"ctx --metadata-file=", "--metadata-file: the name is empty", NULL},

        {"ctx --progress fancy", "--progress is auto, tty, plain, rawjson, quiet or none", NULL},
        {"ctx -q --progress=plain", "--quiet and --progress=plain exclude", NULL},
        {"ctx --jobs 0", "--jobs", NULL},
        {"ctx --jobs x", "--jobs", NULL},
        {"ctx --jobs 99999", "--jobs", NULL},
        {"ctx --workers two", "--workers is auto, platform or group", NULL},
        {"ctx --worker-idle 10", "--worker-idle is a time", NULL},
        {"ctx --worker-idle m", "--worker-idle is a time", NULL},
        {"ctx --worker-idle=", "--worker-idle is a time", NULL},
        {"ctx --worker-idle 721h", "--worker-idle is a time", NULL},
        {"ctx --worker-idle 720h1s", "--worker-idle is a time", NULL},
        {"ctx --worker-idle 99999999h", "--worker-idle is a time", NULL},
        {"ctx --worker-idle 1.5h", "--worker-idle is a time", NULL},
        {"ctx --quiet=x", "--quiet takes true or false", NULL},
    };
    weft_auto_free char *big = weft_xcalloc(1, 512001);

    (void)state;
    memset(big, 'x', 512000 + 1);
    assert_int_equal(weft_write_file("big", big, 512001, 0600, NULL), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct weft_request r = {0};
        weft_auto_err err = NULL;

        if (parse(cases[i].args, &r, &err) == 0) {
            fail_msg("%s: accepted", cases[i].args);
        }
        assert_null(r.context);
        assert_int_equal(err->code, WEFT_E_USAGE);
        if (!strstr(err->msg, cases[i].in_msg)) {
            fail_msg("%s: message \"%s\"", cases[i].args, err->msg);
        }
        if (cases[i].in_hint && (!err->hint || !strstr(err->hint, cases[i].in_hint))) {
            fail_msg("%s: hint \"%s\"", cases[i].args, err->hint ? err->hint : "none");
        }
    }
}

/* NAME=VALUE of the environment, a command line, and what comes out: a dump, or with "!" a part of
 * the message. */
static void test_environment(void **state)
{
    static const struct {
        const char *name;
        const char *value;
        const char *args;
        const char *want;
    } cases[] = {
        {"DOCKER_DEFAULT_PLATFORM", "linux/s390x", "ctx", " linux/s390x"},
        {"DOCKER_DEFAULT_PLATFORM", "linux/s390x", "ctx --platform riscv64", " linux/riscv64"},
        {"DOCKER_DEFAULT_PLATFORM", "", "ctx", ""},
        {"DOCKER_DEFAULT_PLATFORM", "x", "ctx", "!unknown platform"},
        {"BUILDKIT_PROGRESS", "plain", "ctx", " jobs=0 workers=0 progress=2 idle=600"},
        {"BUILDKIT_PROGRESS", "plain", "ctx --progress=auto", ""},
        {"BUILDKIT_PROGRESS", "plain", "ctx -q", " quiet jobs=0 workers=0 progress=4 idle=600"},
        {"BUILDKIT_PROGRESS", "x", "ctx", "!BUILDKIT_PROGRESS is auto"},
        {"WEFT_WORKER_IDLE", "0", "ctx", " jobs=0 workers=0 progress=0 idle=0"},
        {"WEFT_WORKER_IDLE", "x", "ctx", "!WEFT_WORKER_IDLE is a time"},
        {"WEFT_WORKER_IDLE", "x", "ctx --worker-idle 10m", ""},
        {"BUILDX_NO_DEFAULT_ATTESTATIONS", "1", "ctx", " +provenance"},
        {"BUILDX_NO_DEFAULT_ATTESTATIONS", "0", "ctx", ""},
        {"BUILDX_NO_DEFAULT_ATTESTATIONS", "x", "ctx", "!BUILDX_NO_DEFAULT_ATTESTATIONS is"},
        {"WEFT_CONFIG", "good.yaml", "ctx",
         " cpu=baseline linux/arm64=cortex-a72 linux/s390x=max qemu=7.2 dir=/data"},
        {"WEFT_CONFIG", "good.yaml", "ctx --cpu arm64=max --qemu data",
         " cpu=baseline linux/arm64=max linux/s390x=max qemu=/data dir=/data"},
        {"WEFT_CONFIG", "good.yaml", "ctx --cpu baseline", " cpu=baseline qemu=7.2 dir=/data"},
        {"WEFT_CONFIG", "good.yaml", "ctx --cpu max --cpu s390x=baseline",
         " cpu=max linux/s390x=baseline qemu=7.2 dir=/data"},
        {"WEFT_CONFIG", "bad.yaml", "ctx", "!config file: bad.yaml:2:1: \"qmu\""},
        {"WEFT_CONFIG", "bad.yaml", "--help", NULL}, /* which must work all the same */
        {"SSH_AUTH_SOCK", "key", "ctx --ssh default --ssh x", " ssh=default ssh=x"},
        {"SSH_AUTH_SOCK", "none", "ctx --ssh default", "!SSH_AUTH_SOCK: none: No such file"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct weft_request r = {0};
        weft_auto_err err = NULL;
        weft_auto_free char *got = NULL;
        int rc;

        setenv(cases[i].name, cases[i].value, 1);
        rc = parse(cases[i].args, &r, &err);
        unsetenv(cases[i].name);
        setenv("WEFT_CONFIG", "/dev/null", 1);
        if (!cases[i].want) {
            assert_true(rc == 0 && r.help);
            continue;
        }
        if (cases[i].want[0] == '!') {
            assert_int_equal(rc, -1);
            assert_int_equal(err->code, WEFT_E_USAGE);
            assert_non_null(strstr(err->msg, cases[i].want + 1));
            continue;
        }
        if (rc < 0) {
            fail_msg("%s=%s %s: %s", cases[i].name, cases[i].value, cases[i].args, err->msg);
        }
        got = dump(&r);
        weft_request_finish(&r);
        assert_string_equal(got, cases[i].want);
    }
}

/* A tar file is refused where standard output is a terminal. */
static void test_terminal(void **state)
{
    struct weft_request r = {0};
    weft_auto_err err = NULL;
    weft_auto_fd saved = dup(STDOUT_FILENO);
    weft_auto_fd master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    weft_auto_fd slave = -1;
    int rc;

    (void)state;
    assert_true(saved >= 0 && master >= 0);
    assert_int_equal(unlockpt(master), 0);
    slave = open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(slave >= 0);
    assert_true(dup2(slave, STDOUT_FILENO) >= 0);
    rc = parse("ctx -o type=oci", &r, &err);
    assert_true(dup2(saved, STDOUT_FILENO) >= 0);
    assert_int_equal(rc, -1);
    assert_int_equal(err->code, WEFT_E_USAGE);
    assert_non_null(strstr(err->msg, "terminal"));
}

static void test_help(void **state)
{
    struct weft_request r = {0};
    weft_auto_free char *text = NULL;
    size_t len = 0;
    size_t n = 0;
    const struct weft_flag *flags = weft_request_flags(&n);
    FILE *f = open_memstream(&text, &len);

    (void)state;
    assert_int_equal(parse("--help", &r, NULL), 0);
    assert_true(r.help);
    assert_null(r.context);
    weft_request_finish(&r);

    weft_request_help(f);
    assert_int_equal(fclose(f), 0);
    for (size_t i = 0; i < n; i++) {
        weft_auto_free char *name = weft_fmt("--%s", flags[i].name ? flags[i].name : "help");

        assert_non_null(strstr(text, name));
        /* a value has a name, a switch has none */
        assert_true(flags[i].kind == WEFT_FLAG_IGNORED ||
                    (flags[i].metavar != NULL) ==
                        (flags[i].kind == WEFT_FLAG_VALUE || flags[i].kind == WEFT_FLAG_LIST));
        for (size_t k = 0; flags[i].letter && k < i; k++) {
            assert_int_not_equal(flags[i].letter, flags[k].letter);
        }
    }
    for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
        assert_true(strcspn(line, "\n") <= 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),      cmocka_unit_test(test_call),
        cmocka_unit_test(test_secret_values), cmocka_unit_test(test_log_dir),
        cmocka_unit_test(test_refused),       cmocka_unit_test(test_environment),
        cmocka_unit_test(test_terminal),      cmocka_unit_test(test_help),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
