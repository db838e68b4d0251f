#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# The page of a comparison in a real browser, light, dark, at 400 px and printed: by itself, readable, with every
# figure as text, by keyboard, and with names that are markup.
# shellcheck source=tests/e2e/lib.sh
. "$WEFT_SRC_DIR/tests/e2e/lib.sh"

need chromium tidy /usr/bin/python3
page=$WEFT_BUILD_DIR/tests/e2e/bench-page

"$page" >five.html
"$page" --hostile 10 >hostile.html
"$page" 20 >twenty.html
"$page" 1 >one.html

note "the HTML is right"
for file in five hostile twenty one; do
    tidy -quiet -errors --show-info no "$file.html" 2>tidy.out || fail "$file.html: $(cat tidy.out)"
done
if sed 's/<h1>/<h1><b><p>/' five.html | tidy -quiet -errors 2>tidy.out; then
    fail "tidy sees no errors"
fi

note "as text, and in the browser"
"$WEFT_SRC_DIR/tests/e2e/bench-page-check" . five.html hostile.html || fail "the page"
[[ ! -e profile ]] || fail "the browser's profile is left"

note "names from files are text, as they are"
for name in '&lt;script&gt;alert(1)&lt;/script&gt;' '&quot;&gt;&lt;img src=x onerror=alert(1)&gt;' '\\x1b\[31m\\xff'; do
    grep -q -- "$name" hostile.html || fail "no $name"
done

note "many nodes are folded, one alone is not"
expect "rows that are seen at once" "$(sed '/<details/,/<\/details>/d; /arm64-ranking/,/<\/table>/!d' twenty.html |
    grep -c '<tr><td')" 12
expect "all of them" "$(sed '/arm64-ranking/,/<\/table>/!d' twenty.html | grep -c '<tr><td')" 20
grep -q '<summary>The same on 15 other nodes' twenty.html || fail "maps of twenty nodes"
expect "facts of one" "$(grep -c "<details open='open'><summary>" one.html)" 1
expect "facts of twenty" "$(grep -c "<details open='open'><summary>" twenty.html || true)" 0
