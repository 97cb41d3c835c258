/* SPDX-License-Identifier: MIT */

#include "core/metrics_write.h"

#include "base/buf.h"
#include "base/utf8.h"

#include <math.h>
#include <string.h>

#include <uv.h>

/*
 * The two formats differ in how a family is called (with the suffix of its
 * samples in the older one), in what HELP escapes, in UNIT and in the end.
 */

static const struct {
  const char *le;
  uint64_t ns;
} bounds[] = {
  { "0.0001", UINT64_C(100000) },
  { "0.0003", UINT64_C(300000) },
  { "0.001", UINT64_C(1000000) },
  { "0.003", UINT64_C(3000000) },
  { "0.01", UINT64_C(10000000) },
  { "0.03", UINT64_C(30000000) },
  { "0.1", UINT64_C(100000000) },
  { "0.3", UINT64_C(300000000) },
  { "1.0", UINT64_C(1000000000) },
  { "3.0", UINT64_C(3000000000) },
  { "10.0", UINT64_C(10000000000) },
  { "30.0", UINT64_C(30000000000) },
  { "100.0", UINT64_C(100000000000) },
  { "300.0", UINT64_C(300000000000) },
  { "1000.0", UINT64_C(1000000000000) },
  { "3000.0", UINT64_C(3000000000000) },
  { "10000.0", UINT64_C(10000000000000) },
  { "+Inf", UINT64_MAX },
};

_Static_assert(sizeof(bounds) / sizeof(bounds[0]) == JOBSRV_HISTOGRAM_BUCKETS,
               "each bucket has a bound");

void jobsrv_histogram_observe(jobsrv_histogram_t *histogram, uint64_t ns) {
  static const uint64_t second = 1000000000;
  size_t i = 0;

  while (ns > bounds[i].ns)
    i++;
  histogram->bucket[i]++;
  histogram->seconds += ns / second;
  histogram->ns += ns % second;
  if (histogram->ns >= second) {
    histogram->ns -= second;
    histogram->seconds++;
  }
}

/* ---- pieces ---- */

static void flush(jobsrv_metrics_t *to) {
  if (to->stopped == 0 && to->len > 0)
    to->stopped = to->cb(to->piece, to->len, to->data);
  to->len = 0;
}

static void put(jobsrv_metrics_t *to, const char *text, size_t len) {
  while (len > 0) {
    size_t room = sizeof(to->piece) - to->len;
    size_t now = len < room ? len : room;

    memcpy(to->piece + to->len, text, now);
    to->len += now;
    text += now;
    len -= now;
    if (to->len == sizeof(to->piece))
      flush(to);
  }
}

static void puts_to(jobsrv_metrics_t *to, const char *text) {
  put(to, text, strlen(text));
}

static void put_u64(jobsrv_metrics_t *to, uint64_t value) {
  char digits[20];

  put(to, digits, jobsrv__u64_format(digits, value));
}

static void put_double(jobsrv_metrics_t *to, double value) {
  char text[JOBSRV__DOUBLE_SIZE];

  if (isnan(value))
    puts_to(to, "NaN");
  else if (isinf(value))
    puts_to(to, value > 0 ? "+Inf" : "-Inf");
  else
    put(to, text, jobsrv__double_format(text, value));
}

/* Seconds and nanoseconds as one decimal number. */
static void put_time(jobsrv_metrics_t *to, uint64_t seconds, uint64_t ns) {
  char digits[9];

  put_u64(to, seconds);
  put(to, ".", 1);
  for (size_t i = sizeof(digits); i-- > 0; ns /= 10)
    digits[i] = (char) ('0' + ns % 10);
  put(to, digits, sizeof(digits));
}

static void put_escaped(jobsrv_metrics_t *to, const char *text, int quotes) {
  for (; *text != '\0'; text++) {
    if (*text == '\n')
      put(to, "\\n", 2);
    else if (*text == '\\' || (*text == '"' && quotes))
      put(to, (const char[]) { '\\', *text }, 2);
    else
      put(to, text, 1);
  }
}

/* ---- names ---- */

static int is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static int name_ok(const char *name, char more) {
  if (!is_letter(*name) && (more == '\0' || *name != more))
    return 0;
  while (*++name != '\0')
    if (!is_letter(*name) && (*name < '0' || *name > '9') &&
        (more == '\0' || *name != more))
      return 0;
  return 1;
}

/* 1 when `name` ends in "_" and `word`. */
static int ends_in(const char *name, const char *word) {
  size_t len = strlen(name);
  size_t n = strlen(word);

  return len > n + 1 && name[len - n - 1] == '_' &&
         strcmp(name + len - n, word) == 0;
}

static int family_ok(jobsrv_metric_type_t type,
                     const char *name,
                     const char *unit) {
  static const char *const kept[] = { "total", "info", "sum", "count",
                                      "bucket", "created" };

  if (!name_ok(name, ':') || strlen(name) > JOBSRV__METRIC_NAME_MAX)
    return 0;
  for (size_t i = 0; i < sizeof(kept) / sizeof(kept[0]); i++)
    if (ends_in(name, kept[i]))
      return 0;
  return unit == NULL || (type != JOBSRV_METRIC_INFO && name_ok(unit, '\0') &&
                          ends_in(name, unit));
}

