# SPDX-License-Identifier: MIT
"""Chromium against jobsrvd: what EventSource promises to pages, and what pages
of other origins cannot do."""

import json
import tempfile
import time

from webdriver import Browser
from world import Proxy, Server, call, logged, need, packed, run, seqs

JSON = {"Content-Type": "application/json"}
TEXTS = ["grüße", "日本語", "עברית", "e\u0301", "\u2028", "a\tb\x01c",
         "\U0001f407", "\U0001f469\u200d\U0001f680", "data: x\n\nid: 9",
         "[DONE]", " "]
browser = None


def url(proxy, path, host="127.0.0.1"):
    return f"http://{host}:{proxy.port}{path}"


def stream(job):
    return f"/v1/jobs/{job}/stream"


def whole(events):
    """Each event once, in order, and the end."""
    got = logged(events)
    last = json.loads(got[-2][1])["seq"]
    assert seqs(got) == list(range(1, last + 1)), seqs(got)
    assert got[-2][0] == "end" and got[-1][:2] == ["message", "[DONE]"]
    return got


# ---- EventSource ----

def named_and_unnamed_events_are_heard():
    with Server() as server, Proxy(server.port) as proxy:
        browser.go(url(proxy, "/page"))
        browser.watch(stream(server.create("count", n=3, interval_ms=50)))
        got = whole(browser.told())
        assert [e[0] for e in got] == ["state"] * 2 + ["message"] * 3 + \
            ["end", "message"], got
        assert [json.loads(e[1])["human"] for e in got[2:5]] == \
            ["1 of 3", "2 of 3", "3 of 3"]
        assert json.loads(got[5][1])["result"] == {"counted": 3}

        browser.watch(stream(server.create("data", value={"a": "\U0001f600"})))
        data = [e for e in browser.told() if e[0] == "data"]
        assert json.loads(data[0][1])["payload"] == {"a": "\U0001f600"}

        browser.watch(stream(server.create("progress", total=3)))
        assert [e for e in browser.told() if e[0] == "progress"]

        browser.watch(stream(server.create("fail", message="no\nluck")))
        got = browser.told("[ERROR]")
        assert got[-1][:2] == ["message", "[ERROR] no luck"], got[-1]


def a_page_creates_watches_and_cancels():
    with Server() as server, Proxy(server.port) as proxy:
        browser.go(url(proxy, "/page"))
        made = browser.fetch("/v1/jobs", method="POST", headers=JSON,
                             body='{"operation":"spin"}')
        assert made["status"] == 202, made
        job = json.loads(made["text"])["job_id"]
        browser.watch(stream(job))
        browser.until("what it says", "heard.some(e => e[0] == 'message')")
        got = browser.fetch("/v1/jobs/" + job, method="DELETE")
        assert got["status"] in (200, 202), got
        assert browser.told("[CANCELLED]")[-1][0] == "message"


def text(splits):
    with Server() as server, Proxy(server.port) as proxy:
        proxy.splits = splits
        browser.go(url(proxy, "/page"))
        browser.watch(stream(server.create("echo", lines=TEXTS)))
        got = whole(browser.told())
        said = [json.loads(e[1])["human"] for e in got if e[0] == "message"
                and e[1][0] == "{"]
        assert said == TEXTS, said


def text_comes_as_it_was():
    text(False)


def text_comes_as_it_was_in_pieces_of_characters():
    text(True)


def cut(reset):
    with Server() as server, Proxy(server.port) as proxy:
        browser.go(url(proxy, "/page"))
        job = server.create("count", n=60, interval_ms=50)
        proxy.cuts = [(b'"human":"10 of 60', 3, reset),
                      (b'"human":"40 of 60', 3, reset)]
        browser.watch(stream(job))
        got = whole(browser.told())
        heads = [h for h in proxy.heads if h[0] == "GET " + stream(job)]
        assert "last-event-id" not in heads[0][1]
        assert heads[1][1]["last-event-id"] == got[10][2], heads[1]
        assert heads[2][1]["last-event-id"] == got[40][2], heads[2]


def cut_it_comes_back_where_it_was():
    cut(False)


def reset_it_comes_back_where_it_was():
    cut(True)


def compressed_it_is_the_same():
    with Server("--gzip", "--metrics") as server, \
            Proxy(server.port) as proxy:
        browser.go(url(proxy, "/page"))
        job = server.create("count", n=20, interval_ms=50)
        browser.watch(stream(job))
        browser.until("it hears of some before the end",
                      "heard.some(e => e[0] == 'message')")
        assert server.call("GET", "/v1/jobs/" + job)[2]["state"] == "running"
        got = whole(browser.told())
        assert [json.loads(e[1])["human"] for e in got[2:22]] == \
            [f"{i} of 20" for i in range(1, 21)]
        (head,) = [h[1] for h in proxy.heads
                   if h[0] == "GET " + stream(job)][:1]
        assert "gzip" in head["accept-encoding"], head
        assert packed(server.port) > 20


