/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_WALL_H_
#define JOBSRV_CORE_WALL_H_

/*
 * Timers on the wall clock: they follow it when it is set, forward or back, and
 * when the machine has slept. A second wheel keyed by wall time, so that many
 * of them are cheap. It is made with the first timer; where there is none there
 * is no descriptor either.
 */

#include "jobsrv/timer.h"

#include <stdint.h>

/*
 * A timer like any other, but never to be given to the server's monotonic
 * wheel while it is armed here, or the other way round. Zero it once; in the
 * callback it is disarmed, and may be armed again or freed.
 */
typedef jobsrv_timer_t jobsrv__wall_timer_t;

/*
 * Makes what wall timers need, so that arming one can no longer fail. Returns
 * 0, UV_ENOMEM, or what making a descriptor returned (UV_EMFILE, ...).
 */
int jobsrv__wall_open(jobsrv_t *srv);

/*
 * Has `cb` called on the loop once jobsrv_wall_now() has reached `wall_ns`, in
 * a later turn when that has passed. Due together, they are called in order of
 * time, then of arming. An armed timer is moved. It does not keep the loop
 * alive.
 *
 * Returns 0, or as jobsrv__wall_open() with the timer as it was; never fails
 * when that has succeeded before.
 */
int jobsrv__wall_arm(jobsrv_t *srv,
                     jobsrv__wall_timer_t *timer,
                     uint64_t wall_ns,
                     jobsrv_timer_cb cb);

/* Harmless on a timer that is not armed, and after close. */
void jobsrv__wall_disarm(jobsrv_t *srv, jobsrv__wall_timer_t *timer);

/* 1 between arming and firing or disarming, else 0. */
int jobsrv__wall_armed(const jobsrv__wall_timer_t *timer);

/*
 * For a clock that is driven by hand: when, on the monotonic clock, the first
 * of them is due if nobody sets the wall clock; UINT64_MAX for never.
 */
uint64_t jobsrv__wall_next(const jobsrv_t *srv);

/* Calls what is due, and sees whether the clock was set back. */
void jobsrv__wall_look(jobsrv_t *srv);

/* With the loop's handles; then, when the last of these is gone. */
void jobsrv__wall_close(jobsrv_t *srv);
void jobsrv__wall_free(jobsrv_t *srv);

#endif /* JOBSRV_CORE_WALL_H_ */
