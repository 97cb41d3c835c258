/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"
#include "core/server.h"

typedef struct post_s {
  jobsrv__mail_t mail;
  jobsrv_t *srv;
  jobsrv__mailbox_t *mailbox; /* its reference keeps srv's memory */
  jobsrv_post_cb cb;
  void *data;
  jobsrv_snapshot_t *context;
} post;

static void post_free(post *p) {
  jobsrv__mailbox_t *mailbox = p->mailbox;

  jobsrv__free(&p->srv->alloc, p);
  jobsrv__mailbox_unref(mailbox);
}

static void on_post(jobsrv__mail_t *mail, void *owner) {
  post *p = JOBSRV__CONTAINER(mail, post, mail);

  JOBSRV__RESUMED(p->srv->observer, p->context, p->cb(owner, p->data));
  post_free(p);
}

int jobsrv_post(jobsrv_t *srv, jobsrv_post_cb cb, void *data) {
  post *p = jobsrv__malloc(&srv->alloc, sizeof(*p));
  int err;

  if (p == NULL)
    return UV_ENOMEM;
  err = srv->observer->capture(&p->context);
  if (err != 0) {
    jobsrv__free(&srv->alloc, p);
    return err;
  }
  p->mail.run = on_post;
  p->srv = srv;
  p->mailbox = jobsrv__mailbox_ref(srv->mailbox);
  p->cb = cb;
  p->data = data;
  err = jobsrv__mailbox_post(p->mailbox, &p->mail);
  if (err != 0) {
    srv->observer->forget(p->context);
    post_free(p);
  }
  return err;
}
