/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_NARRATION_SINK_H_
#define JOBSRV_NARRATION_SINK_H_

/* A sink as its server sees it. Loop thread. */

#include "narration/narration.h"

typedef struct jobsrv__pattern_s {
  const char *text;         /* NULL: all pass */
  size_t len;               /* without the '*' */
  int open;                 /* it had one: whatever begins so passes */
} jobsrv__pattern_t;

/* One block with its texts. */
typedef struct jobsrv__filter_s {
  jobsrv__pattern_t job_id;
  jobsrv__pattern_t operation;
  jobsrv__pattern_t actor;
  jobsrv__pattern_t action;
  jobsrv__id_t id;
  int one_job;              /* `job_id` is `id`, not a pattern */
} jobsrv__filter_t;

struct jobsrv_sink_s {
  jobsrv__queue_t link;
  jobsrv__narration_t *narration;
  jobsrv_sink_ops_t ops;
  void *self;
  int level;
  int progress;
  int removed;
  unsigned int pins;        /* the list's, and of calls that come back to it */
  uint64_t born;            /* events numbered up to here are not for it */
  uint64_t born_in;          /* the delivery, if it was inside of one */
  uint64_t flushed;         /* every flush up to this one */
  uint64_t flushing;        /* the one it was asked for last */
  int asked;                /* and has not answered */
  jobsrv__filter_t *filter; /* NULL: all */
  jobsrv_redactor_t *redactor; /* NULL: none */
};

/* The last pin frees it. */
void jobsrv__sink_let_go(jobsrv_sink_t *sink);

/* 1 if a sink at its level lets the event pass otherwise. */
int jobsrv__filter_passes(const jobsrv__filter_t *filter,
                          const jobsrv_event_t *event,
                          const jobsrv_job_t *job);

/* ---- flush.c ---- */

/* Asks it, unless it owes an answer. Returns 0 if it has been removed in it. */
int jobsrv__sink_flush(jobsrv_sink_t *sink);

/* Whoever waited for a sink that is removed now may wait no longer. */
void jobsrv__flushes_look(jobsrv__narration_t *narration);

#endif /* JOBSRV_NARRATION_SINK_H_ */
