/* SPDX-License-Identifier: MIT */

#include "world.h"

/* A sink that writes down what it sees and may do something once. */
typedef struct spy_s {
  jobsrv_sink_t *sink;
  uint64_t seqs[64];
  int kinds[64];
  int n;
  int closed;
  void (*once)(struct spy_s *spy, const jobsrv_event_t *event);
  struct spy_s *other;
  jobsrv_job_t *victim;
  world_t *world;
} spy_t;

static void on_event(void *self, const jobsrv_event_t *event) {
  spy_t *spy = self;
  void (*once)(spy_t *, const jobsrv_event_t *) = spy->once;

  assert_int_equal(spy->closed, 0);
  assert_int_equal(event->size, sizeof(*event));
  if (spy->n < 64) {
    spy->seqs[spy->n] = event->server_seq;
    spy->kinds[spy->n++] = (int) event->kind;
  }
  if (event->json != NULL) {
    json_t *json = json_loadb(event->json, event->json_len, 0, NULL);

    assert_non_null(json);
    assert_string_equal(text_of(json, "type"), jobsrv_kind_name(event->kind));
    if (event->seq != 0)
      assert_int_equal(int_of(json, "seq"), event->seq);
    json_decref(json);
  }
  spy->once = NULL;
  if (once != NULL)
    once(spy, event);
}

static void on_close(void *self) {
  ((spy_t *) self)->closed++;
}

static const jobsrv_sink_ops_t ops = {
  .size = sizeof(ops),
  .event = on_event,
  .close = on_close,
};

static int add_with(world_t *world,
                    spy_t *spy,
                    int level,
                    jobsrv_sink_filter_t filter) {
  jobsrv_sink_options_t options;

  spy->world = world;
  jobsrv_sink_options_init(&options);
  options.level = level;
  options.filter = filter;
  return jobsrv_sink_add(world->srv, &ops, spy, &options, &spy->sink);
}

static void add(world_t *world, spy_t *spy) {
  assert_ok(add_with(world, spy, JOBSRV_TRACE, (jobsrv_sink_filter_t) { 0 }));
}

static void assert_in_order(const spy_t *spy) {
  for (int i = 1; i < spy->n; i++)
    assert_true(spy->seqs[i] > spy->seqs[i - 1]);
}

static void a_sink_sees_a_job_from_creation_to_end(void **state) {
  static const int want[] = {
    JOBSRV_KIND_STATE, JOBSRV_KIND_STATE, JOBSRV_KIND_NARRATION,
    JOBSRV_KIND_DATA, JOBSRV_KIND_STATE, JOBSRV_KIND_END,
  };
  spy_t spy = { 0 };
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  add(&world, &spy);
  job = begin_job(&world);
  assert_ok(jobsrv_narrate(job, "a", "b"));
  assert_ok(jobsrv_data_event(job, "a", "{}", 0));
  assert_ok(jobsrv_job_cancel(job, NULL));
  assert_ok(jobsrv_job_fail(job, NULL, NULL));
  world_turn(&world);
  assert_int_equal(spy.n, 6);
  assert_memory_equal(spy.kinds, want, sizeof(want));
  assert_in_order(&spy);
  world_close(&world);
  assert_int_equal(spy.closed, 1);
}

static const jobsrv_sink_filter_t none;

static void its_level_is_a_floor(void **state) {
  spy_t all = { 0 }, warn = { 0 }, mute = { 0 };
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_init(&world);
  world.options.level = JOBSRV_TRACE;
  world_start(&world);
  add(&world, &all);
  assert_ok(add_with(&world, &warn, JOBSRV_WARN, none));
  assert_ok(add_with(&world, &mute, JOBSRV_MUTE, none));
  job = begin_job(&world);
  assert_ok(jobsrv_trace(job, "a", "b"));
  assert_ok(jobsrv_warn(job, "a", "b"));
  assert_ok(jobsrv_fatal(job, "a", "b"));
  assert_int_equal(all.n, 5);
  assert_int_equal(warn.n, 2);
  assert_int_equal(mute.n, 0);
  world_close(&world);
}

