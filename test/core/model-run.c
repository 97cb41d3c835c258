/* SPDX-License-Identifier: MIT */

#include "core/model-run.h"
#include "core/model-world.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Episodes from a seed, and the fewest steps that still show a mismatch. */

enum { EPISODE = 600 };

static uint64_t mix(uint64_t a, uint64_t b) {
  uint64_t z = a + b * UINT64_C(0x9e3779b97f4a7c15);

  z = (z ^ (z >> 31)) * UINT64_C(0xbf58476d1ce4e5b9);
  return z ^ (z >> 29);
}

/* Plays the steps that `keep` has (NULL: all); returns how many it took. */
static int episode(world *w, uint64_t seed, int steps, int features,
                   const char *keep) {
  int i, taken = 0, err = world_open(w, seed, features);

  if (err != 0) {
    fprintf(stderr, "no world: %s\n", jobsrv_strerror(err));
    exit(2);
  }
  for (i = 0; i < steps && w->m.njobs < MODEL_JOBS - 1; i++) {
    if (keep != NULL && !keep[i])
      continue;
    w->step = i;
    world_step(w, mix(seed, (uint64_t) i + 1));
    taken++;
    if (w->fault[0] != '\0' || w->m.ambiguous || w->m.drained)
      break;
  }
  w->m.ambiguous |= w->fault[0] != '\0'; /* enough is known */
  if (w->fault[0] == '\0' && !w->m.ambiguous) {
    world_settle(w);
    w->m.ntrail = w->nseen = 0;
  }
  world_close(w);
  return taken;
}

static int still_fails(world *w, uint64_t seed, int steps, int features,
                       const char *keep) {
  episode(w, seed, steps, features, keep);
  return w->fault[0] != '\0';
}

/* Leaves out ever smaller runs of steps for as long as it still fails. */
static int shrink_once(world *w, uint64_t seed, int steps, int features,
                       char *keep, char *fewer) {
  int less = 0;

  for (int size = steps / 2; size > 0; size /= 2)
    for (int at = 0; at < steps; at += size) {
      int any = 0;

      memcpy(fewer, keep, (size_t) steps);
      for (int i = at; i < at + size && i < steps; i++) {
        any |= fewer[i];
        fewer[i] = 0;
      }
      if (!any || !still_fails(w, seed, steps, features, fewer))
        continue;
      memcpy(keep, fewer, (size_t) steps);
      less = 1;
    }
  return less;
}

static void shrink(world *w, uint64_t seed, int steps, int features,
                   char *keep) {
  char *fewer = malloc((size_t) steps);

  if (fewer == NULL)
    return;
  for (int i = 0; i < 10; i++)
    if (!shrink_once(w, seed, steps, features, keep, fewer))
      break;
  free(fewer);
}

static void print_job(const mjob *j) {
  fprintf(stderr, "  job %d: model %s attempt %u error %s asked %s seq %d "
          "hold %d%s\n", j->number,
          jobsrv_state_name((jobsrv_state_t) j->state), j->attempt,
          j->code != NULL ? j->code : "-",
          j->asked != 0
              ? jobsrv_reason_name((jobsrv_reason_code_t) (j->asked - 1)) : "-",
          (int) j->seq, j->hold, j->abandoned ? " abandoned" : "");
}

static void print_world(const world *w) {
  const model *m = &w->m;
  int from = w->nlines > WORLD_LINES ? w->nlines - WORLD_LINES : 0;

  for (int i = from; i < w->nlines; i++)
    fprintf(stderr, "  %s\n", w->lines[i % WORLD_LINES]);
  fprintf(stderr, "mismatch at step %d: %s\n", w->step, w->fault);
  fprintf(stderr, "transitions of the step, library:");
  for (int i = w->nseen > 60 ? w->nseen - 60 : 0; i < w->nseen; i++)
    fprintf(stderr, " %d:%s>%s", w->seen[i].job->number,
            jobsrv_state_name((jobsrv_state_t) w->seen[i].from),
            jobsrv_state_name((jobsrv_state_t) w->seen[i].to));
  fprintf(stderr, "\ntransitions of the step, model:");
  for (int i = m->ntrail > 60 ? m->ntrail - 60 : 0; i < m->ntrail; i++)
    fprintf(stderr, " %d:%s>%s", m->trail[i].job->number,
            jobsrv_state_name((jobsrv_state_t) m->trail[i].from),
            jobsrv_state_name((jobsrv_state_t) m->trail[i].to));
  fprintf(stderr, "\n  passed over:");
  for (int i = JOBSRV_PRIORITY_LOW; i < JOBSRV_PRIORITY_CRITICAL; i++)
    fprintf(stderr, " %s %u..%u", jobsrv_priority_name(i), m->passed[i],
            m->waited[i]);
  fprintf(stderr, "\n");
  for (int i = m->first; i < m->njobs; i++)
    if (m->jobs[i].known)
      print_job(&m->jobs[i]);
}

