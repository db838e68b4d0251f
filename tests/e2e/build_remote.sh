#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Contexts from git servers, web servers and registries, main and named ones: one commit and one content for all
# platforms whatever happens meanwhile, what the provenance says of it, secrets, and all that can be wrong.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

need git python3 ssh-agent ssh-keygen /usr/sbin/sshd
. "$WEFT_SRC_DIR/tests/e2e/registry_lib.sh"
busybox_base bb linux/amd64 linux/arm64
both=linux/amd64,linux/arm64

note "a git server and a web server"
mkdir -p srv/files srv/git work empty
git -C work init -q -b main
git -C work config user.name t
git -C work config user.email t@example.invalid
mkdir -p work/sub work/win
printf '# syntax=docker/dockerfile:1\nFROM busybox\nCOPY . /c/\n' >work/Dockerfile
printf 'FROM busybox\nCOPY . /s/\n' >work/sub/dockerfile
printf 'FROM --platform=windows/amd64 busybox\nRUN cmd\n' >work/win/Dockerfile
ln -s sub/dockerfile work/linked
echo 1 >work/v
echo sub >work/sub/v
echo hidden >work/hidden
echo hidden >work/.dockerignore
git -C work add .
git -C work commit -q -m first
git -C work tag -a -m annotated v1
first=$(git -C work rev-parse HEAD)
git -C work checkout -q -b feature/x
echo x >work/v
git -C work commit -q -a -m x
git clone -q --bare work srv/git/r.git
printf hush-4711 >srv/token
coproc SERVER { exec python3 "$WEFT_SRC_DIR/tests/e2e/context_server.py" srv requests; }
read -r port <&"${SERVER[0]}"
web=http://127.0.0.1:$port
repo=$web/git/r.git

# runs ARG...: a build that works
runs()
{
    rm -rf out
    build -o out --metadata-file meta "$@" >log 2>&1 </dev/null || fail "weft build $*: exit code $?: $(tail -n 20 log)"
    no_trace "$WEFT_STATE_DIR/builds"
}

# refused EXIT_CODE TEXT ARG...
refused()
{
    local code=$1 text=$2 rc=0
    shift 2
    rm -rf out
    build -o out "$@" >log 2>&1 </dev/null || rc=$?
    expect "exit code of $*" "$rc" "$code"
    grep -q -e "$text" log || fail "$text is not in: $(cat log)"
    [[ ! -e out ]] || fail "$*: something was written"
    no_trace "$WEFT_STATE_DIR/builds"
}

# source_of [PLATFORM]: what the provenance says of the context, "URI DIGEST"
source_of()
{
    jq -r --arg p "${1:+/$1}" '."buildx.build.provenance\($p)".invocation.configSource |
        "\(.uri) \(.digest.sha1 // .digest.sha256)"' meta
}

note "git: the branch moves at each request, and all platforms have one commit, each worker by itself"
cat >srv/after-post <<END
#!/bin/sh
cd $PWD/srv/git/r.git && tree=\$(git rev-parse main^{tree}) && blob=\$(date +%N | git hash-object -w --stdin) &&
    tree=\$(git ls-tree main | sed "s/^\(.*\) [0-9a-f]*\tv\$/\1 \$blob\tv/" | git mktree) &&
    commit=\$(git -c user.name=t -c user.email=t@example.invalid commit-tree -p main -m moved \$tree) &&
    git update-ref refs/heads/main \$commit
END
chmod +x srv/after-post
runs --platform $both --workers=platform "$repo#main"
rm srv/after-post
expect "one content" "$(cat out/linux_arm64/c/v)" "$(cat out/linux_amd64/c/v)"
expect "that of the first moment" "$(cat out/linux_amd64/c/v)" 1
expect "the source of amd64" "$(source_of linux/amd64)" "$repo#main $first"
expect "the source of arm64" "$(source_of linux/arm64)" "$repo#main $first"
[[ $(git -C srv/git/r.git rev-list --count main) -gt 2 ]] || fail "the branch did not move"
[[ -e out/linux_amd64/c/hidden ]] || fail ".dockerignore counts, and should not for git"
! jq -e '.. | objects | has("vcs") and .vcs != null' meta >/dev/null 2>&1 || fail "vcs: of this machine's repository"

