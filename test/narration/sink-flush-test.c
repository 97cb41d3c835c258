/* SPDX-License-Identifier: MIT */

/* How sinks come, are flushed, and go. */

#include "world.h"

#include <fcntl.h>
#include <unistd.h>

/* A sink that answers when the test says so. */
typedef struct slow_s {
  jobsrv_sink_t *sink;
  jobsrv_sink_t *given;  /* to open */
  int refuse;            /* what open returns */
  int opened;
  int events;
  int flushes;
  int at_flush;          /* events when it was asked last */
  int ready;             /* answers at once */
  int closed;
  void (*in_flush)(struct slow_s *slow);
  world_t *world;
} slow_t;

static void on_event(void *self, const jobsrv_event_t *event) {
  (void) event;
  ((slow_t *) self)->events++;
}

static void on_close(void *self) {
  ((slow_t *) self)->closed++;
}

static int on_open(void *self, jobsrv_sink_t *sink) {
  slow_t *slow = self;

  slow->opened++;
  slow->given = sink;
  return slow->refuse;
}

static int on_flush(void *self) {
  slow_t *slow = self;

  slow->flushes++;
  slow->at_flush = slow->events;
  if (slow->in_flush != NULL)
    slow->in_flush(slow);
  return slow->ready;
}

static const jobsrv_sink_ops_t ops = {
  .size = sizeof(ops),
  .event = on_event,
  .close = on_close,
  .open = on_open,
  .flush = on_flush,
};

static void add(world_t *world, slow_t *slow) {
  slow->world = world;
  assert_ok(jobsrv_sink_add(world->srv, &ops, slow, NULL, &slow->sink));
}

typedef struct {
  int calls;
  int err;
} told_t;

static void on_flushed(jobsrv_t *srv, int err, void *data) {
  told_t *told = data;

  assert_non_null(srv);
  told->calls++;
  told->err = err;
}

static void on_done(jobsrv_t *srv, void *data) {
  (void) srv;
  *(int *) data = 1;
}

static void open_is_the_first_call_and_may_refuse(void **state) {
  slow_t slow = { .refuse = UV_EACCES };
  jobsrv_sink_t *out = NULL;
  world_t world;

  (void) state;
  world_open(&world);
  assert_err(jobsrv_sink_add(world.srv, &ops, &slow, NULL, &out), UV_EACCES);
  assert_null(out);
  assert_int_equal(slow.opened, 1);
  (void) begin_job(&world);
  assert_int_equal(slow.events, 0);
  slow.refuse = 0;
  add(&world, &slow);
  assert_ptr_equal(slow.given, slow.sink);
  assert_int_equal(slow.opened, 2);
  (void) begin_job(&world);
  assert_int_equal(slow.events, 2);
  world_close(&world);
  assert_int_equal(slow.closed, 1);
}

static void a_flush_ends_when_the_last_sink_has_answered(void **state) {
  slow_t first = { 0 }, second = { 0 }, quick = { .ready = 1 };
  told_t told = { 0 };
  world_t world;

  (void) state;
  world_open(&world);
  add(&world, &first);
  add(&world, &second);
  add(&world, &quick);
  assert_ok(jobsrv_sinks_flush(world.srv, on_flushed, &told));
  assert_int_equal(told.calls, 0);
  world_turn(&world);
  assert_int_equal(first.flushes + second.flushes + quick.flushes, 3);
  assert_int_equal(told.calls, 0);
  jobsrv_sink_flushed(second.sink);
  world_turn(&world);
  assert_int_equal(told.calls, 0);
  jobsrv_sink_flushed(first.sink);
  assert_int_equal(told.calls, 0); /* not inside its call */
  world_turn(&world);
  assert_int_equal(told.calls, 1);
  assert_int_equal(told.err, 0);
  jobsrv_sink_flushed(first.sink); /* nobody has asked */
  world_turn(&world);
  assert_int_equal(told.calls, 1);
  world_close(&world);
}

