/* SPDX-License-Identifier: MIT */

#include "test.h"

#include "base/alloc.h"
#include "base/queue.h"
#include "jobsrv/testing.h"
#include "narration/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

/*
 * An outlet that does as it is told: what it has taken is in `text`. Shared by
 * the test and the writer's thread.
 */
typedef struct {
  jobsrv__outlet_t outlet;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  int pipe[2];       /* full while it takes nothing */
  int block;         /* a put does not return */
  ssize_t say;       /* what a put returns; 0: takes what it is given */
  size_t most;       /* at once; 0: any */
  int poke_later;
  int puts;
  int pokes;
  int closed;
  char text[65536];
  size_t len;
} fake_t;

typedef struct {
  jobsrv_faults_t faults;
  jobsrv__mailbox_t *mailbox;
  jobsrv__writer_t *writer;
  fake_t fake;
  jobsrv__lane_t *lane;
  int flushed;
  int troubles;
  int err;           /* of the last trouble */
  uint64_t lost;
  uint64_t before;   /* allocations alive without a writer */
} world_t;

static ssize_t fake_put(jobsrv__outlet_t *outlet, const char *data,
                        size_t len) {
  fake_t *fake = JOBSRV__CONTAINER(outlet, fake_t, outlet);
  ssize_t n;

  pthread_mutex_lock(&fake->lock);
  fake->puts++;
  pthread_cond_broadcast(&fake->changed);
  while (fake->block)
    pthread_cond_wait(&fake->changed, &fake->lock);
  n = fake->say;
  if (n == 0) {
    n = (ssize_t) (fake->most != 0 && len > fake->most ? fake->most : len);
    assert_true(fake->len + (size_t) n < sizeof(fake->text));
    memcpy(fake->text + fake->len, data, (size_t) n);
    fake->len += (size_t) n;
  }
  if (n == JOBSRV__PUT_LATER)
    outlet->error = UV_ENOSPC;
  else if (n > 0)
    outlet->error = 0;
  pthread_cond_broadcast(&fake->changed);
  pthread_mutex_unlock(&fake->lock);
  return n;
}

static size_t fake_notice(const jobsrv__outlet_t *outlet,
                          char to[JOBSRV__NOTICE_MAX],
                          uint64_t count,
                          uint64_t wall_ns) {
  (void) outlet;
  return (size_t) snprintf(to, JOBSRV__NOTICE_MAX, "<%u lost at %u>",
                           (unsigned int) count, (unsigned int) wall_ns);
}

static int fake_poke(jobsrv__outlet_t *outlet) {
  fake_t *fake = JOBSRV__CONTAINER(outlet, fake_t, outlet);
  int later;

  pthread_mutex_lock(&fake->lock);
  fake->pokes++;
  later = fake->poke_later > 0 && fake->poke_later-- > 0;
  pthread_cond_broadcast(&fake->changed);
  pthread_mutex_unlock(&fake->lock);
  return later ? JOBSRV__PUT_LATER : 0;
}

static void fake_close(jobsrv__outlet_t *outlet) {
  fake_t *fake = JOBSRV__CONTAINER(outlet, fake_t, outlet);

  pthread_mutex_lock(&fake->lock);
  fake->closed = 1;
  pthread_cond_broadcast(&fake->changed);
  pthread_mutex_unlock(&fake->lock);
}

static const jobsrv__outlet_ops_t streams = {
  .batch = JOBSRV__BATCH_MAX,
  .put = fake_put,
  .notice = fake_notice,
  .poke = fake_poke,
  .close = fake_close,
};

static const jobsrv__outlet_ops_t whole = {
  .whole = 1,
  .put = fake_put,
  .notice = fake_notice,
  .poke = fake_poke,
  .close = fake_close,
};

static void fake_open(fake_t *fake, const jobsrv__outlet_ops_t *ops) {
  memset(fake, 0, sizeof(*fake));
  fake->outlet.ops = ops;
  fake->outlet.retry_ms = 20;
  assert_int_equal(pipe2(fake->pipe, O_CLOEXEC | O_NONBLOCK), 0);
  fake->outlet.fd = fake->pipe[1];
  assert_int_equal(pthread_mutex_init(&fake->lock, NULL), 0);
  assert_int_equal(pthread_cond_init(&fake->changed, NULL), 0);
}

