#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""migrate_blocks.py FILE.md DIR: the commands in a document, each block of it as DIR/SECTION-N.sh.

A block is what is indented, or fenced as YAML. SECTION is made from the headings that it is below. YAML has
to be valid and of one of these shapes: a job of GitLab (its before_script and script are the commands), a
workflow of GitHub (what its steps run), or a part of a pod (no commands).
"""
import os
import re
import sys

import yaml


def commands(document):
    if "jobs" in document:
        steps = [step for job in document["jobs"].values() for step in job["steps"]]
        if not all("uses" in step or "run" in step for step in steps):
            raise ValueError("a step that neither uses nor runs anything")
        return [step["run"] for step in steps if "run" in step]
    if "spec" in document:
        if not all("name" in container for container in document["spec"]["containers"]):
            raise ValueError("a container without a name")
        return []
    lines = []
    for name, job in document.items():
        if not isinstance(job, dict) or "script" not in job or "image" not in job:
            raise ValueError(f"{name} is no job of GitLab")
        lines += job.get("before_script", []) + job["script"]
    if not all(isinstance(line, str) for line in lines):
        raise ValueError(f"a command that is no text: {lines}")
    return lines


def slug(heading):
    return re.sub("[^a-z0-9]+", "-", heading.lower()).strip("-")


def blocks(lines):
    """(section, number of the line, whether it is YAML, text), one after the other."""
    headings = []
    current, kind, begin = [], None, 0
    for number, line in enumerate(lines + [""], 1):
        if kind == "yaml":
            if line == "```":
                yield "-".join(headings), begin, True, "\n".join(current)
                current, kind = [], None
            else:
                current.append(line)
            continue
        if kind == "shell":
            if line.startswith("    "):
                current.append(line[4:])
                continue
            yield "-".join(headings), begin, False, "\n".join(current)
            current, kind = [], None
        if line == "```yaml":
            kind, begin = "yaml", number
        elif line.startswith("```"):
            raise ValueError(f"line {number}: a fence that is not ```yaml")
        elif line.startswith("    "):
            kind, begin, current = "shell", number, [line[4:]]
        elif match := re.match("(#{2,3}) (.*)", line):
            headings = headings[: len(match[1]) - 2] + [slug(match[2])]
    if kind:
        raise ValueError(f"line {begin}: the fence has no end")


def main():
    path, out = sys.argv[1:]
    count = {}
    with open(path, encoding="utf-8") as file:
        lines = file.read().splitlines()
    for section, number, is_yaml, text in blocks(lines):
        if is_yaml:
            try:
                text = "\n".join(commands(yaml.safe_load(text)))
            except (yaml.YAMLError, ValueError, KeyError, TypeError) as error:
                sys.exit(f"{path}:{number}: {error}")
        count[section] = count.get(section, 0) + 1
        with open(os.path.join(out, f"{section}-{count[section]}.sh"), "w", encoding="utf-8") as file:
            file.write(text + "\n")


main()
