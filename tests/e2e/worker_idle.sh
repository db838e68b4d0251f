#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A worker ends when nobody has used it for as long as its latest client said.
# shellcheck source=tests/e2e/lib.sh
. "$WEFT_SRC_DIR/tests/e2e/lib.sh"

need jq
note "0: ends with its last client"
"$HOLD" -i 0 group sleep 1 >zero
wait_for 8 gone "$(json zero .pid)" || fail "it did not end"

note "1.5 s; not while it is in use"
"$HOLD" -i 1500 group sleep 3 >used
pid=$(json used .pid)
gone "$pid" && fail "it ended while it was in use"
sleep 0.5
gone "$pid" && fail "it ended too early"
wait_for 8 gone "$pid" || fail "it did not end"
[[ ! -e $WEFT_RUNTIME_DIR/workers/group/buildkitd.sock ]] || fail "the socket is left"

note "a later client changes the time"
"$HOLD" -i 1000 group true >short
"$HOLD" -i 60000 group true >long
expect "the same worker" "$(json long .pid)" "$(json short .pid)"
sleep 2.5
gone "$(json long .pid)" && fail "it went by the first client's time"
"$HOLD" -i 0 group true >last
wait_for 8 gone "$(json last .pid)" || fail "it did not end"

note "the state is kept"
expect "state" "$("$WEFT" worker list --json | jq -r '.workers[0].status')" stopped
[[ -s $WEFT_STATE_DIR/workers/group/buildkit/cache.db ]] || fail "no state"
expect "processes left" "$(worker_processes "$WEFT_RUNTIME_DIR/")" ""
