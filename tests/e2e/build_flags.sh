#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the flags of `weft build` that say what is built, how, and what is shown do to images, files and output.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

busybox_base bb linux/amd64 linux/arm64 linux/arm/v7

# made ARG...: a build that has to succeed; its output is in `log`
made()
{
    build "$@" >log 2>&1 || fail "build $*: $(tail -n 30 log)"
}

# image LAYOUT: the digest of the manifest of a layout's only image
image()
{
    if blob "$1" "$(digests "$1")" | jq -e .manifests >/dev/null; then
        image_manifests "$1" | cut -d' ' -f2
    else
        digests "$1"
    fi
}

config()
{
    blob "$1" "$(blob "$1" "$(image "$1")" | jq -r .config.digest)" | jq -r "$2"
}

# file LAYOUT PATH: a file of the only image
file()
{
    file_of "$1" "$(image "$1")" "$2"
}

native=$(dpkg --print-architecture)

note "--platform"
dockerfile ctx <<'END'
FROM busybox
ARG TARGETPLATFORM
RUN echo "$TARGETPLATFORM" >/p
END
platforms_of()
{
    rm -rf p
    made -o type=oci,dest=p,tar=false "$@" ctx
    image_manifests p | cut -d' ' -f1 | paste -sd,
}
expect "a list" "$(platforms_of --platform linux/amd64,linux/arm64)" linux/amd64,linux/arm64
expect "two flags, the order kept" "$(platforms_of --platform linux/arm64 --platform linux/amd64)" linux/arm64,linux/amd64
expect "aliases" "$(platforms_of --platform linux/aarch64,linux/armhf,x86_64)" linux/arm64,linux/arm/v7,linux/amd64
expect "one twice" "$(platforms_of --platform linux/arm64,linux/aarch64/v8,amd64)" linux/arm64,linux/amd64
expect "local and another" "$(platforms_of --platform local,linux/arm/v7)" "linux/$native,linux/arm/v7"
for args in "--platform local" ""; do
    rm -rf p
    # shellcheck disable=SC2086
    made -o type=oci,dest=p,tar=false $args ctx
    expect "'$args'" "$(file p p)" "linux/$native"
done
DOCKER_DEFAULT_PLATFORM=linux/arm64 made -o type=oci,dest=d,tar=false ctx
expect "DOCKER_DEFAULT_PLATFORM" "$(file d p)" linux/arm64
DOCKER_DEFAULT_PLATFORM=linux/arm64 made -o type=oci,dest=d,tar=false --platform linux/arm/v7 ctx
expect "--platform before it" "$(file d p)" linux/arm/v7

note "-f"
mkdir -p lower elsewhere
for name in lower/dockerfile ctx/other elsewhere/any; do
    printf 'FROM busybox\nCOPY here /\nRUN echo %s >/name\n' "$name" >$name
done
echo ctx >ctx/here
echo lower >lower/here
echo elsewhere >elsewhere/here
made -o type=oci,dest=f1,tar=false lower
expect "dockerfile" "$(file f1 name)" lower/dockerfile
made -o type=oci,dest=f2,tar=false -f ctx/other ctx
expect "another file" "$(file f2 name)" ctx/other
made -o type=oci,dest=f3,tar=false -felsewhere/any ctx
expect "a file outside of the context" "$(file f3 name) $(file f3 here)" "elsewhere/any ctx"
ln -s ../elsewhere/any ctx/link
made -o type=oci,dest=f4,tar=false --file=ctx/link ctx
expect "a link" "$(file f4 name)" elsewhere/any
printf 'here\n' >elsewhere/any.dockerignore
! build -f elsewhere/any ctx >log 2>&1 || fail "any.dockerignore is ignored"
grep -q '"/here": not found' log || fail "$(cat log)"
rm elsewhere/any.dockerignore

note "--target, --build-arg, --label"
dockerfile args <<'END'
ARG BASE=nothing
FROM ${BASE} AS first
ARG A=default
ARG B=default
ARG C=default
ARG D=default
ARG COMMA
RUN echo "$A,$B,$C,$D,$COMMA" >/args
LABEL own=file over=file
FROM first AS second
RUN echo second >/second
END
B='env' made -o type=oci,dest=a,tar=false --target first --build-arg BASE=busybox --build-arg A=1 --build-arg A=value=2 \
    --build-arg B --build-arg UNUSED_C --build-arg D= --build-arg 'COMMA=a,b "c"' --label over=flag --label empty \
    --label 'text=a, b = "c"' args
