/* SPDX-License-Identifier: MIT */

#include "core/line_split.h"
#include "core/plan.h"
#include "core/trace.h"
#include "narration/child_said.h"
#include "narration/encode.h"
#include "narration/narration.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include <uv.h>

/*
 * What becomes of a child's output. It goes straight into the log: nothing that
 * any thread has narrated can have to come before it.
 */

/* A text that ends with a NUL and has none inside, of what may have some. */
static const char *without_nul(jobsrv__buf_t *buf,
                               const char *text,
                               size_t len) {
  const char *nul;

  jobsrv__buf_reset(buf);
  while ((nul = memchr(text, '\0', len)) != NULL) {
    (void) jobsrv__buf_append(buf, text, (size_t) (nul - text));
    (void) jobsrv__buf_append(buf, "\xef\xbf\xbd", 3);
    len -= (size_t) (nul - text) + 1;
    text = nul + 1;
  }
  (void) jobsrv__buf_append(buf, text, len);
  return jobsrv__buf_str(buf);
}

/* With `body` free to be written. Returns 0, or why it cannot be encoded. */
static int put_in(jobsrv_job_t *job,
                  jobsrv_event_t *event,
                  size_t human_len,
                  jobsrv__buf_t *body) {
  jobsrv_t *srv = job->srv;
  jobsrv__narration_t *narration = jobsrv__narration(srv);
  jobsrv__ids_t ids;
  int err;

  jobsrv__event_fill(event, job, srv);
  jobsrv__event_trace(event, job, &ids);
  err = jobsrv__encode_event(body, job, event, human_len,
                             srv->options.max_text,
                             srv->options.max_event_bytes);
  if (err != 0)
    return err;
  if (jobsrv__sinks_hear(srv, event->level)) {
    event->human = without_nul(&narration->text, event->human, human_len);
    if (event->human == NULL)
      event->human = "";
  }
  (void) jobsrv__narration_put(job, jobsrv__narration_lost(job), event->kind,
                               event->level, body->data, body->len, event);
  return 0;
}

static int put(jobsrv_job_t *job, jobsrv_event_t *event, size_t human_len) {
  jobsrv_t *srv = job->srv;
  jobsrv__narration_t *narration = jobsrv__narration(srv);

  if (!jobsrv_narrates(job, event->level))
    return 0;
  if (jobsrv__job_ended(job)) {
    srv->stats.late_events++;
    return 0;
  }
  jobsrv__buf_reset(&narration->body);
  return put_in(job, event, human_len, &narration->body);
}

/* ---- lines ---- */

/* Returns 1 when there is nothing more to be made of it. */
static int put_said(jobsrv_job_t *job,
                    jobsrv_output_t format,
                    int stream,
                    const char *text,
                    size_t len) {
  jobsrv__narration_t *narration = jobsrv__narration(job->srv);
  jobsrv__traceparent_t above = jobsrv__trace_above(job);
  char trace_id[33];
  jobsrv__said_t said;

  *jobsrv__hex64(jobsrv__hex64(trace_id, above.hi), above.lo) = '\0';
  jobsrv__buf_reset(&narration->said);
  switch (jobsrv__said_read(&said, &narration->said, format, trace_id, stream,
                            text, len)) {
    case JOBSRV__SAID_EVENT:
      return put(job, &said.event, said.human_len) == 0;
    case JOBSRV__SAID_PROGRESS:
      if (!jobsrv__progress_ok(&said.progress))
        return 0;
      if (!jobsrv__job_ended(job))
        (void) jobsrv__log_progress(job, &said.progress);
      return 1;
    case JOBSRV__SAID_PLAIN:
      break;
  }
  return 0;
}

