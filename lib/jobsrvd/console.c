/* SPDX-License-Identifier: MIT */

#include "console.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STDERR = 2 };

/* In the order of their numbers. */
static const char *const forms[] = { "text",   "json",    "brackets", "block",
                                     "logfmt", "message", "none",     NULL };
static const char *const voices[] = { "human", "cute", "story", NULL };
static const char *const levels[] = { "trace", "debug", "info", "warn",
                                      "error", "fatal", "mute", NULL };

static const char form_phrase[] =
    "expected text, json, brackets, block, logfmt, message or none";
static const char voice_phrase[] = "expected human, cute or story";
static const char level_phrase[] =
    "expected trace, debug, info, warn, error, fatal or mute";

/* Which of the words it is, or -1. */
static int find(const char *const *words, const char *name) {
  for (int i = 0; words[i] != NULL; i++)
    if (strcmp(words[i], name) == 0)
      return i;
  return -1;
}

int jobsrvd_console_form(jobsrvd_console_t *console,
                         const char *option,
                         const char *name) {
  int form = find(forms, name);

  if (form < 0) {
    jobsrvd_complain("%s %s: %s", option, name, form_phrase);
    return -1;
  }
  console->form = form;
  console->form_given = 1;
  return 0;
}

int jobsrvd_console_voice(jobsrvd_console_t *console, const char *name) {
  int voice = find(voices, name);

  if (voice < 0) {
    jobsrvd_complain("--voice %s: %s", name, voice_phrase);
    return -1;
  }
  console->voice = voice;
  console->voice_given = 1;
  return 0;
}

/* One of the words, if the member is there: `*to` is then its number. */
static int parse_word(json_t *object,
                      const char *name,
                      const char *const *words,
                      const char *phrase,
                      jobsrvd_place_t *place,
                      int *to) {
  const char *text = NULL;
  int found;

  if (jobsrvd_place_text(place, object, name, &text) != 0)
    return -1;
  if (text == NULL)
    return 0;
  found = find(words, text);
  if (found < 0)
    return jobsrvd_place_error_in(place, name, "%s", phrase);
  *to = found;
  return 0;
}

int jobsrvd_level_parse(json_t *object, jobsrvd_place_t *place, int *level) {
  int found = -1;

  if (parse_word(object, "level", levels, level_phrase, place, &found) != 0)
    return -1;
  if (found >= 0)
    *level = found + JOBSRV_TRACE;
  return 0;
}

static int parse_inside(jobsrvd_console_t *console,
                        json_t *object,
                        jobsrvd_place_t *place) {
  static const char *const names[] = { "form",   "voice",    "level",
                                       "fields", "progress", NULL };
  int form = console->form, voice = console->voice;

  if (jobsrvd_place_only(place, object, names) != 0 ||
      parse_word(object, "form", forms, form_phrase, place, &form) != 0 ||
      parse_word(object, "voice", voices, voice_phrase, place, &voice) != 0 ||
      jobsrvd_level_parse(object, place, &console->level) != 0 ||
      jobsrvd_place_flag(place, object, "fields", &console->fields) != 0 ||
      jobsrvd_place_flag(place, object, "progress", &console->progress) != 0)
    return -1;
  if (!console->form_given)
    console->form = form;
  if (!console->voice_given)
    console->voice = voice;
  return 0;
}

int jobsrvd_console_parse(jobsrvd_console_t *console,
                          json_t *root,
                          jobsrvd_place_t *place) {
  json_t *object = json_object_get(root, "console");
  size_t mark;
  int err;

  if (object == NULL)
    return 0;
  mark = jobsrvd_place_enter(place, "console");
  err = json_is_object(object)
            ? parse_inside(console, object, place)
            : jobsrvd_place_error(place, "expected an object, not %s",
                                  jobsrvd_type_name(object));
  jobsrvd_place_leave(place, mark);
  return err;
}

/* On a terminal that can, and whose user has not said no. */
static int wants_colour(void) {
  const char *no = getenv("NO_COLOR");
  const char *term = getenv("TERM");

  return isatty(STDERR) && (no == NULL || no[0] == '\0') &&
         (term == NULL || strcmp(term, "dumb") != 0);
}

int jobsrvd_console_add(const jobsrvd_console_t *console, jobsrv_t *srv) {
  jobsrv_console_options_t options;
  jobsrv_sink_options_t sink;

  if (console->form > JOBSRV_CONSOLE_MESSAGE)
    return 0;
  jobsrv_sink_options_init(&sink);
  sink.progress = console->progress;
  jobsrv_console_options_init(&options);
  options.fd = STDERR;
  options.form = (jobsrv_console_form_t) console->form;
  options.voice = (jobsrv_voice_t) console->voice;
  options.level = console->level;
  options.fields = console->fields;
  options.colour = wants_colour();
  options.overflow = JOBSRV_OVERFLOW_COALESCE_PROGRESS;
  options.sink = &sink;
  return jobsrv_console_add(srv, &options, NULL);
}
