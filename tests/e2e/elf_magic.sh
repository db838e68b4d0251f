#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the catalogue says of ELF files, against files that real compilers make: each program is that of one
# machine and no other's, and its flags are those of its platforms. Where Debian has no compiler (loong64; mips from
# Debian 13 on), Go makes the file.
# shellcheck source=tests/e2e/lib.sh
. "$WEFT_SRC_DIR/tests/e2e/lib.sh"

go=$("$WEFT_SRC_DIR/tools/get-go.sh")
elf_machine=$WEFT_BUILD_DIR/tests/e2e/elf-machine
echo 'int main(void) { return 0; }' >main.c
printf 'package main\nfunc main() {}\n' >main.go
export GOCACHE=$WEFT_TEST_TMP/go GOENV=off GOFLAGS="" CGO_ENABLED=0 GO111MODULE=off

# machine WHAT FILE MACHINE PLATFORM...: what the catalogue says of a file.
machine()
{
    local got
    got=$("$elf_machine" "$2")
    expect "$1" "${got%% *}" "$3"
    expect "$1, platforms" "${got#* }" "$(IFS=, && echo "${*:4}")"
}

amd64=(linux/amd64 linux/amd64/v2 linux/amd64/v3 linux/amd64/v4)
arm64=(linux/arm64 linux/arm64/v8.{1..9} linux/arm64/v9 linux/arm64/v9.{1..5})
made=0
while read -r triplet goarch name platforms; do
    case $platforms in
    amd64) read -ra list <<<"${amd64[*]}" ;;
    arm64) read -ra list <<<"${arm64[*]}" ;;
    *) read -ra list <<<"$platforms" ;;
    esac
    if command -v "$triplet-gcc" >/dev/null; then
        note "$triplet-gcc"
        "$triplet-gcc" -o program main.c
        machine "$triplet, dynamic" program "$name" "${list[@]}"
        "$triplet-gcc" -no-pie -o program main.c
        machine "$triplet, not relocatable" program "$name" "${list[@]}"
        "$triplet-gcc" -static -o program main.c
        machine "$triplet, static" program "$name" "${list[@]}"
        "$triplet-gcc" -c -o object.o main.c
        expect "$triplet, an object file" "$("$elf_machine" object.o)" "- -"
    else
        note "Go for $goarch"
        GOOS=linux GOARCH=$goarch "$go" build -o program main.go
        machine "Go, $goarch" program "$name" "${list[@]}"
    fi
    made=$((made + 1))
done <<'END'
x86_64-linux-gnu amd64 x86_64 amd64
i686-linux-gnu 386 i386 linux/386
aarch64-linux-gnu arm64 aarch64 arm64
arm-linux-gnueabihf arm arm linux/arm/v7 linux/arm/v6
arm-linux-gnueabi arm arm linux/arm/v5
riscv64-linux-gnu riscv64 riscv64 linux/riscv64
powerpc64le-linux-gnu ppc64le ppc64le linux/ppc64le
powerpc64-linux-gnu ppc64 ppc64 linux/ppc64
s390x-linux-gnu s390x s390x linux/s390x
mips64el-linux-gnuabi64 mips64le mips64el linux/mips64le
mips64-linux-gnuabi64 mips64 mips64 linux/mips64
mipsel-linux-gnu mipsle mipsel linux/mipsle
mips-linux-gnu mips mips linux/mips
loongarch64-linux-gnu loong64 loongarch64 linux/loong64
END
expect "compilers" "$made" 14

note "Go for arm, which does not say what floating point it uses"
GOOS=linux GOARCH=arm GOARM=7 "$go" build -o program main.go
machine "Go, arm" program arm linux/arm/v7 linux/arm/v6 linux/arm/v5

# other WHAT WANTED COMPILER FLAG...: a program of a machine that is none of the catalogue's, or that shares
# its magic with one and differs in e_flags, which handlers cannot see.
other()
{
    if ! command -v "$3" >/dev/null; then
        note "$1: $3 is not installed"
        return
    fi
    note "$1"
    "$3" "${@:4}" -nostdlib -static -Wl,-e,main -o program main.c
    expect "$1" "$("$elf_machine" program)" "$2"
}
other "x32" "- -" x86_64-linux-gnu-gcc -mx32
other "aarch64, big endian" "- -" aarch64-linux-gnu-gcc -mbig-endian -Wl,-EB -Wl,-maarch64linuxb
other "arm, big endian" "- -" arm-linux-gnueabi-gcc -mbig-endian
other "powerpc, 32 bits" "- -" powerpc64-linux-gnu-gcc -m32
other "s390, 31 bits" "- -" s390x-linux-gnu-gcc -m31
other "mips, N32" "mips -" mips64-linux-gnuabi64-gcc -mabi=n32
other "powerpc64, ELFv2" "ppc64 -" powerpc64-linux-gnu-gcc -mabi=elfv2
