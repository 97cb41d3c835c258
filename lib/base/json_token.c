/* SPDX-License-Identifier: MIT */

#include "base/json_token.h"

#include "base/utf8.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The smallest number that rounds to infinity: 2^1024 - 2^970. */
static const char too_large[] =
    "179769313486231580793728971405303415079934132710037826936173"
    "778980444968292764750946649017977587207096330286416692887910"
    "946555547851940402630657488671505820681908902000708383676273"
    "854845817711531764475730270069855571366959622842914819860834"
    "936475292719074168444365510704342711559699508093042880177904"
    "174497792";

static const char *wrong(const char **p, const char *at, const char *message) {
  *p = at;
  return message;
}

/* Skips what needs no look inside a string, eight bytes at a time. */
static const char *skip_plain(const char *p, const char *end) {
  const uint64_t ones = UINT64_C(0x0101010101010101);
  uint64_t word, quote, slash;

  while (end - p >= 8) {
    memcpy(&word, p, 8);
    quote = word ^ ones * '"';
    slash = word ^ ones * '\\';
    /* A byte's top bit: it is below a space, a quote, a backslash or not
     * ASCII. A borrow can only mark too much, behind a byte that is marked. */
    if (((word - ones * 0x20) | (quote - ones) | (slash - ones) | word) &
        ones * 0x80)
      break;
    p += 8;
  }
  return p;
}

/* Four hex digits at `p`, or -1. */
static long read_hex4(const char *p) {
  long value = 0;
  int i;

  for (i = 0; i < 4; i++) {
    value <<= 4;
    if (p[i] >= '0' && p[i] <= '9')
      value += p[i] - '0';
    else if ((p[i] | 0x20) >= 'a' && (p[i] | 0x20) <= 'f')
      value += (p[i] | 0x20) - 'a' + 10;
    else
      return -1;
  }
  return value;
}

/* An escape at `*p`. A text that ends in one is left to the caller, who then
 * sees a string without an end. */
static const char *take_escape(const char **p, const char *end) {
  const char *at = *p;
  long high, low = -1;

  *p = end;
  if (end - at < 2 || (at[1] == 'u' && end - at < 6))
    return NULL;
  if (at[1] != 'u') {
    if (at[1] == '\0' || strchr("\"\\/bfnrt", at[1]) == NULL)
      return wrong(p, at, "invalid escape");
    *p = at + 2;
    return NULL;
  }

  high = read_hex4(at + 2);
  if (high < 0)
    return wrong(p, at, "expected four hex digits after \\u");
  *p = at + 6;
  if (high < 0xd800 || high > 0xdfff)
    return NULL;
  if (end - at >= 12 && at[6] == '\\' && at[7] == 'u')
    low = read_hex4(at + 8);
  if (high > 0xdbff || low < 0xdc00 || low > 0xdfff)
    return wrong(p, at, "lone surrogate");
  *p = at + 12;
  return NULL;
}

static const char *control_message(char c) {
  if (c == '\n' || c == '\r')
    return "line break in a string";
  return c == '\t' ? "tab in a string" : "control character in a string";
}

const char *jobsrv__json_token_string(const char **p, const char *end) {
  const char *open = *p;
  const char *at = open + 1;
  const char *message;
  uint32_t cp;
  size_t n;
  int bad;

  for (;;) {
    at = skip_plain(at, end);
    if (at == end)
      return wrong(p, open, "unterminated string");
    if (*at == '"')
      break;
    if (*at == '\\') {
      message = take_escape(&at, end);
      if (message != NULL)
        return wrong(p, at, message);
      continue;
    }
    if ((unsigned char) *at < 0x20)
      return wrong(p, at, control_message(*at));
    n = jobsrv__utf8_next(at, (size_t) (end - at), &cp, &bad);
    if (bad)
      return wrong(p, at, "invalid UTF-8");
    at += n;
  }
  *p = at + 1;
  return NULL;
}

static const char *skip_digits(const char *p, const char *end) {
  while (p < end && *p >= '0' && *p <= '9')
    p++;
  return p;
}

static int is_beyond_64_bits(const char *digits, size_t len, int negative) {
  const char *most = negative ? "9223372036854775808" : "18446744073709551615";
  size_t most_len = strlen(most);

  return len > most_len || (len == most_len && memcmp(digits, most, len) > 0);
}

/*
 * Whether a real number rounds to infinity: `p` is its first digit, `exponent`
 * what stands behind the e. Told from its digits: strtod() wants a NUL and
 * the host's locale.
 */
static int is_infinite(const char *p, const char *end, int64_t exponent) {
  const char *first = NULL;
  int64_t magnitude = exponent - 1;
  int point = 0;
  size_t i;

  for (; p < end && (*p == '.' || (*p >= '0' && *p <= '9')); p++) {
    if (*p == '.') {
      point = 1;
      continue;
    }
    if (first == NULL && *p != '0')
      first = p;
    if (!point && first != NULL)
      magnitude++;
    if (point && first == NULL)
      magnitude--;
  }
  if (first == NULL || magnitude != 308)
    return first != NULL && magnitude > 308;

  for (i = 0; i < sizeof(too_large) - 1 && first < p; first++) {
    if (*first == '.')
      continue;
    if (*first != too_large[i])
      return *first > too_large[i];
    i++;
  }
  return i == sizeof(too_large) - 1;
}

/* The digits behind an e with its sign; far beyond any use it stops growing. */
static const char *take_exponent(const char *p,
                                 const char *end,
                                 int64_t *exponent) {
  int less = p < end && *p == '-';
  int64_t value = 0;

  p += less || (p < end && *p == '+');
  for (; p < end && *p >= '0' && *p <= '9'; p++)
    if (value < INT64_MAX / 100)
      value = value * 10 + (*p - '0');
  *exponent = less ? -value : value;
  return p;
}

const char *jobsrv__json_token_number(const char **p, const char *end) {
  const char *start = *p;
  const char *digits = start + (*start == '-');
  const char *at = skip_digits(digits, end);
  const char *from;
  int64_t exponent = 0;
  int real = 0;

  if (at == digits)
    return wrong(p, at, "expected a digit");
  if (*digits == '0' && at - digits > 1)
    return wrong(p, digits, "a number may not begin with 0");

  if (at < end && *at == '.') {
    real = 1;
    from = at + 1;
    at = skip_digits(from, end);
    if (at == from)
      return wrong(p, at, "expected a digit after '.'");
  }
  if (at < end && (*at == 'e' || *at == 'E')) {
    real = 1;
    at = take_exponent(at + 1, end, &exponent);
    if (at[-1] < '0' || at[-1] > '9')
      return wrong(p, at, "expected a digit in the exponent");
  }

  if (!real && is_beyond_64_bits(digits, (size_t) (at - digits), *start == '-'))
    return wrong(p, start, "integer beyond 64 bits");
  if (real && is_infinite(digits, at, exponent))
    return wrong(p, start, "number beyond the range of a double");
  *p = at;
  return NULL;
}
