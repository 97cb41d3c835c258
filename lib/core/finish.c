/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"
#include "core/retry.h"
#include "core/server.h"
#include "jobsrv/operation.h"

#include <stdio.h>
#include <string.h>

/*
 * A finish is claimed by one compare-and-swap, written, then said. What it
 * comes to is judged on the loop, by the token as it is at that moment: so a
 * finish that overtakes the message of a cancel is still judged rightly.
 */

enum { MAX_MESSAGE = 4096, MAX_CODE = 64, MAX_DEPTH = 64 };

static const char *const constants[] = {
  "failed", "cancelled", "no_memory", "start_failed", "spawn_failed",
  "exit_status", "signal", "exit_status_lost",
  "circuit_open",
};

static const char *constant_code(const char *code) {
  if (code == NULL)
    return constants[0];
  for (size_t i = 0; i < sizeof(constants) / sizeof(constants[0]); i++)
    if (strcmp(code, constants[i]) == 0)
      return constants[i];
  return NULL;
}

/* Leaves `finish->code` NULL when there is no memory. */
static void copy_code(const jobsrv_alloc_t *alloc,
                      jobsrv__finish_t *finish,
                      const char *code) {
  finish->code = constant_code(code);
  if (finish->code == NULL) {
    finish->code = jobsrv__strndup(alloc, code, strnlen(code, MAX_CODE));
    finish->owns_code = finish->code != NULL;
  }
}

/* With the delay before it; leaves `finish->code` NULL without memory. */
static void copy_delayed(const jobsrv_alloc_t *alloc,
                         jobsrv__finish_t *finish,
                         const char *code,
                         uint64_t delay_ms) {
  size_t len = strnlen(code, MAX_CODE);
  jobsrv__delayed_t *delayed = jobsrv__malloc(alloc,
                                              sizeof(*delayed) + len + 1);

  if (delayed == NULL)
    return;
  delayed->delay_ms = delay_ms;
  memcpy(delayed->code, code, len);
  delayed->code[len] = '\0';
  finish->code = delayed->code;
  finish->owns_code = 1;
  finish->how |= JOBSRV__FAIL_DELAYED;
}

/* At most MAX_MESSAGE bytes, whole characters, with a mark of what was cut. */
static char *copy_message(const jobsrv_alloc_t *alloc, const char *message) {
  size_t len = strlen(message);
  size_t keep = len;
  char mark[48] = "";
  char *copy;

  if (len > MAX_MESSAGE) {
    keep = MAX_MESSAGE - sizeof(mark);
    while (keep > 0 && ((unsigned char) message[keep] & 0xc0) == 0x80)
      keep--;
    snprintf(mark, sizeof(mark), " ...(+%zu bytes)", len - keep);
  }
  copy = jobsrv__malloc(alloc, keep + strlen(mark) + 1);
  if (copy == NULL)
    return NULL;
  memcpy(copy, message, keep);
  memcpy(copy + keep, mark, strlen(mark) + 1);
  return copy;
}

/* Moves `mine` into the job if nobody was before; else the caller keeps it. */
static int claim(jobsrv_job_t *job, jobsrv__finish_t *mine) {
  unsigned char expected = JOBSRV__FINISH_OPEN;

  if (!atomic_compare_exchange_strong(&job->finish_state, &expected,
                                      JOBSRV__FINISH_CLAIMED))
    return expected == JOBSRV__FINISH_HELD ? JOBSRV_ESTATE : JOBSRV_ESETTLED;
  job->finish = *mine;
  memset(mine, 0, sizeof(*mine));
  expected = JOBSRV__FINISH_CLAIMED;
  if (atomic_compare_exchange_strong(&job->finish_state, &expected,
                                     JOBSRV__FINISH_SAID))
    return 0;
  *mine = job->finish; /* the job ended in between, without looking at it */
  memset(&job->finish, 0, sizeof(job->finish));
  return JOBSRV_ESETTLED;
}

static void on_finish(jobsrv__mail_t *mail, void *owner) {
  jobsrv_job_t *job = JOBSRV__CONTAINER(mail, jobsrv_job_t, mail);

  if (owner != NULL)
    jobsrv__job_let_go(job);
  jobsrv_job_unref(job);
}

