/* SPDX-License-Identifier: MIT */

#include "daemon.h"

#include "console.h"
#include "demo_ops.h"
#include "figures.h"
#include "logs.h"
#include "program.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <uv.h>

/*
 * One loop, one server, one transport. The first signal drains; the second
 * cancels whatever is still being waited for; the third closes at once. All
 * ways end in jobsrv_close(), after which nothing keeps the loop running.
 */

enum {
  DRAIN_MS = 8000, /* the server takes up to a second more */
  HURRY_MS = 1000,
  SPARE_DESCRIPTORS = 64,
  STDERR = 2
};

typedef struct running_s {
  uv_loop_t loop;
  jobsrv_t *srv;
  jobsrv_sse_t *sse;
  jobsrv_sink_t *log_file; /* NULL: none */
  jobsrvd_figures_t figures;
  uv_signal_t signals[3];
  int n_signals; /* initialised */
  int asked;     /* signals seen */
} running_t;

/* The server's descriptor limit bounds its connections: raised if allowed. */
static void raise_descriptors(uint32_t connections) {
  struct rlimit limit;
  rlim_t wanted = (rlim_t) connections + SPARE_DESCRIPTORS;

  if (connections == 0 || getrlimit(RLIMIT_NOFILE, &limit) != 0 ||
      limit.rlim_cur >= wanted)
    return;
  limit.rlim_cur = wanted < limit.rlim_max ? wanted : limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < wanted)
    jobsrvd_complain("max_connections %u needs %llu descriptors; "
                     "the hard limit is %llu",
                     (unsigned int) connections, (unsigned long long) wanted,
                     (unsigned long long) limit.rlim_max);
}

static void on_closed(jobsrv_t *srv, void *data) {
  running_t *running = data;

  (void) srv;
  for (int i = 0; i < running->n_signals; i++)
    uv_close((uv_handle_t *) &running->signals[i], NULL);
}

static void close_server(running_t *running) {
  running->log_file = NULL; /* it goes with the server */
  jobsrv_close(running->srv, on_closed, running);
}

static void on_drained(jobsrv_t *srv, void *data) {
  (void) srv;
  close_server(data);
}

static void on_signal(uv_signal_t *handle, int number) {
  running_t *running = handle->data;

  if (number == SIGHUP) {
    if (running->log_file != NULL)
      (void) jobsrv_file_reopen(running->log_file);
    return;
  }
  running->asked++;
  if (running->asked == 1)
    (void) jobsrv_drain(running->srv, DRAIN_MS, on_drained, running);
  else if (running->asked == 2)
    (void) jobsrv_drain(running->srv, HURRY_MS, NULL, NULL);
  else
    close_server(running);
}

/* SIGHUP only if there is a file to open again; else it ends the process. */
static int watch_signals(running_t *running) {
  static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };
  int n = running->log_file != NULL ? 3 : 2;
  int err = 0;

  for (int i = 0; i < n && err == 0; i++) {
    err = uv_signal_init(&running->loop, &running->signals[i]);
    if (err != 0)
      break;
    running->n_signals++;
    running->signals[i].data = running;
    err = uv_signal_start(&running->signals[i], on_signal, numbers[i]);
  }
  return err;
}

static int add_transport(running_t *running,
                         const jobsrvd_settings_t *settings) {
  jobsrv_sse_options_t options = settings->sse;

  options.allow_hosts = (const char *const *) settings->allow_hosts.items;
  options.allow_origins = (const char *const *) settings->allow_origins.items;
  options.trust_proxies = (const char *const *) settings->trust_proxies.items;
  options.prefix = settings->prefix;
  options.bearer_token = settings->token;
  options.metrics_token = settings->metrics_token;
  options.metrics |= settings->metrics_token != NULL;
  if (options.metrics)
    jobsrvd_figures_add(&running->figures, running->srv);
  return jobsrv_sse_new(&running->sse, running->srv, &options);
}

static int complain_about(const char *what, int err) {
  jobsrvd_complain("%s: %s", what, jobsrv_strerror(err));
  return err;
}

