/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_SSE_CONN_H_
#define JOBSRV_SSE_CONN_H_

/*
 * What a handler may do with the connection of its request: turn it into a
 * stream and write to it. All calls belong to the loop thread.
 */

#include "jobsrv/sse_route.h"

#include "sse/request.h"

typedef struct jobsrv__stream_ops_s jobsrv__stream_ops_t;

/*
 * Called from the loop, never from within a call of this header. Each may make
 * any of them.
 */
struct jobsrv__stream_ops_s {
  /* There is room again, after a jobsrv__conn_send() that took less than all
     of it, or after a start whose bytes did not all go out at once. */
  void (*writable)(void *stream);
  /* Nothing was written for heartbeat_ms, and the socket is not full. */
  void (*idle)(void *stream);
  /* The client left, or was cut for not reading, or the transport closes. The
     connection has let go of the stream already. */
  void (*gone)(void *stream);
};

/*
 * Answers `request` with 200, these headers and a body without end: chunked in
 * HTTP/1.1 (the stream writes the chunks itself), until close in HTTP/1.0.
 * `first` are the first bytes of that body, sent together with the head; what
 * the socket does not take of them is kept. Not for HEAD: see
 * jobsrv__respond_stream_head(). Only from jobsrv__route_body() or later.
 * `stream` is not called before this has returned to the loop. What the client
 * sends meanwhile waits (32 KiB at most) and is read after the stream; when the
 * client ends its side it has left.
 *
 * Returns 0; then the connection holds `stream` until `gone`, or
 * jobsrv__conn_finish(), or jobsrv__conn_cut(), or a negative
 * jobsrv__conn_send(), whichever is first, and does not know it after that.
 * UV_ENOMEM: nothing was sent, the request is still to be answered. Another
 * negative code: the connection is dead, the request is answered as far as can
 * be, and `stream` was never held.
 */
int jobsrv__conn_stream(jobsrv__request_t *request,
                        const jobsrv__header_t *headers,
                        size_t n,
                        const void *first,
                        size_t first_len,
                        const jobsrv__stream_ops_t *ops,
                        void *stream);

/*
 * A request beyond its exchange, for who is asked about it later. It is over as
 * the connection is.
 */
typedef struct jobsrv__kept_s {
  jobsrv__request_t request;
  void *memory; /* its own */
} jobsrv__kept_t;

/* Takes what `request` consists of; right behind jobsrv__conn_stream(). */
void jobsrv__request_keep(jobsrv__kept_t *kept, jobsrv__request_t *request);

/* Harmless on a zeroed one. */
void jobsrv__request_let_go(const jobsrv_alloc_t *alloc, jobsrv__kept_t *kept);

/*
 * The head may pass, after JOBSRV_SSE_LATER: goes on from the loop, never from
 * within.
 */
void jobsrv__conn_pass(jobsrv__request_t *request);

/*
 * Sends now, without waiting and without keeping anything.
 *
 * Returns how many bytes were taken: less than `len`, 0 too, when the socket is
 * full; then `writable` will be called. Until then write_stall_ms runs and is
 * set back by progress. A negative code means that the connection died: it has
 * let go of the stream, `gone` will not be called, and `conn` must not be used
 * any more, but for one jobsrv__conn_cut() right away, which does nothing.
 */
int64_t jobsrv__conn_send(jobsrv__conn_t *conn, const void *data, size_t len);

/* 1 when a send would take nothing: `writable` is due. */
int jobsrv__conn_blocked(const jobsrv__conn_t *conn);

/*
 * The stream has written its last byte (in HTTP/1.1 the last chunk): the
 * connection lets go of it and reads the next request, or closes once the
 * client has had everything. Nothing is called from within.
 */
void jobsrv__conn_finish(jobsrv__conn_t *conn);

/* The stream cannot go on: the connection lets go of it and is cut. */
void jobsrv__conn_cut(jobsrv__conn_t *conn);

/*
 * ---- with another thread ----
 *
 * A streaming socket may go, unless there is something unsent or unread: its
 * descriptor. Until jobsrv__conn_return() it is not looked at, has no deadline
 * and must not be closed.
 */
int jobsrv__conn_may_lend(const jobsrv__conn_t *conn);
int jobsrv__conn_lend(jobsrv__conn_t *conn);

/*
 * `stalls_ns`: not 0 when a send has not taken all, and `writable` is due; when
 * the client has been waited for long enough.
 */
void jobsrv__conn_return(jobsrv__conn_t *conn,
                         uint64_t last_write_ns,
                         uint64_t stalls_ns);

/* Cuts a stream whose client does not read; it is told. */
void jobsrv__conn_stall(jobsrv__conn_t *conn);

/* The client has left; the stream is told. */
void jobsrv__conn_leave(jobsrv__conn_t *conn);

/*
 * [any] One send, without waiting. Returns bytes taken, 0 when there is no room
 * now, or a negative code.
 */
int64_t jobsrv__socket_send(int fd, const void *data, size_t len);

/* jobsrv_now() of the last write that took anything. */
uint64_t jobsrv__conn_last_write_ns(const jobsrv__conn_t *conn);

/* Of a stream that is `gone`: 1 when it was cut for not reading. */
int jobsrv__conn_has_stalled(const jobsrv__conn_t *conn);

/* 1 for a unix socket. */
int jobsrv__conn_is_unix(const jobsrv__conn_t *conn);

/*
 * Writes "127.0.0.1:50412", "[::1]:50412" or "unix" and a NUL; an empty string
 * when the peer cannot be told. `cap` is at least 64.
 */
void jobsrv__conn_peer(const jobsrv__conn_t *conn, char *to, size_t cap);

/* What jobsrv_sse_credentials() promises, but for `size`. */
int jobsrv__conn_credentials(const jobsrv__conn_t *conn,
                             jobsrv_sse_credentials_t *credentials);

#endif /* JOBSRV_SSE_CONN_H_ */
