/* SPDX-License-Identifier: MIT */

#include "sse/conn_state.h"

#include "base/alloc.h"
#include "sse/request_parse.h"
#include "sse/response.h"

#include <string.h>

jobsrv__exchange_t *jobsrv__exchange_get(jobsrv__conn_t *conn) {
  jobsrv__exchange_t *exchange = conn->exchange;

  if (exchange != NULL)
    return exchange;
  exchange = jobsrv__zalloc(conn->sse->alloc, sizeof(*exchange));
  if (exchange == NULL)
    return NULL;
  jobsrv__buf_init(&exchange->in, conn->sse->alloc, 0);
  jobsrv__buf_init(&exchange->data, conn->sse->alloc, 0);
  jobsrv__buf_init(&exchange->request.extra, conn->sse->alloc, 0);
  conn->exchange = exchange;
  return exchange;
}

void jobsrv__exchange_free(jobsrv__conn_t *conn) {
  jobsrv__exchange_t *exchange = conn->exchange;

  if (exchange == NULL)
    return;
  conn->exchange = NULL;
  jobsrv__buf_free(&exchange->in);
  jobsrv__buf_free(&exchange->data);
  jobsrv__buf_free(&exchange->request.extra);
  jobsrv__free(conn->sse->alloc, exchange->memory);
  jobsrv__free(conn->sse->alloc, exchange);
}

void jobsrv__exchange_end(jobsrv__conn_t *conn) {
  jobsrv__exchange_t *exchange = conn->exchange;
  jobsrv__buf_t in;
  size_t at;

  if (exchange == NULL)
    return;
  if (exchange->at >= exchange->in.len) {
    jobsrv__exchange_free(conn);
    return;
  }
  jobsrv__buf_free(&exchange->data);
  jobsrv__buf_free(&exchange->request.extra);
  jobsrv__free(conn->sse->alloc, exchange->memory);
  in = exchange->in;
  at = exchange->at;
  memset(exchange, 0, sizeof(*exchange));
  exchange->in = in;
  exchange->at = at;
  jobsrv__buf_init(&exchange->data, conn->sse->alloc, 0);
  jobsrv__buf_init(&exchange->request.extra, conn->sse->alloc, 0);
}

/* The exchange has to do with it until it ends, which is before the stream. */
void jobsrv__request_keep(jobsrv__kept_t *kept, jobsrv__request_t *request) {
  jobsrv__exchange_t *exchange =
      JOBSRV__CONTAINER(request, jobsrv__exchange_t, request);

  kept->request = *request;
  kept->memory = exchange->memory;
  exchange->memory = NULL;
  kept->request.body = jobsrv__span("", 0);
  kept->request.gone = NULL;
  kept->request.operation = NULL;
  jobsrv__buf_init(&kept->request.extra, request->sse->alloc, 0);
}

void jobsrv__request_let_go(const jobsrv_alloc_t *alloc,
                            jobsrv__kept_t *kept) {
  if (kept->memory == NULL)
    return;
  jobsrv__buf_free(&kept->request.extra);
  jobsrv__free(alloc, kept->memory);
  kept->memory = NULL;
}

/* Ends of heads among the waiting bytes, which is near enough: a body that
   holds one only makes reading pause earlier. */
static size_t waiting_requests(const jobsrv__exchange_t *exchange) {
  const char *p = exchange->in.data + exchange->at;
  size_t left = exchange->in.len - exchange->at;
  const char *found;
  size_t n = 0;

  while (left >= 4 && (found = memmem(p, left, "\r\n\r\n", 4)) != NULL) {
    left -= (size_t) (found - p) + 4;
    p = found + 4;
    n++;
  }
  return n;
}

int jobsrv__conn_has_room(const jobsrv__conn_t *conn) {
  const jobsrv__exchange_t *exchange = conn->exchange;
  size_t waiting = exchange != NULL ? exchange->in.len - exchange->at : 0;

  switch (conn->stage) {
  case JOBSRV__CONN_STREAM:
    return waiting < JOBSRV__STREAM_INPUT_MAX;
  case JOBSRV__CONN_LINGER:
    return conn->lingered < JOBSRV__LINGER_MAX;
  case JOBSRV__CONN_HANDLING:
  case JOBSRV__CONN_FLUSH:
    break;
  default:
    if (!conn->is_deferred)
      return 1;
    break;
  }
  return waiting == 0 ||
         (waiting < JOBSRV__WAITING_MAX &&
          waiting_requests(exchange) < conn->sse->options.max_pipelined);
}

/* Bytes, no more than the buffer holds, 0 at the end or when there is nothing
   (then `has_eof` tells), or a negative errno. */
