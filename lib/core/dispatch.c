/* SPDX-License-Identifier: MIT */

#include "core/server.h"

/*
 * Jobs wait in their operation's queue, in order of their tickets. What starts
 * next is the oldest of all that have room: an operation at its cap, or thread
 * work without a thread, lets others pass.
 */
enum { STARTS_A_TURN = 256 };

void jobsrv__enqueue(jobsrv_job_t *job) {
  jobsrv_t *srv = job->srv;

  job->ticket = ++srv->ticket;
  jobsrv__queue_push_back(&job->operation->queued, &job->in_state);
  job->operation->nqueued++;
  srv->nqueued++;
  jobsrv__dispatch_wanted(srv);
}

void jobsrv__dequeue(jobsrv_job_t *job) {
  jobsrv_t *srv = job->srv;

  if (job->ticket != 0) {
    job->operation->nqueued--;
    srv->nqueued--;
  }
  jobsrv__queue_remove(&job->in_state);
  job->ticket = 0;
  if (job->flags & JOBSRV__JOB_HOLDS_SLOT) {
    job->flags &= (uint16_t) ~JOBSRV__JOB_HOLDS_SLOT;
    job->operation->running--;
    srv->nrunning--;
    jobsrv__dispatch_wanted(srv);
  }
}

static int has_room(jobsrv_t *srv, const jobsrv__operation_t *operation) {
  if (operation->def.max_running != 0 &&
      operation->running >= operation->def.max_running)
    return 0;
  return operation->def.style != JOBSRV_THREAD || jobsrv__thread_room(srv);
}

static jobsrv_job_t *next_job(jobsrv_t *srv) {
  jobsrv__operation_t *operation;
  jobsrv__queue_t *front;
  jobsrv_job_t *job, *best = NULL;

  if (srv->options.max_running != 0 &&
      srv->nrunning >= srv->options.max_running)
    return NULL;
  for (jobsrv__queue_t *link = jobsrv__queue_front(&srv->operations);
       link != NULL; link = jobsrv__queue_next(&srv->operations, link)) {
    operation = JOBSRV__CONTAINER(link, jobsrv__operation_t, in_server);
    front = jobsrv__queue_front(&operation->queued);
    if (front == NULL)
      continue;
    job = JOBSRV__CONTAINER(front, jobsrv_job_t, in_state);
    if ((best == NULL || job->ticket < best->ticket) &&
        has_room(srv, operation))
      best = job;
  }
  return best;
}

static int call_start(jobsrv_job_t *job) {
  const jobsrv_operation_t *def = &job->operation->def;
  int err = 0;

  switch (def->style) {
    case JOBSRV_ASYNC:
      JOBSRV__WITHIN(job, err = def->start(job, def->data));
      break;
    case JOBSRV_THREAD: err = jobsrv__thread_start(job); break;
    case JOBSRV_PROCESS: err = jobsrv__process_start(job); break;
  }
  return err;
}

static void start(jobsrv_job_t *job) {
  jobsrv_t *srv = job->srv;
  int err;

  jobsrv__dequeue(job);
  job->flags |= JOBSRV__JOB_HOLDS_SLOT;
  job->operation->running++;
  srv->nrunning++;
  jobsrv__queue_push_back(&srv->running, &job->in_state);
  job->attempt_no++;
  job->since_ns = jobsrv_now(srv);
  if (job->started_ns == 0) {
    job->started_ns = job->since_ns;
    job->started_wall = jobsrv__wall_at(srv, job->started_ns);
  }
  jobsrv__job_move(job, JOBSRV_STATE_RUNNING);
  jobsrv__job_look(job); /* a hook, or a thread, may have asked it to stop */
  if (jobsrv__job_ended(job)) /* a hook has closed the server */
    return;
  if (jobsrv_token_reason(&job->token) != NULL) {
    jobsrv__job_let_go(job); /* there is nothing yet that has to */
    return;
  }
  job->flags |= JOBSRV__JOB_STARTED;
  jobsrv__job_clock(job);
  err = call_start(job);
  if (err != 0) {
    jobsrv__job_say(job, 0, err == UV_ENOMEM ? "no_memory" : "start_failed",
                    jobsrv_strerror(err));
    jobsrv__job_let_go(job);
  }
}

void jobsrv__dispatch(jobsrv_t *srv) {
  jobsrv_job_t *job;

  srv->dispatch_wanted = 0;
  for (int n = 0; (job = next_job(srv)) != NULL; n++) {
    if (n == STARTS_A_TURN) {
      jobsrv__dispatch_wanted(srv);
      return;
    }
    jobsrv_job_ref(job);
    if (jobsrv_token_reason(&job->token) != NULL)
      jobsrv__job_look(job); /* its message is still on the way */
    else
      start(job);
    jobsrv_job_unref(job);
    if (srv->phase == JOBSRV__CLOSING)
      return;
  }
}
