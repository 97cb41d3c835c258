/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_NARRATION_PACE_H_
#define JOBSRV_NARRATION_PACE_H_

/*
 * How fast something gets done: an average over time in which what lies a
 * half-life back counts half, and which counts only time that was seen. Steps
 * may be of any size and at any distance; times come from whoever calls.
 */

#include <stdint.h>

enum {
  JOBSRV__PACE_HALF_LIFE_MS = 10000,
  JOBSRV__PACE_SEEN_MS = 1000, /* nothing is said of less */
  JOBSRV__PACE_STEPS = 2       /* nor of fewer steps forward */
};

typedef struct jobsrv__pace_s {
  double done;       /* what has been counted */
  double sum;        /* of rates, by their weights */
  double weight;
  uint64_t begun_ns;
  uint64_t last_ns;  /* until when time has been counted */
  uint32_t steps;    /* up to JOBSRV__PACE_STEPS */
} jobsrv__pace_t;

/* Forgets everything: from now on, and from `done` on. */
void jobsrv__pace_begin(jobsrv__pace_t *pace, uint64_t now_ns, double done);

/* By now so much is done, which is not less than before. */
void jobsrv__pace_step(jobsrv__pace_t *pace, uint64_t now_ns, double done);

/* What is done in a second; 0 as long as that would say nothing. */
double jobsrv__pace_rate(const jobsrv__pace_t *pace);

/* The same with four digits that count, as people are shown it. */
double jobsrv__pace_round(double rate);

#endif /* JOBSRV_NARRATION_PACE_H_ */
