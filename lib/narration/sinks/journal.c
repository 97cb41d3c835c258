/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"
#include "base/format.h"
#include "base/options.h"
#include "narration/show.h"
#include "narration/sinks/kept.h"
#include "narration/sinks/members.h"

#include <stdio.h>
#include <string.h>

#include <uv.h>

/* As the journal's own protocol has it: a name of at most 64 characters. */
enum { NAME = 64, IDENTIFIER = 256 };

static const char prefix[] = "JOBSRV_";

typedef struct format_s {
  char identifier[IDENTIFIER];
  jobsrv__buf_t scratch;
  jobsrv__buf_t shown;
  jobsrv__buf_t *to;
  int keep_human;
} format_t;

/* ---- one field ---- */

/* With its length where it has line ends of its own, or is no text. */
static void field_put(jobsrv__buf_t *buf,
                      const char *name,
                      const char *text,
                      size_t len) {
  char size[8];

  (void) jobsrv__buf_puts(buf, name);
  if (len == 0 || (memchr(text, '\n', len) == NULL &&
                   memchr(text, '\0', len) == NULL)) {
    (void) jobsrv__buf_putc(buf, '=');
  } else {
    for (unsigned int i = 0; i < 8; i++)
      size[i] = (char) ((uint64_t) len >> (8 * i) & 0xff);
    (void) jobsrv__buf_putc(buf, '\n');
    (void) jobsrv__buf_append(buf, size, 8);
  }
  (void) jobsrv__buf_append(buf, text, len);
  (void) jobsrv__buf_putc(buf, '\n');
}

static void text_put(jobsrv__buf_t *buf, const char *name, const char *text) {
  if (text != NULL)
    field_put(buf, name, text, strlen(text));
}

/* Capitals, digits and _, and nothing else. */
static void name_make(char to[NAME + 1], const char *name) {
  size_t n = sizeof(prefix) - 1;

  memcpy(to, prefix, n);
  for (; *name != '\0' && n < NAME; name++)
    to[n++] = *name >= 'a' && *name <= 'z' ? (char) (*name - 32)
              : (*name >= 'A' && *name <= 'Z') || (*name >= '0' && *name <= '9')
                  ? *name
                  : '_';
  to[n] = '\0';
}

static void on_member(void *arg,
                      const char *name,
                      const char *text,
                      size_t len) {
  format_t *format = arg;
  char mine[NAME + 1];

  if (!format->keep_human && strcmp(name, "human") == 0)
    return;
  name_make(mine, name);
  field_put(format->to, mine, text, len);
}

/* ---- one event ---- */

/* Line by line, and tab by tab: those two are left as they are. */
static void show_lines(jobsrv__buf_t *shown, const char *text, size_t len) {
  size_t n;

  jobsrv__buf_reset(shown);
  while (len > 0) {
    for (n = 0; n < len && text[n] != '\n' && text[n] != '\t'; n++)
      ;
    jobsrv__show(shown, text, n);
    if (n == len)
      return;
    (void) jobsrv__buf_putc(shown, text[n]);
    text += n + 1;
    len -= n + 1;
  }
}

static void encode(void *self,
                   jobsrv__buf_t *buf,
                   const jobsrv_event_t *event) {
  format_t *format = self;
  const char *text = event->payload != NULL ? event->payload : event->human;
  size_t len =
      event->payload != NULL ? event->payload_len : strlen(event->human);
  jobsrv__buf_t *shown = &format->shown;
  char number[24];

  show_lines(shown, text, len);
  format->keep_human = shown->len != len ||
                       (len > 0 && memcmp(shown->data, text, len) != 0);
  field_put(buf, "MESSAGE", shown->data, shown->len);
  (void) snprintf(number, sizeof(number), "%d",
                  jobsrv__severity(event->level));
  text_put(buf, "PRIORITY", number);
  text_put(buf, "SYSLOG_IDENTIFIER", format->identifier);
  text_put(buf, "CODE_FILE", event->file);
  if (event->file != NULL && event->line > 0) {
    (void) snprintf(number, sizeof(number), "%d", event->line);
    text_put(buf, "CODE_LINE", number);
  }
  text_put(buf, "CODE_FUNC", event->function);
  format->to = buf;
  if (jobsrv__members_each(event, &format->scratch, on_member, format) != 0)
    buf->failed = format->scratch.failed;
  if (shown->failed != 0)
    buf->failed = shown->failed;
}

