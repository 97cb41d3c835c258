/* SPDX-License-Identifier: MIT */

#include "world.h"

#include <pthread.h>

/* All that the job's log holds, as JSON objects, oldest first. */
static json_t *history(jobsrv_job_t *job) {
  json_t *all = json_array();
  jobsrv_cursor_t cursor = { 0 };
  jobsrv_entry_t entry;
  jobsrv_view_t gap;
  json_t *json;

  assert_ok(jobsrv_cursor_attach(&cursor, job, 0, NULL));
  while (jobsrv_cursor_next(&cursor, &entry, &gap) == JOBSRV_READ_EVENTS) {
    json = json_loadb(entry.json, entry.json_len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(json);
    json_array_append_new(all, json);
  }
  jobsrv_cursor_detach(&cursor);
  return all;
}

static json_t *newest(jobsrv_job_t *job) {
  json_t *all = history(job);
  json_t *json = json_incref(json_array_get(all, json_array_size(all) - 1));

  json_decref(all);
  return json;
}

static void every_field_arrives_in_json_and_at_sinks(void **state) {
#define XX(name, kind)                                                        \
  { .key = #name, .type = JOBSRV_FIELD_##kind },
  jobsrv_field_t fields[] = {
    JOBSRV_WELL_KNOWN_MAP(XX)
    { .key = "extra", .type = JOBSRV_FIELD_STRING, .as.string = "xyz",
      .len = 2 },
    { .key = "tokens", .type = JOBSRV_FIELD_JSON, .as.string = "[1, 2]" },
    { .key = "level", .type = JOBSRV_FIELD_I64, .as.i64 = -5 },
  };
#undef XX
  enum { N = sizeof(fields) / sizeof(fields[0]) };
  jobsrv_event_t event = {
    .level = JOBSRV_WARN, .actor = "actor", .action = "action",
    .target = "target", .human = "human", .cute = "cute", .story = "story",
    .correlation_id = "corr", .request_id = "req",
    .trace_id = "0123456789abcdef0123456789abcdef",
    .span_id = "0123456789abcdef", .parent_span_id = "fedcba9876543210",
    .file = "some.c", .line = 42, .function = "func",
    .fields = fields, .nfields = N,
  };
  static const char *const texts[][2] = {
    { "type", "narration" }, { "level", "warn" }, { "actor", "actor" },
    { "action", "action" }, { "target", "target" }, { "human", "human" },
    { "cute", "cute" }, { "story", "story" }, { "correlation_id", "corr" },
    { "request_id", "req" },
    { "trace_id", "0123456789abcdef0123456789abcdef" },
    { "span_id", "0123456789abcdef" },
    { "parent_span_id", "fedcba9876543210" },
    { "source", "some.c:42" }, { "fn_name", "func" },
    { "time", "2026-01-01T00:00:00.000Z" },
  };
  jobsrv_capture_t *seen;
  const jobsrv_event_t *got;
  jobsrv_job_t *job;
  world_t world;
  json_t *json, *extra;
  char id[JOBSRV_ID_SIZE];

  (void) state;
  for (size_t i = 0; i + 3 < N; i++) {
    if (fields[i].type == JOBSRV_FIELD_STRING)
      fields[i].as.string = fields[i].key;
    else if (fields[i].type == JOBSRV_FIELD_JSON)
      fields[i].as.string = "[1000]";
    else
      fields[i].as.u64 = i + 1000;
  }
  world_open(&world);
  assert_ok(jobsrv_capture_new(&seen, world.srv, 0));
  job = begin_job(&world);
  assert_ok(jobsrv_narrate_event(job, &event));

  json = newest(job);
  for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
    assert_string_equal(text_of(json, texts[i][0]), texts[i][1]);
  assert_string_equal(text_of(json, "job_id"), jobsrv_job_id(job, id));
  assert_int_equal(int_of(json, "seq"), 3);
  for (size_t i = 0; i + 3 < N; i++) {
    if (fields[i].type == JOBSRV_FIELD_STRING)
      assert_string_equal(text_of(json, fields[i].key), fields[i].key);
    else if (fields[i].type == JOBSRV_FIELD_JSON)
      assert_int_equal(json_array_size(json_object_get(json, fields[i].key)),
                       1);
    else
      assert_int_equal(int_of(json, fields[i].key), i + 1000);
  }
  extra = json_object_get(json, "fields");
  assert_int_equal(json_object_size(extra), 3);
  assert_string_equal(text_of(extra, "extra"), "xy");
  assert_int_equal(json_array_size(json_object_get(extra, "tokens")), 2);
  assert_int_equal(int_of(extra, "level"), -5);

  got = jobsrv_capture_get(seen, &(jobsrv_match_t) { .action = "action" }, 0);
  assert_non_null(got);
  assert_int_equal(got->level, JOBSRV_WARN);
  assert_string_equal(got->actor, "actor");
  assert_string_equal(got->target, "target");
  assert_string_equal(got->human, "human");
  assert_string_equal(got->cute, "cute");
  assert_string_equal(got->story, "story");
  assert_string_equal(got->correlation_id, "corr");
  assert_string_equal(got->request_id, "req");
  assert_string_equal(got->trace_id, event.trace_id);
  assert_string_equal(got->span_id, event.span_id);
  assert_string_equal(got->parent_span_id, event.parent_span_id);
  assert_string_equal(got->file, "some.c");
  assert_string_equal(got->function, "func");
  assert_string_equal(got->job_id, id);
  assert_int_equal(got->line, 42);
  assert_int_equal(got->seq, 3);
  assert_int_equal(got->nfields, N);
  assert_string_equal(got->fields[N - 3].as.string, "xy");
  assert_int_equal(got->fields[N - 1].as.i64, -5);
  assert_int_equal(got->json_len, strlen(got->json));
  json_decref(json);
  json = json_loads(got->json, 0, NULL);
  assert_string_equal(text_of(json, "story"), "story");
  json_decref(json);
  jobsrv_capture_free(seen);
  world_close(&world);
}

static void what_is_absent_is_left_out_and_human_is_always_there(void **state) {
  static const char *const out[] = {
    "target", "cute", "story", "correlation_id", "request_id", "trace_id",
    "span_id", "parent_span_id", "fn_name", "source", "fields",
  };
  jobsrv_event_t event = { 0 };
  jobsrv_job_t *job;
  world_t world;
  json_t *json;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  assert_ok(jobsrv_narrate_event(job, &event));
  json = newest(job);
  for (size_t i = 0; i < sizeof(out) / sizeof(out[0]); i++)
    assert_null(json_object_get(json, out[i]));
  assert_string_equal(text_of(json, "human"), "");
  assert_string_equal(text_of(json, "action"), "say");
  assert_string_equal(text_of(json, "actor"), "work");
  assert_string_equal(text_of(json, "level"), "info");
  json_decref(json);
  world_close(&world);
}

static void the_job_s_ids_are_on_every_event(void **state) {
  jobsrv_job_t *job;
  world_t world;
  json_t *json;
  jobsrv_spec_t spec;

  (void) state;
  world_open(&world);
  jobsrv_spec_init(&spec);
  spec.correlation_id = "c-1";
  spec.request_id = "r-1";
  assert_ok(jobsrv_begin(world.srv, &spec, &job));
  assert_ok(jobsrv_narrate(job, "x", "y"));
  json = newest(job);
  assert_string_equal(text_of(json, "correlation_id"), "c-1");
  assert_string_equal(text_of(json, "request_id"), "r-1");
  assert_contains(text_of(json, "source"), "narrate-test.c:");
  assert_string_equal(text_of(json, "fn_name"), __func__);
  json_decref(json);
  world_close(&world);
}

static int evaluated;

static int touch(void) {
  return ++evaluated;
}

static void under_the_level_nothing_is_evaluated_or_made(void **state) {
  jobsrv_job_t *job;
  world_t world;
  uint64_t before;

  (void) state;
  world_init(&world);
  world.options.level = JOBSRV_WARN;
  world_start(&world);
  job = begin_job(&world);
  before = last_seq(job);
  evaluated = 0;
  assert_ok(jobsrv_trace(job, "x", "%d", touch()));
  assert_ok(jobsrv_debug(job, "x", "%d", touch()));
  assert_ok(jobsrv_narrate(job, "x", "%d", touch()));
  assert_ok(jobsrv_narrate_event(job, &(jobsrv_event_t) { 0 }));
  assert_int_equal(evaluated, 0);
  assert_int_equal(last_seq(job), before);
  assert_false(jobsrv_narrates(job, JOBSRV_INFO));
  assert_true(jobsrv_narrates(job, JOBSRV_WARN));
  assert_ok(jobsrv_warn(job, "x", "%d", touch()));
  assert_ok(jobsrv_error(job, "x", "%d", touch()));
  assert_ok(jobsrv_fatal(job, "x", "%d", touch()));
  assert_int_equal(evaluated, 3);
  assert_int_equal(last_seq(job), before + 3);
  world_close(&world);
}

static void a_muted_event_reaches_nobody(void **state) {
  jobsrv_event_t event = { .level = JOBSRV_MUTE };
  jobsrv_job_t *job;
  world_t world;
  uint64_t before;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  before = last_seq(job);
  assert_ok(jobsrv_narrate_event(job, &event));
  assert_int_equal(last_seq(job), before);
  event.level = JOBSRV_MUTE + 1;
  assert_err(jobsrv_narrate_event(job, &event), UV_EINVAL);
  event.level = -1;
  assert_err(jobsrv_narrate_event(job, &event), UV_EINVAL);
  event.level = 0;
  event.size = 8;
  assert_err(jobsrv_narrate_event(job, &event), UV_EINVAL);
  world_close(&world);
}

static void the_printf_form_takes_texts_of_any_length(void **state) {
  static char big[200001];
  static const size_t lengths[] = { 0, 1, 1022, 1023, 1024, 1025, 65535,
                                    65536, 65537, 65540, 65541, 200000 };
  jobsrv_job_t *job;
  world_t world;
  char mark[64];

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  memset(big, 'b', sizeof(big) - 1);
  for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
    size_t len = lengths[i];
    json_t *json;
    const char *human;

    assert_ok(jobsrv_narrate(job, "long", "%.*s", (int) len, big));
    json = newest(job);
    human = text_of(json, "human");
    if (len <= 65536) {
      assert_int_equal(strlen(human), len);
    } else {
      snprintf(mark, sizeof(mark), " \xe2\x80\xa6(+%zu bytes)", len - 65536);
      assert_int_equal(strlen(human), 65536 + strlen(mark));
      assert_string_equal(human + 65536, mark);
    }
    json_decref(json);
  }
  world_close(&world);
}

static void data_events_carry_json_for_programs(void **state) {
  jobsrv_job_t *job;
  world_t world;
  json_t *json;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  assert_ok(jobsrv_data_event(job, "rows", " [ {\"a\": 1} ] trailing", 13));
  json = newest(job);
  assert_string_equal(text_of(json, "type"), "data");
  assert_string_equal(text_of(json, "action"), "rows");
  assert_int_equal(json_array_size(json_object_get(json, "payload")), 1);
  assert_null(json_object_get(json, "human"));
  json_decref(json);
  assert_err(jobsrv_data_event(job, "rows", "[", 0), JOBSRV_EJSON);
  assert_err(jobsrv_data_event(job, "rows", NULL, 0), JOBSRV_EJSON);
  assert_ok(jobsrv_data_event(job, NULL, "null", 0));
  world_close(&world);
}

static void after_the_end_narration_is_told_so(void **state) {
  jobsrv_progress_t progress = { .done = 1 };
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  assert_ok(jobsrv_job_complete(job, NULL, 0));
  world_turn(&world);
  assert_true(jobsrv_until_ended(job));
  assert_err(jobsrv_narrate(job, "x", "y"), JOBSRV_EENDED);
  assert_err(jobsrv_narrate_event(job, &(jobsrv_event_t) { 0 }),
             JOBSRV_EENDED);
  assert_err(jobsrv_data_event(job, "x", "1", 0), JOBSRV_EENDED);
  assert_err(jobsrv_progress(job, &progress), JOBSRV_EENDED);
  world_close(&world);
}

static void after_the_close_too(void **state) {
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = jobsrv_job_ref(begin_job(&world));
  jobsrv_close(world.srv, NULL, NULL);
  world.srv = NULL;
  loop_end(&world.loop);
  assert_err(jobsrv_narrate(job, "x", "y"), JOBSRV_EENDED);
  jobsrv_job_unref(job);
  world_close(&world);
}

/* ---- threads ---- */

enum { THREADS = 4, EACH = 5000 };

typedef struct {
  jobsrv_job_t *job;
  int who;
  int failed;
} talker_t;

static void *talk(void *arg) {
  talker_t *talker = arg;

  for (int i = 0; i < EACH; i++) {
    jobsrv_field_t fields[] = {
      { .key = "who", .type = JOBSRV_FIELD_I64, .as.i64 = talker->who },
      { .key = "i", .type = JOBSRV_FIELD_I64, .as.i64 = i },
    };
    jobsrv_event_t event = { .action = "talk", .human = "words",
                             .fields = fields, .nfields = 2 };

    talker->failed += jobsrv_narrate_event(talker->job, &event) != 0;
  }
  return NULL;
}

typedef struct {
  int64_t next[THREADS];
  uint64_t last_seq;
  int total;
  int wrong;
} order_t;

static void look(void *self, const jobsrv_event_t *event) {
  order_t *order = self;

  order->wrong += event->seq <= order->last_seq;
  order->last_seq = event->seq;
  if (event->kind != JOBSRV_KIND_NARRATION)
    return;
  order->wrong += event->nfields != 2 ||
                  event->fields[1].as.i64 !=
                      order->next[event->fields[0].as.i64]++;
  order->total++;
}

static int all_came(void *data) {
  return ((order_t *) data)->total == THREADS * EACH;
}

static void each_thread_s_order_is_kept(void **state) {
  static const jobsrv_sink_ops_t ops = { .size = sizeof(ops), .event = look };
  talker_t talkers[THREADS];
  pthread_t threads[THREADS];
  order_t order = { 0 };
  jobsrv_job_t *job;
  world_t world;
  jobsrv_stats_t stats = { .size = sizeof(stats) };

  (void) state;
  world_open(&world);
  assert_ok(jobsrv_sink_add(world.srv, &ops, &order, NULL, NULL));
  job = begin_job(&world);
  for (int i = 0; i < THREADS; i++) {
    talkers[i] = (talker_t) { .job = job, .who = i };
    assert_int_equal(pthread_create(&threads[i], NULL, talk, &talkers[i]), 0);
  }
  assert_true(run_until(&world.loop, all_came, &order, 60000));
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    assert_int_equal(talkers[i].failed, 0);
  }
  assert_int_equal(order.wrong, 0);
  assert_int_equal(last_seq(job), 2 + THREADS * EACH);
  jobsrv_stats(world.srv, &stats);
  assert_int_equal(stats.dropped, 0);
  world_close(&world);
}

