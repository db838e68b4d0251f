#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 600
# SIGINT and SIGTERM at random moments: exit 130, the destination as it was, no process, no working directory left.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

platforms=linux/amd64,linux/arm64
busybox_base bb linux/amd64 linux/arm64
dockerfile good <<'END'
FROM busybox
RUN echo good >/x
END
dockerfile ctx <<'END'
FROM busybox
ARG N
RUN echo $N; for i in 1 2 3 4 5; do head -c 3000000 /dev/urandom >/f$i; sleep 0.1; done
RUN head -c 10000000 /dev/urandom >/g
END
build --platform $platforms -o type=oci,dest=out,tar=false good >log 2>&1 || fail "$(tail log)"
build --platform $platforms -o tree good >log 2>&1 || fail "$(tail log)"
seed=${WEFT_TEST_SEED:-$RANDOM}
note "seed $seed (WEFT_TEST_SEED repeats it)"
RANDOM=$seed

# interrupt SIGNAL MILLISECONDS N: one build, interrupted; says how it ended
interrupt()
{
    local signal=$1 ms=$2 n=$3 pid rc=0 before
    before="$(snapshot out) $(snapshot tree)"
    (exec "$WEFT" build --progress=plain --build-context "busybox=oci-layout://$PWD/bb:latest" \
        --platform $platforms --build-arg "N=$n" --no-cache \
        -o type=oci,dest=out,tar=false -o tree -o type=tar,dest=t.tar ctx) >log 2>&1 &
    pid=$!
    sleep "$(printf '%d.%03d' $((ms / 1000)) $((ms % 1000)))"
    kill -"$signal" "$pid" 2>/dev/null || true
    wait "$pid" || rc=$?
    case $rc in
    0) note "$signal at $ms ms: too late, the build was done" ;;
    130 | 143)
        # 143: SIGTERM came before weft watched for it, and so before it had said or begun anything
        ((rc == 130)) || [[ $signal == TERM && ! -s log ]] || fail "$signal at $ms ms: exit code $rc: $(<log)"
        [[ "$(snapshot out) $(snapshot tree)" == "$before" ]] || fail "$signal at $ms ms: a destination changed"
        [[ ! -e t.tar ]] || fail "$signal at $ms ms: t.tar exists"
        # an empty log: the signal came before weft had begun
        [[ ! -s log ]] || grep -q 'interrupted' log || fail "$signal at $ms ms: $(tail log)"
        ;;
    *) fail "$signal at $ms ms: exit code $rc: $(cat log)" ;;
    esac
    rm -f t.tar
    no_trace . "$WEFT_STATE_DIR/builds"
    # the step is the RUN command's shell or one of its children, in the namespaces of a worker
    wait_for 5 no_steps || fail "$signal at $ms ms: a step still runs"
    ! children_left || fail "$signal at $ms ms: a child of weft is left"
    [[ -z $(awk -v tmp="$WEFT_TEST_TMP/" 'index($5, tmp) == 1' /proc/self/mountinfo) ]] || fail "a mount is left"
}

# a buildctl or a session holder of this test's builds runs
children_left()
{
    local pid
    for pid in $(worker_processes "$WEFT_TEST_TMP/"); do
        case $(cat "/proc/$pid/comm" 2>/dev/null) in
        buildctl | weft-session | weft) return 0 ;;
        esac
    done
    return 1
}

no_steps()
{
    ! pgrep -f 'head -c 3000000|head -c 10000000' >/dev/null
}

for n in $(seq 20); do
    signal=INT
    ((n % 4)) || signal=TERM
    interrupt $signal $((RANDOM % 2600)) "$n"
done

note "workers that an interrupted build started are ended; those that were there are not"
"$WEFT" worker stop --all >/dev/null
interrupt INT 1200 a
expect "workers" "$("$WEFT" worker list --json | jq '[.workers[] | select(.status != "stopped")] | length')" 0
build --platform linux/amd64 good >log 2>&1
interrupt INT 1200 b
expect "workers" "$("$WEFT" worker list --json | jq -r '[.workers[] | select(.status != "stopped") | .slot] | join(" ")')" linux_amd64

note "kill -9 of weft: its children go with it, the destination is whole, the next build clears up"
before="$(snapshot out) $(snapshot tree)"
(exec "$WEFT" build --progress=plain --build-context "busybox=oci-layout://$PWD/bb:latest" --platform $platforms \
    --build-arg N=k --no-cache -o type=oci,dest=out,tar=false -o tree ctx) >log 2>&1 &
pid=$!
sleep 1
kill -KILL $pid
wait $pid 2>/dev/null || true
wait_for 5 no_steps || fail "a step of a killed weft runs on"
[[ "$(snapshot out) $(snapshot tree)" == "$before" ]] || fail "a destination changed"
build --platform $platforms --build-arg N=after -o type=oci,dest=out,tar=false -o tree ctx >log 2>&1 || fail "$(tail log)"
no_trace . "$WEFT_STATE_DIR/builds"
[[ "$(snapshot out) $(snapshot tree)" != "$before" ]] || fail "the last build wrote nothing"

note "while QEMU is looked for, which takes seconds where it is slow"
need gcc
mkdir slow
cat >slow.c <<'C'
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        puts("qemu-aarch64 version 7.2.0");
        return 0;
    }
    usleep(300000);
    puts("not yet");
    return 1;
}
C
gcc -O1 -static -o slow/qemu-aarch64 slow.c
for machine in arm riscv64 ppc64le ppc64 s390x mips64el mips64 mipsel mips loongarch64; do
    ln slow/qemu-aarch64 slow/qemu-$machine
done
mkdir hangs
sed 's/usleep(300000)/pause()/' slow.c | gcc -O1 -static -x c -o hangs/qemu-riscv64 -
for dir in slow hangs; do
    (exec env WEFT_QEMU_DIR="$PWD/$dir" WEFT_STATE_DIR="$PWD/s2" "$WEFT" build --platform linux/riscv64 good) \
        >log 2>&1 &
    pid=$!
    sleep 0.5
    start=$(date +%s%N)
    kill -INT $pid
    rc=0
    wait $pid || rc=$?
    expect "exit code, $dir" "$rc $(cat log)" "130 weft: error: interrupted; no output was written"
    took=$((($(date +%s%N) - start) / 1000000))
    # not waiting for it: weft gives a question to a QEMU that hangs 10 s
    ((took < 5000)) || fail "$dir: it took $took ms to end"
done
[[ -z $(find s2 -name '.new-*') ]] || fail "a copy of QEMU is left half made"
