/* SPDX-License-Identifier: MIT */

#include "core/wheel_wake.h"

#include "base/fd.h"
#include "core/server.h"

#include <unistd.h>

#ifdef __linux__
# include <sys/timerfd.h>
#endif

static void on_timer(uv_timer_t *handle) {
  jobsrv__on_wheel_wake(handle->data);
}

/* The loop's idea of now may be old, and its timers count from there. */
static void timer_set(jobsrv_t *srv, uint64_t ns) {
  uint64_t at = (uv_hrtime() + ns + 999999) / 1000000;
  uint64_t stale = uv_now(srv->loop);

  uv_timer_start(&srv->wheel_wake.handle.timer, on_timer,
                 at > stale ? at - stale : 0, 0);
}

#ifdef __linux__

static void on_readable(uv_poll_t *handle, int status, int events) {
  jobsrv_t *srv = handle->data;
  uint64_t times;

  (void) status;
  (void) events;
  if (read(srv->wheel_wake.fd, &times, sizeof(times)) == sizeof(times))
    jobsrv__on_wheel_wake(srv);
}

static void descriptor_open(jobsrv_t *srv) {
  jobsrv__wheel_wake_t *wake = &srv->wheel_wake;

  wake->fd = jobsrv__fd_high(
      timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (wake->fd < 0)
    return;
  if (uv_poll_init(srv->loop, &wake->handle.poll, wake->fd) == 0) {
    uv_poll_start(&wake->handle.poll, UV_READABLE, on_readable);
    return;
  }
  (void) close(wake->fd);
  wake->fd = -1;
}

static void descriptor_set(const jobsrv_t *srv, uint64_t ns) {
  static const uint64_t second = 1000000000;
  struct itimerspec when = { { 0, 0 }, { 0, 1 } };

  if (ns > INT32_MAX * second) /* is woken then, to wait on */
    ns = INT32_MAX * second;
  if (ns > 0) {
    when.it_value.tv_sec = (time_t) (ns / second);
    when.it_value.tv_nsec = (long) (ns % second);
  }
  (void) timerfd_settime(srv->wheel_wake.fd, 0, &when, NULL);
}

#else

static void descriptor_open(jobsrv_t *srv) {
  (void) srv;
}

static void descriptor_set(const jobsrv_t *srv, uint64_t ns) {
  (void) srv;
  (void) ns;
}

#endif

void jobsrv__wheel_wake_open(jobsrv_t *srv) {
  jobsrv__wheel_wake_t *wake = &srv->wheel_wake;

  wake->fd = -1;
  if (srv->clock->attach == NULL) /* else its owner ticks */
    descriptor_open(srv);
  if (wake->fd < 0)
    uv_timer_init(srv->loop, &wake->handle.timer);
  uv_unref((uv_handle_t *) &wake->handle);
  uv_handle_set_data((uv_handle_t *) &wake->handle, srv);
}

void jobsrv__wheel_wake_set(jobsrv_t *srv, uint64_t ns) {
  if (srv->wheel_wake.fd >= 0) {
    descriptor_set(srv, ns); /* which ends any wait by itself */
    return;
  }
  timer_set(srv, ns);
  jobsrv__armed(srv);
}

void jobsrv__wheel_wake_close(jobsrv_t *srv, uv_close_cb cb) {
  jobsrv__wheel_wake_t *wake = &srv->wheel_wake;

  uv_close((uv_handle_t *) &wake->handle, cb); /* polls no more */
  if (wake->fd >= 0)
    (void) close(wake->fd);
}
