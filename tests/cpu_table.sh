#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# usage: cpu_table.sh [--update] [PROGRAM]
#
# Compares the table in docs/cpu-models.md with the catalogue, as PROGRAM (tests/cpu_table) prints
# it; --update writes it into the document.
set -euo pipefail

update=0
if [[ ${1:-} = --update ]]; then
    update=1
    shift
fi
program=$(realpath "${1:-tests/cpu_table}")
doc=$(dirname "$0")/../docs/cpu-models.md
table=$("$program")
[[ $table = *linux/arm64* ]] || {
    echo "cpu_table: $program prints no table" >&2
    exit 1
}
# The document with the table of now in the place of its own.
new=$(awk -v table="$table" '
    /^\|/ { if (!done) { print table; done = 1 } next }
    { print }' "$doc")
if ((update)); then
    printf '%s\n' "$new" >"$doc"
elif ! diff -u "$doc" <(printf '%s\n' "$new"); then
    echo "cpu_table: docs/cpu-models.md is not what the catalogue says: tests/cpu_table.sh --update" >&2
    exit 1
fi
