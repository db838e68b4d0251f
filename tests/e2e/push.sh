#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# weft push, into a registry that works: what arrives, what is not sent again, what is mounted, and
# what is refused before anything is sent. push_auth.sh and push_faults.sh have the rest.
. "$WEFT_SRC_DIR/tests/e2e/lib.sh"
. "$WEFT_SRC_DIR/tests/e2e/registry_lib.sh"

need jq skopeo

make_layout()
{
    python3 "$WEFT_SRC_DIR/tests/e2e/push_layout.py" "$@"
}

platforms=(linux/amd64 linux/arm64 linux/arm/v7 linux/s390x linux/riscv64)
# a config and a layer of its own for each platform and each attestation, and the base layers
blobs=$((5 * 2 + 5 * 2 + 5))

# complete ADDR REPOSITORY TAG LAYOUT: the tag is this layout's image, with all that belongs to it.
complete()
{
    local got=$WEFT_TEST_TMP/got
    rm -rf "$got"
    skopeo copy -q --all --src-tls-verify=false "docker://$1/$2:$3" "oci:$got:latest" ||
        fail "$2:$3 is not complete"
    expect "digest of $2:$3" "$(index_digest "$got")" "$(index_digest "$4")"
    diff <(ls "$got/blobs/sha256") <(ls "$4/blobs/sha256") || fail "$2:$3 has other blobs"
}

registry_start r
addr=$(registry_addr r)
make_layout "$WEFT_TEST_TMP/one" "${platforms[@]}"
root=$(index_digest "$WEFT_TEST_TMP/one")

note "five platforms and their attestations arrive as they are"
"$WEFT" push "$WEFT_TEST_TMP/one" "$addr/app:1" >"$WEFT_TEST_TMP/out" 2>"$WEFT_TEST_TMP/err"
expect "standard output" "$(<"$WEFT_TEST_TMP/out")" ""
grep -q -F "pushed $addr/app:1@$root (blobs: $blobs sent, 0 mounted, 0 there already; " "$WEFT_TEST_TMP/err" ||
    fail "$(<"$WEFT_TEST_TMP/err")"
complete "$addr" app 1 "$WEFT_TEST_TMP/one"
for platform in "${platforms[@]}"; do
    IFS=/ read -r os arch variant <<<"$platform"
    skopeo inspect --tls-verify=false --config --override-os "$os" --override-arch "$arch" ${variant:+--override-variant "$variant"} \
        "docker://$addr/app:1" | jq -e --arg arch "$arch" '.architecture == $arch' >/dev/null ||
        fail "$platform is not what its name says"
done
for digest in "$root" $(jq -r '.manifests[].digest' "$WEFT_TEST_TMP/one/blobs/sha256/${root#sha256:}"); do
    curl -s -f -H 'Accept: application/vnd.oci.image.index.v1+json' -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
        "http://$addr/v2/app/manifests/$digest" | cmp - "$WEFT_TEST_TMP/one/blobs/sha256/${digest#sha256:}"
done

note "a second push sends no blob"
registry_mark r
expect "digest of --quiet" "$("$WEFT" push -q "$WEFT_TEST_TMP/one:latest" "$addr/app:1" 2>"$WEFT_TEST_TMP/err")" "$root"
expect "standard error of --quiet" "$(<"$WEFT_TEST_TMP/err")" ""
expect "uploads of a second push" "$(registry_uploads r)" 0
expect "questions of a second push" "$(registry_requests r '^HEAD /v2/app/blobs/.* 200$')" "$blobs"

note "what has changed is sent, and nothing else; the tag is the last request"
make_layout "$WEFT_TEST_TMP/two" --seed 2 "${platforms[@]}"
registry_mark r
"$WEFT" push --json "$WEFT_TEST_TMP/two" "$addr/app:1" >"$WEFT_TEST_TMP/out"
jq -e --arg digest "$(index_digest "$WEFT_TEST_TMP/two")" --arg name "$addr/app:1" \
    '.schema == 1 and .digest == $digest and .names == [$name] and .sent_bytes > 0 and
     .blobs == {sent: 20, mounted: 0, there: 5}' "$WEFT_TEST_TMP/out" >/dev/null || fail "$(<"$WEFT_TEST_TMP/out")"
expect "the last request" "$(registry_log r | tail -n 1)" "PUT /v2/app/manifests/1 201"
complete "$addr" app 1 "$WEFT_TEST_TMP/two"

note "several names: one upload for a repository, and mounts in another one"
registry_mark r
"$WEFT" push "$WEFT_TEST_TMP/two" "$addr/app:2" "$addr/app" "$addr/other/app:1" 2>"$WEFT_TEST_TMP/err"
grep -q -F "(blobs: 0 sent, $blobs mounted, $blobs there already; 0 B)" "$WEFT_TEST_TMP/err" || fail "$(<"$WEFT_TEST_TMP/err")"
expect "uploads" "$(registry_requests r '^(PUT|PATCH) .*/blobs/uploads/')" 0
expect "mounts" "$(registry_requests r '^POST /v2/other/app/blobs/uploads/ 201$')" "$blobs"
for name in app:2 app:latest other/app:1; do
    complete "$addr" "${name%:*}" "${name#*:}" "$WEFT_TEST_TMP/two"
    grep -q -F "pushed $addr/$name@" "$WEFT_TEST_TMP/err" || fail "does not say $name"
done

