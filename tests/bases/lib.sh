# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the scripts of tests/bases share: the table of platforms, the cache, and
# apt against the machine's own Debian mirror. Sourced, never run.

shopt -s inherit_errexit

bases_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bases_cache=${WEFT_BASES_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/weft/bases}
bases_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# Every file in an image has this time: 2025-01-01T00:00:00Z.
export SOURCE_DATE_EPOCH=1735689600
export LC_ALL=C.UTF-8
umask 022

# platform, Debian's name for the port, the suites its busybox is taken from: the first that the mirror
# serves whole. riscv64 became a release architecture with trixie, mips64el left with it. A mirror in the
# middle of a sync can have a new signed index of trixie and old package lists, which apt refuses, while
# the same release under its other name is intact.
bases_platforms='
linux/amd64     amd64     bookworm
linux/386       i386      bookworm
linux/arm64     arm64     bookworm
linux/arm/v7    armhf     bookworm
linux/arm/v5    armel     bookworm
linux/riscv64   riscv64   trixie,stable
linux/ppc64le   ppc64el   bookworm
linux/s390x     s390x     bookworm
linux/mips64le  mips64el  bookworm
'

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

note() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
}

need() {
    local program
    for program; do
        command -v "$program" >/dev/null || die "$program is not installed"
    done
}

# all_platforms: every platform of the table, one per line.
all_platforms() {
    awk 'NF { print $1 }' <<<"$bases_platforms"
}

# port_of PLATFORM, suites_of PLATFORM: that column of the table; fails if the platform is not in it.
port_of() {
    awk -v p="$1" '$1 == p { print $2; found = 1 } END { exit !found }' <<<"$bases_platforms" ||
        die "no Debian port for platform '$1'; known: $(all_platforms | xargs)"
}

suites_of() {
    awk -v p="$1" '$1 == p { print $3; found = 1 } END { exit !found }' <<<"$bases_platforms" ||
        die "no Debian port for platform '$1'; known: $(all_platforms | xargs)"
}

native_platform() {
    local port
    port=$(dpkg --print-architecture)
    awk -v p="$port" '$2 == p { print $1; found = 1 } END { exit !found }' <<<"$bases_platforms" ||
        die "no platform for this machine's own port '$port'"
}

# debian_mirror: the Debian archive that this machine's apt is configured with, else the public one.
debian_mirror() {
    local file uri
    for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
        [ -r "$file" ] || continue
        uri=$(sed -nE 's|^deb +(\[[^]]*\] +)?(https?://[^ ]*/debian)/? .*|\2|p' "$file" | head -n 1)
        [ -z "$uri" ] || { echo "$uri"; return; }
    done
    for file in /etc/apt/sources.list.d/*.sources; do
        [ -r "$file" ] || continue
        uri=$(sed -nE 's|^URIs:(.* )?(https?://[^ ]*/debian)/?( .*)?$|\2|p' "$file" | head -n 1)
        [ -z "$uri" ] || { echo "$uri"; return; }
    done
    echo http://deb.debian.org/debian
}

# apt_acquire_settings: the machine's own proxies, certificates and clock checks, as apt.conf lines.
apt_acquire_settings() {
    apt-config dump | grep -E '^Acquire::(http|https|Check-|Retries|ForceIPv)[^ ]* ".+";$' || true
}

