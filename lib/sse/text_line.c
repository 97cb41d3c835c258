/* SPDX-License-Identifier: MIT */

#include "sse/text_line.h"

#include "base/format.h"
#include "base/json_scan.h"
#include "base/utf8.h"


enum { TEXT_MAX = 64 * 1024, SHORT_ID = 6 };

/* A text that stands in JSON; `at` NULL: there is none. */
typedef struct {
  const char *at;
  const char *end;
} raw_t;

/* ---- characters ---- */

/* What ends lines elsewhere, or turns the direction of writing. */
static int is_turn(uint32_t cp) {
  return cp == 0x61c || cp == 0x200e || cp == 0x200f ||
         (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069);
}

size_t jobsrv__shown(char *to, uint32_t cp) {
  char text[16];
  size_t len;

  if (cp >= 0x20 && (cp < 0x7f || cp >= 0xa0) && !is_turn(cp))
    return jobsrv__utf8_encode(to, cp);
  len = jobsrv__format(text, sizeof(text),
                       is_turn(cp) ? "\\u%04x" : "\\x%02x",
                       (unsigned int) cp);
  memcpy(to, text, len);
  return len;
}

/* ---- lines ---- */

typedef struct {
  jobsrv__buf_t *buf;
  size_t start; /* of the line's text, for one that reads as a marker */
} line_t;

static void line_begin(line_t *line) {
  (void) jobsrv__buf_puts(line->buf, "data: ");
  line->start = line->buf->len;
}

/* With a second blank it is no marker. */
static void line_end(line_t *line) {
  static const char *const markers[] = { "[DONE]", "[ERROR]", "[CANCELLED]" };
  jobsrv__buf_t *buf = line->buf;
  size_t len = buf->len - line->start;

  for (size_t i = 0; i < sizeof(markers) / sizeof(markers[0]); i++) {
    if (buf->failed || len < strlen(markers[i]) ||
        memcmp(buf->data + line->start, markers[i], strlen(markers[i])) != 0)
      continue;
    if (jobsrv__buf_putc(buf, ' ') == 0) {
      memmove(buf->data + line->start + 1, buf->data + line->start, len);
      buf->data[line->start] = ' ';
    }
    break;
  }
  (void) jobsrv__buf_putc(buf, '\n');
}

static void put_cp(line_t *line, uint32_t cp) {
  char *to;

  if (cp == '\n') {
    line_end(line);
    line_begin(line);
    return;
  }
  to = jobsrv__buf_reserve(line->buf, 8);
  if (to != NULL)
    line->buf->len += jobsrv__shown(to, cp);
}

/* CR, LF and CR LF each end a line. */
static void put_string(line_t *line, raw_t raw) {
  size_t from = line->buf->len;
  uint32_t before = 0;
  uint32_t cp;

  while (raw.at < raw.end && !line->buf->failed) {
    if (line->buf->len - from > TEXT_MAX) {
      (void) jobsrv__buf_puts(line->buf, " \xe2\x80\xa6");
      return;
    }
    cp = jobsrv__json_string_next(&raw.at, raw.end);
    if (cp != '\n' || before != '\r')
      put_cp(line, cp == '\r' ? '\n' : cp);
    before = cp;
  }
}

/* Raw JSON has no controls, and its texts have them as escapes. */
static void put_json(line_t *line, raw_t raw) {
  size_t len = (size_t) (raw.end - raw.at);

  if (len <= TEXT_MAX) {
    (void) jobsrv__buf_append(line->buf, raw.at, len);
    return;
  }
  (void) jobsrv__buf_append(line->buf, raw.at,
                            jobsrv__utf8_cut(raw.at, len, TEXT_MAX));
  (void) jobsrv__buf_puts(line->buf, " \xe2\x80\xa6");
}

/* ---- members ---- */

