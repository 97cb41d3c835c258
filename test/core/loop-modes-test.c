/* SPDX-License-Identifier: MIT */

/* Row 74: a server on the host's loop, on its own thread, on a foreign loop. */

#include "test.h"

#include "jobsrv/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include <uv.h>

static const uint64_t MS = 1000000;

enum { SLACK_MS = 20000 }; /* for a busy machine */

static uint64_t now_ms(void) {
  return uv_hrtime() / MS;
}

static jobsrv_stats_t stats_of(const jobsrv_t *srv) {
  jobsrv_stats_t stats = { .size = sizeof(stats) };

  jobsrv_stats(srv, &stats);
  return stats;
}

static int start_nothing(jobsrv_job_t *job, void *data) {
  (void) job;
  (void) data;
  return 0;
}

static void add(jobsrv_t *srv, const char *name, jobsrv_on_drain_t policy) {
  jobsrv_operation_t op;

  jobsrv_operation_init(&op);
  op.name = name;
  op.start = start_nothing;
  op.on_drain = policy;
  assert_ok(jobsrv_operation_add(srv, &op));
}

static jobsrv_job_t *submit(jobsrv_t *srv, const char *name) {
  jobsrv_spec_t spec;
  jobsrv_job_t *job;

  jobsrv_spec_init(&spec);
  spec.operation = name;
  assert_ok(jobsrv_submit(srv, &spec, NULL, &job));
  return job;
}

static void count_close(jobsrv_t *srv, void *data) {
  (void) srv;
  atomic_fetch_add((atomic_int *) data, 1);
}

static int is_readable(const jobsrv_t *srv, int ms) {
  struct pollfd fd = { .fd = jobsrv_fd(srv), .events = POLLIN };

  return poll(&fd, 1, ms);
}

/* Dispatches until there is nothing more to do. */
static void settle(jobsrv_t *srv) {
  while (jobsrv_timeout_ms(srv) == 0 || is_readable(srv, 0))
    assert_int_equal(jobsrv_dispatch(srv), 1);
}

static void dispatch_to_the_end(jobsrv_t *srv) {
  uint64_t start = now_ms();

  while (jobsrv_dispatch(srv) == 1)
    assert_true(now_ms() - start < 20000);
}

/* ---- errors ---- */

static void a_server_on_the_hosts_loop_is_neither_started_nor_driven(
    void **state) {
  uv_loop_t loop;
  jobsrv_t *srv;

  (void) state;
  assert_ok(uv_loop_init(&loop));
  assert_ok(jobsrv_new(&srv, &loop, NULL));
  assert_ptr_equal(jobsrv_loop(srv), &loop);
  assert_err(jobsrv_start(srv), UV_EINVAL);
  assert_err(jobsrv_stop(srv, 0), UV_EINVAL);
  assert_err(jobsrv_fd(srv), UV_EINVAL);
  assert_err(jobsrv_timeout_ms(srv), UV_EINVAL);
  assert_err(jobsrv_dispatch(srv), UV_EINVAL);
  jobsrv_wake(srv);
  assert_int_equal(stats_of(srv).wakes, 0);
  jobsrv_close(srv, NULL, NULL);
  assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
  assert_ok(uv_loop_close(&loop));
}

static void a_started_server_is_not_driven_nor_started_again(void **state) {
  jobsrv_t *srv;

  (void) state;
  assert_ok(jobsrv_new(&srv, NULL, NULL));
  assert_err(jobsrv_stop(srv, 0), UV_EINVAL);
  assert_int_equal(jobsrv_on_loop(srv), 1);
  assert_ok(jobsrv_start(srv));
  assert_int_equal(jobsrv_on_loop(srv), 0);
  assert_err(jobsrv_start(srv), JOBSRV_ERUNNING);
  assert_err(jobsrv_fd(srv), JOBSRV_ERUNNING);
  assert_err(jobsrv_timeout_ms(srv), JOBSRV_ERUNNING);
  assert_err(jobsrv_dispatch(srv), JOBSRV_ERUNNING);
  assert_ok(jobsrv_stop(srv, 0));
}

