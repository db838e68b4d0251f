#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# weft push, to a registry that has a bad day: what passes is waited for, what does not is an error
# that says what it was, and the tag has the old image or all of the new one.
. "$WEFT_SRC_DIR/tests/e2e/lib.sh"
. "$WEFT_SRC_DIR/tests/e2e/registry_lib.sh"

need jq skopeo

BIG=$((6 << 20))

registry_start r
faults_start proxy r
addr=$(registry_addr proxy)
straight=$(registry_addr r)

# fresh SEED: a layout $WEFT_TEST_TMP/l of which the registry has nothing, with one large layer.
fresh()
{
    rm -rf "$WEFT_TEST_TMP/l"
    python3 "$WEFT_SRC_DIR/tests/e2e/push_layout.py" "$WEFT_TEST_TMP/l" --seed "$1" --base "$1" --big "$BIG" \
        linux/amd64 linux/arm64
    root=$(index_digest "$WEFT_TEST_TMP/l")
}

# push [REF]: the output goes to $WEFT_TEST_TMP/log, and the exit code to $rc.
push()
{
    rc=0
    "$WEFT" push "$WEFT_TEST_TMP/l" "${1:-$addr/app}" >"$WEFT_TEST_TMP/log" 2>&1 || rc=$?
}

uploaded_bytes()
{
    faults_log proxy | jq '[.[] | select(.path | test("/blobs/uploads/")) | .request_bytes] | add'
}

