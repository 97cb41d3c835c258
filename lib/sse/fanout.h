/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_FANOUT_H_
#define JOBSRV_SSE_FANOUT_H_

/*
 * Fan-out loops: threads that send what streams have to send, and nothing else.
 *
 * A stream is opened on the server's loop, which keeps its connection and all
 * that is counted. What it lends is the descriptor, the cursor and the rest of
 * what was begun. The fan-out loop sends the log and, in its gaps, heartbeats,
 * until something comes that is not for it: the end, a break, input, a client
 * that left or does not read. Then it closes its handle and sends all of it
 * home, and the server's loop goes on as if it had never been away.
 */

#include "sse/stream.h"

#include "base/mailbox.h"
#include "base/wheel.h"

#include <pthread.h>
#include <stdatomic.h>

enum { JOBSRV__FANOUT_MAX = 64 };

/* Why a stream comes home. */
enum {
  JOBSRV__HOME_GO_ON,
  JOBSRV__HOME_CLIENT,
  JOBSRV__HOME_STALLED,
  JOBSRV__HOME_NO_MEMORY
};

typedef struct jobsrv__fanout_s jobsrv__fanout_t;

/* A loop with its thread. */
struct jobsrv__fanout_s {
  uv_loop_t loop;
  uv_poll_t wake;
  uv_timer_t timer;
  uv_idle_t idle;          /* while `again` is not empty */
  uv_check_t check;
  jobsrv_sse_t *sse;       /* of which only what does not change is read */
  jobsrv__fanouts_t *all;
  jobsrv_reader_t *reader;
  jobsrv__mailbox_t *mailbox;
  pthread_t thread;
  jobsrv_clock_watch_t watch; /* of a clock that is driven by hand */
  _Atomic uint64_t due_ns; /* what it is told then */
  _Atomic uint64_t sent;   /* bytes */
  jobsrv__mail_t stop;
  uint32_t lent;           /* streams; the server's loop counts */
  uint8_t has_loop;
  uint8_t has_thread;
  /* the thread's own */
  jobsrv__wheel_t wheel;
  jobsrv__queue_t lents;
  jobsrv__queue_t again;   /* of them, that had their share of this turn */
  size_t streams;
  uint64_t now_ns;         /* of this turn */
  uint64_t armed_ns;       /* of `timer` */
};

struct jobsrv__fanouts_s {
  jobsrv__mailbox_t *home; /* where streams come back to */
  uv_poll_t poll;          /* on it, in the server's loop */
  uint32_t lent;           /* while there are some the poll is referenced */
  jobsrv__mail_cb on_home; /* of what comes there */
  uint32_t n;
  uint8_t is_stopped;
  jobsrv__fanout_t loops[];
};

/* A stream that is away. Made before it goes, freed when it is back. */
struct jobsrv__lent_s {
  jobsrv__mail_t mail;     /* there and back */
  uv_poll_t poll;
  jobsrv_timer_t timer;
  jobsrv__queue_t link;    /* in fanout->lents or fanout->again */
  jobsrv__fanout_t *fanout;
  jobsrv__stream_t *stream; /* its cursor, rest and has_read are the loop's */
  uint64_t deadline_ns;
  uint64_t armed_ns;       /* of the timer, which may be earlier */
  uint64_t last_write_ns;
  _Atomic uint64_t bytes;  /* sent; looked at from the server's loop */
  _Atomic uint64_t seq;    /* it has come to; likewise */
  int fd;
  uint8_t events;          /* that are waited for */
  uint8_t is_blocked;
  uint8_t is_leaving;
  uint8_t why;
};

/* ---- fanout.c: on the server's loop ---- */

/*
 * Makes the loops that the options ask for. Returns 0, UV_ENOMEM, or what
 * making a loop, a descriptor or a thread returned; jobsrv__fanouts_free() is
 * all there is to undo then.
 */
int jobsrv__fanouts_init(jobsrv_sse_t *sse);

/* They were stopped and no handle is open, or init has failed. */
void jobsrv__fanouts_free(jobsrv_sse_t *sse);

/* Bytes that connections have sent, from whichever loop. */
uint64_t jobsrv__fanouts_sent(const jobsrv_sse_t *sse);

/* 1 when a stream that has begun is of the kind that goes. */
int jobsrv__fanout_wants(const jobsrv__stream_t *stream);

/*
 * Lends it to the loop that has the fewest. Returns 1; or 0 when it stays, for
 * now or, without memory, for good.
 */
int jobsrv__fanout_lend(jobsrv__stream_t *stream);

/* Of one that is away: events it has not sent yet, bytes it has. */
uint64_t jobsrv__fanout_lag(const jobsrv__lent_t *lent);
uint64_t jobsrv__fanout_bytes(const jobsrv__lent_t *lent);

/* ---- fanout_loop.c: the thread ---- */

/* Opens loop and handles, which the thread is to run. As init. */
int jobsrv__fanout_open(jobsrv__fanout_t *fanout);

/* For a loop whose thread could not be had. */
void jobsrv__fanout_unopen(jobsrv__fanout_t *fanout);

/* The thread's main function. */
void *jobsrv__fanout_main(void *fanout);

/* Mails to the thread: here is a stream; stop. */
void jobsrv__fanout_on_lent(jobsrv__mail_t *mail, void *owner);
void jobsrv__fanout_on_stop(jobsrv__mail_t *mail, void *owner);

/* Sends it home; it must not be touched any more. */
void jobsrv__fanout_home(jobsrv__lent_t *lent, int why);

/* Waits for what it needs to, and until when. */
void jobsrv__fanout_watch(jobsrv__lent_t *lent);
void jobsrv__fanout_deadline(jobsrv__lent_t *lent, uint64_t deadline_ns);

/* It has had its share, and goes on in the next turn. */
void jobsrv__fanout_again(jobsrv__lent_t *lent);

/* ---- fanout_send.c: what it sends there ---- */

/* Sends what there is. */
void jobsrv__fanout_pump(jobsrv__lent_t *lent);
void jobsrv__fanout_writable(jobsrv__lent_t *lent);

/* Its deadline has come: a heartbeat is due, or the client does not read. */
void jobsrv__fanout_timeout(jobsrv__lent_t *lent);

#endif /* JOBSRV_SSE_FANOUT_H_ */
