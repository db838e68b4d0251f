#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The examples of the reference of `docker buildx build`, section by section, with "weft build" in the place of
# "docker buildx build": those that need no Docker engine and nothing of the outside world.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"

busybox_base bb linux/amd64 linux/arm64 linux/arm/v7
mkdir example
cd example
dockerfile . <<'END'
# GO_VERSION sets the version
ARG GO_VERSION=1.22
# base-builder is the base of the project
FROM busybox AS base-builder
ARG GO_VERSION HTTP_PROXY
RUN cat /etc/hosts >/hosts; echo "$HTTP_PROXY" >/proxy; ulimit -n >/nofile
FROM base-builder AS install
RUN cat /proc/sys/kernel/random/uuid >/installed
FROM base-builder AS release
COPY --from=install /installed /
COPY myfile /
END
echo mine >myfile
export BUILDX_GIT_INFO=false

# runs ARG...: the command of the example
runs()
{
    build "$@" >../said 2>../log </dev/null || fail "weft build $*: exit code $?: $(tail -n 20 ../log)"
}

# holds FILE: a file of the result of -o out
holds()
{
    runs -o ../out "${@:2}" .
    cat "../out/$1"
    rm -rf ../out
}

note "--add-host"
for form in 'my_hostname=8.8.8.8 my_hostname_v6=2001:4860:4860::8888' \
    'my_hostname:8.8.8.8 my_hostname_v6=[2001:4860:4860::8888]'; do
    holds hosts --add-host "${form% *}" --add-host "${form#* }" | tr '\t' ' ' >../hosts
    grep -q '^8.8.8.8  *my_hostname$' ../hosts || fail "$form: $(cat ../hosts)"
    grep -q '^2001:4860:4860::8888  *my_hostname_v6$' ../hosts || fail "$form: $(cat ../hosts)"
done
holds hosts --add-host host.docker.internal=host-gateway | grep -q host.docker.internal || fail host-gateway

note "--allow"
runs --allow security.insecure .

note "--build-arg"
expect "a value" "$(holds proxy --build-arg HTTP_PROXY=http://10.20.30.2:1234 --build-arg FTP_PROXY=http://40.50.60.5:4567)" \
    http://10.20.30.2:1234
expect "of the environment" "$(HTTP_PROXY=http://10.20.30.2:99 holds proxy --build-arg HTTP_PROXY)" http://10.20.30.2:99
runs --build-arg BUILDKIT_MULTI_PLATFORM=1 -o type=oci,dest=../multi,tar=false .
blob ../multi "$(digests ../multi)" | jq -e '.manifests | length >= 1' >/dev/null || fail "BUILDKIT_MULTI_PLATFORM makes no index"

note "--build-context"
mkdir -p path/to/project/source
echo project >path/to/project/source/theirs
printf 'FROM busybox\nCOPY --from=project theirs /\n' >project.Dockerfile
expect "a directory" "$(holds theirs -f project.Dockerfile --build-context project=path/to/project/source)" project
runs -t foo:1 -o "type=oci,dest=$PWD/../layout,tar=false" .
printf 'FROM foo\nRUN cat /myfile >/got\n' >foo.Dockerfile
expect "a layout's tag" "$(holds got -f foo.Dockerfile --build-context "foo=oci-layout://$WEFT_TEST_TMP/layout:1")" mine
expect "a layout's digest" "$(holds got -f foo.Dockerfile \
    --build-context "foo=oci-layout://$WEFT_TEST_TMP/layout@$(digests ../layout)")" mine

note "--call"
runs --call=subrequests.describe .
grep -q '^NAME  *VERSION *DESCRIPTION$' ../said || fail "$(cat ../said)"
grep -q '^outline  *1' ../said || fail "$(cat ../said)"
runs --call=outline --target base-builder .
grep -q '^TARGET:  *base-builder$' ../said || fail "$(cat ../said)"
grep -q '^DESCRIPTION: is the base of the project$' ../said || fail "$(cat ../said)"
grep -q '^GO_VERSION  *1.22  *sets the version$' ../said || fail "$(cat ../said)"
runs --call=targets .
grep -q '^release (default)' ../said || fail "$(cat ../said)"
runs --check .
expect "--check" "$(cat ../said)" "Check complete, no warnings found."

