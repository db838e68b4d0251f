# SPDX-License-Identifier: Apache-2.0
"""What buildx_compare.py builds with buildx and with weft: the rows, the files that they use, and the differences that
there may be, each with the words of docs/buildx.md that say so."""

# The Dockerfiles and contexts, by path. NAME.Dockerfile is used with -f.
FILES = {
    "ctx/Dockerfile": """\
# first is where it begins
FROM busybox AS first
# A says something
ARG A=default
RUN echo "$A" >/a; cat /etc/hosts >/hosts; grep -c : /proc/net/dev >/nets; umask >/umask; \\
    df -k /dev/shm | tail -n 1 | tr -s ' ' | cut -d' ' -f2 >/shm
ARG HTTP_PROXY
RUN echo "$HTTP_PROXY $TARGETPLATFORM" >/proxy
FROM first AS last
COPY file /copied
LABEL own=file
ENV SOME=thing
CMD ["cat", "/a"]
""",
    "ctx/file": "content\n",
    "ctx/left-out": "not sent\n",
    "ctx/.dockerignore": "left-out\n",
    "ctx/all.Dockerfile": "FROM busybox\nCOPY . /all\n",
    "ctx/limits.Dockerfile": "FROM busybox\nRUN ulimit -n >/nofile; ulimit -Hn >>/nofile; ulimit -u >/nproc\n",
    "ctx/uuid.Dockerfile": """\
FROM busybox AS first
RUN cat /proc/sys/kernel/random/uuid >/uuid
FROM busybox AS second
RUN cat /proc/sys/kernel/random/uuid >/uuid2
FROM scratch
COPY --from=first /uuid /
COPY --from=second /uuid2 /
""",
    "ctx/asks.Dockerfile": "FROM busybox\nRUN --network=host echo asked >/asked\n",
    "ctx/insecure.Dockerfile":
        "FROM busybox\nRUN --security=insecure grep CapEff /proc/self/status >/caps; ls /dev | grep -c . >/dev-count\n",
    "ctx/named.Dockerfile": "FROM busybox\nCOPY --from=extra x /x\n",
    "ctx/layout.Dockerfile": "FROM other\nRUN echo more >/more\n",
    "ctx/secret.Dockerfile": "FROM busybox\nRUN --mount=type=secret,id=s,required md5sum </run/secrets/s >/sum\n",
    "ctx/maybe.Dockerfile":
        "FROM busybox\nRUN --mount=type=secret,id=s test ! -e /run/secrets/s || md5sum </run/secrets/s >/sum\n",
    "ctx/ssh.Dockerfile": 'FROM busybox\nRUN --mount=type=ssh,required test -S "$SSH_AUTH_SOCK" && echo yes >/ssh\n',
    "ctx/warns.Dockerfile": "from busybox\nMAINTAINER nobody\n",
    "ctx/fails.Dockerfile": "FROM busybox\nRUN exit 7\n",
    "ctx/wrong.Dockerfile": "FROM busybox\nRUM echo\n",
    "ctx/scratch.Dockerfile": "FROM scratch\nCOPY file /\n",
    "ctx/once.Dockerfile": "FROM busybox\nARG N\nRUN cat /proc/sys/kernel/random/uuid >/uuid\n",
    "extra/x": "extra\n",
    "extra/hush": "hush\n",
    "empty/file": "no Dockerfile here\n",
    "repo/Dockerfile": "FROM busybox\nCOPY Dockerfile /\n",
}

# Differences that are documented: a name, what the path of a difference matches, and the words of docs/buildx.md.
# A row that names one must show it, and a row that shows another fails.
DIFFERENCES = {
    "platform annotation": (r"^/files/out/index\.json/manifests/0/(content/annotations|digest|size)$",
                            "`manifest[linux/arm64]:` there, too, which BuildKit drops"),
    "empty cache": (r"^/files/nowhere$", "the directory of a `--cache-from type=local` that is not there"),
    "failed output": (r"^/files/out$", "the directory of an output of a build that fails"),
    "where": (r"^/stdout$", "`--check` names the Dockerfile without its directory"),
    "twice": (r"^/files/out/index\.json/manifests/0/(content/manifests|digest|size)$",
              "a platform that is named twice is in the index once"),
    "call output": (r"^/files/out$", "the output of a `--call`"),
    "parameters": (r"/(args/(local-sessionid:(context|dockerfile)|context:busybox|multi-platform))$",
                   "has the parameters that weft gives to BuildKit"),
    "metadata": (r"^/files/m\.json/content/(buildx\.build\.ref|weft\.(platforms|workers))$",
                 "without `buildx.build.ref`, since no builder could be asked for it; `weft.platforms` and "
                 "`weft.workers` are added"),
}

