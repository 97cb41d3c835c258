/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TIMER_H
#define JOBSRV_TIMER_H

/*
 * Time. A server takes all of it from one clock, and all its deadlines are
 * timers on one hierarchical timing wheel, which hosts may use too.
 */

#include "jobsrv/export.h"

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct jobsrv_s jobsrv_t;
typedef struct jobsrv_timer_s jobsrv_timer_t;
typedef struct jobsrv_clock_s jobsrv_clock_t;
typedef struct jobsrv_clock_watch_s jobsrv_clock_watch_t;

/*
 * What a clock that is driven by hand is given by each server that uses it
 * (jobsrv/testing.h has such a clock). Lives inside the server.
 */
struct jobsrv_clock_watch_s {
  /* Earliest time the server wants to be ticked, UINT64_MAX for never. */
  uint64_t (*next)(jobsrv_clock_watch_t *watch);
  /* Runs what is due; called on the server's loop thread. */
  void (*tick)(jobsrv_clock_watch_t *watch);
  /* the clock's own */
  jobsrv_clock_watch_t *link[2];
};

/*
 * A source of time. `monotonic_ns` is never 0 and never goes back; `wall_ns` is
 * nanoseconds since 1970-01-01T00:00:00Z. Both are called from any thread. With
 * `attach` set, the server does not arm a timer in its loop: it attaches one
 * watch and waits to be ticked; `detach` ends that.
 */
struct jobsrv_clock_s {
  uint64_t (*monotonic_ns)(const jobsrv_clock_t *clock);
  uint64_t (*wall_ns)(const jobsrv_clock_t *clock);
  void (*attach)(jobsrv_clock_t *clock, jobsrv_clock_watch_t *watch);
  void (*detach)(jobsrv_clock_t *clock, jobsrv_clock_watch_t *watch);
  void *data;
};

/* The timer is already disarmed: it may be armed again, or freed, in here. */
typedef void (*jobsrv_timer_cb)(jobsrv_timer_t *timer);

/* Lives in the caller's own struct; arming allocates nothing. Zero it once. */
struct jobsrv_timer_s {
  /* public */
  void *data;
  /* private */
  jobsrv_timer_cb cb;
  jobsrv_timer_t *next;
  jobsrv_timer_t *prev;
  uint64_t deadline_ns;
  uint64_t order;
  uint16_t place;
};

/* [any] The server's monotonic time in nanoseconds, read now. */
JOBSRV_EXTERN uint64_t jobsrv_now(const jobsrv_t *srv);

/* [any] The server's wall time in nanoseconds since the epoch, read now. */
JOBSRV_EXTERN uint64_t jobsrv_wall_now(const jobsrv_t *srv);

/*
 * Calls `cb` on the loop thread once jobsrv_now() has reached `deadline_ns`:
 * never before it, and on an idle loop within about a millisecond. Timers due
 * together fire in order of deadline, then of arming. Arming an armed timer
 * moves it. An armed timer does not keep the loop alive.
 */
JOBSRV_EXTERN void jobsrv_timer_arm(jobsrv_t *srv,
                                    jobsrv_timer_t *timer,
                                    uint64_t deadline_ns,
                                    jobsrv_timer_cb cb);

/* Harmless on a timer that is not armed. */
JOBSRV_EXTERN void jobsrv_timer_disarm(jobsrv_t *srv, jobsrv_timer_t *timer);

/* 1 between arming and firing or disarming, else 0. */
JOBSRV_EXTERN int jobsrv_timer_armed(const jobsrv_timer_t *timer);

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_TIMER_H */
