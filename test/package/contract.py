# SPDX-License-Identifier: MIT
"""Holds answers against an OpenAPI document: is the route in it, the status,
the media type, the headers, and does the body, or each event of a stream, fit
its schema. What a document leaves open to grow (members that it does not name)
is closed for this: whatever is sent has to be in it."""
import copy
import json
import os
import re
import sys
import zlib
from urllib.parse import parse_qs, unquote_to_bytes

try:
    from jsonschema import Draft202012Validator
except ImportError:
    # Debian's package is for Debian's interpreter, which need not be the first
    DEBIANS = "/usr/bin/python3"
    if os.path.realpath(sys.executable) == os.path.realpath(DEBIANS):
        raise
    os.execv(DEBIANS, [DEBIANS, "-B", *sys.argv])

# What any request may come to, whatever it asks for.
GENERAL = {400, 401, 403, 408, 413, 414, 417, 421, 431, 500, 501, 503, 505}
MARKER = re.compile(r"\[DONE\]$|\[CANCELLED\]$|\[ERROR\] ")
LOOKED_AT = {}  # what is wrong with bodies that are alike but for numbers, ids
EVENT_ID = re.compile(r"[0-9a-z]{1,16}-(g?)(\d+)$")


class Contract:
    def __init__(self, doc):
        Draft202012Validator.check_schema(doc["components"]["schemas"])
        self.doc = doc
        self.paths = [(self.segments(path), item)
                      for path, item in doc["paths"].items()]
        self.components = close(doc["components"])
        self.validators = {}
        self.name = hash(json.dumps(doc["components"]))
        self.told = set()    # (path, method, status)
        self.events = set()  # names of schemas

    @staticmethod
    def segments(path):
        rest = re.search(r"/\{(rest_*)\}$", path)
        return [None if part.startswith("{") else part.encode()
                for part in path.split("/")[1:]], rest is not None

    # ---- routes ----

    def find(self, method, target):
        """(pattern's item, operation); either may be None."""
        path = target.partition("?")[0]
        if "://" in path[:10]:
            path = "/" + path.split("/", 3)[3]
        if re.search(r"%(?![0-9A-Fa-f]{2})|%00", path) or path[:1] != "/":
            return None, None
        parts = [unquote_to_bytes(part) for part in path.split("/")[1:]]
        fits = []
        for (want, rest), item in self.paths:
            if rest and len(parts) >= len(want):
                pass
            elif len(parts) != len(want):
                continue
            ranks = []
            for i, fixed in enumerate(want):
                last = rest and i == len(want) - 1
                if fixed is not None and fixed != parts[i]:
                    break
                if fixed is None and not last and parts[i] == b"":
                    break
                ranks.append(2 if last else 1 if fixed is None else 0)
            else:
                fits.append((ranks, item))
        fits.sort(key=lambda fit: fit[0])
        look = "get" if method == "HEAD" else method.lower()
        for _, item in fits:
            if look in item:
                return item, item[look]
            if method in item.get("x-methods", {}):
                return item, item["x-methods"][method]
        return (fits[0][1] if fits else None), None

    def allowed(self, method, target, status):
        """The response object that the document has for it, or None."""
        item, operation = self.find(method, target)
        if operation is not None:
            got = operation["responses"].get(
                str(status), operation["responses"].get("default"))
            if got is not None:
                self.told.add((operation.get("operationId"), status))
            return self.follow(got)
        if status == 204 and method == "OPTIONS":
            return {}  # of a preflight too
        if status in GENERAL | ({405} if item or target == "*" else {404}):
            return self.general(status)
        return None

    def follow(self, node):
        while node is not None and "$ref" in node:
            at = self.doc
            for part in node["$ref"].split("/")[1:]:
                at = at[part]
            node = at
        return node

    def general(self, status):
        for response in self.components["responses"].values():
            schema = response["content"]["application/problem+json"]["schema"]
            if schema["properties"]["status"]["const"] == status:
                return response
        return None

    # ---- schemas ----

    def errors(self, schema, value):
        """What is wrong with it; what has been right is not looked at again.
        """
        name = json.dumps(schema)
        shape = (self.name, name, re.sub(
            r"[1-9]\d*", "1", re.sub(r"job-[0-9a-f-]{36}", "job-1",
                                     json.dumps(value))))
        if shape in LOOKED_AT:
            return LOOKED_AT[shape]
        if name not in self.validators:
            self.validators[name] = Draft202012Validator(
                {**rewrite(schema), "components": self.components})
        wrong = ["%s: %s" % (error.json_path, error.message[:300])
                 for error in self.validators[name].iter_errors(value)]
        LOOKED_AT[shape] = wrong
        return wrong

    def event_errors(self, value):
        fits, wrong = [], []
        for ref in self.doc["components"]["schemas"]["Event"]["oneOf"]:
            schema = self.follow(ref)
            if schema["properties"]["type"]["const"] != value.get("type"):
                continue
            more = self.errors(ref, value)
            wrong += more
            if not more:
                fits.append(ref["$ref"].rsplit("/", 1)[1])
        if len(fits) == 1:
            self.events.add(fits[0])
            return []
        return (["an event of %s" % fits] if fits else
                wrong or ["no such event: %s" % value])

    # ---- answers ----

    def check(self, method, target, status, headers, body, whole=True):
        """`headers` in lower case. Returns what is wrong."""
        response = self.allowed(method, target, status)
        if response is None:
            return ["%d is not in the document" % status]
        wrong = self.header_errors(response, headers)
        if status == 405 or method == "OPTIONS" and status == 204:
            if "allow" not in headers and \
                    "access-control-allow-methods" not in headers:
                wrong.append("no Allow")
        kind = headers.get("content-type", "").partition(";")[0].lower()
        content = response.get("content", {})
        if status == 204 or not kind:
            if kind or body or (content and "*/*" not in content):
                wrong.append("%d, type %r, %r" % (status, kind, body[:80]))
            return wrong
        if kind not in content and "*/*" not in content:
            return wrong + ["%r is not in the document" % kind]
        if method == "HEAD":
            return wrong + (["HEAD has a body"] if body else [])
        if headers.get("content-encoding") == "gzip":
            body = zlib.decompressobj(31).decompress(body)
        media = content.get(kind, {})
        text = body.decode(errors="strict" if whole else "replace")
        if "x-itemSchema" in media:
            query = parse_qs(target.partition("?")[2])
            if kind == "application/x-ndjson":
                return wrong + self.line_errors(text)
            return wrong + self.stream_errors(
                text, query.get("format") == ["text"])
        if kind.endswith("json") and whole:
            value = json.loads(text, object_pairs_hook=once)
            schema = media.get("schema")
            if schema is None and kind == "application/problem+json":
                schema = {"$ref": "#/components/schemas/Problem"}
            if schema is not None:
                wrong += self.errors(schema, value)
            for event in value.get("events", []) \
                    if isinstance(value, dict) and "next_after" in value \
                    else []:
                wrong += self.event_errors(event)
        return wrong

    def header_errors(self, response, headers):
        wrong = []
        for name, header in response.get("headers", {}).items():
            header = self.follow(header)
            value = headers.get(name.lower())
            if value is None:
                if header.get("required"):
                    wrong.append("no " + name)
                continue
            if header["schema"].get("type") == "integer":
                value = int(value)
            wrong += ["%s: %s" % (name, error)
                      for error in self.errors(header["schema"], value)]
        return wrong

    def line_errors(self, text):
        wrong = []
        for line in text.split("\n")[:-1]:
            wrong += self.event_errors(json.loads(line,
                                                  object_pairs_hook=once))
        return wrong

    def stream_errors(self, text, is_text):
        wrong = []
        for frame in text.split("\n\n")[:-1]:
            fields = {}
            for line in frame.split("\n"):
                if line.startswith(":"):
                    continue
                name, _, value = line.partition(": ")
                if name not in ("id", "event", "data", "retry") or \
                        (name in fields and not is_text):
                    wrong.append("a line of %r" % frame[:200])
                fields[name] = value
            if "id" in fields and not EVENT_ID.match(fields["id"]):
                wrong.append("id " + fields["id"])
            if "data" in fields and not is_text:
                wrong += self.frame_errors(fields)
        return wrong

    def frame_errors(self, fields):
        kind = fields.get("event", "narration")
        if kind == "narration" and MARKER.match(fields["data"]):
            return [] if "id" in fields else ["a marker without an id"]
        value = json.loads(fields["data"], object_pairs_hook=once)
        wrong = self.event_errors(value)
        if value.get("type") != kind:
            wrong.append("%s as %s" % (value.get("type"), kind))
        if "id" in fields and kind not in ("gap", "end") and "seq" in value:
            is_global, number = EVENT_ID.match(fields["id"]).groups()
            if not is_global and int(number) != value["seq"]:
                wrong.append("id %s of %d" % (fields["id"], value["seq"]))
        return wrong


