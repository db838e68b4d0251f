#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The CPU that a RUN step sees: programs of one instruction that the platform does not promise die of SIGILL under
# baseline, and run under max, however they are started; arm v5, v6 and v7 are built at once, each with its own.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

"$WEFT_SRC_DIR/tests/e2e/cpu/make" p

# run FLAG... PATH: weft build, with its log in the file log.
run()
{
    "$WEFT" build --progress=plain "$@" >log 2>&1
}

# What each platform's programs are, and how they end under baseline: 0, or 132 for SIGILL.
expected='
linux/arm64     arm64    aarch64   lse:132
linux/arm/v5    armv5    arm       neon:132 v6:132 v7:132
linux/arm/v6    armv6    arm       neon:132 v6:0 v7:132
linux/arm/v7    armv7    arm       neon:132 v6:0 v7:0
linux/riscv64   riscv64  riscv64   v:132 zbb:132
linux/ppc64le   ppc64le  ppc64le   isa30:132 isa31:132
linux/s390x     s390x    s390x     z14:132
linux/mips64le  mips64le mips64el  mmi:132
'
# what uname -m says, where the model decides it
declare -A uname=([armv5]=armv5tel [armv6]=armv6l [armv7]=armv7l)

# Those that are emulated here and that there is a compiler for.
host=$("$WEFT" platforms --json | jq -r '.platforms[] | select(.how != "emulated") | .platform')
here=()
while read -r platform dir machine programs; do
    [[ -n $platform && -d p/$machine ]] || continue
    ! grep -qx "$platform" <<<"$host" || continue
    here+=("$platform $dir $machine $programs")
done <<<"$expected"
((${#here[@]} > 0)) || skip "no platform is emulated here, or there are no cross compilers"

# A root per platform: busybox of its port (of armel for arm/v6, which has no port), the programs, and a root in it.
platforms=
for line in "${here[@]}"; do
    read -r platform dir machine programs <<<"$line"
    port=${platform/arm\/v6/arm\/v5}
    busybox_base "bb-$dir" "$port"
    read -r _ manifest < <(image_manifests "bb-$dir")
    mkdir -p "ctx/$dir/p" "ctx/$dir/c"
    for layer in $(blob "bb-$dir" "$manifest" | jq -r '.layers[].digest'); do
        blob "bb-$dir" "$layer" | tar -xz -C "ctx/$dir"
    done
    for program in $programs; do
        cp "p/$machine/${program%:*}" "ctx/$dir/p/"
        cp "p/$machine/${program%:*}" "ctx/$dir/c/"
    done
    platforms+=${platforms:+,}$platform
done

dockerfile ctx <<'END'
FROM scratch AS run
ARG TARGETARCH TARGETVARIANT
COPY $TARGETARCH$TARGETVARIANT/ /
RUN echo 'u:x:1000:1000::/:/bin/sh' >>/etc/passwd && uname -m >/uname
RUN for f in /p/*; do                                   \
        n=${f##*/};                                     \
        "$f"; plain=$?;                                 \
        env -i "$f"; bare=$?;                           \
        chroot /c "/$n"; root=$?;                       \
        su -s /bin/sh -c "$f" u; su=$?;                 \
        echo "$n:$plain $n:$bare $n:$root $n:$su";      \
    done >/ends; cat /ends
FROM scratch
COPY --from=run /uname /ends /
END

# check POLICY: the outputs of a build, against the table.
check()
{
    local policy=$1 line platform dir machine programs program ends wanted tree
    for line in "${here[@]}"; do
        read -r platform dir machine programs <<<"$line"
        tree=$policy
        ((${#here[@]} == 1)) || tree=$policy/${platform//\//_}
        wanted=
        for program in $programs; do
            [[ $policy == baseline ]] || program=${program%:*}:0
            wanted+="$program $program $program $program"$'\n'
        done
        ends=$(cat "$tree/ends")
        expect "$platform under $policy" "$ends" "${wanted%$'\n'}"
        if [[ $policy == baseline && -n ${uname[$dir]:-} ]]; then
            expect "uname -m of $platform" "$(cat "$tree/uname")" "${uname[$dir]}"
        fi
    done
}

start=$SECONDS
run --platform "$platforms" -o baseline ctx || fail "$(tail -n 40 log)"
check baseline
note "baseline: $platforms, $((SECONDS - start)) s"
run --platform "$platforms" --cpu max -o max ctx || fail "$(tail -n 40 log)"
check max
note "max: $((SECONDS - start)) s"

# Without a busybox: the program is all there is, and the step fails with it. Under a newer QEMU, where it is at hand:
# that of Debian 12 has no LASX.
alone='
linux/mips    mips    mips        dsp2
linux/mipsle  mipsle  mipsel      dsp2
linux/mips64  mips64  mips64      dsp2
linux/ppc64   ppc64   ppc64       isa30
linux/loong64 loong64 loongarch64 lasx
'
use=()
if "$WEFT_SRC_DIR/tests/bases/qemu" q10 10 >/dev/null 2>log; then
    use=(--qemu "$PWD/q10")
else
    note "no QEMU 10: $(tail -n 1 log)"
fi
emulated=$("$WEFT" platforms --json --cpu max "${use[@]}" |
    jq -r '.platforms[] | select(.how == "emulated" and .cpu.model != "la464") | .platform')
platforms=
names=()
while read -r platform dir machine program; do
    [[ -n $platform && -d p/$machine ]] || continue
    grep -qx "$platform" <<<"$emulated" || continue
    mkdir -p "ctx2/$dir"
    cp "p/$machine/$program" "ctx2/$dir/program"
    platforms+=${platforms:+,}$platform
    names+=("$platform")
done <<<"$alone"
if [[ -n $platforms ]]; then
    dockerfile ctx2 <<'END'
FROM scratch
ARG TARGETARCH
COPY $TARGETARCH/ /
RUN ["/program"]
END
    rc=0
    run "${use[@]}" --platform "$platforms" ctx2 || rc=$?
    expect "exit code under baseline" "$rc" 1
    for name in "${names[@]}"; do
        # its part of the report
        awk -v name="$name" '/ failed at/ { mine = $1 == name } mine' log | grep -q 'Illegal instruction' ||
            fail "$name did not die of SIGILL: $(cat log)"
    done
    run "${use[@]}" --platform "$platforms" --cpu max ctx2 || fail "$(tail -n 40 log)"
    note "$platforms: $((SECONDS - start)) s"
fi
