#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `weft buildctl`: the command of a pipeline that calls buildctl, with no daemon.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

busybox_base bb linux/amd64 linux/arm64
digest=$(digests bb)
dockerfile ctx <<'END'
FROM busybox
ARG SECONDS=0
ARG CODE=0
RUN sleep $SECONDS; uname -m >/machine; exit $CODE
END

entry()
{
    as "$1" "$WEFT" worker list --json | jq -r ".workers[] | select(.slot == \"group\") | .$2"
}

# run_cached: the RUN step of the build in log was found in the cache.
run_cached()
{
    local step
    step=$(sed -n 's|^\(.*#[0-9]*\) .*RUN sleep.*|\1|p' log | head -n 1)
    [[ -n $step ]] || fail "no RUN step: $(cat log)"
    grep -q -x -F "$step CACHED" log
}

# The arguments of a build, one on a line.
build_argv()
{
    printf '%s\n' build --progress=plain --frontend dockerfile.v0 --local "context=$WEFT_TEST_TMP/ctx" \
        --local "dockerfile=$WEFT_TEST_TMP/ctx" --oci-layout "base=$WEFT_TEST_TMP/bb" \
        --opt "context:busybox=oci-layout://base@$digest"
}

note "without a worker"
"$WEFT" buildctl --help | grep '^usage: weft buildctl' >/dev/null
expect "version" "$("$WEFT" buildctl --version)" "$("$WEFT_LIBEXEC/buildctl" --version)"
"$WEFT" buildctl build --help | grep -e --metadata-file >/dev/null || fail "no help of buildctl's"
"$WEFT" buildctl -- --help | grep '^ *prune-histories' >/dev/null || fail "no help of buildctl's"
for args in '' '--addr tcp://localhost:1 du' 'du --addr=unix:///x' '--tlscacert ca.pem du' '-tlsdir=x du' '--cpu' \
    '--cpu max build --opt platform=linux/arm64 --opt cgroup-parent=x'; do
    rc=0
    # shellcheck disable=SC2086 # words are meant
    "$WEFT" buildctl $args 2>err || rc=$?
    expect "exit code of '$args'" "$rc" 2
done
[[ ! -e $WEFT_RUNTIME_DIR/workers ]] || fail "a worker was started: $(ls "$WEFT_RUNTIME_DIR/workers")"

for who in $(whos); do
    note "as $who: many platforms in one solve"
    [[ $who == root ]] || make_user
    dir=$(work_dir "$who")
    mapfile -t args < <(build_argv)
    as "$who" BUILDKIT_HOST=tcp://192.0.2.1:1 "$WEFT" buildctl "${args[@]}" \
        --opt platform=linux/amd64,linux/arm64 --output "type=oci,dest=$dir/x.tar" >log 2>&1 || fail "$(tail log)"
    grep -q 'BUILDKIT_HOST is set, and not used' log || fail "no warning of BUILDKIT_HOST"
    mkdir "$dir/x"
    tar -C "$dir/x" -xf "$dir/x.tar"
    expect "machines" "$(while read -r _ image; do file_of "$dir/x" "$image" machine; done \
        < <(image_manifests "$dir/x") | sort | paste -sd,)" aarch64,x86_64
    pid=$(entry "$who" pid)
    expect "status" "$(entry "$who" status)" idle

    note "it is the worker of weft build, and its cache"
    build_as "$who" --workers=group --platform linux/arm64 --metadata-file "$dir/m.json" -o "type=oci,dest=$dir/y.tar" ctx \
        >log 2>&1 || fail "$(tail log)"
    expect "worker" "$(entry "$who" pid)" "$pid"
    run_cached || fail "nothing from the cache: $(cat log)"

    note "exit code, standard output and input"
    rc=0
    as "$who" "$WEFT" buildctl --debug "${args[@]}" --opt build-arg:CODE=7 >log 2>&1 || rc=$?
    expect "exit code" "$rc" 1
    grep -q 'exit code: 7' log || fail "$(tail log)"
    as "$who" "$WEFT" buildctl "${args[@]}" --output type=tar 2>log | tar -xO machine >name || fail "$(tail log)"
    expect "standard output" "$(cat name)" "$(uname -m)"
    rc=0
    as "$who" "$WEFT" buildctl build <ctx/Dockerfile >log 2>&1 || rc=$?
    grep -q 'unmarshal\|definition\|proto' log || fail "it should have read LLB from standard input: $(cat log)"

    note "du, prune, debug workers"
    as "$who" "$WEFT" buildctl du | grep '^Total:' >/dev/null || fail "du"
    as "$who" "$WEFT" buildctl debug workers --format '{{json .}}' >platforms
    expect "platforms" "$(jq -r '.[0].platforms[] | select(.variant == null or .variant == "") | .architecture' \
        platforms | grep -x -e amd64 -e arm64 -e riscv64 | sort -u | paste -sd,)" amd64,arm64,riscv64
    as "$who" "$WEFT" buildctl prune --all >/dev/null
    expect "cache after prune" "$(as "$who" "$WEFT" buildctl du --format '{{json .}}' | jq 'length')" 0

    note "busy while it runs; signals are buildctl's; it idles out"
    (exec_as "$who" "$WEFT" buildctl --worker-idle=1s "${args[@]}" --opt build-arg:SECONDS=100 >log 2>&1) &
    client=$!
    # shellcheck disable=SC2317 # called by wait_for
    runs() { grep -q 'RUN sleep 100' log; }
    # shellcheck disable=SC2317
    busy() { [[ $(entry "$who" status) == busy ]]; }
    wait_for 30 busy || fail "it is not busy"
    expect "it has become buildctl" "$(cat "/proc/$client/comm")" buildctl
    kill -TERM "$client"
    rc=0
    wait "$client" || rc=$?
    ((rc == 1 || rc == 143)) || fail "exit code $rc"
    wait_for 20 gone "$pid" || fail "the worker did not end"
done

note "weft's own flags, and those of the config file"
echo 'cpu: max' >config.yaml
mapfile -t args < <(build_argv)
WEFT_CONFIG=$PWD/config.yaml "$WEFT" buildctl "${args[@]}" --opt platform=linux/arm64 >log 2>&1 || fail "$(tail log)"
WEFT_CONFIG=$PWD/config.yaml "$WEFT" buildctl "${args[@]}" --opt platform=linux/arm64 >log 2>&1 || fail "$(tail log)"
run_cached || fail "the same CPU model, and no cache: $(cat log)"
"$WEFT" buildctl --cpu=baseline "${args[@]}" --opt platform=linux/arm64 --opt=cgroup-parent=x >log 2>&1 ||
    fail "cgroup-parent is refused where it is not used: $(tail log)"
"$WEFT" buildctl --cpu=baseline "${args[@]}" --opt platform=linux/arm64 >log 2>&1 || fail "$(tail log)"
! run_cached || fail "another CPU model, and its step is from the cache"

note "interrupted while the worker starts"
"$WEFT" worker stop --all >/dev/null
"$WEFT" buildctl --cpu=max du >log 2>&1 &
client=$!
kill -INT "$client"
rc=0
wait "$client" || rc=$?
((rc == 130 || rc == 0)) || fail "exit code $rc: $(cat log)"
