/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_NARRATION_LAYOUT_H_
#define JOBSRV_NARRATION_LAYOUT_H_

/* Events as lines of text. */

#include "base/buf.h"
#include "jobsrv/console.h"

typedef struct jobsrv__layout_s {
  jobsrv_console_form_t form;
  jobsrv_voice_t voice;
  int colour;
  int fields;
} jobsrv__layout_t;

/* Appends its lines, the last end included. Returns `buf->failed`. */
int jobsrv__layout_put(const jobsrv__layout_t *layout,
                       jobsrv__buf_t *buf,
                       const jobsrv_event_t *event);

/* "...e7e3f1": of more than six characters the last six. */
void jobsrv__short_id(jobsrv__buf_t *buf, const char *id);

/* ---- logfmt.c ---- */

/* The whole event, without a line end. */
void jobsrv__logfmt_put(jobsrv__buf_t *buf, const jobsrv_event_t *event);

/* " key=value" for each of its fields but a table. */
void jobsrv__logfmt_fields(jobsrv__buf_t *buf, const jobsrv_event_t *event);

#endif /* JOBSRV_NARRATION_LAYOUT_H_ */
