# SPDX-License-Identifier: Apache-2.0
"""Predict what emulation costs a build, from the kernels of `weft bench run` and from what the build
does natively.

The CPU time of an emulated build is taken as a sum of seven terms. Each is made from the native profile
(trace.c) and from kernels, and is right by itself if its coefficient is 1. The coefficients are fitted
on other builds than the one that is predicted. They are the same for all CPU models: what differs
between those is in the kernels. docs/performance.md explains the terms and judges the result.
"""

import math
import re

# By the name of a program, without the prefix of its target and the version: its class.
CLASSES = [
    ("compiler", r"cc1(plus)?|lto1"),
    ("binutils", r"as|ld(\.bfd)?|ar|ranlib|nm|strip|objdump|collect2|gcc|cpp|make"),
    ("unpack", r"dpkg-deb|dpkg-split|tar|xz|gzip|store|rred"),
    ("package", r"apt-.*|dpkg.*|perl|python|openssl|http|update-alternatives|ldconfig|debconf.*"),
    ("small", r".*"),
]
# What each class is like while it runs: a mean of kernels' ratios, and its weights. These kernels have
# next to no pointer authentication: what that adds is a term of its own.
LIKE = {
    "compiler": {"interp": 0.4, "calls, plain": 0.4, "string": 0.2},
    "binutils": {"interp": 0.3, "calls, plain": 0.2, "string": 0.5},
    "unpack": {"lz": 0.8, "files": 0.2},
    "package": {"interp": 0.3, "calls, plain": 0.5, "string": 0.2},
    "small": {"interp": 0.3, "string": 0.3, "mmap": 0.4},
}
# How many calls a class makes, as a part of those of the kernel calls, which does nothing else. What they
# cost with pointer authentication is the difference of the ratios of calls and of calls, plain.
CALLS = {"compiler": 0.013, "binutils": 0.005, "unpack": 0.005, "package": 0.05, "small": 0.005}
# dpkg is a package manager in C, and calls less than apt-get, in C++ with short functions.
CALLS_OF = {"dpkg": 0.01}
# How much new code QEMU has to translate while a program runs, beyond what the kernel start-dynamic has: in
# units of the kernel start-large (3072 functions), at a second of native CPU time per start. It grows with
# the square root of that time: the longer a program runs, the less of what it runs is new.
NEW = {"compiler": 20.0, "binutils": 3.0, "unpack": 3.0, "package": 3.0, "small": 3.0}
TERMS = ["compiler, running", "compiler, new code", "unpacking", "other, running",
         "other, new code", "starts and forks", "pointer authentication"]
TERM_OF = {"compiler": (0, 1), "unpack": (2, 4)}
OTHER = (3, 4)
STARTS = 5
AUTHENTICATION = 6
# How far a coefficient is held at 1, beside the builds: each has the weight 1.
HOLD = 0.05


def class_of(program):
    name = re.sub(r"^[a-z0-9_]+-linux-gnu[a-z0-9]*-", "", program)
    name = re.sub(r"-?[0-9]+(\.[0-9]+)*$", "", name) if not name.startswith("cc1") else name
    return next(c for c, pattern in CLASSES if re.fullmatch(pattern, name))


def by_class(profile):
    """Starts, forks, CPU seconds and system calls of each class in a build's profile."""
    found = {c: {"execs": 0, "forks": 0, "cpu_s": 0.0, "calls": 0} for c, _ in CLASSES}
    for program, p in profile.items():
        if program == "trace":
            continue
        row = found[class_of(program)]
        row["execs"] += p["execs"]
        row["forks"] += p["forks"]
        row["cpu_s"] += p["cpu_ns"] / 1e9
        row["calls"] += p.get("calls", 0)
    return found


class Kernels:
    """One target of a result of `weft bench run`: seconds per iteration on both sides."""

    def __init__(self, target):
        self.native, self.emulated, self.ratio = {}, {}, {}
        for kernel in target["kernels"]:
            samples = [s for s in kernel.get("samples", []) if s["counted"]]
            if not samples:
                continue
            name = kernel["name"] + (", plain" if kernel["plain"] else "")
            n = kernel["iterations"] * 1e9
            # the least: what other load disturbs least
            self.native[name] = min(s["native_ns"] for s in samples) / n
            self.emulated[name] = min(s["emulated_ns"] for s in samples) / n
            self.ratio[name] = self.emulated[name] / self.native[name]

    def usable(self):
        needed = {k for like in LIKE.values() for k in like}
        needed |= {"calls", "fork-exec", "start", "start-dynamic", "start-large"}
        return needed <= set(self.ratio)


