/* SPDX-License-Identifier: MIT */

/*
 * A debug build stops a loop-only call from another thread, by its name. This
 * test has a debug build of the libraries of its own, whatever the rest is.
 */

#include "test.h"

#include "jobsrv/jobsrv.h"
#include "jobsrv/otlp.h"
#include "jobsrv/sse.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <uv.h>

typedef struct {
  uv_loop_t loop;
  jobsrv_t *srv;
  jobsrv_t *own;      /* with a loop of its own */
  jobsrv_t *started;
  jobsrv_job_t *job;
  jobsrv_sse_t *sse;
  jobsrv_otlp_t *otlp;
  jobsrv_sse_listen_options_t listen;
  jobsrv_sink_t *sink;
  jobsrv_spec_t spec;
  jobsrv_operation_t op;
  jobsrv_hook_t hook;
  jobsrv_part_t part;
  jobsrv_part_t attached;
  jobsrv_collector_t collector;
  jobsrv_turn_t turn;
  jobsrv_timer_t timer;
  jobsrv_cursor_t cursor;
  jobsrv_token_t *token;
  jobsrv_token_watch_t watch;
  jobsrv_wait_t wait;
  jobsrv_wait_t waiting;
  jobsrv_page_t page;
  jobsrv_job_info_t info;
  jobsrv_stats_t stats;
  jobsrv_sse_stats_t sse_stats;
  jobsrv_otlp_stats_t otlp_stats;
  jobsrv_job_t *out;
  char text[64];
} host;

static host h;

