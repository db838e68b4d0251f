#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Images for docker load: as a tar file, as BuildKit makes it, and into docker or podman themselves.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

need podman
# a docker of this machine is out of sight: nothing is loaded into it
if command -v docker >/dev/null; then
    mkdir programs
    for dir in ${PATH//:/ }; do
        ln -s "$dir"/* programs/ 2>/dev/null || true # the first of a name counts
    done
    rm programs/docker
    export PATH=$PWD/programs
fi
busybox_base bb linux/amd64 linux/arm64
dockerfile ctx <<'END'
FROM busybox
RUN echo here >/file
CMD ["cat", "/file"]
END
dockerfile scratch <<'END'
FROM scratch
COPY Dockerfile /
END
# a store of this test's own
unset CONTAINER_HOST
export CONTAINERS_STORAGE_CONF=$WEFT_TEST_TMP/storage.conf
cat >"$CONTAINERS_STORAGE_CONF" <<END
[storage]
driver = "vfs"
graphroot = "$WEFT_TEST_TMP/podman"
runroot = "$WEFT_TEST_TMP/podman-run"
END

note "a tar file, also for another machine"
build --platform linux/arm64 -t app -t example.com/x/y:2 -o type=docker,dest=d.tar -o type=oci,dest=out,tar=false \
    --iidfile iid ctx >log 2>&1 || fail "$(tail log)"
expect "names" "$(tar -xOf d.tar manifest.json | jq -c '.[0].RepoTags')" '["app:latest","example.com/x/y:2"]'
config=$(blob out "$(digests out | sort -u)" | jq -r .config.digest)
expect "config" "$(tar -xOf d.tar manifest.json | jq -r '.[0].Config')" "blobs/sha256/${config#sha256:}"
expect "--iidfile" "$(<iid)" "$config"
expect "skopeo" "$(skopeo inspect docker-archive:d.tar | jq -r '.Architecture + " " + (.Layers | length | tostring)')" "arm64 2"
skopeo copy -q docker-archive:d.tar:app:latest oci:copied:1
file_of copied "$(digests copied)" file | grep -q '^here$' || fail "another image"
build -o type=docker,dest=- scratch 2>log | tar -xO manifest.json | jq -e '.[0].RepoTags == null' >/dev/null || fail "without a name: $(tail log)"

note "as buildctl makes it"
SOURCE_DATE_EPOCH=1000000000 "$WEFT" buildctl build --frontend dockerfile.v0 --local context=scratch --local dockerfile=scratch \
    --output type=docker,name=app,dest=theirs.tar >log 2>&1 || fail "$(tail log)"
SOURCE_DATE_EPOCH=1000000000 build -t app -o type=docker,dest=ours.tar scratch >log 2>&1 || fail "$(tail log)"
expect "entries" "$(tar -tf ours.tar)" "$(tar -tf theirs.tar)"
for file in manifest.json index.json; do
    expect "$file" "$(tar -xOf ours.tar $file | jq -S .)" "$(tar -xOf theirs.tar $file | jq -S .)"
done

note "into podman"
build -t app --load --iidfile iid ctx >log 2>&1 || fail "$(tail log)"
grep -q 'loaded into podman: sha256:' log || fail "$(tail -n 2 log)"
expect "podman's image" "$(podman image inspect --format '{{.ID}} {{.Config.Cmd}}' app)" "$(cut -d: -f2 iid) [cat /file]"

note "into docker, where there is one"
mkdir bin none
cat >bin/docker <<'END'
#!/bin/sh
[ "$*" = version ] && exit 0
[ "$*" = load ] && cat >"$WEFT_TEST_TMP/loaded.tar" && echo "Loaded image: app:latest"
END
chmod 755 bin/docker
PATH=$PWD/bin:$PATH build -t app --load -o type=docker,dest=same.tar ctx >log 2>&1 || fail "$(tail log)"
grep -q 'wrote .*same.tar, loaded into docker: sha256:' log || fail "$(tail -n 2 log)"
cmp loaded.tar same.tar || fail "docker got something else"

note "one that fails, one that goes away, and none"
for script in 'echo "Cannot connect to the Docker daemon" >&2; exit 1' \
    'cat >/dev/null; echo "Cannot connect to the Docker daemon"; exit 1'; do
    printf '#!/bin/sh\n[ "$*" = version ] && exit 0\n%s\n' "$script" >bin/docker
    rc=0
    PATH=$PWD/bin:$PATH build -t app --load -o type=oci,dest=not.tar ctx >log 2>&1 || rc=$?
    expect "exit code" "$rc" 1
    grep -q 'docker load failed: Cannot connect to the Docker daemon' log || fail "$(tail -n 3 log)"
    [[ ! -e not.tar ]] || fail "the other output was written"
done
note "a docker without a daemon is found before anything is built"
printf '#!/bin/sh\necho "Client: 29"\necho "Cannot connect to the Docker daemon" >&2\nexit 1\n' >bin/docker
rc=0
PATH=$PWD/bin:$PATH build -t app --load --no-cache ctx >log 2>&1 || rc=$?
expect "exit code" "$rc" 3
grep -q 'docker cannot load the image: Cannot connect to the Docker daemon' log || fail "$(<log)"
grep -q 'try: .*DOCKER_HOST' log || fail "$(<log)"
! grep -q '\[linux/' log || fail "it built: $(<log)"
rc=0
PATH=$PWD/none "$WEFT" build --load ctx >log 2>&1 || rc=$?
expect "exit code" "$rc" 3
grep -q 'neither docker nor podman' log || fail "$(<log)"
rc=0
build --load --platform linux/amd64,linux/arm64 ctx >log 2>&1 || rc=$?
expect "exit code" "$rc" 2
grep -q 'type=oci,dest=FILE takes them all' log || fail "$(<log)"
no_trace . s/builds
