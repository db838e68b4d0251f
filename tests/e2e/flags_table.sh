#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every flag and variable that `weft build` shares with `docker buildx build`, and what it does: to the image, the
# files, the output, or the exit code. A flag without a row fails, and so does one that is neither there nor in the
# table of docs/buildx.md.
# shellcheck disable=SC2034,SC2317  # the commands of the table are evaluated
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

need git
busybox_base bb linux/amd64 linux/arm64
export BUILDX_GIT_INFO=false
native=linux/$(dpkg --print-architecture)
flags=$WEFT_SRC_DIR/tests/data/buildx/flags

mkdir -p ctx extra bin
dockerfile ctx <<'END'
# first is where it begins
FROM busybox AS first
# A says something
ARG A=default
RUN echo "$A" >/a; cat /etc/hosts >/hosts; ulimit -n >/nofile; grep -c : /proc/net/dev >/nets; \
    df -k /dev/shm | tail -n 1 | tr -s ' ' | cut -d' ' -f2 >/shm; cat /proc/sys/kernel/random/uuid >/uuid
FROM first AS last
RUN cat /proc/sys/kernel/random/uuid >/uuid2
LABEL own=file
END
printf 'FROM busybox\nRUN --network=host echo asked >/asked\n' >ctx/asks
printf 'FROM busybox\nCOPY --from=extra x /x\n' >ctx/named
printf 'FROM busybox\nRUN --mount=type=secret,id=s,required md5sum </run/secrets/s >/sum\n' >ctx/secret
printf 'FROM busybox\nMAINTAINER nobody\n' >ctx/warns
printf 'FROM busybox\nRUN false\n' >ctx/fails
echo extra >extra/x
echo hush >extra/hush
mkdir repo
printf 'FROM busybox\nCOPY Dockerfile /\n' >repo/Dockerfile
git -C repo init -q
git -C repo remote add origin https://me:hunter2@example.invalid/x.git
git -C repo add Dockerfile
git -C repo -c user.name=t -c user.email=t@example.invalid commit -q -m first
mkdir repo/sub
echo more >repo/untracked
cp repo/Dockerfile repo/sub
# git says more of it than is read of a program, 1 MiB
cp -r repo many
printf '*\n!Dockerfile\n' >many/.dockerignore
(cd many && printf "$(printf 'x%.0s' {1..200})%s\n" {1..5500} | xargs touch)
oci="-o type=oci,dest=out,tar=false"

# The image that was built last, when there is one.
manifest()
{
    local digest
    digest=$(digests out)
    if blob out "$digest" | jq -e .manifests >/dev/null; then
        digest=$(image_manifests out | head -n 1 | cut -d' ' -f2)
    fi
    blob out "$digest" | jq -r "$1"
}

config()
{
    blob out "$(manifest .config.digest)" | jq -r "$1"
}

file()
{
    local digest
    digest=$(digests out)
    if blob out "$digest" | jq -e .manifests >/dev/null; then
        digest=$(image_manifests out | head -n 1 | cut -d' ' -f2)
    fi
    file_of out "$digest" "$1"
}

# The types of all attestations.
predicates()
{
    local digest
    for digest in $(blob out "$(digests out)" | jq -r '.manifests[]? | select(.platform.os == "unknown").digest'); do
        blob out "$digest" | jq -r '.layers[].annotations."in-toto.io/predicate-type"'
    done
}

# The statement of the first attestation.
statement()
{
    local digest
    digest=$(blob out "$(digests out)" | jq -r 'first(.manifests[] | select(.platform.os == "unknown")).digest')
    blob out "$(blob out "$digest" | jq -r '.layers[0].digest')"
}

# keep NAME: a file of the image, for the next row.
keep()
{
    file "$1" >"kept-$1"
}

changed()
{
    ! file "$1" | cmp -s - "kept-$1"
}