static int64_t receive(jobsrv__conn_t *conn, size_t most) {
  size_t max = most < JOBSRV__READ_SIZE ? most : JOBSRV__READ_SIZE;
  int64_t n = conn->io->read(conn, conn->sse->read_buffer, max);

  if (n != UV_EOF)
    return n;
  conn->has_eof = 1;
  return 0;
}

static void keep_input(jobsrv__conn_t *conn, size_t len) {
  jobsrv__exchange_t *exchange = jobsrv__exchange_get(conn);

  if (exchange != NULL && exchange->at > 0) {
    jobsrv__buf_consume(&exchange->in, exchange->at);
    exchange->at = 0;
  }
  if (exchange == NULL ||
      jobsrv__buf_append(&exchange->in, conn->sse->read_buffer, len) != 0)
    jobsrv__conn_close(conn); /* no memory even to say so */
}

void jobsrv__conn_on_readable(jobsrv__conn_t *conn) {
  int64_t n = receive(conn, JOBSRV__READ_SIZE);

  if (n < 0) {
    jobsrv__conn_close(conn);
    return;
  }
  if (conn->stage == JOBSRV__CONN_LINGER) {
    conn->lingered += (uint32_t) n;
    jobsrv__conn_linger_on(conn);
    return;
  }
  if (n > 0)
    keep_input(conn, (size_t) n);
  jobsrv__conn_process(conn);
}

void jobsrv__conn_stream_readable(jobsrv__conn_t *conn) {
  const jobsrv__exchange_t *exchange = conn->exchange;
  size_t waiting = exchange != NULL ? exchange->in.len - exchange->at : 0;
  int64_t n = receive(conn, JOBSRV__STREAM_INPUT_MAX - waiting);

  if (n < 0 || conn->has_eof)
    jobsrv__conn_close(conn);
  else if (n > 0)
    keep_input(conn, (size_t) n);
}

static const char *code_of(int status) {
  switch (status) {
  case 413:
    return "content_too_large";
  case 414:
    return "uri_too_long";
  case 417:
    return "expectation_failed";
  case 431:
    return "header_too_large";
  case 501:
    return "not_implemented";
  case 505:
    return "version_not_supported";
  default:
    return "bad_request";
  }
}

/* A HEAD gets no body, however malformed the rest of it is. */
static jobsrv__method_t refused_method(const jobsrv__exchange_t *exchange) {
  jobsrv__span_t method = {NULL, exchange->head.method.len};

  if (method.len == 0)
    return JOBSRV__OTHER;
  method.data = exchange->in.data + exchange->at + exchange->head.method.at;
  return jobsrv__span_is(method, "HEAD") ? JOBSRV__HEAD : JOBSRV__OTHER;
}

void jobsrv__conn_refuse(jobsrv__conn_t *conn,
                         int status,
                         const char *code,
                         unsigned int retry_after_s,
                         const char *detail) {
  jobsrv__exchange_t *exchange = jobsrv__exchange_get(conn);
  jobsrv__problem_t problem = {.status = status, .code = code,
                               .retry_after_s = retry_after_s,
                               .must_close = 1};

  if (exchange == NULL) {
    jobsrv__conn_close(conn);
    return;
  }
  if (exchange->memory == NULL) { /* not even a head */
    exchange->request.conn = conn;
    exchange->request.sse = conn->sse;
    exchange->request.begun_ns = jobsrv_now(conn->sse->srv);
    exchange->request.method = refused_method(exchange);
    exchange->request.minor = 1;
  }
  conn->stage = JOBSRV__CONN_HANDLING;
  jobsrv__respond_problem(&exchange->request, &problem, "%s", detail);
  jobsrv__conn_process(conn);
}

/* What is over after a handler was called: 1 to go on with the next step. */
static int after_handler(jobsrv__conn_t *conn) {
  jobsrv__exchange_t *exchange = conn->exchange;

  if (conn->stage == JOBSRV__CONN_STREAM) {
    jobsrv__exchange_end(conn);
    return 0;
  }
  return conn->stage == JOBSRV__CONN_FLUSH ||
         (conn->stage == JOBSRV__CONN_HANDLING && exchange != NULL &&
          exchange->request.is_answered);
}

/* Whoever is to answer has taken the request on, or has forgotten it. */
static void wait_for_answer(jobsrv__conn_t *conn) {
  jobsrv__request_t *request = &conn->exchange->request;
  jobsrv__problem_t problem = {.status = 500, .code = "internal"};

  if (request->gone == NULL)
    jobsrv__respond_problem(request, &problem, "nobody has answered this");
  else
    jobsrv__conn_deadline_in(conn, conn->sse->options.answer_timeout_ms);
}