static void fake_end(fake_t *fake) {
  close(fake->pipe[0]);
  close(fake->pipe[1]);
  pthread_cond_destroy(&fake->changed);
  pthread_mutex_destroy(&fake->lock);
}

/* Nothing can be put until the gate is open again. */
static void gate_shut(fake_t *fake) {
  char filler[4096];

  memset(filler, 'F', sizeof(filler));
  while (write(fake->pipe[1], filler, sizeof(filler)) > 0)
    ;
}

static void gate_open(fake_t *fake) {
  char bytes[4096];

  while (read(fake->pipe[0], bytes, sizeof(bytes)) > 0)
    ;
}

/* Waits until the number is at least that; five seconds. */
static void await(fake_t *fake, const int *number, int least) {
  struct timespec until;

  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += 5;
  pthread_mutex_lock(&fake->lock);
  while (*number < least)
    if (pthread_cond_timedwait(&fake->changed, &fake->lock, &until) != 0)
      break;
  assert_true(*number >= least);
  pthread_mutex_unlock(&fake->lock);
}

static void await_text(fake_t *fake, const char *text) {
  struct timespec until;
  int timed_out = 0;

  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_sec += 5;
  pthread_mutex_lock(&fake->lock);
  while (strcmp(fake->text, text) != 0 && !timed_out)
    timed_out = pthread_cond_timedwait(&fake->changed, &fake->lock, &until);
  assert_string_equal(fake->text, text);
  pthread_mutex_unlock(&fake->lock);
}

static void on_trouble(void *arg, int err, uint64_t lost) {
  world_t *world = arg;

  world->troubles++;
  world->err = err;
  world->lost = lost;
}

static void on_flushed(void *arg) {
  ((world_t *) arg)->flushed++;
}

static void world_open(world_t *world,
                       const jobsrv__outlet_ops_t *ops,
                       jobsrv_overflow_t overflow,
                       size_t max) {
  jobsrv__lane_options_t options = {
    .max = max,
    .overflow = overflow,
    .trouble = on_trouble,
    .arg = world,
  };

  memset(world, 0, sizeof(*world));
  assert_ok(jobsrv_faults_init(&world->faults));
  assert_ok(jobsrv__mailbox_new(&world->mailbox, &world->faults.alloc));
  world->before = jobsrv_faults_live(&world->faults);
  assert_ok(jobsrv__writer_new(&world->writer, &world->faults.alloc,
                               world->mailbox));
  fake_open(&world->fake, ops);
  assert_ok(jobsrv__lane_new(&world->lane, world->writer,
                             &world->fake.outlet, &options));
}

static void world_close(world_t *world) {
  if (world->lane != NULL)
    jobsrv__lane_close(world->lane);
  if (world->writer != NULL)
    jobsrv__writer_close(world->writer);
  await(&world->fake, &world->fake.closed, 1);
  jobsrv__mailbox_close(world->mailbox);
  jobsrv__mailbox_unref(world->mailbox);
  fake_end(&world->fake);
  assert_int_equal(jobsrv_faults_live(&world->faults), 0);
  jobsrv_faults_free(&world->faults);
}

/* Runs what is told to the loop, until the number is at least that. */
static void loop_until(world_t *world, const int *number, int least) {
  struct pollfd fd = {
    .fd = jobsrv__mailbox_fd(world->mailbox),
    .events = POLLIN,
  };

  while (*number < least) {
    assert_int_equal(poll(&fd, 1, 5000), 1);
    (void) jobsrv__mailbox_drain(world->mailbox, world, 100, NULL);
  }
}

static void put(world_t *world, const char *text) {
  jobsrv__lane_put(world->lane, text, strlen(text), 0, 7);
}

static void put_key(world_t *world, const char *text, uint64_t key) {
  jobsrv__lane_put(world->lane, text, strlen(text), key, 7);
}

static void flush(world_t *world) {
  int before = world->flushed;

  if (!jobsrv__writer_flush(world->writer, on_flushed, world))
    loop_until(world, &world->flushed, before + 1);
}

static void records_arrive_whole_and_in_order(void **state) {
  static world_t world;

  (void) state;
  for (int i = 0; i < 2; i++) {
    char want[8192] = "";
    char text[64];

    world_open(&world, i ? &whole : &streams, 0, 1 << 20);
    world.fake.most = i ? 0 : 7;
    for (int k = 0; k < 200; k++) {
      snprintf(text, sizeof(text), "record %d;", k);
      strcat(want, text);
      put(&world, text);
    }
    flush(&world);
    assert_string_equal(world.fake.text, want);
    assert_true(!i || world.fake.puts == 200);
    assert_int_equal(jobsrv__lane_dropped(world.lane), 0);
    world_close(&world);
  }
}

