#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Wrong command lines and wrong files: the exit code, a message that names what is wrong, and nothing started.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

busybox_base bb linux/amd64
dockerfile ctx <<'END'
FROM busybox
RUN true
END

# says CODE TEXT COMMAND...: the command ends with CODE and TEXT is on its stderr.
says()
{
    local code=$1 text=$2 rc=0
    shift 2
    "$@" >stdout 2>stderr || rc=$?
    [[ $rc == "$code" ]] || fail "$*: exit code $rc, not $code: $(cat stderr)"
    grep -qF -- "$text" stderr || fail "$*: stderr lacks '$text': $(cat stderr)"
}

# refused TEXT ARG...: `weft build ARG...` is wrong by itself.
refused()
{
    local text=$1
    shift
    says 2 "$text" "$WEFT" build "$@"
    [[ ! -s stdout ]] || fail "build $*: $(cat stdout)"
    [[ ! -e $WEFT_RUNTIME_DIR && ! -e $WEFT_STATE_DIR ]] || fail "build $*: something was started"
}

note "weft itself"
says 2 'usage: weft COMMAND' "$WEFT"
[[ ! -s stdout ]] || fail "usage of a wrong command line is on stdout"
for flag in --help -h help; do
    "$WEFT" $flag >stdout 2>stderr || fail "weft $flag"
    grep -q '^usage: weft COMMAND' stdout || fail "weft $flag: $(cat stdout)"
    [[ ! -s stderr ]] || fail "weft $flag: $(cat stderr)"
done
[[ $("$WEFT" --version) =~ ^weft\ [0-9]+\.[0-9]+ ]] || fail "$("$WEFT" --version)"
# shellcheck disable=SC2016 # expanded by the inner shell
says 1 'standard output' bash -c '"$WEFT" --help >/dev/full'
says 2 'did you mean "build"?' "$WEFT" bulid
says 2 'unknown command "xyzzy"' "$WEFT" xyzzy
says 2 'weft worker --help' "$WEFT" worker
says 2 'weft worker --help' "$WEFT" worker frob
says 2 '--all' "$WEFT" worker stop
says 2 '--json' "$WEFT" worker list --frob
says 2 'linux_arm64' "$WEFT" worker stop linux_arm64
"$WEFT" build --help >stdout 2>stderr || fail "build --help"
grep -q '^usage: weft build' stdout || fail "$(cat stdout)"
[[ ! -s stderr ]] || fail "$(cat stderr)"
rm -rf "$WEFT_RUNTIME_DIR" "$WEFT_STATE_DIR"

note "flags and PATH"
refused '--platform' --platfrom linux/amd64 ctx
refused 'pushed needs a name' --push ctx
refused 'unknown flag -x' -x ctx
refused '--target needs a value' ctx --target
refused '--no-cache takes true or false' --no-cache=maybe ctx
refused 'PATH, the directory to build, is missing'
refused '2 arguments' ctx ctx
refused 'https://example.org/x.git: a ref cannot begin with' https://example.org/x.git#-x
refused 'git@example.org:x.git is fetched by ssh: there is no agent' git@example.org:x.git
refused 'cannot be both the context and the Dockerfile' -f - -
refused 'nowhere: No such file' nowhere
refused 'Dockerfile is not a directory' ctx/Dockerfile

note "values"
refused 'try: linux/riscv64' --platform linux/rscv64 ctx
refused '--platform' --platform windows/arm64 ctx
refused '--platform' --platform linux/amd64, ctx
refused 'upper-case-X' --label '=upper-case-X' ctx
refused 'the name is missing' --build-arg '=1' ctx
refused 'lower case' -t Upper ctx
refused 'the tag has to be 1 to 128' -t "name:$(printf 'x%.0s' {1..129})" ctx
refused 'more than 255' -t "$(printf 'x%.0s' {1..256})" ctx
refused 'a tag cannot have a digest' -t "x@sha256:$(printf '0%.0s' {1..64})" ctx
refused '--jobs' --jobs 0 ctx
refused '--jobs' --jobs many ctx
refused '--workers is auto, platform or group, not "x"' --workers x ctx
refused '--worker-idle is a time such as' --worker-idle 10 ctx
refused '--progress is auto' --progress fancy ctx
refused 'exclude each other' -q --progress plain ctx
refused 'unknown CPU policy "fast"' --cpu fast ctx
refused 'try: linux/arm64' --cpu linux/arm46=max ctx
refused 'is no CPU model' --cpu 'linux/arm64=a b' ctx
refused 'a version is digits and dots' --qemu seven ctx
refused '--os-version is for windows' --os-version 10.0.20348.1 ctx
refused 'is not a version of Windows' --os-version ten --platform windows/amd64 ctx
refused '--network is default, none or host' --network bridge ctx
refused 'network.host or security.insecure' --allow device ctx
refused 'mode is min or max' --provenance mode=big ctx
refused 'modus' --provenance modus=max ctx
refused 'provenance is given twice' --provenance true --attest type=provenance ctx
refused 'type= is missing' --attest mode=max ctx
refused 'vex' --attest type=vex ctx

