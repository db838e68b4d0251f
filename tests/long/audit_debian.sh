#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# usage: audit_debian.sh BUILD_DIR [SUITE [PLATFORM...]]
#
# Whole Debian root file systems (minbase with gcc, python3, perl and git) must pass weft audit without an error or a
# warning: whatever it finds in them is a false alarm. SUITE is bookworm if it is not given, PLATFORM each that the
# suite has of those that the audit has rules for. Needs root, mmdebstrap, QEMU and network; minutes for each platform.
set -euo pipefail

build_dir=$(cd "${1:?usage: audit_debian.sh BUILD_DIR [SUITE [PLATFORM...]]}" && pwd)
suite=${2:-bookworm}
platforms=("${@:3}")
((${#platforms[@]})) || platforms=(linux/amd64 linux/arm64 linux/arm/v7 linux/arm/v5 linux/ppc64le linux/s390x)
src_dir=$(cd "$(dirname "$0")/../.." && pwd)
tmp=$(mktemp -d "${TMPDIR:-/tmp}/weft-audit.XXXXXX")
trap 'rm -rf "$tmp"' EXIT

failed=0
for platform in "${platforms[@]}"; do
    out=$tmp/${platform//\//_}
    # one that cannot be made here says nothing of the audit
    "$src_dir/tests/bases/debian" "$out" "$suite" "$platform" --include=gcc,python3,perl,git >"$out.log" 2>&1 || {
        tail -n 5 "$out.log"
        echo "FAIL  $platform: no root file system"
        failed=1
        continue
    }
    if "$build_dir/weft" audit --audit=strict "$out" >"$out.audit"; then
        echo "ok    $(head -n 1 "$out.audit")"
    else
        cat "$out.audit"
        echo "FAIL  $platform"
        failed=1
    fi
done
exit "$failed"