static void each_allocation_of_a_server_with_a_loop_may_fail(void **state) {
  jobsrv_faults_t faults;
  jobsrv_options_t options;
  jobsrv_t *srv;
  uint64_t n = 0;
  int err;

  (void) state;
  assert_ok(jobsrv_faults_init(&faults));
  jobsrv_options_init(&options);
  options.alloc = &faults.alloc;
  do {
    jobsrv_faults_fail(&faults, n++, 1);
    err = jobsrv_new(&srv, NULL, &options);
    if (err != 0) {
      assert_int_equal(err, UV_ENOMEM);
      assert_int_equal(jobsrv_faults_live(&faults), 0);
    }
  } while (err != 0);
  assert_true(n > 3);
  jobsrv_faults_fail(&faults, 0, 0);
  jobsrv_close(srv, NULL, NULL);
  dispatch_to_the_end(srv);
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
}

static void a_forked_child_can_neither_start_nor_stop(void **state) {
  jobsrv_t *idle, *started;
  int status = 0;
  pid_t pid;

  (void) state;
  assert_ok(jobsrv_new(&idle, NULL, NULL));
  assert_ok(jobsrv_new(&started, NULL, NULL));
  assert_ok(jobsrv_start(started));
  pid = fork();
  if (pid == 0)
    _exit(jobsrv_start(idle) == JOBSRV_EFORKED &&
                  jobsrv_stop(started, 0) == JOBSRV_EFORKED
              ? 0
              : 1);
  assert_int_equal(waitpid(pid, &status, 0), pid);
  assert_int_equal(status, 0);
  assert_ok(jobsrv_stop(started, 0));
  jobsrv_close(idle, NULL, NULL);
  dispatch_to_the_end(idle);
}

/* ---- a thread of its own ---- */

typedef struct {
  uv_sem_t done;
  pthread_t thread;
  sigset_t signals;
  int on_loop;
  int stopped;
} visit;

static void on_visit(jobsrv_t *srv, void *data) {
  visit *v = data;

  v->thread = pthread_self();
  v->on_loop = jobsrv_on_loop(srv);
  v->stopped = jobsrv_stop(srv, 0);
  pthread_sigmask(SIG_SETMASK, NULL, &v->signals);
  uv_sem_post(&v->done);
}

static void its_thread_blocks_all_signals_and_only_it(void **state) {
  static const int some[] = { SIGTERM, SIGINT, SIGPIPE, SIGCHLD, SIGUSR1 };
  sigset_t before, after;
  jobsrv_t *srv;
  visit v;

  (void) state;
  assert_ok(uv_sem_init(&v.done, 0));
  pthread_sigmask(SIG_SETMASK, NULL, &before);
  assert_ok(jobsrv_new(&srv, NULL, NULL));
  assert_ok(jobsrv_start(srv));
  pthread_sigmask(SIG_SETMASK, NULL, &after);
  assert_ok(jobsrv_post(srv, on_visit, &v));
  uv_sem_wait(&v.done);
  assert_false(pthread_equal(v.thread, pthread_self()));
  assert_int_equal(v.on_loop, 1);
  assert_err(v.stopped, JOBSRV_EONLOOP);
  for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
    assert_int_equal(sigismember(&v.signals, some[i]), 1);
    assert_int_equal(sigismember(&after, some[i]),
                     sigismember(&before, some[i]));
  }
  assert_ok(jobsrv_stop(srv, 0));
  uv_sem_destroy(&v.done);
}

static void stop_ends_jobs_as_their_operation_says(void **state) {
  jobsrv_job_t *finish, *cancel;
  jobsrv_job_info_t info = { .size = sizeof(info) };
  uint64_t start;
  jobsrv_t *srv;

  (void) state;
  assert_ok(jobsrv_new(&srv, NULL, NULL));
  add(srv, "finish", JOBSRV_DRAIN_FINISH);
  add(srv, "cancel", JOBSRV_DRAIN_CANCEL);
  finish = jobsrv_job_ref(submit(srv, "finish"));
  cancel = jobsrv_job_ref(submit(srv, "cancel"));
  settle(srv); /* it may be driven first */
  assert_ok(jobsrv_start(srv));
  assert_ok(jobsrv_job_complete(finish, "1", 1));
  start = now_ms();
  assert_ok(jobsrv_stop(srv, 200)); /* nobody lets go of the other */
  assert_true(now_ms() - start >= 200);
  assert_true(now_ms() - start < 200 + 1000 + SLACK_MS);

  assert_int_equal(jobsrv_job_state(finish), JOBSRV_STATE_COMPLETED);
  jobsrv_job_info(cancel, &info); /* it is this thread's now */
  assert_int_equal(info.state, JOBSRV_STATE_CANCELLED);
  assert_int_equal(info.cancel_reason->code, JOBSRV_REASON_SHUTDOWN);
  assert_err(jobsrv_stop(srv, 0), JOBSRV_ESETTLED); /* refs keep its memory */
  jobsrv_job_unref(finish);
  jobsrv_job_unref(cancel);
}