# Those that any row may show; and one has to.
COMMON = ("metadata", "parameters")

OUT = "-o type=oci,dest=out,tar=false,rewrite-timestamp=true"
BOTH = "--platform linux/arm64,linux/amd64"
FAILS = "not 0"
ROWS = []


def row(flag, command, **more):
    """flag: what the row is about. command: the words after `build`, with {OUT}, {BOTH}, {REG} and {GEN} replaced.
    Options:
    env       variables
    said      patterns that stderr has on both sides, or on neither
    error     pattern of what stderr says; both must fail
    fails     FAILS: both must fail, and what they wrote is compared
    first     a command before, of which nothing is compared
    differs   names of DIFFERENCES
    left_out  weft does not know the flag, and the table of docs/buildx.md says so
    changes   the output is compared with that of `first`: which files changed
    shape     of stderr: whether there is any, and whether it is JSON
    registry  the repositories whose content is compared, too
    load      an image that podman has then, which is compared
    stricter  words of docs/buildx.md: weft fails, and buildx does not
    laxer     words of docs/buildx.md: buildx fails, and weft does not"""
    ROWS.append({"flag": flag, "command": command, **more})


def left_out(flag, command):
    row(flag, command, left_out=True)


row("PATH", "{OUT} ctx")
row("PATH", "nowhere", error="nowhere")
row("PATH", "empty", error="Dockerfile")
row("PATH", "{OUT} -f ctx/all.Dockerfile ctx")
row("PATH", "-f ctx/fails.Dockerfile ctx", error="exit code:? 7")
row("PATH", "-f ctx/wrong.Dockerfile ctx", error="unknown instruction: RUM")
row("PATH", "{OUT} {BOTH} --provenance=false ctx")
row("PATH", "ctx")
row("PATH", "{OUT} -f ctx/fails.Dockerfile ctx", fails=FAILS, differs=["failed output"])
row("--add-host", "{OUT} --add-host db=10.0.0.7 --add-host six:::1 ctx")
row("--add-host", "--add-host nonsense ctx", error="nonsense")
row("--add-host", "{OUT} --add-host here=host-gateway ctx",
    laxer="`host-gateway` is 127.0.0.1: RUN shares the host's network")
row("--allow", "-f ctx/asks.Dockerfile ctx", error="network.host is not allowed")
row("--allow", "{OUT} -f ctx/asks.Dockerfile --allow network.host ctx")
row("--allow", "-f ctx/insecure.Dockerfile ctx", error="security.insecure is not allowed")
row("--allow", "{OUT} -f ctx/insecure.Dockerfile --allow security.insecure ctx")
row("--allow", "--allow nonsense ctx", error="nonsense")
left_out("--allow device", "{OUT} --allow device ctx")
left_out("--allow buildx.local.delete", "{OUT} --allow buildx.local.delete ctx")
row("--annotation", "{OUT} --provenance=false {BOTH} --annotation Some.Key=all "
    "--annotation manifest[linux/arm64]:one=1 --annotation index:two=<2&> --annotation manifest-descriptor:three=3 "
    "--annotation index-descriptor:four=4 --metadata-file m.json ctx")
row("--annotation", "{OUT} {BOTH} --annotation index,manifest:five=5 ctx")
row("--annotation", "{OUT} --annotation one=1 ctx")
row("--annotation", "{OUT} --annotation manifest[linux/amd64]:one=1 ctx", differs=["platform annotation"])
row("--annotation", "{OUT} --annotation manifest-descriptor:three=3 ctx")
row("--annotation", "-o type=oci,dest=o.tar --annotation index:two=2 ctx",
    error="index annotations|no index to annotate")
