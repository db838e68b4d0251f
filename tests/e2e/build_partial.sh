#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Some platforms fail: with --allow-partial the rest is written; and in any case the next build runs none of it again.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"
. "$WEFT_SRC_DIR/tests/e2e/registry_lib.sh"

platforms=linux/amd64,linux/arm64,linux/riscv64
# shellcheck disable=SC2086 # three words
busybox_base bb ${platforms//,/ }
# A secret is no part of a step's cache key: what fails once can be made to work without a change.
dockerfile ctx <<'END'
FROM busybox
RUN uname -m >/machine; cat /proc/sys/kernel/random/uuid >/once
RUN --mount=type=secret,id=good [ "$(uname -m)" != aarch64 ] || grep -q yes /run/secrets/good
END
echo no >no
echo yes >yes
registry_start main
addr=$(registry_addr main)

note "without --allow-partial nothing is written"
rc=0
build --platform $platforms --secret id=good,src=no -t "$addr/app" --push -o type=oci,dest=out,tar=false ctx >log 2>&1 || rc=$?
[[ $rc == 1 ]] || fail "exit code $rc: $(tail -n 5 log)"
[[ ! -e out ]] || fail "a layout"
expect "the tag" "$(registry_digest "$addr" app latest)" none

note "with it, what succeeded"
rc=0
mkdir logs
echo mine >victim
ln -s ../victim logs/linux_amd64.log # what stands there is replaced, and not written to
build --platform $platforms --secret id=good,src=no --allow-partial -t "$addr/app" --push -o type=oci,dest=out,tar=false \
    -o files -o type=tar,dest=files.tar --metadata-file m.json --log-dir logs ctx >log 2>&1 || rc=$?
[[ $rc == 1 ]] || fail "exit code $rc: $(tail -n 5 log)"
grep -q 'exit code: 1' log || fail "no report: $(cat log)"
tail -n 1 log | grep -q 'build failed for linux/arm64; without them, as --allow-partial has it, there is ' || fail "$(tail -n 2 log)"
digest=$(digests out)
expect "platforms" "$(image_manifests out | cut -d' ' -f1 | paste -sd' ')" "linux/amd64 linux/riscv64"
expect "attestations" "$(blob out "$digest" | jq '[.manifests[] | select(.platform.os == "unknown")] | length')" 2
"$WEFT_SRC_DIR/tests/oci/validate" out >faults || fail "$(<faults)"
expect "the tag" "$(registry_digest "$addr" app latest)" "$digest"
expect "files" "$(find files -mindepth 1 -maxdepth 1 -printf '%f\n' | sort | paste -sd' ')" "linux_amd64 linux_riscv64"
expect "files of the tar" "$(tar -tf files.tar | cut -d/ -f1 | sort -u | paste -sd' ')" "linux_amd64 linux_riscv64"
expect "the metadata file" "$(jq -r '."containerimage.digest", ([."weft.platforms"[] | select(.failed) | .platform] | join(" "))' m.json | paste -sd' ')" \
    "$digest linux/arm64"
jq -r '."weft.platforms"[1].failed' m.json | grep -q 'exit code: 1' || fail "no reason: $(cat m.json)"

note "a log for each platform"
expect "logs" "$(find logs -type f -printf '%f\n' | sort | paste -sd' ')" "linux_amd64.log linux_arm64.log linux_riscv64.log"
expect "what a link in their place led to" "$(<victim)" mine
for platform in amd64 arm64 riscv64; do
    grep -q 'RUN uname -m' "logs/linux_$platform.log" || fail "$platform: $(<"logs/linux_$platform.log")"
    expect "failures of $platform" "$(grep -c '^linux/.* failed at ' "logs/linux_$platform.log")" "$([[ $platform == arm64 ]] && echo 1 || echo 0)"
done
grep -q 'exit code: 1' logs/linux_arm64.log || fail "$(<logs/linux_arm64.log)"

note "what failed is said, too, where the registry then refuses the tag"
faults_start proxy main
rc=0
faults proxy '{"method": "PUT", "path": "/manifests/latest", "do": "answer", "status": 403, "times": 9}'
build --platform $platforms --secret id=good,src=no --allow-partial -t "$(registry_addr proxy)/app" --push ctx >log 2>&1 || rc=$?
[[ $rc == 1 ]] || fail "exit code $rc: $(tail -n 5 log)"
grep -q 'weft: error: .*status 403' log || fail "no reason: $(tail -n 3 log)"
grep -q '^linux/arm64 failed at ' log || fail "the platform's failure is not shown: $(cat log)"
expect "the tag" "$(registry_digest "$addr" app latest)" "$digest"

note "where all fail, nothing is"
rc=0
build --platform linux/arm64 --secret id=good,src=no --allow-partial -o type=oci,dest=none.tar ctx >log 2>&1 || rc=$?
[[ $rc == 1 ]] || fail "exit code $rc: $(tail -n 5 log)"
[[ ! -e none.tar ]] || fail "an index without platforms"
grep -q 'build failed for linux/arm64; no output was written' log || fail "$(tail -n 2 log)"

note "the next build takes what there is from the cache, also of platforms that failed later on"
build --platform $platforms --secret id=good,src=yes --allow-partial -t "$addr/app" --push -o type=oci,dest=all,tar=false --iidfile iid ctx >log 2>&1 || fail "$(tail log)"
for platform in linux/amd64 linux/riscv64; do
    manifest=$(image_manifests out | sed -n "s|^$platform ||p")
    expect "$platform" "$(image_manifests all | sed -n "s|^$platform ||p")" "$manifest"
    grep -q "^\[$platform\] done: 2 steps, 2 cached" log || fail "$(grep "^\[$platform\] done" log)"
done
grep -q '^\[linux/arm64\] done: 2 steps, 1 cached' log || fail "$(grep '^\[linux/arm64\] done' log)"
expect "the tag" "$(registry_digest "$addr" app latest)" "$(digests all)"
expect "--iidfile" "$(<iid)" "$(digests all)"
no_trace . s/builds