static size_t notice(const void *identity,
                     char to[JOBSRV__NOTICE_MAX],
                     uint64_t count,
                     uint64_t wall_ns) {
  (void) wall_ns; /* the journal has a clock */
  return jobsrv__format(to, JOBSRV__NOTICE_MAX,
                        "MESSAGE=%llu events were dropped\n"
                        "PRIORITY=%d\nSYSLOG_IDENTIFIER=%s\n"
                        "JOBSRV_TYPE=dropped\nJOBSRV_COUNT=%llu\n",
                        (unsigned long long) count,
                        jobsrv__severity(JOBSRV_WARN),
                        (const char *) identity, (unsigned long long) count);
}

/* ---- adding it ---- */

static void format_free(void *self, const jobsrv_alloc_t *alloc) {
  format_t *format = self;

  jobsrv__buf_free(&format->scratch);
  jobsrv__buf_free(&format->shown);
  jobsrv__free(alloc, format);
}

static int options_read(jobsrv_journal_options_t *mine,
                        const jobsrv_journal_options_t *options) {
  jobsrv_journal_options_init(mine);
  if (options != NULL &&
      jobsrv__options_read(mine, sizeof(*mine), sizeof(*mine), options) != 0)
    return UV_EINVAL;
  if (mine->path == NULL)
    mine->path = "/run/systemd/journal/socket";
  if (mine->identifier == NULL)
    mine->identifier = jobsrv__program_name();
  return mine->identifier[0] == '\0' ||
                 strlen(mine->identifier) >= IDENTIFIER ||
                 strchr(mine->identifier, '\n') != NULL
             ? UV_EINVAL
             : 0;
}

static int format_new(format_t **out, const jobsrv_t *srv, const char *name) {
  format_t *format = jobsrv__zalloc(&srv->alloc, sizeof(*format));

  if (format == NULL)
    return UV_ENOMEM;
  memcpy(format->identifier, name, strlen(name) + 1);
  jobsrv__buf_init(&format->scratch, &srv->alloc, 0);
  jobsrv__buf_init(&format->shown, &srv->alloc, 0);
  *out = format;
  return 0;
}

int jobsrv_journal_add(jobsrv_t *srv,
                       const jobsrv_journal_options_t *options,
                       jobsrv_sink_t **out) {
  jobsrv_journal_options_t mine;
  jobsrv__socket_options_t where = {
    .files = 1,
    .notice = notice,
    .identity_size = IDENTIFIER,
  };
  jobsrv__kept_options_t how = {
    .encode = encode,
    .free_format = format_free,
  };
  jobsrv__outlet_t *outlet;
  format_t *format;
  int err = options_read(&mine, options);

  JOBSRV__ASSERT_LOOP(srv);
  if (err == 0)
    err = jobsrv__kept_check(srv, mine.overflow);
  if (err == 0)
    err = format_new(&format, srv, mine.identifier);
  if (err != 0)
    return err;
  where.path = mine.path;
  where.identity = format->identifier;
  err = jobsrv__socket_outlet(&outlet, &srv->alloc, &where);
  if (err != 0) {
    format_free(format, &srv->alloc);
    return err;
  }
  how.format = format;
  how.sink = mine.sink;
  how.overflow = mine.overflow;
  how.max_queue = mine.max_queue;
  how.on_trouble = mine.on_trouble;
  how.data = mine.data;
  return jobsrv__kept_add(srv, outlet, &how, out);
}
