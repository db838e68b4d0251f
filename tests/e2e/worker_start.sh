#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A worker starts, runs foreign programs under its own handlers, is shared and ends, as root and as an
# ordinary user, and nothing of it is to be seen outside.
# shellcheck source=tests/e2e/lib.sh
. "$WEFT_SRC_DIR/tests/e2e/lib.sh"

need jq
need_mount_note="needs binfmt_misc in a user namespace (Linux 6.7)"
busybox_base bb linux/arm64 linux/s390x
mkdir ctx
cat >ctx/Dockerfile <<'END'
FROM bb
RUN uname -m >/arch && id -u >/uid && touch /owned && chown 1000:1000 /owned
USER 1000
RUN env -i /bin/uname -m && test "$(id -u)" = 1000 && test "$(cat /arch)" = "$(uname -m)"
END
cat >build.sh <<END
#!/bin/sh
exec "\$BUILDCTL" build --frontend dockerfile.v0 --local context=$PWD/ctx --local dockerfile=$PWD/ctx \\
    --opt platform=\$1 --oci-layout bb=$PWD/bb --opt context:bb=oci-layout://bb@$(index_digest bb) \\
    --progress=plain
END
chmod 755 build.sh

handlers=$(host_handlers)
mounts=$(cat /proc/self/mountinfo)
for who in $(whos); do
    note "as $who"
    dir=$WEFT_TEST_TMP
    if [[ $who == user ]]; then
        make_user
        dir=$WEFT_TEST_TMP/u
    fi
    as "$who" "$HOLD" linux_arm64 true >first
    [[ $(json first .scope) == namespace ]] || skip "$need_mount_note"
    expect "first start" "$(json first .started)" true
    pid=$(json first .pid)
    expect "mode of the runtime directory" "$(stat -c %a "$dir/r/workers/linux_arm64")" 700
    expect "mode of the socket" "$(stat -c %a "$dir/r/workers/linux_arm64/buildkitd.sock")" 600
    expect "native" "$(json first .runs.x86_64)" native
    [[ $(json first .runs.aarch64) == own* ]] || fail "arm64 has no handler"

    as "$who" "$HOLD" linux_arm64 "$PWD/build.sh" linux/arm64 >second 2>&1 || fail "$(cat second)"
    expect "second start" "$(json second .started)" false
    expect "the same worker" "$(json second .pid)" "$pid"
    grep -q 'aarch64' second || fail "the RUN did not run as arm64"

    as "$who" "$HOLD" -s linux_s390x "$PWD/build.sh" linux/s390x >third 2>&1 || fail "$(cat third)"
    grep -q 's390x' third || fail "the RUN did not run as s390x"
    gone "$(json third .pid)" || fail "stop_if_unused left the worker"
    content=$(json third .content)
    [[ -n $(ls "$content") ]] || fail "no blobs in $content"

    expect "handlers of the host" "$(host_handlers)" "$handlers"
    expect "mounts outside" "$(cat /proc/self/mountinfo)" "$mounts"

    as "$who" "$WEFT" worker list --json >list.json
    expect "listed" "$(jq -c '[.workers[] | [.slot, .status]]' list.json)" \
        '[["linux_arm64","idle"],["linux_s390x","stopped"]]'
    as "$who" "$WEFT" worker list --size | grep -q '^linux_arm64 *idle .* namespace' || fail "weft worker list"
    expect "stopped" "$(as "$who" "$WEFT" worker stop linux_arm64)" linux_arm64
    gone "$pid" || fail "the init lives after weft worker stop"
    rc=0
    as "$who" "$WEFT" worker stop linux_arm64 2>err || rc=$?
    expect "exit code of stopping nothing" "$rc" 2
    expect "processes left" "$(worker_processes "$dir/r/")" ""
    [[ ! -e $dir/r/workers/linux_arm64/worker.json ]] || fail "worker.json is left"
done
