/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_ADAPTERS_LIBEVENT_H
#define JOBSRV_ADAPTERS_LIBEVENT_H
/*
 * A server that was made without a loop, in a libevent base. The struct is the
 * caller's and stays until the server has closed; what it holds is freed then.
 * jobsrv_libevent_add() returns 0 or -1.
 */
#include "jobsrv/loop.h"
#include <event2/event.h>

typedef struct jobsrv_libevent_s {
  jobsrv_t *srv;
  struct event *event; /* NULL once the server is gone */
} jobsrv_libevent_t;
static inline int jobsrv_libevent_arm(jobsrv_libevent_t *to) {
  int ms = jobsrv_timeout_ms(to->srv);
  struct timeval wait = { ms / 1000, ms % 1000 * 1000 };
  return event_add(to->event, ms < 0 ? NULL : &wait);
}
static inline void jobsrv_libevent_run(evutil_socket_t fd, short what,
                                       void *data) {
  jobsrv_libevent_t *to = (jobsrv_libevent_t *) data;
  (void) fd, (void) what;
  if (jobsrv_dispatch(to->srv) == 1) {
    (void) jobsrv_libevent_arm(to);
    return;
  }
  event_free(to->event);
  to->event = NULL;
}
static inline int jobsrv_libevent_add(jobsrv_libevent_t *to, jobsrv_t *srv,
                                      struct event_base *base) {
  to->srv = srv;
  to->event = event_new(base, jobsrv_fd(srv), EV_READ, jobsrv_libevent_run, to);
  return to->event != NULL ? jobsrv_libevent_arm(to) : -1;
}
#endif /* JOBSRV_ADAPTERS_LIBEVENT_H */
