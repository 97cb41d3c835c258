/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_CONN_STATE_H_
#define JOBSRV_SSE_CONN_STATE_H_

/*
 * What the files of the connection share. A connection is in one stage at a
 * time:
 *
 *   HEAD -> (BODY) -> HANDLING -> FLUSH -> (BODY) -> HEAD ...
 *                             \-> STREAM -> FLUSH -> HEAD ...
 *   any -> LINGER -> CLOSED
 *
 * HEAD and BODY read; HANDLING is with the routes until they answer; FLUSH
 * waits until the client has taken the answer, and a body nobody wanted is
 * read off behind it. One request is looked at at a time; what the client
 * sends ahead waits in the exchange's input.
 */

#include "sse/body.h"
#include "sse/conn.h"
#include "sse/head_check.h"
#include "sse/internal.h"
#include "sse/request.h"

enum {
  JOBSRV__CONN_HEAD,
  JOBSRV__CONN_BODY,
  JOBSRV__CONN_HANDLING,
  JOBSRV__CONN_FLUSH,
  JOBSRV__CONN_STREAM,
  JOBSRV__CONN_LINGER,
  JOBSRV__CONN_CLOSED /* until the loop has let go of the handle */
};

enum {
  JOBSRV__STREAM_INPUT_MAX = 32 * 1024, /* kept unread behind a stream */
  JOBSRV__WAITING_MAX = 64 * 1024,      /* kept unread behind an answer */
  JOBSRV__LINGER_MAX = 256 * 1024,
  JOBSRV__LINGER_MS = 1000,
  JOBSRV__REQUESTS_A_TURN = 32
};

typedef struct jobsrv__out_s jobsrv__out_t;
typedef struct jobsrv__exchange_s jobsrv__exchange_t;

/* What the socket did not take. */
struct jobsrv__out_s {
  size_t len;
  size_t sent;
  char data[];
};

/* A request on its way and the input behind it; not there on an idle
   connection nor, unless the client has sent ahead, on a streaming one. */
struct jobsrv__exchange_s {
  jobsrv__buf_t in;
  size_t at; /* what of `in` is done with */
  uint8_t has_begun; /* the head's clock runs */
  uint8_t is_body_done;
  uint8_t awaits_continue; /* the client may be holding the body back */
  jobsrv__head_t head;
  jobsrv__body_t body;
  jobsrv__buf_t data; /* of the body */
  void *memory;       /* of the request */
  jobsrv__request_t request;
};

struct jobsrv__conn_s {
  uv_poll_t poll;
  jobsrv_timer_t timer;
  jobsrv__queue_t link; /* in sse->conns or sse->resume */
  jobsrv_sse_t *sse;
  jobsrv__exchange_t *exchange;
  jobsrv__out_t *out;
  const jobsrv__stream_ops_t *ops;
  void *stream;
  uint64_t deadline_ns;   /* UINT64_MAX: none */
  uint64_t armed_ns;      /* of the timer, which may be earlier */
  uint64_t last_write_ns;
  int fd;
  uint32_t lingered; /* bytes read and thrown away */
  uint8_t stage;
  uint8_t events;        /* that the poll handle waits for */
  uint8_t closes;        /* behind the present answer */
  uint8_t is_blocked;    /* the stream waits for `writable` */
  uint8_t has_eof;       /* the client has ended its side */
  uint8_t has_hung_up;   /* the same, seen while not reading */
  uint8_t is_processing;
  uint8_t is_deferred;   /* had its share of this turn */
  uint8_t is_turned_away;
  uint8_t is_unix;
  uint8_t is_shut;       /* our side is ended */
  uint8_t had_request;
};

/* conn.c */

/*
 * Takes over an accepted descriptor, which it closes on failure.
 * With `is_turned_away` it is told so and lingers.
 */
int jobsrv__conn_new(jobsrv_sse_t *sse, int fd, int is_unix,
                     int is_turned_away);

/* Closes at once. A stream or an unanswered request is told. */
void jobsrv__conn_close(jobsrv__conn_t *conn);

/* The same by a reset: what the client has not read is dropped. */
void jobsrv__conn_reset(jobsrv__conn_t *conn);

/* Has the poll handle wait for what the stage needs. */
void jobsrv__conn_watch(jobsrv__conn_t *conn);

void jobsrv__conn_deadline(jobsrv__conn_t *conn, uint64_t deadline_ns);
void jobsrv__conn_deadline_in(jobsrv__conn_t *conn, uint64_t ms);

/* Goes on with this connection at the end of the turn. */
void jobsrv__conn_resume_later(jobsrv__conn_t *conn);

/* In jobsrv__http_finish(): closes what is between requests. */
void jobsrv__conn_wind_up(jobsrv__conn_t *conn);

/* conn_read.c */

/* One read, and what follows from it. */
void jobsrv__conn_on_readable(jobsrv__conn_t *conn);

/* Goes as far as input, output and budget allow. */
void jobsrv__conn_process(jobsrv__conn_t *conn);

/* Room for input, or NULL. */
jobsrv__exchange_t *jobsrv__exchange_get(jobsrv__conn_t *conn);

/* The request is over: all goes but waiting input. */
void jobsrv__exchange_end(jobsrv__conn_t *conn);
void jobsrv__exchange_free(jobsrv__conn_t *conn);

/* 1 when the client may send more for now. */
int jobsrv__conn_has_room(const jobsrv__conn_t *conn);

/* Answers what is not (yet) a request with a problem, and closes. */
void jobsrv__conn_refuse(jobsrv__conn_t *conn,
                         int status,
                         const char *code,
                         unsigned int retry_after_s,
                         const char *detail);

/* conn_write.c */

/* One send. Returns bytes taken, 0 for a full socket, or a negative errno. */
int64_t jobsrv__conn_push(jobsrv__conn_t *conn, const void *data, size_t len);

/*
 * Sends, and keeps what is not taken. On failure the connection is closed.
 * Returns 0 or a negative code.
 */
int jobsrv__conn_write(jobsrv__conn_t *conn, const void *data, size_t len);

/* Sends of what is kept. Returns 0 or a negative code. */
int jobsrv__conn_flush(jobsrv__conn_t *conn);

/* Whether the connection closes behind the answer to `request`. */
int jobsrv__conn_closes(const jobsrv__request_t *request);

/* The one way out for an answer; the second to a request is ignored. */
void jobsrv__conn_answer(jobsrv__request_t *request,
                         int status,
                         const void *data,
                         size_t len,
                         int closes);

/* Begins the lingering close. */
void jobsrv__conn_linger(jobsrv__conn_t *conn);
/* What the linger stage does next, after a read or a write. */
void jobsrv__conn_linger_on(jobsrv__conn_t *conn);

/* conn_stream.c */

void jobsrv__conn_stream_writable(jobsrv__conn_t *conn);
void jobsrv__conn_stream_readable(jobsrv__conn_t *conn);
void jobsrv__conn_stream_timeout(jobsrv__conn_t *conn);

/* response.c */
void jobsrv__stream_head_write(jobsrv__request_t *request,
                               const jobsrv__header_t *headers,
                               size_t n,
                               int closes,
                               jobsrv__buf_t *to);

#endif /* JOBSRV_SSE_CONN_STATE_H_ */