/* Takes its place behind what this thread has narrated. */
static void deliver(jobsrv_job_t *job) {
  if (jobsrv__on_loop(job->srv) && jobsrv__mailbox_empty(job->srv->mailbox)) {
    jobsrv__job_let_go(job);
    return;
  }
  jobsrv_job_ref(job);
  job->mail.run = on_finish;
  if (jobsrv__mailbox_post(job->srv->mailbox, &job->mail) != 0)
    jobsrv_job_unref(job); /* the server has closed and ended the job */
}

/* An attempt that was given up has let go after all. [any] */
static void count_late(jobsrv_job_t *job) {
  unsigned char expected = JOBSRV__FINISH_ABANDONED;

  if (atomic_compare_exchange_strong(&job->finish_state, &expected,
                                     JOBSRV__FINISH_CLOSED))
    atomic_fetch_add_explicit(&job->srv->late_finishes, 1,
                              memory_order_relaxed);
}

static int may_finish(jobsrv_job_t *job) {
  jobsrv_state_t state = jobsrv_job_state(job);

  if (jobsrv_state_terminal(state)) {
    count_late(job);
    return JOBSRV_ESETTLED;
  }
  if (state != JOBSRV_STATE_RUNNING ||
      (job->operation != NULL && job->operation->def.style == JOBSRV_PROCESS))
    return JOBSRV_ESTATE;
  return 0;
}

static int finish(jobsrv_job_t *job, jobsrv__finish_t *mine) {
  int err = claim(job, mine);

  if (err != 0) {
    count_late(job);
    jobsrv__finish_clear(&job->srv->alloc, mine);
  } else if (job->operation == NULL ||
             job->operation->def.style != JOBSRV_THREAD) {
    deliver(job); /* a thread operation lets go when `run` returns */
  }
  return err;
}

int jobsrv_job_complete(jobsrv_job_t *job, const char *result, size_t len) {
  jobsrv__finish_t mine = { .completed = 1 };
  jobsrv_json_error_t error;
  int err = may_finish(job);

  if (err != 0)
    return err;
  if (result != NULL) {
    if (len == 0)
      len = strlen(result);
    if (len > job->srv->options.max_result)
      return JOBSRV_ETOOBIG;
    err = jobsrv_json_check(result, len, MAX_DEPTH, &error);
    if (err != 0)
      return err;
    mine.text = jobsrv__strndup(&job->srv->alloc, result, len);
    mine.len = (uint32_t) len;
    if (mine.text == NULL)
      return UV_ENOMEM;
  }
  return finish(job, &mine);
}

/* A failure; with a delay for the next attempt when `how` says so. */
static int fail(jobsrv_job_t *job,
                const char *code,
                const char *message,
                unsigned int how,
                uint64_t delay_ms) {
  const jobsrv_alloc_t *alloc = &job->srv->alloc;
  jobsrv__finish_t mine = { 0 };
  int err = may_finish(job);

  if (err != 0)
    return err;
  mine.how = (uint8_t) (how & ~(unsigned int) JOBSRV__FAIL_DELAYED);
  if (how & JOBSRV__FAIL_DELAYED)
    copy_delayed(alloc, &mine, code != NULL ? code : "failed", delay_ms);
  else
    copy_code(alloc, &mine, code);
  if (message != NULL)
    mine.text = copy_message(alloc, message);
  if (mine.code == NULL || (message != NULL && mine.text == NULL)) {
    jobsrv__finish_clear(alloc, &mine);
    return UV_ENOMEM;
  }
  return finish(job, &mine);
}

int jobsrv_job_fail(jobsrv_job_t *job, const char *code, const char *message) {
  return fail(job, code, message, 0, 0);
}

int jobsrv_job_fail_permanently(jobsrv_job_t *job,
                                const char *code,
                                const char *message) {
  return fail(job, code, message, JOBSRV__FAIL_PERMANENT, 0);
}

