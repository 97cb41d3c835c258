/* SPDX-License-Identifier: MIT */

#include "base/siphash.h"

typedef struct {
  uint64_t v0, v1, v2, v3;
} state_t;

static uint64_t rotl(uint64_t x, int bits) {
  return x << bits | x >> (64 - bits);
}

static void rounds(state_t *s, int n) {
  while (n-- > 0) {
    s->v0 += s->v1;
    s->v1 = rotl(s->v1, 13) ^ s->v0;
    s->v0 = rotl(s->v0, 32);
    s->v2 += s->v3;
    s->v3 = rotl(s->v3, 16) ^ s->v2;
    s->v0 += s->v3;
    s->v3 = rotl(s->v3, 21) ^ s->v0;
    s->v2 += s->v1;
    s->v1 = rotl(s->v1, 17) ^ s->v2;
    s->v2 = rotl(s->v2, 32);
  }
}

static uint64_t load(const unsigned char *p, size_t n) {
  uint64_t x = 0;

  while (n > 0) {
    n--;
    x = x << 8 | p[n];
  }
  return x;
}

static void store(unsigned char *to, uint64_t x) {
  for (int i = 0; i < 8; i++)
    to[i] = (unsigned char) (x >> 8 * i);
}

static void take(state_t *s, uint64_t word) {
  s->v3 ^= word;
  rounds(s, 2);
  s->v0 ^= word;
}

void jobsrv__siphash(unsigned char to[JOBSRV__SIPHASH_SIZE],
                     const unsigned char key[JOBSRV__SIPHASH_KEY],
                     const void *data,
                     size_t len) {
  const unsigned char *p = data;
  uint64_t k0 = load(key, 8);
  uint64_t k1 = load(key + 8, 8);
  uint64_t last = (uint64_t) len << 56;
  state_t s = {
    k0 ^ UINT64_C(0x736f6d6570736575),
    k1 ^ UINT64_C(0x646f72616e646f6d) ^ 0xee,
    k0 ^ UINT64_C(0x6c7967656e657261),
    k1 ^ UINT64_C(0x7465646279746573),
  };

  for (; len >= 8; len -= 8, p += 8)
    take(&s, load(p, 8));
  take(&s, last | load(p, len));
  s.v2 ^= 0xee;
  rounds(&s, 4);
  store(to, s.v0 ^ s.v1 ^ s.v2 ^ s.v3);
  s.v1 ^= 0xdd;
  rounds(&s, 4);
  store(to + 8, s.v0 ^ s.v1 ^ s.v2 ^ s.v3);
}
