#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A build in odd surroundings: closed or stuck descriptors, ignored signals, programs that do not start, names that
# need quoting.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

busybox_base bb linux/amd64 linux/arm64 linux/386
dockerfile good <<'END'
FROM busybox
RUN echo good >/x
END
dockerfile big <<'END'
FROM busybox
COPY big /big
END
head -c 3000000 /dev/urandom >big/big
dockerfile slow <<'END'
FROM busybox
RUN sleep 3
END
two=linux/amd64,linux/386

# start FLAG...: a build in the background; $pid is its id, log what it says. Without redirections of stdout.
start()
{
    (exec "$WEFT" build --progress=plain --build-context "busybox=oci-layout://$PWD/bb:latest" "$@" 2>log) &
    pid=$!
}

# ends CODE: the build ends within 10 s, with this exit code.
ends()
{
    local rc=0
    wait_for 10 gone "$pid" || fail "it hangs: $(cat log)"
    wait "$pid" || rc=$?
    expect "exit code" "$rc" "$1"
}

note "standard descriptors that are closed"
build --platform $two -o type=oci,dest=closed,tar=false good <&- >&- 2>&- || fail "exit code $?"
[[ -f closed/index.json ]] || fail "no output"
rc=0
build --platform linux/amd64 -o - good 2>log >&- || rc=$?
expect "exit code" "$rc" 1
grep -q 'error: .*standard output: Bad file descriptor' log || fail "$(cat log)"

note "readers that go away"
build --platform $two -o type=oci,dest=head,tar=false good 2>&1 | head -n 1 >/dev/null
[[ -f head/index.json ]] || fail "no output"
rc=0
build --platform linux/amd64 -o - big 2>log | head -c 100 >/dev/null || rc=$?
expect "exit code" "$rc" 1
grep -q 'error: .*standard output: Broken pipe' log || fail "$(cat log)"

note "a hang-up that is ignored (nohup), and one that is not"
start --platform linux/amd64 --no-cache slow
sleep 1.5
kill -HUP $pid
ends 130
trap '' HUP
start --platform linux/amd64 --no-cache slow
trap - HUP
sleep 1.5
kill -HUP $pid
ends 0

note "readers that take nothing: an interrupt ends the build"
mkfifo fifo
start --platform linux/amd64 -o type=tar,dest=fifo good
wait_for 10 grep -q 'done:' log || fail "$(cat log)"
kill -INT $pid
ends 130
{ exec sleep 60; } <fifo &
reader=$!
for platforms in linux/amd64 "$two"; do
    start --platform "$platforms" -o - big >fifo
    wait_for 10 grep -q 'amd64\] done:' log || fail "$(cat log)"
    sleep 0.5
    kill -INT $pid
    ends 130
done
kill $reader
wait $reader || true # the pipe keeps what nobody has read until the last one has closed it
build --platform linux/amd64 -o type=tar,dest=fifo big >log 2>&1 &
tar -xOf fifo big | cmp - big/big || fail "a named pipe got something else: $(cat log)"
wait $! || fail "$(cat log)"

note "a buildctl that cannot be started: all platforms fail, also those that wait for their turn"
start --platform $two,linux/arm64 --workers=group --jobs=1 \
    --build-arg "X=$(head -c 131066 /dev/zero | tr '\0' x)" good
ends 1
grep -q 'build failed for linux/amd64, linux/386, linux/arm64: cannot run .*buildctl: Argument list too long' log ||
    fail "$(cat log)"

note "a buildctl that is killed"
start --platform linux/amd64 --no-cache slow
sleep 1.5
kill -KILL "$(pgrep -P $pid buildctl)"
ends 1
grep -q 'buildctl was killed' log || fail "$(cat log)"

note "a worker that is killed: one error for all platforms, those that wait too; the next build starts it again"
start --platform "$two,linux/arm64" --workers=group --jobs=1 --no-cache slow
wait_for 10 grep -q 'RUN sleep' log || fail "$(cat log)"
sleep 0.5
kill -KILL "$(buildkitd_of "$("$WEFT" worker list --json | jq '.workers[] | select(.slot == "group") | .pid')")"
ends 1
grep -q 'build failed for linux/amd64, linux/386, linux/arm64: the worker group ended' log || fail "$(cat log)"
build --platform "$two" --workers=group good >log 2>&1 || fail "$(cat log)"

note "what has failed before an interrupt is told"
dockerfile mixed <<'END'
FROM busybox
RUN if [ "$(uname -m)" = aarch64 ]; then echo wrong here; exit 7; fi; sleep 30
END
start --platform linux/amd64,linux/arm64 mixed
wait_for 10 grep -q 'arm64\] failed' log || fail "$(cat log)"
kill -INT $pid
ends 130
sed -n '/^linux.arm64 failed at/,$p' log | grep -q 'exit code 7' || fail "$(cat log)"

