#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A server of tokens, as the distribution project describes them.

usage: registry_token.py DIR

DIR/token.users holds a line USER:PASSWORD, DIR/token.key and DIR/token.pem the key and the
certificate that the registry knows. The port that it takes is written to DIR/token.port, and to
DIR/token.requests a line "USER SCOPE..." for each token. Who says no password gets the right to
pull, in repositories whose name begins with "public"; a wrong password is refused.
"""

import base64
import http.server
import json
import os
import subprocess
import sys
import time
import urllib.parse


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sign(directory, claims):
    pem = open(f"{directory}/token.pem").read()
    certificate = "".join(line for line in pem.splitlines() if not line.startswith("-"))
    header = {"typ": "JWT", "alg": "RS256", "x5c": [certificate]}
    text = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}"
    signature = subprocess.run(
        ["openssl", "dgst", "-sha256", "-sign", f"{directory}/token.key"],
        input=text.encode(), stdout=subprocess.PIPE, check=True).stdout
    return f"{text}.{b64(signature)}"


class Handler(http.server.BaseHTTPRequestHandler):
    directory = None

    def user(self):
        """The name of who asks; "" for nobody, None for a wrong password."""
        kind, _, value = self.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "basic":
            return ""
        known = open(f"{self.directory}/token.users").read().strip()
        given = base64.b64decode(value).decode()
        return given.split(":")[0] if given == known else None

    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        scopes = [s for value in query.get("scope", []) for s in value.split(" ")]
        user = self.user()
        if user is None:
            self.answer(401, {"errors": [{"code": "UNAUTHORIZED", "message": "wrong password"}]})
            return
        access = []
        for scope in scopes:
            kind, name, actions = scope.split(":", 2)
            wanted = actions.split(",")
            if not user:
                wanted = [a for a in wanted if a == "pull" and name.startswith("public")]
            access.append({"type": kind, "name": name, "actions": wanted})
        now = int(time.time())
        claims = {"iss": "a test", "sub": user, "aud": query["service"][0], "exp": now + 300,
                  "nbf": now - 10, "iat": now, "jti": str(time.time_ns()), "access": access}
        with open(f"{self.directory}/token.requests", "a") as f:
            f.write(f"{user or '-'} {' '.join(scopes)}\n")
        self.answer(200, {"token": sign(self.directory, claims), "expires_in": 300})

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def main():
    Handler.directory = sys.argv[1]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with open(f"{Handler.directory}/token.port.new", "w") as f:
        f.write(f"{server.server_port}\n")
    os.rename(f"{Handler.directory}/token.port.new", f"{Handler.directory}/token.port")
    server.serve_forever()


if __name__ == "__main__":
    main()
