# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the tests with several QEMUs share, on top of lib.sh. Sourced, never run.

unset WEFT_CONFIG XDG_CONFIG_HOME
export WEFT_CONFIG=$WEFT_TEST_TMP/config.yaml
echo '{}' >"$WEFT_CONFIG"

# version_of PROGRAM
version_of()
{
    "$1" --version | sed -n 's/.* version \([0-9.]*\).*/\1/p;q'
}

# Two directories with QEMU programs: $old with 7.2, of Debian 12, and $new with 10.0, of Debian 13; their
# versions are $old_version and $new_version.
# shellcheck disable=SC2034 # for who sources this
two_qemus()
{
    local suite dir
    for suite in bookworm trixie; do
        dir=$WEFT_TEST_TMP/qemu-$suite
        if [[ $suite == bookworm && -x /usr/bin/qemu-aarch64-static &&
            $(version_of /usr/bin/qemu-aarch64-static) == 7.2* ]]; then
            mkdir -p "$dir"
            cp /usr/bin/qemu-{aarch64,arm,riscv64}-static "$dir"
            continue
        fi
        "$WEFT_SRC_DIR/tests/bases/qemu" "$dir.all" "$suite" >&2 || skip "no QEMU of $suite: no network?"
        mkdir -p "$dir"
        cp "$dir.all"/qemu-{aarch64,arm,riscv64} "$dir"
    done
    old=$WEFT_TEST_TMP/qemu-bookworm new=$WEFT_TEST_TMP/qemu-trixie
    old_version=$(version_of "$old"/qemu-aarch64*)
    new_version=$(version_of "$new"/qemu-aarch64*)
    [[ $old_version == 7.2* && $new_version == 10.* ]] || fail "QEMU $old_version and $new_version"
    chmod 755 "$old" "$new"
}

# broken_qemu DIR MACHINE WHAT: puts a QEMU in DIR that lacks WHAT (broken-qemu.c), over that of $old.
broken_qemu()
{
    mkdir -p "$1"
    gcc -std=gnu11 -D_GNU_SOURCE -O2 -static -I"$WEFT_BUILD_DIR" "$WEFT_SRC_DIR/tests/e2e/broken-qemu.c" \
        -o "$1/qemu-$2"
    printf '%s\n' "$(echo "$old/qemu-$2"*)" "$3" >"$1/qemu-$2.how"
}
