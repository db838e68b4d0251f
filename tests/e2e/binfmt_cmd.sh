#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# weft binfmt: the handlers of a table are listed as they are, checked, registered and removed, through the
# kernel's file and through update-binfmts. All of it in user namespaces with tables of their own, and in a
# private root for binfmt-support's files: the host's table and database are neither used nor changed.
# timeout: 400
# shellcheck source=tests/e2e/lib.sh
. "$WEFT_SRC_DIR/tests/e2e/lib.sh"

table=/proc/sys/fs/binfmt_misc

# --- What runs inside: "--inside NAME", as root of a namespace with an empty table; "--root"
# goes into the private root first.

# The table as text, to be compared.
table()
{
    local file
    for file in "$table"/*; do
        [[ $file == */register ]] || printf '%s: %s\n' "$file" "$(cat "$file")"
    done
}

clear_table()
{
    echo -1 >"$table/status"
}

# In one write(2), as the kernel wants it: bash's own printf writes line by line.
register()
{
    env printf %s "$1" >"$table/register"
}

# Debian's line for QEMU's architecture $1, with flags $2, under the name $3.
debian_line()
{
    local line
    line=$(grep -h "^:qemu-$1:" "/usr/lib/binfmt.d/qemu-$1.conf")
    line=${line%:*}:${2:-POCF}
    echo ":${3:-qemu-$1}:${line#:*:}"
}

# handler NAME JQ: of the list.
handler()
{
    "$WEFT" binfmt list --json | jq -r --arg name "$1" ".handlers[] | select(.name == \$name) | $2"
}

# refused CODE TEXT COMMAND...: ends with that code and says this, and leaves the table as it is.
refused()
{
    local code=$1 text=$2 rc=0 before
    shift 2
    before=$(table)
    "$@" >refused.out 2>&1 || rc=$?
    expect "exit code of $*" "$rc" "$code"
    grep -q -- "$text" refused.out || fail "$*: no '$text': $(cat refused.out)"
    expect "table" "$(table)" "$before"
}

# A root whose /usr is the host's, with binfmt-support (or surely without, for "none"), and an empty
# /var. Runs this script there.
in_root()
{
    local support=$1 root=$PWD/root dir lower=/usr
    shift
    mkdir -p root
    mount -t tmpfs none root
    mkdir -p root/{up,wk,m}
    root=$root/m
    mkdir -p "$root"/{usr,proc,dev,tmp,etc/binfmt.d,var/lib/binfmts,run,opt}
    [[ $support == none ]] || lower=$support/usr:/usr
    mount -t overlay overlay -o "lowerdir=$lower,upperdir=$PWD/root/up,workdir=$PWD/root/wk" "$root/usr"
    [[ $support != none ]] || rm -f "$root/usr/sbin/update-binfmts"
    for dir in bin sbin lib lib64; do
        [[ ! -L /$dir ]] || ln -s "usr/$dir" "$root/$dir"
    done
    mount --rbind /proc "$root/proc"
    mount --rbind /dev "$root/dev"
    for dir in "$WEFT_BUILD_DIR" "$WEFT_SRC_DIR" "$WEFT_TEST_TMP"; do
        mkdir -p "$root$dir"
        mount --bind "$dir" "$root$dir"
    done
    chroot "$root" env -C "$PWD" TMPDIR=/tmp "$WEFT_SRC_DIR/tests/e2e/binfmt_cmd.sh" --inside "$@"
}

