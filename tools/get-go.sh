#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# usage: get-go.sh [MODULE]
#
# Prints the path of a go command that can build tools/MODULE (buildkit), and what it did on stderr. It takes,
# in this order: $GO, go on PATH and /usr/local/go if one of them is new enough or can switch to a
# new enough toolchain by itself (Go >= 1.21); else the toolchain that Go itself would download, from
# the module proxy ($GOPROXY), checked against tools/MODULE/toolchain.sum and kept in
# ${XDG_CACHE_HOME:-~/.cache}/weft.
set -euo pipefail

module=${1:-buildkit}
module_dir=$(cd "$(dirname "$0")/$module" && pwd)
wanted=$(sed -n 's/^go \([0-9.]*\)$/\1/p' "$module_dir/go.mod")
[[ -n $wanted ]] || { echo "get-go: no go line in $module_dir/go.mod" >&2; exit 1; }

say() { echo "get-go: $*" >&2; }

# at_least VERSION MINIMUM
at_least()
{
    [[ $(printf '%s\n%s\n' "$2" "$1" | LC_ALL=C sort -V | head -n 1) == "$2" ]]
}

# go_version GO TOOLCHAIN: prints the version, without "go"; nothing if it does not work.
go_version()
{
    (cd "$module_dir" && GOTOOLCHAIN=$2 "$1" version 2>/dev/null) |
        sed -n 's/^go version go\([0-9.]*\).*/\1/p'
}

for candidate in "${GO:-}" "$(command -v go || true)" /usr/local/go/bin/go; do
    [[ -n $candidate && -x $candidate ]] || continue
    version=$(go_version "$candidate" local || true)
    [[ -n $version ]] || continue
    if at_least "$version" "$wanted"; then
        say "$candidate is Go $version"
        echo "$candidate"
        exit 0
    fi
    if at_least "$version" 1.21; then
        # A pinned toolchain is in go's own checksum database, which it asks.
        switched=$(go_version "$candidate" "go$wanted+auto" || true)
        if [[ -n $switched ]] && at_least "$switched" "$wanted"; then
            goroot=$(cd "$module_dir" && GOTOOLCHAIN=go$wanted+auto "$candidate" env GOROOT)
            say "$candidate is Go $version, and switched to Go $switched by itself"
            echo "$goroot/bin/go"
            exit 0
        fi
    fi
    say "$candidate is Go $version, $wanted is needed"
done

case $(uname -m) in
x86_64) arch=amd64 ;;
aarch64) arch=arm64 ;;
*) arch=$(uname -m) ;;
esac
version=v0.0.1-go$wanted.linux-$arch
sum=$(awk -v v="$version" '$1 == "golang.org/toolchain" && $2 == v { print $3 }' \
    "$module_dir/toolchain.sum")
if [[ -z $sum ]]; then
    say "tools/$module/toolchain.sum has no golang.org/toolchain $version: install Go >= $wanted"
    exit 3
fi

cache=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
if [[ -z $cache ]]; then
    home=$(getent passwd "$(id -u)" | cut -d: -f6)
    cache=${home:-/nonexistent}/.cache
fi
mkdir -p "$cache/weft"
final=$cache/weft/go-$wanted
if [[ -x $final/bin/go && $(go_version "$final/bin/go" local) == "$wanted" ]]; then
    say "$final is Go $wanted"
    echo "$final/bin/go"
    exit 0
fi

tmp=$(mktemp -d "$cache/weft/.go.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
got=no
IFS=',|' read -ra proxies <<<"${GOPROXY:-https://proxy.golang.org}"
for proxy in "${proxies[@]}"; do
    [[ $proxy == direct || $proxy == off ]] && continue
    say "no Go >= $wanted here: downloading it as a module from ${proxy##*@}"
    if curl -fsSL --retry 3 -o "$tmp/go.zip" "${proxy%/}/golang.org/toolchain/@v/$version.zip"; then
        got=yes
        break
    fi
done
if [[ $got == no ]]; then
    say "could not get golang.org/toolchain $version (GOPROXY=${GOPROXY:-}); or install Go >= $wanted"
    exit 3
fi

# Go's "h1" sum: the SHA-256 of the lines "SHA-256 of the file, two spaces, its name", by name.
unzip -q "$tmp/go.zip" -d "$tmp/zip"
rm "$tmp/go.zip"
hex=$(cd "$tmp/zip" && find . -type f -printf '%P\n' | LC_ALL=C sort |
    xargs -d '\n' sha256sum | sha256sum | cut -d' ' -f1)
found=h1:$(printf '%b' "$(fold -w 2 <<<"$hex" | sed 's/^/\\x/' | tr -d '\n')" | base64)
if [[ $found != "$sum" ]]; then
    say "golang.org/toolchain $version has the sum $found, but must have $sum: not used"
    exit 1
fi

# As the go command does with such a module: a zip of a module holds no modes and no second go.mod.
root=$tmp/zip/golang.org/toolchain@$version
find "$root" -name _go.mod -exec sh -c 'mv "$1" "${1%_go.mod}go.mod"' sh {} \;
find "$root/bin" "$root/pkg/tool" -type f -exec chmod 755 {} +
[[ $(go_version "$root/bin/go" local) == "$wanted" ]]
rm -rf "$final"
mv "$root" "$final"
say "Go $wanted is in $final, its sum is right"
echo "$final/bin/go"
