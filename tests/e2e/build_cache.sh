#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Caches outside of the workers: registry, local and inline, a part for each platform. From each of them alone a build on an
# empty state runs no step again, on three platforms; what was not there, or could not be written, is said and no more.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

need docker-registry curl
platforms=linux/amd64,linux/arm64,linux/s390x
busybox_base bb linux/amd64 linux/arm64 linux/s390x
dockerfile ctx <<'END'
FROM busybox AS tool
RUN cat /proc/sys/kernel/random/uuid >/tool
FROM busybox
COPY --from=tool /tool /
COPY Dockerfile /
RUN cat /proc/sys/kernel/random/uuid >/own
END

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >registry.yml <<END
version: 0.1
storage: {filesystem: {rootdirectory: $PWD/registry}}
http: {addr: "127.0.0.1:$port"}
log: {level: warn}
END
docker-registry serve registry.yml >registry.log 2>&1 &
registry=$!
end_registry()
{
    local rc=$?
    set +e
    kill "$registry"
    (exit "$rc")
    clean_up
}
trap end_registry EXIT
wait_for 20 curl -sf "http://localhost:$port/v2/" -o /dev/null || fail "the registry does not start: $(cat registry.log)"
reg=localhost:$port

# built OUT FLAG...: builds into the layout OUT
built()
{
    local out=$1
    shift
    build "$@" -o "type=oci,dest=$out,tar=false" ctx >log 2>&1 || fail "$*: $(tail -n 30 log)"
}

# fresh: no worker has a state any more
fresh()
{
    "$WEFT" worker remove --force --all >/dev/null
    [[ -z $(find "$WEFT_STATE_DIR/workers" -name buildkit) ]] || fail "a state is left: $(find "$WEFT_STATE_DIR/workers")"
}

# of LAYOUT FILE: "PLATFORM CONTENT" for each platform
of()
{
    local platform digest
    if [[ $(blob "$1" "$(digests "$1")" | jq 'has("manifests")') == false ]]; then
        echo "$3 $(file_of "$1" "$(digests "$1")" "$2")"
        return
    fi
    while read -r platform digest; do
        echo "$platform $(file_of "$1" "$digest" "$2")"
    done < <(image_manifests "$1") | sort
}

# same_runs A B: nothing ran for B that had run for A
same_runs()
{
    expect "$2: the last stage" "$(of "$2" own)" "$(of "$1" own)"
    expect "$2: the first stage" "$(of "$2" tool)" "$(of "$1" tool)"
}

# no_common A B FILE: no platform has the same FILE in both
no_common()
{
    [[ -z $(comm -12 <(of "$1" "$3") <(of "$2" "$3")) ]] || fail "$3 of $1 and $2: a step was not run again"
}

tags()
{
    curl -sf "http://$reg/v2/$1/tags/list" | jq -r '.tags | sort | join(" ")'
}

note "one build writes three caches"
built first --platform $platforms --cache-to "type=registry,ref=$reg/cache:main,mode=max" \
    --cache-to "type=local,dest=dir,mode=max" --cache-to type=inline
expect "tags" "$(tags cache)" "main-linux-amd64 main-linux-arm64 main-linux-s390x"
expect "directories" "$(cd dir && echo *)" "linux_amd64 linux_arm64 linux_s390x"
expect "uuids" "$(of first own | cut -d' ' -f2 | sort -u | wc -l)" 3
"$WEFT_SRC_DIR/tests/oci/validate" first || fail "the image does not fit the OCI schemas"
skopeo copy -q --all --dest-tls-verify=false "oci:first:latest" "docker://$reg/app:1"

note "registry"
fresh
built from-registry --platform $platforms --cache-from "$reg/cache:main"
same_runs first from-registry
! grep -q 'no cache' log || fail "$(grep 'no cache' log)"
! grep -q ERROR log || fail "$(grep ERROR log)"

note "local"
fresh
built from-local --platform $platforms --cache-from type=local,src=dir
same_runs first from-local

note "inline, from the index"
fresh
built from-inline --platform $platforms --cache-from "type=registry,ref=$reg/app:1"
same_runs first from-inline

