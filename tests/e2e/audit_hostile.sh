#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Layers that nobody meant well: weft audit is done with each in a bounded time and memory, and says what it
# did not look at.
# timeout: 900
# shellcheck source=tests/e2e/lib.sh
. "$WEFT_SRC_DIR/tests/e2e/lib.sh"
need python3 jq zstd

# audit NAME LAYER[,LAYER]: its JSON in out; at most LIMIT_MB of memory (96) and 120 s
audit()
{
    local rc=0
    rm -rf layout
    "$WEFT_SRC_DIR/tests/e2e/audit_layout.py" layout "linux/amd64=$2"
    timeout 120 python3 - "${LIMIT_MB:-96}" "$WEFT" audit --json layout >out 2>err <<'END' || rc=$?
import resource, subprocess, sys
rc = subprocess.call(sys.argv[2:])
used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
print(f"memory: {used} MB", file=sys.stderr)
sys.exit(rc if used <= int(sys.argv[1]) else 99)
END
    code=$rc
    note "$1: exit code $rc, $(grep '^memory' err || true)"
    ((rc != 124 && rc != 99 && rc < 128)) || fail "$1: $(<err)"
}

# finds TEXT
finds()
{
    jq -r '.images[].findings[] | "\(.severity) \(.rule): \(.found)"' out >found
    grep -q -e "$1" found || fail "no '$1' in: $(<found)"
}

# Empty files in a thousand directories. tarfile would take minutes.
cat >many.py <<'END'
import sys, tarfile
i = tarfile.TarInfo("x")
block = bytearray(i.tobuf(tarfile.USTAR_FORMAT)[:512])
block[0] = 0
block[148:156] = b" " * 8
base = sum(block)
rest = bytes(block[156:])
middle = bytes(block[100:148])
write = sys.stdout.buffer.write
for n in range(int(sys.argv[1])):
    name = b"d%d/file-%d" % (n % 1000, n)
    write(name.ljust(100, b"\0") + middle + b"%06o\0 " % (base + sum(name)) + rest)
write(bytes(1024))
END
cat >make.py <<'END'
import io, sys, tarfile

def add(t, name, data=b"", kind=tarfile.REGTYPE, link=""):
    i = tarfile.TarInfo(name)
    i.type, i.linkname, i.size, i.mode = kind, link, len(data), 0o755
    t.addfile(i, io.BytesIO(data))

what, out = sys.argv[1:3]
with tarfile.open(out, "w:", format=tarfile.GNU_FORMAT) as t:
    if what == "links":
        add(t, "circle", kind=tarfile.SYMTYPE, link="circle")
        for n in range(100):
            add(t, f"a{n}", kind=tarfile.SYMTYPE, link=f"a{n + 1}/" * 20)
        add(t, "a100", kind=tarfile.SYMTYPE, link="a0")
        add(t, "a0/x", b"#!/a0/y\n")
        add(t, "s", b"#!/a0/y\n")
        add(t, "dangling", kind=tarfile.SYMTYPE, link="/nowhere/at/all")
        add(t, "early", kind=tarfile.LNKTYPE, link="late")
        add(t, "late", b"x")
        add(t, "never", kind=tarfile.LNKTYPE, link="not/there")
    elif what == "traversal":
        add(t, "../../../../etc/passwd", b"x")
        add(t, "/absolute", b"x")
        add(t, "a/../../../b", b"x")
    elif what == "names":
        for n in range(200):
            add(t, "n" * 250 + "/" + "m" * 200000 + str(n))
        add(t, "deep/" * 800 + "x")
    elif what == "elf":
        import struct
        strings = b"\0" + b"".join(b"lib%d.so\0" % n for n in range(1000)) + b":".join(b"/x%d" % n for n in range(700)) + b"\0"
        dyn, at = b"", 1
        for n in range(1000):
            dyn += struct.pack("<QQ", 1, at)
            at += len(b"lib%d.so\0" % n)
        dyn += struct.pack("<QQ", 29, at)
        base = 64 + 3 * 56
        full = len(dyn) + 48
        dyn += struct.pack("<QQQQQQ", 5, base + full, 10, len(strings), 0, 0)
        total = base + full + len(strings) + 4
        head = b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 64, 0, 0, 64, 56, 3, 64, 0, 0)
        head += struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, total, total, 4096)
        head += struct.pack("<IIQQQQQQ", 2, 4, base, base, base, full, full, 8)
        head += struct.pack("<IIQQQQQQ", 3, 4, total - 4, 0, 0, 4, 4, 1)
        for n in range(1000):
            add(t, f"bin/{n}", head + dyn + strings + b"/ld\0")
END

note "no tar, nothing, half of one"
printf 'this is no tar at all %01000d' 0 >nothing.tar
audit "no tar" nothing.tar
expect "exit code" "$code" 1
finds 'error damaged: the layer cannot be read'
: >empty.tar
audit empty empty.tar
expect "exit code" "$code" 0
python3 many.py 100000 >many.tar
head -c 1000000 many.tar >half.tar
audit "half a tar" half.tar
finds 'error damaged: the layer cannot be read'
gzip -c half.tar | head -c 10000 >half.tar.gz
audit "half a gzip" half.tar.gz
finds 'error damaged: the layer cannot be read'

note "links, traversal, names"
python3 make.py links links.tar
audit links links.tar,links.tar
finds 'warning damaged: 1 hard links to what is not there: never'
python3 make.py traversal traversal.tar
audit traversal traversal.tar
finds 'warning damaged: 2 entries without a place: ../../../../etc/passwd'
python3 make.py names names.tar
audit names names.tar
finds 'warning damaged: 200 entries whose names'

note "10^5 entries in 64 MB"
zstd -q many.tar
LIMIT_MB=64 audit "10^5 entries" many.tar.zst
expect "exit code" "$code" 0
expect "files" "$(jq .images[].summary.files out)" 100000
rm many.tar many.tar.zst

note "10^6 entries, and more"
python3 many.py 1100000 | zstd -q -1 -o many.tar.zst
LIMIT_MB=256 audit "10^6 entries" many.tar.zst
finds 'warning limit: more than .* files and directories'
rm many.tar.zst

note "a file that unpacks to more than anybody wants, and one that is mostly a hole"
{
    python3 - <<'END'
import sys, tarfile
i = tarfile.TarInfo("bomb")
i.size = 40 << 30
sys.stdout.buffer.write(i.tobuf(tarfile.GNU_FORMAT))
END
    head -c 1200M /dev/zero
} | zstd -q -3 -o bomb.tar.zst
LIMIT_MB=128 audit bomb bomb.tar.zst
finds 'warning limit: .*unpacks to more than'
rm bomb.tar.zst
mkdir sparse
truncate -s 8T sparse/hole 2>/dev/null || truncate -s 100G sparse/hole
cp "$(command -v ls)" sparse/elf
truncate -s 100G sparse/elf
tar -C sparse -S -cf sparse.tar hole elf
audit sparse sparse.tar
expect "ELF files" "$(jq .images[].summary.elf_files out)" 1

note "files with the most libraries and directories that one can name"
python3 make.py elf elf.tar
zstd -q --rm elf.tar
LIMIT_MB=160 audit "libraries" elf.tar.zst
finds 'missing-library\|warning limit'
