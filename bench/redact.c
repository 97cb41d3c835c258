/* SPDX-License-Identifier: MIT */

/*
 * What looking for secrets costs text that has none: 1,000 bytes of it, the
 * median of several rounds and their spread. Never fails.
 */

#include "jobsrv/redact.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 15, STEPS = 20000, LEN = 1000 };

static const char *const samples[][2] = {
  { "prose", "Fetched the third of seven layers, checked it against its digest "
             "and put it beside the others; two were there already. " },
  { "log lines", "2026-11-23T09:44:49.123Z info worker-3 fetch: got 17 of 40 "
                 "files from http://mirror/pool (4.2 MB/s)\n" },
};

static int by_value(const void *a, const void *b) {
  double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

static double now_ns(void) {
  struct timespec t;

  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double) t.tv_sec * 1e9 + (double) t.tv_nsec;
}

int main(void) {
  jobsrv_redactor_t *redactor;
  char text[LEN];
  double ns[ROUNDS];
  int found = 0;

  if (jobsrv_redactor_new(&redactor, NULL, NULL) != 0)
    return 0;
  for (size_t s = 0; s < sizeof(samples) / sizeof(samples[0]); s++) {
    for (size_t i = 0; i < LEN; i++)
      text[i] = samples[s][1][i % strlen(samples[s][1])];
    for (int r = 0; r < ROUNDS; r++) {
      double start = now_ns();

      for (int i = 0; i < STEPS; i++)
        found += jobsrv_redacts(redactor, text, LEN);
      ns[r] = (now_ns() - start) / STEPS;
    }
    qsort(ns, ROUNDS, sizeof(ns[0]), by_value);
    printf("%-10s %6.0f ns for %d clean bytes   (%.0f .. %.0f)\n",
           samples[s][0], ns[ROUNDS / 2], LEN, ns[0], ns[ROUNDS - 1]);
  }
  if (found != 0)
    printf("%d of them were not clean\n", found);
  jobsrv_redactor_unref(redactor);
  return 0;
}