typedef struct {
  atomic_int inside;
  atomic_int go;
} stuck_t;

static int stay(jobsrv_job_t *job, void *data) {
  stuck_t *stuck = data;

  (void) job;
  atomic_store(&stuck->inside, 1);
  while (!atomic_load(&stuck->go))
    uv_sleep(1);
  return 0;
}

static void stop_does_not_wait_for_a_stuck_thread(void **state) {
  jobsrv_operation_t op;
  jobsrv_options_t options;
  jobsrv_faults_t faults;
  stuck_t stuck = { 0 };
  uint64_t start;
  jobsrv_job_t *job;
  jobsrv_t *srv;

  (void) state;
  assert_ok(jobsrv_faults_init(&faults));
  jobsrv_options_init(&options);
  options.alloc = &faults.alloc;
  assert_ok(jobsrv_new(&srv, NULL, &options));
  jobsrv_operation_init(&op);
  op.name = "stay";
  op.style = JOBSRV_THREAD;
  op.run = stay;
  op.data = &stuck;
  assert_ok(jobsrv_operation_add(srv, &op));
  job = jobsrv_job_ref(submit(srv, "stay"));
  assert_ok(jobsrv_start(srv));
  while (!atomic_load(&stuck.inside))
    uv_sleep(1);
  start = now_ms();
  assert_ok(jobsrv_stop(srv, 50));
  assert_true(now_ms() - start < 50 + 1000 + SLACK_MS);
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_CANCELLED);
  atomic_store(&stuck.go, 1);
  jobsrv_job_unref(job);
  start = now_ms();
  while (jobsrv_faults_live(&faults) > 0 && now_ms() - start < 20000)
    uv_sleep(1);
  assert_int_equal(jobsrv_faults_live(&faults), 0);
  jobsrv_faults_free(&faults);
}

static void do_close(jobsrv_t *srv, void *data) {
  jobsrv_close(srv, count_close, data);
}

static void stop_waits_for_what_a_callback_has_closed(void **state) {
  atomic_int closed;
  jobsrv_t *srv;

  (void) state;
  for (int i = 0; i < 50; i++) { /* before, while and after it happens */
    atomic_init(&closed, 0);
    assert_ok(jobsrv_new(&srv, NULL, NULL));
    assert_ok(jobsrv_start(srv));
    assert_ok(jobsrv_post(srv, do_close, &closed));
    if (i % 5 == 4)
      uv_sleep(2);
    assert_ok(jobsrv_stop(srv, 1000));
    assert_int_equal(atomic_load(&closed), 1);
  }
}

static void stop_runs_what_was_closed_before_the_start(void **state) {
  atomic_int closed;
  jobsrv_t *srv;

  (void) state;
  atomic_init(&closed, 0);
  assert_ok(jobsrv_new(&srv, NULL, NULL));
  jobsrv_close(srv, count_close, &closed);
  assert_int_equal(atomic_load(&closed), 0);
  assert_ok(jobsrv_start(srv));
  assert_ok(jobsrv_stop(srv, 1000));
  assert_int_equal(atomic_load(&closed), 1);
}

static void drain_for_long(jobsrv_t *srv, void *data) {
  assert_ok(jobsrv_drain(srv, 60000, count_close, data));
}

