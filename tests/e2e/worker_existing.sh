#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Where a worker may not have a binfmt_misc of its own, it falls back to the host's handlers, and says which
# of them fit and what to do where none does. The mount is denied by the kernel, through seccomp.
# shellcheck source=tests/e2e/lib.sh
. "$WEFT_SRC_DIR/tests/e2e/lib.sh"

need jq setpriv
need_root
userns=$WEFT_SRC_DIR/tests/bases/userns
busybox_base bb linux/arm64
mkdir ctx
printf 'FROM bb\nRUN uname -m\n' >ctx/Dockerfile
cat >build.sh <<END
#!/bin/sh
exec "\$BUILDCTL" build --frontend dockerfile.v0 --local context=$PWD/ctx --local dockerfile=$PWD/ctx \\
    --opt platform=linux/arm64 --oci-layout bb=$PWD/bb --opt context:bb=oci-layout://bb@$(index_digest bb) \\
    --progress=plain
END
chmod 755 build.sh

note "as root, no handlers on the host"
# a mount namespace with an empty table, whatever the host has
"$userns" sh -c 'echo -1 >/proc/sys/fs/binfmt_misc/status; exec "$@"' sh \
    "$DENY_MOUNT" "$HOLD" -s group true >out
expect "scope in force" "$(json out .scope)" existing
expect "native" "$(json out .runs.x86_64)" native
[[ $(json out .runs.aarch64) == "not: "*apt-get*qemu-user-static* ]] || fail "no command: $(json out .runs.aarch64)"

note "as root, with the host's handlers"
"$userns" "$DENY_MOUNT" "$HOLD" -s group "$PWD/build.sh" >out 2>&1 || fail "$(cat out)"
expect "scope in force" "$(json out .scope)" existing
[[ $(json out .runs.aarch64) == existing*aarch64* ]] || fail "$(json out .runs.aarch64)"
grep -q aarch64 out || fail "the RUN did not run as arm64"

note "a handler without F does not fit"
# shellcheck disable=SC2016 # the inner shell expands it
"$userns" sh -c '
    cd /proc/sys/fs/binfmt_misc
    line=$(grep -h "^:qemu-aarch64:" /usr/lib/binfmt.d/qemu-aarch64.conf)
    echo -1 >status
    printf %s "${line%:*}:POC" >register
    exec "$@"' sh "$DENY_MOUNT" "$HOLD" -s group true >out
[[ $(json out .runs.aarch64) == "not: "*"without flag F"* ]] || fail "$(json out .runs.aarch64)"

note "a table that is out of sight (a container): buildkitd is asked"
"$userns" sh -c 'umount /proc/sys/fs/binfmt_misc 2>/dev/null || mount -t tmpfs none /proc/sys/fs/binfmt_misc
    exec "$@"' sh "$DENY_MOUNT" "$HOLD" -s group true >out
expect "scope in force" "$(json out .scope)" existing
[[ $(json out .runs.aarch64) == existing || $(json out .runs.aarch64) == not:* ]] || fail "$(json out .runs.aarch64)"

note "asked for: scope existing, the mount is not tried"
"$HOLD" -e -s group true >out
expect "scope in force" "$(json out .scope)" existing

note "as a user"
make_user
(
    # the filter is made by root, and stays
    export -n WEFT_STATE_DIR WEFT_RUNTIME_DIR
    "$DENY_MOUNT" setpriv --reuid "$test_user" --regid "$test_user" --init-groups --reset-env \
        env PATH=/usr/bin:/bin HOME="$WEFT_TEST_TMP/u" WEFT_LIBEXEC="$WEFT_LIBEXEC" \
        WEFT_STATE_DIR="$WEFT_TEST_TMP/u/s" WEFT_RUNTIME_DIR="$WEFT_TEST_TMP/u/r" \
        "$HOLD" -s group true
) >out
expect "scope in force" "$(json out .scope)" existing
expect "processes left" "$(worker_processes "$WEFT_TEST_TMP/")" ""