int jobsrv_job_retry_after(jobsrv_job_t *job,
                           uint64_t delay_ms,
                           const char *code,
                           const char *message) {
  return fail(job, code, message, JOBSRV__FAIL_DELAYED, delay_ms);
}

int jobsrv_job_snooze(jobsrv_job_t *job, uint64_t delay_ms) {
  if (job->operation == NULL)
    return jobsrv__job_ended(job) ? JOBSRV_ESETTLED : JOBSRV_ESTATE;
  return fail(job, NULL, NULL, JOBSRV__FAIL_DELAYED | JOBSRV__FAIL_SNOOZE,
              delay_ms);
}

int jobsrv__job_say(jobsrv_job_t *job,
                    int completed,
                    const char *code,
                    const char *message) {
  const jobsrv_alloc_t *alloc = &job->srv->alloc;
  jobsrv__finish_t mine = { .completed = completed != 0 };

  if (!completed) {
    copy_code(alloc, &mine, code);
    if (mine.code == NULL)
      mine.code = constant_code(NULL);
    if (message != NULL)
      mine.text = copy_message(alloc, message);
  }
  if (claim(job, &mine) == 0)
    return 1;
  jobsrv__finish_clear(alloc, &mine);
  return 0;
}

void jobsrv__finish_set(jobsrv_job_t *job,
                        const char *code,
                        const char *message) {
  const jobsrv_alloc_t *alloc = &job->srv->alloc;

  jobsrv__finish_clear(alloc, &job->finish);
  job->finish.code = code;
  if (message != NULL)
    job->finish.text = copy_message(alloc, message);
  job->flags |= JOBSRV__JOB_FINISHED;
}

void jobsrv__job_fail_waiting(jobsrv_job_t *job,
                              const char *code,
                              const char *message,
                              int retryable) {
  if (jobsrv__job_ended(job))
    return;
  jobsrv__token_adopt(&job->token);
  jobsrv__token_seal(&job->token);
  if (jobsrv_token_reason(&job->token) != NULL) { /* that was first */
    jobsrv__job_look(job);
    return;
  }
  jobsrv__finish_set(job, code, message);
  if (!retryable)
    job->flags |= JOBSRV__JOB_PERMANENT;
  jobsrv__job_end(job, JOBSRV_STATE_FAILED);
}

/* Returns how it stood before. */
static unsigned char close_finish(jobsrv_job_t *job) {
  unsigned char was = atomic_exchange(&job->finish_state,
                                      JOBSRV__FINISH_CLOSED);

  if (was == JOBSRV__FINISH_SAID)
    job->flags |= JOBSRV__JOB_FINISHED;
  return was;
}

int jobsrv__job_close_finish(jobsrv_job_t *job) {
  (void) close_finish(job);
  return (job->flags & JOBSRV__JOB_FINISHED) != 0;
}

/* Only the end of it: it is not tried again. */
void jobsrv__job_judge(jobsrv_job_t *job) {
  int finished = jobsrv__job_close_finish(job);
  const jobsrv_reason_t *reason;

  if (jobsrv__job_ended(job)) /* by whoever was asked or told of it */
    return;
  jobsrv__token_adopt(&job->token);
  jobsrv__token_seal(&job->token);
  reason = jobsrv_token_reason(&job->token);
  if (reason != NULL)
    jobsrv__job_note_stop(job);
  if (finished && job->finish.completed)
    jobsrv__job_end(job, JOBSRV_STATE_COMPLETED);
  else
    jobsrv__job_end(job, jobsrv__job_stopped_as(job));
}

void jobsrv__job_let_go(jobsrv_job_t *job) {
  unsigned char was;

  if (jobsrv__job_ended(job)) {
    count_late(job);
    return;
  }
  jobsrv_job_ref(job);
  jobsrv__token_adopt(&job->token);
  was = close_finish(job);
  /* what another thread has only begun to write is never to be opened again */
  if (was == JOBSRV__FINISH_CLAIMED ||
      !jobsrv__retry(job, was == JOBSRV__FINISH_SAID))
    jobsrv__job_judge(job);
  jobsrv_job_unref(job);
}