def it_stops_when_told_204():
    with Server() as server, Proxy(server.port) as proxy:
        browser.go(url(proxy, "/page"))
        job = server.create("count", n=2)
        browser.watch(stream(job))
        got = browser.told()
        browser.closed()
        heads = [h for h in proxy.heads if h[0] == "GET " + stream(job)]
        assert len(heads) == 2, heads
        assert heads[1][1]["last-event-id"] == got[-1][2], heads
        time.sleep(2.5)  # it would have come again: it was told 1 s
        assert len([h for h in proxy.heads
                    if h[0] == "GET " + stream(job)]) == 2
        assert browser.heard() == got


def after_kill_and_restart_a_job_is_404_and_closes():
    with Proxy() as proxy:
        with Server() as server:
            proxy.target = server.port
            browser.go(url(proxy, "/page"))
            job = server.create("sleep", ms=60000)
            browser.watch(stream(job))
            browser.until("two states", "heard.length >= 3")
            boot = browser.heard()[-1][2]
        with Server() as server:
            proxy.target = server.port
            browser.closed()
            # further attempts may have met nobody, the last met the new one
            assert proxy.heads[-1][1]["last-event-id"] == boot
            assert browser.do("return opened") == 1
            got = browser.fetch(stream(job))
            assert got["status"] == 404, got
            assert json.loads(got["text"])["code"] == "unknown_job"
            seen = [r["fields"]["status"] for r in server.records()
                    if r.get("target") == "/v1/jobs/{id}/stream"]
            assert seen == [404, 404], seen


def after_kill_and_restart_all_jobs_go_on_with_a_gap():
    with Proxy() as proxy:
        with Server("--all-events") as server:
            proxy.target = server.port
            browser.go(url(proxy, "/page"))
            job = server.create("count", n=3)
            browser.watch("/v1/events")
            browser.until("its end", "heard.some(e => e[0] == 'end')")
            server.create("sleep", ms=60000)
            browser.until("another", "heard.filter(e => "
                          "e[1].includes('\"running\"')).length >= 2")
            last = browser.heard()[-1][2]
            boot = last.split("-g")[0]
            assert last.startswith(boot + "-g"), last
            known = len(browser.heard())
            # and one of a single job, which is not known then
            browser.do("window.other = new EventSource(arguments[0])",
                       stream(job) + "?after=0")
        with Server("--all-events") as server:
            proxy.target = server.port
            job = server.create("count", n=3)
            browser.until("its end", "heard.slice(arguments[0]).some("
                          "e => e[0] == 'end')", known, seconds=20)
            browser.until("404", "other.readyState === 2")
            came = browser.heard()[known:]
            gaps = [e for e in came if e[0] == "gap"]
            assert len(gaps) == 1, gaps
            assert json.loads(gaps[0][1])["reason"] == "restart", gaps
            again = gaps[0][2].removesuffix("-g0")
            assert again != gaps[0][2] and again != boot, gaps
            # the gap first, then all of the new one, by its own numbers
            log = logged(came)
            assert log[0] == gaps[0], log[0]
            assert seqs(log) == list(range(1, len(seqs(log)) + 1)), log
            assert all(json.loads(e[1])["job_id"] == job for e in log[1:])
            assert all(e[2].startswith(again + "-g") for e in log), log
            assert browser.do("return source.readyState") == 1
            # what a new connection asks from is what the last one had said
            heads = [h for h in proxy.heads if h[0] == "GET /v1/events"]
            assert "last-event-id" not in heads[0][1], heads[0]
            assert {h[1]["last-event-id"] for h in heads[1:]} == {last}, heads


# ---- other origins ----

def another_origin_is_let_in_by_name():
    with Proxy() as pages, \
            Server("--allow-origin", url(pages, "", "pages.test")) as server:
        pages.target = server.port
        with Proxy(server.port) as proxy:
            browser.go(url(pages, "/page", "pages.test"))
            made = browser.fetch(url(proxy, "/v1/jobs"), method="POST",
                                 headers=JSON,
                                 body='{"operation":"count","n":3}')
            assert made.get("status") == 202, made
            assert len(made["id"]) == 32, made  # a header it may read
            assert proxy.heads[-2][0] == "OPTIONS /v1/jobs", proxy.heads
            job = json.loads(made["text"])["job_id"]
            browser.watch(url(proxy, stream(job)))
            whole(browser.told())
            browser.closed()  # after 204

            job = server.create("sleep", ms=60000)
            got = browser.fetch(url(proxy, "/v1/jobs/" + job),
                                method="DELETE")
            assert got.get("status") in (200, 202), got

            # the same server, another page
            browser.go(url(pages, "/page", "other.test"))
            browser.watch(url(proxy, stream(job)))
            browser.closed()
            assert browser.do("return [opened, heard.length]") == [0, 0]


