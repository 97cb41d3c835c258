/* SPDX-License-Identifier: MIT */

#include "core/wall.h"

#include "base/alloc.h"
#include "base/fd.h"
#include "core/schedule.h"
#include "core/server.h"

#include <errno.h>
#include <unistd.h>

#ifdef __linux__
# include <sys/timerfd.h>
#endif

/*
 * The descriptor is set to the first deadline, as a time of the wall clock, and
 * the kernel tells us through it when that clock is set: reading it fails with
 * ECANCELED. Elsewhere a timer looks at the clock every second at least.
 *
 * `seen_ns` is the latest wall time known: an earlier one says that the clock
 * was set back. Then the wheel, which cannot go back by itself, is rebuilt.
 */
struct jobsrv__wall_s {
  jobsrv__wheel_t wheel;
  uint64_t seen_ns;
  uint64_t armed_ns;     /* what the descriptor is set to; UINT64_MAX: not */
#ifdef __linux__
  int fd;                /* -1 with a clock that is driven by hand */
  uv_poll_t poll;
  jobsrv_turn_t turn;
#else
  jobsrv_timer_t timer;
#endif
};

static void notice(jobsrv__wall_t *wall, uint64_t now) {
  if (now < wall->seen_ns)
    jobsrv__wheel_set_back(&wall->wheel, now);
  else
    wall->seen_ns = now;
}

#ifdef __linux__

static const uint64_t NS = 1000000000;

static void on_event(uv_poll_t *handle, int status, int events) {
  jobsrv_t *srv = handle->data;
  uint64_t times;
  ssize_t n;

  (void) status;
  (void) events;
  do
    n = read(srv->wall->fd, &times, sizeof(times));
  while (n < 0 && errno == EINTR);
  if (n < 0 && errno == EAGAIN)
    return;
  srv->wall->armed_ns = UINT64_MAX;
  srv->stats.timer_wakes++;
  jobsrv__wall_look(srv);
}

static void on_turn(jobsrv_turn_t *turn) {
  jobsrv__wall_look(turn->data);
}

static int source_open(jobsrv_t *srv, jobsrv__wall_t *wall) {
  int err;

  wall->turn.data = srv;
  wall->fd = -1;
  if (srv->clock->attach != NULL)
    return 0;
  wall->fd = jobsrv__fd_high(
      timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC));
  if (wall->fd < 0)
    return -errno;
  err = uv_poll_init(srv->loop, &wall->poll, wall->fd);
  if (err != 0) {
    close(wall->fd);
    return err;
  }
  wall->poll.data = srv;
  srv->handles++;
  uv_poll_start(&wall->poll, UV_READABLE, on_event);
  uv_unref((uv_handle_t *) &wall->poll);
  jobsrv__armed(srv);
  return 0;
}

/* A host's clock may say another time than the machine's. */
static uint64_t on_machine(const jobsrv_t *srv, uint64_t wall_ns) {
  uint64_t now = jobsrv_wall_now(srv);
  struct timespec ts;

  if (srv->options.clock == NULL)
    return wall_ns;
  clock_gettime(CLOCK_REALTIME, &ts);
  return (uint64_t) ts.tv_sec * NS + (uint64_t) ts.tv_nsec +
         (wall_ns > now ? wall_ns - now : 0);
}

static void source_arm(jobsrv_t *srv) {
  jobsrv__wall_t *wall = srv->wall;
  struct itimerspec spec = { 0 };
  uint64_t at;

  if (wall->fd < 0)
    return;
  at = on_machine(srv, wall->armed_ns);
  spec.it_value.tv_sec = (time_t) (at / NS);
  spec.it_value.tv_nsec = (long) (at % NS) + (at == 0); /* 0 would disarm */
  /* ECANCELED says that the clock was changed since the last time; the timer
   * is set all the same, but this is all we hear of it. */
  if (timerfd_settime(wall->fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
                      &spec, NULL) != 0 &&
      errno == ECANCELED)
    jobsrv_turn_ask(srv, &wall->turn, on_turn);
}

static void on_close(uv_handle_t *handle) {
  jobsrv_t *srv = handle->data;

  close(srv->wall->fd);
  jobsrv__handle_closed(srv);
}

static void source_close(jobsrv_t *srv) {
  jobsrv_turn_cancel(&srv->wall->turn);
  if (srv->wall->fd >= 0)
    uv_close((uv_handle_t *) &srv->wall->poll, on_close);
}

