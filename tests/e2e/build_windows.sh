#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Images for Windows: put together from files, with the os.version of --os-version or of the base, beside images for
# Linux; a RUN that would be for Windows is refused before anything starts.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

need python3
version=10.0.20348.1
other=10.0.17763.5
busybox_base bb linux/amd64

# windows_base NAME VERSION: an OCI layout of a Windows image with one file, as layers for Windows are.
windows_base()
{
    local root=$WEFT_TEST_TMP/$1.root
    mkdir -p "$root/Files/Windows" "$root/Hives"
    echo "$2" >"$root/Files/Windows/version.txt"
    tar -C "$root" --owner=0 --group=0 --mtime=@0 -cf "$root.tar" Files Hives
    "$WEFT_SRC_DIR/tests/bases/layout.py" image --platform windows/amd64 --os-version "$2" --tar "$root.tar" \
        --cmd '["cmd"]' --name base --out "$WEFT_TEST_TMP/$1"
}

# os_version LAYOUT: of the descriptor and of the config of the image for windows/amd64
os_version()
{
    local top descriptor manifest
    top=$(jq -c '.manifests[0]' "$1/index.json")
    if [[ $(jq -r .mediaType <<<"$top") == *index* ]]; then
        top=$(blob "$1" "$(jq -r .digest <<<"$top")" | jq -c '.manifests[] | select(.platform.os == "windows")')
    fi
    descriptor=$(jq -r '.platform | "\(.os)/\(.architecture) \(.["os.version"])"' <<<"$top")
    manifest=$(jq -r .digest <<<"$top")
    echo "$descriptor, $(blob "$1" "$(blob "$1" "$manifest" | jq -r .config.digest)" |
        jq -r '"\(.os)/\(.architecture) \(.["os.version"])"')"
}

# names_in LAYOUT: the files of the layers of its image for windows/amd64
names_in()
{
    local digest layer
    digest=$(image_manifests "$1" | sed -n 's|^windows/amd64 ||p')
    for layer in $(blob "$1" "$digest" | jq -r '.layers[].digest'); do
        blob "$1" "$layer" | tar --warning=no-unknown-keyword -tzf - | sed 's|/$||'
    done | sort -u | paste -sd' '
}

dockerfile ctx <<'END'
FROM --platform=$BUILDPLATFORM busybox AS tools
ARG TARGETOS
RUN echo "for $TARGETOS" >/hello.txt
FROM scratch
COPY --from=tools /hello.txt /app/
COPY data.txt C:\\data\\
ENTRYPOINT ["C:\\app\\hello.exe"]
END
echo data >ctx/data.txt

for who in $(whos); do
    note "as $who: FROM scratch, beside linux"
    [[ $who == root ]] || make_user
    out=$(work_dir "$who")/out
    build_as "$who" --platform linux/amd64,windows/amd64 --os-version "$version" -t app \
        -o "type=oci,dest=$out,tar=false" ctx >log 2>&1 || fail "$(tail log)"
    skopeo inspect --raw "oci:$out:latest" >raw.json
    expect "platforms" "$(jq -c '[.manifests[].platform | select(.os != "unknown")]' raw.json)" \
        '[{"architecture":"amd64","os":"linux"},{"architecture":"amd64","os":"windows","os.version":"'$version'"}]'
    expect "attestations" "$(jq '[.manifests[] | select(.platform.os == "unknown")] | length' raw.json)" 2
    expect "os.version" "$(os_version "$out")" "windows/amd64 $version, windows/amd64 $version"
    expect "file of the pinned stage" \
        "$(file_of "$out" "$(image_manifests "$out" | sed -n 's|^windows/amd64 ||p')" app/hello.txt)" "for windows"
    "$WEFT_SRC_DIR/tests/oci/validate" "$out" || fail "the layout does not fit the OCI schemas"
    skopeo inspect --override-os windows --config "oci:$out:latest" >config.json
    expect "os for skopeo" "$(jq -r .os config.json)" windows
    expect "PATH, which is Windows' own matter" "$(jq -r '.config.Env' config.json)" null
    rm -rf "$out"
