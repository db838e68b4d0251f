#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# usage: docs.sh [WEFT]
#
# Compares what the documents say with what WEFT (default: ./weft) says: flags in the man pages and
# in docs/buildx.md and docs/migrate.md, exit codes, environment variables, examples, links. Needs no network; starts
# nothing but `weft ... --help` and man. Prints a line per finding and exits with 1 if there is any.
set -euo pipefail

weft=$(realpath "${1:-./weft}")
cd "$(dirname "$0")/.."
export LC_ALL=C.UTF-8

findings=0
finding()
{
    echo "docs: $*"
    findings=$((findings + 1))
}

# same WHAT A B: two lists of lines; what is in one only is a finding each.
same()
{
    local what=$1 line
    [[ -n $2 && -n $3 ]] || finding "$what: a list is empty"
    while IFS= read -r line; do
        [[ -z $line ]] || finding "$what: only the first has $line"
    done < <(comm -23 <(sort -u <<<"$2") <(sort -u <<<"$3"))
    while IFS= read -r line; do
        [[ -z $line ]] || finding "$what: only the second has $line"
    done < <(comm -13 <(sort -u <<<"$2") <(sort -u <<<"$3"))
}

# The help of a command, and of those that it lists.
help_of()
{
    local sub
    "$weft" "$1" --help
    for sub in $("$weft" "$1" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
        "$weft" "$1" "$sub" --help
    done
}

# The flags that `weft COMMAND --help` describes, "-t" and "--tag" on lines of their own.
help_flags()
{
    help_of "$1" | grep -o -E '^ {2,6}(-[a-zA-Z], )?--[a-z-]+' | grep -o -E -- '-+[a-zA-Z][a-z-]*'
}

man_flags()
{
    grep '^\.It Fl ' "$1" | sed 's/\\-/-/g' | grep -o -E '\bFl [a-zA-Z-]+' | sed 's/^Fl /-/'
}

check_commands()
{
    local commands command page
    commands=$("$weft" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p')
    same 'commands (weft --help, weft.1)' "$commands" "$(sed -n 's/^\.It Cm //p' docs/weft.1)"
    for command in $commands; do
        page=docs/weft-$command.1
        if [[ ! -f $page ]]; then
            finding "$page is missing"
            continue
        fi
        same "flags (weft $command --help, $page)" "$(help_flags "$command")" "$(man_flags "$page")"
    done
}

# docs/buildx.md names every flag of ours, and calls none missing that is there.
check_buildx()
{
    local flags flag column answer
    # shellcheck disable=SC2016  # these are Markdown's
    local bare='^(`-[a-z-]+`(, | and )?)+$'
    flags=$(help_flags build)
    for flag in $flags; do
        [[ $flag == -h || $flag == --help ]] || grep -q -E "\`${flag}[\` ]" docs/buildx.md ||
            finding "docs/buildx.md: does not name $flag"
    done
    while IFS='|' read -r _ column answer _; do
        column=$(sed 's/^ *//; s/ *$//' <<<"$column")
        [[ ($answer == ' no ' || $answer == ' left out ') && $column =~ $bare ]] || continue
        while IFS= read -r flag; do
            ! grep -q -x -F -- "$flag" <<<"$flags" || finding "docs/buildx.md: $flag does exist"
        done < <(grep -o -E -- '-[a-z-]+' <<<"$column")
    done <docs/buildx.md
}

# docs/migrate.md names flags of ours only, in what it has for those of others.
check_migrate()
{
    local flags flag
    flags=$(help_flags build)
    while IFS= read -r flag; do
        grep -q -x -F -e "$flag" <<<"$flags" || finding "docs/migrate.md: weft build has no $flag"
    done < <(sed -n 's/^|.* | \(.*\) |$/\1/p' docs/migrate.md | grep -o -E -- '--[a-z][a-z-]*' | sort -u)
}

check_exit_codes()
{
    local code readme page
    code=$(echo 0 && sed -n '/^int weft_err_exit_code/,/^}/s/.*return \([0-9]*\);.*/\1/p' base/err.c)
    readme=$(sed -n 's/^| \([0-9][0-9]*\) |.*/\1/p' README.md)
    page=$(sed -n '/^\.Sh EXIT STATUS/,/^\.El/s/^\.It //p' docs/weft.1)
    same 'exit codes (base/err.c, README.md)' "$code" "$readme"
    same 'exit codes (base/err.c, docs/weft.1)' "$code" "$page"
    same 'exit codes (base/err.c, weft --help)' "$code" \
        "$("$weft" --help | sed -n '/^Exit status:/,$p' | grep -o -E '\b[0-9]+\b')"
}

# That docs/env.md lists what the code reads is a matter of tests/lint.sh.
check_environment()
{
    same 'environment variables (docs/env.md, docs/weft.1)' \
        "$(grep -o -E '\bWEFT_[A-Z_]+' docs/env.md)" \
        "$(grep '^\.It Ev ' docs/weft.1 | grep -o -E '\bWEFT_[A-Z_]+')"
}

# The command lines in a document: indented in Markdown, displayed in a man page, joined where a
# backslash ends them, without what stands before weft.
examples_in()
{
    sed -e 's/\\e$/\\/' -e ':more' -e '/\\$/{N;s/\\\n */ /;b more' -e '}' "$1" |
        { if [[ $1 == *.md ]]; then grep '^    '; else cat; fi || true; } |
        sed -n -E 's/^ *(- |- run: )?([A-Z_]+=[^ ]* |[A-Z]+\/)*(weft (audit|bench|binfmt|build|doctor|du|inspect|platforms|prune|push|qemu|worker) .*)/\3/p' | sed 's/ *#.*//; s/ |.*//'
}

# --help at its end makes weft read a command line and do nothing: unknown flags are found.
check_examples()
{
    local file line words word n=0
    for file in README.md CONTRIBUTING.md docs/*.md docs/*.1 examples/*/README.md tests/bases/README.md; do
        while IFS= read -r line; do
            read -r -a words <<<"$line"
            n=$((n + 1))
            "$weft" "${words[@]:1}" --help >/dev/null 2>&1 || finding "$file: not understood: $line"
            [[ ${words[1]} == worker ]] || continue
            for word in "${words[@]:2}"; do
                [[ $word != -* ]] || "$weft" worker --help | grep -q -w -e "$word" ||
                    finding "$file: no such flag: $line"
            done
        done < <(examples_in "$file")
    done
    ((n >= 10)) || finding "only $n examples were found: has their form changed?"
}

check_links()
{
    local file link
    for file in *.md docs/*.md examples/*/*.md tests/*/*.md; do
        while IFS= read -r link; do
            [[ $link == *://* || -e $(dirname "$file")/${link%%#*} ]] || finding "$file: dead link: $link"
        done < <(grep -o -E '\]\([^)]+\)' "$file" | sed 's/^](//; s/)$//')
    done
}

check_pages()
{
    local said
    if ! command -v man >/dev/null || ! command -v groff >/dev/null; then
        if [[ ${WEFT_TESTS_MUST_RUN:-} == 1 ]]; then
            finding 'man or groff is missing'
        else
            echo 'docs: note: man or groff is missing, the pages are not formatted'
        fi
        return
    fi
    said=$(man --warnings -E UTF-8 -l -Z docs/*.1 2>&1 >/dev/null) || finding "man failed"
    [[ -z $said ]] || finding "$said"
}

check_commands
check_buildx
check_migrate
check_exit_codes
check_environment
check_examples
check_links
check_pages
echo "docs: $findings findings"
((findings == 0))
