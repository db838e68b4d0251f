#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every type of output and its attributes, one platform and two, as root and as an ordinary user.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

need umoci zstd
busybox_base bb linux/amd64 linux/arm64
both=linux/amd64,linux/arm64

dockerfile ctx <<'END'
FROM busybox
ARG TARGETARCH
RUN mkdir -p /o/d && echo "$TARGETARCH" >/o/d/arch && touch -d @86400 /o/d/old && ln /o/d/old /o/d/hard && ln -s d/arch /o/link && \
    chmod 4755 /o/d/arch && touch "$(printf '/o/a\nb \377')"
FROM scratch
COPY --from=0 /o /
END

# made WHO ARG...
made()
{
    build_as "$@" >log 2>&1 || fail "build $*: $(tail -n 30 log)"
}

valid()
{
    "$WEFT_SRC_DIR/tests/oci/validate" "$1" >faults || fail "$1: $(cat faults)"
}

# layers LAYOUT: media types of the layers of all images
layers()
{
    local digest
    while read -r _ digest; do
        blob "$1" "$digest" | jq -r '.layers[].mediaType'
    done < <(image_manifests "$1") | sort -u
}

names()
{
    (cd "$1" && find . -mindepth 1 | LC_ALL=C sort | cat -v | paste -sd' ')
}

for who in $(whos); do
    note "as $who"
    [[ $who == root ]] || make_user
    dir=$(work_dir "$who")
    out=$dir/o
    as "$who" mkdir "$out"
    cp -r ctx "$out/ctx"

    note "all types in one build, two of them layouts"
    made "$who" --platform $both -t app:1 -o type=oci,dest="$out/a.tar" -o type=oci,dest="$out/a",tar=false \
        -o type=oci,dest="$out/b",tar=false -o type=local,dest="$out/l" -o "$out/short" -o type=tar,dest="$out/t.tar" \
        -o type=oci,dest="$out/b.tar" "$out/ctx"
    valid "$out/a"
    valid "$out/b"
    digest=$(digests "$out/a")
    expect "the second layout" "$(digests "$out/b")" "$digest"
    for archive in a b; do
        expect "$archive.tar" "sha256:$(skopeo inspect --raw "oci-archive:$out/$archive.tar" | sha256sum | cut -d' ' -f1)" "$digest"
        mkdir "$archive.un"
        tar -xf "$out/$archive.tar" -C "$archive.un"
        valid "$archive.un"
        rm -rf "$archive.un"
    done
    for tree in l short; do
        expect "$tree" "$(find "$out/$tree" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | paste -sd' ')" "linux_amd64 linux_arm64"
        expect "$tree" "$(cat "$out/$tree"/linux_*/d/arch | paste -sd' ')" "amd64 arm64"
    done
    mkdir t.un
    tar --warning=no-unknown-keyword -xf "$out/t.tar" -C t.un
    expect "tar and local" "$(names t.un)" "$(names "$out/l")"
    expect "a link" "$(cat t.un/linux_arm64/link)" arm64
    expect "a hard link" "$(stat -c %h t.un/linux_arm64/d/old)" 2
    rm -rf t.un
    for f in "$out/a" "$out/a.tar" "$out/l" "$out/t.tar"; do
        expect "owner of $f" "$(stat -c %U "$f")" "$(as "$who" id -un)"
    done
    expect "modes" "$(stat -c %a "$out/a" "$out/a/index.json" "$out/a.tar" "$out/l" "$out/t.tar" | paste -sd' ')" '755 644 644 755 644'
    no_trace "$out" "$dir"

    note "one platform: no folders, and no index"
    made "$who" -t app:1 -o type=oci,dest="$out/a1",tar=false -o "$out/l1" -o type=tar,dest="$out/t1.tar" "$out/ctx"
    valid "$out/a1"
    expect "media type" "$(jq -r '.manifests[].mediaType' "$out/a1/index.json")" application/vnd.oci.image.manifest.v1+json
    [[ -f $out/l1/d/arch ]] || fail "$(names "$out/l1")"
    # the time, mode and odd name of a file
    expect "mtime" "$(stat -c %Y "$out/l1/d/old")" 86400
    expect "mode" "$(tar -tvf "$out/t1.tar" d/arch | cut -c1-10)" -rwsr-xr-x
    if [[ $who == root ]]; then # of a user, chown() takes the bit away
        expect "mode" "$(stat -c %a "$out/l1/d/arch")" 4755
    fi
    [[ -e $out/l1/$(printf 'a\nb \377') ]] || fail "a file with an odd name: $(names "$out/l1")"
    expect "names in the tar" "$(tar -tf "$out/t1.tar" | grep -c .)" "$(find "$out/l1" -mindepth 1 -printf 'x\n' | wc -l)"
    no_trace "$out" "$dir"
    as "$who" "$WEFT" worker stop --all >/dev/null
