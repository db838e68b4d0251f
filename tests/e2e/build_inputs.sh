#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What may lie in a directory that is a context: .dockerignore of every place, files that are no files, files that
# nobody may read, odd names, links that lead out, holes, many files.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

busybox_base bb linux/amd64 linux/386

# files FLAG...: builds what is given for linux/amd64; the names of its files below /c are the lines of `files`.
files()
{
    rm -f out.tar m.json
    build --platform linux/amd64 --metadata-file m.json -o type=tar,dest=out.tar "$@" >log 2>&1 || return 1
    tar -tf out.tar c | sed -n 's,^c/\(.*[^/]\)$,\1,p' | sort | tr '\n' ' ' >files
}

# has WHAT FILES FLAG...: a build has exactly these, with a blank after each.
has()
{
    files "${@:3}" || fail "$1: $(tail log)"
    expect "$1" "$(<files)" "$2"
}

# content FILE
content()
{
    tar -xOf out.tar "c/$1"
}

# refused CODE REGEX FLAG...: a build fails so.
refused()
{
    local rc=0
    files "${@:3}" || rc=1
    expect "whether it fails" "$rc" 1
    grep -q -E -e "$2" log || fail "'$2' is not in: $(tail log)"
    rc=0
    build --platform linux/amd64 -o type=tar,dest=out.tar "${@:3}" >log 2>&1 || rc=$?
    expect "exit code" "$rc" "$1"
}

note ".dockerignore"
dockerfile ignore <<'END'
FROM busybox
COPY . /c/
END
mkdir -p ignore/{dir/sub,logs/deep,df}
touch ignore/{a,b.log,dir/x,dir/sub/y,logs/keep.log,logs/deep/z.log,logs/deep/z.txt,df/q}
cat >ignore/.dockerignore <<'END'
# a comment
**/*.log
!logs/keep.log
  dir
!dir/sub
/df/q
.dockerignore
Dockerfile
END
has "that of the context" "a dir/sub/y logs/deep/z.txt logs/keep.log " ignore
mv ignore/Dockerfile ignore/df/my.Dockerfile
has "a Dockerfile below" "a df/my.Dockerfile dir/sub/y logs/deep/z.txt logs/keep.log " -f ignore/df/my.Dockerfile ignore
printf '*\n!a\n!logs\nlogs/deep\nlogs/b*\n' >ignore/df/my.Dockerfile.dockerignore
has "that beside the Dockerfile goes before" "a logs/keep.log " -f ignore/df/my.Dockerfile ignore
mkdir outside
mv ignore/df/my.Dockerfile outside/
printf '**\n!**/*.log\n' >outside/my.Dockerfile.dockerignore
has "a Dockerfile elsewhere" "b.log logs/deep/z.log logs/keep.log " -f outside/my.Dockerfile ignore
rm outside/my.Dockerfile.dockerignore
has "without one of its own" "a df/my.Dockerfile.dockerignore dir/sub/y logs/deep/z.txt logs/keep.log " -f outside/my.Dockerfile ignore
mkdir named
touch named/{one,two,three.log}
printf 'two\n.dockerignore\n' >named/.dockerignore
dockerfile with-named <<'END'
FROM busybox
COPY --from=named . /c/
END
has "that of a named context" "one three.log " --build-context named=named with-named
printf '[\n' >ignore/.dockerignore
refused 1 'syntax error in pattern' -f outside/my.Dockerfile ignore

note "files that are no files"
dockerfile special <<'END'
FROM busybox
COPY in /c/
END
mkdir special/in
mkfifo special/in/fifo
touch special/in/file
python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' special/in/socket
has "a fifo and a socket" "fifo file socket " special
grep -q 'warning: .*/special/in/socket is a socket: the build has an empty file' log || fail "$(<log)"
expect "a fifo" "$(tar -tvf out.tar c/fifo | cut -c 1)" p
expect "a socket" "$(tar -tvf out.tar c/socket | cut -c 1)$(content socket)" -
if ((EUID == 0)) && mknod special/in/device c 1 5 2>/dev/null; then
    refused 1 '/special/in/device is a device, .*exclude it with .dockerignore' special
    echo in/device >special/.dockerignore
    has "a device that is excluded" "fifo file socket " special
fi

note "odd names"
dockerfile names <<'END'
FROM busybox
COPY in /c/
END
mkdir names/in
printf 1 >"names/in/new"$'\n'"line"
printf 2 >"names/in/not-utf8-"$'\xff\xfe'
printf 3 >"names/in/- blank 'quote\" \\ *"
printf 4 >"names/in/"$'\xc3\xa4'
files names || fail "$(tail log)"
python3 - <<'PYTHON' || fail "names"
import tarfile
with tarfile.open("out.tar", encoding="utf-8", errors="surrogateescape") as t:
    got = {m.name.encode("utf-8", "surrogateescape"): t.extractfile(m).read() for m in t if m.isfile() and m.name.startswith("c/")}