static void stop_hurries_a_drain_that_is_under_way(void **state) {
  atomic_int drained;
  uint64_t start;
  jobsrv_t *srv;

  (void) state;
  atomic_init(&drained, 0);
  assert_ok(jobsrv_new(&srv, NULL, NULL));
  add(srv, "finish", JOBSRV_DRAIN_FINISH);
  (void) submit(srv, "finish");
  assert_ok(jobsrv_start(srv));
  assert_ok(jobsrv_post(srv, drain_for_long, &drained));
  start = now_ms();
  assert_ok(jobsrv_stop(srv, 50));
  assert_true(now_ms() - start < 50 + 1000 + SLACK_MS);
  assert_int_equal(atomic_load(&drained), 1);
}

static void stop_closes_what_is_drained_already(void **state) {
  atomic_int drained;
  uint64_t start = now_ms();
  jobsrv_t *srv;

  (void) state;
  atomic_init(&drained, 0);
  assert_ok(jobsrv_new(&srv, NULL, NULL));
  assert_ok(jobsrv_start(srv));
  assert_ok(jobsrv_post(srv, drain_for_long, &drained));
  while (!atomic_load(&drained) && now_ms() - start < 20000)
    uv_sleep(1);
  assert_int_equal(atomic_load(&drained), 1);
  assert_ok(jobsrv_stop(srv, 60000));
  assert_true(now_ms() - start < 20000);
}

typedef struct {
  jobsrv_t *srv;
  atomic_int *gate;
  int result;
} stopper;

static void stop_at_once(void *arg) {
  stopper *s = arg;

  atomic_fetch_add(s->gate, 1);
  while (atomic_load(s->gate) < 2)
    sched_yield();
  s->result = jobsrv_stop(s->srv, 1000);
}

static void of_two_that_stop_at_once_one_does(void **state) {
  (void) state;
  for (int i = 0; i < 50; i++) {
    atomic_int gate;
    stopper two[2];
    uv_thread_t threads[2];
    jobsrv_spec_t spec;
    jobsrv_job_t *job;
    jobsrv_t *srv;

    atomic_init(&gate, 0);
    assert_ok(jobsrv_new(&srv, NULL, NULL));
    jobsrv_spec_init(&spec);
    assert_ok(jobsrv_begin(srv, &spec, &job));
    jobsrv_job_ref(job); /* so that the later one finds something to ask */
    assert_ok(jobsrv_start(srv));
    assert_ok(jobsrv_job_complete(job, NULL, 0));
    for (int k = 0; k < 2; k++) {
      two[k] = (stopper) { srv, &gate, 1 };
      assert_ok(uv_thread_create(&threads[k], stop_at_once, &two[k]));
    }
    for (int k = 0; k < 2; k++)
      uv_thread_join(&threads[k]);
    assert_int_equal(two[0].result + two[1].result, JOBSRV_ESETTLED);
    assert_true(two[0].result == 0 || two[1].result == 0);
    jobsrv_job_unref(job);
  }
}

/* ---- a foreign loop ---- */

static void an_idle_server_may_be_waited_for_for_ever(void **state) {
  atomic_int closed;
  jobsrv_t *srv;
  int fd;

  (void) state;
  atomic_init(&closed, 0);
  assert_ok(jobsrv_new(&srv, NULL, NULL));
  fd = jobsrv_fd(srv);
  assert_true(fd >= 0);
  assert_int_equal(jobsrv_timeout_ms(srv), 0); /* never dispatched yet */
  settle(srv);
  assert_int_equal(jobsrv_timeout_ms(srv), -1);
  assert_int_equal(is_readable(srv, 0), 0);
  assert_int_equal(jobsrv_dispatch(srv), 1);
  assert_int_equal(jobsrv_fd(srv), fd);
  jobsrv_close(srv, count_close, &closed);
  assert_int_equal(atomic_load(&closed), 0); /* not from inside the call */
  assert_int_equal(jobsrv_fd(srv), fd);
  dispatch_to_the_end(srv);
  assert_int_equal(atomic_load(&closed), 1);
  errno = 0;
  assert_int_equal(fcntl(fd, F_GETFD), -1);
  assert_int_equal(errno, EBADF);
}

