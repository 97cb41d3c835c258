/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_MANY_H_
#define JOBSRV_SSE_MANY_H_

/*
 * Many jobs on one stream: a cursor on each, merged by the numbers that their
 * events have over all jobs. What a stream holds is bounded by its jobs.
 */

#include "sse/stream.h"

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
  uint64_t after; /* all up to here is sent, or below the level */
  size_t n;
  size_t opened;  /* of them, whose records are sent */
  jobsrv__source_t sources[];
};

#endif /* JOBSRV_SSE_MANY_H_ */
