/* SPDX-License-Identifier: MIT */

#include "logs.h"

#include "console.h"

#include <stdlib.h>
#include <string.h>

static const char facility_phrase[] =
    "expected user, mail, daemon, auth, syslog, lpr, news, uucp, cron, "
    "authpriv, ftp or local0 to local7";

enum { MAX_KEEP = 1000, SYSLOG_LEAST = 480, SYSLOG_MOST = 65536 };

static void set_text(char **to, const char *text) {
  free(*to);
  *to = jobsrvd_must_copy(text, strlen(text));
}

/* ---- the command line ---- */

int jobsrvd_logs_file(jobsrvd_logs_t *logs, const char *path) {
  if (path[0] == '\0') {
    jobsrvd_complain("--log-file: expected a path");
    return -1;
  }
  set_text(&logs->file, path);
  logs->file_given = 1;
  return 0;
}

int jobsrvd_logs_syslog(jobsrvd_logs_t *logs, const char *facility) {
  logs->syslog = 1;
  if (facility == NULL)
    return 0;
  logs->facility = jobsrv_syslog_facility(facility);
  if (logs->facility < 0) {
    jobsrvd_complain("--syslog=%s: %s", facility, facility_phrase);
    return -1;
  }
  return 0;
}

int jobsrvd_logs_journal(jobsrvd_logs_t *logs) {
  logs->journal = 1;
  return 0;
}

/* ---- the config file ---- */

/* A text that is there is not empty. */
static int parse_text(json_t *object,
                      const char *name,
                      jobsrvd_place_t *place,
                      char **to) {
  const char *text = NULL;

  if (jobsrvd_place_text(place, object, name, &text) != 0)
    return -1;
  if (text == NULL)
    return 0;
  if (text[0] == '\0')
    return jobsrvd_place_error_in(place, name, "expected a text");
  set_text(to, text);
  return 0;
}

static int parse_file(jobsrvd_logs_t *logs,
                      json_t *object,
                      jobsrvd_place_t *place) {
  static const char *const names[] = { "path", "max_bytes", "keep",
                                       "level", "progress", NULL };
  uint64_t keep = 0;
  char *path = NULL;
  int err;

  if (jobsrvd_place_only(place, object, names) != 0 ||
      jobsrvd_place_u64(place, object, "max_bytes", 1, UINT64_MAX / 2,
                        &logs->max_bytes) != 0 ||
      jobsrvd_place_u64(place, object, "keep", 1, MAX_KEEP, &keep) != 0 ||
      jobsrvd_level_parse(object, place, &logs->file_level) != 0 ||
      jobsrvd_place_flag(place, object, "progress",
                         &logs->file_progress) != 0)
    return -1;
  logs->keep = (uint32_t) keep;
  err = parse_text(object, "path", place, &path);
  if (err == 0 && path == NULL && !logs->file_given)
    err = jobsrvd_place_error(place, "expected a member \"path\"");
  if (err == 0 && path != NULL && !logs->file_given)
    set_text(&logs->file, path);
  free(path);
  return err;
}

static int parse_syslog(jobsrvd_logs_t *logs,
                        json_t *object,
                        jobsrvd_place_t *place) {
  static const char *const names[] = { "path", "facility", "app_name",
                                       "sd_id", "max_message", "level", NULL };
  const char *facility = NULL;
  uint64_t most = 0;
  int number = 0;

  if (jobsrvd_place_only(place, object, names) != 0 ||
      parse_text(object, "path", place, &logs->syslog_path) != 0 ||
      parse_text(object, "app_name", place, &logs->app_name) != 0 ||
      parse_text(object, "sd_id", place, &logs->sd_id) != 0 ||
      jobsrvd_place_u64(place, object, "max_message", SYSLOG_LEAST,
                        SYSLOG_MOST, &most) != 0 ||
      jobsrvd_place_text(place, object, "facility", &facility) != 0 ||
      jobsrvd_level_parse(object, place, &logs->syslog_level) != 0)
    return -1;
  if (facility != NULL)
    number = jobsrv_syslog_facility(facility);
  if (number < 0)
    return jobsrvd_place_error_in(place, "facility", "%s", facility_phrase);
  if (logs->facility == 0)
    logs->facility = number;
  logs->max_message = (uint32_t) most;
  logs->syslog = 1;
  return 0;
}

static int parse_journal(jobsrvd_logs_t *logs,
                         json_t *object,
                         jobsrvd_place_t *place) {
  static const char *const names[] = { "path", "identifier", "level", NULL };

  if (jobsrvd_place_only(place, object, names) != 0 ||
      parse_text(object, "path", place, &logs->journal_path) != 0 ||
      parse_text(object, "identifier", place, &logs->identifier) != 0 ||
      jobsrvd_level_parse(object, place, &logs->journal_level) != 0)
    return -1;
  logs->journal = 1;
  return 0;
}

