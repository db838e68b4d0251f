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

# Instructions that an iteration takes at least: about a third of what gcc 12 makes of it for x86_64, and more than would
# be left of a kernel whose work, or an inner loop of it, was optimised away.
declare -A least=([calls]=12000 [chase]=8192 [compiler]=500000 [crc32]=49000 [files]=10000 [float]=20000 [fork-exec]=50
    [hash]=500000 [interp]=100000 [lz]=600000 [mmap]=3000 [sha256]=80000 [signals]=100 [sort]=180000 [stream]=2500000
    [string]=1400 [syscall]=150 [threads]=2000 [vector]=40000)

note "instructions grow with the iterations"
while IFS=$'\t' read -r name listed _; do
    n=$(few "$listed")
    one=$(instructions "$name" "$n")
    two=$(instructions "$name" $((2 * n)))
    three=$(instructions "$name" $((3 * n)))
    # what N more iterations cost, twice; set-up and start are in neither
    first=$((two - one)) second=$((three - two))
    note "$name: $n iterations, $first and $second instructions"
    ((first > ${least[$name]} * n)) || fail "$name: $((first / n)) instructions an iteration"
    ((first * 10 > second * 9 && second * 10 > first * 9)) ||
        fail "$name: $n iterations more are $first instructions, then $second"
done <list

# Another compiler may leave out other things. QEMU counts blocks of instructions for the programs of arm64's
# distributions, of those kernels whose iterations have so few that they can be listed.
counted=$dir/aarch64/kernels-branch-protection
if qemu=$(command -v qemu-aarch64-static || command -v qemu-aarch64) && [[ -x $counted ]]; then
    note "blocks of arm64 grow with the iterations"
    for pair in calls:2 crc32:2 float:2 interp:1 sha256:2 sort:1 string:20 syscall:20 vector:2; do
        name=${pair%:*} n=${pair#*:}
        for ((i = 1; i <= 3; i++)); do
            blocks[i]=$("$qemu" -d exec,nochain -D /dev/fd/3 "$counted" "$name" $((i * n)) 3>&1 >/dev/null | wc -l)
        done
        first=$((blocks[2] - blocks[1])) second=$((blocks[3] - blocks[2]))
        note "$name: $n iterations, $first and $second blocks"
        # no block has more than some 50 instructions; most have 5
        ((first * 50 > ${least[$name]} * n)) || fail "$name on arm64: $((first / n)) blocks an iteration"
        ((first * 10 > second * 8 && second * 10 > first * 8)) ||
            fail "$name on arm64: $n iterations more are $first blocks, then $second"
    done
fi

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
    root=$(dirname "$program")
    machine=${root##*/}
    machine=${machine/#armhf/arm}
    qemu=$(command -v "qemu-$machine-static" || command -v "qemu-$machine") || continue
    emulator=("$qemu" -L "$root")
    while IFS=$'\t' read -r name listed _; do
        args=()
        [[ $name != fork-exec ]] || args=("$kernels") # what this machine can start
        expect "$program: $name" "$(result "$program" "$name" "$(few "$listed")" "${args[@]}")" "${wanted[$name]}"
    done <list
    for start in start start-dynamic start-large; do
        "${emulator[@]}" "$root/$start" >log 2>&1 </dev/null || fail "$root/$start: exit code $?: $(cat log)"
    done
    tried+=" ${program#"$dir/"}"
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
