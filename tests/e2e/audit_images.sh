#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# weft audit on images that weft build makes: wrong machines fail it and are named with layer and step,
# missing libraries and too high levels warn; in layouts, in tars and in a registry, packed as layers can be.
# shellcheck source=tests/e2e/build_lib.sh
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"
# shellcheck source=tests/e2e/registry_lib.sh
. "$WEFT_SRC_DIR/tests/e2e/registry_lib.sh"
need python3 jq
for compiler in x86_64-linux-gnu-gcc aarch64-linux-gnu-gcc arm-linux-gnueabihf-gcc; do
    command -v "$compiler" >/dev/null || skip "$compiler is not installed (tools/packages.txt, cross)"
done

# build ARGUMENT...: there is no base image
build()
{
    as root "$WEFT" build --progress=plain "$@"
}

# audit CODE ARGUMENT...: it ends with this exit code; its output in out, its log in err
audit()
{
    local rc=0
    "$WEFT" audit "${@:2}" >out 2>err || rc=$?
    expect "weft audit ${*:2}: exit code" "$rc" "$1"
}

# says TEXT: the output has it
says()
{
    grep -q -F -e "$1" out || fail "no '$1' in: $(<out)"
}

# valid FILE...: as engine/audit.schema.json says
valid()
{
    python3 - "$WEFT_SRC_DIR/engine/audit.schema.json" "$@" <<'END' || fail "not valid: $*"
import json, sys
import jsonschema
schema = json.load(open(sys.argv[1]))
kind = jsonschema.validators.validator_for(schema)
kind.check_schema(schema)
for path in sys.argv[2:]:
    kind(schema).validate(json.load(open(path)))
END
}

# findings PLATFORM: "severity rule path" of the JSON in out, a line each
findings()
{
    jq -r --arg p "$1" '.images[] | select(.platform == $p) | .findings[] |
        "\(.severity) \(.rule) \(.path // "-")"' out
}

echo 'int main(void) { return 0; }' >main.c
echo 'int f(void) { return 1; }' >f.c
echo 'int f(void); int main(void) { return f(); }' >g.c
mkdir -p ctx/{amd64,arm64,arm}/{bin,lib}
cp main.c ctx/
x86_64-linux-gnu-gcc -static -march=x86-64-v3 -mneeded -o v3.o -c main.c
x86_64-linux-gnu-gcc -nostdlib -static -Wl,-e,main -o ctx/amd64/bin/app v3.o
aarch64-linux-gnu-gcc -shared -fPIC -Wl,-soname,libf.so.1 -nostdlib -o libf.so f.c
aarch64-linux-gnu-gcc -o ctx/arm64/bin/app g.c ./libf.so
x86_64-linux-gnu-gcc -static -o ctx/arm64/bin/tool main.c
arm-linux-gnueabihf-gcc -nostdlib -static -Wl,-e,main -march=armv5te+fp -marm -o ctx/arm/bin/app main.c
printf '#!/bin/bash\n' >ctx/arm/bin/script
chmod +x ctx/arm/bin/script
dockerfile ctx <<'END'
FROM scratch
ARG TARGETARCH
COPY main.c /usr/share/doc/main.c
COPY $TARGETARCH/bin /opt/bin
LABEL some=label
COPY $TARGETARCH/lib /opt/lib
END
platforms=linux/amd64/v2,linux/arm64,linux/arm/v5
build --platform "$platforms" -t app:1 -o type=oci,tar=false,dest=img -o type=oci,dest=img.tar ctx 2>log || fail "$(<log)"

note "text: rule, file, layer, step, cause"
audit 1 img
says 'linux/arm64       1 error, 2 warnings  (3 files, 2 of them ELF)'
says 'wrong-machine  /opt/bin/tool'
says 'found     a program for x86-64'
says 'expected  aarch64'
# shellcheck disable=SC2016 # as in the image's history
says 'step      COPY '
# shellcheck disable=SC2016
says 'pinned to $BUILDPLATFORM'
says 'isa-level  /opt/bin/app'
cp out text
audit 1 --json img
valid out
cp out layout.json
expect amd64 "$(findings linux/amd64/v2)" "warning isa-level /opt/bin/app"
expect arm64 "$(findings linux/arm64)" "error wrong-machine /opt/bin/tool
warning missing-loader /opt/bin/app
warning missing-library /opt/bin/app"
expect arm "$(findings linux/arm/v5)" "warning wrong-abi /opt/bin/app
warning missing-interpreter /opt/bin/script"
jq -e '.passed == false' out >/dev/null || fail "it passed"
# the layer is the one that the manifest has, and the step the one that made it
digest=$(jq -r '.images[] | select(.platform == "linux/arm64").digest' out)
layer=$(blob img "$digest" | jq -r ".layers[1].digest")
expect "its layer" "$(jq -r '.images[1].findings[0].layer' out)" "$layer"
grep -q -F "$layer (2 of 3)" text || fail "$(<text)"
jq -r '.images[1].findings[0].step' out | grep -q '^COPY .*/bin /opt/bin$' || fail "step: $(jq .images[1] out)"

