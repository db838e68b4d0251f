#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 400
#
# weft build where there are several QEMUs: the one that is asked for, the fastest for the CPU model, none
# that is bad; and one that is replaced while a worker runs it.
. "${WEFT_SRC_DIR:-.}/tests/e2e/build_lib.sh"
. "$WEFT_SRC_DIR/tests/e2e/qemu_lib.sh"

need gcc
platform=linux/arm64
[[ $(uname -m) != aarch64 ]] || skip "linux/arm64 is native here"
two_qemus
busybox_base bb $platform
ctx=$WEFT_TEST_TMP/ctx
meta=$WEFT_TEST_TMP/meta.json
export WEFT_QEMU_DIR=$old:$new WEFT_WORKER_IDLE=2s

dockerfile "$ctx" <<'END'
FROM busybox
ARG N
RUN echo $N && test "$(uname -m)" = aarch64
END

# run_build FLAG...: a build that runs a step; its metadata is in $meta.
n=0
run_build()
{
    n=$((n + 1))
    build --platform $platform --build-arg "N=$n" --metadata-file "$meta" "$@" "$ctx"
}

# ran KEY: what the metadata says of the platform.
ran()
{
    jq -r --arg k "$1" '."weft.platforms"[0][$k]' "$meta"
}

note "the faster one for the model"
run_build
expect 'qemu for the baseline' "$(ran qemu)" "$old_version"
run_build --cpu $platform=max,sve=off
expect 'qemu for max,sve=off' "$(ran qemu)" "$new_version"
expect 'model' "$(ran cpu_model)" max,sve=off

note "the one that is asked for"
run_build --qemu 10
expect '--qemu 10' "$(ran qemu)" "$new_version"
run_build --qemu "$new"
expect '--qemu DIR' "$(ran qemu)" "$new_version"
run_build --qemu 7.2
expect '--qemu 7.2' "$(ran qemu)" "$old_version"
printf 'qemu: {use: "%s", dirs: [%s]}\n' "$new_version" "$new" >"$WEFT_CONFIG"
WEFT_QEMU_DIR=$old run_build
expect 'qemu.use of the config file' "$(ran qemu)" "$new_version"
WEFT_QEMU_DIR=$old run_build --qemu 7.2.22
expect '--qemu over the config file' "$(ran qemu)" 7.2.22
echo '{}' >"$WEFT_CONFIG"
rc=0
run_build --qemu 9 2>"$WEFT_TEST_TMP/err" || rc=$?
expect 'exit code of --qemu 9' "$rc" 2
grep -q "there is no QEMU 9" "$WEFT_TEST_TMP/err" || fail "the error does not say that there is none"

note "one that is bad is not chosen"
broken_qemu "$WEFT_TEST_TMP/bad" aarch64 flock
WEFT_QEMU_DIR=$WEFT_TEST_TMP/bad:$new run_build
expect 'qemu beside a bad one' "$(ran qemu)" "$new_version"

note "one that is replaced while its worker is up"
"$WEFT" worker stop --all >/dev/null
live=$WEFT_TEST_TMP/live
mkdir "$live"
cp "$old"/qemu-aarch64* "$live/qemu-aarch64"
export WEFT_QEMU_DIR=$live WEFT_WORKER_IDLE=10m
run_build
expect 'qemu before' "$(ran qemu)" "$old_version"
before=$("$WEFT" worker list --json | jq '.workers[] | select(.pid).pid')
run_build
expect 'the worker, used again' "$("$WEFT" worker list --json | jq '.workers[] | select(.pid).pid')" "$before"
cp "$new/qemu-aarch64" "$live/new"
mv "$live/new" "$live/qemu-aarch64"
run_build
expect 'qemu after' "$(ran qemu)" "$new_version"
expect 'steps that were done before' "$(ran cached)" 0
after=$("$WEFT" worker list --json | jq '.workers[] | select(.pid).pid')
[[ $after != "$before" && -n $after && $after != *$'\n'* ]] || fail "workers: before $before, after $after"
gone "$before" || fail "the old worker, which was idle, is there still"
"$WEFT" worker stop --all >/dev/null

note "while a build uses it, the old one stays for that build"
cp "$old"/qemu-aarch64* "$live/new"
mv "$live/new" "$live/qemu-aarch64"
dockerfile "$WEFT_TEST_TMP/slow" <<'END'
FROM busybox
ARG N
RUN echo $N && sleep 6 && test "$(uname -m)" = aarch64
END
build --platform $platform --build-arg N=slow --worker-idle 1s --metadata-file "$WEFT_TEST_TMP/slow.json" \
    "$WEFT_TEST_TMP/slow" 2>"$WEFT_TEST_TMP/slow.log" &
slow=$!
wait_for 30 grep -q 'RUN echo' "$WEFT_TEST_TMP/slow.log" || fail "the slow build does not begin"
sleep 1
cp "$new/qemu-aarch64" "$live/new"
mv "$live/new" "$live/qemu-aarch64"
run_build --worker-idle 1s
expect 'qemu of the build that came later' "$(ran qemu)" "$new_version"
wait "$slow" || fail "the build whose QEMU was replaced failed: $(tail -n 5 "$WEFT_TEST_TMP/slow.log")"
meta=$WEFT_TEST_TMP/slow.json
expect 'qemu of the build that was there' "$(ran qemu)" "$old_version"

# the replaced one, and the other after it, end when they have been idle for a second
none_up()
{
    [[ -z $("$WEFT" worker list --json | jq -r '.workers[] | select(.pid).slot') ]]
}
wait_for 30 none_up || fail "workers are up that nobody uses: $("$WEFT" worker list)"