static void a_dispatched_end_stays_the_end(void **state) {
  jobsrv_spec_t spec;
  jobsrv_job_t *job;
  jobsrv_t *srv;

  (void) state;
  assert_ok(jobsrv_new(&srv, NULL, NULL));
  jobsrv_spec_init(&spec);
  assert_ok(jobsrv_begin(srv, &spec, &job));
  jobsrv_job_ref(job); /* keeps the memory that is asked below */
  jobsrv_close(srv, NULL, NULL);
  dispatch_to_the_end(srv);
  assert_int_equal(jobsrv_dispatch(srv), 0);
  assert_err(jobsrv_fd(srv), JOBSRV_ECLOSED);
  assert_err(jobsrv_timeout_ms(srv), JOBSRV_ECLOSED);
  assert_int_equal(jobsrv_job_state(job), JOBSRV_STATE_CANCELLED);
  jobsrv_job_unref(job);
}

static void on_timer(jobsrv_timer_t *timer) {
  ++*(int *) timer->data;
}

/* A timer of the server's makes the descriptor readable, or the timeout end. */
static void a_timer_ends_the_wait_in_time(void **state) {
  jobsrv_timer_t timer;
  int fired = 0;
  jobsrv_t *srv;
  uint64_t at;
  int ms;

  (void) state;
  memset(&timer, 0, sizeof(timer));
  timer.data = &fired;
  assert_ok(jobsrv_new(&srv, NULL, NULL));
  settle(srv);
  at = jobsrv_now(srv) + 60 * MS;
  jobsrv_timer_arm(srv, &timer, at, on_timer);
  settle(srv);
  assert_int_equal(fired, 0);
  while (!fired) {
    ms = jobsrv_timeout_ms(srv);
    assert_true(is_readable(srv, ms < 0 ? 5000 : ms) || ms >= 0);
    assert_int_equal(jobsrv_dispatch(srv), 1);
  }
  assert_true(jobsrv_now(srv) >= at);
  jobsrv_close(srv, NULL, NULL);
  dispatch_to_the_end(srv);
}

static void on_turn(jobsrv_turn_t *turn) {
  ++*(int *) turn->data;
}

typedef struct {
  jobsrv_t *srv;
  jobsrv_job_t *job;
  jobsrv_timer_t timer;
  jobsrv_turn_t turn;
  jobsrv_cursor_t cursor;
  int calls;
} host;

static void arm_timer(host *h) {
  jobsrv_timer_arm(h->srv, &h->timer, jobsrv_now(h->srv) + 100000 * MS,
                   on_timer);
}

static void ask_turn(host *h) {
  jobsrv_turn_ask(h->srv, &h->turn, on_turn);
}

static void submit_one(host *h) {
  (void) submit(h->srv, "op");
}

static void narrate_one(host *h) {
  assert_ok(jobsrv_narrate(h->job, "say", "something"));
}

static void report_progress(host *h) {
  assert_ok(jobsrv_progress(h->job, &(jobsrv_progress_t) { .done = 1 }));
}

static void cancel_one(host *h) {
  assert_ok(jobsrv_job_cancel(h->job, NULL));
}

static void finish_one(host *h) {
  assert_ok(jobsrv_job_complete(h->job, NULL, 0));
}

static void wake_it(host *h) {
  jobsrv_wake(h->srv);
}

static void drain_it(host *h) {
  assert_ok(jobsrv_drain(h->srv, 100000, NULL, NULL));
}

static void close_it(host *h) {
  jobsrv_close(h->srv, NULL, NULL);
}

static void on_told(jobsrv_cursor_t *cursor) {
  jobsrv_view_t view;
  jobsrv_read_t what;

  while ((what = jobsrv_cursor_peek(cursor, &view)) != JOBSRV_READ_NOTHING &&
         what != JOBSRV_READ_END)
    jobsrv_cursor_advance(cursor, view.len);
}

static const struct {
  const char *name;
  void (*act)(host *h);
} acts[] = {
  { "a turn", ask_turn },
  { "a submit", submit_one },
  { "a narration", narrate_one },
  { "progress", report_progress },
  { "a cancel", cancel_one },
  { "an end", finish_one },
  { "a wake", wake_it },
  { "a drain", drain_it },
  { "a close", close_it },
};