row("--annotation", "{OUT} --annotation manifest[linux/riscv64]:one=1 ctx",
    stricter="an annotation for a platform that is not built")
row("--annotation", "-o files --annotation one=1 ctx")
row("--attest", "{OUT} --attest type=provenance,mode=max ctx")
row("--attest", "{OUT} --attest type=provenance,mode=min,builder-id=https://example.org/b ctx")
row("--attest", "{OUT} --attest type=provenance,version=v0.2 ctx")
row("--attest", "{OUT} --attest type=provenance,disabled=true {BOTH} ctx")
row("--attest", "-o files --attest type=provenance ctx")
row("--attest", "--attest nonsense ctx", error="nonsense")
row("--build-arg", "{OUT} --build-arg A=given ctx")
row("--build-arg", "{OUT} --build-arg A --build-arg HTTP_PROXY ctx", env={"A": "of-env"})
row("--build-arg", "{OUT} --build-arg HTTP_PROXY=http://10.0.0.9:1 ctx")
row("--build-arg", "{OUT} --build-arg NOBODY=asks ctx", said=["NOBODY"])
row("--build-arg", "{OUT} --build-arg BUILDKIT_MULTI_PLATFORM=1 ctx")
row("--build-arg", "{OUT} --build-arg BUILDKIT_INLINE_CACHE=1 ctx")
row("--build-arg", "--build-arg BUILDKIT_DOCKERFILE_CHECK=error=true -f ctx/warns.Dockerfile ctx",
    error="lint violation")
row("--build-arg", "--build-arg BUILDKIT_SYNTAX=invalid.invalid/none:1 ctx", error="invalid.invalid")
row("--build-context", "{OUT} --build-context extra=extra -f ctx/named.Dockerfile ctx")
row("--build-context", "--build-context extra=nowhere -f ctx/named.Dockerfile ctx", error="nowhere")
row("--build-context", "{OUT} --build-context other=oci-layout://{BASE}:latest -f ctx/layout.Dockerfile ctx")
row("--build-context", "{OUT} --build-context other=oci-layout://{BASE}@{BASE_DIGEST} -f ctx/layout.Dockerfile ctx")
row("--build-context", "--build-context other=oci-layout://{BASE}:none -f ctx/layout.Dockerfile ctx",
    stricter="a tag that an OCI layout of `--build-context` does not have")
