#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Copies of QEMU with a CPU model built in: what the guest sees, what it costs, what is refused, and
# what two processes, a crash and a full disk do.
# shellcheck source=tests/e2e/lib.sh
. "$WEFT_SRC_DIR/tests/e2e/lib.sh"

COPY=$WEFT_BUILD_DIR/tests/e2e/qemu-copy
DATA=$WEFT_SRC_DIR/tests/data/qemu_copy
MODEL=cortex-a53
dir=$PWD/copies

need gcc objcopy aarch64-linux-gnu-gcc aarch64-linux-gnu-objcopy valgrind unshare
[[ $(uname -m) == x86_64 ]] || skip "counts the instructions of an x86-64 QEMU"
qemu=$(command -v qemu-aarch64-static || command -v qemu-aarch64) || skip "no qemu-aarch64"
qemu=$(realpath "$qemu")

# refused PROGRAM MODEL TEXT: no copy is made, and the message has TEXT
refused()
{
    local rc=0
    "$COPY" "$dir" "$1" "$2" >out 2>&1 || rc=$?
    ((rc != 0)) || fail "$1 is not refused"
    grep -q -F -- "$3" out || fail "$1 $2: '$3' is not in '$(cat out)'"
    [[ -z $(find "$dir" -name '.new-*') ]] || fail "$1: something is left behind"
}

# build_for ARCH-PREFIX SUFFIX: the guest programs
build_for()
{
    "${1}gcc" -O1 -static -o "args$2" "$DATA/args.c"
    "${1}gcc" -static -nostdlib -o "regs$2" "$DATA/regs.S"
}
build_for '' ''
build_for aarch64-linux-gnu- .a64
aarch64-linux-gnu-gcc -O1 -static -o loop "$DATA/loop.c"

note "the stub in a program of its own: arguments, and registers as the kernel leaves them"
sh "$WEFT_SRC_DIR/binfmt/stub/build" stub.a64 aarch64-linux-gnu-objcopy aarch64-linux-gnu-gcc \
    -fpie -fvisibility=hidden -fno-stack-protector -mgeneral-regs-only -mbranch-protection=none \
    -fno-asynchronous-unwind-tables -I"$WEFT_BUILD_DIR"
# try_stub STUB ELF-MACHINE SUFFIX [EMULATOR]
try_stub()
{
    local stub=$1 number=$2 suffix=$3 program want
    shift 3
    for program in args regs; do
        "$COPY" -s "$stub" -m "$number" "$program$suffix" "$MODEL,x=y" "$program.stub" >/dev/null
    done
    "$@" ./regs"$suffix" || fail "the test itself: registers are not 0"
    "$@" ./regs.stub || fail "the stub changes registers ($stub)"
    want=$(env -i A=1 B= "$@" ./args"$suffix" -cpu "$MODEL,x=y" a '' 'b c' | grep -E '^(arg|env|end)')
    expect "arguments ($stub)" "$(env -i A=1 B= "$@" ./args.stub a '' 'b c' |
        sed "s|\./args\.stub|./args$suffix|" | grep -E '^(arg|env|end)')" "$want"
    want=$(env -i "$@" ./args"$suffix" -cpu "$MODEL,x=y" | grep -E '^(arg|env|end)')
    expect "no arguments ($stub)" "$(env -i "$@" ./args.stub |
        sed "s|\./args\.stub|./args$suffix|" | grep -E '^(arg|env|end)')" "$want"
    # the kernel's AT_ENTRY (9) and AT_EXECFN (31) are those of the file, and nothing else differs
    expect "auxiliary vector ($stub)" "$(env -i "$@" ./args.stub | grep -v -E '^auxv (9|31) ' | grep ^auxv)" \
        "$(env -i "$@" ./args"$suffix" | grep -v -E '^auxv (9|31) ' | grep ^auxv)"
}
try_stub "$WEFT_BUILD_DIR/binfmt/stub/stub.bin" 62 ''
try_stub stub.a64 183 .a64 "$qemu"

