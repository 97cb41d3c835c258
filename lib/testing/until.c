/* SPDX-License-Identifier: MIT */

#include "base/clock.h"
#include "jobsrv/testing.h"

#include <poll.h>

#include <uv.h>

/* Other threads may make `done` true without waking the loop. */
enum { LONGEST_WAIT_MS = 10 };

static uint64_t real_ms_now(void) {
  return jobsrv__now(jobsrv__clock_system()) / 1000000;
}

/* Waits for the loop to have something to do, without running any of it. */
static void wait_for(uv_loop_t *loop, uint64_t left_ms) {
  struct pollfd fd = { .fd = uv_backend_fd(loop), .events = POLLIN };
  int wait = uv_backend_timeout(loop);

  /* Without a live handle it says 0, and would be spun on. */
  if (wait < 0 || wait > LONGEST_WAIT_MS || !uv_loop_alive(loop))
    wait = LONGEST_WAIT_MS;
  if ((uint64_t) wait > left_ms)
    wait = (int) left_ms;
  if (wait > 0)
    (void) poll(&fd, 1, wait);
}

int jobsrv_run_until(struct uv_loop_s *loop,
                     jobsrv_until_cb done,
                     void *data,
                     uint64_t real_ms) {
  uint64_t start = real_ms_now();
  uint64_t gone;

  for (;;) {
    if (done(data))
      return 1;
    gone = real_ms_now() - start;
    if (gone >= real_ms)
      return 0;
    (void) uv_run(loop, UV_RUN_NOWAIT);
    if (done(data))
      return 1;
    wait_for(loop, real_ms - gone);
  }
}

int jobsrv_until_ended(void *data) {
  return jobsrv_state_terminal(jobsrv_job_state(data));
}

void jobsrv_run_turns(struct uv_loop_s *loop, unsigned int turns) {
  while (turns-- > 0)
    (void) uv_run(loop, UV_RUN_NOWAIT);
}
