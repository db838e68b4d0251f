#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a machine may lack: each is said, with the command that mends it, and with exit code 3 (2 where it
# is the user's variable that is wrong). And what a worker can do without.
# shellcheck source=tests/e2e/lib.sh
. "$WEFT_SRC_DIR/tests/e2e/lib.sh"

need jq
need_root
userns=$WEFT_SRC_DIR/tests/bases/userns

# refused CODE TEXT COMMAND...: exits with CODE and says TEXT
refused()
{
    local code=$1 text=$2 rc=0
    shift 2
    "$@" >out 2>&1 || rc=$?
    [[ $rc == "$code" ]] || fail "exit code $rc, want $code: $(cat out)"
    grep -qF -- "$text" out || fail "it should say '$text': $(cat out)"
}

note "no subordinate ids"
make_user
sed -i "/^$test_user:/d" /etc/subuid
refused 3 "sudo usermod --add-subuids " as_user "$HOLD" group true
# the command that it names is run as it stands
mend=$(sed -n 's/.*sudo \(usermod --add-subuids [0-9]*-[0-9]* --add-subgids [0-9]*-[0-9]* [^ ]*\).*/\1/p' out | head -n 1)
[[ $mend == *" $test_user" ]] || fail "no command for $test_user: $(cat out)"
$mend || fail "the command that mends it: $mend"
expect "ranges in /etc/subuid that start where another does" "$(cut -d: -f2 /etc/subuid | sort | uniq -d)" ""

note "no newuidmap"
mkdir bin
ln -s "$(command -v runc || command -v crun)" bin/
refused 3 "sudo apt-get install uidmap" as_user PATH="$PWD/bin" "$HOLD" group true

note "newuidmap refuses"
printf '#!/bin/sh\necho "newuidmap: not today" >&2\nexit 1\n' >bin/newuidmap
cp bin/newuidmap bin/newgidmap
chmod 755 bin/newuidmap bin/newgidmap
refused 3 "not today" as_user PATH="$PWD/bin:/usr/bin:/bin" "$HOLD" group true

note "no user namespaces"
refused 3 "user.max_user_namespaces" \
    "$userns" sh -c 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"' sh "$HOLD" group true

note "too few ids"
refused 3 "ids here" unshare --user --map-root-user "$HOLD" group true

note "a narrower map, as in a pod"
mkfifo mapped
unshare --user -- sh -c 'read -r _ <mapped; exec "$@"' sh "$HOLD" -s group true >out &
outer=$!
in_own_namespace() { [[ $(readlink "/proc/$outer/ns/user") != "$(readlink /proc/self/ns/user)" ]]; }
wait_for 5 in_own_namespace
echo "0 0 20000" >"/proc/$outer/gid_map"
echo "0 0 20000" >"/proc/$outer/uid_map"
echo go >mapped
wait "$outer" || fail "narrower map"
expect "process sandbox" "$(json out .process_sandbox)" true

note "a masked /proc, as in a container: no PID namespace, and nothing left all the same"
busybox_base bb linux/arm64
mkdir ctx
printf 'FROM bb\nRUN uname -m\nRUN sleep 654\n' >ctx/Dockerfile
cat >build.sh <<END
#!/bin/sh
exec "\$BUILDCTL" build --frontend dockerfile.v0 --local context=$PWD/ctx --local dockerfile=$PWD/ctx \\
    --opt platform=linux/arm64 --oci-layout bb=$PWD/bb --opt context:bb=oci-layout://bb@$(index_digest bb) \\
    --progress=plain
END
chmod 755 build.sh
# masked COMMAND...: becomes the command, below a /proc that has another mount on it
masked()
{
    exec unshare --mount sh -c 'mount --bind /proc/sys /proc/sys; exec "$@"' sh "$@"
}
step_runs() { pgrep -f 'sleep 654' >/dev/null; }
step_gone() { ! step_runs; }
for victim in guard init stop; do
    (masked "$HOLD" group "$PWD/build.sh") >out 2>&1 &
    client=$!
    wait_for 30 step_runs || fail "the step did not start: $(cat out)"
    expect "process sandbox" "$(json out .process_sandbox)" false
    grep -q aarch64 out || fail "the first RUN did not run as arm64"
    guard=$(json out .pid)
    expect "name of the process" "$(cat "/proc/$guard/comm")" weft-guard
    read -r init _ <"/proc/$guard/task/$guard/children" || true
    case $victim in
    guard) kill -KILL "$guard" ;;
    init) kill -KILL "$init" ;;
    stop) "$WEFT" worker stop --force group >/dev/null ;;
    esac
    wait "$client" && fail "the build of a killed worker ended well"
    wait_for 15 gone "$init" || fail "the init lives after the end of $victim"
    wait_for 15 gone "$guard" || fail "the guard lives after the end of $victim"
    wait_for 5 step_gone || fail "the step lives after the end of $victim"
    expect "processes left" "$(worker_processes "$WEFT_RUNTIME_DIR/")" ""
