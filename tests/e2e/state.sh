#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 600
# States that are not of this weft: newer ones are refused and not touched, those without versions are taken over, what
# cannot be understood is set aside, and an older BuildKit does not get what a newer one has used. The states are made
# here: a real one by a build, and from it, by the script,
#   unmarked  the parts as wefts before base/state.c left them (qemu, registry: no version; workers, bench: "1")
#   newer     each part in turn with the version 99
#   damaged   a version that is no number
# tests/long/state_history.sh does it with real states of the past.
# shellcheck source=tests/e2e/build_lib.sh
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

busybox_base bb linux/amd64 linux/arm64
dockerfile ctx <<'END'
FROM busybox
RUN cat /proc/sys/kernel/random/uuid >/stamp
END

# make LAYOUT: a build; each has the stamp of the first as long as the cache hits
make_layout()
{
    build --platform linux/amd64 -t app -o "type=oci,dest=$1,tar=false" ctx >"$1.log" 2>&1 || fail "build: $(cat "$1.log")"
}

stamp() { file_of "$1" "$(digests "$1")" stamp; }

# refused CODE TEXT COMMAND...
refused()
{
    local code=$1 text=$2 rc=0
    shift 2
    "$@" >out 2>&1 || rc=$?
    [[ $rc == "$code" ]] || fail "exit code $rc, want $code: $* says $(cat out)"
    grep -qF -- "$text" out || fail "$* should say '$text': $(cat out)"
}

note "a state of today: each part has its version"
make_layout one
"$WEFT" qemu list >/dev/null
for part in workers qemu; do
    expect "version of $part" "$(tr '\n' '|' <"$WEFT_STATE_DIR/$part/version")" "1|weft $("$WEFT" --version | sed 's/^weft //;q')|"
done
slot=$("$WEFT" worker list --json | jq -r '.workers[0].slot')
record=$WEFT_STATE_DIR/workers/$slot/buildkit-version
running=$("$WEFT" worker list --json | jq -r '.workers[0].buildkit')
expect "the BuildKit of the state" "$(cat "$record")" "$running"
"$WEFT" worker stop --all >/dev/null
expect "the BuildKit of a stopped worker" "$("$WEFT" worker list --json | jq -r '.workers[0].buildkit')" "$running"

note "parts without a version are taken over, with their caches"
first=$(stamp one)
rm -f "$WEFT_STATE_DIR/qemu/version" "$record"
echo 1 >"$WEFT_STATE_DIR/workers/version"
make_layout two
expect "the stamp" "$(stamp two)" "$first"
[[ -e $WEFT_STATE_DIR/qemu/version ]] || fail "qemu was not given a version"
expect "what was set aside" "$(find "$WEFT_STATE_DIR" -maxdepth 1 -name '*.old-*')" ""
"$WEFT" worker stop --all >/dev/null

note "an empty version, as a machine that stops may leave it"
: >"$WEFT_STATE_DIR/workers/version"
make_layout three
expect "the stamp" "$(stamp three)" "$first"
"$WEFT" worker stop --all >/dev/null

note "newer ones: refused, and not touched"
printf '99\nweft 9.9.9\n' >newer
# by_newer PART COMMAND...: the part is of a newer weft, and the command refuses it
by_newer()
{
    local part=$1 before kept
    shift
    mkdir -p "$WEFT_STATE_DIR/$part"
    kept=$(cat "$WEFT_STATE_DIR/$part/version" 2>/dev/null || echo 1)
    cp newer "$WEFT_STATE_DIR/$part/version"
    before=$(snapshot "$WEFT_STATE_DIR/$part")
    refused 3 "$WEFT_STATE_DIR/$part was made by a newer weft (weft 9.9.9, format 99; this is weft" "$@"
    grep -q 'WEFT_STATE_DIR to another' out || fail "no hint: $(cat out)"
    [[ $(snapshot "$WEFT_STATE_DIR/$part") == "$before" ]] || fail "$*: $part was touched"
    echo "$kept" >"$WEFT_STATE_DIR/$part/version"
}
by_newer workers build --platform linux/amd64 ctx
by_newer workers "$WEFT" worker list
by_newer workers "$WEFT" worker stop --all
by_newer workers "$WEFT" worker remove --all
by_newer workers "$WEFT" worker logs "$slot"
by_newer workers "$WEFT" buildctl du
by_newer qemu build --platform linux/amd64 ctx
by_newer qemu "$WEFT" qemu list
by_newer qemu "$WEFT" qemu check
by_newer qemu "$WEFT" platforms
by_newer qemu "$WEFT" bench run --quick --platform linux/arm64
by_newer bench "$WEFT" bench run --quick --platform linux/arm64

note "what the doctor says of them"
cp newer "$WEFT_STATE_DIR/workers/version"
mkdir "$WEFT_STATE_DIR/workers.old-1-20200101-000000"
"$WEFT" doctor --json >doctor.json 2>/dev/null && fail "the doctor finds nothing wrong with a newer state"
jq -e '[.checks[] | select(.id == "state" and .status == "fail") | .found | contains("weft 9.9.9")] | any' doctor.json >/dev/null ||
    fail "doctor: $(jq -c '.checks[] | select(.id == "state")' doctor.json)"
jq -e '[.checks[] | select(.id == "state" and .subject == "aside" and .status == "warn") |
    .mend == "weft worker remove workers.old-1-20200101-000000"] | any' doctor.json >/dev/null ||
    fail "doctor: $(jq -c '.checks[] | select(.id == "state")' doctor.json)"
