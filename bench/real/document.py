# SPDX-License-Identifier: Apache-2.0
"""The tables of docs/performance.md, from a result of bench/real/run. Each is between two lines of the
document, `<!-- NAME: made by bench/real/run -->` and `<!-- end -->`; the rest is written by hand."""

import random
import re
import statistics

import predict

RESAMPLES = 10000


class Failure(Exception):
    """The document cannot be written."""


def interval(values):
    """The median, and a 95 % bootstrap interval of it. The same values give the same interval."""
    chance = random.Random(1)
    medians = sorted(statistics.median(chance.choices(values, k=len(values)))
                     for _ in range(RESAMPLES))
    return (statistics.median(values), medians[int(0.025 * RESAMPLES)],
            medians[int(0.975 * RESAMPLES) - 1])


def shown(x):
    return f"{x:.1f}" if x < 20 else f"{x:.0f}"


def ratio(samples, what, above, below):
    """The median of the rounds' ratios with its interval, which one round has not."""
    if len(samples) == 1:
        return shown(samples[0][above][what] / samples[0][below][what]) + "x"
    mid, low, high = interval([s[above][what] / s[below][what] for s in samples])
    return f"{shown(mid)}x ({shown(low)} .. {shown(high)})"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def leading(result):
    """Which times are to be believed: wall times only of a machine that did nothing else."""
    others = [s[side]["others"] for b in result["builds"].values() for s in b["samples"]
              for side in s]
    return ("wall_s" if statistics.median(others) < 0.1 else "cpu_s"), statistics.median(others)


def builds_table(result, what):
    rows = []
    for name, build in result["builds"].items():
        samples = build["samples"]
        times = [f"{statistics.median(s[side][what] for s in samples):.1f} s"
                 for side in ("native", "plain", "weft")]
        rows.append([f"`{name}`", *times, ratio(samples, what, "plain", "native"),
                     ratio(samples, what, "weft", "native"), ratio(samples, what, "plain", "weft")])
    return table(["build", "native", "plain BuildKit", "weft", "plain / native", "weft / native",
                  "plain / weft"], rows)


def conditions(result):
    m, v = result["machine"], result["versions"]
    what, others = leading(result)
    load = result["load_1min"]
    rounds = [len(b["samples"]) for b in result["builds"].values()]
    rounds = f"{min(rounds)}" if min(rounds) == max(rounds) else f"{min(rounds)} to {max(rounds)}"
    return (f"{result['date']}; {m['cpu']}, {m['cores']} cores, {m['memory_bytes'] / 2**30:.0f} GiB, "
            f"Linux {m['kernel']}, {m['os']}, as {m['user']}; {v['weft']} (commit {v['commit']}), "
            f"BuildKit {v['buildkitd'].split()[-1]}, QEMU {v['qemu']}. "
            f"Rounds: {rounds}. "
            f"Load average {min(load):.1f} to {max(load):.1f}; others had {100 * others:.0f} % of the "
            f"machine (median). So "
            + ("wall times lead." if what == "wall_s" else "CPU times lead, and wall times say little."))


def profile_table(result):
    rows = []
    for name, build in result["builds"].items():
        found = predict.by_class(build["profile"])
        total = sum(c["cpu_s"] for c in found.values())
        rows.append([f"`{name}`", str(sum(c["execs"] for c in found.values())),
                     f"{sum(c['calls'] for c in found.values()) / 1000:.0f}k",
                     *(f"{100 * found[c]['cpu_s'] / total:.0f} % / {found[c]['execs']}"
                       for c, _ in predict.CLASSES)])
    return table(["build", "starts", "system calls", *(c for c, _ in predict.CLASSES)], rows)


def prediction_table(found):
    rows = []
    for name in found["plain"]:
        row = [f"`{name}`"]
        for side in ("plain", "weft"):
            p = found[side][name]
            row += [f"{shown(p['measured'])}x", f"{shown(p['predicted'])}x",
                    f"{100 * p['error']:+.0f} %", f"{shown(p['unfitted'])}x"]
        rows.append(row)
    rows.append(["typical error"] + [
        cell for side in ("plain", "weft")
        for cell in ("", "", f"{100 * predict.typical_error(found[side]):.0f} %", "")])
    return table(["build", "plain / native", "predicted", "error", "unfitted", "weft / native",
                  "predicted", "error", "unfitted"], rows)


def coefficients_table(found):
    rows = []
    for i, name in enumerate(predict.TERMS):
        left_out = [p["coefficients"][i] for p in found["plain"].values()]
        rows.append([name, f"{found['all'][i]:.2f}", f"{min(left_out):.2f} .. {max(left_out):.2f}"])
    return table(["term", "fitted on all builds", "with one left out"], rows)


def kernels_table(result):
    """Kernels by QEMU and CPU model, of what `weft bench run` has measured."""
    targets = result["kernels"]["targets"] + (result["kernels_newer"] or {"targets": []})["targets"]
    order = {"max,pauth=on": 0}
    targets = sorted(targets, key=lambda t: (order.get(t.get("cpu_model"), 1),
                                             [int(n) for n in re.findall(r"\d+", t["qemu"]["version"])]))
    measured = [{k["name"] for k in t["kernels"] if "skipped" not in k} for t in targets]
    # those that were measured under all of them
    names = [k["name"] for k in targets[0]["kernels"]
             if not k["plain"] and all(k["name"] in m for m in measured)]
    rows = []
    for name in names:
        row = [f"`{name}`"]
        for target in targets:
            k = next((k for k in target["kernels"] if k["name"] == name and not k["plain"]), {})
            row.append(f"{shown(k['ratio'])}x ({shown(k['low'])} .. {shown(k['high'])})"
                       if "ratio" in k else "failed")
        rows.append(row)
    text = table(["kernel", *(f"{t['qemu']['version']} "
                              f"{'max' if t.get('cpu_model') in order else t.get('cpu_model')}"
                              for t in targets)], rows)
    for version in result["qemus_missing"]:
        text += f"\n\nQEMU {version} could not be had from the Debian mirror."
    return text


def tables(result, predictions):
    """The text of each table by name."""
    what, _ = leading(result)
    found = {"conditions": conditions(result),
             "builds": f"{'Wall' if what == 'wall_s' else 'CPU'} times:\n\n"
                       + builds_table(result, what)}
    other = "cpu_s" if what == "wall_s" else "wall_s"
    found["builds-other"] = (f"{'Wall' if other == 'wall_s' else 'CPU'} times of the same runs:\n\n"
                             + builds_table(result, other))
    found["profile"] = profile_table(result)
    if predictions:
        found["prediction"] = prediction_table(predictions)
        found["coefficients"] = coefficients_table(predictions)
    if result.get("kernels"):
        found["kernels"] = kernels_table(result)
    return found


def write(path, found, maker="bench/real/run"):
    """Replace the tables in the document that this script makes."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    for name, new in found.items():
        begin = f"<!-- {name}: made by {maker} -->\n"
        before, mark, rest = text.partition(begin)
        _, end, after = rest.partition("<!-- end -->\n")
        if not mark or not end:
            raise Failure(f"{path}: no place for the table {name}")
        text = before + mark + new + "\n" + end + after
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