static void its_level_is_info_unless_said_and_changes_while_it_runs(
    void **state) {
  jobsrv_job_t *job;
  spy_t spy = { 0 };
  world_t world;

  (void) state;
  world_init(&world);
  world.options.level = JOBSRV_TRACE;
  world_start(&world);
  assert_ok(jobsrv_sink_add(world.srv, &ops, &spy, NULL, &spy.sink));
  job = begin_job(&world);
  assert_int_equal(spy.n, 2);
  assert_ok(jobsrv_debug(job, "a", "b"));
  assert_int_equal(spy.n, 2);
  assert_ok(jobsrv_sink_set_level(spy.sink, JOBSRV_DEBUG));
  assert_ok(jobsrv_debug(job, "a", "b"));
  assert_int_equal(spy.n, 3);
  assert_err(jobsrv_sink_set_level(spy.sink, JOBSRV_MUTE + 1), UV_EINVAL);
  assert_err(jobsrv_sink_set_level(spy.sink, -1), UV_EINVAL);
  assert_ok(jobsrv_sink_set_level(spy.sink, JOBSRV_MUTE));
  assert_ok(jobsrv_fatal(job, "a", "b"));
  assert_int_equal(spy.n, 3);
  assert_ok(jobsrv_sink_set_level(spy.sink, 0));
  assert_ok(jobsrv_debug(job, "a", "b"));
  assert_ok(jobsrv_narrate(job, "a", "b"));
  assert_int_equal(spy.n, 4);
  world_close(&world);
}

static int say_as(jobsrv_job_t *job, const char *actor, const char *action) {
  jobsrv_event_t event = { .actor = actor, .action = action, .human = "x" };

  return jobsrv_narrate_event(job, &event);
}

static void its_filter_lets_pass_what_it_names(void **state) {
  spy_t actor = { 0 }, action = { 0 }, one = { 0 }, operation = { 0 };
  jobsrv_sink_filter_t filter = { .actor = "net" };
  char id[JOBSRV_ID_SIZE], actions[] = "fetch*";
  jobsrv_job_t *job, *other;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  other = begin_job(&world);
  assert_ok(add_with(&world, &actor, 0, filter));
  filter = (jobsrv_sink_filter_t) { .action = actions };
  assert_ok(add_with(&world, &action, 0, filter));
  actions[0] = '\0'; /* it has copied it */
  filter = (jobsrv_sink_filter_t) { .job_id = jobsrv_job_id(other, id) };
  assert_ok(add_with(&world, &one, 0, filter));
  filter = (jobsrv_sink_filter_t) { .operation = "nobody's" };
  assert_ok(add_with(&world, &operation, 0, filter));

  assert_ok(say_as(job, "net", "fetch"));
  assert_ok(say_as(job, "network", "fetched"));
  assert_ok(say_as(other, "disk", "fetc"));
  assert_int_equal(actor.n, 1);
  assert_int_equal(action.n, 2);
  assert_int_equal(one.n, 1);
  assert_int_equal(operation.n, 0);
  world_close(&world);
}

static void a_pattern_is_a_name_or_how_it_begins(void **state) {
  char id[JOBSRV_ID_SIZE], open[JOBSRV_ID_SIZE + 1], part[8];
  const struct {
    jobsrv_sink_filter_t filter;
    int passes;
  } cases[] = {
    { { .operation = "work" }, 1 },    { { .operation = "wor*" }, 1 },
    { { .operation = "wor" }, 0 },     { { .operation = "works" }, 0 },
    { { .operation = "work*" }, 1 },   { { .operation = "*" }, 1 },
    { { .operation = "*k" }, 0 },      { { .operation = "" }, 0 },
    { { .actor = "*" }, 1 },           { { .actor = "net" }, 1 },
    { { .actor = "" }, 0 },            { { .action = "f*" }, 1 },
    { { .action = "fetch*" }, 1 },     { { .action = "fetch.*" }, 0 },
    { { .action = "Fetch" }, 0 },      { { .job_id = id }, 1 },
    { { .job_id = open }, 1 },         { { .job_id = part }, 1 },
    { { .job_id = "job-*" }, 1 },      { { .job_id = "job-" }, 0 },
    { { .job_id = "job-00000000-0000-4000-8000-000000000000" }, 0 },
    { { .job_id = id, .actor = "net", .action = "fetch",
        .operation = "work" }, 1 },
    { { .job_id = id, .actor = "net", .action = "store" }, 0 },
    { { .actor = "disk", .action = "fetch" }, 0 },
  };
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  jobsrv_job_id(job, id);
  (void) snprintf(open, sizeof(open), "%s*", id);
  (void) snprintf(part, sizeof(part), "%.6s*", id);
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    spy_t spy = { 0 };

    assert_ok(add_with(&world, &spy, 0, cases[i].filter));
    assert_ok(say_as(job, "net", "fetch"));
    if (spy.n != cases[i].passes)
      fail_msg("case %zu: %d", i, spy.n);
    jobsrv_sink_remove(spy.sink);
  }
  world_close(&world);
}

