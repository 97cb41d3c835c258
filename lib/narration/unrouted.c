/* SPDX-License-Identifier: MIT */

#include "narration/unrouted.h"

#include "base/alloc.h"
#include "jobsrv/json.h"
#include "narration/encode.h"

#include <stdlib.h>
#include <string.h>

#include <uv.h>

/* ---- places ---- */

/* A place is told by its end: that is where the name of the file is. */
static const char *tail(const char *file) {
  size_t len = strlen(file);

  return len < JOBSRV__SITE_FILE ? file
                                 : file + len - (JOBSRV__SITE_FILE - 1);
}

static int is_at(const jobsrv__unrouted_site_t *site,
                 int line,
                 const char *file,
                 const char *action) {
  return site->line == line && strcmp(site->file, file) == 0 &&
         strncmp(site->action, action, JOBSRV__SITE_ACTION - 1) == 0;
}

static void count(jobsrv__unrouted_t *table, const jobsrv_event_t *event) {
  const char *file = event->file != NULL ? tail(event->file) : "";
  jobsrv__unrouted_site_t *site;
  size_t len = strnlen(event->action, JOBSRV__SITE_ACTION - 1);

  for (size_t i = 0; i < table->n; i++)
    if (is_at(&table->sites[i], event->line, file, event->action)) {
      table->sites[i].count++;
      return;
    }
  if (table->n == JOBSRV__SITES) {
    table->others++;
    return;
  }
  site = &table->sites[table->n++];
  memset(site, 0, sizeof(*site));
  site->count = 1;
  site->line = event->line;
  memcpy(site->file, file, strlen(file) + 1);
  memcpy(site->action, event->action, len);
}

static int worse(const void *a, const void *b) {
  uint64_t x = ((const jobsrv__unrouted_site_t *) a)->count;
  uint64_t y = ((const jobsrv__unrouted_site_t *) b)->count;

  return (x < y) - (x > y);
}

size_t jobsrv_unrouted(const jobsrv_t *srv, jobsrv_unrouted_t *to, size_t cap) {
  jobsrv__narration_t *narration = srv->narration;
  jobsrv__unrouted_t *table;
  size_t n = 0;

  JOBSRV__ASSERT_LOOP(srv);
  table = narration != NULL ? narration->unrouted : NULL;
  if (table != NULL) {
    qsort(table->sites, table->n, sizeof(table->sites[0]), worse);
    for (; n < table->n; n++)
      if (n < cap)
        to[n] = (jobsrv_unrouted_t) {
          .file = table->sites[n].file,
          .line = table->sites[n].line,
          .action = table->sites[n].action,
          .count = table->sites[n].count,
        };
  }
  if (table == NULL || table->others == 0)
    return n;
  if (n < cap)
    to[n] = (jobsrv_unrouted_t) { .count = table->others };
  return n + 1;
}

/* ---- delivery ---- */

static void count_it(jobsrv_t *srv, const jobsrv_event_t *event) {
  jobsrv__narration_t *narration = srv->narration;

  srv->stats.unrouted++;
  if (narration->unrouted == NULL)
    narration->unrouted = jobsrv__zalloc(&srv->alloc,
                                         sizeof(*narration->unrouted));
  if (narration->unrouted != NULL)
    count(narration->unrouted, event);
}

/* On the loop. In memory of its own: a sink may be at another event now. */
static void deliver(jobsrv_t *srv, const jobsrv_event_t *event) {
  jobsrv__narration_t *narration = srv->narration;
  jobsrv_event_t mine = *event;
  jobsrv__buf_t buf;

  if (!jobsrv__sinks_hear(srv, event->level) ||
      !jobsrv__sinks_want(narration, event, NULL))
    return;
  jobsrv__buf_init(&buf, &srv->alloc, 0);
  (void) jobsrv__buf_puts(&buf, "{\"type\":\"narration\",");
  if (jobsrv__encode_event(&buf, NULL, &mine, strlen(mine.human),
                           srv->options.max_text,
                           srv->options.max_event_bytes) == 0) {
    mine.json = jobsrv__buf_str(&buf);
    mine.json_len = mine.json != NULL ? buf.len : 0;
  }
  jobsrv__sinks_deliver(narration, &mine);
  jobsrv__buf_free(&buf);
}

