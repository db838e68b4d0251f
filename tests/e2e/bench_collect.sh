#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# weft bench collect where there is no cluster. With one: tests/long/kube_bench.sh.
. "${WEFT_SRC_DIR:-.}/tests/e2e/lib.sh"

err=$WEFT_TEST_TMP/err
search=$PATH

# collect WANTED-CODE ARGUMENT...
collect()
{
    local wanted=$1 rc=0
    shift
    PATH=$search "$WEFT" bench collect "$@" >"$WEFT_TEST_TMP/out" 2>"$err" || rc=$?
    cat "$err"
    expect "exit code of: collect $*" "$rc" "$wanted"
    [[ ! -s $WEFT_TEST_TMP/out ]] || fail "it prints something: $(<"$WEFT_TEST_TMP/out")"
}

note "wrong flags"
collect 2 a-file.json
collect 2 --kubectl-contxt x
grep -q -e '--kubectl-context' "$err" || fail "no hint"

note "no kubectl"
mkdir "$WEFT_TEST_TMP/bin"
search=$WEFT_TEST_TMP/bin
collect 3
grep -q -F "no kubectl on \$PATH" "$err" || fail "it does not say what is missing"
[[ ! -e bench-results ]] || fail "a directory was made"

note "no cluster"
search=$PATH
if ! command -v kubectl >/dev/null; then
    echo "kubectl is not here; tests/long/kube_bench.sh has one"
    exit 0
fi
export KUBECONFIG=$WEFT_TEST_TMP/none HOME=$WEFT_TEST_TMP
collect 3
grep -q '^weft: error: kubectl: .' "$err" || fail "kubectl's words are not shown"
collect 3 --kubectl-context no-such
grep -q '^weft: error: kubectl: .*no-such' "$err" || fail "kubectl's words are not shown"
[[ ! -e bench-results ]] || fail "a directory was made"