SIMPLE = "text/plain"  # what a page may send without a preflight

FORM = """
  const frame = document.createElement('iframe');
  const form = document.createElement('form');
  frame.name = form.target = 'into' + document.forms.length;
  form.method = 'POST';
  form.action = arguments[0];
  form.enctype = arguments[3];
  const input = document.createElement('input');
  input.name = arguments[1];
  input.value = arguments[2];
  form.append(input);
  document.body.append(frame, form);
  return new Promise((resolve) => {
    frame.onload = () => resolve('loaded');
    setTimeout(() => resolve('late'), 4000);
    form.submit();
  });
"""

# What else a page may have fetched without asking: nothing of it may run.
EMBED = """
  return Promise.all(['script', 'img', 'link'].map((name) =>
    new Promise((resolve) => {
      const part = document.createElement(name);
      if (name === 'link')
        part.rel = 'stylesheet', part.href = arguments[0];
      else
        part.src = arguments[0];
      window.onerror = () => resolve('ran');
      part.onload = () => resolve('loaded');
      part.onerror = () => resolve('refused');
      document.body.append(part);
    })));
"""


def a_foreign_page_can_neither_create_read_nor_cancel():
    with Server("--all-events") as server, Proxy(server.port) as proxy, Proxy() as pages:
        job = server.create("spin")
        jobs, one = url(proxy, "/v1/jobs"), url(proxy, "/v1/jobs/" + job)
        browser.go(url(pages, "/page", "evil.test"))
        body = '{"operation":"count","n":1}'

        # with all a script can do: a preflight, which is refused, ...
        for path, method in ((jobs, "POST"), (one, "DELETE"),
                             (one + "/cancel", "POST"),
                             (one + "/ticket", "POST")):
            got = browser.fetch(path, method=method, headers=JSON,
                                body=body if method == "POST" else None)
            assert got == {"error": "TypeError"}, (path, got)
        # ... or without one, and then without an answer
        for mode in ("cors", "no-cors"):
            for path in (jobs, one + "/cancel", one + "/ticket",
                         one + "/answer"):
                for sent in (body, None):
                    got = browser.fetch(
                        path, method="POST", mode=mode, body=sent,
                        headers={"Content-Type": SIMPLE} if sent else {})
                    assert "error" in got or (got["status"] == 0 and
                                              got["text"] == ""), (path, got)
        # what is sent when a page is left: of any kind a page may send so
        for path in (jobs, one + "/cancel", one + "/answer"):
            for kind in ("text/plain", "application/x-www-form-urlencoded",
                         "application/json"):
                browser.do("""
                  navigator.sendBeacon(arguments[0],
                    new Blob([arguments[2]], { type: arguments[1] }));
                  navigator.sendBeacon(arguments[0], arguments[2]);
                """, path, kind, body)
        # forms, with JSON made of a name and a value
        for kind in ("text/plain", "application/x-www-form-urlencoded",
                     "multipart/form-data"):
            assert browser.do(FORM, jobs, '{"operation":"count","n":1,"x":"',
                              '"}', kind) == "loaded"
            assert browser.do(FORM, one + "/cancel", "a", "b",
                              kind) == "loaded"

        # reading
        for path in (jobs, one, one + "/stream", one + "/events",
                     url(proxy, "/v1/stream?jobs=" + job),
                     url(proxy, "/v1/events"), url(proxy, "/v1/openapi.json"),
                     url(proxy, "/health")):
            assert browser.fetch(path) == {"error": "TypeError"}, path
            assert browser.fetch(path, credentials="include") == {
                "error": "TypeError"}, path
        got = browser.fetch(one, mode="no-cors")
        assert "error" in got or got["text"] == "", got
        for path in (one + "/stream", url(proxy, "/v1/stream?jobs=" + job),
                     url(proxy, "/v1/events")):
            browser.watch(path)
            browser.closed()
            assert browser.do("return heard") == []
        assert "ran" not in browser.do(EMBED, one)
        assert browser.do("""
          const frame = document.createElement('iframe');
          frame.src = arguments[0];
          document.body.append(frame);
          return new Promise((resolve) => {
            frame.onload = () => {
              try {
                resolve(frame.contentWindow.document.body.innerText);
              } catch (error) {
                resolve(error.name);
              }
            };
          });""", one) in ("SecurityError", "TypeError")

        # a page of no origin at all
        got = browser.do("""
          const frame = document.createElement('iframe');
          frame.sandbox = 'allow-scripts';
          frame.srcdoc = `<script>fetch('${arguments[0]}', { method: 'POST' })
            .then((a) => parent.postMessage('read', '*'))
            .catch((e) => parent.postMessage(e.name, '*'))</script>`;
          return new Promise((resolve) => {
            window.onmessage = (e) => resolve(e.data);
            document.body.append(frame);
          });""", one + "/cancel")
        assert got == "TypeError", got
        assert "null" in [h[1].get("origin") for h in proxy.heads]

        (record,) = server.jobs()
        assert record["job_id"] == job and record["state"] == "running", record
        assert not record["cancel_requested"], record
        posts = [h for h in proxy.heads if h[0].startswith("POST")]
        assert len(posts) >= 30, posts  # they did get as far as the server
        assert len({h[1].get("content-type", "").split(";")[0]
                    for h in posts}) >= 4, posts