/* One block: this, and a copy of the event behind it. */
typedef struct sent_s {
  jobsrv__mail_t mail;
  jobsrv__mailbox_t *mailbox; /* keeps the server's memory */
  jobsrv_t *srv;
  size_t reserved;
  int is_lost; /* it should have had a job */
  _Alignas(max_align_t) char event[];
} sent_t;

static void sent_free(sent_t *sent) {
  jobsrv__mailbox_t *mailbox = sent->mailbox;
  jobsrv_alloc_t alloc = sent->srv->alloc;

  jobsrv__mailbox_release(mailbox, sent->reserved);
  jobsrv__free(&alloc, sent);
  jobsrv__mailbox_unref(mailbox);
}

static void take(jobsrv_t *srv, const jobsrv_event_t *event, int is_lost) {
  if (is_lost)
    count_it(srv, event);
  deliver(srv, event);
}

static void on_sent(jobsrv__mail_t *mail, void *owner) {
  sent_t *sent = JOBSRV__CONTAINER(mail, sent_t, mail);

  if (owner != NULL && sent->srv->narration != NULL)
    take(owner, (const jobsrv_event_t *) (const void *) sent->event,
         sent->is_lost);
  sent_free(sent);
}

static int post(jobsrv_t *srv, const jobsrv_event_t *event, int is_lost) {
  size_t human_len = strlen(event->human);
  size_t size = sizeof(sent_t) + jobsrv__event_room(event, human_len);
  sent_t *sent;
  int err;

  if (!jobsrv__mailbox_reserve(srv->mailbox, size,
                               srv->options.max_inbox_bytes))
    return JOBSRV_EDROPPED;
  sent = jobsrv__malloc(&srv->alloc, size);
  if (sent == NULL) {
    jobsrv__mailbox_release(srv->mailbox, size);
    return UV_ENOMEM;
  }
  sent->mail.run = on_sent;
  sent->mailbox = jobsrv__mailbox_ref(srv->mailbox);
  sent->srv = srv;
  sent->reserved = size;
  sent->is_lost = is_lost;
  (void) jobsrv__event_copy(sent->event, event, human_len);
  err = jobsrv__mailbox_post(srv->mailbox, &sent->mail);
  if (err != 0)
    sent_free(sent);
  return err;
}

/* No log has looked at it, and sinks may pass it on as it is. */
static int json_check(const jobsrv_event_t *event) {
  for (size_t i = 0; i < event->nfields; i++) {
    const jobsrv_field_t *field = &event->fields[i];
    const char *json = field->as.string;

    if (field->type != JOBSRV_FIELD_JSON)
      continue;
    if (json == NULL ||
        jobsrv_json_check(json, field->len != 0 ? field->len : strlen(json),
                          JOBSRV__FIELD_DEPTH, NULL) != 0)
      return JOBSRV_EJSON;
  }
  return 0;
}

/* What is mail when the server closes is not delivered any more. */
static int goes_straight(const jobsrv_t *srv) {
  return jobsrv__narration_straight(srv) ||
         (jobsrv__on_loop(srv) && srv->phase == JOBSRV__CLOSING);
}

static int narrate(jobsrv_t *srv, jobsrv_event_t *event, int is_lost) {
  int err;

  if (event->level < srv->options.level)
    return 0;
  err = jobsrv__fields_check(event->fields, event->nfields);
  if (err == 0)
    err = json_check(event);
  if (err != 0)
    return err;
  jobsrv__event_fill(event, NULL, srv);
  if (jobsrv__on_loop(srv) && srv->narration == NULL)
    return is_lost ? JOBSRV_ENOCONTEXT : JOBSRV_ECLOSED;
  if (!goes_straight(srv))
    return post(srv, event, is_lost);
  take(srv, event, is_lost);
  return 0;
}

int jobsrv__narrate_unrouted(jobsrv_event_t *event) {
  jobsrv_t *srv = jobsrv__context_server();

  if (srv == NULL || atomic_load(&srv->closed))
    return JOBSRV_ENOCONTEXT;
  return narrate(srv, event, 1);
}

int jobsrv_server_narrates(const jobsrv_t *srv, int level) {
  return level >= srv->options.level && jobsrv__sinks_hear(srv, level);
}

int jobsrv_narrate_server(jobsrv_t *srv, const jobsrv_event_t *event) {
  jobsrv_event_t mine;

  if (jobsrv__event_read(&mine, event) != 0)
    return UV_EINVAL;
  if (!jobsrv_server_narrates(srv, mine.level))
    return 0;
  return narrate(srv, &mine, 0);
}