static int handle(jobsrv__conn_t *conn) {
  jobsrv__exchange_t *exchange = conn->exchange;

  exchange->is_body_done = 1;
  conn->stage = JOBSRV__CONN_HANDLING;
  jobsrv__conn_deadline(conn, UINT64_MAX);
  exchange->request.body = jobsrv__span("", 0);
  if (exchange->data.len > 0)
    exchange->request.body = jobsrv__span(jobsrv__buf_str(&exchange->data),
                                          exchange->data.len);
  if (exchange->request.body.data == NULL) {
    jobsrv__conn_refuse(conn, 503, "no_memory", 1, "out of memory");
    return after_handler(conn);
  }
  jobsrv__route_body(&exchange->request);
  if (conn->stage == JOBSRV__CONN_HANDLING && !exchange->request.is_answered)
    wait_for_answer(conn);
  return after_handler(conn);
}

static int refuse_early(jobsrv__conn_t *conn, int status, const char *detail) {
  jobsrv__conn_refuse(conn, status, code_of(status), 0, detail);
  return after_handler(conn);
}

/* The head may pass: its body is read. */
static int read_body(jobsrv__conn_t *conn) {
  jobsrv__exchange_t *exchange = conn->exchange;

  if (exchange->is_body_done)
    return handle(conn);
  if (exchange->awaits_continue && exchange->at == exchange->in.len &&
      jobsrv__conn_write(conn, "HTTP/1.1 100 Continue\r\n\r\n", 25) != 0)
    return 0;
  exchange->awaits_continue = 0;
  conn->stage = JOBSRV__CONN_BODY;
  jobsrv__conn_deadline_in(conn, conn->sse->options.body_timeout_ms);
  return 1;
}

/* The head is whole: asks the routes whether its body is worth reading. */
static int begin_request(jobsrv__conn_t *conn) {
  jobsrv__exchange_t *exchange = conn->exchange;
  jobsrv__request_t *request = &exchange->request;
  const jobsrv_sse_options_t *options = &conn->sse->options;
  jobsrv__body_limits_t limits = {options->max_body,
                                  options->max_chunk_extension,
                                  options->max_trailer_bytes};
  jobsrv_sse_verdict_t verdict;
  int rc;

  conn->sse->stats.requests++;
  conn->had_request = 1;
  conn->stage = JOBSRV__CONN_HANDLING;
  jobsrv__conn_deadline(conn, UINT64_MAX);
  request->conn = conn;
  request->sse = conn->sse;
  request->begun_ns = jobsrv_now(conn->sse->srv);
  rc = jobsrv__request_parse(request, conn->sse->alloc, &exchange->head,
                             exchange->in.data + exchange->at,
                             &exchange->memory);
  if (rc == UV_ENOMEM) { /* the head is where it was: it tells the method */
    jobsrv__conn_refuse(conn, 503, "no_memory", 1, "out of memory");
    return after_handler(conn);
  }
  exchange->at += exchange->head.len;
  if (rc != 0)
    return refuse_early(conn, 400, "malformed head");
  rc = jobsrv__body_init(&exchange->body, &exchange->head, &limits);
  if (rc == JOBSRV__BODY_REFUSED)
    return refuse_early(conn, exchange->body.status, exchange->body.detail);
  if (exchange->head.expects_other)
    return refuse_early(conn, 417, "this expectation is not known here");
  exchange->is_body_done = rc == JOBSRV__BODY_DONE;
  exchange->awaits_continue = exchange->head.expects_continue &&
                              !exchange->is_body_done;
  verdict = jobsrv__route_head(request);
  if (conn->stage != JOBSRV__CONN_CLOSED && !request->is_answered) {
    if (verdict == JOBSRV_SSE_NEXT)
      return read_body(conn);
    wait_for_answer(conn);
  }
  return after_handler(conn);
}

static int wait_for_request(jobsrv__conn_t *conn) {
  if (conn->has_eof || (conn->sse->is_finishing && conn->had_request))
    jobsrv__conn_close(conn);
  else if (conn->deadline_ns == UINT64_MAX) /* else the clock runs */
    jobsrv__conn_deadline_in(conn, conn->sse->options.keepalive_idle_ms);
  return 0;
}

static int step_head(jobsrv__conn_t *conn) {
  jobsrv__exchange_t *exchange = conn->exchange;
  const jobsrv_sse_options_t *options = &conn->sse->options;
  jobsrv__head_limits_t limits = {options->max_request_line,
                                  options->max_header_bytes,
                                  options->max_header_fields};
  int rc;

  if (exchange == NULL || exchange->at == exchange->in.len)
    return wait_for_request(conn);
  if (!exchange->has_begun) {
    exchange->has_begun = 1;
    jobsrv__conn_deadline_in(conn, options->head_timeout_ms);
  }
  rc = jobsrv__head_check(&exchange->head, exchange->in.data + exchange->at,
                          exchange->in.len - exchange->at, &limits);
  if (rc == JOBSRV__HEAD_DONE)
    return begin_request(conn);
  if (rc == JOBSRV__HEAD_REFUSED)
    return refuse_early(conn, exchange->head.status, exchange->head.detail);
  if (conn->has_eof)
    jobsrv__conn_close(conn);
  return 0;
}