/* The host has asked how long to sleep, does this, and then sleeps. */
static void what_is_armed_between_dispatches_wakes_once(void **state) {
  host h = { .calls = 0 };
  jobsrv_spec_t spec;

  (void) state;
  h.timer.data = &h.calls;
  h.turn.data = &h.calls;
  assert_ok(jobsrv_new(&h.srv, NULL, NULL));
  add(h.srv, "op", JOBSRV_DRAIN_CANCEL);
  jobsrv_spec_init(&spec);
  assert_ok(jobsrv_begin(h.srv, &spec, &h.job));
  assert_ok(jobsrv_cursor_attach(&h.cursor, h.job, 0, on_told));
  for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
    uint64_t wakes;

    settle(h.srv);
    wakes = stats_of(h.srv).wakes;
    acts[i].act(&h);
    if (!is_readable(h.srv, 0))
      fail_msg("%s did not wake", acts[i].name);
    if (acts[i].act != close_it)
      wake_it(&h); /* adds nothing */
    if (stats_of(h.srv).wakes != wakes + 1)
      fail_msg("%s woke more than once", acts[i].name);
  }
  assert_int_equal(h.calls, 1); /* the turn */
  jobsrv_cursor_detach(&h.cursor);
  dispatch_to_the_end(h.srv);
}

/* Outside a run, it ends a wait that was to be for ever all the same. */
static void an_earlier_timer_ends_the_wait_without_a_wake(void **state) {
  host h = { .calls = 0 };
  uint64_t wakes, at;

  (void) state;
  h.timer.data = &h.calls;
  assert_ok(jobsrv_new(&h.srv, NULL, NULL));
  arm_timer(&h);
  settle(h.srv);
  wakes = stats_of(h.srv).wakes;
  at = jobsrv_now(h.srv) + 30 * MS;
  jobsrv_timer_arm(h.srv, &h.timer, at, on_timer);
  while (h.calls == 0) {
    assert_int_equal(is_readable(h.srv, 5000), 1);
    assert_int_equal(jobsrv_dispatch(h.srv), 1);
  }
  assert_true(jobsrv_now(h.srv) >= at);
  assert_int_equal(stats_of(h.srv).wakes, wakes);
  jobsrv_close(h.srv, NULL, NULL);
  dispatch_to_the_end(h.srv);
}

static void a_later_timer_wakes_nobody(void **state) {
  host h = { .calls = 0 };
  jobsrv_timer_t later = { .data = &h.calls };
  uint64_t wakes;

  (void) state;
  h.timer.data = &h.calls;
  assert_ok(jobsrv_new(&h.srv, NULL, NULL));
  arm_timer(&h);
  settle(h.srv);
  wakes = stats_of(h.srv).wakes;
  jobsrv_timer_arm(h.srv, &later, jobsrv_now(h.srv) + 900000 * MS, on_timer);
  assert_int_equal(is_readable(h.srv, 0), 0);
  assert_int_equal(stats_of(h.srv).wakes, wakes);
  jobsrv_timer_disarm(h.srv, &later);
  jobsrv_timer_disarm(h.srv, &h.timer);
  jobsrv_close(h.srv, NULL, NULL);
  dispatch_to_the_end(h.srv);
}

static void act_inside(jobsrv_t *srv, void *data) {
  host *h = data;

  assert_int_equal(jobsrv_dispatch(srv), 1); /* does nothing in here */
  arm_timer(h);
  ask_turn(h);
  submit_one(h);
  wake_it(h);
}

static void nothing_wakes_from_inside_a_dispatch(void **state) {
  host h = { .calls = 0 };
  uint64_t wakes;

  (void) state;
  h.timer.data = &h.calls;
  h.turn.data = &h.calls;
  assert_ok(jobsrv_new(&h.srv, NULL, NULL));
  add(h.srv, "op", JOBSRV_DRAIN_CANCEL);
  settle(h.srv);
  wakes = stats_of(h.srv).wakes;
  assert_ok(jobsrv_post(h.srv, act_inside, &h));
  settle(h.srv);
  assert_int_equal(stats_of(h.srv).wakes, wakes + 1); /* the post's */
  assert_int_equal(h.calls, 1);
  assert_int_equal(stats_of(h.srv).running, 1);
  jobsrv_timer_disarm(h.srv, &h.timer);
  jobsrv_close(h.srv, NULL, NULL);
  dispatch_to_the_end(h.srv);
}

