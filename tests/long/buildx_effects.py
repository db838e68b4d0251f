# SPDX-License-Identifier: Apache-2.0
"""What a build has left in a directory, as plain data that two builders can be compared by: the documents of OCI
layouts and registries with the blobs that they refer to, files with their modes and contents, JSON. What is by chance,
such as times of a provenance and all digests that follow from it, is left out."""

import base64
import hashlib
import io
import json
import os
import re
import stat
import tarfile
import urllib.error
import urllib.request

# Documents that stand for others: what they refer to is described in their place.
INDEX = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
MANIFEST = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
# In a provenance, of either version: identities and times of one run.
BY_CHANCE = ("buildInvocationID", "buildStartedOn", "buildFinishedOn", "invocationId", "invocationID", "startedOn",
             "finishedOn", "oci.session", "oci.store", "local.session", "llb.customname", "vertex", "sysUsage")
# Layouts that a client serves under a name made up for the session.
SESSION_NAME = re.compile(r"oci-layout://[a-z0-9]+(?=[:@])")
CHANCE = "(by chance)"


def masked(value):
    """A JSON value without what is by chance in provenances, and in what `--call` says with format=json."""
    if isinstance(value, dict):
        found = {}
        for k, v in value.items():
            if k in BY_CHANCE or k.startswith("local-sessionid:"):
                v = CHANCE
            elif k == "digestMapping":  # of steps, whose digests have the session's name in them
                v = sorted(v.values())
            elif k == "layers" and isinstance(v, dict):  # of steps that ran at some time
                v = {step: [[layer.get("mediaType") for layer in chain] for chain in chains]
                     for step, chains in v.items()}
            elif k == "creationInfo" and isinstance(v, dict):  # of an SBOM
                v = {**v, "created": CHANCE}
            elif k == "definition" and isinstance(v, dict):  # of a lint warning's source
                v = CHANCE
            found[k] = masked(v)
        return found
    if isinstance(value, list):
        return [masked(v) for v in value]
    if isinstance(value, str):
        return SESSION_NAME.sub("oci-layout://SESSION", value)
    return value


def attested(document):
    """Whether a described document has a provenance, or an inline cache, in it: then its digest is by chance."""
    if isinstance(document, dict):
        return "in-toto" in document or any(attested(v) for v in document.values())
    return isinstance(document, list) and any(attested(v) for v in document)


def described(descriptor, read):
    """A descriptor with what it refers to. read(descriptor) returns the bytes."""
    found = dict(descriptor)
    kind = descriptor.get("mediaType", "")
    annotations = descriptor.get("annotations") or {}
    if kind in INDEX + MANIFEST:
        content = json.loads(read(descriptor))
        for key in ("manifests", "layers"):
            if content.get(key):
                content[key] = [described(d, read) for d in content[key]]
        if "config" in content:
            content["config"] = described(content["config"], read)
        found["content"] = content
    elif kind == "application/vnd.in-toto+json" or "in-toto.io/predicate-type" in annotations:
        found["in-toto"] = masked(json.loads(read(descriptor)))
    elif kind.endswith(("image.config.v1+json", "container.image.v1+json", "empty.v1+json")):
        config = json.loads(read(descriptor))
        # an inline cache: the steps, which ran at some time
        if "moby.buildkit.cache.v0" in config:
            cache = json.loads(base64.b64decode(config["moby.buildkit.cache.v0"]))
            config["moby.buildkit.cache.v0"] = len(cache) if isinstance(cache, list) else sorted(cache)
            found["in-toto"] = ""
        # of an attestation in the old form: the digests of the statements
        if attested_config(config):
            config, found["in-toto"] = CHANCE, ""
        found["content"] = config
    if attested(found):
        found["digest"] = found["size"] = CHANCE
    return found


def attested_config(config):
    return config.get("architecture") == "unknown" and config.get("os") == "unknown"