typedef struct {
  uv_work_t req;
  jobsrv_job_t *job;
} work_t;

static void on_work(uv_work_t *req) {
  for (int i = 0; i < 100; i++)
    (void) jobsrv_narrate(((work_t *) req)->job, "line", "%d", i);
}

static void on_after_work(uv_work_t *req, int status) {
  (void) status;
  (void) jobsrv_narrate(((work_t *) req)->job, "line", "100");
  (void) jobsrv_job_complete(((work_t *) req)->job, NULL, 0);
}

static void what_a_worker_said_precedes_what_its_after_work_ends(void **state) {
  jobsrv_job_t *job;
  world_t world;
  json_t *all;
  work_t work;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  work.job = job;
  uv_queue_work(loop_uv(&world.loop), &work.req, on_work, on_after_work);
  assert_true(run_until(&world.loop, jobsrv_until_ended, job, 10000));
  all = history(job);
  assert_int_equal(json_array_size(all), 103);
  for (size_t i = 0; i <= 100; i++) {
    char want[8];

    snprintf(want, sizeof(want), "%zu", i);
    assert_string_equal(text_of(json_array_get(all, 2 + i), "human"), want);
  }
  json_decref(all);
  world_close(&world);
}

typedef struct {
  jobsrv_job_t *job;
  int count;
  int taken;
  int dropped;
  int last;
} flood_t;

