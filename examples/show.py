#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Show an OCI layout: show.py LAYOUT [FILE]

Prints a table of every image under the layout's index: platform, digest, compressed size, and, if FILE is
given, what that file says in the image (its topmost layer that has it). Everything is read from the layout's
own blobs, and each blob that is read is checked against its digest.
"""

import gzip
import hashlib
import io
import json
import os
import sys
import tarfile

INDEXES = ("application/vnd.oci.image.index.v1+json",
           "application/vnd.docker.distribution.manifest.list.v2+json")


def read_blob(layout, descriptor):
    algorithm, _, value = descriptor["digest"].partition(":")
    with open(os.path.join(layout, "blobs", algorithm, value), "rb") as f:
        data = f.read()
    if hashlib.new(algorithm, data).hexdigest() != value:
        sys.exit(f"show.py: {descriptor['digest']} is not what the blob holds")
    return data


def read_json(layout, descriptor):
    return json.loads(read_blob(layout, descriptor))


def images(layout, descriptor):
    """The manifests below a descriptor, with their platforms; attestations are not images."""
    if descriptor["mediaType"] in INDEXES:
        for child in read_json(layout, descriptor)["manifests"]:
            yield from images(layout, child)
        return
    if "vnd.docker.reference.type" in descriptor.get("annotations", {}):
        return
    manifest = read_json(layout, descriptor)
    config = read_json(layout, manifest["config"])
    fields = [config.get(k) for k in ("os", "architecture", "variant")]
    yield "/".join(f for f in fields if f), descriptor, manifest


def read_file(layout, manifest, name):
    """The text of a regular file, from the topmost layer that has it; None if no layer has."""
    for layer in reversed(manifest["layers"]):
        data = read_blob(layout, layer)
        if layer["mediaType"].endswith("gzip"):
            data = gzip.decompress(data)
        elif not layer["mediaType"].endswith("tar"):
            sys.exit(f"show.py: cannot unpack {layer['mediaType']}")
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for member in tar:
                if member.isreg() and os.path.normpath(member.name).lstrip("/") == name:
                    return tar.extractfile(member).read().decode()
    return None


def human(size):
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    layout = sys.argv[1]
    with open(os.path.join(layout, "index.json"), "rb") as f:
        tags = json.load(f)["manifests"]
    # One build can have several tags: each index is shown once.
    for descriptor in {d["digest"]: d for d in tags}.values():
        print(f"index {descriptor['digest']}\n")
        print(f"{'PLATFORM':<16} {'SHA-256':<12} {'SIZE':>8}  {'SAYS' if len(sys.argv) == 3 else ''}".rstrip())
        for platform, image, manifest in images(layout, descriptor):
            size = sum(blob["size"] for blob in [image, manifest["config"], *manifest["layers"]])
            row = f"{platform:<16} {image['digest'].partition(':')[2][:12]} {human(size):>8}"
            if len(sys.argv) == 3:
                text = read_file(layout, manifest, sys.argv[2])
                said = [" ".join(line.split()) for line in text.splitlines()] if text else ["(no file)"]
                row += "  " + "; ".join(line for line in said if not line.startswith("platform:"))
            print(row)


if __name__ == "__main__":
    main()
