#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 500
#
# What this machine's profile changes: --cpu=fastest, which of two QEMUs is used, what a build says it expects, and the ratio
# to a native platform that it tells at its end. The figures are the test's own, so that they are the same on every machine.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"
. "$WEFT_SRC_DIR/tests/e2e/qemu_lib.sh"

[[ $(uname -m) == x86_64 ]] || skip "linux/amd64 is not native here"
[[ -x $WEFT_LIBEXEC/bench/aarch64/kernels ]] || skip "there are no kernels of aarch64: no cross compiler when weft was built"
two_qemus
busybox_base bb linux/amd64 linux/arm64 linux/riscv64
export WEFT_QEMU_DIR=$old
profile=$WEFT_STATE_DIR/bench/profile.json
old_qemu=$(echo "$old"/qemu-aarch64*)

dockerfile ctx <<'END'
FROM busybox
RUN cat /proc/sys/kernel/random/uuid >/own
END

# figures [PLATFORM QEMU VERSION MODEL LOW HIGH]...: a profile of this machine with these.
figures()
{
    cp machine.json "$profile"
    while (($# > 0)); do
        jq --arg p "$1" --arg q "$2" --arg v "$3" --arg m "$4" --argjson low "$5" --argjson high "$6" \
            '.speeds += [{platform: $p, qemu: {path: $q, version: $v}, cpu_model: $m, ratio: (($low + $high) / 2),
                low: $low, high: $high, measured: "2026-01-02T03:04:05Z"}]' "$profile" >new.json
        mv new.json "$profile"
        shift 6
    done
}

# model FLAG...: what weft platforms shows for linux/arm64: "VERSION MODEL".
model()
{
    "$WEFT" platforms --json "$@" linux/arm64 | jq -r '.platforms[0] | "\(.qemu.version) \(.cpu.model)"'
}

# own OUT: what the RUN step of the layout OUT wrote.
own()
{
    file_of "$1" "$(digests "$1")" own
}

# built OUT FLAG...: build linux/arm64 into the layout OUT; its metadata is in OUT.json, what it says in OUT.log.
built()
{
    local out=$1
    shift
    build --platform linux/arm64 --metadata-file "$out.json" -o "type=oci,dest=$out,tar=false" "$@" ctx >"$out.log" 2>&1 ||
        fail "$out: $(tail "$out.log")"
}

note "a profile of this machine"
"$WEFT" bench run --quick --platform linux/arm64 --kernel sha256 --json >result.json 2>err || fail "$(cat err)"
[[ -f $profile ]] || fail "there is none: $(ls "$WEFT_STATE_DIR/bench")"
jq '.speeds = []' "$profile" >machine.json

note "nothing was measured: the baseline, and a word on it"
figures
expect "platforms" "$(model --cpu fastest)" "$old_version cortex-a53"
"$WEFT" platforms --cpu fastest linux/arm64 linux/riscv64 >out
grep -q 'try: weft bench run --platform linux/arm64,linux/riscv64$' out || fail "no command: $(cat out)"
built base
! grep -q 'slower\|fastest' base.log || fail "something is said without a profile: $(cat base.log)"
expect "runs" "$(jq -r '."weft.platforms"[0].runs' base.json)" "emulated, QEMU $old_version, cortex-a53"
expect "expected_ratio" "$(jq '."weft.platforms"[0].expected_ratio' base.json)" null
built unmeasured --cpu fastest
expect "warnings" "$(grep -c 'the fastest CPU model of linux/arm64 is not known.*weft bench run --platform linux/arm64$' unmeasured.log)" 1
expect "own of the baseline, from its cache" "$(own unmeasured)" "$(own base)"

