#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Directories that are not as one would like them: builds go on, on QEMU's own CPU model where no copy of QEMU can be had.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

[[ $(uname -m) != s390x ]] || skip "linux/s390x is native here"
busybox_base bb linux/s390x
dockerfile ctx <<'END'
FROM busybox
RUN uname -m
END
dockerfile files <<'END'
FROM scratch
COPY Dockerfile /
END

# goes_on WHAT: the last build has run its step, under emulation
goes_on()
{
    grep -q 's390x.*emulated' log || fail "$1: $(tail log)"
}

note "no TMPDIR"
TMPDIR=/nonexistent build --platform linux/s390x ctx >log 2>&1 || fail "$(tail log)"
goes_on "no TMPDIR"
! grep -q "own CPU model" log || fail "$(tail log)"

note "a state directory with ':' in its name, which binfmt_misc cannot take"
colon=$PWD/a:b
WEFT_STATE_DIR=$colon build --platform linux/s390x ctx >log 2>&1 || fail "$(tail log)"
goes_on "':'"
grep -q "own CPU model.*':'" log || fail "it is not said: $(tail log)"
cat >buildctl <<END
#!/bin/sh
for arg; do echo "\$arg"; done >>"$PWD/args"
exec "$WEFT_LIBEXEC/buildctl" "\$@"
END
chmod +x buildctl
WEFT_BUILDCTL=$PWD/buildctl WEFT_STATE_DIR=$colon build --platform linux/s390x ctx >log 2>&1 || fail "$(tail log)"
grep -q '^cgroup-parent=weft-' args || fail "its steps share the cache of those on the baseline"
rm args
WEFT_BUILDCTL=$PWD/buildctl build --platform linux/s390x ctx >log 2>&1 || fail "$(tail log)"
! grep '^cgroup-parent=' args || fail "the baseline has a salt"
WEFT_STATE_DIR=$colon build --platform linux/s390x,linux/riscv64 files >log 2>&1 || fail "$(tail log)"
expect "platforms that it is said of" "$(grep -o 'linux/[a-z0-9]* runs on QEMU.s own CPU model' log | sort -u | wc -l)" 2
rc=0
WEFT_STATE_DIR=$colon build --platform linux/s390x --cpu max ctx >log 2>&1 || rc=$?
expect "exit code of --cpu with ':'" "$rc" 3
grep -q "linux/s390x: the CPU model .* cannot be held to" log || fail "$(tail log)"

note "no CPU model for what QEMU does not run"
rc=0
build --platform windows/amd64 --cpu windows/amd64=max files >log 2>&1 || rc=$?
expect "exit code of --cpu windows/amd64=max" "$rc $(grep -c 'cpu windows/amd64' log)" "2 1"
