#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# weft doctor tells the truth: in each of these surroundings its verdict is what a real build comes to,
# and the line that it blames is the one that was broken. Nothing is left of it.
# shellcheck source=tests/e2e/doctor_lib.sh
. "$WEFT_SRC_DIR/tests/e2e/doctor_lib.sh"

userns=$WEFT_SRC_DIR/tests/bases/userns

left_behind()
{
    find "$WEFT_TEST_TMP" -maxdepth 3 -name '.weft*-*' -not -path "$WEFT_TEST_TMP/left/*" 2>/dev/null
    find /tmp -maxdepth 1 -name '.weft-doctor-*' -newer "$WEFT_TEST_TMP/ctx"
}

before=$(host_handlers)
for who in $(whos); do
    [[ $who == root ]] || make_user
    agrees "as $who" works "" as "$who"
    says kernel found "$(uname -r)"
    says native found linux/amd64
    says handlers status ok
    says proc status ok
    says overlay status ok
    says buildkitd found "$WEFT_LIBEXEC/buildkitd"
    [[ $who == root ]] || says idmap found newuidmap

    agrees "as $who, QEMU absent" works "" as "$who" WEFT_QEMU_DIR=/nonexistent
    says qemu status warn
    says qemu mend "qemu-user-static"
    rc=0
    as "$who" WEFT_QEMU_DIR=/nonexistent "$WEFT" doctor --json --platform linux/s390x,linux/amd64 >doctor.json || rc=$?
    expect "a platform without QEMU that was asked for, exit code" "$rc" 3
    expect "its line" "$(jq -r '.checks[] | select(.id == "platform") | .subject + " " + .status' doctor.json | xargs)" \
        "linux/s390x fail linux/amd64 ok"
    as "$who" "$WEFT" doctor --json --platform linux/s390x >doctor.json || fail "$(cat doctor.json)"

    agrees "as $who, buildkitd missing" fails buildkitd as "$who" WEFT_BUILDKITD=/nonexistent
    printf '#!/bin/sh\nexit 1\n' >"$WEFT_TEST_TMP/broken"
    chmod 755 "$WEFT_TEST_TMP/broken"
    agrees "as $who, buildkitd broken" fails buildkitd as "$who" WEFT_BUILDKITD="$WEFT_TEST_TMP/broken"
    says buildkitd found "does not run"

    mkdir -p old-crun
    printf '#!/bin/sh\necho "      --no-new-keyring   keep the same session key"\n' >old-crun/crun
    chmod -R a+rx old-crun
    agrees "as $who, only a crun that is too old" fails runtime as "$who" WEFT_RUNTIME="$PWD/old-crun/crun"
    says runtime found "too old"
    says runtime mend "sudo apt-get install runc"
    expect "what is left" "$(left_behind)" ""
done
expect "the host's handlers" "$(host_handlers)" "$before"

note "on a screen: 80 columns but for commands, no colours where there is no terminal"
"$WEFT" doctor >screen
grep -q $'\033' screen && fail "colours in a file"
awk '!/^ *try: / && length($0) > 80 { print; bad = 1 } END { exit bad }' screen || fail "lines are too long"
grep -q '^builds work here' screen || fail "$(cat screen)"
COLUMNS=80 script -qec "'$WEFT' doctor" /dev/null </dev/null >screen || true
grep -q $'\033\[32mok' screen || fail "no colours in a terminal"
NO_COLOR=1 script -qec "'$WEFT' doctor" /dev/null </dev/null >screen || true
grep -q $'\033\[32mok' screen && fail "NO_COLOR is not heeded"

note "usage"
rc=0
"$WEFT" doctor --platform linux/nonsense >/dev/null 2>err || rc=$?
expect "exit code" "$rc" 2
rc=0
"$WEFT" doctor stray >/dev/null 2>err || rc=$?
expect "exit code" "$rc" 2

note "a program that hangs: ended, and said"
printf '#!/bin/sh\nsleep 4711 & sleep 4711\n' >hangs
chmod 755 hangs
WEFT_BUILDKITD=$PWD/hangs "$WEFT" doctor --json >doctor.json && fail "it works with a buildkitd that hangs"
says buildkitd found "hangs"
pgrep -f 'sleep 4711' && fail "what hangs is still there"

note "interrupted: nothing is left"
mkdir left
WEFT_STATE_DIR=$PWD/left/s WEFT_BUILDKITD=$PWD/hangs "$WEFT" doctor >/dev/null 2>&1 &
doctor=$!
wait_for 5 pgrep -f 'sleep 4711' >/dev/null || fail "it did not start"
kill -KILL "$doctor"
wait "$doctor" 2>/dev/null || true
gone_all() { ! pgrep -f 'sleep 4711' >/dev/null && [[ -z $(ls -A left) ]]; }
wait_for 5 gone_all || fail "left: $(pgrep -af 'sleep 4711'; ls -A left)"

note "--build"
"$WEFT" doctor --json --build >doctor.json || fail "$(cat doctor.json)"
says build status ok
expect "what is left" "$(left_behind)" ""
WEFT_RUNTIME=$PWD/old-crun/crun "$WEFT" doctor --json --build >doctor.json && fail "it works without a runtime"
says build status fail

