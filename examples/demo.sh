#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# demo.sh BUILD_DIR [OUT]: build examples/hello for nine platforms with BUILD_DIR/weft, into one OCI layout
# (default: BUILD_DIR/demo/hello), and show what came out. No registry is needed: the base image is made
# from Debian's packages by tests/bases/busybox.
set -euo pipefail

platforms=(linux/amd64 linux/386 linux/arm64 linux/arm/v7 linux/arm/v5 linux/riscv64 linux/ppc64le
    linux/s390x linux/mips64le)

[ $# -ge 1 ] || { echo "usage: demo.sh BUILD_DIR [OUT]" >&2; exit 2; }
top=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "$1" && pwd)
out=${2:-$build/demo/hello}
weft=$build/weft
if [ ! -x "$weft" ]; then
    echo "demo.sh: no $weft: run make in $build first" >&2
    exit 3
fi
mkdir -p "$build/demo"

# Paths as a reader would type them.
short() { realpath -m --relative-base="$PWD" "$1"; }
weft=$(short "$weft")
[[ $weft == */* ]] || weft=./$weft
base=$(short "$build/demo/busybox")
dir=$(short "$build/demo")
out=$(short "$out")
hello=$(short "$top/examples/hello")

echo "== base images: busybox for ${#platforms[@]} platforms, from Debian's packages"
"$top/tests/bases/busybox" "$base" "${platforms[@]}"

echo "== weft build"
list=$(IFS=,; echo "${platforms[*]}")
command=("$weft" build --platform "$list"
    --build-context "busybox=oci-layout://$base:latest"
    -t example/hello:latest -o "type=oci,dest=$out,tar=false" "$hello")
for word in "${command[@]}"; do
    [[ $word =~ ^[[:alnum:]_./:=,@+-]+$ ]] || word=$(printf '%q' "$word")
    printf '%s ' "$word"
done
echo
"${command[@]}"

echo
"$top/examples/show.py" "$out" hello.txt
cat <<END

One index of ${#platforms[@]} images, each made by programs of its own platform, in $out.
("elf" is the machine in the header of its busybox: see examples/hello/README.md.) Try next:

  look at it       skopeo inspect --raw oci:$out:latest | jq .
  unpack an image  skopeo copy --override-arch s390x oci:$out:latest \\
                       oci:$dir/s390x:hello
                   umoci unpack --rootless --image $dir/s390x:hello $dir/s390x.bundle
                   cat $dir/s390x.bundle/rootfs/hello.txt
  build it again   $(short "$top/examples/demo.sh") $(short "$build")
                   (everything is cached)
  see the workers  $weft worker list
                   (they stop by themselves after ten minutes)
  compile C        examples/c/README.md: under QEMU, and with a cross compiler
  your own         $weft build --platform linux/amd64,linux/arm64 -t app \\
                       -o type=oci,dest=app.tar DIRECTORY
END