note "the config file"
printf 'cpu:\n  linux/arm64: cortex-a72\nqmu: 7.2\n' >config.yaml
says 2 "config file: $PWD/config.yaml:3:1: \"qmu\" is none of the keys" \
    env WEFT_CONFIG="$PWD/config.yaml" "$WEFT" build ctx
grep -q 'try: qemu' stderr || fail "$(cat stderr)"
printf 'cpu: {linux/arm64: [}\n' >config.yaml
says 2 'config.yaml:1:' env WEFT_CONFIG=config.yaml "$WEFT" build ctx
expect "lines, of which libfyaml writes none" "$(wc -l <stderr)" 1
mkdir -p xdg/weft
echo 'qemu: {use: /nowhere}' >xdg/weft/config.yaml
says 2 'xdg/weft/config.yaml:1:13: there is no /nowhere' \
    env -u WEFT_CONFIG XDG_CONFIG_HOME="$PWD/xdg" "$WEFT" build ctx
says 2 'config file: open gone.yaml: No such file' env WEFT_CONFIG=gone.yaml "$WEFT" build ctx

note "secrets, keys, contexts"
refused 'gone: No such file' --secret id=a,src=gone ctx
refused 'the environment variable NOT_SET_X is not set' --secret id=a,env=NOT_SET_X ctx
refused 'id= is missing' --secret src=ctx/Dockerfile ctx
refused 'sauce' --secret id=a,sauce=x ctx
refused 'not a regular file' --secret id=a,src=ctx ctx
says 2 'SSH_AUTH_SOCK is not set' env -u SSH_AUTH_SOCK "$WEFT" build --ssh default ctx
refused 'gone: No such file' --ssh default=gone ctx
refused 'no image with the tag 9' --build-context "busybox=oci-layout://$PWD/bb:9" ctx
grep -q 'one of its tags: latest' stderr || fail "$(cat stderr)"
refused 'has no blob sha256:0000' --build-context "busybox=oci-layout://$PWD/bb@sha256:$(printf '0%.0s' {1..64})" ctx
refused 'is not an OCI layout' --build-context busybox=oci-layout://ctx ctx
refused 'gone: No such file' --build-context busybox=oci-layout://gone:1 ctx
refused 'is not an image reference' --build-context busybox=docker-image://Busybox ctx
refused 'in bake files only' --build-context busybox=target:base ctx
refused 'NAME=CONTEXT' --build-context ctx ctx
mkdir broken
echo '{' >broken/index.json
refused 'broken/index.json' --build-context busybox=oci-layout://broken ctx

note "the Dockerfile"
mkdir empty
refused 'no Dockerfile (nor dockerfile) in' empty
refused 'there is no gone' -f gone ctx
refused '--file ctx/Dockerfile' -f Dockerfile ctx
says 2 'standard input, the Dockerfile, is empty' "$WEFT" build -f - ctx </dev/null
[[ ! -e $WEFT_RUNTIME_DIR ]] || fail "-f -: something was started"
rm -r "$WEFT_STATE_DIR"
mkdir -p odd/Dockerfile
refused 'is not a regular file' odd
head -c 17000000 /dev/zero >big
refused 'big is larger than' -f big ctx
rm big

note "outputs"
touch file
mkdir -p full
touch full/x
refused 'comprssion' -o type=oci,dest=x.tar,comprssion=zstd ctx
grep -qF 'try: compression' stderr || fail "$(cat stderr)"
refused 'compression is uncompressed' -o type=oci,dest=x.tar,compression=lzma ctx
refused 'from 0 to 9' -o type=oci,dest=x.tar,compression=gzip,compression-level=12 ctx
refused 'rewrite-timestamp is true or false' -o type=oci,dest=x.tar,rewrite-timestamp=x ctx
refused '--load is for one platform' --load --platform linux/amd64,linux/arm64 ctx
refused 'types of output' -o type=files,dest=x ctx
refused 'type= is missing' -o dest=x ctx
refused 'attributes of this type' -o type=local,dest=x,compression=zstd ctx
refused 'a directory, not standard output' -o type=local,dest=- ctx
refused 'there is no directory' -o type=oci,dest=gone/x.tar ctx
refused 'there is no directory' -o type=tar,dest=gone/x.tar ctx
refused 'is a directory, and the output is a file' -o type=oci,dest=full ctx
refused 'full is neither an OCI layout nor an empty directory' -o type=oci,dest=full,tar=false ctx
refused 'file is neither' -o type=oci,dest=file,tar=false ctx
refused 'file is not a directory' -o file ctx
refused 'file/below: Not a directory' -o file/below ctx
refused 'have the destination' -o type=oci,dest=x.tar -o type=tar,dest=x.tar ctx
refused 'destination' -o type=oci,dest=x.tar -o type=tar,dest=./x.tar ctx
refused 'two outputs' -o - -o type=oci ctx
refused 'cannot differ in attributes' -o type=oci,dest=x.tar -o type=oci,dest=y.tar,compression=zstd ctx
refused 'on standard output' -q -o type=tar ctx
refused 'have no image ID' --iidfile id -o out ctx
refused 'without an output there is no image' --iidfile id ctx
refused 'there is no directory' --metadata-file gone/m.json ctx
refused 'is a directory' --metadata-file full ctx
for name in x.tar y.tar x out id; do
    [[ ! -e $name ]] || fail "$name was made"