static void set(jobsrv_t *srv, void *data) {
  if (srv != NULL)
    atomic_store((atomic_int *) data, 1);
}

typedef struct {
  jobsrv_t *srv;
  atomic_int ran;
} poster;

static void post_later(void *arg) {
  poster *p = arg;

  uv_sleep(20);
  if (jobsrv_post(p->srv, set, &p->ran) != 0)
    atomic_store(&p->ran, -1);
}

static void another_thread_wakes_a_host_that_sleeps(void **state) {
  uv_thread_t thread;
  poster p;

  (void) state;
  atomic_init(&p.ran, 0);
  assert_ok(jobsrv_new(&p.srv, NULL, NULL));
  settle(p.srv);
  assert_ok(uv_thread_create(&thread, post_later, &p));
  assert_int_equal(is_readable(p.srv, 10000), 1);
  assert_int_equal(jobsrv_dispatch(p.srv), 1);
  assert_int_equal(atomic_load(&p.ran), 1);
  uv_thread_join(&thread);
  jobsrv_close(p.srv, NULL, NULL);
  dispatch_to_the_end(p.srv);
}

/* ---- in all of them ---- */

static void on_check(uv_check_t *check) {
  atomic_fetch_add((atomic_int *) check->data, 1);
}

static void on_uv_timer(uv_timer_t *timer) {
  ++*(int *) timer->data;
}

static void count_turns(uv_loop_t *loop, uv_check_t *check, atomic_int *n) {
  atomic_init(n, 0);
  uv_check_init(loop, check);
  check->data = n;
  uv_check_start(check, on_check);
  uv_unref((uv_handle_t *) check);
}

enum { QUIET_MS = 60 };

static void an_idle_server_wakes_the_hosts_loop_never(void **state) {
  uv_check_t check;
  uv_timer_t timer;
  uv_loop_t loop;
  atomic_int turns;
  int rang = 0;
  jobsrv_t *srv;

  (void) state;
  assert_ok(uv_loop_init(&loop));
  count_turns(&loop, &check, &turns);
  uv_timer_init(&loop, &timer);
  timer.data = &rang;
  assert_ok(jobsrv_new(&srv, &loop, NULL));
  uv_timer_start(&timer, on_uv_timer, QUIET_MS, 0);
  assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
  assert_int_equal(rang, 1);
  assert_in_range(atomic_load(&turns), 1, 2);
  assert_int_equal(stats_of(srv).wakes, 0);
  assert_int_equal(stats_of(srv).timer_wakes, 0);
  jobsrv_close(srv, NULL, NULL);
  uv_close((uv_handle_t *) &timer, NULL);
  uv_close((uv_handle_t *) &check, NULL);
  assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
  assert_ok(uv_loop_close(&loop));
}

static void an_idle_server_wakes_its_own_thread_never(void **state) {
  uv_check_t check;
  atomic_int turns;
  jobsrv_t *srv;
  int before;

  (void) state;
  assert_ok(jobsrv_new(&srv, NULL, NULL));
  count_turns(jobsrv_loop(srv), &check, &turns);
  assert_ok(jobsrv_start(srv));
  uv_sleep(20);
  before = atomic_load(&turns);
  uv_sleep(QUIET_MS);
  assert_int_equal(atomic_load(&turns), before);
  assert_int_equal(before, 0);
  assert_ok(jobsrv_stop(srv, 1000)); /* and closes the check left behind */
}

static void an_idle_server_wakes_a_foreign_loop_never(void **state) {
  jobsrv_t *srv;

  (void) state;
  assert_ok(jobsrv_new(&srv, NULL, NULL));
  settle(srv);
  assert_int_equal(jobsrv_timeout_ms(srv), -1);
  assert_int_equal(is_readable(srv, QUIET_MS), 0);
  assert_int_equal(stats_of(srv).wakes, 0);
  assert_int_equal(stats_of(srv).timer_wakes, 0);
  jobsrv_close(srv, NULL, NULL);
  dispatch_to_the_end(srv);
}

