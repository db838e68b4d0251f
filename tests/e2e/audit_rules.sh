#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The audit's rules for single files, on what Debian's compilers make: each has a case that it finds and one
# that it does not, on each machine that it is about. Compilers that are not installed are left out.
# shellcheck source=tests/e2e/lib.sh
. "$WEFT_SRC_DIR/tests/e2e/lib.sh"

audit_elf=$WEFT_BUILD_DIR/tests/e2e/audit-elf
echo 'int add(int a, int b) { return a + b; } int main(void) { return add(1, 2); }' >main.c
cases=0

# have COMPILER
have()
{
    command -v "$1" >/dev/null || {
        note "$1 is not installed"
        return 1
    }
}

# is PLATFORM FILE VERDICT: all that is said of the file, without its name; lines are joined by "; "
is()
{
    local got
    got=$("$audit_elf" "$1" "$2" | sed "s|^$2 ||" | paste -s -d ';' | sed 's/;/; /g')
    expect "$2 for $1" "$got" "$3"
    cases=$((cases + 1))
}

# make FILE COMPILER FLAG...: a program with nothing of a C library, whose flags are all the compiler's
make()
{
    "$2" -nostdlib -static -Wl,-e,main "${@:3}" -o "$1" main.c
}

note "machines, classes, byte orders: every compiler's files on every platform"
rows=(
    'x86_64-linux-gnu linux/amd64 x86-64'
    'i686-linux-gnu linux/386 i386'
    'aarch64-linux-gnu linux/arm64 aarch64'
    'arm-linux-gnueabihf linux/arm/v7 arm'
    'riscv64-linux-gnu linux/riscv64 riscv64'
    'powerpc64le-linux-gnu linux/ppc64le ppc64le'
    'powerpc64-linux-gnu linux/ppc64 ppc64'
    's390x-linux-gnu linux/s390x s390x'
    'mips64el-linux-gnuabi64 linux/mips64le mips64el'
    'mips64-linux-gnuabi64 linux/mips64 mips64'
    'mipsel-linux-gnu linux/mipsle mipsel'
    'mips-linux-gnu linux/mips mips'
)
for row in "${rows[@]}"; do
    read -r triplet _ machine <<<"$row"
    have "$triplet-gcc" || continue
    "$triplet-gcc" -static -o "$triplet" main.c
    "$triplet-gcc" -o "$triplet-dynamic" main.c
    "$triplet-gcc" -shared -fPIC -Wl,-soname,lib.so -o "$triplet.so" main.c
    "$triplet-gcc" -c -o "$triplet.o" main.c
    rm -f "$triplet.a"
    ar rc "$triplet.a" main.c "$triplet.o"
    for other in "${rows[@]}"; do
        read -r _ platform expected <<<"$other"
        files=("$triplet" "$triplet-dynamic" "$triplet.so" "$triplet.o" "$triplet.a")
        case $machine,$platform in
        "$expected",*) rule= ;;
        i386,linux/amd64 | arm,linux/arm64) rule='other-machine warning' ;;
        *) rule='wrong-machine error' ;;
        esac
        "$audit_elf" "$platform" "${files[@]}" >got
        for what in program program library object object; do
            file=${files[0]} files=("${files[@]:1}")
            case $rule,$what in
            ,*) echo "$file fits" ;;
            *,object) echo "$file foreign-object notice: an object for $machine ($expected)" ;;
            *) echo "$file $rule: a $what for $machine ($expected)" ;;
            esac
        done >want
        cmp -s got want || fail "$triplet for $platform: $(diff got want)"
        cases=$((cases + 5))
    done
    is windows/amd64 "$triplet" "wrong-system warning: an ELF file, for $machine (files of windows)"
done

note "classes and byte orders that are no platform's"
if have x86_64-linux-gnu-gcc; then
    make x32 x86_64-linux-gnu-gcc -mx32
    is linux/amd64 x32 "other-machine warning: a program for x86-64 (x32) (x86-64)"
fi
if have aarch64-linux-gnu-gcc; then
    make big aarch64-linux-gnu-gcc -mbig-endian -Wl,-EB -Wl,-maarch64linuxb
    is linux/arm64 big "wrong-machine error: a program for aarch64, big-endian (aarch64)"
fi
if have s390x-linux-gnu-gcc; then
    make s390 s390x-linux-gnu-gcc -m31
    is linux/s390x s390 "wrong-machine error: a program for s390 (s390x)"
fi

