/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_WHEEL_WAKE_H_
#define JOBSRV_CORE_WHEEL_WAKE_H_

/*
 * What wakes the loop for the wheel. The loop's own timers count whole
 * milliseconds from a time that is up to one old, and come as much as two late;
 * a descriptor is told nanoseconds. Where there is none to be had, the loop's
 * timers have to do.
 */

#include "jobsrv/loop.h"

#include <uv.h>

typedef struct jobsrv__wheel_wake_s {
  int fd; /* -1: none */
  union {
    uv_poll_t poll;
    uv_timer_t timer;
  } handle;
} jobsrv__wheel_wake_t;

/* Puts its handle into the loop. */
void jobsrv__wheel_wake_open(jobsrv_t *srv);

/* Wakes the loop in `ns` from now, instead of when it was to before. */
void jobsrv__wheel_wake_set(jobsrv_t *srv, uint64_t ns);

/* `cb` as of uv_close(). */
void jobsrv__wheel_wake_close(jobsrv_t *srv, uv_close_cb cb);

/* Provided by loop.c: the moment has come. */
void jobsrv__on_wheel_wake(jobsrv_t *srv);

#endif /* JOBSRV_CORE_WHEEL_WAKE_H_ */
