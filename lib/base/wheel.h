/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_BASE_WHEEL_H_
#define JOBSRV_BASE_WHEEL_H_

/*
 * A hierarchical timing wheel. It knows no clock: the owner tells it the time
 * by running it and asks it when to do so next. Arming and disarming cost the
 * same however many timers there are, and nothing is allocated. Belongs to one
 * thread.
 */

#include "jobsrv/timer.h"

#include <stddef.h>
#include <stdint.h>

enum {
  JOBSRV__WHEEL_BITS = 6,
  JOBSRV__WHEEL_SLOTS = 1 << JOBSRV__WHEEL_BITS,
  JOBSRV__WHEEL_LEVELS = 8, /* 48 bits of ticks; 64 bits of ns need 45 */
  JOBSRV__WHEEL_LISTS = JOBSRV__WHEEL_LEVELS * JOBSRV__WHEEL_SLOTS + 2
};

typedef struct jobsrv__wheel_s jobsrv__wheel_t;

struct jobsrv__wheel_s {
  uint64_t now;   /* tick of the last run: all up to it has been collected */
  uint64_t order; /* of the last arming */
  size_t count;
  unsigned int levels; /* bit n: level n holds a timer */
  int running;
  uint64_t used[JOBSRV__WHEEL_LEVELS]; /* bit n: slot n holds a timer */
  jobsrv_timer_t *lists[JOBSRV__WHEEL_LISTS];
};

/* `now_ns` on the clock that the deadlines are of. */
void jobsrv__wheel_init(jobsrv__wheel_t *wheel, uint64_t now_ns);

/*
 * Has `cb` called by the first run at or after `deadline_ns`; for a deadline
 * that has passed, by the next run. An armed timer is moved. `timer` was
 * zeroed once and stays in place until it fires or is disarmed.
 */
void jobsrv__wheel_arm(jobsrv__wheel_t *wheel,
                       jobsrv_timer_t *timer,
                       uint64_t deadline_ns,
                       jobsrv_timer_cb cb);

/* Harmless on a timer that is not armed. */
void jobsrv__wheel_disarm(jobsrv__wheel_t *wheel, jobsrv_timer_t *timer);

/* 1 between arming and firing or disarming, else 0. */
static inline int jobsrv__wheel_armed(const jobsrv_timer_t *timer) {
  return timer->place != 0;
}

/*
 * When to run next: UINT64_MAX when nothing is armed, a time that is not after
 * the last run when something is due already. Exact (the deadline rounded up
 * to a millisecond) for what is near; for what is far a time at or before it,
 * with at most one such early run for each level.
 */
uint64_t jobsrv__wheel_next(const jobsrv__wheel_t *wheel);

/*
 * The same, and never early: when the first timer fires. Looks at all timers of
 * one slot, so it is for clocks that are driven by hand.
 */
uint64_t jobsrv__wheel_due(const jobsrv__wheel_t *wheel);

/*
 * Fires what is due at `now_ns`, in order of deadline, then of arming. The due
 * timers are gathered first: what a callback arms fires in a later run, however
 * early its deadline. A callback may arm, disarm and free any timer, its own
 * and others that are due included; a run from within one does nothing. A
 * `now_ns` before that of an earlier run counts as that one.
 *
 * Returns how many fired.
 */
size_t jobsrv__wheel_run(jobsrv__wheel_t *wheel, uint64_t now_ns);

/*
 * For a wheel on a clock that can be set back, here to `now_ns`: what is armed
 * stays so for its deadline, what a run has gathered still fires. Costs a step
 * for each timer that is armed; nothing when the time is not an earlier one.
 */
void jobsrv__wheel_set_back(jobsrv__wheel_t *wheel, uint64_t now_ns);

/* How many are armed. */
static inline size_t jobsrv__wheel_count(const jobsrv__wheel_t *wheel) {
  return wheel->count;
}

#endif /* JOBSRV_BASE_WHEEL_H_ */