inside_kernel()
{
    local saved line before

    note "registered, and a second time"
    "$WEFT" binfmt install linux/arm64 linux/arm/v7 linux/arm/v6 >out 2>err
    expect "lines" "$(wc -l <out)" 2
    grep -q '^linux/arm64: registered as weft-aarch64, ' out || fail "$(cat out)"
    grep -q 'until the next boot.*/etc/binfmt.d/weft-aarch64.conf' err || fail "$(cat err)"
    saved=$(table)
    "$WEFT" binfmt install linux/arm64 linux/arm/v6 >out 2>err
    expect "already" "$(grep -c 'already registered' out)" 2
    expect "nothing to say" "$(cat err)" ""
    expect "table" "$(table)" "$saved"
    "$WEFT" binfmt check >out || fail "$(cat out)"
    expect "checked" "$(grep -c '^ok ' out)" 2

    note "the dry run prints what is done"
    clear_table
    "$WEFT" binfmt install --dry-run linux/arm64 linux/arm >dry
    expect "lines" "$(wc -l <dry)" 2
    expect "table" "$(ls "$table")" "$(printf 'register\nstatus')"
    sh -e dry
    expect "table" "$(table)" "$saved"
    # the bytes themselves: a directory in the place of the table keeps them
    mkdir -p fake
    echo enabled >fake/status
    : >fake/register
    line=$("$WEFT" binfmt install --dry-run linux/s390x | sed "s/^printf %s '\(.*\)' >.*/\1/")
    (
        mount --bind fake "$table"
        rc=0
        "$WEFT" binfmt install linux/s390x >out 2>&1 || rc=$?
        umount "$table"
        expect "a kernel that does not do as it was told" "$rc" 1
        grep -q 'does not have it as it should be' out || fail "$(cat out)"
    )
    expect "bytes" "$(cat fake/register)" "$line"

    note "decoded"
    expect "platforms" "$(handler weft-arm '.platforms | join(" ")')" "linux/arm/v7 linux/arm/v6 linux/arm/v5"
    expect "flags" "$(handler weft-arm .flags)" POCF
    expect "owner" "$(handler weft-arm '.owner.kind, .owner.weft' | xargs)" "weft true"
    expect "file" "$(handler weft-arm .file.state)" current
    expect "version" "$(handler weft-arm .version)" "$(qemu-arm-static --version | sed -n '1s/.*version \([0-9.]*\).*/\1/p')"
    expect "magic" "$(handler weft-arm .magic)" "$(sed -n 's/^magic //p' "$table/weft-arm")"
    expect "mask" "$(handler weft-arm .mask)" "$(sed -n 's/^mask //p' "$table/weft-arm")"
    "$WEFT" binfmt remove --all >out
    expect "removed" "$(sort out | xargs)" "weft-aarch64: removed weft-arm: removed"
    "$WEFT" binfmt remove --all >out
    expect "nothing" "$(cat out)" ""
    grep -q 'no handlers' <("$WEFT" binfmt list) || fail "the empty table"

    note "kept as it was said"
    "$WEFT" binfmt install linux/arm64 >/dev/null 2>err
    sed -n "s/.*systemd: \(printf .*\)/\1/p" err >keep.sh
    sh -e keep.sh
    expect "owner" "$(handler weft-aarch64 '.owner.kind, .owner.file, .owner.weft' | xargs)" \
        "binfmt.d /etc/binfmt.d/weft-aarch64.conf true"
    rm /etc/binfmt.d/weft-aarch64.conf

    note "somebody else's"
    clear_table
    before=$(debian_line s390x "$(sed -n 's/^:.*://p' /usr/lib/binfmt.d/qemu-s390x.conf)")
    register "$before"
    expect "owner" "$(handler qemu-s390x '.owner.kind, .owner.file, .owner.weft' | xargs)" \
        "binfmt.d /usr/lib/binfmt.d/qemu-s390x.conf false"
    refused 2 'is not weft.s\|not weft' "$WEFT" binfmt install linux/s390x
    refused 2 'not weft' "$WEFT" binfmt remove qemu-s390x
    refused 2 'not weft' "$WEFT" binfmt remove linux/s390x
    "$WEFT" binfmt remove --all
    [[ -e $table/qemu-s390x ]] || fail "remove --all took what is not weft's"
    "$WEFT" binfmt install >out 2>err
    grep -q 'linux/s390x: left to the handler qemu-s390x' err || fail "$(cat err)"
    [[ -e $table/weft-riscv64 && ! -e $table/weft-s390x ]] || fail "$(ls "$table")"
    "$WEFT" binfmt install --replace linux/s390x >/dev/null 2>&1
    [[ -e $table/weft-s390x && ! -e $table/qemu-s390x ]] || fail "$(ls "$table")"
    "$WEFT" binfmt check linux/s390x >/dev/null || fail "s390x"
    # all handlers are switched off: said, and registered
    clear_table
    echo 0 >"$table/status"
    "$WEFT" binfmt install linux/s390x >/dev/null 2>err
    grep -q 'switched off' err || fail "$(cat err)"
    echo 1 >"$table/status"
    # one with weft's name, but not for these programs
    clear_table
    register ':weft-s390x:M::abcd::/bin/cat:'
    "$WEFT" binfmt install linux/s390x >/dev/null 2>&1
    "$WEFT" binfmt check weft-s390x >/dev/null || fail "s390x"
    register "$before"
    "$WEFT" binfmt remove --foreign linux/s390x >out
    expect "removed" "$(sort out | xargs)" "qemu-s390x: removed weft-s390x: removed"

    note "what would do harm"
    clear_table
    refused 2 'itself' "$WEFT" binfmt install linux
    mkdir -p /opt/self /opt/other
    cp "$(command -v qemu-aarch64-static)" /opt/self/
    printf '\267\0' | dd of=/opt/self/qemu-aarch64-static bs=1 seek=18 conv=notrunc status=none
    refused 3 'no static qemu-aarch64' env WEFT_QEMU_DIR=/opt/self "$WEFT" binfmt install linux/arm64
    cp "$(command -v qemu-arm-static)" /opt/other/qemu-s390x-static
    refused 3 'does not run programs of linux/s390x' env WEFT_QEMU_DIR=/opt/other "$WEFT" binfmt install linux/s390x
    refused 3 'no static qemu-riscv64' env WEFT_QEMU_DIR=/opt/other "$WEFT" binfmt install linux/riscv64
    refused 2 'flags are of' "$WEFT" binfmt install --flags=FX linux/s390x
    refused 2 'nothing here runs' "$WEFT" binfmt install windows/amd64
    refused 2 'unknown' "$WEFT" binfmt install linux/armm64
    refused 2 'no handler has this name' "$WEFT" binfmt check nobody
    refused 2 'takes either' "$WEFT" binfmt remove
    refused 2 'takes either' "$WEFT" binfmt remove --all linux/arm64
}