def terms(profile, k, scale=1.0):
    """The terms of a build's emulated CPU time, in seconds. CPU times of the profile are scaled."""
    found = [0.0] * len(TERMS)
    new = k.emulated["start-large"] - k.emulated["start"]
    authentication = max(0.0, k.ratio["calls"] - k.ratio["calls, plain"])
    for program, p in profile.items():
        if program == "trace":
            continue
        c = class_of(program)
        run, translate = TERM_OF.get(c, OTHER)
        starts = max(1, p["execs"])
        # a program's start is in its CPU time, and is counted by itself
        running = max(0.0, scale * p["cpu_ns"] / 1e9 - p["execs"] * k.native["start-dynamic"])
        found[run] += running * sum(weight * k.ratio[name] for name, weight in LIKE[c].items())
        found[AUTHENTICATION] += running * CALLS_OF.get(program, CALLS[c]) * authentication
        found[translate] += NEW[c] * starts * math.sqrt(running / starts) * new
        # a fork, whether or not a program follows, takes about what a small program's fork and start take
        found[STARTS] += p["execs"] * k.emulated["start-dynamic"]
        found[STARTS] += p["forks"] * k.emulated["fork-exec"]
    return found


def fit(rows, wanted):
    """Coefficients, none below 0, that make the rows' sums nearest to what is wanted, in proportion,
    while HOLD pulls each towards 1. Coordinate descent: there is one minimum."""
    n = len(TERMS)
    scaled = [[t / w for t in row] for row, w in zip(rows, wanted)]
    x = [1.0] * n
    for _ in range(5000):
        moved = 0.0
        for j in range(n):
            top, bottom = HOLD, HOLD
            for row in scaled:
                rest = 1.0 - sum(row[i] * x[i] for i in range(n) if i != j)
                top += row[j] * rest
                bottom += row[j] * row[j]
            new = max(0.0, top / bottom)
            moved = max(moved, abs(new - x[j]))
            x[j] = new
        if moved < 1e-9:
            break
    return x


def median(values):
    values = sorted(values)
    half = len(values) // 2
    return values[half] if len(values) % 2 else (values[half - 1] + values[half]) / 2


def sides(result):
    """For each emulated side the kernels of its QEMU and CPU model."""
    found = {}
    for target in (result.get("kernels") or {}).get("targets", []):
        if target["qemu"].get("version", "").startswith("7.2"):
            side = "weft" if target.get("cpu_model") == "cortex-a53" else "plain"
            found[side] = Kernels(target)
    return {s: k for s, k in found.items() if k.usable()}


def predictions(result):
    """By side and build: measured and predicted ratio of CPU times to native, and the coefficients,
    both with the build left out; under the name "all", those of all builds. Empty where there are
    too few builds, or not the kernels."""
    kernels = sides(result)
    builds = {n: b for n, b in result["builds"].items() if b["samples"]}
    if len(builds) < 4 or set(kernels) != {"plain", "weft"}:
        return {}
    native, emulated, rows = {}, {}, {}
    for name, build in builds.items():
        native[name] = median([s["native"]["cpu_s"] for s in build["samples"]])
        # the profile was taken in another run, and being traced takes some time
        scale = native[name] / sum(c["cpu_s"] for c in by_class(build["profile"]).values())
        for side, k in kernels.items():
            ratio = median([s[side]["cpu_s"] / s["native"]["cpu_s"] for s in build["samples"]])
            emulated[side, name] = ratio * native[name]
            rows[side, name] = terms(build["profile"], k, scale)
    found = {"plain": {}, "weft": {}, "kernels": kernels, "terms": rows,
             "all": fit(list(rows.values()), [emulated[key] for key in rows])}
    for name in builds:
        others = [key for key in rows if key[1] != name]
        x = fit([rows[key] for key in others], [emulated[key] for key in others])
        for side in kernels:
            predicted = sum(a * b for a, b in zip(x, rows[side, name]))
            found[side][name] = {
                "measured": emulated[side, name] / native[name],
                "predicted": predicted / native[name],
                "error": predicted / emulated[side, name] - 1,
                "unfitted": sum(rows[side, name]) / native[name],
                "coefficients": x}
    return found


def typical_error(found):
    """The geometric mean of how far predictions are off, as a part."""
    logs = [abs(math.log(p["predicted"] / p["measured"])) for p in found.values()]
    return math.exp(sum(logs) / len(logs)) - 1
