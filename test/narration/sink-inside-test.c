/* SPDX-License-Identifier: MIT */

/* What sinks do from inside of what they are called for. */

#include "world.h"

#include "jobsrv/sinks.h"

#include <pthread.h>
#include <unistd.h>

enum { MOST = 64 };

typedef struct spy_s {
  jobsrv_sink_t *sink;
  char human[MOST][64];
  int n;
  int closed;
  void (*once)(struct spy_s *spy, const jobsrv_event_t *event);
  void (*in_open)(struct spy_s *spy);
  void (*in_close)(struct spy_s *spy);
  jobsrv_job_t *job;
  struct spy_s *other;
  world_t *world;
} spy_t;

static void on_event(void *self, const jobsrv_event_t *event) {
  void (*once)(spy_t *, const jobsrv_event_t *) = ((spy_t *) self)->once;
  spy_t *spy = self;

  assert_int_equal(spy->closed, 0);
  if (spy->n < MOST)
    snprintf(spy->human[spy->n++], 64, "%s", event->human);
  if (once != NULL)
    once(spy, event);
}

static void on_close(void *self) {
  spy_t *spy = self;

  spy->closed++;
  if (spy->in_close != NULL)
    spy->in_close(spy);
}

static int on_open(void *self, jobsrv_sink_t *sink) {
  spy_t *spy = self;

  spy->sink = sink;
  if (spy->in_open != NULL)
    spy->in_open(spy);
  return 0;
}

static const jobsrv_sink_ops_t ops = {
  .size = sizeof(ops),
  .event = on_event,
  .close = on_close,
  .open = on_open,
};

static int add(world_t *world, spy_t *spy, int level) {
  jobsrv_sink_options_t options;

  spy->world = world;
  jobsrv_sink_options_init(&options);
  options.level = level;
  return jobsrv_sink_add(world->srv, &ops, spy, &options, NULL);
}

static void shut(world_t *world) {
  jobsrv_close(world->srv, NULL, NULL);
  world->srv = NULL;
}

static int tell(world_t *world, const char *human) {
  jobsrv_event_t event = { .action = "note", .human = human };

  return jobsrv_narrate_server(world->srv, &event);
}

static int place_of(const spy_t *spy, const char *human) {
  for (int i = 0; i < spy->n; i++)
    if (strcmp(spy->human[i], human) == 0)
      return i;
  return -1;
}

/* ---- adding ---- */

static void add_other(spy_t *spy, const jobsrv_event_t *event) {
  (void) event;
  if (spy->other == NULL)
    return;
  assert_ok(add(spy->world, spy->other, JOBSRV_INFO));
  spy->other = NULL;
}

static void a_sink_that_is_added_inside_a_servers_event_does_not_get_it(
    void **state) {
  spy_t late = { 0 };
  spy_t spy = { .once = add_other, .other = &late };
  world_t world;

  (void) state;
  world_open(&world);
  assert_ok(add(&world, &spy, JOBSRV_INFO));
  assert_ok(tell(&world, "first"));
  world_turn(&world);
  assert_int_equal(spy.n, 1);
  assert_int_equal(late.n, 0);
  assert_ok(tell(&world, "second"));
  world_turn(&world);
  assert_int_equal(late.n, 1);
  world_close(&world);
}

static void shut_it(spy_t *spy) {
  spy->in_close = NULL;
  spy->in_open = NULL;
  shut(spy->world);
}

static void a_sink_may_close_the_server_when_it_is_opened(void **state) {
  spy_t spy = { .in_open = shut_it };
  world_t world;

  (void) state;
  world_open(&world);
  assert_err(add(&world, &spy, JOBSRV_INFO), JOBSRV_ECLOSED);
  assert_int_equal(spy.closed, 0);
  world_close(&world);
}

static void a_sink_may_close_the_server_when_it_is_removed(void **state) {
  spy_t spy = { .in_close = shut_it };
  world_t world;

  (void) state;
  world_open(&world);
  assert_ok(add(&world, &spy, JOBSRV_INFO));
  jobsrv_sink_remove(spy.sink);
  assert_int_equal(spy.closed, 1);
  world_close(&world);
}

