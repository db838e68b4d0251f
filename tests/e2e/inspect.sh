#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# weft inspect shows what is in a layout and in a registry, alike, to the byte; it gets in with every
# kind of credentials and certificate, and says what is wrong where it does not.
# shellcheck source=tests/e2e/build_lib.sh
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"
# shellcheck source=tests/e2e/registry_lib.sh
. "$WEFT_SRC_DIR/tests/e2e/registry_lib.sh"

# inspect ARGUMENT...: its output in out, its log in err, both in seen for the look for secrets
inspect()
{
    local rc=0
    "$WEFT" inspect "$@" >out 2>err || rc=$?
    cat out err >>seen
    return "$rc"
}

# works WHAT ARGUMENT...
works()
{
    inspect "${@:2}" || fail "$1: $(<err)"
}

# fails_with WHAT TEXT ARGUMENT...: exit code 1, and the log has the text
fails_with()
{
    local rc=0
    inspect "${@:3}" || rc=$?
    expect "$1, exit code" "$rc" 1
    grep -q -F -e "$2" err || fail "$1: no '$2' in: $(<err)"
}

digest_of()
{
    echo "sha256:$(sha256sum "$1" | cut -d' ' -f1)"
}

# copy_to ADDR [ARGUMENT...]: the image to ADDR/some/app:1
copy_to()
{
    skopeo copy -q --all "${@:2}" oci:img:latest "docker://$1/some/app:1" || fail "skopeo"
}

busybox_base bb linux/amd64 linux/arm64
dockerfile ctx <<'END2'
FROM busybox
COPY Dockerfile /
LABEL some=label
END2
build --platform linux/amd64,linux/arm64 --provenance mode=max -o type=oci,tar=false,dest=img ctx 2>log ||
    fail "$(<log)"
root=$(digests img)

note "a layout"
works layout img
grep -q "^Digest: *$root\$" out || fail "$(<out)"
mv out table
mapfile -t images < <(image_manifests img)
expect "platforms" "${#images[@]}" 2
for image in "${images[@]}"; do
    read -r platform digest <<<"$image"
    size=$(blob img "$digest" | jq '[.layers[].size] | add')
    layers=$(blob img "$digest" | jq '.layers | length')
    grep -q "^$platform *$digest .* $layers *slsa.dev/provenance/" table || fail "$platform: $(<table)"
    works "$platform as JSON" --json --platform "$platform" ./img
    expect "$platform, size" "$(jq -r '.images[] | "\(.platform) \(.layers_bytes) \(.attestations | length)"' out)" \
        "$platform $size 1"
    works "$platform, raw" --raw --platform "$platform" "img:latest"
    expect "$platform, bytes" "$(digest_of out)" "$digest"
done
works raw --raw "img@$root"
expect bytes "$(digest_of out)" "$root"
works json --json img
expect schema "$(jq -r '.schema, .digest, (.images | length)' out | xargs)" "1 $root 2"
jq 'del(.name)' out >layout.json
rc=0
inspect --platform linux/s390x img || rc=$?
expect "a platform that it has not, exit code" "$rc" 2
grep -q 'linux/amd64, linux/arm64' err || fail "$(<err)"
rc=0
inspect img:other || rc=$?
expect "a tag that it has not, exit code" "$rc" 2

note "what is no image, two images for one platform, no tags, no directory"
cp -r img odd
# put FILE: as a blob of odd
put()
{
    cp "$1" "odd/blobs/sha256/$(sha256sum "$1" | cut -d' ' -f1)"
}
printf hello >hello
other=$(digest_of hello)
put hello
blob img "$root" | jq -c --arg other "$other" '.manifests += [.manifests[0],
    {mediaType: "application/vnd.example", digest: $other, size: 5, platform: {os: "linux", architecture: "s390x"}}]' >new
jq --arg digest "$(digest_of new)" --argjson size "$(stat -c %s new)" '.manifests[0] |= (.digest = $digest | .size = $size)' \
    img/index.json >odd/index.json
