#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The pipelines of docs/migrate.md: what is there "after" does what it says, in a project with a Dockerfile and with a
# registry that wants a password; what was there "before" is run as well where it can be, and compared. A block that is
# neither run nor named here as one that cannot be fails the test.
# timeout: 600
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"
. "$WEFT_SRC_DIR/tests/e2e/registry_lib.sh"

both=linux/amd64,linux/arm64
# shellcheck disable=SC2086 # two words
busybox_base bb ${both//,/ }
mkdir blocks
python3 "$WEFT_SRC_DIR/tests/e2e/migrate_blocks.py" "$WEFT_SRC_DIR/docs/migrate.md" blocks || fail "docs/migrate.md"

registry_start main basic
addr=$(registry_addr main)
registry_login "$addr"
skopeo copy -q --all --dest-tls-verify=false "oci:$WEFT_TEST_TMP/bb:latest" "docker://$addr/busybox:latest" \
    --dest-creds "$REGISTRY_USER:$REGISTRY_PASSWORD"

# What is on PATH before there is weft, and after. In the place of rootlesskit is userns, which brings handlers of its own:
# nobody has to put some on this machine. Its unshare is deaf to SIGTERM.
mkdir before after
cat >before/rootlesskit <<END
#!/bin/bash
"$WEFT_SRC_DIR/tests/bases/userns" "\$@" &
trap "kill -KILL \$!" TERM
wait
END
chmod 755 before/rootlesskit
ln -s "$WEFT_LIBEXEC/buildkitd" "$WEFT_LIBEXEC/buildctl" before/
ln -s "$WEFT" after/weft

# home DIR [login]: a home directory with a project, whose times do not change, so that digests can be compared.
home()
{
    mkdir -p "$1/run" "$1/.docker"
    chmod 700 "$1/run"
    [[ $# == 1 ]] || cp "$DOCKER_CONFIG/config.json" "$1/.docker/"
    dockerfile "$1/app" <<END
FROM $addr/busybox AS app
ARG VERSION=none
COPY myfile /
RUN uname -m >/machine && echo "\$VERSION" >/version && touch -d @0 /machine /version
FROM app AS test
RUN test -s /machine && touch -d @0 /tested
FROM app
END
    echo mine >"$1/app/myfile"
    touch -d @0 "$1/app/myfile"
}

# runs WHO before|after BLOCK HOME [VARIABLE=VALUE...]: as a shell of a CI job would, in the project. log has what is said.
runs()
{
    local who=$1 programs=$WEFT_TEST_TMP/$2 name=$3 home=$4 block=$WEFT_TEST_TMP/blocks/$3
    shift 4
    note "$name, as $who"
    [[ -s $block.sh ]] || fail "docs/migrate.md has no block $name"
    # shellcheck disable=SC2016 # of GitHub
    sed -e "s,registry\.example\.org,$addr,g" -e "s,ghcr\.io,$addr,g" \
        -e 's,\${{ github.repository }},octo/app,g' -e 's,\${{ github.sha }},0123abcd,g' "$block.sh" >"$block.run"
    touch "$block.ran"
    (
        cd "$home/app"
        exec_as "$who" HOME="$home" XDG_RUNTIME_DIR="$home/run" USER=somebody DOCKER_CONFIG="$home/.docker" \
            PATH="$programs:$PATH" SOURCE_DATE_EPOCH=0 "$@" bash -eo pipefail "$block.run"
    ) >log 2>&1 || fail "$name: exit code $?: $(tail -n 30 log)"
}

# not_run BLOCK WHY: it is in the document, and no more can be said here.
not_run()
{
    [[ -e $WEFT_TEST_TMP/blocks/$1.sh ]] || fail "docs/migrate.md has no block $1"
    touch "$WEFT_TEST_TMP/blocks/$1.ran"
    note "not run: $1: $2"
}

# pulled REPOSITORY:TAG: what the registry has, as the layout in pulled; prints "PLATFORM DIGEST" of each image. Each was
# made by programs of its platform.
pulled()
{
    local platform manifest
    rm -rf pulled
    skopeo copy -q --all --src-tls-verify=false --src-creds "$REGISTRY_USER:$REGISTRY_PASSWORD" \
        "docker://$addr/$1" oci:pulled:latest || fail "no $1 in the registry"
    image_manifests pulled | while read -r platform manifest; do
        case $platform in
        linux/amd64) expect "$1 $platform" "$(file_of pulled "$manifest" machine)" x86_64 ;;
        linux/arm64) expect "$1 $platform" "$(file_of pulled "$manifest" machine)" aarch64 ;;
        *) fail "$1 has a platform that was not asked for: $platform" ;;
        esac
        expect "a file of the context" "$(file_of pulled "$manifest" myfile)" mine
        echo "$platform $manifest"
    done
}

# of_both REPOSITORY:TAG: it has these two platforms.
of_both()
{
    expect "platforms of $1" "$(pulled "$1" | cut -d' ' -f1 | paste -sd,)" "$both"
}