note "git: refs, directories, Dockerfiles"
runs "$repo#v1"
expect "a tag" "$(cat out/c/v)" 1
expect "its source" "$(source_of)" "$repo#refs/tags/v1 $(git -C work rev-parse v1)"
runs "$repo#feature/x:sub"
expect "a directory" "$(cat out/s/v)" sub
runs "$repo?branch=feature/x&subdir=/sub/&checksum=$(git -C work rev-parse HEAD | head -c 9)"
expect "the same as a query" "$(cat out/s/v)" sub
runs -f sub/dockerfile "$repo#$first"
expect "-f inside, at a commit" "$(cat out/s/v)" 1
printf 'FROM busybox\nCOPY v /own\n' >own
runs -f "$PWD/own" "$repo#feature/x"
expect "-f of this machine" "$(cat out/own)" x
build -o out -f - "$repo#feature/x" <own >log 2>&1 || fail "$(tail log)"
expect "-f -" "$(cat out/own)" x
runs -f linked "$repo#v1"
expect "-f of a link, which is not looked at beforehand" "$(cat out/s/v)" 1
runs --build-arg BUILDKIT_CONTEXT_KEEP_GIT_DIR=1 "$repo?tag=v1"
[[ -d out/c/.git ]] || fail ".git is not kept"
build --call targets "$repo#v1" >said 2>log || fail "--call: $(cat log)"
grep -q default said || fail "--call: $(cat said)"
(cd work && GIT_DIR=$PWD/.git GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=url.http://127.0.0.1:1/.insteadOf \
    GIT_CONFIG_VALUE_0=http:// runs "$repo#v1" && rm -r out meta log)

note "git: what is wrong is said before anything is built"
refused 2 "$repo has no branch or tag none" "$repo#none"
refused 2 "has no directory none at" "$repo#v1:none"
refused 2 "has no directory v at" "$repo#v1:v"
refused 2 "has no none at" -f none "$repo#v1"
refused 2 "and the URL wants abc" "$repo?tag=v1&checksum=abc"
refused 1 "not our ref" "$repo#$(printf 'a%.0s' {1..40})"
refused 1 "none.git/' not found" "$web/git/none.git"
refused 1 "Couldn't connect to server" http://127.0.0.1:1/r.git
refused 1 "Could not resolve host" https://host.invalid/r.git
refused 2 "win/Dockerfile in $repo:2: this RUN of stage-0 is for Windows" -f win/Dockerfile "$repo#v1"

note "git: a token is on no command line of ours, in no environment, and in no message"
private=$web/private/r.git
refused 1 'id=GIT_AUTH_TOKEN' "$private#v1"
mkdir spy
real_git=$(command -v git)
cat >spy/git <<END
#!/bin/sh
case \$GIT_CONFIG_GLOBAL in */builds/*) { echo "\$@"; env; } >>$PWD/spied ;; esac
exec $real_git "\$@"
END
chmod +x spy/git
PATH=$PWD/spy:$PATH runs -D --secret "id=GIT_AUTH_TOKEN,src=srv/token" "$private#v1"
expect "a private repository" "$(cat out/c/v)" 1
basic=$(printf 'x-access-token:hush-4711' | base64)
[[ -s spied ]] || fail "git was not called"
! grep -e hush-4711 -e "$basic" spied log meta || fail "the token is seen"
HUSH=hush-4711 runs --secret "id=GIT_AUTH_TOKEN.127.0.0.1:$port,env=HUSH" "$private"
WRONG=wrong refused 1 'may the token of GIT_AUTH_TOKEN read' --secret id=GIT_AUTH_TOKEN,env=WRONG "$private"
refused 1 'error: http://xxxxx:xxxxx@' "http://me:hush-4711@127.0.0.1:$port/private/r.git"
! grep hush-4711 log || fail "a password is seen: $(cat log)"
grep -q 'a password in a URL is seen by others' log || fail "no warning: $(cat log)"

note "git by ssh: --ssh default comes by itself"
mkdir -p sshd
for key in host user other; do
    ssh-keygen -q -t ed25519 -N '' -f sshd/$key
done
chmod 600 sshd/user.pub
cat >sshd/conf <<END
ListenAddress 127.0.0.1
HostKey $PWD/sshd/host
AuthorizedKeysFile $PWD/sshd/user.pub
StrictModes no
PasswordAuthentication no
PermitRootLogin yes
PidFile none
END
((EUID != 0)) || [[ -d /run/sshd ]] || mkdir /run/sshd
/usr/sbin/sshd -t -f sshd/conf || fail "sshd"
for ((ssh_port = 20000 + $$ % 20000; ; ssh_port++)); do
    /usr/sbin/sshd -D -e -f sshd/conf -p $ssh_port 2>sshd/log &
    sshd=$!
    wait_for 10 grep -q 'Server listening\|Address already in use' sshd/log || fail "sshd: $(cat sshd/log)"
    ! grep -q 'Address already in use' sshd/log || continue
    break
done
by_ssh=ssh://$(id -un)@127.0.0.1:$ssh_port$PWD/srv/git/r.git
eval "$(ssh-agent)" >/dev/null
trap 'kill "$SSH_AGENT_PID" "$sshd"; registry_clean_up' EXIT
ssh-add -q sshd/user
runs "$by_ssh#v1"
expect "with the agent" "$(cat out/c/v)" 1
ssh-add -q -D
refused 1 'Permission denied' "$by_ssh#v1"
unset SSH_AUTH_SOCK
refused 2 'is fetched by ssh: there is no agent' "$by_ssh#v1"
runs --ssh "default=$PWD/sshd/user" "$by_ssh#v1:sub"
expect "with a key" "$(cat out/s/v)" sub
refused 1 'Permission denied' --ssh "default=$PWD/sshd/other" "$by_ssh#v1"
kill "$sshd" "$SSH_AGENT_PID"
wait "$sshd" || true
trap registry_clean_up EXIT

note "http: archives and Dockerfiles"
tar -C work --exclude=.git -czf srv/files/c.tar.gz .
tar -C work --exclude=.git -cf srv/files/c.tar .
tar -C work --exclude=.git --zstd -cf srv/files/c.tar.zst .
printf 'FROM busybox\nRUN echo url >/url\n' >srv/files/Dockerfile
sum=$(sha256sum <srv/files/c.tar.gz | cut -d' ' -f1)
runs --platform $both "$web/files/c.tar.gz"
expect "a tar" "$(cat out/linux_arm64/c/v)" x
[[ -e out/linux_arm64/c/hidden ]] || fail ".dockerignore counts, and should not for an archive"
expect "its source" "$(source_of linux/arm64)" "$web/files/c.tar.gz $sum"
runs -f sub/dockerfile "$web/elsewhere/c.tar"
expect "-f inside" "$(cat out/s/v)" x
runs "$web/files/Dockerfile"
expect "a Dockerfile" "$(cat out/url)" url
runs --file "$web/files/Dockerfile" work
expect "-f URL" "$(cat out/url)" url
runs -f "$PWD/own" "$web/files/c.tar"
expect "-f of this machine" "$(cat out/own)" x
: >requests
runs "$web/cut/c.tar.gz"
expect "a transfer that is cut off is tried again" "$(grep -c 'trying again' log)" 2
HUSH=hush-4711 runs --secret id=HTTP_AUTH_TOKEN_127.0.0.1,env=HUSH "$web/bearer/c.tar"
refused 1 'the server says status 403' "$web/bearer/c.tar"
grep -q 'id=HTTP_AUTH_TOKEN_127.0.0.1' log || fail "$(cat log)"
refused 1 'the server says status 404' "$web/files/none"
refused 1 'the server says status 404' -f "$web/files/none" work
refused 1 'refused\|connect' http://127.0.0.1:1/x.tar
refused 2 'zstd, which BuildKit does not unpack' "$web/files/c.tar.zst"
python3 - <<'PYTHON'
import io
import tarfile

with tarfile.open("srv/files/pax.tar", "w", format=tarfile.PAX_FORMAT) as t:
    m = tarfile.TarInfo("Dockerfile")
    m.mtime = 1.5
    t.addfile(m, io.BytesIO())
PYTHON
refused 2 'begins with a pax header' "$web/files/pax.tar"
refused 2 'there is no none in' -f none "$web/files/c.tar"
refused 2 'is no archive, so it is the Dockerfile' -f own "$web/files/Dockerfile"

note "http: what changes between two platforms fails, and is no image of two contents"
for i in 1 2; do
    echo $i >work/v
    tar -C work --exclude=.git -czf srv/files/m.tgz.$i .
done
cp srv/files/m.tgz.2 srv/files/m.tgz.3
cp srv/files/m.tgz.1 srv/files/m.tgz.2
refused 1 'digest mismatch' --platform $both --workers=platform --no-cache "$web/moving/m.tgz"
grep -q 'has other content than the one it is pinned to' log || fail "$(cat log)"

note "named contexts"
printf 'FROM img\nCOPY --from=git v /git\nCOPY --from=http context /http\n' >named
registry_start main
addr=$(registry_addr main)
skopeo copy -q --all --dest-tls-verify=false oci:bb:latest "docker://$addr/base:1"
index=$(registry_digest "$addr" base 1)
runs -D --platform $both --workers=platform --build-context "img=docker-image://$addr/base:1" \
    --build-context "git=$repo#feature/x" --build-context "http=$web/files/Dockerfile" -f named empty
expect "of git" "$(cat out/linux_arm64/git)" x
cmp out/linux_arm64/http srv/files/Dockerfile || fail "of http"
expect "solves with the index pinned" "$(grep -c "context:img=docker-image://$addr/base:1@$index" log)" 2
expect "solves with the commit pinned" "$(grep -c 'context:git=.*checksum=[0-9a-f]\{40\}&fetch-by-commit=true' log)" 2
expect "sources" "$(jq -r '."buildx.build.provenance/linux/arm64".materials[].uri' meta | sed 's/?.*//' | sort | paste -sd' ')" \
    "$web/files/Dockerfile $repo#feature/x pkg:docker/${addr/:/%3A}/base@1"
refused 2 "--build-context img: there is no image $addr/base:2" --build-context "img=docker-image://$addr/base:2" -f named empty
refused 1 '--build-context img: ' --build-context img=docker-image://127.0.0.1:1/x -f named empty
refused 1 '--build-context http: .*status 404' --build-context "http=$web/files/none" -f named empty
refused 2 '--build-context git: .*no branch or tag none' --build-context "git=$repo#none" -f named empty

note "interrupted while a server says nothing"
coproc SILENT { exec python3 -c 'import socket, sys
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
c = s.accept()
print("asked", flush=True)
sys.stdin.read()'; }
read -r silent <&"${SILENT[0]}"
(exec_as root "$WEFT" build "http://127.0.0.1:$silent/x") >log 2>&1 &
pid=$!
read -r _ <&"${SILENT[0]}"
kill -INT $pid
rc=0
wait $pid || rc=$?
expect "exit code" $rc 130
no_trace "$WEFT_STATE_DIR/builds"
