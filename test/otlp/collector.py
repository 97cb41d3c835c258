# SPDX-License-Identifier: MIT
"""A collector that takes OTLP/HTTP with JSON, and nothing that is not quite it.

    python3 collector.py [unix:PATH]

Says where it listens in its first line. Commands are lines of JSON on its
standard input, each answered by a line of JSON:

    {"next": [{...}, ...]}  what to do with the requests to come; see Handler
    {"down": true}          stop listening, and cut who is connected
    {"up": true}            listen again, at the same place
    {"report": true}        what came: faults, logs, spans, requests, connections
    {"reset": true}         forget it all

Every request is checked against the messages of the protocol: names that are
not theirs, or come twice, types, the form of ids, times that are none. A report
also follows the links: each span's parent, and each log's span, has to be there,
but for what {"reset": true, "remote": [ids]} says is elsewhere. With "path" only
requests below it count; others, of an exporter that went before, are answered.
"""
import collections
import http.server
import json
import os
import re
import socket
import struct
import sys
import threading
import time

# ---- the messages ----


class Fault(Exception):
    """What is wrong with a request, and where."""


def need(that, where, what):
    if not that:
        raise Fault("%s: %s" % (where, what))


def a_string(value, where):
    need(isinstance(value, str), where, "not a string")
    need("\ufffe" not in value, where, "not text")


def a_bool(value, where):
    need(isinstance(value, bool), where, "not a boolean")


def decimal(value, where):
    need(isinstance(value, str) and re.fullmatch(r"-?(0|[1-9]\d*)", value),
         where, "not a string of digits")
    return int(value)


def an_int64(value, where):
    need(-2**63 <= decimal(value, where) < 2**63, where, "not an int64")


def a_time(value, where):
    need(10**18 < decimal(value, where) < 2**64, where, "not a time")


def a_uint32(value, where):
    need(isinstance(value, int) and not isinstance(value, bool) and
         0 <= value < 2**32, where, "not a uint32")


def a_double(value, where):
    need(isinstance(value, (int, float)) and not isinstance(value, bool) or
         value in ("NaN", "Infinity", "-Infinity"), where, "not a double")


def an_id(digits):
    def check(value, where):
        need(isinstance(value, str) and
             re.fullmatch("[0-9a-f]{%d}" % digits, value) and
             value.strip("0"), where, "not an id of %d digits" % digits)
    return check


def an_enum(*values):
    def check(value, where):
        need(isinstance(value, int) and not isinstance(value, bool) and
             value in values, where, "not a number of the enum")
    return check


def a_list(of):
    def check(value, where):
        need(isinstance(value, list), where, "not a list")
        for i, one in enumerate(value):
            of(one, "%s[%d]" % (where, i))
    return check


def a_message(required, **fields):
    def check(value, where):
        need(isinstance(value, dict), where, "not an object")
        for name in required:
            need(name in value, where, "no " + name)
        for name, one in value.items():
            need(name in fields, where, "has no " + name)
            fields[name](one, where + "." + name)
    return check


def any_value(value, where):
    need(isinstance(value, dict) and len(value) <= 1, where, "not one value")
    a_message((), stringValue=a_string, boolValue=a_bool, intValue=an_int64,
              doubleValue=a_double, bytesValue=a_string,
              arrayValue=a_message(("values",), values=a_list(any_value)),
              kvlistValue=a_message(("values",),
                                    values=a_list(key_value)))(value, where)


def key_value(value, where):
    a_message(("key", "value"), key=a_string, value=any_value)(value, where)
    need(value["key"], where, "an empty key")


def attributes(value, where):
    a_list(key_value)(value, where)
    keys = [one["key"] for one in value]
    need(len(set(keys)) == len(keys), where, "a key twice")
    need(len(keys) <= 128, where, "too many")


def a_tracestate(value, where):
    a_string(value, where)
    need("=" in value, where, "not a tracestate")


RESOURCE = a_message(("attributes",), attributes=attributes,
                     droppedAttributesCount=a_uint32)
SCOPE = a_message(("name", "version"), name=a_string, version=a_string)
LOG = a_message(
    ("timeUnixNano", "observedTimeUnixNano", "severityNumber", "severityText",
     "body", "attributes"),
    timeUnixNano=a_time, observedTimeUnixNano=a_time,
    severityNumber=an_enum(1, 5, 9, 13, 17, 21), severityText=a_string,
    body=any_value, attributes=attributes, droppedAttributesCount=a_uint32,
    flags=an_enum(0, 1), traceId=an_id(32), spanId=an_id(16))
