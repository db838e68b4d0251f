#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# usage: state_history.sh BUILD_DIR [NAME...]
#
# States made by wefts of the past: each of the commits below is built from the history of this repository, makes a state
# (a build for two platforms, and what else it knows: QEMUs, benchmarks, pushes), and then the weft of BUILD_DIR works on
# that: caches hit, results and memories are all there, nothing was set aside or lost; also while a worker of the old weft
# still runs, and when the old weft comes back after it. With NAMEs only those. Some 5 minutes for each.
# Without the history (a tarball, a shallow clone) it says so and passes.
set -euo pipefail

# A name, and the subject of the commit: ids change when history is rebased.
commits=(
    "first|tests: weft build, end to end"           # the first that builds: no disk budget, no CPU models, no STATE/qemu
    "layouts|engine: drop what nothing uses"        # before emulation was under control
    "emulation|docs: say which commit the overhead was measured at" # copies of QEMU, answers.json; the first benchmarks, no profile
    "benchmarks|bench: name a target in one place"  # STATE/bench with a version and a profile; before pushes
    "registries|docs, tests: caches, registries, and buildx's examples" # STATE/registry; parts without a version of their own
)

build_dir=$(cd "${1:?usage: state_history.sh BUILD_DIR [NAME...]}" && pwd)
shift
src_dir=$(cd "$(dirname "$0")/../.." && pwd)
tmp=$(mktemp -d "${TMPDIR:-/tmp}/weft-old.XXXXXX")
chmod 755 "$tmp"
platforms=linux/amd64,linux/arm64
export WEFT_CONFIG=/dev/null
unset WEFT_LIBEXEC WEFT_QEMU_DIR WEFT_RUNTIME WEFT_BUILDKITD WEFT_BUILDCTL
old='' registry='' port=''

say()
{
    echo "== $SECONDS s: $*"
}

fail()
{
    echo "state_history: $*" >&2
    exit 1
}

end()
{
    rc=$?
    set +e
    trap '' INT TERM
    [[ -z $old ]] || "$old" worker stop --force --all >/dev/null 2>&1
    if [[ -n ${WEFT_STATE_DIR:-} ]]; then
        "$build_dir/weft" worker stop --force --all >/dev/null 2>&1
        "$build_dir/weft" worker remove --force --all >/dev/null 2>&1
    fi
    if [[ -n $registry ]]; then
        kill "$registry" 2>/dev/null
        wait "$registry" 2>/dev/null
    fi
    rm -rf "$tmp"
    exit "$rc"
}
trap end EXIT
trap 'exit 130' INT TERM

history() { git -c safe.directory='*' -C "$src_dir" "$@"; }

# commit_of SUBJECT: its id; nothing where it is not there.
commit_of()
{
    history log --format='%H %s' | awk -v s="$1" 'substr($0, 42) == s && !n++ { print $1 }'
}

# build_old NAME COMMIT: builds it in $tmp/NAME/build.
build_old()
{
    local name=$1 commit=$2 out=$tmp/$1/build pinned go
    git init -q "$tmp/$name"
    echo "$(history rev-parse --path-format=absolute --git-common-dir)/objects" >"$tmp/$name/.git/objects/info/alternates"
    git -C "$tmp/$name" checkout -q --detach "$commit"
    mkdir -p "$out/libexec"
    pinned=$(awk '$1 == "github.com/moby/buildkit" || $2 == "github.com/moby/buildkit" { print $NF; exit }' \
        "$tmp/$name/tools/buildkit/go.mod")
    [[ $("$build_dir/libexec/buildkitd" --version) == *" $pinned "* ]] ||
        fail "$name pins BuildKit $pinned: build its programs here as well"
    cp "$build_dir/libexec/buildkitd" "$build_dir/libexec/buildctl" "$out/libexec/"
    if go=$("$src_dir/tools/get-go.sh" 2>/dev/null) && (cd "$tmp/$name/tools/buildkit" &&
        CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS=-buildvcs=false "$go" build -mod=readonly -trimpath \
            -o "$out/libexec/weft-session" ./session); then
        :
    else
        say "$name goes without its weft-session"
    fi
    (cd "$tmp/$name" && autoreconf -fi && cd build && ../configure CFLAGS=-O1 && make -j "$(nproc)") \
        >"$tmp/$name.log" 2>&1 || fail "$name does not build: $(tail -n 20 "$tmp/$name.log")"
}

# build_with WEFT LAYOUT: a build whose RUN steps give something else each time that they run.
build_with()
{
    "$1" build --progress=plain --platform "$platforms" --build-context "busybox=oci-layout://$tmp/bb:latest" \
        -o "type=oci,dest=$2,tar=false" -t app "$tmp/ctx" >"$2.log" 2>&1 ||
        fail "$1 build: $(tail -n 30 "$2.log")"
}

# layers LAYOUT: the layers of all images in it.
layers()
{
    local digest
    blob() { cat "$1/blobs/sha256/${2#sha256:}"; }
    blob "$1" "$(jq -r '.manifests[0].digest' "$1/index.json")" |
        jq -r '.manifests[] | select(.platform.os != "unknown") | .digest' |
        while read -r digest; do
            blob "$1" "$digest" | jq -r '.layers[].digest'
        done
}

knows() { "$old" --help 2>&1 | grep -q "^ *$1 "; }

start_registry()
{
    command -v docker-registry >/dev/null || return 1
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    cat >"$tmp/registry.yml" <<END
version: 0.1
storage: {filesystem: {rootdirectory: $tmp/registry}}
http: {addr: 127.0.0.1:$port}
END
    docker-registry serve "$tmp/registry.yml" >"$tmp/registry.log" 2>&1 &
    registry=$!
    for ((i = 0; i < 100; i++)); do
        curl -fsS "http://127.0.0.1:$port/v2/" >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    fail "the registry does not start: $(cat "$tmp/registry.log")"
}

