#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# weft du and weft prune: workers that run and that do not, sums that are those of BuildKit and of du(1), filters,
# limits for all caches together, and a build that goes on meanwhile.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

busybox_base bb linux/amd64 linux/arm64
dockerfile ctx <<'END'
FROM busybox
RUN --mount=type=cache,target=/c dd if=/dev/urandom of=/big1 bs=1M count=12 2>/dev/null; echo x >/c/y
RUN dd if=/dev/urandom of=/big2 bs=1M count=6 2>/dev/null
END
dockerfile slow <<'END'
FROM busybox
RUN --mount=type=cache,target=/d touch /d/begun; sleep 4; echo done >/x
END

# weft ARG...: as $who
weft()
{
    as "$who" "$WEFT" "$@"
}

# status SLOT
status()
{
    weft worker list --json | jq -r --arg s "$1" '.workers[] | select(.slot == $s) | .status'
}

# ids [FLAG...]: what du lists, "SLOT TYPE" a line
ids()
{
    weft du --format=json "$@" | jq -r '.Worker + " " + .Type' | sort
}

total()
{
    weft du --json | jq .totals.total_bytes
}

note "what is not understood"
who=root
for wrong in 'du x' 'du --filter size=1' 'du --json --verbose' 'du --format {{.ID}}' 'du --worker none' 'prune x' \
    'prune --filter until=24' 'prune --json' 'prune --max-used-space 10%' \
    'prune --keep-storage 1g --reserved-space 1g'; do
    rc=0
    # shellcheck disable=SC2086 # words are meant
    weft $wrong >log 2>&1 </dev/null || rc=$?
    expect "exit code of $wrong" "$rc" 2
done

