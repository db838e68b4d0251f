#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# usage: audit_speed.sh BUILD_DIR [MB]
#
# How long weft audit takes for a layer of MB megabytes (500) that is made of this machine's /usr, packed with gzip and
# with zstd, against tar -t of the same file, which also has to unpack all of it: the best of three runs each, taken in
# turns. Fails if the audit takes more than twice as long, or more than 64 MB of memory. Wants a quiet machine.
set -euo pipefail

build_dir=$(cd "${1:?usage: audit_speed.sh BUILD_DIR [MB]}" && pwd)
mb=${2:-500}
src_dir=$(cd "$(dirname "$0")/../.." && pwd)
tmp=$(mktemp -d "${TMPDIR:-/tmp}/weft-speed.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"

# seconds COMMAND...: how long it takes; its peak memory in KiB goes to the file memory
seconds()
{
    python3 - "$@" <<'END'
import resource, subprocess, sys, time
start = time.monotonic()
subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(f"{time.monotonic() - start:.2f}")
open("memory", "w").write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
END
}

best() { sort -n "$1" | head -n 1; }

failed=0
for kind in gzip zstd; do
    # the beginning of a larger layer, which breaks off: neither side minds
    (tar -C / --one-file-system -cf - usr/bin usr/lib usr/share usr/include 2>/dev/null || true) |
        { if [[ $kind == gzip ]]; then gzip -1; else zstd -q -3; fi; } 2>/dev/null |
        head -c "${mb}000000" >"layer.$kind" || true
    rm -rf layout
    "$src_dir/tests/e2e/audit_layout.py" layout "linux/amd64=layer.$kind"
    : >audit.times && : >tar.times
    for _ in 1 2 3; do
        seconds tar "--$kind" -tf "layer.$kind" >>tar.times
        seconds "$build_dir/weft" audit layout >>audit.times
    done
    line=$(awk -v a="$(best audit.times)" -v t="$(best tar.times)" -v m="$(<memory)" -v k="$kind" 'BEGIN {
        printf "%s: tar -t %.1f s, weft audit %.1f s, ratio %.2f, %d MB of memory", k, t, a, a / t, m / 1024
        exit a > 2 * t || m > 64 * 1024 }') || failed=1
    echo "$line"
done
exit "$failed"
