/* SPDX-License-Identifier: MIT */

/* Connections that are no sockets, as a host would carry them. */

#include "sse/world.h"

/* A carrier that does what it is told. */
typedef struct {
  jobsrv_sse_conn_t *conn;
  const char *in;
  int64_t read_result;  /* when `in` is used up */
  int64_t write_result; /* 0: takes all */
  char out[8192];
  size_t len;
  int wanted;
  int wants;
  int shut;
  int closed;
  int was_reset;
} carrier_t;

static int64_t on_read(void *self, void *to, size_t cap) {
  carrier_t *carrier = self;
  size_t n = strlen(carrier->in);

  if (n == 0)
    return carrier->read_result;
  if (n > cap)
    n = cap;
  memcpy(to, carrier->in, n);
  carrier->in += n;
  return (int64_t) n;
}

static int64_t on_write(void *self, const void *data, size_t len) {
  carrier_t *carrier = self;

  if (carrier->write_result != 0)
    return carrier->write_result;
  assert_true(carrier->len + len < sizeof(carrier->out));
  memcpy(carrier->out + carrier->len, data, len);
  carrier->len += len;
  return (int64_t) len;
}

static void on_want(void *self, int events) {
  carrier_t *carrier = self;

  assert_false(carrier->closed);
  assert_int_not_equal(events, carrier->wanted); /* only when it changes */
  carrier->wanted = events;
  carrier->wants++;
}

static void on_shut(void *self) {
  ((carrier_t *) self)->shut++;
}

static void on_close(void *self, int is_reset) {
  carrier_t *carrier = self;

  carrier->closed++;
  carrier->was_reset = is_reset;
}

static const jobsrv_sse_io_t io = {
  .size = sizeof(io),
  .read = on_read,
  .write = on_write,
  .want = on_want,
  .shut = on_shut,
  .close = on_close,
};

#define HEALTH "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"

static void begin(world *w, carrier_t *carrier) {
  memset(carrier, 0, sizeof(*carrier));
  carrier->in = "";
  assert_ok(jobsrv_sse_conn_new(&carrier->conn, w->sse, &io, carrier));
  assert_int_equal(carrier->wanted, JOBSRV_SSE_READABLE);
}

static void a_request_is_answered_from_within_ready(void **state) {
  world w = { .port = 0 };
  carrier_t carrier;

  (void) state;
  world_open(&w);
  begin(&w, &carrier);
  carrier.in = HEALTH;
  jobsrv_sse_conn_ready(carrier.conn, JOBSRV_SSE_READABLE);
  assert_contains(carrier.out, "HTTP/1.1 200 OK\r\n");
  assert_int_equal(carrier.closed, 0);
  world_close(&w);
  assert_int_equal(carrier.closed, 1);
}

static void what_is_not_wanted_is_ignored(void **state) {
  world w = { .port = 0 };
  carrier_t carrier;

  (void) state;
  world_open(&w);
  begin(&w, &carrier);
  carrier.in = HEALTH;
  jobsrv_sse_conn_ready(carrier.conn,
                        JOBSRV_SSE_WRITABLE | JOBSRV_SSE_DISCONNECT);
  jobsrv_sse_conn_ready(carrier.conn, 0);
  assert_string_equal(carrier.in, HEALTH);
  assert_int_equal(carrier.closed, 0);
  world_close(&w);
}

static void the_end_of_input_closes_what_is_idle(void **state) {
  world w = { .port = 0 };
  carrier_t carrier;

  (void) state;
  world_open(&w);
  begin(&w, &carrier);
  carrier.read_result = UV_EOF;
  jobsrv_sse_conn_ready(carrier.conn, JOBSRV_SSE_READABLE);
  assert_int_equal(carrier.closed, 1);
  assert_int_equal(carrier.was_reset, 0);
  assert_int_equal(world_stats(&w).connections, 0);
  world_close(&w);
}

static void a_failed_read_or_write_closes(void **state) {
  world w = { .port = 0 };
  carrier_t carrier;

  (void) state;
  world_open(&w);
  begin(&w, &carrier);
  carrier.read_result = UV_ECONNRESET;
  jobsrv_sse_conn_ready(carrier.conn, JOBSRV_SSE_READABLE);
  assert_int_equal(carrier.closed, 1);

  begin(&w, &carrier);
  carrier.in = HEALTH;
  carrier.write_result = UV_EPIPE;
  jobsrv_sse_conn_ready(carrier.conn, JOBSRV_SSE_READABLE);
  assert_int_equal(carrier.closed, 1);
  world_close(&w);
}