note "a job for one platform takes its part, and leaves those of the others"
fresh
built one --platform linux/arm64 --cache-from "$reg/cache:main" --cache-to "type=registry,ref=$reg/cache:main"
expect "own" "$(of one own linux/arm64)" "$(of first own | grep arm64)"
expect "tags" "$(tags cache)" "main-linux-amd64 main-linux-arm64 main-linux-s390x"

note "what one platform's buildx wrote, in the plain tag"
curl -sf -H 'Accept: application/vnd.oci.image.manifest.v1+json' "http://$reg/v2/cache/manifests/main-linux-s390x" >manifest
curl -sf -X PUT -H 'Content-Type: application/vnd.oci.image.manifest.v1+json' --data-binary @manifest \
    "http://$reg/v2/cache/manifests/plain" || fail "the plain tag"
fresh
built from-plain --platform $platforms --cache-from "$reg/cache:plain"
expect "s390x" "$(of from-plain own | grep s390x)" "$(of first own | grep s390x)"
expect "the others ran" "$(comm -12 <(of from-plain own) <(of first own) | wc -l)" 1

note "caches that are not there: said once for each platform"
built none --platform $platforms --no-cache --cache-from "$reg/none:1" --cache-from type=local,src=nowhere
for platform in ${platforms//,/ }; do
    expect "$platform" "$(grep -c "$platform: no cache in $reg/none:1-${platform//\//-}, nor in $reg/none:1\$" log)" 1
    expect "$platform, local" "$(grep -c "$platform: no cache in $PWD/nowhere/${platform//\//_} yet, nor in $PWD/nowhere\$" log)" 1
done
! grep -q -i -e error -e warning log || fail "$(cat log)"
[[ ! -e nowhere ]] || fail "a directory was made to be read"

note "the CPU is part of the cache, here too"
fresh
built max --platform linux/amd64,linux/arm64 --cpu max --cache-from "$reg/cache:main" --cache-to "$reg/cache:max"
no_common first max own
no_common first max tool
fresh
built after-max --platform linux/amd64,linux/arm64 --cache-from "$reg/cache:max"
no_common max after-max own
fresh
built max-again --platform linux/amd64,linux/arm64 --cpu max --cache-from "$reg/cache:max"
same_runs max max-again

note "one worker for all: its exports do not get into each other's way"
built grouped --platform $platforms --workers group --no-cache --cache-to "type=registry,ref=$reg/group:1,mode=max" \
    --cache-to type=local,dest=group,mode=max
fresh
built from-group --platform $platforms --workers group --cache-from "$reg/group:1"
same_runs grouped from-group
fresh
built from-group-dir --platform $platforms --cache-from type=local,src=group
same_runs grouped from-group-dir

note "BUILDKIT_INLINE_CACHE"
built alias --build-arg BUILDKIT_INLINE_CACHE=1
blob alias "$(blob alias "$(digests alias)" | jq -r .config.digest)" | jq -e '."moby.buildkit.cache.v0"' >/dev/null ||
    fail "no cache in the image"

note "a cache that cannot be written"
rc=0
build -o type=oci,dest=no.tar --cache-to type=registry,ref=localhost:1/x:y ctx >log 2>&1 || rc=$?
expect "exit code" "$rc" 1
grep -q 'linux/amd64 failed at exporting cache to registry' log || fail "$(cat log)"
[[ ! -e no.tar ]] || fail "an output"
build -o type=oci,dest=yes.tar --cache-to type=registry,ref=localhost:1/x:y,ignore-error=true ctx >log 2>&1 || fail "$(cat log)"
grep -q 'linux/amd64: the cache was not written (exporting cache to registry)' log || fail "$(cat log)"

note "secrets of a cache: on no command line, in no message"
AWS_ACCESS_KEY_ID=hush-id AWS_SECRET_ACCESS_KEY=hush-key AWS_EC2_METADATA_DISABLED=true build -D -o type=oci,dest=yes.tar \
    --cache-to type=s3,bucket=b,region=r,endpoint_url=http://localhost:1,retry_max_attempts=1,session_token=hush-token,ignore-error=true \
    ctx >log 2>&1 || fail "$(cat log)"
grep -q 'the cache was not written (exporting cache to Amazon S3)' log || fail "$(cat log)"
grep -q 'session_token=weft-secret:0' log || fail "no mark: $(grep export-cache log)"
! grep hush log || fail "a secret"
