/* SPDX-License-Identifier: MIT */

#include "jobsrv/redact.h"

#include "base/alloc.h"
#include "base/options.h"
#include "narration/redact_find.h"

#include <uv.h>

enum {
  ALL = JOBSRV_REDACT_BEARER | JOBSRV_REDACT_NAMED | JOBSRV_REDACT_JWT |
        JOBSRV_REDACT_PEM | JOBSRV_REDACT_URL | JOBSRV_REDACT_VENDOR,
  KNOWN = ALL | JOBSRV_REDACT_UUID | JOBSRV_REDACT_NOTHING,
  MAX_NAMES = 64,
  MAX_PATTERNS = 32
};

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "abcdefghijklmnopqrstuvwxyz0123456789_-";

static const struct {
  const char *plain;
  jobsrv__until_t until;
} known_names[] = {
  { "password", JOBSRV__UNTIL_DELIMITER },
  { "passwd", JOBSRV__UNTIL_DELIMITER },
  { "passphrase", JOBSRV__UNTIL_DELIMITER },
  { "secret", JOBSRV__UNTIL_DELIMITER },
  { "token", JOBSRV__UNTIL_DELIMITER },
  { "apikey", JOBSRV__UNTIL_DELIMITER },
  { "accesskey", JOBSRV__UNTIL_DELIMITER },
  { "secretkey", JOBSRV__UNTIL_DELIMITER },
  { "privatekey", JOBSRV__UNTIL_DELIMITER },
  { "authkey", JOBSRV__UNTIL_DELIMITER },
  { "signingkey", JOBSRV__UNTIL_DELIMITER },
  { "encryptionkey", JOBSRV__UNTIL_DELIMITER },
  { "masterkey", JOBSRV__UNTIL_DELIMITER },
  { "sharedkey", JOBSRV__UNTIL_DELIMITER },
  { "credential", JOBSRV__UNTIL_DELIMITER },
  { "credentials", JOBSRV__UNTIL_DELIMITER },
  { "authorization", JOBSRV__UNTIL_CREDENTIALS },
  { "cookie", JOBSRV__UNTIL_LINE },
};

static const jobsrv_redact_pattern_t vendors[] = {
  { "AKIA", NULL, 16 },        { "ASIA", NULL, 16 },
  { "ghp_", NULL, 20 },        { "gho_", NULL, 20 },
  { "ghu_", NULL, 20 },        { "ghs_", NULL, 20 },
  { "ghr_", NULL, 20 },        { "github_pat_", NULL, 20 },
  { "glpat-", NULL, 16 },      { "xoxb-", NULL, 10 },
  { "xoxp-", NULL, 10 },       { "xoxa-", NULL, 10 },
  { "sk_live_", NULL, 16 },    { "rk_live_", NULL, 16 },
  { "sk-", NULL, 20 },         { "hf_", NULL, 30 },
  { "npm_", NULL, 30 },
};

/* The rarer in text, the higher. */
static int rarity(char c) {
  static const char common[] = "etaoinshrdlucmwfgypbvkjxqz";
  const char *at = c != '\0' ? strchr(common, c) : NULL;

  if (at != NULL)
    return (int) (at - common);
  return c >= 'A' && c <= 'Z' ? 30 : 40;
}

/* The bytes that the name, as somebody writes it, may end in. */
static void name_ends_set(jobsrv_redactor_t *redactor, char last) {
  redactor->name_ends[(unsigned char) last] = 1;
  if (last >= 'a' && last <= 'z')
    redactor->name_ends[(unsigned char) (last - 'a' + 'A')] = 1;
  redactor->name_ends['-'] = 1;
  redactor->name_ends['_'] = 1;
}

static int name_add(jobsrv_redactor_t *redactor,
                    const char *name,
                    uint8_t until) {
  jobsrv__redact_name_t *to = &redactor->names[redactor->nnames];
  size_t len = strlen(name);

  if (len == 0 || len > JOBSRV__REDACT_NAME || strspn(name, letters) != len)
    return UV_EINVAL;
  to->len = (uint8_t) jobsrv__redact_plain(to->plain, name, len);
  if (to->len == 0)
    return UV_EINVAL;
  to->until = until;
  name_ends_set(redactor, to->plain[to->len - 1]);
  redactor->nnames++;
  return 0;
}

static int pattern_add(jobsrv_redactor_t *redactor,
                       const jobsrv_redact_pattern_t *from) {
  jobsrv__redact_prefix_t *to = &redactor->patterns[redactor->npatterns];
  const char *chars = from->chars != NULL ? from->chars : letters;
  size_t len = from->prefix != NULL ? strlen(from->prefix) : 0;
  unsigned char sign;

  if (len == 0 || len > sizeof(to->text) ||
      from->min > JOBSRV__REDACT_PATTERN_MIN)
    return UV_EINVAL;
  memcpy(to->text, from->prefix, len);
  to->len = (uint8_t) len;
  to->min = from->min > 0 ? (uint32_t) from->min : 1;
  for (size_t i = 1; i < len; i++)
    if (rarity(to->text[i]) > rarity(to->text[to->sign]))
      to->sign = (uint8_t) i;
  for (; *chars != '\0'; chars++) {
    unsigned char byte = (unsigned char) *chars;

    to->chars[byte / 32] |= 1u << (byte % 32);
  }
  sign = (unsigned char) to->text[to->sign];
  redactor->signs[sign] |= JOBSRV__SIGN_PATTERN;
  redactor->next_pattern[redactor->npatterns] = redactor->pattern_at[sign];
  redactor->pattern_at[sign] = (uint8_t) ++redactor->npatterns;
  return 0;
}

