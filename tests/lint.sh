#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# usage: lint.sh
#
# Checks what the compiler does not: layers, library owners, headers, banned functions, formatting,
# scripts, the list of environment variables. Needs no network and no build. Prints a line per
# finding and exits with 1 if there is any. A tool that is missing is said, and is a finding with
# WEFT_TESTS_MUST_RUN=1.
set -euo pipefail

cd "$(dirname "$0")/.."
cc=${CC:-gcc}
export LC_ALL=C.UTF-8

# The one module that may include a library's headers: HEADER-PATTERN FILE...
owners=(
    'jansson\.h base/json.c'
    'archive(_entry)?\.h engine/layer.c engine/layer_read.c engine/unpack.c engine/unpack_read.c'
    'uv\.h base/loop.c base/spawn.c'
    'openssl/.* base/digest.c'
    'gelf\.h|libelf\.h platforms/elf.c platforms/elf_facts.c'
    'curl/.* engine/registry/http.c'
)
# What a directory may include: itself and what is below it.
layers=(base platforms binfmt bench engine)
# The programs' main files: only they may exit.
mains='engine/main.c|engine/init_main.c'

findings=0
finding()
{
    echo "lint: $*"
    findings=$((findings + 1))
}

# findings_of TEXT: reads lines, each is a finding.
findings_of()
{
    local line
    while IFS= read -r line; do
        finding "$line: $1"
    done
}

missing_tool()
{
    if [[ ${WEFT_TESTS_MUST_RUN:-} == 1 ]]; then
        finding "$1 is missing"
    else
        echo "lint: note: $1 is missing, its check is left out"
    fi
}

if git -c safe.directory='*' rev-parse --git-dir >/dev/null 2>&1 &&
    [[ -z $(git -c safe.directory='*' rev-parse --show-prefix) ]]; then
    mapfile -t files < <(git -c safe.directory='*' ls-files -co --exclude-standard |
        while IFS= read -r f; do [[ -f $f ]] && echo "$f"; done)
else
    mapfile -t files < <(find . -type f \
        -not -path './build*' -not -path './autom4te.cache/*' -not -name '*.o' -printf '%P\n' |
        grep -v -E '^(configure|config\.(h|h\.in|log|status)|aclocal\.m4|Makefile|Makefile\.in)$')
fi

matching() { printf '%s\n' "${files[@]}" | grep -E "$1" || true; }
mapfile -t c_files < <(matching '\.[ch]$')
mapfile -t headers < <(matching '\.h$')
mapfile -t sources < <(matching '^(base|platforms|binfmt|bench|engine)/.*\.[ch]$')
mapfile -t scripts < <(for f in "${files[@]}"; do
    [[ $f == *.sh ]] || head -n 1 "$f" | grep -q -a -E '^#!.*\b(ba)?sh\b' || continue
    echo "$f"
done)
mapfile -t text_files < <(grep -I -l '' -- "${files[@]}" | grep -v '^LICENSE$')