need_root
note "surroundings that take root to make"
as_user true
agrees "binfmt_misc denied" works "" "$DENY_MOUNT"
says handlers status warn
rc=0
"$DENY_MOUNT" "$WEFT" doctor --json --platform linux/arm64 >doctor.json || rc=$?
expect "a platform without a handler, exit code" "$rc" 3
says platform status fail

agrees "no user namespaces" fails userns \
    "$userns" sh -c 'echo 0 >/proc/sys/user/max_user_namespaces; exec "$@"' sh
says userns mend "user.max_user_namespaces"
says idmap status skip
says handlers status skip

agrees "one id only" fails idmap unshare --user --map-root-user
says idmap found "a worker needs at least"

sed -i "/^$test_user:/d" /etc/subuid
agrees "a user without subordinate ids" fails idmap as user
says idmap mend "sudo usermod --add-subuids"
mend=$(line idmap mend)
${mend#sudo } || fail "the command that mends it: $mend"
agrees "the same user, mended" works "" as user

mkdir no-uidmap
ln -s "$(command -v runc || command -v crun)" no-uidmap/
agrees "newuidmap missing" fails idmap as user PATH="$PWD/no-uidmap"
says idmap mend "sudo apt-get install uidmap"

# in_state_on SCRIPT COMMAND...: with what SCRIPT mounts on $PWD/vol for a state directory
in_state_on()
{
    local script=$1
    shift
    unshare --mount env WEFT_STATE_DIR="$PWD/vol/s" sh -c "cd '$PWD'; $script"'; cd /; exec "$@"' sh "$@"
}
mkdir vol
agrees "state on a tmpfs" works "" in_state_on "mount -t tmpfs -o size=300m none vol"
says overlay status warn
agrees "state on an overlay" works "" in_state_on \
    "mkdir -p o; mount -t tmpfs none o; mkdir o/l o/u o/w; mount -t overlay -o lowerdir=o/l,upperdir=o/u,workdir=o/w none vol"
says overlay status warn
says overlay found "copied"
agrees "disk full" fails disk in_state_on \
    "mount -t tmpfs -o size=1m none vol; head -c 900k /dev/zero >vol/fill"
says disk found "full"
says disk found "budget of"
says disk mend "WEFT_STATE_DIR"
agrees "state read-only" fails state in_state_on "mount -t tmpfs -o ro none vol"
says state mend WEFT_STATE_DIR
says idmap status ok
says runtime status ok
says overlay status skip
printf 'cpu: [1\n' >config.yaml
agrees "a config file with a mistake" fails config env WEFT_CONFIG="$PWD/config.yaml"
says config found config.yaml
mkdir -m 755 open
agrees "a runtime directory that others can enter" fails runtime-dir env WEFT_RUNTIME_DIR="$PWD/open"
agrees "a masked /proc" works "" \
    unshare --mount sh -c 'mount --bind /proc/sys /proc/sys; exec "$@"' sh
says proc status warn

note "registries"
need python3
python3 -u - >ports 2>registry.log <<'END' &
import http.server, threading, time
class Registry(http.server.BaseHTTPRequestHandler):
    status, off = 200, 0
    def do_GET(self):
        self.send_response_only(self.status if self.path == "/v2/" else 404)
        self.send_header("Date", self.date_time_string(time.time() + self.off))
        self.send_header("Content-Length", "0")
        self.end_headers()
def serve(**members):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Some", (Registry,), members))
    print(server.server_port, flush=True)
    threading.Thread(target=server.serve_forever).start()
serve()
serve(status=401)
serve(status=503)
serve(off=7200)
END
registry=$!
three() { (($(wc -l <ports) == 4)); }
wait_for 10 three || fail "$(cat registry.log)"
mapfile -t port <ports
rc=0
env -u http_proxy -u HTTP_PROXY "$WEFT" doctor --json --registry "localhost:${port[0]},127.0.0.1:${port[1]}" \
    --registry "localhost:${port[2]}" --registry "localhost:${port[3]}" --registry localhost:1 \
    --registry "https://localhost:${port[0]}" --registry nowhere.invalid >doctor.json || rc=$?
kill "$registry"
wait "$registry" 2>/dev/null || true
expect "exit code" "$rc" 3
expect "answers" "$(jq -r '.checks[] | select(.id == "registry").status' doctor.json | xargs)" "ok ok fail ok fail fail fail"
jq -e '[.checks[] | select(.id == "registry")][1].found | test("credentials")' doctor.json >/dev/null || fail "401"
jq -e '[.checks[] | select(.id == "registry")][2].found | test("503")' doctor.json >/dev/null || fail "503"
jq -e '.checks[] | select(.id == "clock" and .subject != null) | .found | test("behind")' doctor.json >/dev/null ||
    fail "a clock two hours behind"
expect "what is left" "$(left_behind)" ""
expect "the host's handlers" "$(host_handlers)" "$before"
