#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# weft bench collect where there is no cluster: without kubectl, and with one that says what a cluster might. With a
# cluster: tests/long/kube_bench.sh.
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

note "the manifest, as docs/node-pools.md fills it in"
command=$(sed -n 's/^ *\(sed -e .*\) \\$/\1/p' "$WEFT_SRC_DIR/docs/node-pools.md")
# shellcheck disable=SC2034 # the command has it; to YAML, it is a number
pool=1e3
eval "$command" "$WEFT_SRC_DIR/deploy/kubernetes/bench-job.yaml" >"$WEFT_TEST_TMP/job.yaml"
for line in '  name: weft-bench-1e3' '        eks.amazonaws.com/nodegroup: "1e3"' '  completions: 2' '  parallelism: 2' \
    '          image: example.com/weft-bench:1' '            - name: WEFT_NODE_POOL' '              value: "1e3"'; do
    grep -qFx -- "$line" <(sed 's/ *#.*//' "$WEFT_TEST_TMP/job.yaml") || fail "no line '$line': $(<"$WEFT_TEST_TMP/job.yaml")"
done
if sed 's/ *#.*//' "$WEFT_TEST_TMP/job.yaml" | grep -w 'LABEL\|MYPOOL\|NODES\|IMAGE'; then
    fail "a word is left"
fi

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

note "a pod that failed, the one in its place, and one that runs"
cd "$WEFT_TEST_TMP"
out=$WEFT_TEST_TMP/out
cat >bin/kubectl <<'END'
#!/bin/bash
for word; do
    case $word in
    pods) exec cat pods.json ;;
    node/*) exec cat nodes.json ;;
    pod/*) [[ ! -e stuck ]] || exec sleep 60; exec cat "${word#pod/}.log" ;;
    esac
done
END
chmod +x bin/kubectl
search=$WEFT_TEST_TMP/bin:$PATH
# pod NAME NODE STATE
pod()
{
    jq -n --arg name "$1" --arg node "$2" --argjson state "$3" '{
        metadata: {name: $name, namespace: "ci", labels: {
            "batch.kubernetes.io/job-name": "job", "batch.kubernetes.io/job-completion-index": "0"}},
        spec: {nodeName: $node, containers: [{name: "bench"}]},
        status: {containerStatuses: [{name: "bench", state: $state}]}}'
}
{
    pod job-0-failed n1 '{"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": "2026-11-23T10:00:00Z"}}'
    pod job-0-done n2 '{"terminated": {"exitCode": 0, "finishedAt": "2026-11-23T11:00:00Z"}}'
} | jq -s '{items: .}' >pods.json
jq -n '{items: [{metadata: {name: "n2", labels: {"node.kubernetes.io/instance-type": "../t\u001b[31m"}}}]}' >nodes.json
printf 'weft: error: \e[31mno room\n' >job-0-failed.log
sed 's/^  "started".*/&\nweft: benchmarks  12 s left/' "$WEFT_SRC_DIR/tests/data/bench/quick.json" >job-0-done.log
PATH=$search "$WEFT" bench collect -o results >"$out" 2>"$err" || fail "exit code $?: $(cat "$out" "$err")"
file=results/n2_..-t-x1b-31m.json
grep -q "^job-0-done  *n2  *$file\$" "$out" || fail "no result of job-0-done: $(<"$out")"
expect 'names in it' "$(jq -c '.machine | [.node, .instance_type]' "$file")" '["n2","../t\\x1b[31m"]'
expect 'files' "$(find results -type f)" "$file"
grep -q '^job-0-failed  *n1  *passed over: another pod did its work; it ended with exit code 1 (Error); ' "$out" ||
    fail "job-0-failed: $(<"$out")"

note "the nodes are gone"
: >nodes.json
PATH=$search "$WEFT" bench collect -o gone >"$out" 2>"$err" || fail "exit code $?: $(cat "$out" "$err")"
expect 'files' "$(find gone -type f)" gone/n2.json
expect 'what is said' "$(<"$err")" 'weft: warning: instance types and pools are not known: the nodes are gone'

note "an interrupted result hides no earlier one"
{
    pod job-0-done n2 '{"terminated": {"exitCode": 0, "finishedAt": "2026-11-23T11:00:00Z"}}'
    pod other-cut n2 '{"terminated": {"exitCode": 130, "finishedAt": "2026-11-23T12:00:00Z"}}' |
        jq '.metadata.labels = {}'
} | jq -s '{items: .}' >two.json
mv pods.json kept.json
mv two.json pods.json
jq '.complete = false' "$WEFT_SRC_DIR/tests/data/bench/quick.json" >other-cut.log
PATH=$search "$WEFT" bench collect -o both >"$out" 2>"$err" || true
expect 'results' "$(find both -name '*.json' -exec jq .complete {} + | sort | paste -sd' ')" 'false true'
mv kept.json pods.json

note "results that cannot be written"
: >file
PATH=$search "$WEFT" bench collect -o file >"$out" 2>"$err" && rc=0 || rc=$?
expect 'exit code' "$rc" 1
grep -q '^weft: error: .*file' "$err" || fail "$(<"$err")"
grep -q '^job-0-done  *n2  *missing: its result could not be written$' "$out" || fail "$(<"$out")"
grep -q '^job-0-failed  *n1  *missing: it was not looked at$' "$out" || fail "$(<"$out")"

note "interrupted"
: >stuck
PATH=$search env --default-signal=INT "$WEFT" bench collect -o none >"$out" 2>"$err" &
pid=$!
for _ in {1..100}; do
    child=$(pgrep -x -P "$pid" sleep || true)
    [[ -z $child ]] || break
    sleep 0.1
done
[[ -n $child ]] || fail "no log was asked for"
kill -INT "$pid"
wait "$pid" && rc=0 || rc=$?
expect 'exit code' "$rc" 130
[[ ! -e /proc/$child ]] || fail "kubectl is left"
[[ ! -e none ]] || fail "a directory for nothing"
rm -r stuck bin/kubectl

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
