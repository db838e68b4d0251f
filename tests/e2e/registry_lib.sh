# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Real registries (Debian's docker-registry) for tests, on top of lib.sh. Sourced, never run. Each has
# a directory $WEFT_TEST_TMP/registry-NAME with its configuration, data and logs, and ends with the
# test.

need docker-registry openssl python3 curl

# What the registries with a password want.
REGISTRY_USER=tester
# shellcheck disable=SC2034 # used by the tests
REGISTRY_PASSWORD=correct-horse-7f3a

# Nothing of whoever runs the tests, and no proxy between the test and its registry.
export DOCKER_CONFIG=$WEFT_TEST_TMP/docker
mkdir -p "$DOCKER_CONFIG"
unset HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy all_proxy no_proxy

declare -A registry_pids=() registry_marks=()

registry_dir()
{
    echo "$WEFT_TEST_TMP/registry-$1"
}

registry_clean_up()
{
    local rc=$? pid
    set +e
    for pid in "${registry_pids[@]}"; do
        kill -KILL "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    (exit "$rc")
    clean_up
}
trap registry_clean_up EXIT

# registry_ca: the authority of this test, ca.pem, and certificates for servers on this machine:
# server.pem, and expired.pem of a year that is over.
registry_ca()
{
    local dir=$WEFT_TEST_TMP/ca
    [[ ! -d $dir ]] || return 0
    mkdir -p "$dir/new"
    : >"$dir/index.txt"
    cat >"$dir/ca.cnf" <<CNF
[ca]
default_ca = here
[here]
database = $dir/index.txt
new_certs_dir = $dir/new
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
x509_extensions = server
[any]
commonName = supplied
[server]
subjectAltName = DNS:localhost,IP:127.0.0.1,IP:0.0.0.0
extendedKeyUsage = serverAuth
[req]
distinguished_name = nothing
[nothing]
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
CNF
    {
        openssl ecparam -name prime256v1 -genkey -noout -out "$dir/ca.key"
        openssl ecparam -name prime256v1 -genkey -noout -out "$dir/server.key"
        openssl req -x509 -new -config "$dir/ca.cnf" -extensions authority -key "$dir/ca.key" \
            -subj '/CN=authority of a test' -days 2 -out "$dir/ca.pem"
        openssl req -new -config "$dir/ca.cnf" -key "$dir/server.key" -subj /CN=registry -out "$dir/server.csr"
        openssl ca -batch -config "$dir/ca.cnf" -cert "$dir/ca.pem" -keyfile "$dir/ca.key" -notext \
            -in "$dir/server.csr" -days 2 -out "$dir/server.pem"
        openssl ca -batch -config "$dir/ca.cnf" -cert "$dir/ca.pem" -keyfile "$dir/ca.key" -notext \
            -in "$dir/server.csr" -startdate 20200101000000Z -enddate 20210101000000Z -out "$dir/expired.pem"
    } >"$dir/log" 2>&1 || fail "no certificates: $(tail -n 5 "$dir/log")"
}

# htpasswd's line for a password on stdin, in the one form that docker-registry takes, bcrypt.
htpasswd_line()
{
    # shellcheck disable=SC2016 # perl's
    REGISTRY_USER=$REGISTRY_USER perl -e 'chomp(my $p = <STDIN>); my $h = crypt($p, q($2y$05$abcdefghijklmnopqrstuu));
        die "crypt() has no bcrypt\n" unless $h && $h =~ /^\$2y/; print "$ENV{REGISTRY_USER}:$h\n"'
}