static void a_full_carrier_is_waited_for(void **state) {
  world w = { .port = 0 };
  carrier_t carrier;

  (void) state;
  world_open(&w);
  begin(&w, &carrier);
  carrier.in = "NONSENSE\r\n\r\n";
  carrier.write_result = 1; /* a byte at a time, which is dropped */
  jobsrv_sse_conn_ready(carrier.conn, JOBSRV_SSE_READABLE);
  assert_true((carrier.wanted & JOBSRV_SSE_WRITABLE) != 0);
  assert_int_equal(carrier.shut, 0);
  carrier.write_result = 0;
  jobsrv_sse_conn_ready(carrier.conn, JOBSRV_SSE_WRITABLE);
  assert_true((carrier.wanted & JOBSRV_SSE_WRITABLE) == 0);
  assert_int_equal(strncmp(carrier.out, "TTP/1.1 400", 11), 0);
  assert_int_equal(carrier.shut, 1);
  world_close(&w);
}

static void who_is_stuck_is_reset(void **state) {
  world w = { .port = 0 };
  carrier_t carrier;

  (void) state;
  world_open(&w);
  begin(&w, &carrier);
  carrier.in = HEALTH;
  carrier.write_result = 1;
  jobsrv_sse_conn_ready(carrier.conn, JOBSRV_SSE_READABLE);
  fixture_ms(&w.f, 20000);
  assert_int_equal(carrier.closed, 1);
  assert_int_equal(carrier.was_reset, 1);
  world_close(&w);
}

static void a_cut_ends_its_stream(void **state) {
  static char request[300];
  world w = { .port = 0 };
  char id[JOBSRV_ID_SIZE];
  carrier_t carrier;

  (void) state;
  world_open(&w);
  begin(&w, &carrier);
  snprintf(request, sizeof(request),
           "GET /v1/jobs/%s/stream HTTP/1.1\r\nHost: localhost\r\n\r\n",
           jobsrv_job_id(fixture_submit(&w.f, "work"), id));
  carrier.in = request;
  jobsrv_sse_conn_ready(carrier.conn, JOBSRV_SSE_READABLE);
  assert_int_equal(world_stats(&w).streams, 1);
  jobsrv_sse_conn_cut(carrier.conn);
  assert_int_equal(carrier.closed, 1);
  assert_int_equal(world_stats(&w).streams, 0);
  world_close(&w);
}

static void a_table_of_another_size_is_refused(void **state) {
  world w = { .port = 0 };
  jobsrv_sse_io_t other = io;
  jobsrv_sse_conn_t *conn = NULL;

  (void) state;
  world_open(&w);
  other.size = sizeof(size_t);
  assert_err(jobsrv_sse_conn_new(&conn, w.sse, &other, NULL),
             JOBSRV_EOPTIONS);
  assert_null(conn);
  assert_int_equal(world_stats(&w).accepted, 0);
  assert_ptr_equal(jobsrv_sse_server(w.sse), w.f.srv);
  world_close(&w);
}

static void too_many_are_not_even_told(void **state) {
  static carrier_t carriers[34];
  world w = { .options = { .max_connections = 1 } };
  jobsrv_sse_conn_t *conn = NULL;

  (void) state;
  world_open(&w);
  begin(&w, &carriers[0]);
  for (int i = 1; i <= 32; i++) {
    carriers[i].in = "";
    assert_ok(jobsrv_sse_conn_new(&carriers[i].conn, w.sse, &io,
                                  &carriers[i]));
    assert_contains(carriers[i].out, "HTTP/1.1 503 ");
  }
  assert_err(jobsrv_sse_conn_new(&conn, w.sse, &io, &carriers[33]),
             UV_EMFILE);
  assert_int_equal(carriers[33].closed, 0);
  assert_null(conn);
  world_close(&w);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_request_is_answered_from_within_ready),
  cmocka_unit_test(what_is_not_wanted_is_ignored),
  cmocka_unit_test(the_end_of_input_closes_what_is_idle),
  cmocka_unit_test(a_failed_read_or_write_closes),
  cmocka_unit_test(a_full_carrier_is_waited_for),
  cmocka_unit_test(who_is_stuck_is_reset),
  cmocka_unit_test(a_cut_ends_its_stream),
  cmocka_unit_test(a_table_of_another_size_is_refused),
  cmocka_unit_test(too_many_are_not_even_told),
};

RUN(tests);
