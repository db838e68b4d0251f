#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: audit_layout.py OUT PLATFORM=LAYER[,LAYER...] ...

Makes an OCI layout of layers as they are: tar files, packed or not, or anything else that shall be
taken for one. The history calls each "COPY LAYER /". For tests of weft audit.
"""
import hashlib
import json
import os
import shutil
import sys


def put(out, data):
    digest = hashlib.sha256(data).hexdigest()
    with open(f"{out}/blobs/sha256/{digest}", "wb") as f:
        f.write(data)
    return {"digest": f"sha256:{digest}", "size": len(data)}


def put_file(out, path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            digest.update(block)
    blob = f"{out}/blobs/sha256/{digest.hexdigest()}"
    if not os.path.exists(blob):
        shutil.copyfile(path, blob)
    return {"digest": f"sha256:{digest.hexdigest()}", "size": os.path.getsize(path)}


def main(out, images):
    os.makedirs(f"{out}/blobs/sha256")
    index = []
    for image in images:
        name, layers = image.split("=", 1)
        layers = layers.split(",")
        platform = dict(zip(("os", "architecture", "variant"), name.split("/")))
        config = dict(platform)
        config["rootfs"] = {"type": "layers", "diff_ids": []}
        config["history"] = [{"created_by": "CMD", "empty_layer": True}] + [
            {"created_by": f"COPY {os.path.basename(l)} / # buildkit"} for l in layers
        ]
        kind = "application/vnd.oci.image.layer.v1.tar"
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                **put(out, json.dumps(config).encode()),
            },
            "layers": [{"mediaType": kind, **put_file(out, l)} for l in layers],
        }
        blob = put(out, json.dumps(manifest).encode())
        index.append({"mediaType": manifest["mediaType"], **blob, "platform": platform})
    root = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": index}
    entry = {"mediaType": root["mediaType"], **put(out, json.dumps(root).encode())}
    entry["annotations"] = {"org.opencontainers.image.ref.name": "latest"}
    with open(f"{out}/index.json", "w") as f:
        json.dump({"schemaVersion": 2, "manifests": [entry]}, f)
    with open(f"{out}/oci-layout", "w") as f:
        json.dump({"imageLayoutVersion": "1.0.0"}, f)


main(sys.argv[1], sys.argv[2:])
