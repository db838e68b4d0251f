#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# weft bench compare: fifty machines, made from one real result, with the ranking, ties, prices and
# failures that were put in; its outputs; files that are no results.
# shellcheck source=tests/e2e/lib.sh
. "$WEFT_SRC_DIR/tests/e2e/lib.sh"

need jq python3
python3 -c 'import jsonschema' || skip "the Python module jsonschema is missing"
base=$WEFT_SRC_DIR/tests/data/bench/quick.json
cd "$WEFT_TEST_TMP"

# nodes DIR: results of the machines that standard input describes.
nodes()
{
    mkdir -p "$1"
    "$WEFT_SRC_DIR/tests/e2e/bench-nodes" "$base" "$1"
}

# compare ARG...: as JSON, which is valid, to out.json.
compare()
{
    "$WEFT" bench compare --json "$@" >out.json 2>err || fail "$*: $(cat err)"
    json_valid compare.schema.json out.json
}

# on PLATFORM QUERY: of it in out.json.
on()
{
    jq -c --arg p "$1" ".platforms[] | select(.platform == \$p) | $2" out.json
}

# refused TEXT ARG...: with exit code 2 and the text, and nothing is printed.
refused()
{
    "$WEFT" bench compare "${@:2}" >out 2>err && rc=0 || rc=$?
    expect "exit code of ${*:2}" "$rc" 2
    grep -qF -- "$1" err || fail "'$1' is not in: $(cat err)"
    expect 'output' "$(cat out)" ''
}

# Pools of ten, each slower than the one before, but e is of arm64 machines. Node 7 of each is twice
# as slow as the others; c3 goes wrong, d4 lacks a kernel. In b, one is marked as noisy.
jq -n '[range(50) | (. / 10 | floor) as $p | (. % 10) as $i | ["a", "b", "c", "d", "e"][$p] as $pool |
    (if $i == 7 then 2 else 1 end) as $slow | ([1, 1.1, 1.3, 1.7, 1.2][$p] * $slow) as $f | {
    file: "\($pool)\($i)",
    machine: ({node: "\($pool)\($i)", pool: $pool, instance_type: "type-\($pool)", cpus: ([2, 2, 4, 8, 2][$p])} +
        if $pool == "e" then {platform: "linux/arm64", cpu: "ARM"} else {} end),
    native: $f,
    noisy: ($pool == "b" and $i == 1),
    targets: [
        {emulated: $f, platform: (if $pool == "e" then "linux/amd64" else "linux/arm64" end)} +
        if $pool == "c" and $i == 3 then {fail: "calls"} elif $pool == "d" and $i == 4 then {drop: "sha256"} else {} end
    ]}]' | nodes fifty