check_layers()
{
    local allowed='' layer file
    for layer in "${layers[@]}"; do
        allowed=${allowed:+$allowed|}$layer
        for file in "${sources[@]}"; do
            [[ $file == "$layer"/* ]] || continue
            grep -n '^ *# *include *"' "$file" | grep -v -E "\"(config\.h|($allowed)/[^\"]*)\"" |
                sed "s|^|$file:|" || true
        done
    done | findings_of "$layer_text"
}
layer_text='this include points up, or does not begin with a directory'

check_owners()
{
    local row pattern allowed file hit
    for row in "${owners[@]}"; do
        read -r pattern allowed <<<"$row"
        for file in "${c_files[@]}"; do
            [[ " $allowed " == *" $file "* ]] && continue
            hit=$(grep -n -E "^ *# *include *[<\"]($pattern)[>\"]" "$file" | head -n 1 || true)
            [[ -z $hit ]] || echo "$file:$hit (its owner: $allowed)"
        done
    done | findings_of 'a library is included by its owner only'
}

check_sources()
{
    local file first
    for file in "${c_files[@]}"; do
        head -n 1 "$file" | grep -q -F '/* SPDX-License-Identifier: Apache-2.0 */' ||
            echo "$file:1: no SPDX line"
        if [[ $file == *.c ]]; then
            first=$(grep -m 1 '^ *# *include' "$file" || true)
            # a guest program knows nothing of weft, and has no config.h
            [[ $first == '#include "config.h"' || $file == tests/data/* || $file == examples/* ||
                $file == */guest/* || $file == bench/kernels/* ]] ||
                echo "$file: config.h is not included first"
        fi
        awk -v f="$file" 'length > 100 { print f ":" FNR ": over 100 columns" }' "$file"
    done | findings_of style
    for file in "${sources[@]}"; do
        grep -q -F "%D%/${file#*/}" "${file%%/*}/local.mk" 2>/dev/null ||
            echo "$file: not in ${file%%/*}/local.mk"
    done | findings_of build
}

check_headers()
{
    local file guard
    for file in "${headers[@]}"; do
        guard=WEFT_$(tr 'a-z/.-' 'A-Z___' <<<"$file")
        grep -q "^#ifndef $guard\$" "$file" || finding "$file: the guard is not $guard"
        "$cc" -std=gnu11 -D_GNU_SOURCE -I. -Wall -Wextra -Werror -fsyntax-only -x c - \
            <<<"#include \"$file\"" || finding "$file: does not compile alone"
    done
}

check_banned()
{
    local call='(?<![\w.>"])' file
    for file in "${c_files[@]}"; do
        [[ $file == examples/* || $file == tests/data/* ]] && continue
        grep -n -P "$call(system|popen|strcpy|strcat|sprintf|vsprintf|gets|strtok|atoi|atol|tmpnam|mktemp|alloca)\s*\(" \
            "$file" | grep -v -P '^\d+:\s*(/?\*|//)' | sed "s|^|$file:|" || true
        [[ $file == tests/* || $file =~ ^($mains)$ ]] && continue
        grep -n -P "$call(exit|err|errx)\s*\((?!struct)" "$file" |
            grep -v -P '^\d+:\s*(/?\*|//)' | sed "s|^|$file:|" || true
    done | findings_of 'a banned function'
}

check_format()
{
    local tool=clang-format version
    if ! command -v "$tool" >/dev/null; then
        missing_tool "$tool"
        return
    fi
    version=$("$tool" --version | sed -n 's/.*version \([0-9]*\).*/\1/p')
    if [[ $version != 14 ]]; then
        echo "lint: note: clang-format $version formats differently from 14 (Debian 12); left out"
        return
    fi
    for file in "${c_files[@]}"; do
        "$tool" --dry-run -Werror --style=file "$file" 2>/dev/null ||
            finding "$file: clang-format -i changes it"
    done
}

check_scripts()
{
    local file
    if command -v shellcheck >/dev/null; then
        for file in "${scripts[@]}"; do
            shellcheck -x -P SCRIPTDIR "$file" || finding "$file: shellcheck"
        done
    else
        missing_tool shellcheck
    fi
    for file in "${scripts[@]}" $(matching '(\.mk|\.ac|\.am|\.py|\.go)$'); do
        head -n 4 "$file" | grep -q -F 'SPDX-License-Identifier: Apache-2.0' ||
            finding "$file: no SPDX line"
    done
}

check_go()
{
    local tool unformatted file
    local go_files=()
    mapfile -t go_files < <(matching '\.go$')
    ((${#go_files[@]})) || return 0
    for tool in gofmt /usr/local/go/bin/gofmt \
        "${XDG_CACHE_HOME:-${HOME:-}/.cache}"/weft/go-*/bin/gofmt; do
        if command -v "$tool" >/dev/null; then
            unformatted=$("$tool" -l "${go_files[@]}")
            for file in $unformatted; do
                finding "$file: gofmt changes it"
            done
            return 0
        fi
    done
    missing_tool gofmt
}

# Each WEFT_ name in a string of the programs is an environment variable, and docs/env.md has it.
check_environment()
{
    local name used code=()
    mapfile -t code < <(matching '^(base|platforms|binfmt|bench|engine|tools)/.*\.(c|h|go)$')
    used=$( (grep -h -o -E '"WEFT_[A-Z0-9_]+["=]' "${code[@]}" || true) | tr -d '"=' | sort -u)
    for name in $used; do
        grep -q -s -w "$name" docs/env.md || finding "docs/env.md: does not list $name"
    done
    [[ -f docs/env.md ]] || return 0
    (grep -o -E '\bWEFT_[A-Z0-9_]+' docs/env.md || true) | sort -u | while read -r name; do
        grep -q -w -F "$name" <<<"$used" || grep -q -w -F "$name" -- "${scripts[@]}" ||
            finding "docs/env.md: $name is not read anywhere"
    done
}

check_text()
{
    local here=$PWD
    (grep -n -E '[[:blank:]]+$' "${text_files[@]}" || true) | cut -d: -f1,2 |
        findings_of 'trailing white space'
    for file in "${text_files[@]}"; do
        [[ -z $(tail -c 1 "$file") ]] || finding "$file: no newline at its end"
    done
    # a checkout at /src would match too much
    if [[ $here == /*/* ]]; then
        (grep -n -F "$here" "${text_files[@]}" || true) | cut -d: -f1,2 |
            findings_of 'a path of this machine'
    fi
    (grep -n -E '/(home|Users)/[a-z]+/' "${text_files[@]}" || true) | cut -d: -f1,2 |
        findings_of 'a path of some machine'
}

longest()
{
    echo "lint: for information, the longest files and functions:"
    ((${#sources[@]})) || return 0
    wc -l "${sources[@]}" | sort -rn | grep -v ' total$' | head -n 10 || true
    awk '/^[a-z].*\(/ { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name) }
        /^\{/ { start = FNR }
        /^\}/ && start { print FNR - start - 1, FILENAME ":" name; start = 0 }' "${sources[@]}" |
        sort -rn | head -n 10 || true
}

# A pipeline's last part would count in a subshell of its own.
shopt -s lastpipe

check_layers
check_owners
check_sources
check_headers
check_banned
check_format
check_scripts
check_go
check_environment
check_text
longest
echo "lint: $findings findings"
((findings == 0))