done

note "environment variables"
says 2 'BUILDKIT_PROGRESS' env BUILDKIT_PROGRESS=fancy "$WEFT" build ctx
says 2 'WEFT_WORKER_IDLE' env WEFT_WORKER_IDLE=x "$WEFT" build ctx
says 2 'BUILDX_NO_DEFAULT_ATTESTATIONS' env BUILDX_NO_DEFAULT_ATTESTATIONS=x "$WEFT" build ctx
says 2 'linux/arm64' env DOCKER_DEFAULT_PLATFORM=linux/arm46 "$WEFT" build ctx
says 2 'SOURCE_DATE_EPOCH' env SOURCE_DATE_EPOCH=yesterday "$WEFT" build -o type=oci,dest=x.tar ctx
[[ ! -e $WEFT_RUNTIME_DIR ]] || fail "something was started"
says 3 'WEFT_BUILDKITD=/nowhere is not a program' env WEFT_BUILDKITD=/nowhere "$WEFT" build ctx
says 3 'WEFT_RUNTIME=/nowhere is not a program' env WEFT_RUNTIME=/nowhere "$WEFT" build ctx
says 3 'linux/arm64' env WEFT_QEMU_DIR="$PWD/empty" "$WEFT" build --platform linux/arm64 ctx

note "builds that start and fail"
# failed TEXT ARG...: exit code 1, TEXT on stderr, and no output
failed()
{
    local text=$1
    shift
    says 1 "$text" build -o type=oci,dest=no.tar "$@"
    [[ ! -e no.tar ]] || fail "an output of a failed build"
    grep -q 'build failed for linux/amd64' stderr || fail "$(cat stderr)"
    no_trace .
}
printf 'FROM busybox\nRUN true\nRUNN false\n' >bad1
failed 'bad1:3' -f bad1 ctx
grep -q 'unknown instruction: RUNN' stderr || fail "$(cat stderr)"
printf '' >bad2
failed 'the Dockerfile cannot be empty' -f bad2 ctx
printf 'FROM busybox\nCOPY nothing /\n' >bad3
failed '"/nothing": not found' -f bad3 ctx
grep -q 'bad3:2' stderr || fail "$(cat stderr)"
printf 'FROM busybox AS a\n' >bad4
failed 'target stage "b" could not be found' -f bad4 --target b ctx

note "layouts with a blob missing, in a state that has not cached it"
cp -al bb torn
manifest=$(blob bb "$(digests bb)" | jq -r '.manifests[0].digest')
layer=$(blob bb "$manifest" | jq -r '.layers[0].digest')
for digest in "$layer" "$manifest"; do
    rm "torn/blobs/sha256/${digest#sha256:}"
    rm -rf s2
    says 1 "${digest#sha256:}" env WEFT_STATE_DIR="$PWD/s2" WEFT_RUNTIME_DIR="$PWD/r2" "$WEFT" build --progress=plain \
        --worker-idle 0 --build-context busybox=oci-layout://torn ctx
done

note "outputs that turn out to be impossible while they are written"
printf 'FROM busybox\nRUN mkdir -p /o/a && echo new >/o/a/x && echo new >/o/b && echo new >/o/c\nFROM scratch\nCOPY --from=0 /o /\n' \
    >clash
mkdir -p dest/b
echo old >dest/a
before=$(snapshot dest)
says 1 'is in the way' build -f clash -o dest ctx
expect "dest" "$(snapshot dest)" "$before"
no_trace . dest
says 1 'No space left' build -f clash -o type=tar,dest=/dev/full ctx

if [[ $(whos) == *user* ]]; then
    note "as a user: what cannot be read or written"
    make_user
    u=$WEFT_TEST_TMP/u
    cp -r ctx "$u/ctx"
    echo hidden >"$u/ctx/hidden"
    chmod 600 "$u/ctx/hidden"
    printf 'FROM busybox\nCOPY hidden /\n' >"$u/ctx/copy"
    says 1 'hidden' build_as user -f "$u/ctx/copy" "$u/ctx"
    chmod 600 "$u/ctx/copy"
    says 2 'copy: Permission denied' build_as user -f "$u/ctx/copy" "$u/ctx"
    mkdir locked
    chmod 700 locked
    mkdir readable
    says 2 'locked: Permission denied' build_as user "$PWD/locked"
    says 2 'cannot write to' build_as user -o type=oci,dest="$PWD/readable/x.tar" "$u/ctx"
    says 2 'cannot write to' build_as user -o type=oci,dest="$PWD/readable/x",tar=false "$u/ctx"
    says 2 'cannot write to' build_as user -o "$PWD/readable/x" "$u/ctx"
    says 2 'cannot write to' build_as user --metadata-file "$PWD/readable/m.json" "$u/ctx"
    says 2 'Permission denied' build_as user --secret "id=a,src=$u/ctx/hidden" "$u/ctx"
fi
