#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# "# syntax" and BUILDKIT_SYNTAX: docker/dockerfile is the built-in frontend where that will do, and the registry's
# where it will not. There is no network here, so the error says which was wanted.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

busybox_base bb linux/amd64
mkdir ctx
# No request leaves this machine: the proxy is a port that nobody listens on.
export HTTPS_PROXY=http://127.0.0.1:1 HTTP_PROXY=http://127.0.0.1:1

# try TEXT ARG...: builds a Dockerfile that begins with TEXT
try()
{
    printf '%b' "$1" >ctx/Dockerfile
    # shellcheck disable=SC2016 # a Dockerfile
    printf 'FROM busybox\nRUN <<E cat >/heredoc\none\ntwo\nE\nCOPY <<"A" <<B /files/\n$kept\nA\nb\nB\n' >>ctx/Dockerfile
    shift
    rm -rf out
    build -o out "$@" ctx >log 2>&1
}

builtin_does()
{
    try "$@" || fail "$*: $(cat log)"
    expect "$1: a heredoc" "$(paste -sd, out/heredoc)" one,two
    # shellcheck disable=SC2016 # as it is written
    expect "$1: files of heredocs" "$(cat out/files/A out/files/B | paste -sd,)" '$kept,b'
}

# fetches IMAGE TEXT ARG...: the build wants IMAGE from its registry
fetches()
{
    local image=$1 rc=0
    shift
    try "$@" || rc=$?
    expect "$*" "$rc" 1
    sed -n '/linux\/amd64 failed/,$p' log | grep -qF "$image" || fail "$*: $image is not named: $(cat log)"
    grep -q 'connect' log || fail "$*: another failure: $(cat log)"
    [[ ! -e out ]] || fail "$*: an output"
}

digest=sha256:$(printf '0%.0s' {1..64})

note "the built-in frontend"
for ref in docker/dockerfile:1 docker/dockerfile:1.4 docker/dockerfile:1.4.0 docker.io/docker/dockerfile:1; do
    builtin_does "# syntax=$ref\n"
done
builtin_does '#syntax=docker/dockerfile:1\n# escape=\\\n'
builtin_does '# escape=\\\n# syntax = docker/dockerfile:1\n'
builtin_does '\xef\xbb\xbf# syntax=docker/dockerfile:1\r\n'
builtin_does '# a comment\n# syntax=example.invalid/no-directive:1\n'
builtin_does ''
builtin_does '# syntax=example.invalid/never:1\n' --build-arg BUILDKIT_SYNTAX=docker/dockerfile:1
builtin_does '' --build-arg BUILDKIT_SYNTAX=docker/dockerfile:1.4

note "the registry's"
fetches docker/dockerfile:1.999 '# syntax=docker/dockerfile:1.999\n'
fetches docker/dockerfile:2 '# syntax=docker/dockerfile:2\n'
fetches docker/dockerfile:1-labs '# syntax=docker/dockerfile:1-labs\n'
fetches docker/dockerfile:1.4-labs '# syntax=docker/dockerfile:1.4-labs\n'
fetches docker/dockerfile:latest '# syntax=docker/dockerfile\n'
fetches "docker/dockerfile:1@$digest" "# syntax=docker/dockerfile:1@$digest\n"
fetches localhost:1/frontend:1 '# syntax=localhost:1/frontend:1\n'
fetches docker/dockerfile-upstream:1 '# syntax=docker/dockerfile-upstream:1\n'
fetches docker/dockerfile:1.999 '' --build-arg BUILDKIT_SYNTAX=docker/dockerfile:1.999
fetches docker/dockerfile:1-labs '# syntax=docker/dockerfile:1\n' --build-arg BUILDKIT_SYNTAX=docker/dockerfile:1-labs
BUILDKIT_SYNTAX=docker/dockerfile:1-labs fetches docker/dockerfile:1-labs '' --build-arg BUILDKIT_SYNTAX

note "--pull-frontend"
fetches docker/dockerfile:1 '# syntax=docker/dockerfile:1\n' --pull-frontend
fetches docker/dockerfile:1 '' --pull-frontend --build-arg BUILDKIT_SYNTAX=docker/dockerfile:1
builtin_does '' --pull-frontend
