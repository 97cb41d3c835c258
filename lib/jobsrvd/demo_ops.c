/* SPDX-License-Identifier: MIT */

#include "demo_ops.h"

#include "demo_fields.h"
#include "demo_steps.h"

#include <jobsrv/emit.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

enum { MAX_MS = 86400 * 1000, MAX_EVENTS = 1000000000, MAX_LINES = 10000 };

static const jobsrvd_field_t no_fields[] = { { .name = NULL } };

static const jobsrvd_field_t echo_fields[] = {
  { "lines", JOBSRVD_FIELD_LINES, 0, MAX_LINES, -1 },
  { .name = NULL },
};

static const jobsrvd_field_t count_fields[] = {
  { "n", JOBSRVD_FIELD_INTEGER, 0, MAX_EVENTS, -1 },
  { "interval_ms", JOBSRVD_FIELD_INTEGER, 0, MAX_MS, 0 },
  { .name = NULL },
};

static const jobsrvd_field_t sleep_fields[] = {
  { "ms", JOBSRVD_FIELD_INTEGER, 0, MAX_MS, -1 },
  { .name = NULL },
};

static const jobsrvd_field_t fail_fields[] = {
  { "message", JOBSRVD_FIELD_TEXT, 0, 0, -1 },
  { .name = NULL },
};

static const jobsrvd_field_t progress_fields[] = {
  { "total", JOBSRVD_FIELD_INTEGER, 1, MAX_EVENTS, -1 },
  { "step_ms", JOBSRVD_FIELD_INTEGER, 0, MAX_MS, 0 },
  { .name = NULL },
};

static const jobsrvd_field_t data_fields[] = {
  { "value", JOBSRVD_FIELD_ANY, 0, 0, -1 },
  { .name = NULL },
};

static const jobsrvd_field_t flood_fields[] = {
  { "n", JOBSRVD_FIELD_INTEGER, 0, MAX_EVENTS, -1 },
  { "rate", JOBSRVD_FIELD_INTEGER, 0, 1000000, 0 },
  { "burst", JOBSRVD_FIELD_INTEGER, 1, 65536, 1 },
  { "size", JOBSRVD_FIELD_INTEGER, 0, 65536, 0 },
  { .name = NULL },
};

static int start_echo(jobsrv_job_t *job, void *data) {
  jobsrv_event_t event = { .action = "echo" };
  const json_t *lines;
  json_t *payload;
  int err = jobsrvd_fields_load(&payload, job);

  (void) data;
  if (err != 0)
    return err;
  lines = json_object_get(payload, "lines");
  for (size_t i = 0; i < json_array_size(lines) && err == 0; i++) {
    event.human = json_string_value(json_array_get(lines, i));
    err = jobsrv_narrate_event(job, &event);
  }
  json_decref(payload);
  return err != 0 ? err : jobsrv_job_complete(job, NULL, 0);
}

static int start_fail(jobsrv_job_t *job, void *data) {
  json_t *payload;
  int err = jobsrvd_fields_load(&payload, job);

  (void) data;
  if (err != 0)
    return err;
  err = jobsrv_job_fail(
      job, NULL, json_string_value(json_object_get(payload, "message")));
  json_decref(payload);
  return err;
}

static int start_data(jobsrv_job_t *job, void *data) {
  json_t *payload;
  char *text;
  int err = jobsrvd_fields_load(&payload, job);

  (void) data;
  if (err != 0)
    return err;
  text = json_dumps(json_object_get(payload, "value"),
                    JSON_ENCODE_ANY | JSON_COMPACT);
  json_decref(payload);
  if (text == NULL)
    return UV_ENOMEM;
  err = jobsrv_data_event(job, "data", text, 0);
  free(text);
  return err != 0 ? err : jobsrv_job_complete(job, NULL, 0);
}

static int start_stuck(jobsrv_job_t *job, void *data) {
  (void) data;
  (void) jobsrv_narrate(job, "stuck", "will not let go");
  return 0;
}

static int run_spin(jobsrv_job_t *job, void *data) {
  const struct timespec pause = { .tv_nsec = 1000000 };

  (void) data;
  (void) jobsrv_info_voices(job, "spin", "spinning until asked to stop",
                            "round and round, like a puppy after its tail",
                            "\"I shall spin\", said the wheel, \"until you "
                            "ask me to stop.\"");
  while (!jobsrv_job_cancelled(job))
    nanosleep(&pause, NULL);
  return JOBSRV_CANCELLED;
}

static const struct demo {
  const char *name;
  jobsrv_style_t style;
  jobsrv_run_cb work;
  const jobsrvd_field_t *fields;
} demos[] = {
  { "echo", JOBSRV_ASYNC, start_echo, echo_fields },
  { "count", JOBSRV_ASYNC, jobsrvd_demo_count, count_fields },
  { "sleep", JOBSRV_ASYNC, jobsrvd_demo_sleep, sleep_fields },
  { "fail", JOBSRV_ASYNC, start_fail, fail_fields },
  { "spin", JOBSRV_THREAD, run_spin, no_fields },
  { "stuck", JOBSRV_ASYNC, start_stuck, no_fields },
  { "progress", JOBSRV_ASYNC, jobsrvd_demo_progress, progress_fields },
  { "data", JOBSRV_ASYNC, start_data, data_fields },
  { "flood", JOBSRV_ASYNC, jobsrvd_demo_flood, flood_fields },
};

enum { DEMOS = sizeof(demos) / sizeof(demos[0]) };

int jobsrvd_demo_has(const char *name) {
  for (size_t i = 0; i < DEMOS; i++)
    if (strcmp(demos[i].name, name) == 0)
      return 1;
  return 0;
}

int jobsrvd_demo_add(jobsrv_t *srv) {
  jobsrv_operation_t operation;
  int err = 0;

  for (size_t i = 0; i < DEMOS && err == 0; i++) {
    jobsrv_operation_init(&operation);
    operation.name = demos[i].name;
    operation.style = demos[i].style;
    if (demos[i].style == JOBSRV_THREAD)
      operation.run = demos[i].work;
    else
      operation.start = demos[i].work;
    operation.check = jobsrvd_fields_check;
    operation.data = (void *) demos[i].fields;
    operation.expose = 1;
    err = jobsrv_operation_add(srv, &operation);
  }
  return err;
}
