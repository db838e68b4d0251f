#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A context of 300 MB goes to each worker once, whatever the number of platforms; after a change of one byte only that
# file goes again. Bytes are the session holder's own count.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

platforms=linux/amd64,linux/arm64,linux/riscv64,linux/s390x
busybox_base bb linux/amd64 linux/arm64 linux/riscv64 linux/s390x
dockerfile ctx <<'END'
FROM busybox
COPY . /c/
COPY --from=more more /more
END
for i in 1 2 3; do
    head -c 100000000 /dev/urandom >"ctx/big$i"
done
echo a >ctx/small
echo ignored >ctx/.dockerignore
head -c 50000000 /dev/urandom >ctx/ignored
mkdir more
head -c 1000000 /dev/urandom >more/more

# sent: the bytes that the holders wrote, one line per worker
sent()
{
    jq '.["weft.workers"][].sent_bytes' m.json
}

run()
{
    build --platform $platforms --build-context more=more --metadata-file m.json "$@" ctx >log 2>&1 || fail "$(tail log)"
}

check_first()
{
    local bytes
    for bytes in $(sent); do
        ((bytes > 301000000 && bytes < 310000000)) || fail "$1: $bytes bytes for 301 MB"
    done
}

run
expect "auto takes one worker for a large context" "$(jq '.["weft.workers"] | length' m.json)" 1
check_first group
echo b >ctx/small
run
((${bytes:=$(sent)} < 1000000)) || fail "$bytes bytes after a change of one"

note "two platforms with a worker each: once to each"
platforms=linux/amd64,linux/arm64
run --workers=platform
expect "workers" "$(sent | wc -l)" 2
check_first platform
echo c >ctx/small
run --workers=platform
for bytes in $(sent); do
    ((bytes < 1000000)) || fail "$bytes bytes after a change of one"
done

note "the image has the changed file, and the ignored one is not in it"
run -o type=oci,dest=out,tar=false
manifest=$(image_manifests out | head -n 1 | cut -d' ' -f2)
expect "small" "$(file_of out "$manifest" c/small)" c
! file_of out "$manifest" c/ignored >/dev/null || fail ".dockerignore was not obeyed"

note "platforms that take different parts of the context: a rebuild sends only what changed"
dockerfile parts <<'END'
FROM busybox
ARG TARGETARCH
COPY bin/$TARGETARCH /bin2/
COPY common /
END
for arch in amd64 arm64; do
    mkdir -p "parts/bin/$arch"
    head -c 5000000 /dev/urandom >"parts/bin/$arch/prog"
done
echo common >parts/common
parts()
{
    build --platform linux/amd64,linux/arm64 --workers=group --metadata-file m.json "$@" parts >log 2>&1 || fail "$(tail log)"
}
parts
(($(sent) > 10000000)) || fail "$(sent) bytes for two times 5 MB"
echo changed >parts/common
parts -o type=oci,dest=parts.out,tar=false
(($(sent) < 1000000)) || fail "$(sent) bytes after a change of 8"
while read -r platform digest; do
    file_of parts.out "$digest" bin2/prog | cmp - "parts/bin/${platform#*/}/prog" || fail "$platform has another's program"
    expect "common of $platform" "$(file_of parts.out "$digest" common)" changed
done < <(image_manifests parts.out)
