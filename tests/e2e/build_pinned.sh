#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A stage pinned to $BUILDPLATFORM runs once for all platforms of a group, and --workers=auto groups because of it.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

platforms=linux/amd64,linux/arm64,linux/riscv64,linux/s390x
busybox_base bb linux/amd64 linux/arm64 linux/riscv64 linux/s390x
dockerfile ctx <<'END'
FROM --platform=$BUILDPLATFORM busybox AS pinned
RUN cat /proc/sys/kernel/random/uuid >/uuid && uname -m >/machine
FROM busybox
COPY --from=pinned /uuid /machine /
RUN uname -m >/own
END

uuids_of()
{
    local digest
    while read -r _ digest; do
        file_of "$1" "$digest" "$2"
    done < <(image_manifests "$1") | sort -u
}

build --platform $platforms -o type=oci,dest=out,tar=false --metadata-file m.json ctx >log 2>&1 || fail "$(tail log)"
expect "workers that auto took" "$(jq -r '.["weft.workers"][].worker' m.json)" group
expect "runs of the pinned stage" "$(uuids_of out uuid | wc -l)" 1
expect "its machine" "$(uuids_of out machine)" x86_64
expect "machines of the last stage" "$(uuids_of out own | paste -sd,)" aarch64,riscv64,s390x,x86_64

note "with a worker each it runs in each"
build --platform $platforms --workers=platform -o type=oci,dest=apart,tar=false --metadata-file m.json ctx >log 2>&1 ||
    fail "$(tail log)"
expect "workers" "$(jq '.["weft.workers"] | length' m.json)" 4
expect "runs" "$(uuids_of apart uuid | wc -l)" 4
