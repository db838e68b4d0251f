#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Build the same with buildx and with weft, compare what comes of it, and time both. buildx_compare.sh starts what this
needs, and says it in the arguments."""

import argparse
import difflib
import json
import os
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import time
import traceback

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import buildx_effects as effects  # pylint: disable=wrong-import-position
import buildx_rows as rows  # pylint: disable=wrong-import-position

EPOCH = "1000000000"
SIDES = ("buildx", "weft")
# The differences of rows.COMMON that were seen.
COMMON_SHOWN = set()


class Side:
    """One of the two: its command, its directory, its registry."""

    def __init__(self, args, name):
        self.name = name
        self.dir = os.path.join(args.tmp, name)
        self.registry = getattr(args, f"{name}_registry")
        self.command = ([args.buildx, "build", "--builder", "r"] if name == "buildx" else [args.weft, "build"])
        self.base = os.path.join(args.tmp, "bb")
        with open(os.path.join(self.base, "index.json"), encoding="utf-8") as f:
            digest = json.load(f)["manifests"][0]["digest"]
        self.words = {"OUT": rows.OUT, "BOTH": rows.BOTH, "REG": self.registry, "GEN": args.generator,
                      "BASE": self.base, "BASE_DIGEST": digest}
        self.fixed = set(os.listdir(self.dir))

    def run(self, row, command):
        """Run a build. Returns exit code, stdout, stderr and the seconds that it took."""
        env = dict(os.environ, SOURCE_DATE_EPOCH=EPOCH, BUILDX_GIT_INFO="false")
        env.update(row.get("env", {}))
        words = [w.format(**self.words) for w in shlex.split(command.replace("{OUT}", rows.OUT)
                                                             .replace("{BOTH}", rows.BOTH))]
        argv = [*self.command, f"--build-context=busybox=oci-layout://{self.base}:latest", *words]
        begun = time.monotonic()
        done = subprocess.run(argv, cwd=self.dir, env=env, stdin=subprocess.DEVNULL, capture_output=True, check=False,
                              timeout=600)
        return done.returncode, done.stdout, done.stderr.decode(errors="replace"), time.monotonic() - begun

    def written(self):
        """Names and paths of what the builds have made."""
        return [(name, os.path.join(self.dir, name)) for name in sorted(set(os.listdir(self.dir)) - self.fixed)]

    def clean(self):
        for _, path in self.written():
            if os.path.isdir(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)

    def take(self, times):
        """The effect of what was written, which is removed."""
        found = {name: effects.path_effect(path, times) for name, path in self.written()}
        self.clean()
        return found

    def plain(self, effect):
        """Without the names of this side's places."""
        text = json.dumps(effect)
        for what, name in ((self.registry, "REGISTRY"), (self.registry.replace(":", "%3A"), "REGISTRY"),
                           (self.dir, "HERE")):
            text = text.replace(what, name)
        return json.loads(text)


def shape(stderr):
    """What kind of progress it is."""
    lines = [line for line in stderr.splitlines() if line]
    if not lines:
        return "nothing"
    return "JSON" if all(line.startswith("{") for line in lines) else "text"


def loaded(name):
    """An image that was loaded into podman, which loses it then."""
    text = subprocess.run(["podman", "image", "inspect", name], capture_output=True, check=True).stdout
    found = json.loads(text)[0]
    subprocess.run(["podman", "image", "rm", name], capture_output=True, check=True)
    return {key: found[key] for key in ("Id", "RepoTags", "Architecture", "Config", "RootFS")}


def one(side, row):
    """A row on one side: its effect, what stderr was, and the time."""
    before = None
    if "first" in row:
        rc, _, stderr, _ = side.run(row, row["first"])
        if rc:
            return {"first": stderr}, stderr, 0
        before = side.take(False)
    rc, stdout, stderr, seconds = side.run(row, row["command"])
    effect = {"exit": 0 if rc == 0 else "not 0", "files": side.take("local" in row["command"])}
    if row["flag"] == "--help":
        effect["stdout"] = "build" in stdout.decode()
    else:
        effect["stdout"] = effects.content(stdout)
        if effect["stdout"] == "\n":  # buildx -q without an image
            effect["stdout"] = ""
    if before is not None:
        effect["changed"] = sorted(p for p, _, _ in effects.differences(before, effect.pop("files")))
    if rc:
        effect["stdout"] = None if "error" in row else effect["stdout"]
    for pattern in row.get("said", []):
        effect.setdefault("said", {})[pattern] = bool(re.search(pattern, stderr))
    if "shape" in row:
        effect["stderr"] = shape(stderr)
    if row.get("load"):
        effect["loaded"] = loaded(row["load"])
    if row.get("registry"):
        effect["registry"] = effects.registry(side.registry, row["registry"])
    return side.plain(effect), stderr, seconds


def shorten(value):
    text = json.dumps(value)
    return text if len(text) < 300 else text[:300] + "..."


