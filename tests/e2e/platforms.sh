#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# weft platforms: what it says of this machine, against what the machine does.
# shellcheck source=tests/e2e/lib.sh
. "$WEFT_SRC_DIR/tests/e2e/lib.sh"

need jq
userns=$WEFT_SRC_DIR/tests/bases/userns
container=$WEFT_SRC_DIR/tests/bases/container
export WEFT_CONFIG=$PWD/config.yaml
: >config.yaml

# of FILE PLATFORM KEY...: values of one row of a --json, one per line, "-" where there is none.
of()
{
    local file=$1 platform=$2
    shift 2
    jq -r --arg p "$platform" '.platforms[] | select(.platform == $p)' "$file" |
        jq -r "$(printf '(%s | if . == null then "-" else . end), ' "$@" | sed 's/, $//')"
}

# how FILE: what each platform is, without models and versions.
how()
{
    jq -c '[.platforms[] | {platform, how, ready}]' "$1"
}

cat >hwcap.c <<'END'
#include <stdio.h>
#include <sys/auxv.h>
int main(void)
{
    printf("%lx %lx\n", getauxval(AT_HWCAP), getauxval(AT_HWCAP2));
    return 0;
}
END

note "every row, by running a program of it"
"$WEFT" platforms --json >all
expect "schema" "$(jq .schema all)" 1
expect "workers" "$(jq -c .workers all)" '{"possible":true,"handlers":"namespace"}'
host=$(jq -r .host all)
expect "host" "$(of all "$host" .how .ready)" $'native\ntrue'
tried=0
for platform in $(jq -r '.platforms[] | select(.machine).platform' all); do
    {
        read -r how
        read -r triplet
        read -r qemu
        read -r copy
        read -r model
        read -r version
    } < <(of all "$platform" .how .triplet .qemu.path .qemu.copy .cpu.model .qemu.version)
    if ! command -v "$triplet-gcc" >/dev/null; then
        note "$platform: $how, no compiler to make a program with"
        continue
    fi
    # Debian's C library of that name is for v7
    [[ $platform != linux/arm/v6 ]] || triplet=arm-linux-gnueabi
    [[ -x $triplet ]] || "$triplet-gcc" -static -o "$triplet" hwcap.c
    case $how in
    native | compatible) "./$triplet" >/dev/null || fail "$platform is $how, and does not run" ;;
    emulated)
        [[ $("$qemu" --version) == *" version $version"* ]] || fail "$platform: $qemu is not $version"
        seen=$("$copy" "./$triplet") || fail "$platform: $copy does not run programs"
        expect "$platform, what its programs see" "$seen" "$("$qemu" -cpu "$model" "./$triplet")"
        ;;
    # what this CPU has not, or this QEMU
    missing) [[ $platform == linux/amd64/v* || $platform == linux/arm64/v* ]] || fail "$platform: $(of all "$platform" .note .mend)" ;;
    *) fail "$platform is $how" ;;
    esac
    tried=$((tried + 1))
done
((tried >= 10)) || fail "only $tried platforms could be tried: cross compilers are missing"
expect "windows" "$(of all windows/amd64 .how .ready .machine)" $'copy-only\ntrue\n-'

note "variants of amd64, by what the CPU has"
if [[ $host == linux/amd64 ]]; then
    for pair in v2:sse4_2 v3:avx2 v4:avx512bw; do
        wanted=missing
        ! grep -q -w "${pair#*:}" /proc/cpuinfo || wanted=native
        expect "amd64/${pair%:*}" "$(of all "linux/amd64/${pair%:*}" .how)" "$wanted"
    done
fi

note "Debian's names"
if command -v dpkg-architecture >/dev/null; then
    while read -r debian triplet; do
        expect "triplet of $debian" "$(dpkg-architecture -q DEB_HOST_GNU_TYPE -a "$debian" 2>/dev/null)" "$triplet"
    done < <(jq -r '.platforms[] | select(.debian) | .debian + " " + .triplet' all | sort -u)
fi

note "the table, and what may be named"
"$WEFT" platforms >table
[[ $(head -n 1 table) == PLATFORM*HOW*QEMU*SLOWDOWN*"CPU MODEL" ]] || fail "no head: $(head -n 1 table)"
while read -r platform how version model; do
    grep -q -E "^$platform +$how +$version +- +$model\$" table || fail "no row: $platform $how $version $model"
done < <(jq -r '.platforms[] | [.platform, .how, .qemu.version // "-", .cpu.model // "-"] | join(" ")' all)
grep -q '^  weft bench run --quick --platform linux/' table || fail "not said how to measure: $(tail -n 3 table)"
expect "what was not measured" "$(jq '[.platforms[] | select(.slowdown)] | length' all)" 0
expect "by aliases" "$("$WEFT" platforms armhf linux/aarch64/v8 i686 --json | jq -c '[.platforms[].platform]')" \
    '["linux/386","linux/arm64","linux/arm/v7"]'
code=0
"$WEFT" platforms linux/arn64 2>err || code=$?
expect "an unknown platform" "$code $(grep -c 'try: linux/arm64' err)" "2 1"