static void print_options(const world *w) {
  const moptions *o = &w->m.options;

  fprintf(stderr, "server: max_jobs=%u max_queued=%u max_running=%u "
          "max_retained=%u,%u,%u,%u queue=%d timeout=%d deadline=%d silence=%d "
          "grace=%d retain=%d,%d,%d\n", o->max_jobs, o->max_queued,
          o->max_running, o->max_retained, o->max_of[0], o->max_of[1],
          o->max_of[2], (int) o->queue, (int) o->timeout, (int) o->deadline,
          (int) o->silence, (int) o->grace, (int) o->retain,
          (int) o->retain_failed, (int) o->retain_cancelled);
  for (int i = 0; i < MODEL_OPS; i++) {
    const mop *p = &w->m.ops[i];

    fprintf(stderr, "%s: max_running=%u weight=%u priority=%d group=%d "
            "rate=%u/%d grace=%d on_drain=%d keeps_slot=%d "
            "not_cancellable=%d stop=%d stuck=%d refuses_retry=%d\n",
            model_ops[i], p->max_running, p->weight, p->priority, p->group,
            p->rate_count, (int) p->rate_ms, (int) p->grace, p->on_drain,
            p->keeps_slot, p->not_cancellable, p->has_stop, p->has_stuck,
            p->refuses_retry);
  }
}

static void report(world *w, uint64_t seed, uint64_t number, int features) {
  uint64_t own = mix(seed, number);
  int steps = w->step + 1;
  char *keep = malloc((size_t) steps);

  fprintf(stderr, "JOBSRV_MODEL_SEED=%llu, episode %llu:\n",
          (unsigned long long) seed, (unsigned long long) number);
  print_world(w);
  if (keep == NULL)
    return;
  memset(keep, 1, (size_t) steps);
  shrink(w, own, steps, features, keep);
  if (still_fails(w, own, steps, features, keep)) {
    fprintf(stderr, "\nwith as few steps as show it:\n");
    print_options(w);
    print_world(w);
  }
  free(keep);
}

static uint64_t number_of(const char *name, uint64_t otherwise) {
  const char *text = getenv(name);

  return text != NULL && text[0] != '\0' ? strtoull(text, NULL, 0)
                                         : otherwise;
}

int model_run(uint64_t steps) {
  uint64_t seed = number_of("JOBSRV_MODEL_SEED", (uint64_t) time(NULL));
  int features = (int) number_of("JOBSRV_MODEL_FEATURES", MODEL_FEATURES);
  uint64_t number = number_of("JOBSRV_MODEL_EPISODE", 0), taken = 0;
  uint64_t ambiguous = 0, first = number;
  world *w = calloc(1, sizeof(*w));
  int failed = 0;

  steps = number_of("JOBSRV_MODEL_STEPS", steps);
  printf("JOBSRV_MODEL_SEED=%llu JOBSRV_MODEL_STEPS=%llu\n",
         (unsigned long long) seed, (unsigned long long) steps);
  fflush(stdout);
  for (; w != NULL && taken < steps && !failed; number++) {
    taken += (uint64_t) episode(w, mix(seed, number), EPISODE, features, NULL);
    failed = w->fault[0] != '\0';
    ambiguous += w->m.ambiguous && !failed;
  }
  if (failed)
    report(w, seed, number - 1, features);
  printf("%llu steps in %llu episodes, %llu left where either was right\n",
         (unsigned long long) taken, (unsigned long long) (number - first),
         (unsigned long long) ambiguous);
  if (w != NULL)
    world_free_jobs(w);
  free(w);
  return failed || taken < steps;
}
