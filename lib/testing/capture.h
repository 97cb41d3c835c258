/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TESTING_CAPTURE_H_
#define JOBSRV_TESTING_CAPTURE_H_

#include "jobsrv/testing.h"

/* A ring of copies, each a block of its own. */
struct jobsrv_capture_s {
  jobsrv_alloc_t alloc;
  jobsrv_sink_t *sink;      /* NULL: its server has closed */
  jobsrv_event_t **events;
  size_t max;
  size_t first;
  size_t count;
  uint64_t lost;
};

/* Where the `i`-th of those kept stands, oldest first. */
static inline jobsrv_event_t **
jobsrv__capture_slot(const jobsrv_capture_t *capture, size_t i) {
  return &capture->events[(capture->first + i) % capture->max];
}

/*
 * NULL when `event` meets `match`; else the name of the first member or field
 * that it fails by.
 */
const char *jobsrv__match_fails(const jobsrv_match_t *match,
                                const jobsrv_event_t *event);

#endif /* JOBSRV_TESTING_CAPTURE_H_ */