put new
works "odd" odd
grep -q "^linux/s390x *$other  *-  *-  *-\$" out || fail "$(<out)"
works "odd as JSON" --json --platform linux/s390x odd
expect "a type that is no image's" "$(jq -c '.images[] | [.missing, .media_type, .layers]' out)" '[false,"application/vnd.example",null]'
rm "odd/blobs/sha256/${other#sha256:}"
works "odd, without it" odd
grep -q "^linux/s390x *$other  *-  *-  *-\$" out || fail "it is never read: $(<out)"
# refused WHAT TEXT ARGUMENT...: exit code 2
refused()
{
    local rc=0
    inspect "${@:3}" || rc=$?
    expect "$1, exit code" "$rc" 2
    grep -q -F -e "$2" err || fail "$1: no '$2' in: $(<err)"
}
refused "two for one platform" "by its digest, such as @sha256:" --raw --platform "$(image_manifests img | head -n 1 | cut -d' ' -f1)" odd
jq '.manifests += [{mediaType: "application/vnd.example", digest: "sha256:0", size: 1}] | del(.manifests[].annotations)' \
    img/index.json >odd/index.json
refused "no tags" "its images have no tags" odd
refused "no directory" "a layout without a directory" oci-layout://

note "a registry"
registry_start plain
plain=$(registry_addr plain)
copy_to "$plain" --dest-tls-verify=false
works table "$plain/some/app:1"
grep -q "^linux/arm64 .* slsa.dev/provenance/" out || fail "$(<out)"
works json --json "docker-image://$plain/some/app:1"
jq 'del(.name)' out >registry.json
cmp layout.json registry.json || fail "layout and registry differ: $(diff layout.json registry.json)"
works raw --raw "$plain/some/app@$root"
expect bytes "$(digest_of out)" "$root"
fails_with "no such tag" "there is no tag 2" "$plain/some/app:2"
fails_with "no such repository" "there is no tag latest" "$plain/other"
read -r platform digest <<<"${images[0]}"
works "one manifest" --json "$plain/some/app@$digest"
expect "its platform, of its config" "$(jq -r '.images[].platform' out)" "$platform"

note "credentials"
for kind in basic token; do
    registry_start "$kind" "$kind"
    addr=$(registry_addr "$kind")
    registry_login "$addr"
    copy_to "$addr" --dest-tls-verify=false --authfile "$DOCKER_CONFIG/config.json"
    works "$kind, logged in" --json "$addr/some/app:1"
    expect "$kind" "$(jq -r .digest out)" "$root"
    registry_login "$addr" "$REGISTRY_USER" wrong-horse
    fails_with "$kind, wrong password" "does not accept the credentials" "$addr/some/app:1"
    grep -q "docker login $addr" err || fail "$(<err)"
    registry_logout
    fails_with "$kind, not logged in" "wants credentials, and none are known" "$addr/some/app:1"
done
mkdir bin
cat >bin/docker-credential-test <<END2
#!/bin/sh
cat >asked
printf '{"Username":"%s","Secret":"%s"}' "$REGISTRY_USER" "$REGISTRY_PASSWORD"
END2
chmod 755 bin/docker-credential-test
jq -n --arg addr "$addr" '{credHelpers: {($addr): "test"}}' >"$DOCKER_CONFIG/config.json"
PATH=$PWD/bin:$PATH works "a credential helper" "$addr/some/app:1"
expect "what it was asked" "$(<asked)" "$addr"
fails_with "a credential helper that is not there" "docker-credential-test" "$addr/some/app:1"
echo '{"auths": {"x": nonsense-7f}}' >"$DOCKER_CONFIG/config.json"
rc=0
inspect "$addr/some/app:1" || rc=$?
expect "a broken config.json, exit code" "$rc" 2
grep -q 'config.json: not JSON at line 1' err || fail "$(<err)"
! grep -q nonsense err || fail "the file's content is in the error"
registry_logout

note "TLS"
registry_start tls tls
tls=$(registry_addr tls)
copy_to "$tls" --dest-tls-verify=false
ca=$WEFT_TEST_TMP/ca
fails_with "an unknown authority" "unable to get local issuer certificate" "$tls/some/app:1"
grep -q SSL_CERT_FILE err || fail "$(<err)"
SSL_CERT_FILE=$ca/ca.pem works SSL_CERT_FILE "$tls/some/app:1"
works --insecure --insecure "$tls/some/app:1"
printf 'registries:\n  "%s":\n    ca: %s\n' "$tls" "$ca/ca.pem" >config.yaml
WEFT_CONFIG=$PWD/config.yaml works "an authority of the config file" "$tls/some/app:1"
registry_start expired expired
expired=$(registry_addr expired)
SSL_CERT_FILE=$ca/ca.pem fails_with "an expired certificate" "certificate has expired" "$expired/some/app:1"

