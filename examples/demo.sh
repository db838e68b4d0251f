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

echo "== base images: busybox for ${#platforms[@]} platforms, from Debian's packages"
"$top/tests/bases/busybox" "$build/demo/busybox" "${platforms[@]}"

echo "== weft build"
list=$(IFS=,; echo "${platforms[*]}")
command=("$weft" build --platform "$list" --build-context "busybox=oci-layout://$build/demo/busybox:latest"
    -t example/hello:latest -o "type=oci,dest=$out,tar=false" "$top/examples/hello")
printf '%q ' "${command[@]}"
echo
"${command[@]}"

echo
"$top/examples/show.py" "$out" hello.txt
cat <<END

The layout is in $out. Try next:
  skopeo inspect --raw oci:$out:latest | jq .
  skopeo copy --override-arch s390x oci:$out:latest oci:$build/demo/s390x:hello
  umoci unpack --image $build/demo/s390x:hello --rootless $build/demo/s390x.bundle
  $top/examples/demo.sh $build    (again: everything is cached)
and examples/c, which compiles a C program under QEMU and by a cross compiler: see its README.md.
END