static int labels_ok(const jobsrv_metric_label_t *labels, size_t n) {
  for (size_t i = 0; i < n; i++) {
    const jobsrv_metric_label_t *label = &labels[i];

    if (!name_ok(label->name, '\0') || strcmp(label->name, "le") == 0 ||
        strncmp(label->name, "__", 2) == 0 ||
        !jobsrv__utf8_valid(label->value, strlen(label->value)))
      return 0;
    for (size_t j = 0; j < i; j++)
      if (strcmp(labels[j].name, label->name) == 0)
        return 0;
  }
  return 1;
}

/* ---- families ---- */

static void put_about(jobsrv_metrics_t *to, const char *what) {
  puts_to(to, "# ");
  puts_to(to, what);
  put(to, " ", 1);
  puts_to(to, to->name);
  if (to->format == JOBSRV_METRICS_TEXT)
    puts_to(to, to->suffix);
  put(to, " ", 1);
}

int jobsrv_metrics_family(jobsrv_metrics_t *to,
                          jobsrv_metric_type_t type,
                          const char *name,
                          const char *unit,
                          const char *help) {
  static const char *const types[] = { "counter", "gauge", "histogram",
                                       "info" };
  static const char *const suffixes[] = { "_total", "", "", "_info" };
  int is_open = to->format == JOBSRV_METRICS_OPENMETRICS;

  to->name[0] = '\0';
  if ((unsigned int) type > JOBSRV_METRIC_INFO ||
      !family_ok(type, name, unit) || !jobsrv__utf8_valid(help, strlen(help)))
    return UV_EINVAL;
  memcpy(to->name, name, strlen(name) + 1);
  to->type = type;
  to->suffix = suffixes[type];
  put_about(to, "HELP");
  put_escaped(to, help, is_open);
  put(to, "\n", 1);
  put_about(to, "TYPE");
  puts_to(to, type == JOBSRV_METRIC_INFO && !is_open ? "gauge" : types[type]);
  put(to, "\n", 1);
  if (unit != NULL && is_open) {
    put_about(to, "UNIT");
    puts_to(to, unit);
    put(to, "\n", 1);
  }
  return 0;
}

/* ---- samples ---- */

static int sample_ok(const jobsrv_metrics_t *to,
                     const jobsrv_metric_label_t *labels,
                     size_t n,
                     int is_histogram) {
  return to->name[0] != '\0' &&
         (to->type == JOBSRV_METRIC_HISTOGRAM) == is_histogram &&
         labels_ok(labels, n);
}

/* All up to the value. `le` NULL: there is none. */
static void put_name(jobsrv_metrics_t *to,
                     const char *suffix,
                     const jobsrv_metric_label_t *labels,
                     size_t n,
                     const char *le) {
  const char *mark = "{";

  puts_to(to, to->name);
  puts_to(to, suffix);
  for (size_t i = 0; i < n; i++, mark = ",") {
    puts_to(to, mark);
    puts_to(to, labels[i].name);
    puts_to(to, "=\"");
    put_escaped(to, labels[i].value, 1);
    put(to, "\"", 1);
  }
  if (le != NULL) {
    puts_to(to, mark);
    puts_to(to, "le=\"");
    puts_to(to, le);
    put(to, "\"", 1);
  }
  puts_to(to, n > 0 || le != NULL ? "} " : " ");
}

int jobsrv_metrics_u64(jobsrv_metrics_t *to,
                       const jobsrv_metric_label_t *labels,
                       size_t n,
                       uint64_t value) {
  if (!sample_ok(to, labels, n, 0) ||
      (to->type == JOBSRV_METRIC_INFO && value != 1))
    return UV_EINVAL;
  put_name(to, to->suffix, labels, n, NULL);
  put_u64(to, value);
  put(to, "\n", 1);
  return 0;
}

int jobsrv_metrics_double(jobsrv_metrics_t *to,
                          const jobsrv_metric_label_t *labels,
                          size_t n,
                          double value) {
  int is_counter = to->type == JOBSRV_METRIC_COUNTER;

  if (!sample_ok(to, labels, n, 0) || to->type == JOBSRV_METRIC_INFO ||
      (is_counter && !(isfinite(value) && value >= 0)))
    return UV_EINVAL;
  put_name(to, to->suffix, labels, n, NULL);
  put_double(to, value);
  put(to, "\n", 1);
  return 0;
}

int jobsrv_metrics_histogram(jobsrv_metrics_t *to,
                             const jobsrv_metric_label_t *labels,
                             size_t n,
                             const jobsrv_histogram_t *histogram) {
  uint64_t count = 0;

  if (!sample_ok(to, labels, n, 1))
    return UV_EINVAL;
  for (size_t i = 0; i < JOBSRV_HISTOGRAM_BUCKETS; i++) {
    count += histogram->bucket[i];
    put_name(to, "_bucket", labels, n, bounds[i].le);
    put_u64(to, count);
    put(to, "\n", 1);
  }
  put_name(to, "_sum", labels, n, NULL);
  put_time(to, histogram->seconds, histogram->ns);
  put(to, "\n", 1);
  put_name(to, "_count", labels, n, NULL);
  put_u64(to, count);
  put(to, "\n", 1);
  return 0;
}

void jobsrv__metrics_end(jobsrv_metrics_t *to) {
  if (to->format == JOBSRV_METRICS_OPENMETRICS)
    puts_to(to, "# EOF\n");
  flush(to);
}
