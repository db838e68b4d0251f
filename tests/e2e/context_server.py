#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""usage: context_server.py DIR LOG

A web server on a free port of 127.0.0.1, which is printed, for contexts of builds. Each request is a line of LOG:
METHOD PATH STATUS. It ends with its standard input.

/git/NAME.git      DIR/git/NAME.git through git http-backend; after each POST, DIR/after-post is run if it is there
/private/NAME.git  the same for who knows the token of DIR/token, as GIT_AUTH_TOKEN sends it
/files/NAME        DIR/files/NAME, with an ETag
/bearer/NAME       the same for who has the token
/elsewhere/NAME    a redirection to /files/NAME
/moving/NAME       the first time DIR/files/NAME.1, then NAME.2, and so on; the last one stays
/cut/NAME          the first two times only half of DIR/files/NAME
"""
import base64
import hashlib
import http.server
import os
import subprocess
import sys
import threading
import urllib.parse

root, log_path = sys.argv[1:3]
lock = threading.Lock()
counts = {}


def count(path):
    with lock:
        counts[path] = counts.get(path, 0) + 1
        return counts[path]


def token():
    with open(os.path.join(root, "token")) as f:
        return f.read().strip()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def log_request(self, code="-", size="-"):
        with lock, open(log_path, "a") as f:
            f.write(f"{self.command} {self.path} {int(code)}\n")

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def git(self, path, query):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        env = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": os.path.join(root, "git"),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type") or "",
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding") or "",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol") or "",
        }
        out = subprocess.run(["git", "http-backend"], input=body, env=env, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL).stdout
        head, _, body = out.partition(b"\r\n\r\n")
        status, headers = 200, []
        for line in head.decode().split("\r\n"):
            name, _, value = line.partition(": ")
            if name == "Status":
                status = int(value.split()[0])
            elif name:
                headers.append((name, value))
        self.answer(status, body, headers)
        hook = os.path.join(root, "after-post")
        if self.command == "POST" and os.path.exists(hook):
            with lock:
                subprocess.run([hook])

    def file(self, name, half=False):
        try:
            with open(os.path.join(root, "files", os.path.basename(name)), "rb") as f:
                body = f.read()
        except FileNotFoundError:
            self.answer(404)
            return
        if half:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
            return
        self.answer(200, body, [("ETag", '"%s"' % hashlib.sha256(body).hexdigest()[:16])])

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        _, kind, rest = url.path.split("/", 2)
        auth = self.headers.get("Authorization") or ""
        basic = "basic " + base64.b64encode(b"x-access-token:" + token().encode()).decode()
        if kind == "git" or (kind == "private" and auth == basic):
            self.git("/" + rest, url.query)
        elif kind == "private":
            self.answer(401, headers=[("WWW-Authenticate", 'Basic realm="x"')])
        elif kind == "files" or (kind == "bearer" and auth == "Bearer " + token()):
            self.file(rest)
        elif kind == "bearer":
            self.answer(403)
        elif kind == "elsewhere":
            self.answer(302, headers=[("Location", "/files/" + rest)])
        elif kind == "moving":
            n = count(self.path)
            while n > 1 and not os.path.exists(os.path.join(root, "files", f"{rest}.{n}")):
                n -= 1
            self.file(f"{rest}.{n}")
        elif kind == "cut":
            self.file(rest, half=count(self.path) <= 2)
        else:
            self.answer(404)

    do_POST = do_GET
    do_HEAD = do_GET


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
print(server.server_port, flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
