/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_MANY_H_
#define JOBSRV_SSE_MANY_H_

/*
 * Many jobs on one stream. Those that are named: a cursor on each, merged by
 * the numbers that their events have over all jobs. All there are: one tail,
 * and for each what the host's hook has said of it.
 */

#include "sse/stream.h"

typedef struct jobsrv__all_s {
  jobsrv_tail_t tail;  /* its `data` is the stream */
  jobsrv__kept_t kept; /* the request, which the hook is asked about */
  uint64_t opened_at;  /* what was trimmed before that is no lag */
  uint64_t *seen;      /* by a handle's index: generation << 1 | is shown */
  size_t n_seen;
  uint8_t is_asking;   /* the hook is being called */
} jobsrv__all_t;

typedef struct jobsrv__source_s {
  jobsrv_cursor_t cursor; /* its `data` is the stream */
  jobsrv_job_t *job;      /* referenced */
  jobsrv_entry_t entry;   /* that is next, as `what` says */
  jobsrv_view_t gap;
  uint8_t what;           /* jobsrv_read_t */
  uint8_t is_counted;     /* among the job's watchers */
  uint8_t has_read;
  uint8_t is_done;        /* its end was sent */
} jobsrv__source_t;

struct jobsrv__many_s {
  jobsrv__all_t *all; /* NULL: those that are named */
  uint64_t after; /* all up to here is sent, or below the level */
  size_t n;
  size_t opened;  /* of them, whose records are sent */
  jobsrv__source_t sources[];
};

/* ---- stream_many.c ---- */

/* Renders what was read; `job` is NULL for what no job is known of. */
void jobsrv__many_put(const jobsrv__stream_t *stream,
                      jobsrv_job_t *job,
                      jobsrv_read_t what,
                      const jobsrv_entry_t *entry,
                      const jobsrv_view_t *gap,
                      jobsrv__buf_t *buf);

/* Takes the cost of an event off the share of a turn. */
void jobsrv__many_charge(size_t *share, size_t read, size_t rendered);

/* ---- stream_all.c ---- */

int jobsrv__all_send(jobsrv__stream_t *stream, size_t *share);
/* 1 when it is known that a job is not for who watches. */
int jobsrv__all_hides(const jobsrv__all_t *all, const jobsrv_job_t *job);

void jobsrv__all_free(const jobsrv_alloc_t *alloc, jobsrv__all_t *all);

/* ---- many_open.c ---- */

/*
 * Last-Event-ID, or after=, of many jobs. `is_marked`: a bare number is none.
 * Returns 1, or 0 when it has answered.
 */
int jobsrv__many_read_after(jobsrv__request_t *request,
                            int is_marked,
                            jobsrv__resume_t *resume);

#endif /* JOBSRV_SSE_MANY_H_ */
