#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# usage: qemu_copy.sh BUILD_DIR
#
# Copies of every QEMU that Debian has (trixie, sid), for every machine; and the aarch64 stub in the
# QEMU of Debian's arm64, run under qemu-aarch64 with guest programs of other machines. Needs network:
# 70 MB per suite, once.
set -euo pipefail

build_dir=$(cd "${1:?usage: qemu_copy.sh BUILD_DIR}" && pwd)
src_dir=$(cd "$(dirname "$0")/../.." && pwd)
make -s -C "$build_dir" tests/e2e/qemu-copy
copy=$build_dir/tests/e2e/qemu-copy
data=$src_dir/tests/data/qemu_copy
models='aarch64:cortex-a53 arm:cortex-a7 i386:qemu32 loongarch64:la464 mips:24Kf mips64:MIPS64R2-generic
    mips64el:MIPS64R2-generic mipsel:24Kf ppc64:power9 ppc64le:power9 riscv64:rv64 s390x:max x86_64:qemu64'
tmp=$(mktemp -d "${TMPDIR:-/tmp}/weft-copy.XXXXXX")
trap 'rm -rf "$tmp"' EXIT

fail()
{
    echo "qemu_copy: $*" >&2
    exit 1
}

for suite in trixie sid; do
    "$src_dir/tests/bases/qemu" "$tmp/$suite" "$suite" >/dev/null
    for pair in $models; do
        "$copy" "$tmp/copies" "$tmp/$suite/qemu-${pair%:*}" "${pair#*:}" >/dev/null ||
            fail "no copy of qemu-${pair%:*} of $suite"
    done
    echo "qemu_copy: all of $suite"
done

host=$(command -v qemu-aarch64-static || command -v qemu-aarch64) || fail "no qemu-aarch64"
"$src_dir/tests/bases/qemu" "$tmp/arm64" trixie --arch arm64 >/dev/null
sh "$src_dir/binfmt/stub/build" "$tmp/stub" aarch64-linux-gnu-objcopy aarch64-linux-gnu-gcc \
    -fpie -fvisibility=hidden -fno-stack-protector -mgeneral-regs-only -mbranch-protection=none \
    -fno-asynchronous-unwind-tables -I"$build_dir"
cd "$tmp"
tried=0
for pair in $models; do
    machine=${pair%:*} model=${pair#*:}
    "$copy" -s stub -m 183 "arm64/qemu-$machine" "$model" copy >/dev/null
    "$copy" -s stub -m 183 "arm64/qemu-$machine" no-such-cpu bad >/dev/null
    case $machine in
    arm) triplet=arm-linux-gnueabihf ;;
    i386) triplet=i686-linux-gnu ;;
    mips64*) triplet=$machine-linux-gnuabi64 ;;
    ppc*) triplet=powerpc${machine#ppc}-linux-gnu ;;
    *) triplet=$machine-linux-gnu ;;
    esac
    command -v "$triplet-gcc" >/dev/null || continue
    "$triplet-gcc" -O1 -static -o args "$data/args.c"
    env -i A=1 "$host" ./copy ./args a 'b c' >with || fail "arm64: qemu-$machine does not run"
    env -i A=1 "$host" "arm64/qemu-$machine" -cpu "$model" ./args a 'b c' >without
    cmp with without || fail "arm64: qemu-$machine: $(diff with without)"
    grep -q -x 'argv b c' with || fail "arm64: qemu-$machine: $(cat with)"
    "$host" ./bad ./args >out 2>&1 && fail "arm64: qemu-$machine takes a model that does not exist"
    grep -q no-such-cpu out || fail "arm64: qemu-$machine: $(cat out)"
    tried=$((tried + 1))
done
((tried > 0)) || fail "no cross compiler"
echo "qemu_copy: $tried machines under the QEMU of arm64"
