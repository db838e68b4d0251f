#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# weft qemu check --root: the compiler of a Debian root file system compiles under QEMU, without a handler.
. "${WEFT_SRC_DIR:-.}/tests/e2e/lib.sh"

need jq
machine=aarch64
command -v qemu-$machine-static >/dev/null || command -v qemu-$machine >/dev/null || skip "no qemu for $machine"
root=$WEFT_TEST_TMP/root
out=$WEFT_TEST_TMP/out.json
"$WEFT_SRC_DIR/tests/bases/cc1" "$root" linux/arm64 >&2 || skip "no cc1 of linux/arm64: no network?"
unset WEFT_CONFIG

value()
{
    jq -r ".programs[0].$1" "$out"
}

note "it compiles"
"$WEFT" qemu check --root "$root" --json $machine >"$out"
expect verdict "$(value health)" good
jq -e '.programs[0].tried | index("compile")' "$out" >/dev/null || fail "nothing was compiled"

note "no compiler of the machine"
"$WEFT" qemu check --root "$root" --json riscv64 >"$out"
[[ $(value 'skipped | join("; ")') == *"compile: no cc1 of riscv64 in $root"* ]] || fail "it is not said"
expect 'a directory that is none' "$("$WEFT" qemu check --root "$root/none" $machine 2>/dev/null || echo $?)" 2

note "a compiler that does not work there"
rm "$root"/usr/lib/aarch64-linux-gnu/libmpc.so.3*
rc=0
"$WEFT" qemu check --root "$root" --json $machine >"$out" || rc=$?
expect 'exit code' "$rc" 1
[[ $(value failure) == compile:*libmpc* ]] || fail "the failure is: $(value failure)"

note "which says nothing of QEMU, and is not kept"
"$WEFT" qemu list --json >"$out"
expect 'verdict that is kept' "$(jq -r ".programs[] | select(.machine == \"$machine\").health" "$out")" good
