#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A proxy before a registry that breaks requests by rule.

usage: registry_faults.py --upstream HOST:PORT --port-file FILE

PUT /_faults takes a JSON list of rules and forgets the log; GET /_faults gives the log: for each
request method, path, status (0: no answer), request_bytes and answer_bytes (of the bodies, as far as
they came), and which rule was applied. A rule is an object:

  method   regular expression for the whole method; any
  path     regular expression, searched for in the path with its query; any
  times    how many requests it is for; 1
  skip     how many to let pass before; 0
  do       what happens:
    answer        `status`, `headers` (an object) and `body` instead of the registry's answer
    drop          the connection ends, the registry sees nothing
    cut-request   the connection ends after `after` bytes of the request's body went to the registry
    lose          the registry gets the request, nobody its answer
    cut-answer    the connection ends after `after` bytes of the answer's body
    header        the answer's header `name` has `value`
    corrupt       a byte in the middle of the answer's body is another one
    slow          the request's body goes on at `rate` bytes per second
    hold          the request waits until `file` exists, and `file`.held says that it does: at once, or
                  with `after` when so many bytes of its body have gone to the registry

The first rule that fits and is not used up is applied; one with `after` bytes of a request only fits
where there are as many. If the registry cannot be reached, the
connection ends as well.
"""

import argparse
import http.client
import http.server
import json
import os
import re
import socket
import threading
import time

CHUNK = 16 * 1024
HOP_HEADERS = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "te", "upgrade",
               "expect"}


class Rules:
    def __init__(self):
        self.lock = threading.Lock()
        self.rules = []
        self.log = []

    def replace(self, rules):
        with self.lock:
            self.rules = [dict(r, left=r.get("times", 1), pass_=r.get("skip", 0)) for r in rules]
            self.log = []

    def match(self, method, path, length):
        with self.lock:
            for number, rule in enumerate(self.rules):
                if rule["left"] <= 0 or not re.fullmatch(rule.get("method", ".*"), method) or \
                        not re.search(rule.get("path", ""), path):
                    continue
                if rule["do"] in ("cut-request", "hold") and length < rule.get("after", 0):
                    continue
                if rule["pass_"] > 0:
                    rule["pass_"] -= 1
                    continue
                rule["left"] -= 1
                return number, rule
        return None, {}

    def note(self, entry):
        with self.lock:
            self.log.append(entry)


RULES = Rules()


class Cut(Exception):
    """The connection is to end."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    upstream = None
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def handle_expect_100(self):
        return True  # when the body is wanted, in pieces()

    def end(self):
        self.close_connection = True
        try:
            self.connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    # ---- the request's body ----

    def raw_pieces(self):
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while True:
                left = int(self.rfile.readline().split(b";")[0], 16)
                if left == 0:
                    while self.rfile.readline().strip():
                        pass
                    return
                while left > 0:
                    piece = self.rfile.read1(min(left, CHUNK))
                    if not piece:
                        raise Cut
                    left -= len(piece)
                    yield piece
                self.rfile.readline()
        left = int(self.headers.get("Content-Length", 0))
        while left > 0:
            piece = self.rfile.read1(min(left, CHUNK))
            if not piece:
                raise Cut
            left -= len(piece)
            yield piece

    def pieces(self):
        for piece in self.raw_pieces():
            self.entry["request_bytes"] += len(piece)
            yield piece

    # ---- one request ----

    def handle_any(self):
        if self.path.startswith("/_faults"):
            self.control()
            return
        number, rule = RULES.match(self.command, self.path,
                                    int(self.headers.get("Content-Length", 0)))
        self.entry = {"method": self.command, "path": self.path, "status": 0, "request_bytes": 0,
                      "answer_bytes": 0, "rule": number}
        RULES.note(self.entry)
        try:
            self.serve(rule)
        except (Cut, OSError, http.client.HTTPException):
            self.end()

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any

    def control(self):
        if self.command == "PUT":
            RULES.replace(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            body = b""
        else:
            with RULES.lock:
                body = json.dumps(RULES.log).encode()
        self.send_response_only(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @staticmethod
    def hold(file):
        open(file + ".held", "w").close()
        while not os.path.exists(file):
            time.sleep(0.02)

    def serve(self, rule):
        do = rule.get("do")
        if do == "drop":
            raise Cut
        if do == "hold" and "after" not in rule:
            self.hold(rule["file"])
        if do == "answer":
            for _ in self.pieces():
                pass
            self.answer(rule["status"], list(rule.get("headers", {}).items()),
                        rule.get("body", "").encode())
            return
        upstream = http.client.HTTPConnection(*self.upstream, timeout=60)
        try:
            self.forward(upstream, rule)
            answer = upstream.getresponse()
            body = answer.read()
            if do == "lose":
                raise Cut
            self.pass_on(answer, body, rule)
        finally:
            upstream.close()

    def forward(self, upstream, rule):
        do = rule.get("do")
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        chunked = self.headers.get("Transfer-Encoding", "").lower() == "chunked"
        for name, value in self.headers.items():
            if name.lower() not in HOP_HEADERS:
                upstream.putheader(name, value)
        if chunked:
            upstream.putheader("Transfer-Encoding", "chunked")
        upstream.endheaders()
        sent = 0
        for piece in self.pieces():
            if do == "cut-request" and sent + len(piece) >= rule["after"]:
                upstream.send(piece[:rule["after"] - sent])
                upstream.sock.shutdown(socket.SHUT_WR)
                upstream.getresponse().read()  # until the registry has put away what it got
                raise Cut
            if do == "slow":
                time.sleep(len(piece) / rule["rate"])
            if do == "hold" and sent < rule.get("after", 0) <= sent + len(piece):
                self.hold(rule["file"])
            sent += len(piece)
            upstream.send(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            upstream.send(b"0\r\n\r\n")

    def pass_on(self, answer, body, rule):
        do = rule.get("do")
        headers = [(n, v) for n, v in answer.getheaders()
                   if n.lower() not in HOP_HEADERS and n.lower() != "content-length"]
        if do == "header":
            headers = [(n, v) for n, v in headers if n.lower() != rule["name"].lower()]
            headers.append((rule["name"], rule["value"]))
        if do == "corrupt" and body:
            middle = len(body) // 2
            body = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1:]
        if self.command == "HEAD":
            headers.append(("Content-Length", answer.getheader("Content-Length", "0")))
            self.answer(answer.status, headers, None)
        else:
            self.answer(answer.status, headers, body,
                        rule["after"] if do == "cut-answer" else None)

    def answer(self, status, headers, body, cut=None):
        self.entry["status"] = status
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        if body is not None:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if body is not None and self.command != "HEAD":
            self.wfile.write(body if cut is None else body[:cut])
            self.entry["answer_bytes"] = len(body) if cut is None else min(cut, len(body))
        if cut is not None:
            self.wfile.flush()
            raise Cut


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--upstream", required=True)
    parser.add_argument("--port-file", required=True)
    args = parser.parse_args()
    host, _, port = args.upstream.rpartition(":")
    Handler.upstream = (host, int(port))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    with open(args.port_file + ".new", "w") as f:
        f.write(f"{server.server_port}\n")
    os.rename(args.port_file + ".new", args.port_file)
    server.serve_forever()


if __name__ == "__main__":
    main()
