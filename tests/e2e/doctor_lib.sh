# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the tests of `weft doctor` share, on top of build_lib.sh. Sourced, never run.

. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

busybox_base bb linux/amd64
dockerfile ctx <<'END'
FROM busybox
RUN echo here >/made
END
touch ctx/.dockerignore
chmod -R a+rX "$WEFT_TEST_TMP"/{bb,ctx}

# agrees WHAT works|fails FAILED_IDS COMMAND_PREFIX...: runs doctor and a build, each behind the prefix;
# "" for no failed line. The report stays in doctor.json, what the build said in build.out.
agrees()
{
    local what=$1 verdict=$2 ids=$3 rc=0 build_rc=0 took
    shift 3
    note "$what"
    took=$(date +%s%N)
    "$@" "$WEFT" doctor --json >doctor.json 2>doctor.err || rc=$?
    took=$((($(date +%s%N) - took) / 1000000))
    [[ ! -s doctor.err ]] || fail "$what: it said: $(cat doctor.err)"
    jq -e '.schema == 1' doctor.json >/dev/null || fail "$what: no JSON: $(cat doctor.json)"
    ((took < 8000)) || fail "$what: it took $took ms"
    expect "$what: lines that fail" "$(status_ids fail)" "$ids"
    "$@" "$WEFT" build --progress=plain --platform=linux/amd64 --worker-idle=0 --build-context \
        "busybox=oci-layout://$WEFT_TEST_TMP/bb:latest" "$WEFT_TEST_TMP/ctx" >build.out 2>&1 || build_rc=$?
    if [[ $verdict == works ]]; then
        expect "$what: exit code of doctor" "$rc" 0
        expect "$what: the build ($(tail -n 5 build.out)), exit code" "$build_rc" 0
        expect "$what: works" "$(jq .works doctor.json)" true
    else
        expect "$what: exit code of doctor" "$rc" 3
        ((build_rc != 0)) || fail "$what: doctor says that no build works, and one did"
        expect "$what: works" "$(jq .works doctor.json)" false
    fi
}

# status_ids STATUS: ids of the lines of doctor.json that have it, joined by blanks.
status_ids()
{
    jq -r --arg s "$1" '[.checks[] | select(.status == $s) | .id] | unique | join(" ")' doctor.json
}

# line ID FIELD: of doctor.json.
line()
{
    jq -r --arg id "$1" --arg field "$2" '[.checks[] | select(.id == $id)][0][$field] // ""' doctor.json
}

# says ID FIELD TEXT
says()
{
    [[ $(line "$1" "$2") == *"$3"* ]] || fail "line $1 should say '$3' as $2: $(jq -c --arg id "$1" '.checks[] | select(.id == $id)' doctor.json)"
}