# survives SEED RULE...: with these faults, each of which comes to pass, the push completes. $bytes is
# what was uploaded for it.
survives()
{
    local hits
    fresh "$1"
    shift
    faults proxy "$@"
    push
    expect "exit code, with $*: $(<"$WEFT_TEST_TMP/log")" "$rc" 0
    hits=$(faults_hits proxy)
    bytes=$(uploaded_bytes)
    ((hits >= $#)) || fail "$* was not tried: $(faults_log proxy | jq -c '.[]')"
    expect "tag, with $*" "$(registry_digest "$straight" app latest)" "$root"
    faults proxy
    rm -rf "$WEFT_TEST_TMP/got"
    skopeo copy -q --all --src-tls-verify=false "docker://$straight/app" "oci:$WEFT_TEST_TMP/got:latest" ||
        fail "not complete, with $*"
}

# breaks SEED TEXT RULE...: the push fails, says TEXT, and the tag is what it was.
breaks()
{
    local old text=$2
    fresh "$1"
    shift 2
    old=$(registry_digest "$straight" app latest)
    faults proxy "$@"
    push
    expect "exit code, with $*" "$rc" 1
    grep 'weft: error: ' "$WEFT_TEST_TMP/log" >"$WEFT_TEST_TMP/error" || true
    expect "errors, with $*" "$(wc -l <"$WEFT_TEST_TMP/error")" 1
    grep -q -i -E -- "$text" "$WEFT_TEST_TMP/error" || fail "with $*: no '$text' in: $(<"$WEFT_TEST_TMP/log")"
    expect "tag, with $*" "$(registry_digest "$straight" app latest)" "$old"
    faults proxy
}

note "a registry that is busy, three times, and says for how long"
start=$SECONDS
survives busy '{"method": "POST", "path": "/blobs/uploads/", "do": "answer", "status": 429, "headers": {"Retry-After": "1"}, "times": 3}'
grep -q 429 "$WEFT_TEST_TMP/log" || fail "it does not say what it waits for: $(<"$WEFT_TEST_TMP/log")"
((SECONDS > start)) || fail "it did not wait"

note "a service that is not there for a moment; an answer that is lost; connections that end"
survives hiccup \
    '{"method": "HEAD", "path": "/blobs/", "do": "answer", "status": 503}' \
    '{"method": "PUT", "path": "/manifests/latest", "do": "lose"}' \
    '{"method": "PUT", "path": "/manifests/sha256", "do": "answer", "status": 502}' \
    '{"method": "POST", "path": "/blobs/uploads/", "do": "drop"}' \
    '{"method": "PUT", "path": "/blobs/uploads/", "do": "lose"}'

note "an upload that breaks goes on where it was: less goes out than twice the blob"
survives broken "{\"method\": \"PATCH|PUT\", \"path\": \"/blobs/uploads/\", \"do\": \"cut-request\", \"after\": $((BIG / 2))}"
note "  $bytes bytes for a blob of $BIG and the small ones"
((bytes < BIG * 2)) || fail "$bytes bytes for a blob of $BIG"

note "the registry is killed in the middle of an upload, and comes back"
fresh killed
faults proxy "{\"method\": \"PATCH|PUT\", \"path\": \"/blobs/uploads/\", \"do\": \"hold\", \"after\": $((BIG / 2)), \"file\": \"$WEFT_TEST_TMP/go\"}"
"$WEFT" push "$WEFT_TEST_TMP/l" "$addr/app" >"$WEFT_TEST_TMP/log" 2>&1 &
pid=$!
wait_for 30 test -e "$WEFT_TEST_TMP/go.held" || fail "it does not come to the upload: $(<"$WEFT_TEST_TMP/log")"
registry_kill r
registry_run r
touch "$WEFT_TEST_TMP/go"
wait "$pid" || fail "$(<"$WEFT_TEST_TMP/log")"
expect "tag" "$(registry_digest "$straight" app latest)" "$root"

note "answers that are not what they should be"
breaks wrong-digest 'the registry calls it sha256:e3b0' \
    '{"method": "PUT", "path": "/manifests/", "do": "header", "name": "Docker-Content-Digest", "value": "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "times": 9}'
breaks denied 'denied|403' '{"method": "POST", "path": "/blobs/uploads/", "do": "answer", "status": 403, "body": "{\"errors\":[{\"code\":\"DENIED\",\"message\":\"not yours\"}]}", "times": 1000}'
grep -q 'not yours' "$WEFT_TEST_TMP/error" || fail "what the registry says is not shown: $(<"$WEFT_TEST_TMP/error")"
breaks refuses 'MANIFEST_INVALID|manifest invalid' '{"method": "PUT", "path": "/manifests/latest", "do": "answer", "status": 400, "body": "{\"errors\":[{\"code\":\"MANIFEST_INVALID\",\"message\":\"manifest invalid\"}]}"}'

note "of several tags, those that were set are named"
fresh tags
faults proxy '{"method": "PUT", "path": "/manifests/two", "do": "answer", "status": 403}'
rc=0
"$WEFT" push "$WEFT_TEST_TMP/l" "$addr/app:one" "$addr/app:two" "$addr/app:three" >"$WEFT_TEST_TMP/log" 2>&1 || rc=$?
expect "exit code" "$rc" 1
grep -q -F "$addr/app:one pushed, but then: push $addr/app:two: " "$WEFT_TEST_TMP/log" || fail "$(<"$WEFT_TEST_TMP/log")"
expect "tag one" "$(registry_digest "$straight" app one)" "$root"
expect "tag three" "$(registry_digest "$straight" app three)" none

note "an interruption: the tag stays, nobody hangs, what was sent is not sent again"
fresh interrupted
old=$(registry_digest "$straight" app latest)
rm -f "$WEFT_TEST_TMP/go" "$WEFT_TEST_TMP/go.held"
faults proxy "{\"method\": \"PUT\", \"path\": \"/manifests/\", \"do\": \"hold\", \"file\": \"$WEFT_TEST_TMP/go\"}"
"$WEFT" push "$WEFT_TEST_TMP/l" "$addr/app" >"$WEFT_TEST_TMP/log" 2>&1 &
pid=$!
wait_for 30 test -e "$WEFT_TEST_TMP/go.held" || fail "it does not come to the manifest: $(<"$WEFT_TEST_TMP/log")"
kill -TERM "$pid"
rc=0
wait "$pid" || rc=$?
expect "exit code" "$rc" 130
touch "$WEFT_TEST_TMP/go"
expect "tag" "$(registry_digest "$straight" app latest)" "$old"
faults proxy
registry_mark r
push
expect "exit code" "$rc" 0
expect "uploads after the interruption" "$(registry_uploads r)" 0

note "a line that is drawn again, on a terminal"
fresh terminal
faults proxy '{"method": "PATCH|PUT", "path": "/blobs/uploads/", "do": "slow", "rate": 8000000, "times": 100}'
env -u CI TERM=xterm python3 - "$WEFT" push "$WEFT_TEST_TMP/l" "$addr/app" >"$WEFT_TEST_TMP/screen" <<'PYTHON' || fail "$(<"$WEFT_TEST_TMP/screen")"
import os
import pty
import sys

def read(fd):
    data = os.read(fd, 65536)
    return data

status = pty.spawn(sys.argv[1:], read, lambda fd: b"")
sys.exit(os.waitstatus_to_exitcode(status))
PYTHON
grep -q -a -P '\rpushing: [0-9.]+ [kM]?B of [0-9.]+ MB; blobs: \d+ sent, 0 mounted, 0 there already\x1b\[K\r' "$WEFT_TEST_TMP/screen" ||
    fail "no progress: $(cat -v "$WEFT_TEST_TMP/screen")"
faults proxy

note "a registry whose disk is full"
if ((EUID == 0)); then
    registry_start full size=3m
    fresh full
    push "$(registry_addr full)/app"
    expect "exit code, disk full" "$rc" 1
    grep 'weft: error: ' "$WEFT_TEST_TMP/log" >"$WEFT_TEST_TMP/error"
    grep -q -F "push $(registry_addr full)/app:latest: " "$WEFT_TEST_TMP/error" || fail "$(<"$WEFT_TEST_TMP/log")"
    grep -q -E '\b(500|507)\b|no space left' "$WEFT_TEST_TMP/error" || fail "$(<"$WEFT_TEST_TMP/log")"
    expect "tag" "$(registry_digest "$(registry_addr full)" app latest)" none
else
    note "left out: only root can make it"
fi