static void without_sinks_it_ends_by_itself(void **state) {
  told_t told = { 0 };
  world_t world;

  (void) state;
  world_open(&world);
  assert_ok(jobsrv_sinks_flush(world.srv, on_flushed, &told));
  assert_int_equal(told.calls, 0);
  world_turn(&world);
  assert_int_equal(told.calls, 1);
  world_close(&world);
}

static void say_on_thread(void *arg) {
  assert_ok(jobsrv_narrate(arg, "from", "another thread"));
}

/* What waits in the mail before the call is in what is flushed. */
static void a_flush_is_behind_all_that_was_narrated(void **state) {
  slow_t slow = { .ready = 1 };
  told_t told = { 0 };
  jobsrv_job_t *job;
  uv_thread_t thread;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  add(&world, &slow);
  assert_int_equal(uv_thread_create(&thread, say_on_thread, job), 0);
  uv_thread_join(&thread);
  assert_ok(jobsrv_narrate(job, "behind", "it"));
  assert_ok(jobsrv_sinks_flush(world.srv, on_flushed, &told));
  world_turn(&world);
  assert_int_equal(told.calls, 1);
  assert_int_equal(slow.at_flush, 2);
  world_close(&world);
}

static void one_asked_for_meanwhile_is_another(void **state) {
  told_t first = { 0 }, second = { 0 }, third = { 0 };
  slow_t slow = { 0 };
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  add(&world, &slow);
  assert_ok(jobsrv_sinks_flush(world.srv, on_flushed, &first));
  world_turn(&world);
  job = begin_job(&world);
  assert_ok(jobsrv_narrate(job, "a", "b"));
  assert_ok(jobsrv_sinks_flush(world.srv, on_flushed, &second));
  assert_ok(jobsrv_sinks_flush(world.srv, on_flushed, &third));
  world_turn(&world);
  assert_int_equal(slow.flushes, 1);
  jobsrv_sink_flushed(slow.sink);
  assert_int_equal(slow.flushes, 2);
  assert_int_equal(slow.at_flush, 3);
  world_turn(&world);
  assert_int_equal(first.calls, 1);
  assert_int_equal(second.calls + third.calls, 0);
  jobsrv_sink_flushed(slow.sink);
  world_turn(&world);
  assert_int_equal(slow.flushes, 2);
  assert_int_equal(second.calls, 1);
  assert_int_equal(third.calls, 1);
  world_close(&world);
}

static void who_is_removed_or_comes_later_is_not_waited_for(void **state) {
  slow_t gone = { 0 }, late = { 0 };
  told_t told = { 0 };
  world_t world;

  (void) state;
  world_open(&world);
  add(&world, &gone);
  assert_ok(jobsrv_sinks_flush(world.srv, on_flushed, &told));
  world_turn(&world);
  add(&world, &late);
  jobsrv_sink_remove(gone.sink);
  world_turn(&world);
  assert_int_equal(told.calls, 1);
  assert_int_equal(late.flushes, 0);
  world_close(&world);
}

static void remove_self(slow_t *slow) {
  jobsrv_sink_remove(slow->sink);
}

static void answer(slow_t *slow) {
  jobsrv_sink_flushed(slow->sink);
}

static void narrate(slow_t *slow) {
  jobsrv_job_t *job = begin_job(slow->world);

  assert_ok(jobsrv_narrate(job, "from", "a flush"));
}

static void close_server(slow_t *slow) {
  jobsrv_close(slow->world->srv, NULL, NULL);
  slow->world->srv = NULL;
}