note "the guest's arguments, environment and auxiliary vector, with the copy and with -cpu"
copy=$("$COPY" "$dir" "$qemu" "$MODEL")
expect "name" "$(basename "$copy")" "$(basename "$qemu")"
expect "modes" "$(stat -c %a "$copy" "$dir" "$(dirname "$copy")" | tr '\n' ' ')" "755 700 700 "
# same WHAT COMMAND...: it says the same with $run being the copy and QEMU with -cpu. (bash sets $_ to
# the program that it starts.)
same()
{
    local what=$1
    shift
    run=("$copy")
    "$@" >with || fail "$what: the copy ends with $?"
    run=("$qemu" -cpu "$MODEL")
    "$@" >without || fail "$what: QEMU ends with $?"
    sed -i '/^envp _=/d' with without
    cmp with without || fail "$what: $(diff with without | head -n 5)"
    [[ -s with ]] || fail "$what: it said nothing"
}
plainly() { "${run[@]}" ./args.a64 "$@"; }
nothing() { env -i "${run[@]}" ./args.a64; }
many() { seq 1 20000 | xargs -x -n 20000 -s 200000 "${run[@]}" ./args.a64; }
# 30 variables of 50,000 bytes; the kernel's limit is 131,072 for one and a quarter of the stack for all
large() { (for i in {1..30}; do export "LARGE_$i=$(printf '%050000d' "$i")"; done; "${run[@]}" ./args.a64); }
as_name() { (exec -a "$name" "${run[@]}" ./args.a64 x); }
options() { "${run[@]}" -E FOO=bar -0 zero ./args.a64 -cpu max; }
same "no arguments" plainly
same "arguments" plainly a '' 'b c' -cpu -- "$(printf '\n\t')"
same "no environment" nothing
same "20,000 arguments" many
same "a large environment" large
for name in other '' -cpu "$(printf '%0100000d' 7)"; do
    same "QEMU called '${name:0:10}'" as_name
done
same "QEMU's own options" options
grep -q -x 'argv zero' with || fail "the test itself: -0 does nothing"
grep -q -x 'envp FOO=bar' with || fail "the test itself: -E does nothing"
hwcap() { sed -n 's/^auxv 16 //p'; }
expect "the model's features" "$("$copy" ./args.a64 | hwcap)" "$("$qemu" -cpu "$MODEL" ./args.a64 | hwcap)"
[[ $("$copy" ./args.a64 | hwcap) != "$("$qemu" -cpu max ./args.a64 | hwcap)" ]] ||
    fail "the test itself: the models have the same features"

note "as a handler: names, env -i, a chroot, another user"
cat >handler.sh <<'HANDLER'
set -eu
copy=$1 qemu=$2 model=$3
table=/proc/sys/fs/binfmt_misc
grep -q "binfmt_misc $table" /proc/self/mounts || exit 77
head='\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
mask='\xff\xff\xff\xff\xff\xff\xff\xfc\x00\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
printf '%s' ":weft-test:M::$head:$mask:$copy:POCF" >"$table/register"
mkdir root
cp args.a64 root/args
same()
{
    sed -i '/^envp _=/d' with without
    cmp with without || { echo "$1:"; diff with without; exit 1; }
}
export A=b
args=$PWD/args.a64
"$args" x 'y z' >with
"$qemu" -cpu "$model" -0 "$args" "$args" x 'y z' >without
same plain
(exec -a called "$args") >with
"$qemu" -cpu "$model" -0 called "$args" >without
same 'exec -a'
(exec -a '' "$args") >with
"$qemu" -cpu "$model" -0 '' "$args" >without
same 'an empty name'
env -i "$args" >with
env -i "$qemu" -cpu "$model" -0 "$args" "$args" >without
same 'env -i'
QEMU_CPU=max "$args" >with
QEMU_CPU=max "$qemu" -cpu "$model" -0 "$args" "$args" >without
same 'QEMU_CPU is not obeyed'
chroot root /args x >with
cp "$qemu" root/qemu
chroot root /qemu -cpu "$model" -0 /args /args x >without
same chroot
# a user who may not enter the directory of the copies; /proc/self must be its own
chmod 755 root
chroot --userspec=1:1 root /args x >with
chroot --userspec=1:1 root /qemu -cpu "$model" -0 /args /args x >without
same 'another user'
grep -q -x 'auxv 11 0x1' with
HANDLER
rc=0
"$WEFT_SRC_DIR/tests/bases/userns" bash handler.sh "$copy" "$qemu" "$MODEL" || rc=$?
if ((rc == 77)); then
    note "(no binfmt_misc in user namespaces here: left out)"
    [[ ${WEFT_TESTS_MUST_RUN:-} != 1 ]] || fail "no private binfmt_misc"