registry_auth()
{
    local dir=$1 realm
    case $2 in
    basic)
        htpasswd_line <<<"$REGISTRY_PASSWORD" >"$dir/htpasswd"
        printf 'auth:\n  htpasswd:\n    realm: a test\n    path: %s\n' "$dir/htpasswd"
        ;;
    token)
        openssl req -x509 -newkey rsa:2048 -nodes -keyout "$dir/token.key" -out "$dir/token.pem" \
            -subj /CN=tokens -days 2 2>"$dir/token.err" || fail "no key for tokens: $(<"$dir/token.err")"
        (umask 077 && echo "$REGISTRY_USER:$REGISTRY_PASSWORD" >"$dir/token.users")
        python3 "$WEFT_SRC_DIR/tests/e2e/registry_token.py" "$dir" >"$dir/token.log" 2>&1 &
        registry_pids[$(basename "$dir").token]=$!
        wait_for 20 test -s "$dir/token.port" || fail "the token server does not start: $(<"$dir/token.log")"
        realm=http://localhost:$(<"$dir/token.port")/token
        printf 'auth:\n  token:\n    realm: %s\n    service: registry of a test\n    issuer: a test\n    rootcertbundle: %s\n' \
            "$realm" "$dir/token.pem"
        ;;
    esac
}

# registry_start NAME [OPTION...]: and wait until it listens. Options:
#   tls, expired   HTTPS with a certificate of registry_ca
#   basic, token   wants REGISTRY_USER and REGISTRY_PASSWORD; token: with tokens, as most public ones do
#   size=4m        its file system has no more room than that; root only
registry_start()
{
    local name=$1 dir option certificate='' auth='' size=''
    dir=$(registry_dir "$name")
    shift
    mkdir -p "$dir/data"
    for option; do
        case $option in
        tls) certificate=server ;;
        expired) certificate=expired ;;
        basic | token) auth=$option ;;
        size=*) size=${option#size=} ;;
        *) fail "registry_start: $option" ;;
        esac
    done
    {
        printf 'version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: %s\n' "$dir/data"
        printf '  delete:\n    enabled: true\n'
        printf 'http:\n  addr: ADDRESS\n  secret: of a test\n'
        if [[ -n $certificate ]]; then
            registry_ca
            printf '  tls:\n    certificate: %s\n    key: %s\n' "$WEFT_TEST_TMP/ca/$certificate.pem" "$WEFT_TEST_TMP/ca/server.key"
        fi
        [[ -z $auth ]] || registry_auth "$dir" "$auth"
    } >"$dir/template.yml"
    echo "$size" >"$dir/size"
    # 0.0.0.0 is this machine, too, but to nobody a name for it that goes without HTTPS
    echo "${certificate:+0.0.0.0}" >"$dir/host"
    echo 0 >"$dir/port"
    registry_run "$name"
}

registry_port_in_log()
{
    sed -n 's/.*listening on [^ ]*:\([0-9][0-9]*\)[", ].*/\1/p' "$1" | tail -n 1
}

registry_listens()
{
    [[ -n $(registry_port_in_log "$1") ]]
}

# registry_run NAME: start it (again): with the data, and at the address, that it had.
registry_run()
{
    local name=$1 dir size pid
    dir=$(registry_dir "$name")
    size=$(<"$dir/size")
    sed "s/ADDRESS/127.0.0.1:$(<"$dir/port")/" "$dir/template.yml" >"$dir/config.yml"
    : >"$dir/log"
    if [[ -n $size ]]; then
        # a file system of its own, which nobody else sees, and which goes with it
        # shellcheck disable=SC2016 # expanded by the inner shell
        unshare -m sh -c 'mount -t tmpfs -o "size=$1" tmpfs "$2/data" && exec docker-registry serve "$2/config.yml"' \
            sh "$size" "$dir" >>"$dir/access.log" 2>>"$dir/log" &
    else
        docker-registry serve "$dir/config.yml" >>"$dir/access.log" 2>>"$dir/log" &
    fi
    pid=$!
    registry_pids[$name]=$pid
    wait_for 20 registry_listens "$dir/log" || fail "registry $name does not start: $(tail -n 5 "$dir/log")"
    registry_port_in_log "$dir/log" >"$dir/port"
}