inside_files()
{
    export WEFT_QEMU_DIR=/opt/q
    mkdir -p /opt/q
    new_qemu()
    {
        cp "$(command -v qemu-s390x-static)" /opt/q/new
        mv /opt/q/new /opt/q/qemu-s390x-static
    }

    note "an interpreter that is held, and replaced, deleted, moved"
    new_qemu
    "$WEFT" binfmt install linux/s390x >/dev/null 2>&1
    expect "held" "$(handler weft-s390x .file.state)" current
    new_qemu
    expect "held" "$(handler weft-s390x .file.state)" replaced
    [[ $(handler weft-s390x .version) == [0-9]* ]] || fail "the held file has no version"
    "$WEFT" binfmt list >out
    grep -q 'was replaced after' out || fail "$(cat out)"
    "$WEFT" binfmt check weft-s390x >/dev/null || fail "the held file works"
    "$WEFT" binfmt install linux/s390x >out 2>/dev/null
    grep -q ': registered' out || fail "$(cat out)"
    expect "held" "$(handler weft-s390x .file.state)" current
    expect "a /proc of other processes" \
        "$(unshare --pid --fork "$WEFT" binfmt list --json | jq -r '.handlers[0].file | .state + " " + .why')" \
        "unknown /proc is not there, or that of another PID namespace"
    mv /opt/q/qemu-s390x-static /opt/q/old
    expect "held" "$(handler weft-s390x .file.state)" elsewhere
    expect "path" "$(handler weft-s390x .file.path)" /opt/q/old
    new_qemu
    expect "held" "$(handler weft-s390x .file.state)" replaced
    rm /opt/q/old
    expect "held" "$(handler weft-s390x .file.state)" replaced
    rm /opt/q/qemu-s390x-static
    expect "held" "$(handler weft-s390x .file.state)" deleted
    "$WEFT" binfmt check weft-s390x >/dev/null || fail "the held file works"
    mkdir -p /opt/other-fs
    mount -t tmpfs none /opt/other-fs
    cp "$(command -v qemu-s390x-static)" /opt/other-fs/qemu
    clear_table
    register "$(debian_line s390x F | sed 's|:/[^:]*:F$|:/opt/other-fs/qemu:F|')"
    umount -l /opt/other-fs
    expect "held" "$(handler qemu-s390x .file.state)" elsewhere

    note "an interpreter that is looked up"
    clear_table
    new_qemu
    "$WEFT" binfmt install --flags=OC linux/s390x >/dev/null 2>&1
    expect "looked up" "$(handler weft-s390x '.file.state, .flags' | xargs)" "by path OC"
    new_qemu
    expect "looked up" "$(handler weft-s390x .file.state)" "by path"
    "$WEFT" binfmt check weft-s390x >out
    grep -q '^ok .*no flag F' out || fail "$(cat out)"
    rm /opt/q/qemu-s390x-static
    expect "looked up" "$(handler weft-s390x .file.state)" missing
    refused 1 '^fails .*interpreter cannot be started' "$WEFT" binfmt check weft-s390x

    note "check: good, broken, and what it leaves out"
    clear_table
    register "$(debian_line aarch64)"
    register "$(debian_line s390x F broken | sed 's|:/[^:]*:F$|:/bin/false:F|')"
    register ':pyx:E::pyx::/bin/cat:'
    refused 1 '^fails .*broken: .*exits with 1' "$WEFT" binfmt check
    grep -q '^ok .*qemu-aarch64' refused.out || fail "$(cat refused.out)"
    grep -q '^skipped .*pyx' refused.out || fail "$(cat refused.out)"
    expect "json" "$("$WEFT" binfmt check --json | jq -r '.ok, .schema, (.checks[] | .name + "=" + .result)' | xargs)" \
        "false 1 broken=fails pyx=skipped qemu-aarch64=ok"
    "$WEFT" binfmt check qemu-aarch64 linux/arm64 >/dev/null || fail "the good ones"
    mkdir -p noexec
    mount -t tmpfs -o noexec none noexec
    TMPDIR=$PWD/noexec "$WEFT" binfmt check qemu-aarch64 >/dev/null || fail "with a TMPDIR that is noexec"
    refused 1 '^fails .*no handler takes' "$WEFT" binfmt check linux/riscv64
    echo 0 >"$table/broken"
    "$WEFT" binfmt check >out || fail "$(cat out)"
    grep -q '^skipped .*broken: it is switched off' out || fail "$(cat out)"
    refused 1 '^fails .*switched off' "$WEFT" binfmt check broken
    echo 0 >"$table/status"
    expect "switched off" "$("$WEFT" binfmt list --json | jq .table.enabled)" false
    "$WEFT" binfmt list | grep -q 'switched off: no handler' || fail "not said"
    refused 1 '^fails .*switched off' "$WEFT" binfmt check qemu-aarch64
    echo 1 >"$table/status"

    note "entries by extension"
    expect "extension" "$(handler pyx '.extension, .file.state, .interpreter' | xargs)" "pyx by path /bin/cat"
    register ':gone:E::xx::/nowhere:'
    expect "extension" "$(handler gone .file.state)" missing
    register ':dotted:E::a.b::/bin/true:'
    [[ $(handler dotted .file.why) == *"never takes"* ]] || fail "$(handler dotted .)"

    note "one before the other"
    clear_table
    register "$(debian_line s390x F older)"
    register "$(debian_line s390x F newer | sed 's|:/[^:]*:F$|:/bin/true:F|')"
    expect "the newer" "$(handler newer .file.state)" current
    expect "the older" "$(handler older '.file.state, .file.why' | xargs)" "unknown the handler newer is before it"
    refused 1 '^fails .*newer is before it' "$WEFT" binfmt check older
    # one that looks at more: there are files for each
    clear_table
    register "$(debian_line s390x POCF)"
    register ':narrow:M::\x7fELF\x02\x02\x01\x00\x00::/bin/true:F'
    expect "the wide" "$(handler qemu-s390x .file.state)" current
    expect "the narrow" "$(handler narrow .file.state)" current
    "$WEFT" binfmt check qemu-s390x >/dev/null || fail "the wide one"

    expect "left in TMPDIR" "$(find noexec /tmp -maxdepth 1 -name '*weft-probe*')" ""

    note "hostile names and bytes"
    clear_table
    register "$(debian_line s390x)"
    register $':\e[31mred\nline:E::py\xff::/bin/\e]0;x:'
    register $':liar:E::p\noffset 0\nmagic 7f::/bin/cat:'
    register ":it's:E::q::/bin/a b'c:"
    # shellcheck disable=SC2016
    register ':$(touch owned):E::r::/bin/cat:'
    LC_ALL=C
    "$WEFT" binfmt list >out
    expect "lines" "$(grep -c -v '^  ^' out)" 7
    ! grep -q -P '[^\x20-\x7e\n]' out || fail "raw bytes: $(cat -v out)"
    "$WEFT" binfmt list --json | jq -e '.handlers | length == 5' >/dev/null || fail "json"
    [[ $(handler liar .unclear) == *newline* ]] || fail "the liar is believed"
    "$WEFT" binfmt check >out || fail "$(cat out)"
    grep -q '^ok .*qemu-s390x' out || fail "$(cat out)"
    "$WEFT" binfmt remove --foreign --dry-run "it's" $'\e[31mred\nline' "\$(touch owned)" liar >dry
    expect "lines" "$(wc -l <dry)" 4
    bash -e dry
    [[ ! -e owned ]] || fail "a name was run"
    expect "table" "$(ls "$table")" "$(printf 'qemu-s390x\nregister\nstatus')"
}

