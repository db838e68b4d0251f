#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# bench/push still works: one small turn, no time is judged. It writes its table where a document has a place for it.
. "$WEFT_SRC_DIR/tests/e2e/lib.sh"

need python3 jq docker-registry skopeo

busybox_base bb linux/amd64 linux/386 linux/arm64 linux/riscv64 # into the cache, or skip
printf 'before\n<!-- push: made by bench/push -->\nold\n<!-- end -->\nafter\n' >doc.md
"$WEFT_SRC_DIR/bench/push" -b "$WEFT_BUILD_DIR" --tmp "$WEFT_TEST_TMP" --smoke --json json --write-doc doc.md >out 2>err ||
    fail "push: $(cat out err)"
expect "results" "$(jq -c '[.results[].turns | length]' json)" '[1,1]'
expect "both sides take time" "$(jq '[.results[].turns[][].wall_s > 0] | all' json)" true
expect "lines around the table" "$(sed -n '1p; $p' doc.md | paste -sd,)" before,after
expect "rows" "$(grep -c -E '^\| .*x \(' doc.md)" 2
if grep -q old doc.md; then
    fail "the old table is still there"
fi
[[ -z $(ls -d "$WEFT_TEST_TMP"/weft-bench.* 2>/dev/null) ]] || fail "the bench left its directory behind"
