#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# usage: caches.sh BUILD_DIR [s3] [azblob] [gha]
#
# The caches that live in other people's services (docs/cache.md): S3 against moto (PyPI), Azure Blob Storage against
# azurite (npm), GitHub Actions against tests/long/gha-cache.py. For each: three platforms write their parts, and a build on
# an empty state with --cache-from alone runs no step again; credentials reach the service, and no command line. What is
# downloaded is kept in ~/.cache/weft. Needs python3 with venv, node and npm.
set -euo pipefail

moto=5.2.5
azurite=3.35.0

build_dir=$(cd "${1:?usage: caches.sh BUILD_DIR [s3] [azblob] [gha]}" && pwd)
shift
(($#)) || set -- s3 azblob gha
src_dir=$(cd "$(dirname "$0")/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/weft
tmp=$(mktemp -d "${TMPDIR:-/tmp}/weft-caches.XXXXXX")
weft=$build_dir/weft
platforms=linux/amd64,linux/arm64,linux/s390x
export WEFT_STATE_DIR=$tmp/s WEFT_RUNTIME_DIR=$tmp/r WEFT_CONFIG=/dev/null
unset "${!AWS_@}" "${!AZURE_@}" "${!BUILDKIT_AZURE_@}" "${!ACTIONS_@}"
export AWS_EC2_METADATA_DISABLED=true AWS_CONFIG_FILE=$tmp/none AWS_SHARED_CREDENTIALS_FILE=$tmp/none
server=

say()
{
    echo "== $SECONDS s: $*"
}

fail()
{
    echo "caches: $*" >&2
    exit 1
}

stop_server()
{
    [[ -z $server ]] || kill "$server" 2>/dev/null || true
    [[ -z $server ]] || wait "$server" 2>/dev/null || true
    server=
}

end()
{
    rc=$?
    set +e
    trap '' INT TERM
    "$weft" worker stop --force --all >/dev/null
    stop_server
    rm -rf "$tmp"
    exit "$rc"
}
trap end EXIT
trap 'exit 130' INT TERM

free_port()
{
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# serve URL LOG COMMAND...: starts a server, and waits until it answers at all
serve()
{
    local url=$1 log=$2 tries=600
    shift 2
    "$@" >"$log" 2>&1 &
    server=$!
    until curl -s -o /dev/null "$url"; do
        if ! kill -0 "$server" 2>/dev/null || ((tries-- == 0)); then
            fail "$1 does not start: $(tail "$log")"
        fi
        sleep 0.1
    done
}

# built OUT FLAG...
built()
{
    local out=$tmp/$1
    shift
    "$weft" build --progress=plain --platform $platforms --build-context "busybox=oci-layout://$tmp/bb:latest" "$@" \
        -o "type=oci,dest=$out,tar=false" "$tmp/ctx" >"$tmp/log" 2>&1 || fail "$*: $(tail -n 30 "$tmp/log")"
}

blob()
{
    cat "$1/blobs/sha256/${2#sha256:}"
}

# runs LAYOUT: what the steps of each platform left, "PLATFORM TOOL OWN"
runs()
{
    local layout=$tmp/$1 platform digest layer
    blob "$layout" "$(jq -r '.manifests[0].digest' "$layout/index.json")" |
        jq -r '.manifests[] | select(.platform.os != "unknown") | "\(.platform.architecture) \(.digest)"' |
        while read -r platform digest; do
            echo "$platform $(for layer in $(blob "$layout" "$digest" | jq -r '.layers[].digest'); do
                blob "$layout" "$layer" | tar --to-stdout -xzf - tool own 2>/dev/null || true
            done | paste -sd' ')"
        done | sort
}

# round NAME CACHE: what is in a cache that a build has written is not run again, on an empty state
round()
{
    local name=$1
    built "$name-1" --no-cache "--cache-to=$2,mode=max"
    [[ $(runs "$name-1" | wc -w) == 9 ]] || fail "$name: $(runs "$name-1")"
    "$weft" worker remove --force --all >/dev/null
    built "$name-2" "--cache-from=$2"
    [[ $(runs "$name-1") == "$(runs "$name-2")" ]] || fail "$name: a step ran again: $(cat "$tmp/log")"
    ! grep 'no cache' "$tmp/log" || fail "$name: a cache was not there"
}

# not_shown TYPE CACHE SECRET...: no command line of a program that weft starts shows a secret while a build writes the cache,
# and no message does
not_shown()
{
    local type=$1 flag=$2 secret dir comm
    shift 2
    : >"$tmp/seen"
    built watched -D --no-cache "--cache-to=$flag" &
    local build=$!
    while kill -0 "$build" 2>/dev/null; do
        for dir in /proc/[0-9]*; do
            { read -r comm <"$dir/comm"; } 2>/dev/null || continue # no program: a round has to be quick
            case $comm in
            buildctl | weft-session | weft-init | buildkitd) tr '\0' '\n' <"$dir/cmdline" >>"$tmp/seen" 2>/dev/null || true ;;
            esac
        done
    done
    wait "$build" || fail "the watched build"
    grep -q "^type=$type," "$tmp/seen" || fail "no command line with the cache was seen"
    for secret; do
        ! grep -q -F -e "$secret" "$tmp/seen" "$tmp/log" || fail "$type: a secret was shown"
    done
}

mkdir "$tmp/ctx"
cat >"$tmp/ctx/Dockerfile" <<'END'
FROM busybox AS tool
RUN cat /proc/sys/kernel/random/uuid >/tool
FROM busybox
COPY --from=tool /tool /
RUN cat /proc/sys/kernel/random/uuid >/own
END
"$src_dir/tests/bases/busybox" "$tmp/bb" linux/amd64 linux/arm64 linux/s390x >&2

# moto lets everybody in for the first actions; after those, only the user that they make
s3()
{
    local venv=$cache/moto-$moto port id key at
    if [[ ! -x $venv/bin/moto_server ]]; then
        say "moto $moto"
        rm -rf "$venv"
        mkdir -p "$cache"
        python3 -m venv "$venv"
        "$venv/bin/pip" install -q "moto[server,s3,iam]==$moto"
    fi
    port=$(free_port)
    at=type=s3,bucket=weft,region=us-east-1,endpoint_url=http://localhost:$port,use_path_style=true
    INITIAL_NO_AUTH_ACTION_COUNT=4 serve "http://localhost:$port/moto-api/" "$tmp/moto.log" \
        "$venv/bin/moto_server" -H 127.0.0.1 -p "$port"
    read -r id key < <("$venv/bin/python" - "http://localhost:$port" <<'PYTHON'
import json
import sys

import boto3

kw = {"endpoint_url": sys.argv[1], "region_name": "us-east-1",
      "aws_access_key_id": "a", "aws_secret_access_key": "b"}
boto3.client("s3", **kw).create_bucket(Bucket="weft")
iam = boto3.client("iam", **kw)
iam.create_user(UserName="weft")
policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
iam.put_user_policy(UserName="weft", PolicyName="all", PolicyDocument=json.dumps(policy))
key = iam.create_access_key(UserName="weft")["AccessKey"]
print(key["AccessKeyId"], key["SecretAccessKey"])
PYTHON
    )
    [[ -n $key ]] || fail "no key: $(tail "$tmp/moto.log")"

    say "s3: without credentials"
    built s3-none --cache-from "$at" --cache-to "$at,ignore-error=true"
    grep -q 'linux/s390x: no cache from type=s3: ' "$tmp/log" || fail "$(cat "$tmp/log")"
    grep -q 'linux/s390x: the cache was not written' "$tmp/log" || fail "$(cat "$tmp/log")"

    say "s3: credentials of the environment"
    AWS_ACCESS_KEY_ID=$id AWS_SECRET_ACCESS_KEY=$key round s3 "$at"
    AWS_ACCESS_KEY_ID=$id AWS_SECRET_ACCESS_KEY=$key not_shown s3 "$at" "$id" "$key"

    say "s3: credentials of a profile, and by name"
    printf '[other]\naws_access_key_id=x\naws_secret_access_key=y\n[ours]\naws_access_key_id=%s\naws_secret_access_key=%s\n' \
        "$id" "$key" >"$tmp/credentials"
    AWS_SHARED_CREDENTIALS_FILE=$tmp/credentials AWS_PROFILE=ours round s3-profile "$at,name=app;spare"
    round s3-given "$at,access_key_id=$id,secret_access_key=$key,name=given"
    not_shown s3 "$at,access_key_id=$id,secret_access_key=$key,name=given" "$id" "$key"
    "$weft" worker stop --all >/dev/null
    stop_server
}

azblob()
{
    local dir=$cache/azurite-$azurite port at key
    if [[ ! -x $dir/node_modules/.bin/azurite-blob ]]; then
        say "azurite $azurite"
        rm -rf "$dir"
        mkdir -p "$dir"
        npm install --silent --no-audit --no-fund --prefix "$dir" "azurite@$azurite"
    fi
    port=$(free_port)
    key=$(head -c 32 /dev/urandom | base64 -w 0)
    AZURITE_ACCOUNTS=weft:$key serve "http://localhost:$port/weft" "$tmp/azurite.log" \
        "$dir/node_modules/.bin/azurite-blob" --silent --skipApiVersionCheck --location "$tmp/azurite" --blobPort "$port"
    at=type=azblob,account_url=http://localhost:$port/weft,account_name=weft

    say "azblob"
    round azblob "$at,secret_access_key=$key"
    not_shown azblob "$at,secret_access_key=$key" "$key"
    BUILDKIT_AZURE_STORAGE_ACCOUNT_URL=http://localhost:$port/weft BUILDKIT_AZURE_STORAGE_ACCOUNT_NAME=weft \
        BUILDKIT_AZURE_STORAGE_CONTAINER=other round azblob-env "type=azblob,secret_access_key=$key,name=n;m"
    "$weft" worker stop --all >/dev/null
    stop_server
}

# A token of a job is a JWT, which BuildKit looks into: its scopes, and until when it is good.
gha_token()
{
    python3 - <<'PYTHON'
import base64
import json
import time


def part(x):
    return base64.urlsafe_b64encode(json.dumps(x).encode()).decode().rstrip("=")


now = int(time.time())
claims = {"ac": json.dumps([{"Scope": "refs/heads/main", "Permission": 3}]), "nbf": now - 60, "exp": now + 3600}
print(part({"alg": "HS256", "typ": "JWT"}), part(claims), "aHVzaA", sep=".")
PYTHON
}

gha()
{
    local port token
    port=$(free_port)
    token=$(gha_token)
    serve "http://localhost:$port/log" "$tmp/gha.log" "$src_dir/tests/long/gha-cache.py" "$port" "$token"

    say "gha: outside of a job"
    built gha-none --cache-from type=gha --cache-to type=gha
    grep -q -- '--cache-to type=gha is left out' "$tmp/log" || fail "$(cat "$tmp/log")"
    [[ -z $(curl -sf "http://localhost:$port/log") ]] || fail "something was written"

    say "gha: version 2"
    (
        export ACTIONS_RUNTIME_TOKEN=$token ACTIONS_RESULTS_URL=http://localhost:$port/ ACTIONS_CACHE_SERVICE_V2=True
        round gha type=gha,scope=app
        not_shown gha type=gha,scope=app "$token"
    )
    curl -sf "http://localhost:$port/log" >"$tmp/written"
    [[ $(grep -c '^2 index-app-linux-s390x-1-' "$tmp/written") -ge 1 ]] || fail "$(cat "$tmp/written")"

    say "gha: version 1, and a token that is given"
    ACTIONS_RUNTIME_TOKEN=$token ACTIONS_CACHE_URL=http://localhost:$port/ round gha-v1 type=gha,scope=old
    round gha-given "type=gha,url=http://localhost:$port/,token=$token,scope=given"
    not_shown gha "type=gha,url=http://localhost:$port/,token=$token,scope=given" "$token"
    curl -sf "http://localhost:$port/log" >"$tmp/written"
    [[ $(grep -c '^1 index-old-linux-arm64-1-' "$tmp/written") -ge 1 ]] || fail "$(cat "$tmp/written")"
    "$weft" worker stop --all >/dev/null
    stop_server
}

for kind; do
    say "$kind"
    "$kind"
done
say "done"
