/* SPDX-License-Identifier: MIT */

#include "base/alloc.h"
#include "base/clock.h"
#include "base/options.h"
#include "base/zone.h"
#include "core/server.h"
#include "core/wall.h"

#include <sys/mman.h>
#include <unistd.h>

/*
 * The server's memory belongs to its mailbox: it is there, though closed, as
 * long as anybody holds a job or a token, so that what other threads read of
 * it (allocator, options, clock) needs no lock and no copy.
 */

static void default_u32(uint32_t *value, uint32_t to) {
  if (*value == 0)
    *value = to;
}

static void default_u64(uint64_t *value, uint64_t to) {
  if (*value == 0)
    *value = to;
}

static int options_fill(jobsrv_options_t *o) {
  default_u32(&o->max_jobs, 10000);
  default_u32(&o->max_queued, 1024);
  default_u32(&o->max_threads, 8);
  default_u32(&o->max_lost_threads, 16);
  default_u32(&o->max_payload, 1024 * 1024);
  default_u32(&o->max_result, 256 * 1024);
  default_u32(&o->max_tags, 16);
  default_u64(&o->grace_ms, 5000);
  default_u64(&o->retain_ms, 600000);
  default_u64(&o->retain_failed_ms, o->retain_ms);
  default_u64(&o->retain_cancelled_ms, o->retain_ms);
  default_u32(&o->max_retained, 1000);
  default_u32(&o->max_retained_completed, o->max_retained);
  default_u32(&o->max_retained_failed, o->max_retained);
  default_u32(&o->max_retained_cancelled, o->max_retained);
  default_u32(&o->max_expired, 65536);
  default_u32(&o->max_text, 64 * 1024);
  default_u32(&o->max_event_bytes, 256 * 1024);
  default_u32(&o->max_events_per_job, 8192);
  default_u32(&o->max_bytes_per_job, 1024 * 1024);
  default_u64(&o->max_bytes_total, 256ull * 1024 * 1024);
  default_u32(&o->max_inbox_bytes, 16 * 1024 * 1024);
  if (o->level == 0)
    o->level = JOBSRV_INFO;
  if (o->level < JOBSRV_TRACE || o->level > JOBSRV_MUTE ||
      o->max_event_bytes > 8 * 1024 * 1024 || o->max_event_bytes < 1024)
    return UV_EINVAL;
  return 0;
}

/*
 * A page of one that a fork wipes tells a child from its parent without a
 * system call. Where there is no such page the process id has to do.
 */
