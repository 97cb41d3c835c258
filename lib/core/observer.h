/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_OBSERVER_H_
#define JOBSRV_CORE_OBSERVER_H_

/*
 * What core tells whoever looks on; narration is the one who does. Core knows
 * nothing of events, logs or sinks, only this table. All on the loop thread
 * but those of contexts.
 * None may fail: what cannot be remembered is the observer's to count.
 */

#include "jobsrv/job.h"
#include "jobsrv/narrate.h"
#include "jobsrv/process.h"

typedef struct jobsrv__observer_s {
  /*
   * A transition has been made; its number is still to be given, by this call
   * (jobsrv__job_number()). `from` equals `to` at creation and at a request to
   * cancel. Never called for the end.
   */
  void (*transition)(jobsrv_job_t *job,
                     jobsrv_state_t from,
                     jobsrv_state_t to);
  /* The end has been decided; its number is still to be given, by this call. */
  void (*ended)(jobsrv_job_t *job, jobsrv_state_t from);
  /* It has ended, and is no longer retained. */
  void (*expired)(jobsrv_job_t *job);
  /* The slot is being given back: free what hangs on job->log. */
  void (*gone)(jobsrv_job_t *job);
  /* Around every callback and thread operation made for a job. */
  void (*enter)(jobsrv_context_t *context, jobsrv_job_t *job);
  void (*leave)(jobsrv_context_t *context);
  /* What is in force on this thread, to be entered again for a callback that
     is asked for now. [any] As jobsrv_context_capture() and so on. */
  int (*capture)(jobsrv_snapshot_t **out);
  void (*resume)(jobsrv_context_t *context, const jobsrv_snapshot_t *snapshot);
  void (*forget)(jobsrv_snapshot_t *snapshot);
  /* The span of the job that this thread is inside of; 0: none. */
  uint64_t (*span)(const jobsrv_job_t *job);
  /*
   * A piece of a line of a child's output, without its line end. `stream` is
   * 1 or 2; `part` is 0 for a whole line, else 1 for the first piece of a long
   * one, 2 for a middle and 3 for the last. `format` is as what it is read.
   */
  void (*line)(jobsrv_job_t *job,
               int stream,
               jobsrv_output_t format,
               int part,
               const char *text,
               size_t len);
  /* A child of the job's runs, before its first line; `program` as named. */
  void (*started)(jobsrv_job_t *job, int pid, const char *program);
  /* It has been reaped, behind its last line; how it ended is in the slot. */
  void (*exited)(jobsrv_job_t *job, uint64_t duration_ns);
  /* The end of a turn: flush. Asks for another turn if work is left. */
  void (*turn)(jobsrv_t *srv);
  /* Drain has ended all jobs: finish sinks, then jobsrv__observer_done(). */
  void (*finish)(jobsrv_t *srv);
  /* The retained events of a job; first > last when there are none. */
  void (*range)(const jobsrv_job_t *job, uint64_t *first, uint64_t *last);
  /* The server closes; after this call only `gone` is called. */
  void (*close)(jobsrv_t *srv);
} jobsrv__observer_t;

/* Answers `finish`; at most once, may be called inside it. */
void jobsrv__observer_done(jobsrv_t *srv);

#endif /* JOBSRV_CORE_OBSERVER_H_ */
