#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# weft bench run: its results, against the schema; pointer authentication; programs of arm; Ctrl-C.
. "${WEFT_SRC_DIR:-.}/tests/e2e/lib.sh"

need jq
qemu=$(command -v qemu-aarch64-static || command -v qemu-aarch64) || skip "there is no QEMU for aarch64"
[[ $(uname -m) != aarch64 ]] || skip "arm64 runs natively here"
[[ -x $WEFT_LIBEXEC/bench/aarch64/kernels && -x $WEFT_LIBEXEC/bench/$(uname -m)/kernels ]] ||
    skip "there are no kernels of aarch64: no cross compiler when weft was built"
python3 -c 'import jsonschema' || skip "the Python module jsonschema is missing"
result=$WEFT_TEST_TMP/result.json
mkdir "$WEFT_TEST_TMP/qemu"
cp "$qemu" "$WEFT_TEST_TMP/qemu/"
export WEFT_QEMU_DIR=$WEFT_TEST_TMP/qemu
export TMPDIR=$WEFT_TEST_TMP/tmp
mkdir -m 1777 "$TMPDIR"

# bench FLAG...: a quick run for arm64, its JSON in $result.
bench()
{
    "$WEFT" bench run --quick --platform linux/arm64 --json "$@" >"$result" 2>"$WEFT_TEST_TMP/err" && rc=0 || rc=$?
}

kernel()
{
    jq -r --arg k "$1" ".targets[0].kernels[] | select(.name == \$k) | $2" "$result"
}

note "a result"
bench --kernel sha256 --kernel start-dynamic --kernel fork-exec -o "$WEFT_TEST_TMP/copy.json"
expect 'exit code' "$rc" 0
kept=("$WEFT_STATE_DIR"/bench/results/*.json)
json_valid result.schema.json "$result" "$WEFT_TEST_TMP/copy.json" "${kept[@]}"
cmp "$result" "$WEFT_TEST_TMP/copy.json" || fail "-o has something else"
expect 'the kept one' "$(jq -c . "${kept[0]}")" "$(jq -c . "$result")"
expect targets "$(jq -c '[.targets[] | [.platform, .cpu_model]]' "$result")" '[["linux/arm64","cortex-a53"]]'
expect complete "$(jq .complete "$result")" true
expect 'counted pairs' "$(jq '[.targets[0].kernels[] | select(.samples) | [.samples[] | select(.counted)] | length >= 5] | all' "$result")" true
for name in sha256 start-dynamic; do
    expect "$name is slower emulated" "$(kernel $name '.ratio > 1 and .low <= .ratio and .ratio <= .high')" true
done
if unshare -rm mount -t binfmt_misc none /tmp 2>/dev/null; then
    expect 'fork-exec' "$(kernel fork-exec '.ratio > 1')" true
else
    kernel fork-exec .skipped | grep -q handler || fail "fork-exec was not skipped"
fi
expect 'CPUs' "$(jq .machine.cpus "$result")" "$(getconf _NPROCESSORS_ONLN)"

note "how a run agrees with the last one"
expect 'a few kernels are no profile' "$(jq -c .speeds "$WEFT_STATE_DIR/bench/profile.json")" '[]'
for _ in first second; do
    mv "$WEFT_TEST_TMP/table" "$WEFT_TEST_TMP/before" 2>/dev/null || true
    "$WEFT" bench run --quick --platform linux/arm64 --kernel start >"$WEFT_TEST_TMP/table" 2>"$WEFT_TEST_TMP/err" ||
        fail "$(cat "$WEFT_TEST_TMP/err")"
done
grep -q '^no earlier run here to compare with' "$WEFT_TEST_TMP/before" || fail "the first: $(cat "$WEFT_TEST_TMP/before")"
grep -qx 'compared to the last run here:' "$WEFT_TEST_TMP/table" || fail "the second: $(cat "$WEFT_TEST_TMP/table")"
grep -qE '^  linux/arm64, QEMU [0-9.]+ on cortex-a53, [0-9]+ (s|min) ago: (within [0-9]+ %|[0-9]+ % apart) \(1 kernel\)$' \
    "$WEFT_TEST_TMP/table" || fail "the second: $(cat "$WEFT_TEST_TMP/table")"

note "what pointer authentication costs"
if "$qemu" --version | grep -q 'version 7\.2'; then
    bench --kernel calls --cpu linux/arm64=cortex-a53
    expect 'exit code' "$rc" 0
    without=$(kernel calls .ratio)
    bench --kernel calls --cpu linux/arm64=max,pauth-impdef=off
    expect 'exit code' "$rc" 0
    json_valid result.schema.json "$result"
    with=$(kernel calls .ratio)
    expect 'CPU model' "$(jq -r '.targets[0].cpu_model' "$result")" max,pauth-impdef=off
    note "calls: $without on cortex-a53, $with on max" # docs/performance.md has what to expect
else
    note "left out: this QEMU is not 7.2"
fi

note "the programs of arm"
arm=$(command -v qemu-arm-static || command -v qemu-arm) || true
if [[ -n $arm && -x $WEFT_LIBEXEC/bench/arm/kernels && -x $WEFT_LIBEXEC/bench/armhf/kernels ]]; then
    cp "$arm" "$WEFT_TEST_TMP/qemu/"
    "$WEFT" bench run --quick --platform linux/arm/v7,linux/arm/v6 --kernel float --kernel start-dynamic -o "$result" \
        >"$WEFT_TEST_TMP/table" 2>"$WEFT_TEST_TMP/err" || fail "$(cat "$WEFT_TEST_TMP/err")"
    json_valid result.schema.json "$result"
    expect programs "$(jq -c '[.targets[] | [.platform, .programs]]' "$result")" \
        '[["linux/arm/v7","armhf"],["linux/arm/v6","arm"]]'
    expect 'ratios on v7' "$(jq -c '[.targets[0].kernels[] | .ratio > 1]' "$result")" '[true,true]'
    expect 'float on v6' "$(jq -r '.targets[1].kernels[0].skipped' "$result")" 'there are no hard-float programs of the platform'
    grep -q '^linux/arm/v7, QEMU .*, hard-float programs (armhf)$' "$WEFT_TEST_TMP/table" || fail "v7: $(cat "$WEFT_TEST_TMP/table")"
    grep -q '^linux/arm/v6, QEMU .*, soft-float programs (armel)$' "$WEFT_TEST_TMP/table" || fail "v6: $(cat "$WEFT_TEST_TMP/table")"
    rm "$WEFT_TEST_TMP/qemu/${arm##*/}"
