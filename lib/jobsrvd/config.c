/* SPDX-License-Identifier: MIT */

#include "config.h"

#include "console.h"
#include "demo_ops.h"
#include "inherit.h"
#include "limits.h"
#include "logs.h"
#include "program.h"
#include "switches.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_CONFIG = 4 * 1024 * 1024, MAX_DEPTH = 32 };

static const char *const config_names[] = {
  "listen", "limits", "allow_hosts", "allow_origins", "operations", "console",
  "log_file", "syslog", "journal", "socket_mode", "socket_owner",
  "trust_proxies", JOBSRVD_SWITCH_NAMES,
  NULL
};

typedef const char *(*mistake_cb)(const char *text);

static int parse_list(json_t *root,
                      const char *name,
                      mistake_cb mistake_of,
                      jobsrvd_list_t *list,
                      jobsrvd_place_t *place) {
  json_t *array = json_object_get(root, name);
  const char *text, *mistake;
  size_t mark, inner;
  int err = 0;

  if (array == NULL)
    return 0;
  if (!json_is_array(array))
    return jobsrvd_place_error_in(place, name,
                                  "expected an array of strings, not %s",
                                  jobsrvd_type_name(array));
  mark = jobsrvd_place_enter(place, name);
  for (size_t i = 0; i < json_array_size(array) && err == 0; i++) {
    inner = jobsrvd_place_enter_index(place, i);
    err = jobsrvd_place_string(place, json_array_get(array, i), &text);
    mistake = err == 0 ? mistake_of(text) : NULL;
    if (mistake != NULL)
      err = jobsrvd_place_error(place, "%s", mistake);
    if (err == 0 && list != NULL)
      jobsrvd_list_add(list, text);
    jobsrvd_place_leave(place, inner);
  }
  jobsrvd_place_leave(place, mark);
  return err;
}

static int parse_limit(jobsrvd_settings_t *settings,
                       json_t *limits,
                       const char *name,
                       jobsrvd_place_t *place) {
  const jobsrvd_limit_t *limit = jobsrvd_limit_find(name);
  uint64_t value = 0;

  if (limit == NULL)
    return jobsrvd_place_error_in(
        place, name, "there is no limit \"%.64s\": jobsrvd --help names all",
        name);
  if (jobsrvd_place_u64(place, limits, name, limit->min, limit->max,
                        &value) != 0)
    return -1;
  jobsrvd_limit_set(settings, limit, value, 0);
  return 0;
}

static int parse_limits(jobsrvd_settings_t *settings,
                        json_t *root,
                        jobsrvd_place_t *place) {
  json_t *limits = json_object_get(root, "limits");
  const char *name;
  json_t *value;
  size_t mark;
  int err = 0;

  if (limits == NULL)
    return 0;
  if (!json_is_object(limits))
    return jobsrvd_place_error_in(place, "limits",
                                  "expected an object of numbers, not %s",
                                  jobsrvd_type_name(limits));
  mark = jobsrvd_place_enter(place, "limits");
  json_object_foreach(limits, name, value) {
    err = parse_limit(settings, limits, name, place);
    if (err != 0)
      break;
  }
  jobsrvd_place_leave(place, mark);
  return err;
}

static int parse_operations(jobsrvd_settings_t *settings,
                            json_t *root,
                            jobsrvd_place_t *place) {
  json_t *operations = json_object_get(root, "operations");
  size_t mark, inner;
  const char *name;
  json_t *value;
  int err = 0;

  if (operations == NULL)
    return 0;
  if (!json_is_object(operations))
    return jobsrvd_place_error_in(place, "operations",
                                  "expected an object, not %s",
                                  jobsrvd_type_name(operations));
  mark = jobsrvd_place_enter(place, "operations");
  json_object_foreach(operations, name, value) {
    inner = jobsrvd_place_enter(place, name);
    if (settings->demo && jobsrvd_demo_has(name))
      err = jobsrvd_place_error(place, "\"%s\" is an operation of --demo",
                                name);
    else
      err = jobsrvd_program_parse(&settings->programs, name, value, place);
    jobsrvd_place_leave(place, inner);
    if (err != 0)
      break;
  }
  jobsrvd_place_leave(place, mark);
  return err;
}

