#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# usage: example_c.sh BUILD_DIR
#
# Builds examples/c as its README says: a C program compiled in the emulated arm64 root file system itself and by a cross
# compiler in a stage pinned to $BUILDPLATFORM, both run in the target. Needs minutes for the Debian root file systems,
# once.
set -euo pipefail

build_dir=$(cd "${1:?usage: example_c.sh BUILD_DIR}" && pwd)
src_dir=$(cd "$(dirname "$0")/../.." && pwd)
tmp=$(mktemp -d "${TMPDIR:-/tmp}/weft-c.XXXXXX")
export WEFT_STATE_DIR=$tmp/s WEFT_RUNTIME_DIR=$tmp/r
end()
{
    rc=$?
    set +e
    "$build_dir/weft" worker stop --force --all >&2
    rm -rf "$tmp"
    exit "$rc"
}
trap end EXIT

"$src_dir/tests/bases/debian" "$tmp/debian" bookworm linux/arm64 --include=gcc,libc6-dev
"$src_dir/tests/bases/debian" "$tmp/debian-build" bookworm linux/amd64 \
    --include=gcc-aarch64-linux-gnu,libc6-dev-arm64-cross
"$build_dir/weft" build --progress=plain --platform linux/arm64 \
    --build-context "debian=oci-layout://$tmp/debian:latest" \
    --build-context "debian-build=oci-layout://$tmp/debian-build:latest" \
    -t example/c:latest -o "type=oci,dest=$tmp/c,tar=false" "$src_dir/examples/c"
"$src_dir/examples/show.py" "$tmp/c" hello.txt | tee "$tmp/shown"
grep -q 'emulated' "$tmp/shown" || { echo "example_c: nothing was compiled under QEMU" >&2; exit 1; }
grep -q 'cross-compiled on linux/amd64' "$tmp/shown" || { echo "example_c: nothing was cross-compiled" >&2; exit 1; }