static void a_record_longer_than_a_batch_is_put_by_itself(void **state) {
  static char large[JOBSRV__BATCH_MAX + 1000];
  static world_t world;

  (void) state;
  memset(large, 'x', sizeof(large) - 1);
  world_open(&world, &streams, 0, 1 << 20);
  put(&world, "<");
  put(&world, large);
  put(&world, ">");
  flush(&world);
  assert_int_equal(world.fake.len, sizeof(large) + 1);
  assert_int_equal(world.fake.text[sizeof(large)], '>');
  world_close(&world);
}

enum { COST = 72, FOUR = 4 * (COST + 1) }; /* of a record of one byte */

static void newest_are_dropped_and_told_behind_what_came(void **state) {
  static world_t world;

  (void) state;
  world_open(&world, &streams, JOBSRV_OVERFLOW_DROP_NEWEST, FOUR);
  gate_shut(&world.fake);
  for (const char *p = "abcdefg"; *p != '\0'; p++)
    jobsrv__lane_put(world.lane, p, 1, 0, (uint64_t) (*p - 'a'));
  assert_int_equal(jobsrv__lane_dropped(world.lane), 3);
  gate_open(&world.fake);
  flush(&world);
  assert_string_equal(world.fake.text, "abcd<3 lost at 6>");
  put(&world, "h");
  flush(&world);
  assert_string_equal(world.fake.text, "abcd<3 lost at 6>h");
  world_close(&world);
}

static void oldest_are_dropped_and_told_before_what_stays(void **state) {
  static world_t world;

  (void) state;
  world_open(&world, &streams, JOBSRV_OVERFLOW_DROP_OLDEST, FOUR);
  world.fake.most = 1;
  gate_shut(&world.fake);
  for (const char *p = "abcdefg"; *p != '\0'; p++)
    jobsrv__lane_put(world.lane, p, 1, 0, (uint64_t) (*p - 'a'));
  assert_int_equal(jobsrv__lane_dropped(world.lane), 3);
  gate_open(&world.fake);
  flush(&world);
  /* what the thread had taken before the gate was seen stays in front */
  if (world.fake.text[0] == '<')
    assert_string_equal(world.fake.text, "<3 lost at 6>defg");
  else
    assert_non_null(strstr(world.fake.text, "<3 lost at 6>"));
  assert_int_equal(strcmp(world.fake.text + world.fake.len - 1, "g"), 0);
  assert_int_equal(world.fake.len, 4 + strlen("<3 lost at 6>"));
  world_close(&world);
}

static void what_is_partly_written_is_never_dropped(void **state) {
  static world_t world;
  char text[] = "0----";

  (void) state;
  world_open(&world, &streams, JOBSRV_OVERFLOW_DROP_OLDEST, 8 * COST);
  world.fake.most = 2;
  world.fake.block = 1;
  put(&world, "begun and");
  await(&world.fake, &world.fake.puts, 1);
  for (; text[0] <= '9'; text[0]++)
    put(&world, text);
  assert_in_range(jobsrv__lane_dropped(world.lane), 3, 5);
  world.fake.most = 0;
  pthread_mutex_lock(&world.fake.lock);
  world.fake.block = 0;
  pthread_cond_broadcast(&world.fake.changed);
  pthread_mutex_unlock(&world.fake.lock);
  flush(&world);
  assert_memory_equal(world.fake.text, "begun and<", 10);
  assert_contains(world.fake.text, " lost at 7>");
  assert_contains(world.fake.text, "8----9----");
  world_close(&world);
}

