#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# `weft worker logs` shows what a worker's buildkitd writes, while it runs and afterwards.
# shellcheck source=tests/e2e/lib.sh
. "$WEFT_SRC_DIR/tests/e2e/lib.sh"

need jq
rc=0
"$WEFT" worker logs group 2>err || rc=$?
expect "exit code for no worker" "$rc" 2
grep -q 'there is no log of a worker group' err || fail "$(cat err)"
for args in '' 'a b' '-n x group' '--size group'; do
    rc=0
    # shellcheck disable=SC2086 # words are meant
    "$WEFT" worker logs $args 2>err || rc=$?
    expect "exit code of '$args'" "$rc" 2
done

for who in $(whos); do
    note "as $who"
    [[ $who == root ]] || make_user
    as "$who" "$HOLD" group true >up
    as "$who" "$WEFT" worker logs group >all
    grep -q 'running server on' all || fail "not buildkitd's log: $(cat all)"
    expect "the last line" "$(as "$who" "$WEFT" worker logs -n 1 group)" "$(tail -n 1 all)"
    expect "no line" "$(as "$who" "$WEFT" worker logs --tail=0 group)" ""

    note "followed until the worker ends"
    (exec_as "$who" "$WEFT" worker logs -f group >followed) &
    reader=$!
    wait_for 10 grep -q 'running server on' followed || fail "nothing came"
    ! gone "$reader" || fail "it ended while the worker runs"
    as "$who" "$WEFT" worker stop group >/dev/null
    wait "$reader" || fail "the reader failed"
    as "$who" "$WEFT" worker logs group >after
    cmp -s followed after || fail "followed: $(diff followed after)"
    (($(wc -l <after) > $(wc -l <all))) || fail "its end is not in the log: $(cat after)"
done
