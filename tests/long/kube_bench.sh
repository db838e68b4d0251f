#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# usage: kube_bench.sh BUILD_DIR
#
# Benchmarks in a real cluster of one node (tests/kube), as docs/node-pools.md does it: the image of
# deploy/kubernetes/bench.Dockerfile, the Job of bench-job.yaml, and `weft bench collect`. Needs root, and the first
# time minutes for the cluster's programs.
set -euo pipefail

build_dir=$(cd "${1:?usage: kube_bench.sh BUILD_DIR}" && pwd)
src_dir=$(cd "$(dirname "$0")/../.." && pwd)
kube=$src_dir/tests/kube
weft=$build_dir/weft
tmp=$(mktemp -d "${TMPDIR:-/tmp}/weft-kube-bench.XXXXXX")
chmod 755 "$tmp"
unset KUBECONFIG
export WEFT_STATE_DIR=$tmp/s WEFT_RUNTIME_DIR=$tmp/r KUBE_STATE=$tmp/node

say()
{
    echo "== $SECONDS s: $*"
}

fail()
{
    echo "kube_bench: $*" >&2
    exit 1
}

end()
{
    rc=$?
    set +e
    trap '' INT TERM
    "$weft" worker stop --force --all >&2
    if ((rc != 0)) && [[ -n ${KUBECONFIG:-} ]]; then
        kubectl describe jobs,pods >&2
    fi
    "$kube/kube-down"
    rm -rf "$tmp"
    exit "$rc"
}
trap end EXIT
trap 'exit 130' INT TERM

# collect WANTED-CODE ARGUMENT...: weft bench collect; what it prints goes to out and err.
collect()
{
    local wanted=$1 rc=0
    shift
    "$weft" bench collect "$@" >"$tmp/out" 2>"$tmp/err" || rc=$?
    cat "$tmp/out" "$tmp/err"
    ((rc == wanted)) || fail "weft bench collect $*: exit code $rc, not $wanted"
}

# said FILE PATTERN
said()
{
    grep -q -E -e "$2" "$tmp/$1" || fail "$1 has no line with: $2"
}

# job NAME ARGUMENTS: the Job of the manifest, with these arguments for weft.
job()
{
    sed -e "s,LABEL,example.com/pool,; s,\"MYPOOL\",\"a\",; s,MYPOOL,$1,; s,NODES,1,; s,IMAGE,localhost/weft-bench:1," \
        -e "s|^\( *args:\).*|\1 $2|" "$src_dir/deploy/kubernetes/bench-job.yaml" | kubectl apply -f -
}

say "the cluster's programs"
"$kube/kube-build"
PATH=$("$kube/kube-build"):$PATH
export PATH

say "the image"
make -s -C "$build_dir" install DESTDIR="$tmp/tree/amd64" >/dev/null
"$src_dir/tests/bases/debian" "$tmp/debian" bookworm linux/amd64
"$weft" build --progress=plain --platform linux/amd64 -f "$src_dir/deploy/kubernetes/bench.Dockerfile" \
    --build-arg BASE=debian --build-context "debian=oci-layout://$tmp/debian:latest" \
    --build-context "weft=$tmp/tree" -t localhost/weft-bench:1 \
    -o "type=oci,dest=$tmp/image.tar,compression=uncompressed" "$src_dir/deploy/kubernetes"

say "the cluster"
KUBECONFIG=$("$kube/kube-up")
export KUBECONFIG KUBECACHEDIR=$tmp/kubectl
"$kube/kube-load" "$tmp/image.tar"
rm "$tmp/image.tar"
kubectl label node node example.com/pool=a node.kubernetes.io/instance-type=test.small

say "a node measured"
collect 1 --output "$tmp/results"
said err 'there are no pods with app.kubernetes.io/name=weft-bench'
job a '[bench, run, --json, --platform=linux/arm64, --cpu=baseline, --kernel=interp, --kernel=fork-exec]'
collect 1 --output "$tmp/results"
said out '^weft-bench-a-0-[a-z0-9]+ +(node|-) +missing: it (is still running|has not started)'
[[ ! -e $tmp/results ]] || fail "a directory for nothing"
kubectl wait --for=condition=Complete --timeout=180s job/weft-bench-a
file=$tmp/results/node_test.small_a.json
collect 0 --kubectl-context weft-kube --namespace default --pool-label example.com/pool --output "$tmp/results"
said out "^weft-bench-a-0-[a-z0-9]+ +node +$file\$"
python3 - "$src_dir/bench/result.schema.json" "$file" <<'END'
import json, sys
import jsonschema

