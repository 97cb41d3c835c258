/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_EXPOSITION_H
#define JOBSRV_TEST_EXPOSITION_H

/*
 * A strict reader of the Prometheus text format 0.0.4 and of OpenMetrics 1.0,
 * made from their specifications: what is optional there and not written here
 * (timestamps, exemplars, blanks between tokens) is refused.
 */

#include "test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXPOSITION_SERIES = 8192, EXPOSITION_NAME = 256 };

typedef struct {
  int is_open;                  /* OpenMetrics */
  const char *at;
  char family[EXPOSITION_NAME]; /* as TYPE has it */
  char type[20];
  char unit[40];
  char *series[EXPOSITION_SERIES]; /* name and labels of each sample */
  size_t n_series;
  char *families[EXPOSITION_SERIES];
  size_t n_families;
  /* of a histogram: the one that is being read */
  char labels[1024];
  double le;
  double count;
  int stage; /* 0: none is; 1: buckets; 2: +Inf was; 3: its sum was */
} exposition_t;

static inline void exposition_bad(const exposition_t *e, const char *why) {
  fail_msg("%s: %.200s", why, e->at);
}

#define EXPOSITION_CHECK(e, condition)                                        \
  do {                                                                        \
    if (!(condition))                                                         \
      exposition_bad((e), #condition);                                        \
  } while (0)

static inline int exposition_letter(char c, int first) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         (!first && c >= '0' && c <= '9');
}

/* Reads a name of a metric (with ':') or of a label. */
static inline void exposition_name(exposition_t *e, char *to, int colon) {
  size_t len = 0;

  while (exposition_letter(*e->at, len == 0) || (colon && *e->at == ':')) {
    EXPOSITION_CHECK(e, len + 1 < EXPOSITION_NAME);
    to[len++] = *e->at++;
  }
  EXPOSITION_CHECK(e, len > 0);
  to[len] = '\0';
}

static inline void exposition_take(exposition_t *e, const char *text) {
  if (strncmp(e->at, text, strlen(text)) != 0)
    fail_msg("\"%s\" was due: %.200s", text, e->at);
  e->at += strlen(text);
}

static inline void exposition_add(exposition_t *e,
                                  char **list,
                                  size_t *n,
                                  const char *text) {
  for (size_t i = 0; i < *n; i++)
    EXPOSITION_CHECK(e, strcmp(list[i], text) != 0);
  EXPOSITION_CHECK(e, *n < EXPOSITION_SERIES);
  list[*n] = strdup(text);
  assert_non_null(list[*n]);
  (*n)++;
}

static inline int exposition_ends(const char *text, const char *in) {
  size_t len = strlen(text);
  size_t n = strlen(in);

  return len > n && strcmp(text + len - n, in) == 0;
}

/* ---- what is said of a family ---- */

static inline void exposition_escaped(exposition_t *e, int quotes) {
  for (; *e->at != '\n' && (!quotes || *e->at != '"'); e->at++) {
    EXPOSITION_CHECK(e, *e->at != '\0');
    if (*e->at == '\\') {
      e->at++;
      EXPOSITION_CHECK(e, *e->at == '\\' || *e->at == 'n' ||
                              ((quotes || e->is_open) && *e->at == '"'));
    } else if (e->is_open) {
      EXPOSITION_CHECK(e, *e->at != '"');
    }
  }
}

static inline void exposition_family(exposition_t *e) {
  static const char *const types[] = { "counter", "gauge", "histogram",
                                       "info" };
  char name[EXPOSITION_NAME];
  int known = 0;

  EXPOSITION_CHECK(e, e->stage == 0);
  exposition_take(e, "# HELP ");
  exposition_name(e, e->family, 1);
  exposition_add(e, e->families, &e->n_families, e->family);
  exposition_take(e, " ");
  EXPOSITION_CHECK(e, *e->at != '\n');
  exposition_escaped(e, 0);
  exposition_take(e, "\n# TYPE ");
  exposition_name(e, name, 1);
  assert_string_equal(name, e->family);
  exposition_take(e, " ");
  exposition_name(e, name, 0);
  for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
    known |= strcmp(name, types[i]) == 0;
  EXPOSITION_CHECK(e, known && (e->is_open || strcmp(name, "info") != 0));
  snprintf(e->type, sizeof(e->type), "%.19s", name);
  exposition_take(e, "\n");
  if (e->is_open) {
    EXPOSITION_CHECK(e, !exposition_ends(e->family, "_total"));
    EXPOSITION_CHECK(e, !exposition_ends(e->family, "_info"));
  } else if (strcmp(e->type, "counter") == 0) {
    EXPOSITION_CHECK(e, exposition_ends(e->family, "_total"));
  }
  if (strncmp(e->at, "# UNIT ", 7) != 0)
    return;
  EXPOSITION_CHECK(e, e->is_open);
  e->at += 7;
  exposition_name(e, name, 1);
  assert_string_equal(name, e->family);
  exposition_take(e, " ");
  exposition_name(e, name, 0);
  EXPOSITION_CHECK(e, exposition_ends(e->family, name));
  exposition_take(e, "\n");
}

/* ---- samples ---- */

