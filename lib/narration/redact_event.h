/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_NARRATION_REDACT_EVENT_H_
#define JOBSRV_NARRATION_REDACT_EVENT_H_

/*
 * Events without their secrets, for sinks that more than one may read. Made
 * once for all sinks that share a redactor; an event that holds none costs one
 * look and no copy.
 */

#include "base/buf.h"
#include "jobsrv/narrate.h"
#include "jobsrv/redact.h"
#include "narration/pem.h"

/* The last event that was made, and of what. */
typedef struct jobsrv__redacted_s {
  const jobsrv_event_t *of;   /* NULL: none */
  jobsrv_redactor_t *by;      /* referenced: its sink may be removed */
  const jobsrv_event_t *made; /* `of` itself, or `event` */
  int followed;         /* it has been looked at for keys in several events */
  int hide;             /* it is a line of one */
  jobsrv__pem_t no_job; /* of events that belong to none */
  jobsrv_event_t event;
  jobsrv__buf_t fields; /* its array of them */
  jobsrv__buf_t places; /* of its texts, while they are made */
  jobsrv__buf_t texts;
  jobsrv__buf_t json;
  jobsrv__buf_t scratch;
} jobsrv__redacted_t;

void jobsrv__redacted_init(jobsrv__redacted_t *redacted,
                           const jobsrv_alloc_t *alloc);
void jobsrv__redacted_free(jobsrv__redacted_t *redacted);

/*
 * `event` as `by` lets it pass; stays, texts and all, until the next call.
 * Without memory nothing passes but that there was an event.
 */
const jobsrv_event_t *jobsrv__redacted(jobsrv__redacted_t *redacted,
                                       jobsrv_redactor_t *by,
                                       const jobsrv_event_t *event);

/* What it was made of goes: another may come at the same address. */
void jobsrv__redacted_forget(jobsrv__redacted_t *redacted);

/*
 * Appends checked JSON to `to`, the secrets in its strings and in the names of
 * its members replaced, and whole values behind secret names. Returns 1 if
 * there was one, 0 with nothing appended, or UV_ENOMEM. `scratch` is
 * overwritten.
 */
int jobsrv__redact_json(const jobsrv_redactor_t *by,
                        const char *json,
                        size_t len,
                        jobsrv__buf_t *to,
                        jobsrv__buf_t *scratch);

/*
 * The same of an event's own JSON, in which the id of its job stays; with
 * `hide` none of its voices do.
 */
int jobsrv__redact_event_json(const jobsrv_redactor_t *by,
                              const jobsrv_event_t *event,
                              int hide,
                              jobsrv__buf_t *to,
                              jobsrv__buf_t *scratch);

#endif /* JOBSRV_NARRATION_REDACT_EVENT_H_ */
