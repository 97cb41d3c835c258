/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"
#include "base/options.h"
#include "narration/sinks/kept.h"
#include "narration/sinks/members.h"
#include "narration/sinks/rfc5424.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <uv.h>

enum {
  DAEMON = 3,
  LAST_FACILITY = 23,
  MESSAGE = 8 * 1024,
  LEAST_MESSAGE = 480, /* every receiver takes that */
  MOST_MESSAGE = 64 * 1024
};

typedef struct format_s {
  jobsrv__identity_t identity;
  size_t max;
  jobsrv__buf_t scratch;
  jobsrv__buf_t shown;
} format_t;

static void encode(void *self,
                   jobsrv__buf_t *buf,
                   const jobsrv_event_t *event) {
  format_t *format = self;

  jobsrv__rfc5424_put(buf, &format->identity, event, format->max,
                      &format->scratch, &format->shown);
}

static void format_free(void *self, const jobsrv_alloc_t *alloc) {
  format_t *format = self;

  jobsrv__buf_free(&format->scratch);
  jobsrv__buf_free(&format->shown);
  jobsrv__free(alloc, format);
}

static int sd_id_ok(const char *id) {
  size_t len = strlen(id);

  if (len < 1 || len > 32)
    return 0;
  for (size_t i = 0; i < len; i++)
    if (id[i] <= ' ' || id[i] > '~' || strchr("=]\"", id[i]) != NULL)
      return 0;
  return 1;
}

static int options_read(jobsrv_syslog_options_t *mine,
                        const jobsrv_syslog_options_t *options) {
  jobsrv_syslog_options_init(mine);
  if (options != NULL &&
      jobsrv__options_read(mine, sizeof(*mine), sizeof(*mine), options) != 0)
    return UV_EINVAL;
  if (mine->path == NULL)
    mine->path = "/dev/log";
  if (mine->facility == 0)
    mine->facility = DAEMON;
  if (mine->sd_id == NULL)
    mine->sd_id = "jobsrv@32473";
  if (mine->max_message == 0)
    mine->max_message = MESSAGE;
  return mine->facility < 1 || mine->facility > LAST_FACILITY ||
                 !sd_id_ok(mine->sd_id) ||
                 mine->max_message < LEAST_MESSAGE ||
                 mine->max_message > MOST_MESSAGE
             ? UV_EINVAL
             : 0;
}

static void identity_make(jobsrv__identity_t *identity,
                          const jobsrv_syslog_options_t *options) {
  char host[256];
  const char *name = options->hostname;

  if (name == NULL && gethostname(host, sizeof(host)) == 0) {
    host[sizeof(host) - 1] = '\0';
    name = host;
  }
  memset(identity, 0, sizeof(*identity));
  identity->facility = options->facility;
  jobsrv__rfc5424_name(identity->host, sizeof(identity->host), name);
  jobsrv__rfc5424_name(identity->app, sizeof(identity->app),
                       options->app_name != NULL ? options->app_name
                                                 : jobsrv__program_name());
  (void) snprintf(identity->pid, sizeof(identity->pid), "%d", (int) getpid());
  (void) snprintf(identity->sd_id, sizeof(identity->sd_id), "%s",
                  options->sd_id);
}

static int format_new(format_t **out,
                      const jobsrv_t *srv,
                      const jobsrv_syslog_options_t *options) {
  format_t *format = jobsrv__zalloc(&srv->alloc, sizeof(*format));

  if (format == NULL)
    return UV_ENOMEM;
  identity_make(&format->identity, options);
  format->max = options->max_message;
  jobsrv__buf_init(&format->scratch, &srv->alloc, 0);
  jobsrv__buf_init(&format->shown, &srv->alloc, 0);
  *out = format;
  return 0;
}

int jobsrv_syslog_add(jobsrv_t *srv,
                      const jobsrv_syslog_options_t *options,
                      jobsrv_sink_t **out) {
  jobsrv_syslog_options_t mine;
  jobsrv__socket_options_t where = {
    .counted = 1,
    .notice = jobsrv__rfc5424_notice,
    .identity_size = sizeof(jobsrv__identity_t),
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
    err = format_new(&format, srv, &mine);
  if (err != 0)
    return err;
  where.path = mine.path;
  where.identity = &format->identity;
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

int jobsrv_syslog_facility(const char *name) {
  static const char *const names[] = {
    NULL,     "user",   "mail",   "daemon", "auth",   "syslog",
    "lpr",    "news",   "uucp",   "cron",   "authpriv", "ftp",
    NULL,     NULL,     NULL,     NULL,     "local0", "local1",
    "local2", "local3", "local4", "local5", "local6", "local7",
  };

  for (int i = 0; i <= LAST_FACILITY; i++)
    if (names[i] != NULL && strcmp(names[i], name) == 0)
      return i;
  return UV_EINVAL;
}
