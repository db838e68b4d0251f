#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# File systems that are full, in each phase of a build: the error says which one it is and what makes room, outputs are as
# they were, and once there is room the next build works with the same state, which buildkitd starts with.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

need_root
busybox_base bb linux/amd64
dockerfile good <<'END'
FROM busybox
RUN echo good >/x
END
dockerfile big <<'END'
FROM busybox
ARG MB
RUN dd if=/dev/zero of=/x bs=1M count=$MB
END
mkdir none vol rt out
export WEFT_QEMU_DIR=$PWD/none # copies of QEMU would be larger than the disks here
export WEFT_STATE_DIR=$PWD/vol/s WEFT_RUNTIME_DIR=$PWD/rt/r

unmount_and_clean_up()
{
    local rc=$?
    "$WEFT" worker stop --force --all >/dev/null || true
    umount out rt vol 2>/dev/null || true
    (exit "$rc") || clean_up
}

# With blocks that files share with directories and databases, where loop devices can be had.
truncate -s 80M image
mkfs.ext4 -q -m 0 image
mount -o loop image vol 2>/dev/null || mount -t tmpfs -o size=80m none vol
mount -t tmpfs -o size=10m none rt
mount -t tmpfs -o size=300k none out
trap unmount_and_clean_up EXIT
mkdir vol/s

# build FLAG... ends with 1, names the file system at $PWD/$1, and what helps.
full()
{
    local rc=0
    build --platform linux/amd64 "${@:2}" >log 2>&1 || rc=$?
    expect "exit code" "$rc" 1
    grep -qi 'no space left' log || fail "$(cat log)"
    grep -q "try: make room in the file system at $PWD/$1 (" log || fail "$(cat log)"
    [[ $1 != vol ]] || grep -q 'weft du .*weft prune --all.*WEFT_WORKER_DISK' log || fail "$(cat log)"
}

works()
{
    build --platform linux/amd64 "$@" good >log 2>&1 || fail "$(cat log)"
    [[ -d vol/s/workers/linux_amd64/buildkit/runc-overlayfs ]] || return 0
    [[ ! -e vol/s/workers/linux_amd64/buildkit/runc-native ]] || fail "it changed the snapshotter"
}

fill()
{
    dd if=/dev/zero of="$1/fill" bs=64k 2>/dev/null || true
    dd if=/dev/zero of="$1/fill2" bs=512 2>/dev/null || true
}

room()
{
    rm -f "$1/fill" "$1/fill2"
}

note "the state is full before the first worker starts"
fill vol
full vol good
rc=0
"$WEFT" doctor >log 2>&1 || rc=$?
expect "exit code of doctor" "$rc" 3
grep -q '^fail  disk ' log || fail "$(cat log)"
"$WEFT" du >log 2>&1 || fail "$(cat log)"
room vol
works

note "a worker that does not run, on a full disk: it can be looked at, and pruned, and then builds again"
"$WEFT" worker stop --all >/dev/null
[[ -s vol/s/workers/linux_amd64/reserve ]] || fail "nothing is reserved"
fill vol
"$WEFT" du >log 2>&1 || fail "$(cat log)"
grep -q '^linux_amd64$' log || fail "$(cat log)"
"$WEFT" prune --all --force >log 2>&1 || fail "$(cat log)"
works
room vol
works
grep -q CACHED log || fail "the cache is gone: $(cat log)"

note "one that runs"
fill vol
full vol --no-cache good
"$WEFT" prune --all --force >log 2>&1 || fail "$(cat log)"
room vol
works

note "a step fills it: what that has left is cleared away when the worker has nothing to do"
full vol --build-arg MB=100 big
grep -q "dd: error writing '/x': No space left on device" log || fail "$(cat log)"
roomy()
{
    (($(df --output=avail --block-size=1M vol | tail -n 1) > 40))
}
wait_for 20 roomy || fail "$(df vol; "$WEFT" du)"
works

note "and with a worker that ends with its build"
full vol --worker-idle 0 --build-arg MB=100 big
wait_for 20 roomy || fail "$(df vol; "$WEFT" du)"
works

note "a base image does not fit"
"$WEFT" worker remove --all >/dev/null
fill vol
truncate -s -1500K vol/fill
rm -f vol/fill2
full vol good
room vol
works

note "an output does not fit: beside the state, and elsewhere"
mkdir vol/o
echo old >vol/o/t.tar
full vol --build-arg MB=40 -o type=local,dest=vol/o/l big
full vol --build-arg MB=40 -o type=tar,dest=vol/o/t.tar big
expect "what is there" "$(ls -A vol/o) $(cat vol/o/t.tar)" "t.tar old"
expect "scratch files" "$(find vol/s/builds -mindepth 1)" ""
"$WEFT" prune --all --force >log 2>&1 || fail "$(cat log)"
works -o type=local,dest=vol/o/l
expect "what was built" "$(cat vol/o/l/x)" good
full out -o type=oci,dest=out/o.tar good
expect "what is there" "$(ls -A out)" ""

note "files that tell of a build"
fill out
full out -o type=oci,dest=o.tar --metadata-file out/m good
grep -q 'the build is done, but' log || fail "$(cat log)"
expect "what is there" "$(ls -A out)" $'fill\nfill2'
works --log-dir out/logs
grep -q 'warning: .*out/logs/.* is not complete' log || fail "$(cat log)"

note "sockets and locks"
fill rt
full rt --no-cache good
"$WEFT" worker stop --all >/dev/null
full rt good
room rt
works

note "no more files can be made"
umount out
mount -t tmpfs -o size=10m,nr_inodes=8 none out
touch out/1 out/2 out/3 out/4 out/5 out/6 out/7 2>/dev/null || true
full out -o type=oci,dest=out/o.tar good
grep -q 'no more files can be made' log || fail "$(cat log)"
works
"$WEFT" worker stop --all >/dev/null
expect "processes left" "$(worker_processes "$WEFT_RUNTIME_DIR/")" ""
