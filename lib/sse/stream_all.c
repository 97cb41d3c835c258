/* SPDX-License-Identifier: MIT */

#include "sse/many.h"

#include "base/alloc.h"
#include "sse/authorise.h"

#include <string.h>

enum {
  BATCH = 32 * 1024,  /* rendered in one go, one event at least */
  RENDER_KEEP = 256 * 1024,
  ASKING_COSTS = 1024, /* of what may be sent in a turn */
  HIDING_COSTS = 64
};

void jobsrv__all_free(const jobsrv_alloc_t *alloc, jobsrv__all_t *all) {
  jobsrv__request_let_go(alloc, &all->kept);
  jobsrv__free(alloc, all->seen);
  jobsrv__free(alloc, all);
}

/* ---- who may see what ---- */

enum { UNDECIDED, HIDDEN, SHOWN };

/* Each job is decided once, whoever has its place in memory after it. */
static int find_decision(const jobsrv__all_t *all, const jobsrv_job_t *job) {
  jobsrv_handle_t handle = jobsrv_job_handle(job);
  uint64_t seen = handle.index < all->n_seen ? all->seen[handle.index] : 0;

  if (seen >> 1 != handle.generation)
    return UNDECIDED;
  return seen & 1 ? SHOWN : HIDDEN;
}

/* Returns 0 or UV_ENOMEM. */
static int reserve(const jobsrv_alloc_t *alloc,
                   jobsrv__all_t *all,
                   size_t index) {
  size_t n = all->n_seen < 64 ? 64 : all->n_seen;
  uint64_t *seen;

  if (index < all->n_seen)
    return 0;
  while (n <= index)
    n *= 2;
  seen = jobsrv__zalloc(alloc, n * sizeof(*seen));
  if (seen == NULL)
    return UV_ENOMEM;
  if (all->n_seen > 0)
    memcpy(seen, all->seen, all->n_seen * sizeof(*seen));
  jobsrv__free(alloc, all->seen);
  all->seen = seen;
  all->n_seen = n;
  return 0;
}

static void keep_decision(jobsrv__all_t *all,
                          jobsrv_handle_t handle,
                          int shown) {
  all->seen[handle.index] = (uint64_t) handle.generation << 1 |
                            (unsigned int) shown;
}

int jobsrv__all_hides(const jobsrv__all_t *all, const jobsrv_job_t *job) {
  jobsrv_job_info_t info = { .size = sizeof(info) };

  jobsrv_job_info(job, &info);
  return info.is_private || find_decision(all, job) == HIDDEN;
}

/* Without a hook nobody is called, so that it can be known at once. */
static int decision_of(jobsrv__stream_t *stream, jobsrv_job_t *job) {
  jobsrv__all_t *all = stream->many->all;
  jobsrv_handle_t handle = jobsrv_job_handle(job);

  if (find_decision(all, job) == UNDECIDED && stream->sse->authorise == NULL &&
      reserve(stream->sse->alloc, all, handle.index) == 0)
    keep_decision(all, handle, jobsrv__may_read(&all->kept.request, job));
  return find_decision(all, job);
}

/*
 * Asks the hook, which may do anything: narrate, end the job, close us. Returns
 * 1, or 0 when the stream is gone.
 */
static int decide(jobsrv__stream_t *stream, jobsrv_job_t *job) {
  jobsrv__all_t *all = stream->many->all;
  jobsrv_handle_t handle = jobsrv_job_handle(job);
  int shown;

  if (reserve(stream->sse->alloc, all, handle.index) != 0) {
    jobsrv__stream_cut(stream);
    return 0;
  }
  all->is_asking = 1;
  shown = jobsrv__may_read(&all->kept.request, job);
  all->is_asking = 0;
  if (stream->is_gone)
    return 0;
  keep_decision(all, handle, shown);
  return 1;
}

/* ---- sending ---- */

typedef enum {
  ALL_READ,
  ENOUGH,  /* for one go */
  ASK,     /* about the job that is next */
  LAGS
} outcome_t;

