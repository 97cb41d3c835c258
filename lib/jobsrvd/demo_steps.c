/* SPDX-License-Identifier: MIT */

#include "demo_steps.h"

#include <jobsrv/narrate.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

enum {
  FLOOD_HEAD = 64,       /* room for "seq=.. ts=.. " */
  FLOOD_PER_TICK = 65536 /* a rate that is behind catches up in pieces */
};

static const uint64_t NS_PER_MS = 1000000;

typedef struct steps_s steps_t;

struct steps_s {
  jobsrv_t *srv;
  jobsrv_job_t *job;    /* referenced */
  void (*step)(steps_t *steps);
  const char *verb;     /* of the result: {"counted":3} */
  jobsrv_timer_t timer;
  jobsrv_turn_t turn;
  jobsrv_token_watch_t watch;
  uint64_t done;
  uint64_t total;
  uint64_t interval_ns; /* 0: a step every turn of the loop */
  uint64_t started_ns;
  uint64_t next_ns;
  uint64_t rate;        /* of flood: events a second, 0: `burst` a turn */
  uint64_t burst;
  size_t size;
  char text[];          /* of flood: the event's */
};

static void steps_free(steps_t *steps) {
  jobsrv_timer_disarm(steps->srv, &steps->timer);
  jobsrv_turn_cancel(&steps->turn);
  jobsrv_token_unwatch(&steps->watch);
  jobsrv_job_unref(steps->job);
  free(steps);
}

static void steps_finish(steps_t *steps) {
  char result[64];
  int len = snprintf(result, sizeof(result), "{\"%s\":%llu}", steps->verb,
                     (unsigned long long) steps->done);

  /* The end without texts is the one that cannot fail. */
  if (jobsrv_job_complete(steps->job, result, (size_t) len) == UV_ENOMEM)
    (void) jobsrv_job_fail(steps->job, NULL, NULL);
  steps_free(steps);
}

static void on_stop(jobsrv_token_watch_t *watch,
                    const jobsrv_reason_t *reason) {
  steps_t *steps = watch->data;

  (void) reason;
  (void) jobsrv_job_fail(steps->job, "cancelled", NULL);
  steps_free(steps);
}

static void on_timer(jobsrv_timer_t *timer) {
  steps_t *steps = timer->data;

  steps->step(steps);
}

static void on_turn(jobsrv_turn_t *turn) {
  steps_t *steps = turn->data;

  steps->step(steps);
}

/* One step later. Steps are due on a grid, so that small delays do not add
 * up; what is late by more than one step is left out. */
static void steps_go_on(steps_t *steps) {
  uint64_t now;

  if (steps->interval_ns == 0) {
    jobsrv_turn_ask(steps->srv, &steps->turn, on_turn);
    return;
  }
  now = jobsrv_now(steps->srv);
  steps->next_ns += steps->interval_ns;
  if (steps->next_ns < now)
    steps->next_ns = now;
  jobsrv_timer_arm(steps->srv, &steps->timer, steps->next_ns, on_timer);
}

/* Makes the state and starts it with a first step; `text` bytes behind it. */
static int steps_new(steps_t **out,
                     jobsrv_job_t *job,
                     void (*step)(steps_t *steps),
                     size_t text) {
  steps_t *steps = calloc(1, sizeof(*steps) + text);

  if (steps == NULL)
    return UV_ENOMEM;
  steps->srv = jobsrv_job_server(job);
  steps->job = job;
  steps->step = step;
  steps->timer.data = steps;
  steps->turn.data = steps;
  steps->watch.data = steps;
  steps->started_ns = jobsrv_now(steps->srv);
  steps->next_ns = steps->started_ns;
  *out = steps;
  return 0;
}

static int steps_start(steps_t *steps) {
  jobsrv_job_ref(steps->job);
  if (jobsrv_token_watch(jobsrv_job_token(steps->job), &steps->watch,
                         on_stop) != 0)
    on_stop(&steps->watch, NULL);
  else
    steps->step(steps);
  return 0;
}

/* ---- count ---- */

static void step_count(steps_t *steps) {
  if (steps->done < steps->total) {
    steps->done++;
    (void) jobsrv_narrate(steps->job, "count", "%llu of %llu",
                          (unsigned long long) steps->done,
                          (unsigned long long) steps->total);
  }
  if (steps->done == steps->total)
    steps_finish(steps);
  else
    steps_go_on(steps);
}