elif ((rc != 0)); then
    fail "as a handler: $rc"
fi
"$WEFT_SRC_DIR/tests/bases/userns" rm -rf "$PWD/root" >/dev/null 2>&1 || rm -rf root

note "what it costs: instructions, counted by callgrind"
count()
{
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$@" 2>&1 | tee counted |
        sed -n 's/.*Collected : \([0-9]*\).*/\1/p'
}
with=$(env -i PATH="$PATH" bash -c "$(declare -f count); count \"\$@\"" bash "$copy" ./loop)
without=$(env -i PATH="$PATH" bash -c "$(declare -f count); count \"\$@\"" bash "$qemu" -cpu "$MODEL" ./loop)
note "with the stub $with, without $without"
((without > 1000000000)) || fail "too few instructions to compare: $(cat counted)"
difference=$((with > without ? with - without : without - with))
((difference * 1000 < without)) || fail "the stub makes a difference of $difference in $without"

note "what it costs: starts"
starts()
{
    local i start=${EPOCHREALTIME/[.,]/}
    for ((i = 0; i < 200; i++)); do
        "$@" ./regs.a64
    done
    echo $((${EPOCHREALTIME/[.,]/} - start))
}
starts "$copy" >/dev/null
best_with='' best_without=''
for _ in 1 2 3; do
    t=$(starts "$copy")
    ((t < ${best_with:-$((t + 1))})) && best_with=$t
    t=$(starts "$qemu" -cpu "$MODEL")
    ((t < ${best_without:-$((t + 1))})) && best_without=$t
done
note "200 starts, best of 3: with the stub $best_with us, without $best_without us:" \
    "$(awk "BEGIN { printf \"%.3f\", $best_with / $best_without }")"

note "what is refused"
mkdir bad
cp /bin/true bad/qemu-arm
refused "$PWD/bad/qemu-arm" max "$PWD/bad/qemu-arm cannot be given a CPU model: it is not static: it needs a dynamic loader"
cp args.a64 bad/qemu-arm
refused "$PWD/bad/qemu-arm" max "it is a program for aarch64, not for x86-64"
cp "$copy" bad/qemu-aarch64
refused "$PWD/bad/qemu-aarch64" max "it is a copy that weft has made"
head -c 1000000 "$qemu" >bad/qemu-aarch64
refused "$PWD/bad/qemu-aarch64" max "its end is missing"
gcc -static -nostdlib -Wl,--build-id=none -o bad/qemu-arm "$DATA/regs.S"
readelf -lW bad/qemu-arm | grep -q NOTE && fail "the test itself: it has a note"
refused "$PWD/bad/qemu-arm" max "it has no note (PT_NOTE)"
cp regs bad/qemu-arm
refused "$PWD/bad/qemu-arm" max "pays no heed to the CPU model in it (exit code 0)"
printf '#!/bin/sh\nexit 42\n' >bad/qemu-arm
refused "$PWD/bad/qemu-arm" max "not an ELF file"
refused "$PWD/bad/qemu-none" max "no machine has this name"
refused "$qemu" no-such-cpu "unable to find CPU model 'no-such-cpu'"
refused "$qemu" 'two words' "a CPU model is one word"

