/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TESTING_SSE_H
#define JOBSRV_TESTING_SSE_H

/*
 * The transport without a network, for a host's tests: request bytes in,
 * response bytes out, no socket, no descriptor, no port. With the manual clock
 * and a seed (jobsrv/testing.h) the same bytes in give the same bytes out.
 *
 *   jobsrv_memory_t *client;
 *   size_t len;
 *
 *   jobsrv_memory_open(&client, sse);
 *   jobsrv_memory_feed(client, request, strlen(request));
 *   jobsrv_run_turns(&loop, 4);
 *   assert(strncmp(jobsrv_memory_output(client, &len), "HTTP/1.1 202", 12)
 *          == 0);
 *   jobsrv_memory_free(client);
 *
 * What was fed, and room that was made, are seen by the transport in the next
 * turn of the loop, as with a socket. It is in libjobsrv-testing, which for its
 * sake needs libjobsrv-sse. All calls belong to the loop thread.
 */

#include "jobsrv/sse.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One connection, the client's end of it. */
typedef struct jobsrv_memory_s jobsrv_memory_t;

/*
 * Connects. The peer's name is "memory"; no limit on what may be written.
 * Returns 0 or what jobsrv_sse_conn_new() returns.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_memory_open(jobsrv_memory_t **out, jobsrv_sse_t *sse);

/*
 * Leaves, as jobsrv_memory_abort(), if that is still to be done, and frees it.
 * NULL is allowed. May come after the transport and its server are gone.
 */
JOBSRV_EXTERN void jobsrv_memory_free(jobsrv_memory_t *memory);

/*
 * Sends bytes to the server, which are copied. It reads them when it wants to,
 * in pieces of its own choosing; to try others, feed less at a time.
 *
 * Returns 0; UV_ENOMEM; UV_EPIPE after jobsrv_memory_end() or when the server
 * has closed.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_memory_feed(jobsrv_memory_t *memory, const void *data, size_t len);

/* Bytes that were fed and are not read yet. */
JOBSRV_EXTERN size_t jobsrv_memory_unread(const jobsrv_memory_t *memory);

/*
 * What the server has sent and was not taken, NUL-terminated; `len`, which may
 * be NULL, gets its length. Lent until the next call for this connection or
 * turn of the loop.
 */
JOBSRV_EXTERN const char *jobsrv_memory_output(const jobsrv_memory_t *memory,
                                               size_t *len);

/* Takes away the first `n` bytes of it, at most all. */
JOBSRV_EXTERN void jobsrv_memory_take(jobsrv_memory_t *memory, size_t n);

/*
 * A client that reads slowly: the server may send `n` bytes from now on; then
 * there is no more room, until this is called again. SIZE_MAX: no limit.
 */
JOBSRV_EXTERN void jobsrv_memory_window(jobsrv_memory_t *memory, size_t n);

/* Ends the client's side: the server reads to the end, and may still send. */
JOBSRV_EXTERN void jobsrv_memory_end(jobsrv_memory_t *memory);

/*
 * The client is gone, as by a reset; what was fed and not read is lost. The
 * server notices within this call.
 */
JOBSRV_EXTERN void jobsrv_memory_abort(jobsrv_memory_t *memory);

typedef enum {
  JOBSRV_MEMORY_OPEN,
  JOBSRV_MEMORY_SHUT,   /* the server sends no more, and reads what comes */
  JOBSRV_MEMORY_CLOSED, /* the server has closed, or the client has aborted */
  JOBSRV_MEMORY_RESET   /* the server has cut the client */
} jobsrv_memory_state_t;

/* How far the server has closed it. */
JOBSRV_EXTERN jobsrv_memory_state_t
jobsrv_memory_state(const jobsrv_memory_t *memory);

/* For jobsrv_run_until() with the connection as data: 1 once it is closed. */
JOBSRV_EXTERN int jobsrv_memory_until_closed(void *memory);

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_TESTING_SSE_H */
