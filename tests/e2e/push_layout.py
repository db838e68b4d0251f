#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An OCI layout as weft build writes it, without a build.

usage: push_layout.py DIR [--seed TEXT] [--base TEXT] [--big BYTES] [--tag TAG] PLATFORM...

Each platform has a base layer, of --base alone, a layer of its own, of --seed, and an attestation
manifest. --big adds a layer of that many bytes that do not compress to the first platform. Same
arguments, same bytes.
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import random
import tarfile

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def digest_of(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Layout:
    def __init__(self, directory):
        self.blobs = os.path.join(directory, "blobs", "sha256")
        os.makedirs(self.blobs, exist_ok=True)

    def blob(self, data, media_type, **more):
        digest = digest_of(data)
        with open(os.path.join(self.blobs, digest[7:]), "wb") as f:
            f.write(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data), **more}

    def document(self, value, media_type, **more):
        return self.blob(json.dumps(value, indent=2).encode(), media_type, **more)

    def layer(self, name, content):
        """The layer's descriptor, and the digest of what it is without compression."""
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as t:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            t.addfile(info, io.BytesIO(content))
        packed = io.BytesIO()
        with gzip.GzipFile(fileobj=packed, mode="wb", mtime=0, filename="") as z:
            z.write(tar.getvalue())
        return self.blob(packed.getvalue(), LAYER), digest_of(tar.getvalue())

    def manifest(self, config, layers, **more):
        return self.document({"schemaVersion": 2, "mediaType": MANIFEST, "config": config,
                              "layers": layers}, MANIFEST, **more)

    def image(self, platform, contents):
        made = [self.layer(name, content) for name, content in contents]
        os_, arch, *variant = platform.split("/")
        fields = {"architecture": arch, "os": os_}
        if variant:
            fields["variant"] = variant[0]
        config = self.document(
            {**fields, "config": {"Cmd": ["/bin/true"]},
             "rootfs": {"type": "layers", "diff_ids": [diff for _, diff in made]}},
            "application/vnd.oci.image.config.v1+json")
        return self.manifest(config, [layer for layer, _ in made], platform=fields)

    def attestation(self, image):
        statement = self.document(
            {"_type": "https://in-toto.io/Statement/v0.1", "subject": [],
             "predicateType": "https://slsa.dev/provenance/v0.2",
             "predicate": {"of": image["digest"]}},
            "application/vnd.in-toto+json",
            annotations={"in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2"})
        config = self.document(
            {"architecture": "unknown", "os": "unknown", "config": {},
             "rootfs": {"type": "layers", "diff_ids": [statement["digest"]]}},
            "application/vnd.oci.image.config.v1+json")
        return self.manifest(
            config, [statement],
            annotations={"vnd.docker.reference.digest": image["digest"],
                         "vnd.docker.reference.type": "attestation-manifest"},
            platform={"architecture": "unknown", "os": "unknown"})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("platforms", nargs="+")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--base", default="base")
    parser.add_argument("--big", type=int, default=0)
    parser.add_argument("--tag", default="latest")
    args = parser.parse_args()
    layout = Layout(args.directory)
    images = []
    for number, platform in enumerate(args.platforms):
        contents = [("base", f"{args.base} of {platform}\n".encode() * 100)]
        if args.big and number == 0:
            contents.append(("big", random.Random(args.seed).randbytes(args.big)))
        contents.append(("own", f"{args.seed} of {platform}\n".encode()))
        images.append(layout.image(platform, contents))
    attestations = [layout.attestation(image) for image in images]
    index = layout.document({"schemaVersion": 2, "mediaType": INDEX,
                             "manifests": images + attestations}, INDEX)
    index["annotations"] = {"org.opencontainers.image.ref.name": args.tag}
    for name, value in (("index.json", {"schemaVersion": 2, "mediaType": INDEX,
                                        "manifests": [index]}),
                        ("oci-layout", {"imageLayoutVersion": "1.0.0"})):
        with open(os.path.join(args.directory, name), "w") as f:
            json.dump(value, f)


if __name__ == "__main__":
    main()
