/* SPDX-License-Identifier: MIT */

#include "sse/stream.h"

#include "sse/text_line.h"

#include <string.h>

/* ---- what was asked for ---- */

enum { VALUE_SIZE = 16 };

static void refuse_value(jobsrv__request_t *request, const char *detail) {
  jobsrv__refuse(request, 400, "bad_request", 0, detail);
}

/*
 * The place of a query parameter's value in `values` (NULL-ended). Returns it;
 * `fallback` without the parameter, -1 for any other value.
 */
static int choice(const jobsrv__request_t *request,
                  const char *name,
                  const char *const *values,
                  int fallback) {
  char text[VALUE_SIZE];
  int len = jobsrv__query_find(request->query, name, text, sizeof(text));

  if (len == UV_ENOENT)
    return fallback;
  for (int i = 0; len >= 0 && values[i] != NULL; i++)
    if (strcmp(text, values[i]) == 0)
      return i;
  return -1;
}

int jobsrv__view_read_level(jobsrv__request_t *request, uint8_t *level) {
  static const char *const levels[] = { "trace", "debug", "info", "warn",
                                        "error", "fatal", NULL };
  int found = choice(request, "level", levels, 0);

  if (found < 0) {
    refuse_value(request, "level: must be trace, debug, info, warn, error or "
                          "fatal");
    return 0;
  }
  *level = (uint8_t) (JOBSRV_TRACE + found);
  return 1;
}

/* Returns 1, or 0 when it has answered. */
static int read_form(jobsrv__request_t *request, jobsrv__view_t *view) {
  static const char *const formats[] = { "json", "text", NULL };
  jobsrv__span_t accept = jobsrv__request_header(request, "accept", NULL);
  int events = jobsrv__media_weight(accept, "text", "event-stream");
  int lines = jobsrv__media_weight(accept, "application", "x-ndjson");
  int format = choice(request, "format", formats, 0);

  if (format < 0) {
    refuse_value(request, "format: must be json or text");
    return 0;
  }
  view->form = format == 1      ? JOBSRV__FORM_TEXT
               : lines > events ? JOBSRV__FORM_NDJSON
                                : JOBSRV__FORM_EVENTS;
  if (view->form == JOBSRV__FORM_NDJSON || events > 0)
    return 1;
  jobsrv__refuse(request, 406, "not_acceptable", 0,
                 format == 1 ? "text is sent as text/event-stream"
                             : "a stream is text/event-stream or "
                               "application/x-ndjson");
  return 0;
}

int jobsrv__view_read(jobsrv__request_t *request, jobsrv__view_t *view) {
  static const char *const modes[] = { "human", "cute", "story", NULL };
  static const char *const lags[] = { "gap", "break", NULL };
  int mode = choice(request, "mode", modes, JOBSRV_VOICE_HUMAN);
  int lag = choice(request, "lag", lags, (int) request->sse->options.lag);

  memset(view, 0, sizeof(*view));
  if (mode < 0 || lag < 0) {
    refuse_value(request, mode < 0 ? "mode: must be human, cute or story"
                                   : "lag: must be gap or break");
    return 0;
  }
  view->voice = (uint8_t) mode;
  view->lag = (uint8_t) lag;
  view->coding = (uint8_t) jobsrv__coding_of(request);
  return jobsrv__view_read_level(request, &view->level) &&
         read_form(request, view);
}

/* ---- what is shown ---- */

int jobsrv__view_is_raw(const jobsrv__view_t *view) {
  return view->form == JOBSRV__FORM_EVENTS && view->level <= JOBSRV_TRACE;
}

int jobsrv__view_passes(const jobsrv__view_t *view,
                        const jobsrv_entry_t *entry) {
  int level = entry->kind == JOBSRV_KIND_PROGRESS ? JOBSRV_INFO : entry->level;

  return level >= view->level;
}

static void put_event(const jobsrv__view_t *view,
                      const jobsrv__frames_t *frames,
                      const jobsrv_entry_t *entry,
                      jobsrv__buf_t *buf) {
  if (entry->seq != 0) {
    (void) jobsrv__buf_puts(buf, "id: ");
    (void) jobsrv__buf_puts(buf, jobsrv_boot(frames->srv));
    (void) jobsrv__buf_puts(buf, frames->is_global ? "-g" : "-");
    (void) jobsrv__buf_putu64(
        buf, frames->is_global ? entry->server_seq : entry->seq);
    (void) jobsrv__buf_putc(buf, '\n');
  }
  if (entry->kind != JOBSRV_KIND_NARRATION) {
    (void) jobsrv__buf_puts(buf, "event: ");
    (void) jobsrv__buf_puts(buf, jobsrv_kind_name(entry->kind));
    (void) jobsrv__buf_putc(buf, '\n');
  }
  if (view->form == JOBSRV__FORM_TEXT) {
    jobsrv__text_lines(buf, entry, (jobsrv_voice_t) view->voice,
                       frames->is_global);
    return;
  }
  (void) jobsrv__buf_puts(buf, "data: ");
  (void) jobsrv__buf_append(buf, entry->json, entry->json_len);
  (void) jobsrv__buf_putc(buf, '\n');
}

static void put_object(const jobsrv__frames_t *frames,
                       const jobsrv_entry_t *entry,
                       jobsrv__buf_t *buf) {
  char id[JOBSRV__ID_MEMBER_MAX];
  size_t len = entry->seq != 0
                   ? jobsrv__json_id(frames, entry->server_seq, id)
                   : 0;

  (void) jobsrv__buf_putc(buf, '{');
  (void) jobsrv__buf_append(buf, id, len);
  (void) jobsrv__buf_append(buf, entry->json + 1, entry->json_len - 1);
}

void jobsrv__view_put(const jobsrv__view_t *view,
                      const jobsrv__frames_t *frames,
                      const jobsrv_entry_t *entry,
                      jobsrv__buf_t *buf) {
  size_t start = buf->len;

  if (frames->chunked)
    (void) jobsrv__buf_append(buf, "000000\r\n", JOBSRV_CHUNK_HEAD);
  if (view->form == JOBSRV__FORM_NDJSON)
    put_object(frames, entry, buf);
  else
    put_event(view, frames, entry, buf);
  (void) jobsrv__buf_putc(buf, '\n');
  if (!frames->chunked)
    return;
  (void) jobsrv__buf_append(buf, "\r\n", JOBSRV_CHUNK_TAIL);
  if (!buf->failed)
    jobsrv__chunk_head(buf->data + start, buf->len - start -
                                              JOBSRV_CHUNK_HEAD -
                                              JOBSRV_CHUNK_TAIL);
}