note "a model that is faster than the baseline's"
figures linux/arm64 "$old_qemu" "$old_version" cortex-a53 8.9 9.3 linux/arm64 "$old_qemu" "$old_version" cortex-a72 6.9 7.3
expect "platforms" "$(model --cpu fastest)" "$old_version cortex-a72"
"$WEFT" platforms --cpu fastest linux/arm64 linux/riscv64 >table
grep -qE '^linux/arm64 +emulated +[0-9.]+ +about 7x +cortex-a72$' table || fail "no slowdown: $(cat table)"
grep -qE '^linux/riscv64 +emulated +[0-9.]+ +- +' table || fail "a slowdown that nobody measured: $(cat table)"
expect "slowdown" "$("$WEFT" platforms --json linux/arm64 | jq '.platforms[0].slowdown | . * 100 | round')" 910
expect "platforms, for one" "$(model --cpu linux/arm64=fastest)" "$old_version cortex-a72"
expect "platforms, as ever" "$(model)" "$old_version cortex-a53"
built fast --cpu fastest
expect "model" "$(jq -r '."weft.platforms"[0].cpu_model' fast.json)" cortex-a72
expect "expected_ratio" "$(jq '."weft.platforms"[0].expected_ratio | . * 100 | round' fast.json)" 710
grep -q "^weft: linux/arm64: emulated, QEMU $old_version, cortex-a72, about 7x slower\$" fast.log || fail "not said: $(cat fast.log)"
! grep -q 'is not known' fast.log || fail "a warning: $(cat fast.log)"
[[ $(own fast) != "$(own base)" ]] || fail "steps of the baseline were taken from the cache"
built named --cpu linux/arm64=cortex-a72
expect "own of the model by name" "$(own named)" "$(own fast)"
! grep -q '^weft: linux/arm64: emulated' named.log || fail "an expectation, though nothing runs: $(cat named.log)"
echo 'cpu: fastest' >"$WEFT_CONFIG"
expect "platforms, by the config file" "$(model)" "$old_version cortex-a72"
built config
expect "own by the config file" "$(own config)" "$(own fast)"
expect "weft qemu list" "$("$WEFT" qemu list --json | jq -r '.programs[] | select(.machine == "aarch64").cpu_model')" cortex-a72
"$WEFT" doctor --json >doctor.json || true
jq -r '.checks[] | select(.id == "cpu-models") | .found' doctor.json | grep -q 'cortex-a72' ||
    fail "doctor: $(jq -c '.checks[] | select(.id == "cpu-models")' doctor.json)"
echo '{}' >"$WEFT_CONFIG"

note "a tie is the baseline, in whose cache it is"
figures linux/arm64 "$old_qemu" "$old_version" cortex-a53 8.9 9.3 linux/arm64 "$old_qemu" "$old_version" cortex-a72 8.6 9.0
built tie --cpu fastest
expect "model" "$(jq -r '."weft.platforms"[0].cpu_model' tie.json)" cortex-a53
expect "own" "$(own tie)" "$(own base)"

note "what is measured is the model that would be taken"
figures linux/arm64 "$old_qemu" "$old_version" cortex-a53 8.9 9.3 linux/arm64 "$old_qemu" "$old_version" cortex-a72 6.9 7.3
cp "$profile" kept.json
"$WEFT" bench run --quick --platform linux/arm64 --kernel sha256 --cpu fastest --json >result.json 2>err || fail "$(cat err)"
expect "targets" "$(jq -c '[.targets[].cpu_model]' result.json)" '["cortex-a72"]'
cp kept.json "$profile"
"$WEFT" bench run --platform linux/arm64 --kernel sha256 --cpu fastest --cpu baseline --json >result.json 2>err || fail "$(cat err)"
expect "targets" "$(jq -c '[.targets[].cpu_model]' result.json)" '["cortex-a72","cortex-a53"]'
figures
"$WEFT" bench run --quick --platform linux/arm64 --kernel sha256 --cpu fastest --json >result.json 2>err || fail "$(cat err)"
expect "targets" "$(jq -c '[.targets[].cpu_model]' result.json)" '["cortex-a53"]'
grep -q 'weft bench run --platform linux/arm64$' err || fail "no warning: $(cat err)"

note "of two QEMUs, the one that is faster here"
export WEFT_QEMU_DIR=$old:$new
figures
expect "by the built-in ranking" "$(model)" "$old_version cortex-a53"
figures linux/arm64 "$old_qemu" "$old_version" cortex-a53 8.9 9.3 linux/arm64 "$new/qemu-aarch64" "$new_version" cortex-a53 6.9 7.3
expect "by the profile" "$(model)" "$new_version cortex-a53"
expect "what is asked for" "$(model --qemu 7.2)" "$old_version cortex-a53"
expect "weft qemu list" "$("$WEFT" qemu list --json | jq -r '.programs[] | select(.chosen_for | index("linux/arm64")).version')" "$new_version"
built new
expect "qemu of a build" "$(jq -r '."weft.platforms"[0].qemu' new.json)" "$new_version"
cp "$profile" kept.json
for change in '.machine.cpu = "another"' '.speeds[1].cpu_model = "max"' '.speeds[1].qemu.version = "10.0.99"' '.speeds[0].high = 7.2 |
    .speeds[0].low = 7 | .speeds[0].ratio = 7.1' '.schema = 99'; do
    jq "$change" kept.json >"$profile"
    expect "with $change" "$(model)" "$old_version cortex-a53"