STATUS = a_message((), message=a_string, code=an_enum(0, 1, 2))
SPAN = a_message(
    ("traceId", "spanId", "name", "kind", "startTimeUnixNano",
     "endTimeUnixNano", "attributes", "status"),
    traceId=an_id(32), spanId=an_id(16), traceState=a_tracestate,
    parentSpanId=an_id(16), flags=an_enum(0, 1), name=a_string,
    kind=an_enum(1, 2, 3, 4, 5), startTimeUnixNano=a_time,
    endTimeUnixNano=a_time, attributes=attributes,
    droppedAttributesCount=a_uint32, status=STATUS)
REQUESTS = {
    "logs": a_message(("resourceLogs",), resourceLogs=a_list(a_message(
        ("resource", "scopeLogs"), resource=RESOURCE,
        scopeLogs=a_list(a_message(("scope", "logRecords"), scope=SCOPE,
                                   logRecords=a_list(LOG)))))),
    "traces": a_message(("resourceSpans",), resourceSpans=a_list(a_message(
        ("resource", "scopeSpans"), resource=RESOURCE,
        scopeSpans=a_list(a_message(("scope", "spans"), scope=SCOPE,
                                    spans=a_list(SPAN)))))),
}


def once(pairs):
    names = [name for name, _ in pairs]
    need(len(set(names)) == len(names), "json", "a name twice")
    return dict(pairs)


def no_constant(name):
    raise Fault("json: " + name)


def records(signal, body):
    """The records of a request, each with its resource."""
    found = json.loads(body.decode("utf-8"), object_pairs_hook=once,
                       parse_constant=no_constant)
    REQUESTS[signal](found, signal)
    outer, inner, name = {
        "logs": ("resourceLogs", "scopeLogs", "logRecords"),
        "traces": ("resourceSpans", "scopeSpans", "spans")}[signal]
    got = []
    for of_resource in found[outer]:
        for of_scope in of_resource[inner]:
            for one in of_scope[name]:
                one["resource"] = of_resource["resource"]
                one["scope"] = of_scope["scope"]
                got.append(one)
    need(got, signal, "an empty request")
    return got


# ---- what has come ----

lock = threading.Lock()
state = {}
planned = collections.deque()


def forget(remote=(), path=""):
    with lock:
        planned.clear()
        state.update(faults=[], logs=[], spans=[], requests=[],
                     connections=0, remote=set(remote), path=path)


def links():
    """What is wrong with the trees that the spans make."""
    faults = []
    spans = {}
    for span in state["spans"]:
        key = span["traceId"], span["spanId"]
        if key in spans:
            faults.append("span %s twice" % span["spanId"])
        spans[key] = span
        if int(span["endTimeUnixNano"]) < int(span["startTimeUnixNano"]):
            faults.append("span %s ends before it begins" % span["spanId"])
    for (trace, _), span in spans.items():
        parent = span.get("parentSpanId")
        if parent is None or parent in state["remote"]:
            continue
        above = spans.get((trace, parent))
        if above is None:
            faults.append("%s has no parent" % span["name"])
        elif not (int(above["startTimeUnixNano"]) <=
                  int(span["startTimeUnixNano"]) <=
                  int(span["endTimeUnixNano"]) <=
                  int(above["endTimeUnixNano"])):
            faults.append("%s is not inside %s" % (span["name"],
                                                   above["name"]))
        seen = set()
        while above is not None and above["spanId"] not in seen:
            seen.add(above["spanId"])
            above = spans.get((trace, above.get("parentSpanId")))
        if above is not None:
            faults.append("%s is inside itself" % span["name"])
    for log in state["logs"]:
        key = log.get("traceId"), log.get("spanId")
        if spans and key[1] and key not in spans and \
                key[1] not in state["remote"]:
            faults.append("a log of no span: %s" % log["body"])
    return faults


def report():
    with lock:
        return {"faults": state["faults"] + links(), "logs": state["logs"],
                "spans": state["spans"], "requests": state["requests"],
                "connections": state["connections"]}


# ---- HTTP ----