#else

static const uint64_t LOOK_NS = 1000000000;

static void on_timer(jobsrv_timer_t *timer) {
  jobsrv_t *srv = timer->data;

  srv->wall->armed_ns = UINT64_MAX;
  jobsrv__wall_look(srv);
}

static int source_open(jobsrv_t *srv, jobsrv__wall_t *wall) {
  wall->timer.data = srv;
  return 0;
}

static void source_arm(jobsrv_t *srv) {
  uint64_t wall = jobsrv_wall_now(srv);
  uint64_t wait = srv->wall->armed_ns > wall ? srv->wall->armed_ns - wall : 0;

  if (srv->clock->attach != NULL)
    return;
  if (wait > LOOK_NS)
    wait = LOOK_NS;
  jobsrv_timer_arm(srv, &srv->wall->timer, jobsrv_now(srv) + wait, on_timer);
}

static void source_close(jobsrv_t *srv) {
  jobsrv_timer_disarm(srv, &srv->wall->timer);
}

#endif

/* What is armed for no reason any more wakes us once, in vain. */
static void rearm(jobsrv_t *srv) {
  uint64_t next = jobsrv__wheel_next(&srv->wall->wheel);

  if (next >= srv->wall->armed_ns)
    return;
  srv->wall->armed_ns = next;
  source_arm(srv);
}

int jobsrv__wall_open(jobsrv_t *srv) {
  jobsrv__wall_t *wall;
  int err;

  if (srv->wall != NULL)
    return 0;
  if (srv->phase == JOBSRV__CLOSING)
    return JOBSRV_ECLOSED;
  wall = jobsrv__zalloc(&srv->alloc, sizeof(*wall));
  if (wall == NULL)
    return UV_ENOMEM;
  wall->seen_ns = jobsrv_wall_now(srv);
  wall->armed_ns = UINT64_MAX;
  jobsrv__wheel_init(&wall->wheel, wall->seen_ns);
  err = source_open(srv, wall);
  if (err != 0) {
    jobsrv__free(&srv->alloc, wall);
    return err;
  }
  srv->wall = wall;
  return 0;
}

int jobsrv__wall_arm(jobsrv_t *srv,
                     jobsrv__wall_timer_t *timer,
                     uint64_t wall_ns,
                     jobsrv_timer_cb cb) {
  int err = jobsrv__wall_open(srv);

  if (err != 0)
    return err;
  notice(srv->wall, jobsrv_wall_now(srv));
  jobsrv__wheel_arm(&srv->wall->wheel, timer, wall_ns, cb);
  if (srv->phase != JOBSRV__CLOSING)
    rearm(srv);
  return 0;
}

void jobsrv__wall_disarm(jobsrv_t *srv, jobsrv__wall_timer_t *timer) {
  if (srv->wall != NULL)
    jobsrv__wheel_disarm(&srv->wall->wheel, timer);
}

int jobsrv__wall_armed(const jobsrv__wall_timer_t *timer) {
  return jobsrv__wheel_armed(timer);
}

uint64_t jobsrv__wall_next(const jobsrv_t *srv) {
  uint64_t next, wall, now;

  if (srv->wall == NULL)
    return UINT64_MAX;
  next = jobsrv__wheel_due(&srv->wall->wheel);
  if (next == UINT64_MAX)
    return UINT64_MAX;
  wall = jobsrv_wall_now(srv);
  now = jobsrv_now(srv);
  if (next <= wall)
    return now;
  return next - wall < UINT64_MAX - now ? now + (next - wall) : UINT64_MAX;
}

void jobsrv__wall_look(jobsrv_t *srv) {
  uint64_t now, seen;

  if (srv->wall == NULL || srv->phase == JOBSRV__CLOSING)
    return;
  now = jobsrv_wall_now(srv);
  seen = srv->wall->seen_ns;
  notice(srv->wall, now);
  srv->wall->seen_ns = now;
  if (now < seen)
    jobsrv__schedules_set_back(srv, now);
  jobsrv__wheel_run(&srv->wall->wheel, now);
  if (srv->phase != JOBSRV__CLOSING)
    rearm(srv);
}

void jobsrv__wall_close(jobsrv_t *srv) {
  if (srv->wall != NULL)
    source_close(srv);
}

void jobsrv__wall_free(jobsrv_t *srv) {
  jobsrv__free(&srv->alloc, srv->wall);
  srv->wall = NULL;
}
