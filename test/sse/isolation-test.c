/* SPDX-License-Identifier: MIT */

/*
 * Five jobs at once over real sockets, one of them a process, three clients
 * watching each: what comes out of a socket is of the job that was asked for,
 * and of no other. Beside them the sinks that all share.
 */

#include "outlets.h"
#include "sse/watcher.h"

#include "jobsrv/console.h"

enum { CLIENTS = 3, CHILD = SECRET_JOBS - 1 };

typedef struct {
  pthread_barrier_t *together;
  int number;
} part_t;

static world w;
static outlets_t outlets;
static char script[64]; /* what the child says */
static pthread_barrier_t together;
static part_t parts[SECRET_JOBS];
static jobsrv_job_t *jobs[SECRET_JOBS];
static watcher_t *watchers[SECRET_JOBS][CLIENTS];

/* Each thread's context tells whose words these are. */
static int play_part(jobsrv_job_t *job, void *data) {
  part_t *part = data;
  char message[SECRET_SIZE];

  (void) pthread_barrier_wait(part->together);
  secret_story(NULL, part->number);
  secret_text(message, part->number, 0);
  return jobsrv_job_fail(job, "failed", message);
}

static void add_operations(void) {
  jobsrv_operation_t operation;
  char name[24];

  for (int i = 0; i < SECRET_JOBS; i++) {
    (void) snprintf(name, sizeof(name), "part-%d", i);
    parts[i] = (part_t) { &together, i };
    jobsrv_operation_init(&operation);
    operation.name = name;
    operation.style = JOBSRV_THREAD;
    operation.run = play_part;
    operation.data = &parts[i];
    if (i == CHILD) {
      secret_write(script, i);
      operation.style = JOBSRV_PROCESS;
      operation.run = NULL;
      operation.prepare = secret_prepare;
      operation.data = script;
    }
    assert_ok(jobsrv_operation_add(w.f.srv, &operation));
  }
}

/* The barrier opens with the last of them: they all talk at once. */
static void begin_all(void) {
  static const char *const queries[CLIENTS] = { "", "?after=0", "" };
  jobsrv_spec_t spec;
  char name[24];

  for (int i = 0; i < SECRET_JOBS; i++) {
    (void) snprintf(name, sizeof(name), "part-%d", i);
    jobsrv_spec_init(&spec);
    spec.operation = name;
    assert_ok(jobsrv_submit(w.f.srv, &spec, NULL, &jobs[i]));
    jobsrv_job_ref(jobs[i]);
    for (int k = 0; k < CLIENTS; k++) {
      watchers[i][k] = watcher_open(&w, 0);
      watcher_ask(watchers[i][k], jobs[i], k != 2, queries[k],
                  k == 1 ? "X-Correlation-Id: client-1\r\n" : "");
    }
  }
}

static void add_sinks(secret_sink_t *console, secret_sink_t *callback) {
  jobsrv_console_options_t options;
  jobsrv_sink_options_t how;

  jobsrv_sink_options_init(&how);
  how.progress = 1;
  jobsrv_console_options_init(&options);
  console->file = tmpfile();
  assert_non_null(console->file);
  options.fd = fileno(console->file);
  options.form = JOBSRV_CONSOLE_LOGFMT;
  options.max_bytes = 64 * 1024 * 1024;
  options.sink = &how;
  assert_ok(jobsrv_console_add(w.f.srv, &options, NULL));
  assert_ok(
      jobsrv_callback_add(w.f.srv, secret_keep, callback, &how, NULL));
  outlets_add(&outlets, w.f.srv, &how);
}

static void on_flushed(jobsrv_t *srv, int err, void *data) {
  (void) srv;
  assert_ok(err);
  *(int *) data = 1;
}

static int is_set(void *data) {
  return *(int *) data;
}

static void flush(void) {
  int flushed = 0;

  assert_ok(jobsrv_sinks_flush(w.f.srv, on_flushed, &flushed));
  assert_true(run_until(&w.f.loop, is_set, &flushed, 10000));
  outlets_close(&outlets);
}

static void judge(int i) {
  peer_t *peer = malloc(sizeof(*peer));

  for (int k = 0; k < CLIENTS; k++) {
    watcher_t *watcher = watchers[i][k];

    watcher_wait(&w, watcher, 0);
    assert_int_equal(watcher->status, 200);
    assert_only_of("a client", watcher->raw, watcher->raw_len, i);
    assert_all_of(watcher->raw, watcher->raw_len, i);
    assert_contains(watcher->events[watcher->n - 1].text, "[ERROR]");
    watcher_free(watcher);
  }
  peer_open(peer, w.port);
  assert_int_equal(ask(&w, peer, line_of("GET", jobs[i], ""), "", NULL), 200);
  assert_only_of("a record", peer->text, peer->len, i);
  peer_close(peer);
  free(peer);
}

static void no_client_gets_a_byte_of_another_s_job(void **state) {
  secret_sink_t console = { 0 }, callback = { 0 };

  (void) state;
  memset(&w, 0, sizeof(w));
  w.f.options.max_bytes_per_job = 16 * 1024 * 1024;
  world_open(&w);
  assert_int_equal(pthread_barrier_init(&together, NULL, CHILD), 0);
  outlets_open(&outlets);
  add_sinks(&console, &callback);
  add_operations();
  begin_all();
  for (int i = 0; i < SECRET_JOBS; i++)
    judge(i);
  flush();
  for (int i = 0; i < SECRET_JOBS; i++)
    jobsrv_job_unref(jobs[i]);
  world_close(&w);

  secret_sink_read(&console);
  assert_masked("the console", &console, "[REDACTED]");
  assert_masked("the callback", &callback, "[REDACTED]");
  assert_outlets_masked(&outlets);
  outlets_free(&outlets);
  unlink(script);
  secret_sink_free(&console);
  secret_sink_free(&callback);
  pthread_barrier_destroy(&together);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(no_client_gets_a_byte_of_another_s_job),
};

RUN_WITH_COLLECTOR(tests);
