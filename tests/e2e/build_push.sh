#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Images that are pushed: one index under a tag that moves when all platforms are there, and at no other time.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"
. "$WEFT_SRC_DIR/tests/e2e/registry_lib.sh"

five=linux/amd64,linux/arm64,linux/riscv64,linux/ppc64le,linux/s390x
both=linux/amd64,linux/arm64
# shellcheck disable=SC2086 # five words
busybox_base bb ${five//,/ }
dockerfile ctx <<'END'
FROM busybox
ARG N=1
RUN uname -m >/machine; echo "$N" >/n
END
registry_start main
addr=$(registry_addr main)

# pushed NAME ARG...: build and push to $addr/NAME; log has what was said
pushed()
{
    local name=$1
    shift
    build -t "$addr/$name" --push "$@" >log 2>&1 || fail "$name $*: $(tail log)"
}

note "five platforms, and the same as a layout: one digest, and each can be pulled"
pushed app:1 --platform $five -o type=oci,dest=out,tar=false --metadata-file m.json --iidfile iid ctx
digest=$(digests out)
expect "the tag" "$(registry_digest "$addr" app 1)" "$digest"
expect "the metadata file" "$(jq -r '."containerimage.digest" + " " + ."image.name" + " " + ."containerimage.descriptor".digest' m.json)" \
    "$digest $addr/app:1 $digest"
expect "--iidfile" "$(<iid)" "$digest"
grep -q "wrote .*/out, pushed $addr/app:1: $digest" log || fail "$(tail -n 3 log)"
grep -q '^\[linux/s390x\] pushing$' log || fail "no phase: $(cat log)"
skopeo copy -q --all --src-tls-verify=false "docker://$addr/app:1" oci:all:1
expect "all of it" "$(digests all)" "$digest"
expect "attestations" "$(blob all "$digest" | jq '[.manifests[] | select(.platform.os == "unknown")] | length')" 5
for platform in ${five//,/ }; do
    skopeo copy -q --src-tls-verify=false --override-os linux --override-arch "${platform#*/}" \
        "docker://$addr/app:1" "oci:pulled:${platform#*/}"
done
while read -r platform manifest; do
    case $platform in
    linux/amd64) machine=x86_64 ;;
    linux/arm64) machine=aarch64 ;;
    *) machine=${platform#*/} ;;
    esac
    expect "$platform" "$(file_of pulled "$manifest" machine)" "$machine"
done < <(image_manifests out)

note "what the registry has is not sent again, and nothing else is"
pushed app:2 --provenance=false --platform $five ctx
expect "pushed alone, and as a layout" "$(registry_digest "$addr" app 2)" \
    "$(build --platform $five --provenance=false -o type=oci,dest=plain,tar=false ctx 2>/dev/null && digests plain)"
registry_mark main
pushed app:3 --provenance=false --platform $five ctx
# asking whether it may be written to begins an upload, and takes it back
expect "uploads" "$(registry_requests main '^(PATCH|PUT) /v2/app/blobs/uploads/')" 0
expect "the tag" "$(registry_digest "$addr" app 3)" "$(registry_digest "$addr" app 2)"
registry_mark main
pushed app:3 --provenance=false --platform $both --build-arg N=2 ctx
# a layer and a config for each
expect "new blobs" "$(registry_requests main '^PUT /v2/app/blobs/uploads/.* 201$')" 4
expect "manifests" "$(registry_requests main '^PUT /v2/app/manifests/.* 201$')" 3
expect "the last request" "$(registry_log main | tail -n 1)" "PUT /v2/app/manifests/3 201"

note "several tags and repositories, names of outputs, by digest"
registry_mark main
pushed a:1 -t "$addr/a:2" -t "$addr/b/c" --provenance=false ctx
one=$(registry_digest "$addr" a 1)
expect "tags" "$(registry_digest "$addr" a 2) $(registry_digest "$addr" b/c latest)" "$one $one"
expect "a plain manifest" "$(skopeo inspect --raw --tls-verify=false "docker://$addr/a:1" | jq -r .mediaType)" application/vnd.oci.image.manifest.v1+json
build -o "type=registry,name=$addr/d" -o "type=oci,dest=o.tar,name=local/only" ctx >log 2>&1 || fail "$(cat log)"
expect "its own name" "$(registry_digest "$addr" d latest)" "$(tar -xOf o.tar index.json | jq -r '.manifests[0].digest')"
expect "the other's" "$(tar -xOf o.tar index.json | jq -r '.manifests[].annotations."io.containerd.image.name"')" docker.io/local/only:latest
expect "a provenance, as buildx has it" "$(skopeo inspect --raw --tls-verify=false "docker://$addr/d" | jq '.manifests | length')" 2
build -t "$addr/e" -o type=image,push=true,push-by-digest=true,name-canonical=true --metadata-file m.json ctx >log 2>&1 || fail "$(cat log)"
digest=$(jq -r '."containerimage.digest"' m.json)
expect "image.name" "$(jq -r '."image.name"' m.json)" "$addr/e"
grep -q "pushed $addr/e@$digest$" log || fail "$(tail -n 2 log)"
expect "by digest" "$(registry_digest "$addr" e "$digest")" "$digest"
expect "no tag" "$(registry_digest "$addr" e latest)" none
registry_mark main
build -t "$addr/f" -o type=image --metadata-file m.json --provenance=false ctx >log 2>&1 || fail "$(cat log)"
expect "an image that is not pushed" "$(jq -r '."containerimage.digest"' m.json) $(registry_requests main .)" "$one 0"
expect "--quiet" "$(build -q --progress=quiet -t "$addr/g" --push --provenance=false ctx 2>/dev/null)" \
    "$(skopeo inspect --raw --tls-verify=false "docker://$addr/a:1" | jq -r .config.digest)"

note "registry.insecure: a certificate that nobody vouches for, and plain HTTP"
registry_start tls tls
tls=$(registry_addr tls)
plain=0.0.0.0:$(<"$(registry_dir main)/port")
for name in "$tls/x" "$plain/x"; do
    rc=0
    build -o "type=image,push=true,name=$name" --provenance=false ctx >log 2>&1 || rc=$?
    expect "exit code without it, $name" "$rc" 1
    ! grep -q '^\[linux/amd64\] .*RUN' log || fail "the build was started: $(cat log)"
    build -o "type=image,push=true,registry.insecure=true,name=$name" --provenance=false ctx >log 2>&1 || fail "$name: $(tail log)"
done
expect "by HTTPS" "$(registry_digest "$tls" x latest -k)" "$one"
expect "by HTTP" "$(registry_digest "$addr" x latest)" "$one"

note "base images of the same registry are mounted"
skopeo copy -q --all --dest-tls-verify=false oci:bb:latest "docker://$addr/base/busybox:1"
cat >ctx/base.Dockerfile <<'END'
ARG BASE
FROM $BASE
COPY Dockerfile /
END
registry_mark main
pushed mounted -D --provenance=false --build-arg "BASE=$addr/base/busybox:1" -f ctx/base.Dockerfile ctx
expect "mounted" "$(registry_requests main '^POST /v2/mounted/blobs/uploads/ 201$')" 1
grep -q '2 blobs sent .* 1 mounted' log || fail "$(grep 'blobs sent' log)"

note "a platform that fails, and an interruption, leave the tag"
dockerfile bad <<'END'
FROM busybox
RUN [ "$(uname -m)" != aarch64 ] || exit 42
END
before=$(registry_digest "$addr" app 1)
rc=0
build -t "$addr/app:1" --push --platform $both bad >log 2>&1 || rc=$?
expect "exit code" "$rc" 1
grep -q 'build failed for linux/arm64; no output was written' log || fail "$(tail log)"
grep -q '^\[linux/amd64\] pushing$' log || fail "the other platform was not sent: $(cat log)"
expect "the tag" "$(registry_digest "$addr" app 1)" "$before"

# interrupted PATH NAME...: a build that pushes to the proxy under these names is interrupted while it is setting the tag
# whose manifest has this path; log has what it said
faults_start proxy main
proxy=$(registry_addr proxy)
interrupted()
{
    local path=$1 names=() name pid rc=0
    shift
    for name; do
        names+=(-t "$proxy/$name")
    done
    rm -f go go.held
    faults proxy "{\"method\": \"PUT\", \"path\": \"$path\", \"do\": \"hold\", \"file\": \"$PWD/go\"}"
    (exec "$WEFT" build --progress=plain --build-context "busybox=oci-layout://$PWD/bb:latest" "${names[@]}" --push \
        --platform $both ctx) >log 2>&1 &
    pid=$!
    wait_for 60 test -e go.held || fail "it does not come to the tag: $(tail log)"
    kill -INT $pid
    wait $pid || rc=$?
    expect "exit code of an interrupted push" "$rc" 130
    faults proxy
}
interrupted /app/manifests/1 app:1
# the registry may have set the tag and only its answer be lost: weft says where it was, and not that nothing has changed
grep -q 'weft: error: push .*: writing manifest 1: interrupted' log || fail "$(tail -n 2 log)"
! grep -q 'no output was written' log || fail "$(tail -n 2 log)"
expect "the tag" "$(registry_digest "$addr" app 1)" "$before"
interrupted /stopped/manifests/two stopped:one stopped:two
[[ $(registry_digest "$addr" stopped one) == sha256:* ]] || fail "the first tag was not set"
expect "the second tag" "$(registry_digest "$addr" stopped two)" none
grep -q "$proxy/stopped:one pushed, but then: " log || fail "the tag that has moved is not named: $(tail -n 2 log)"
! grep -q 'no output was written' log || fail "$(tail -n 2 log)"

note "two builds push one tag at once"
pids=()
for n in 8 9; do
    build -t "$addr/race" -t "$addr/race:$n" --push --platform $both --build-arg N=$n ctx >"log$n" 2>&1 &
    pids+=($!)
done
for n in 0 1; do
    wait "${pids[n]}" || fail "$(tail "log$((n + 8))")"
done
winner=$(registry_digest "$addr" race latest)
[[ $winner == "$(registry_digest "$addr" race 8)" || $winner == "$(registry_digest "$addr" race 9)" ]] || fail "a mixture: $winner"
skopeo copy -q --all --src-tls-verify=false "docker://$addr/race" oci:race:1
while read -r platform manifest; do
    file_of race "$manifest" n
done < <(image_manifests race) | sort -u | wc -l >count
expect "values of N" "$(<count)" 1

note "the registry dies while a platform is still being built, and comes back, or does not"
python3 -u - >marker <<'PYTHON' &
import http.server

server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
print(server.server_port, flush=True)
server.serve_forever()
PYTHON
marker=$!
registry_pids[marker]=$marker
wait_for 20 test -s marker || fail "no marker"
# arm64 goes on when the marker has gone
dockerfile slow <<'END'
FROM busybox
ARG N PORT
RUN echo "$N" >/n; [ "$(uname -m)" != aarch64 ] || while wget -q -O /dev/null "http://127.0.0.1:$PORT/"; do sleep 0.1; done
END
: >log # what is waited for below must not be found in an older one
build -t "$addr/slow" --push --platform $both --build-arg N=1 --build-arg "PORT=$(<marker)" slow >log 2>&1 &
pid=$!
wait_for 60 grep -q '^\[linux/amd64\] done' log || fail "$(cat log)"
registry_kill main
kill $marker
wait_for 60 grep -q '^\[linux/arm64\] pushing' log || fail "$(cat log)"
registry_run main
wait $pid || fail "$(tail log)"
expect "the tag" "$(skopeo inspect --raw --tls-verify=false "docker://$addr/slow" | jq '.manifests | length')" 4
before=$(registry_digest "$addr" slow latest)

registry_kill main
rc=0
build -t "$addr/slow" --push --platform $both --build-arg N=2 ctx >log 2>&1 || rc=$?
expect "exit code without a registry" "$rc" 1
grep -q "$addr" log || fail "$(tail log)"
! grep -q '^\[linux/amd64\] .*RUN' log || fail "the build was started: $(cat log)"
registry_run main
expect "the tag" "$(registry_digest "$addr" slow latest)" "$before"

note "a wrong password shows before anything is built"
registry_start closed basic
closed=$(registry_addr closed)
registry_login "$closed" "$REGISTRY_USER" wrong-password-4be1
"$WEFT" worker stop --all
rc=0
build -t "$closed/app" --push --platform $both -D ctx >log 2>&1 || rc=$?
expect "exit code" "$rc" 1
grep -q "$closed" log || fail "$(tail log)"
! grep -q wrong-password-4be1 log || fail "the password is in the log"
expect "workers" "$("$WEFT" worker list --json | jq '[.workers[] | select(.status != "stopped")] | length')" 0
registry_login "$closed"
build -t "$closed/app" --push --platform $both -D ctx >log 2>&1 || fail "$(tail log)"
! grep -r "$REGISTRY_PASSWORD" log s/builds 2>/dev/null || fail "the password is somewhere"
no_trace . s/builds
