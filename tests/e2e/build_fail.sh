#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A platform that fails: the others are built, the destination is left alone, and the report says what, where and why.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

platforms=linux/amd64,linux/arm64,linux/riscv64
busybox_base bb linux/amd64 linux/arm64 linux/riscv64
dockerfile good <<'END'
FROM busybox
RUN echo good >/x
END
dockerfile bad <<'END'
FROM busybox
RUN echo prepared
RUN for i in $(seq 25); do echo "line $i of $(uname -m)"; done; [ "$(uname -m)" != aarch64 ] || exit 42
RUN sleep 1; echo "finished on $(uname -m)"
END

build --platform $platforms -t keep -o type=oci,dest=out,tar=false good >log 2>&1 || fail "$(tail log)"
before=$(snapshot out)

rc=0
build --platform $platforms -o type=oci,dest=out,tar=false -o type=local,dest=tree -o type=tar,dest=t.tar bad >log 2>&1 || rc=$?
expect "exit code" "$rc" 1
expect "the layout" "$(snapshot out)" "$before"
[[ ! -e tree && ! -e t.tar ]] || fail "an output of a failed build exists"
no_trace .
for machine in x86_64 riscv64; do
    grep -q "finished on $machine" log || fail "$machine was not built to its end: $(cat log)"
done
! grep -q "finished on aarch64" log || fail "the failed platform went on"
report=$(sed -n '/^linux\/arm64 failed at/,$p' log)
for expected in 'exit code 42' 'Dockerfile:3' '>>> RUN for i in' 'line 25 of aarch64' 'line 6 of aarch64' \
    'build failed for linux/arm64'; do
    [[ $report == *"$expected"* ]] || fail "the report lacks '$expected': $report"
done
[[ $report != *'line 5 of aarch64'* ]] || fail "more than the last 20 lines: $report"

note "--fail-fast stops the others"
sed -i 's/sleep 1;/sleep 60;/' bad/Dockerfile
start=$SECONDS
rc=0
build --platform $platforms --fail-fast bad >log 2>&1 || rc=$?
expect "exit code" "$rc" 1
! grep -q "finished on [xar]" log || fail "a platform went on: $(cat log)"
grep -q 'build failed for linux/arm64;' log || fail "$(tail log)"
[[ -z $(pgrep -f '^sleep 60$') ]] || fail "a step still runs"
note "took $((SECONDS - start)) s"

note "a program of another machine, and one that QEMU lets crash, are named as such"


dockerfile bad <<'END'
FROM busybox
COPY --from=wrong /bin/busybox /wrong
RUN ["/wrong", "true"]
END
mkdir -p wrong/bin
# no handler runs a machine that does not exist
printf '\177ELF\002\001\001\000\000\000\000\000\000\000\000\000\002\000\376\376\001\000\000\000' >wrong/bin/busybox
chmod 755 wrong/bin/busybox
rc=0
build --platform linux/arm64 --build-context wrong=wrong bad >log 2>&1 || rc=$?
expect "exit code" "$rc" 1
grep -qi 'exec format error' log || fail "$(cat log)"
grep -q 'What it means: the kernel could not start a program' log || fail "no diagnosis: $(cat log)"

# not as process 1, which no signal of its own container ends
dockerfile bad <<'END'
FROM busybox
RUN sh -c 'kill -SEGV $$'; exit 9
END
rc=0
build --platform linux/arm64 bad >log 2>&1 || rc=$?
expect "exit code" "$rc" 1
grep -q 'uncaught target signal 11' log || fail "$(cat log)"
sed -n '/failed at/,$p' log | grep -qi 'signal' || fail "no diagnosis: $(cat log)"

note "a step whose first program crashes under QEMU ends: process 1 of a container is deaf to its own signals"
dockerfile bad <<'END'
FROM busybox
RUN ["sh", "-c", "kill -SEGV $$"]
END
rc=0
build --platform linux/arm64 bad >log 2>&1 || rc=$?
expect "exit code" "$rc" 1
sed -n '/failed at/,$p' log | grep -q 'uncaught target signal 11' || fail "$(cat log)"

note "an error that is no step's: an image that is not there"
dockerfile bad <<'END'
FROM localhost:1/none
END
rc=0
build --platform linux/amd64 bad >log 2>&1 || rc=$?
expect "exit code" "$rc" 1
sed -n '/linux\/amd64 failed/,$p' log | grep -q 'localhost:1/none' || fail "$(cat log)"
sed -n '/linux\/amd64 failed/,$p' log | grep -q 'Dockerfile:1' || fail "$(cat log)"
