#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Who asks for a worker at the same time gets the same one; other settings get one of their own while it
# is in use, and take its place when it is not.
# shellcheck source=tests/e2e/lib.sh
. "$WEFT_SRC_DIR/tests/e2e/lib.sh"

need jq
for who in $(whos); do
    note "as $who"
    [[ $who == root ]] || make_user
    note "six at once"
    pids=()
    for i in 1 2 3 4 5 6; do
        (exec_as "$who" "$HOLD" group sleep 1) >"at-once.$i" &
        pids+=($!)
    done
    for pid in "${pids[@]}"; do
        wait "$pid" || fail "one of six failed"
    done
    expect "workers" "$(cat at-once.* | jq -r .pid | sort -u | wc -l)" 1
    expect "starts" "$(cat at-once.* | jq -r .started | grep -c true)" 1
    first=$(json at-once.1 .pid)

    note "two slots of one command have two workers"
    as "$who" "$HOLD" linux_arm64 true >other
    [[ $(json other .pid) != "$first" ]] || fail "two slots, one worker"

    note "idle, other settings: replaced, state kept"
    as "$who" HTTPS_PROXY=http://127.0.0.1:9 "$HOLD" group true >replaced
    expect "slot" "$(json replaced .slot)" group
    expect "started" "$(json replaced .started)" true
    gone "$first" || fail "the idle worker was not ended"

    note "in use, other settings: the next slot"
    mkfifo hold
    (exec_as "$who" HTTPS_PROXY=http://127.0.0.1:9 "$HOLD" group) >held <hold &
    holder=$!
    exec 9>hold
    wait_for 20 test -s held || fail "no worker"
    as "$who" "$HOLD" group true >next
    expect "slot" "$(json next .slot)" group.1
    expect "first slot's worker" "$(json held .pid)" "$(json replaced .pid)"
    as "$who" "$HOLD" group true >again
    expect "slot, again" "$(json again .slot)" group.1
    expect "not started again" "$(json again .started)" false
    rc=0
    as "$who" "$WEFT" worker stop group 2>err || rc=$?
    expect "exit code of stopping a busy worker" "$rc" 2
    grep -q 'in use' err || fail "it should say that it is in use: $(cat err)"
    expect "busy" "$(as "$who" "$WEFT" worker list --json | jq -r '.workers[] | select(.slot == "group") | .status')" busy
    exec 9>&-
    wait "$holder" || fail "the holder failed"
    rm hold

    note "a worker that is about to end is not taken"
    for _ in 1 2 3 4; do
        as "$who" "$HOLD" group true >ending
        kill -TERM "$(json ending .pid)"
        sleep 0.01
        # shellcheck disable=SC2016 # the inner shell expands it
        as "$who" "$HOLD" group sh -c 'sleep 0.7; exec "$BUILDCTL" debug workers' >taken 2>&1 || fail "$(cat taken)"
        [[ $(json taken .pid) != "$(json ending .pid)" ]] || fail "it was taken"
    done

    note "a client that is killed lets go"
    (exec_as "$who" "$HOLD" group sleep 100) >killed &
    client=$!
    wait_for 20 test -s killed || fail "no worker"
    kill -KILL "$client"
    wait "$client" 2>/dev/null || true
    as "$who" HTTPS_PROXY=http://127.0.0.1:9 "$HOLD" group true >after
    expect "started again, in the first slot" "$(json after .slot)" group
    as "$who" "$WEFT" worker stop --all >/dev/null
done
