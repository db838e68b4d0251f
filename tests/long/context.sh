#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# usage: context.sh BUILD_DIR [FILES]
#
# A context of a million files (or FILES) of which few are wanted: those of a COPY, those that .dockerignore leaves, by
# the name of their directory and by patterns that look at each. Prints what each build took and the most memory that
# weft and weft-session had; fails where that grows with the files that are not sent.
set -euo pipefail

build_dir=$(cd "${1:?usage: context.sh BUILD_DIR [FILES]}" && pwd)
files=${2:-1000000}
src_dir=$(cd "$(dirname "$0")/../.." && pwd)
tmp=$(mktemp -d "${TMPDIR:-/tmp}/weft-x.XXXXXX")
export WEFT_STATE_DIR=$tmp/s WEFT_RUNTIME_DIR=$tmp/r WEFT_CONFIG=/dev/null
# what Go's programs need for themselves, and some room; the path of each file alone would be 30 MB
limit_kb=65536
end()
{
    rc=$?
    set +e
    "$build_dir/weft" worker stop --force --all >/dev/null
    rm -rf "$tmp"
    exit "$rc"
}
trap end EXIT

python3 - "$tmp/ctx" "$files" <<'PYTHON'
import os
import sys

root, n = sys.argv[1], int(sys.argv[2])
os.makedirs(root + "/few")
with open(root + "/few/a", "w") as f:
    f.write("a")
for i in range(n):
    if i % 1000 == 0:
        d = os.path.join(root, "tree", f"{i // 100000:03}", f"{i // 1000:05}")
        os.makedirs(d)
    with open(f"{d}/file-{i % 1000:03}.txt", "w") as f:
        f.write(f"{i}\n")
PYTHON
"$src_dir/tests/bases/busybox" "$tmp/bb" linux/amd64 linux/386
printf 'FROM busybox\nCOPY few /c/\n' >"$tmp/few"
printf 'FROM busybox\nCOPY . /c/\n' >"$tmp/excluded"
echo tree >"$tmp/excluded.dockerignore"
printf 'FROM busybox\nCOPY . /c/\n' >"$tmp/patterns"
printf '**/*.txt\n!**/file-500.txt\n' >"$tmp/patterns.dockerignore"

# watch_memory PID: notes in `most` how much memory this weft and its weft-session have had so far.
watch_memory()
{
    local pid name kb
    for pid in "$1" $(pgrep -P "$1" -x weft-session); do
        [[ $pid == "$1" ]] && name=weft || name=weft-session
        kb=$(sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\) kB/\1/p' "/proc/$pid/status" 2>/dev/null) || continue
        ((${kb:-0} <= ${most[$name]})) || most[$name]=$kb
    done
}

declare -A most
for name in few excluded patterns; do
    most=([weft]=0 [weft-session]=0)
    begun=$(date +%s%N)
    "$build_dir/weft" build --progress=plain --platform linux/amd64,linux/386 --metadata-file "$tmp/m.json" \
        --build-context "busybox=oci-layout://$tmp/bb:latest" -f "$tmp/$name" \
        -o "type=tar,dest=$tmp/out.tar" "$tmp/ctx" >"$tmp/log" 2>&1 &
    build=$!
    while kill -0 "$build" 2>/dev/null; do
        watch_memory "$build"
        sleep 0.05
    done
    wait "$build" || { cat "$tmp/log"; echo "context: the build \"$name\" failed" >&2; exit 1; }
    took=$((($(date +%s%N) - begun) / 1000000))
    sent=$(jq '[.["weft.workers"][].sent_bytes] | add' "$tmp/m.json")
    got=$(tar -tf "$tmp/out.tar" | grep -c '^linux_amd64/c/.*[^/]$')
    echo "$files files, $name: $got in the image, $((took / 1000)).$((took % 1000 / 100)) s, $sent bytes sent," \
        "weft $((most[weft] / 1024)) MB, weft-session $((most[weft-session] / 1024)) MB"
    case $name in
    patterns) want=$((files / 1000 + 1)) ;;
    *) want=1 ;;
    esac
    ((got == want)) || { echo "context: $got files, not $want" >&2; exit 1; }
    for program in weft weft-session; do
        # one that has little to do may be gone before it is seen
        (((most[$program] > 0 || want == 1) && most[$program] < limit_kb)) ||
            { echo "context: $program had ${most[$program]} kB, of which $limit_kb are due" >&2; exit 1; }
    done
    grep -q 'load build context' "$tmp/log" || { echo "context: the display does not say what goes on" >&2; exit 1; }
done