#define CALLS(XX)                                                             \
  XX(jobsrv_submit, jobsrv_submit(h.srv, &h.spec, NULL, NULL))                \
  XX(jobsrv_begin, jobsrv_begin(h.srv, &h.spec, &h.out))                      \
  XX(jobsrv_find, jobsrv_find(h.srv, "x", &h.out))                            \
  XX(jobsrv_job_by_handle,                                                    \
     jobsrv_job_by_handle(h.srv, jobsrv_job_handle(h.job)))                   \
  XX(jobsrv_job_info, jobsrv_job_info(h.job, &h.info))                        \
  XX(jobsrv_job_record, jobsrv_job_record(h.job, 0, h.text, 0))               \
  XX(jobsrv_job_pid, jobsrv_job_pid(h.job))                                   \
  XX(jobsrv_hook_add, jobsrv_hook_add(h.srv, &h.hook, NULL))                  \
  XX(jobsrv_list, jobsrv_list(h.srv, NULL, &h.page, &h.out, 1))               \
  XX(jobsrv_cancel_all, jobsrv_cancel_all(h.srv, NULL, NULL))                 \
  XX(jobsrv_cursor_attach, jobsrv_cursor_attach(&h.cursor, h.job, 0, NULL))   \
  XX(jobsrv_drain, jobsrv_drain(h.srv, 0, NULL, NULL))                        \
  XX(jobsrv_draining, jobsrv_draining(h.srv))                                 \
  XX(jobsrv_close, jobsrv_close(h.srv, NULL, NULL))                           \
  XX(jobsrv_start, jobsrv_start(h.own))                                       \
  XX(jobsrv_fd, jobsrv_fd(h.own))                                             \
  XX(jobsrv_timeout_ms, jobsrv_timeout_ms(h.own))                             \
  XX(jobsrv_dispatch, jobsrv_dispatch(h.own))                                 \
  XX(jobsrv_wake, jobsrv_wake(h.own))                                         \
  XX(jobsrv_stats, jobsrv_stats(h.srv, &h.stats))                             \
  XX(jobsrv_collector_add, jobsrv_collector_add(h.srv, &h.collector, NULL))   \
  XX(jobsrv_metrics_write,                                                    \
     jobsrv_metrics_write(h.srv, JOBSRV_METRICS_TEXT, NULL, NULL))            \
  XX(jobsrv_part_attach, jobsrv_part_attach(h.srv, &h.part))                  \
  XX(jobsrv_part_done, jobsrv_part_done(&h.attached))                         \
  XX(jobsrv_part_detach, jobsrv_part_detach(&h.attached))                     \
  XX(jobsrv_turn_ask, jobsrv_turn_ask(h.srv, &h.turn, NULL))                  \
  XX(jobsrv_operation_add, jobsrv_operation_add(h.srv, &h.op))                \
  XX(jobsrv_operation_exposed, jobsrv_operation_exposed(h.srv, "x"))          \
  XX(jobsrv_sink_add, jobsrv_sink_add(h.srv, &sink_ops, NULL, NULL, NULL))    \
  XX(jobsrv_sink_set_level, jobsrv_sink_set_level(h.sink, JOBSRV_WARN))       \
  XX(jobsrv_sink_remove, jobsrv_sink_remove(h.sink))                          \
  XX(jobsrv_console_add, jobsrv_console_add(h.srv, NULL, NULL))               \
  XX(jobsrv_timer_arm, jobsrv_timer_arm(h.srv, &h.timer, 1, NULL))            \
  XX(jobsrv_timer_disarm, jobsrv_timer_disarm(h.srv, &h.timer))               \
  XX(jobsrv_token_new, jobsrv_token_new(&h.token, h.srv, NULL))               \
  XX(jobsrv_token_watch,                                                      \
     jobsrv_token_watch(jobsrv_job_token(h.job), &h.watch, on_watch))         \
  XX(jobsrv_wait,                                                             \
     jobsrv_wait(h.srv, &h.wait, JOBSRV_WAIT_ALL, &h.job, 1, 0, on_wait))     \
  XX(jobsrv_wait_cancel, jobsrv_wait_cancel(&h.waiting))                      \
  XX(jobsrv_sse_new, jobsrv_sse_new(&h.sse, h.srv, NULL))                     \
  XX(jobsrv_sse_listen, jobsrv_sse_listen(h.sse, "127.0.0.1:0"))              \
  XX(jobsrv_sse_listen_with, jobsrv_sse_listen_with(h.sse, &h.listen))        \
  XX(jobsrv_sse_adopt, jobsrv_sse_adopt(h.sse, -1, "", 0))                    \
  XX(jobsrv_sse_address, jobsrv_sse_address(h.sse, 0, h.text, 64))            \
  XX(jobsrv_sse_port, jobsrv_sse_port(h.sse, 0))                              \
  XX(jobsrv_sse_close, jobsrv_sse_close(h.sse, NULL, NULL))                   \
  XX(jobsrv_sse_metrics_write,                                                \
     jobsrv_sse_metrics_write(h.sse, JOBSRV_METRICS_TEXT, NULL, NULL))        \
  XX(jobsrv_sse_stats, jobsrv_sse_stats(h.sse, &h.sse_stats))                 \
  XX(jobsrv_otlp_add, jobsrv_otlp_add(h.srv, NULL, NULL))                     \
  XX(jobsrv_otlp_sink, jobsrv_otlp_sink(h.otlp))                              \
  XX(jobsrv_otlp_stats, jobsrv_otlp_stats(h.otlp, &h.otlp_stats))

static void on_event(void *self, const jobsrv_event_t *event) {
  (void) self;
  (void) event;
}

static const jobsrv_sink_ops_t sink_ops = { .size = sizeof(sink_ops),
                                            .event = on_event };

static void on_watch(jobsrv_token_watch_t *watch,
                     const jobsrv_reason_t *reason) {
  (void) watch;
  (void) reason;
}

static void on_wait(jobsrv_wait_t *wait, int status, jobsrv_job_t *job) {
  (void) wait;
  (void) status;
  (void) job;
}

static void on_closing(jobsrv_part_t *part) {
  (void) part;
}

static void on_post(jobsrv_t *srv, void *data) {
  (void) srv;
  (void) data;
}

/* Most return something; here nobody is there to hear it. */
#define XX(name, call)                                                        \
  static void do_##name(void) {                                               \
    IGNORE(call);                                                             \
  }
#define IGNORE(call)                                                          \
  _Pragma("GCC diagnostic push")                                              \
  _Pragma("GCC diagnostic ignored \"-Wunused-result\"")                       \
  call;                                                                       \
  _Pragma("GCC diagnostic pop")
CALLS(XX)
#undef XX

