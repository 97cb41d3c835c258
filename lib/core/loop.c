/* SPDX-License-Identifier: MIT */

#include "base/clock.h"
#include "core/server.h"
#include "core/wall.h"

/*
 * The server's handles in its loop: `wake` watches the mailbox, `wheel_wake`
 * the wheel, `idle` and `check` make the turns (turn.c). Only `wake` keeps the
 * loop alive, and only while there is something to wait for.
 */

enum { MAILS_A_TURN = 4096 };

/* For so long the inbox keeps memory that nothing comes in. */
#define INBOX_IDLE_NS UINT64_C(5000000000)

static void on_wake(uv_poll_t *handle, int status, int events) {
  jobsrv_t *srv = handle->data;

  (void) status;
  (void) events;
  srv->lingers = 0;
  jobsrv__inbox_read(srv);
}

static void on_inbox_idle(jobsrv_timer_t *timer) {
  jobsrv_t *srv = JOBSRV__CONTAINER(timer, jobsrv_t, inbox_timer);

  if (srv->inbox_used)
    jobsrv_timer_arm(srv, timer, jobsrv_now(srv) + INBOX_IDLE_NS,
                     on_inbox_idle);
  else
    jobsrv__mailbox_trim(srv->mailbox);
  srv->inbox_used = 0;
}

void jobsrv__inbox_read(jobsrv_t *srv) {
  jobsrv__mailbox_drain(srv->mailbox, srv, MAILS_A_TURN, &srv->lingers);
  if (!srv->lingers)
    return;
  jobsrv__turn_wanted(srv);
  srv->inbox_used = 1;
  if (!jobsrv_timer_armed(&srv->inbox_timer))
    jobsrv_timer_arm(srv, &srv->inbox_timer, jobsrv_now(srv) + INBOX_IDLE_NS,
                     on_inbox_idle);
}

static void wheel_arm_loop(jobsrv_t *srv);

void jobsrv__on_wheel_wake(jobsrv_t *srv) {
  uint64_t now = jobsrv_now(srv);

  jobsrv__metrics_woken(srv, srv->armed_ns, now);
  srv->armed_ns = UINT64_MAX;
  srv->stats.timer_wakes++;
  jobsrv__wheel_run(&srv->wheel, now);
  if (srv->phase != JOBSRV__CLOSING)
    wheel_arm_loop(srv);
}

static void wheel_arm_loop(jobsrv_t *srv) {
  uint64_t next = jobsrv__wheel_next(&srv->wheel);
  uint64_t now;

  if (next >= srv->armed_ns || srv->watch.next != NULL)
    return;
  srv->armed_ns = next;
  now = jobsrv_now(srv);
  jobsrv__wheel_wake_set(srv, next > now ? next - now : 0);
}

static uint64_t on_watch_next(jobsrv_clock_watch_t *watch) {
  jobsrv_t *srv = JOBSRV__CONTAINER(watch, jobsrv_t, watch);
  uint64_t next = jobsrv__wheel_due(&srv->wheel);
  uint64_t wall = jobsrv__wall_next(srv);

  return wall < next ? wall : next;
}

static void on_watch_tick(jobsrv_clock_watch_t *watch) {
  jobsrv_t *srv = JOBSRV__CONTAINER(watch, jobsrv_t, watch);

  jobsrv__wheel_run(&srv->wheel, jobsrv_now(srv));
  jobsrv__wall_look(srv);
}

int jobsrv__loop_open(jobsrv_t *srv) {
  int err = uv_poll_init(srv->loop, &srv->wake,
                         jobsrv__mailbox_fd(srv->mailbox));

  if (err != 0)
    return err;
  jobsrv__wheel_wake_open(srv);
  srv->wake.data = srv;
  uv_idle_init(srv->loop, &srv->idle);
  srv->idle.data = srv;
  uv_check_init(srv->loop, &srv->check);
  srv->check.data = srv;
  srv->handles = 4;
  srv->armed_ns = UINT64_MAX;

  uv_poll_start(&srv->wake, UV_READABLE, on_wake);
  uv_check_start(&srv->check, jobsrv__on_check);
  jobsrv__keep_alive(srv);
  uv_unref((uv_handle_t *) &srv->check);
  if (srv->clock->attach != NULL) {
    srv->watch.next = on_watch_next;
    srv->watch.tick = on_watch_tick;
    srv->clock->attach(srv->clock, &srv->watch);
  }
  return 0;
}

static void on_close(uv_handle_t *handle) {
  jobsrv__handle_closed(handle->data);
}

void jobsrv__loop_close(jobsrv_t *srv) {
  if (srv->watch.next != NULL)
    srv->clock->detach(srv->clock, &srv->watch);
  if (!jobsrv__own_closes_later(srv))
    jobsrv__loop_close_handles(srv);
}

void jobsrv__loop_close_handles(jobsrv_t *srv) {
  jobsrv__wall_close(srv);
  uv_close((uv_handle_t *) &srv->wake, on_close);
  jobsrv__wheel_wake_close(srv, on_close);
  uv_close((uv_handle_t *) &srv->idle, on_close);
  uv_close((uv_handle_t *) &srv->check, on_close);
}

/* A loop of the server's own lives as long as the server. */
void jobsrv__keep_alive(jobsrv_t *srv) {
  uv_handle_t *wake = (uv_handle_t *) &srv->wake;

  if (srv->own != NULL || srv->live > 0 || srv->schedules_awaited > 0 ||
      srv->phase == JOBSRV__DRAINING || srv->phase == JOBSRV__FINISHING)
    uv_ref(wake);
  else
    uv_unref(wake);
}

uint64_t jobsrv_now(const jobsrv_t *srv) {
  return jobsrv__now(srv->clock);
}

uint64_t jobsrv_wall_now(const jobsrv_t *srv) {
  return jobsrv__wall(srv->clock);
}

uint64_t jobsrv__wall_at(jobsrv_t *srv, uint64_t now_ns) {
  if (srv->options.clock != NULL)
    return jobsrv_wall_now(srv);
  if (!srv->has_wall_offset) {
    srv->wall_offset = jobsrv_wall_now(srv) - now_ns;
    srv->has_wall_offset = 1;
  }
  return now_ns + srv->wall_offset;
}

void jobsrv_timer_arm(jobsrv_t *srv,
                      jobsrv_timer_t *timer,
                      uint64_t deadline_ns,
                      jobsrv_timer_cb cb) {
  JOBSRV__ASSERT_LOOP(srv);
  jobsrv__wheel_arm(&srv->wheel, timer, deadline_ns, cb);
  if (deadline_ns < srv->armed_ns && srv->phase != JOBSRV__CLOSING)
    wheel_arm_loop(srv);
}

void jobsrv_timer_disarm(jobsrv_t *srv, jobsrv_timer_t *timer) {
  JOBSRV__ASSERT_LOOP(srv);
  jobsrv__wheel_disarm(&srv->wheel, timer);
}

int jobsrv_timer_armed(const jobsrv_timer_t *timer) {
  return jobsrv__wheel_armed(timer);
}
