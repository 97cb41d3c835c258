/* SPDX-License-Identifier: MIT */

/* The original's test adapter, and what its assertions are here. */

#include "parity.h"

#include <pthread.h>

/* N-66. Differs: there one adapter is made for the process, and installing it
   again gives the same, emptied. Each capture here is one of its own. */
static void every_capture_begins_empty_and_is_its_own(void **state) {
  jobsrv_capture_t *second;

  (void) state;
  assert_ok(jobsrv_narrate(p.job, "before", "x"));
  assert_ok(jobsrv_capture_new(&second, p.world.srv, 0));
  assert_int_equal(jobsrv_capture_count(second, NULL), 0);
  assert_ok(jobsrv_narrate(p.job, "behind", "x"));
  assert_int_equal(jobsrv_capture_count(second, NULL), 1);
  assert_int_equal(SEEN(.action = "before"), 1);
  jobsrv_capture_clear(second);
  assert_int_equal(jobsrv_capture_count(second, NULL), 0);
  assert_int_equal(SEEN(.action = "behind"), 1);
  jobsrv_capture_free(second);
}

/* N-66: what was captured, in order, and cleared. */
static void what_was_said_is_listed_in_order(void **state) {
  (void) state;
  jobsrv_capture_clear(p.seen);
  say(p.job, 1, 3);
  assert_int_equal(jobsrv_capture_count(p.seen, NULL), 3);
  assert_string_equal(jobsrv_capture_get(p.seen, NULL, 0)->human,
                      "line 1 of the story");
  assert_string_equal(jobsrv_capture_get(p.seen, NULL, 2)->human,
                      "line 3 of the story");
  jobsrv_capture_clear(p.seen);
  assert_int_equal(jobsrv_capture_count(p.seen, NULL), 0);
  assert_null(jobsrv_capture_get(p.seen, NULL, 0));
}

/* Differs: to uninstall only clears there, and it records for ever. */
static void one_that_is_freed_records_no_more(void **state) {
  jobsrv_capture_t *second;

  (void) state;
  assert_ok(jobsrv_capture_new(&second, p.world.srv, 0));
  jobsrv_capture_free(second);
  assert_ok(jobsrv_narrate(p.job, "behind", "x"));
  assert_int_equal(SEEN(.action = "behind"), 1);
}

/* ---- N-67: each assertion, met and not met ---- */

static void say_all(void) {
  assert_ok(jobsrv_narrate_event(
      p.job,
      &(jobsrv_event_t) {
        .actor = "a", .action = "full", .target = "t", .human = "plain words",
        .cute = "a bee", .story = "\"Who?\" asked the queen",
        .correlation_id = "c-1", .trace_id = "0123456789abcdef0123456789abcdef",
        JOBSRV_FIELDS(jobsrv_field_string("pool_id", "p-1"),
                      jobsrv_field_string("session_id", "s-1"),
                      jobsrv_field_string("emitted_by", "svc@1.0"),
                      jobsrv_field_u64("emitted_at_ms", 7)) }));
  assert_ok(jobsrv_narrate_event(p.job, &(jobsrv_event_t) {
                                            .action = "bare" }));
}

/* How many of the two events match. */
#define FULL(...) SEEN(.action = "full", __VA_ARGS__)
#define BARE(...) SEEN(.action = "bare", __VA_ARGS__)

static void a_part_of_the_text_is_asserted(void **state) {
  (void) state;
  say_all();
  assert_int_equal(FULL(.includes = "words"), 1);
  assert_int_equal(FULL(.includes = "other words"), 0);
}

/* Differs: eight names are known there and any other fails; all are here. */
static void a_field_is_asserted_by_its_name(void **state) {
  static const char *const fields[][2] = {
    { "actor", "a" }, { "action", "full" }, { "target", "t" },
    { "pool_id", "p-1" }, { "session_id", "s-1" }, { "correlation_id", "c-1" },
    { "emitted_by", "svc@1.0" },
    { "trace_id", "0123456789abcdef0123456789abcdef" },
    { "emitted_at_ms", "7" }, { "level", "info" }, { "story",
                                                     "\"Who?\" asked the queen"
                                                   },
  };

  (void) state;
  say_all();
  for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
    assert_int_equal(SEEN(.actor = "a", .fields = {
                            JOBSRV_IS(fields[i][0], fields[i][1]) }), 1);
    assert_int_equal(SEEN(.actor = "a", .fields = {
                            JOBSRV_IS(fields[i][0], "another") }), 0);
  }
}

static void provenance_is_asserted(void **state) {
  (void) state;
  say_all();
  assert_int_equal(FULL(.fields = { JOBSRV_HAS("emitted_by"),
                                    JOBSRV_HAS("emitted_at_ms") }), 1);
  assert_int_equal(BARE(.fields = { JOBSRV_HAS("emitted_by") }), 0);
  /* differs: when, where and by which function are there without asking */
  assert_int_equal(BARE(.fields = { JOBSRV_HAS("wall_ns"),
                                    JOBSRV_HAS("seq") }), 1);
}

