/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"
#include "jobsrv/emit.h"
#include "narration/encode.h"
#include "narration/narration.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <uv.h>

/* The calls that make texts of a format. Any thread. */

enum { STACK_TEXT = 1024 };

/* One voice: where its text is, and what it was made in. */
typedef struct voice_s {
  const char *text; /* NULL: there is none */
  size_t len;       /* of the whole; human is made no longer than it can go */
  char *longer;
} voice_t;

/* Returns 0, UV_EINVAL for a format that is none, or UV_ENOMEM. */
static int make(voice_t *voice,
                char stack[STACK_TEXT],
                const jobsrv_alloc_t *alloc,
                size_t most,
                const char *format,
                va_list args) {
  va_list again;
  size_t room;
  int len;

  va_copy(again, args);
  len = vsnprintf(stack, STACK_TEXT, format, again);
  va_end(again);
  if (len < 0)
    return UV_EINVAL;
  voice->text = stack;
  voice->len = (size_t) len;
  if (len < STACK_TEXT || alloc == NULL)
    return 0;

  room = voice->len < most ? voice->len : most;
  voice->longer = jobsrv__malloc(alloc, room + 1);
  if (voice->longer == NULL)
    return UV_ENOMEM;
  voice->text = voice->longer;
  va_copy(again, args);
  (void) vsnprintf(voice->longer, room + 1, format, again);
  va_end(again);
  return 0;
}

/* Without a job there is no memory: texts end with the stack's. */
int jobsrv__say(jobsrv_job_t *job,
                jobsrv_event_t *event,
                const char *const formats[JOBSRV__VOICES],
                va_list args) {
  char stack[JOBSRV__VOICES][STACK_TEXT];
  voice_t voices[JOBSRV__VOICES] = { 0 };
  jobsrv_alloc_t alloc = { 0 };
  int err = 0;

  if (job != NULL)
    alloc = job->srv->alloc;
  for (int i = 0; err == 0 && i < JOBSRV__VOICES; i++)
    if (formats[i] != NULL)
      err = make(&voices[i], stack[i], job != NULL ? &alloc : NULL,
                 i == JOBSRV__HUMAN && job != NULL
                     ? job->srv->options.max_text + 8
                     : SIZE_MAX - 1,
                 formats[i], args);
  event->human = voices[JOBSRV__HUMAN].text;
  if (formats[JOBSRV__CUTE] != NULL)
    event->cute = voices[JOBSRV__CUTE].text;
  if (formats[JOBSRV__STORY] != NULL)
    event->story = voices[JOBSRV__STORY].text;
  if (err == 0 && job == NULL)
    err = jobsrv__narrate_unrouted(event);
  else if (err == 0)
    err = jobsrv__narrate(job, event, voices[JOBSRV__HUMAN].len);
  else if (err == UV_ENOMEM)
    err = jobsrv__narrate_lost(job, err);
  for (int i = 0; i < JOBSRV__VOICES; i++)
    if (voices[i].longer != NULL)
      jobsrv__free(&alloc, voices[i].longer);
  event->human = event->cute = event->story = NULL; /* they were lent */
  return err;
}

static int say(jobsrv_job_t *job,
               const jobsrv_event_t *event,
               const char *const formats[JOBSRV__VOICES],
               va_list args) {
  jobsrv_event_t mine;

  if (jobsrv__event_read(&mine, event) != 0)
    return UV_EINVAL;
  if (job == NULL)
    job = jobsrv_context_job();
  if (!jobsrv_narrates(job, mine.level))
    return 0;
  if (job != NULL && jobsrv__job_ended(job))
    return JOBSRV_EENDED;
  return jobsrv__say(job, &mine, formats, args);
}

int jobsrv_narrate_at(jobsrv_job_t *job,
                      int level,
                      const char *file,
                      int line,
                      const char *function,
                      const char *action,
                      const char *format,
                      ...) {
  const char *const formats[JOBSRV__VOICES] = { [JOBSRV__HUMAN] = format };
  jobsrv_event_t event = {
    .level = level,
    .action = action,
    .file = file,
    .line = line,
    .function = function,
  };
  va_list args;
  int err;

  if (level == 0)
    return UV_EINVAL;
  va_start(args, format);
  err = say(job, &event, formats, args);
  va_end(args);
  return err;
}

int jobsrv_narrate_with(jobsrv_job_t *job,
                        const jobsrv_event_t *event,
                        const char *human,
                        ...) {
  const char *const formats[JOBSRV__VOICES] = { [JOBSRV__HUMAN] = human };
  va_list args;
  int err;

  va_start(args, human);
  err = say(job, event, formats, args);
  va_end(args);
  return err;
}

int jobsrv_narrate_cute(jobsrv_job_t *job,
                        const jobsrv_event_t *event,
                        const char *human,
                        const char *cute,
                        ...) {
  const char *const formats[JOBSRV__VOICES] = { [JOBSRV__HUMAN] = human,
                                                [JOBSRV__CUTE] = cute };
  va_list args;
  int err;

  va_start(args, cute);
  err = say(job, event, formats, args);
  va_end(args);
  return err;
}

int jobsrv_narrate_story(jobsrv_job_t *job,
                         const jobsrv_event_t *event,
                         const char *human,
                         const char *story,
                         ...) {
  const char *const formats[JOBSRV__VOICES] = { [JOBSRV__HUMAN] = human,
                                                [JOBSRV__STORY] = story };
  va_list args;
  int err;

  va_start(args, story);
  err = say(job, event, formats, args);
  va_end(args);
  return err;
}

int jobsrv_narrate_voices(jobsrv_job_t *job,
                          const jobsrv_event_t *event,
                          const char *human,
                          const char *cute,
                          const char *story,
                          ...) {
  const char *const formats[JOBSRV__VOICES] = { [JOBSRV__HUMAN] = human,
                                                [JOBSRV__CUTE] = cute,
                                                [JOBSRV__STORY] = story };
  va_list args;
  int err;

  va_start(args, story);
  err = say(job, event, formats, args);
  va_end(args);
  return err;
}

int jobsrv_data_fields(jobsrv_job_t *job,
                       const char *action,
                       const jobsrv_field_t *fields,
                       size_t nfields) {
  jobsrv_alloc_t alloc;
  jobsrv__buf_t json;
  int err;

  if (job == NULL)
    job = jobsrv_context_job();
  if (job == NULL)
    return JOBSRV_ENOCONTEXT;
  if (!jobsrv_narrates(job, JOBSRV_INFO))
    return 0;
  err = jobsrv__fields_check(fields, nfields);
  if (err != 0)
    return err;

  alloc = job->srv->alloc;
  jobsrv__buf_init(&json, &alloc, 0);
  err = jobsrv__fields_object(&json, fields, nfields);
  if (err == 0)
    err = jobsrv_data_event(job, action, json.data, json.len);
  else if (err == UV_ENOMEM)
    err = jobsrv__narrate_lost(job, err);
  jobsrv__buf_free(&json);
  return err;
}