int jobsrvd_demo_count(jobsrv_job_t *job, void *fields) {
  json_t *payload;
  steps_t *steps;
  int err = jobsrvd_fields_load(&payload, job);

  if (err != 0)
    return err;
  err = steps_new(&steps, job, step_count, 0);
  if (err == 0) {
    steps->verb = "counted";
    steps->total = jobsrvd_fields_u64(fields, payload, "n");
    steps->interval_ns =
        jobsrvd_fields_u64(fields, payload, "interval_ms") * NS_PER_MS;
  }
  json_decref(payload);
  return err != 0 ? err : steps_start(steps);
}

/* ---- sleep ---- */

static void step_sleep(steps_t *steps) {
  if (jobsrv_now(steps->srv) >= steps->started_ns + steps->interval_ns) {
    steps->done = steps->total;
    steps_finish(steps);
    return;
  }
  steps_go_on(steps);
}

int jobsrvd_demo_sleep(jobsrv_job_t *job, void *fields) {
  json_t *payload;
  steps_t *steps;
  int err = jobsrvd_fields_load(&payload, job);

  if (err != 0)
    return err;
  err = steps_new(&steps, job, step_sleep, 0);
  if (err == 0) {
    steps->verb = "slept_ms";
    steps->total = jobsrvd_fields_u64(fields, payload, "ms");
    steps->interval_ns = steps->total * NS_PER_MS;
  }
  json_decref(payload);
  return err != 0 ? err : steps_start(steps);
}

/* ---- progress ---- */

static void step_progress(steps_t *steps) {
  jobsrv_progress_t progress = {
    .done = (double) steps->done,
    .total = (double) steps->total,
    .unit = "steps",
    .phase = "stepping",
  };

  (void) jobsrv_progress(steps->job, &progress);
  if (steps->done == steps->total) {
    steps_finish(steps);
    return;
  }
  steps->done++;
  steps_go_on(steps);
}

int jobsrvd_demo_progress(jobsrv_job_t *job, void *fields) {
  json_t *payload;
  steps_t *steps;
  int err = jobsrvd_fields_load(&payload, job);

  if (err != 0)
    return err;
  err = steps_new(&steps, job, step_progress, 0);
  if (err == 0) {
    steps->verb = "steps";
    steps->total = jobsrvd_fields_u64(fields, payload, "total");
    steps->interval_ns =
        jobsrvd_fields_u64(fields, payload, "step_ms") * NS_PER_MS;
  }
  json_decref(payload);
  return err != 0 ? err : steps_start(steps);
}

/* ---- flood ---- */

static void flood_one(steps_t *steps) {
  jobsrv_event_t event = { .action = "flood", .human = steps->text };
  int len = snprintf(steps->text, FLOOD_HEAD, "seq=%llu ts=%llu ",
                     (unsigned long long) ++steps->done,
                     (unsigned long long) jobsrv_now(steps->srv));

  if ((size_t) len < steps->size)
    steps->text[len] = 'x'; /* the rest is padding already */
  (void) jobsrv_narrate_event(steps->job, &event);
}

static uint64_t flood_due(const steps_t *steps) {
  uint64_t us, due;

  if (steps->rate == 0)
    return steps->burst;
  us = (jobsrv_now(steps->srv) - steps->started_ns) / 1000;
  due = steps->burst + us * steps->rate / 1000000;
  due = due > steps->done ? due - steps->done : 0;
  return due < FLOOD_PER_TICK ? due : FLOOD_PER_TICK;
}

static void step_flood(steps_t *steps) {
  uint64_t due = flood_due(steps);

  for (; due > 0 && steps->done < steps->total; due--)
    flood_one(steps);
  if (steps->done == steps->total)
    steps_finish(steps);
  else
    steps_go_on(steps);
}

/* A rate is kept by ticks of `burst` events, at most a thousand a second. */
static void flood_set(steps_t *steps) {
  if (steps->rate == 0)
    return;
  steps->interval_ns = steps->burst * 1000 * NS_PER_MS / steps->rate;
  if (steps->interval_ns < NS_PER_MS)
    steps->interval_ns = NS_PER_MS;
}

int jobsrvd_demo_flood(jobsrv_job_t *job, void *fields) {
  json_t *payload;
  steps_t *steps;
  size_t size;
  int err = jobsrvd_fields_load(&payload, job);

  if (err != 0)
    return err;
  size = (size_t) jobsrvd_fields_u64(fields, payload, "size");
  err = steps_new(&steps, job, step_flood, size + FLOOD_HEAD);
  if (err == 0) {
    steps->verb = "sent";
    steps->size = size;
    memset(steps->text, 'x', size);
    steps->total = jobsrvd_fields_u64(fields, payload, "n");
    steps->rate = jobsrvd_fields_u64(fields, payload, "rate");
    steps->burst = jobsrvd_fields_u64(fields, payload, "burst");
    flood_set(steps);
  }
  json_decref(payload);
  return err != 0 ? err : steps_start(steps);
}
