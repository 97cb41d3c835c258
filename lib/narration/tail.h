/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_NARRATION_TAIL_H_
#define JOBSRV_NARRATION_TAIL_H_

/* What the two files of tails share; tail.c says how it works. */

#include "narration/chunk.h"

enum {
  JOBSRV__TAIL_TOLD = 1 << 0, /* and has not read to the end since */
  JOBSRV__TAIL_FRESH = 1 << 1 /* not looked at since it was attached */
};

/* What comes next in a job, at the earliest; and where, if that is known. */
typedef struct jobsrv__next_s {
  uint64_t number;
  uint64_t version;       /* of all logs, that the place is right for */
  jobsrv__chunk_t *chunk; /* NULL: it is not known */
  uint32_t i;
  uint32_t index;         /* the job's, in the slab */
} jobsrv__next_t;

/* Where that is. */
typedef struct jobsrv__place_s {
  jobsrv__log_t *log;     /* NULL: it is not known */
  jobsrv__chunk_t *chunk; /* NULL: a gap or the end */
  uint64_t number;
  uint64_t version;       /* of all logs, that this is right for */
  uint32_t i;
  uint8_t is_end;
} jobsrv__place_t;

typedef struct jobsrv__ahead_s jobsrv__ahead_t;

/* What is ahead of a tail. */
struct jobsrv__ahead_s {
  jobsrv__next_t *heap;   /* each job that is unread up to the horizon, once */
  size_t n;
  size_t cap;
  uint64_t horizon;
  uint32_t walked;        /* jobs, while it is walking */
  uint8_t is_walking;
  uint8_t lacks;          /* there was no memory for all up to the newest */
  jobsrv__place_t top;    /* of the heap */
  jobsrv__queue_t *progress; /* the first that is unread; NULL: not known */
  uint64_t progress_version; /* that this is right for */
  jobsrv__next_t first[16]; /* what it has when there is no memory */
};

typedef enum {
  JOBSRV__AHEAD_NONE,
  JOBSRV__AHEAD_TOP,  /* is known */
  JOBSRV__AHEAD_LATER /* enough was looked at in this turn */
} jobsrv__look_t;

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

/* ---- tail_ahead.c ---- */

/* For a tail that has its number. Returns 0 or UV_ENOMEM. */
int jobsrv__ahead_new(jobsrv_tail_t *tail);
void jobsrv__ahead_free(jobsrv_tail_t *tail);

/* Looks for what comes next: the same place until a log changes. */
jobsrv__look_t jobsrv__ahead_look(jobsrv_tail_t *tail);

/* That was read, and the tail has its number. */
void jobsrv__ahead_step(jobsrv_tail_t *tail);

/* All is read: gives memory back. */
void jobsrv__ahead_rest(jobsrv_tail_t *tail);

#endif /* JOBSRV_NARRATION_TAIL_H_ */
