/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_NARRATION_WORLD_H
#define JOBSRV_TEST_NARRATION_WORLD_H

/*
 * A server whose time stands still and whose memory is counted, jobs that the
 * test itself runs, and a reader that checks every frame it is given.
 */

#include "mode.h"
#include "test.h"

#include "jobsrv/jobsrv.h"
#include "jobsrv/testing.h"

#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>
#include <uv.h>

typedef struct {
  loop_t loop;
  jobsrv_t *srv;
  jobsrv_manual_clock_t clock;
  jobsrv_faults_t faults;
  jobsrv_options_t options;
} world_t;

/* Set what the test needs in `options`, then world_start(). */
static inline void world_init(world_t *world) {
  memset(world, 0, sizeof(*world));
  loop_open(&world->loop);
  jobsrv_manual_clock_init(&world->clock);
  assert_ok(jobsrv_faults_init(&world->faults));
  jobsrv_options_init(&world->options);
  world->options.clock = &world->clock.clock;
  world->options.alloc = &world->faults.alloc;
}

static inline void world_start(world_t *world) {
  assert_ok(loop_server(&world->loop, &world->srv, &world->options));
}

static inline void world_open(world_t *world) {
  world_init(world);
  world_start(world);
}

/* Everything that was allocated has been given back. */
static inline void world_close(world_t *world) {
  if (world->srv != NULL)
    jobsrv_close(world->srv, NULL, NULL);
  loop_close(&world->loop);
  assert_int_equal(jobsrv_faults_live(&world->faults), 0);
  jobsrv_faults_free(&world->faults);
}

static inline void world_turn(world_t *world) {
  run_turns(&world->loop, 2);
}

static inline void world_pass(world_t *world, uint64_t ms) {
  jobsrv_manual_clock_advance(&world->clock, ms * 1000000);
  world_turn(world);
}

static inline uint64_t world_log_bytes(const world_t *world) {
  jobsrv_stats_t stats = { .size = sizeof(stats) };

  jobsrv_stats(world->srv, &stats);
  return stats.log_bytes;
}

static inline jobsrv_job_t *begin_job(world_t *world) {
  jobsrv_job_t *job = NULL;
  jobsrv_spec_t spec;

  jobsrv_spec_init(&spec);
  spec.operation = "work";
  assert_ok(jobsrv_begin(world->srv, &spec, &job));
  return job;
}

static inline uint64_t last_seq(const jobsrv_job_t *job) {
  jobsrv_job_info_t info = { .size = sizeof(info) };

  jobsrv_job_info(job, &info);
  return info.last_seq;
}

static inline void say(jobsrv_job_t *job, int from, int to) {
  for (; from <= to; from++)
    assert_ok(jobsrv_narrate(job, "say", "line %d of the story", from));
}

/* ---- reading ---- */

typedef struct {
  char *data;
  size_t len;
  size_t cap;
} bytes_t;

static inline void bytes_add(bytes_t *bytes, const char *data, size_t len) {
  if (bytes->cap <= bytes->len || bytes->cap - bytes->len <= len) {
    bytes->cap = 2 * (bytes->len + len + 1);
    bytes->data = realloc(bytes->data, bytes->cap);
    assert_non_null(bytes->data);
  }
  memcpy(bytes->data + bytes->len, data, len);
  bytes->len += len;
  bytes->data[bytes->len] = '\0';
}

static inline void bytes_free(bytes_t *bytes) {
  free(bytes->data);
  memset(bytes, 0, sizeof(*bytes));
}

static inline void assert_same_bytes(const bytes_t *a, const bytes_t *b) {
  assert_int_equal(a->len, b->len);
  assert_memory_equal(a->data, b->data, a->len);
}

/* Takes all events that are there; returns what comes behind them. */
static inline jobsrv_read_t read_events(jobsrv_cursor_t *cursor,
                                        bytes_t *to) {
  jobsrv_view_t view;
  jobsrv_read_t what;

  while ((what = jobsrv_cursor_peek(cursor, &view)) == JOBSRV_READ_EVENTS) {
    bytes_add(to, view.data, view.len);
    jobsrv_cursor_advance(cursor, view.len);
  }
  return what;
}

/* The JSON of the frame at `*at`, which is checked and stepped over. */
static inline json_t *next_frame(const bytes_t *bytes,
                                 size_t *at,
                                 char id[64]) {
  const char *p = bytes->data + *at;
  const char *data;
  char digits[7] = "";
  unsigned int size = 0;
  json_t *json;

  assert_true(bytes->len - *at > JOBSRV_CHUNK_HEAD);
  memcpy(digits, p, 6); /* so that not all that follows is measured */
  assert_int_equal(sscanf(digits, "%6x", &size), 1);
  assert_memory_equal(p + 6, "\r\n", 2);
  p += JOBSRV_CHUNK_HEAD;
  assert_true(*at + JOBSRV_CHUNK_HEAD + size + JOBSRV_CHUNK_TAIL <=
              bytes->len);
  assert_memory_equal(p + size - 3, "}\n\n\r\n", 5);
  id[0] = '\0';
  if (strncmp(p, "id: ", 4) == 0) {
    const char *end = memchr(p, '\n', size);

    assert_non_null(end);
    assert_in_range(end - p, 5, 4 + 63);
    snprintf(id, 64, "%.*s", (int) (end - p - 4), p + 4);
  }
  data = memmem(p, size, "\ndata: ", 7);
  assert_non_null(data);
  data += 7;
  assert_null(memchr(data, '\n', (size_t) (p + size - 2 - data)));
  json = json_loadb(data, (size_t) (p + size - 2 - data), 0, NULL);
  assert_non_null(json);
  *at += JOBSRV_CHUNK_HEAD + size + JOBSRV_CHUNK_TAIL;
  return json;
}

static inline const char *text_of(const json_t *json, const char *name) {
  return json_string_value(json_object_get(json, name));
}

static inline json_int_t int_of(const json_t *json, const char *name) {
  return json_integer_value(json_object_get(json, name));
}

/* Whole frames, numbered from `seq` without a hole; returns the next number. */
static inline uint64_t assert_frames(const world_t *world,
                                     const bytes_t *bytes,
                                     uint64_t seq) {
  size_t at = 0;
  char want[64];
  char id[64];

  for (; at < bytes->len; seq++) {
    json_t *json = next_frame(bytes, &at, id);

    snprintf(want, sizeof(want), "%s-%llu", jobsrv_boot(world->srv),
             (unsigned long long) seq);
    assert_string_equal(id, want);
    assert_int_equal(int_of(json, "seq"), seq);
    json_decref(json);
  }
  return seq;
}

#endif /* JOBSRV_TEST_NARRATION_WORLD_H */
