#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Write OCI image layouts: the one piece that both base image scripts share.

  layout.py image OUT --platform P --tar FILE [--cmd JSON] [--os-version V]
                                                              one image from a root file system's tar
  layout.py join OUT --name REF LAYOUT...                    several layouts as one multi-platform image
  layout.py derive OUT LAYOUT --tar FILE --entrypoint JSON   one more layer on every image of a layout

The index.json of a layout lists one descriptor, tagged "latest", of an image index that has one manifest
per platform. What is written depends on nothing but the input (and on the zlib that packs the layers).
"""

import argparse
import gzip
import hashlib
import json
import os
import shutil
import sys
import tarfile
import tempfile

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CREATED = "2025-01-01T00:00:00Z"
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Layout:
    """A layout directory, open for adding blobs. Layouts are new directories: nothing is overwritten."""

    def __init__(self, path):
        self.path = path
        self.blobs = os.path.join(path, "blobs", "sha256")
        os.makedirs(self.blobs, exist_ok=True)

    def blob(self, digest):
        return os.path.join(self.blobs, digest.partition(":")[2])

    def read(self, digest):
        with open(self.blob(digest), "rb") as f:
            return json.load(f)

    def add_json(self, media_type, value):
        data = json.dumps(value, indent=2, sort_keys=True).encode() + b"\n"
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        if not os.path.exists(self.blob(digest)):
            with open(self.blob(digest), "wb") as f:
                f.write(data)
                os.fchmod(f.fileno(), 0o444)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def add_layer(self, tar_path):
        """Pack a tar as a layer blob. Returns its descriptor and its diff_id."""
        fd, tmp = tempfile.mkstemp(dir=self.path)
        diff_id = hashlib.sha256()
        try:
            with open(tar_path, "rb") as source, os.fdopen(fd, "wb") as raw:
                with gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed:
                    for chunk in iter(lambda: source.read(1 << 20), b""):
                        diff_id.update(chunk)
                        packed.write(chunk)
            digest = "sha256:" + file_sha256(tmp)
            size = os.stat(tmp).st_size
            os.chmod(tmp, 0o444)
            os.rename(tmp, self.blob(digest))
        except BaseException:
            os.unlink(tmp)
            raise
        return ({"mediaType": LAYER, "digest": digest, "size": size},
                "sha256:" + diff_id.hexdigest())

    def add_image(self, config, layers):
        """Add a config and a manifest. Returns the manifest's descriptor, with its platform."""
        manifest = self.add_json(MANIFEST, {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": self.add_json(CONFIG, config),
            "layers": layers,
        })
        manifest["platform"] = {k: config[k] for k in ("os", "architecture", "variant", "os.version") if k in config}
        return manifest

    def top(self):
        """The descriptor of the layout's one image index."""
        with open(os.path.join(self.path, "index.json"), "rb") as f:
            (top,) = json.load(f)["manifests"]
        return top

    def manifests(self):
        """The descriptors of the images under that index."""
        return self.read(self.top()["digest"])["manifests"]

    def finish(self, name, manifests):
        """Write the image index, then index.json and oci-layout, which make the directory a layout."""
        top = self.add_json(INDEX, {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})
        top["annotations"] = {
            "io.containerd.image.name": f"docker.io/library/{name}:latest",
            "org.opencontainers.image.ref.name": "latest",
        }
        write_json(os.path.join(self.path, "index.json"),
                   {"schemaVersion": 2, "mediaType": INDEX, "manifests": [top]})
        write_json(os.path.join(self.path, "oci-layout"), {"imageLayoutVersion": "1.0.0"})

    def take(self, other, digest):
        """Take a blob of another layout, by a hard link where the file system is the same."""
        if os.path.exists(self.blob(digest)):
            return
        try:
            os.link(other.blob(digest), self.blob(digest))
        except OSError:
            shutil.copy(other.blob(digest), self.blob(digest))


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f, indent=2, sort_keys=True)
        f.write("\n")


def file_sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        for chunk in iter(lambda: f.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()


def platform_fields(platform):
    """linux/arm/v7 as the three fields of an image config. linux/arm64 has no variant, as containerd
    normalises it."""
    parts = platform.split("/")
    if len(parts) not in (2, 3):
        sys.exit(f"layout.py: not a platform: {platform}")
    return dict(zip(("os", "architecture", "variant"), parts))


def check_tar(path):
    """Refuse device nodes: they cannot be unpacked in a user namespace."""
    with tarfile.open(path, "r:") as tar:
        for member in tar:
            if member.isdev() and not member.isfifo():
                sys.exit(f"layout.py: {path}: {member.name} is a device node")


def cmd_image(args):
    check_tar(args.tar)
    layout = Layout(args.out)
    layer, diff_id = layout.add_layer(args.tar)
    config = {
        **platform_fields(args.platform),
        "created": CREATED,
        **({"os.version": args.os_version} if args.os_version else {}),
        "config": {"Cmd": json.loads(args.cmd), "Env": [PATH] if args.platform.startswith("linux/") else []},
        "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        "history": [{"created": CREATED, "created_by": "weft tests/bases"}],
    }
    layout.finish(args.name, [layout.add_image(config, [layer])])


def cmd_join(args):
    layout = Layout(args.out)
    manifests = []
    for path in args.layouts:
        part = Layout(path)
        for descriptor in part.manifests():
            manifest = part.read(descriptor["digest"])
            for blob in (descriptor, manifest["config"], *manifest["layers"]):
                layout.take(part, blob["digest"])
            manifests.append(descriptor)
    layout.finish(args.name, manifests)


def cmd_derive(args):
    layout, base = Layout(args.out), Layout(args.layout)
    check_tar(args.tar)
    layer, diff_id = layout.add_layer(args.tar)
    manifests = []
    for descriptor in base.manifests():
        manifest = base.read(descriptor["digest"])
        config = base.read(manifest["config"]["digest"])
        for old in manifest["layers"]:
            layout.take(base, old["digest"])
        config["config"]["Entrypoint"] = json.loads(args.entrypoint)
        config["config"].pop("Cmd", None)
        config["rootfs"]["diff_ids"].append(diff_id)
        config["history"].append({"created": CREATED, "created_by": "weft tests/bases"})
        manifests.append(layout.add_image(config, manifest["layers"] + [layer]))
    layout.finish(args.name, manifests)


def main():
    parser = argparse.ArgumentParser(prog="layout.py", description="write OCI image layouts")
    commands = parser.add_subparsers(required=True)

    image = commands.add_parser("image")
    image.add_argument("--platform", required=True)
    image.add_argument("--tar", required=True)
    image.add_argument("--cmd", default='["sh"]')
    image.add_argument("--os-version", help="of an image for windows")
    image.set_defaults(run=cmd_image)

    join = commands.add_parser("join")
    join.add_argument("layouts", nargs="+")
    join.set_defaults(run=cmd_join)

    derive = commands.add_parser("derive")
    derive.add_argument("layout")
    derive.add_argument("--tar", required=True)
    derive.add_argument("--entrypoint", required=True)
    derive.set_defaults(run=cmd_derive)

    for command in (image, join, derive):
        command.add_argument("--name", required=True)
        command.add_argument("--out", required=True)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
