/* SPDX-License-Identifier: MIT */

/*
 * Many threads narrate into one job at once: every event is there or announced
 * as dropped. FLOOD_EVENTS is how many each of them makes, 1,000 or more.
 */

#include "world.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 8, EVENTS = 100000 };

typedef struct {
  jobsrv_job_t *job;
  int who;
  int count;
  int taken;
  int dropped;
} talker_t;

static void *talk(void *arg) {
  talker_t *talker = arg;

  for (int i = 0; i < talker->count; i++) {
    jobsrv_event_t event = {
      .action = "talk", .human = "words",
      JOBSRV_FIELDS(jobsrv_field_i64("who", talker->who),
                    jobsrv_field_i64("i", i)),
    };
    int err = jobsrv_narrate_event(talker->job, &event);

    talker->taken += err == 0;
    talker->dropped += err == JOBSRV_EDROPPED;
  }
  return NULL;
}

typedef struct {
  int64_t last[THREADS]; /* the newest of each, -1: none */
  uint64_t seq;
  int total;
  int holes;
  int disorder;
} seen_t;

static void look(void *self, const jobsrv_event_t *event) {
  seen_t *seen = self;
  int64_t who;

  seen->holes += event->seq != seen->seq + 1;
  seen->seq = event->seq;
  if (event->kind != JOBSRV_KIND_NARRATION)
    return;
  who = event->fields[0].as.i64;
  seen->disorder += event->fields[1].as.i64 <= seen->last[who];
  seen->last[who] = event->fields[1].as.i64;
  seen->total++;
}

typedef struct {
  const seen_t *seen;
  const talker_t *talkers;
  const atomic_int *left;
} wait_t;

static int all_told(void *data) {
  const wait_t *wait = data;
  int taken = 0;

  if (atomic_load(wait->left) > 0)
    return 0;
  for (int i = 0; i < THREADS; i++)
    taken += wait->talkers[i].taken;
  return wait->seen->total >= taken;
}

typedef struct {
  talker_t *talker;
  atomic_int *left;
} run_t;

static void *run(void *arg) {
  run_t *mine = arg;

  talk(mine->talker);
  atomic_fetch_sub(mine->left, 1);
  return NULL;
}

static void flood(uint32_t max_inbox_bytes, int may_drop) {
  static const jobsrv_sink_ops_t ops = { .size = sizeof(ops), .event = look };
  const char *asked = getenv("FLOOD_EVENTS");
  int count = asked != NULL ? atoi(asked) : EVENTS;
  jobsrv_sink_options_t options;
  talker_t talkers[THREADS];
  pthread_t threads[THREADS];
  run_t runs[THREADS];
  atomic_int left = THREADS;
  seen_t seen = { 0 };
  wait_t wait = { &seen, talkers, &left };
  jobsrv_stats_t stats = { .size = sizeof(stats) };
  int taken = 0, dropped = 0;
  world_t world;

  world_init(&world);
  world.options.max_inbox_bytes = max_inbox_bytes;
  world_start(&world);
  jobsrv_sink_options_init(&options);
  assert_ok(jobsrv_sink_add(world.srv, &ops, &seen, &options, NULL));
  for (int i = 0; i < THREADS; i++)
    seen.last[i] = -1;
  talkers[0].job = begin_job(&world);
  for (int i = 0; i < THREADS; i++) {
    talkers[i] = (talker_t) { .job = talkers[0].job, .who = i,
                              .count = count };
    runs[i] = (run_t) { &talkers[i], &left };
    assert_int_equal(pthread_create(&threads[i], NULL, run, &runs[i]), 0);
    if (may_drop && i == 0) /* before the loop takes any in: it overflows */
      pthread_join(threads[i], NULL);
  }
  assert_true(run_until(&world.loop, all_told, &wait, 600000));
  for (int i = 0; i < THREADS; i++) {
    if (!may_drop || i > 0)
      pthread_join(threads[i], NULL);
    assert_int_equal(talkers[i].taken + talkers[i].dropped, count);
    taken += talkers[i].taken;
    dropped += talkers[i].dropped;
  }
  /* what was lost last is told with the next one that is not */
  assert_ok(jobsrv_narrate_event(
      talkers[0].job,
      &(jobsrv_event_t) { JOBSRV_FIELDS(jobsrv_field_i64("who", 0),
                                        jobsrv_field_i64("i", count)) }));
  world_turn(&world);
  jobsrv_stats(world.srv, &stats);
  assert_int_equal(seen.total, taken + 1);
  assert_int_equal(stats.dropped, dropped);
  assert_int_equal(seen.holes, 0);
  assert_int_equal(seen.disorder, 0);
  assert_int_equal(last_seq(talkers[0].job), seen.seq);
  assert_int_equal(dropped > 0, may_drop);
  world_close(&world);
}

static void nothing_is_lost_while_there_is_room(void **state) {
  (void) state;
  flood(UINT32_MAX, 0);
}

static void what_has_no_room_is_announced(void **state) {
  (void) state;
  flood(256 * 1024, 1);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(nothing_is_lost_while_there_is_room),
  cmocka_unit_test(what_has_no_room_is_announced),
};

RUN(tests);