left_out("--builder", "{OUT} --builder r ctx")
row("--cache-from", "{OUT} --cache-from type=local,src=nowhere ctx", differs=["empty cache"])
row("--cache-from", "{OUT} --cache-from {REG}/none:cache ctx")
row("--cache-to", "{OUT} --cache-to type=inline ctx")
row("--cache-to", "--cache-to type=nonsense ctx", error="nonsense")
row("--call", "--call targets ctx")
row("--call", "--call targets,format=json ctx")
row("--call", "--call outline ctx")
row("--call", "--call outline,format=json --target first ctx")
row("--call", "--call subrequests.describe ctx")
row("--call", "--call subrequests.describe,format=json ctx")
row("--call", "--call check -f ctx/warns.Dockerfile ctx", fails=FAILS, differs=["where"])
row("--call", "--call check,format=json -f ctx/warns.Dockerfile ctx", fails=FAILS)
row("--call", "--call check,ignorestatus=true -f ctx/warns.Dockerfile ctx", differs=["where"])
row("--call", "--call check -f ctx/wrong.Dockerfile ctx", fails=FAILS)
row("--call", "--call targets {BOTH} ctx")
row("--call", "--call nonsense ctx", error="nonsense")
row("--call", "--call build {OUT} ctx")
left_out("--cgroup-parent", "{OUT} --cgroup-parent /x ctx")
row("--check", "--check ctx")
row("--check", "--check -f ctx/warns.Dockerfile ctx", fails=FAILS, differs=["where"])
row("--check", "--check {OUT} ctx", differs=["call output"])
row("--check", "--check {BOTH} -f ctx/warns.Dockerfile ctx", fails=FAILS, differs=["where"])
row("--compress", "{OUT} --compress ctx")
left_out("--cpu-period", "{OUT} --cpu-period 100000 ctx")
left_out("--cpu-quota", "{OUT} --cpu-quota 100000 ctx")
left_out("--cpu-shares", "{OUT} --cpu-shares 100 ctx")
left_out("--cpuset-cpus", "{OUT} --cpuset-cpus 0 ctx")
left_out("--cpuset-mems", "{OUT} --cpuset-mems 0 ctx")
row("--debug", "{OUT} -D ctx")
row("--debug", "-D -f ctx/fails.Dockerfile ctx", error="exit code:? 7")
row("--file", "{OUT} -f ctx/warns.Dockerfile ctx", said=["MaintainerDeprecated", "ConsistentInstructionCasing"])
row("--file", "-f nowhere ctx", error="nowhere")
row("--force-rm", "{OUT} --force-rm ctx")
row("--help", "--help")
row("--iidfile", "{OUT} --iidfile iid ctx")
row("--iidfile", "{OUT} --iidfile iid --provenance=false {BOTH} ctx")
row("--iidfile", "--iidfile iid ctx", stricter="`--iidfile` without an output, where buildx writes an empty file")
row("--iidfile", "-o files --iidfile iid ctx", error="iidfile|image ID file")
row("--isolation", "{OUT} --isolation default ctx", said=["isolation"])
row("--label", "{OUT} --label own=flag --label more --label with=a=b ctx")
row("--load", "-o type=docker,dest=d.tar,rewrite-timestamp=true -t app:1 ctx")
row("--load", "--load -t loaded:1 -f ctx/scratch.Dockerfile ctx", load="loaded:1")
row("--load", "--load {BOTH} ctx", error="docker|one platform")
left_out("--memory", "{OUT} --memory 1g ctx")
left_out("--memory-swap", "{OUT} --memory-swap 1g ctx")
row("--metadata-file", "{OUT} -t app:1 --metadata-file m.json ctx")
row("--metadata-file", "{OUT} {BOTH} -t app:1 --provenance=false --metadata-file m.json ctx")
row("--metadata-file", "--metadata-file m.json ctx")
row("--metadata-file", "-o files --metadata-file m.json ctx")
row("--metadata-file", "--metadata-file m.json -f ctx/fails.Dockerfile ctx", error="exit code:? 7")
row("--network", "{OUT} --network none ctx")
row("--network", "{OUT} --network host --allow network.host ctx")
row("--network", "{OUT} --network default ctx")
row("--network", "--network nonsense ctx", error="nonsense")
row("--no-cache", "-o files -f ctx/uuid.Dockerfile ctx", first="-o files -f ctx/uuid.Dockerfile ctx", changes=True)
row("--no-cache", "-o files --no-cache -f ctx/uuid.Dockerfile ctx", first="-o files -f ctx/uuid.Dockerfile ctx",
    changes=True)
row("--no-cache-filter", "-o files --no-cache-filter second -f ctx/uuid.Dockerfile ctx",
    first="-o files -f ctx/uuid.Dockerfile ctx", changes=True)
row("--no-cache-filter", "-o files --no-cache-filter first,second -f ctx/uuid.Dockerfile ctx",
    first="-o files -f ctx/uuid.Dockerfile ctx", changes=True)
row("--output", "-o files ctx")
row("--output", "-o type=local,dest=files {BOTH} ctx")
row("--output", "-o type=local,dest=files,platform-split=false ctx",
    stricter="`platform-split` of `type=local` and `tar`")