/* ---- other jobs ---- */

static void finish_job(spy_t *spy, const jobsrv_event_t *event) {
  if (event->kind != JOBSRV_KIND_DROPPED || spy->job == NULL)
    return;
  assert_ok(jobsrv_job_complete(spy->job, "{\"a\":\"another one's record\"}",
                                0));
  spy->job = NULL;
}

static void *flood(void *arg) {
  static char text[1024];

  memset(text, 'x', sizeof(text) - 1);
  while (jobsrv_narrate(arg, "fill", "%s", text) == 0)
    ;
  return NULL;
}

static void a_sink_may_end_another_job_when_it_is_told_of_a_loss(
    void **state) {
  spy_t spy = { .once = finish_job };
  bytes_t bytes = { 0 };
  jobsrv_cursor_t cursor = { 0 };
  jobsrv_job_t *job;
  pthread_t thread;
  world_t world;

  (void) state;
  world_init(&world);
  world.options.max_inbox_bytes = 16 * 1024;
  world_start(&world);
  assert_ok(add(&world, &spy, JOBSRV_INFO));
  job = begin_job(&world);
  spy.job = begin_job(&world);
  assert_int_equal(pthread_create(&thread, NULL, flood, job), 0);
  pthread_join(thread, NULL);
  world_turn(&world);
  assert_ok(jobsrv_narrate(job, "say", "what comes behind the loss"));
  assert_null(spy.job);
  assert_ok(jobsrv_cursor_attach(&cursor, job, 0, NULL));
  (void) read_events(&cursor, &bytes);
  (void) assert_frames(&world, &bytes, 1);
  assert_contains(bytes.data, "what comes behind the loss");
  assert_null(strstr(bytes.data, "another one"));
  jobsrv_cursor_detach(&cursor);
  bytes_free(&bytes);
  world_close(&world);
}

static void close_at_loss(spy_t *spy, const jobsrv_event_t *event) {
  if (event->kind == JOBSRV_KIND_DROPPED && spy->world->srv != NULL)
    shut(spy->world);
}

static void close_while_lost(int how) {
  spy_t spy = { .once = close_at_loss };
  jobsrv_job_t *job;
  pthread_t thread;
  world_t world;

  world_init(&world);
  world.options.max_inbox_bytes = 16 * 1024;
  world_start(&world);
  assert_ok(add(&world, &spy, JOBSRV_INFO));
  job = jobsrv_job_ref(begin_job(&world));
  assert_int_equal(pthread_create(&thread, NULL, flood, job), 0);
  pthread_join(thread, NULL);
  world_turn(&world);
  if (how == 0)
    (void) jobsrv_narrate(job, "say", "behind the loss");
  else if (how == 1)
    (void) jobsrv_job_complete(job, NULL, 0);
  else
    (void) jobsrv_job_cancel(job, NULL);
  assert_null(world.srv);
  jobsrv_job_unref(job);
  world_close(&world);
}

static void a_sink_may_close_the_server_when_it_is_told_of_a_loss(
    void **state) {
  (void) state;
  for (int how = 0; how < 3; how++)
    close_while_lost(how);
}

/* ---- order ---- */

static void *say_one(void *arg) {
  (void) jobsrv_narrate(arg, "say", "from a thread");
  return NULL;
}

static void what_belongs_to_no_job_keeps_its_place(void **state) {
  spy_t spy = { 0 };
  jobsrv_job_t *job;
  pthread_t thread;
  world_t world;

  (void) state;
  world_open(&world);
  assert_ok(add(&world, &spy, JOBSRV_INFO));
  job = begin_job(&world);
  assert_int_equal(pthread_create(&thread, NULL, say_one, job), 0);
  pthread_join(thread, NULL);
  assert_ok(jobsrv_narrate(job, "say", "one"));
  assert_ok(tell(&world, "two"));
  assert_ok(jobsrv_narrate(job, "say", "three"));
  world_turn(&world);
  assert_true(place_of(&spy, "one") >= 0);
  assert_true(place_of(&spy, "two") > place_of(&spy, "one"));
  assert_true(place_of(&spy, "three") > place_of(&spy, "two"));
  world_close(&world);
}