static void put_plain(jobsrv_job_t *job,
                      jobsrv_output_t format,
                      int stream,
                      int part,
                      const char *text,
                      size_t len) {
  jobsrv_field_t fields[2] = {
    {
        .key = "continues",
        .type = JOBSRV_FIELD_BOOL,
        .as.boolean = part == JOBSRV__LINE_FIRST || part == JOBSRV__LINE_MIDDLE,
    },
    {
        .key = "note",
        .type = JOBSRV_FIELD_STRING,
        .as.string = "too long to be read as JSON",
    },
  };
  int was_json = part == JOBSRV__LINE_FIRST && format != JOBSRV_OUTPUT_PLAIN &&
                 format != JOBSRV_OUTPUT_BRACKET &&
                 jobsrv__said_is_object(text, len);
  jobsrv_event_t event = {
    .size = sizeof(event),
    .level = stream == 1 ? JOBSRV_INFO : JOBSRV_WARN,
    .action = stream == 1 ? "stdout" : "stderr",
    .human = text,
    .fields = fields,
    .nfields = (size_t) (part == JOBSRV__LINE_WHOLE ? 0 : 1 + was_json),
  };

  if (put(job, &event, len) != 0)
    (void) jobsrv__narrate_lost(job, 0);
}

void jobsrv__child_line(jobsrv_job_t *job,
                        int stream,
                        jobsrv_output_t format,
                        int part,
                        const char *text,
                        size_t len) {
  jobsrv__job_heard(job); /* it is alive, whether that is told or not */
  if (job->srv->narration == NULL)
    return;
  if (part == JOBSRV__LINE_WHOLE && put_said(job, format, stream, text, len))
    return;
  put_plain(job, format, stream, part, text, len);
}

/* ---- its life ---- */

/* May come while an event is delivered, whose JSON `body` may hold. */
static void put_own(jobsrv_job_t *job, jobsrv_event_t *event) {
  jobsrv_t *srv = job->srv;
  jobsrv__buf_t body;

  if (srv->narration == NULL || jobsrv__job_ended(job) ||
      !jobsrv_narrates(job, event->level))
    return;
  event->size = sizeof(*event);
  jobsrv__buf_init(&body, &srv->alloc, 0);
  if (put_in(job, event, strlen(event->human), &body) != 0)
    (void) jobsrv__narrate_lost(job, 0);
  jobsrv__buf_free(&body);
}

void jobsrv__child_started(jobsrv_job_t *job, int pid, const char *program) {
  jobsrv_field_t field = {
    .key = "pid", .type = JOBSRV_FIELD_U64, .as.u64 = (uint64_t) pid
  };
  char human[300];
  jobsrv_event_t event = {
    .level = JOBSRV_DEBUG,
    .action = "process_started",
    .target = program,
    .human = human,
    .fields = &field,
    .nfields = 1,
  };

  (void) snprintf(human, sizeof(human), "%.256s runs as process %d", program,
                  pid);
  put_own(job, &event);
}

void jobsrv__child_exited(jobsrv_job_t *job, uint64_t duration_ns) {
  char human[64] = "its exit status was lost";
  char name[16];
  const char *abbrev = job->signal > 0 ? sigabbrev_np(job->signal) : NULL;
  jobsrv_field_t fields[2] = {
    {
        .key = "duration_ms",
        .type = JOBSRV_FIELD_U64,
        .as.u64 = duration_ns / 1000000,
    },
    { .key = "code" },
  };
  jobsrv_event_t event = {
    .level = JOBSRV_DEBUG,
    .action = "process_exited",
    .human = human,
    .fields = fields,
    .nfields = 2,
  };

  if (job->signal > 0 && abbrev != NULL)
    (void) snprintf(name, sizeof(name), "SIG%s", abbrev);
  else
    (void) snprintf(name, sizeof(name), "SIG%d", job->signal);
  if (job->signal > 0) {
    fields[1].key = "signal";
    fields[1].type = JOBSRV_FIELD_STRING;
    fields[1].as.string = name;
    (void) snprintf(human, sizeof(human), "killed by %s", name);
  } else if (job->exit_status >= 0) {
    fields[1].type = JOBSRV_FIELD_I64;
    fields[1].as.i64 = job->exit_status;
    (void) snprintf(human, sizeof(human), "exited with status %d",
                    job->exit_status);
  } else {
    event.nfields = 1;
  }
  put_own(job, &event);
}