class Handler(http.server.BaseHTTPRequestHandler):
    """Takes requests; `next` says for each what to do in place of 200.

    status, headers, body   answer with these
    chunked                 the same in chunks, after a 100
    close                   and close, saying so; close_silently: not saying so
    reset                   cut the connection: "before" the answer, in its "head"
                            or in its "body"
    stall                   never answer, until the other side gives up
    raw                     answer with these bytes; endless: and go on for ever
    slow                    wait so many seconds first
    take                    keep the records whatever the answer was
    """
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    is_counted = False

    def fault(self, what):
        with lock:
            if self.path.startswith(state["path"] + "/v1/"):
                state["faults"].append(what)

    def read(self, body):
        """The records, or None."""
        try:
            need(self.headers["Content-Type"] == "application/json", "request",
                 "its type")
            need(self.headers["Host"], "request", "no host")
            signal = self.path.rpartition("/v1/")[2]
            need(signal in REQUESTS, "request", "path " + self.path)
            return signal, records(signal, body)
        except Fault as e:
            self.fault(str(e))
        except (ValueError, TypeError) as e:
            self.fault("%s: %s" % (type(e).__name__, e))
        return None

    def cut(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                   struct.pack("ii", 1, 0))
        self.close_connection = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        with lock:
            do = {}
            if self.path.startswith(state["path"] + "/v1/"):
                do = planned.popleft() if planned else {}
                state["connections"] += not self.is_counted
                self.is_counted = True
                state["requests"].append({
                    "path": self.path, "headers": dict(self.headers),
                    "bytes": len(body)})
        got = self.read(body)
        time.sleep(do.get("slow", 0))
        status = do.get("status", 200)
        if got is not None and (do.get("take") or (
                200 <= status < 300 and
                not set(do) & {"reset", "stall", "raw"})):
            with lock:
                if self.path.startswith(state["path"] + "/v1/"):
                    state["logs" if got[0] == "logs" else "spans"] += got[1]
        try:
            self.answer(do, status if got is not None else 400)
        except OSError:
            self.close_connection = True

    def answer(self, do, status):
        body = do.get("body", "{}").encode()
        if do.get("reset") == "before":
            self.cut()
            return
        if do.get("stall"):
            self.connection.settimeout(20)
            self.rfile.read(1)
            self.close_connection = True
            return
        if "raw" in do:
            self.wfile.write(do["raw"].encode("latin-1"))
            while do.get("endless"):
                self.wfile.write(b"x" * 4096)
            self.close_connection = True
            return
        if do.get("chunked"):
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.send_response(status)
        for name, value in do.get("headers", {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        if do.get("chunked"):
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(body)))
        if do.get("close"):
            self.send_header("Connection", "close")
        if do.get("reset") == "head":
            self.flush_headers_cut()
            return
        self.end_headers()
        if do.get("chunked"):
            for i in range(0, len(body), 5):
                part = body[i:i + 5]
                self.wfile.write(b"%x;x=y\r\n%s\r\n" % (len(part), part))
            self.wfile.write(b"0\r\nX-Trailer: 1\r\n\r\n")
        elif do.get("reset") == "body":
            self.wfile.write(body[:len(body) // 2])
            self.cut()
        else:
            self.wfile.write(body)
        if do.get("close") or do.get("close_silently"):
            self.close_connection = True

    def flush_headers_cut(self):
        self.wfile.write(b"".join(self._headers_buffer))
        self._headers_buffer = []
        self.cut()


class Server:
    def __init__(self, where):
        self.where = where
        self.address = ("127.0.0.1", 0)
        self.stop = threading.Event()
        self.conns = set()
        self.up()

    def listen(self):
        if self.where.startswith("unix:"):
            path = self.where[5:]
            if os.path.exists(path):
                os.unlink(path)
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(path)
        else:
            listener = socket.socket()
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(self.address)
            self.address = listener.getsockname()
        listener.listen(16)
        return listener

    def up(self):
        self.stop.clear()
        self.listener = self.listen()
        self.listener.settimeout(0.02)
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def down(self):
        self.stop.set()
        self.thread.join()
        self.listener.close()
        for conn in list(self.conns):
            try:
                conn.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def accept(self):
        while not self.stop.is_set():
            try:
                conn, peer = self.listener.accept()
            except (TimeoutError, socket.timeout):
                continue
            conn.settimeout(None)
            threading.Thread(target=self.serve, args=(conn, peer),
                             daemon=True).start()

    def serve(self, conn, peer):
        self.conns.add(conn)
        try:
            Handler(conn, peer or ("unix", 0), self)
        except OSError:
            pass
        finally:
            self.conns.discard(conn)
            conn.close()

    def name(self):
        if self.where.startswith("unix:"):
            return self.where
        return "http://127.0.0.1:%d" % self.address[1]


def command(server, line):
    do = json.loads(line)
    if "reset" in do:
        forget(do.get("remote", ()), do.get("path", ""))
    if "down" in do:
        server.down()
    if "up" in do:
        server.up()
    if "next" in do:
        with lock:
            planned.extend(do["next"])
    return report() if "report" in do else {}


def main():
    forget()
    server = Server(sys.argv[1] if len(sys.argv) > 1 else "")
    print(server.name(), flush=True)
    for line in sys.stdin:
        print(json.dumps(command(server, line)), flush=True)


if __name__ == "__main__":
    main()