static void a_flush_may_do_anything(void **state) {
  static const struct {
    void (*act)(slow_t *slow);
    int ready, closes;
  } acts[] = {
    { remove_self, 0, 0 }, { remove_self, 1, 0 },  { answer, 0, 0 },
    { answer, 1, 0 },      { narrate, 1, 0 },      { close_server, 0, 1 },
    { close_server, 1, 1 },
  };

  (void) state;
  for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
    slow_t before = { .ready = 1 }, slow = { .ready = acts[i].ready };
    slow_t behind = { .ready = 1 };
    told_t told = { 0 };
    world_t world;

    world_open(&world);
    add(&world, &before);
    add(&world, &slow);
    add(&world, &behind);
    slow.in_flush = acts[i].act;
    assert_ok(jobsrv_sinks_flush(world.srv, on_flushed, &told));
    world_turn(&world);
    slow.in_flush = NULL;
    assert_int_equal(told.calls, 1);
    assert_int_equal(told.err, acts[i].closes ? JOBSRV_ECLOSED : 0);
    assert_int_equal(behind.flushes, 1);
    world_close(&world);
    assert_int_equal(before.closed + slow.closed + behind.closed, 3);
  }
}

static void flush_again(jobsrv_t *srv, int err, void *data) {
  on_flushed(srv, err, data);
  if (err != 0)
    assert_err(jobsrv_sinks_flush(srv, on_flushed, data), JOBSRV_ECLOSED);
  else
    assert_ok(jobsrv_sinks_flush(srv, flush_again, data));
}

static void who_waits_when_the_server_closes_is_told(void **state) {
  told_t waits = { 0 }, posted = { 0 }, again = { 0 };
  slow_t slow = { 0 };
  world_t world;

  (void) state;
  world_open(&world);
  assert_ok(jobsrv_sinks_flush(world.srv, flush_again, &again));
  world_turn(&world);
  assert_in_range(again.calls, 1, 4);
  add(&world, &slow);
  assert_ok(jobsrv_sinks_flush(world.srv, on_flushed, &waits));
  world_turn(&world);
  assert_int_equal(slow.flushes, 1);
  assert_ok(jobsrv_sinks_flush(world.srv, on_flushed, &posted));
  world_close(&world);
  assert_int_equal(slow.flushes, 2); /* once more, without waiting */
  assert_int_equal(slow.closed, 1);
  assert_int_equal(waits.err, JOBSRV_ECLOSED);
  assert_int_equal(posted.err, JOBSRV_ECLOSED);
  assert_int_equal(again.err, JOBSRV_ECLOSED);
  assert_int_equal(waits.calls + posted.calls, 2);
}

static void a_flush_may_fail_for_want_of_memory(void **state) {
  told_t told = { 0 };
  world_t world;

  (void) state;
  world_open(&world);
  for (uint64_t n = 0; n < 2; n++) {
    jobsrv_faults_fail(&world.faults, n, 1);
    assert_err(jobsrv_sinks_flush(world.srv, on_flushed, &told), UV_ENOMEM);
  }
  jobsrv_faults_fail(&world.faults, 0, 0);
  world_turn(&world);
  assert_int_equal(told.calls, 0);
  world_close(&world);
}

static void a_drain_waits_for_every_sink(void **state) {
  slow_t slow = { 0 };
  world_t world;
  int done = 0;

  (void) state;
  world_open(&world);
  add(&world, &slow);
  (void) begin_job(&world);
  assert_ok(jobsrv_drain(world.srv, 1000, on_done, &done));
  world_turn(&world);
  assert_int_equal(done, 0); /* the job is there */
  world_pass(&world, 1000);
  assert_int_equal(slow.flushes, 1);
  assert_int_equal(slow.at_flush, slow.events);
  assert_int_equal(done, 0);
  jobsrv_sink_flushed(slow.sink);
  world_turn(&world);
  assert_int_equal(done, 1);
  world_close(&world);
}

static void a_sink_that_never_answers_holds_up_a_drain_no_longer_than_said(
    void **state) {
  slow_t slow = { 0 };
  world_t world;
  int done = 0;

  (void) state;
  world_open(&world);
  add(&world, &slow);
  assert_ok(jobsrv_drain(world.srv, 1000, on_done, &done));
  world_turn(&world);
  world_pass(&world, 1400);
  assert_int_equal(done, 0);
  world_pass(&world, 200);
  assert_int_equal(done, 1);
  world_close(&world);
  assert_int_equal(slow.closed, 1);
}