schema, result = (json.load(open(path)) for path in sys.argv[1:])
jsonschema.validate(result, schema)
machine = result["machine"]
assert (machine["node"], machine["instance_type"], machine["pool"]) == ("node", "test.small", "a"), machine
kernels = {k["name"]: k for k in result["targets"][0]["kernels"]}
assert kernels["interp"]["ratio"] > 1, kernels
# a handler takes a user namespace, which the seccomp profile refuses
assert kernels["fork-exec"]["skipped"], kernels
print("fork-exec skipped:", kernels["fork-exec"]["skipped"])
END

say "the node measured again, and a job that cannot"
job again '[bench, run, --json, --platform=linux/arm64, --cpu=baseline, --kernel=interp]'
kubectl wait --for=condition=Complete --timeout=180s job/weft-bench-again
job wrong '[bench, run, --json, --kernel=no-such]'
kubectl wait --for=condition=Failed --timeout=180s job/weft-bench-wrong
collect 1 --pool-label example.com/pool --output "$tmp/results"
said out '^weft-bench-a-0-[a-z0-9]+ +node +passed over: there is a later result of its node'
said out "^weft-bench-again-0-[a-z0-9]+ +node +$file\$"
said out '^weft-bench-wrong-0-[a-z0-9]+ +node +missing: it ended with exit code 2 .*no result in the log'
said out '^  log: weft: error: .*no-such'
said err '2 of 4 pods without a result'
[[ $(ls "$tmp/results") == node_test.small_a.json ]] || fail "results: $(ls "$tmp/results")"
collect 1 --json --selector job-name=weft-bench-wrong --output "$tmp/results"
jq -e '.schema == 1 and (.pods | length) == 2 and
    all(.pods[]; .outcome == "missing" and (.log | length) > 0)' "$tmp/out"

say "a cluster that cannot be had"
collect 3 --kubectl-context no-such
said err 'kubectl: .*no-such'
sed 's,server: .*,server: https://127.0.0.1:1,' "$KUBECONFIG" >"$tmp/kubeconfig"
KUBECONFIG=$tmp/kubeconfig collect 3
said err 'kubectl: .*127\.0\.0\.1:1'

say "interrupted while the cluster does not answer"
python3 -c '
import socket, time
s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1], flush=True)
time.sleep(60)' >"$tmp/port" &
listener=$!
for _ in {1..50}; do
    [[ ! -s $tmp/port ]] || break
    sleep 0.1
done
sed "s,server: .*,server: https://127.0.0.1:$(<"$tmp/port")," "$KUBECONFIG" >"$tmp/kubeconfig"
KUBECONFIG=$tmp/kubeconfig env --default-signal=INT "$weft" bench collect >"$tmp/out" 2>"$tmp/err" &
pid=$!
for _ in {1..50}; do
    kubectl_pid=$(pgrep -P "$pid" || true)
    [[ -z $kubectl_pid ]] || break
    sleep 0.1
done
[[ -n $kubectl_pid ]] || fail "no kubectl was started"
sleep 0.5
kill -INT "$pid"
rc=0
wait "$pid" || rc=$?
kill "$listener"
((rc == 130)) || fail "interrupted: exit code $rc, not 130"
[[ ! -e /proc/$kubectl_pid ]] || fail "kubectl is left"

say "nothing is left"
mapfile -t pids < <(cut -d ' ' -f 1 "$KUBE_STATE"/*.pid)
mapfile -t groups <"$KUBE_STATE/cgroups"
((${#pids[@]} == 2 && ${#groups[@]} > 0)) || fail "where is the node?"
"$kube/kube-down"
for left in "${pids[@]/#//proc/}" "${groups[@]}" "$KUBE_STATE"; do
    [[ ! -e $left ]] || fail "$left is left"
done
if grep -F " $tmp/node" /proc/self/mountinfo; then
    fail "a mount of the node is left"
fi
