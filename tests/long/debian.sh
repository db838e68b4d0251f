#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# usage: debian.sh SUITE [STEP...]
#
# Builds weft in a fresh minimal Debian made by mmdebstrap. Steps (default: both):
#   build      only the build's packages: configure, make, make check, make install, make distcheck
#   bootstrap  nothing but the base system: ./bootstrap, which finds no Go, then ./bootstrap demo
# Needs root, mmdebstrap and network. Packages come from where the machine's own apt gets them.
set -euo pipefail

src_dir=$(cd "$(dirname "$0")/../.." && pwd)
suite=${1:-}
if [[ ! $suite =~ ^[a-z]+$ ]]; then
    echo "usage: debian.sh SUITE [build] [bootstrap]" >&2
    exit 2
fi
shift
(($#)) || set -- build bootstrap

# debian_mirror: the first http mirror of Debian that apt here is set up with
debian_mirror()
{
    local uri
    # shellcheck disable=SC2016 # apt's own variable
    uri=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' |
        grep -m 1 -E '/debian/?$' || true)
    echo "${uri:-http://deb.debian.org/debian}"
}

tmp=$(mktemp -d "${TMPDIR:-/tmp}/weft-debian.XXXXXX")
root=$tmp/root
end()
{
    rc=$?
    set +e
    trap '' INT TERM
    # mounts were made in the chroot's own mount namespace, and are gone with it
    rm -rf --one-file-system "$tmp"
    exit "$rc"
}
trap end EXIT
trap 'exit 130' INT TERM

fresh_root()
{
    local apt_options=() proxy
    rm -rf --one-file-system "$root"
    proxy=$(apt-config dump Acquire::http::Proxy | sed -n 's/^[^"]*"\(.*\)";/\1/p')
    [[ -z $proxy ]] || apt_options+=("--aptopt=Acquire::http::Proxy \"$proxy\"")
    mmdebstrap --quiet --variant=minbase "${apt_options[@]}" "$suite" "$root" "$(debian_mirror)"
    # The certificate authorities that the machine's owner added, for a network that has its own;
    # the package ca-certificates takes them up when it is installed.
    if [[ -d /usr/local/share/ca-certificates ]]; then
        mkdir -p "$root/usr/local/share"
        cp -R /usr/local/share/ca-certificates "$root/usr/local/share/"
    fi
    mkdir "$root/src"
    git -c safe.directory='*' -C "$src_dir" ls-files -co --exclude-standard -z |
        (cd "$src_dir" && while IFS= read -r -d '' f; do
            if [[ -e $f ]]; then printf '%s\0' "$f"; fi
        done) |
        tar -C "$src_dir" --null -T - -cf - | tar -C "$root/src" --no-same-owner -xf -
}

# in_root COMMAND...: runs it in the root, with /proc, /dev and the machine's resolver. The root is pivoted to: a
# process in a chroot may make no user namespaces. What is left running ends with the command.
# shellcheck disable=SC2016 # expanded by the inner shell
in_root()
{
    env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
        HOME=/root TERM=dumb ${GOPROXY:+"GOPROXY=$GOPROXY"} \
        ${http_proxy:+"http_proxy=$http_proxy"} ${https_proxy:+"https_proxy=$https_proxy"} \
        unshare --mount --pid --fork --kill-child --propagation private sh -ec '
        root=$1
        shift
        mount --bind "$root" "$root"
        mount --rbind /dev "$root/dev"
        mount --rbind /sys "$root/sys"
        mount -t proc proc "$root/proc"
        rm -f "$root/etc/resolv.conf"
        cp -L /etc/resolv.conf "$root/etc/resolv.conf"
        cp -L /etc/hosts "$root/etc/hosts"
        cd "$root"
        pivot_root . mnt
        cd /
        umount -l /mnt
        exec "$@"' sh "$root" "$@" </dev/null
}

for step; do
    echo "== $suite: $step"
    fresh_root
    case $step in
    build)
        packages=$(awk '$1 == "build" && $2 !~ /^(curl|unzip|git)$/ { print $2 }' \
            "$src_dir/tools/packages.txt")
        in_root apt-get update -q
        # shellcheck disable=SC2086 # a list of words
        in_root apt-get install -q -y --no-install-recommends $packages libcmocka-dev xz-utils
        in_root sh -exc 'cd /src; autoreconf -fi; ./configure; make; make check VERBOSE=1; make install
            weft --version; make distcheck'
        ;;
    bootstrap)
        in_root sh -exc 'cd /src; ! command -v go; ./bootstrap; ./build/weft --version
            ./build/libexec/buildkitd --version; ./build/libexec/buildctl --version; ./bootstrap
            make -C build install; test -x /usr/local/libexec/weft/buildkitd
            ./bootstrap demo; weft worker list; weft worker stop --all; cat /var/lib/weft/workers/*/buildkitd.log'
        ;;
    *)
        echo "debian.sh: no step $step" >&2
        exit 2
        ;;
    esac
    echo "== $suite: $step: ok"
done