static void say_from_there(void *arg) {
  (void) say_as(arg, "net", "fetch");
  (void) say_as(arg, "disk", "fetch");
  (void) jobsrv_warn(arg, "fetch", "warned");
}

/* There the event is copied for sinks, or not. */
static void levels_and_filters_hold_for_other_threads(void **state) {
  jobsrv_sink_filter_t filter = { .actor = "net" };
  spy_t actor = { 0 }, warn = { 0 };
  uv_thread_t thread;
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  assert_ok(add_with(&world, &warn, JOBSRV_WARN, none));
  assert_int_equal(uv_thread_create(&thread, say_from_there, job), 0);
  uv_thread_join(&thread);
  world_turn(&world);
  assert_int_equal(warn.n, 1);
  assert_ok(add_with(&world, &actor, 0, filter));
  assert_int_equal(uv_thread_create(&thread, say_from_there, job), 0);
  uv_thread_join(&thread);
  world_turn(&world);
  assert_int_equal(warn.n, 2);
  assert_int_equal(actor.n, 1);
  jobsrv_sink_remove(actor.sink);
  jobsrv_sink_remove(warn.sink);
  assert_int_equal(uv_thread_create(&thread, say_from_there, job), 0);
  uv_thread_join(&thread);
  world_turn(&world);
  assert_int_equal(last_seq(job), 11);
  world_close(&world);
}

/* An event with no job has neither id nor operation. */
static void a_filter_by_job_keeps_away_what_has_none(void **state) {
  jobsrv_sink_filter_t by_id = { .job_id = "*" };
  jobsrv_sink_filter_t by_operation = { .operation = "*" };
  jobsrv_context_t here;
  spy_t id = { 0 }, operation = { 0 }, all = { 0 };
  world_t world;
  jobsrv_job_t *job;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  assert_ok(add_with(&world, &id, 0, by_id));
  assert_ok(add_with(&world, &operation, 0, by_operation));
  add(&world, &all);
  jobsrv_context_enter(&here, job);
  {
    jobsrv_context_t nobody;

    jobsrv_context_enter(&nobody, NULL);
    (void) jobsrv_narrate(NULL, "of", "nobody");
    jobsrv_context_leave(&nobody);
  }
  jobsrv_context_leave(&here);
  assert_int_equal(all.n, 1);
  assert_int_equal(id.n + operation.n, 0);
  assert_ok(jobsrv_narrate(job, "of", "a job"));
  assert_int_equal(all.n, 2);
  assert_int_equal(id.n + operation.n, 2);
  world_close(&world);
}

static void its_filter_changes_while_it_runs(void **state) {
  jobsrv_sink_filter_t filter = { .actor = "a*", .action = "b" };
  spy_t spy = { 0 };
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  add(&world, &spy);
  assert_ok(jobsrv_sink_set_filter(spy.sink, &filter));
  assert_ok(say_as(job, "ant", "b"));
  assert_ok(say_as(job, "ant", "c"));
  assert_ok(say_as(job, "bee", "b"));
  assert_int_equal(spy.n, 1);
  jobsrv_faults_fail(&world.faults, 0, 1);
  filter.actor = "bee";
  assert_err(jobsrv_sink_set_filter(spy.sink, &filter), UV_ENOMEM);
  assert_ok(say_as(job, "ant", "b"));
  assert_int_equal(spy.n, 2);
  assert_ok(jobsrv_sink_set_filter(spy.sink, NULL));
  assert_ok(say_as(job, "bee", "c"));
  assert_int_equal(spy.n, 3);
  world_close(&world);
}

static void bad_arguments_are_refused_and_nothing_is_closed(void **state) {
  jobsrv_sink_ops_t bad = ops;
  spy_t spy = { 0 };
  world_t world;

  (void) state;
  world_open(&world);
  bad.event = NULL;
  assert_err(jobsrv_sink_add(world.srv, &bad, &spy, NULL, NULL), UV_EINVAL);
  bad = ops;
  bad.size = 3;
  assert_err(jobsrv_sink_add(world.srv, &bad, &spy, NULL, NULL), UV_EINVAL);
  assert_err(add_with(&world, &spy, 99, none), UV_EINVAL);
  assert_err(add_with(&world, &spy, -1, none), UV_EINVAL);
  world_close(&world);
  assert_int_equal(spy.closed, 0);
}

static void remove_self(spy_t *spy, const jobsrv_event_t *event) {
  (void) event;
  jobsrv_sink_remove(spy->sink);
}