inside_support()
{
    local saved database=/var/lib/binfmts

    note "through update-binfmts, twice"
    "$WEFT" binfmt install linux/arm64 >out 2>err
    expect "nothing to say" "$(cat err)" ""
    expect "owner" "$(handler weft-aarch64 '.owner.kind, .owner.package, .owner.weft' | xargs)" \
        "binfmt-support weft true"
    expect "state" "$(handler weft-aarch64 '.file.state, .flags' | xargs)" "current POCF"
    saved=$(table; head -n 20 "$database"/*)
    touch -d 2001-01-01 "$database/weft-aarch64"
    "$WEFT" binfmt install linux/arm64 >out 2>err
    grep -q 'already registered' out || fail "$(cat out)"
    expect "state" "$(table; head -n 20 "$database"/*)" "$saved"
    expect "untouched" "$(stat -c %Y "$database/weft-aarch64")" "$(date -d 2001-01-01 +%s)"

    note "it is there after a boot"
    clear_table
    "$WEFT" binfmt check >out
    ! grep -q aarch64 out || fail "$(cat out)"
    update-binfmts --enable
    expect "state" "$(table; head -n 20 "$database"/*)" "$saved"

    note "the dry run prints what is done"
    "$WEFT" binfmt remove --dry-run linux/arm64 >dry
    sh -e dry
    expect "removed" "$(ls "$database" "$table")" "$(printf '%s:\nregister\nstatus\n\n%s:' "$table" "$database")"
    "$WEFT" binfmt install --dry-run linux/arm64 >dry
    grep -q '^/.*update-binfmts --package weft --install weft-aarch64 ' dry || fail "$(cat dry)"
    sh -e dry
    expect "state" "$(table; head -n 20 "$database"/*)" "$saved"

    note "registered by the kernel's file before: taken over"
    "$WEFT" binfmt remove --all >/dev/null
    register "$kernel_line"
    expect "owner" "$(handler weft-aarch64 .owner.kind)" weft
    "$WEFT" binfmt install linux/arm64 >out
    grep -q ': registered' out || fail "$(cat out)"
    expect "state" "$(table; head -n 20 "$database"/*)" "$saved"

    note "not in the table, but in the database"
    update-binfmts --disable weft-aarch64
    "$WEFT" binfmt remove --all >out
    expect "removed" "$(cat out)" "weft-aarch64: removed"
    [[ ! -e $database/weft-aarch64 ]] || fail "the database"

    note "a package's"
    update-binfmts --import qemu-s390x
    expect "owner" "$(handler qemu-s390x '.owner.kind, .owner.package, .owner.weft' | xargs)" \
        "binfmt-support qemu-user-static false"
    refused 2 'not weft' "$WEFT" binfmt install linux/s390x
    refused 2 'not weft' "$WEFT" binfmt remove linux/s390x
    "$WEFT" binfmt install --replace linux/s390x >/dev/null
    expect "database" "$(ls "$database")" weft-s390x
    [[ -e $table/weft-s390x && ! -e $table/qemu-s390x ]] || fail "$(ls "$table")"
    "$WEFT" binfmt check linux/s390x >/dev/null || fail "s390x"
    "$WEFT" binfmt remove linux/s390x >/dev/null
    expect "database" "$(ls "$database")" ""

    note "the database says one thing, the kernel has another"
    update-binfmts --import qemu-s390x
    echo -1 >"$table/qemu-s390x"
    register "$(debian_line s390x F | sed 's|:/[^:]*:F$|:/bin/true:F|')"
    expect "owner" "$(handler qemu-s390x .owner.kind)" unknown
    "$WEFT" binfmt install --replace linux/s390x >/dev/null
    expect "database" "$(ls "$database")" weft-s390x
    [[ ! -e $table/qemu-s390x ]] || fail "$(ls "$table")"
    "$WEFT" binfmt remove linux/s390x >/dev/null

    note "what fails half-way is undone"
    update-binfmts --import qemu-s390x
    saved=$(table; head -n 20 "$database"/*)
    mv /usr/sbin/update-binfmts /usr/sbin/update-binfmts.real
    # shellcheck disable=SC2016
    printf '%s\n' '#!/bin/sh' 'case " $* " in *" weft-s390x "*) echo no room left; exit 2 ;; esac' \
        'exec update-binfmts.real "$@"' >/usr/sbin/update-binfmts
    chmod 755 /usr/sbin/update-binfmts
    refused 1 'no room left' "$WEFT" binfmt install --replace linux/s390x
    expect "state" "$(table; head -n 20 "$database"/*)" "$saved"
}

inside_line()
{
    "$WEFT" binfmt install --dry-run linux/arm64 | sed "s/^printf %s '\(.*\)' >.*/\1/"
}

# The table of the namespace above is in force, but out of sight.
inside_hidden()
{
    local mounts interpreter
    interpreter=$(sed -n 's/^interpreter //p' "$table/qemu-s390x")
    mount -t tmpfs none "$table"
    mounts=$(cat /proc/self/mountinfo)
    "$WEFT" binfmt list --json >out
    expect "view" "$(jq -r .table.view out)" hidden
    [[ $(jq -r .table.why out) == *"user namespace"* ]] || fail "$(cat out)"
    expect "found" \
        "$(jq -r '.handlers[] | .interpreter + " " + .file.state + " " + .platforms[0]' out)" \
        "$interpreter current linux/s390x"
    "$WEFT" binfmt list >out
    grep -q 'out of sight' out || fail "$(cat out)"
    "$WEFT" binfmt check >out || fail "$(cat out)"
    grep -q '^ok *linux/s390x' out || fail "$(cat out)"
    ! "$WEFT" binfmt check linux/riscv64 >out || fail "$(cat out)"
    "$WEFT" binfmt check linux >out || fail "$(cat out)"
    ! "$WEFT" binfmt install linux/s390x 2>err || fail "installed into nothing"
    grep -q 'not mounted' err || fail "$(cat err)"
    expect "mounts" "$(cat /proc/self/mountinfo)" "$mounts"
}

if [[ ${1-} == --root || ${1-} == --inside ]]; then
    trap - EXIT
    cd "$(mktemp -d "$WEFT_TEST_TMP/in.XXXXXX")"
    if [[ $1 == --root ]]; then
        in_root "$2" "$3"
    else
        "inside_$2"
    fi
    exit
fi

# --- Outside.

need jq runc setpriv qemu-s390x-static qemu-aarch64-static
need_root
userns=$WEFT_SRC_DIR/tests/bases/userns
support=$("$WEFT_SRC_DIR/tests/bases/binfmt-support") || skip "binfmt-support is not to be had"
if "$userns" true 2>&1 | grep -q 'no private binfmt_misc'; then
    skip "no binfmt_misc in user namespaces (Linux < 6.7)"
fi
before=$(host_handlers)
script=$WEFT_SRC_DIR/tests/e2e/binfmt_cmd.sh

# in_table COMMAND...: in a namespace with an empty table.
in_table()
{
    # shellcheck disable=SC2016 # the inner shell expands it
    "$userns" sh -c 'echo -1 >/proc/sys/fs/binfmt_misc/status; exec "$@"' sh "$@"
}

note "== the kernel's file"
in_table "$script" --root none kernel
in_table "$script" --root none files
note "== update-binfmts"
kernel_line=$(in_table "$script" --root none line)
export kernel_line
in_table "$script" --root "$support" support

note "== the table is out of sight, and in force"
# shellcheck disable=SC2016 # the inner shell expands it
in_table sh -ec '
    line=$(grep -h "^:qemu-s390x:" /usr/lib/binfmt.d/qemu-s390x.conf)
    printf %s "$line" >/proc/sys/fs/binfmt_misc/register
    unshare --user --map-root-user --mount "$1" --inside hidden' sh "$script"

note "== not mounted"
# nobody_mounts COMMAND...: where binfmt_misc is not mounted at its place, whatever the host has.
nobody_mounts()
{
    # shellcheck disable=SC2016 # the inner shell expands it
    unshare --mount sh -c '
        while umount -l /proc/sys/fs/binfmt_misc 2>/dev/null; do :; done
        "$@"; rc=$?
        ! grep -q " - binfmt_misc " /proc/self/mountinfo || { echo a mount is left >&2; exit 99; }
        exit "$rc"' sh "$@"
}
nobody_mounts "$WEFT" binfmt list --json >out
expect "view as root" "$(jq -r .table.view out)" private
nobody_mounts "$WEFT" binfmt list | grep -q 'is not mounted; it was looked at' || fail "not said"
rc=0
nobody_mounts "$WEFT" binfmt install linux/s390x 2>err || rc=$?
expect "exit code" "$rc" 3
grep -q 'try: mount -t binfmt_misc' err || fail "$(cat err)"
make_user
nobody_mounts setpriv --reuid "$test_user" --regid "$test_user" --init-groups \
    "$WEFT" binfmt list --json >out
expect "view as a user" "$(jq -r .table.view out)" hidden
[[ $(jq -r .table.why out) == *"only root"* ]] || fail "$(cat out)"
rc=0
as_user "$WEFT" binfmt check linux/s390x >out || rc=$?
if ((rc != 0)); then
    expect "why it fails" "$(sed 's/.*-: //' out)" "no handler takes its programs"
fi
rc=0
as_user "$WEFT" binfmt install linux/s390x 2>err || rc=$?
expect "exit code" "$rc" 3
grep -q 'try: sudo weft binfmt install linux/s390x' err || fail "$(cat err)"
rc=0
as_user "$WEFT" binfmt remove --all 2>err || rc=$?
expect "exit code" "$rc" 3

note "== a QEMU that others can change"
mkdir -p q
cp "$(command -v qemu-s390x-static)" q/
chmod 757 q
rc=0
WEFT_QEMU_DIR=$PWD/q "$WEFT" binfmt install --dry-run linux/s390x >out 2>&1 || rc=$?
expect "exit code" "$rc" 3
grep -q "others than root can change $PWD/q\$" out || fail "$(cat out)"

note "== a user, in a namespace of his own"
# shellcheck disable=SC2016 # the inner shell expands it
as_user "$userns" sh -ec '"$1" binfmt list --json; "$1" binfmt check >&2' sh "$WEFT" >out
expect "state" "$(jq -r '.table.view, (.handlers[] | select(.name == "qemu-s390x") | .file.state)' out | xargs)" \
    "mounted current"

note "== in an unprivileged container"
container=$WEFT_SRC_DIR/tests/bases/container
for options in "" "--userns" "--user 1000 --cap-drop ALL --no-new-privs"; do
    # shellcheck disable=SC2086 # a list
    "$container" $options --bind-ro "$WEFT_BUILD_DIR" -- "$WEFT" binfmt list --json >out
    expect "view ($options)" "$(jq -r .table.view out)" hidden
    [[ -n $(jq -r .table.why out) ]] || fail "$(cat out)"
    rc=0
    # shellcheck disable=SC2086 # a list
    "$container" $options --bind-ro "$WEFT_BUILD_DIR" -- "$WEFT" binfmt install linux/s390x 2>err || rc=$?
    expect "exit code ($options)" "$rc" 3
done

expect "the host's handlers" "$(host_handlers)" "$before"
[[ ! -e /proc/sys/fs/binfmt_misc/weft-s390x ]] || fail "something was registered with the host"
