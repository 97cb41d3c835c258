/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_SSE_RECORD_H
#define JOBSRV_TEST_SSE_RECORD_H

/*
 * What was asked and answered, kept for package/answers-test, which holds each
 * answer against the document of the server that gave it. Where the environment
 * names no folder for it, as in sanitizers' builds, nothing is kept.
 *
 * A file is a run of "D <key> <length>\n" and a document, and of
 * "A <key> <length> <length>\n", a request and its answer.
 */

#include "base/buf.h"
#include "jobsrv/sse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Of sse/openapi.h, which brings macros that the core has by the same name. */
int jobsrv__openapi_write(const jobsrv_sse_t *sse, jobsrv__buf_t *to);

enum { RECORD_DOCS = 256, RECORD_MOST = 32 * 1024 };

static inline FILE *record_file(void) {
  static FILE *file;
  static int is_open;
  const char *folder = getenv("JOBSRV_ANSWERS");
  char path[4096];

  if (is_open || folder == NULL)
    return file;
  is_open = 1;
  snprintf(path, sizeof(path), "%s/%s", folder, program_invocation_short_name);
  file = fopen(path, "w");
  assert_non_null(file);
  return file;
}

/* Keeps the document of what this transport serves now; its key, 0: none. */
static inline unsigned long long record_doc(const jobsrv_sse_t *sse) {
  static unsigned long long known[RECORD_DOCS];
  unsigned long long key = 14695981039346656037u; /* FNV-1a */
  FILE *file = record_file();
  jobsrv__buf_t json;
  size_t i = 0;

  if (file == NULL || sse == NULL)
    return 0;
  jobsrv__buf_init(&json, NULL, 0);
  assert_ok(jobsrv__openapi_write(sse, &json));
  for (size_t k = 0; k < json.len; k++)
    key = (key ^ (unsigned char) json.data[k]) * 1099511628211u;
  while (i < RECORD_DOCS && known[i] != 0 && known[i] != key)
    i++;
  assert_true(i < RECORD_DOCS);
  if (known[i] == 0) {
    fprintf(file, "D %llx %zu\n", key, json.len);
    fwrite(json.data, 1, json.len, file);
    known[i] = key;
  }
  jobsrv__buf_free(&json);
  return key;
}

/* Of a long answer its beginning. */
static inline void record_answer(unsigned long long key,
                                 const char *request,
                                 const char *answer,
                                 size_t len) {
  FILE *file = record_file();

  if (file == NULL || key == 0 || len == 0)
    return;
  if (len > RECORD_MOST)
    len = RECORD_MOST;
  fprintf(file, "A %llx %zu %zu\n", key, strlen(request), len);
  fwrite(request, 1, strlen(request), file);
  fwrite(answer, 1, len, file);
  fflush(file); /* a test may end by a signal */
}

#endif /* JOBSRV_TEST_SSE_RECORD_H */