static void remove_other(spy_t *spy, const jobsrv_event_t *event) {
  (void) event;
  jobsrv_sink_remove(spy->other->sink);
}

static void a_sink_may_remove_itself_or_another(void **state) {
  spy_t spies[4] = { { 0 } };
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  for (int i = 0; i < 4; i++)
    add(&world, &spies[i]);
  spies[0].once = remove_self;
  spies[1].once = remove_other;
  spies[1].other = &spies[2]; /* the next in line */
  assert_ok(jobsrv_narrate(job, "a", "b"));
  assert_ok(jobsrv_narrate(job, "a", "b"));
  assert_int_equal(spies[0].n, 1);
  assert_int_equal(spies[1].n, 2);
  assert_int_equal(spies[2].n, 0);
  assert_int_equal(spies[3].n, 2);
  assert_int_equal(spies[0].closed + spies[2].closed, 2);
  world_close(&world);
  assert_int_equal(spies[1].closed + spies[3].closed, 2);
}

static void add_other(spy_t *spy, const jobsrv_event_t *event) {
  (void) event;
  add(spy->world, spy->other);
}

static void one_added_inside_an_event_begins_with_the_next(void **state) {
  spy_t first = { 0 }, second = { 0 };
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  add(&world, &first);
  first.once = add_other;
  first.other = &second;
  assert_ok(jobsrv_narrate(job, "a", "b"));
  assert_int_equal(second.n, 0);
  assert_ok(jobsrv_narrate(job, "a", "b"));
  assert_int_equal(second.n, 1);
  world_close(&world);
}

static void narrate_more(spy_t *spy, const jobsrv_event_t *event) {
  (void) spy;
  assert_ok(jobsrv_narrate(event->job, "more", "from inside"));
}

static void end_it(spy_t *spy, const jobsrv_event_t *event) {
  (void) spy;
  assert_ok(jobsrv_job_cancel(event->job, NULL));
  (void) jobsrv_job_fail(event->job, NULL, NULL);
}

static void what_a_sink_causes_comes_behind_what_it_is_shown(void **state) {
  spy_t first = { 0 }, second = { 0 };
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  add(&world, &first);
  add(&world, &second);
  first.once = narrate_more;
  assert_ok(jobsrv_narrate(job, "a", "b"));
  world_turn(&world);
  assert_int_equal(first.n, 2);
  assert_int_equal(second.n, 2);
  first.once = end_it;
  assert_ok(jobsrv_narrate(job, "a", "b"));
  world_turn(&world);
  assert_true(jobsrv_until_ended(job));
  assert_int_equal(first.kinds[first.n - 1], JOBSRV_KIND_END);
  assert_int_equal(first.n, second.n);
  assert_memory_equal(first.seqs, second.seqs, sizeof(first.seqs));
  assert_in_order(&first);
  world_close(&world);
}

static void end_victim(spy_t *spy, const jobsrv_event_t *event) {
  (void) event;
  assert_ok(jobsrv_job_cancel(spy->victim, NULL));
}

static int never(jobsrv_job_t *job, void *data) {
  (void) job;
  (void) data;
  return 0;
}

/* A queued job ends inside the event of another one. */
static void an_end_inside_an_event_is_shown_to_all_in_order(void **state) {
  spy_t first = { 0 }, second = { 0 };
  jobsrv_operation_t operation;
  jobsrv_job_t *job, *queued = NULL;
  jobsrv_spec_t spec;
  world_t world;

  (void) state;
  world_open(&world);
  jobsrv_operation_init(&operation);
  operation.name = "op";
  operation.start = never;
  assert_ok(jobsrv_operation_add(world.srv, &operation));
  jobsrv_spec_init(&spec);
  spec.operation = "op";
  job = begin_job(&world);
  assert_ok(jobsrv_submit(world.srv, &spec, NULL, &queued));
  add(&world, &first);
  add(&world, &second);
  first.once = end_victim;
  first.victim = queued;
  assert_ok(jobsrv_narrate(job, "a", "b"));
  world_turn(&world);
  assert_true(jobsrv_until_ended(queued));
  assert_int_equal(first.kinds[first.n - 1], JOBSRV_KIND_END);
  assert_int_equal(first.n, second.n);
  assert_memory_equal(first.seqs, second.seqs, sizeof(first.seqs));
  assert_in_order(&second);
  world_close(&world);
}