done
head -c 100 kept.json >"$profile"
expect "with half a profile" "$(model)" "$old_version cortex-a53"
figures linux/arm64 "$old_qemu" "$old_version" cortex-a53 8 9 linux/arm64 "$old_qemu" "$old_version" cortex-a72 10 11 \
    linux/arm64 "$new/qemu-aarch64" "$new_version" cortex-a53 9.5 10 linux/arm64 "$new/qemu-aarch64" "$new_version" cortex-a72 6 7
expect "each on its fastest model" "$(model --cpu fastest)" "$new_version cortex-a72"
expect "both on the baseline's" "$(model)" "$old_version cortex-a53"

note "the ratio to the native platform of the build"
export WEFT_QEMU_DIR=$old
dockerfile two <<'END'
FROM --platform=$BUILDPLATFORM busybox AS pinned
ARG N
RUN sleep 1; echo $N >/pinned
FROM busybox
ARG N TARGETARCH
COPY --from=pinned /pinned /
RUN echo $N $TARGETARCH; sleep 1; i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done
RUN [ $TARGETARCH != riscv64 ]
END
sed '$d' two/Dockerfile >Dockerfile.good
figures linux/arm64 "$old_qemu" "$old_version" cortex-a53 8.9 9.3
# both N FLAG...: build for amd64 and arm64
both()
{
    local n=$1
    shift
    build --platform linux/amd64,linux/arm64 --build-arg "N=$n" --metadata-file both.json -f Dockerfile.good "$@" two >log 2>&1
}
both 1 || fail "$(tail log)"
expect "lines" "$(grep -c '^weft: linux/.*RUN steps took' log)" 1
grep -qE '^weft: linux/arm64: RUN steps took [0-9.]+ s, [0-9.]+ times as long as on linux/amd64 \(expected about 9\)$' log || fail "$(tail log)"
expect "before" "$(grep -n 'about 9x slower$' log | head -n 1 | cut -d: -f2-)" \
    "weft: linux/arm64: emulated, QEMU $old_version, cortex-a53, about 9x slower"
jq -e '."weft.platforms" | .[0].native_ratio == null and .[0].expected_ratio == null and
    (.[1].expected_ratio - 9.1 | fabs) < 1e-6 and .[1].native_ratio > 1 and .[1].run_ms > 1000 and .[0].run_ms > 1000' both.json >/dev/null ||
    fail "$(cat both.json)"
# the pinned stage ran natively in both: it is in the time of the one whose platform it is
jq -e '."weft.platforms" | (.[1].run_ms / .[1].native_ratio) as $native | .[0].run_ms > 1.2 * $native' both.json >/dev/null ||
    fail "the pinned stage's is no step of linux/amd64: $(cat both.json)"

note "nothing ran: nothing is compared"
both 1 || fail "$(tail log)"
! grep -q 'RUN steps took\|weft: linux/arm64: emulated' log || fail "$(tail log)"
expect "run_ms, native_ratio" "$(jq -c '."weft.platforms"[1] | [.run_ms, .native_ratio]' both.json)" '[0,null]'

note "in the other displays"
both 2 --progress=rawjson || fail "$(tail log)"
jq -e . log >/dev/null || fail "a line that is no JSON: $(tail -n 3 log)"
expect "log lines" "$(jq -r 'select(.weft.log) | .weft.log' log | grep -c 'about 9x slower$\|RUN steps took.*(expected about 9)$')" 2
both 3 --progress=quiet || fail "$(tail log)"
! grep -q 'RUN steps took\|slower' log || fail "quiet: $(cat log)"
both 4 --progress=tty || fail "$(tail log)"
grep -q 'weft: linux/arm64: RUN steps took .* (expected about 9)' log || fail "tty: $(tail log)"

note "a build that fails tells why, and no ratios"
rc=0
build --platform linux/amd64,linux/arm64,linux/riscv64 --build-arg N=5 two >log 2>&1 || rc=$?
expect "exit code" "$rc" 1
! grep -q 'RUN steps took' log || fail "$(tail log)"
