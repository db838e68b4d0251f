#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A cache service of GitHub Actions for tests/long/caches.sh, in memory.

usage: gha-cache.py PORT TOKEN

Both versions of the protocol: 1 (/_apis/artifactcache) and 2 (twirp, with blobs at addresses that
take what Azure's storage takes). Every call but those for blobs wants TOKEN. No package on PyPI or
npm serves version 2, which is the one that GitHub has kept. GET /log lists "VERSION KEY" of what
was written.
"""

import json
import re
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

TWIRP = "/twirp/github.actions.results.api.v1.CacheService/"
V1 = "/_apis/artifactcache/"

lock = threading.Lock()
entries = []  # in the order of their making: dicts of id, api, key, version, parts, data or None


def find(key, version):
    """The finished entry with the key, else the newest that begins with it."""
    done = [e for e in entries if e["data"] is not None and e["version"] == version]
    exact = [e for e in done if e["key"] == key]
    return (exact or [e for e in done if e["key"].startswith(key)] or [None])[-1]


def reserve(api, key, version):
    """A new entry, or None where there is one with the key."""
    if any(e["key"] == key and e["version"] == version for e in entries):
        return None
    entries.append({"id": len(entries) + 1, "api": api, "key": key, "version": version, "parts": {},
                    "data": None})
    return entries[-1]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def body(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            data = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def reply(self, code, data=b"", headers=()):
        if not isinstance(data, bytes):
            data = json.dumps(data).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("x-ms-request-id", "0")
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def address(self, entry):
        return f"http://localhost:{self.server.server_port}/blob/{entry['id']}?sig=x"

    def entry(self, path):
        return entries[int(path.rsplit("/", 1)[1]) - 1]

    def twirp(self, method, ask):
        if method == "CreateCacheEntry":
            entry = reserve(2, ask["key"], ask["version"])
            if not entry:
                return self.reply(409, {"code": "already_exists", "message": "it exists"})
            return self.reply(200, {"ok": True, "signed_upload_url": self.address(entry)})
        if method == "FinalizeCacheEntryUpload":
            entry = next(e for e in entries if (e["key"], e["version"]) == (ask["key"], ask["version"]))
            entry["data"] = b"".join(entry["parts"].pop("all"))
            if len(entry["data"]) != int(ask["size_bytes"]):
                return self.reply(400, {"code": "invalid_argument", "message": "another size"})
            return self.reply(200, {"ok": True, "entry_id": str(entry["id"])})
        if method == "GetCacheEntryDownloadURL":
            entry = find(ask["key"], ask["version"])
            if not entry:
                return self.reply(200, {"ok": False})
            return self.reply(200, {"ok": True, "matched_key": entry["key"],
                                    "signed_download_url": self.address(entry)})
        return self.reply(404, {"code": "bad_route", "message": method})

    def blob_put(self, query, entry, data):
        comp = query.get("comp", [""])[0]
        if comp == "block":
            entry["parts"][query["blockid"][0]] = data
        elif comp == "blocklist":
            ids = re.findall(r"<Latest>([^<]*)</Latest>", data.decode())
            entry["parts"] = {"all": [entry["parts"][i] for i in ids]}
        else:
            entry["parts"] = {"all": [data]}
        self.reply(201, headers=[("ETag", '"x"')])

    def blob_get(self, entry):
        asked = self.headers.get("x-ms-range") or self.headers.get("Range")
        data = entry["data"]
        if not asked:
            return self.reply(200, data, [("ETag", '"x"')])
        first, last = re.fullmatch(r"bytes=(\d+)-(\d*)", asked).groups()
        part = data[int(first):int(last) + 1 if last else None]
        where = f"bytes {first}-{int(first) + len(part) - 1}/{len(data)}"
        return self.reply(206, part, [("Content-Range", where), ("ETag", '"x"')])

    def handle_call(self):
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        data = self.body()
        with lock:
            if url.path == "/log":
                return self.reply(200, "".join(f"{e['api']} {e['key']}\n" for e in entries).encode())
            if url.path.startswith("/blob/"):
                entry = self.entry(url.path)
                return self.blob_put(query, entry, data) if self.command == "PUT" else self.blob_get(entry)
            if self.headers.get("Authorization") != "Bearer " + self.server.token:
                return self.reply(401, {"message": "a wrong token"})
            if url.path.startswith(TWIRP):
                return self.twirp(url.path[len(TWIRP):], json.loads(data))
            if url.path == V1 + "cache":
                entry = find(query["keys"][0].split(",")[0], query["version"][0])
                if not entry:
                    return self.reply(204)
                return self.reply(200, {"cacheKey": entry["key"], "scope": "x",
                                        "archiveLocation": self.address(entry)})
            if url.path == V1 + "caches":
                ask = json.loads(data)
                entry = reserve(1, ask["key"], ask["version"])
                if not entry:
                    return self.reply(409, {"message": "Cache already exists"})
                return self.reply(201, {"cacheId": entry["id"]})
            if url.path.startswith(V1 + "caches/") and self.command == "PATCH":
                first = re.match(r"bytes (\d+)-", self.headers["Content-Range"]).group(1)
                self.entry(url.path)["parts"][int(first)] = data
                return self.reply(204)
            if url.path.startswith(V1 + "caches/"):
                entry = self.entry(url.path)
                entry["data"] = b"".join(part for _, part in sorted(entry["parts"].items()))
                if len(entry["data"]) != json.loads(data)["size"]:
                    return self.reply(400, {"message": "another size"})
                return self.reply(204)
        return self.reply(404, {"message": self.path})

    do_GET = do_POST = do_PUT = do_PATCH = handle_call


def main():
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
    server.token = sys.argv[2]
    server.serve_forever()


main()
