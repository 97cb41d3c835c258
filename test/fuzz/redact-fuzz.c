/* SPDX-License-Identifier: MIT */

/*
 * Redaction of any text: again, it changes nothing; what is known to be secret
 * never comes out, in text, in JSON, or told line by line; JSON stays JSON; and
 * 20 kB of anything take little time.
 */

#include "fuzz.h"

#include "jobsrv/error.h"
#include "jobsrv/json.h"
#include "narration/pem.h"
#include "narration/redact_event.h"

#include <time.h>

#include <jansson.h>

#define SECRET "S3cr3tS3cr3tS3cr3tS3cr3t"

enum { REDACTORS = 4, DEPTH = 64, LONG = 20000, MOST_MS = 200 };

/* Made once; what is made here lives as long as the process. */
static const jobsrv_redactor_t *redactor(unsigned int which) {
  static jobsrv_redactor_t *all[REDACTORS];
  static const char *const names[] = { "seat", "my-name" };
  static const jobsrv_redact_pattern_t patterns[] = {
    { "tok:", "abc ", 3 }, { "zz", NULL, 128 }, { "a", "ab. ", 100 },
  };
  jobsrv_redact_options_t options;

  which %= REDACTORS;
  if (all[which] != NULL)
    return all[which];
  jobsrv_redact_options_init(&options);
  if (which == 1)
    options.classes = JOBSRV_REDACT_BEARER | JOBSRV_REDACT_NAMED |
                      JOBSRV_REDACT_JWT | JOBSRV_REDACT_PEM |
                      JOBSRV_REDACT_URL | JOBSRV_REDACT_VENDOR |
                      JOBSRV_REDACT_UUID;
  if (which >= 2) {
    options.names = names;
    options.nnames = 2;
    options.patterns = patterns;
    options.npatterns = 3;
    options.replacement = which == 2 ? "\"?\"" : "<gone>";
  }
  if (which == 3)
    options.classes = JOBSRV_REDACT_NOTHING;
  fuzz_check(jobsrv_redactor_new(&all[which], NULL, &options) == 0);
  return all[which];
}

static char *redact(const jobsrv_redactor_t *by,
                    const char *text,
                    size_t len,
                    size_t *out) {
  char *to;

  *out = jobsrv_redact(by, text, len, NULL, 0);
  to = malloc(*out + 1);
  fuzz_check(to != NULL);
  fuzz_check(jobsrv_redact(by, text, len, to, *out) == *out);
  to[*out] = '\0';
  return to;
}

static void check_again(const jobsrv_redactor_t *by, fuzz_t *in) {
  char *text = fuzz_copy((const char *) in->p, in->n);
  size_t n, m;
  char *once = redact(by, text, in->n, &n);
  char *twice = redact(by, once, n, &m);

  if (!jobsrv_redacts(by, text, in->n))
    fuzz_check(n == in->n && memcmp(once, text, n) == 0);
  if (m != n || memcmp(once, twice, n) != 0)
    fprintf(stderr, "%.*s\nbecame\n%s\nthen\n%s\n", (int) in->n, text, once,
            twice);
  fuzz_check(m == n && memcmp(once, twice, n) == 0);
  free(text);
  free(once);
  free(twice);
}

/* ---- planted ---- */

static const char *const planted[] = {
  "\npassword=" SECRET "\n",
  "\nX-API-Key : " SECRET "\n",
  "\nclient_secret => " SECRET "\n",
  "\nAuthorization: Bearer " SECRET "\n",
  "\nproxy-authorization: Basic " SECRET "\n",
  "\nbearer  " SECRET "\n",
  "\nSet-Cookie: a=b; c=" SECRET "\n",
  "\nhttps://me:" SECRET "@host/\n",
  "\nhttps://me:p&" SECRET "@pw@host:80/\n",
  "\nghp_" SECRET "\n",
  "\neyJhbGciOi1.eyJz" SECRET "." SECRET "\n",
  "\n-----BEGIN RSA PRIVATE KEY-----\n" SECRET "\n-----END RSA PRIVATE "
  "KEY-----\n",
};

enum { PLANTED = sizeof(planted) / sizeof(planted[0]) };

static void check_planted(fuzz_t *in) {
  const char *secret = planted[fuzz_byte(in) % PLANTED];
  size_t cut = fuzz_byte(in);
  size_t n = strlen(secret), len, out;
  char *text, *to;

  if (cut > in->n)
    cut = in->n;
  len = in->n + n;
  text = malloc(len);
  fuzz_check(text != NULL);
  memcpy(text, in->p, cut);
  memcpy(text + cut, secret, n);
  memcpy(text + cut + n, in->p + cut, in->n - cut);
  if (fuzz_find(text, cut, "S3cr3t") == NULL &&
      fuzz_find(text + cut + n, in->n - cut, "S3cr3t") == NULL) {
    to = redact(redactor(0), text, len, &out);
    if (fuzz_find(to, out, "S3cr3t") != NULL)
      fprintf(stderr, "%.*s\nbecame\n%s\n", (int) len, text, to);
    fuzz_check(fuzz_find(to, out, "S3cr3t") == NULL);
    free(to);
  }
  free(text);
}

