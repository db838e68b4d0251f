#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# weft push, to registries that want to know who asks, and that have to prove who they are: each
# failure has a message of its own, and no secret shows anywhere.
. "$WEFT_SRC_DIR/tests/e2e/lib.sh"
. "$WEFT_SRC_DIR/tests/e2e/registry_lib.sh"

need jq skopeo

python3 "$WEFT_SRC_DIR/tests/e2e/push_layout.py" "$WEFT_TEST_TMP/one" linux/amd64 linux/arm64
root=$(index_digest "$WEFT_TEST_TMP/one")
encoded=$(printf %s "$REGISTRY_USER:$REGISTRY_PASSWORD" | base64 -w 0)

# push ARGUMENT...: the output goes to $WEFT_TEST_TMP/log, and the exit code to $rc.
push()
{
    rc=0
    "$WEFT" push -D "$WEFT_TEST_TMP/one" "$@" >"$WEFT_TEST_TMP/log" 2>&1 || rc=$?
    ! grep -q -F -e "$REGISTRY_PASSWORD" -e "$encoded" -e eyJ "$WEFT_TEST_TMP/log" ||
        fail "a secret: $(grep -F -e "$REGISTRY_PASSWORD" -e "$encoded" -e eyJ "$WEFT_TEST_TMP/log")"
}

# pushed NAME ARGUMENT...
pushed()
{
    push "$@"
    expect "exit code of push $*: $(<"$WEFT_TEST_TMP/log")" "$rc" 0
}

# refused TEXT ARGUMENT...: the error, which is one line, has TEXT.
refused()
{
    local text=$1
    shift
    push "$@"
    expect "exit code of push $*" "$rc" 1
    grep -F 'weft: error: ' "$WEFT_TEST_TMP/log" >"$WEFT_TEST_TMP/error" || true
    expect "errors of push $*" "$(wc -l <"$WEFT_TEST_TMP/error")" 1
    grep -q -i -E "$text" "$WEFT_TEST_TMP/error" || fail "push $*: no '$text' in: $(<"$WEFT_TEST_TMP/log")"
    cat "$WEFT_TEST_TMP/error" >>"$WEFT_TEST_TMP/errors"
}

config()
{
    cat >"$WEFT_TEST_TMP/config.yaml"
    export WEFT_CONFIG=$WEFT_TEST_TMP/config.yaml
}

note "a password"
registry_start basic basic
addr=$(registry_addr basic)
refused 'unauthorized|authentication|credentials|401' "$addr/app"
registry_login "$addr" "$REGISTRY_USER" wrong-horse
refused 'unauthorized|authentication|credentials|401' "$addr/app"
! grep -q wrong-horse "$WEFT_TEST_TMP/log" || fail "the wrong password is shown"
registry_login "$addr"
pushed "$addr/app"
expect "tag" "$(registry_digest "$addr" app latest -u "$REGISTRY_USER:$REGISTRY_PASSWORD")" "$root"

note "a program that knows the password"
registry_logout
mkdir "$WEFT_TEST_TMP/bin"
cat >"$WEFT_TEST_TMP/bin/docker-credential-test" <<SH
#!/bin/sh
read -r host
echo "\$1 \$host" >>"$WEFT_TEST_TMP/helper"
printf '{"ServerURL":"%s","Username":"$REGISTRY_USER","Secret":"$REGISTRY_PASSWORD"}' "\$host"
SH
chmod +x "$WEFT_TEST_TMP/bin/docker-credential-test"
jq -n --arg addr "$addr" '{credHelpers: {($addr): "test"}}' >"$DOCKER_CONFIG/config.json"
PATH=$WEFT_TEST_TMP/bin:$PATH pushed "$addr/helped"
grep -q -x -F "get $addr" "$WEFT_TEST_TMP/helper" || fail "the program was not asked for $addr"
registry_logout

note "tokens"
registry_start token token
addr=$(registry_addr token)
refused 'unauthorized|denied|authentication|credentials|401' "$addr/app"
registry_login "$addr" "$REGISTRY_USER" wrong-horse
refused 'unauthorized|authentication|credentials|401' "$addr/app"
registry_login "$addr"
pushed "$addr/app"
pushed "$addr/other" # mounts, for which the token has to have a right to read app
grep -q 'repository:other:.*push.*repository:app:pull\|repository:app:pull.*repository:other:.*push' \
    "$(registry_dir token)/token.requests" || fail "no token for a mount: $(<"$(registry_dir token)/token.requests")"
