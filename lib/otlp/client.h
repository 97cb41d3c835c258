/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_OTLP_CLIENT_H_
#define JOBSRV_OTLP_CLIENT_H_

/*
 * One request at a time over one connection, which stays while both sides keep
 * it. A connection that turns out to be closed when a request is sent on it
 * again is made anew, once, without telling anybody.
 */

#include "jobsrv/timer.h"
#include "otlp/endpoint.h"
#include "otlp/response.h"

#include <uv.h>

typedef struct jobsrv__otlp_client_s jobsrv__otlp_client_t;
typedef struct jobsrv__otlp_conn_s jobsrv__otlp_conn_t;
typedef struct jobsrv__otlp_lookup_s jobsrv__otlp_lookup_t;

typedef enum {
  JOBSRV__OTLP_IDLE,
  JOBSRV__OTLP_LOOKUP,
  JOBSRV__OTLP_CONNECTING,
  JOBSRV__OTLP_SENDING,
  JOBSRV__OTLP_WAITING
} jobsrv__otlp_state_t;

/*
 * `err` is 0 with `client->response`, or why there is none. The last thing that
 * is done in a callback: the client may be closed, or send again, in here.
 */
typedef void (*jobsrv__otlp_done_cb)(jobsrv__otlp_client_t *client, int err);

enum { JOBSRV__OTLP_ADDRESSES = 8 };

struct jobsrv__otlp_client_s {
  /* set by the owner */
  const jobsrv_alloc_t *alloc;
  jobsrv_t *srv;
  uv_loop_t *loop;
  const jobsrv__otlp_endpoint_t *endpoint;
  uint32_t timeout_ms;
  jobsrv__otlp_done_cb done;
  void *data;
  /* to be read */
  jobsrv__otlp_state_t state;
  jobsrv__otlp_response_t response;
  uint64_t connects;
  /* private */
  jobsrv_timer_t timer;
  jobsrv__otlp_conn_t *conn;
  jobsrv__otlp_lookup_t *lookup;
  jobsrv__otlp_address_t addresses[JOBSRV__OTLP_ADDRESSES];
  unsigned int naddresses;
  unsigned int next_address;
  const char *head;
  size_t head_len;
  const char *body;
  size_t body_len;
  size_t sent;
  int is_reused; /* the connection has carried a request before */
  int holds_loop;
};

/* The owner's fields are set, all else is zero. */
void jobsrv__otlp_client_init(jobsrv__otlp_client_t *client);

/* Lets go of everything; a request under way is not told of. */
void jobsrv__otlp_client_close(jobsrv__otlp_client_t *client);

/*
 * Sends; both are lent until `done`, which is never called from in here.
 * Returns 0, or a negative code and `done` is not called.
 */
int jobsrv__otlp_client_send(jobsrv__otlp_client_t *client,
                             const char *head,
                             size_t head_len,
                             const char *body,
                             size_t body_len);

/* Whether the connection keeps the loop alive. */
void jobsrv__otlp_client_hold(jobsrv__otlp_client_t *client, int yes);

#endif /* JOBSRV_OTLP_CLIENT_H_ */
