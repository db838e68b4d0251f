#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Annotations: where each type of them ends up, and that the image is, to the byte, what BuildKit makes of them.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

both=linux/amd64,linux/arm64
busybox_base bb linux/amd64
dockerfile ctx <<'END'
FROM scratch
COPY Dockerfile /
END
export SOURCE_DATE_EPOCH=1000000000

# annotations LAYOUT DIGEST: those of a document
annotations()
{
    blob "$1" "$2" | jq -c .annotations
}

note "all types, several platforms, an attestation"
build --platform $both --annotation Some.Key=all --annotation 'manifest[linux/arm64]:Some.Key=arm64' \
    --annotation 'manifest[linux/arm64],index,manifest-descriptor,index-descriptor:more=<a & "b">' \
    --metadata-file m.json -t app -o type=oci,dest=out,tar=false ctx >log 2>&1 || fail "$(tail log)"
index=$(digests out)
"$WEFT_SRC_DIR/tests/oci/validate" out >faults || fail "$(<faults)"
more='"more":"<a & \"b\">"'
mapfile -t manifests < <(image_manifests out | cut -d' ' -f2)
expect "amd64" "$(annotations out "${manifests[0]}")" '{"Some.Key":"all"}'
expect "arm64" "$(annotations out "${manifests[1]}")" "{\"Some.Key\":\"arm64\",$more}"
expect "index" "$(annotations out "$index")" "{$more}"
expect "descriptors" "$(blob out "$index" | jq -c '[.manifests[] | select(.platform.os == "linux") | .annotations] | unique')" "[{$more}]"
expect "index.json" "$(jq -r '.manifests[0].annotations.more' out/index.json)" '<a & "b">'
expect "--metadata-file" "$(jq -r '."containerimage.descriptor".annotations.more' m.json)" '<a & "b">'
# attestations are of the manifests as they are
for n in 0 1; do
    attestation=$(blob out "$index" | jq -r --arg m "${manifests[n]}" '.manifests[] | select(.annotations."vnd.docker.reference.digest" == $m) | .digest')
    [[ $attestation == sha256:* ]] || fail "no attestation of ${manifests[n]}"
    expect "subject" "$(blob out "$attestation" | jq -r '.subject.digest, .subject.size' | paste -sd' ')" \
        "${manifests[n]} $(blob out "${manifests[n]}" | wc -c)"
    statement=$(blob out "$attestation" | jq -r '.layers[0].digest')
    expect "statement" "$(blob out "$statement" | jq -r '.subject[].digest.sha256' | sort -u)" "${manifests[n]#sha256:}"
done
# nothing refers to what they were before
expect "blobs" "$(find out/blobs/sha256 -type f | wc -l)" "$(
    {
        echo "$index"
        blob out "$index" | jq -r '.manifests[].digest' | tee documents
        while read -r document; do
            blob out "$document" | jq -r '.config.digest, .layers[].digest'
        done <documents
    } | sort -u | wc -l
)"

note "a single platform: a plain manifest, with and without the platform's name"
build --platform linux/arm64 --annotation 'manifest[linux/arm64]:a=1' --annotation manifest-descriptor:d=2 \
    --metadata-file m.json -o type=oci,dest=one,tar=false ctx >log 2>&1 || fail "$(tail log)"
expect "manifest" "$(annotations one "$(digests one)")" '{"a":"1"}'
expect "descriptor" "$(jq -r '.manifests[0].annotations.d' one/index.json) $(jq -r '."containerimage.descriptor".annotations.d' m.json)" "2 2"
rc=0
build --annotation index:a=1 -o type=oci,dest=none,tar=false ctx >log 2>&1 || rc=$?
expect "exit code" "$rc" 2
grep -q 'has no index to annotate' log || fail "$(<log)"
build --provenance=mode=min --annotation index:a=1 -o type=oci,dest=attested,tar=false ctx >log 2>&1 || fail "$(tail log)"
expect "index" "$(annotations attested "$(digests attested)")" '{"a":"1"}'
build --annotation a=b -o files ctx >log 2>&1 || fail "$(tail log)"
grep -q -- '--annotation does nothing: no output is an image' log || fail "$(<log)"

note "the same bytes as BuildKit's"
attrs='annotation.b.key=<1&2>,annotation.a.key=é,annotation-manifest-descriptor.d=3,annotation-index.i=4,annotation-index-descriptor.id=5'
"$WEFT" buildctl build --frontend dockerfile.v0 --local context=ctx --local dockerfile=ctx \
    --opt platform=$both --output "type=oci,name=docker.io/library/app:latest,dest=buildkit.tar,$attrs,annotation[linux/arm64].c=6" >log 2>&1 || fail "$(tail log)"
build --platform $both --provenance=false -t app -o "type=oci,dest=weft.tar,$attrs,annotation[linux/arm64].c=6" ctx >log 2>&1 || fail "$(tail log)"
for tar in buildkit weft; do
    mkdir $tar
    tar -xf $tar.tar -C $tar
done
expect "digest" "$(digests weft)" "$(digests buildkit)"
expect "index.json" "$(jq -S . weft/index.json)" "$(jq -S . buildkit/index.json)"
expect "files" "$(cd weft && find . -type f | sort)" "$(cd buildkit && find . -type f | sort)"
"$WEFT" buildctl build --frontend dockerfile.v0 --local context=ctx --local dockerfile=ctx --opt platform=linux/arm64 \
    --output type=oci,dest=buildkit.tar,annotation.a=1,annotation-manifest-descriptor.d=2 >log 2>&1 || fail "$(tail log)"
expect "a single platform" "$(digests one)" "$(tar -xOf buildkit.tar index.json | jq -r '.manifests[0].digest')"
no_trace . s/builds