for who in $(whos); do
    note "as $who: nothing there"
    [[ $who == root ]] || make_user
    dir=$(work_dir "$who")
    weft du >log 2>&1 || fail "$(cat log)"
    grep -q '^Total: *0B$' log || fail "$(cat log)"
    weft prune --force >log 2>&1 || fail "$(cat log)"
    expect "what is said" "$(cat log)" "Total:  0B"

    note "one worker runs, one does not: both are asked, and left as they were"
    build_as "$who" --platform linux/amd64,linux/arm64 ctx >log 2>&1 || fail "$(cat log)"
    weft worker stop linux_arm64 >/dev/null
    pid=$(weft worker list --json | jq '.workers[0].pid')
    as "$who" "$WEFT_LIBEXEC/buildctl" --addr "unix://$dir/r/workers/linux_amd64/buildkitd.sock" \
        du --format '{{range .}}{{.ID}} {{.Size}}{{"\n"}}{{end}}' | grep . | sort >buildctl
    weft du --json >du.json 2>log || fail "$(cat log)"
    jq -r '.workers[] | select(.slot == "linux_amd64") | .records[] | "\(.id) \(.size_bytes)"' du.json | sort |
        diff buildctl - || fail "it is not what buildctl says"
    expect "slots" "$(jq -r '.workers[].slot' du.json | xargs)" "linux_amd64 linux_arm64"
    expect "sum of both" "$(jq '[.workers[].records[].size_bytes] | add' du.json)" "$(jq .totals.total_bytes du.json)"
    (($(jq '.workers[1].totals.total_bytes' du.json) > 18000000)) || fail "$(cat du.json)"
    expect "the one that was stopped" "$(status linux_arm64)" stopped
    expect "the other" "$(weft worker list --json | jq '.workers[0].pid')" "$pid"
    expect "its idle time" "$(cut -d ' ' -f 1 "$dir/r/workers/linux_amd64/wishes")" 600000
    weft du >log || fail "$(cat log)"
    for line in linux_amd64 '^ID  *RECLAIMABLE  *SIZE  *LAST ACCESSED$' ' true  *12\.[0-9]*MB .* ago$' '^All workers$' \
        '^Reclaimable: .*MB$' '^qemu .*copies of QEMU' '^workers/linux_arm64 ' '^Budget of all caches: .*; free: '; do
        grep -q -- "$line" log || fail "no $line: $(cat log)"
    done
    weft du --verbose --worker linux_arm64 >log
    grep -q '^Description:  cached mount /c from exec' log || fail "$(cat log)"
    ! grep -q 'amd64\|^On disk' log || fail "$(cat log)"

    note "the sum of the parts is what du(1) says"
    weft worker stop --all >/dev/null
    weft du --json >du.json
    if [[ $who == root ]]; then
        expect "bytes" "$(jq .state.size_bytes du.json)" "$(du -s --block-size=1 "$dir/s" | cut -f 1)"
    fi
    (($(jq .state.size_bytes du.json) > 36000000)) || fail "$(cat du.json)"

    note "a worker that does not run is pruned, and does not run then"
    weft prune --force --worker linux_arm64 --filter type=source.local >log 2>&1 || fail "$(cat log)"
    grep -q '^linux_arm64$' log || fail "$(cat log)"
    expect "the worker" "$(status linux_arm64)" stopped

    build_as "$who" --platform linux/amd64,linux/arm64 ctx >log 2>&1 || fail "$(cat log)" # they run again

    if [[ $who == root ]]; then # for others it is the same, and takes as long
        note "filters"
        expect "cache mounts" "$(ids --filter type=exec.cachemount | xargs)" \
            "linux_amd64 exec.cachemount linux_arm64 exec.cachemount"
        expect "by description" "$(ids --filter 'description~=^cached mount /c' --filter private --worker linux_amd64)" \
            "linux_amd64 exec.cachemount"
        expect "in use" "$(ids --filter inuse)" ""
        expect "old ones" "$(ids --filter until=1h)" ""
        (($(ids --filter until=0s | wc -l) > 6)) || fail "$(ids --filter until=0s)"

        note "prune asks; no answer is none"
        before=$(total)
        weft prune </dev/null >log 2>&1 || fail "exit code $?"
        grep -q 'WARNING! This will remove all dangling build cache. .* \[y/N\]' log || fail "$(cat log)"
        grep -q 'nothing was removed' log || fail "$(cat log)"
        echo yes | weft prune --all >log 2>&1 || fail "exit code $?"
        grep -q 'WARNING! This will remove all build cache. ' log || fail "$(cat log)"
        expect "what is there" "$(total)" "$before"
        echo y | weft prune --filter type=exec.cachemount --worker linux_amd64 >log 2>&1 || fail "$(cat log)"
        expect "cache mounts" "$(ids --filter type=exec.cachemount)" "linux_arm64 exec.cachemount"
        weft prune --force --filter until=1h >log 2>&1 || fail "$(cat log)"
        expect "what was old" "$(cat log)" "Total:  0B"

        note "limits are for both together: the larger one shrinks first"
        build_as "$who" --platform linux/amd64 --no-cache ctx >log 2>&1 || fail "$(cat log)"
        weft prune --force --json --max-used-space 46m >pruned.json 2>log || fail "$(cat log)"
        expect "whose" "$(jq -r '.removed[].worker' pruned.json | sort -u)" linux_amd64
        (($(total) <= 46 * 1024 * 1024)) || fail "$(total) bytes"
        (($(total) > 24 * 1024 * 1024)) || fail "$(total) bytes: it removed too much"
        before=$(total)
        weft prune --force --reserved-space 46m >log 2>&1 || fail "$(cat log)"
        expect "less than is reserved" "$(total)" "$before"
        weft prune --force --min-free-space 1 >log 2>&1 || fail "$(cat log)"
        expect "so much is free" "$(total)" "$before"
        weft prune --force --keep-storage 46m >log 2>&1 || fail "$(cat log)"
        grep -q 'warning: --keep-storage is deprecated' log || fail "$(cat log)"
        expect "less than is kept" "$(total)" "$before"
        weft prune --force --min-free-space 1000t --reserved-space 16m >log 2>&1 || fail "$(cat log)"
        (($(total) <= 16 * 1024 * 1024)) || fail "$(total) bytes"
    fi

    note "a build goes on while its worker is pruned"
    as "$who" "$WEFT" build --progress=plain --platform linux/amd64 -o "type=local,dest=$dir/out" \
        --build-context "busybox=oci-layout://$WEFT_TEST_TMP/bb:latest" slow >build.log 2>&1 &
    building=$!
    wait_for 10 grep -q 'RUN .*sleep' build.log || fail "$(cat build.log)"
    weft prune --all --force >log 2>&1 || fail "$(cat log)"
    wait $building || fail "$(cat build.log)"
    expect "what was built" "$(cat "$dir/out/x")" "done"

    note "all of it, and what killed builds have left"
    as "$who" mkdir "$dir/s/builds/.build.weft-AbCdEf"
    as "$who" dd if=/dev/zero of="$dir/s/builds/.build.weft-AbCdEf/x" bs=1M count=1 2>/dev/null
    weft prune --all --force >log 2>&1 || fail "$(cat log)"
    grep -q 'files of builds that were killed: 1.0' log || fail "$(cat log)"
    [[ ! -e $dir/s/builds/.build.weft-AbCdEf ]] || fail "it is there still"
    expect "bytes" "$(total)" 0
    build_as "$who" --platform linux/amd64,linux/arm64 ctx >log 2>&1 || fail "the next build: $(cat log)"
    weft worker stop --all >/dev/null
    expect "processes left" "$(worker_processes "$dir/r/")" ""
    rm -rf "$dir/out"
done