row("--output", "-o - ctx")
row("--output", "-o type=tar,dest=f.tar ctx")
row("--output", "-o type=tar,dest=f.tar {BOTH} ctx")
row("--output", "-o type=oci,dest=o.tar,rewrite-timestamp=true -t app:1 ctx")
row("--output", "-o type=oci,dest=o.tar,rewrite-timestamp=true,name=example.org/x:2 ctx")
row("--output", "-o type=oci,rewrite-timestamp=true ctx")
row("--output", "{OUT},compression=zstd,force-compression=true ctx")
row("--output", "{OUT},compression=uncompressed,force-compression=true ctx")
row("--output", "{OUT},compression=gzip,compression-level=9,force-compression=true ctx")
row("--output", "{OUT},oci-mediatypes=false --provenance=false {BOTH} ctx")
row("--output", "{OUT},oci-artifact=false --provenance=true ctx")
row("--output", "{OUT},annotation.a=1,annotation-index.b=2 --provenance=false {BOTH} ctx")
row("--output", "{OUT},source-date-epoch=5 ctx")
row("--output", "-o type=cacheonly ctx")
row("--output", "-o type=image ctx")
row("--output", "-o type=image,rewrite-timestamp=true --provenance=false --metadata-file m.json ctx")
row("--output", "-o type=docker,dest=d.tar {BOTH} ctx", error="docker")
row("--output", "-o type=nonsense ctx", error="nonsense")
row("--output", "-o type=oci,dest=a.tar,rewrite-timestamp=true -o files ctx")
row("--platform", "{OUT} --platform linux/arm64 ctx")
row("--platform", "{OUT} --platform local ctx")
row("--platform", "{OUT} --provenance=false --platform linux/arm64 --platform linux/amd64 ctx")
row("--platform", "{OUT} --provenance=false --platform linux/amd64,linux/arm64,linux/amd64 ctx", differs=["twice"])
row("--platform", "{OUT} --platform linux/aarch64 ctx")
row("--platform", "--platform nonsense/x/y/z ctx", error="nonsense")
row("--platform", "{OUT} -f ctx/scratch.Dockerfile --platform windows/amd64 ctx")
left_out("--policy", "{OUT} --policy filename=x ctx")
row("--print", "--print targets ctx")
row("--progress", "{OUT} --progress none ctx", shape=True)
row("--progress", "{OUT} --progress quiet ctx", shape=True)
row("--progress", "{OUT} --progress rawjson ctx", shape=True)
row("--progress", "{OUT} --progress plain ctx", shape=True)
row("--progress", "--progress nonsense ctx", error="nonsense")
row("--progress", "--progress none -f ctx/fails.Dockerfile ctx", error="exit code:? 7")
row("--provenance", "{OUT} --provenance true ctx")
row("--provenance", "{OUT} --provenance false {BOTH} ctx")
row("--provenance", "{OUT} --provenance mode=min ctx")
row("--provenance", "{OUT} --provenance mode=max,version=v1 {BOTH} ctx")
row("--provenance", "--provenance max ctx", error="provenance|max")
row("--provenance", "{OUT} {BOTH} ctx")
row("--pull", "{OUT} --pull ctx")
row("--push", "-o type=registry,rewrite-timestamp=true -t {REG}/a:1 -t {REG}/a:2 -t {REG}/b/c ctx",
    registry=["a", "b/c"])
row("--push", "--push -t {REG}/d:1 --provenance=false -f ctx/scratch.Dockerfile ctx", registry=["d"], shape=True)
row("--push", "-o type=registry,rewrite-timestamp=true -t {REG}/e:1 --provenance=false {BOTH} --metadata-file m.json "
    "ctx", registry=["e"])
row("--push", "-o type=image,push=true,rewrite-timestamp=true -t {REG}/f:1 --provenance=false --metadata-file m.json "
    "ctx", registry=["f"])
row("--push", "-o type=image,name={REG}/g,push=true,push-by-digest=true,name-canonical=true,rewrite-timestamp=true "
    "--provenance=false --metadata-file m.json ctx", registry=["g"])