static int step_body(jobsrv__conn_t *conn) {
  jobsrv__exchange_t *exchange = conn->exchange;
  int is_unwanted = exchange->request.is_answered;
  size_t used = 0;
  int rc;

  rc = jobsrv__body_feed(&exchange->body, exchange->in.data + exchange->at,
                         exchange->in.len - exchange->at, &used,
                         is_unwanted ? NULL : &exchange->data);
  exchange->at += used;
  if (exchange->data.failed != 0) {
    jobsrv__conn_refuse(conn, 503, "no_memory", 1, "out of memory");
    return after_handler(conn);
  }
  if (is_unwanted && rc != JOBSRV__BODY_MORE) {
    if (rc == JOBSRV__BODY_REFUSED) { /* the one answer is given already */
      jobsrv__conn_linger(conn);
      return 0;
    }
    exchange->is_body_done = 1;
    conn->stage = JOBSRV__CONN_FLUSH;
    return 1;
  }
  if (rc == JOBSRV__BODY_DONE)
    return handle(conn);
  if (rc == JOBSRV__BODY_REFUSED)
    return refuse_early(conn, exchange->body.status, exchange->body.detail);
  if (conn->has_eof)
    jobsrv__conn_close(conn);
  return 0;
}

/* The answer is given; goes on once the client has taken it. */
static int step_flush(jobsrv__conn_t *conn) {
  jobsrv__exchange_t *exchange = conn->exchange;

  if (conn->closes) {
    jobsrv__conn_linger(conn);
    return 0;
  }
  if (conn->out != NULL) {
    conn->stage = JOBSRV__CONN_FLUSH;
    return 0;
  }
  if (exchange != NULL && exchange->request.is_answered &&
      !exchange->is_body_done) {
    conn->stage = JOBSRV__CONN_BODY;
    jobsrv__conn_deadline_in(conn, conn->sse->options.body_timeout_ms);
    return 1;
  }
  jobsrv__exchange_end(conn);
  conn->stage = JOBSRV__CONN_HEAD;
  jobsrv__conn_deadline(conn, UINT64_MAX);
  return 1;
}

void jobsrv__conn_pass(jobsrv__request_t *request) {
  jobsrv__conn_t *conn = request->conn;

  conn->exchange->has_passed = 1;
  if (!conn->is_processing)
    jobsrv__conn_resume_later(conn);
}

/* With whoever answers, or held back until it may pass. */
static int step_handling(jobsrv__conn_t *conn) {
  jobsrv__exchange_t *exchange = conn->exchange;

  if (exchange->request.is_answered)
    return step_flush(conn);
  if (!exchange->has_passed)
    return 0;
  exchange->has_passed = 0;
  jobsrv__conn_deadline(conn, UINT64_MAX);
  return read_body(conn);
}

static int step(jobsrv__conn_t *conn) {
  switch (conn->stage) {
  case JOBSRV__CONN_HEAD:
    return step_head(conn);
  case JOBSRV__CONN_BODY:
    return step_body(conn);
  case JOBSRV__CONN_HANDLING:
    return step_handling(conn);
  case JOBSRV__CONN_FLUSH:
    return step_flush(conn);
  case JOBSRV__CONN_STREAM:
    jobsrv__exchange_end(conn);
    if (conn->has_eof)
      jobsrv__conn_close(conn);
    return 0;
  default:
    return 0;
  }
}

void jobsrv__conn_process(jobsrv__conn_t *conn) {
  uint64_t before = conn->sse->stats.requests;

  if (conn->is_processing)
    return;
  conn->is_processing = 1;
  conn->is_deferred = 0;
  while (step(conn)) {
    if (conn->stage == JOBSRV__CONN_HEAD &&
        conn->sse->stats.requests - before >= JOBSRV__REQUESTS_A_TURN) {
      conn->is_deferred = 1;
      jobsrv__conn_resume_later(conn);
      break;
    }
  }
  conn->is_processing = 0;
  if (conn->stage == JOBSRV__CONN_LINGER)
    jobsrv__exchange_free(conn);
  if (conn->stage == JOBSRV__CONN_STREAM && conn->has_eof)
    jobsrv__conn_resume_later(conn);
  jobsrv__conn_watch(conn);
}
