/* SPDX-License-Identifier: MIT */

#include "core/group.h"
#include "core/plan.h"
#include "core/server.h"
#include "core/trace.h"

#include <string.h>

/* What is of the state that it is in. */
static void fill_plan(const jobsrv_job_t *job, jobsrv_job_info_t *info) {
  const jobsrv__plan_t *plan = job->plan;

  info->queued_wall_ns = job->created_wall;
  if (plan == NULL)
    return;
  if (plan->was_held || plan->queued_wall != 0)
    info->queued_wall_ns = plan->queued_wall;
  if (info->state == JOBSRV_STATE_SCHEDULED)
    info->run_at_wall_ns = plan->run_at_wall;
  if (info->state == JOBSRV_STATE_RETRYING)
    info->next_attempt_wall_ns = plan->next_wall;
  if (info->state == JOBSRV_STATE_SUSPENDED) {
    info->prompt = plan->prompt.data;
    info->prompt_len = plan->prompt.len;
  }
}

static void fill_trace(const jobsrv_job_t *job, jobsrv_job_info_t *info) {
  jobsrv_trace_t trace = { .size = sizeof(trace) };

  jobsrv_job_trace(job, &trace);
  memcpy(info->trace_id, trace.trace_id, sizeof(info->trace_id));
  memcpy(info->parent_span_id, trace.parent_span_id,
         sizeof(info->parent_span_id));
  info->tracestate = trace.tracestate;
  info->open_spans = jobsrv__job_open_spans(job);
}

static void fill(const jobsrv_job_t *job, jobsrv_job_info_t *info) {
  const jobsrv__limits_t *limits = jobsrv__job_limits(job);
  const jobsrv__finish_t *finish = &job->finish;
  int ended = jobsrv__job_ended(job);

  info->state = jobsrv_job_state(job);
  info->is_begun = job->operation == NULL;
  info->attempt = job->attempt_no;
  info->max_attempts = limits->retry.max_attempts;
  info->priority = job->priority;
  info->weight = limits->weight;
  info->watchers = job->watchers;
  info->queue_position = jobsrv__order_position(job);
  info->unique_key = jobsrv__unique_key(job);
  info->group = jobsrv__group_name(job);
  fill_plan(job, info);
  fill_trace(job, info);
  info->created_wall_ns = job->created_wall;
  info->started_wall_ns = job->started_wall;
  info->finished_wall_ns = job->finished_wall;
  if (ended)
    info->expires_wall_ns =
        jobsrv__later(job->finished_wall, jobsrv__job_retain_ns(job));
  if (job->started_ns != 0)
    info->duration_ns =
        (ended ? job->finished_ns : jobsrv_now(job->srv)) - job->started_ns;
  job->srv->observer->range(job, &info->first_seq, &info->last_seq);
  info->last_seq = job->seq;
  info->cancel_reason = jobsrv_token_reason(&job->token);
  info->error_code = jobsrv__job_error_code(job);
  info->error_message = jobsrv__job_error_message(job);
  info->error_retryable = jobsrv__job_error_retryable(job);
  info->exit_status = job->exit_status;
  info->signal = job->signal;
  info->abandoned = (job->flags & JOBSRV__JOB_ABANDONED) != 0;
  info->cancellable = atomic_load(&job->cancellable);
  info->is_private = (job->flags & JOBSRV__JOB_PRIVATE) != 0;
  if (info->state == JOBSRV_STATE_COMPLETED) {
    info->result = finish->text;
    info->result_len = finish->len;
  }
  if (job->labels != NULL) {
    info->principal = job->labels->principal;
    info->correlation_id = job->labels->correlation_id;
    info->request_id = job->labels->request_id;
    info->tags = job->labels->tags;
    info->ntags = job->labels->ntags;
  }
}

void jobsrv_job_info(const jobsrv_job_t *job, jobsrv_job_info_t *info) {
  jobsrv_job_info_t all = { 0 };
  size_t size = info->size < sizeof(all) ? info->size : sizeof(all);

  JOBSRV__ASSERT_LOOP(job->srv);
  fill(job, &all);
  all.size = info->size;
  memcpy(info, &all, size);
}

void jobsrv_stats(const jobsrv_t *srv, jobsrv_stats_t *stats) {
  jobsrv_stats_t all = srv->stats;
  size_t size = stats->size < sizeof(all) ? stats->size : sizeof(all);

  JOBSRV__ASSERT_LOOP(srv);
  all.size = stats->size;
  all.late_finishes = atomic_load(&srv->late_finishes);
  all.open_spans = atomic_load(&srv->open_spans);
  all.live = srv->live;
  all.scheduled = srv->count[JOBSRV_STATE_SCHEDULED];
  all.queued = srv->count[JOBSRV_STATE_QUEUED];
  all.running = srv->count[JOBSRV_STATE_RUNNING];
  all.retrying = srv->count[JOBSRV_STATE_RETRYING];
  all.suspended = srv->count[JOBSRV_STATE_SUSPENDED];
  all.retained = srv->registry.nretained;
  all.wakes = jobsrv__mailbox_wakes(srv->mailbox);
  all.inbox_bytes = jobsrv__mailbox_held(srv->mailbox);
  all.inbox_memory = jobsrv__mailbox_memory(srv->mailbox);
  memcpy(stats, &all, size);
}
