/* SPDX-License-Identifier: MIT */

/* The channel between a job and who follows it. */

#include "parity.h"

#include <pthread.h>

/* What comes next, as the text of its `human`, or NULL when all is read. */
static const char *next_human(jobsrv_cursor_t *cursor) {
  static char human[200];
  jobsrv_entry_t entry;
  jobsrv_view_t gap;
  json_t *json;

  for (;;) {
    jobsrv_read_t what = jobsrv_cursor_next(cursor, &entry, &gap);

    if (what == JOBSRV_READ_GAP)
      return "(gap)";
    if (what == JOBSRV_READ_END)
      return "(end)";
    if (what != JOBSRV_READ_EVENTS)
      return NULL;
    if (entry.kind == JOBSRV_KIND_NARRATION)
      break;
  }
  json = json_loadb(entry.json, entry.json_len, 0, NULL);
  snprintf(human, sizeof(human), "%s", text_of(json, "human"));
  json_decref(json);
  return human;
}

static void attach(jobsrv_cursor_t *cursor) {
  memset(cursor, 0, sizeof(*cursor));
  assert_ok(jobsrv_cursor_attach(cursor, p.job, 0, NULL));
}

/*
 * N-54, N-55. Differs: to open a second channel there ends the first one, and
 * its receiver can be taken once. Any number of readers follow a job here, and
 * none disturbs another.
 */
static void a_second_reader_does_not_end_the_first(void **state) {
  jobsrv_cursor_t first, second;

  (void) state;
  attach(&first);
  assert_ok(jobsrv_narrate(p.job, "x", "one"));
  assert_string_equal(next_human(&first), "one");
  attach(&second);
  assert_ok(jobsrv_narrate(p.job, "x", "two"));
  assert_string_equal(next_human(&first), "two");
  assert_string_equal(next_human(&second), "one");
  assert_string_equal(next_human(&second), "two");
  assert_null(next_human(&first));
  jobsrv_cursor_detach(&first);
  attach(&first);
  assert_string_equal(next_human(&first), "one");
  jobsrv_cursor_detach(&first);
  jobsrv_cursor_detach(&second);
}

/* N-55: what was said can be read after the channel is removed. */
static void what_is_left_can_be_read_behind_the_end(void **state) {
  jobsrv_cursor_t cursor;
  jobsrv_job_t *gone;

  (void) state;
  attach(&cursor);
  assert_ok(jobsrv_narrate(p.job, "x", "one"));
  assert_ok(jobsrv_narrate(p.job, "x", "two"));
  assert_ok(jobsrv_job_complete(p.job, NULL, 0));
  world_turn(&p.world);
  world_pass(&p.world, 24 * 3600 * 1000);
  assert_err(jobsrv_find(p.world.srv, p.id, &gone), JOBSRV_EEXPIRED);
  assert_string_equal(next_human(&cursor), "one");
  assert_string_equal(next_human(&cursor), "two");
  assert_string_equal(next_human(&cursor), "(end)");
  jobsrv_cursor_detach(&cursor);
}

/* N-56: no job id. Differs: there it is false and nothing else; here it says
   which of them it was, and counts what was lost. */
static void without_a_job_it_is_refused(void **state) {
  (void) state;
  assert_err(jobsrv_narrate(NULL, "x", "y"), JOBSRV_ENOCONTEXT);
}

/* N-56: no channel any more; N-58: late events. */
static void behind_the_end_it_is_refused(void **state) {
  (void) state;
  assert_ok(jobsrv_job_complete(p.job, NULL, 0));
  world_turn(&p.world);
  assert_err(jobsrv_narrate(p.job, "late", "y"), JOBSRV_EENDED);
  assert_int_equal(SEEN(.action = "late"), 0);
}

/* N-56: the reader has gone. Differs: that is nothing to who narrates. */
static void a_reader_that_went_is_no_failure(void **state) {
  jobsrv_cursor_t cursor;

  (void) state;
  attach(&cursor);
  jobsrv_cursor_detach(&cursor);
  assert_ok(jobsrv_narrate(p.job, "x", "nobody reads"));
  attach(&cursor);
  assert_string_equal(next_human(&cursor), "nobody reads");
  jobsrv_cursor_detach(&cursor);
}

/*
 * N-57. Differs: the original's channel is bounded and drops the newest in
 * silence, data too. Here what a job retains is bounded: the oldest goes, and
 * who missed it is told of the gap.
 */
