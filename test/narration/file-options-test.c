/* SPDX-License-Identifier: MIT */

/* How much waits before a file that cannot be written, and what of it goes. */

#include "world.h"

#include "jobsrv/sinks.h"

#include <unistd.h>

typedef struct {
  world_t world;
  jobsrv_job_t *job;
  jobsrv_sink_t *sink;
  jobsrv_sink_options_t how;
  jobsrv_file_options_t options;
  int troubles;
  char folder[40], link[60], path[60];
} full_t;

static full_t f;

static void on_trouble(jobsrv_sink_t *sink, int err, uint64_t lost,
                       void *data) {
  (void) sink;
  (void) err;
  (void) lost;
  ++*(int *) data;
}

static int is_set(void *flag) {
  return *(int *) flag != 0;
}

static int setup(void **state) {
  (void) state;
  memset(&f, 0, sizeof(f));
  world_open(&f.world);
  f.job = begin_job(&f.world);
  strcpy(f.folder, "file-options-XXXXXX");
  assert_non_null(mkdtemp(f.folder));
  snprintf(f.link, sizeof(f.link), "%s/link", f.folder);
  snprintf(f.path, sizeof(f.path), "%s/file", f.folder);
  assert_int_equal(symlink("/dev/full", f.link), 0);
  jobsrv_sink_options_init(&f.how);
  f.how.progress = 1;
  jobsrv_file_options_init(&f.options);
  f.options.path = f.link;
  f.options.sink = &f.how;
  f.options.on_trouble = on_trouble;
  f.options.data = &f.troubles;
  return 0;
}

static int teardown(void **state) {
  (void) state;
  world_close(&f.world);
  (void) unlink(f.link);
  (void) unlink(f.path);
  assert_int_equal(rmdir(f.folder), 0);
  return 0;
}

/* The file is added and nothing of what is said can be written. */
static void stand_still(void) {
  assert_ok(jobsrv_file_add(f.world.srv, &f.options, &f.sink));
  assert_ok(jobsrv_narrate(f.job, "first", "x"));
  assert_true(run_until(&f.world.loop, is_set, &f.troubles, 5000));
}

static void say_many(int from, int to) {
  for (int i = from; i <= to; i++)
    assert_ok(jobsrv_narrate(f.job, "line", "%0900d", i));
  while (last_seq(f.job) < (uint64_t) to + 3)
    world_turn(&f.world);
}

static void set_flag(jobsrv_t *srv, int err, void *flag) {
  (void) srv;
  assert_ok(err);
  *(int *) flag = 1;
}

/* What the file has once there is room again. */
static const char *written(void) {
  static char text[1 << 17];
  int flushed = 0;
  size_t n;
  FILE *file;

  assert_int_equal(unlink(f.link), 0);
  file = fopen(f.path, "w");
  assert_non_null(file);
  fclose(file);
  assert_int_equal(symlink("file", f.link), 0);
  assert_ok(jobsrv_file_reopen(f.sink));
  assert_ok(jobsrv_sinks_flush(f.world.srv, set_flag, &flushed));
  assert_true(run_until(&f.world.loop, is_set, &flushed, 5000));
  file = fopen(f.path, "r");
  n = fread(text, 1, sizeof(text) - 1, file);
  text[n] = '\0';
  fclose(file);
  return text;
}

static int has_line(const char *text, int i) {
  char part[20];

  snprintf(part, sizeof(part), "%010d\"", i);
  return strstr(text, part) != NULL;
}

static void four_mebibytes_wait(void **state) {
  (void) state;
  stand_still();
  say_many(1, 6000);
  assert_in_range(6000 - jobsrv_sink_dropped(f.sink), 3300, 4100);
}

static void the_newest_is_dropped(void **state) {
  const char *text;

  (void) state;
  f.options.max_queue = 16 * 1024;
  stand_still();
  say_many(1, 100);
  text = written();
  assert_true(has_line(text, 1));
  assert_true(has_line(text, 5));
  assert_false(has_line(text, 100));
}

static void or_the_oldest_if_that_is_said(void **state) {
  const char *text;

  (void) state;
  f.options.max_queue = 16 * 1024;
  f.options.overflow = JOBSRV_OVERFLOW_DROP_OLDEST;
  stand_still();
  say_many(1, 100);
  text = written();
  assert_false(has_line(text, 5));
  assert_true(has_line(text, 96));
  assert_true(has_line(text, 100));
}

static size_t count_of(const char *text, const char *part) {
  size_t n = 0;

  for (; (text = strstr(text, part)) != NULL; text++)
    n++;
  return n;
}

static const char *with_progress(void) {
  stand_still();
  for (int i = 0; i < 20; i++) {
    assert_ok(jobsrv_progressed(f.job, i, 20));
    world_pass(&f.world, 200);
  }
  return written();
}

static void progress_gives_way_to_newer_if_that_is_said(void **state) {
  const char *text;

  (void) state;
  f.options.overflow = JOBSRV_OVERFLOW_COALESCE_PROGRESS;
  text = with_progress();
  /* one may have been on its way when the disk was found to be full */
  assert_in_range(count_of(text, "\"type\":\"progress\""), 1, 2);
  assert_contains(text, "\"done\":19,");
}

static void and_else_all_of_it_waits(void **state) {
  (void) state;
  assert_int_equal(count_of(with_progress(), "\"type\":\"progress\""), 20);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
static const struct CMUnitTest tests[] = {
  CASE(four_mebibytes_wait),
  CASE(the_newest_is_dropped),
  CASE(or_the_oldest_if_that_is_said),
  CASE(progress_gives_way_to_newer_if_that_is_said),
  CASE(and_else_all_of_it_waits),
};

RUN(tests);