note "known ones are given again, and those that changed are made again"
inode=$(stat -c %i "$copy")
expect "again" "$("$COPY" "$dir" "$qemu" "$MODEL")" "$copy"
mv "$dir/answers" answers.old
expect "without what was known" "$("$COPY" "$dir" "$qemu" "$MODEL")" "$copy"
expect "a good one stays" "$(stat -c %i "$copy")" "$inode"
sum=$(sha256sum <"$copy")
for damage in 'truncate -s 1M' 'truncate -s 0' 'touch' 'rm'; do
    $damage "$copy"
    expect "after $damage" "$("$COPY" "$dir" "$qemu" "$MODEL")" "$copy"
    expect "after $damage, content" "$(sha256sum <"$copy")" "$sum"
    expect "after $damage, mode" "$(stat -c %a "$copy")" 755
done
dd if=/dev/zero of="$copy" bs=4096 seek=100 count=1 conv=notrunc status=none
expect "after a block of zeros" "$("$COPY" "$dir" "$qemu" "$MODEL")" "$copy"
expect "after a block of zeros, content" "$(sha256sum <"$copy")" "$sum"
# what a crash of the machine did to it shows after the next boot: looked at again, not believed
boot=$(cat /proc/sys/kernel/random/boot_id)
inode=$(stat -c %i "$copy")
sed -i "s/$boot/00000000-0000-0000-0000-000000000000/" "$dir/answers"
expect "after another boot" "$("$COPY" "$dir" "$qemu" "$MODEL")" "$copy"
expect "after another boot, a good one stays" "$(stat -c %i "$copy")" "$inode"
cp -p "$copy" times
dd if=/dev/zero of="$copy" bs=4096 seek=100 count=1 conv=notrunc status=none
touch -r times "$copy"
sed -i "s/$boot/00000000-0000-0000-0000-000000000000/" "$dir/answers"
expect "after a crash" "$("$COPY" "$dir" "$qemu" "$MODEL")" "$copy"
expect "after a crash, content" "$(sha256sum <"$copy")" "$sum"
mkdir upgrade
cp "$qemu" upgrade/qemu-aarch64
first=$("$COPY" "$dir" "$PWD/upgrade/qemu-aarch64" "$MODEL")
expect "the same content, by another name" "$(dirname "$first")" "$(dirname "$copy")"
printf 'x' >>upgrade/qemu-aarch64
second=$("$COPY" "$dir" "$PWD/upgrade/qemu-aarch64" "$MODEL")
[[ $(dirname "$second") != "$(dirname "$first")" ]] || fail "another QEMU has the same copy"

note "many at once"
rm -rf "$dir"
for i in {1..8}; do
    "$COPY" "$dir" "$qemu" "$MODEL" max >"at-once-$i" 2>&1 &
done
wait
for i in {1..8}; do
    cmp at-once-1 "at-once-$i" || fail "they do not agree"
done
mapfile -t made <at-once-1
expect "number of copies" "${#made[@]} $(find "$dir" -type f -name 'qemu-*' | wc -l)" "2 2"
[[ -z $(find "$dir" -name '.new-*') ]] || fail "something is left behind"
"${made[0]}" ./args.a64 >/dev/null

note "a full disk, a killed maker, and trimming"
mkdir small
rc=0
# shellcheck disable=SC2016 # expanded by the inner shell
unshare --user --map-root-user --mount bash -c '
    mount -t tmpfs -o size=6m none small || exit 77
    if "$1" small/copies "$2" max; then exit 1; fi
    find small -name ".new-*" -o -name "qemu-*" | grep . && exit 1
    exit 0' bash "$COPY" "$qemu" >out 2>&1 || rc=$?
((rc == 77)) || {
    expect "exit code" "$rc" 0
    grep -q "No space left on device" out || fail "$(cat out)"
}
head -c 5000 "$qemu" >"$dir/.new-killed"
touch -d '40 days ago' "$(dirname "${made[0]}")"
"$COPY" -t 30 "$dir"
[[ ! -e ${made[0]} && -x ${made[1]} ]] || fail "trimming took the wrong one"
[[ ! -e $dir/.new-killed ]] || fail "what a killed process left is still there"
touch -d '40 days ago' "$(dirname "${made[1]}")"
expect "use" "$("$COPY" "$dir" "$qemu" max)" "${made[1]}"
"$COPY" -t 30 "$dir"
[[ -x ${made[1]} ]] || fail "one that was just used is gone"