done
[[ $(whos) == root* ]] || exit 0
rm -rf o

note "standard output"
for output in - type=tar type=tar,dest=-; do
    build -o "$output" ctx >s.tar 2>log || fail "$(cat log)"
    tar -tf s.tar | grep -x 'd/arch' >/dev/null || fail "-o $output: $(tar -tf s.tar)"
done
for output in type=oci type=oci,dest=-; do
    build --platform $both -o "$output" ctx >s.tar 2>log || fail "$(cat log)"
    expect "-o $output" "$(skopeo inspect --raw oci-archive:s.tar | jq '.manifests | length')" 4
done
rc=0
build -o - ctx >/dev/full 2>log || rc=$?
expect "exit code with a full disk" "$rc" 1
grep -q 'No space left' log || fail "$(cat log)"
rc=0
build -o - ctx 2>log | true || rc=$?
grep -q 'Broken pipe' log || fail "a reader that goes away: $(tail -n 3 log)"

note "tags: each build replaces its own and keeps the others"
printf 'FROM busybox\nCOPY f /\n' >ctx/f.Dockerfile
echo 1 >ctx/f
made root -f ctx/f.Dockerfile -t app -t example.com/x/y:2 --tag app -t more:3 -o type=oci,dest=tags,tar=false ctx
expect "tags" "$(jq -r '.manifests[].annotations | ."io.containerd.image.name" + " " + ."org.opencontainers.image.ref.name"' tags/index.json | paste -sd,)" \
    'docker.io/library/app:latest latest,example.com/x/y:2 2,docker.io/library/more:3 3'
made root -f ctx/f.Dockerfile -o type=oci,dest=named.tar,name=first:1 -o '"type=oci","dest=named2.tar","name=second,third"' ctx
for tar in named named2; do
    expect "names of $tar.tar" "$(tar -xOf $tar.tar index.json | jq -r '[.manifests[].annotations."io.containerd.image.name"] | join(" ")')" \
        "$([[ $tar == named ]] && echo docker.io/library/first:1 || echo docker.io/library/second:latest docker.io/library/third:latest)"
done
made root -f ctx/f.Dockerfile -t tag:1 -o type=oci,dest=named.tar,name=first:1 ctx
expect "--tag goes before name=" "$(tar -xOf named.tar index.json | jq -r '.manifests[].annotations."io.containerd.image.name"')" docker.io/library/tag:1
grep -q 'name= of an output does nothing beside --tag' log || fail "no warning: $(cat log)"
old=$(digests tags | sort -u)
echo 2 >ctx/f
made root -f ctx/f.Dockerfile -t example.com/x/y:2 -o type=oci,dest=tags,tar=false ctx
expect "tags" "$(jq -r '.manifests[].annotations."org.opencontainers.image.ref.name"' tags/index.json | sort | paste -sd,)" 2,3,latest
for tag in latest 3; do
    expect "$tag" "$(skopeo inspect --raw "oci:tags:$tag" | sha256sum | cut -d' ' -f1)" "${old#sha256:}"