static void on_uv_closed(uv_handle_t *handle) {
  ++*(int *) handle->data;
}

static void on_late_timer(uv_timer_t *timer) {
  uv_close((uv_handle_t *) timer, on_uv_closed);
}

/* What is the host's in the server's own loop has its time to end. */
static void the_loop_outlasts_what_the_host_has_in_it(void **state) {
  uv_timer_t timer;
  int closed = 0;
  jobsrv_t *srv;

  (void) state;
  for (int started = 0; started < 2; started++) {
    closed = 0;
    assert_ok(jobsrv_new(&srv, NULL, NULL));
    uv_timer_init(jobsrv_loop(srv), &timer);
    timer.data = &closed;
    uv_timer_start(&timer, on_late_timer, 30, 0);
    if (started) {
      assert_ok(jobsrv_start(srv));
      assert_ok(jobsrv_stop(srv, 1000));
    } else {
      jobsrv_close(srv, NULL, NULL);
      dispatch_to_the_end(srv);
    }
    assert_int_equal(closed, 1);
  }
}

static void several_servers_live_side_by_side(void **state) {
  enum { N = 4 };
  jobsrv_t *foreign[N], *started[N];

  (void) state;
  for (int i = 0; i < N; i++) {
    assert_ok(jobsrv_new(&foreign[i], NULL, NULL));
    assert_ok(jobsrv_new(&started[i], NULL, NULL));
    add(foreign[i], "op", JOBSRV_DRAIN_CANCEL);
    add(started[i], "op", JOBSRV_DRAIN_CANCEL);
    (void) submit(foreign[i], "op");
    (void) submit(started[i], "op");
    assert_ok(jobsrv_start(started[i]));
  }
  for (int i = 0; i < N; i++) {
    settle(foreign[i]);
    assert_int_equal(stats_of(foreign[i]).running, 1);
    assert_ok(jobsrv_stop(started[i], 0));
    jobsrv_close(foreign[i], NULL, NULL);
    dispatch_to_the_end(foreign[i]);
    if (i + 1 < N)
      assert_int_equal(jobsrv_dispatch(foreign[i + 1]), 1);
  }
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(
      a_server_on_the_hosts_loop_is_neither_started_nor_driven),
  cmocka_unit_test(a_started_server_is_not_driven_nor_started_again),
  cmocka_unit_test(each_allocation_of_a_server_with_a_loop_may_fail),
  cmocka_unit_test(a_forked_child_can_neither_start_nor_stop),
  cmocka_unit_test(its_thread_blocks_all_signals_and_only_it),
  cmocka_unit_test(stop_ends_jobs_as_their_operation_says),
  cmocka_unit_test(stop_does_not_wait_for_a_stuck_thread),
  cmocka_unit_test(stop_waits_for_what_a_callback_has_closed),
  cmocka_unit_test(stop_runs_what_was_closed_before_the_start),
  cmocka_unit_test(stop_hurries_a_drain_that_is_under_way),
  cmocka_unit_test(stop_closes_what_is_drained_already),
  cmocka_unit_test(of_two_that_stop_at_once_one_does),
  cmocka_unit_test(an_idle_server_may_be_waited_for_for_ever),
  cmocka_unit_test(a_dispatched_end_stays_the_end),
  cmocka_unit_test(a_timer_ends_the_wait_in_time),
  cmocka_unit_test(what_is_armed_between_dispatches_wakes_once),
  cmocka_unit_test(an_earlier_timer_ends_the_wait_without_a_wake),
  cmocka_unit_test(a_later_timer_wakes_nobody),
  cmocka_unit_test(nothing_wakes_from_inside_a_dispatch),
  cmocka_unit_test(another_thread_wakes_a_host_that_sleeps),
  cmocka_unit_test(an_idle_server_wakes_the_hosts_loop_never),
  cmocka_unit_test(an_idle_server_wakes_its_own_thread_never),
  cmocka_unit_test(an_idle_server_wakes_a_foreign_loop_never),
  cmocka_unit_test(the_loop_outlasts_what_the_host_has_in_it),
  cmocka_unit_test(several_servers_live_side_by_side),
};

RUN(tests);
