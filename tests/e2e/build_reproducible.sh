#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 400
# The same Dockerfile and SOURCE_DATE_EPOCH give the same index, from empty states, with one worker and with several, for
# root and for an ordinary user.
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

for who in $(whos); do
    [[ $who == root ]] || make_user
    dir=$(work_dir "$who")
    for run in group-1 group-2 platform; do
        touch ctx/data
        as "$who" SOURCE_DATE_EPOCH=1700000000 WEFT_STATE_DIR="$dir/s.$run" "$WEFT" build --progress=plain \
            --build-context "busybox=oci-layout://$WEFT_TEST_TMP/bb:latest" --platform $platforms \
            --workers="${run%-*}" --worker-idle 0 --no-cache --provenance=false -t r:1 \
            -o "type=oci,dest=$dir/$run,tar=false,rewrite-timestamp=true" ctx >log 2>&1 || fail "$who $run: $(tail log)"
        expect "$who $run" "$(digests "$dir/$run")" "$(digests group-1)"
    done
done
expect "index.json" "$(cat platform/index.json)" "$(cat group-1/index.json)"
expect "created" "$(blob platform "$(image_manifests platform | head -n 1 | cut -d' ' -f2)" |
    jq -r .config.digest | { read -r d; blob platform "$d"; } | jq -r .created)" 2023-11-14T22:13:20Z
