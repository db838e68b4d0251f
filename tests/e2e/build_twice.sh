#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two builds at once on one state, into one layout; and workers that are killed in the middle of a build.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

platforms=linux/amd64,linux/arm64
busybox_base bb linux/amd64 linux/arm64
dockerfile ctx <<'END'
FROM busybox
ARG N
RUN echo "$N" >/n; sleep 0.5
COPY . /c
END
cat >ctx/slow.Dockerfile <<'END'
FROM busybox
ARG N
RUN echo "$N" && sleep 321
END

for who in $(whos); do
    note "as $who"
    [[ $who == root ]] || make_user
    dir=$(work_dir "$who")
    pids=()
    for n in 1 2 3; do
        build_as "$who" --platform $platforms --build-arg "N=$n" -t "app:$n" -o "type=oci,dest=$dir/out,tar=false" ctx >"log$n" 2>&1 &
        pids+=($!)
    done
    for n in 1 2 3; do
        wait "${pids[n - 1]}" || fail "build $n: $(tail "log$n")"
    done
    expect "tags" "$(jq -r '[.manifests[].annotations["org.opencontainers.image.ref.name"]] | sort | join(" ")' "$dir/out/index.json")" "1 2 3"
    for n in 1 2 3; do
        skopeo inspect --raw "oci:$dir/out:$n" >raw.json
        digest=$(jq -r '.manifests[0].digest' raw.json)
        expect "build $n" "$(file_of "$dir/out" "$digest" n)" $n
    done
    expect "workers" "$(as "$who" "$WEFT" worker list --json | jq '.workers | length')" 2

    for victim in buildkitd init; do
        note "kill -9 of $victim"
        rc=0
        build_as "$who" --platform $platforms --build-arg "N=$victim" -f ctx/slow.Dockerfile ctx >log 2>&1 &
        pid=$!
        wait_for 20 eval 'pgrep -f "sleep 321$" >/dev/null' || fail "the step did not start: $(cat log)"
        init=$(as "$who" "$WEFT" worker list --json | jq '.workers[] | select(.slot == "linux_arm64") | .pid')
        case $victim in
        buildkitd) kill -KILL "$(buildkitd_of "$init")" ;;
        init) kill -KILL "$init" ;;
        esac
        # the other platform's step has to be ended as well; it is process 1 of its container: only KILL ends it
        wait_for 10 grep -q '^\[linux/arm64\] failed' log || fail "$(cat log)"
        pkill -KILL -f '^sleep 321' || true
        wait $pid || rc=$?
        expect "exit code" "$rc" 1
        grep -q 'worker linux_arm64 ended during the build' log || fail "$(cat log)"
        wait_for 5 eval '! pgrep -f "sleep 321$" >/dev/null' || fail "a step is left"
        build_as "$who" --platform $platforms --build-arg "N=after $victim" -o "$dir/tree" ctx >log 2>&1 || fail "the next build: $(tail log)"
        expect "its output" "$(cat "$dir/tree/linux_arm64/n")" "after $victim"
    done
    as "$who" "$WEFT" worker stop --all >/dev/null
done
