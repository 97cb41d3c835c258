/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_ERRAND_H_
#define JOBSRV_CORE_ERRAND_H_

/*
 * What any thread may leave with a job: a text on its way to the job's plan,
 * in order with all else that thread has sent. It brings the memory for a plan
 * along, so that nothing can fail on arrival.
 */

#include "core/plan.h"

typedef struct jobsrv__errand_s jobsrv__errand_t;

/*
 * On the loop, with the job's plan made, or with `closed` on any thread. The
 * text is the callee's if it takes it out.
 */
typedef void (*jobsrv__errand_cb)(jobsrv__errand_t *errand, int closed);

struct jobsrv__errand_s {
  jobsrv__mail_t mail;
  jobsrv_job_t *job;     /* one reference */
  jobsrv__plan_t *spare;
  jobsrv__errand_cb run;
  void *data;
  jobsrv__left_t text;
};

/*
 * [any] Whether `json`, which may be NULL, is JSON of at most `max` bytes;
 * `*len` 0 stands for its strlen. Returns 0, JOBSRV_EJSON or JOBSRV_ETOOBIG.
 */
int jobsrv__json_fits(const char *json, size_t *len, size_t max);

/* [any] Everything it needs; `json` may be NULL. NULL without memory. */
jobsrv__errand_t *jobsrv__errand_new(jobsrv_job_t *job,
                                     jobsrv__errand_cb run,
                                     const char *json,
                                     size_t len);

/*
 * [any] Sends it, or does it at once where that is in order. Returns 0, or
 * JOBSRV_ECLOSED when it could not be sent; it is freed in any case.
 */
int jobsrv__errand_go(jobsrv__errand_t *errand);

/* One that was never sent. */
void jobsrv__errand_free(jobsrv__errand_t *errand);

#endif /* JOBSRV_CORE_ERRAND_H_ */
