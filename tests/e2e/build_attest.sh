#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Attestations: which are there by default and on request, whom they speak of, and that they are files in local
# outputs. The SBOM's generator comes from a registry on localhost.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

need docker-registry curl
both=linux/amd64,linux/arm64
busybox_base bb linux/amd64 linux/arm64
dockerfile ctx <<'END'
FROM busybox AS build
ARG SHOWN=no
RUN echo content >/file
FROM scratch
COPY --from=build /file /
END

made()
{
    rm -rf "$dir/out"
    build_as "$who" "$@" >log 2>&1 || fail "build $*: $(tail -n 30 log)"
}

# attestations: of out, one line each: "PLATFORM PREDICATE_TYPE..."; checks that each speaks of its image
attestations()
{
    local out=$dir/out root entry image layer statement platform
    root=$(digests "$out")
    if ! blob "$out" "$root" | jq -e .manifests >/dev/null; then
        return 0
    fi
    while read -r entry; do
        image=$(jq -r '.annotations."vnd.docker.reference.digest"' <<<"$entry")
        expect "kind" "$(jq -r '.annotations."vnd.docker.reference.type"' <<<"$entry")" attestation-manifest
        platform=$(image_manifests "$out" | sed -n "s/ $image$//p")
        [[ -n $platform ]] || fail "an attestation of no image: $entry"
        while read -r layer; do
            statement=$(blob "$out" "$(jq -r .digest <<<"$layer")")
            expect "subject" "$(jq -r '.subject[0].digest.sha256' <<<"$statement")" "${image#sha256:}"
            expect "predicate type" "$(jq -r .predicateType <<<"$statement")" \
                "$(jq -r '.annotations."in-toto.io/predicate-type"' <<<"$layer")"
            echo "$platform $(jq -r .predicateType <<<"$statement")"
        done < <(blob "$out" "$(jq -r .digest <<<"$entry")" | jq -c '.layers[]')
    done < <(blob "$out" "$root" | jq -c '.manifests[] | select(.platform.os == "unknown")') | sort
}

# statement TYPE: the first predicate of a type
statement()
{
    local digest
    for digest in $(blob "$dir/out" "$(digests "$dir/out")" | jq -r '.manifests[] | select(.platform.os == "unknown") | .digest'); do
        blob "$dir/out" "$(blob "$dir/out" "$digest" | jq -r --arg type "$1" \
            'first(.layers[] | select(.annotations."in-toto.io/predicate-type" | startswith($type)) | .digest)')"
        return
    done
}

provenance=https://slsa.dev/provenance/v1
spdx=https://spdx.dev/Document

# check WANTED ARG...: what is attested of a build into a layout
check()
{
    local wanted=$1
    shift
    made -t example.org/named:1 -o type=oci,dest="$dir/out",tar=false "$@" "$dir/ctx"
    expect "$*" "$(attestations | paste -sd,)" "$wanted"
    "$WEFT_SRC_DIR/tests/oci/validate" "$dir/out" >faults || fail "$*: $(cat faults)"
}

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >registry.yml <<END
version: 0.1
storage: {filesystem: {rootdirectory: $PWD/registry}}
http: {addr: "127.0.0.1:$port"}
log: {level: warn}
END
docker-registry serve registry.yml >registry.log 2>&1 &
registry=$!
end_registry()
{
    local rc=$?
    set +e
    kill "$registry"
    (exit "$rc")
    clean_up
}
trap end_registry EXIT
"$WEFT_SRC_DIR/tests/bases/generator" gen linux/amd64 >&2
generator=localhost:$port/generator:latest
wait_for 20 curl -sf "http://localhost:$port/v2/" -o /dev/null || fail "the registry does not start: $(cat registry.log)"
skopeo copy -q --all --dest-tls-verify=false oci:gen:latest "docker://$generator"