static void newer_progress_takes_the_place_of_older(void **state) {
  static world_t world;
  char text[16];

  (void) state;
  world_open(&world, &whole, JOBSRV_OVERFLOW_COALESCE_PROGRESS, 1 << 20);
  gate_shut(&world.fake);
  world.fake.block = 1;
  put(&world, "[");
  for (int i = 0; i < 1000; i++) {
    snprintf(text, sizeof(text), "a%d ", i);
    put_key(&world, text, 1);
    snprintf(text, sizeof(text), "b%d ", i);
    put_key(&world, text, 1 + 32); /* on the same list */
  }
  put(&world, "]");
  pthread_mutex_lock(&world.fake.lock);
  world.fake.block = 0;
  pthread_cond_broadcast(&world.fake.changed);
  pthread_mutex_unlock(&world.fake.lock);
  gate_open(&world.fake);
  flush(&world);
  assert_string_equal(world.fake.text, "[a999 b999 ]");
  assert_int_equal(jobsrv__lane_dropped(world.lane), 0);
  put_key(&world, "a1000", 1);
  flush(&world);
  assert_string_equal(world.fake.text, "[a999 b999 ]a1000");
  world_close(&world);
}

static void other_policies_keep_all_progress(void **state) {
  static world_t world;

  (void) state;
  for (int i = 0; i < 2; i++) {
    world_open(&world, &whole,
               i ? JOBSRV_OVERFLOW_DROP_OLDEST : JOBSRV_OVERFLOW_DROP_NEWEST,
               1 << 20);
    gate_shut(&world.fake);
    put_key(&world, "1", 1);
    put_key(&world, "2", 1);
    put_key(&world, "3", 1);
    gate_open(&world.fake);
    flush(&world);
    assert_string_equal(world.fake.text, "123");
    world_close(&world);
  }
}

static void what_coalesces_drops_the_newest_when_it_is_full(void **state) {
  static world_t world;

  (void) state;
  world_open(&world, &whole, JOBSRV_OVERFLOW_COALESCE_PROGRESS, FOUR);
  gate_shut(&world.fake);
  put(&world, "a");
  put_key(&world, "1", 1);
  put(&world, "b");
  put(&world, "c");
  put(&world, "d"); /* no room */
  put_key(&world, "2", 1);
  gate_open(&world.fake);
  flush(&world);
  assert_string_equal(world.fake.text, "abc<1 lost at 7>2");
  world_close(&world);
}

static void what_can_never_fit_is_dropped_alone(void **state) {
  static world_t world;
  char large[FOUR];

  (void) state;
  memset(large, 'x', sizeof(large) - 1);
  large[sizeof(large) - 1] = '\0';
  for (int i = JOBSRV_OVERFLOW_DROP_NEWEST;
       i <= JOBSRV_OVERFLOW_COALESCE_PROGRESS; i++) {
    world_open(&world, &whole, (jobsrv_overflow_t) i, FOUR);
    gate_shut(&world.fake);
    put(&world, "a");
    put(&world, large);
    put(&world, "b");
    gate_open(&world.fake);
    flush(&world);
    assert_string_equal(world.fake.text, "a<1 lost at 7>b");
    assert_int_equal(jobsrv__lane_dropped(world.lane), 1);
    world_close(&world);
  }
}

static void a_put_that_blocks_stops_nobody(void **state) {
  static world_t world;
  uint64_t start, before;

  (void) state;
  world_open(&world, &streams, 0, 64 * 1024);
  before = world.before;
  world.fake.block = 1;
  put(&world, "stuck");
  await(&world.fake, &world.fake.puts, 1);
  start = uv_hrtime();
  for (int i = 0; i < 100000; i++)
    put(&world, "event");
  assert_int_equal(jobsrv__writer_flush(world.writer, on_flushed, &world), 0);
  assert_true(uv_hrtime() - start < 20000000000ull);
  assert_true(jobsrv__lane_dropped(world.lane) > 90000);
  assert_int_equal(world.flushed, 0);

  start = uv_hrtime();
  jobsrv__lane_close(world.lane);
  jobsrv__writer_close(world.writer);
  assert_in_range(uv_hrtime() - start, 500000000ull, 20000000000ull);
  assert_int_equal(world.fake.closed, 0);
  world.lane = NULL;
  world.writer = NULL;

  /* it finds its way out by itself, and with it all that it needed */
  pthread_mutex_lock(&world.fake.lock);
  world.fake.block = 0;
  pthread_cond_broadcast(&world.fake.changed);
  pthread_mutex_unlock(&world.fake.lock);
  await(&world.fake, &world.fake.closed, 1);
  jobsrv__mailbox_close(world.mailbox); /* what was to be told holds on too */
  for (int i = 0; i < 5000 && jobsrv_faults_live(&world.faults) > before; i++)
    (void) poll(NULL, 0, 1);
  assert_int_equal(jobsrv_faults_live(&world.faults), before);
  world_close(&world);
}

