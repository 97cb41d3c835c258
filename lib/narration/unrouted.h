/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_NARRATION_UNROUTED_H_
#define JOBSRV_NARRATION_UNROUTED_H_

/* Events that belong to no job: to the sinks, and counted by their places. */

#include "narration/narration.h"

enum { JOBSRV__SITES = 64, JOBSRV__SITE_FILE = 64, JOBSRV__SITE_ACTION = 32 };

typedef struct jobsrv__unrouted_site_s {
  uint64_t count;
  int line;
  char file[JOBSRV__SITE_FILE]; /* its end, if it is longer */
  char action[JOBSRV__SITE_ACTION];
} jobsrv__unrouted_site_t;

struct jobsrv__unrouted_s {
  uint64_t others; /* whose places have found no room */
  size_t n;
  jobsrv__unrouted_site_t sites[JOBSRV__SITES];
};

#endif /* JOBSRV_NARRATION_UNROUTED_H_ */