note "one platform, strict, allowed"
audit 0 --platform linux/amd64/v2 img
audit 1 --platform linux/amd64/v2 --audit=strict img
audit 1 --json --platform linux/amd64/v2 --audit=strict img
jq -e '.passed == false' out >/dev/null || fail "it passed"
audit 0 --json --audit-allow '/opt/bin/*' --audit=strict img
expect "allowed" "$(jq -c '[.images[].allowed]' out)" "[1,3,2]"
audit 1 --audit-allow 'bin/app' img
audit 0 --audit-allow 'bin/app' --audit-allow '*/tool' img
audit 2 --platform linux/s390x img
grep -q 'linux/amd64/v2, linux/arm64, linux/arm/v5' err || fail "$(<err)"
audit 2 --audit=off img
audit 2 img img
audit 2 nothing/here.tar:x@y

note "tar"
audit 1 --json img.tar
jq 'del(.name)' out >tar.json
jq 'del(.name)' layout.json | cmp -s - tar.json || fail "layout and tar differ: $(diff <(jq 'del(.name)' layout.json) tar.json)"
audit 1 --json "./img.tar:1"
audit 1 --json "img.tar@$(jq -r .digest layout.json)"
audit 2 img.tar:other
gzip -k img.tar
audit 2 img.tar.gz
grep -q 'gunzip' err || fail "$(<err)"
"$WEFT" inspect --json img.tar >inspected || fail "weft inspect of a tar"
expect "weft inspect of a tar" "$(jq -r .digest inspected)" "$(jq -r .digest layout.json)"

note "layers packed with zstd, and not at all"
for kind in zstd uncompressed; do
    build --platform "$platforms" -o "type=oci,tar=false,dest=$kind,compression=$kind,force-compression=true" ctx 2>log ||
        fail "$(<log)"
    audit 1 --json "$kind"
    expect "$kind" "$(jq -c '[.images[].findings[] | del(.layer)]' out)" \
        "$(jq -c '[.images[].findings[] | del(.layer)]' layout.json)"
done

note "a registry"
registry_start plain
plain=$(registry_addr plain)
skopeo copy -q --all --dest-tls-verify=false oci:img:1 "docker://$plain/some/app:1" || fail skopeo
audit 1 --json "$plain/some/app:1"
jq 'del(.name)' out | cmp -s - tar.json || fail "registry and layout differ"
audit 1 "$plain/some/app:none"
grep -q 'there is no tag none' err || fail "$(<err)"

note "SARIF"
audit 1 --sarif img
cp out sarif
jq -e '.version == "2.1.0" and (.runs | length == 1) and .runs[0].tool.driver.name == "weft audit"' sarif >/dev/null ||
    fail "$(<sarif)"
expect "results" "$(jq -r '.runs[0] | .tool.driver.rules as $rules | .results[] |
    "\(.level) \($rules[.ruleIndex].id) \(.ruleId) \(.locations[0].physicalLocation.artifactLocation.uri)"' sarif | head -n 2)" \
    "warning isa-level isa-level opt/bin/app
error wrong-machine wrong-machine opt/bin/tool"
jq -e '[.runs[0].results[].partialFingerprints["weftFinding/v1"]] | length == (unique | length)' sarif >/dev/null ||
    fail "fingerprints: $(<sarif)"
audit 2 --sarif --json img
# The schema is Microsoft's, in a package of npm.
sarif_schema=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/weft/sarif-2.1.0-rtm.5.json
if [[ -s $sarif_schema ]]; then
    note "its schema is in the cache"
elif ! command -v npm >/dev/null; then
    note "no npm: SARIF is not compared with its schema"
else
    mkdir -p "${sarif_schema%/*}"
    if timeout 100 npm pack --silent @microsoft/jest-sarif@1.0.0-beta.0 >/dev/null 2>npm.log; then
        tar -xzOf microsoft-jest-sarif-1.0.0-beta.0.tgz package/lib/schemas/sarif-2.1.0-rtm.5.json >schema.json
        echo "2d99159ae54a3eea97f81781cff48780548657c35949f4b7f25e99a2ba4de4f8  schema.json" | sha256sum -c --quiet || fail "another schema than we know"
        mv schema.json "$sarif_schema"
    elif [[ ${WEFT_TESTS_MUST_RUN:-} == 1 ]]; then
        fail "no schema of SARIF: $(<npm.log)"
    else
        note "no network: SARIF is not compared with its schema"
    fi
fi
if [[ -s $sarif_schema ]]; then
    python3 - "$sarif_schema" sarif <<'END' || fail "not valid: $(<sarif)"
import json, sys
import jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.validators.validator_for(schema)(schema).validate(json.load(open(sys.argv[2])))
END
fi

note "summary"
audit 0 --summary img
says 'linux/amd64/v2    x86-64-v3           none'
says 'linux/arm64       -                   glibc    2.34'
says '/opt/bin/tool'

note "what is not what it should be"
cp -r img broken
find broken/blobs -name "${layer#sha256:}" -exec sh -c 'chmod u+w "$1"; printf x | dd of="$1" bs=1 seek=100 conv=notrunc status=none' sh {} \;
audit 1 broken
grep -q "layer $layer: .* its content is sha256:" err || fail "$(<err)"
rm "broken/blobs/sha256/${layer#sha256:}"
audit 1 broken
grep -q "has no layer $layer" err || fail "$(<err)"
