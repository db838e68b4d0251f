#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# usage: analyze.sh CC CPPFLAG... (make analyze gives them)
#
# Static analysis of all C files: gcc's -fanalyzer; cppcheck and clang-tidy where they are installed.
# Exits with 1 on a finding. Not part of check: each of the three has false findings now and then.
set -euo pipefail

cc=$1
shift
cd "$(dirname "$0")/.."
mapfile -t files < <(find base platforms binfmt bench engine -name '*.c' 2>/dev/null | LC_ALL=C sort)
rc=0

if "$cc" --version | grep -q -i 'free software foundation'; then
    for file in "${files[@]}"; do
        echo "  ANALYZE  $file"
        "$cc" -std=gnu11 -fanalyzer -Werror -O2 -S -o /dev/null "$@" "$file" || rc=1
    done
else
    echo "analyze: $cc is not gcc: -fanalyzer is left out"
fi

if command -v cppcheck >/dev/null; then
    # It does not see that scope attributes (base/cleanup.h) close a descriptor, and wants readdir_r,
    # which glibc deprecates, nor that mmap() without a file takes -1.
    cppcheck -q --library=posix --enable=warning,portability --inline-suppr --error-exitcode=1 \
        --suppress=resourceLeak --suppress=readdirCalled --suppress=invalidFunctionArg \
        -I. "${files[@]}" || rc=1
else
    echo "analyze: cppcheck is missing: left out"
fi

if command -v clang-tidy >/dev/null; then
    clang-tidy --quiet --warnings-as-errors='*' --checks="clang-analyzer-*,bugprone-*,\
-clang-analyzer-security.insecureAPI.*,-bugprone-easily-swappable-parameters,\
-bugprone-branch-clone,-bugprone-implicit-widening-of-multiplication-result" \
        "${files[@]}" -- -std=gnu11 "$@" || rc=1
else
    echo "analyze: clang-tidy is missing: left out"
fi
exit "$rc"