def layout(read_path):
    """An OCI layout. read_path(name) returns the bytes of a file in it."""
    def blob(descriptor):
        return read_path("blobs/" + descriptor["digest"].replace(":", "/"))
    index = json.loads(read_path("index.json"))
    index["manifests"] = [described(d, blob) for d in index.get("manifests") or []]
    return {"oci-layout": json.loads(read_path("oci-layout")), "index.json": index}


def members(archive):
    """The files of a tar archive, in order of their names."""
    found = {}
    for member in archive.getmembers():
        entry = {"type": member.type.decode(), "mode": oct(member.mode), "owner": f"{member.uid}:{member.gid}",
                 "mtime": int(member.mtime)}
        if member.islnk() or member.issym():
            entry["link"] = member.linkname
        if member.isfile():
            entry["content"] = content(archive.extractfile(member).read())
        found[member.name.rstrip("/")] = entry
    return found


def read_tar(data):
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        names = [m.name for m in archive.getmembers()]
        if "oci-layout" not in names:
            return {"tar": members(archive)}
        found = layout(lambda name: archive.extractfile(name).read())
        if "manifest.json" in names:
            found["manifest.json"] = json.loads(archive.extractfile("manifest.json").read())
        return found


def content(data):
    """Bytes, as what they look like."""
    if data[257:262] == b"ustar":
        return read_tar(data)
    if data[:1] in (b"{", b"["):
        try:
            return masked(json.loads(data))
        except ValueError:
            pass
    if len(data) < 4096:
        try:
            return data.decode()
        except UnicodeDecodeError:
            pass
    return "sha256:" + hashlib.sha256(data).hexdigest()


def read_file(path):
    with open(path, "rb") as f:
        return f.read()


def path_effect(path, times):
    """A file or a directory with all that is in it."""
    info = os.lstat(path)
    if stat.S_ISDIR(info.st_mode):
        if os.path.exists(os.path.join(path, "oci-layout")):
            return layout(lambda name: read_file(os.path.join(path, name)))
        return {name: path_effect(os.path.join(path, name), times) for name in sorted(os.listdir(path))}
    if stat.S_ISLNK(info.st_mode):
        return {"link": os.readlink(path)}
    entry = {"mode": oct(stat.S_IMODE(info.st_mode))}
    if times:
        entry["mtime"] = int(info.st_mtime)
    entry["content"] = content(read_file(path))
    return entry


def registry(address, names):
    """The tags of repositories in a registry that speaks plain HTTP."""
    def get(path, accept=""):
        request = urllib.request.Request(f"http://{address}/v2/{path}", headers={"Accept": accept} if accept else {})
        with urllib.request.urlopen(request) as answer:
            return answer.read(), answer.headers
    found = {}
    for name in names:
        try:
            tags = json.loads(get(f"{name}/tags/list")[0])["tags"] or []
        except urllib.error.HTTPError as e:
            found[name] = e.code  # pushed by digest, it has none
            continue
        for tag in sorted(tags):
            data, headers = get(f"{name}/manifests/{tag}", ", ".join(INDEX + MANIFEST))

            def read(descriptor, top=(headers["Docker-Content-Digest"], data), name=name):
                if descriptor["digest"] == top[0]:
                    return top[1]
                if descriptor["mediaType"] in INDEX + MANIFEST:
                    return get(f"{name}/manifests/{descriptor['digest']}", descriptor["mediaType"])[0]
                return get(f"{name}/blobs/{descriptor['digest']}")[0]
            found[f"{name}:{tag}"] = described({"mediaType": headers["Content-Type"], "size": len(data),
                                                "digest": headers["Docker-Content-Digest"]}, read)
    return found


def differences(one, other, where=""):
    """Yields (path, of the one, of the other) for all that is not the same."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}, key=str):
            yield from differences(one.get(key), other.get(key), f"{where}/{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for i, pair in enumerate(zip(one, other)):
            yield from differences(*pair, f"{where}/{i}")
    elif one != other:
        yield where, one, other