static void a_correlation_id_is_asserted(void **state) {
  (void) state;
  say_all();
  assert_int_equal(FULL(.fields = { JOBSRV_HAS("correlation_id") }), 1);
  assert_int_equal(BARE(.fields = { JOBSRV_HAS("correlation_id") }), 0);
}

static void the_cute_voice_is_asserted(void **state) {
  (void) state;
  say_all();
  assert_int_equal(FULL(.fields = { JOBSRV_HAS("cute") }), 1);
  assert_int_equal(BARE(.fields = { JOBSRV_HAS("cute") }), 0);
  assert_int_equal(FULL(.fields = { JOBSRV_HOLDS("cute", "bee") }), 1);
  assert_int_equal(FULL(.fields = { JOBSRV_HOLDS("cute", "wasp") }), 0);
}

static void the_story_and_its_dialogue_are_asserted(void **state) {
  (void) state;
  say_all();
  assert_int_equal(FULL(.fields = { JOBSRV_HAS("story") }), 1);
  assert_int_equal(BARE(.fields = { JOBSRV_HAS("story") }), 0);
  assert_int_equal(FULL(.fields = { JOBSRV_HOLDS("story", "queen") }), 1);
  assert_int_equal(FULL(.fields = { JOBSRV_HOLDS("story", "king") }), 0);
  assert_int_equal(FULL(.fields = { JOBSRV_HOLDS("story", "\"") }), 1);
  assert_int_equal(BARE(.fields = { JOBSRV_HOLDS("story", "\"") }), 0);
}

/* ---- N-68 ---- */

static void a_failure_lists_what_was_seen(void **state) {
  jobsrv_match_t match = { .action = "full", .includes = "no such" };
  char text[4096];

  (void) state;
  say_all();
  (void) jobsrv_capture_explain(p.seen, &match, text, sizeof(text));
  assert_contains(text, "0 of 4 events match");
  assert_contains(text, "human holds \"no such\"");
  assert_contains(text, "a full t: plain words");
  assert_contains(text, "work bare -: ");
}

static void *narrate_there(void *job) {
  return jobsrv_narrate(job, "there", "x") == 0 ? job : NULL;
}

/*
 * Differs: what is captured there is the process's, so that tests need a lock
 * to keep from each other. Here it is a server's, on whatever thread it was
 * said, and no other server's.
 */
static void two_servers_do_not_see_each_other(void **state) {
  jobsrv_capture_t *seen;
  pthread_t thread;
  void *done;
  world_t world;

  parity_setup(state);
  world_open(&world);
  assert_ok(jobsrv_capture_new(&seen, world.srv, 0));
  assert_ok(jobsrv_narrate(begin_job(&world), "here", "x"));
  assert_int_equal(pthread_create(&thread, NULL, narrate_there, p.job), 0);
  assert_int_equal(pthread_join(thread, &done), 0);
  assert_ptr_equal(done, p.job);
  world_turn(&p.world);
  world_turn(&world);
  assert_int_equal(SEEN(.action = "there"), 1);
  assert_int_equal(SEEN(.action = "here"), 0);
  assert_int_equal(jobsrv_capture_count(
                       seen, &(jobsrv_match_t) { .action = "there" }), 0);
  assert_int_equal(jobsrv_capture_count(
                       seen, &(jobsrv_match_t) { .action = "here" }), 1);
  jobsrv_capture_free(seen);
  world_close(&world);
  parity_teardown(state);
}

static void it_is_bounded(void **state) {
  jobsrv_capture_t *few;

  (void) state;
  assert_ok(jobsrv_capture_new(&few, p.world.srv, 10));
  jobsrv_capture_clear(p.seen);
  say(p.job, 1, 5000);
  assert_int_equal(jobsrv_capture_count(few, NULL), 10);
  assert_int_equal(jobsrv_capture_lost(few), 4990);
  assert_int_equal(jobsrv_capture_count(p.seen, NULL), 4096);
  assert_int_equal(jobsrv_capture_lost(p.seen), 904);
  jobsrv_capture_free(few);
}

static const struct CMUnitTest tests[] = {
  CASE(every_capture_begins_empty_and_is_its_own),
  CASE(what_was_said_is_listed_in_order),
  CASE(one_that_is_freed_records_no_more),
  CASE(a_part_of_the_text_is_asserted),
  CASE(a_field_is_asserted_by_its_name),
  CASE(provenance_is_asserted),
  CASE(a_correlation_id_is_asserted),
  CASE(the_cute_voice_is_asserted),
  CASE(the_story_and_its_dialogue_are_asserted),
  CASE(a_failure_lists_what_was_seen),
  ONE_MODE(two_servers_do_not_see_each_other),
  CASE(it_is_bounded),
};

RUN(tests);
