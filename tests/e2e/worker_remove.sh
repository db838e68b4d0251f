#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# weft worker remove: the state of a real build is gone, files of the worker's other ids with it; one in use
# is left alone without --force; what an interrupted removal leaves is never used and goes with the next.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

busybox_base bb linux/amd64 linux/arm64
dockerfile ctx <<'END'
FROM busybox AS make
RUN mkdir -p /a/b && chown 1000:1000 /a && chmod 700 /a/b && echo kept >/a/b/c && chmod 0 /a/b && \
    dd if=/dev/urandom of=/big bs=1M count=20 2>/dev/null && cat /proc/sys/kernel/random/uuid >/uuid
FROM scratch
COPY --from=make /uuid /uuid
END

slots()
{
    as "$who" "$WEFT" worker list --json | jq -r '[.workers[] | .slot + ":" + .status] | join(" ")'
}

no_removal()
{
    ! pgrep -f -- "--remove $state" >/dev/null
}

for who in $(whos); do
    note "as $who"
    [[ $who == root ]] || make_user
    dir=$(work_dir "$who")
    state=$dir/s/workers
    build_as "$who" --platform linux/amd64,linux/arm64 -o "$dir/one" ctx >log 2>&1 || fail "$(cat log)"
    expect "slots" "$(slots)" "linux_amd64:idle linux_arm64:idle"

    note "an idle one, by name"
    pid=$(as "$who" "$WEFT" worker list --json | jq '.workers[0].pid')
    as "$who" "$WEFT" worker remove linux_amd64 >out
    grep -Eq '^linux_amd64: [0-9.]+ MB freed$' out || fail "it should say what was freed: $(cat out)"
    freed=$(sed 's/.*: \([0-9]*\).*/\1/' out)
    ((freed >= 20 && freed < 200)) || fail "freed $freed MB"
    gone "$pid" || fail "its process lives"
    [[ ! -e $state/linux_amd64 && ! -e $state/.linux_amd64.removing ]] || fail "something is left: $(ls -A "$state")"
    expect "slots" "$(slots)" "linux_arm64:idle"
    rc=0
    as "$who" "$WEFT" worker remove linux_amd64 2>err || rc=$?
    expect "exit code of removing nothing" "$rc" 2
    rc=0
    as "$who" "$WEFT" worker remove ../workers/linux_arm64 2>err || rc=$?
    expect "exit code for what is no slot" "$rc" 2
    [[ -d $state/linux_arm64 ]] || fail "it went up a directory"

    note "the next build starts cold, the other platform is cached"
    build_as "$who" --platform linux/amd64,linux/arm64 -o "$dir/two" ctx >log 2>&1 || fail "$(cat log)"
    cmp -s "$dir/one/linux_amd64/uuid" "$dir/two/linux_amd64/uuid" && fail "it was cached"
    cmp "$dir/one/linux_arm64/uuid" "$dir/two/linux_arm64/uuid"

    note "one in use"
    mkfifo hold
    (exec_as "$who" "$HOLD" linux_arm64) >held <hold &
    holder=$!
    exec 9>hold
    wait_for 20 test -s held || fail "no worker"
    rc=0
    as "$who" "$WEFT" worker remove --all >out 2>err || rc=$?
    expect "exit code" "$rc" 2
    grep -q 'linux_arm64 is in use' err || fail "$(cat err)"
    grep -q -- --force err || fail "no hint: $(cat err)"
    grep -q '^linux_amd64: .* freed' out || fail "the idle one was to be removed: $(cat out)"
    expect "slots" "$(slots)" "linux_arm64:busy"
    as "$who" "$WEFT" worker remove --force linux_arm64 >out
    grep -q '^linux_arm64: .* freed' out || fail "$(cat out)"
    gone "$(json held .pid)" || fail "it lives"
    exec 9>&-
    wait "$holder" || true
    rm hold
    expect "slots" "$(slots)" ""

    note "an interrupted removal"
    build_as "$who" --platform linux/arm64 -o "$dir/three" ctx >log 2>&1 || fail "$(cat log)"
    as "$who" "$WEFT" worker stop --all >/dev/null
    as "$who" mv "$state/linux_arm64" "$state/.linux_arm64.removing"
    expect "slots" "$(slots)" "linux_arm64:removing"
    as "$who" "$WEFT" worker list --size | grep -q '^linux_arm64 *removing' || fail "weft worker list"
    as "$who" "$WEFT" worker remove --all >out
    grep -q '^linux_arm64: .* MB freed' out || fail "$(cat out)"
    expect "slots" "$(slots)" ""
    build_as "$who" --platform linux/arm64 -o "$dir/four" ctx >log 2>&1 || fail "$(cat log)"
    as "$who" "$WEFT" worker stop --all >/dev/null
    as "$who" cp -a "$state/linux_arm64/lock" "$dir/keep"
    as "$who" mv "$state/linux_arm64" "$state/.linux_arm64.removing"
    build_as "$who" --platform linux/arm64 -o "$dir/five" ctx >log 2>&1 || fail "$(cat log)"
    cmp -s "$dir/four/linux_arm64/uuid" "$dir/five/linux_arm64/uuid" && fail "what was given up was used"
    wait_for 10 test ! -e "$state/.linux_arm64.removing" || fail "the start did not clear it away"

    note "a removal that is killed: nobody goes on with it"
    for ms in 5 20 60; do
        build_as "$who" --platform linux/arm64 -o "$dir/six" ctx >log 2>&1 || fail "$(cat log)"
        (exec_as "$who" "$WEFT" worker remove linux_arm64) >out 2>&1 &
        pid=$!
        sleep "$(printf '0.%03d' "$ms")"
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" || true
        # its worker may still be there: it had not come to stop it
        wait_for 5 no_removal || fail "a process goes on"
    done
    build_as "$who" --platform linux/arm64 -o "$dir/seven" ctx >log 2>&1 || fail "the next build: $(cat log)"
    as "$who" "$WEFT" worker remove --all --force >/dev/null

    note "what cannot be removed"
    as "$who" "$HOLD" -s group true >/dev/null
    if [[ $who == root ]]; then
        mkdir "$state/group/buildkit/mine"
        mount -t tmpfs none "$state/group/buildkit/mine"
    elif ((EUID == 0)); then
        mkdir -p "$state/group/buildkit/mine/x" # of an id that the worker does not have
    fi
    rc=0
    as "$who" "$WEFT" worker remove group >out 2>err || rc=$?
    if ((EUID == 0)); then
        expect "exit code" "$rc" 1
        grep -q 'mine' err || fail "which file? $(cat err)"
        grep -q "rm -rf $state/.group.removing" err || fail "no hint: $(cat err)"
        expect "slots" "$(slots)" "group:removing"
        if [[ $who == root ]]; then
            umount "$state/.group.removing/buildkit/mine"
        else
            rm -r "$state/.group.removing/buildkit/mine"
        fi
        as "$who" "$WEFT" worker remove group >/dev/null
    fi
    expect "left" "$(find "$state" -mindepth 1 -type d)" ""
    expect "processes left" "$(worker_processes "$dir/r/")" ""
done