int jobsrvd_logs_parse(jobsrvd_logs_t *logs,
                       json_t *root,
                       jobsrvd_place_t *place) {
  static const struct {
    const char *name;
    int (*parse)(jobsrvd_logs_t *logs, json_t *object, jobsrvd_place_t *place);
  } members[] = {
    { "log_file", parse_file },
    { "syslog", parse_syslog },
    { "journal", parse_journal },
  };
  int err = 0;

  for (size_t i = 0; i < 3 && err == 0; i++) {
    json_t *object = json_object_get(root, members[i].name);
    size_t mark;

    if (object == NULL)
      continue;
    mark = jobsrvd_place_enter(place, members[i].name);
    err = json_is_object(object)
              ? members[i].parse(logs, object, place)
              : jobsrvd_place_error(place, "expected an object, not %s",
                                    jobsrvd_type_name(object));
    jobsrvd_place_leave(place, mark);
  }
  return err;
}

/* ---- the server ---- */

static void on_trouble(jobsrv_sink_t *sink,
                       int err,
                       uint64_t lost,
                       void *data) {
  const char *where = data;

  (void) sink;
  if (err != 0)
    jobsrvd_complain("%s: %s; trying on", where, jobsrv_strerror(err));
  else
    jobsrvd_complain("%s: written again, %llu events were lost", where,
                     (unsigned long long) lost);
}

static int add_file(const jobsrvd_logs_t *logs,
                    jobsrv_t *srv,
                    jobsrv_sink_t **out) {
  jobsrv_file_options_t options;
  jobsrv_sink_options_t sink;

  if (logs->file == NULL)
    return 0;
  jobsrv_sink_options_init(&sink);
  sink.level = logs->file_level;
  sink.progress = logs->file_progress;
  jobsrv_file_options_init(&options);
  options.path = logs->file;
  options.sink = &sink;
  options.max_bytes = logs->max_bytes;
  options.keep = logs->keep;
  options.overflow = JOBSRV_OVERFLOW_COALESCE_PROGRESS;
  options.on_trouble = on_trouble;
  options.data = logs->file;
  return jobsrv_file_add(srv, &options, out);
}

static int add_syslog(const jobsrvd_logs_t *logs, jobsrv_t *srv) {
  static char where[] = "syslog";
  jobsrv_syslog_options_t options;
  jobsrv_sink_options_t sink;

  if (!logs->syslog)
    return 0;
  jobsrv_sink_options_init(&sink);
  sink.level = logs->syslog_level;
  jobsrv_syslog_options_init(&options);
  options.path = logs->syslog_path;
  options.sink = &sink;
  options.facility = logs->facility;
  options.app_name = logs->app_name;
  options.sd_id = logs->sd_id;
  options.max_message = logs->max_message;
  options.on_trouble = on_trouble;
  options.data = where;
  return jobsrv_syslog_add(srv, &options, NULL);
}

static int add_journal(const jobsrvd_logs_t *logs, jobsrv_t *srv) {
  static char where[] = "journal";
  jobsrv_journal_options_t options;
  jobsrv_sink_options_t sink;

  if (!logs->journal)
    return 0;
  jobsrv_sink_options_init(&sink);
  sink.level = logs->journal_level;
  jobsrv_journal_options_init(&options);
  options.path = logs->journal_path;
  options.sink = &sink;
  options.identifier = logs->identifier;
  options.on_trouble = on_trouble;
  options.data = where;
  return jobsrv_journal_add(srv, &options, NULL);
}

static int complain_about(const char *what, int err) {
  if (err != 0)
    jobsrvd_complain("cannot log to %s: %s", what, jobsrv_strerror(err));
  return err;
}

int jobsrvd_logs_add(const jobsrvd_logs_t *logs,
                     jobsrv_t *srv,
                     jobsrv_sink_t **file) {
  int err = complain_about(logs->file, add_file(logs, srv, file));

  if (err == 0)
    err = complain_about("syslog", add_syslog(logs, srv));
  if (err == 0)
    err = complain_about("the journal", add_journal(logs, srv));
  return err;
}

void jobsrvd_logs_free(jobsrvd_logs_t *logs) {
  free(logs->file);
  free(logs->syslog_path);
  free(logs->app_name);
  free(logs->sd_id);
  free(logs->journal_path);
  free(logs->identifier);
  memset(logs, 0, sizeof(*logs));
}