static void past_the_bound_the_oldest_goes_and_is_told(void **state) {
  jobsrv_cursor_t cursor;
  const char *human;
  int newest = 0;

  (void) state;
  attach(&cursor);
  say(p.job, 1, 20000);
  assert_string_equal(next_human(&cursor), "line 1 of the story");
  while ((human = next_human(&cursor)) != NULL && strcmp(human, "(gap)") != 0)
    ;
  assert_non_null(human);
  while ((human = next_human(&cursor)) != NULL)
    assert_int_equal(sscanf(human, "line %d of", &newest), 1);
  assert_int_equal(newest, 20000);
  jobsrv_cursor_detach(&cursor);
}

/* N-56, N-57: a full way there from another thread. */
static void *overflow(void *dropped) {
  for (int i = 0; i < 100000; i++)
    if (jobsrv_narrate(p.job, "flood", "%0200d", i) == JOBSRV_EDROPPED)
      ++*(int *) dropped;
  return NULL;
}

static void what_has_no_room_is_counted_and_announced(void **state) {
  jobsrv_stats_t stats = { .size = sizeof(stats) };
  jobsrv_captured_t behind = { p.seen, { .action = "behind" }, 1 };
  pthread_t thread;
  int dropped = 0;
  char text[40];

  (void) state;
  assert_int_equal(pthread_create(&thread, NULL, overflow, &dropped), 0);
  assert_int_equal(pthread_join(thread, NULL), 0);
  assert_true(dropped > 0);
  world_turn(&p.world); /* makes room */
  assert_ok(jobsrv_narrate(p.job, "behind", "it"));
  assert_true(run_until(&p.world.loop, jobsrv_until_captured, &behind, 5000));
  jobsrv_stats(p.world.srv, &stats);
  assert_int_equal(stats.dropped, dropped);
  snprintf(text, sizeof(text), "\"count\":%d}", dropped);
  assert_int_equal(SEEN(.has_kind = 1, .kind = JOBSRV_KIND_DROPPED,
                        .json = text), 1);
}

/*
 * N-58. Differs: what is said before the channel is there is dropped by
 * design; here the job has its log from the first.
 */
static void early_events_are_kept(void **state) {
  jobsrv_cursor_t cursor;

  (void) state;
  assert_ok(jobsrv_narrate(p.job, "x", "before anyone came"));
  attach(&cursor);
  assert_string_equal(next_human(&cursor), "before anyone came");
  jobsrv_cursor_detach(&cursor);
}

/* N-59: no channel for all, and no way out of the job's own. */
static void an_event_reaches_the_readers_of_its_job_alone(void **state) {
  jobsrv_context_t scope, none;
  jobsrv_job_t *other = begin_job(&p.world);
  jobsrv_cursor_t cursor;

  (void) state;
  attach(&cursor);
  assert_ok(jobsrv_narrate(other, "x", "another job's"));
  jobsrv_context_enter(&scope, p.job);
  jobsrv_context_enter(&none, NULL);
  assert_ok(jobsrv_narrate(NULL, "x", "nobody's"));
  jobsrv_context_leave(&none);
  jobsrv_context_leave(&scope);
  assert_null(next_human(&cursor));
  jobsrv_cursor_detach(&cursor);
}

/* N-54: a payload for programs goes the same way, in order. */
static void data_keeps_its_place_among_the_texts(void **state) {
  (void) state;
  assert_ok(jobsrv_narrate(p.job, "a", "1"));
  assert_ok(jobsrv_data_event(p.job, "b", "{\"x\":1}", 0));
  assert_ok(jobsrv_narrate(p.job, "c", "3"));
  assert_true(jobsrv_capture_sequence(
      p.seen,
      (jobsrv_match_t[]) { { .action = "a" },
                           { .action = "b", .has_kind = 1,
                             .kind = JOBSRV_KIND_DATA,
                             .json = "\"payload\":{\"x\":1}" },
                           { .action = "c" } }, 3));
}

static const struct CMUnitTest tests[] = {
  CASE(a_second_reader_does_not_end_the_first),
  CASE(what_is_left_can_be_read_behind_the_end),
  CASE(without_a_job_it_is_refused),
  CASE(behind_the_end_it_is_refused),
  CASE(a_reader_that_went_is_no_failure),
  CASE(past_the_bound_the_oldest_goes_and_is_told),
  CASE(what_has_no_room_is_counted_and_announced),
  CASE(early_events_are_kept),
  CASE(an_event_reaches_the_readers_of_its_job_alone),
  CASE(data_keeps_its_place_among_the_texts),
};

RUN(tests);
