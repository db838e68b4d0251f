#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Where mounting binfmt_misc is denied, weft uses the host's handlers and says so; what they do not run is exit 3, with the
# command that mends it.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

need_root
busybox_base bb linux/amd64 linux/arm64
dockerfile ctx <<'END'
FROM busybox
RUN uname -m >/machine
END
before=$(host_handlers)

denied_build()
{
    "$DENY_MOUNT" "$WEFT" build --progress=plain --build-context "busybox=oci-layout://$PWD/bb:latest" "$@"
}

note "native needs no handler"
denied_build --platform linux/amd64 -o tree ctx >log 2>&1 || fail "$(cat log)"
expect "machine" "$(cat tree/machine)" x86_64
grep -q "it uses the host's" log || fail "the fallback is not said: $(cat log)"

note "a platform that nothing runs"
rc=0
denied_build --platform linux/arm64 -o tree2 ctx >log 2>&1 || rc=$?
expect "exit code" "$rc" 3
grep -q 'nothing on this machine runs programs for linux/arm64' log || fail "$(cat log)"
grep -q 'weft: try: .*apt-get install' log || fail "no command that mends it: $(cat log)"
[[ ! -e tree2 ]] || fail "an output exists"
expect "the host's handlers" "$(host_handlers)" "$before"

note "a CPU model or a QEMU that was asked for is refused there, not ignored"
for flag in --cpu=max --cpu=fastest --cpu=linux/arm64=cortex-a72 --qemu=7; do
    rc=0
    denied_build --platform linux/arm64 "$flag" -o tree2 ctx >log 2>&1 || rc=$?
    expect "exit code of $flag" "$rc" 3
    grep -q -- "${flag%%=*} cannot be followed here" log || fail "$flag: $(cat log)"
done
denied_build --platform linux/amd64 --cpu=max -o tree ctx >log 2>&1 || fail "native needs none: $(cat log)"

note "the denial is gone: an idle worker without handlers does not stand in the way"
"$WEFT" worker list --json | jq -e '[.workers[] | select(.status == "idle" and .handlers == "existing")] | length > 0' >/dev/null ||
    fail "no such worker is up: $("$WEFT" worker list)"
build --platform linux/arm64 -o tree3 ctx >log 2>&1 || fail "$(cat log)"
expect "machine" "$(cat tree3/machine)" aarch64

note "quiet is without progress, not without warnings"
"$WEFT" worker stop --all >/dev/null
denied_build --progress=quiet --platform linux/amd64 ctx >log 2>&1 || fail "$(cat log)"
grep -q "it uses the host's" log || fail "the fallback is not said: $(cat log)"
grep -q 'no output specified' log || fail "no warning: $(cat log)"

note "a machine without QEMU"
mkdir noqemu
rc=0
WEFT_QEMU_DIR=$PWD/noqemu build --platform linux/arm64 ctx >log 2>&1 || rc=$?
expect "exit code" "$rc" 3
grep -q 'qemu-user-static' log || fail "$(cat log)"