# Flag or variable | exit code, or "see" | command, or the test that has it | what shows the effect
table()
{
    cat <<'END'
--add-host | 0 | build $oci --add-host db=10.0.0.7 ctx | file hosts | tr '\t' ' ' | grep -q '^10.0.0.7  *db$'
--allow | 1 | build -f ctx/asks ctx | grep -q 'network.host is not allowed' log
--allow | 0 | build $oci -f ctx/asks --allow network.host ctx | [[ $(file asked) == asked ]]
--annotation | see | build_annotate |
--attest | 0 | build $oci --attest type=provenance,mode=max ctx | predicates | grep -q '^https://slsa.dev/provenance/'
--build-arg | 0 | build $oci --build-arg A=given ctx | [[ $(file a) == given ]]
--build-arg | 1 | build --check --build-arg BUILDKIT_DOCKERFILE_CHECK=error=true -f ctx/warns ctx | grep -q '^Check complete, 1 warning has been found!$' said
--build-arg | 1 | build --build-arg BUILDKIT_DOCKERFILE_CHECK=error=true -f ctx/warns ctx | grep -q 'lint violation' log
--build-context | 0 | build $oci --build-context extra=extra -f ctx/named ctx | [[ $(file x) == extra ]]
--build-context | see | build_remote |
--cache-from | see | build_cache |
--cache-to | see | build_cache |
--call | 0 | build --call targets ctx | cmp said want-targets
--call | 0 | build --call outline,format=json ctx | [[ $(jq -r '.args[0].name + .args[0].description' said) == 'Asays something' ]]
--call | 0 | build --call subrequests.describe --platform linux/arm64,linux/s390x ctx | grep -q '^outline  *1' said
--call | 0 | unset_progress -q --call check,ignorestatus=true -f ctx/warns ctx | grep -q '^WARNING: MaintainerDeprecated' said && [[ ! -s log ]]
--check | 0 | build --check -o out ctx | [[ $(cat said) == 'Check complete, no warnings found.' && ! -e out ]]
--check | 1 | build --check -f ctx/warns ctx | grep -q '^WARNING: MaintainerDeprecated' said && ! grep -q 'weft: error' log
--compress | 0 | build --compress --call targets ctx | grep -q -e '--compress does nothing' log
--debug | 0 | build -D --call targets ctx | grep -q 'requestid=frontend.targets' log
--file | 0 | build $oci -f ctx/warns ctx | [[ $(config .author) == nobody ]]
--file | 0 | build $oci -f - ctx <ctx/warns | [[ $(config .author) == nobody ]]
--file | 0 | build $oci -f warns - < <(tar -C ctx -c .) | [[ $(config .author) == nobody ]]
--file | see | build_remote |
--force-rm | 0 | build --force-rm --call targets ctx | grep -q -e '--force-rm does nothing' log
--help | 0 | build --help | grep -q '^usage: weft build' said
--iidfile | 0 | build $oci --iidfile iid ctx | [[ $(cat iid) == "$(manifest .config.digest)" ]]
--isolation | 0 | build --isolation default --call targets ctx | grep -q -e '--isolation does nothing' log
--label | 0 | build $oci --label own=flag --label more ctx | [[ $(config '.config.Labels | .own + "," + .more') == flag, ]]
--load | see | build_load |
--metadata-file | 0 | build $oci --metadata-file meta ctx | [[ $(jq -r '."containerimage.digest"' meta) == "$(digests out)" ]]
--network | 0 | build $oci --network none ctx | [[ $(file nets) == 1 ]]
--no-cache | 0 | build $oci ctx | keep uuid && keep uuid2
--no-cache | 0 | build $oci ctx | ! changed uuid && ! changed uuid2
--no-cache | 0 | build $oci --no-cache ctx | changed uuid && keep uuid && keep uuid2
--no-cache-filter | 0 | build $oci --no-cache-filter last ctx | ! changed uuid && changed uuid2
--output | 0 | build -o out ctx | [[ $(cat out/a) == default ]]
--output | 0 | build -o - ctx | [[ $(tar -xOf said ./a 2>/dev/null || tar -xOf said a) == default ]]
--platform | 0 | build $oci --platform linux/arm64,$native ctx | [[ $(image_manifests out | cut -d' ' -f1 | paste -sd,) == "linux/arm64,$native" ]]
--print | 0 | build --print targets ctx | cmp said want-targets
--progress | 0 | build --progress rawjson --call targets ctx | jq -es 'map(select(.vertexes)) | length > 0' log >/dev/null
--progress | 0 | build --progress none $oci ctx | [[ ! -s log && ! -s said ]]
--progress | 0 | build --progress quiet $oci ctx | [[ $(cat said) == "$(manifest .config.digest)" && ! -s log ]]
--provenance | 0 | build $oci --provenance true ctx | predicates | grep -q '^https://slsa.dev/provenance/'
--provenance | 0 | build $oci --provenance false --platform linux/arm64,$native ctx | [[ -z $(predicates) ]]
--pull | 0 | build -D --pull --call targets ctx | grep -q 'image-resolve-mode=pull' log
--push | see | build_push |
--quiet | 0 | unset_progress -q $oci ctx | [[ $(cat said) == "$(manifest .config.digest)" && ! -s log ]]
--rm | 0 | build --rm=false --call targets ctx | grep -q -e '--rm does nothing' log
--sbom | see | build_attest |
--secret | 1 | build -f ctx/secret ctx | grep -q 'secret s: not found' log
--secret | 0 | build $oci --secret id=s,src=extra/hush -f ctx/secret ctx | [[ $(file sum) == "$(md5sum <extra/hush)" ]]
--security-opt | 0 | build --security-opt seccomp=unconfined --call targets ctx | grep -q -e '--security-opt does nothing' log
--shm-size | 0 | build $oci --shm-size 12m ctx | [[ $(file shm) == 12288 ]]
--squash | 0 | build --squash --call targets ctx | grep -q -e '--squash does nothing' log
--ssh | see | build_flags |
--ssh | see | build_remote |
--tag | 0 | build $oci -t app:1 -t x.invalid/app ctx | [[ $(jq -r '.manifests[].annotations."io.containerd.image.name"' out/index.json | paste -sd,) == docker.io/library/app:1,x.invalid/app:latest ]]
--target | 0 | build $oci --target first ctx | file uuid >/dev/null && ! file uuid2
--ulimit | 0 | build $oci --ulimit nofile=100:200 ctx | [[ $(file nofile) == 100 ]]
BUILDKIT_PROGRESS | 0 | BUILDKIT_PROGRESS=rawjson unset_progress --call targets ctx | jq -es 'map(select(.vertexes)) | length > 0' log >/dev/null
BUILDX_GIT_INFO | 0 | BUILDX_GIT_INFO=true build $oci --provenance true repo | statement | jq -e '.. | strings | select(contains("example.invalid/x.git"))' >/dev/null && ! statement | grep -q hunter2
BUILDX_GIT_LABELS | 0 | BUILDX_GIT_LABELS=1 build $oci repo | [[ $(config '.config.Labels."org.opencontainers.image.revision"') == "$(git -C repo rev-parse HEAD)" ]]
BUILDX_GIT_LABELS | 0 | GIT_TEST_ASSUME_DIFFERENT_OWNER=1 BUILDX_GIT_LABELS=1 build $oci -f repo/Dockerfile repo/sub | grep -q 'dubious ownership.*safe.directory' log
BUILDX_GIT_CHECK_DIRTY | 0 | BUILDX_GIT_LABELS=1 BUILDX_GIT_CHECK_DIRTY=1 build $oci repo | config '.config.Labels."org.opencontainers.image.revision"' | grep -q -e '-dirty$'
BUILDX_GIT_CHECK_DIRTY | 0 | BUILDX_GIT_LABELS=1 BUILDX_GIT_CHECK_DIRTY=1 build $oci many | config '.config.Labels."org.opencontainers.image.revision"' | grep -q -e '-dirty$'
BUILDX_METADATA_PROVENANCE | 0 | build --metadata-file meta ctx | [[ $(jq -r '."buildx.build.provenance" | has("buildType"), has("buildConfig")' meta | paste -sd,) == true,false ]]
BUILDX_METADATA_PROVENANCE | 0 | BUILDX_METADATA_PROVENANCE=max build --metadata-file meta --platform linux/arm64,$native ctx | [[ $(jq -r '."buildx.build.provenance/linux/arm64" | has("buildConfig")' meta) == true ]]
BUILDX_METADATA_PROVENANCE | 0 | BUILDX_METADATA_PROVENANCE=0 build --metadata-file meta ctx | [[ $(jq '[keys[] | select(startswith("buildx"))] | length' meta) == 0 ]]
BUILDX_METADATA_WARNINGS | 0 | BUILDX_METADATA_WARNINGS=1 build --metadata-file meta -f ctx/warns ctx | jq -r '."buildx.build.warnings"[0].short' meta | base64 -d | grep -q MaintainerDeprecated
BUILDX_NO_DEFAULT_ATTESTATIONS | 0 | BUILDX_NO_DEFAULT_ATTESTATIONS=1 build $oci --platform linux/arm64,$native ctx | [[ -z $(predicates) ]]
DOCKER_CONFIG | see | push_auth |
DOCKER_DEFAULT_PLATFORM | 0 | DOCKER_DEFAULT_PLATFORM=linux/arm64 build $oci ctx | [[ $(config .architecture) == arm64 ]]
NO_COLOR | see | progress_tmux |
SOURCE_DATE_EPOCH | 0 | SOURCE_DATE_EPOCH=86400 build $oci ctx | [[ $(config .created) == 1970-01-02T00:00:00Z ]]
END
}

