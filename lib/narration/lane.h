/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_NARRATION_LANE_H_
#define JOBSRV_NARRATION_LANE_H_

/* What the writer's two halves share: the queue, and the thread behind it. */

#include "base/queue.h"
#include "narration/writer.h"

#include <pthread.h>

/* Records in one piece, lanes of a writer, lists of records with a key. */
enum {
  JOBSRV__PIECE_RECORDS = 64,
  JOBSRV__MAX_LANES = 16,
  JOBSRV__KEY_LISTS = 32
};

typedef struct jobsrv__record_s jobsrv__record_t;

struct jobsrv__lane_s {
  jobsrv__queue_t link;
  jobsrv__writer_t *writer;
  jobsrv__outlet_t *outlet;
  jobsrv__lane_options_t options;

  jobsrv__queue_t waiting;   /* records */
  jobsrv__queue_t keyed[JOBSRV__KEY_LISTS];
  size_t bytes;              /* waiting, and in the piece */
  uint64_t lost;             /* behind the last that waits */
  uint64_t lost_ns;
  uint64_t dropped;          /* in all */
  int closed;
  int broken;                /* nothing can be put ever again */

  /* the piece that is being put: the thread's while it is unlocked */
  char *front;               /* of BATCH_MAX bytes; NULL if whole */
  jobsrv__queue_t taken;     /* records that are still to be copied there */
  jobsrv__record_t *held;    /* a record in a piece of its own */
  const char *piece;
  size_t piece_len;
  size_t piece_at;
  size_t piece_bytes;        /* of `bytes` */
  unsigned int nends;
  size_t ends[JOBSRV__PIECE_RECORDS];
  char notice[JOBSRV__NOTICE_MAX];

  int later;                 /* the last put was to be tried again */
  int tried;                 /* since a flush or a close has asked */
  uint64_t retry_ns;
  int poked;
  uint64_t poke_ns;

  int error;                 /* the outlet's */
  int first_error;           /* what began the trouble that is to be told */
  uint64_t dropped_before;   /* that */
  uint64_t lost_in_it;
  int news;                  /* to be told to the loop */
  int told;                  /* the loop's: it is in trouble */
};

struct jobsrv__writer_s {
  jobsrv_alloc_t alloc;
  pthread_mutex_t lock;
  pthread_cond_t ended;
  pthread_t thread;
  unsigned int refs;         /* the loop's, the thread's, the mail's */
  jobsrv__mailbox_t *mailbox;
  jobsrv__queue_t lanes;
  unsigned int nlanes;
  int wake[2];
  int woken;
  int stop;
  int has_ended;
  jobsrv__mail_t mail;       /* tells the loop */
  int posted;
  int flush_wanted;
  int flushed;
  jobsrv__flushed_cb cb;
  void *arg;
};

/* All of these under the lock, unless they say otherwise. */

/* Has the thread look at its lanes. */
void jobsrv__writer_wake(jobsrv__writer_t *writer);

/* 1 if something waits that could still be put. */
int jobsrv__lane_waits(const jobsrv__lane_t *lane);

/* 1 with the rest of a piece, or the next one. */
int jobsrv__lane_next(jobsrv__lane_t *lane);

/* The piece as it can be put. The thread's, without the lock. */
void jobsrv__lane_load(jobsrv__lane_t *lane);

/* What the outlet said to it. */
void jobsrv__lane_took(jobsrv__lane_t *lane, ssize_t n, uint64_t now_ns);

/* Takes over how the outlet is; 1 if that is news. */
int jobsrv__lane_look(jobsrv__lane_t *lane);

/* With its outlet, which may block: without the lock, and in no list. */
void jobsrv__lane_free(jobsrv__lane_t *lane);

#endif /* JOBSRV_NARRATION_LANE_H_ */