static void say_both(spy_t *spy, const jobsrv_event_t *event) {
  if (strcmp(event->human, "go") != 0)
    return;
  assert_ok(jobsrv_narrate(spy->job, "say", "one"));
  assert_ok(tell(spy->world, "two"));
}

static void what_a_sink_says_of_no_job_keeps_its_place(void **state) {
  spy_t spy = { .once = say_both };
  world_t world;

  (void) state;
  world_open(&world);
  assert_ok(add(&world, &spy, JOBSRV_INFO));
  spy.job = begin_job(&world);
  assert_ok(jobsrv_narrate(spy.job, "say", "go"));
  world_turn(&world);
  assert_true(place_of(&spy, "one") > place_of(&spy, "go"));
  assert_true(place_of(&spy, "two") > place_of(&spy, "one"));
  world_close(&world);
}

static void tell_of_it(jobsrv_hook_t *hook,
                       jobsrv_job_t *job,
                       jobsrv_state_t from,
                       jobsrv_state_t to) {
  (void) job;
  (void) from;
  if (to == JOBSRV_STATE_CANCELLED)
    assert_ok(tell(hook->data, "the last"));
}

static void what_belongs_to_no_job_is_told_while_the_server_closes(
    void **state) {
  jobsrv_hook_t hook = { 0 };
  spy_t spy = { 0 };
  jobsrv_job_t *job;
  pthread_t thread;
  world_t world;

  (void) state;
  world_open(&world);
  assert_ok(add(&world, &spy, JOBSRV_INFO));
  hook.data = &world;
  jobsrv_hook_add(world.srv, &hook, tell_of_it);
  job = begin_job(&world);
  assert_int_equal(pthread_create(&thread, NULL, say_one, job), 0);
  pthread_join(thread, NULL);
  jobsrv_close(world.srv, NULL, NULL);
  world.srv = NULL;
  assert_true(place_of(&spy, "the last") >= 0);
  world_close(&world);
}

/* ---- trouble ---- */

static void shut_in_trouble(jobsrv_sink_t *sink,
                            int err,
                            uint64_t lost,
                            void *data) {
  world_t *world = data;

  (void) sink;
  (void) lost;
  assert_int_equal(err, UV_ENOSPC);
  shut(world);
}

static void on_flushed(jobsrv_t *srv, int err, void *data) {
  (void) srv;
  assert_int_equal(err, JOBSRV_ECLOSED);
  ++*(int *) data;
}

static void the_server_may_be_closed_in_trouble_during_a_flush(void **state) {
  jobsrv_file_options_t options;
  world_t world;
  int flushed = 0;

  (void) state;
  world_open(&world);
  jobsrv_file_options_init(&options);
  options.path = "/dev/full";
  options.on_trouble = shut_in_trouble;
  options.data = &world;
  assert_ok(jobsrv_file_add(world.srv, &options, NULL));
  assert_ok(tell(&world, "more than there is room for"));
  assert_ok(jobsrv_sinks_flush(world.srv, on_flushed, &flushed));
  for (int i = 0; i < 1000 && world.srv != NULL; i++) {
    run_turns(&world.loop, 1);
    usleep(20000); /* both are news by then */
  }
  assert_null(world.srv);
  assert_int_equal(flushed, 1);
  world_close(&world);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(
        a_sink_that_is_added_inside_a_servers_event_does_not_get_it),
    cmocka_unit_test(a_sink_may_close_the_server_when_it_is_opened),
    cmocka_unit_test(a_sink_may_close_the_server_when_it_is_removed),
    cmocka_unit_test(a_sink_may_end_another_job_when_it_is_told_of_a_loss),
    cmocka_unit_test(a_sink_may_close_the_server_when_it_is_told_of_a_loss),
    cmocka_unit_test(what_belongs_to_no_job_keeps_its_place),
    cmocka_unit_test(what_a_sink_says_of_no_job_keeps_its_place),
    cmocka_unit_test(what_belongs_to_no_job_is_told_while_the_server_closes),
    cmocka_unit_test(the_server_may_be_closed_in_trouble_during_a_flush),
  };

  return RUN_GROUP(tests);
}
