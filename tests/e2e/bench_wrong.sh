#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 500
#
# weft bench run with a QEMU that gets one instruction of one kernel wrong: that kernel fails, is named, and has no time;
# its QEMU is in no ranking.
. "${WEFT_SRC_DIR:-.}/tests/e2e/lib.sh"

need jq gcc python3
[[ -x $WEFT_LIBEXEC/bench/$(uname -m)/kernels ]] || skip "there are no native kernels"
python3 -c 'import jsonschema' || skip "the Python module jsonschema is missing"
result=$WEFT_TEST_TMP/result.json

# break_instruction MACHINE PROGRAM COPY FUNCTION N: COPY is PROGRAM with the Nth (from 0) exclusive or of FUNCTION turned
# into an inclusive one. Exit code 1: it has no more.
break_instruction()
{
    python3 - "$@" <<'PYTHON'
import struct
import sys

machine, program, copy, function, nth = sys.argv[1:]
# its size, which bits tell the instruction, what they are, and those that turn it into the other
form, mask, value, flip = {
    "aarch64": ("<I", 0x7F200000, 0x4A000000, 0x60000000),  # eor to orr, of registers
    "riscv64": ("<H", 0xFC63, 0x8C21, 0x0060),  # c.xor to c.or
}[machine]
width = struct.calcsize(form)
data = bytearray(open(program, "rb").read())
start, size, count = struct.unpack_from("<Q", data, 40)[0], *struct.unpack_from("<HH", data, 58)
sections = [struct.unpack_from("<IIQQQQIIQQ", data, start + i * size) for i in range(count)]
places = []
for _, kind, _, _, at, length, link, _, _, _ in sections:
    if kind != 2:  # SHT_SYMTAB
        continue
    for symbol in range(at, at + length, 24):
        name, _, _, index, address, bytes_ = struct.unpack_from("<IBBHQQ", data, symbol)
        name += sections[link][4]
        if data[name : data.index(0, name)].decode() == function:
            begin = address - sections[index][3] + sections[index][4]
            places += [p for p in range(begin, begin + bytes_, width)
                       if struct.unpack_from(form, data, p)[0] & mask == value]
if int(nth) >= len(places):
    sys.exit(1)
where = places[int(nth)]
struct.pack_into(form, data, where, struct.unpack_from(form, data, where)[0] ^ flip)
open(copy, "wb").write(data)
PYTHON
    local rc=$?
    chmod 755 "$3" 2>/dev/null || true
    return $rc
}

