#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What comes from standard input: the Dockerfile, a Dockerfile of an empty context, a tar as context, plain and
# compressed. Archives that are damaged or hostile, and that nothing of them is left.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

need bzip2 xz zstd
busybox_base bb linux/amd64 linux/arm64
mkdir -p ctx/sub
printf 'FROM busybox\nCOPY . /c/\n' >ctx/Dockerfile
printf 'FROM busybox\nCOPY . /other/\n' >ctx/sub/other
echo ignored >ctx/ignored
printf 'ignored\n' >ctx/.dockerignore
echo tool >ctx/tool
chmod 750 ctx/tool
ln -s tool ctx/link
ln ctx/tool ctx/second
truncate -s 2M ctx/holes
head -c 100000 /dev/urandom >ctx/random

# files_of DIR: what is in it, without times of directories, which the image has its own of.
files_of()
{
    (cd "$1" && find . -mindepth 1 -printf '%p %y %m %s %l\n' | sort && find . -type f -print0 | sort -z | xargs -0r sha256sum)
}

# nothing_left: of the input that was unpacked.
nothing_left()
{
    no_trace "$WEFT_STATE_DIR/builds"
}

note "a tar, plain and in all compressions, for two platforms; .dockerignore is a file like others, as in buildx"
tar -C ctx -c . >plain.tar
gzip -k plain.tar
bzip2 -k plain.tar
xz -1 -k plain.tar
zstd -q plain.tar
files_of ctx | sed 's/ ctx / /' >want
for file in plain.tar plain.tar.gz plain.tar.bz2 plain.tar.xz plain.tar.zst; do
    build -o out - <"$file" >log 2>&1 || fail "$file: $(tail log)"
    files_of out/c >got
    cmp want got || fail "$file: $(diff want got)"
    rm -r out
    nothing_left
done
build --platform linux/amd64,linux/arm64 -o out - <plain.tar >log 2>&1 || fail "$(tail log)"
files_of out/linux_arm64/c | cmp - want || fail "another content for arm64"
rm -r out

note "a Dockerfile in the tar by its name, and one from elsewhere"
build -o out -f ./sub/other - <plain.tar >log 2>&1 || fail "$(tail log)"
expect "-f sub/other" "$(cat out/other/tool)" tool
rm -r out
printf 'FROM busybox\nCOPY tool /x\n' | build -o out -f - ctx >log 2>&1 || fail "$(tail log)"
expect "-f -" "$(cat out/x)" tool
[[ ! -e out/c ]] || fail "-f - took the Dockerfile of the context"
printf 'FROM busybox\nCOPY . /c\n' | build -o out -f - ctx >log 2>&1 || fail "$(tail log)"
[[ -e out/c/tool && ! -e out/c/ignored ]] || fail "-f -: .dockerignore does not count"
printf 'FROM busybox\nCOPY . /c/\nRUN echo a >/x; ls -A /c >/y\n' | build -o out - >log 2>&1 || fail "$(tail log)"
expect "-" "$(cat out/x out/y)" a
rm -r out

note "what changes is seen, also where names, sizes and times are the same"
mkdir same
printf 'FROM busybox\nCOPY v /\n' >same/Dockerfile
for v in 1 2; do
    echo $v >same/v
    tar -C same --mtime=@0 -c . | build -o out - >log 2>&1 || fail "$(tail log)"
    expect "the content" "$(cat out/v)" $v
done

# refused EXIT_CODE TEXT ARG...: of a build of standard input
refused()
{
    local code=$1 text=$2 rc=0
    shift 2
    build "$@" >log 2>&1 || rc=$?
    expect "exit code ($text)" "$rc" "$code"
    grep -q -e "$text" log || fail "$text is not in: $(cat log)"
    nothing_left
}

note "wrong input"
refused 2 'standard input is empty' - </dev/null
refused 2 'the Dockerfile, is empty' -f - ctx </dev/null
refused 2 'no archive, so it is the Dockerfile' -f x - <ctx/Dockerfile
refused 2 'cannot be both' -f - - <plain.tar
refused 2 'there is no none in the archive' -f none - <plain.tar
refused 1 'standard input: ' - < <(head -c 50000 plain.tar.gz)
refused 1 'standard input: ' - < <(head -c 50000 plain.tar.zst)
refused 1 'standard input: .*Truncated' - < <(head -c 50000 plain.tar)
refused 1 'standard input: ' - < <(gzip <ctx/Dockerfile)

note "nothing of a tar gets out of the build's own directory"
python3 - <<'PYTHON'
import io
import tarfile

def make(name, *members):
    with tarfile.open(name, "w") as t:
        for path, kind, link in (("Dockerfile", tarfile.REGTYPE, ""),) + members:
            m = tarfile.TarInfo(path)
            m.type, m.linkname, data = kind, link, b"FROM busybox\nCOPY . /c\n"
            m.size = len(data) if kind == tarfile.REGTYPE else 0
            t.addfile(m, io.BytesIO(data) if m.size else None)

make("up.tar", ("../../victim", tarfile.REGTYPE, ""))
make("through.tar", ("l", tarfile.SYMTYPE, "/tmp"), ("l/victim", tarfile.REGTYPE, ""))
make("hard.tar", ("h", tarfile.LNKTYPE, "/etc/../../passwd"))
make("dev.tar", ("null", tarfile.CHRTYPE, ""), ("pipe", tarfile.FIFOTYPE, ""), ("ok", tarfile.REGTYPE, ""))
make("dockerfile.tar", ("d", tarfile.SYMTYPE, "/etc/passwd"))
PYTHON
refused 1 'leads out of the archive' - <up.tar
refused 1 'through a symbolic link' - <through.tar
refused 1 'leads out of the archive' - <hard.tar
refused 2 'd is a link that leads out of the archive' -f d - <dockerfile.tar
[[ ! -e /tmp/victim ]] || fail "written through a link"
build -o out - <dev.tar >log 2>&1 || fail "$(tail log)"
grep -q 'left out of the context, being no files: null and others' log || fail "devices: $(cat log)"
expect "the rest" "$(ls out/c)" "$(printf 'Dockerfile\nok')"

note "interrupted while it waits for more, and killed: nothing is left, at the latest by the next build"
mkfifo pipe
for signal in INT TERM KILL; do
    # shellcheck disable=SC2094 # a pipe
    (exec_as root "$WEFT" build -o out -) <pipe >log 2>&1 &
    pid=$!
    exec 7>pipe
    head -c 5000 plain.tar >&7
    wait_for 10 compgen -G "$WEFT_STATE_DIR/builds/.build.weft-*/context-*/*" >/dev/null || fail "nothing is unpacked: $(cat log)"
    kill -$signal $pid
    rc=0
    wait $pid || rc=$?
    exec 7>&-
    [[ $signal == KILL ]] || expect "exit code after $signal" $rc 130
    [[ $signal == KILL ]] || nothing_left
done
build -o out - <dev.tar >log 2>&1 || fail "$(tail log)"
nothing_left

note "a full disk, said by name"
if ((EUID == 0)); then
    mkdir small
    mount -t tmpfs -o size=3M tmpfs small
    rc=0
    head -c 20000000 /dev/urandom >ctx/holes
    WEFT_STATE_DIR=$WEFT_TEST_TMP/small build -o out - < <(tar -C ctx -c .) >log 2>&1 || rc=$?
    no_trace small/builds
    umount small
    expect "exit code" $rc 1
    grep -q "unpacking './holes': No space left\|unpacking 'holes': No space left" log || fail "$(cat log)"
fi
