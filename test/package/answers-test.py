# SPDX-License-Identifier: MIT
"""Every answer that the tests of test/sse were given is as the document of the
server that gave it says (test/sse/record.h)."""
import collections
import json
import os
import time
from pathlib import Path

from contract import GENERAL, Contract, answered, requested
from tally import check, finish

FOLDER = Path(os.environ["JOBSRV_ANSWERS"])


def take(data, at):
    line = data[at:data.index(b"\n", at)]
    return line.decode().split(), at + len(line) + 1


def records(data):
    """Documents by their keys, and exchanges as they come."""
    at = 0
    while at < len(data):
        (kind, key, *lengths), at = take(data, at)
        parts = []
        for length in lengths:
            parts.append(data[at:at + int(length)])
            at += int(length)
        yield kind, key, parts


contracts = {}
wrong = []
counts = collections.Counter()
for file in sorted(FOLDER.iterdir()):
    for kind, key, parts in records(file.read_bytes()):
        if kind == "D":
            if key not in contracts:
                contracts[key] = Contract(json.loads(parts[0]))
            continue
        contract = contracts[key]
        request = requested(parts[0])
        answer = answered(parts[1])
        if answer is None:
            continue
        counts["answers"] += 1
        status, headers, body, whole = answer
        if request is None:
            request = ("-", "-")
            if status not in GENERAL:
                wrong.append("%s: %d to %r" % (file.name, status,
                                               parts[0][:80]))
                continue
        try:
            errors = contract.check(*request, status, headers, body, whole)
        except ValueError as error:
            errors = [repr(error)]
        wrong += ["%s: %s %s, %d: %s" % (file.name, *request, status, error)
                  for error in errors]

told = set().union(*(contract.told for contract in contracts.values()))
events = set().union(*(contract.events for contract in contracts.values()))
due = set()
names = set()
for contract in contracts.values():
    for item in contract.doc["paths"].values():
        for operation in item.values():
            if "operationId" in operation:
                due |= {(operation["operationId"], int(status))
                        for status in operation["responses"]
                        if status.startswith("2")}
    names |= {ref["$ref"].rsplit("/", 1)[1] for ref in
              contract.doc["components"]["schemas"]["Event"]["oneOf"]}

print("%d answers of %d servers" % (counts["answers"], len(contracts)))
check("there is something to look at",
      [] if counts["answers"] > 500 else [str(counts)])
check("every answer is as its document says", sorted(set(wrong)))
check("every success of every route has been seen",
      ["%s: %d" % pair for pair in sorted(due - told)])
check("every kind of event has been seen", sorted(names - events))
finish()