static void trouble_is_told_once_and_so_is_its_end(void **state) {
  static world_t world;
  int puts;

  (void) state;
  world_open(&world, &streams, 0, FOUR);
  world.fake.say = JOBSRV__PUT_LATER;
  put(&world, "x");
  loop_until(&world, &world.troubles, 1);
  for (int i = 0; i < 6; i++)
    put(&world, "x");
  assert_int_equal(world.err, UV_ENOSPC);
  await(&world.fake, &world.fake.puts, 3); /* it goes on trying */
  (void) jobsrv__mailbox_drain(world.mailbox, &world, 100, NULL);
  assert_int_equal(world.troubles, 1);

  pthread_mutex_lock(&world.fake.lock);
  world.fake.say = 0;
  puts = world.fake.puts;
  pthread_mutex_unlock(&world.fake.lock);
  loop_until(&world, &world.troubles, 2);
  assert_int_equal(world.err, 0);
  assert_int_equal(world.lost, 3);
  flush(&world);
  assert_string_equal(world.fake.text, "xxxx<3 lost at 7>");
  assert_true(world.fake.puts > puts);
  assert_int_equal(world.troubles, 2);
  world_close(&world);
}

static void a_flush_does_not_wait_for_what_cannot_be(void **state) {
  static world_t world;
  int puts;

  (void) state;
  world_open(&world, &streams, 0, 1 << 20);
  world.fake.outlet.retry_ms = 3600 * 1000;
  world.fake.say = JOBSRV__PUT_LATER;
  put(&world, "x");
  await(&world.fake, &world.fake.puts, 1);
  flush(&world);
  puts = world.fake.puts;
  assert_true(puts >= 1);
  assert_int_equal(world.fake.len, 0);
  flush(&world); /* each tries once more, at once */
  assert_int_equal(world.fake.puts, puts + 1);
  pthread_mutex_lock(&world.fake.lock);
  world.fake.say = 0;
  pthread_mutex_unlock(&world.fake.lock);
  flush(&world);
  assert_string_equal(world.fake.text, "x");
  world_close(&world);
}

static void a_record_that_is_refused_is_told_in_its_place(void **state) {
  static world_t world;

  (void) state;
  world_open(&world, &whole, 0, 1 << 20);
  world.fake.say = JOBSRV__PUT_NEVER;
  put(&world, "a");
  await(&world.fake, &world.fake.puts, 1);
  for (int i = 0; i < 5000 && jobsrv__lane_dropped(world.lane) == 0; i++)
    (void) poll(NULL, 0, 1);
  assert_int_equal(jobsrv__lane_dropped(world.lane), 1);
  pthread_mutex_lock(&world.fake.lock);
  world.fake.say = 0;
  pthread_mutex_unlock(&world.fake.lock);
  world_close(&world);
}

static void after_an_error_nothing_is_put_and_all_is_counted(void **state) {
  static world_t world;

  (void) state;
  world_open(&world, &streams, 0, 1 << 20);
  gate_shut(&world.fake);
  world.fake.say = -EPIPE;
  for (int i = 0; i < 200; i++)
    put(&world, "x");
  gate_open(&world.fake);
  flush(&world);
  loop_until(&world, &world.troubles, 1);
  assert_int_equal(world.err, UV_EPIPE);
  assert_int_equal(jobsrv__lane_dropped(world.lane), 200);
  put(&world, "y");
  assert_int_equal(jobsrv__lane_dropped(world.lane), 201);
  assert_int_equal(world.fake.puts, 1);
  world_close(&world);
}

static void a_poke_comes_through_and_is_repeated_if_need_be(void **state) {
  static world_t world;

  (void) state;
  world_open(&world, &streams, 0, 1 << 20);
  jobsrv__lane_poke(world.lane);
  await(&world.fake, &world.fake.pokes, 1);
  world.fake.poke_later = 2;
  jobsrv__lane_poke(world.lane);
  await(&world.fake, &world.fake.pokes, 4);
  put(&world, "x");
  flush(&world);
  assert_int_equal(world.fake.pokes, 4);
  world_close(&world);
}

static void a_lane_without_descriptor_is_tried_all_the_same(void **state) {
  static world_t world;

  (void) state;
  world_open(&world, &whole, 0, 1 << 20);
  world.fake.outlet.fd = -1;
  put(&world, "a");
  put(&world, "b");
  flush(&world);
  assert_string_equal(world.fake.text, "ab");
  world_close(&world);
}