# Without --progress of its own.
unset_progress()
{
    "$WEFT" build --build-context "busybox=oci-layout://$WEFT_TEST_TMP/bb:latest" "$@"
}

printf 'TARGET         DESCRIPTION\nfirst          is where it begins\nlast (default) \n' >want-targets
trim()
{
    sed 's/^ *//; s/ *$//' <<<"$1"
}

seen=()
failed=0
while IFS='|' read -r flag code command check; do
    flag=$(trim "$flag") code=$(trim "$code") command=$(trim "$command")
    seen+=("$flag")
    if [[ $code == see ]]; then
        grep -q -e "$flag\b" "$WEFT_SRC_DIR/tests/e2e/$command.sh" || {
            echo "FAILED: $flag: tests/e2e/$command.sh has nothing of it"
            failed=1
        }
        continue
    fi
    rm -rf out
    rc=0
    (eval "$command") >said 2>log </dev/null || rc=$?
    if [[ $rc != "$code" ]]; then
        echo "FAILED: $flag: $command: exit code $rc, not $code: $(tail -n 20 log)"
        failed=1
    elif ! (eval "$check"); then
        echo "FAILED: $flag: $command: not true: $check: $(tail -n 5 log)"
        failed=1
    fi
done < <(table)

note "no flag of buildx is left out of the table, or of docs/buildx.md"
ours=$("$WEFT" build --help | grep -o -E '^ {2,6}(-[a-zA-Z], )?--[a-z-]+' | grep -o -E -- '--.*')
while IFS= read -r name; do
    if grep -q -x -e "--$name" <<<"$ours"; then
        [[ " ${seen[*]} " == *" --$name "* ]] || fail "--$name has no row in this table"
        continue
    fi
    rc=0
    "$WEFT" build "--$name=1" ctx >said 2>log || rc=$?
    [[ $rc == 2 ]] || fail "--$name: exit code $rc"
    grep -q "unknown flag --$name" log || fail "--$name: $(cat log)"
    grep -E '^\|.*\| (left out|no) \|' "$WEFT_SRC_DIR/docs/buildx.md" | cut -d'|' -f2 | grep -q -e "\`--$name\b" ||
        fail "docs/buildx.md has no row for --$name"
done <"$flags"
exit "$failed"
