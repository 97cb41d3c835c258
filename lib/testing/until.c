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

/*
 * A loop that nothing keeps alive does not look at its descriptors at all: a
 * handle of our own, far from being due, keeps it going meanwhile.
 */
typedef struct {
  uv_timer_t timer;
  int closed;
} keeper_t;

static void on_timer(uv_timer_t *timer) {
  (void) timer;
}

static void keep(keeper_t *keeper, uv_loop_t *loop) {
  keeper->closed = 0;
  (void) uv_timer_init(loop, &keeper->timer);
  (void) uv_timer_start(&keeper->timer, on_timer, UINT32_MAX, 0);
}

static void on_closed(uv_handle_t *handle) {
  ((keeper_t *) (void *) handle)->closed = 1;
}

/* With the turn of the loop that it takes. */
static void let_go(keeper_t *keeper, uv_loop_t *loop) {
  uv_close((uv_handle_t *) &keeper->timer, on_closed);
  while (!keeper->closed)
    (void) uv_run(loop, UV_RUN_NOWAIT);
}

/* Waits for the loop to have something to do, without running any of it. */
static void wait_for(uv_loop_t *loop, uint64_t left_ms) {
  struct pollfd fd = { .fd = uv_backend_fd(loop), .events = POLLIN };
  int wait = uv_backend_timeout(loop);

  if (wait < 0 || wait > LONGEST_WAIT_MS)
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
  uint64_t gone = 0;
  keeper_t keeper;

  if (done(data))
    return 1;
  keep(&keeper, loop);
  while (gone < real_ms) {
    (void) uv_run(loop, UV_RUN_NOWAIT);
    if (done(data))
      break;
    wait_for(loop, real_ms - gone);
    gone = real_ms_now() - start;
  }
  let_go(&keeper, loop);
  return done(data) == 1;
}

/* Waits, without dispatching, up to `ms`. */
static void wait_for_foreign(const jobsrv_t *srv, uint64_t left_ms) {
  struct pollfd fd = { .fd = jobsrv_fd(srv), .events = POLLIN };
  int wait = jobsrv_timeout_ms(srv);

  if (wait < 0 || wait > LONGEST_WAIT_MS)
    wait = LONGEST_WAIT_MS;
  if ((uint64_t) wait > left_ms)
    wait = (int) left_ms;
  if (wait > 0)
    (void) poll(&fd, 1, wait);
}

int jobsrv_run_until_srv(jobsrv_t *srv,
                         jobsrv_until_cb done,
                         void *data,
                         uint64_t real_ms) {
  int how = jobsrv_timeout_ms(srv);
  uint64_t start = real_ms_now();
  uint64_t gone = 0;

  if (how == UV_EINVAL)
    return jobsrv_run_until(jobsrv_loop(srv), done, data, real_ms);
  while (!done(data) && gone < real_ms) {
    if (how == JOBSRV_ERUNNING) {
      (void) poll(NULL, 0, 1);
    } else {
      if (jobsrv_dispatch(srv) != 1)
        break;
      if (!done(data))
        wait_for_foreign(srv, real_ms - gone);
    }
    gone = real_ms_now() - start;
  }
  return done(data) == 1;
}

int jobsrv_until_ended(void *data) {
  return jobsrv_state_terminal(jobsrv_job_state(data));
}

void jobsrv_run_turns(struct uv_loop_s *loop, unsigned int turns) {
  keeper_t keeper;

  if (turns == 0)
    return;
  keep(&keeper, loop);
  while (--turns > 0)
    (void) uv_run(loop, UV_RUN_NOWAIT);
  let_go(&keeper, loop);
}
