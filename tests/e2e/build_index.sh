#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 600
# Nine platforms, one index: every image runs on its own machine, standard tools take the layout, and the
# host's handlers stay as they were. As root and as an ordinary user.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

need umoci file
IFS=, read -ra platforms <<<"$ALL_PLATFORMS"
busybox_base bb "${platforms[@]}"
before=$(host_handlers)

# machine_of PLATFORM: what `uname -m` says there, and what file(1) says of its programs
machine_of()
{
    case $1 in
    linux/amd64) echo "x86_64|x86-64" ;;
    linux/386) echo "i686|x86_64|Intel" ;;
    linux/arm64) echo "aarch64|aarch64" ;;
    linux/arm/v5) echo "armv5tel|ARM, EABI5" ;;
    linux/arm/*) echo "armv7l|ARM, EABI5" ;;
    linux/riscv64) echo "riscv64|RISC-V" ;;
    linux/ppc64le) echo "ppc64le|64-bit PowerPC" ;;
    linux/s390x) echo "s390x|IBM S/390" ;;
    linux/mips64le) echo "mips64|MIPS" ;;
    *) fail "no machine for $1" ;;
    esac
}

# run_on PLATFORM PROGRAM ARG...: runs it under the platform's own QEMU, or natively
run_on()
{
    local qemu cpu=()
    case $1 in
    linux/amd64 | linux/386) "${@:2}"; return ;;
    linux/arm64) qemu=aarch64 ;;
    linux/arm/v5) qemu=arm cpu=(-cpu arm926) ;;
    linux/arm/*) qemu=arm ;;
    linux/mips64le) qemu=mips64el ;;
    *) qemu=${1#linux/} ;;
    esac
    if command -v "qemu-$qemu-static" >/dev/null; then
        qemu=$qemu-static
    fi
    "qemu-$qemu" "${cpu[@]}" "${@:2}"
}

check_image()
{
    local who=$1 out=$2 platform=$3 digest=$4 arch variant machine
    local one=$out.one
    machine=$(machine_of "$platform")
    file_of "$out" "$digest" hello.txt >said || fail "$platform: no hello.txt"
    grep -q "^platform: $platform$" said || fail "$platform: $(cat said)"
    grep -Eq "^machine: +(${machine%|*})$" said || fail "$platform ran elsewhere: $(cat said)"

    IFS=/ read -r _ arch variant <<<"$platform"
    skopeo copy -q --override-arch "$arch" ${variant:+--override-variant "$variant"} \
        "oci:$out:latest" "oci:$one:x" || fail "skopeo copy of $platform"
    umoci --log=fatal unpack --rootless --image "$one:x" "$one.root" || fail "umoci unpack of $platform"
    file -L "$one.root/rootfs/bin/busybox" | grep -q "${machine##*|}" ||
        fail "$platform: $(file -L "$one.root/rootfs/bin/busybox")"
    machine=$(run_on "$platform" "$one.root/rootfs/bin/busybox" uname -m) || fail "$platform: its busybox does not run"
    grep -Eqx "$(machine_of "$platform" | sed 's/|[^|]*$//')" <<<"$machine" || fail "$platform: its busybox says '$machine'"
    chmod -R u+w "$one.root"
    rm -rf "$one" "$one.root"
}

for who in $(whos); do
    note "as $who"
    [[ $who == root ]] || make_user
    dir=$(work_dir "$who")
    out=$dir/out
    build_as "$who" --platform "$ALL_PLATFORMS" -t example/hello:latest -o "type=oci,dest=$out,tar=false" \
        "$WEFT_SRC_DIR/examples/hello" >log 2>&1 || fail "the build: $(tail -n 30 log)"
    expect "descriptors in index.json" "$(digests "$out" | wc -l)" 1
    skopeo inspect --raw "oci:$out:latest" >raw.json
    expect "media type" "$(jq -r .mediaType raw.json)" application/vnd.oci.image.index.v1+json
    expect "platforms" "$(image_manifests "$out" | cut -d' ' -f1 | paste -sd,)" "$ALL_PLATFORMS"
    expect "attestations" "$(jq '[.manifests[] | select(.platform.os == "unknown")] | length' raw.json)" 9
    "$WEFT_SRC_DIR/tests/oci/validate" "$out" || fail "the layout does not fit the OCI schemas"
    while read -r platform digest; do
        check_image "$who" "$out" "$platform" "$digest"
    done < <(image_manifests "$out")
    grep -q '\[linux/s390x\] done: .*emulated, QEMU' log || fail "no summary line: $(grep done: log)"
    no_trace "$dir"
    as "$who" "$WEFT" worker stop --all >/dev/null
done
expect "the host's handlers" "$(host_handlers)" "$before"