def shown(path, theirs, ours):
    """A difference, of texts as a diff."""
    if isinstance(theirs, str) and isinstance(ours, str) and "\n" in theirs + ours:
        lines = difflib.unified_diff(theirs.splitlines(), ours.splitlines(), "buildx", "weft", lineterm="", n=0)
        return "\n".join([path + ":", *("        " + line for line in list(lines)[:40])])
    return f"{path}: buildx {shorten(theirs)}, weft {shorten(ours)}"


class Documented:
    """docs/buildx.md, which has to say what differs."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as f:
            self.text = f.read()
        self.flat = " ".join(self.text.split())

    def says(self, words):
        return " ".join(words.split()) in self.flat

    def left_out(self, flag):
        """Whether the table has a row for a flag with "left out" or "no"."""
        name, _, value = flag.partition(" ")
        for line in self.text.splitlines():
            cells = [cell.strip() for cell in line.split("|")]
            if len(cells) > 3 and cells[2] in ("left out", "no") and f"`{name}" in cells[1] and value in cells[1]:
                return True
        return False


def tail(stderr):
    return "\n".join("        " + line for line in stderr.strip().splitlines()[-6:])


def judged(row, found, said, documented):
    """Returns (what the table says, faults)."""
    faults = []
    theirs, ours = found["buildx"], found["weft"]
    if row.get("left_out"):
        if ours["exit"] == 0:
            faults.append("weft takes it:\n" + tail(said["weft"]))
        if not documented.left_out(row["flag"]):
            faults.append("docs/buildx.md does not say that it is left out")
        return "left out", faults
    for key, stricter in (("stricter", "weft"), ("laxer", "buildx")):
        if key in row:
            if not documented.says(row[key]):
                faults.append(f"docs/buildx.md does not say: {row[key]}")
            other = SIDES[stricter == SIDES[0]]
            if found[stricter]["exit"] == 0 or found[other]["exit"] != 0:
                faults.append(f"not true: {key}: exit codes {theirs['exit']} and {ours['exit']}")
            return f"differs: {row[key]}", faults
    if "error" in row:
        for side in SIDES:
            if found[side]["exit"] == 0 or not re.search(row["error"], said[side]):
                faults.append(f"{side} does not fail with {row['error']}: exit code {found[side]['exit']}\n"
                              + tail(said[side]))
    elif theirs["exit"] != (row.get("fails") or 0):
        faults.append("fails with buildx, and a row should not:\n" + tail(said["buildx"]))
    unused = {name: rows.DIFFERENCES[name] for name in row.get("differs", [])}
    common = {name: rows.DIFFERENCES[name] for name in rows.COMMON}
    shown_common = set()
    allowed = dict(unused)
    for path, their, our in effects.differences(theirs, ours):
        for name, (pattern, _) in {**allowed, **common}.items():
            if re.search(pattern, path):
                unused.pop(name, None)
                shown_common |= {name} & set(common)
                break
        else:
            faults.append(shown(path, their, our))
    if theirs["exit"] == 0 and ours["exit"] != 0 and "error" not in row:
        faults.append("weft said:\n" + tail(said["weft"]))
    allowed.update((name, common[name]) for name in sorted(shown_common))
    COMMON_SHOWN.update(shown_common)
    for name, (_, words) in allowed.items():
        if not documented.says(words):
            faults.append(f"docs/buildx.md does not say: {words}")
    faults += [f"no longer differs: {words}" for _, words in unused.values()]
    return ("differs: " + "; ".join(words for _, words in allowed.values())) if allowed else "same", faults


def help_flags(text):
    """The flags of a --help."""
    return set(re.findall(r"^ +(?:-\w, +)?--([a-z-]+)", text, re.MULTILINE))


def check_help(args, documented):
    """Every flag that buildx's help has is in weft's, or left out in docs/buildx.md; and has a row here."""
    faults = []
    env = dict(os.environ, BUILDX_EXPERIMENTAL="1")
    theirs = help_flags(subprocess.run([args.buildx, "build", "--help"], env=env, check=True, capture_output=True,
                                       text=True).stdout)
    ours = help_flags(subprocess.run([args.weft, "build", "--help"], check=True, capture_output=True, text=True).stdout)
    with open(args.flags, encoding="utf-8") as f:
        listed = set(f.read().split())
    if len(theirs) < 30:
        faults.append(f"buildx's help has only {len(theirs)} flags")
    having = {row["flag"].split()[0] for row in rows.ROWS}
    for name in sorted(theirs | listed):
        if name not in ours and not documented.left_out("--" + name):
            faults.append(f"--{name}: neither a flag of weft nor left out in docs/buildx.md")
        if "--" + name not in having:
            faults.append(f"--{name}: no row compares it")
        if name not in listed:
            faults.append(f"--{name}: not in tests/data/buildx/flags")
    return faults


def caches(sides, documented):
    """Each reads the cache that the other has written: a step that writes a random name does not run again."""
    words = "what buildx wrote is read as well"
    faults = [] if documented.says(words) else [f"docs/buildx.md does not say: {words}"]
    shared = sides["buildx"].registry
    kinds = {"local": ("type=local,dest={0}/cache,mode=max", "type=local,src={0}/cache{1}", "/linux_amd64"),
             "registry": ("type=registry,ref=" + shared + "/cache:{2},mode=max",
                          "type=registry,ref=" + shared + "/cache:{2}{1}", "-linux-amd64")}
    for kind, (to, source, part) in kinds.items():
        for writer, reader in (("buildx", "weft"), ("weft", "buildx")):
            n = f"{kind}-{writer}-{time.time_ns()}"
            # weft finds what buildx wrote by the name that was written to; buildx is to be given the platform's part
            place = source.format(sides[writer].dir, part if writer == "weft" else "", writer)
            options = (f"--cache-to {to.format(sides[writer].dir, '', writer)}", f"--cache-from {place}")
            uuids = []
            for name, option in zip((writer, reader), options):
                rc, _, stderr, _ = sides[name].run(
                    {}, f"-o files {option} --platform linux/amd64 --build-arg N={n} -f ctx/once.Dockerfile ctx")
                path = os.path.join(sides[name].dir, "files", "uuid")
                if rc == 0:
                    with open(path, encoding="ascii") as f:
                        uuids.append(f.read())
                    shutil.rmtree(os.path.dirname(path))
                else:
                    faults.append(f"{name} {option}: exit code {rc}\n{tail(stderr)}")
            if len(uuids) == 2 and uuids[0] != uuids[1]:
                faults.append(f"{reader} does not read the cache of type {kind} that {writer} has written")
            print(f"{'ok' if len(set(uuids)) == 1 else 'FAIL':5} --cache-from {options[1][13:]}: "
                  f"written by {writer}, read by {reader}", flush=True)
            sides[writer].clean()
    return faults


def timings(args, sides):
    """The same builds on both sides, all cached, in turn."""
    wanted = {"cached, one platform": "{OUT} ctx", "cached, two platforms": "{OUT} {BOTH} --provenance=false ctx",
              "one step anew, one platform": "{OUT} --build-arg A=TURN ctx"}
    for what, command in wanted.items():
        taken = {name: [] for name in SIDES}
        for turn in range(args.rounds):
            for name in SIDES[::1 if turn % 2 else -1]:
                rc, _, stderr, seconds = sides[name].run({}, command.replace("TURN", f"{turn}-{time.time_ns()}"))
                if rc:
                    raise SystemExit(f"buildx_compare: {name} {command}: {stderr}")
                sides[name].take(False)
                taken[name].append(seconds)
        ratios = [w / b for w, b in zip(taken["weft"], taken["buildx"])]
        print(f"{what}: buildx {statistics.median(taken['buildx']):.2f} s, weft "
              f"{statistics.median(taken['weft']):.2f} s; weft / buildx {statistics.median(ratios):.2f} "
              f"({min(ratios):.2f} .. {max(ratios):.2f}), {args.rounds} rounds")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("buildx", "weft", "tmp", "docs", "flags", "buildx-registry", "weft-registry", "generator"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("only", nargs="*", help="rows of these flags alone")
    args = parser.parse_args()
    documented = Documented(args.docs)
    sides = {name: Side(args, name) for name in SIDES}
    failed = []
    ratios = []
    if not args.only:
        failed += check_help(args, documented)
        for fault in failed:
            print(f"FAIL  {fault}")
    for turn, row in enumerate(rows.ROWS):
        if args.only and row["flag"] not in args.only:
            continue
        found, said, seconds = {}, {}, {}
        try:
            for name in SIDES[::1 if turn % 2 else -1]:
                found[name], said[name], seconds[name] = one(sides[name], row)
            verdict, faults = judged(row, found, said, documented)
        except Exception:  # pylint: disable=broad-exception-caught
            verdict, faults = "", ["cannot be read:\n" + traceback.format_exc()]
            for side in sides.values():
                side.clean()
        env = "".join(f"{k}={v} " for k, v in row.get("env", {}).items())
        ratio = ""
        if len(found) == 2 and all(f.get("exit") == 0 for f in found.values()):
            ratios.append(seconds["weft"] / seconds["buildx"])
            ratio = f"{ratios[-1]:.2f}x"
        print(f"{'FAIL' if faults else 'ok':5} {row['flag']:24} {env}{row['command']}: "
              f"{verdict if not faults else 'differs'} {ratio}", flush=True)
        for fault in faults[:8]:
            print("      " + fault, flush=True)
        if len(faults) > 8:
            print(f"      and {len(faults) - 8} more", flush=True)
        failed += faults
    if not args.only:
        failed += [f"no row shows: {rows.DIFFERENCES[name][1]}" for name in sorted(set(rows.COMMON) - COMMON_SHOWN)]
    if ratios:
        print(f"single builds: weft / buildx {statistics.median(ratios):.2f} (median of {len(ratios)} rows)")
    if not args.only or "--cache-from" in args.only:
        faults = caches(sides, documented)
        for fault in faults:
            print("      " + fault)
        failed += faults
    if not args.only:
        timings(args, sides)
    print(f"{len(failed)} faults")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