grep -q -E '\(blobs: 0 sent, [1-9][0-9]* mounted, 0 there already' "$WEFT_TEST_TMP/log" ||
    fail "not all was mounted: $(tail -n 1 "$WEFT_TEST_TMP/log")"
skopeo copy -q --all --src-tls-verify=false --src-creds "$REGISTRY_USER:$REGISTRY_PASSWORD" "docker://$addr/other" \
    "oci:$WEFT_TEST_TMP/got:latest"
expect "what was pulled" "$(index_digest "$WEFT_TEST_TMP/got")" "$root"
registry_logout

note "certificates"
registry_start tls tls
addr=$(registry_addr tls)
refused 'certificate' "$addr/app"
pushed --insecure "$addr/app"
note "  and none: plain HTTP is asked last, and only where it is allowed"
registry_start open
open=0.0.0.0:$(<"$(registry_dir open)/port")
refused 'wrong version' "$open/app"
grep -q 'try: it may speak plain HTTP' "$WEFT_TEST_TMP/log" || fail "no hint: $(<"$WEFT_TEST_TMP/log")"
expect "requests in the clear" "$(registry_requests open .)" 0
pushed --insecure "$open/app"
expect "tag" "$(registry_digest "$(registry_addr open)" app latest)" "$root"
config <<YAML
registries:
  "$open":
    http: true
YAML
pushed "$open/told"
config <<YAML
registries:
  "$addr":
    ca: $WEFT_TEST_TMP/ca/ca.pem
YAML
pushed "$addr/with-ca"
expect "tag" "$(registry_digest "$addr" with-ca latest --cacert "$WEFT_TEST_TMP/ca/ca.pem")" "$root"
export WEFT_CONFIG=/dev/null
registry_start expired expired
addr=$(registry_addr expired)
config <<YAML
registries:
  "$addr":
    ca: $WEFT_TEST_TMP/ca/ca.pem
YAML
refused 'expired' "$addr/app"
export WEFT_CONFIG=/dev/null

note "a host that nobody knows"
refused 'resolve|unknown host|no such host|not known' registry.invalid/app

note "no two of these failures read alike"
expect "errors that are alike" "$(sed -E 's/[^ ]*:[0-9]+[^ ]*//g' "$WEFT_TEST_TMP/errors" | sort | uniq -d | grep -v -i -E 'unauthorized|denied|authentication|credentials|401' || true)" ""

note "no secret on a command line or in an environment, while it works"
registry_start held basic
addr=$(registry_addr held)
faults_start proxy held
proxy=$(registry_addr proxy)
registry_login "$proxy"
faults proxy "{\"method\": \"PUT\", \"path\": \"/manifests/\", \"do\": \"hold\", \"file\": \"$WEFT_TEST_TMP/go\"}"
"$WEFT" push -D "$WEFT_TEST_TMP/one" "$proxy/app" >"$WEFT_TEST_TMP/log" 2>&1 &
pid=$!
wait_for 20 test -e "$WEFT_TEST_TMP/go.held" || fail "it does not come to the manifest: $(<"$WEFT_TEST_TMP/log")"
for process in "$pid" $(pgrep -P "$pid" || true); do
    ! tr '\0' '\n' <"/proc/$process/cmdline" | grep -q -F -e "$REGISTRY_PASSWORD" -e "$encoded" || fail "on a command line"
    ! tr '\0' '\n' <"/proc/$process/environ" | grep -q -F -e "$REGISTRY_PASSWORD" -e "$encoded" || fail "in an environment"
done
touch "$WEFT_TEST_TMP/go"
wait "$pid" || fail "$(<"$WEFT_TEST_TMP/log")"
! grep -r -l -F -e "$REGISTRY_PASSWORD" -e "$encoded" "$WEFT_TEST_TMP/log" "$WEFT_STATE_DIR" || fail "in a log or in the state"
