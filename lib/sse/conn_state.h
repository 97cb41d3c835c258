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

typedef struct jobsrv__io_s jobsrv__io_t;
typedef struct jobsrv__out_s jobsrv__out_t;
typedef struct jobsrv__exchange_s jobsrv__exchange_t;

/*
 * What carries the bytes: a socket (conn_socket.c), or what the host attached
 * (conn_io.c). None waits, and none calls back from within but `close`.
 */
struct jobsrv__io_s {
  /* Bytes; 0 when there are none now; UV_EOF; or another negative code. */
  int64_t (*read)(jobsrv__conn_t *conn, void *to, size_t cap);
  /* Bytes taken, 0 when there is no room now, or a negative code. */
  int64_t (*write)(jobsrv__conn_t *conn, const void *data, size_t len);
  /* Has jobsrv__conn_on_ready() called when one of these holds. */
  void (*want)(jobsrv__conn_t *conn, int events);
  /* Ends our side. */
  void (*shut)(jobsrv__conn_t *conn);
  /* The last call. With `is_reset` what was not taken yet is dropped. */
  void (*close)(jobsrv__conn_t *conn, int is_reset);
  /* See jobsrv__conn_peer(). */
  void (*peer)(const jobsrv__conn_t *conn, char *to, size_t cap);
};

/* What was not taken. */
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
  uint8_t has_passed;      /* the head that was held back */
  jobsrv__head_t head;
  jobsrv__body_t body;
  jobsrv__buf_t data; /* of the body */
  void *memory;       /* of the request */
  jobsrv__request_t request;
};

struct jobsrv__conn_s {
  union {
    uv_handle_t any;
    uv_poll_t poll; /* of a socket */
    uv_idle_t idle; /* never started: only to be closed by the loop */
  } handle;
  const jobsrv__io_t *io;
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
  int fd;            /* -1: not a socket, or closed */
  uint32_t lingered; /* bytes read and thrown away */
  uint8_t stage;
  uint8_t events;        /* that are waited for */
  uint8_t closes;        /* behind the present answer */
  uint8_t is_blocked;    /* the stream waits for `writable` */
  uint8_t has_eof;       /* the client has ended its side */
  uint8_t has_hung_up;   /* the same, seen while not reading */
  uint8_t is_processing;
  uint8_t is_deferred;   /* had its share of this turn */
  uint8_t is_turned_away;
  uint8_t is_unix;
  uint8_t is_shut;       /* our side is ended */
  uint8_t has_stalled;   /* and was cut for it */
  uint8_t had_request;
  uint8_t is_lent;       /* its descriptor is another thread's */
};

/* conn.c */

/*
 * Begins a connection whose `handle` is open and whose `io` is set; all else is
 * zero. With `is_turned_away` the client is told so and it lingers. Freed, once
 * closed, as one block.
 */
void jobsrv__conn_begin(jobsrv__conn_t *conn,
                        jobsrv_sse_t *sse,
                        int is_turned_away);

/* Goes on with what holds of what was wanted. */
void jobsrv__conn_on_ready(jobsrv__conn_t *conn, int events);

/* Closes at once. A stream or an unanswered request is told. */
void jobsrv__conn_close(jobsrv__conn_t *conn);

/* The same by a reset: what the client has not read is dropped. */
void jobsrv__conn_reset(jobsrv__conn_t *conn);

/* Has `io` wait for what the stage needs. */
void jobsrv__conn_watch(jobsrv__conn_t *conn);

void jobsrv__conn_deadline(jobsrv__conn_t *conn, uint64_t deadline_ns);
void jobsrv__conn_deadline_in(jobsrv__conn_t *conn, uint64_t ms);

/* Goes on with this connection at the end of the turn. */
void jobsrv__conn_resume_later(jobsrv__conn_t *conn);

/* In jobsrv__http_finish(): closes what is between requests. */
void jobsrv__conn_wind_up(jobsrv__conn_t *conn);

/* conn_socket.c */

/*
 * Takes over an accepted descriptor, which it closes on failure.
 * Returns 0 or a negative code.
 */
int jobsrv__conn_accept(jobsrv_sse_t *sse, int fd, int is_unix,
                        int is_turned_away);

/*
 * Begins with a descriptor of ours and, as if read already, these bytes. On
 * failure it is still open.
 */
int jobsrv__conn_adopt(jobsrv_sse_t *sse,
                       int fd,
                       int is_unix,
                       const void *bytes,
                       size_t len);

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