# wrong_qemu MACHINE KERNEL FUNCTION HOW: a QEMU in $wrong that gets one instruction of FUNCTION wrong, so that KERNEL,
# and none but it, comes to another result (HOW: result), or finds out by itself (HOW: itself).
wrong_qemu()
{
    local machine=$1 kernel=$2 function=$3 how=$4 n line rc
    guest=$WEFT_LIBEXEC/bench/$machine/kernels
    [[ ! -x $guest-branch-protection ]] || guest+=-branch-protection
    wrong=$WEFT_TEST_TMP/wrong-$machine-$kernel
    mkdir -p "$wrong"
    gcc -std=gnu11 -D_GNU_SOURCE -O2 -static -I"$WEFT_BUILD_DIR" "$WEFT_SRC_DIR/tests/e2e/broken-qemu.c" \
        -o "$wrong/qemu-$machine"
    printf '%s\n' "$qemu" run "$guest" "$wrong/guest" >"$wrong/qemu-$machine.how"
    read -r -a answer <<<"$("$qemu" "$guest" "$kernel" 4)"
    for ((n = 0; ; n++)); do
        break_instruction "$machine" "$guest" "$wrong/guest" "$function" $n ||
            fail "no instruction of $function on $machine breaks $kernel"
        line=$("$wrong/qemu-$machine" "$guest" "$kernel" 4 2>/dev/null) && rc=0 || rc=$?
        case $how in
        result) [[ $rc != 0 || ! $line =~ ^$kernel\ 4\ [0-9]+\ [0-9a-f]{16}$ || ${line##* } == "${answer[3]}" ]] || break ;;
        itself) [[ $rc != 1 || -n $line ]] || break ;;
        esac
    done
    note "$machine: $kernel is wrong with exclusive or number $n of $function"
}

# bench PLATFORM QEMU_DIR...: a run of $kernel, start and syscall
bench()
{
    local platform=$1 args=() dir
    shift
    for dir; do
        args+=(--qemu "$dir")
    done
    "$WEFT" bench run --quick --platform "$platform" "${args[@]}" --kernel "$kernel" --kernel syscall --kernel start \
        -o "$result" >"$WEFT_TEST_TMP/table" 2>"$WEFT_TEST_TMP/err" && rc=0 || rc=$?
    json_valid result.schema.json "$result"
}

# of the wrong QEMU
target()
{
    jq -r --arg q "$wrong" ".targets[] | select(.qemu.path | startswith(\$q)) | $1" "$result"
}

tried=
for case in linux/arm64:aarch64:crc32:run_crc32:result linux/arm64:aarch64:sha256:compress:itself \
    linux/riscv64:riscv64:crc32:run_crc32:result; do
    IFS=: read -r platform machine kernel function how <<<"$case"
    qemu=$(command -v "qemu-$machine-static" || command -v "qemu-$machine") || continue
    [[ -x $WEFT_LIBEXEC/bench/$machine/kernels && $(uname -m) != "$machine" ]] || continue
    wrong_qemu "$machine" "$kernel" "$function" "$how"
    right=$WEFT_TEST_TMP/right-$machine
    mkdir -p "$right"
    cp "$qemu" "$right/qemu-$machine"

    bench "$platform" "$wrong" "$right"
    expect 'exit code' "$rc" 1
    expect 'QEMUs' "$(jq '.targets | length' "$result")" 2
    expect "what failed" "$(target '[.kernels[] | select(.failure) | .name] | join(" ")')" "$kernel"
    failure=$(target '.kernels[] | .failure // empty')
    case $how in
    result) [[ $failure =~ ^a\ wrong\ result:\ [0-9a-f]{16},\ natively\ [0-9a-f]{16}$ ]] || fail "it says: $failure" ;;
    itself) [[ $failure == 'exit code 1: '*' is wrong' ]] || fail "it says: $failure" ;;
    esac
    expect 'its time' "$(target '.kernels[] | select(.failure) | keys | join(" ")')" 'failure name plain'
    expect 'kernels with a time' "$(target '[.kernels[] | select(.ratio > 1) | .name] | join(" ")')" 'syscall start'
    expect 'the mean is that of these two' \
        "$(target '([.kernels[] | .ratio // empty | log] | add / 2 | exp) - .mean.ratio | fabs < 1e-6')" true
    expect 'the other QEMU' "$(jq --arg q "$right" \
        '.targets[] | select(.qemu.path | startswith($q)) | [.kernels[] | .ratio > 0] | all' "$result")" true
    grep -q "failed: $kernel on $platform, .*: " "$WEFT_TEST_TMP/err" || fail "the error does not name it"
    grep -Eq "^  $kernel *FAILED  " "$WEFT_TEST_TMP/table" || fail "not in the table: $(cat "$WEFT_TEST_TMP/table")"
    grep -q "is not ranked: $kernel failed" "$WEFT_TEST_TMP/table" || fail "it is ranked: $(cat "$WEFT_TEST_TMP/table")"

    chosen=$(WEFT_QEMU_DIR=$wrong:$right "$WEFT" platforms --json "$platform" | jq -r '.platforms[0].qemu.path')
    expect 'what a build takes, though the wrong one comes first' "$chosen" "$right/qemu-$machine"
    WEFT_QEMU_DIR=$wrong:$right "$WEFT" qemu list >"$WEFT_TEST_TMP/list" 2>&1
    grep -q "weft bench, $kernel: " "$WEFT_TEST_TMP/list" || fail "weft qemu list: $(cat "$WEFT_TEST_TMP/list")"

    bench "$platform" "$wrong"
    expect 'exit code' "$rc" 1
    grep -q "^$platform: nothing that was measured can be relied on" "$WEFT_TEST_TMP/table" ||
        fail "the verdict: $(cat "$WEFT_TEST_TMP/table")"
    tried+=" $platform"
done

note "a build does not go by it"
machine=aarch64
wrong=$WEFT_TEST_TMP/wrong-aarch64-sha256 right=$WEFT_TEST_TMP/right-aarch64
if [[ -d $wrong ]]; then
    "$WEFT" bench run --quick --platform linux/arm64 --qemu "$wrong" --qemu "$right" -o "$result" >"$WEFT_TEST_TMP/table" \
        2>"$WEFT_TEST_TMP/err" && rc=0 || rc=$?
    expect 'exit code' "$rc" 1
    expect 'what failed' "$(target '[.kernels[] | select(.failure) | .name] | join(" ")')" sha256
    expect 'the profile' "$(jq -r '[.speeds[].qemu.path] | join(" ")' "$WEFT_STATE_DIR/bench/profile.json")" \
        "$right/qemu-aarch64"
fi
[[ -n $tried ]] || skip "there is no QEMU, or no kernels, for arm64 and riscv64"