/* These are allowed. */
static void do_any(void) {
  if (jobsrv_narrate(h.job, "say", "from elsewhere") != 0 ||
      jobsrv_progress(h.job, &(jobsrv_progress_t) { .done = 1 }) != 0 ||
      jobsrv_job_cancelled(h.job) || jobsrv_on_loop(h.srv) ||
      jobsrv_post(h.srv, on_post, NULL) != 0 ||
      jobsrv_job_complete(h.job, NULL, 0) != 0 || jobsrv_now(h.srv) == 0 ||
      jobsrv_stop(h.started, 100) != 0)
    _exit(9);
  jobsrv_job_cancellable(h.job, 0);
  jobsrv_job_unref(jobsrv_job_ref(h.job));
}

static void open_host(void) {
  memset(&h, 0, sizeof(h));
  jobsrv_operation_init(&h.op);
  jobsrv_spec_init(&h.spec);
  h.info.size = sizeof(h.info);
  h.stats.size = sizeof(h.stats);
  h.sse_stats.size = sizeof(h.sse_stats);
  h.otlp_stats.size = sizeof(h.otlp_stats);
  h.attached.closing = on_closing;
  if (uv_loop_init(&h.loop) != 0 ||
      jobsrv_new(&h.srv, &h.loop, NULL) != 0 ||
      jobsrv_new(&h.own, NULL, NULL) != 0 ||
      jobsrv_new(&h.started, NULL, NULL) != 0 ||
      jobsrv_start(h.started) != 0 ||
      jobsrv_begin(h.srv, &h.spec, &h.job) != 0 ||
      jobsrv_sink_add(h.srv, &sink_ops, NULL, NULL, &h.sink) != 0 ||
      jobsrv_sse_new(&h.sse, h.srv, NULL) != 0 ||
      jobsrv_otlp_add(h.srv, NULL, &h.otlp) != 0 ||
      jobsrv_wait(h.srv, &h.waiting, JOBSRV_WAIT_ALL, &h.job, 1, 0,
                  on_wait) != 0)
    _exit(8);
  jobsrv_part_attach(h.srv, &h.attached);
}

static void *run(void *arg) {
  (*(void (**)(void)) arg)();
  return NULL;
}

/* In a process of its own: does `call` on another thread. Returns its status,
 * and what was on standard error. */
static int elsewhere(void (*call)(void), char *said, size_t cap) {
  const struct rlimit none = { 0, 0 };
  int status = 0;
  size_t len = 0;
  int fds[2];
  pid_t pid;
  ssize_t n;

  assert_int_equal(pipe(fds), 0);
  pid = fork();
  if (pid == 0) {
    pthread_t thread;

    (void) setrlimit(RLIMIT_CORE, &none);
    dup2(fds[1], STDERR_FILENO);
    close(fds[0]);
    close(fds[1]);
    open_host();
    if (pthread_create(&thread, NULL, run, &call) != 0)
      _exit(7);
    pthread_join(thread, NULL);
    _exit(0);
  }
  close(fds[1]);
  while ((n = read(fds[0], said + len, cap - 1 - len)) > 0)
    len += (size_t) n;
  said[len] = '\0';
  close(fds[0]);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  return status;
}

static void every_loop_only_call_is_stopped_by_its_name(void **state) {
  static const struct {
    const char *name;
    void (*call)(void);
  } calls[] = {
#define XX(name, call) { #name "() called off", do_##name },
    CALLS(XX)
#undef XX
  };
  char said[4096];

  (void) state;
  for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
    int status = elsewhere(calls[i].call, said, sizeof(said));

    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT ||
        strstr(said, calls[i].name) != said)
      fail_msg("%s: status %#x, said \"%s\"", calls[i].name, status, said);
  }
}

static void calls_from_any_thread_are_not(void **state) {
  char said[4096];

  (void) state;
  assert_int_equal(elsewhere(do_any, said, sizeof(said)), 0);
  assert_string_equal(said, "");
}

static void after_the_start(void) {
  jobsrv_stats(h.started, &h.stats);
}

/* Nor may the thread that made a server, once another one runs it. */
static void a_started_server_belongs_to_its_thread(void **state) {
  char said[4096];
  int status;

  (void) state;
  status = elsewhere(after_the_start, said, sizeof(said));
  assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
  assert_contains(said, "jobsrv_stats() called off");
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(every_loop_only_call_is_stopped_by_its_name),
  cmocka_unit_test(calls_from_any_thread_are_not),
  cmocka_unit_test(a_started_server_belongs_to_its_thread),
};

RUN(tests);
