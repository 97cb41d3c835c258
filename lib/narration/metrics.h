/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_NARRATION_METRICS_H_
#define JOBSRV_NARRATION_METRICS_H_

#include "narration/narration.h"

/* Has what is counted of events among the server's metrics, from now on. */
void jobsrv__narration_metrics_add(jobsrv__narration_t *narration);

#endif /* JOBSRV_NARRATION_METRICS_H_ */
