#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Proxies: those of the environment and of docker's configuration are for what the workers pull, those of the
# configuration and of --build-arg for RUN, as with docker buildx. They are not in the image, not in cache keys, and
# their passwords are shown nowhere.
. "$WEFT_SRC_DIR/tests/e2e/build_lib.sh"
. "$WEFT_SRC_DIR/tests/e2e/registry_lib.sh"

busybox_base bb linux/amd64
registry_start upstream
skopeo copy -q --dest-tls-verify=false "oci:$PWD/bb:latest" "docker://$(registry_addr upstream)/base:1"

# A proxy that wants a password, and takes every host for the registry: registry.invalid is nowhere else.
python3 -u - "$(registry_addr upstream)" >proxy.port 2>proxy.log <<'PYTHON' &
import base64
import http.client
import http.server
import sys
import urllib.parse

class Proxy(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        given = self.headers.get("Proxy-Authorization", "Basic ").split()[1:]
        who = base64.b64decode(given[0] if given else "").decode()
        print(self.command, self.path, who or "-", file=sys.stderr, flush=True)
        if not who:
            self.send_response(407)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        up = http.client.HTTPConnection(sys.argv[1])
        up.request(self.command, url.path + ("?" + url.query if url.query else ""),
                   headers={k: v for k, v in self.headers.items() if k.lower() in ("accept", "range")})
        answer = up.getresponse()
        body = answer.read()
        self.send_response(answer.status)
        for k, v in answer.getheaders():
            if k.lower() not in ("content-length", "transfer-encoding", "connection"):
                self.send_header(k, v)
        self.send_header("Content-Length", answer.getheader("Content-Length") or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
    do_HEAD = do_GET

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
server.daemon_threads = True
print(server.server_port)
server.serve_forever()
PYTHON
# shellcheck disable=SC2034 # of registry_lib.sh, which ends it
registry_pids[proxy]=$!
wait_for 20 test -s proxy.port || fail "$(<proxy.log)"
proxy=localhost:$(<proxy.port)

# Not in any layer of the context: a layout of nothing but what the registry has.
printf 'registries:\n  registry.invalid:5000:\n    http: true\n' >config.yaml
export WEFT_CONFIG=$PWD/config.yaml
dockerfile ctx <<'END'
FROM registry.invalid:5000/base:1
RUN env | grep -i pr[o]xy | sort >/seen; sleep 1
END

# proxies SECRET: docker's configuration with proxies of this password.
proxies()
{
    jq -n --arg http "http://somebody:$1@$proxy" '{proxies: {default: {httpProxy: $http, httpsProxy: "http://plain:1",
        noProxy: "localhost,.corp"}}}' >"$DOCKER_CONFIG/config.json"
}

# run FLAG...: a build for one platform, of which all command lines that there are meanwhile go to `argv`.
run()
{
    local build dir rc=0
    rm -rf out m.json
    "$WEFT" build -D --progress=plain --platform linux/amd64 --metadata-file m.json -o type=oci,dest=out,tar=false "$@" ctx >log 2>&1 &
    build=$!
    : >argv
    while kill -0 "$build" 2>/dev/null; do
        for dir in /proc/[0-9]*; do
            case $(cat "$dir/comm" 2>/dev/null) in
            weft | buildctl | weft-session | weft-init | buildkitd | runc | crun | rootlesskit)
                tr '\0' '\n' <"$dir/cmdline" >>argv 2>/dev/null || true
                ;;
            esac
        done
        sleep 0.02
    done
    wait "$build" || rc=$?
    cat log argv m.json >>shown 2>/dev/null || true
    return $rc
}

# saw WHAT LINES: what RUN had in its environment.
saw()
{
    expect "$1" "$(file_of out "$(digests out)" seen)" "$2"
}

