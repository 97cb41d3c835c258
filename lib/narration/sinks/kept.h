/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_NARRATION_SINKS_KEPT_H_
#define JOBSRV_NARRATION_SINKS_KEPT_H_

/* The half of a sink that makes records of events, in front of an outlet. */

#include "base/buf.h"
#include "narration/narration.h"
#include "narration/writer.h"

#include "jobsrv/sinks.h"

typedef struct jobsrv__kept_s jobsrv__kept_t;

typedef struct jobsrv__kept_options_s {
  /* Appends the record of an event. */
  void (*encode)(void *format, jobsrv__buf_t *buf, const jobsrv_event_t *event);
  void *format; /* freed by `free_format`, also on failure; NULL: none */
  void (*free_format)(void *format, const jobsrv_alloc_t *alloc);
  const jobsrv_sink_options_t *sink;
  jobsrv_overflow_t overflow;
  uint32_t max_queue; /* 0: 4 MiB */
  jobsrv_sink_trouble_cb on_trouble;
  void *data;
} jobsrv__kept_options_t;

/* 0, or what is wrong with it, or the server, before anything is made. */
int jobsrv__kept_check(const jobsrv_t *srv, jobsrv_overflow_t overflow);

/* Takes the outlet and the format, also on failure. As jobsrv_sink_add(). */
int jobsrv__kept_add(jobsrv_t *srv,
                     jobsrv__outlet_t *outlet,
                     const jobsrv__kept_options_t *options,
                     jobsrv_sink_t **out);

/* Its lane, if it was made with this `encode`; else NULL. */
jobsrv__lane_t *jobsrv__kept_lane(jobsrv_sink_t *sink,
                                  void (*encode)(void *format,
                                                 jobsrv__buf_t *buf,
                                                 const jobsrv_event_t *event));

#endif /* JOBSRV_NARRATION_SINKS_KEPT_H_ */