done
[[ $(skopeo inspect --raw oci:tags:2 | sha256sum | cut -d' ' -f1) != "${old#sha256:}" ]] || fail "the tag did not move"
valid tags
long=$(printf 'l%.0s' {1..128})
made root -f ctx/f.Dockerfile -t "$(printf 'n%.0s' {1..240}):$long" -o type=oci,dest=tags,tar=false ctx
skopeo inspect --raw "oci:tags:$long" >/dev/null || fail "a long tag"
before=$(jq '.manifests | length' tags/index.json)
made root -f ctx/f.Dockerfile -o type=oci,dest=tags,tar=false ctx
made root -f ctx/f.Dockerfile -o type=oci,dest=tags,tar=false ctx
expect "entries after two builds without a tag" "$(jq '.manifests | length' tags/index.json)" $((before + 1))

note "a file in the place of the output is replaced, a link is followed"
echo old >real.tar
chmod 600 real.tar
ln -s real.tar link.tar
made root -o type=tar,dest=link.tar ctx
[[ -L link.tar ]] || fail "the link was replaced"
tar -tf real.tar >/dev/null || fail "real.tar is not the output"
expect "its mode" "$(stat -c %a real.tar)" 600
mkdir empty
made root -o type=oci,dest=empty,tar=false ctx
valid empty

note "what is there in a local destination stays, and is overwritten where the build has it"
mkdir -p keep/d keep/own
echo old >keep/d/arch
echo own >keep/own/x
echo own >keep/d/own
ln -s nowhere keep/link
made root -o keep ctx
expect "own" "$(cat keep/own/x keep/d/own | paste -sd,)" own,own
expect "overwritten" "$(cat keep/d/arch)" "$(dpkg --print-architecture)"
expect "a link" "$(readlink keep/link)" d/arch
ln -s keep tolink
made root -o tolink ctx
[[ -L tolink ]] || fail "a link to the destination was replaced"

note "conflicts: an error, and nothing is changed"
for conflict in 'mkdir -p DEST/d/arch' 'touch DEST/d' 'mkdir -p DEST/link/x'; do
    for platform in local $both; do
        rm -rf con
        mkdir con
        if [[ $platform == local ]]; then
            bash -ec "${conflict//DEST/con}"
        else
            mkdir con/linux_arm64
            bash -ec "${conflict//DEST/con\/linux_arm64}"
        fi
        before=$(snapshot con)
        rc=0
        build --platform "$platform" -o con ctx >log 2>&1 || rc=$?
        expect "exit code with $conflict" "$rc" 1
        grep -q 'is in the way' log || fail "$(cat log)"
        expect "con after $conflict" "$(snapshot con)" "$before"
        no_trace . con
    done
done
mkdir nodir
touch nodir/linux_arm64
before=$(snapshot nodir)
! build --platform $both -o nodir ctx >log 2>&1 || fail "linux_arm64 is a file"
expect "nodir" "$(snapshot nodir)" "$before"

note "compression"
for kind in gzip zstd estargz uncompressed; do
    rm -rf k
    made root --platform $both -o type=oci,dest=k,tar=false,compression=$kind,force-compression=true ctx
    valid k
    case $kind in
    gzip | estargz) want=application/vnd.oci.image.layer.v1.tar+gzip ;;
    uncompressed) want=application/vnd.oci.image.layer.v1.tar ;;
    *) want=application/vnd.oci.image.layer.v1.tar+$kind ;;
    esac
    expect "$kind" "$(layers k)" "$want"
    digest=$(image_manifests k | sed -n 's/^linux.arm64 //p')
    layer=$(blob k "$digest" | jq -r '.layers[0].digest')
    case $kind in
    gzip | estargz) blob k "$layer" | gzip -dc ;;
    zstd) blob k "$layer" | zstd -dcq ;;
    uncompressed) blob k "$layer" ;;
    esac | tar -xO d/arch | grep -x arm64 >/dev/null || fail "$kind: the layer"
    expect "estargz" "$(blob k "$digest" | jq 'any(.layers[]; .annotations."containerd.io/snapshot/stargz/toc.digest")')" \
        "$([[ $kind == estargz ]] && echo true || echo false)"
done
# big enough for the level to show
dockerfile level <<'END'
FROM scratch
COPY text /
END
seq 200000 >level/text
sizes=()
for level in 1 19; do
    made root --no-cache -o type=oci,dest=v$level,tar=false,compression=zstd,compression-level=$level,force-compression=true level
    sizes+=("$(blob v$level "$(digests v$level)" | jq '.layers[0].size')")