/* Its options are those of this version, unless one was not built in. */
static int complain_about_transport(const jobsrvd_settings_t *settings,
                                    int err) {
  if (err == JOBSRV_EOPTIONS && settings->sse.gzip) {
    jobsrvd_complain("gzip needs a library that was built with zlib");
    return err;
  }
  return complain_about("cannot make the transport", err);
}

/* All of it or, after a complaint, a negative code. */
static int set_up(running_t *running, const jobsrvd_settings_t *settings) {
  int err;

  err = jobsrvd_logs_add(&settings->logs, running->srv, &running->log_file);
  if (err != 0)
    return err;
  err = watch_signals(running);
  if (err != 0)
    return complain_about("cannot watch signals", err);
  err = jobsrvd_console_add(&settings->console, running->srv);
  if (err != 0)
    return complain_about("cannot log to standard error", err);
  err = jobsrvd_programs_add(running->srv, settings->programs);
  if (err == 0 && settings->demo)
    err = jobsrvd_demo_add(running->srv);
  if (err != 0)
    return complain_about("cannot add the operations", err);
  err = add_transport(running, settings);
  if (err != 0)
    return complain_about_transport(settings, err);
  return 0;
}

static int listen_one(running_t *running,
                      const jobsrvd_socket_t *socket,
                      const char *address) {
  jobsrv_sse_listen_options_t options;

  jobsrv_sse_listen_options_init(&options);
  options.address = address;
  if (strncmp(address, "unix:", 5) == 0) {
    options.mode = socket->mode;
    options.set_owner = socket->set_owner;
    options.uid = socket->uid;
    options.gid = socket->gid;
  }
  return jobsrv_sse_listen_with(running->sse, &options);
}

/* Those of the service manager first, which have names there. */
static int listen_on(running_t *running, const jobsrvd_settings_t *settings) {
  const jobsrvd_list_t *given = &settings->inherited;
  const jobsrvd_list_t *asked = &settings->listen;
  int err;

  for (size_t i = 0; i < given->count; i++) {
    err = jobsrv_sse_listen(running->sse, given->items[i]);
    if (err != 0) {
      jobsrvd_complain("cannot listen on %s (%s): %s", given->items[i],
                       settings->inherited_names.items[i],
                       jobsrv_strerror(err));
      return err;
    }
  }
  for (size_t i = 0; i < asked->count; i++) {
    err = listen_one(running, &settings->socket, asked->items[i]);
    if (err != 0) {
      jobsrvd_complain("cannot listen on %s: %s", asked->items[i],
                       jobsrv_strerror(err));
      return err;
    }
  }
  return 0;
}

static int listen_all(running_t *running, const jobsrvd_settings_t *settings) {
  size_t count = settings->inherited.count + settings->listen.count;
  char where[512];
  int err = listen_on(running, settings);

  if (err != 0)
    return err;
  /* Not before all of them are there: who waits for a line may call at once. */
  for (size_t i = 0; i < count; i++) {
    err = jobsrv_sse_address(running->sse, i, where, sizeof(where));
    if (err != 0)
      return complain_about("cannot tell the address", err);
    printf("listening on %s\n", where);
  }
  if (fflush(stdout) != 0) {
    jobsrvd_complain("cannot write to standard output: %s", strerror(errno));
    return -errno;
  }
  return 0;
}

int jobsrvd_run(const jobsrvd_settings_t *settings) {
  running_t running = { .n_signals = 0 };
  int err;

  raise_descriptors(settings->sse.max_connections);
  err = uv_loop_init(&running.loop);
  if (err != 0) {
    (void) complain_about("cannot make a loop", err);
    return 1;
  }
  err = jobsrv_new(&running.srv, &running.loop, &settings->core);
  if (err != 0) {
    (void) complain_about("cannot make a server", err);
    (void) uv_loop_close(&running.loop);
    return 1;
  }

  err = set_up(&running, settings);
  if (err == 0)
    err = listen_all(&running, settings);
  if (err != 0)
    close_server(&running);
  (void) uv_run(&running.loop, UV_RUN_DEFAULT);
  (void) uv_loop_close(&running.loop);
  return err != 0 ? 1 : 0;
}
