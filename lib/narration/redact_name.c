/* SPDX-License-Identifier: MIT */

/* Names of secrets, and words that are none. */

#include "narration/redact_find.h"

#include <string.h>

enum { MAX_PROSE = 12 }; /* longest of the words that follow in prose */

size_t jobsrv__redact_plain(char to[JOBSRV__REDACT_NAME],
                            const char *name,
                            size_t len) {
  char back[JOBSRV__REDACT_NAME];
  size_t n = 0;

  while (len > 0 && n < sizeof(back)) {
    char c = name[--len];

    if (c == '-' || c == '_')
      continue;
    back[n++] = c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
  }
  for (size_t i = 0; i < n; i++)
    to[i] = back[n - 1 - i];
  return n;
}

const jobsrv__redact_name_t *
jobsrv__redact_name(const jobsrv_redactor_t *redactor,
                    const char *plain,
                    size_t len) {
  for (size_t i = 0; i < redactor->nnames; i++) {
    const jobsrv__redact_name_t *name = &redactor->names[i];

    if (name->len <= len && name->plain[name->len - 1] == plain[len - 1] &&
        memcmp(name->plain, plain + len - name->len, name->len) == 0)
      return name;
  }
  return NULL;
}

int jobsrv__redact_prose(const char *text, size_t len) {
  static const char words[] =
      " a an and are argument arguments as at be but by can cannot "
      "could did does flag flags for from given had has have if in "
      "instead into is it may missing must need needed needs neither "
      "nor not of on option options or parameter parameters required "
      "requires set should switch takes than that the then to "
      "together unless via was were when which will with without "
      "would ";
  char word[MAX_PROSE + 3] = " ";

  while (len > 0 && strchr(".,;:!?)", text[len - 1]) != NULL)
    len--;
  if (len == 0 || len > MAX_PROSE)
    return 0;
  for (size_t i = 0; i < len; i++)
    if (text[i] < 'a' || text[i] > 'z')
      return 0;
  memcpy(word + 1, text, len);
  word[len + 1] = ' ';
  return strstr(words, word) != NULL;
}