/* Whose jobs they were that have gone with their events nobody knows: whoever
   may not see them is not to be cut for them. */
static int lags(const jobsrv__stream_t *stream,
                const jobsrv_job_t *job,
                const jobsrv_view_t *gap) {
  return job != NULL && stream->view.lag == JOBSRV_SSE_LAG_BREAK &&
         gap->server_seq > stream->many->all->opened_at;
}

/* The tail has nothing: it has read all, or looks for it for some turns. */
static int is_all_read(const jobsrv__stream_t *stream) {
  jobsrv_stats_t stats = { .size = sizeof(stats) };

  jobsrv_stats(stream->sse->srv, &stats);
  return jobsrv__stream_after(stream) >= stats.events;
}

/* Renders what comes next, without calling the host. */
static outcome_t render(jobsrv__stream_t *stream,
                        jobsrv__buf_t *buf,
                        size_t *share,
                        jobsrv_job_t **job) {
  jobsrv__all_t *all = stream->many->all;
  jobsrv_entry_t entry;
  jobsrv_read_t what;
  jobsrv_view_t gap;
  size_t before;
  int decision;

  while (*share > 0 && buf->len < BATCH && !buf->failed) {
    what = jobsrv_tail_peek(&all->tail, job, &entry, &gap);
    if (what == JOBSRV_READ_NOTHING)
      return ALL_READ;
    decision = *job != NULL ? decision_of(stream, *job) : SHOWN;
    if (decision == UNDECIDED)
      return ASK;
    jobsrv__many_charge(share, HIDING_COSTS, 0);
    if (decision == SHOWN) {
      if (what == JOBSRV_READ_GAP && lags(stream, *job, &gap))
        return LAGS;
      before = buf->len;
      jobsrv__many_put(stream, *job, what, &entry, &gap, buf);
      jobsrv__many_charge(share,
                          what == JOBSRV_READ_EVENTS ? entry.json_len : 0,
                          buf->len - before);
    }
    jobsrv_tail_advance(&all->tail);
  }
  return ENOUGH;
}

/*
 * What was rendered waits aside, as the hook may have others render. Returns 1,
 * or 0 when the stream is gone.
 */
static int ask_about(jobsrv__stream_t *stream,
                     jobsrv__buf_t *buf,
                     jobsrv_job_t *job) {
  jobsrv__buf_t aside = *buf;

  jobsrv__buf_init(buf, stream->sse->alloc, 0);
  if (!decide(stream, job)) {
    jobsrv__buf_free(&aside);
    return 0;
  }
  jobsrv__buf_free(buf);
  *buf = aside;
  return 1;
}

static int send_one(jobsrv__stream_t *stream, size_t *share) {
  jobsrv__buf_t *buf = &stream->sse->render;
  jobsrv_job_t *job = NULL;
  outcome_t outcome;
  int go_on;

  jobsrv__buf_reset(buf);
  while ((outcome = render(stream, buf, share, &job)) == ASK) {
    jobsrv__many_charge(share, ASKING_COSTS, 0);
    if (!ask_about(stream, buf, job))
      return 0;
  }
  if (buf->failed) {
    jobsrv__stream_cut(stream);
    return 0;
  }
  if (buf->len > 0) {
    go_on = jobsrv__stream_send_own(stream, buf->data, buf->len);
    if (buf->cap > RENDER_KEEP)
      jobsrv__buf_free(buf);
    return go_on;
  }
  if (outcome == LAGS)
    return jobsrv__stream_break(stream, JOBSRV__STREAM_LAGGED);
  if (outcome == ALL_READ)
    return stream->sse->is_finishing && is_all_read(stream)
               ? jobsrv__stream_break(stream, JOBSRV__STREAM_CLOSED)
               : 0;
  return 1;
}

int jobsrv__all_send(jobsrv__stream_t *stream, size_t *share) {
  /* told from inside the hook: it goes on behind it */
  return stream->many->all->is_asking ? 0 : send_one(stream, share);
}