/* ---- a key, line by line, from two sources at once ---- */

static void check_lines(fuzz_t *in) {
  static const char *const key[] = {
    "-----BEGIN ENCRYPTED PRIVATE KEY-----",
    "Proc-Type: 4,ENCRYPTED", "",
    "12:00:01 " SECRET SECRET, SECRET SECRET SECRET "\r", SECRET,
    "-----END ENCRYPTED PRIVATE KEY-----",
  };
  jobsrv_event_t event = { .actor = "a", .action = "stdout" };
  jobsrv_event_t other = { .actor = "a", .action = "stderr" };
  jobsrv__pem_t pem;
  size_t at = 0, out;

  memset(&pem, 0, sizeof(pem));
  while (at < sizeof(key) / sizeof(key[0])) {
    if (in->n > 0 && (fuzz_byte(in) & 1)) {
      other.human = fuzz_string(in);
      (void) jobsrv__pem_follow(&pem, &other);
      free((void *) (uintptr_t) other.human);
      continue;
    }
    event.human = key[at++];
    if (!jobsrv__pem_follow(&pem, &event)) {
      char *to = redact(redactor(0), event.human, strlen(event.human), &out);

      fuzz_check(fuzz_find(to, out, "S3cr3t") == NULL);
      free(to);
    }
  }
  event.human = "done";
  fuzz_check(jobsrv__pem_follow(&pem, &event) == 0);
}

/* ---- JSON ---- */

static void check_json(const jobsrv_redactor_t *by, fuzz_t *in) {
  static const char *const frames[][2] = {
    { "{\"password\":\"" SECRET "\",\"a\":", "}" },
    { "[{\"api\\u002dkey\":{\"x\":[\"" SECRET "\"]}},", "]" },
    { "{\"a\":", ",\"n\":\"Bearer " SECRET "\"}" },
    { "{\"Bearer " SECRET "\":1,\"a\":", "}" },
    { "{\"a\":", ",\"b\\u0065arer " SECRET "\":[null]}" },
  };
  const char *const *frame = frames[fuzz_byte(in) % 5];
  size_t head = strlen(frame[0]), tail = strlen(frame[1]);
  size_t len = head + in->n + tail;
  char *text = malloc(len);
  jobsrv__buf_t to, scratch;
  json_error_t error;
  json_t *json;
  int changed;

  fuzz_check(text != NULL);
  memcpy(text, frame[0], head);
  memcpy(text + head, in->p, in->n);
  memcpy(text + head + in->n, frame[1], tail);
  jobsrv__buf_init(&to, NULL, 0);
  jobsrv__buf_init(&scratch, NULL, 0);
  if (fuzz_find((const char *) in->p, in->n, "S3cr3t") == NULL &&
      fuzz_find((const char *) in->p, in->n, "\\u") == NULL &&
      jobsrv_json_check(text, len, DEPTH, NULL) == 0) {
    changed = jobsrv__redact_json(by, text, len, &to, &scratch);
    fuzz_check(changed == 1);
    fuzz_check(fuzz_find(to.data, to.len, "S3cr3t") == NULL);
    json = json_loadb(to.data, to.len, JSON_DECODE_ANY | JSON_ALLOW_NUL,
                      &error);
    fuzz_check(json != NULL ||
               json_error_code(&error) == json_error_null_byte_in_key ||
               json_error_code(&error) == json_error_numeric_overflow);
    json_decref(json);
  }
  jobsrv__buf_free(&to);
  jobsrv__buf_free(&scratch);
  free(text);
}

/* ---- time ---- */

static double cpu_ms(void) {
  struct timespec t;

  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double) t.tv_sec * 1e3 + (double) t.tv_nsec / 1e6;
}

static void check_time(const jobsrv_redactor_t *by, fuzz_t *in) {
  char *text;
  double from, ms;

  if (in->n == 0 || in->n > 64)
    return;
  text = malloc(LONG);
  fuzz_check(text != NULL);
  for (size_t i = 0; i < LONG; i++)
    text[i] = (char) in->p[i % in->n];
  from = cpu_ms();
  (void) jobsrv_redact(by, text, LONG, NULL, 0);
  ms = cpu_ms() - from;
  if (ms >= MOST_MS)
    fprintf(stderr, "%.0f ms\n", ms);
  fuzz_check(ms < MOST_MS);
  free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_t in = { data, size };
  unsigned int how = fuzz_byte(&in);
  const jobsrv_redactor_t *by = redactor(how & 3);

  switch (how >> 2 & 7) {
  case 0:
  case 1:
  case 2:
    check_again(by, &in);
    break;
  case 3:
  case 4:
    check_planted(&in);
    break;
  case 5:
    check_lines(&in);
    break;
  case 6:
    check_json(redactor(how & 1), &in);
    break;
  default:
    if ((how & 0xe0) == 0)
      check_time(by, &in);
    break;
  }
  return 0;
}
