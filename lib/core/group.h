/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_GROUP_H_
#define JOBSRV_CORE_GROUP_H_

/*
 * Exclusive groups: of the jobs that name one, across operations, one at a time
 * has it: from the start of an attempt to its end, suspension included. A group
 * exists as long as an operation or a live job names it. Loop thread.
 */

#include "core/order.h"

/*
 * The seat of an operation's jobs in a group, made if need be, with one more
 * reference. Returns 0 or UV_ENOMEM.
 */
int jobsrv__seat_get(jobsrv_t *srv,
                     jobsrv__operation_t *operation,
                     const char *group,
                     jobsrv__seat_t **out);
void jobsrv__seat_put(jobsrv_t *srv, jobsrv__seat_t *seat);

/* A job that has a plan is of a group of its own. Returns 0 or UV_ENOMEM. */
int jobsrv__group_join(jobsrv_job_t *job, const char *name);

/* Where a job's attempts wait to begin. */
jobsrv__seat_t *jobsrv__job_seat(const jobsrv_job_t *job);

/* 1 while a job has it. */
int jobsrv__group_taken(const jobsrv__group_t *group);

/* Its attempt begins: the group, if it is in one, is its own. */
void jobsrv__group_enter(jobsrv_job_t *job);

/* Its attempt is over; harmless when it has none. */
void jobsrv__group_leave(jobsrv_job_t *job);

/* The job has ended: it will not wait again. */
void jobsrv__group_part(jobsrv_job_t *job);

/* Of a job, NULL without; kept for as long as the job. */
const char *jobsrv__group_name(const jobsrv_job_t *job);

/* The server closes, its jobs have ended: operations let go of theirs. */
void jobsrv__groups_close(jobsrv_t *srv);

#endif /* JOBSRV_CORE_GROUP_H_ */