static void *flood(void *arg) {
  flood_t *flooded = arg;

  for (int i = 0; i < flooded->count; i++) {
    flooded->last = jobsrv_narrate(flooded->job, "flood", "%0100d", i);
    flooded->taken += flooded->last == 0;
    flooded->dropped += flooded->last == JOBSRV_EDROPPED;
  }
  return NULL;
}

static void run_thread(void *(*run)(void *), void *arg) {
  pthread_t thread;

  assert_int_equal(pthread_create(&thread, NULL, run, arg), 0);
  pthread_join(thread, NULL);
}

static void a_full_inbox_drops_and_says_how_many(void **state) {
  flood_t flooded = { .count = 1000 };
  flood_t after = { .count = 1 };
  jobsrv_capture_t *seen;
  const jobsrv_event_t *lost;
  jobsrv_stats_t stats = { .size = sizeof(stats) };
  world_t world;
  json_t *all, *json;
  char want[32];

  (void) state;
  world_init(&world);
  world.options.max_inbox_bytes = 32 * 1024;
  world_start(&world);
  assert_ok(jobsrv_capture_new(&seen, world.srv, 0));
  flooded.job = after.job = begin_job(&world);
  run_thread(flood, &flooded);
  assert_int_equal(flooded.taken + flooded.dropped, 1000);
  assert_in_range(flooded.taken, 10, 300);
  world_turn(&world);
  run_thread(flood, &after);
  assert_int_equal(after.taken, 1);
  world_turn(&world);

  all = history(after.job);
  assert_int_equal(json_array_size(all), 2 + flooded.taken + 2);
  json = json_array_get(all, 2 + (size_t) flooded.taken);
  assert_string_equal(text_of(json, "type"), "dropped");
  assert_int_equal(int_of(json, "count"), flooded.dropped);
  json_decref(all);
  lost = jobsrv_capture_get(
      seen, &(jobsrv_match_t) { .has_kind = 1, .kind = JOBSRV_KIND_DROPPED },
      0);
  assert_non_null(lost);
  snprintf(want, sizeof(want), "%d events", flooded.dropped);
  assert_contains(lost->human, want);
  jobsrv_stats(world.srv, &stats);
  assert_int_equal(stats.dropped, flooded.dropped);
  jobsrv_capture_free(seen);
  world_close(&world);
}

