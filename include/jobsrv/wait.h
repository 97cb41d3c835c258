/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_WAIT_H
#define JOBSRV_WAIT_H

/* Waiting for jobs to end: for one, for all or for any of several. */

#include "jobsrv/job.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct jobsrv_wait_s jobsrv_wait_t;

typedef enum {
  JOBSRV_WAIT_ALL,
  JOBSRV_WAIT_ANY
} jobsrv_wait_for_t;

/*
 * Called once, on the loop thread; the wait may be used again, or freed, in
 * here. `status` is 0 with the job that decided it, lent (NULL when there was
 * none to wait for); UV_ETIMEDOUT; or JOBSRV_ECLOSED: the server closes. The
 * jobs' end is then visible, and its hooks have been called.
 */
typedef void (*jobsrv_wait_cb)(jobsrv_wait_t *wait,
                               int status,
                               jobsrv_job_t *job);

/* Lives in the caller's own struct until called back. Zero it once. */
struct jobsrv_wait_s {
  /* public */
  void *data;
  /* private */
  jobsrv_wait_cb cb;
  void *state;
};

/*
 * Waits for `n` jobs, which it references; ended ones and the same one twice
 * are fine. Always calls back later than this call. None: ALL is met, ANY times
 * out. `timeout_ms` 0 looks and calls back at once; UINT64_MAX waits until the
 * server closes.
 *
 * Returns 0; JOBSRV_ESETTLED when the wait is in use; UV_ENOMEM;
 * JOBSRV_ECLOSED.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_wait(jobsrv_t *srv,
                jobsrv_wait_t *wait,
                jobsrv_wait_for_t what,
                jobsrv_job_t *const *jobs,
                size_t n,
                uint64_t timeout_ms,
                jobsrv_wait_cb cb);

/* Takes it back uncalled. Harmless on one that is not in use. */
JOBSRV_EXTERN void jobsrv_wait_cancel(jobsrv_wait_t *wait);

/*
 * [any but the loop thread] Blocks until `job`, which the caller holds, has
 * ended. Time is real time, whatever the server's clock. Returns 0;
 * UV_ETIMEDOUT; JOBSRV_EONLOOP; UV_ENOMEM.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_job_wait(jobsrv_job_t *job, uint64_t timeout_ms);

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_WAIT_H */
