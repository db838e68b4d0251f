#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# weft qemu list: what is at hand, which of several is used for what, and why.
. "${WEFT_SRC_DIR:-.}/tests/e2e/lib.sh"
. "$WEFT_SRC_DIR/tests/e2e/qemu_lib.sh"

need gcc jq
two_qemus
empty=$WEFT_TEST_TMP/empty
out=$WEFT_TEST_TMP/out.json
mkdir "$empty"
export WEFT_QEMU_DIR=$old:$new

# list FLAG...: the JSON in $out.
list()
{
    "$WEFT" qemu list --json "$@" >"$out" 2>"$WEFT_TEST_TMP/err"
}

# used_for PLATFORM: the directory of the program that is used for it.
used_for()
{
    jq -r --arg p "$1" '.programs[] | select(.chosen_for | index($p)) | .path' "$out" | xargs -r dirname
}

note "both are there, and the older is faster"
list
expect programs "$(jq '.programs | length' "$out")" 6
expect versions "$(jq -r '[.programs[].version] | unique | join(" ")' "$out")" "$new_version $old_version"
expect 'arm64' "$(used_for linux/arm64)" "$old"
expect 'arm/v5' "$(used_for linux/arm/v5)" "$old"
expect 'health' "$(jq -r '[.programs[].health] | unique | join(" ")' "$out")" unknown
expect 'copies' "$(jq -r '[.programs[].copy] | unique | join(" ")' "$out")" true
[[ ! -e $WEFT_STATE_DIR ]] || fail "a list made a state"
WEFT_QEMU_DIR=$new:$old list
expect 'arm64, other order' "$(used_for linux/arm64)" "$old"

note "but not with pointer authentication in software"
echo 'cpu: {linux/arm64: max}' >"$WEFT_CONFIG"
list
expect 'arm64 on the policy max, which avoids it' "$(used_for linux/arm64)" "$old"
echo 'cpu: {linux/arm64: "max,sve=off"}' >"$WEFT_CONFIG"
list
expect 'arm64 on max,sve=off' "$(used_for linux/arm64)" "$new"
expect 'riscv64' "$(used_for linux/riscv64)" "$old"
echo '{}' >"$WEFT_CONFIG"

note "the one that is asked for"
list --qemu 10
expect '--qemu 10' "$(used_for linux/arm64)" "$new"
list --qemu "$new_version"
expect "--qemu $new_version" "$(used_for linux/arm/v7)" "$new"
list --qemu "$new"
expect '--qemu DIR' "$(used_for linux/arm64)" "$new"
printf 'qemu: {use: "10.0", dirs: [%s]}\n' "$new" >"$WEFT_CONFIG"
WEFT_QEMU_DIR=$old list
expect 'qemu.use of the config file' "$(used_for linux/arm64)" "$new"
list --qemu 7.2
expect '--qemu over the config file' "$(used_for linux/arm64)" "$old"
echo '{}' >"$WEFT_CONFIG"
rc=0
list --qemu 9 || rc=$?
expect 'exit code of --qemu 9' "$rc" 2
grep -q "there is no QEMU 9 for .*$old_version" "$WEFT_TEST_TMP/err" || fail "the error does not say what there is"

note "one that is bad is not used"
broken_qemu "$WEFT_TEST_TMP/bad" aarch64 flock
export WEFT_QEMU_DIR=$WEFT_TEST_TMP/bad:$new
list
expect 'arm64, not checked' "$(used_for linux/arm64)" "$WEFT_TEST_TMP/bad"
list --check
expect 'arm64, checked' "$(used_for linux/arm64)" "$new"
expect 'its health' "$(jq -r '.programs[0].health' "$out")" bad
list
expect 'arm64, known to be bad' "$(used_for linux/arm64)" "$new"
"$WEFT" qemu list >"$WEFT_TEST_TMP/table" 2>"$WEFT_TEST_TMP/err"
grep -q "qemu-aarch64: dynamic files: .*flock" "$WEFT_TEST_TMP/err" || fail "the table does not say what is wrong"
grep -q "^aarch64 .* $new_version .* good .*$new/qemu-aarch64\$" "$WEFT_TEST_TMP/table" || fail "the table lacks a row"

note "one that hangs is not asked a second time"
mkdir "$WEFT_TEST_TMP/hang"
echo 'int pause(void); int main(void) { for (;;) pause(); }' |
    gcc -static -x c -o "$WEFT_TEST_TMP/hang/qemu-aarch64" -
begun=$SECONDS
WEFT_QEMU_DIR=$WEFT_TEST_TMP/hang list --check
((SECONDS - begun <= 9)) || fail "it took $((SECONDS - begun)) s"
[[ $(jq -r '.programs[0].failure' "$out") == *'did not end within'* ]] || fail "$(cat "$out")"

note "none at all, and what is none"
export WEFT_QEMU_DIR=$empty
list
expect programs "$(jq '.programs | length' "$out")" 0
rc=0
"$WEFT" qemu list >/dev/null 2>"$WEFT_TEST_TMP/err" || rc=$?
expect 'exit code without QEMU' "$rc" 3
printf '#!/bin/sh\n' >"$empty/qemu-arm"
cp "$new/qemu-aarch64" "$empty"
chmod 644 "$empty/qemu-aarch64"
list
expect programs "$(jq '.programs | length' "$out")" 0
