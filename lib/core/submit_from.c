/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"
#include "core/labels.h"
#include "core/spec_check.h"

#include <string.h>

/* A spec on its way to the loop, with copies of all its texts. */
typedef struct sent_spec_s {
  jobsrv__mail_t mail;
  jobsrv_t *srv;
  jobsrv__mailbox_t *mailbox;
  jobsrv_spec_t spec;
  jobsrv_submit_cb cb;
  void *data;
  jobsrv__labels_t *labels;
  char *operation;
  char *payload;
  char *group;
  char *unique_key;
  char *traceparent;
  char *tracestate;
  jobsrv_snapshot_t *context;
} sent_spec;

static void sent_free(sent_spec *sent) {
  const jobsrv_alloc_t *alloc = &sent->srv->alloc;
  jobsrv__mailbox_t *mailbox = sent->mailbox;

  jobsrv__free(alloc, sent->labels);
  jobsrv__free(alloc, sent->operation);
  jobsrv__free(alloc, sent->payload);
  jobsrv__free(alloc, sent->group);
  jobsrv__free(alloc, sent->unique_key);
  jobsrv__free(alloc, sent->traceparent);
  jobsrv__free(alloc, sent->tracestate);
  jobsrv__free(alloc, sent);
  jobsrv__mailbox_unref(mailbox);
}

static void on_sent(jobsrv__mail_t *mail, void *owner) {
  sent_spec *sent = JOBSRV__CONTAINER(mail, sent_spec, mail);
  jobsrv_job_t *job = NULL;
  int err = JOBSRV_ECLOSED;

  if (owner != NULL)
    err = jobsrv_submit(owner, &sent->spec, NULL, &job);
  else if (sent->spec.release != NULL)
    sent->spec.release(sent->spec.data);
  JOBSRV__RESUMED(sent->srv->observer, sent->context, {
    if (sent->cb != NULL)
      sent->cb(owner, job, err, sent->data);
  });
  sent_free(sent);
}

/* One that never went. */
static void sent_drop(sent_spec *sent) {
  sent->srv->observer->forget(sent->context);
  sent_free(sent);
}

/* Returns 0 or UV_ENOMEM; NULL stays NULL. */
static int copy(const jobsrv_alloc_t *alloc, char **to, const char **text) {
  if (*text == NULL)
    return 0;
  *to = jobsrv__strdup(alloc, *text);
  *text = *to;
  return *to != NULL ? 0 : UV_ENOMEM;
}

static int sent_copy(sent_spec *sent, const jobsrv_alloc_t *alloc) {
  jobsrv_spec_t *spec = &sent->spec;

  if (copy(alloc, &sent->operation, &spec->operation) != 0 ||
      copy(alloc, &sent->group, &spec->group) != 0 ||
      copy(alloc, &sent->unique_key, &spec->unique_key) != 0 ||
      copy(alloc, &sent->traceparent, &spec->traceparent) != 0 ||
      copy(alloc, &sent->tracestate, &spec->tracestate) != 0)
    return UV_ENOMEM;
  if (spec->payload != NULL) {
    sent->payload = jobsrv__strndup(alloc, spec->payload, spec->payload_len);
    if (sent->payload == NULL)
      return UV_ENOMEM;
  }
  if (jobsrv__labels_copy(alloc, spec, NULL, &sent->labels) != 0)
    return UV_ENOMEM;
  spec->payload = sent->payload;
  if (sent->labels != NULL) {
    spec->principal = sent->labels->principal;
    spec->correlation_id = sent->labels->correlation_id;
    spec->request_id = sent->labels->request_id;
    spec->tags = sent->labels->tags;
  }
  return 0;
}

int jobsrv_submit_from(jobsrv_t *srv,
                       const jobsrv_spec_t *spec,
                       jobsrv_submit_cb cb,
                       void *data) {
  jobsrv_spec_t mine;
  sent_spec *sent = NULL;
  int err = jobsrv__spec_read(&mine, spec);

  if (err != 0)
    return err;
  if (mine.parent != NULL || mine.parent_job != NULL || mine.nafter != 0)
    err = UV_EINVAL;
  else
    err = jobsrv__spec_check(srv, &mine, 0);
  if (err == 0) {
    sent = jobsrv__zalloc(&srv->alloc, sizeof(*sent));
    err = sent == NULL ? UV_ENOMEM : 0;
  }
  if (err == 0) {
    sent->srv = srv;
    sent->mailbox = jobsrv__mailbox_ref(srv->mailbox);
    sent->spec = mine;
    sent->cb = cb;
    sent->data = data;
    sent->mail.run = on_sent;
    err = sent_copy(sent, &srv->alloc);
    if (err == 0)
      err = srv->observer->capture(&sent->context);
    if (err == 0)
      err = jobsrv__mailbox_post(sent->mailbox, &sent->mail);
    if (err != 0)
      sent_drop(sent);
  }
  if (err != 0 && mine.release != NULL)
    mine.release(mine.data);
  return err;
}