note "--check and --call of a git repository"
need git python3
mkdir -p ../srv/files ../srv/git
cp Dockerfile ../srv/files/
git init -q -b main ../docs
cp Dockerfile myfile ../docs/
git -C ../docs add .
git -C ../docs -c user.name=t -c user.email=t@example.invalid commit -q -m first
git clone -q --bare ../docs ../srv/git/docs.git
echo none >../srv/token
coproc SERVER { exec python3 "$WEFT_SRC_DIR/tests/e2e/context_server.py" "$WEFT_TEST_TMP/srv" "$WEFT_TEST_TMP/requests"; }
read -r port <&"${SERVER[0]}"
web=http://127.0.0.1:$port
runs --check "$web/git/docs.git"
expect "--check" "$(cat ../said)" "Check complete, no warnings found."
runs --call=outline "$web/git/docs.git"
grep -q '^GO_VERSION  *1.22  *sets the version$' ../said || fail "$(cat ../said)"
runs --call=targets "$web/git/docs.git"
grep -q '^release (default)' ../said || fail "$(cat ../said)"

note "-f"
mkdir -p path/to
cp Dockerfile path/to/Dockerfile
expect "a path" "$(holds myfile -f path/to/Dockerfile)" mine

runs -f "$web/files/Dockerfile" .
build -f - -o ../out . <Dockerfile >../log 2>&1 || fail "-f -: $(tail ../log)"
expect "standard input" "$(cat ../out/myfile)" mine
rm -r ../out
tar -c . | build -o ../out - >../log 2>&1 || fail "-: $(tail ../log)"
expect "a tar" "$(cat ../out/myfile)" mine
rm -r ../out

note "--metadata-file"
runs -o "type=oci,dest=../app.tar" --metadata-file metadata.json .
jq -e '."containerimage.digest", ."containerimage.config.digest", ."containerimage.descriptor".size,
    ."buildx.build.provenance".buildType' metadata.json >/dev/null || fail "$(cat metadata.json)"

note "--no-cache-filter"
first=$(holds installed)
expect "cached" "$(holds installed)" "$first"
runs --no-cache-filter install,release .

note "-o"
cp -r . ../elsewhere
(cd ../elsewhere && runs -o . . && [[ -e installed ]]) || fail "-o ."
runs -o outdir .
expect "-o outdir" "$(cat outdir/myfile)" mine
rm -r outdir
runs -o - .
tar -tf ../said | grep 'myfile$' >/dev/null || fail "-o -"

note "--platform"
runs --platform=linux/arm64 .
runs --platform=linux/amd64,linux/arm64,linux/arm/v7 .

note "--secret"
mkdir -p .aws
echo key >.aws/credentials
cat >secret.Dockerfile <<'END'
FROM busybox
RUN --mount=type=secret,id=aws,target=/root/.aws/credentials cat /root/.aws/credentials >/one 2>/dev/null || true
RUN --mount=type=secret,id=SECRET_TOKEN,env=SECRET_TOKEN echo "$SECRET_TOKEN" >/two
END
expect "src" "$(holds one -f secret.Dockerfile --secret "id=aws,src=$PWD/.aws/credentials")" key
expect "a variable of that name" "$(SECRET_TOKEN=token holds two --no-cache -f secret.Dockerfile --secret id=SECRET_TOKEN)" token
expect "env" "$(API_KEY=token2 holds two --no-cache -f secret.Dockerfile --secret id=SECRET_TOKEN,env=API_KEY)" token2
expect "type=env" "$(API_KEY=token3 holds two --no-cache -f secret.Dockerfile --secret type=env,id=SECRET_TOKEN,src=API_KEY)" token3

note "-t, --target, --ulimit"
runs -t docker/apache:2.0 -o type=oci,dest=../app.tar .
runs -t docker/fedora-jboss:latest -t docker/fedora-jboss:v2.1 -o type=oci,dest=../tags,tar=false .
expect "two names" "$(jq -r '.manifests[].annotations."io.containerd.image.name"' ../tags/index.json | paste -sd' ')" \
    "docker.io/docker/fedora-jboss:latest docker.io/docker/fedora-jboss:v2.1"
runs -t mybuildimage --target base-builder .
expect "--ulimit" "$(holds nofile --ulimit nofile=1024:1024)" 1024