# tag_digest REPOSITORY TAG
tag_digest()
{
    registry_digest "$addr" "$1" "$2" -u "$REGISTRY_USER:$REGISTRY_PASSWORD"
}

# forget REPOSITORY TAG: the image and all tags that it has.
forget()
{
    curl -s -f -u "$REGISTRY_USER:$REGISTRY_PASSWORD" -X DELETE "http://$addr/v2/$1/manifests/$(tag_digest "$1" "$2")"
    expect "$1:$2" "$(tag_digest "$1" "$2")" none
}

daemon_ended()
{
    ! pgrep -u "${test_user:-$UID}" -f "buildkitd --oci-worker-no-process-sandbox" >/dev/null
}

home "$PWD/h" login
runs root after what-the-runner-needs-1 "$PWD/h"
grep -q '^ok .*registry' log || fail "$(cat log)"
# the profile that podman has, with the calls allowed once, and refused nowhere
profile=/usr/share/containers/seccomp.json
[[ -f $profile ]] || skip "no $profile: podman is not installed"
runs root after what-the-runner-needs-2 "$PWD/h"
for call in unshare mount umount2 sethostname setns keyctl pivot_root; do
    expect "rules of $call" "$(jq -c --arg call $call '.syscalls[] | select(.names | index($call)) | .action' h/app/weft.json)" \
        '"SCMP_ACT_ALLOW"'
done
expect "rules of others" "$(jq -c '.syscalls[] | select(.names | index("bpf")) | .action' h/app/weft.json)" \
    "$(jq -c '.syscalls[] | select(.names | index("bpf")) | .action' $profile)"
rm h/app/weft.json
not_run what-the-runner-needs-3 "a pod"
not_run what-the-runner-needs-4 "its base image comes from Docker Hub"

user=root user_home=$PWD/h
if ((EUID == 0)); then
    make_user
    user=user user_home=$WEFT_TEST_TMP/u
    home "$user_home" login
    chown -R "$test_user" "$user_home"
fi
runs "$user" before from-buildkitd-and-buildctl-before-1 "$user_home"
wait_for 20 daemon_ended || fail "the daemon did not end"
of_both app:1.2
theirs=$(pulled app:1.2)
digest=$(tag_digest app 1.2)
for who in $(whos); do
    forget app 1.2
    runs "$who" after from-buildkitd-and-buildctl-after-1 "$([[ $who == root ]] && echo "$PWD/h" || echo "$user_home")"
    expect "the digest of app:1.2" "$(tag_digest app 1.2)" "$digest"
done
runs root after from-buildkitd-and-buildctl-after-2 "$PWD/h"
of_both app:1.2
expect "images of weft build and of buildctl" "$(pulled app:1.2)" "$theirs"

not_run from-docker-buildx-before-1 "Docker"
runs root after from-docker-buildx-after-1 "$PWD/h"
of_both app:1.2
for platform in amd64 arm64; do
    [[ $(tag_digest app "cache-linux-$platform") == sha256:* ]] || fail "no cache of $platform"
done

not_run from-docker-buildx-before-in-github-actions-1 "actions"
runs root after from-docker-buildx-after-in-github-actions-1 "$PWD/h"
of_both octo/app:latest
expect "two tags" "$(tag_digest octo/app 0123abcd)" "$(digests pulled)"
expect "--build-arg" "$(file_of pulled "$(image_manifests pulled | sed -n '1s/.* //p')" version)" 0123abcd

# The variables of a job of GitLab.
gitlab=(CI_PROJECT_DIR="$PWD/gitlab/app" CI_REGISTRY="$addr" CI_REGISTRY_IMAGE="$addr/group/app" CI_COMMIT_SHORT_SHA=4567cdef
    CI_REGISTRY_USER="$REGISTRY_USER" CI_REGISTRY_PASSWORD="$REGISTRY_PASSWORD")
home "$PWD/gitlab"
not_run from-kaniko-before-1 "Kaniko has the root file system to itself"
runs root after from-kaniko-after-1 "$PWD/gitlab" "${gitlab[@]}"
expect "platforms" "$(pulled group/app:4567cdef | cut -d' ' -f1)" "linux/$(dpkg --print-architecture)"
expect "the file with the digest" "$(<gitlab/app/digest.txt)" "$(digests pulled)"
expect "two tags" "$(pulled group/app:latest >/dev/null && digests pulled)" "$(<gitlab/app/digest.txt)"
expect "--build-arg" "$(file_of pulled "$(image_manifests pulled | sed -n '1s/.* //p')" version)" 4567cdef

rm gitlab/.docker/config.json
not_run from-docker-in-docker-before-1 "Docker"
runs root after from-docker-in-docker-after-1 "$PWD/gitlab" "${gitlab[@]}"
of_both group/app:4567cdef
runs root after from-docker-in-docker-after-2 "$PWD/gitlab"
[[ $(grep -c 'RUN test -s /machine' log) -ge 2 ]] || fail "no test: $(cat log)"

for block in blocks/*.sh; do
    [[ -e ${block%.sh}.ran ]] || fail "docs/migrate.md: nothing was done with block $(basename "$block" .sh)"
done
