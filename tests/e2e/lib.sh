# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the end-to-end tests share. Sourced, never run; tests/e2e/run says what is in the environment.

set -euo pipefail

fail()
{
    echo "FAILED: $*" >&2
    exit 1
}

skip()
{
    echo "$*"
    exit 77
}

note()
{
    echo "--- $*"
}

# expect WHAT GOT WANTED
expect()
{
    [[ $2 == "$3" ]] || fail "$1: got '$2', want '$3'"
}

# The tests' programs, the directories of this test, and cleaning up after it.
# shellcheck disable=SC2034 # used by the tests
HOLD=$WEFT_BUILD_DIR/tests/e2e/worker-hold
# shellcheck disable=SC2034
DENY_MOUNT=$WEFT_BUILD_DIR/tests/e2e/deny-mount
export WEFT_LIBEXEC=$WEFT_BUILD_DIR/libexec
export WEFT_STATE_DIR=$WEFT_TEST_TMP/s
export WEFT_RUNTIME_DIR=$WEFT_TEST_TMP/r
export WEFT_CONFIG=/dev/null
unset WEFT_RUNTIME WEFT_QEMU_DIR WEFT_BUILDKITD WEFT_BUILDCTL
test_user=

clean_up()
{
    local rc=$? dir
    set +e
    for dir in "$WEFT_TEST_TMP" "$WEFT_TEST_TMP/u"; do
        if [[ -d $dir/r/workers ]]; then
            WEFT_STATE_DIR=$dir/s WEFT_RUNTIME_DIR=$dir/r "$WEFT" worker stop --force --all >/dev/null
        fi
    done
    # States hold files of the worker's other ids.
    if ((EUID != 0)) && [[ -d $WEFT_TEST_TMP/s ]]; then
        "$WEFT_SRC_DIR/tests/bases/userns" rm -rf "$WEFT_TEST_TMP/s" >/dev/null
    fi
    if [[ -n $test_user ]]; then
        userdel "$test_user" 2>/dev/null
    fi
    exit "$rc"
}
trap clean_up EXIT

need_root()
{
    ((EUID == 0)) || skip "needs root"
}

# need PROGRAM...
need()
{
    local program
    for program; do
        command -v "$program" >/dev/null || skip "$program is not installed"
    done
}

# make_user: an ordinary user with a range of subordinate ids, for as_user. As root only. It is
# removed when the test ends.
make_user()
{
    [[ -z $test_user ]] || return 0
    test_user=weft-t$$
    # useradd gives it a range of its own
    useradd --home-dir "$WEFT_TEST_TMP/u" --shell /bin/sh "$test_user"
    grep -q "^$test_user:" /etc/subuid || fail "useradd gave the user no line in /etc/subuid"
    mkdir -p "$WEFT_TEST_TMP/u"
    chown "$test_user" "$WEFT_TEST_TMP/u"
    as_user test -x "$WEFT_LIBEXEC/buildkitd" || fail "the build tree is out of an ordinary user's reach"
}

# exec_as root|user COMMAND [ARG...]: becomes the command, so that in "(exec_as ...) &" $! is its own
# id. The user has directories of its own. Variables can be put before the command.
exec_as()
{
    local who=$1
    shift
    if [[ $who == root ]]; then
        exec env "$@"
    fi
    exec setpriv --reuid "$test_user" --regid "$test_user" --init-groups --reset-env \
        env PATH=/usr/local/bin:/usr/bin:/bin HOME="$WEFT_TEST_TMP/u" WEFT_LIBEXEC="$WEFT_LIBEXEC" \
        WEFT_TEST_TMP="$WEFT_TEST_TMP" WEFT_STATE_DIR="$WEFT_TEST_TMP/u/s" \
        WEFT_RUNTIME_DIR="$WEFT_TEST_TMP/u/r" "$@"
}

# as root|user COMMAND [ARG...]
as()
{
    (exec_as "$@")
}

as_user()
{
    as user "$@"
}

# whos: whom this test can run as: "root user", or the one that it is run by.
whos()
{
    if ((EUID == 0)); then
        echo root user
    else
        echo root
    fi
}

# base_of NAME PLATFORM...: an OCI layout of busybox images in $WEFT_TEST_TMP/NAME.
busybox_base()
{
    local out=$WEFT_TEST_TMP/$1
    shift
    "$WEFT_SRC_DIR/tests/bases/busybox" "$out" "$@" >&2 || skip "no busybox images: $*"
}

# index_digest LAYOUT: digest of the one image of a layout.
index_digest()
{
    sed -n 's/.*"digest": *"\(sha256:[0-9a-f]*\)".*/\1/p' "$1/index.json" | head -n 1
}

# json FILE KEY: a top-level value of the first line of FILE (what worker-hold prints).
json()
{
    head -n 1 "$1" | jq -r "$2"
}

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for()
{
    local tries=$(($1 * 20))
    shift
    while ! "$@"; do
        ((tries-- > 0)) || return 1
        sleep 0.05
    done
}

# gone PID: it is not there, or a zombie that nobody has collected yet.
gone()
{
    local stat
    stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
    [[ ${stat##*) } == Z* ]]
}

# worker_processes TEXT: ids of the processes that have TEXT (the path of a worker's file) on their
# command line: buildkitd and weft-init.
worker_processes()
{
    pgrep -f -- "$1" || true
}

# buildkitd_of PID_OF_INIT: the buildkitd below an init.
buildkitd_of()
{
    local pid
    for pid in $(pgrep -P "$1"); do
        if [[ $(cat "/proc/$pid/comm" 2>/dev/null) == buildkitd ]]; then
            echo "$pid"
        fi
    done
}

# host_handlers: the host's table of handlers as it is now.
host_handlers()
{
    (cd /proc/sys/fs/binfmt_misc 2>/dev/null && head -n 20 -- * 2>/dev/null) || true
    grep -c binfmt_misc /proc/self/mountinfo || true
}

# json_valid SCHEMA FILE...: each is what a schema of ours says, bench/SCHEMA, and the schema is one.
json_valid()
{
    python3 - "$WEFT_SRC_DIR/bench/$1" "${@:2}" <<'PYTHON' || fail "not valid: $*"
import json
import sys

import jsonschema

schema = json.load(open(sys.argv[1]))
kind = jsonschema.validators.validator_for(schema)
kind.check_schema(schema)
for path in sys.argv[2:]:
    kind(schema).validate(json.load(open(path)))
PYTHON
}