static void signs_set(jobsrv_redactor_t *redactor) {
  unsigned int classes = redactor->classes;
  uint8_t *signs = redactor->signs;

  if (redactor->nnames > 0)
    signs['='] |= JOBSRV__SIGN_VALUE;
  if (redactor->nnames > 0 || (classes & JOBSRV_REDACT_URL))
    signs[':'] |= JOBSRV__SIGN_VALUE;
  if (classes & JOBSRV_REDACT_BEARER) {
    signs['b'] |= JOBSRV__SIGN_BEARER;
    signs['B'] |= JOBSRV__SIGN_BEARER;
  }
  if (classes & JOBSRV_REDACT_JWT)
    signs['J'] |= JOBSRV__SIGN_JWT;
  if (redactor->nnames > 0 ||
      (classes & (JOBSRV_REDACT_PEM | JOBSRV_REDACT_UUID)))
    signs['-'] |= JOBSRV__SIGN_DASH;
}

static int fill(jobsrv_redactor_t *redactor,
                const jobsrv_redact_options_t *options) {
  const char *replacement =
      options->replacement != NULL ? options->replacement : "[REDACTED]";
  int err = 0;

  redactor->classes = options->classes != 0 ? options->classes : ALL;
  redactor->replacement_len = strlen(replacement);
  if ((redactor->classes & ~(unsigned int) KNOWN) != 0 ||
      redactor->replacement_len == 0 ||
      redactor->replacement_len > JOBSRV__REDACT_REPLACEMENT ||
      options->nnames > MAX_NAMES || options->npatterns > MAX_PATTERNS)
    return UV_EINVAL;
  memcpy(redactor->replacement, replacement, redactor->replacement_len + 1);

  if (redactor->classes & JOBSRV_REDACT_NAMED)
    for (size_t i = 0; i < sizeof(known_names) / sizeof(known_names[0]); i++)
      (void) name_add(redactor, known_names[i].plain,
                      (uint8_t) known_names[i].until);
  for (size_t i = 0; err == 0 && i < options->nnames; i++)
    err = name_add(redactor, options->names[i], JOBSRV__UNTIL_DELIMITER);
  if (redactor->classes & JOBSRV_REDACT_VENDOR)
    for (size_t i = 0; i < sizeof(vendors) / sizeof(vendors[0]); i++)
      (void) pattern_add(redactor, &vendors[i]);
  for (size_t i = 0; err == 0 && i < options->npatterns; i++)
    err = pattern_add(redactor, &options->patterns[i]);
  signs_set(redactor);
  return err;
}

int jobsrv_redactor_new(jobsrv_redactor_t **out,
                        const jobsrv_alloc_t *alloc,
                        const jobsrv_redact_options_t *options) {
  jobsrv_redact_options_t mine;
  jobsrv_redactor_t *redactor;
  int err = 0;

  jobsrv_redact_options_init(&mine);
  if (options != NULL)
    err = jobsrv__options_read(&mine, sizeof(mine), sizeof(mine), options);
  if (err != 0)
    return err;
  alloc = jobsrv__alloc(alloc);
  redactor = jobsrv__zalloc(alloc, sizeof(*redactor));
  if (redactor == NULL)
    return UV_ENOMEM;
  redactor->alloc = *alloc;
  atomic_init(&redactor->refs, 1);
  err = fill(redactor, &mine);
  if (err != 0) {
    jobsrv__free(alloc, redactor);
    return err;
  }
  *out = redactor;
  return 0;
}

jobsrv_redactor_t *jobsrv_redactor_ref(jobsrv_redactor_t *redactor) {
  atomic_fetch_add_explicit(&redactor->refs, 1, memory_order_relaxed);
  return redactor;
}

void jobsrv_redactor_unref(jobsrv_redactor_t *redactor) {
  jobsrv_alloc_t alloc = redactor->alloc;

  if (atomic_fetch_sub_explicit(&redactor->refs, 1, memory_order_acq_rel) == 1)
    jobsrv__free(&alloc, redactor);
}

/* Copies what fits; returns how long it would be. */
static size_t put(char *to, size_t cap, size_t at, const char *text, size_t n) {
  if (at < cap)
    memcpy(to + at, text, n < cap - at ? n : cap - at);
  return at + n;
}

size_t jobsrv_redact(const jobsrv_redactor_t *redactor,
                     const char *text,
                     size_t len,
                     char *to,
                     size_t cap) {
  size_t from = 0;
  size_t at = 0;
  size_t start, end;

  while (jobsrv__redact_find(redactor, text, len, from, &start, &end)) {
    at = put(to, cap, at, text + from, start - from);
    at = put(to, cap, at, redactor->replacement, redactor->replacement_len);
    from = end;
  }
  return put(to, cap, at, text + from, len - from);
}

int jobsrv_redacts(const jobsrv_redactor_t *redactor,
                   const char *text,
                   size_t len) {
  size_t start, end;

  return jobsrv__redact_find(redactor, text, len, 0, &start, &end);
}

int jobsrv_redacts_name(const jobsrv_redactor_t *redactor,
                        const char *name,
                        size_t len) {
  char plain[JOBSRV__REDACT_NAME];
  size_t n = jobsrv__redact_plain(plain, name, len);

  return n > 0 && jobsrv__redact_name(redactor, plain, n) != NULL;
}

const char *jobsrv_redactor_replacement(const jobsrv_redactor_t *redactor) {
  return redactor->replacement;
}
