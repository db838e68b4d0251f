#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# timeout: 180
# bench/real/run still works: one tiny build, natively, by plain BuildKit and by weft; no time is judged. And its
# predictions, on builds that are made up so that they have to be right.
. "$WEFT_SRC_DIR/tests/e2e/lib.sh"

need python3 jq cc
[[ $(uname -m) == x86_64 ]] || skip "arm64 runs natively here"
[[ -x $WEFT_LIBEXEC/bench/aarch64/kernels ]] || skip "there are no kernels of aarch64"
busybox_base bb linux/amd64 linux/arm64 # into the cache, or skip
cd "$WEFT_TEST_TMP"

note "a tiny build on all sides"
"$WEFT_SRC_DIR/bench/real/run" -b "$WEFT_BUILD_DIR" --tmp "$WEFT_TEST_TMP" --smoke --json json >out 2>err ||
    fail "run: $(cat out err)"
expect schema "$(jq .schema json)" 1
expect complete "$(jq .complete json)" true
expect sides "$(jq -c '.builds.smoke.samples[0] | keys' json)" '["native","plain","weft"]'
expect "all took time" "$(jq '[.builds.smoke.samples[][].wall_s > 0] | all' json)" true
expect "emulated costs more" "$(jq '.builds.smoke.samples[0] | .plain.cpu_s > .native.cpu_s' json)" true
# trace.c: 20 times busybox, and the shell that starts it; no program has fewer system calls than starts
expect starts "$(jq '.builds.smoke.profile.busybox.execs' json)" 21
expect forks "$(jq '.builds.smoke.profile.busybox.forks' json)" 20
expect "CPU time and calls" "$(jq '.builds.smoke.profile.busybox | .cpu_ns > 0 and .calls > 21 * 10' json)" true
expect kernels "$(jq -r '.kernels.targets[0].kernels[0].name' json)" start
left=$(find . -maxdepth 1 -name 'weft-bench.*')
expect "left behind" "$left" ''

note "a round added to it"
"$WEFT_SRC_DIR/bench/real/run" -b "$WEFT_BUILD_DIR" --tmp "$WEFT_TEST_TMP" --smoke --add-to json --json more >out 2>err ||
    fail "run --add-to: $(cat out err)"
expect rounds "$(jq '.builds.smoke.samples | length' more)" 2
expect "the first" "$(jq -c '.builds.smoke.samples[0]' more)" "$(jq -c '.builds.smoke.samples[0]' json)"
jq '.machine.cpu = "another"' json >other
"$WEFT_SRC_DIR/bench/real/run" -b "$WEFT_BUILD_DIR" --tmp "$WEFT_TEST_TMP" --smoke --add-to other >out 2>err &&
    fail "rounds of two machines in one result"
grep -q 'other is of another machine' err || fail "error: $(cat err)"

note "its tables"
cat >doc <<'DOC'
by hand
<!-- builds: made by bench/real/run -->
old
<!-- end -->
by hand, too
DOC
"$WEFT_SRC_DIR/bench/real/run" --from-json json --write-doc doc >out 2>err && fail "a table without a place"
grep -q 'no place for the table' err || fail "error: $(cat err)"
for name in conditions builds-other profile kernels; do
    printf '<!-- %s: made by bench/real/run -->\n<!-- end -->\n' $name >>doc
done
"$WEFT_SRC_DIR/bench/real/run" --from-json json --write-doc doc >out 2>err || fail "$(cat err)"
grep -q smoke doc || fail "no table in $(cat doc)"
expect "by hand" "$(grep -c 'by hand' doc)" 2
expect "what was there" "$(grep -c old doc)" 0

note "predictions"
python3 -B - "$WEFT_SRC_DIR/bench/real" <<'PYTHON' || fail "predictions"
import random
import sys

sys.path.insert(0, sys.argv[1])
import predict

chance = random.Random(1)
names = {k for like in predict.LIKE.values() for k in like}
names |= {"calls", "fork-exec", "start", "start-dynamic", "start-large"}


def target(model, factor):
    kernels = []
    for name in sorted(names):
        native = 1000000
        emulated = int(native * factor * chance.uniform(3, 20))
        kernels.append({"name": name.split(",")[0], "plain": "," in name, "iterations": 1, "samples": [
            {"native_ns": native, "emulated_ns": emulated, "stolen": 0, "counted": True}]})
    calls = [k["samples"][0] for k in kernels if k["name"] == "calls"]
    for sample, times in zip(calls, (300 * (factor - 1) + 10, 10)):
        sample["emulated_ns"] = int(1e6 * times)
    large = next(k for k in kernels if k["name"] == "start-large")
    large["samples"][0]["emulated_ns"] = int(60e6 * factor)
    return {"qemu": {"version": "7.2.22"}, "cpu_model": model, "kernels": kernels}


result = {"builds": {}, "kernels": {"targets": [target("max,pauth=on", 2), target("cortex-a53", 1)]}}
programs = {"cc1": 30, "x86_64-linux-gnu-as": 30, "dash": 20, "sed": 200, "dpkg-deb": 40, "apt-get": 1}
true = [1.3, 0.7, 1.1, 0.8, 1.2, 0.9, 1.1]
for i in range(8):
    profile = {}
    for name, most in programs.items():
        n = int(most * chance.random())
        profile[name] = {"execs": n, "forks": n, "cpu_ns": int(n * 3e6 + 1e9 * chance.random())}
    result["builds"][f"build{i}"] = {"profile": profile, "samples": []}
    native = sum(p["cpu_ns"] for p in profile.values()) / 1e9
    sample = {"native": {"cpu_s": native}}
    for side, k in predict.sides(result).items():
        sample[side] = {"cpu_s": sum(a * b for a, b in zip(true, predict.terms(profile, k)))}
    result["builds"][f"build{i}"]["samples"] = [sample]
found = predict.predictions(result)
for side in ("plain", "weft"):
    for name, p in found[side].items():
        assert abs(p["error"]) < 0.1, (side, name, p["error"], p["coefficients"])
# what a build took emulated is not used to predict it
for sample in result["builds"]["build0"]["samples"]:
    sample["plain"]["cpu_s"] *= 5
    sample["weft"]["cpu_s"] *= 5
again = predict.predictions(result)["plain"]["build0"]["predicted"]
assert abs(again - found["plain"]["build0"]["predicted"]) < 1e-9
assert predict.class_of("x86_64-linux-gnu-gcc-12") == "binutils"
assert predict.class_of("cc1") == "compiler"
assert predict.class_of("python3.11") == "package"
assert predict.class_of("dpkg-deb") == "unpack" and predict.class_of("dpkg") == "package"
PYTHON
