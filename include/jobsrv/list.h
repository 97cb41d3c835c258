/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_LIST_H
#define JOBSRV_LIST_H

/* Finding jobs other than by their id. */

#include "jobsrv/job.h"

#ifdef __cplusplus
extern "C" {
#endif

#define JOBSRV_STATE_BIT(state) (1u << (state))

/*
 * Which jobs; a field left zero matches all. A filter with a setting this
 * library does not know matches none.
 */
typedef struct jobsrv_filter_s {
  size_t size;           /* set by jobsrv_filter_init() */
  uint32_t states;       /* of JOBSRV_STATE_BIT() */
  const char *operation;
  const char *tag_key;   /* has this tag */
  const char *tag_value; /* with this value; NULL: any */
  const char *principal;
  int public_only;       /* 1: none that is private */
} jobsrv_filter_t;

static inline void jobsrv_filter_init(jobsrv_filter_t *filter) {
  memset(filter, 0, sizeof(*filter));
  filter->size = sizeof(*filter);
}

/*
 * Where a list goes on: behind a job, even when that has gone since. Zero is
 * the front. Private, but may be kept, copied and sent.
 */
typedef struct jobsrv_page_s {
  uint64_t number;
  jobsrv_handle_t job;
} jobsrv_page_t;

/*
 * Fills `jobs` with at most `max` of those that match, newest first, live and
 * retained; they are lent. `*page` says where to go on, and is moved behind the
 * last one looked at; when the list is at its end it is zero again. `filter`
 * may be NULL. Jobs that come and go between two pages make no other job appear
 * twice or not at all. Costs O(1) for each job looked at, and O(jobs) to find
 * the place again when the job at the end of the page before has gone.
 *
 * Returns how many; 0 only at the end (or for `max` 0).
 */
JOBSRV_EXTERN size_t jobsrv_list(const jobsrv_t *srv,
                                 const jobsrv_filter_t *filter,
                                 jobsrv_page_t *page,
                                 jobsrv_job_t **jobs,
                                 size_t max);

/*
 * Asks all that match to stop, as jobsrv_job_cancel(). Returns how many were
 * not asked before, nor ended or not cancellable.
 */
JOBSRV_EXTERN size_t jobsrv_cancel_all(jobsrv_t *srv,
                                       const jobsrv_filter_t *filter,
                                       const jobsrv_reason_t *reason);

/*
 * The live job that holds the unique key of an operation, lent.
 * Returns 0 or JOBSRV_ENOJOB.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_find_unique(const jobsrv_t *srv,
                       const char *operation,
                       const char *unique_key,
                       jobsrv_job_t **out);

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_LIST_H */
