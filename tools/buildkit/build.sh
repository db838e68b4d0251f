#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# usage: build.sh OUTDIR
#
# Builds buildkitd, buildctl and weft-session into OUTDIR with ${GO:-go}. A program that did not
# change keeps its file and its time. Needs the Go version named in go.mod.
set -euo pipefail

if [[ $# -ne 1 || -z $1 ]]; then
    echo "usage: build.sh OUTDIR" >&2
    exit 2
fi
go=${GO:-go}
mkdir -p -- "$1"
out=$(cd -- "$1" && pwd)
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"

buildkit=github.com/moby/buildkit
version=$("$go" list -m -mod=readonly -f '{{.Version}}' "$buildkit")
[[ $version == v* ]] || { echo "build.sh: no version of $buildkit in go.mod" >&2; exit 1; }

tmp=$(mktemp -d "$out/.build.XXXXXX")
trap 'rm -rf -- "$tmp"' EXIT

build() {
    local name=$1 package=$2
    # Go does not link again what it finds at the output path and would make the same.
    if [[ -f $out/$name ]]; then
        cp -- "$out/$name" "$tmp/$name"
    fi
    CGO_ENABLED=0 "$go" build -mod=readonly -trimpath -buildvcs=false \
        -ldflags "-s -w -X $buildkit/version.Version=$version" -o "$tmp/$name" "$package"
    if cmp -s -- "$tmp/$name" "$out/$name"; then
        rm -- "$tmp/$name"
    else
        mv -f -- "$tmp/$name" "$out/$name"
    fi
}

build buildkitd "$buildkit/cmd/buildkitd"
build buildctl "$buildkit/cmd/buildctl"
build weft-session ./session
