#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Settings that are not the defaults do not share the cache of those that are, within a worker: --cpu max after the baseline
# runs the steps again, and back to the baseline all is cached. A stage pinned to $BUILDPLATFORM still runs once for all.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

platforms=linux/amd64,linux/arm64,linux/s390x
busybox_base bb linux/amd64 linux/arm64 linux/s390x
dockerfile ctx <<'END'
FROM --platform=$BUILDPLATFORM busybox AS pinned
RUN cat /proc/sys/kernel/random/uuid >/pinned
FROM busybox
COPY --from=pinned /pinned /
RUN cat /proc/sys/kernel/random/uuid >/own
END

# built OUT FLAG...: builds into the layout OUT.
built()
{
    local out=$1
    shift
    build "$@" -o "type=oci,dest=$out,tar=false" ctx >log 2>&1 || fail "$* $(tail log)"
}

# of LAYOUT FILE: "PLATFORM CONTENT" for each platform.
of()
{
    local platform digest
    while read -r platform digest; do
        echo "$platform $(file_of "$1" "$digest" "$2")"
    done < <(image_manifests "$1") | sort
}

# no_common A B FILE: no platform has the same FILE in both.
no_common()
{
    [[ -z $(comm -12 <(of "$1" "$3") <(of "$2" "$3")) ]] || fail "$3 of $1 and $2: a step was not run again"
}

note "max after the baseline runs the steps again"
built base --platform $platforms
built max --platform $platforms --cpu max
no_common base max own
no_common base max pinned
expect "the pinned stage's runs under max" "$(of max pinned | cut -d' ' -f2 | sort -u | wc -l)" 1

note "back to each: all is cached"
built base2 --platform $platforms
expect "own" "$(of base2 own)" "$(of base own)"
built max2 --platform $platforms --cpu max
expect "own under max" "$(of max2 own)" "$(of max own)"

note "a model by name is a setting too, and the baseline's own name is none"
built named --platform $platforms --cpu linux/arm64=cortex-a72
no_common base named own
no_common max named own
expect "the pinned stage's runs" "$(of named pinned | cut -d' ' -f2 | sort -u | wc -l)" 1
built default --platform $platforms --cpu baseline
expect "--cpu baseline" "$(of default own)" "$(of base own)"

note "nothing of it is in the provenance"
build --platform $platforms --cpu max --provenance=mode=max -o type=oci,dest=prov,tar=false ctx >log 2>&1 || fail "$(tail log)"
! grep -rql cgroup-parent prov/blobs || fail "the salt is in: $(grep -rl cgroup-parent prov/blobs)"

note "an order of platforms is no setting"
built order --platform linux/s390x,linux/arm64,linux/amd64 --cpu max
expect "own" "$(of order own)" "$(of max own)"

note "neither is what else QEMU could run here"
mkdir few-qemus
for machine in aarch64 s390x; do
    cp "$(command -v qemu-$machine-static || command -v qemu-$machine)" few-qemus
done
WEFT_QEMU_DIR=$PWD/few-qemus built few --platform $platforms --cpu max
expect "own" "$(of few own)" "$(of max own)"

note "nor is which other platforms are built"
built fewer --platform linux/amd64,linux/arm64 --cpu max
expect "own" "$(of fewer own)" "$(of max own | grep -v s390x)"

note "what is said of a platform that is not built, and whose stages would not follow, is not passed over"
build --platform linux/amd64 --cpu linux/arm/v6=arm1176 ctx >log 2>&1 || fail "$(tail log)"
grep -q 'linux/arm/v6 is for nothing' log || fail "no warning: $(cat log)"