want = {b"c/new\nline": b"1", b"c/not-utf8-\xff\xfe": b"2", b"c/- blank 'quote\" \\ *": b"3", b"c/\xc3\xa4": b"4"}
assert got == want, got
PYTHON

note "links"
dockerfile links <<'END'
FROM busybox
COPY in /c/
COPY inner /c/followed
END
mkdir links/in
echo secret >secret
ln -s "$PWD/secret" links/in/absolute
ln -s ../../secret links/in/relative
ln -s nowhere links/in/dangling
echo inner >links/target
ln -s target links/inner
echo one >links/in/h1
ln links/in/h1 links/in/h2
has "links that are copied as they are" "absolute dangling followed h1 h2 relative " links
expect "a link in the context" "$(content followed)" inner
expect "a link that leads out" "$(tar -tvf out.tar c/absolute | sed 's/.* -> //')" "$PWD/secret"
expect "a hard link" "$(tar -tvf out.tar c/h2 | sed 's/.* link to //') $(content h1)" "c/h1 one"
printf 'FROM busybox\nCOPY in/absolute /c/\n' >links/Dockerfile
refused 1 'not found' links

note "holes: what nobody asks for is not sent"
dockerfile holes <<'END'
FROM busybox
COPY some /c/
END
mkdir holes/some
truncate -s 10G holes/huge
truncate -s 3M holes/some/small
echo end >>holes/some/small
has "a file with a hole" "small " holes
content small | cmp - holes/some/small || fail "the file with a hole"
(($(jq '.["weft.workers"][].sent_bytes' m.json) < 4000000)) || fail "sent: $(jq -c '.["weft.workers"]' m.json)"

note "files and directories that the user may not read"
if ((EUID == 0)); then
    make_user
    who=user
else
    who=root
fi
dir=$(work_dir $who)/shut
mkdir -p "$dir/in"
printf 'FROM busybox\nCOPY . /c/\n' >"$dir/all"
printf 'FROM busybox\nCOPY in /c/\n' >"$dir/part"
echo x >"$dir/in/x"
mkdir "$dir/lost+found"
echo y >"$dir/y"
chmod 0 "$dir/lost+found" "$dir/y"

# as_who CODE [FLAG...]: a build by somebody whom permissions stop, which ends with this exit code.
as_who()
{
    local rc=0
    build_as $who --platform linux/amd64,linux/386 "${@:2}" "$dir" >log 2>&1 || rc=$?
    expect "exit code" "$rc" "$1"
}
[[ $who != user ]] || chmod -R go+rX bb
as_who 1 -f "$dir/all"
grep -q 'error from sender: open .*/shut/lost+found: permission denied: let it be read, or exclude it with .dockerignore' log || fail "a directory is not named: $(<log)"
echo 'lost+found' >"$dir/.dockerignore"
as_who 1 -f "$dir/all"
grep -q 'error from sender: open .*/shut/y: permission denied: let it be read' log || fail "a file is not named: $(<log)"
echo y >>"$dir/.dockerignore"
as_who 0 -f "$dir/all"
rm "$dir/.dockerignore"
as_who 0 -f "$dir/part"
chmod 700 "$dir/lost+found"

note "many files"
mkdir -p many/few
python3 - many/tree 20000 <<'PYTHON'
import os
import sys
root, n = sys.argv[1], int(sys.argv[2])
for i in range(n):
    if i % 500 == 0:
        os.makedirs(f"{root}/{i // 500}/deep")
    with open(f"{root}/{i // 500}/deep/file-{i}", "w") as f:
        print(i, file=f)
PYTHON
touch many/few/a
printf 'FROM busybox\nCOPY few /c/\n' >few
printf 'FROM busybox\nCOPY . /c/\n' >all
printf 'FROM busybox\nCOPY tree/1*/deep/file-*99 /c/\n' >matching
echo tree >all.dockerignore
has "a few of them" "a " -f few many
(($(jq '.["weft.workers"][].sent_bytes' m.json) < 20000)) || fail "sent: $(jq -c '.["weft.workers"]' m.json)"
has "most excluded" "few/a " -f all many
printf '**/file-*\n!**/file-*0000\n' >all.dockerignore
has "most excluded by patterns" "few/a tree/20/deep/file-10000 " -f all many
files -f matching many || fail "$(tail log)"
expect "a pattern" "$(wc -w <files)" 55