expect 'results' "$(find fifty -name '*.json' | wc -l)" 50
json_valid result.schema.json fifty/*.json

note "a ranking of fifty"
compare fifty --price a=2 --price type-b=1 --price c=3 --price e=1.5
expect platforms "$(jq -c '[.platforms[].platform]' out.json)" '["linux/amd64","linux/arm64"]'
expect nodes "$(jq '.nodes | length' out.json)" 50
# pool, rank, number of nodes of the same rank
groups='[.ranking | group_by(.rank)[] | "\(.[0].rank) \(map(.node[:1]) | unique | add)\(length) \(.[0].native)"]'
expect 'ranks of arm64' "$(on linux/arm64 "$groups")" \
    '["1 e9 true","10 e1 true","11 a9 false","20 b9 false","29 c8 false","37 d8 false","45 a1 false","46 b1 false","47 c1 false","48 d1 false"]'
expect 'ranks of amd64' "$(on linux/amd64 "$groups")" \
    '["1 a9 true","10 b9 true","19 c8 true","27 d8 true","35 a1 true","36 b1 true","37 c1 true","38 d1 true","39 e9 false","48 e1 false"]'
expect 'b is 10 % slower than a' "$(on linux/amd64 '.ranking[9].time | .ratio * 1000 | round')" 1100
expect 'the slow d' "$(on linux/amd64 '.ranking[] | select(.node == "d7") | .time.ratio * 1000 | round')" 3400
expect 'kernels' "$(on linux/amd64 '.ranking[9].kernels | length')" 6
expect 'noisy ones' "$(on linux/arm64 '[.ranking[] | select(.noisy) | .node]')" '["b1"]'
expect 'missing' "$(on linux/arm64 '[.missing[] | [.node, .failed, .why]]')" \
    "$(printf '%s' '[["c3",true,"calls failed under QEMU 7.2.22 on cortex-a53: a wrong result"],' \
        '["d4",false,"too few kernels were measured under QEMU 7.2.22 on cortex-a53: not sha256"]]')"
# what emulation costs on a node is what it is in the real result
expect 'slowdown' "$(on linux/arm64 '.ranking[] | select(.node == "a0") | .slowdown.ratio * 100 | round')" \
    "$(jq '[.targets[0].kernels[] | .samples | ((map(.emulated_ns) | sort) as $e | (map(.native_ns) | sort) as $n |
        ($e[3] + $e[4]) / ($n[3] + $n[4])) | log] | add / length | exp * 100 | round' "$base")"

note "prices"
# price / CPUs x time, as the median of the pool
expect 'pools of amd64' "$(on linux/amd64 '[.pools[] | [.name, .nodes, (.cost // 0) * 1000 | if type == "number" then round else . end]]')" \
    "$(jq -c -n '[["b", 10, 550], ["c", 9, 975], ["a", 10, 1000]]' | sed 's/]$//')$(on linux/amd64 \
        '[.pools[] | select(.name == "e" or .name == "d") | [.name, .nodes, (.cost // 0) * 1000 | if type == "number" then round else . end]]' | sed 's/^\[/,/')"
expect 'the cheapest of arm64' "$(on linux/arm64 '.pools[0] | [.name, (.cost * 100 | round)]')" '["e",75]'
expect 'd has no price' "$(on linux/amd64 '.pools[-1] | [.name, .cost]')" '["d",null]'
jq -r '.notes[]' out.json | grep -q '^there is no price of d0, d1, d2 and 7 more$' || fail "$(jq .notes out.json)"
on linux/amd64 .verdict | grep -q 'Builds cost least in pool b; in the next, c, 77 % more\.' || fail "$(on linux/amd64 .verdict)"
printf '# per hour\nname,price\r\n"type-b",1\nb5,9\n\nelsewhere,3\n' >prices.csv
compare fifty --prices prices.csv --price b6=7
expect 'the nodes with prices' "$(jq -c '[.nodes[] | select(.price) | .price]' out.json)" '[1,1,1,1,1,9,7,1,1,1]'
jq -r '.notes[]' out.json | grep -q 'those of elsewhere are of no node here' || fail "$(jq .notes out.json)"
refused 'did you mean "type-b"?' fifty --price type-bb=1
refused '"x" is no price' fifty --price a=x
refused 'has no price' fifty --price a
printf 'a,1\nb,2,3\n' >wrong.csv
refused 'wrong.csv, line 2: there are 3 fields' fifty --prices wrong.csv
printf 'elsewhere,3\n' >wrong.csv
refused 'is called "elsewhere"' fifty --prices wrong.csv
refused 'none.csv' fifty --prices none.csv
head -c 2000000 /dev/zero | tr '\0' 'a' >wrong.csv
refused 'is larger than' fifty --prices wrong.csv

note "several results of one machine"
jq -n '[
    {file: "old", machine: {node: "n", pool: "p"}, top: {started: "2026-01-01T00:00:00Z"},
     targets: [{emulated: 0.1}, {emulated: 0.9, version: "10.0"}]},
    {file: "new", machine: {node: "n", pool: "p"}, top: {started: "2026-01-02T00:00:00Z"}, targets: [{emulated: 2}]},
    {file: "part", machine: {node: "n", pool: "p"}, top: {started: "2026-01-03T00:00:00Z", complete: false},
     targets: [{emulated: 0.1, drop: "calls"}]},
    {file: "other", machine: {node: "n", pool: "q", cpu: "Another"}, top: {weft: "9.9"}},
    {file: "x", machine: {instance_type: "t1"}, native: 2}, {file: "y", machine: {instance_type: "t1"}, native: 3}
    ]' | nodes several
cp several/x.json several/again.json
compare several
expect names "$(jq -c '[.nodes[].name]' out.json)" '["t1 (again)","n (Another)","n (AMD EPYC)","t1 (y)"]'
expect 'of the merged one' "$(on linux/arm64 '[.ranking[] | [.node, .qemu.version, (.time.ratio * 10 | round)]]')" \
    '[["n (AMD EPYC)","10.0",10],["t1 (again)","7.2.22",11],["n (Another)","7.2.22",11],["t1 (y)","7.2.22",11]]'
for text in 'there are several results of n: the newest count' 'several/x.json is the same result as several/again.json' \
    'several versions of weft, whose kernels may differ: '; do
    jq -r '.notes[]' out.json | grep -qF "$text" || fail "no note '$text': $(jq .notes out.json)"
done
# a QEMU that was replaced in its place is another one
"$WEFT" bench compare several --html page.html >/dev/null
grep -q "colspan='1'>QEMU 10\.0</th>" page.html || fail "no column of QEMU 10.0"
compare several/x.json several/y.json
expect names "$(jq -c '[.nodes[].name]' out.json)" '["t1 (x)","t1 (y)"]'
compare - several/y.json <fifty/a0.json
expect 'one on standard input' "$(jq -c '[.nodes[].name]' out.json)" '["a0","t1"]'

note "one platform"
compare fifty --platform arm64
expect platforms "$(jq -c '[.platforms[].platform]' out.json)" '["linux/arm64"]'
refused 'no node has a figure for linux/s390x' fifty --platform linux/s390x
refused '--platform' fifty --platform linux/arm65

note "CSV"
jq -n '[{file: "1", machine: {node: "=cmd()", pool: "a, \"b\""}}, {file: "2", machine: {node: "@x", pool: "-1+1"}, native: 2},
    {file: "3", machine: {node: "plain"}, targets: [{fail: "calls"}]}]' | nodes formulas
"$WEFT" bench compare --csv --price plain=0.5 formulas >out.csv
python3 - <<'PYTHON' || fail "$(cat out.csv)"
import csv

with open('out.csv', newline='', encoding='utf-8') as f:
    text = f.read()
assert text.count('\n') == text.count('\r\n') == 7, text
rows = list(csv.DictReader(text.splitlines(keepends=True), strict=True))
assert all(None not in r and None not in r.values() for r in rows)
assert [(r['platform'], r['rank'], r['node'], r['pool']) for r in rows] == [
    ('linux/amd64', '1', "'=cmd()", 'a, "b"'), ('linux/amd64', '2', "'@x", "'-1+1"),
    ('linux/amd64', '', 'plain', 'AMD EPYC'),
    ('linux/arm64', '1', "'=cmd()", 'a, "b"'), ('linux/arm64', '1', "'@x", "'-1+1"),
    ('linux/arm64', '', 'plain', 'AMD EPYC')]
assert rows[1]['time'] == '2' and rows[1]['native'] == 'true' and rows[1]['cpus'] == '2', rows[1]
assert rows[3]['cpu_model'] == 'cortex-a53' and float(rows[3]['slowdown']) > 1, rows[3]
assert rows[5]['no_figure'].startswith('calls failed') and rows[5]['price'] == '0.5', rows[5]
assert rows[5]['noisy'] == rows[5]['time'] == '' and rows[0]['no_figure'] == '', rows
PYTHON
refused 'only one' fifty --csv --json

note "the table"
"$WEFT" bench compare fifty --prices prices.csv >out
head -n 1 out | grep -q '^linux/amd64: a0 is fastest, native; a1, a2, a3 and 5 more are as fast, within the noise\.' ||
    fail "$(head -n 1 out)"
grep -q '^ *11  a0  *a  *QEMU 7.2.22 on cortex-a53  ' out || fail "no a0: $(cat out)"
grep -q '^ *20  b1 .* noisy$' out || fail "no noisy b1"
grep -q '^no figure for c3: calls failed under QEMU 7.2.22 on cortex-a53: a wrong result$' out || fail "no c3"
if grep -q '^ *[0-9]*  c3  *c  *QEMU' out; then
    fail "c3 is ranked"
fi
# On a terminal of so many columns no line is longer, the tables have what counts, and -o has no such limit.
for columns in 30 46 60 80 200; do
    python3 - "$columns" "$WEFT" bench compare fifty several/y.json --prices prices.csv <<'PYTHON' >screen
import fcntl
import os
import pty
import struct
import sys
import termios

pid, fd = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 24, int(sys.argv[1]), 0, 0))
    os.execv(sys.argv[2], sys.argv[2:])
text = b''
try:
    while chunk := os.read(fd, 65536):
        text += chunk
except OSError:
    pass
sys.stdout.write(text.decode().replace('\r\n', '\n'))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
PYTHON
    expect "lines longer than $columns" "$(awk -v n="$columns" 'length > n' screen)" ''
    grep -q '^  RANK  NODE .*TIME' screen || fail "no table in $columns columns: $(cat screen)"
    expect "how, in $columns columns" "$(grep -c '^  RANK  NODE .*HOW' screen)" "$((columns >= 80 ? 2 : 0))"
    expect "intervals, in $columns columns" "$(grep -c '^  RANK  NODE .*95 % INTERVAL' screen)" "$((columns >= 80 ? 2 : 0))"
    expect "b4, in $columns columns" "$(grep -c '^ *[0-9]*  b4 .* 1\.[0-9]*x' screen)" 1
done
"$WEFT" bench compare fifty --prices prices.csv -o table >out2
cmp out table || fail "--output has something else"
expect 'what is printed beside --output' "$(cat out2)" ''

note "the page"
"$WEFT" bench compare fifty --html page.html --json -o out.json
json_valid compare.schema.json out.json
grep -q '^<!DOCTYPE html>' page.html || fail "page.html: $(head -c 200 page.html)"
"$WEFT" bench compare fifty --html - >page2.html
cmp page.html page2.html || fail "--html - has something else"
refused 'standard output cannot have anything else' fifty --html - --json
refused 'name the same file' fifty --html same --output same
"$WEFT" bench compare fifty --html missing/page.html >out 2>err && rc=0 || rc=$?
expect 'a page that cannot be written' "$rc" 1
cp page.html before.html
refused 'no node has a figure' fifty --html page.html --platform linux/s390x
cmp page.html before.html || fail "a comparison that failed has changed the page"

note "files that are no results"
mkdir bad empty
: >bad/empty.json
head -c 5000 "$base" >bad/cut.json
echo '{"name": "npm", "version": "1.0"}' >bad/foreign.json
echo '[]' >bad/list.json
jq -c '.schema = 2' "$base" >bad/newer.json
jq -c '.targets[0].kernels[2].samples[1].native_ns = -5' "$base" >bad/negative.json
jq -c '.targets[0].kernels[2].iterations = 0' "$base" >bad/none.json
jq -c '.targets = "all"' "$base" >bad/type.json
sed 's/"emulated_ns": [0-9]*/"emulated_ns": 1e400/' "$base" >bad/huge.json
printf '%0.s[' {1..100000} >bad/deep.json
head -c 100000 /dev/urandom >bad/random.json
ln -s loop.json bad/loop.json
mkdir bad/dir.json
mkfifo bad/pipe.json
while read -r file text; do
    refused "bad/$file: " "bad/$file" fifty/a0.json
    grep -qF "$text" err || fail "bad/$file: '$text' is not in: $(cat err)"
