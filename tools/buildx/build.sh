#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# usage: build.sh OUTDIR
#
# Builds buildx into OUTDIR with ${GO:-go}: what weft is compared with, and no part of weft. Needs the Go version named
# in go.mod.
set -euo pipefail

if [[ $# -ne 1 || -z $1 ]]; then
    echo "usage: build.sh OUTDIR" >&2
    exit 2
fi
go=${GO:-go}
mkdir -p -- "$1"
out=$(cd -- "$1" && pwd)
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"

buildx=github.com/docker/buildx
version=$("$go" list -m -mod=readonly -f '{{.Version}}' "$buildx")
[[ $version == v* ]] || { echo "build.sh: no version of $buildx in go.mod" >&2; exit 1; }

CGO_ENABLED=0 "$go" build -mod=readonly -trimpath -buildvcs=false \
    -ldflags "-s -w -X $buildx/version.Version=$version" -o "$out/buildx" "$buildx/cmd/buildx"
