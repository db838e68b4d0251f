#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# One disk budget for the caches of all workers: kept after a build however the worker ends, lowered on a
# worker that is up, and by states that are added, for those that run and those that do not.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

busybox_base bb linux/amd64 linux/arm64
dockerfile ctx <<'END'
FROM busybox
ARG N
RUN dd if=/dev/urandom of=/big1 bs=1M count=12 2>/dev/null
RUN dd if=/dev/urandom of=/big2 bs=1M count=12 2>/dev/null; echo "$N"
RUN dd if=/dev/urandom of=/big3 bs=1M count=12 2>/dev/null
END

# used SLOT: what the worker has written down, in MB
used()
{
    jq '.used_bytes / 1000000 | floor' "$state/$1/usage.json"
}

# on_disk SLOT: MB of the snapshots and blobs, seen with all ids (as root here)
on_disk()
{
    du -s --block-size=1MB "$state/$1/buildkit" | cut -f 1
}

trimmed()
{
    [[ -e $state/$1/usage.json ]] && (($(used "$1") <= $2))
}

grown()
{
    [[ -e $state/$1/usage.json ]] && (($(used "$1") > $2))
}

stopped()
{
    as "$who" "$WEFT" worker list --json | jq -e --arg s "$1" '.workers[] | select(.slot == $s) | .status == "stopped"' >/dev/null
}

note "a budget that is none"
for bad in 0 10% 5GB 100k; do
    rc=0
    WEFT_WORKER_DISK=$bad build ctx >log 2>&1 || rc=$?
    expect "exit code for $bad" "$rc" 2
    grep -q "WEFT_WORKER_DISK=$bad" log || fail "$(cat log)"
done

for who in $(whos); do
    note "as $who: no limit that matters"
    [[ $who == root ]] || make_user
    dir=$(work_dir "$who")
    state=$dir/s/workers
    build_as "$who" --platform linux/amd64 --worker-idle 0 ctx >log 2>&1 || fail "$(cat log)"
    grown linux_amd64 36 || fail "only $(used linux_amd64) MB are used"
    if ((EUID == 0)); then
        full=$(on_disk linux_amd64)
        ((full > 36)) || fail "only $full MB on disk"
    fi
    build_as "$who" --platform linux/amd64 --worker-idle 0 ctx >log 2>&1 || fail "$(cat log)"
    grep -q 'CACHED' log || fail "the cache was lost"

    note "20 MB, the worker ends with the build"
    as "$who" WEFT_WORKER_DISK=20M "$WEFT" build --progress=plain --platform linux/amd64 --worker-idle 0 --build-arg N=1 \
        --build-context "busybox=oci-layout://$WEFT_TEST_TMP/bb:latest" ctx >log 2>&1 || fail "$(cat log)"
    stopped linux_amd64 || fail "it runs"
    (($(used linux_amd64) <= 20)) || fail "$(used linux_amd64) MB"
    if ((EUID == 0)); then
        (($(on_disk linux_amd64) <= 22)) || fail "$(on_disk linux_amd64) MB on disk"
    fi

    note "30 MB, as the config file says; the variable wins over it"
    build_as "$who" --platform linux/amd64 --worker-idle 0 ctx >log 2>&1 || fail "$(cat log)"
    grown linux_amd64 36 || fail "only $(used linux_amd64) MB are used"
    echo 'disk: 30M' >config.yaml
    chmod 644 config.yaml
    as "$who" WEFT_CONFIG="$PWD/config.yaml" WEFT_WORKER_DISK=90M "$WEFT" build --platform linux/amd64 --worker-idle 0 \
        --build-context "busybox=oci-layout://$WEFT_TEST_TMP/bb:latest" ctx >log 2>&1 || fail "$(cat log)"
    grown linux_amd64 36 || fail "the config file won"
    as "$who" WEFT_CONFIG="$PWD/config.yaml" "$WEFT" build --platform linux/amd64 --worker-idle 0 \
        --build-context "busybox=oci-layout://$WEFT_TEST_TMP/bb:latest" ctx >log 2>&1 || fail "$(cat log)"
    trimmed linux_amd64 30 || fail "$(used linux_amd64) MB"
    as "$who" WEFT_CONFIG="$PWD/config.yaml" "$WEFT" doctor >log 2>&1 || true
    tr -s ' \n' ' ' <log | grep -q 'of their budget of 30.0 MB (the config file)' || fail "$(cat log)"

    note "a worker that is up takes a lower budget from its next client"
    build_as "$who" --platform linux/amd64 ctx >log 2>&1 || fail "$(cat log)"
    wait_for 10 grown linux_amd64 36 || fail "only $(used linux_amd64) MB are used"
    pid=$(as "$who" "$WEFT" worker list --json | jq '.workers[0].pid')
    as "$who" WEFT_WORKER_DISK=30M "$HOLD" linux_amd64 true >out
    expect "the same worker" "$(json out .pid)" "$pid"
    wait_for 10 trimmed linux_amd64 30 || fail "$(used linux_amd64) MB"
    gone "$pid" && fail "it ended"

    note "another state makes the share of an idle worker smaller"
    as "$who" WEFT_WORKER_DISK=60M "$HOLD" linux_amd64 true >out
    build_as "$who" --platform linux/amd64 --build-arg N=2 ctx >log 2>&1 || fail "$(cat log)"
    as "$who" WEFT_WORKER_DISK=60M "$HOLD" linux_amd64 true >out
    wait_for 10 grown linux_amd64 36 || fail "$(used linux_amd64) MB"
    as "$who" WEFT_WORKER_DISK=60M "$HOLD" group true >out
    wait_for 10 trimmed linux_amd64 30 || fail "$(used linux_amd64) MB"
    gone "$pid" && fail "it ended"

    note "and that of a stopped one"
    build_as "$who" --platform linux/amd64 --build-arg N=3 --worker-idle 0 ctx >log 2>&1 || fail "$(cat log)"
    as "$who" "$WEFT" worker stop --all >/dev/null
    grown linux_amd64 36 || fail "only $(used linux_amd64) MB are used"
    cat >small.Dockerfile <<'END'
FROM busybox
RUN true
END
    as "$who" WEFT_WORKER_DISK=90M "$WEFT" build --progress=plain --platform linux/arm64 -f small.Dockerfile \
        --build-context "busybox=oci-layout://$WEFT_TEST_TMP/bb:latest" ctx >log 2>&1 || fail "$(cat log)"
    wait_for 10 trimmed linux_amd64 30 || fail "$(used linux_amd64) MB"
    wait_for 10 stopped linux_amd64 || fail "it goes on"
    build_as "$who" --platform linux/amd64 ctx >log 2>&1 || fail "the next build: $(cat log)"
    as "$who" "$WEFT" worker remove --all >/dev/null
    expect "processes left" "$(worker_processes "$dir/r/")" ""
done