# registry_kill NAME: at once, with what it was doing half done. registry_run starts it again.
registry_kill()
{
    kill -KILL "${registry_pids[$1]}"
    wait "${registry_pids[$1]}" 2>/dev/null || true
    unset "registry_pids[$1]"
}

# registry_addr NAME: what stands before the slash in a reference.
registry_addr()
{
    local dir host
    dir=$(registry_dir "$1")
    host=$(<"$dir/host")
    echo "${host:-localhost}:$(<"$dir/port")"
}

# registry_login ADDR [USER PASSWORD]: write what `docker login` would.
registry_login()
{
    local user=${2:-$REGISTRY_USER} password=${3:-$REGISTRY_PASSWORD}
    (umask 077 && jq -n --arg addr "$1" --arg auth "$(printf %s:%s "$user" "$password" | base64 -w 0)" \
        '{auths: {($addr): {auth: $auth}}}' >"$DOCKER_CONFIG/config.json")
}

registry_logout()
{
    rm -f "$DOCKER_CONFIG/config.json"
}

# registry_mark NAME; registry_log NAME: the requests since the mark, a line each, as
# "METHOD PATH STATUS" without the query.
registry_mark()
{
    registry_marks[$1]=$(wc -l <"$(registry_dir "$1")/access.log")
}

registry_log()
{
    tail -n +"$((${registry_marks[$1]:-0} + 1))" "$(registry_dir "$1")/access.log" |
        sed -n -E 's/^[^"]*"([A-Z]+) ([^ ?]*)(\?[^ ]*)? HTTP[^"]*" ([0-9]+) .*/\1 \2 \4/p'
}

# registry_requests NAME REGEX: how many lines of registry_log match.
registry_requests()
{
    registry_log "$1" | grep -c -E "$2" || true
}

# registry_uploads NAME: how many requests since the mark had to do with sending blobs.
registry_uploads()
{
    registry_requests "$1" '/blobs/uploads/'
}

# registry_digest ADDR REPOSITORY TAG [CURL-ARGUMENT...]: the digest that a tag has, or "none".
registry_digest()
{
    local scheme=http digest
    [[ $1 != 0.0.0.0:* ]] || scheme=https
    digest=$(curl -s -I "${@:4}" -H 'Accept: application/vnd.oci.image.index.v1+json' \
        -H 'Accept: application/vnd.oci.image.manifest.v1+json' \
        "$scheme://$1/v2/$2/manifests/$3" | tr -d '\r' | sed -n 's/^[Dd]ocker-[Cc]ontent-[Dd]igest: //p')
    echo "${digest:-none}"
}

# faults_start NAME REGISTRY: a proxy before a registry, which faults() makes do wrong.
faults_start()
{
    local dir
    dir=$(registry_dir "$1")
    mkdir -p "$dir"
    : >"$dir/host"
    python3 "$WEFT_SRC_DIR/tests/e2e/registry_faults.py" --upstream "127.0.0.1:$(<"$(registry_dir "$2")/port")" \
        --port-file "$dir/port" >"$dir/log" 2>&1 &
    registry_pids[$1]=$!
    wait_for 20 test -s "$dir/port" || fail "the proxy does not start: $(<"$dir/log")"
}

# faults NAME [RULE...]: the rules from now on, each a JSON object (registry_faults.py says which), and
# an empty log.
faults()
{
    local name=$1
    shift
    printf '%s\n' "$@" | jq -s . | curl -s -f -X PUT --data-binary @- "http://$(registry_addr "$name")/_faults" ||
        fail "the proxy does not take its rules"
}

# faults_log NAME: what came since, an object per request.
faults_log()
{
    curl -s -f "http://$(registry_addr "$1")/_faults"
}

# faults_hits NAME: how many requests a rule was applied to.
faults_hits()
{
    faults_log "$1" | jq '[.[] | select(.rule != null)] | length'
}
