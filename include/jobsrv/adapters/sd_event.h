/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_ADAPTERS_SD_EVENT_H
#define JOBSRV_ADAPTERS_SD_EVENT_H
/*
 * A server that was made without a loop, in systemd's event loop. The struct,
 * zeroed, stays until the server has closed; what it holds is freed then.
 */
#include "jobsrv/loop.h"
#include <sys/epoll.h>
#include <systemd/sd-event.h>
#include <time.h>
typedef struct jobsrv_sd_event_s {
  jobsrv_t *srv;
  sd_event_source *io, *timer; /* NULL once the server is gone */
} jobsrv_sd_event_t;
static inline int jobsrv_sd_event_run(sd_event_source *s, uint64_t t, void *d) {
  jobsrv_sd_event_t *to = (jobsrv_sd_event_t *) d;
  int on = ((void) s, (void) t, jobsrv_dispatch(to->srv) == 1);
  int ms = on ? jobsrv_timeout_ms(to->srv) : -1;
  if (ms >= 0)
    (void) sd_event_source_set_time_relative(to->timer, (uint64_t) ms * 1000);
  (void) sd_event_source_set_enabled(to->timer, ms < 0 ? 0 : SD_EVENT_ONESHOT);
  if (!on)
    to->timer = sd_event_source_disable_unref(to->timer),
    to->io = sd_event_source_disable_unref(to->io);
  return 0;
}
static inline int jobsrv_sd_event_io(sd_event_source *s, int fd, uint32_t on,
                                     void *d) {
  return (void) fd, (void) on, jobsrv_sd_event_run(s, 0, d);
}
static inline int jobsrv_sd_event_add(jobsrv_sd_event_t *to, jobsrv_t *srv,
                                      sd_event *e) {
  int err = sd_event_add_time(e, &to->timer, CLOCK_MONOTONIC, 0, 1000,
                              jobsrv_sd_event_run, to);
  to->srv = srv;
  return err < 0 ? err : sd_event_add_io(e, &to->io, jobsrv_fd(srv), EPOLLIN,
                                         jobsrv_sd_event_io, to);
}
#endif /* JOBSRV_ADAPTERS_SD_EVENT_H */
