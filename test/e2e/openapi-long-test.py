# SPDX-License-Identifier: MIT
"""Documents of routes, those that package/answers-test has looked at and those
of a running jobsrvd, pass the public validators @seriousme/openapi-schema-
validator (the schema of OpenAPI 3.1) and @apidevtools/swagger-parser (that, and
what the references lead to)."""

import http.client
import json
import os
import subprocess
from pathlib import Path

from world import Server, need, run

PACKAGES = ["@seriousme/openapi-schema-validator@2.3.1",
            "@apidevtools/swagger-parser@10.1.1"]
HERE = Path(__file__).parent
NODE = Path(os.environ["BUILD_DIR"]) / "test" / "npm-openapi"


def fetch_packages():
    if all((NODE / "node_modules" / p.rsplit("@", 1)[0]).exists()
           for p in PACKAGES):
        return
    NODE.mkdir(parents=True, exist_ok=True)
    got = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock",
         "--ignore-scripts", "--prefix", str(NODE), *PACKAGES],
        capture_output=True, text=True, timeout=60)
    assert got.returncode == 0, "npm cannot fetch: " + got.stderr


def validate(documents):
    """What each validator says of each: "" for nothing."""
    got = subprocess.run(
        ["node", str(HERE / "openapi.mjs")], input=json.dumps(documents),
        capture_output=True, text=True, timeout=60,
        env={**os.environ, "PACKAGES_DIR": str(NODE)})
    assert got.returncode == 0, got.stderr
    return json.loads(got.stdout)


def of_daemon(*args, **headers):
    with Server(*args) as server:
        client = http.client.HTTPConnection("127.0.0.1", server.port)
        client.request("GET", "/v1/openapi.json", headers=headers)
        answer = client.getresponse()
        assert answer.status == 200, answer.status
        return json.loads(answer.read())


def recorded():
    """Those of the C tests, with routes and middleware of hosts."""
    documents = {}
    for file in Path(os.environ["JOBSRV_ANSWERS"]).iterdir():
        data, at = file.read_bytes(), 0
        while at < len(data):
            end = data.index(b"\n", at)
            kind, key, *lengths = data[at:end].decode().split()
            at = end + 1
            if kind == "D":
                documents[key] = json.loads(data[at:at + int(lengths[0])])
            at += sum(map(int, lengths))
    return list(documents.values())


def validators_find_nothing():
    documents = recorded()
    assert len(documents) > 10, len(documents)
    documents.append(of_daemon())
    documents.append(of_daemon("--metrics"))
    for document, said in zip(documents, validate(documents)):
        assert said == ["", ""], (said, json.dumps(document)[:400])
    print(f"  {len(documents)} documents")


def validators_find_what_is_wrong():
    good = of_daemon()
    no_version = {k: v for k, v in good.items() if k != "openapi"}
    no_text = json.loads(json.dumps(good).replace('"description": "It is."',
                                                  '"said": "It is."'))
    bad_ref = json.loads(json.dumps(good).replace("#/components/schemas/Job\"",
                                                  "#/components/schemas/J\""))
    said = validate([no_version, no_text, bad_ref])
    assert said[0][0] and said[1][0] and said[2][1], said


need("node", "npm")
fetch_packages()
run([validators_find_nothing, validators_find_what_is_wrong])