/* Labels without "le", which `le` gets; "" without one. */
static inline void exposition_labels(exposition_t *e, char *to, char *le) {
  char seen[16][EXPOSITION_NAME];
  size_t n = 0;
  size_t len = 0;

  *to = *le = '\0';
  if (*e->at != '{')
    return;
  e->at++;
  for (;;) {
    const char *value;

    EXPOSITION_CHECK(e, n < 16);
    exposition_name(e, seen[n], 0);
    for (size_t i = 0; i < n; i++)
      EXPOSITION_CHECK(e, strcmp(seen[i], seen[n]) != 0);
    exposition_take(e, "=\"");
    value = e->at;
    exposition_escaped(e, 1);
    if (strcmp(seen[n], "le") == 0)
      snprintf(le, 40, "%.*s", (int) (e->at - value), value);
    else
      len += (size_t) snprintf(to + len, 1024 - len, "%s=\"%.*s\",", seen[n],
                               (int) (e->at - value), value);
    EXPOSITION_CHECK(e, len < 1024);
    exposition_take(e, "\"");
    n++;
    if (*e->at == '}')
      break;
    exposition_take(e, ",");
  }
  e->at++;
}

static inline double exposition_number(exposition_t *e) {
  char *end;
  double value;

  EXPOSITION_CHECK(e, *e->at != ' ' && *e->at != '\n');
  if (strncmp(e->at, "+Inf\n", 5) == 0 || strncmp(e->at, "-Inf\n", 5) == 0 ||
      strncmp(e->at, "NaN\n", 4) == 0) {
    value = strtod(e->at, &end);
  } else {
    size_t len = strspn(e->at, "0123456789+-.eE");

    value = strtod(e->at, &end);
    EXPOSITION_CHECK(e, end == e->at + len && len > 0);
  }
  e->at = end;
  exposition_take(e, "\n");
  return value;
}

/* One line of a histogram: its buckets, the sum, the count, in this order. */
static inline void exposition_times(exposition_t *e,
                                    const char *suffix,
                                    const char *labels,
                                    const char *le,
                                    double value) {
  if (strcmp(suffix, "_bucket") == 0) {
    double bound = strtod(le, NULL);

    EXPOSITION_CHECK(e, *le != '\0' && e->stage <= 1);
    if (e->stage == 1) {
      assert_string_equal(labels, e->labels);
      EXPOSITION_CHECK(e, bound > e->le && value >= e->count);
    }
    snprintf(e->labels, sizeof(e->labels), "%s", labels);
    e->le = bound;
    e->count = value;
    e->stage = strcmp(le, "+Inf") == 0 ? 2 : 1;
    if (e->is_open && e->stage == 1) /* as its numbers are to be written */
      EXPOSITION_CHECK(e, strchr(le, '.') != NULL);
    return;
  }
  EXPOSITION_CHECK(e, *le == '\0');
  assert_string_equal(labels, e->labels);
  if (strcmp(suffix, "_sum") == 0) {
    EXPOSITION_CHECK(e, e->stage == 2 && value >= 0);
    e->stage = 3;
    return;
  }
  assert_string_equal(suffix, "_count");
  EXPOSITION_CHECK(e, e->stage == 3 && value == e->count);
  e->stage = 0;
}

static inline void exposition_sample(exposition_t *e) {
  char name[EXPOSITION_NAME];
  char labels[1024];
  char series[1400];
  char le[40];
  const char *suffix;
  double value;

  exposition_name(e, name, 1);
  EXPOSITION_CHECK(e, strncmp(name, e->family, strlen(e->family)) == 0);
  suffix = name + strlen(e->family);
  exposition_labels(e, labels, le);
  snprintf(series, sizeof(series), "%s{%s%s", name, labels, le);
  exposition_add(e, e->series, &e->n_series, series);
  exposition_take(e, " ");
  value = exposition_number(e);
  if (strcmp(e->type, "histogram") == 0) {
    exposition_times(e, suffix, labels, le, value);
    return;
  }
  EXPOSITION_CHECK(e, *le == '\0');
  if (strcmp(e->type, "counter") == 0)
    EXPOSITION_CHECK(e, isfinite(value) && value >= 0);
  if (strcmp(e->type, "info") == 0)
    EXPOSITION_CHECK(e, value == 1);
  assert_string_equal(suffix, !e->is_open                       ? ""
                              : strcmp(e->type, "counter") == 0 ? "_total"
                              : strcmp(e->type, "info") == 0    ? "_info"
                                                                : "");
}

/* Fails the test unless `text` is that format, from its start to its end. */
static inline void exposition_check(const char *text, int is_open) {
  exposition_t *e = calloc(1, sizeof(*e));

  assert_non_null(e);
  e->is_open = is_open;
  e->at = text;
  while (*e->at != '\0' && strcmp(e->at, "# EOF\n") != 0) {
    if (*e->at == '#')
      exposition_family(e);
    else
      exposition_sample(e);
  }
  EXPOSITION_CHECK(e, e->stage == 0);
  assert_string_equal(e->at, is_open ? "# EOF\n" : "");
  for (size_t i = 0; i < e->n_series; i++)
    free(e->series[i]);
  for (size_t i = 0; i < e->n_families; i++)
    free(e->families[i]);
  free(e);
}

/* The value of a series, given as it is written; fails without one. */
static inline double exposition_value(const char *text, const char *series) {
  size_t len = strlen(series);

  for (const char *at = text; at != NULL; at = strchr(at, '\n')) {
    at += *at == '\n';
    if (strncmp(at, series, len) == 0 && at[len] == ' ')
      return strtod(at + len + 1, NULL);
  }
  fail_msg("there is no %s in: %s", series, text);
  return 0;
}

#endif /* JOBSRV_TEST_EXPOSITION_H */
