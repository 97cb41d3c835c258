# SPDX-License-Identifier: MIT
"""Every public call that belongs to the loop thread says so in a debug build."""
import os
import re
from pathlib import Path

from tally import check, finish

ROOT = Path(os.environ["SOURCE_DIR"])
WORD = re.compile(
    r"(/\*.*?\*/)|JOBSRV_EXTERN[^;]*?\b(jobsrv_\w+)\([^;]*;|(^[#}t])",
    re.M | re.S)
BODY = re.compile(r"^[a-z][\w \*]*?\b(jobsrv_[a-z]\w*)\([^;{}]*?\) \{\n(.*?)^\}",
                  re.M | re.S)

# Headers that mark all their calls at their top.
MARKED = {"emit.h", "narrate.h", "json.h", "span.h", "testing.h",
          "testing_sse.h"}
# The rest that have nothing to ask, with the reason.
EXEMPT = {
    # there is no server yet
    "jobsrv_new", "jobsrv_redactor_new", "jobsrv_process_arg",
    "jobsrv_process_env", "jobsrv_process_cwd", "jobsrv_process_output",
    # from what is given no server can be reached
    "jobsrv_hook_remove", "jobsrv_turn_cancel", "jobsrv_timer_armed",
    "jobsrv_token_unwatch", "jobsrv_collector_remove",
    "jobsrv_metrics_family", "jobsrv_metrics_u64", "jobsrv_metrics_double",
    "jobsrv_metrics_histogram",
    # an attached cursor is read on any one thread
    "jobsrv_cursor_peek", "jobsrv_cursor_advance", "jobsrv_cursor_next",
    "jobsrv_cursor_seq", "jobsrv_cursor_inside", "jobsrv_event_id_parse",
    "jobsrv_server_id_parse",
    # only counts, or reads what does not change
    "jobsrv_token_ref", "jobsrv_token_unref", "jobsrv_sse_server",
    "jobsrv_tail_after",
    # like the payload, read from any thread while the job runs
    "jobsrv_job_arg_string", "jobsrv_job_arg_i64", "jobsrv_job_arg_double",
    "jobsrv_job_arg_bool", "jobsrv_job_arg_json",
}


def loop_only(header):
    """The names of the calls of a header that are not marked otherwise."""
    mark = ""
    names = []
    for found in WORD.finditer(header.read_text()):
        if found.group(1):
            mark = found.group(1)
        elif found.group(3):
            mark = ""
        elif "[any" not in mark and "[thread" not in mark:
            names.append(found.group(2))
    return names


bodies = {}
for source in (ROOT / "lib").rglob("*.c"):
    for name, body in BODY.findall(source.read_text()):
        bodies[name] = body

seen = set()
for header in sorted((ROOT / "include/jobsrv").glob("*.h")):
    if header.name in MARKED:
        continue
    names = loop_only(header)
    seen.update(names)
    check(header.name + ": loop-only calls stop other threads", [
        name for name in names if name not in EXEMPT and
        "JOBSRV__ASSERT_LOOP(" not in bodies.get(name, "JOBSRV__ASSERT_LOOP(")])
check("calls were found", [] if len(seen) > 40 else sorted(seen))
check("what is exempt is there", sorted(EXEMPT - seen))
finish()
