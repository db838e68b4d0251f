#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a worker must not take along from the weft that starts it, and what others must not see or set up.
# shellcheck source=tests/e2e/lib.sh
. "$WEFT_SRC_DIR/tests/e2e/lib.sh"

need jq

no_zombies()
{
    ! pgrep -r Z -P "$1" >/dev/null
}

for who in $(whos); do
    note "as $who: environment, descriptors, directory, umask"
    [[ $who == root ]] || make_user
    dir=$WEFT_TEST_TMP
    [[ $who == root ]] || dir=$WEFT_TEST_TMP/u
    (
        umask 0
        exec 7<"$0" 11>>"$WEFT_TEST_TMP/open"
        exec_as "$who" CI_TOKEN=hush-hush "$HOLD" group true
    ) >out
    init=$(json out .pid)
    buildkitd=$(buildkitd_of "$init")
    for pid in "$init" "$buildkitd"; do
        what=$(cat "/proc/$pid/comm")
        tr '\0' '\n' <"/proc/$pid/environ" >environ
        [[ -s environ ]] || fail "the environment of $what cannot be read"
        grep -E 'hush|WEFT_' environ && fail "$what has our environment"
        for fd in /proc/"$pid"/fd/*; do
            file=$(readlink "$fd") || continue
            case $file in
            "$0" | "$WEFT_TEST_TMP/open") fail "$what has our file $file" ;;
            */clients.lock | */workers/group/lock | pipe:*) [[ $pid == "$init" ]] || fail "$what has $file" ;;
            esac
        done
        [[ $(readlink "/proc/$pid/cwd") != "$PWD" ]] || fail "$what is in our directory"
    done
    expect "umask of the init" "$(awk '/^Umask/ { print $2 }' "/proc/$init/status")" 0022
    open=$(find "$dir/r" "$dir/s" -maxdepth 2 -perm /077; find "$dir/s/workers/group/buildkitd.log" \
        "$dir/r/workers/group/spec.json" "$dir/r/workers/group/buildkitd.sock" -perm /077)
    [[ -z $open ]] || fail "others can enter or read: $open"
    note "orphans are reaped"
    wait_for 3 no_zombies "$init" || fail "zombies: $(pgrep -lP "$init")"
    as "$who" "$WEFT" worker stop --all >/dev/null
done

need_root
note "the fallback in /tmp: not somebody else's directory, nor a link to one"
uid=$(id -u "$test_user")
fallback=/tmp/weft-$uid
[[ ! -e $fallback && ! -L $fallback ]] || skip "$fallback exists"
# start_there: with no other place for sockets than /tmp
start_there()
{
    (exec_as user WEFT_RUNTIME_DIR= XDG_RUNTIME_DIR= "$HOLD" -s group true) >out 2>&1
}
refused()
{
    if start_there; then
        rm -rf "$fallback"
        fail "it took $1"
    fi
    grep -q "$fallback is not a directory that only you can enter" out || {
        rm -rf "$fallback"
        fail "$1: $(cat out)"
    }
}
mkdir -m 755 "$fallback"
refused "a directory of root"
chmod 700 "$fallback"
chown "$test_user" "$fallback"
chmod 770 "$fallback"
refused "a directory that a group can enter"
rmdir "$fallback"
mkdir -m 700 "$WEFT_TEST_TMP/u/mine"
chown "$test_user" "$WEFT_TEST_TMP/u/mine"
ln -s "$WEFT_TEST_TMP/u/mine" "$fallback"
refused "a link"
rm "$fallback"
start_there || fail "its own: $(cat out)"
expect "mode" "$(stat -c %a:%U "$fallback")" "700:$test_user"
rm -rf "$fallback"

note "a state directory of somebody else"
mkdir -p "$WEFT_TEST_TMP/u/theirs/workers"
chmod 777 "$WEFT_TEST_TMP/u/theirs" "$WEFT_TEST_TMP/u/theirs/workers"
rc=0
as_user WEFT_STATE_DIR="$WEFT_TEST_TMP/u/theirs" "$HOLD" -s group true >out 2>&1 || rc=$?
expect "exit code" "$rc" 1
grep -q "$WEFT_TEST_TMP/u/theirs/workers belongs to another user, or others can write it" out || fail "$(cat out)"
chown "$test_user" "$WEFT_TEST_TMP/u/theirs/workers"
rc=0
as_user WEFT_STATE_DIR="$WEFT_TEST_TMP/u/theirs" "$HOLD" -s group true >out 2>&1 || rc=$?
expect "exit code" "$rc" 1
chmod 750 "$WEFT_TEST_TMP/u/theirs/workers"
as_user WEFT_STATE_DIR="$WEFT_TEST_TMP/u/theirs" "$HOLD" -s group true >out 2>&1 || fail "$(cat out)"
