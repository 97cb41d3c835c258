/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CORE_METRICS_WRITE_H_
#define JOBSRV_CORE_METRICS_WRITE_H_

#include "jobsrv/metrics.h"

enum {
  JOBSRV__METRICS_PIECE = 4096,
  JOBSRV__METRIC_NAME_MAX = 200
};

struct jobsrv_metrics_s {
  jobsrv_metrics_format_t format;
  jobsrv_metrics_cb cb;
  void *data;
  int stopped;               /* what `cb` has returned */
  jobsrv_metric_type_t type; /* of the present family */
  const char *suffix;        /* of its samples */
  char name[JOBSRV__METRIC_NAME_MAX + 1]; /* "": none */
  size_t len;
  char piece[JOBSRV__METRICS_PIECE];
};

/* Behind the last sample: the end of the text, and what is not given yet. */
void jobsrv__metrics_end(jobsrv_metrics_t *to);

/* The library's own figures of jobs, memory and loop. */
void jobsrv__metrics_own(const jobsrv_t *srv, jobsrv_metrics_t *to);

#endif /* JOBSRV_CORE_METRICS_WRITE_H_ */