rmdir "$WEFT_STATE_DIR/workers.old-1-20200101-000000"
echo 1 >"$WEFT_STATE_DIR/workers/version"

note "a newer BuildKit was here: the state is left to it, and another one is used"
echo v99.0.0 >"$record"
make_layout four
[[ $(stamp four) != "$first" ]] || fail "an older BuildKit was given the state of a newer one"
grep -q "was last used by BuildKit v99.0.0, which is newer than this weft's, $running" four.log || fail "$(cat four.log)"
expect "its version" "$(cat "$record")" v99.0.0
expect "the states" "$("$WEFT" worker list --json | jq -r '[.workers[] | .slot + " " + .status + " " + .buildkit] | join(", ")')" \
    "$slot stopped v99.0.0, $slot.1 idle $running"
make_layout five
expect "the stamp of the other state" "$(stamp five)" "$(stamp four)"
grep -q 'v99.0.0' five.log && fail "it is said again although the worker runs: $(cat five.log)"
"$WEFT" worker stop --all >/dev/null
echo "$running" >"$record"
make_layout six
expect "the stamp, as BuildKit is what it was" "$(stamp six)" "$first"

note "a damaged version: set aside below a name, once nobody uses it; nothing is lost"
echo nonsense >"$WEFT_STATE_DIR/workers/version"
refused 3 "worker $slot still uses it" build --platform linux/amd64 ctx
"$WEFT" worker stop --all >/dev/null
make_layout seven
[[ $(stamp seven) != "$first" ]] || fail "the damaged state was used"
aside=$(basename "$(find "$WEFT_STATE_DIR" -maxdepth 1 -name 'workers.old-unknown-*')")
grep -q "was set aside as $WEFT_STATE_DIR/$aside; .*weft worker remove $aside" seven.log || fail "$(cat seven.log)"
[[ -d $WEFT_STATE_DIR/$aside/$slot/buildkit && -d $WEFT_STATE_DIR/$aside/$slot.1 ]] || fail "it is not all there"
expect "the list" "$("$WEFT" worker list --json | jq -r '[.workers[] | .slot + " " + .status] | join(", ")')" \
    "$slot idle, $aside aside"
make_layout eight
grep -q 'set aside' eight.log && fail "it is said twice"

note "it can be had back, and be removed"
"$WEFT" worker stop --all >/dev/null
mv "$WEFT_STATE_DIR/workers" "$WEFT_STATE_DIR/later"
cp -a "$WEFT_STATE_DIR/$aside" "$WEFT_STATE_DIR/workers"
echo 1 >"$WEFT_STATE_DIR/workers/version"
make_layout nine
expect "the stamp" "$(stamp nine)" "$first"
"$WEFT" worker remove "$aside" >out
grep -q "^$aside: .* freed" out || fail "$(cat out)"
[[ ! -e $WEFT_STATE_DIR/$aside ]] || fail "it is still there"
refused 2 "there is no worker $aside" "$WEFT" worker remove "$aside"
rm -rf "$WEFT_STATE_DIR/later"

note "an ordinary user: set aside and removed, files of other ids too"
if ((EUID == 0)); then
    make_user
    as_user "$HOLD" -s group true >/dev/null
    echo nonsense >"$WEFT_TEST_TMP/u/s/workers/version"
    as_user "$HOLD" -s group true >out 2>err || fail "$(cat err)"
    aside=$(basename "$(find "$WEFT_TEST_TMP/u/s" -maxdepth 1 -name 'workers.old-*')")
    touch "$WEFT_TEST_TMP/u/s/$aside/of-another-id"
    chown "$(awk -F: -v u="$test_user" '$1 == u { print $2 + 5 }' /etc/subuid)" "$WEFT_TEST_TMP/u/s/$aside/of-another-id"
    as_user "$WEFT" worker remove "$aside" >/dev/null
    [[ ! -e $WEFT_TEST_TMP/u/s/$aside ]] || fail "it is still there"

    note "a state of somebody else, and one without rights"
    refused 1 "belongs to another user" env WEFT_STATE_DIR="$WEFT_TEST_TMP/u/s" "$HOLD" group true
    mkdir -p locked/workers
    echo 1 >locked/workers/version
    chown -R "$test_user" locked
    chmod 000 locked/workers/version
    refused 1 "Permission denied" as_user WEFT_STATE_DIR="$WEFT_TEST_TMP/locked" "$HOLD" group true
    grep -q WEFT_STATE_DIR out || fail "no hint: $(cat out)"
    refused 1 "Permission denied" as_user WEFT_STATE_DIR="$WEFT_TEST_TMP/locked" "$WEFT" worker list
fi

note "two wefts at once find one state set aside"
"$WEFT" worker stop --all >/dev/null
echo nonsense >"$WEFT_STATE_DIR/workers/version"
pids=()
for who in linux_amd64 linux_arm64 group; do
    "$HOLD" -s "$who" true >"$who.out" 2>"$who.err" &
    pids+=($!)
done
for pid in "${pids[@]}"; do
    wait "$pid" || fail "$(cat ./*.err)"
done
expect "what was set aside" "$(find "$WEFT_STATE_DIR" -maxdepth 1 -name '*.old-*' | wc -l)" 1
expect "who said so" "$(cat ./*.err | grep -c 'set aside')" 1
