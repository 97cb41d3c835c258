/* SPDX-License-Identifier: MIT */

#include "jobsrv/testing.h"

#include <string.h>

/* SplitMix64: any seed will do, and each step is one of 2^64. */
static uint64_t next(jobsrv_seeded_random_t *random) {
  uint64_t bits = random->state += UINT64_C(0x9e3779b97f4a7c15);

  bits = (bits ^ bits >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  bits = (bits ^ bits >> 27) * UINT64_C(0x94d049bb133111eb);
  return bits ^ bits >> 31;
}

static void on_random(void *data, void *to, size_t len) {
  unsigned char *bytes = to;
  uint64_t bits = 0;

  for (size_t i = 0; i < len; i++, bits >>= 8) {
    if (i % 8 == 0)
      bits = next(data);
    bytes[i] = (unsigned char) (bits & 255);
  }
}

void jobsrv_seeded_random_init(jobsrv_seeded_random_t *random,
                               uint64_t seed,
                               jobsrv_options_t *options) {
  random->state = seed;
  options->random = on_random;
  options->random_data = random;
}
