#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Workers whose files others take, or want, at the wrong moment.
# shellcheck source=tests/e2e/lib.sh
. "$WEFT_SRC_DIR/tests/e2e/lib.sh"

need jq flock openssl
state=$WEFT_STATE_DIR/workers/group

note "a second runtime directory with the same state: refused, and the first worker keeps all it has"
mkfifo hold
"$HOLD" group >held <hold &
holder=$!
exec 9>hold
wait_for 30 test -s held || fail "no worker"
init=$(json held .pid)
echo precious >"$state/tmp/precious"
rc=0
WEFT_RUNTIME_DIR=$WEFT_TEST_TMP/r2 "$HOLD" group true >out 2>&1 || rc=$?
expect "exit code" "$rc" 1
grep -q 'is in use by another process' out || fail "$(cat out)"
expect "what lies in the first one's TMPDIR" "$(cat "$state/tmp/precious" 2>&1)" precious
gone "$init" && fail "the first worker ended"
exec 9>&-
wait "$holder" || fail "the first client: $(cat held)"
"$WEFT" worker stop group >/dev/null

note "a state that is removed while its worker starts: the lock of what was removed is no lock"
exec 8<>"$state/lock"
flock 8
"$HOLD" group true >out 2>&1 8>&- &
client=$!
# PID of the init that waits for the lock, in its namespace
waits()
{
    local pid
    for pid in $(worker_processes "$WEFT_RUNTIME_DIR/workers/group/spec.json"); do
        if [[ $(readlink "/proc/$pid"/fd/* 2>/dev/null) == *"$state/lock"* ]]; then
            return 0
        fi
    done
    return 1
}
wait_for 20 waits || fail "nobody waits: $(cat out)"
mv "$state" "$WEFT_STATE_DIR/workers/.group.removing"
exec 8>&-
rc=0
wait "$client" || rc=$?
expect "exit code" "$rc" 1
grep -q "$state was removed while the worker started" out || fail "$(cat out)"
"$HOLD" -i 60000 group true >out 2>&1 || fail "the next start: $(cat out)"
flock -n "$state/lock" true && fail "the worker does not hold the lock of its state"
"$WEFT" worker stop group >/dev/null

note "a worker that ends by itself: as long as it clears away, nobody starts another"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out ca.pem \
    -subj /CN=test -days 2 2>/dev/null
printf 'registries:\n  "localhost:5999":\n    ca: %s\n' "$PWD/ca.pem" >config.yaml
dir=$WEFT_RUNTIME_DIR/workers/group
export WEFT_CONFIG=$PWD/config.yaml
# weft buildctl reads the config file; worker-hold does not
"$WEFT" buildctl du >out 2>&1 || fail "$(cat out)"
[[ -d $dir/registries ]] || fail "no certificates are in $dir: $(ls "$dir")"
init=$("$WEFT" worker list --json | jq .workers[0].pid)
mkdir "$state/tmp/many"
(cd "$state/tmp/many" && seq 60000 | xargs touch)
kill -KILL "$(buildkitd_of "$init")"
while [[ -e $dir/worker.json ]]; do
    gone "$init" && break
done
[[ ! -e $dir/registries ]] || fail "worker.json went before the certificates, which may be the next worker's"
wait_for 20 gone "$init" || fail "the init lives"
[[ ! -e $dir/worker.json && ! -e $state/tmp ]] || fail "left: $(ls "$dir" "$state")"
"$WEFT" buildctl du >out 2>&1 || fail "the next start: $(cat out)"
[[ -d $dir/registries ]] || fail "the next worker has no certificates"