note "CPU models and QEMU, by flag and by file"
foreign=linux/arm64 other=linux/s390x
[[ $host != linux/arm64 ]] || foreign=linux/riscv64
baseline=$(of all $foreign .cpu.model)
"$WEFT" platforms --cpu max --json >max.json
[[ $(of max.json $foreign .cpu.model) != "$baseline" ]] || fail "max is the baseline"
"$WEFT" platforms --cpu "$foreign=max" --json >one
expect "one platform" "$(of one $foreign .cpu.model)" "$(of max.json $foreign .cpu.model)"
expect "and no other" "$(of one $other .cpu.model)" "$(of all $other .cpu.model)"
printf 'cpu:\n  %s: max\n' $foreign >config.yaml
"$WEFT" platforms --json >one
expect "by the file" "$(of one $foreign .cpu.model)" "$(of max.json $foreign .cpu.model)"
"$WEFT" platforms --cpu baseline --json >one
expect "the flag wins" "$(of one $foreign .cpu.model)" "$baseline"
: >config.yaml
for flag in "--cpu=$foreign=no-such-cpu" --cpu=fast --cpu=cortex-a53 --qemu=; do
    code=0
    "$WEFT" platforms "$flag" >out 2>err || code=$?
    expect "$flag" "$code $(wc -c <out)" "2 0"
done
code=0
"$WEFT" platforms --qemu 99.1 >out 2>err || code=$?
expect "a QEMU that is not there" "$code $(wc -c <out)" "2 0"
grep -q '99.1 here; there is: [0-9]' err || fail "it is not said what there is: $(cat err)"

note "without QEMU"
WEFT_QEMU_DIR=/nonexistent "$WEFT" platforms --json >out
expect "nothing is emulated" "$(jq '[.platforms[] | select(.how == "emulated")] | length' out)" 0
expect "what is native stays so" "$(jq -c '[.platforms[] | select(.how == "native" or .how == "compatible").platform]' out)" \
    "$(jq -c '[.platforms[] | select(.how == "native" or .how == "compatible").platform]' all)"
[[ $(of out $foreign .mend) == *"apt-get install qemu-user-static"* ]] || fail "$(of out $foreign .mend)"
WEFT_QEMU_DIR=/nonexistent "$WEFT" platforms $foreign >out
grep -q "^  try: .*apt-get install qemu-user-static" out || fail "$(cat out)"

note "without BuildKit"
WEFT_LIBEXEC=$PWD WEFT_BUILDKITD=$PWD/none PATH=/usr/bin:/bin "$WEFT" platforms --json >out
expect "the same" "$(how out)" "$(how all)"

((EUID == 0)) || exit 0

note "as a user"
make_user
as_user "$WEFT" platforms --json >out
expect "the same" "$(how out)" "$(how all)"
as_user "$WEFT" platforms --cpu max --json >out
expect "with max" "$(jq -c '[.platforms[].cpu.model]' out)" "$(jq -c '[.platforms[].cpu.model]' max.json)"

note "handlers of the host, and none"
machine=$(of all $foreign .machine)
"$userns" "$DENY_MOUNT" "$WEFT" platforms --json >out
expect "scope" "$(jq -r .workers.handlers out)" existing
expect "$foreign" "$(of out $foreign .how .ready .qemu.version .cpu.model)" \
    $'emulated\ntrue\n'"$(of all $foreign .qemu.version)"$'\n-'
[[ $(of out $foreign .qemu.handler) == *"$machine"* ]] || fail "handler: $(of out $foreign .qemu.handler)"
# shellcheck disable=SC2016 # the inner shell expands it
"$userns" sh -c 'echo -1 >/proc/sys/fs/binfmt_misc/status; exec "$@"' sh "$DENY_MOUNT" "$WEFT" platforms --json >out
expect "no handler" "$(of out $foreign .how .ready)" $'missing\nfalse'
[[ $(of out $foreign .mend) == *apt-get*qemu-user-static* ]] || fail "$(of out $foreign .mend)"
expect "native all the same" "$(of out "$host" .how)" native
"$userns" "$DENY_MOUNT" "$WEFT" platforms --cpu max $foreign >out
grep -q -- "--cpu cannot be followed here" out || fail "$(cat out)"

note "a table that is out of sight, with handlers and without"
# shellcheck disable=SC2016
unseen='[ "$1" = with ] || echo -1 >/proc/sys/fs/binfmt_misc/status
    shift
    mount -t tmpfs none /proc/sys/fs/binfmt_misc
    exec "$@"'
"$userns" sh -c "$unseen" sh with "$DENY_MOUNT" "$WEFT" platforms --json >out
expect "with" "$(of out $foreign .how .qemu.version)" $'emulated\n'"$(of all $foreign .qemu.version)"
"$userns" sh -c "$unseen" sh without "$DENY_MOUNT" "$WEFT" platforms --json >out
expect "without" "$(of out $foreign .how .ready)" $'missing\nfalse'
[[ $(of out $foreign .mend) == *"weft binfmt install"* ]] || fail "$(of out $foreign .mend)"

note "in an unprivileged container"
command -v runc >/dev/null || skip "runc is not installed"
mkdir c
"$container" --bind "$PWD/c" --bind-ro "$WEFT_BUILD_DIR" --env WEFT_STATE_DIR="$PWD/c" \
    -- "$WEFT" platforms --json >out
expect "workers" "$(jq .workers.possible out)" false
[[ $(jq -r .workers.note out) == *namespace* ]] || fail "$(jq -c .workers out)"
expect "nothing is ready" "$(jq '[.platforms[] | select(.ready)] | length' out)" 0
expect "what there would be" "$(jq -c '[.platforms[].how]' out)" "$(jq -c '[.platforms[].how]' all)"
"$container" --bind "$PWD/c" --bind-ro "$WEFT_BUILD_DIR" --env WEFT_STATE_DIR="$PWD/c" \
    -- "$WEFT" platforms $foreign >out
grep -q "^no platform can be built here: " out || fail "$(cat out)"
"$container" --userns --seccomp weft --cap-add SYS_ADMIN --bind-ro "$WEFT_BUILD_DIR" -- "$WEFT" platforms --json >out
expect "with what a worker needs" "$(how out)" "$(how all)"
