/* SPDX-License-Identifier: MIT */

#include "core/rate.h"

#include "core/limits.h"

void jobsrv__rate_init(jobsrv__rate_t *rate, const jobsrv_rate_t *def) {
  *rate = (jobsrv__rate_t) {
    .period_ns = jobsrv__ns_of(def->per_ms != 0 ? def->per_ms : 1000),
    .count = def->count,
    .tokens = def->count,
  };
}

/* How far into a period its n-th token is; n <= count, so nothing overflows. */
static uint64_t at(const jobsrv__rate_t *rate, uint64_t n) {
  uint64_t whole = rate->period_ns / rate->count;
  uint64_t rest = rate->period_ns % rate->count * n;

  return whole * n + rest / rate->count + (rest % rate->count != 0);
}

/* How many a period has brought by then, which is before its end. */
static uint32_t made_by(const jobsrv__rate_t *rate, uint64_t ns) {
  uint32_t low = rate->made, high = rate->count - 1, middle;

  if (low >= high || at(rate, low + 1) > ns)
    return low;
  while (low < high) {
    middle = high - (high - low) / 2;
    if (at(rate, middle) <= ns)
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}

static void add(jobsrv__rate_t *rate, uint32_t n) {
  rate->tokens = n < rate->count - rate->tokens ? rate->tokens + n
                                                : rate->count;
}

uint32_t jobsrv__rate_tokens(jobsrv__rate_t *rate, uint64_t now) {
  uint64_t elapsed = now - rate->base_ns;
  uint32_t made;

  if (rate->count == 0)
    return UINT32_MAX;
  if (rate->tokens == rate->count || now < rate->base_ns)
    return rate->tokens;
  if (elapsed / rate->period_ns >= 2) {
    rate->tokens = rate->count;
    return rate->tokens;
  }
  if (elapsed >= rate->period_ns) {
    add(rate, rate->count - rate->made);
    rate->base_ns += rate->period_ns;
    rate->made = 0;
    elapsed -= rate->period_ns;
  }
  made = made_by(rate, elapsed);
  add(rate, made - rate->made);
  rate->made = made;
  return rate->tokens;
}

void jobsrv__rate_take(jobsrv__rate_t *rate, uint64_t now) {
  if (rate->count == 0)
    return;
  if (rate->tokens == rate->count) { /* it begins to fill only now */
    rate->base_ns = now;
    rate->made = 0;
  }
  rate->tokens--;
}

uint64_t jobsrv__rate_next(const jobsrv__rate_t *rate) {
  return jobsrv__later(rate->base_ns, at(rate, rate->made + UINT64_C(1)));
}