# apt_private DIR SUITE PORT: write DIR/apt.conf, an apt of its own for one port of one suite. It reads
# and writes nothing outside DIR but the keyring, so the host needs no `dpkg --add-architecture`.
apt_private() {
    local dir=$1 suite=$2 port=$3
    [ -r "$bases_keyring" ] || die "no $bases_keyring: install debian-archive-keyring"
    mkdir -p "$dir"/etc/{apt.conf.d,preferences.d,sources.list.d,trusted.gpg.d} \
        "$dir"/lists/partial "$dir"/cache/archives/partial
    : >"$dir/status"
    printf 'deb [arch=%s signed-by=%s] %s %s main\n' \
        "$port" "$bases_keyring" "$(debian_mirror)" "$suite" >"$dir/etc/sources.list"
    {
        apt_acquire_settings
        cat <<END
Dir "$dir";
Dir::Etc "$dir/etc";
Dir::Etc::sourcelist "$dir/etc/sources.list";
Dir::State "$dir";
Dir::State::lists "$dir/lists";
Dir::State::status "$dir/status";
Dir::Cache "$dir/cache";
Dir::Bin::methods "/usr/lib/apt/methods";
APT::Architecture "$port";
APT::Architectures { "$port"; };
APT::Sandbox::User "";
Acquire::Languages "none";
END
    } >"$dir/apt.conf"
}

# apt_deb DIR PACKAGE OUT: fetch PACKAGE by DIR/apt.conf, checked by apt against the signed index, as OUT.
apt_deb() {
    local dir=$1 package=$2 out=$3
    APT_CONFIG=$dir/apt.conf apt-get -qq --error-on=any update >&2 &&
        (cd "$dir/cache" && APT_CONFIG=$dir/apt.conf apt-get -qq download "$package" >&2) &&
        mv "$dir"/cache/"$package"_*.deb "$out"
}

# cache_key WORD...: what an image is made from, the scripts themselves included, as a short digest.
cache_key() {
    { printf '%s\n' "$@"; cat "$bases_dir"/{lib.sh,layout.py,userns,"${0##*/}"}; } | sha256sum | cut -c 1-16
}

# cached NAME MAKE ARG...: print the path of the cache's entry NAME. If there is none, `MAKE TMP ARG...`
# makes it in a directory beside it, which is then renamed. Two scripts that want the same entry wait
# for one another; an entry is whole or not there. (Not to be called before || or in an if: bash would
# then ignore what fails in MAKE.)
cached() {
    local name=$1 tmp
    shift
    if [ ! -d "$bases_cache/$name" ]; then
        mkdir -p "$bases_cache/lock"
        (
            flock 9
            if [ -d "$bases_cache/$name" ]; then
                exit 0
            fi
            tmp=$(mktemp -d "$bases_cache/tmp.XXXXXXXX")
            # A root file system that mmdebstrap left half-made for a user belongs to other ids.
            trap 'rm -rf -- "$tmp" 2>/dev/null || "$bases_dir/userns" rm -rf -- "$tmp"' EXIT
            trap 'exit 130' INT TERM
            chmod 755 "$tmp"
            make=$1
            shift
            "$make" "$tmp/new" "$@" 9>&-
            mv -T "$tmp/new" "$bases_cache/$name"
        ) 9>"$bases_cache/lock/$name"
    fi
    echo "$bases_cache/$name"
}

# tar_tree DIR: DIR as a tar on stdout that depends on nothing but names, modes and contents.
tar_tree() {
    tar --create --directory "$1" --format=gnu --sort=name --numeric-owner --owner=0 --group=0 \
        --mtime="@$SOURCE_DATE_EPOCH" .
}

# publish OUT NAME LAYOUT...: the layouts joined as OUT, which is replaced if it is a layout already.
publish() (
    out=$1 name=$2
    shift 2
    if [ -e "$out" ] && [ ! -e "$out/oci-layout" ] && ! rmdir "$out" 2>/dev/null; then
        die "$out is there and is no OCI layout"
    fi
    mkdir -p "$(dirname "$out")"
    tmp=$(mktemp -d "$out.XXXXXXXX")
    trap 'rm -rf -- "$tmp"' EXIT
    trap 'exit 130' INT TERM
    "$bases_dir/layout.py" join --out "$tmp/new" --name "$name" "$@"
    if [ -e "$out" ]; then
        mv -T "$out" "$tmp/old"
    fi
    mv -T "$tmp/new" "$out"
)