note "a client certificate"
openssl req -new -config "$ca/ca.cnf" -key "$ca/server.key" -subj /CN=me -out me.csr 2>/dev/null
openssl x509 -req -in me.csr -CA "$ca/ca.pem" -CAkey "$ca/ca.key" -days 2 -out me.pem 2>/dev/null
registry_kill tls
sed -i "s|^    key: .*|&\n    clientcas:\n      - $ca/ca.pem|" "$(registry_dir tls)/template.yml"
registry_run tls
WEFT_CONFIG=$PWD/config.yaml fails_with "no client certificate" "alert" "$tls/some/app:1"
grep -q 'wants a client certificate' err || fail "$(<err)"
! grep -q 'again in' err || fail "it was tried again: $(<err)"
printf '    cert: %s\n    key: %s\n' "$PWD/me.pem" "$ca/server.key" >>config.yaml
WEFT_CONFIG=$PWD/config.yaml works "a client certificate" "$tls/some/app:1"

note "a proxy"
python3 -u - >proxy.port 2>proxy.log <<'END2' &
import http.server, select, socket
class Proxy(http.server.BaseHTTPRequestHandler):
    def do_CONNECT(self):
        print("CONNECT", self.path, self.headers.get("Proxy-Authorization"), file=__import__("sys").stderr, flush=True)
        if self.headers.get("Proxy-Authorization") is None:
            self.send_error(407)
            return
        host, port = self.path.rsplit(":", 1)
        with socket.create_connection((host, int(port))) as up:
            self.send_response_only(200)
            self.end_headers()
            ends = {self.connection: up, up: self.connection}
            while True:
                for end in select.select(list(ends), [], [])[0]:
                    data = end.recv(65536)
                    if not data:
                        return
                    ends[end].sendall(data)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
server.daemon_threads = True
print(server.server_port)
server.serve_forever()
END2
# shellcheck disable=SC2034 # of registry_lib.sh, which ends it
registry_pids[proxy]=$!
wait_for 20 test -s proxy.port || fail "$(<proxy.log)"
proxy=localhost:$(<proxy.port)
export WEFT_CONFIG=$PWD/config.yaml
HTTPS_PROXY=http://somebody:proxy-secret-9@$proxy works "through a proxy" "$tls/some/app:1"
expect "what it was asked" "$(grep -c "^CONNECT $tls Basic c29tZWJvZHk6" proxy.log)" 1
https_proxy=$proxy fails_with "a proxy that refuses" "407" "$tls/some/app:1"
HTTPS_PROXY=$proxy NO_PROXY=${tls%:*} works NO_PROXY "$tls/some/app:1"
export WEFT_CONFIG=/dev/null

note "faults"
faults_start faulty plain
faulty=$(registry_addr faulty)
faults faulty '{"method": "GET", "path": "manifests/1", "times": 3, "do": "answer", "status": 429}'
works "three times 429" --json "$faulty/some/app:1"
expect "three times 429" "$(jq -r .digest out) $(faults_hits faulty) $(grep -c 'status 429; again in' err)" "$root 3 3"
faults faulty '{"method": "GET", "path": "manifests/1", "do": "answer", "status": 503, "headers": {"Retry-After": "1"}}' \
    "{\"method\": \"GET\", \"path\": \"manifests/$digest\", \"do\": \"cut-answer\", \"after\": 100}"
works "503, and a body that is cut" --json "$faulty/some/app:1"
expect "503, and a body that is cut" "$(jq -r .digest out) $(faults_hits faulty)" "$root 2"
faults faulty "{\"method\": \"GET\", \"path\": \"manifests/$digest\", \"do\": \"corrupt\"}"
fails_with "a wrong digest" "what the registry sent is sha256:" "$faulty/some/app:1"
faults faulty "{\"method\": \"GET\", \"path\": \"manifests/1\", \"do\": \"header\", \"name\": \"Docker-Content-Digest\", \"value\": \"$digest\"}"
fails_with "a wrong digest in the header" "the registry calls it $digest" "$faulty/some/app:1"
faults faulty '{"path": "/v2/$", "do": "answer", "status": 401, "headers": {"WWW-Authenticate": "Bearer realm=here"}}'
fails_with "a challenge that makes no sense" "WWW-Authenticate header without the URL of a token server" "$faulty/some/app:1"
fails_with "an unknown host" "Could not resolve host: nowhere.invalid" nowhere.invalid/app
fails_with "nothing listens" "http://localhost:1/v2/" localhost:1/app

note "no secrets"
for secret in "$REGISTRY_PASSWORD" wrong-horse proxy-secret-9 "$(printf '%s:%s' "$REGISTRY_USER" "$REGISTRY_PASSWORD" | base64 -w 0)"; do
    ! grep -F -e "$secret" seen || fail "a secret was shown"
done
