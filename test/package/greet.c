/* SPDX-License-Identifier: MIT */

/* The operation that the test in jobsrv/testing.h is about. */

#include <jobsrv/jobsrv.h>

#include <stdlib.h>

#define SECOND UINT64_C(1000000000)

#ifndef TIMES
# define TIMES 3
#endif

typedef struct {
  jobsrv_timer_t timer;
  jobsrv_job_t *job;
  int times;
} greeting_t;

static void on_timer(jobsrv_timer_t *timer) {
  greeting_t *greeting = timer->data;
  jobsrv_t *srv = jobsrv_job_server(greeting->job);

  (void) jobsrv_narrate(greeting->job, "greet", "hello");
  if (++greeting->times < TIMES) {
    jobsrv_timer_arm(srv, timer, jobsrv_now(srv) + SECOND, on_timer);
    return;
  }
  (void) jobsrv_job_complete(greeting->job, NULL, 0);
  free(greeting);
}

static int start(jobsrv_job_t *job, void *data) {
  greeting_t *greeting = calloc(1, sizeof(*greeting));

  (void) data;
  if (greeting == NULL)
    return JOBSRV_ENOCONTEXT;
  greeting->job = job;
  greeting->timer.data = greeting;
  on_timer(&greeting->timer);
  return 0;
}

const jobsrv_operation_t greet = {
  .size = sizeof(greet),
  .name = "greet",
  .start = start,
};