typedef int (*socket_cb)(jobsrvd_socket_t *socket,
                         const char *text,
                         const char **mistake);

/* What the command line has given is checked all the same. */
static int parse_socket(jobsrvd_settings_t *settings,
                        json_t *root,
                        const char *name,
                        socket_cb take,
                        int is_given,
                        jobsrvd_place_t *place) {
  jobsrvd_socket_t kept = settings->socket;
  json_t *value = json_object_get(root, name);
  const char *text, *mistake;
  size_t mark;
  int err;

  if (value == NULL)
    return 0;
  mark = jobsrvd_place_enter(place, name);
  err = jobsrvd_place_string(place, value, &text);
  if (err == 0 && take(&settings->socket, text, &mistake) != 0)
    err = jobsrvd_place_error(place, "%s", mistake);
  jobsrvd_place_leave(place, mark);
  if (is_given)
    settings->socket = kept;
  return err;
}

static int parse_root(jobsrvd_settings_t *settings,
                      json_t *root,
                      jobsrvd_place_t *place) {
  jobsrvd_list_t *listen =
      settings->listen.count == 0 ? &settings->listen : NULL;

  if (jobsrvd_place_only(place, root, config_names) != 0 ||
      parse_list(root, "listen", jobsrvd_address_mistake, listen, place) != 0 ||
      parse_list(root, "allow_hosts", jobsrvd_host_mistake,
                 &settings->allow_hosts, place) != 0 ||
      parse_list(root, "allow_origins", jobsrvd_origin_mistake,
                 &settings->allow_origins, place) != 0 ||
      parse_list(root, "trust_proxies", jobsrvd_proxy_mistake,
                 &settings->trust_proxies, place) != 0 ||
      parse_socket(settings, root, "socket_mode", jobsrvd_socket_mode,
                   settings->socket.mode_given, place) != 0 ||
      parse_socket(settings, root, "socket_owner", jobsrvd_socket_owner,
                   settings->socket.owner_given, place) != 0 ||
      jobsrvd_switches_parse(settings, root, place) != 0 ||
      parse_limits(settings, root, place) != 0 ||
      jobsrvd_console_parse(&settings->console, root, place) != 0 ||
      jobsrvd_logs_parse(&settings->logs, root, place) != 0)
    return -1;
  return parse_operations(settings, root, place);
}

/* The library's own check first: it knows more mistakes and their places. */
static int parse(jobsrvd_settings_t *settings, jobsrvd_place_t *place) {
  jobsrv_json_error_t mistake;
  json_error_t error;
  json_t *root;
  int err;

  err = jobsrv_json_check(place->text, place->len, MAX_DEPTH, &mistake);
  if (err == JOBSRV_EJSON)
    jobsrvd_complain("%s:%u:%u: %s", place->file, mistake.line, mistake.column,
                     mistake.message);
  else if (err != 0)
    jobsrvd_complain("%s: %s", place->file, jobsrv_strerror(err));
  if (err != 0)
    return -1;
  root = json_loadb(place->text, place->len,
                    JSON_ALLOW_NUL | JSON_DECODE_ANY, &error);
  if (root == NULL) {
    jobsrvd_complain("%s:%d:%d: %s", place->file, error.line, error.column,
                     error.text);
    return -1;
  }
  err = parse_root(settings, root, place);
  json_decref(root);
  return err;
}

int jobsrvd_config_load(jobsrvd_settings_t *settings, const char *path) {
  jobsrvd_place_t place;
  size_t len;
  char *text = jobsrvd_read_file(path, MAX_CONFIG, &len);
  int err;

  if (text == NULL)
    return -1;
  jobsrvd_place_init(&place, path, text, len);
  err = parse(settings, &place);
  free(text);
  return err;
}