done

note "alone: a plain manifest, which carries it as well"
build --platform windows/amd64 --os-version "$version" -o type=oci,dest=alone,tar=false ctx >log 2>&1 || fail "$(tail log)"
expect "os.version" "$(os_version alone)" "windows/amd64 $version, windows/amd64 $version"
"$WEFT_SRC_DIR/tests/oci/validate" alone || fail "the layout does not fit the OCI schemas"
build --platform windows/amd64 -o type=oci,dest=none,tar=false ctx >log 2>&1 || fail "$(tail log)"
expect "os.version where nothing names one" "$(os_version none)" "windows/amd64 null, windows/amd64 null"

note "a base has it"
windows_base w1 "$version"
windows_base w2 "$other"
"$WEFT_SRC_DIR/tests/bases/layout.py" join --name base --out "$WEFT_TEST_TMP/both" w1 w2
dockerfile based <<'END'
FROM base
COPY data.txt /data/
END
echo data >based/data.txt
build --platform windows/amd64 --provenance=false --build-context base=oci-layout://w1 \
    -o type=oci,dest=from-base,tar=false based >log 2>&1 || fail "$(tail log)"
expect "os.version" "$(os_version from-base)" "windows/amd64 $version, windows/amd64 $version"
build --platform windows/amd64,linux/amd64 --build-context base=oci-layout://w1 \
    -o type=oci,dest=no-linux,tar=false based >log 2>&1 && fail "the base was there for linux"
build --platform windows/amd64 --provenance=true --build-context base=oci-layout://both --os-version "${other%.*}" \
    -o type=oci,dest=chosen,tar=false based >log 2>&1 || fail "$(tail log)"
expect "os.version" "$(os_version chosen)" "windows/amd64 ${other%.*}, windows/amd64 ${other%.*}"
expect "layers" "$(names_in chosen)" "Files Files/Windows Files/Windows/version.txt Files/data Files/data/data.txt Hives"
expect "base that fits" \
    "$(file_of chosen "$(image_manifests chosen | cut -d' ' -f2)" Files/Windows/version.txt)" "$other"
"$WEFT_SRC_DIR/tests/oci/validate" chosen || fail "the layout does not fit the OCI schemas"

# refused PLATFORM FLAG...: exit code 2, with nothing started; Dockerfile on stdin
refused()
{
    local rc=0
    dockerfile run
    WEFT_RUNTIME_DIR=$WEFT_TEST_TMP/nor "$WEFT" build --progress=plain --platform "$@" -o run.out run >log 2>&1 || rc=$?
    expect "exit code ($*)" "$rc" 2
    grep -q "nothing on this machine runs programs of Windows" log || fail "$(cat log)"
    grep -q 'try: move it to a stage FROM --platform=' log || fail "$(cat log)"
    [[ ! -e $WEFT_TEST_TMP/nor && ! -e run.out ]] || fail "something was started"
}

note "RUN is refused"
refused windows/amd64 <<'END'
FROM scratch
COPY . /
RUN cmd /c dir
END
grep -q '/run/Dockerfile:3: this RUN of stage-0 ' log || fail "$(cat log)"
refused linux/amd64,windows/amd64 --target two <<'END'
FROM --platform=$BUILDPLATFORM busybox AS one
RUN true
FROM busybox AS base

RUN \
    true
FROM base AS two
COPY --from=one /x /
END
grep -q '/run/Dockerfile:5: this RUN of base is for Windows in the build for windows/amd64' log || fail "$(cat log)"

note "but not where it is for Linux, or is not needed"
dockerfile fine <<'END'
FROM --platform=linux/amd64 busybox AS one
RUN true
FROM busybox AS unused
RUN true
FROM scratch
COPY <<EOF /run.txt
RUN true
EOF
END
build --platform windows/amd64 -o type=oci,dest=fine.out,tar=false fine >log 2>&1 || fail "$(tail log)"
expect "its file" "$(file_of fine.out "$(digests fine.out)" run.txt)" "RUN true"