static void a_closed_lane_writes_what_it_has_and_goes(void **state) {
  static world_t world;

  (void) state;
  world_open(&world, &streams, 0, 1 << 20);
  for (int i = 0; i < 100; i++)
    put(&world, "x");
  jobsrv__lane_close(world.lane);
  world.lane = NULL;
  await(&world.fake, &world.fake.closed, 1);
  assert_int_equal(world.fake.len, 100);
  world_close(&world);

  world_open(&world, &streams, 0, 1 << 20);
  world.fake.outlet.retry_ms = 3600 * 1000;
  world.fake.say = JOBSRV__PUT_LATER;
  put(&world, "x");
  jobsrv__lane_close(world.lane);
  world.lane = NULL;
  await(&world.fake, &world.fake.closed, 1); /* there is no hope for it */
  world_close(&world);
}

static void there_are_sixteen_lanes(void **state) {
  static world_t world;
  jobsrv__lane_options_t options = { .max = 1000 };
  static fake_t more[16];
  jobsrv__lane_t *lanes[16];

  (void) state;
  world_open(&world, &streams, 0, 1 << 20);
  for (int i = 0; i < 16; i++)
    fake_open(&more[i], &streams);
  for (int i = 0; i < 15; i++)
    assert_ok(jobsrv__lane_new(&lanes[i], world.writer, &more[i].outlet,
                               &options));
  assert_err(jobsrv__lane_new(&lanes[15], world.writer, &more[15].outlet,
                              &options), UV_EMFILE);
  for (int i = 0; i < 15; i++) {
    jobsrv__lane_put(lanes[i], "x", 1, 0, 0);
    jobsrv__lane_close(lanes[i]);
    await_text(&more[i], "x");
    await(&more[i], &more[i].closed, 1);
  }
  assert_ok(jobsrv__lane_new(&lanes[15], world.writer, &more[15].outlet,
                             &options));
  jobsrv__lane_close(lanes[15]);
  world_close(&world);
  for (int i = 0; i < 16; i++)
    fake_end(&more[i]);
}

static void a_record_without_memory_is_lost_and_told(void **state) {
  static world_t world;

  (void) state;
  world_open(&world, &whole, 0, 1 << 20);
  put(&world, "a");
  flush(&world);
  jobsrv_faults_fail(&world.faults, 0, 1);
  put(&world, "b");
  jobsrv_faults_fail(&world.faults, 0, 0);
  put(&world, "c");
  jobsrv__lane_drop(world.lane, 9);
  flush(&world);
  assert_string_equal(world.fake.text, "a<1 lost at 7>c<1 lost at 9>");
  world_close(&world);
}

static const struct CMUnitTest tests[] = {
  cmocka_unit_test(records_arrive_whole_and_in_order),
  cmocka_unit_test(a_record_longer_than_a_batch_is_put_by_itself),
  cmocka_unit_test(newest_are_dropped_and_told_behind_what_came),
  cmocka_unit_test(oldest_are_dropped_and_told_before_what_stays),
  cmocka_unit_test(what_is_partly_written_is_never_dropped),
  cmocka_unit_test(newer_progress_takes_the_place_of_older),
  cmocka_unit_test(other_policies_keep_all_progress),
  cmocka_unit_test(what_coalesces_drops_the_newest_when_it_is_full),
  cmocka_unit_test(what_can_never_fit_is_dropped_alone),
  cmocka_unit_test(a_put_that_blocks_stops_nobody),
  cmocka_unit_test(trouble_is_told_once_and_so_is_its_end),
  cmocka_unit_test(a_flush_does_not_wait_for_what_cannot_be),
  cmocka_unit_test(a_record_that_is_refused_is_told_in_its_place),
  cmocka_unit_test(after_an_error_nothing_is_put_and_all_is_counted),
  cmocka_unit_test(a_poke_comes_through_and_is_repeated_if_need_be),
  cmocka_unit_test(a_lane_without_descriptor_is_tried_all_the_same),
  cmocka_unit_test(a_closed_lane_writes_what_it_has_and_goes),
  cmocka_unit_test(there_are_sixteen_lanes),
  cmocka_unit_test(a_record_without_memory_is_lost_and_told),
};

RUN(tests);