expect "--build-arg" "$(file a args)" 'value=2,env,default,,a,b "c"'
! file a second >/dev/null || fail "--target built more"
expect "--label" "$(config a '.config.Labels | [.own, .over, .empty, .text] | join("|")')" 'file|flag||a, b = "c"'
(unset C; made -o type=oci,dest=a2,tar=false --build-arg BASE=busybox --build-arg C args)
expect "an unset variable" "$(file a2 args)" 'default,default,default,default,'
expect "the last stage" "$(file a2 second)" second

note "--build-context"
dockerfile named <<'END'
FROM base AS from
FROM busybox
COPY --from=from /second /second
COPY --from=files sub/x /x
COPY --from=skip kept* /
END
mkdir -p files/sub skip
echo from-files >files/sub/x
touch skip/kept skip/kept.not
echo '*.not' >skip/.dockerignore
made -t b:one -o type=oci,dest=two,tar=false --build-arg BASE=busybox --build-arg A=one args
made -t b -o type=oci,dest=two,tar=false --build-arg BASE=busybox --build-arg A=latest args
printf 'FROM base\nRUN cp /args /got\n' >named/base
one=$(jq -r '.manifests[] | select(.annotations["org.opencontainers.image.ref.name"] == "one") | .digest' two/index.json)
for case in "two latest" "two:one one" "two:latest latest" "two@$one one" "two:latest@$one one"; do
    rm -rf n
    made -f named/base --build-context "base=oci-layout://${case% *}" -o type=oci,dest=n,tar=false named
    expect "oci-layout://${case% *}" "$(file n got)" "${case#* },default,default,default,"
done
mkdir 'odd:name, x'
cp -r two 'odd:name, x/l'
rm -rf n
made -f named/base --build-context "base=oci-layout://odd:name, x/l:one" -o type=oci,dest=n,tar=false named
expect "a layout with an odd name" "$(file n got)" "one,default,default,default,"
cp -r files/sub 'odd:name, x/sub'
made --build-context base=oci-layout://two --build-context "Files=odd:name, x" --build-context skip=skip -o type=oci,dest=n2,tar=false named
expect "a directory" "$(file n2 x)" from-files
rm -rf n2
made --build-context base=oci-layout://two --build-context files=files --build-context skip=skip -o nfiles named
expect "a directory" "$(cat nfiles/x)" from-files
[[ -e nfiles/kept && ! -e nfiles/kept.not ]] || fail "a named context's .dockerignore: $(ls nfiles)"

note "--no-cache and the cache"
dockerfile uuid <<'END'
FROM busybox
RUN cat /proc/sys/kernel/random/uuid >/uuid
END
uuid_of()
{
    rm -rf u
    made -o type=oci,dest=u,tar=false "$@" uuid
    file u uuid
}
first=$(uuid_of)
expect "cached" "$(uuid_of)" "$first"
grep -q 'CACHED' log || fail "$(cat log)"
expect "--no-cache=false" "$(uuid_of --no-cache=false)" "$first"
second=$(uuid_of --no-cache)
[[ $second != "$first" ]] || fail "--no-cache took the cache"
expect "after --no-cache" "$(uuid_of --pull)" "$second"

note "--secret"
dockerfile secret <<'END'
FROM busybox
RUN --mount=type=secret,id=file,required --mount=type=secret,id=VAR,required --mount=type=secret,id=var2,env=AS_ENV,required \
    (cat /run/secrets/file /run/secrets/VAR; echo "$AS_ENV") | md5sum >/read && cat /run/secrets/file
END
echo open-sesame-1 >'a secret, "quoted"'
VAR=open-sesame-2 OTHER=open-sesame-3 made -o type=oci,dest=s1,tar=false --secret 'id=file,"src=a secret, ""quoted"""' \
    --secret id=VAR --secret id=var2,env=OTHER --provenance mode=max secret
