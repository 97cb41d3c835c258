# SPDX-License-Identifier: MIT
"""Chromium without a window, driven over WebDriver by plain HTTP."""

import http.client
import json
import os
import re
import subprocess
import tempfile

from world import until

ARGS = ["--headless=new", "--no-sandbox", "--disable-gpu",
        "--disable-dev-shm-usage", "--no-first-run",
        "--disable-background-networking", "--disable-component-update",
        "--no-proxy-server",
        # names under .test are all this machine
        "--host-resolver-rules=MAP *.test 127.0.0.1"]


class Browser:
    def __init__(self):
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self.driver = subprocess.Popen(
            ["chromedriver", "--port=0"], stdout=subprocess.PIPE,
            env={**os.environ, "HOME": self.profile.name},
            stderr=subprocess.DEVNULL, text=True)
        self.port = 0
        for line in self.driver.stdout:
            found = re.search(r"started successfully on port (\d+)", line)
            if found:
                self.port = int(found[1])
                break
        assert self.port, "chromedriver does not start"
        self.session = ""
        args = [*ARGS, "--user-data-dir=" + self.profile.name]
        got = self.call("POST", "", {"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": args}}}})
        self.session = "/" + got["sessionId"]
        self.call("POST", "/timeouts", {"script": 10000, "pageLoad": 10000})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.call("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.wait(10)
            self.driver.stdout.close()
            self.profile.cleanup()

    def call(self, method, path, body=None):
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        client.request(method, "/session" + self.session + path,
                       json.dumps(body) if body is not None else None,
                       {"Content-Type": "application/json"})
        answer = client.getresponse()
        got = json.loads(answer.read())["value"]
        client.close()
        assert answer.status == 200, (path, got["error"], got["message"])
        return got

    def go(self, url):
        self.call("POST", "/url", {"url": url})

    def do(self, script, *args):
        """Runs a function's body in the page; a promise is waited for."""
        return self.call("POST", "/execute/sync",
                         {"script": script, "args": list(args)})

    def until(self, what, script, *args, seconds=10):
        return until(what, lambda: self.do("return " + script, *args), seconds)

    # ---- what the pages of the tests do ----

    def watch(self, url):
        """Opens an EventSource that keeps what it hears."""
        self.do(WATCH, url)

    def heard(self):
        return self.do("return heard")

    def told(self, marker="[DONE]"):
        self.until(marker, "heard.some(e => e[1].startsWith(arguments[0]))",
                   marker)
        return self.heard()

    def closed(self):
        self.until("a closed EventSource", "source.readyState === 2")

    def fetch(self, url, **options):
        """{status, text, id} or {error}."""
        return self.do(FETCH, url, options)


WATCH = """
  if (window.source)
    source.close();
  window.heard = [], window.opened = 0, window.errors = 0;
  window.source = new EventSource(arguments[0]);
  const add = (e) => heard.push([e.type, e.data, e.lastEventId]);
  source.onmessage = add;
  for (const n of ['state', 'data', 'progress', 'dropped', 'gap', 'end'])
    source.addEventListener(n, add);
  source.onopen = () => opened++;
  source.onerror = () => errors++;
"""

FETCH = """
  const options = { ...arguments[1], signal: AbortSignal.timeout(5000) };
  return fetch(arguments[0], options).then(async (answer) => ({
    status: answer.status,
    type: answer.type,
    text: await answer.text(),
    id: answer.headers.get('X-Request-Id'),
  })).catch((e) => ({ error: e.name }));
"""