note "levels of x86-64"
if have x86_64-linux-gnu-gcc; then
    for level in 1 2 3 4; do
        march=x86-64-v$level
        [[ $level != 1 ]] || march=x86-64
        for variant in '' /v2 /v3 /v4; do
            promised=${variant#/v}
            make "level$level" x86_64-linux-gnu-gcc "-march=$march" -mneeded
            if ((level <= ${promised:-1})); then
                is "linux/amd64$variant" "level$level" fits
            else
                [[ -n $promised ]] && most=x86-64-v$promised || most='x86-64 baseline'
                is "linux/amd64$variant" "level$level" \
                    "isa-level warning: it needs x86-64-v$level (at most $most)"
            fi
        done
    done
    # as docs/audit.md says: GCC leaves no mark by itself
    make unmarked x86_64-linux-gnu-gcc -march=x86-64-v3
    is linux/amd64 unmarked fits
fi
if have i686-linux-gnu-gcc; then
    make i686 i686-linux-gnu-gcc -march=x86-64-v2 -mneeded
    is linux/386 i686 "isa-level warning: it needs x86-64-v2 (at most i686)"
fi

note "arm: float ABI, EABI version, architecture"
if have arm-linux-gnueabihf-gcc && have arm-linux-gnueabi-gcc; then
    arm-linux-gnueabihf-gcc -o hard main.c
    is linux/arm/v7 hard fits
    is linux/arm/v5 hard "wrong-abi warning: the hard-float ABI (the soft-float ABI); isa-level warning: it was built for ARMv7 (at most ARMv5)"
    arm-linux-gnueabi-gcc -o soft main.c
    is linux/arm/v5 soft fits
    is linux/arm/v7 soft "wrong-abi warning: the soft-float ABI (the hard-float ABI)"
    make v5hard arm-linux-gnueabi-gcc -march=armv5te+fp -mfloat-abi=hard
    is linux/arm/v5 v5hard "wrong-abi warning: the hard-float ABI (the soft-float ABI)"
    make v6 arm-linux-gnueabihf-gcc -march=armv6+fp -marm
    is linux/arm/v6 v6 fits
    make v7 arm-linux-gnueabihf-gcc -march=armv7-a+fp
    is linux/arm/v6 v7 "isa-level warning: it was built for ARMv7 (at most ARMv6)"
    is linux/arm/v7 v7 fits
    make v8 arm-linux-gnueabihf-gcc -march=armv8-a+simd
    is linux/arm/v7 v8 "isa-level warning: it was built for ARMv8-A (at most ARMv7)"
    # the EABI version is in e_flags, and no compiler has made another for 15 years
    python3 - hard eabi4 <<'END'
import sys
b = bytearray(open(sys.argv[1], "rb").read())
b[39] = 4
open(sys.argv[2], "wb").write(b)
END
    is linux/arm/v7 eabi4 "wrong-abi warning: EABI version 4 (EABI version 5)"
fi

note "riscv64: float ABI, extensions"
if have riscv64-linux-gnu-gcc; then
    make plain riscv64-linux-gnu-gcc -march=rv64gc
    is linux/riscv64 plain fits
    make zba riscv64-linux-gnu-gcc -march=rv64gc_zba_zbb
    is linux/riscv64 zba "isa-level warning: it was built for zba and zbb (rv64gc)"
    make lp64 riscv64-linux-gnu-gcc -march=rv64imac -mabi=lp64
    is linux/riscv64 lp64 "wrong-abi warning: the ABI lp64, soft float (the ABI lp64d, double float)"
fi

note "powerpc64: ELF ABI version"
if have powerpc64-linux-gnu-gcc; then
    make elfv2 powerpc64-linux-gnu-gcc -mabi=elfv2
    is linux/ppc64 elfv2 "wrong-abi warning: ELF ABI version 2 (version 1)"
fi

note "mips: ABI, float, release"
if have mips64-linux-gnuabi64-gcc; then
    make n32 mips64-linux-gnuabi64-gcc -mabi=n32
    is linux/mips64 n32 "wrong-machine error: a program for mips64 (n32) (mips64)"
    make r2 mips64-linux-gnuabi64-gcc -march=mips64r2
    is linux/mips64 r2 fits
    make r6 mips64-linux-gnuabi64-gcc -march=mips64r6
    is linux/mips64 r6 "wrong-abi warning: NaNs of IEEE 754-2008 (the NaNs of MIPS before release 6); isa-level warning: it needs MIPS64 release 6 (at most release 2)"
    make soft mips64-linux-gnuabi64-gcc -msoft-float
    is linux/mips64 soft "wrong-abi warning: soft float (hard float)"
fi

note "what a file is linked to"
if have x86_64-linux-gnu-gcc; then
    echo 'int f(void) { return 1; }' >f.c
    echo 'int f(void); int main(void) { return f(); }' >g.c
    x86_64-linux-gnu-gcc -shared -fPIC -Wl,-soname,libf.so.1 -o libf.so f.c
    # shellcheck disable=SC2016 # the loader's $ORIGIN
    x86_64-linux-gnu-gcc -Wl,-rpath,'$ORIGIN/lib' -Wl,--disable-new-dtags -o g g.c ./libf.so
    "$audit_elf" facts g >said
    grep -q '^needed: libf.so.1 libc.so.6$' said || fail "$(<said)"
    grep -q -F -x "rpath: \$ORIGIN/lib" said || fail "$(<said)"
    grep -q '^interpreter: /lib64/ld-linux-x86-64.so.2$' said || fail "$(<said)"
    grep -q '^glibc: 2\.[0-9]*$' said || fail "$(<said)"
    grep -q '^kernel: 3\.2\.0$' said || fail "$(<said)"
    # shellcheck disable=SC2016
    x86_64-linux-gnu-gcc -Wl,-rpath,'$ORIGIN/lib' -Wl,--enable-new-dtags -o h g.c ./libf.so
    "$audit_elf" facts h >said
    grep -q -F -x "runpath: \$ORIGIN/lib" said || fail "$(<said)"
    # symbols that were split off are no program
    objcopy --only-keep-debug h h.debug
    "$audit_elf" facts h.debug >said
    grep -q '^debug: 1$' said || fail "$(<said)"
    grep -q '^needed: $' said || fail "$(<said)"
    # of a file that is cut off, what is there counts
    head -c 2000 h >h.cut
    "$audit_elf" facts h.cut >said
    grep -q '^machine: x86-64$' said || fail "$(<said)"
    grep -q '^damage: its ' said || fail "$(<said)"
    is linux/arm64 h.cut "wrong-machine error: a program for x86-64 (aarch64)"
fi
((cases >= 50)) || skip "only $cases cases: the cross compilers are not installed (tools/packages.txt, cross)"
