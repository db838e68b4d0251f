#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 120
# bench/overhead still works: one run of each bench, no time is judged. It measures what it says: both sides build the
# same, and the worker starts, or does not, as the bench wants it.
. "$WEFT_SRC_DIR/tests/e2e/lib.sh"

need python3 jq

busybox_base bb linux/amd64 linux/386 linux/arm64 linux/riscv64 # into the cache, or skip
"$WEFT_SRC_DIR/bench/overhead" -b "$WEFT_BUILD_DIR" --tmp "$WEFT_TEST_TMP" --smoke >out 2>err || fail "overhead: $(cat out err)"
tail -n 1 out >json
expect "schema" "$(jq .schema json)" 1
expect "benches" "$(jq -c '.results | keys' json)" '["cold","merge","warm"]'
expect "machine" "$(jq -r '.machine.kernel' json)" "$(uname -r)"
expect "a worker's start takes time" "$(jq '.results | .cold.measured.wall_s.min > .warm.measured.wall_s.min' json)" true
# 4 layers of 1 MiB of random bytes, each in the layout once
expect "bytes" "$(jq '.results.merge.bytes > 4 * 1048576' json)" true
expect "layers linked" "$(jq '.results.merge.linked_blobs >= 4' json)" true
[[ -z $(ls -d "$WEFT_TEST_TMP"/weft-bench.* 2>/dev/null) ]] || fail "the bench left its directory behind"

note "what cannot work is said, and not measured"
if "$WEFT_SRC_DIR/bench/overhead" -b "$WEFT_TEST_TMP/none" --smoke >out 2>err; then
    fail "no error without a build tree"
fi
grep -q 'is not there' err || fail "error: $(cat err)"
