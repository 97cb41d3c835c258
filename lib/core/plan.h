/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_PLAN_H_
#define JOBSRV_CORE_PLAN_H_

/*
 * What a job has beyond its operation's way of running it: limits of its own, a
 * time, company, what is left between attempts. Most jobs have none, which is
 * what keeps a slot small. Made at submit, or when it is first needed, on the
 * loop; goes with the slot. Each part belongs to the file that is named.
 */

#include "core/job.h"
#include "core/limits.h"
#include "core/order.h"
#include "core/wall.h"

/* A text that somebody has left, NUL-terminated; `data` NULL: none. */
typedef struct jobsrv__left_s {
  char *data;
  size_t len;
} jobsrv__left_t;

/* What a job's children add up to. */
typedef struct jobsrv__fold_s {
  uint64_t total; /* weights */
  uint64_t done;  /* weights by millionths */
  double floor;   /* the largest fraction that has been told */
} jobsrv__fold_t;

struct jobsrv__plan_s {
  jobsrv__limits_t limits;
  struct jobsrv__unique_s *unique;  /* unique.c: its key */
  struct jobsrv__waiter_s *waits; /* wait.c: to be told of its end */
  jobsrv_job_t *job;

  char *group;             /* group.c: the name of its own group */
  jobsrv__seat_t *seat;    /* group.c: until it ends, where it waits for it */

  jobsrv__fold_t fold;     /* family.c */
  struct jobsrv__after_s *after;           /* after.c: what it waits for */
  struct jobsrv__dependents_s *dependents; /* after.c: who waits for it */

  uint8_t holds;           /* hold.c: what keeps it scheduled */
  uint8_t was_held;        /* hold.c: it was not runnable from the first */
  uint64_t queued_wall;    /* hold.c: when it last became runnable */

  uint64_t run_at_ns;      /* start.c; of JOBSRV__HOLD_TIME; 0: by the wall */
  uint64_t run_at_wall;    /* start.c; 0: it has no time */
  uint64_t watch_by_ns;    /* start.c; of JOBSRV__HOLD_STREAM */
  jobsrv__wall_timer_t wall;  /* start.c */

  uint64_t leave_ns;       /* watchers.c: unwatched, cancelled then; 0: not */

  uint64_t next_ns;        /* retry.c: of the next attempt */
  uint64_t next_wall;
  jobsrv__left_t checkpoint;       /* checkpoint.c: by this attempt */
  jobsrv__left_t last_checkpoint;  /* by those before */

  jobsrv__left_t prompt;   /* suspend.c */
  jobsrv__left_t input;
  uint64_t used_ns;        /* suspend.c: of the attempt that is paused */
  uint64_t quiet_ns;       /* and for how long it had been silent */

  uint64_t stuck_ns;       /* stop.c: the stuck hook's next; 0: grace's end */
  uint8_t stuck_calls;

  atomic_uchar listens;    /* clocks.c: its silence is measured */
  _Atomic uint64_t heard_ns;  /* by any thread: the last word of it */
};

/*
 * The job's plan, made if need be with its operation's limits.
 * Returns NULL without memory.
 */
jobsrv__plan_t *jobsrv__plan(jobsrv_job_t *job);

/* Takes a zeroed plan that was allocated before as the job's, or frees it. */
void jobsrv__plan_take(jobsrv_job_t *job, jobsrv__plan_t *spare);

/* Lets go of what is of no use to a job that has ended, and let go. */
void jobsrv__plan_settle(jobsrv_job_t *job);

/* Frees it and what it holds; harmless without one. */
void jobsrv__plan_free(jobsrv_job_t *job);

/* Puts a text, or none, in the place of the one there. */
void jobsrv__left_set(const jobsrv_alloc_t *alloc,
                      jobsrv__left_t *left,
                      char *data,
                      size_t len);

/*
 * Measures for how long nothing is heard of a running job, which has been
 * silent for `quiet_ns` so far; ending that returns for how long it has been.
 */
void jobsrv__job_listen(jobsrv_job_t *job, uint64_t quiet_ns);
uint64_t jobsrv__job_deafen(jobsrv_job_t *job);

/* Something is heard of a job. [any] */
static inline void jobsrv__job_heard(const jobsrv_job_t *job) {
  jobsrv__plan_t *plan =
      atomic_load_explicit(&job->plan, memory_order_acquire);

  if (plan != NULL &&
      atomic_load_explicit(&plan->listens, memory_order_relaxed))
    atomic_store_explicit(&plan->heard_ns, jobsrv_now(job->srv),
                          memory_order_relaxed);
}

#endif /* JOBSRV_CORE_PLAN_H_ */
