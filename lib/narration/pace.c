/* SPDX-License-Identifier: MIT */

#include "narration/pace.h"

#include <string.h>

#define LN2 0.69314718055994530942

enum { MS = 1000000, TERMS = 10 };

/* What is left of a weight after so many half-lives: 2 to the minus `n`. */
static double left_after(double n) {
  double left = 1;
  double term = 1;
  uint64_t whole;

  if (n >= 63)
    return 0;
  whole = (uint64_t) n;
  n = (n - (double) whole) * -LN2;
  for (int i = 1; i <= TERMS; i++) {
    term *= n / i;
    left += term;
  }
  return left / (double) (UINT64_C(1) << whole);
}

void jobsrv__pace_begin(jobsrv__pace_t *pace, uint64_t now_ns, double done) {
  memset(pace, 0, sizeof(*pace));
  pace->begun_ns = now_ns;
  pace->last_ns = now_ns;
  pace->done = done;
}

void jobsrv__pace_step(jobsrv__pace_t *pace, uint64_t now_ns, double done) {
  uint64_t passed = now_ns - pace->last_ns;
  double more = done - pace->done;
  double left;

  if (now_ns < pace->last_ns + MS)
    return; /* counts with the next: a rate of no time is none */
  left = left_after((double) passed / ((double) JOBSRV__PACE_HALF_LIFE_MS *
                                       MS));
  pace->sum = pace->sum * left + more / ((double) passed / 1e9) * (1 - left);
  pace->weight = pace->weight * left + (1 - left);
  pace->done = done;
  pace->last_ns = now_ns;
  if (more > 0 && pace->steps < JOBSRV__PACE_STEPS)
    pace->steps++;
}

double jobsrv__pace_rate(const jobsrv__pace_t *pace) {
  double rate;

  if (pace->steps < JOBSRV__PACE_STEPS ||
      pace->last_ns - pace->begun_ns < (uint64_t) JOBSRV__PACE_SEEN_MS * MS)
    return 0;
  rate = pace->sum / pace->weight;
  return rate < 1e300 ? rate : 0;
}

double jobsrv__pace_round(double rate) {
  double scale = 1;

  if (rate < 1e-9 || rate > 1e15)
    return rate;
  while (rate * scale < 1000)
    scale *= 10;
  if (scale > 1)
    return (double) (uint64_t) (rate * scale + 0.5) / scale;
  while (rate / scale >= 10000)
    scale *= 10;
  return (double) (uint64_t) (rate / scale + 0.5) * scale;
}
