/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_CONSOLE_H
#define JOBSRV_CONSOLE_H

/* The console sink: narration as lines, for people or for their tools. */

#include "jobsrv/sink.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
  /* 2026-11-23T09:44:49.123Z info  ...e7e3f1 actor action: text */
  JOBSRV_CONSOLE_TEXT,
  /* the event's JSON object */
  JOBSRV_CONSOLE_JSON,
  /* [actor     ] action         : text */
  JOBSRV_CONSOLE_BRACKETS,
  /* two lines: the function's name, or else the actor, in 40 columns and the
     action in 20; below it the text */
  JOBSRV_CONSOLE_BLOCK,
  /* time=2026-11-23T09:44:49.123Z type=narration level=info human="some text",
     and so on: all that the JSON object has, under the same names, an extra
     that would pass for another as "field_NAME"; what needs quotes is a JSON
     string */
  JOBSRV_CONSOLE_LOGFMT,
  /* the text alone */
  JOBSRV_CONSOLE_MESSAGE
} jobsrv_console_form_t;

/* Which of its texts an event shows; one without that shows the human one. */
typedef enum {
  JOBSRV_VOICE_HUMAN,
  JOBSRV_VOICE_CUTE,
  JOBSRV_VOICE_STORY
} jobsrv_voice_t;

typedef struct jobsrv_console_options_s {
  size_t size;                /* set by jobsrv_console_options_init() */
  int fd;                     /* duplicated; 0 means 2 */
  jobsrv_console_form_t form;
  int level;                  /* 0: that of `sink`, else JOBSRV_INFO */
  int colour;                 /* 1: ANSI colours; JSON, LOGFMT and MESSAGE
                                 have none */
  uint32_t max_bytes;         /* 0: 1 MiB waiting; past it events are dropped */
  jobsrv_voice_t voice;       /* not of JSON and LOGFMT, which have all three */
  int fields;                 /* 1: the fields of an event follow its text, as
                                 in LOGFMT */
  jobsrv_overflow_t overflow; /* 0: the newest is dropped */
  const jobsrv_sink_options_t *sink; /* filter, redactor, progress; NULL: as
                                        jobsrv_sink_options_init() has them */
} jobsrv_console_options_t;

static inline void
jobsrv_console_options_init(jobsrv_console_options_t *options) {
  memset(options, 0, sizeof(*options));
  options->size = sizeof(*options);
}

/*
 * Adds the console sink: one line an event (BLOCK: two), controls shown as
 * \x1b, names that are too long for their columns not cut. The table of an
 * event follows in lines that begin with two spaces, but in JSON and LOGFMT.
 * All is written by the server's writer thread, so a terminal that stands still
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
