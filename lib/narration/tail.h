/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_NARRATION_TAIL_H_
#define JOBSRV_NARRATION_TAIL_H_

/* What the two files of tails share; tail.c says how it works. */

#include "narration/chunk.h"

enum {
  JOBSRV__TAIL_TOLD = 1 << 0, /* and has not read to the end since */
  JOBSRV__TAIL_FRESH = 1 << 1 /* not looked at since it was attached */
};

/* What comes next in a log. */
typedef struct jobsrv__next_s {
  uint64_t number;
  jobsrv__log_t *log;
  jobsrv__chunk_t *chunk; /* NULL: a gap or the end */
  uint32_t i;
  uint8_t is_end;
} jobsrv__next_t;

static inline jobsrv__log_t *jobsrv__tails_log(jobsrv__queue_t *link) {
  return JOBSRV__CONTAINER(link, jobsrv__log_t, in_tails);
}

/* The newest number of a log, its end among them. */
static inline uint64_t jobsrv__tails_newest(const jobsrv__log_t *log) {
  return log->job->end_server_seq != 0 &&
                 atomic_load_explicit(&log->ended, memory_order_relaxed)
             ? log->job->end_server_seq
             : jobsrv__log_newest_number(log);
}

/* ---- tail.c ---- */

/* Has all tails looked at in this turn. */
void jobsrv__tails_wake(jobsrv__logs_t *logs);

/* From where on events of a trimmed log are missing: 1 when nobody knows. */
uint64_t jobsrv__tail_missed(const jobsrv_tail_t *tail,
                             const jobsrv__log_t *log);
void jobsrv__tail_forget_missed(jobsrv_tail_t *tail);

/* ---- tail_read.c ---- */

/* The heap, of which one has changed, or of which nothing is in order. */
void jobsrv__tails_sift(jobsrv__tails_t *tails, size_t at);
void jobsrv__tails_heapify(jobsrv__tails_t *tails);

#endif /* JOBSRV_NARRATION_TAIL_H_ */