done <<'FILES'
cut.json not JSON at line
foreign.json this is no result of weft bench
list.json this is no result of weft bench
newer.json written by a newer weft
negative.json targets[0].kernels[2].samples[1].native_ns
none.json targets[0].kernels[2].iterations
type.json targets
huge.json not JSON at line
deep.json not JSON at line
random.json not JSON at line 1
FILES
refused 'bad/empty.json is empty' bad/empty.json
refused 'bad/loop.json' bad/loop.json
refused 'bad/missing.json' bad/missing.json
refused 'bad/' bad
refused 'there is no result in empty' empty
refused 'there is no result in bad/dir.json' bad/dir.json
refused 'which results?'
refused 'standard input is empty' - </dev/null
# a directory with a subdirectory, a pipe and a file in the making: they are not read
mkdir mixed
cp fifty/a0.json mixed/
cp bad/cut.json mixed/.a1.json.tmp.json
mkdir mixed/dir.json
mkfifo mixed/pipe.json
compare mixed
expect 'of a mixed directory' "$(jq -c '[.nodes[].name]' out.json)" '["a0"]'

note "names from others"
jq -n '[{file: "1", machine: {node: "a\u001b[31m\nb<script>", pool: "\u202ep", cpu: "<i>"}, top: {weft: "\u001b[0m"}},
    {file: "2"}, {file: "3", machine: {node: ("ü" * 100)}}]' | nodes hostile
"$WEFT" bench compare hostile --html page.html >out 2>err || fail "$(cat err)"
if grep -q $'\e' out page.html; then
    fail "an escape sequence is shown"
fi
if grep -qi '<script>\|<i>' page.html; then
    fail "a name is markup"
fi
rm hostile/*
ln -s nothing "hostile/"$'\e[31m.json'
refused 'hostile/\x1b[31m.json' hostile
