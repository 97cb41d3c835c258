# SPDX-License-Identifier: MIT
"""What the transport answers with is in JOBSRV_SSE_PROBLEM_MAP, and all of it.

test/sse/codes-test.c goes through that table over the wire.
"""
import os
import re
from pathlib import Path

from tally import check, finish

ROOT = Path(os.environ["SOURCE_DIR"])
HEADER = (ROOT / "include/jobsrv/sse.h").read_text()
SOURCES = {p.name: p.read_text() for p in (ROOT / "lib/sse").glob("*.c")}
# The host's word, for which there is no code of ours.
HOSTS = {("429", "rate_limited")}

block = re.search(r"#define JOBSRV_SSE_PROBLEM_MAP\(XX\)(?:.*\\\n)+.*\n",
                  HEADER).group(0)
table = re.findall(r"XX\((\d{3}), (\w+),", block)
codes = {code for status, code in table}

# A status and its code side by side, as they are in calls and in structs.
PAIR = re.compile(r'(?:\b|\.status = )([45]\d\d),\s*(?:\.code = )?'
                  r'"([a-z_]+)"')
CASE = re.compile(r'case ([45]\d\d):\s*return "([a-z_]+)";')
# A code whose status is elsewhere.
ALONE = re.compile(r'(?:refuse\w*\(request, |\.code = |code = [^;"]*\? )'
                   r'"([a-z_]+)"')

check("the table is there", [] if len(table) > 30 else [block])
check("nothing is in the table twice",
      sorted({"%s %s" % pair for pair in table if table.count(pair) > 1}))
said = {}
alone = {}
for name, text in SOURCES.items():
    for pair in PAIR.findall(text) + CASE.findall(text):
        said[pair] = name
    for code in ALONE.findall(text):
        alone[code] = name
check("every answer of ours is in the table",
      ["%s: %s %s" % (said[pair], *pair) for pair in said
       if pair not in table] +
      ["%s: %s" % (alone[code], code) for code in alone if code not in codes])
check("nothing else is", ["%s %s" % pair for pair in table
                          if pair not in said and pair[1] not in alone
                          and pair not in HOSTS])
finish()