static void fork_mark_set(jobsrv_t *srv) {
  size_t size = (size_t) sysconf(_SC_PAGESIZE);
  void *page = mmap(NULL, size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  srv->pid = getpid();
  if (page == MAP_FAILED)
    return;
  if (madvise(page, size, MADV_WIPEONFORK) != 0) {
    munmap(page, size);
    return;
  }
  srv->fork_mark = page;
  *srv->fork_mark = 1;
}

static void fork_mark_clear(jobsrv_t *srv) {
  if (srv->fork_mark != NULL)
    munmap(srv->fork_mark, (size_t) sysconf(_SC_PAGESIZE));
}

int jobsrv__forked(const jobsrv_t *srv) {
  return srv->fork_mark != NULL ? *srv->fork_mark == 0 : srv->pid != getpid();
}

/* 64 random bits in base 36, at most 13 characters. */
static void boot_format(char to[17], uint64_t bits) {
  char text[17];
  size_t n = sizeof(text);

  do {
    text[--n] = "0123456789abcdefghijklmnopqrstuvwxyz"[bits % 36];
    bits /= 36;
  } while (bits != 0);
  memcpy(to, text + n, sizeof(text) - n);
  to[sizeof(text) - n] = '\0';
}

uint64_t jobsrv__random_u64(jobsrv_t *srv) {
  uint64_t bits;

  if (jobsrv__id_random(&srv->ids, &bits, sizeof(bits)) == 0)
    return bits;
  bits = jobsrv_now(srv) * UINT64_C(0x9e3779b97f4a7c15);
  return bits ^ bits >> 32;
}

static const char default_zoneinfo[] = JOBSRV__ZONEINFO;

static int zoneinfo_copy(jobsrv_t *srv) {
  if (srv->options.zoneinfo == NULL)
    srv->options.zoneinfo = default_zoneinfo;
  else
    srv->options.zoneinfo =
        jobsrv__strdup(&srv->alloc, srv->options.zoneinfo);
  return srv->options.zoneinfo != NULL ? 0 : UV_ENOMEM;
}

static void zoneinfo_free(jobsrv_t *srv) {
  if (srv->options.zoneinfo != default_zoneinfo)
    jobsrv__free(&srv->alloc, (char *) (uintptr_t) srv->options.zoneinfo);
}

static void on_mailbox_gone(void *arg) {
  jobsrv_t *srv = arg;
  jobsrv_alloc_t alloc = srv->alloc;

  jobsrv__slab_free(&srv->registry.slab);
  fork_mark_clear(srv);
  zoneinfo_free(srv);
  jobsrv__free(&alloc, srv);
}

static void rings_init(jobsrv_t *srv) {
  jobsrv__queue_init(&srv->operations);
  jobsrv__queue_init(&srv->busy);
  jobsrv__queue_init(&srv->schedules);
  jobsrv__queue_init(&srv->running);
  jobsrv__queue_init(&srv->waiting);
  jobsrv__queue_init(&srv->settling);
  jobsrv__queue_init(&srv->waits);
  srv->hooks.next = srv->hooks.prev = &srv->hooks;
  srv->turns.next = srv->turns.prev = &srv->turns;
  srv->parts.next = srv->parts.prev = &srv->parts;
}

static int server_init(jobsrv_t *srv, uv_loop_t *loop) {
  static const jobsrv_operation_t no_operation;
  uint64_t random[2];
  int err = zoneinfo_copy(srv);

  srv->loop = loop;
  atomic_init(&srv->attached, JOBSRV__HOSTED);
  atomic_init(&srv->thread, pthread_self());
  if (err == 0 && loop == NULL)
    err = jobsrv__own_new(srv);
  if (err != 0)
    return err;
  jobsrv__limits_of(&srv->limits, &no_operation, &srv->options);
  srv->clock = srv->options.clock != NULL ? srv->options.clock
                                          : jobsrv__clock_system();
  atomic_init(&srv->closed, 0);
  rings_init(srv);
  jobsrv__metrics_init(srv);
  jobsrv__id_pool_init(&srv->ids, srv->options.random,
                       srv->options.random_data);
  err = jobsrv__id_random(&srv->ids, random, sizeof(random));
  if (err != 0)
    return err;
  boot_format(srv->boot, random[0]);
  jobsrv__registry_init(srv, random[1]);
  jobsrv__map_init(&srv->groups, &srv->alloc, random[1]);
  jobsrv__wheel_init(&srv->wheel, jobsrv_now(srv));
  jobsrv__token_init(&srv->root, JOBSRV__TOKEN_ROOT, NULL, NULL);
  return jobsrv__mailbox_new(&srv->mailbox, &srv->alloc);
}

int jobsrv__server_new(jobsrv_t **out,
                       struct uv_loop_s *loop,
                       const jobsrv_options_t *options) {
  jobsrv_options_t filled;
  jobsrv_alloc_t alloc;
  jobsrv_t *srv;
  int err;

  jobsrv_options_init(&filled);
  if (options != NULL) {
    err = jobsrv__options_read(&filled, sizeof(filled), sizeof(filled),
                               options);
    if (err != 0)
      return err;
  }
  filled.size = sizeof(filled);
  err = options_fill(&filled);
  if (err != 0)
    return err;

  alloc = *jobsrv__alloc(filled.alloc);
  srv = jobsrv__zalloc(&alloc, sizeof(*srv));
  if (srv == NULL)
    return UV_ENOMEM;
  srv->alloc = alloc;
  srv->options = filled;
  srv->options.alloc = &srv->alloc;
  fork_mark_set(srv);
  err = server_init(srv, loop);
  if (err == 0) {
    err = jobsrv__loop_open(srv);
    if (err != 0)
      jobsrv__mailbox_unref(srv->mailbox);
  }
  if (err != 0) {
    jobsrv__own_drop(srv);
    fork_mark_clear(srv);
    zoneinfo_free(srv);
    jobsrv__free(&alloc, srv);
    return err;
  }
  jobsrv__mailbox_finally(srv->mailbox, on_mailbox_gone, srv);
  if (srv->own != NULL)
    jobsrv__own_keep(srv);
  *out = srv;
  return 0;
}

/* Whoever takes back a hook or a turn later must not find us in it. */
static void rings_clear(jobsrv_t *srv) {
  while (srv->hooks.next != &srv->hooks)
    jobsrv_hook_remove(srv->hooks.next);
  while (srv->turns.next != &srv->turns)
    jobsrv_turn_cancel(srv->turns.next);
  jobsrv__metrics_close(srv);
}

void jobsrv__handle_closed(jobsrv_t *srv) {
  jobsrv_close_cb cb = srv->close_cb;

  if (--srv->handles > 0)
    return;
  rings_clear(srv);
  jobsrv__wall_free(srv);
  jobsrv__own_closed(srv);
  if (cb != NULL)
    cb(srv, srv->close_data);
  (void) jobsrv__token_clear(&srv->root);
  jobsrv__mailbox_unref(srv->mailbox);
}

int jobsrv_on_loop(const jobsrv_t *srv) {
  return jobsrv__on_loop(srv);
}

struct uv_loop_s *jobsrv_loop(const jobsrv_t *srv) {
  return srv->loop;
}

void *jobsrv_data(const jobsrv_t *srv) {
  return srv->options.data;
}

const jobsrv_alloc_t *jobsrv_allocator(const jobsrv_t *srv) {
  return &srv->alloc;
}

const jobsrv_options_t *jobsrv_options(const jobsrv_t *srv) {
  return &srv->options;
}

const char *jobsrv_boot(const jobsrv_t *srv) {
  return srv->boot;
}
