# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the tests of `weft build` share, on top of lib.sh. Sourced, never run.

. "$WEFT_SRC_DIR/tests/e2e/lib.sh"

need jq skopeo

# the nine platforms of the demo
# shellcheck disable=SC2034 # for who sources this
ALL_PLATFORMS=linux/amd64,linux/386,linux/arm64,linux/arm/v7,linux/arm/v5,linux/riscv64,linux/ppc64le,linux/s390x,linux/mips64le

# A directory that the tests' ordinary user can read as well.
chmod 755 "$WEFT_TEST_TMP"

# build_as root|user FLAG... PATH: weft build on the busybox base made by busybox_base bb.
build_as()
{
    local who=$1
    shift
    as "$who" "$WEFT" build --progress=plain \
        --build-context "busybox=oci-layout://$WEFT_TEST_TMP/bb:latest" "$@"
}

build()
{
    build_as root "$@"
}

# work_dir root|user: a directory that this user can write.
work_dir()
{
    if [[ $1 == user ]]; then
        echo "$WEFT_TEST_TMP/u"
    else
        echo "$WEFT_TEST_TMP"
    fi
}

# dockerfile DIR: writes stdin to DIR/Dockerfile.
dockerfile()
{
    mkdir -p "$1"
    cat >"$1/Dockerfile"
}

# snapshot DIR: names, sizes, times and digests of all that is in it; "absent" where it is not there.
snapshot()
{
    if [[ -e $1 ]]; then
        (cd "$1" && find . -printf '%p %y %s %T@ %i\n' | sort && find . -type f -print0 | sort -z | xargs -0r sha256sum)
    else
        echo absent
    fi
}

# digests LAYOUT: the digest of each tag's descriptor.
digests()
{
    jq -r '.manifests[].digest' "$1/index.json"
}

# blob LAYOUT DIGEST: a blob's content.
blob()
{
    cat "$1/blobs/sha256/${2#sha256:}"
}

# image_manifests LAYOUT: "PLATFORM DIGEST" of each image of a layout with one tag.
image_manifests()
{
    blob "$1" "$(digests "$1")" | jq -r '.manifests[] | select(.platform.os != "unknown") |
        "\(.platform.os)/\(.platform.architecture)\(if .platform.variant then "/" + .platform.variant else "" end) \(.digest)"'
}

# file_of LAYOUT MANIFEST_DIGEST PATH: a file of the image's topmost layer that has it.
file_of()
{
    local layer
    for layer in $(blob "$1" "$2" | jq -r '.layers | reverse | .[].digest'); do
        if blob "$1" "$layer" | tar --to-stdout -xzf - "$3" 2>/dev/null; then
            return 0
        fi
    done
    return 1
}

# no_trace DIR...: no working directory of a build is left in them.
no_trace()
{
    local dir found
    for dir; do
        found=$(find "$dir" -maxdepth 1 -name '.*.weft-*' 2>/dev/null)
        [[ -z $found ]] || fail "left behind: $found"
    done
}
