/* SPDX-License-Identifier: MIT */

#include "template.h"

#include "settings.h"

#include <stdlib.h>
#include <string.h>

static jobsrvd_piece_t *add_piece(jobsrvd_template_t *tmpl) {
  jobsrvd_piece_t *pieces =
      jobsrvd_must_alloc(tmpl->count + 1, sizeof(*pieces));

  if (tmpl->count > 0)
    memcpy(pieces, tmpl->pieces, tmpl->count * sizeof(*pieces));
  free(tmpl->pieces);
  tmpl->pieces = pieces;
  return &pieces[tmpl->count++];
}

static void add_text(jobsrvd_template_t *tmpl,
                     const char *text,
                     size_t len) {
  if (len > 0)
    add_piece(tmpl)->text = jobsrvd_must_copy(text, len);
}

/* `name` is what stands between the braces. */
static int add_member(jobsrvd_template_t *tmpl,
                      const char *name,
                      size_t len,
                      jobsrvd_member_t *members,
                      size_t n_members,
                      const jobsrvd_place_t *place) {
  for (size_t i = 0; i < n_members; i++)
    if (strlen(members[i].name) == len &&
        memcmp(members[i].name, name, len) == 0) {
      members[i].used = 1;
      add_piece(tmpl)->member = i;
      return 0;
    }
  if (len == 0)
    return jobsrvd_place_error(place, "expected a name in \"${}\"");
  return jobsrvd_place_error(
      place, "\"${%.*s}\" is not declared in \"members\"",
      (int) (len < 64 ? len : 64), name);
}

int jobsrvd_template_parse(jobsrvd_template_t *tmpl,
                           const char *text,
                           jobsrvd_member_t *members,
                           size_t n_members,
                           const jobsrvd_place_t *place) {
  const char *from = text;
  const char *end;
  char *at;

  while ((at = strstr(text, "${")) != NULL) {
    if (at > from && at[-1] == '$') {
      /* "$${": what is before, then the two characters as they are. */
      add_text(tmpl, from, (size_t) (at - 1 - from));
      add_text(tmpl, at, 2);
      from = text = at + 2;
      continue;
    }
    end = strchr(at, '}');
    if (end == NULL)
      return jobsrvd_place_error(place, "expected '}' after \"${\"");
    add_text(tmpl, from, (size_t) (at - from));
    if (add_member(tmpl, at + 2, (size_t) (end - at - 2), members,
                   n_members, place) != 0)
      return -1;
    from = text = end + 1;
  }
  add_text(tmpl, from, strlen(from));
  return 0;
}

void jobsrvd_template_free(jobsrvd_template_t *tmpl) {
  for (size_t i = 0; i < tmpl->count; i++)
    free(tmpl->pieces[i].text);
  free(tmpl->pieces);
}

int jobsrvd_template_varies(const jobsrvd_template_t *tmpl) {
  for (size_t i = 0; i < tmpl->count; i++)
    if (tmpl->pieces[i].text == NULL)
      return 1;
  return 0;
}

static const char *text_of(const jobsrvd_piece_t *piece, char *const *values) {
  return piece->text != NULL ? piece->text : values[piece->member];
}

char *jobsrvd_template_expand(const jobsrvd_template_t *tmpl,
                              char *const *values) {
  size_t len = 0, n;
  char *argument;

  for (size_t i = 0; i < tmpl->count; i++)
    len += strlen(text_of(&tmpl->pieces[i], values));
  argument = malloc(len + 1);
  if (argument == NULL)
    return NULL;
  len = 0;
  for (size_t i = 0; i < tmpl->count; i++) {
    n = strlen(text_of(&tmpl->pieces[i], values));
    memcpy(argument + len, text_of(&tmpl->pieces[i], values), n);
    len += n;
  }
  argument[len] = '\0';
  return argument;
}