if ((EUID == 0)); then
    note "a file system that is full, then one that is read-only"
    mkdir full
    mount -t tmpfs -o size=2500k tmpfs full
    unmount_and_clean_up()
    {
        local rc=$?
        umount "$WEFT_TEST_TMP/full" || true
        (exit "$rc") || clean_up
    }
    trap unmount_and_clean_up EXIT
    for output in type=oci,dest=full/o,tar=false type=oci,dest=full/o.tar type=local,dest=full/l type=tar,dest=full/t.tar; do
        rc=0
        build --platform $two -o "$output" big >log 2>&1 || rc=$?
        expect "exit code of $output" "$rc" 1
        grep -qi 'no space left' log || fail "$(cat log)"
        expect "what $output leaves" "$(ls -A full)" ""
    done
    mount -o remount,ro full
    for flag in -otype=oci,dest=full/o,tar=false -otype=tar,dest=full/t.tar --metadata-file=full/m --iidfile=full/i; do
        rc=0
        build --platform $two -o type=oci,dest=ro,tar=false "$flag" big >log 2>&1 || rc=$?
        expect "exit code of $flag" "$rc" 2
        grep -q 'cannot write to .*full: Read-only' log || fail "$(cat log)"
        ! grep -q 'starting worker' log || fail "it was found late: $(cat log)"
    done
    mount -o remount,rw,size=60m full
    build --platform $two -o type=oci,dest=full/o,tar=false -o full/l -o type=tar,dest=full/t.tar big >log 2>&1 ||
        fail "a state on another file system: $(cat log)"
    cmp full/l/linux_386/big big/big
    umount full
    trap clean_up EXIT
fi

note "one destination under two names"
ln -s . here
for pair in '-o oneplace -o type=oci,tar=false,dest=./oneplace' '-o here/sub/x -o sub/x/' \
    '-o type=tar,dest=one.tar -o type=oci,dest=here/one.tar' '-o type=tar,dest=one.tar --metadata-file here/one.tar' \
    '-o type=oci,dest=one.tar --metadata-file m --iidfile here/m'; do
    rc=0
    # shellcheck disable=SC2086 # words are meant
    build --platform linux/amd64 $pair good >log 2>&1 || rc=$?
    expect "exit code of $pair" "$rc" 2
    grep -q 'have the destination' log || fail "$(cat log)"
done

note "a step of thousands of lines"
dockerfile lines < <(
    printf 'FROM busybox\nRUN <<END\n'
    seq -f 'true this is line %.0f of the step' 2500
    printf 'exit 3\nEND\n'
)
rc=0
build --platform linux/amd64 lines >log 2>&1 || rc=$?
expect "exit code" "$rc" 1
sed -n '/^linux.amd64 failed at/,$p' log >report
grep -q 'exit code 3' report || fail "$(head -c 3000 report)"
grep -q 'more lines)' report || fail "$(head -c 3000 report)"
(($(wc -l <report) < 60)) || fail "$(wc -l <report) lines are no excerpt"

note "names that need quoting, with blobs linked and with blobs exported"
name=$'a b,c="d"=e\nf'
quoted=${name//\"/\"\"}
mkdir "$name" 'more,x=y'
printf 'FROM busybox\nCOPY x /x\nCOPY --from=more m /m\n' >"$name/the file,=Dockerfile"
echo x >"$name/x"
echo m >'more,x=y/m'
cp -r bb 'b,b=x'
for kind in linked exported; do
    if [[ $kind == exported ]]; then # two stores: weft cannot tell which of them has the image
        mkdir -p "$WEFT_STATE_DIR/workers/linux_"{amd64,386}/buildkit/runc-native
    fi
    "$WEFT" build -D --progress=plain --platform $two --build-context 'busybox=oci-layout://b,b=x:latest' \
        --build-context 'more=more,x=y' -f "$name/the file,=Dockerfile" -t a/b:1 -t localhost:5000/c \
        -o "type=oci,\"dest=oci $kind $quoted\",tar=false" -o "type=local,\"dest=tree $kind $quoted\"" \
        -o "type=tar,\"dest=tar $kind $quoted\"" --metadata-file "meta $name" "$name" >log 2>&1 || fail "$(cat log)"
    expect "exports" "$(grep -c 'exporting instead' log || true)" "$([[ $kind == linked ]] && echo 0 || echo 2)"
    expect "tags" "$(jq -r '.manifests[].annotations["org.opencontainers.image.ref.name"]' "oci $kind $name/index.json" |
        xargs)" "1 latest"
    expect "tree" "$(cat "tree $kind $name/linux_amd64/"{x,m} | xargs)" "x m"
    expect "tar" "$(tar -xOf "tar $kind $name" linux_386/x)" x
    [[ -s "meta $name" ]] || fail "no metadata"
done
no_trace . "$WEFT_STATE_DIR/builds"
