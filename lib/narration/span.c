/* SPDX-License-Identifier: MIT */

#include "jobsrv/span.h"

#include "base/options.h"
#include "core/server.h"
#include "core/trace.h"
#include "narration/encode.h"
#include "narration/narration.h"

#include <stdio.h>
#include <string.h>

enum { UNTOLD, OPEN, ENDED }; /* a span's state */

enum { MAX_FIELDS = 28, OWN_FIELDS = 4, MAX_MESSAGE = 1000 };

const char *jobsrv_outcome_name(int outcome) {
  switch (outcome) {
#define XX(name, text) case JOBSRV_SPAN_##name: return text;
    JOBSRV_OUTCOME_MAP(XX)
#undef XX
    default: return "unknown";
  }
}

/* ---- how many are open ---- */

/* The job has ended: the count stays as it is, its record tells it. */
#define FROZEN (1u << 31)

/* 1, or 0 for a job that has ended. */
static int count_open(jobsrv_job_t *job) {
  unsigned int open = atomic_load_explicit(&job->spans_open,
                                           memory_order_relaxed);

  do {
    if (open & FROZEN)
      return 0;
  } while (!atomic_compare_exchange_weak_explicit(&job->spans_open, &open,
                                                  open + 1,
                                                  memory_order_relaxed,
                                                  memory_order_relaxed));
  atomic_fetch_add_explicit(&job->srv->open_spans, 1, memory_order_relaxed);
  return 1;
}

static void count_ended(jobsrv_job_t *job) {
  unsigned int open = atomic_load_explicit(&job->spans_open,
                                           memory_order_relaxed);

  atomic_fetch_sub_explicit(&job->srv->open_spans, 1, memory_order_relaxed);
  do {
    if (open & FROZEN)
      return;
  } while (!atomic_compare_exchange_weak_explicit(&job->spans_open, &open,
                                                  open - 1,
                                                  memory_order_relaxed,
                                                  memory_order_relaxed));
}

void jobsrv__spans_freeze(jobsrv_job_t *job) {
  (void) atomic_fetch_or_explicit(&job->spans_open, FROZEN,
                                  memory_order_relaxed);
}

/* ---- the two events ---- */

/* Of a span that has its ids. `n` fields are there, of room for more. */
static int tell(const jobsrv_span_t *span,
                jobsrv_event_t *event,
                const char *human) {
  jobsrv__ids_t ids;

  event->size = sizeof(*event);
  event->kind = JOBSRV_KIND_NARRATION;
  event->actor = span->actor;
  event->target = span->name;
  event->human = human;
  event->file = span->file;
  event->line = span->line;
  event->function = span->function;
  jobsrv__event_in_span(event, span->job, span->id, span->parent_id, &ids);
  return jobsrv__narrate(span->job, event, strlen(human));
}

static int tell_begin(const jobsrv_span_t *span,
                      const jobsrv_span_options_t *options) {
  jobsrv_field_t fields[MAX_FIELDS + 1];
  char human[128];
  jobsrv_event_t event = {
    .level = span->level,
    .action = "span_begin",
    .fields = fields,
    .nfields = options->nfields + 1,
  };

  fields[0] = jobsrv_field_string("span", span->name);
  if (options->nfields > 0)
    memcpy(fields + 1, options->fields, options->nfields * sizeof(*fields));
  (void) snprintf(human, sizeof(human), "%.100s begins", span->name);
  return tell(span, &event, human);
}

static int tell_end(const jobsrv_span_t *span,
                    jobsrv_outcome_t outcome,
                    const char *message,
                    const jobsrv_field_t *more,
                    size_t n) {
  uint64_t ns = jobsrv_now(span->job->srv) - span->began_ns;
  jobsrv_field_t fields[MAX_FIELDS + OWN_FIELDS];
  const char *name = jobsrv_outcome_name((int) outcome);
  char human[MAX_MESSAGE + 256];
  char mark[JOBSRV__CUT_MARK] = "";
  jobsrv_event_t event = {
    .level = span->level,
    .action = "span_end",
    .fields = fields,
    .nfields = OWN_FIELDS + n,
  };
  int len = 0;

  fields[0] = jobsrv_field_string("span", span->name);
  fields[1] = jobsrv_field_string("outcome", name);
  fields[2] = jobsrv_field_u64("duration_ms", ns / 1000000);
  fields[3] = jobsrv_field_u64("duration_ns", ns);
  if (n > 0)
    memcpy(fields + OWN_FIELDS, more, n * sizeof(*fields));
  if (outcome == JOBSRV_SPAN_ERROR && event.level < JOBSRV_WARN)
    event.level = JOBSRV_WARN;
  if (!jobsrv_narrates(span->job, event.level))
    return 0;
  if (message != NULL)
    len = jobsrv__cut_marked(mark, message, MAX_MESSAGE);
  (void) snprintf(human, sizeof(human), "%.100s: %s after %llu.%03u ms%s%.*s%s",
                  span->name, name, (unsigned long long) (ns / 1000000),
                  (unsigned int) (ns / 1000 % 1000), len > 0 ? ": " : "",
                  len, message != NULL ? message : "", mark);
  return tell(span, &event, human);
}