expect "secrets" "$(file s1 read)" "$(printf 'open-sesame-1\nopen-sesame-2open-sesame-3\n' | md5sum)"
for f in s1/blobs/sha256/*; do
    ! zgrep -q sesame "$f" || fail "a secret is in $f"
done
grep -q open-sesame-1 log || fail "the search for secrets is blind"
rc=0
build --no-cache --secret id=VAR,src=ctx/here secret >log 2>&1 || rc=$?
expect "a secret that is not given" "$rc" 1
grep -q 'secret file: not found' log || fail "$(cat log)"

note "--ssh"
need ssh-agent ssh-add ssh-keygen
mkdir -p ssh/root
ldd "$(command -v ssh-add)" | grep -o '/[^ ]*' | xargs -I{} cp -L --parents {} "$(command -v ssh-add)" ssh/root
dockerfile ssh <<'END'
FROM busybox
COPY root /
RUN --mount=type=ssh,required [ -S "$SSH_AUTH_SOCK" ] && ssh-add -l >/ssh
RUN --mount=type=ssh,id=other,required [ -S "$SSH_AUTH_SOCK" ] && ssh-add -l >>/ssh
END
ssh-keygen -q -t ed25519 -N '' -C key-of-the-agent -f key1
ssh-keygen -q -t ed25519 -N '' -C key-of-a-file -f key2
# ssh ARG...: fingerprints of the keys that the steps saw
keys()
{
    rm -rf h
    made --no-cache -o type=oci,dest=h,tar=false "$@" ssh
    file h ssh | cut -d' ' -f2 | paste -sd,
}
one=$(ssh-keygen -lf key1 | cut -d' ' -f2)
two=$(ssh-keygen -lf key2 | cut -d' ' -f2)
eval "$(ssh-agent -s -a "$PWD/agent")" >/dev/null
agent_pid=$SSH_AGENT_PID
(
    trap 'kill "$agent_pid"' EXIT
    ssh-add -q key1
    expect "the agent of SSH_AUTH_SOCK, and a key" "$(keys --ssh default --ssh other=key2)" "$one,$two"
    unset SSH_AUTH_SOCK
    expect "an agent by its socket, and keys" "$(keys --ssh other="$PWD/agent" --ssh default=key2,key1)" "$two,$one,$one"
)
unset SSH_AUTH_SOCK SSH_AGENT_PID
rc=0
build --no-cache --ssh other=key1 ssh >log 2>&1 || rc=$?
expect "without the agent" "$rc" 1
grep -q 'unset ssh forward key default' log || fail "$(cat log)"

note "--network, --allow"
dockerfile net <<'END'
FROM busybox
RUN sed -n 's/^ *\([^:]*\):.*/\1/p' /proc/net/dev | sort | paste -sd, - >/net
END
host=$(sed -n 's/^ *\([^:]*\):.*/\1/p' /proc/net/dev | LC_ALL=C sort | paste -sd,)
net_of()
{
    rm -rf net1
    made --no-cache -o type=oci,dest=net1,tar=false "$@" net
    file net1 net
}
expect "--network none" "$(net_of --network none)" lo
expect "--network host" "$(net_of --network host)" "$host"
expect "--network default" "$(net_of --network default)" "$(net_of)"
asks()
{
    local text=$1 entitlement=$2 rc=0
    printf 'FROM busybox\n%s\n' "$text" >net/asks
    build -f net/asks net >log 2>&1 || rc=$?
    expect "$text without --allow" "$rc" 1
    grep -q "$entitlement" log || fail "$(cat log)"
    made -f net/asks --allow "$entitlement" -o type=oci,dest=net2,tar=false net
}
asks 'RUN --network=host true' network.host
asks 'RUN --security=insecure sed -n s/^CapEff:.//p /proc/self/status >/caps' security.insecure
[[ $((0x$(file net2 caps) & 1 << 21)) != 0 ]] || fail "insecure has no CAP_SYS_ADMIN: $(file net2 caps)"

