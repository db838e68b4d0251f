#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# usage: buildx_compare.sh BUILD_DIR [FLAG...]
#
# weft against real buildx (tools/buildx), which drives one plain buildkitd without Docker (the remote driver): for each
# flag the same command, and what comes of it (tests/long/buildx_rows.py). What differs must be in docs/buildx.md. Both
# are timed, and nothing is asserted about that. With FLAGs, only their rows. Needs root or subordinate ids; the first time
# minutes for buildx, which is kept in BUILD_DIR/buildx.
set -euo pipefail

WEFT_BUILD_DIR=$(cd "${1:?usage: buildx_compare.sh BUILD_DIR [FLAG...]}" && pwd)
shift
WEFT_SRC_DIR=$(cd "$(dirname "$0")/../.." && pwd)
WEFT=$WEFT_BUILD_DIR/weft
WEFT_TEST_TMP=$(mktemp -d "${TMPDIR:-/tmp}/weft-buildx.XXXXXX")
export WEFT WEFT_BUILD_DIR WEFT_SRC_DIR WEFT_TEST_TMP
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"
. "$WEFT_SRC_DIR/tests/e2e/registry_lib.sh"
need git ssh-keygen podman
server=
podman_pid=

end()
{
    local rc=$? pid
    set +e
    trap '' INT TERM
    "$WEFT" worker stop --force --all >/dev/null
    # the server is unshare --kill-child, which ignores SIGTERM
    for pid in "${registry_pids[@]}" $podman_pid $server; do
        kill -KILL "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    if ((EUID != 0)); then
        "$WEFT_SRC_DIR/tests/bases/userns" rm -rf "$WEFT_TEST_TMP/plain" "$WEFT_STATE_DIR"
    fi
    rm -rf "$WEFT_TEST_TMP"
    exit "$rc"
}
trap end EXIT
trap 'exit 130' INT TERM

go=$("$WEFT_SRC_DIR/tools/get-go.sh" buildx)
note "$SECONDS s: buildx"
GO=$go GOTOOLCHAIN=local "$WEFT_SRC_DIR/tools/buildx/build.sh" "$WEFT_BUILD_DIR/buildx"
buildx=$WEFT_BUILD_DIR/buildx/buildx
"$buildx" version

# Nothing of whoever runs this.
cd "$WEFT_TEST_TMP"
unset "${!BUILDX_@}" "${!BUILDKIT_@}" "${!DOCKER_@}" "${!EXPERIMENTAL_@}" SOURCE_DATE_EPOCH SSH_AUTH_SOCK
export DOCKER_CONFIG=$WEFT_TEST_TMP/docker BUILDX_CONFIG=$WEFT_TEST_TMP/buildx-config
export XDG_CACHE_HOME=${XDG_CACHE_HOME:-$HOME/.cache} HOME=$WEFT_TEST_TMP
# Nothing is loaded into an engine of this machine: both get a podman of this test, which buildx takes for docker.
mkdir programs
for dir in ${PATH//:/ }; do
    ln -s "$dir"/* programs/ 2>/dev/null || true # the first of a name counts
done
rm -f programs/docker
export PATH=$PWD/programs CONTAINERS_STORAGE_CONF=$PWD/storage.conf DOCKER_HOST=unix://$PWD/podman.sock
cat >storage.conf <<END
[storage]
driver = "vfs"
graphroot = "$PWD/podman"
runroot = "$PWD/podman-run"
END
podman system service --time=0 "unix://$PWD/podman.sock" >podman.log 2>&1 </dev/null &
podman_pid=$!

note "$SECONDS s: a plain buildkitd"
mkdir plain
mkdir -m 700 plain/run
: >plain/buildkitd.toml
runtime=$(PATH=$PATH:/usr/sbin command -v runc || echo crun)
env USER=weft HOME="$PWD/plain" XDG_RUNTIME_DIR="$PWD/plain/run" \
    "$WEFT_SRC_DIR/tests/bases/userns" "$WEFT_LIBEXEC/buildkitd" --config="$PWD/plain/buildkitd.toml" --rootless \
    --root="$PWD/plain" --addr="unix://$PWD/plain/run/s" --oci-worker=true --containerd-worker=false \
    --oci-worker-net=host --oci-worker-binary="$runtime" --allow-insecure-entitlement=network.host \
    --allow-insecure-entitlement=security.insecure >plain.log 2>&1 </dev/null &
server=$!
answers()
{
    "$WEFT_LIBEXEC/buildctl" --addr "unix://$PWD/plain/run/s" debug workers >/dev/null 2>&1
}
wait_for 60 answers || fail "the plain buildkitd does not answer: $(tail -n 15 plain.log)"
"$buildx" create --driver remote --name r "unix://$PWD/plain/run/s" >/dev/null

note "$SECONDS s: images, registries, and what is built"
busybox_base bb linux/amd64 linux/arm64 linux/386
for name in buildx weft both; do
    registry_start $name
done
"$WEFT_SRC_DIR/tests/bases/generator" gen linux/amd64 >&2
generator=$(registry_addr both)/generator:latest
skopeo copy -q --all --dest-tls-verify=false oci:gen:latest "docker://$generator"
python3 - "$WEFT_SRC_DIR/tests/long" files <<'PYTHON'
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import buildx_rows

for name, text in buildx_rows.FILES.items():
    path = os.path.join(sys.argv[2], name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
PYTHON
ssh-keygen -q -t ed25519 -N '' -C of-a-test -f files/key
git -C files/repo init -q -b main
git -C files/repo remote add origin https://me:hunter2@example.invalid/x.git
git -C files/repo add Dockerfile
git -C files/repo -c user.name=t -c user.email=t@example.invalid commit -q -m first
echo more >files/repo/untracked
cp -a files buildx
cp -a files weft

note "$SECONDS s: each flag"
"$WEFT_SRC_DIR/tests/long/buildx_compare.py" --buildx "$buildx" --weft "$WEFT" --tmp "$WEFT_TEST_TMP" \
    --docs "$WEFT_SRC_DIR/docs/buildx.md" --flags "$WEFT_SRC_DIR/tests/data/buildx/flags" \
    --buildx-registry "$(registry_addr buildx)" --weft-registry "$(registry_addr weft)" --generator "$generator" -- "$@"
