#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# weft bench run: its results, against the schema; pointer authentication; a QEMU that is wrong; Ctrl-C.
. "${WEFT_SRC_DIR:-.}/tests/e2e/lib.sh"

need jq gcc
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

# valid FILE...: each is what the schema says, and the schema is one.
valid()
{
    python3 - "$WEFT_SRC_DIR/bench/result.schema.json" "$@" <<'PYTHON' || fail "not valid: $*"
import json
import sys

import jsonschema

schema = json.load(open(sys.argv[1]))
kind = jsonschema.validators.validator_for(schema)
kind.check_schema(schema)
for path in sys.argv[2:]:
    kind(schema).validate(json.load(open(path)))
PYTHON
}

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
valid "$result" "$WEFT_TEST_TMP/copy.json" "${kept[@]}"
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

note "what pointer authentication costs"
if "$qemu" --version | grep -q 'version 7\.2'; then
    bench --kernel calls --cpu linux/arm64=cortex-a53
    expect 'exit code' "$rc" 0
    without=$(kernel calls .ratio)
    bench --kernel calls --cpu linux/arm64=max,pauth-impdef=off
    expect 'exit code' "$rc" 0
    valid "$result"
    with=$(kernel calls .ratio)
    note "calls: $without on cortex-a53, $with on max"
    expect 'max is several times slower' "$(jq -n "$with > 3 * $without")" true
else
    note "left out: this QEMU is not 7.2"
fi

# A QEMU that computes something else: the last digit of what sha256 comes to is another one.
note "a QEMU that is wrong"
cat >"$WEFT_TEST_TMP/wrong.c" <<C
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sys/wait.h>
int main(int argc, char **argv)
{
    static char text[4096];
    int wrong = 0, fds[2], status = 0;
    size_t n;
    for (int i = 0; i < argc; i++) wrong |= strcmp(argv[i], "sha256") == 0;
    argv[0] = "$qemu";
    if (!wrong) return execv(argv[0], argv);
    if (pipe(fds) < 0) return 1;
    if (fork() == 0) return dup2(fds[1], 1) < 0 ? 1 : execv(argv[0], argv);
    close(fds[1]);
    wait(&status);
    n = (size_t)read(fds[0], text, sizeof(text));
    if (n < 2) return 1;
    text[n - 2] = text[n - 2] == '0' ? '1' : '0';
    return fwrite(text, 1, n, stdout) == n ? WEXITSTATUS(status) : 1;
}
C
mkdir "$WEFT_TEST_TMP/wrong"
gcc -static -O -o "$WEFT_TEST_TMP/wrong/qemu-aarch64" "$WEFT_TEST_TMP/wrong.c"
"$WEFT" bench run --quick --platform linux/arm64 --qemu "$WEFT_TEST_TMP/wrong" --kernel sha256 --kernel start \
    -o "$result" >"$WEFT_TEST_TMP/table" 2>"$WEFT_TEST_TMP/err" && rc=0 || rc=$?
expect 'exit code' "$rc" 1
valid "$result"
kernel sha256 .failure | grep -q '^a wrong result: [0-9a-f]*, natively [0-9a-f]*$' || fail "$(kernel sha256 .)"
expect 'its time' "$(kernel sha256 .ratio)" null
expect 'the mean is that of start alone' "$(jq '.targets[0] | .mean.ratio - .kernels[1].ratio | fabs < 1e-9' "$result")" true
grep -q 'failed: sha256 on linux/arm64' "$WEFT_TEST_TMP/err" || fail "the error does not name it"
grep -q '^  sha256 *FAILED  a wrong result' "$WEFT_TEST_TMP/table" || fail "not in the table"
grep -q 'is not ranked: sha256 failed' "$WEFT_TEST_TMP/table" || fail "it is ranked"

note "interrupted"
rm -r "$WEFT_STATE_DIR/bench"
"$WEFT" bench run --platform linux/arm64 --json >"$result" 2>"$WEFT_TEST_TMP/err" &
pid=$!
sleep 3
kill -INT $pid
wait $pid && rc=0 || rc=$?
expect 'exit code' "$rc" 130
valid "$result" "$WEFT_STATE_DIR"/bench/results/*.json
expect complete "$(jq .complete "$result")" false
left=$(pgrep -f "$WEFT_TEST_TMP/qemu/" || true)
expect 'processes left behind' "$left" ''
expect 'files left behind' "$(find "$TMPDIR" -mindepth 1)" ''

note "without handlers"
if ((EUID == 0)); then
    make_user
    as_user "$WEFT" bench run --quick --platform linux/arm64 --kernel fork-exec --json \
        >"$result" 2>"$WEFT_TEST_TMP/err" || fail "as an ordinary user: $(cat "$WEFT_TEST_TMP/err")"
    valid "$result"
    "$DENY_MOUNT" "$WEFT" bench run --quick --platform linux/arm64 --kernel fork-exec --kernel start --json \
        >"$result" 2>"$WEFT_TEST_TMP/err" || fail "where mounts are denied: $(cat "$WEFT_TEST_TMP/err")"
    valid "$result"
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