def a_name_that_is_not_ours_is_misdirected():
    # the page came from another server; now its name is this machine's
    with Server() as server, Proxy(server.port) as proxy:
        job = server.create("spin")
        browser.go(url(proxy, "/page", "rebound.test"))
        body = '{"operation":"count","n":1}'
        for path, options in (
                ("/v1/jobs", {"method": "POST", "headers": JSON,
                              "body": body}),
                ("/v1/jobs", {"method": "POST", "body": body}),
                ("/v1/jobs", {}), ("/v1/events", {}),
                ("/v1/stream?jobs=" + job, {}), ("/v1/jobs/" + job, {}),
                ("/v1/jobs/" + job, {"method": "DELETE"}),
                (f"/v1/jobs/{job}/cancel", {"method": "POST"})):
            got = browser.fetch(path, **options)
            assert got.get("status") == 421, (path, got)
            assert job not in got["text"], got
        browser.watch(stream(job))
        browser.closed()
        assert browser.heard() == []
        (record,) = server.jobs()
        assert record["job_id"] == job and record["state"] == "running", record

    with Server("--allow-host", "rebound.test") as server, \
            Proxy(server.port) as proxy:
        browser.go(url(proxy, "/page", "rebound.test"))
        browser.watch(stream(server.create("count", n=2)))
        whole(browser.told())


# ---- tokens ----

def where_a_token_is_asked_for_a_ticket_does():
    with tempfile.NamedTemporaryFile("w") as file:
        file.write("s3cret\n")
        file.flush()
        with Server("--token-file", file.name) as server, \
                Proxy(server.port) as proxy:
            known = {"Authorization": "Bearer s3cret"}

            def create(operation, **members):
                status, _, made = call(
                    server.port, "POST", "/v1/jobs",
                    {"operation": operation, **members}, **known)
                assert status == 202, made
                return made["job_id"]

            job = create("count", n=60, interval_ms=50)
            other = create("count", n=1)
            browser.go(url(proxy, "/page"))
            browser.watch(stream(job))
            browser.closed()  # 401
            assert browser.do("return [opened, heard.length]") == [0, 0]
            got = browser.fetch(f"/v1/jobs/{job}/ticket", method="POST")
            assert got["status"] == 401, got
            got = browser.fetch(f"/v1/jobs/{job}/ticket", method="POST",
                                headers=known)
            assert 200 <= got["status"] < 300, got
            ticket = json.loads(got["text"])["ticket"]

            for wrong in (stream(other) + "?ticket=" + ticket,
                          stream(job) + "?ticket=" + ticket[:-1] + "x",
                          stream(job) + "?ticket="):
                browser.watch(wrong)
                browser.closed()
                assert browser.heard() == [], wrong
            got = browser.fetch(f"/v1/jobs/{job}?ticket={ticket}",
                                method="DELETE")
            assert got["status"] == 401, got

            proxy.cuts = [(b'"human":"30 of 60', 3, False)]
            browser.watch(stream(job) + "?ticket=" + ticket)
            whole(browser.told())
            browser.closed()
            assert not proxy.cuts
            text = json.dumps(server.records())
            assert ticket not in text and "s3cret" not in text


def main():
    global browser
    cases = [named_and_unnamed_events_are_heard,
             a_page_creates_watches_and_cancels, text_comes_as_it_was,
             text_comes_as_it_was_in_pieces_of_characters,
             cut_it_comes_back_where_it_was, reset_it_comes_back_where_it_was,
             it_stops_when_told_204, compressed_it_is_the_same,
             after_kill_and_restart_a_job_is_404_and_closes,
             after_kill_and_restart_all_jobs_go_on_with_a_gap,
             another_origin_is_let_in_by_name,
             a_foreign_page_can_neither_create_read_nor_cancel,
             a_name_that_is_not_ours_is_misdirected,
             where_a_token_is_asked_for_a_ticket_does]

    def chromium_starts():
        global browser
        browser = Browser()

    def chromium_ends():
        browser.__exit__()

    run([chromium_starts, *cases, chromium_ends])


need("chromium", "chromedriver")
main()