static void the_end_tells_how_and_brings_the_record(void **state) {
  const jobsrv_event_t *event;
  jobsrv_capture_t *seen;
  jobsrv_job_t *job;
  world_t world;
  json_t *json;

  (void) state;
  world_open(&world);
  assert_ok(jobsrv_capture_new(&seen, world.srv, 0));
  job = begin_job(&world);
  assert_ok(jobsrv_job_fail(job, "no_luck", "it did not work"));
  world_turn(&world);
  event = jobsrv_capture_get(
      seen, &(jobsrv_match_t) { .has_kind = 1, .kind = JOBSRV_KIND_END }, 0);
  assert_non_null(event);
  assert_string_equal(event->action, "end");
  assert_string_equal(event->human, "failed: it did not work");
  json = json_loads(event->json, JSON_REJECT_DUPLICATES, NULL);
  assert_non_null(json);
  assert_string_equal(text_of(json, "type"), "end");
  assert_string_equal(text_of(json, "state"), "failed");
  assert_string_equal(text_of(json_object_get(json, "error"), "code"),
                      "no_luck");
  assert_int_equal(int_of(json, "seq"), event->seq);
  json_decref(json);
  jobsrv_capture_free(seen);
  world_close(&world);
}

static void adding_may_fail_without_a_trace(void **state) {
  spy_t spy = { 0 };
  world_t world;

  (void) state;
  world_open(&world);
  jobsrv_faults_fail(&world.faults, 0, 1);
  assert_err(jobsrv_sink_add(world.srv, &ops, &spy, NULL, NULL), UV_ENOMEM);
  assert_int_equal(spy.closed, 0);
  assert_ok(jobsrv_sink_add(world.srv, &ops, &spy, NULL, &spy.sink));
  assert_int_equal(jobsrv_sink_dropped(spy.sink), 0);
  jobsrv_sink_remove(spy.sink);
  assert_int_equal(spy.closed, 1);
  world_close(&world);
}

static void close_server(spy_t *spy, const jobsrv_event_t *event) {
  (void) event;
  jobsrv_close(spy->world->srv, NULL, NULL);
}

static void narrate_and_close(spy_t *spy, const jobsrv_event_t *event) {
  (void) jobsrv_narrate(event->job, "last", "words");
  assert_ok(jobsrv_job_complete(spy->victim, NULL, 0));
  jobsrv_close(spy->world->srv, NULL, NULL);
}

static void a_sink_may_close_the_server(void **state) {
  void (*const acts[])(spy_t *, const jobsrv_event_t *) = {
    close_server, narrate_and_close,
  };
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  for (int when = 0; when < 3; when++) {
    for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
      spy_t before = { 0 }, spy = { 0 }, behind = { 0 };

      world_open(&world);
      add(&world, &before);
      add(&world, &spy);
      add(&world, &behind);
      spy.victim = begin_job(&world);
      job = begin_job(&world);
      spy.once = acts[i];
      if (when == 0)
        assert_ok(jobsrv_narrate(job, "a", "b"));
      else if (when == 1)
        assert_ok(jobsrv_job_cancel(job, NULL));
      else
        assert_ok(jobsrv_job_complete(job, "{}", 0));
      assert_int_equal(before.closed, 1);
      assert_int_equal(spy.closed, 1);
      assert_int_equal(behind.closed, 1);
      world_close(&world);
    }
  }
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(a_sink_sees_a_job_from_creation_to_end),
  cmocka_unit_test(its_level_is_a_floor),
  cmocka_unit_test(its_level_is_info_unless_said_and_changes_while_it_runs),
  cmocka_unit_test(its_filter_lets_pass_what_it_names),
  cmocka_unit_test(a_pattern_is_a_name_or_how_it_begins),
  cmocka_unit_test(levels_and_filters_hold_for_other_threads),
  cmocka_unit_test(a_filter_by_job_keeps_away_what_has_none),
  cmocka_unit_test(its_filter_changes_while_it_runs),
  cmocka_unit_test(bad_arguments_are_refused_and_nothing_is_closed),
  cmocka_unit_test(a_sink_may_remove_itself_or_another),
  cmocka_unit_test(one_added_inside_an_event_begins_with_the_next),
  cmocka_unit_test(what_a_sink_causes_comes_behind_what_it_is_shown),
  cmocka_unit_test(an_end_inside_an_event_is_shown_to_all_in_order),
  cmocka_unit_test(the_end_tells_how_and_brings_the_record),
  cmocka_unit_test(adding_may_fail_without_a_trace),
  cmocka_unit_test(a_sink_may_close_the_server),
};

RUN(tests);