# ---- schemas that are closed ----

def once(pairs):
    """An object without a key twice."""
    got = dict(pairs)
    if len(got) != len(pairs):
        raise ValueError("a key twice: %s" % [key for key, _ in pairs])
    return got


def rewrite(node, inside=False):
    """With references to the closed schemas, but for those inside allOf."""
    if isinstance(node, list):
        return [rewrite(item, inside) for item in node]
    if not isinstance(node, dict):
        return node
    made = {key: rewrite(value, key == "allOf") for key, value in node.items()}
    ref = node.get("$ref", "")
    if ref.startswith("#/components/schemas/") and not inside:
        made["$ref"] = ref + ".closed"
    return made


def close(components):
    made = copy.deepcopy(components)
    schemas = made["schemas"]
    for name, schema in components["schemas"].items():
        schemas[name] = rewrite(schema)
        closed = {"$ref": "#/components/schemas/" + name}
        if isinstance(schema, dict) and "properties" in schema:
            closed["unevaluatedProperties"] = False
        schemas[name + ".closed"] = closed
    for name in made["responses"]:
        for media in made["responses"][name]["content"].values():
            media["schema"]["unevaluatedProperties"] = False
    return made


# ---- bytes ----

REQUEST = re.compile(rb"([!-~]+) ([!-~]+) HTTP/1\.[01]\r\n")


def requested(bytes_):
    """(method, target) of a request, or None for what is none."""
    found = REQUEST.match(bytes_)
    return found and tuple(part.decode() for part in found.groups())


def answered(bytes_):
    """(status, headers, body, is whole) of the first final answer."""
    while True:
        head, end, rest = bytes_.partition(b"\r\n\r\n")
        if not end:
            return None
        lines = head.decode("latin-1").split("\r\n")
        status = int(lines[0].split()[1])
        if status >= 200:
            break
        bytes_ = rest
    headers = {}
    for line in lines[1:]:
        name, _, value = line.partition(":")
        name = name.lower()
        value = value.strip()
        headers[name] = headers[name] + ", " + value \
            if name in headers else value
    if headers.get("transfer-encoding") == "chunked":
        return (status, headers, *unchunk(rest))
    length = int(headers.get("content-length", 0 if status == 204
                             else len(rest)))
    return status, headers, rest[:length], len(rest) >= length


def unchunk(rest):
    body = b""
    while True:
        size, end, rest = rest.partition(b"\r\n")
        if not end:
            return body, False
        size = int(size, 16)
        if size == 0:
            return body, True
        if len(rest) < size + 2:
            return body, False
        body, rest = body + rest[:size], rest[size + 2:]