# seen_as PASSWORD: the lines of the configuration of proxies().
seen_as()
{
    printf '%s\n' "HTTPS_PROXY=http://plain:1" "HTTP_PROXY=http://somebody:$1@$proxy" "NO_PROXY=localhost,.corp" \
        "http_proxy=http://somebody:$1@$proxy" "https_proxy=http://plain:1" "no_proxy=localhost,.corp"
}

note "the configuration's: for the pull, and for RUN"
proxies hush-one
BUILDX_METADATA_PROVENANCE=max run || fail "$(tail log)"
saw "RUN" "$(seen_as hush-one)"
grep -q "^GET http://registry.invalid:5000/v2/base/blobs/.* somebody:hush-one" proxy.log || fail "the worker asked: $(<proxy.log)"
grep -q '^buildctl$' argv || fail "no command line of buildctl was seen"
grep -q 'build-arg:NO_PROXY' argv || fail "no argument was seen"
jq -e '.["buildx.build.provenance"].invocation.parameters.args["build-arg:HTTP_PROXY"] | test("xxxxx@")' m.json >/dev/null ||
    fail "the provenance in --metadata-file: $(jq -c '.["buildx.build.provenance"].invocation' m.json)"
jq -e '[.. | .proxy_env? // empty | .http_proxy | test("xxxxx@")] == [true]' m.json >/dev/null || fail "the steps in --metadata-file: $(jq -c .[] m.json)"

note "they are neither in the image nor in its cache key"
config=$(blob out "$(digests out)" | jq -r .config.digest)
! blob out "$config" | grep -i proxy || fail "the image's configuration"
first=$(blob out "$(digests out)" | jq -c '[.layers[].digest]')
proxies hush-two
run || fail "$(tail log)"
expect "layers" "$(blob out "$(digests out)" | jq -c '[.layers[].digest]')" "$first"
saw "a step that is cached" "$(seen_as hush-one)"
grep -q ' somebody:hush-two$' proxy.log || fail "the worker asked: $(<proxy.log)"

note "--build-arg goes before"
run --no-cache --build-arg http_proxy=http://mine:hush-three@h --build-arg NO_PROXY= || fail "$(tail log)"
saw "--build-arg" "$(printf '%s\n' HTTPS_PROXY=http://plain:1 HTTP_PROXY=http://mine:hush-three@h http_proxy=http://mine:hush-three@h https_proxy=http://plain:1)"
sed -i '/^http_proxy=http:..mine:hush-three@h$/d' shown # weft's own, where it was written

note "the environment's: for the pull only, and over the configuration's"
HTTP_PROXY=http://other:hush-four@$proxy run --no-cache || fail "$(tail log)"
saw "RUN" "$(seen_as hush-two)"
grep -q ' other:hush-four$' proxy.log || fail "the worker asked: $(<proxy.log)"
rm "$DOCKER_CONFIG/config.json"
http_proxy=http://lower:hush-five@$proxy run --no-cache || fail "$(tail log)"
saw "RUN without a configuration" ""
grep -q ' lower:hush-five$' proxy.log || fail "the worker asked: $(<proxy.log)"
HTTP_PROXY=http://bare:hush-six@$proxy run --no-cache --build-arg HTTP_PROXY || fail "$(tail log)"
saw "--build-arg with the environment's value" "$(printf '%s\n' "HTTP_PROXY=http://bare:hush-six@$proxy" "http_proxy=http://bare:hush-six@$proxy")"
! run --no-cache || fail "a build without a proxy"
proxies hush-seven
! NO_PROXY=registry.invalid run --no-cache || fail "NO_PROXY was not obeyed"
! HTTP_PROXY='' run --no-cache || fail "an empty variable is none"

note "a call, and a provenance that has all build arguments"
"$WEFT" build --check ctx >check 2>&1 || fail "$(<check)"
run --provenance=mode=max || fail "$(tail log)"
grep -q 'credentials of the proxies' log || fail "$(<log)"

note "no password was shown"
! grep -o 'hush-[a-z]*' shown || fail "a password was shown"