/* ---- beginning ---- */

int jobsrv_span_pass(jobsrv_span_t *span,
                     jobsrv_job_t *job,
                     const jobsrv_span_t *parent) {
  const jobsrv_context_t *context = jobsrv__innermost;

  if (job == NULL && context != NULL)
    job = context->job;
  span->state = UNTOLD;
  span->job = job;
  span->id = 0;
  span->parent_id = 0;
  if (job == NULL)
    return JOBSRV_ENOCONTEXT;
  if (parent != NULL && parent->job == job) {
    span->attempt = parent->attempt;
    span->id = parent->id;
    span->parent_id = parent->parent_id;
  } else if (context != NULL && context->job == job) {
    span->attempt = context->attempt;
    span->id = context->span_id;
    span->parent_id = context->parent_span_id;
  } else {
    span->attempt = jobsrv__job_attempt(job);
  }
  return 0;
}

static int read_options(jobsrv_span_options_t *to,
                        const jobsrv_span_options_t *from) {
  if (from->size == 0 || from->size == sizeof(*from))
    *to = *from;
  else if (jobsrv__options_read(to, sizeof(*to), sizeof(*to), from) != 0)
    return UV_EINVAL;
  if (to->level == 0)
    to->level = JOBSRV_DEBUG;
  if (to->name == NULL || to->level < JOBSRV_TRACE ||
      to->level > JOBSRV_MUTE || (to->fields == NULL && to->nfields > 0))
    return UV_EINVAL;
  return to->nfields > MAX_FIELDS ? JOBSRV_ETOOBIG : 0;
}

/* Has a span whose place is known told. */
static int open_span(jobsrv_span_t *span,
                     const jobsrv_span_options_t *options) {
  jobsrv_job_t *job = span->job;
  jobsrv_span_t mine = *span;
  uint32_t n;
  int err;

  if (jobsrv__job_ended(job) || !count_open(job))
    return JOBSRV_EENDED;
  n = atomic_fetch_add_explicit(&job->spans_begun, 1, memory_order_relaxed);
  mine.parent_id = span->id != 0 ? span->id
                                 : jobsrv__trace_span(job, span->attempt);
  mine.id = jobsrv__trace_span(job, JOBSRV__SPAN_SCOPES + n);
  mine.began_ns = jobsrv_now(job->srv);
  mine.name = options->name;
  mine.actor = options->actor;
  mine.file = options->file;
  mine.line = options->line;
  mine.function = options->function;
  mine.level = options->level;
  err = tell_begin(&mine, options);
  if (err != 0 && err != JOBSRV_EDROPPED && err != UV_ENOMEM) {
    count_ended(job);
    return err;
  }
  mine.state = OPEN;
  *span = mine;
  (void) jobsrv_job_ref(job);
  return 0;
}

int jobsrv_span_begin_with(jobsrv_span_t *span,
                           jobsrv_job_t *job,
                           const jobsrv_span_options_t *options) {
  jobsrv_span_options_t mine;
  int err = read_options(&mine, options);
  int placed = jobsrv_span_pass(span, job, err == 0 ? mine.parent : NULL);

  if (err == 0)
    err = placed;
  if (err != 0 || !jobsrv_narrates(span->job, mine.level))
    return err;
  return open_span(span, &mine);
}

/* ---- ending ---- */

int jobsrv_span_end_with(jobsrv_span_t *span,
                         jobsrv_outcome_t outcome,
                         const char *message,
                         const jobsrv_field_t *fields,
                         size_t nfields) {
  jobsrv_span_t mine;
  uint32_t state = OPEN;
  int err = JOBSRV_EENDED;

  if ((unsigned int) outcome >= JOBSRV_OUTCOME_MAX ||
      (fields == NULL && nfields > 0))
    return UV_EINVAL;
  if (nfields > MAX_FIELDS)
    return JOBSRV_ETOOBIG;
  if (!__atomic_compare_exchange_n(&span->state, &state, ENDED, 0,
                                   __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
    return state == UNTOLD ? 0 : JOBSRV_ESETTLED;
  mine = *span;
  if (!jobsrv__job_ended(mine.job))
    err = tell_end(&mine, outcome, message, fields, nfields);
  count_ended(mine.job);
  jobsrv_job_unref(mine.job);
  return err;
}

/* ---- being inside of it ---- */

void jobsrv_span_enter(jobsrv_context_t *context, const jobsrv_span_t *span) {
  jobsrv_context_enter(context, span->job);
  context->span_id = span->id;
  context->parent_span_id = span->parent_id;
  if (span->job != NULL)
    context->attempt = span->attempt;
}