static void what_is_lost_last_is_told_before_the_end(void **state) {
  flood_t flooded = { .count = 1000 };
  world_t world;
  json_t *all, *json;

  (void) state;
  world_init(&world);
  world.options.max_inbox_bytes = 16 * 1024;
  world_start(&world);
  flooded.job = begin_job(&world);
  run_thread(flood, &flooded);
  assert_ok(jobsrv_job_complete(flooded.job, NULL, 0));
  world_turn(&world);
  assert_true(jobsrv_until_ended(flooded.job));
  all = history(flooded.job);
  json = json_array_get(all, json_array_size(all) - 1);
  assert_string_equal(text_of(json, "type"), "dropped");
  assert_int_equal(int_of(json, "count"), flooded.dropped);
  json_decref(all);
  world_close(&world);
}

static int never(jobsrv_job_t *job, void *data) {
  (void) job;
  (void) data;
  return 0;
}

static void narration_that_loses_to_the_end_is_counted(void **state) {
  flood_t flooded = { .count = 5 };
  jobsrv_stats_t stats = { .size = sizeof(stats) };
  jobsrv_operation_t operation;
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
  spec.deadline_ms = 10;
  assert_ok(jobsrv_submit(world.srv, &spec, NULL, &flooded.job));
  run_thread(flood, &flooded);
  assert_int_equal(flooded.taken, 5);
  /* the deadline is looked at before the mail */
  jobsrv_manual_clock_advance(&world.clock, 20 * 1000000);
  assert_true(jobsrv_until_ended(flooded.job));
  run_thread(flood, &flooded);
  assert_int_equal(flooded.last, JOBSRV_EENDED);
  world_turn(&world);
  jobsrv_stats(world.srv, &stats);
  assert_int_equal(stats.late_events, 5);
  world_close(&world);
}

