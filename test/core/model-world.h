/* SPDX-License-Identifier: MIT */
#ifndef JOBSRV_TEST_CORE_MODEL_WORLD_H
#define JOBSRV_TEST_CORE_MODEL_WORLD_H

/*
 * The library and the model side by side. A step is a number; all that it does
 * is drawn from it and from what the model holds, so that an episode can be
 * played again with some of its steps left out.
 */

#include "core/model.h"

#include "jobsrv/testing.h"

#include <uv.h>

enum { WORLD_LINES = 128, WORLD_LINE = 400, WORLD_FAULT = 4096 };

typedef struct world {
  model m;
  uv_loop_t loop;
  jobsrv_manual_clock_t clock;
  jobsrv_faults_t faults;
  jobsrv_t *srv;
  jobsrv_hook_t hook;
  jobsrv_capture_t *capture;
  jobsrv_token_t *tokens[MODEL_TOKENS + 1];
  mhook seen[MODEL_TRAIL];  /* of this step */
  int nseen;
  size_t seen_states, seen_ends; /* by the sink, in this step */
  uint64_t activity;
  int sink_closed, closed, seen_drained;
  int asked_to_drain;
  uint64_t drain_by;        /* ms at which the drain has to be over */
  uint64_t draw;            /* state of the step's own numbers */
  int step;                 /* in the episode */
  int nlines;
  char lines[WORLD_LINES][WORLD_LINE];
  char fault[WORLD_FAULT];  /* "": all is well */
} world;

/* Numbers of the step. */
uint64_t draw(world *w);
uint64_t below(world *w, uint64_t n);
int one_in(world *w, uint64_t n);
uint64_t draw_ms(world *w);
int has(const world *w, int feature);

/* Adds to the line that tells of this step. */
void say(world *w, const char *format, ...) JOBSRV_PRINTF(2, 3);
/* The first mismatch counts. */
void differ(world *w, const char *format, ...) JOBSRV_PRINTF(2, 3);
void want_code(world *w, const char *what, int got, int want);

typedef int (*pick_cb)(const mjob *j);

int is_live(const mjob *j);
int is_known(const mjob *j);
int is_running(const mjob *j);
mjob *pick(world *w, pick_cb cb);

int world_open(world *w, uint64_t seed, int features);
void world_step(world *w, uint64_t number);
/* Ends the episode, whatever it has come to. */
void world_close(world *w);
void world_mark(world *w);
void world_settle(world *w);
void world_advance(world *w, uint64_t to);
void world_compare(world *w);
void world_free_jobs(world *w);

/* Steps; each draws what it does. */
void step_submit(world *w);
void step_begin(world *w);
void step_refused(world *w);
void step_edit(world *w);
void step_after(world *w);
void step_token(world *w);
void step_wait(world *w);
void step_list(world *w);
void step_cancel_all(world *w);
void step_find_unique(world *w);
void step_drain(world *w);
void step_finish(world *w);
void step_suspend(world *w);
void step_answer(world *w);
void step_checkpoint(world *w);
void step_watch(world *w);
void check_waits(world *w);
void check_list(world *w);
void check_job(world *w, mjob *j);
void check_gone(world *w);

extern const char *const model_ops[MODEL_OPS];
extern const char *const model_groups[5];
extern const char *const model_keys[4];
extern const char *const model_values[4];

#endif /* JOBSRV_TEST_CORE_MODEL_WORLD_H */