note "what an earlier run has pushed is mounted; its memory may be lost"
registry_mark r
"$WEFT" push "$WEFT_TEST_TMP/two" "$addr/third" 2>"$WEFT_TEST_TMP/err"
expect "uploads" "$(registry_requests r '^(PUT|PATCH) .*/blobs/uploads/')" 0
memory=$WEFT_STATE_DIR/registry/blobs.json
jq -e '.schema == 1 and (.blobs | length > 20)' "$memory" >/dev/null || fail "$memory"
echo '{"schema":1,"blobs":[' >"$memory"
"$WEFT" push "$WEFT_TEST_TMP/two" "$addr/fourth" 2>"$WEFT_TEST_TMP/err"
grep -q -F "blobs.json.bad" "$WEFT_TEST_TMP/err" || fail "a damaged memory is not mentioned: $(<"$WEFT_TEST_TMP/err")"
complete "$addr" fourth latest "$WEFT_TEST_TMP/two"
jq -e '.blobs | length > 20' "$memory" >/dev/null || fail "nothing was remembered afterwards"

note "two pushes of one tag at once: one of them remains, whole"
for try in 1 2 3; do
    for seed in a b; do
        make_layout "$WEFT_TEST_TMP/race-$seed" --seed "$try$seed" --base "$try" linux/amd64 linux/arm64
    done
    for seed in a b; do
        "$WEFT" push -q "$WEFT_TEST_TMP/race-$seed" "$addr/race:1" >"$WEFT_TEST_TMP/out-$seed" 2>&1 &
        eval "pid_$seed=$!"
    done
    # shellcheck disable=SC2154 # set above
    wait "$pid_a" || fail "$(<"$WEFT_TEST_TMP/out-a")"
    # shellcheck disable=SC2154
    wait "$pid_b" || fail "$(<"$WEFT_TEST_TMP/out-b")"
    seed=a
    [[ $(registry_digest "$addr" race 1) == $(<"$WEFT_TEST_TMP/out-a") ]] || seed=b
    complete "$addr" race 1 "$WEFT_TEST_TMP/race-$seed"
    rm -r "$WEFT_TEST_TMP"/race-?
done

# refused CODE TEXT ARGUMENT...: the command fails, says why, and sends nothing.
refused()
{
    local code=$1 text=$2 rc=0
    shift 2
    registry_mark r
    "$WEFT" push "$@" >"$WEFT_TEST_TMP/out" 2>"$WEFT_TEST_TMP/err" || rc=$?
    expect "exit code of push $*" "$rc" "$code"
    grep -q -F -- "$text" "$WEFT_TEST_TMP/err" || fail "push $*: no '$text' in: $(<"$WEFT_TEST_TMP/err")"
    expect "what was written by push $*" "$(registry_requests r '^(PUT|PATCH) ')" 0
}

note "a wrong command line"
refused 2 'a layout and a reference'
refused 2 'a layout and a reference' "$WEFT_TEST_TMP/one"
refused 2 'no image with the tag v7' "$WEFT_TEST_TMP/one:v7" "$addr/app"
refused 2 'one of its tags: latest' "$WEFT_TEST_TMP/one:v7" "$addr/app"
refused 2 'No such file' "$WEFT_TEST_TMP/none" "$addr/app"
refused 2 'not an OCI layout' "$WEFT_TEST_TMP" "$addr/app"
refused 2 'has to be lower case' "$WEFT_TEST_TMP/one" "$addr/App"
refused 2 'the digest comes from what is pushed' "$WEFT_TEST_TMP/one" "$addr/app@$root"
refused 2 '--insecure' --insecur "$WEFT_TEST_TMP/one" "$addr/app"

note "a damaged layout: the file is named, and the tag stays"
make_layout "$WEFT_TEST_TMP/damaged" --seed d --base d linux/amd64 linux/arm64
old=$(registry_digest "$addr" app 1)
cd "$WEFT_TEST_TMP/damaged/blobs/sha256"
manifest=$(jq -r '.manifests[1].digest' "$(index_digest ../.. | cut -d: -f2)")
layer=$(jq -r '.layers[-1].digest' "${manifest#sha256:}")
cd "$WEFT_TEST_TMP"
# failed TEXT: a push of the layout ends with this error.
failed()
{
    local rc=0
    "$WEFT" push "$WEFT_TEST_TMP/damaged" "$addr/app:1" 2>"$WEFT_TEST_TMP/err" || rc=$?
    expect "exit code" "$rc" 1
    grep -q -F -- "$1" "$WEFT_TEST_TMP/err" || fail "no '$1' in: $(<"$WEFT_TEST_TMP/err")"
    expect "tag" "$(registry_digest "$addr" app 1)" "$old"
}
file=$WEFT_TEST_TMP/damaged/blobs/sha256/${layer#sha256:}
printf X | dd of="$file" bs=1 seek=20 conv=notrunc status=none
failed "push $addr/app:1: $file: expected $layer"
rm "$file"
failed "$file: No such file"
rm "$WEFT_TEST_TMP/damaged/blobs/sha256/${manifest#sha256:}"
failed "${manifest#sha256:}: No such file"

note "no registry where one is said to be"
registry_kill r
rc=0
"$WEFT" push "$WEFT_TEST_TMP/one" "$addr/app:1" 2>"$WEFT_TEST_TMP/err" || rc=$?
expect "exit code" "$rc" 1
grep -q -F "$addr" "$WEFT_TEST_TMP/err" || fail "$(<"$WEFT_TEST_TMP/err")"
