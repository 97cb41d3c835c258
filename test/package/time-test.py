# SPDX-License-Identifier: MIT
"""Who reads a clock of the machine, or waits by it.

All time comes from the server's clock, so that a test can drive it by hand.
What has to go by real time all the same is named here, with its reason.
"""
import os
import re
from pathlib import Path

from tally import check, finish

ROOT = Path(os.environ["SOURCE_DIR"])
CALLS = re.compile(
    r"\b(uv_timer_start|uv_timer_again|uv_hrtime|uv_now|uv_update_time"
    r"|uv_sleep|uv_clock_gettime|uv_gettimeofday|uv_cond_timedwait"
    r"|uv_backend_timeout|clock_gettime|gettimeofday|time|nanosleep"
    r"|clock_nanosleep|usleep|sleep|timerfd_settime|timer_settime|alarm"
    r"|setitimer|pthread_cond_timedwait|pthread_mutex_timedlock"
    r"|sem_timedwait|poll|ppoll|select|pselect|epoll_wait)\s*\(")
COMMENT = re.compile(r"/\*.*?\*/", re.S)

ALLOWED = {
    "lib/base/clock.c": {"clock_gettime"},  # the machine's clock itself
    # the timers of the loop, only without a clock that is driven by hand
    "lib/core/wheel_wake.c": {"timerfd_settime", "uv_timer_start",
                              "uv_hrtime", "uv_now"},
    "lib/core/wall.c": {"timerfd_settime", "clock_gettime"},
    # a loop of its own, likewise
    "lib/sse/fanout_loop.c": {"uv_timer_start"},
    # how long a foreign loop may sleep
    "lib/core/loop_modes.c": {"uv_update_time", "uv_backend_timeout"},
    # a thread of the host's that blocks; see wait.h
    "lib/core/wait_blocking.c": {"clock_gettime", "pthread_cond_timedwait"},
    # waits of a close, in which nobody could move a clock
    "lib/core/process_spawn.c": {"poll"},
    "lib/narration/writer.c": {"poll", "clock_gettime",
                               "pthread_cond_timedwait"},
    "lib/testing/until.c": {"uv_timer_start", "uv_backend_timeout", "poll"},
}

used = {}
for path in sorted((ROOT / "lib").rglob("*.[ch]")):
    name = str(path.relative_to(ROOT))
    if name.startswith("lib/jobsrvd/"):  # a program, on the machine's clock
        continue
    found = set(CALLS.findall(COMMENT.sub("", path.read_text())))
    if found:
        used[name] = found

for name in sorted(set(used) | set(ALLOWED)):
    check("%s goes by real time only as it is known to" % name,
          sorted(used.get(name, set()) - ALLOWED.get(name, set())))
    check("what is said of %s is still so" % name,
          sorted(ALLOWED.get(name, set()) - used.get(name, set())))

# Who starts a timer asks first whether a clock is driven by hand.
for name, question in (("lib/core/loop.c", "srv->watch.next != NULL"),
                       ("lib/core/wheel_wake.c",
                        "srv->clock->attach == NULL"),
                       ("lib/core/wall.c", "srv->clock->attach != NULL"),
                       ("lib/sse/fanout_loop.c",
                        "fanout->watch.next != NULL")):
    check("%s asks for a manual clock" % name,
          [] if question in (ROOT / name).read_text() else [question])

finish()
