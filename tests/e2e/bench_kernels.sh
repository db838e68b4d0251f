#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The kernels of weft bench: each does work in proportion to its iterations, comes to the same result on every machine
# that there is a compiler and a QEMU for, and says so when it does not.
. "$WEFT_SRC_DIR/tests/e2e/lib.sh"

need valgrind
dir=$WEFT_LIBEXEC/bench
native=$(uname -m)
kernels=$dir/$native/kernels
[[ -x $kernels ]] || skip "no kernels for $native: no compiler when weft was built"

"$kernels" --list >list
expect "kernels" "$(cut -f1 list | sort | tr '\n' ' ')" \
    "calls chase compiler crc32 files float fork-exec hash interp lz mmap sha256 signals sort stream string syscall threads vector "
expect "lines that are not NAME, ITERATIONS, DESCRIPTION" "$(grep -c -v -P '^[a-z0-9-]+\t[1-9][0-9]*\t[^\t]{10,60}$' list || true)" 0

# few LISTED: iterations enough to see, and not too many under valgrind or QEMU; kernels that take turns with what they
# work on have all of it done in 8.
few()
{
    local n=$(($1 / 20 + 1))
    echo $((n < 4 ? n : (n + 7) / 8 * 8))
}

# instructions KERNEL ITERATIONS
instructions()
{
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$kernels" "$1" "$2" >said 2>log ||
        fail "$1 $2 under valgrind: $(cat said log)"
    sed -n 's/^==[0-9]*== Collected : \([0-9]*\).*/\1/p' log | tail -n 1
}

note "instructions grow with the iterations"
while IFS=$'\t' read -r name listed _; do
    n=$(few "$listed")
    one=$(instructions "$name" "$n")
    two=$(instructions "$name" $((2 * n)))
    three=$(instructions "$name" $((3 * n)))
    # what N more iterations cost, twice; set-up and start are in neither
    first=$((two - one)) second=$((three - two))
    note "$name: $n iterations, $first and $second instructions"
    ((first > 100 * n)) || fail "$name: $((first / n)) instructions an iteration"
    ((first * 10 > second * 9 && second * 10 > first * 9)) ||
        fail "$name: $n iterations more are $first instructions, then $second"
done <list

# result PROGRAM NAME ITERATIONS [ARG...], with what is in $emulator before it: the check, once the line is as it should be.
emulator=()
result()
{
    local said
    said=$("${emulator[@]}" "$@" 2>log </dev/null) || fail "${emulator[*]} $*: exit code $?: $(cat log)"
    [[ $said =~ ^$2\ $3\ [0-9]+\ [0-9a-f]{16}$ ]] || fail "$*: '$said'"
    echo "${said##* }"
}

note "natively: the same result twice, another with other iterations"
declare -A wanted=()
while IFS=$'\t' read -r name listed _; do
    n=$(few "$listed")
    wanted[$name]=$(result "$kernels" "$name" "$n")
    expect "$name again" "$(result "$kernels" "$name" "$n")" "${wanted[$name]}"
    [[ $(result "$kernels" "$name" $((n + 1))) != "${wanted[$name]}" ]] || fail "$name: the same result for more work"
done <list

tried=
for program in "$dir"/*/kernels "$dir"/*/kernels-branch-protection; do
    [[ -x $program ]] || continue
    machine=$(basename "$(dirname "$program")")
    qemu=$(command -v "qemu-$machine-static" || command -v "qemu-$machine") || continue
    emulator=("$qemu" -L "$dir/$machine")
    while IFS=$'\t' read -r name listed _; do
        args=()
        [[ $name != fork-exec ]] || args=("$kernels") # what this machine can start
        expect "$machine: $name" "$(result "$program" "$name" "$(few "$listed")" "${args[@]}")" "${wanted[$name]}"
    done <list
    for start in start start-dynamic start-large; do
        "${emulator[@]}" "$dir/$machine/$start" >log 2>&1 </dev/null || fail "$machine: $start: exit code $?: $(cat log)"
    done
    tried+=" $machine/$(basename "$program")"
done
emulator=()
note "under QEMU:${tried:- nothing, there is none}"
for start in start start-large; do
    "$dir/$native/$start" || fail "$start: exit code $?"
done

# ends CODE ARG...: that exit code, a reason, and no time.
ends()
{
    local code=$1 rc=0
    shift
    "$kernels" "$@" >said 2>log || rc=$?
    expect "exit code of kernels $*" "$rc" "$code"
    [[ -s log && ! -s said ]] || fail "kernels $* says: $(cat said log)"
}

note "what cannot be measured has no time"
ends 2
ends 2 none 1
ends 2 interp 0
ends 2 interp 1x
ends 2 interp -1
ends 2 interp 99999999999999999999
TMPDIR=$PWD/none ends 1 files 1
ends 1 fork-exec 1 "$PWD/none"
ends 1 fork-exec 1 "$(command -v false)"
printf '\177ELF nothing that runs' >foreign
chmod 755 foreign
ends 77 fork-exec 1 "$PWD/foreign"

note "no file is left behind"
mkdir tmp
TMPDIR=$PWD/tmp result "$kernels" files 2 >/dev/null
expect "files" "$(ls tmp)" ''
TMPDIR=$PWD/tmp "$kernels" files 100000000 &
pid=$!
for ((i = 0; i < 100; i++)); do
    [[ -z $(ls tmp) ]] || break
    sleep 0.05
done
[[ -n $(ls tmp) ]] || fail "no files after 5 s"
kill "$pid"
rc=0
wait "$pid" || rc=$?
expect "exit code" "$rc" 143
expect "files" "$(ls tmp)" ''
