#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# The health check: a QEMU that works is found good, one from which a single thing has been taken is found
# bad for that, quickly, and nothing is left behind.
. "${WEFT_SRC_DIR:-.}/tests/e2e/lib.sh"

need gcc jq
machine=aarch64
real=$(command -v qemu-$machine-static || command -v qemu-$machine) || skip "no qemu for $machine"
[[ -x $WEFT_LIBEXEC/guest/$machine/check ]] || skip "no guest programs for $machine: no cross compiler"

dir=$WEFT_TEST_TMP/q
mkdir "$dir"
gcc -std=gnu11 -D_GNU_SOURCE -O2 -static -I"$WEFT_BUILD_DIR" "$WEFT_SRC_DIR/tests/e2e/broken-qemu.c" \
    -o "$dir/qemu-$machine"
export WEFT_QEMU_DIR=$dir TMPDIR=$WEFT_TEST_TMP

# check_with WHAT: weft qemu check on a QEMU without WHAT; its JSON is in $out.
out=$WEFT_TEST_TMP/out.json
check_with()
{
    printf '%s\n' "$real" "$1" >"$dir/qemu-$machine.how"
    touch "$dir/qemu-$machine" # another program
    rc=0
    "$WEFT" qemu check --json >"$out" 2>"$WEFT_TEST_TMP/err" || rc=$?
}

value()
{
    jq -r ".programs[0].$1" "$out"
}

note "a QEMU that works"
WEFT_QEMU_DIR=$(dirname "$real") "$WEFT" qemu check --json "$machine" >"$out"
expect verdict "$(value health)" good
expect schema "$(jq .schema "$out")" 1
for name in probe start 'dynamic start' threads 'dynamic processes' 'dynamic signals' memory 'dynamic memory' \
    'dynamic files' heap 'dynamic heap'; do
    jq -e --arg n "$name" '.programs[0].tried | index($n)' "$out" >/dev/null || fail "$name was not tried"
done

note "no TMPDIR"
expect "verdict without TMPDIR" "$(TMPDIR=/nonexistent WEFT_QEMU_DIR=$(dirname "$real") "$WEFT" qemu check --json \
    "$machine" | jq -r '.programs[0].health')" good

while read -r what found; do
    note "without $what"
    begun=$SECONDS
    check_with "$what"
    expect "exit code without $what" "$rc" 1
    expect "verdict without $what" "$(value health)" bad
    [[ $(value failure) == *"$found"* ]] || fail "without $what: $(value failure)"
    ((SECONDS - begun <= 15)) || fail "it took $((SECONDS - begun)) s"
    grep -q '1 of 1 QEMU programs do not work here' "$WEFT_TEST_TMP/err" || fail "the error does not say so"
done <<'END'
mremap memory: exit code 1: mremap
setitimer signals: exit code 1: setitimer
getdents64 files: exit code 1:
flock files: exit code 1: flock
fork fork: not so:
crash signal 31
END

note "without room"
check_with space
expect "exit code without room" "$rc" 1

note "one that hangs"
begun=$SECONDS
check_with hang
expect "exit code of one that hangs" "$rc" 1
[[ $(value failure) == *'heap: '*'did not end within'* ]] || fail "a hang: $(value failure)"
((SECONDS - begun <= 20)) || fail "it took $((SECONDS - begun)) s"
# a busy machine can have done that: it is no verdict to keep
"$WEFT" qemu list --json >"$out"
expect "verdict that is kept of one that hung" "$(value health)" unknown

note "one that somebody else kills"
check_with kill
expect "exit code of one that is killed" "$rc" 1
[[ $(value failure) == *'heap: signal 9'* ]] || fail "a kill: $(value failure)"
"$WEFT" qemu list --json >"$out"
expect "verdict that is kept of one that was killed" "$(value health)" unknown

note "what was found is kept, until the program is another"
check_with flock
"$WEFT" qemu list --json >"$out"
expect "verdict that is kept" "$(value health)" bad
[[ $(value failure) == *flock* ]] || fail "why it is bad was not kept: $(value failure)"
touch "$dir/qemu-$machine"
"$WEFT" qemu list --json >"$out"
expect "verdict on another program" "$(value health)" unknown
"$WEFT" qemu list --check --json >"$out"
expect "verdict of list --check" "$(value health)" bad

note "nothing is left"
rm -rf "$WEFT_TEST_TMP"/q "$WEFT_TEST_TMP"/s
left=$(find "$WEFT_TEST_TMP" -name '*weft-*')
[[ -z $left ]] || fail "left behind: $left"
processes=$(pgrep -f "$dir/qemu-$machine" || true)
[[ -z $processes ]] || fail "processes are left: $processes"
