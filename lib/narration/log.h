/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_NARRATION_LOG_H_
#define JOBSRV_NARRATION_LOG_H_

/*
 * The log of a job, written by the loop thread alone; jobsrv/log.h says what
 * is in it. A job without narration, watcher or sink has none: its transitions
 * wait as notes in the slot until jobsrv__log_open() puts them in.
 */

#include "core/server.h"
#include "jobsrv/log.h"

#include <stdatomic.h>

typedef struct jobsrv__chunk_s jobsrv__chunk_t;

/*
 * What is kept for those who read all jobs as one, see tail.c. A log is in
 * `read` or in `unread`, each in the order of the newest numbers; in `unread`
 * its job is referenced.
 */
typedef struct jobsrv__tails_s {
  size_t n;
  jobsrv_tail_t all;          /* head of a ring */
  jobsrv_tail_t due;          /* those that are still to be told this turn */
  jobsrv__queue_t read;
  jobsrv__queue_t unread;
  size_t n_unread;
  jobsrv__queue_t progressed; /* by tick */
  uint64_t tick;
  uint64_t progress_version;  /* of that queue */
  uint64_t forgotten;         /* highest number of what has gone unread */
  uint64_t version;           /* of all logs: what was found is of one */
  uint32_t looks;             /* at jobs, that are left in this turn */
  uint8_t has_news;
  uint8_t telling;
} jobsrv__tails_t;

/* Live logs by the logarithm of their bytes: the largest is at the top. */
enum { JOBSRV__LOG_CLASSES = 24 };

/* The narration's part of a server, srv->narration, begins with this. */
typedef struct jobsrv__logs_s {
  jobsrv_t *srv;
  jobsrv__queue_t dirty;     /* logs with something to tell their cursors */
  jobsrv__queue_t all;       /* logs, oldest first */
  jobsrv__queue_t readers;
  jobsrv__queue_t ended;     /* logs of ended jobs with events, oldest first */
  jobsrv__queue_t live[JOBSRV__LOG_CLASSES];
  _Atomic uint64_t bytes;    /* of all chunks, pinned ones included */
  _Atomic(jobsrv__chunk_t *) spare; /* kept for the next log that grows */
  char id_head[24];          /* "id: <boot>-" */
  uint32_t id_head_len;
  uint64_t numbered[JOBSRV_KIND_MAX]; /* events, so far */
  uint64_t trimmed;          /* of them, to keep within bounds */
  jobsrv__tails_t tails;
} jobsrv__logs_t;

/* The logs of a server. */
static inline jobsrv__logs_t *jobsrv__logs(const jobsrv_t *srv) {
  return (jobsrv__logs_t *) srv->narration;
}

void jobsrv__logs_init(jobsrv__logs_t *logs, jobsrv_t *srv);

/* Makes the log if there is none, with the noted transitions in it. */
int jobsrv__log_open(jobsrv_job_t *job);

/*
 * Appends one event, numbering it. `body` is its JSON from behind the seq to
 * the last brace: `"time":"...",...}`. `*json`, which may be NULL, becomes the
 * whole object, lent until the log is next written to. Opens the log. Returns
 * 0, UV_ENOMEM, JOBSRV_EENDED or JOBSRV_ETOOBIG (nothing was numbered).
 */
int jobsrv__log_append(jobsrv_job_t *job,
                       jobsrv_kind_t kind,
                       int level,
                       const char *body,
                       size_t len,
                       const char **json,
                       size_t *json_len);

/*
 * A transition or request to cancel: into the log, or into the slot's notes
 * when there is no log yet. Counts as dropped when neither has room.
 */
void jobsrv__log_transition(jobsrv_job_t *job,
                            jobsrv_state_t from,
                            jobsrv_state_t to);

/* Numbers the end in the slot and tells the cursors. */
void jobsrv__log_end(jobsrv_job_t *job);

/* The newest event, lent until the log is written to. Returns 0 without one. */
int jobsrv__log_newest(const jobsrv_job_t *job, jobsrv_entry_t *entry);

/* The latest progress; coalesced. Returns 0 or UV_ENOMEM. */
int jobsrv__log_progress(jobsrv_job_t *job, const jobsrv_progress_t *progress);

/* A job is there, or has ended: its parent's progress may be news. */
void jobsrv__progress_born(const jobsrv_job_t *job);
void jobsrv__progress_ended(jobsrv_job_t *job);

/* Writes `"progress":{...}` for the record, 0 when there is none. */
size_t jobsrv__log_progress_json(const jobsrv_job_t *job, char *to, size_t cap);

/* First and last seq that are retained (the end not counted in `last`). */
void jobsrv__log_range(const jobsrv_job_t *job,
                       uint64_t *first,
                       uint64_t *last);

/* Tells the cursors of every dirty log, once; asks for a turn for the rest. */
void jobsrv__logs_flush(jobsrv_t *srv);

/* Frees a job's log; no cursor holds it, for a cursor holds the job. */
void jobsrv__log_free(jobsrv_job_t *job);

/* ---- tail.c ---- */

void jobsrv__tails_init(jobsrv__tails_t *tails);

/* The log has a new number, or a new value of its progress. */
void jobsrv__tails_news(jobsrv__log_t *log);
void jobsrv__tails_progress(jobsrv__log_t *log);

/* Its first events, up to and with the one of that number, are to go. */
void jobsrv__tails_trimming(jobsrv__log_t *log,
                            jobsrv__chunk_t *chunk,
                            uint64_t number);

/* It is freed. */
void jobsrv__tails_leave(jobsrv__log_t *log);

/* Events of the job up to this number are in no log, or not any more. */
void jobsrv__tails_forgotten(const jobsrv_job_t *job, uint64_t number);

/* It is no longer retained. */
void jobsrv__tails_expired(const jobsrv_job_t *job);

/* Tells those that have something to read, each once. */
void jobsrv__tails_tell(jobsrv_t *srv);

void jobsrv__tails_close(jobsrv__logs_t *logs);

/*
 * The server closes: every cursor with something unread is told (READ_END
 * follows its events). Logs stay with their jobs: what is attached can be read
 * as before, until jobsrv__log_free() comes for each job that is still held.
 */
void jobsrv__logs_close(jobsrv_t *srv);

#endif /* JOBSRV_NARRATION_LOG_H_ */
