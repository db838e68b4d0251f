# SPDX-License-Identifier: Apache-2.0
"""Debian's chromium without a window, asked by the DevTools protocol over a pipe: no port, no module
that Python does not have. Ends with its profile, and with all of its processes.
"""

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import time

FLAGS = (
    "--headless=new", "--remote-debugging-pipe", "--no-first-run", "--no-default-browser-check",
    "--disable-gpu", "--disable-extensions", "--disable-sync", "--disable-component-update",
    "--disable-background-networking", "--disable-default-apps", "--disable-breakpad",
    "--disable-dev-shm-usage", "--hide-scrollbars", "--mute-audio", "--font-render-hinting=none",
)


class Browser:
    """`with Browser(directory) as b:`; the directory is made, and removed in the end."""

    def __init__(self, profile, program="chromium"):
        self.profile, self.program = profile, program
        self.next, self.events, self.data = 0, [], b""

    def __enter__(self):
        os.mkdir(self.profile)
        to_child, self.out = os.pipe()
        self.inp, from_child = os.pipe()

        # The browser reads commands from 3, and answers on 4. First out of their way, so that
        # neither is closed before it is copied.
        ours = [os.dup2(fd, n) for fd, n in ((to_child, 50), (from_child, 51))]

        def at_3_and_4():
            os.dup2(50, 3)
            os.dup2(51, 4)

        env = {**os.environ, "HOME": self.profile, "XDG_CONFIG_HOME": self.profile,
               "XDG_CACHE_HOME": self.profile, "TMPDIR": self.profile}
        env.pop("DISPLAY", None)
        command = [self.program, *FLAGS, f"--user-data-dir={self.profile}/data"]
        if os.geteuid() == 0:
            command.append("--no-sandbox")
        with open(f"{self.profile}/log", "wb") as log:
            self.process = subprocess.Popen(
                [*command, "about:blank"], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=at_3_and_4, close_fds=False, start_new_session=True, env=env)
        for fd in (to_child, from_child, *ours):
            os.close(fd)
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log", "Audits", "DOM", "Accessibility"):
            self.do(f"{domain}.enable")
        return self

    def __exit__(self, *_):
        try:
            self.call("Browser.close")
            self.process.wait(10)
        except (OSError, RuntimeError, subprocess.TimeoutExpired):
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        os.close(self.inp)
        os.close(self.out)
        shutil.rmtree(self.profile, ignore_errors=True)

    def message(self, timeout=30):
        end = time.monotonic() + timeout
        while b"\0" not in self.data:
            if not select.select([self.inp], [], [], max(0, end - time.monotonic()))[0]:
                raise RuntimeError(f"the browser says nothing for {timeout} s")
            more = os.read(self.inp, 1 << 20)
            if not more:
                with open(f"{self.profile}/log", errors="replace") as log:
                    raise RuntimeError(f"the browser has ended:\n{log.read()}")
            self.data += more
        one, _, self.data = self.data.partition(b"\0")
        return json.loads(one)

    def call(self, method, session=None, **params):
        self.next += 1
        command = {"id": self.next, "method": method, "params": params}
        if session:
            command["sessionId"] = session
        text = json.dumps(command).encode() + b"\0"
        while text:
            text = text[os.write(self.out, text):]
        while True:
            answer = self.message()
            if answer.get("id") == command["id"]:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def do(self, method, **params):
        return self.call(method, self.session, **params)

    def open(self, path):
        """Load a file, and wait until it is there."""
        seen = len(self.events)
        failure = self.do("Page.navigate", url=f"file://{os.path.abspath(path)}").get("errorText")
        if failure:
            raise RuntimeError(f"{path}: {failure}")
        while not any(e.get("method") == "Page.loadEventFired" for e in self.events[seen:]):
            self.events.append(self.message())

    def wait(self, done, timeout=30):
        """Until done(events) is true; returns whether it is."""
        end = time.monotonic() + timeout
        while not done(self.events) and time.monotonic() < end:
            self.eval("new Promise(done => setTimeout(done, 20))")  # what has happened comes with it
        return done(self.events)

    def look(self, width, height=900, scheme="light", media="screen"):
        self.do("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                mobile=False)
        self.do("Emulation.setEmulatedMedia", media=media,
                features=[{"name": "prefers-color-scheme", "value": scheme}])

    def eval(self, expression):
        result = self.do("Runtime.evaluate", expression=expression, returnByValue=True,
                         awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(json.dumps(result["exceptionDetails"]))
        return result["result"].get("value")

    def key(self, key, code=0, text=""):
        event = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        self.do("Input.dispatchKeyEvent", type="keyDown", text=text, **event)
        self.do("Input.dispatchKeyEvent", type="keyUp", **event)

    def screenshot(self, path):
        data = self.do("Page.captureScreenshot", format="png")["data"]
        with open(path, "wb") as out:
            out.write(base64.b64decode(data))

    def pdf(self, path):
        data = self.do("Page.printToPDF", printBackground=True, preferCSSPageSize=True)["data"]
        with open(path, "wb") as out:
            out.write(base64.b64decode(data))
