/* SPDX-License-Identifier: MIT */

#include "switches.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PREFIX = 128 };

typedef const char *(*mistake_cb)(const char *text);

/* A word out of several; with a check, a text; with neither, a flag. */
typedef struct switch_s {
  const char *name;
  size_t offset;            /* of an int, of a text of a pointer to it */
  const char *const *words;
  int first;                /* the number of the first of them */
  const char *expected;
  mistake_cb mistake_of;
} switch_t;

static const char *const levels[] = { "trace", "debug", "info", "warn",
                                      "error", "fatal", "mute", NULL };
static const char *const lags[] = { "gap", "break", NULL };
static const char *const headers[] = { "x-forwarded-for", "forwarded", NULL };

static const char *path_mistake(const char *text) {
  return text[0] != '\0' ? NULL : "expected the path of a file";
}

/* As the library has it. */
static const char *prefix_mistake(const char *text) {
  static const char pchar[] =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
      "-._~!$&'()*+,;=:@/";
  size_t len = strlen(text);

  if (len < 2 || len > MAX_PREFIX || text[0] != '/' || text[len - 1] == '/' ||
      strstr(text, "//") != NULL || strspn(text, pchar) != len)
    return "expected a path such as /v1, without a slash at its end";
  return NULL;
}

#define AT(field) offsetof(jobsrvd_settings_t, field)

static const switch_t switches[] = {
  { "level", AT(core.level), levels, JOBSRV_TRACE,
    "expected trace, debug, info, warn, error, fatal or mute", NULL },
  { "prefix", AT(prefix), NULL, 0, NULL, prefix_mistake },
  { "token_file", AT(token_file), NULL, 0, NULL, path_mistake },
  { "metrics", AT(sse.metrics), NULL, 0, NULL, NULL },
  { "metrics_token_file", AT(metrics_token_file), NULL, 0, NULL,
    path_mistake },
  { "lag", AT(sse.lag), lags, JOBSRV_SSE_LAG_GAP, "expected gap or break",
    NULL },
  { "all_events", AT(sse.all_events), NULL, 0, NULL, NULL },
  { "gzip", AT(sse.gzip), NULL, 0, NULL, NULL },
  { "cors_credentials", AT(sse.cors_credentials), NULL, 0, NULL, NULL },
  { "proxy_header", AT(sse.proxy_header), headers, JOBSRV_SSE_X_FORWARDED_FOR,
    "expected x-forwarded-for or forwarded", NULL },
};

enum { SWITCHES = sizeof(switches) / sizeof(switches[0]) };

_Static_assert(SWITCHES <= 32, "switches_given has a bit for each");

static int *int_at(jobsrvd_settings_t *settings, const switch_t *which) {
  return (int *) (void *) ((char *) settings + which->offset);
}

static char **text_at(jobsrvd_settings_t *settings, const switch_t *which) {
  return (char **) (void *) ((char *) settings + which->offset);
}

/* Returns NULL, or what was expected. */
static const char *set(jobsrvd_settings_t *settings,
                       const switch_t *which,
                       const char *value) {
  const char *mistake;
  int i = 0;

  if (which->mistake_of != NULL) {
    mistake = which->mistake_of(value);
    if (mistake != NULL)
      return mistake;
    free(*text_at(settings, which));
    *text_at(settings, which) = jobsrvd_must_copy(value, strlen(value));
    return NULL;
  }
  if (which->words == NULL) {
    *int_at(settings, which) = 1;
    return NULL;
  }
  while (which->words[i] != NULL && strcmp(which->words[i], value) != 0)
    i++;
  if (which->words[i] == NULL)
    return which->expected;
  *int_at(settings, which) = which->first + i;
  return NULL;
}

/* ---- the command line ---- */

static int is_named(const switch_t *which, const char *option) {
  const char *name = which->name;

  for (option += 2; *option != '\0' || *name != '\0'; option++, name++)
    if (*option != (*name == '_' ? '-' : *name))
      return 0;
  return 1;
}

int jobsrvd_switch_take(jobsrvd_settings_t *settings,
                        const char *option,
                        const char *value) {
  const char *mistake;
  size_t i = 0;

  while (i < SWITCHES && !is_named(&switches[i], option))
    i++;
  if (i == SWITCHES) {
    jobsrvd_complain("unknown option \"%s\"", option);
    return -1;
  }
  mistake = set(settings, &switches[i], value);
  if (mistake != NULL) {
    jobsrvd_complain("%s %s: %s", option, value, mistake);
    return -1;
  }
  settings->switches_given |= 1u << i;
  return 0;
}

/* ---- the config file ---- */

static int parse_flag(jobsrvd_settings_t *settings,
                      const switch_t *which,
                      json_t *root,
                      jobsrvd_place_t *place) {
  int flag = 0;

  if (jobsrvd_place_flag(place, root, which->name, &flag) != 0)
    return -1;
  if (flag)
    *int_at(settings, which) = 1;
  return 0;
}

/* What the command line has given is checked all the same. */
static int parse_one(jobsrvd_settings_t *settings,
                     const switch_t *which,
                     int is_given,
                     json_t *root,
                     jobsrvd_place_t *place) {
  jobsrvd_settings_t unused;
  const char *text = NULL;
  const char *mistake;

  if (which->words == NULL && which->mistake_of == NULL)
    return parse_flag(settings, which, root, place);
  if (jobsrvd_place_text(place, root, which->name, &text) != 0)
    return -1;
  if (text == NULL)
    return 0;
  jobsrvd_settings_init(&unused);
  mistake = set(is_given ? &unused : settings, which, text);
  jobsrvd_switches_free(&unused);
  return mistake == NULL
             ? 0
             : jobsrvd_place_error_in(place, which->name, "%s", mistake);
}

int jobsrvd_switches_parse(jobsrvd_settings_t *settings,
                           json_t *root,
                           jobsrvd_place_t *place) {
  int err = 0;

  for (size_t i = 0; i < SWITCHES && err == 0; i++)
    err = parse_one(settings, &switches[i],
                    (settings->switches_given >> i & 1) != 0, root, place);
  return err;
}

void jobsrvd_switches_free(jobsrvd_settings_t *settings) {
  for (size_t i = 0; i < SWITCHES; i++) {
    if (switches[i].mistake_of == NULL)
      continue;
    free(*text_at(settings, &switches[i]));
    *text_at(settings, &switches[i]) = NULL;
  }
}