# kept: all that is never to be lost, with its digests.
kept()
{
    (cd "$WEFT_STATE_DIR" && find . \( -path './bench/results/*.json' -o -path './registry/blobs.json' \) -print0 |
        sort -z | xargs -0r sha256sum)
}

try()
{
    local name=$1 dir=$tmp/$1.d before what aside
    old=$tmp/$name/build/weft
    mkdir "$dir"
    export WEFT_STATE_DIR=$dir/s WEFT_RUNTIME_DIR=$dir/r
    what="builds"
    build_with "$old" "$dir/one"
    if knows qemu; then
        "$old" qemu list >/dev/null
        what+=", QEMUs"
    fi
    if knows bench; then
        "$old" bench run --quick --platform linux/arm64 >"$dir/bench.log" 2>&1 || fail "bench: $(cat "$dir/bench.log")"
        what+=", benchmarks"
    fi
    if knows push && [[ -n $registry ]]; then
        "$old" push "$dir/one" "127.0.0.1:$port/$name:1" >"$dir/push.log" 2>&1 || fail "push: $(cat "$dir/push.log")"
        what+=", pushes"
    fi
    before=$(kept)
    [[ $what != *bench* || $before == *bench/results* ]] || fail "$name keeps no result"
    [[ $what != *push* || $before == *blobs.json* ]] || fail "$name remembers no push"

    say "$name: today's weft takes its workers over while they run, with their caches ($what)"
    build_with "$build_dir/weft" "$dir/two"
    [[ $(layers "$dir/one") == "$(layers "$dir/two")" ]] || fail "$name: the caches did not hit: $(cat "$dir/two.log")"
    ! grep -q 'set aside' "$dir/two.log" || fail "$name: $(cat "$dir/two.log")"
    [[ $(kept) == "$before" ]] || fail "$name: before $before, now $(kept)"
    "$build_dir/weft" worker list --json >"$dir/list.json"
    [[ $(jq -r '[.workers[] | select(.status == "idle")] | length' "$dir/list.json") == 2 ]] ||
        fail "$name: workers: $(cat "$dir/list.json")"
    jq -e '[.workers[].buildkit | startswith("v")] | all' "$dir/list.json" >/dev/null ||
        fail "$name: no BuildKit in $(cat "$dir/list.json")"
    "$build_dir/weft" qemu list >"$dir/qemu" || fail "$name: $(cat "$dir/qemu")"
    if [[ $what == *bench* ]]; then
        "$build_dir/weft" bench run --quick --platform linux/arm64 >"$dir/bench.log" 2>&1 || fail "$name: $(cat "$dir/bench.log")"
        jq -e '.speeds | length > 0' "$WEFT_STATE_DIR/bench/profile.json" >/dev/null || fail "$name: no profile"
    fi
    if [[ $what == *push* ]]; then
        "$build_dir/weft" push "$dir/two" "127.0.0.1:$port/$name-again:1" >"$dir/push.log" 2>&1 || fail "$name: $(cat "$dir/push.log")"
        jq -e --arg r "$name" '[.blobs[].repositories | (index($r) and index($r + "-again"))] | any' \
            "$WEFT_STATE_DIR/registry/blobs.json" >/dev/null || fail "$name: the memory of pushes is not one"
    fi

    say "$name: it comes back"
    build_with "$old" "$dir/three"
    [[ $(layers "$dir/one") == "$(layers "$dir/three")" ]] || fail "$name: its caches are gone: $(cat "$dir/three.log")"

    say "$name: stopped, and today's weft once more"
    "$old" worker stop --all >/dev/null
    build_with "$build_dir/weft" "$dir/four"
    [[ $(layers "$dir/one") == "$(layers "$dir/four")" ]] || fail "$name: the caches did not hit: $(cat "$dir/four.log")"
    aside=$(find "$WEFT_STATE_DIR" -maxdepth 1 -name '*.old-*')
    [[ -z $aside ]] || fail "$name: set aside: $aside"
    "$build_dir/weft" worker remove --all >/dev/null
    # the first two kept there what QEMUs and other programs had said
    [[ -z $(find "$WEFT_STATE_DIR/workers" -mindepth 1 -not -name version -not -name qemu-versions.json \
        -not -name programs.json) ]] ||
        fail "$name: left: $(find "$WEFT_STATE_DIR/workers" | head)"
    unset WEFT_STATE_DIR WEFT_RUNTIME_DIR
    old=''
}

if ! history rev-parse --git-dir >/dev/null 2>&1; then
    echo "state_history: left out: $src_dir is no git repository"
    exit 0
fi
"$src_dir/tests/bases/busybox" "$tmp/bb" linux/amd64 linux/arm64 >/dev/null
mkdir "$tmp/ctx"
cat >"$tmp/ctx/Dockerfile" <<'END'
FROM busybox
COPY file /file
RUN cat /proc/sys/kernel/random/uuid >/stamp
END
echo content >"$tmp/ctx/file"
start_registry || say "without a registry: no docker-registry here"
tried=0
for entry in "${commits[@]}"; do
    name=${entry%%|*}
    [[ $# == 0 || " $* " == *" $name "* ]] || continue
    commit=$(commit_of "${entry#*|}")
    if [[ -z $commit ]]; then
        say "left out: $name: no commit \"${entry#*|}\" in this history"
        continue
    fi
    say "$name: ${commit:0:12}, ${entry#*|}"
    build_old "$name" "$commit"
    try "$name"
    rm -rf "${tmp:?}/$name" "$tmp/$name.d"
    tried=$((tried + 1))
done
say "$tried states"