static void a_drain_without_memory_does_not_wait(void **state) {
  slow_t slow = { 0 };
  world_t world;
  int done = 0;

  (void) state;
  world_open(&world);
  add(&world, &slow);
  assert_ok(jobsrv_drain(world.srv, 1000, on_done, &done));
  jobsrv_faults_every(&world.faults, 1);
  world_turn(&world);
  jobsrv_faults_every(&world.faults, 0);
  assert_int_equal(done, 1);
  world_close(&world);
}

static void the_writer_is_flushed_with_the_sinks(void **state) {
  jobsrv_console_options_t options;
  told_t first = { 0 }, second = { 0 };
  jobsrv_job_t *job;
  char text[65536];
  world_t world;
  int fd[2];

  (void) state;
  world_open(&world);
  assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
  jobsrv_console_options_init(&options);
  options.fd = fd[1];
  assert_ok(jobsrv_console_add(world.srv, &options, NULL));
  job = begin_job(&world);
  for (int i = 0; i < 2000; i++) /* more than the pipe holds */
    assert_ok(jobsrv_narrate(job, "line", "%060d", i));
  assert_ok(jobsrv_sinks_flush(world.srv, on_flushed, &first));
  assert_ok(jobsrv_sinks_flush(world.srv, on_flushed, &second));
  world_turn(&world);
  assert_int_equal(first.calls, 0);
  for (int i = 0; i < 5000 && second.calls == 0; i++) {
    struct pollfd ready = { .fd = fd[0], .events = POLLIN };

    if (poll(&ready, 1, 1) == 1)
      assert_true(read(fd[0], text, sizeof(text)) > 0);
    world_turn(&world);
  }
  assert_int_equal(first.calls, 1);
  assert_int_equal(second.calls, 1);
  world_close(&world);
  close(fd[0]);
  close(fd[1]);
}

static void a_host_that_knows_less_is_served_too(void **state) {
  jobsrv_sink_options_t options;
  jobsrv_sink_ops_t old = ops;
  slow_t slow = { 0 };
  world_t world;
  told_t told = { 0 };

  (void) state;
  world_open(&world);
  old.size = offsetof(jobsrv_sink_ops_t, open);
  jobsrv_sink_options_init(&options);
  options.size = offsetof(jobsrv_sink_options_t, progress);
  options.progress = 1; /* behind what it says it has */
  assert_ok(jobsrv_sink_add(world.srv, &old, &slow, &options, NULL));
  assert_int_equal(slow.opened, 0);
  assert_ok(jobsrv_progress(begin_job(&world),
                            &(jobsrv_progress_t) { .done = 1 }));
  assert_ok(jobsrv_sinks_flush(world.srv, on_flushed, &told));
  world_turn(&world);
  assert_int_equal(slow.flushes, 0);
  assert_int_equal(slow.events, 2);
  assert_int_equal(told.calls, 1);
  world_close(&world);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(open_is_the_first_call_and_may_refuse),
  cmocka_unit_test(a_flush_ends_when_the_last_sink_has_answered),
  cmocka_unit_test(without_sinks_it_ends_by_itself),
  cmocka_unit_test(a_flush_is_behind_all_that_was_narrated),
  cmocka_unit_test(one_asked_for_meanwhile_is_another),
  cmocka_unit_test(who_is_removed_or_comes_later_is_not_waited_for),
  cmocka_unit_test(a_flush_may_do_anything),
  cmocka_unit_test(who_waits_when_the_server_closes_is_told),
  cmocka_unit_test(a_flush_may_fail_for_want_of_memory),
  cmocka_unit_test(a_drain_waits_for_every_sink),
  cmocka_unit_test(
      a_sink_that_never_answers_holds_up_a_drain_no_longer_than_said),
  cmocka_unit_test(a_drain_without_memory_does_not_wait),
  cmocka_unit_test(the_writer_is_flushed_with_the_sinks),
  cmocka_unit_test(a_host_that_knows_less_is_served_too),
};

RUN(tests);
