/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_WORK_H
#define JOBSRV_WORK_H

/*
 * What the one who does the work says: that it is done, has failed, is to be
 * tried again, or waits for an answer. Narration is in narrate.h, the payload's
 * members in args.h.
 *
 * [thread] is the pool thread that is inside the operation's `run`.
 */

#include "jobsrv/job.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * [any] The work is done and the job's resources are let go. `result` is JSON
 * text or NULL, copied. In a thread operation it takes effect when `run`
 * returns; a process operation cannot say it (JOBSRV_ESTATE).
 *
 * Returns 0; JOBSRV_ESETTLED when the work was finished before or abandoned;
 * JOBSRV_ESTATE when the job is not running; JOBSRV_EJSON; JOBSRV_ETOOBIG for
 * a result over its bound; UV_ENOMEM. When not 0, the job is untouched and
 * still has to be finished.
 */
JOBSRV_EXTERN int jobsrv_job_complete(jobsrv_job_t *job,
                                      const char *result,
                                      size_t len);

/*
 * [any] The attempt has failed and its resources are let go. `code` is a stable
 * snake_case word of at most 64 bytes, NULL means "failed"; `message` is for
 * people, may be NULL, and is cut with a mark at 4 KiB. After a request to
 * stop, this is how an operation says that it has stopped. The job is tried
 * again when it has attempts left and the operation's `retryable` does not
 * object. Returns as jobsrv_job_complete(); cannot fail for want of memory when
 * `message` is NULL and `code` is NULL or "cancelled".
 */
JOBSRV_EXTERN int jobsrv_job_fail(jobsrv_job_t *job,
                                  const char *code,
                                  const char *message);

/* [any] As jobsrv_job_fail(), and no other attempt would come to more. */
JOBSRV_EXTERN int jobsrv_job_fail_permanently(jobsrv_job_t *job,
                                              const char *code,
                                              const char *message);

/*
 * [any] As jobsrv_job_fail(), and if there is another attempt, it is to come
 * after `delay_ms`, whatever the backoff.
 */
JOBSRV_EXTERN int jobsrv_job_retry_after(jobsrv_job_t *job,
                                         uint64_t delay_ms,
                                         const char *code,
                                         const char *message);

/*
 * [any] There is nothing to do yet: this attempt lets go, does not count, and
 * comes again after `delay_ms`. Bounded only by the job's deadline. Returns as
 * jobsrv_job_complete(), and JOBSRV_ESTATE for a job without an operation.
 */
JOBSRV_EXTERN int jobsrv_job_snooze(jobsrv_job_t *job, uint64_t delay_ms);

/*
 * [any] Keeps `json` (copied; at most max_result bytes) as where the work has
 * got to, in place of the checkpoint before, for the next attempt to read.
 * Returns 0, JOBSRV_EJSON, JOBSRV_ETOOBIG, JOBSRV_ESTATE when the job is not
 * running, or UV_ENOMEM.
 */
JOBSRV_EXTERN int jobsrv_job_checkpoint(jobsrv_job_t *job,
                                        const char *json,
                                        size_t len);

/*
 * [any while running] The checkpoint that earlier attempts have left, NULL if
 * none has; lent for this attempt, which does not see its own. `len` may be
 * NULL.
 */
JOBSRV_EXTERN const char *jobsrv_job_last_checkpoint(const jobsrv_job_t *job,
                                                     size_t *len);

/* [any while running] Which attempt this is, from 1. */
JOBSRV_EXTERN uint32_t jobsrv_job_attempt(const jobsrv_job_t *job);

/*
 * [any] A running async operation, or the host of a begun job, waits for input:
 * the job is suspended and its slot free, unless the operation keeps it.
 * `prompt` is JSON that says what is asked for, copied, or NULL for a mere
 * pause. The operation's `resume` is called when the answer has come and the
 * job runs again; finishing meanwhile is not possible (JOBSRV_ESTATE).
 *
 * Returns 0; JOBSRV_ESTATE when it is not running, is of another style, or has
 * finished; JOBSRV_CANCELLED when it has been asked to stop; JOBSRV_EJSON;
 * JOBSRV_ETOOBIG for a prompt over max_result; UV_ENOMEM.
 */
JOBSRV_EXTERN int jobsrv_job_suspend(jobsrv_job_t *job,
                                     const char *prompt,
                                     size_t len);

/*
 * [thread] The same for a thread operation, inside `run`: blocks the thread
 * until the job runs again. The answer is then jobsrv_job_input().
 *
 * Returns 0, JOBSRV_CANCELLED when the job was asked to stop, before or
 * meanwhile, or as jobsrv_job_suspend().
 */
JOBSRV_EXTERN int jobsrv_job_ask(jobsrv_job_t *job,
                                 const char *prompt,
                                 size_t len);

/*
 * Answers a suspended job, which then runs again, through the queue if it gave
 * up its slot. `answer` is JSON, copied; NULL merely resumes.
 *
 * Returns 0; JOBSRV_ESTATE when it is not suspended, or answered already;
 * JOBSRV_EJSON; JOBSRV_ETOOBIG for an answer over max_payload; UV_ENOMEM.
 */
JOBSRV_EXTERN int jobsrv_job_answer(jobsrv_job_t *job,
                                    const char *answer,
                                    size_t len);

/*
 * [any while running] The last answer, NULL if there was none; lent until the
 * job is suspended again or ends. `len` may be NULL.
 */
JOBSRV_EXTERN const char *jobsrv_job_input(const jobsrv_job_t *job,
                                           size_t *len);

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_WORK_H */
