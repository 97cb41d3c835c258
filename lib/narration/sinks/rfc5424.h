/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_NARRATION_SINKS_RFC5424_H_
#define JOBSRV_NARRATION_SINKS_RFC5424_H_

/* Events as messages of RFC 5424. */

#include "base/buf.h"
#include "jobsrv/narrate.h"
#include "narration/outlet.h"

/* What is in each message; "-" for what there is not. */
typedef struct jobsrv__identity_s {
  int facility;
  char host[256];
  char app[49];
  char pid[12];
  char sd_id[33];
} jobsrv__identity_t;

/* Printable ASCII of at most `cap` - 1 characters, others as '_'; or "-". */
void jobsrv__rfc5424_name(char *to, size_t cap, const char *from);

/*
 * One message of at most `max` bytes, 480 or more, for an event with JSON.
 * `scratch` and `shown` are used up.
 */
void jobsrv__rfc5424_put(jobsrv__buf_t *buf,
                         const jobsrv__identity_t *identity,
                         const jobsrv_event_t *event,
                         size_t max,
                         jobsrv__buf_t *scratch,
                         jobsrv__buf_t *shown);

/* The message that `count` events were lost. */
size_t jobsrv__rfc5424_notice(const void *identity,
                              char to[JOBSRV__NOTICE_MAX],
                              uint64_t count,
                              uint64_t wall_ns);

#endif /* JOBSRV_NARRATION_SINKS_RFC5424_H_ */