static void *say_once(void *arg) {
  assert_ok(jobsrv_narrate(arg, "late", "too late"));
  return NULL;
}

/* The inbox is closed with the mail still in it. */
static void mail_that_meets_a_close_gives_all_back(void **state) {
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_open(&world);
  job = begin_job(&world);
  run_thread(say_once, job);
  world_close(&world);
}

/* ---- memory ---- */

static void on_the_loop_narration_takes_no_memory_once_warm(void **state) {
  jobsrv_job_t *job;
  world_t world;

  (void) state;
  world_init(&world);
  world.options.max_bytes_per_job = 64 * 1024;
  world_start(&world);
  job = begin_job(&world);
  say(job, 1, 5000);
  jobsrv_faults_fail(&world.faults, 0, 0);
  say(job, 5001, 10000);
  assert_in_range(jobsrv_faults_requests(&world.faults), 0, 500);
  world_close(&world);
}

static void *say_all(void *arg) {
  static char big[3000];
  jobsrv_job_t *job = arg;
  jobsrv_progress_t progress = { .done = 1, .unit = "files" };

  memset(big, 'x', sizeof(big) - 1);
  (void) jobsrv_narrate(job, "a", "%s", big);
  (void) jobsrv_data_event(job, "b", "[1]", 0);
  (void) jobsrv_progress(job, &progress);
  return NULL;
}

