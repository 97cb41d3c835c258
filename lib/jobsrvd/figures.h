/* SPDX-License-Identifier: MIT */
#ifndef JOBSRVD_FIGURES_H
#define JOBSRVD_FIGURES_H

/* What the process takes of the machine, among the server's metrics. */

#include <jobsrv/metrics.h>

typedef struct jobsrvd_figures_s {
  jobsrv_collector_t collector;
  double started; /* seconds, UTC */
} jobsrvd_figures_t;

/* Has them there until the server closes; `figures` is zeroed. */
void jobsrvd_figures_add(jobsrvd_figures_t *figures, jobsrv_t *srv);

#endif /* JOBSRVD_FIGURES_H */