else
    note "left out: there is no QEMU for arm, or no kernels of it"
fi

note "interrupted"
rm -r "$WEFT_STATE_DIR/bench"
"$WEFT" bench run --platform linux/arm64 --json >"$result" 2>"$WEFT_TEST_TMP/err" &
pid=$!
sleep 3
"$WEFT" bench run --quick --platform linux/arm64 >other 2>&1 && rc=0 || rc=$?
expect 'exit code of a second run' "$rc" 1
grep -q 'another weft bench run is measuring' other || fail "a second run: $(cat other)"
kill -INT $pid
wait $pid && rc=0 || rc=$?
expect 'exit code' "$rc" 130
json_valid result.schema.json "$result" "$WEFT_STATE_DIR"/bench/results/*.json
expect complete "$(jq .complete "$result")" false
left=$(pgrep -f "$WEFT_TEST_TMP/qemu/" || true)
expect 'processes left behind' "$left" ''
expect 'files left behind' "$(find "$TMPDIR" -mindepth 1)" ''
for signal in TERM:0.05 HUP:0.1 INT:0.2 TERM:0.4 INT:0.8; do
    "$WEFT" bench run --platform linux/arm64 --kernel fork-exec --kernel files --kernel start >/dev/null 2>&1 &
    pid=$!
    sleep "${signal#*:}"
    kill "-${signal%:*}" $pid
    wait $pid && rc=0 || rc=$?
    # before there is anything to put away, the signal is left to the kernel
    ((rc > 128)) || fail "exit code $rc after SIG${signal%:*}"
    expect "processes left behind after $signal" "$(pgrep -f "$WEFT_TEST_TMP/qemu/" || true)" ''
    expect "files left behind after $signal" "$(find "$TMPDIR" -mindepth 1)" ''
done

note "without handlers"
if ((EUID == 0)); then
    make_user
    as_user "$WEFT" bench run --quick --platform linux/arm64 --kernel fork-exec --json \
        >"$result" 2>"$WEFT_TEST_TMP/err" || fail "as an ordinary user: $(cat "$WEFT_TEST_TMP/err")"
    json_valid result.schema.json "$result"
    "$DENY_MOUNT" "$WEFT" bench run --quick --platform linux/arm64 --kernel fork-exec --kernel start --json \
        >"$result" 2>"$WEFT_TEST_TMP/err" || fail "where mounts are denied: $(cat "$WEFT_TEST_TMP/err")"
    json_valid result.schema.json "$result"
    kernel fork-exec .skipped | grep -q '^it needs a handler: ' || fail "fork-exec: $(kernel fork-exec .)"
    expect 'start has a ratio' "$(kernel start '.ratio > 1')" true
fi

note "what cannot be"
for words in '--platform linux/amd65 2' '--kernel none 2' '--qemu 99 2' '--cpu linux/arm64=none 2' 'all 2' \
    '--platform windows/amd64 3'; do
    read -r -a args <<<"$words"
    "$WEFT" bench run --quick --platform linux/arm64 "${args[@]::${#args[@]}-1}" >/dev/null 2>"$WEFT_TEST_TMP/err" &&
        rc=0 || rc=$?
    expect "$words" "$rc" "${args[-1]}"
done
WEFT_LIBEXEC=$WEFT_TEST_TMP "$WEFT" bench run --quick >/dev/null 2>"$WEFT_TEST_TMP/err" && rc=0 || rc=$?
expect 'without kernels' "$rc" 3