static void every_allocation_may_fail_on_and_off_the_loop(void **state) {
  jobsrv_capture_t *seen;
  jobsrv_job_t *job;
  world_t world;
  int hit = 1;

  (void) state;
  for (uint64_t n = 0; hit; n++) {
    world_open(&world);
    assert_ok(jobsrv_capture_new(&seen, world.srv, 16));
    job = begin_job(&world);
    jobsrv_faults_fail(&world.faults, n, 1);
    (void) say_all(job);
    run_thread(say_all, job);
    world_turn(&world);
    hit = jobsrv_faults_hit(&world.faults);
    jobsrv_faults_fail(&world.faults, 0, 0);
    assert_ok(jobsrv_narrate(job, "c", "it goes on"));
    assert_ok(jobsrv_job_complete(job, NULL, 0));
    world_turn(&world);
    assert_true(jobsrv_until_ended(job));
    jobsrv_capture_free(seen);
    world_close(&world);
  }
}

static void names_are_told_for_any_number(void **state) {
  (void) state;
  assert_string_equal(jobsrv_level_name(JOBSRV_TRACE), "trace");
  assert_string_equal(jobsrv_level_name(JOBSRV_MUTE), "mute");
  assert_string_equal(jobsrv_level_name(0), "unknown");
  assert_string_equal(jobsrv_level_name(8), "unknown");
  assert_string_equal(jobsrv_level_name(-1), "unknown");
  assert_string_equal(jobsrv_kind_name(JOBSRV_KIND_DATA), "data");
  assert_string_equal(jobsrv_kind_name((jobsrv_kind_t) 99), "unknown");
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(every_field_arrives_in_json_and_at_sinks),
  cmocka_unit_test(what_is_absent_is_left_out_and_human_is_always_there),
  cmocka_unit_test(the_job_s_ids_are_on_every_event),
  cmocka_unit_test(under_the_level_nothing_is_evaluated_or_made),
  cmocka_unit_test(a_muted_event_reaches_nobody),
  cmocka_unit_test(the_printf_form_takes_texts_of_any_length),
  cmocka_unit_test(data_events_carry_json_for_programs),
  cmocka_unit_test(after_the_end_narration_is_told_so),
  cmocka_unit_test(after_the_close_too),
  cmocka_unit_test(each_thread_s_order_is_kept),
  cmocka_unit_test(what_a_worker_said_precedes_what_its_after_work_ends),
  cmocka_unit_test(a_full_inbox_drops_and_says_how_many),
  cmocka_unit_test(what_is_lost_last_is_told_before_the_end),
  cmocka_unit_test(narration_that_loses_to_the_end_is_counted),
  cmocka_unit_test(mail_that_meets_a_close_gives_all_back),
  cmocka_unit_test(on_the_loop_narration_takes_no_memory_once_warm),
  cmocka_unit_test(every_allocation_may_fail_on_and_off_the_loop),
  cmocka_unit_test(names_are_told_for_any_number),
};

RUN(tests);
