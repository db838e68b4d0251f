#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Programs of one instruction under the CPU models that the policies come to, with each QEMU that is at hand.
. "$WEFT_SRC_DIR/tests/e2e/lib.sh"

cpu_model=$WEFT_BUILD_DIR/tests/e2e/cpu-model
"$WEFT_SRC_DIR/tests/e2e/cpu/make" p

# qemu MACHINE: of the directory $dir.
qemu()
{
    local program
    for program in "$dir/qemu-$1-static" "$dir/qemu-$1"; do
        if [[ -x $program ]]; then
            echo "$program"
            return
        fi
    done
    return 1
}

# ends PROGRAM MODEL: how it ends under QEMU $qemu: 0 or 132 (SIGILL), and nothing else.
ends()
{
    local rc=0
    (ulimit -c 0; exec "$qemu" -cpu "$2" "$1") >/dev/null 2>said || rc=$?
    [[ $rc == 0 && ! -s said || $rc == 132 ]] || fail "$qemu -cpu $2 $1 ends with $rc: $(cat said)"
    echo "$rc"
}

# check PLATFORM MACHINE "WHAT HAS TO RUN" "WHAT HAS TO DIE", under its baseline; under max, all run.
check()
{
    local platform=$1 machine=$2 runs=$3 dies=$4 name baseline max
    qemu=$(qemu "$machine") || return 0
    [[ -d p/$machine ]] || return 0
    baseline=$("$cpu_model" "$qemu" baseline "$platform") || fail "$platform: no baseline in $qemu"
    max=$("$cpu_model" "$qemu" max "$platform") || fail "$platform: no max in $qemu"
    if [[ $baseline == "$max" ]]; then # loong64 in QEMU 7.2
        note "$platform: $qemu has one model, $max"
        return 0
    fi
    for name in $runs $dies; do
        [[ $name != d32 || $baseline == *vfp-d32=off* ]] || continue # QEMU before 8.1 cannot
        case " $dies " in
        *" $name "*) expect "$platform, $name under $baseline of $dir" "$(ends "p/$machine/$name" "$baseline")" 132 ;;
        *) expect "$platform, $name under $baseline of $dir" "$(ends "p/$machine/$name" "$baseline")" 0 ;;
        esac
        expect "$platform, $name under $max of $dir" "$(ends "p/$machine/$name" "$max")" 0
        tried=$((tried + 1))
    done
}

dirs=(/usr/bin)
for version in 10 11; do # as far as they are in the cache, or the network is there
    if "$WEFT_SRC_DIR/tests/bases/qemu" "q$version" $version >/dev/null 2>log; then
        dirs+=("$PWD/q$version")
    else
        note "no QEMU $version: $(tail -n 1 log)"
    fi
done

tried=0
for dir in "${dirs[@]}"; do
    before=$tried
    check linux/amd64 x86_64 '' 'v2 v3'
    check linux/amd64/v2 x86_64 v2 v3
    check linux/amd64/v3 x86_64 'v2 v3' ''
    check linux/386 i386 '' sse3
    check linux/arm64 aarch64 '' lse
    check linux/arm64/v8.1 aarch64 lse ''
    check linux/arm/v7 arm 'v6 v7' 'neon d32'
    check linux/arm/v6 arm v6 'v7 neon'
    check linux/arm/v5 arm '' 'v6 v7 neon'
    check linux/riscv64 riscv64 '' 'zbb v'
    check linux/ppc64le ppc64le '' 'isa30 isa31'
    check linux/ppc64 ppc64 '' 'isa30 isa31'
    check linux/s390x s390x '' z14
    check linux/mips64le mips64el '' mmi
    check linux/mips64 mips64 '' dsp2
    check linux/mipsle mipsel '' dsp2
    check linux/mips mips '' dsp2
    check linux/loong64 loongarch64 lsx lasx
    note "$dir: $((tried - before)) programs"
done
((tried > 0)) || skip "no QEMU in /usr/bin, or no cross compilers"