row("--push", "-o type=registry,rewrite-timestamp=true {BOTH} -t {REG}/h:1 ctx", registry=["h"])
row("--push", "--push ctx", error="tag|name")
row("--push", "--push -t localhost:1/x ctx", error="localhost:1")
row("--quiet", "{OUT} -q ctx", shape=True)
row("--quiet", "{OUT} -q --provenance=false {BOTH} ctx", shape=True)
row("--quiet", "-q ctx", shape=True)
row("--quiet", "-q -f ctx/fails.Dockerfile ctx", error="exit code:? 7")
left_out("--resource", "{OUT} --resource memory=1g ctx")
row("--rm", "{OUT} --rm=false ctx")
row("--sbom", "{OUT} --sbom generator={GEN} ctx")
row("--sbom", "{OUT} --sbom false ctx")
row("--sbom", "-o files --attest type=sbom,generator={GEN} ctx")
row("--secret", "-f ctx/secret.Dockerfile ctx", error="secret s: not found")
row("--secret", "{OUT} -f ctx/secret.Dockerfile --secret id=s,src=extra/hush ctx")
row("--secret", "{OUT} -f ctx/secret.Dockerfile --no-cache --secret id=s,env=HUSH ctx", env={"HUSH": "of-env"})
row("--secret", "{OUT} -f ctx/secret.Dockerfile --no-cache --secret id=s ctx", env={"s": "of-env"})
row("--secret", "{OUT} -f ctx/secret.Dockerfile --no-cache --secret type=file,id=s,source=extra/hush ctx")
row("--secret", "-f ctx/maybe.Dockerfile --secret id=s,src=nowhere ctx", error="nowhere")
row("--secret", "-f ctx/maybe.Dockerfile --secret nonsense ctx", error="nonsense|secret")
row("--security-opt", "{OUT} --security-opt seccomp=unconfined ctx", said=["security-opt"])
row("--shm-size", "{OUT} --shm-size 12m ctx")
row("--shm-size", "--shm-size nonsense ctx", error="nonsense")
row("--squash", "{OUT} --squash ctx", said=["squash"])
row("--ssh", "-f ctx/ssh.Dockerfile ctx", error="ssh")
row("--ssh", "{OUT} -f ctx/ssh.Dockerfile --ssh default=key ctx")
row("--ssh", "--ssh default=nowhere ctx", error="nowhere")
row("--tag", "{OUT} -t app:1 -t example.org/x ctx")
row("--tag", "-t UPPER ctx", error="UPPER")
row("--tag", "{OUT} -t app@{BASE_DIGEST} ctx", stricter="a `--tag` with a digest")
row("--target", "{OUT} --target first ctx")
row("--target", "--target none ctx", error="none")
row("--ulimit", "{OUT} -f ctx/limits.Dockerfile ctx")
row("--ulimit", "{OUT} -f ctx/limits.Dockerfile --ulimit nofile=100:200 --ulimit nproc=1000 ctx")
row("--ulimit", "-f ctx/limits.Dockerfile --ulimit nonsense=1 ctx", error="nonsense")
row("BUILDKIT_PROGRESS", "{OUT} ctx", env={"BUILDKIT_PROGRESS": "rawjson"}, shape=True)
row("BUILDX_GIT_INFO", "{OUT} --provenance=true repo", env={"BUILDX_GIT_INFO": "true"})
row("BUILDX_GIT_LABELS", "{OUT} repo", env={"BUILDX_GIT_LABELS": "1"})
row("BUILDX_GIT_LABELS", "{OUT} repo", env={"BUILDX_GIT_LABELS": "full"})
row("BUILDX_GIT_CHECK_DIRTY", "{OUT} repo", env={"BUILDX_GIT_LABELS": "1", "BUILDX_GIT_CHECK_DIRTY": "1"})
row("BUILDX_METADATA_PROVENANCE", "--metadata-file m.json ctx", env={"BUILDX_METADATA_PROVENANCE": "max"})
row("BUILDX_METADATA_PROVENANCE", "--metadata-file m.json ctx", env={"BUILDX_METADATA_PROVENANCE": "0"})
row("BUILDX_METADATA_WARNINGS", "--metadata-file m.json -f ctx/warns.Dockerfile ctx",
    env={"BUILDX_METADATA_WARNINGS": "1"})
row("BUILDX_NO_DEFAULT_ATTESTATIONS", "{OUT} {BOTH} ctx", env={"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"})
row("DOCKER_DEFAULT_PLATFORM", "{OUT} ctx", env={"DOCKER_DEFAULT_PLATFORM": "linux/arm64"})
row("SOURCE_DATE_EPOCH", "{OUT} ctx", env={"SOURCE_DATE_EPOCH": "86400"})
row("SOURCE_DATE_EPOCH", "{OUT} --build-arg SOURCE_DATE_EPOCH=5 ctx", env={"SOURCE_DATE_EPOCH": "86400"})
row("SOURCE_DATE_EPOCH", "ctx", env={"SOURCE_DATE_EPOCH": "nonsense"}, error="nonsense")
