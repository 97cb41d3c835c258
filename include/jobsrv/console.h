/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CONSOLE_H
#define JOBSRV_CONSOLE_H

/* The console sink: narration as lines for people, or for their tools. */

#include "jobsrv/sink.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
  /* 2026-11-23T09:44:49.123Z info  ...e3f1 actor action human */
  JOBSRV_CONSOLE_TEXT,
  JOBSRV_CONSOLE_JSON  /* the event's JSON object, one a line */
} jobsrv_console_form_t;

typedef struct jobsrv_console_options_s {
  size_t size;                /* set by jobsrv_console_options_init() */
  int fd;                     /* duplicated; 0 means 2 */
  jobsrv_console_form_t form;
  int level;                  /* 0: JOBSRV_INFO */
  int colour;                 /* 1: ANSI colours in the text form */
  uint32_t max_bytes;         /* 0: 1 MiB waiting; past it events are dropped */
} jobsrv_console_options_t;

static inline void
jobsrv_console_options_init(jobsrv_console_options_t *options) {
  memset(options, 0, sizeof(*options));
  options->size = sizeof(*options);
}

/*
 * Adds the console sink: one line an event, controls shown as \x1b; in the text
 * form the table of an event follows in lines that begin with two spaces. All
 * is written by the server's writer thread, so a terminal that stands still
 * stops nobody; what does not fit its bound is dropped and counted, and a line
 * says how many when there is room again. Drain and close wait for what is
 * queued, as long as the descriptor takes it. `options` may be NULL.
 *
 * Returns as jobsrv_sink_add(), or what making the thread returned.
 */
JOBSRV_EXTERN JOBSRV_NODISCARD
int jobsrv_console_add(jobsrv_t *srv,
                       const jobsrv_console_options_t *options,
                       jobsrv_sink_t **out);

#ifdef __cplusplus
}
#endif

#endif /* JOBSRV_CONSOLE_H */