two="linux/amd64 $provenance,linux/arm64 $provenance"
for who in $(whos); do
    note "as $who"
    [[ $who == root ]] || make_user
    dir=$(work_dir "$who")
    [[ $who == root ]] || cp -r ctx "$dir/ctx"

    note "provenance"
    check "$two" --platform $both --build-arg SHOWN=min-hides-it
    ! statement "$provenance" | grep -q min-hides-it || fail "the default is not mode=min"
    if [[ $who == root ]]; then
        check ''
        check '' --platform $both --provenance=false
        check "linux/amd64 $provenance" --provenance true --build-arg SHOWN=max-shows-it
        statement "$provenance" | grep -q max-shows-it || fail "true is not mode=max"
        check "linux/amd64 $provenance" --attest type=provenance,mode=min,builder-id=https://example.org/b --build-arg SHOWN=min-hides-it
        ! statement "$provenance" | grep -q min-hides-it || fail "mode=min"
        expect "builder-id" "$(statement "$provenance" | jq -r .predicate.runDetails.builder.id)" https://example.org/b
        check "linux/amd64 ${provenance%v1}v0.2" --provenance mode=max,version=v0.2
    fi

    note "sbom"
    check "linux/amd64 $spdx,linux/arm64 $spdx" --platform $both --provenance false --sbom "generator=$generator"
    expect "files" "$(statement "$spdx" | jq -r '.predicate.files[].fileName')" ./file
    expect "checksum" "$(statement "$spdx" | jq -r '.predicate.files[].checksums[] | select(.algorithm == "SHA256").checksumValue')" \
        "$(echo content | sha256sum | cut -d' ' -f1)"
    check "linux/amd64 $provenance,linux/amd64 $spdx" --attest type=provenance --attest "type=sbom,generator=$generator"
    expect "named subject" "$(statement "$spdx" | jq -r '.subject[].name' | head -n 1)" 'pkg:docker/example.org/named@1?platform=linux%2Famd64'
    check '' --sbom false

    note "in local outputs"
    rm -rf "$dir/l"
    made --platform $both --sbom "generator=$generator" --provenance mode=max -o "$dir/l" -o type=tar,dest="$dir/l.tar" "$dir/ctx"
    want='./linux_amd64/file ./linux_amd64/provenance.json ./linux_amd64/sbom.spdx.json ./linux_arm64/file ./linux_arm64/provenance.json ./linux_arm64/sbom.spdx.json'
    expect "files" "$(cd "$dir/l" && find . -type f | sort | paste -sd' ')" "$want"
    expect "files in the tar" "$(tar -tf "$dir/l.tar" | grep -v '/$' | sed 's|^|./|' | sort | paste -sd' ')" "$want"
    expect "subject" "$(jq -r '.subject[] | select(.name == "file").digest.sha256' "$dir/l/linux_arm64/sbom.spdx.json")" \
        "$(echo content | sha256sum | cut -d' ' -f1)"
    rm -rf "$dir/l"
    made --provenance mode=max -o "type=local,dest=$dir/l,attestation-prefix=my-" "$dir/ctx"
    expect "files" "$(cd "$dir/l" && find . -type f | sort | paste -sd' ')" './file ./my-provenance.json'
done

note "oci-artifact=false: the form of older BuildKits"
who=root dir=$WEFT_TEST_TMP
made -t example.org/named:1 -o type=oci,dest=out,tar=false,oci-artifact=false --provenance true ctx
expect "its config" "$(blob out "$(blob out "$(digests out)" | jq -r '.manifests[] | select(.platform.os == "unknown").digest')" |
    jq -r '.config.mediaType')" application/vnd.oci.image.config.v1+json
expect "attestations" "$(attestations)" "linux/amd64 $provenance"

note "BUILDX_NO_DEFAULT_ATTESTATIONS"
export BUILDX_NO_DEFAULT_ATTESTATIONS=1
check '' --platform $both
check "linux/amd64 $provenance" --provenance true
unset BUILDX_NO_DEFAULT_ATTESTATIONS

note "a generator that is not there"
rc=0
build --sbom "generator=localhost:$port/none:1" -o type=oci,dest=no.tar ctx >log 2>&1 || rc=$?
expect "exit code" "$rc" 1
sed -n '/linux\/amd64 failed/,$p' log | grep -q 'none:1' || fail "$(cat log)"
[[ ! -e no.tar ]] || fail "an output"

note "--pull: a tag that has moved"
printf 'FROM localhost:%s/base:1\nCOPY Dockerfile /\n' "$port" >ctx/pulls
for content in one two; do
    printf 'FROM busybox AS b\nRUN echo %s >/file\nFROM scratch\nCOPY --from=b /file /\n' $content >ctx/base
    build -f ctx/base -o type=oci,dest=base.tar ctx >log 2>&1 || fail "$(cat log)"
    skopeo copy -q --dest-tls-verify=false oci-archive:base.tar "docker://localhost:$port/base:1"
    made -f ctx/pulls --pull -o out ctx
    expect "the base" "$(cat out/file)" $content
done
