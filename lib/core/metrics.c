/* SPDX-License-Identifier: MIT */

#include "core/metrics.h"

#include "core/server.h"

/* ---- measuring ---- */

void jobsrv__metrics_init(jobsrv_t *srv) {
  jobsrv_collector_t *head = &srv->metrics.collectors;

  head->next = head->prev = head;
}

/* Whoever takes a collector back later must not find us in it. */
void jobsrv__metrics_close(jobsrv_t *srv) {
  jobsrv_collector_t *head = &srv->metrics.collectors;

  while (head->next != head)
    jobsrv_collector_remove(head->next);
}

jobsrv__job_metrics_t *jobsrv__metrics_of(jobsrv_t *srv,
                                          jobsrv__job_metrics_t *own) {
  if (srv->metrics.metered == JOBSRV__METERED_MAX)
    return &srv->metrics.other;
  srv->metrics.metered++;
  return own;
}

static jobsrv__job_metrics_t *metrics_of(const jobsrv_job_t *job) {
  return job->operation != NULL ? job->operation->metrics
                                : &job->srv->metrics.begun;
}

void jobsrv__metrics_created(const jobsrv_job_t *job) {
  metrics_of(job)->submitted++;
}

static void observe(jobsrv_histogram_t *to, uint64_t from_ns, uint64_t to_ns) {
  jobsrv_histogram_observe(to, to_ns > from_ns ? to_ns - from_ns : 0);
}

void jobsrv__metrics_attempt(const jobsrv_job_t *job) {
  observe(&metrics_of(job)->queue, job->since_ns, jobsrv_now(job->srv));
}

void jobsrv__metrics_ended(const jobsrv_job_t *job, jobsrv_state_t how) {
  const jobsrv_reason_t *reason = jobsrv_token_reason(&job->token);
  jobsrv__job_metrics_t *metrics = metrics_of(job);

  metrics->ended[how - JOBSRV_STATE_COMPLETED]++;
  if (job->started_ns != 0)
    observe(&metrics->run, job->started_ns, job->finished_ns);
  if (reason != NULL && reason->code <= JOBSRV_REASON_PARENT &&
      job->stop_ns != 0)
    observe(&metrics->cancel, job->stop_ns, job->finished_ns);
}

void jobsrv__metrics_woken(jobsrv_t *srv, uint64_t due_ns, uint64_t now_ns) {
  if (due_ns != UINT64_MAX)
    observe(&srv->metrics.loop_lag, due_ns, now_ns);
}

/* ---- who else has something to tell ---- */

void jobsrv_collector_add(jobsrv_t *srv,
                          jobsrv_collector_t *collector,
                          void (*cb)(jobsrv_collector_t *collector,
                                     jobsrv_metrics_t *to)) {
  jobsrv_collector_t *head = &srv->metrics.collectors;

  JOBSRV__ASSERT_LOOP(srv);
  collector->cb = cb;
  collector->next = head;
  collector->prev = head->prev;
  collector->prev->next = collector;
  collector->next->prev = collector;
}

void jobsrv_collector_remove(jobsrv_collector_t *collector) {
  if (collector->next == NULL)
    return;
  collector->prev->next = collector->next;
  collector->next->prev = collector->prev;
  collector->next = NULL;
  collector->prev = NULL;
}