done
(masked "$HOLD" -s group true) >out || fail "the next start"

note "no buildkitd"
mkdir empty
refused 3 "./bootstrap" env WEFT_LIBEXEC="$PWD/empty" "$HOLD" group true
refused 3 "WEFT_BUILDKITD" env WEFT_BUILDKITD=/nonexistent "$HOLD" group true

note "an OCI runtime that is too old"
printf '#!/bin/sh\necho "  --no-new-keyring  keep the same session key"\n' >bin/crun
chmod 755 bin/crun
refused 3 "sudo apt-get install runc" env WEFT_RUNTIME="$PWD/bin/crun" "$HOLD" group true

note "an OCI runtime that is new enough and does not work here: the other one is taken"
mkdir new-crun
cat >new-crun/crun <<'END'
#!/bin/sh
# what crun does on a machine with cgroups of both versions
case " $* " in
*" --help "*) echo "      --keep   do not delete the container after it exits" ;;
*) echo "cgroups in hybrid mode not supported" >&2; exit 1 ;;
esac
END
chmod 755 new-crun/crun
PATH=$PWD/new-crun:$PATH "$HOLD" group true >out 2>&1 || fail "$(cat out)"
grep -q 'new-crun/crun does not work here: cgroups in hybrid mode not supported' "$WEFT_STATE_DIR/workers/group/buildkitd.log" ||
    fail "$(cat "$WEFT_STATE_DIR/workers/group/buildkitd.log")"
expect "the runtime in use" "$(basename "$(jq -r .runtime "$WEFT_RUNTIME_DIR/workers/group/worker.json")")" runc
"$WEFT" worker stop --all >/dev/null

note "one that works is taken"
ln -s "$(command -v runc)" new-crun/real
printf '#!/bin/sh\nexec "%s/new-crun/real" "$@"\n' "$PWD" >new-crun/crun
PATH=$PWD/new-crun:$PATH "$HOLD" group true >out 2>&1 || fail "$(cat out)"
expect "the runtime in use" "$(basename "$(jq -r .runtime "$WEFT_RUNTIME_DIR/workers/group/worker.json")")" crun
"$WEFT" worker stop --all >/dev/null

note "a socket's path that is too long"
long=$WEFT_TEST_TMP/$(printf 'x%.0s' {1..80})
refused 2 WEFT_RUNTIME_DIR env WEFT_RUNTIME_DIR="$long" "$HOLD" group true

note "a runtime directory that others can enter"
mkdir -m 755 open
refused 1 "chmod 0700" env WEFT_RUNTIME_DIR="$PWD/open" "$HOLD" group true

note "a read-only state directory"
mkdir ro
unshare --mount sh -c 'mount -t tmpfs -o ro none ro; exec "$@"' sh \
    env WEFT_STATE_DIR="$PWD/ro/s" "$HOLD" group true >out 2>&1 && fail "it took a read-only state"
grep -q 'Read-only file system' out || fail "$(cat out)"
grep -q WEFT_STATE_DIR out || fail "no hint: $(cat out)"

note "a buildkitd that fails: its words are shown"
printf '#!/bin/sh\necho "no such luck"; exit 4\n' >bin/buildkitd
chmod 755 bin/buildkitd
refused 1 "no such luck" env WEFT_BUILDKITD="$PWD/bin/buildkitd" "$HOLD" group true
grep -q 'exit code 4' out || fail "$(cat out)"
expect "processes left" "$(worker_processes "$WEFT_RUNTIME_DIR/")" ""

note "all of that has left the way free"
"$HOLD" -s group true >out
