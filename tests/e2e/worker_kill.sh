#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# However a worker, or who starts it, is killed: nothing is left running, and the next one works.
# shellcheck source=tests/e2e/lib.sh
. "$WEFT_SRC_DIR/tests/e2e/lib.sh"

need jq
busybox_base bb linux/arm64
mkdir ctx
cat >ctx/Dockerfile <<'END'
FROM bb
RUN sleep 987
END
cat >build.sh <<END
#!/bin/sh
exec "\$BUILDCTL" build --frontend dockerfile.v0 --local context=$PWD/ctx --local dockerfile=$PWD/ctx \\
    --opt platform=linux/arm64 --oci-layout bb=$PWD/bb --opt context:bb=oci-layout://bb@$(index_digest bb) \\
    --progress=plain
END
chmod 755 build.sh

# sleepers: the RUN step's processes, as seen from outside
sleepers()
{
    pgrep -f 'sleep 987' || true
}

no_sleepers()
{
    [[ -z $(sleepers) ]]
}

some_sleepers()
{
    [[ -n $(sleepers) ]]
}

some_init()
{
    [[ -n $(worker_processes "$dir/r/workers/group/spec.json") ]]
}

for who in $(whos); do
    note "as $who"
    dir=$WEFT_TEST_TMP
    if [[ $who == user ]]; then
        make_user
        dir=$WEFT_TEST_TMP/u
    fi
    for victim in buildkitd init; do
        note "kill -9 of $victim while a step runs"
        (exec_as "$who" "$HOLD" linux_arm64 "$PWD/build.sh") >out 2>&1 &
        client=$!
        wait_for 30 some_sleepers || fail "the step did not start: $(cat out)"
        init=$(json out .pid)
        case $victim in
        buildkitd) kill -KILL "$(buildkitd_of "$init")" ;;
        init) kill -KILL "$init" ;;
        esac
        rc=0
        wait "$client" || rc=$?
        [[ $rc != 0 ]] || fail "the build of a killed worker ended well"
        grep -q 'the worker is gone' out || fail "weft_worker_alive: $(cat out)"
        wait_for 10 gone "$init" || fail "the init lives"
        wait_for 5 no_sleepers || fail "the step's process lives: $(sleepers)"
        expect "processes left" "$(worker_processes "$dir/r/")" ""
        as "$who" "$HOLD" linux_arm64 true >next || fail "the next start"
        expect "a new worker" "$(json next .started)" true
        [[ -z $(ls "$dir/r/workers/linux_arm64/runc" 2>/dev/null) ]] || fail "the runtime's state is left"
        as "$who" "$WEFT" worker stop linux_arm64 >/dev/null
    done

    note "kill -9 of whoever starts a worker, at 12 moments" # one that has it by then runs sleep, which stays
    for ms in 1 3 5 8 12 20 30 50 80 120 160 250; do
        (exec_as "$who" "$HOLD" -i 0 group sleep 2) >out 2>&1 &
        client=$!
        sleep "$(printf '0.%03d' "$ms")"
        kill -KILL "$client" 2>/dev/null || true
        wait "$client" 2>/dev/null || true
        as "$who" "$HOLD" -i 60000 group true >next 2>&1 || fail "the start after a kill at $ms ms: $(cat next)"
    done
    as "$who" "$WEFT" worker stop --all >/dev/null

    note "SIGINT while a worker starts, at 12 moments"
    for ms in 1 3 5 8 12 20 30 50 80 120 160 250; do
        rc=0
        (exec_as "$who" "$HOLD" -i 60000 group true) >out 2>&1 &
        client=$!
        sleep "$(printf '0.%03d' "$ms")"
        kill -INT "$client" 2>/dev/null || true
        wait "$client" || rc=$?
        case $rc in
        # before it could take the signal; after it had the worker
        0 | 130) ;;
        *) fail "exit code $rc after SIGINT at $ms ms: $(cat out)" ;;
        esac
        if grep -q interrupted out; then
            expect "processes left after SIGINT at $ms ms" "$(worker_processes "$dir/r/")" ""
            cut_short=$ms
        fi
        as "$who" "$WEFT" worker stop --all >/dev/null
    done
    [[ -n ${cut_short-} ]] || fail "no start was cut short"

    note "kill -9 of weft-init's launcher"
    for _ in 1 2 3; do
        (exec_as "$who" "$HOLD" group true) >out 2>&1 &
        client=$!
        wait_for 2 some_init || true
        for pid in $(worker_processes "$dir/r/workers/group/spec.json"); do
            kill -KILL "$pid" 2>/dev/null || true
        done
        wait "$client" || true
        as "$who" "$HOLD" group true >next 2>&1 || fail "the start after it: $(cat next)"
        as "$who" "$WEFT" worker stop --all >/dev/null
    done

    note "stale files of a machine that lost power"
    as "$who" "$HOLD" group true >out
    cp -a "$dir/r/workers/group/worker.json" stale.json
    as "$who" "$WEFT" worker stop group >/dev/null
    jq '.pid = 1' stale.json >"$dir/r/workers/group/worker.json"
    touch "$dir/r/workers/group/buildkitd.sock"
    expect "status" "$(as "$who" "$WEFT" worker list --json | jq -r '.workers[] | select(.slot == "group") | .status')" stopped
    as "$who" "$HOLD" group true >next
    expect "a new worker" "$(json next .started)" true
    as "$who" "$WEFT" worker stop --all >/dev/null
    expect "processes left" "$(worker_processes "$dir/r/")" ""
done
