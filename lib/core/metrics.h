/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_METRICS_H_
#define JOBSRV_CORE_METRICS_H_

/*
 * What is counted of jobs beside jobsrv_stats_t, by operation. Belongs to the
 * loop thread.
 */

#include "jobsrv/job.h"
#include "jobsrv/metrics.h"

enum { JOBSRV__METERED_MAX = 128 }; /* operations with figures of their own */

typedef struct jobsrv__job_metrics_s {
  uint64_t submitted;
  uint64_t ended[3];          /* by outcome, from COMPLETED on */
  jobsrv_histogram_t queue;   /* of attempts */
  jobsrv_histogram_t run;     /* of jobs that were started */
  jobsrv_histogram_t cancel;  /* of jobs that were asked to stop */
} jobsrv__job_metrics_t;

typedef struct jobsrv__metrics_s {
  jobsrv__job_metrics_t begun; /* jobs without an operation */
  jobsrv__job_metrics_t other; /* of the operations beyond METERED_MAX */
  uint32_t metered;            /* operations that have been given theirs */
  jobsrv_histogram_t loop_lag;
  jobsrv_collector_t collectors; /* head of a ring */
} jobsrv__metrics_t;

void jobsrv__metrics_init(jobsrv_t *srv);
void jobsrv__metrics_close(jobsrv_t *srv);

/* Where the jobs of the next operation are counted: `own`, or all others'. */
jobsrv__job_metrics_t *jobsrv__metrics_of(jobsrv_t *srv,
                                          jobsrv__job_metrics_t *own);

void jobsrv__metrics_created(const jobsrv_job_t *job);

/* An attempt starts: `since_ns` is still when it became runnable. */
void jobsrv__metrics_attempt(const jobsrv_job_t *job);

/* `finished_ns` and the token's reason are set. */
void jobsrv__metrics_ended(const jobsrv_job_t *job, jobsrv_state_t how);

/* The loop was to wake then, and has woken now. */
void jobsrv__metrics_woken(jobsrv_t *srv, uint64_t due_ns, uint64_t now_ns);

#endif /* JOBSRV_CORE_METRICS_H_ */
