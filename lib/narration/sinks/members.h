/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_NARRATION_SINKS_MEMBERS_H_
#define JOBSRV_NARRATION_SINKS_MEMBERS_H_

/*
 * What is in an event, as names and texts, for renderings that have no objects.
 * It is read out of the event's JSON, so that there is one place that says what
 * an event has.
 */

#include "base/buf.h"
#include "jobsrv/narrate.h"

enum { JOBSRV__MEMBER_NAME = 144 };

/* `name` ends with a NUL; `text` does not, and its escapes are undone. */
typedef void (*jobsrv__member_cb)(void *arg,
                                  const char *name,
                                  const char *text,
                                  size_t len);

/* `scratch` is used up. Returns 0 or UV_ENOMEM. */
int jobsrv__members_each(const jobsrv_event_t *event,
                         jobsrv__buf_t *scratch,
                         jobsrv__member_cb cb,
                         void *arg);

/* 0..7 of syslog, for a level. */
int jobsrv__severity(int level);

/* The name of this program, for who gives none. */
const char *jobsrv__program_name(void);

#endif /* JOBSRV_NARRATION_SINKS_MEMBERS_H_ */
