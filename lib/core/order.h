/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_ORDER_H_
#define JOBSRV_CORE_ORDER_H_

/*
 * Where queued jobs wait, and which of them is in front. Loop thread.
 *
 * A lane is first come, first served: the jobs of one operation, one priority
 * and one exclusive group. A seat has the four lanes of an operation and a
 * group; two seats of each operation are for jobs without one, and for
 * suspended attempts that go on. The lanes of a group that is free are in a
 * tree, by the ticket of the job in front; while it is taken they are in none,
 * so that jobs nobody may start cost nothing to those who look for one.
 */

#include "core/job.h"

enum { JOBSRV__CLASSES = JOBSRV_PRIORITY_MAX - 1 };

typedef struct jobsrv__group_s jobsrv__group_t;
typedef struct jobsrv__lane_s jobsrv__lane_t;
typedef struct jobsrv__seat_s jobsrv__seat_t;

struct jobsrv__lane_s {
  jobsrv__queue_t jobs;  /* by ticket, by in_state */
  jobsrv__lane_t *left;  /* in the tree */
  jobsrv__lane_t *right;
  uint64_t key;          /* what it is in the tree by; 0: it is not */
};

struct jobsrv__seat_s {
  jobsrv__operation_t *operation;
  jobsrv__group_t *group;  /* NULL: none, of the two built-in ones */
  jobsrv__queue_t in_operation;
  jobsrv__queue_t in_group;
  uint32_t refs;           /* operation and jobs; group.c */
  uint32_t sweep;          /* the last that has come by: drain.c */
  jobsrv__lane_t lanes[JOBSRV__CLASSES];
};

/* A class is a priority that counts from 0. */
static inline int jobsrv__class(const jobsrv_job_t *job) {
  return job->priority - 1;
}

/* 1 if its attempt is under way, suspended: it goes on when it has a slot. */
static inline int jobsrv__goes_on(const jobsrv_job_t *job) {
  return (job->flags & JOBSRV__JOB_STARTED) != 0;
}

void jobsrv__seat_init(jobsrv__seat_t *seat,
                       jobsrv__operation_t *operation,
                       jobsrv__group_t *group);

/* A new operation's part of it. */
void jobsrv__order_init(jobsrv__operation_t *operation);

/* Puts a job behind those of its priority, with a new ticket. */
void jobsrv__order_put(jobsrv_job_t *job);

/* Takes it out, wherever it is. */
void jobsrv__order_take(jobsrv_job_t *job);

/*
 * The job of a class that waits longest, those of taken groups aside, or NULL.
 * With `starts` 0 only suspended attempts that go on.
 */
jobsrv_job_t *jobsrv__order_front(const jobsrv__operation_t *operation,
                                  int class,
                                  int starts);

/* Its place by priority and ticket among all that are queued, from 1. */
uint32_t jobsrv__order_position(const jobsrv_job_t *job);

/* A group was taken, or is free: its seats' lanes leave the trees, or enter. */
void jobsrv__seat_shut(jobsrv__seat_t *seat);
void jobsrv__seat_open(jobsrv__seat_t *seat);

#endif /* JOBSRV_CORE_ORDER_H_ */
