/* SPDX-License-Identifier: MIT */

/*
 * Sequences of calls against the model of test/core/model.h, each step two
 * bytes: what is compared after each of them is what core/model-test compares,
 * but which steps are taken is the fuzzer's choice.
 */

#include "fuzz.h"

#include "core/model-world.h"

enum { STEPS = 200 };

static world *w;

static unsigned int two_bytes(fuzz_t *in) {
  unsigned int high = fuzz_byte(in);

  return high << 8 | fuzz_byte(in);
}

static void report(void) {
  int from = w->nlines > WORLD_LINES ? w->nlines - WORLD_LINES : 0;

  for (int i = from; i < w->nlines; i++)
    fprintf(stderr, "  %s\n", w->lines[i % WORLD_LINES]);
  fprintf(stderr, "mismatch at step %d: %s\n", w->step, w->fault);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_t in = { data, size };
  unsigned int seed = two_bytes(&in);
  unsigned int features = fuzz_byte(&in) << 16;

  features |= two_bytes(&in);
  if (w == NULL)
    w = calloc(1, sizeof(*w));
  fuzz_check(w != NULL);
  fuzz_check(world_open(w, seed, (int) (~features & MODEL_ALL)) == 0);
  for (int i = 0; i < STEPS && in.n > 0; i++) {
    w->step = i;
    world_step(w, two_bytes(&in));
    if (w->fault[0] != '\0' || w->m.ambiguous || w->m.drained)
      break;
  }
  if (w->fault[0] == '\0' && !w->m.ambiguous) {
    world_settle(w);
    w->m.ntrail = w->nseen = 0;
  }
  if (w->fault[0] == '\0')
    world_close(w);
  if (w->fault[0] != '\0')
    report();
  fuzz_check(w->fault[0] == '\0');
  return 0;
}
