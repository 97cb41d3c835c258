/* SPDX-License-Identifier: MIT */

#include "narration/pem.h"

#include <string.h>

#define BEGIN "-----BEGIN "
#define END "-----END "

enum {
  MAX_LABEL = 80,
  FULL = 32,       /* base64 at the end of a line that has more behind it */
  CHECKSUM = 5,    /* of OpenPGP: a line of its own behind the last */
  MAX_HEADERS = 16
};

/* Where a block is. From HEADERS on: so many have been seen. */
enum { NONE, BODY, TAIL, HEADERS };

static int has(const char *text, size_t len, size_t at, const char *what) {
  size_t n = strlen(what);

  return len - at >= n && memcmp(text + at, what, n) == 0;
}

static int is_label(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ' ';
}

/* The length of `-----BEGIN ... PRIVATE KEY...-----`, 0 if it is none. */
static size_t head_len(const char *text, size_t len, size_t at) {
  size_t end = at + sizeof(BEGIN) - 1;
  int secret = 0;

  if (!has(text, len, at, BEGIN))
    return 0;
  while (end < len && end - at < MAX_LABEL && is_label(text[end])) {
    secret |= has(text, len, end, "PRIVATE KEY");
    end++;
  }
  return secret && has(text, len, end, "-----") ? end + 5 - at : 0;
}

size_t jobsrv__pem_end(const char *text, size_t len, size_t at, int *open) {
  size_t head = head_len(text, len, at);
  size_t end = at + head;
  const char *dash;

  *open = 0;
  if (head == 0)
    return 0;
  while ((dash = memchr(text + end, '-', len - end)) != NULL) {
    end = (size_t) (dash - text);
    if (has(text, len, end, END)) {
      end += sizeof(END) - 1;
      while (end < len && text[end] != '-' && text[end] != '\n')
        end++;
      while (end < len && text[end] == '-')
        end++;
      return end;
    }
    end++;
  }
  *open = 1;
  return len;
}

/* ---- over several events ---- */

/* 1 if the text ends inside of a block. */
static int leaves_open(const char *text) {
  const char *at = strstr(text, BEGIN);
  size_t len = at != NULL ? strlen(text) : 0;
  int open = 0;

  while (at != NULL && !open) {
    size_t from = (size_t) (at - text);
    size_t end = jobsrv__pem_end(text, len, from, &open);

    at = strstr(text + (end > from ? end : from + 1), BEGIN);
  }
  return open;
}

static uint32_t add(uint32_t hash, const char *text) {
  for (; text != NULL && *text != '\0'; text++)
    hash = (hash ^ (unsigned char) *text) * 16777619u;
  return (hash ^ 0xff) * 16777619u;
}

static uint32_t source_of(const jobsrv_event_t *event) {
  return add(add(2166136261u, event->actor), event->action);
}

static int is_base64(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         (c >= '0' && c <= '9') || c == '+' || c == '/' || c == '=';
}

static int is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* How much base64 the text ends with, blanks aside; `*first` is its first. */
static size_t base64_end(const char *text, size_t *rest, char *first) {
  size_t len = strlen(text);
  size_t at;

  while (len > 0 && is_blank(text[len - 1]))
    len--;
  for (at = len; at > 0 && is_base64(text[at - 1]);)
    at--;
  *rest = at;
  *first = at < len ? text[at] : '\0';
  return len - at;
}

/* The stage behind a line that comes in `stage`; NONE: it is none of the key's,
   unless it is the end, which sets `*hide` all the same. */
static unsigned int next_stage(unsigned int stage, const char *text,
                               int *hide) {
  char first;
  size_t rest;
  size_t n = base64_end(text, &rest, &first);

  *hide = 1;
  if (strstr(text, END) != NULL)
    return NONE;
  if (n >= FULL)
    return BODY;
  if (stage >= HEADERS && stage < HEADERS + MAX_HEADERS &&
      (n + rest == 0 || strchr(text, ':') != NULL))
    return stage + 1;
  if (stage != TAIL || (n == CHECKSUM && first == '='))
    return TAIL;
  *hide = 0;
  return NONE;
}

int jobsrv__pem_follow(jobsrv__pem_t *pem, const jobsrv_event_t *event) {
  const char *begin, *end;
  uint32_t source;
  int hide = 0;
  int i, slot = -1;

  if (event->human == NULL ||
      (pem->stage[0] == NONE && pem->stage[1] == NONE &&
       strstr(event->human, BEGIN) == NULL))
    return 0;
  source = source_of(event);
  for (i = 0; i < JOBSRV__PEM_SOURCES; i++)
    if (pem->stage[i] != NONE && pem->source[i] == source)
      slot = i;
  if (slot >= 0) {
    begin = strstr(event->human, BEGIN);
    end = strstr(event->human, END);
    if (begin == NULL)
      pem->stage[slot] = (uint8_t) next_stage(pem->stage[slot], event->human,
                                              &hide);
    else
      pem->stage[slot] = NONE; /* another one begins */
    if (begin != NULL && end != NULL && end < begin)
      hide = 1;
  }
  if (leaves_open(event->human)) {
    slot = pem->stage[0] == NONE || pem->stage[1] != NONE ? 0 : 1;
    pem->source[slot] = source;
    pem->stage[slot] = HEADERS;
  }
  return hide;
}