note "--metadata-file, --iidfile, --quiet"
made --platform linux/amd64,linux/arm64 -t m:1 -t other/m:2 --metadata-file m.json --iidfile id -o type=oci,dest=m,tar=false ctx
digest=$(digests m | sort -u)
expect "containerimage.digest" "$(jq -r '.["containerimage.digest"]' m.json)" "$digest"
expect "image.name" "$(jq -r '.["image.name"]' m.json)" docker.io/library/m:1,docker.io/other/m:2
expect "containerimage.descriptor" "$(jq -r '.["containerimage.descriptor"] | .digest + .mediaType' m.json)" \
    "${digest}application/vnd.oci.image.index.v1+json"
expect "weft.platforms" "$(jq -r '.["weft.platforms"] | map(.platform) | join(",")' m.json)" linux/amd64,linux/arm64
expect "--iidfile" "$(cat id)" "$digest"
expect "-q" "$("$WEFT" build --build-context busybox=oci-layout://bb -q --platform linux/amd64,linux/arm64 \
    -o type=oci,dest=q,tar=false --metadata-file q.json ctx 2>err)" "$(jq -r '.["containerimage.digest"]' q.json)"
[[ ! -s err ]] || fail "-q on stderr: $(cat err)"
for output in "-o type=oci,dest=q1,tar=false" ""; do
    # shellcheck disable=SC2086
    id=$("$WEFT" build --build-context busybox=oci-layout://bb --quiet $output ctx 2>err) || fail "$(cat err)"
    if [[ -z $output ]]; then
        expect "-q without an output: lines on stderr" "$(grep -vc 'warning: no output specified' err || true)" 0
    else
        [[ ! -s err ]] || fail "-q on stderr: $(cat err)"
        expect "the ID of one image" "$id" "$(blob q1 "$(image q1)" | jq -r .config.digest)"
    fi
done
printf 'FROM busybox\nRUN echo to-stderr-only; exit 9\n' >ctx/fails
rc=0
"$WEFT" build --build-context busybox=oci-layout://bb -q -f ctx/fails ctx >out 2>err || rc=$?
expect "-q, failing" "$rc$(cat out)" 1
grep -q 'exit code 9' err || fail "-q does not say why: $(cat err)"

note "--progress"
says_all_json()
{
    jq -es 'map(type) | unique == ["object"]' "$1" >/dev/null || fail "not JSON: $(grep -v "^{" "$1")"
}
"$WEFT" build --build-context busybox=oci-layout://bb --progress=rawjson -o type=oci,dest=q1,tar=false ctx >out 2>err
says_all_json err
[[ ! -s out ]] || fail "$(cat out)"
"$WEFT" build --build-context busybox=oci-layout://bb --progress=rawjson ctx 2>err # with its warning
says_all_json err
! "$WEFT" build --build-context busybox=oci-layout://bb --progress=rawjson -f ctx/fails ctx 2>err || fail "it did not fail"
says_all_json err
jq -es 'map(tostring) | any(contains("exit code: 9"))' err >/dev/null || fail "$(cat err)"
BUILDKIT_PROGRESS=rawjson "$WEFT" build --build-context busybox=oci-layout://bb ctx 2>err
says_all_json err
BUILDKIT_PROGRESS=rawjson made ctx
grep -q '^\[linux/' log || fail "--progress does not override BUILDKIT_PROGRESS: $(cat log)"
"$WEFT" build --build-context busybox=oci-layout://bb --progress=none -o type=oci,dest=q1,tar=false ctx >out 2>err
[[ ! -s err && ! -s out ]] || fail "--progress=none: $(cat out err)"
for mode in plain auto; do
    "$WEFT" build --build-context busybox=oci-layout://bb --progress=$mode -o type=oci,dest=q1,tar=false ctx 2>err
    ! grep -vE '^(\[linux/|weft: )' err || fail "a line without its platform"
    ! grep -q $'\033' err || fail "$mode moves the cursor"
done
made ctx
grep -q 'warning: no output specified' log || fail "$(cat log)"

note "--add-host, --shm-size, --ulimit"
dockerfile run <<'END'
FROM busybox
RUN cat /etc/hosts >/hosts.txt; ulimit -Sn >/soft; ulimit -Hn >/hard; df -k /dev/shm | tail -n 1 | tr -s ' ' | cut -d' ' -f2 >/shm
END
made -o type=oci,dest=u,tar=false --add-host registry=10.0.0.7 --add-host 'db:[::1]' --add-host self:host-gateway \
    --ulimit nofile=100:200 --shm-size 12m run
for line in '10.0.0.7 registry' '::1 db' '127.0.0.1 self'; do
    file u hosts.txt | tr -s '\t ' ' ' | grep -qxF "$line" || fail "--add-host: no '$line': $(file u hosts.txt)"
done
expect "--ulimit" "$(file u soft)/$(file u hard)" 100/200
expect "--shm-size" "$(file u shm)" $((12 * 1024))
! build --ulimit memlock=-1 run >log 2>&1 || [[ $(ulimit -Hl) == unlimited ]] || fail "a limit above the worker's"
[[ $(ulimit -Hl) == unlimited ]] || grep -q 'asks for more than the worker has' log || fail "--ulimit: $(cat log)"

note "--no-cache-filter"
dockerfile twice <<'END'
FROM busybox AS first
RUN head -c 16 /dev/urandom | od -An -tx1 >/first
FROM first AS second
RUN head -c 16 /dev/urandom | od -An -tx1 >/second
END
made -o type=oci,dest=n1,tar=false twice
made -o type=oci,dest=n2,tar=false --no-cache-filter second twice
expect "the first stage" "$(file n2 first)" "$(file n1 first)"
[[ $(file n1 second) != "$(file n2 second)" ]] || fail "--no-cache-filter second: it was not run again"
made -o type=oci,dest=n3,tar=false --no-cache-filter first twice
[[ $(file n2 first) != "$(file n3 first)" ]] || fail "--no-cache-filter first: it was not run again"

note "what buildx ignores"
made --squash --compress --rm=false --force-rm --isolation default --security-opt seccomp=unconfined -o type=cacheonly twice
for flag in squash compress rm force-rm isolation security-opt; do
    grep -q "warning: --$flag does nothing" log || fail "--$flag without a warning: $(cat log)"
done
! grep -q 'no output specified' log || fail "type=cacheonly: a warning"
made --progress none -o type=cacheonly twice
expect "--progress none" "$(cat log)" ""

note "--jobs, --workers, --worker-idle, -D"
dockerfile slow <<'END'
FROM busybox
RUN cut -d' ' -f1 /proc/uptime >/t; sleep 0.5; cut -d' ' -f1 /proc/uptime >>/t
END
# overlap ARG...: whether the steps of two platforms ran at the same time
overlap()
{
    rm -rf j
    made --no-cache --platform linux/amd64,linux/arm64 -o j "$@" slow
    if sort -ms -n <(sed 's/$/ a/' j/linux_amd64/t) <(sed 's/$/ b/' j/linux_arm64/t) | cut -d' ' -f2 | paste -sd '' |
        grep -Eq '^(aabb|bbaa)$'; then
        echo no
    else
        echo yes
    fi
}
expect "--jobs 1" "$(overlap --jobs 1)" no
expect "--jobs 2" "$(overlap --jobs 2)" yes
for mode in auto:2 platform:2 group:1; do
    made --platform linux/amd64,linux/arm64 --workers "${mode%:*}" --metadata-file w.json ctx
    expect "--workers ${mode%:*}" "$(jq '.["weft.workers"] | length' w.json)" "${mode#*:}"
done
made -D --platform linux/arm64 ctx
for program in "$WEFT_LIBEXEC/buildkitd.*v[0-9]" "$WEFT_LIBEXEC/buildctl.*v[0-9]" 'qemu-aarch64.*[0-9]\.[0-9]' '(runc|crun).*[0-9]\.[0-9]'; do
    grep -Eq "$program" log || fail "-D does not name $program"
done
"$WEFT" worker stop --all >/dev/null
made --worker-idle 0 ctx
expect "workers after --worker-idle 0" "$("$WEFT" worker list --json | jq '[.workers[] | select(.status != "stopped")] | length')" 0
WEFT_WORKER_IDLE=0 made ctx
expect "workers after WEFT_WORKER_IDLE=0" "$("$WEFT" worker list --json | jq '[.workers[] | select(.status != "stopped")] | length')" 0
