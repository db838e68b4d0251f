#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 400
# The same Dockerfile and SOURCE_DATE_EPOCH give the same index, from empty states, with one worker and with several.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

platforms=linux/amd64,linux/arm64,linux/riscv64
busybox_base bb linux/amd64 linux/arm64 linux/riscv64
dockerfile ctx <<'END'
FROM busybox
COPY data /data
RUN mkdir /d && echo x >/d/x
RUN rm /data && ln -s /d/x /link
END
echo data >ctx/data

for run in group-1 group-2 platform; do
    export WEFT_STATE_DIR=$WEFT_TEST_TMP/s.$run
    touch ctx/data
    SOURCE_DATE_EPOCH=1700000000 build --platform $platforms --workers="${run%-*}" --no-cache --provenance=false \
        -t r:1 -o "type=oci,dest=$run,tar=false,rewrite-timestamp=true" ctx >log 2>&1 || fail "$run: $(tail log)"
    "$WEFT" worker stop --all >/dev/null
    rm -rf "$WEFT_STATE_DIR"
done
export WEFT_STATE_DIR=$WEFT_TEST_TMP/s
expect "second run" "$(digests group-2)" "$(digests group-1)"
expect "several workers" "$(digests platform)" "$(digests group-1)"
expect "index.json" "$(sha256sum <platform/index.json)" "$(sha256sum <group-1/index.json)"
expect "created" "$(blob platform "$(image_manifests platform | head -n 1 | cut -d' ' -f2)" |
    jq -r .config.digest | { read -r d; blob platform "$d"; } | jq -r .created)" 2023-11-14T22:13:20Z