static raw_t value_of(const jobsrv_entry_t *entry, const char *name) {
  const char *end = entry->json + entry->json_len;
  raw_t raw = { NULL, NULL };

  raw.at = jobsrv__json_find_member(entry->json, entry->json_len, name);
  if (raw.at != NULL)
    raw.end = jobsrv__json_skip_value(raw.at, end);
  return raw;
}

/* Without its quotes. */
static raw_t string_of(const jobsrv_entry_t *entry, const char *name) {
  raw_t raw = value_of(entry, name);

  if (raw.at == NULL || *raw.at != '"')
    return (raw_t) { NULL, NULL };
  raw.at++;
  raw.end--;
  return raw;
}

static int is_empty(raw_t raw) {
  return raw.at == NULL || raw.at == raw.end;
}

static raw_t said(const jobsrv_entry_t *entry, jobsrv_voice_t voice) {
  raw_t raw = { NULL, NULL };

  if (voice == JOBSRV_VOICE_CUTE)
    raw = string_of(entry, "cute");
  else if (voice == JOBSRV_VOICE_STORY)
    raw = string_of(entry, "story");
  if (raw.at == NULL)
    raw = string_of(entry, "human");
  return is_empty(raw) ? string_of(entry, "target") : raw;
}

/* ---- events ---- */

static void put_member(line_t *line,
                       const jobsrv_entry_t *entry,
                       const char *before,
                       const char *name,
                       const char *behind) {
  raw_t raw = value_of(entry, name);

  if (raw.at == NULL)
    return;
  (void) jobsrv__buf_puts(line->buf, before);
  if (*raw.at == '"')
    put_string(line, string_of(entry, name));
  else
    put_json(line, raw);
  (void) jobsrv__buf_puts(line->buf, behind);
}

static void put_narration(line_t *line,
                          const jobsrv_entry_t *entry,
                          jobsrv_voice_t voice) {
  if (entry->level >= JOBSRV_WARN)
    put_member(line, entry, "", "level", " ");
  put_member(line, entry, "[", "actor", "] ");
  put_member(line, entry, "", "action", " : ");
  put_string(line, said(entry, voice));
}

static void put_progress(line_t *line, const jobsrv_entry_t *entry) {
  put_member(line, entry, "", "phase", ": ");
  put_member(line, entry, "", "done", "");
  put_member(line, entry, " of ", "total", "");
  put_member(line, entry, " ", "unit", "");
  put_member(line, entry, " (", "percent", " %)");
}

/* As much of the id as tells a few jobs apart: "...d98e0f ". */
static void put_name(line_t *line, const jobsrv_entry_t *entry) {
  raw_t id = string_of(entry, "job_id");

  if (id.at == NULL || id.end - id.at < SHORT_ID)
    return;
  (void) jobsrv__buf_puts(line->buf, "...");
  (void) jobsrv__buf_append(line->buf, id.end - SHORT_ID, SHORT_ID);
  (void) jobsrv__buf_putc(line->buf, ' ');
}

void jobsrv__text_lines(jobsrv__buf_t *buf,
                        const jobsrv_entry_t *entry,
                        jobsrv_voice_t voice,
                        int is_named) {
  line_t line = { buf, 0 };

  line_begin(&line);
  if (is_named)
    put_name(&line, entry);
  switch (entry->kind) {
  case JOBSRV_KIND_NARRATION:
    put_narration(&line, entry, voice);
    break;
  case JOBSRV_KIND_DATA:
    put_member(&line, entry, "", "action", " : ");
    put_member(&line, entry, "", "payload", "");
    break;
  case JOBSRV_KIND_STATE:
    put_member(&line, entry, "", "state", "");
    break;
  case JOBSRV_KIND_PROGRESS:
    put_progress(&line, entry);
    break;
  case JOBSRV_KIND_DROPPED:
    put_member(&line, entry, "", "count", " events were dropped");
    break;
  default:
    put_json(&line, (raw_t) { entry->json, entry->json + entry->json_len });
  }
  line_end(&line);
}