done
((sizes[1] * 2 < sizes[0])) || fail "compression-level changes little: ${sizes[*]}"
made root --provenance false -o type=oci,dest=docker,tar=false,oci-mediatypes=false ctx
expect "oci-mediatypes=false" "$(jq -r '.manifests[].mediaType' docker/index.json)" application/vnd.docker.distribution.manifest.v2+json
made root --platform $both --provenance false -o type=oci,dest=docker2,tar=false,oci-mediatypes=false ctx
expect "oci-mediatypes=false" "$(blob docker2 "$(digests docker2)" | jq -r .mediaType)" \
    application/vnd.docker.distribution.manifest.list.v2+json

note "times"
# times LAYOUT: of the files of the topmost layer
times()
{
    local digest
    while read -r _ digest; do
        blob "$1" "$(blob "$1" "$digest" | jq -r '.layers[-1].digest')" | tar --utc -tvzf -
    done < <(image_manifests "$1") | awk '{ print $4 }' | sort -u | paste -sd,
}
export SOURCE_DATE_EPOCH=1000000000 # 2001-09-09
made root --no-cache --platform $both -o type=oci,dest=e,tar=false,rewrite-timestamp=true -o type=tar,dest=e.tar ctx
expect "rewrite-timestamp" "$(times e)" 1970-01-02,2001-09-09
expect "created" "$(jq -r '.manifests[].annotations."org.opencontainers.image.created"' e/index.json)" 2001-09-09T01:46:40Z
digest=$(image_manifests e | cut -d' ' -f2 | head -n 1)
expect "created" "$(blob e "$(blob e "$digest" | jq -r .config.digest)" | jq -r .created)" 2001-09-09T01:46:40Z
tar --warning=no-unknown-keyword --utc -tvf e.tar | awk '$6 ~ /^linux_/ { print $4 }' | sort -u | grep -x 2001-09-09 >/dev/null || fail "type=tar: $(tar -tvf e.tar)"
made root --no-cache --platform $both -o type=oci,dest=e2,tar=false ctx
[[ $(times e2) == *20[2-9][0-9]-* ]] || fail "times were rewritten unasked: $(times e2)"
unset SOURCE_DATE_EPOCH
made root --build-arg SOURCE_DATE_EPOCH=86400 -o type=oci,dest=e3,tar=false ctx
expect "the build argument" "$(jq -r '.manifests[].annotations."org.opencontainers.image.created"' e3/index.json)" 1970-01-02T00:00:00Z
made root --build-arg SOURCE_DATE_EPOCH=86400 -o type=oci,dest=e4,tar=false,source-date-epoch=172800 ctx
expect "the attribute" "$(jq -r '.manifests[].annotations."org.opencontainers.image.created"' e4/index.json)" 1970-01-03T00:00:00Z

note "no output: the cache only"
(cd empty && find . | sort) >before
build --platform $both ctx >log 2>&1 || fail "$(cat log)"
grep -q 'warning: no output specified' log || fail "$(cat log)"

note "contexts with what is no plain file"
dockerfile odd <<'END'
FROM busybox AS b
COPY . /in
RUN cd /in && find . | LC_ALL=C sort | tr '\n\377' '?!' >/list && stat -c %s sparse >>/list
FROM scratch
COPY --from=b /list /
END
mkfifo odd/fifo
truncate -s 200M odd/sparse
touch "odd/$(printf 'new\nline')" "odd/$(printf 'bad\377')" 'odd/ sp ace ' "odd/$(printf 'x%.0s' {1..255})"
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("odd/socket")'
ln -s /nowhere odd/dangling
ln -s . odd/loop
made root -o odd-out odd
list=$(cat odd-out/list)
for name in './new?' '?line?' './bad!?' './ sp ace ?' './dangling?' './loop?' './sparse?' './fifo?' './socket?' 209715200; do
    [[ $list == *"$name"* ]] || fail "the context lacks $name: $list"
done
