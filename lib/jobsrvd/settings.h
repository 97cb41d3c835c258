/* SPDX-License-Identifier: MIT */
#ifndef JOBSRVD_SETTINGS_H
#define JOBSRVD_SETTINGS_H

/* What the daemon is to do, as the command line and the config file say. */

#include <jobsrv/console.h>
#include <jobsrv/sse.h>

typedef struct jobsrvd_program_s jobsrvd_program_t; /* program.h */

/* Owned texts; `items` ends with a NULL and is itself NULL while empty. */
typedef struct jobsrvd_list_s {
  char **items;
  size_t count;
} jobsrvd_list_t;

typedef struct jobsrvd_console_s {
  int form;        /* a jobsrv_console_form_t; one more for none at all */
  int form_given;  /* by the command line */
  int voice;       /* a jobsrv_voice_t */
  int voice_given;
  int level;       /* 0: JOBSRV_INFO */
  int fields;
  int progress;
} jobsrvd_console_t;

/* Texts are owned; NULL and 0 stand for what the library takes then. */
typedef struct jobsrvd_logs_s {
  char *file;         /* NULL: none */
  int file_given;     /* by the command line */
  uint64_t max_bytes;
  uint32_t keep;
  int file_level;
  int file_progress;
  int syslog;         /* 1: there, too */
  int facility;
  char *syslog_path;
  char *app_name;
  char *sd_id;
  uint32_t max_message;
  int syslog_level;
  int journal;
  char *journal_path;
  char *identifier;
  int journal_level;
} jobsrvd_logs_t;

/* Of socket files. */
typedef struct jobsrvd_socket_s {
  uint32_t mode;    /* 0: 0600 */
  int mode_given;   /* by the command line */
  int set_owner;
  int owner_given;
  uint32_t uid;
  uint32_t gid;
} jobsrvd_socket_t;

typedef struct jobsrvd_settings_s {
  jobsrvd_list_t inherited;    /* sockets of the service manager: "fd:3", ... */
  jobsrvd_list_t inherited_names;
  jobsrvd_list_t listen;
  jobsrvd_socket_t socket;
  jobsrvd_list_t allow_hosts;
  jobsrvd_list_t allow_origins;
  jobsrvd_list_t trust_proxies;
  jobsrv_options_t core;
  jobsrv_sse_options_t sse;
  uint64_t limits_given;       /* bit of each limit of the command line */
  uint32_t switches_given;     /* bit of each switch of the command line */
  char *prefix;                /* NULL: the library's */
  char *token_file;            /* NULL: no token is asked for */
  char *token;                 /* what is in it */
  char *metrics_token_file;    /* NULL: there is no other for them */
  char *metrics_token;
  int demo;
  jobsrvd_console_t console;
  jobsrvd_logs_t logs;
  jobsrvd_program_t *programs; /* in order of the file */
} jobsrvd_settings_t;

void jobsrvd_settings_init(jobsrvd_settings_t *settings);
void jobsrvd_settings_free(jobsrvd_settings_t *settings);

/*
 * Memory for starting up: zeroed, and never NULL, since a daemon that has not
 * started yet can only give up (status 1).
 */
void *jobsrvd_must_alloc(size_t count, size_t size);
char *jobsrvd_must_copy(const char *text, size_t len);

/* Adds a copy. */
void jobsrvd_list_add(jobsrvd_list_t *list, const char *text);
void jobsrvd_list_free(jobsrvd_list_t *list);

/* Each returns NULL, or what was expected instead of `text`. */
const char *jobsrvd_address_mistake(const char *text);
const char *jobsrvd_host_mistake(const char *text);
const char *jobsrvd_origin_mistake(const char *text);
const char *jobsrvd_proxy_mistake(const char *text);

/* Prints "jobsrvd: " and a line to standard error. */
JOBSRV_PRINTF(1, 2) void jobsrvd_complain(const char *format, ...);

/* The bytes of a file, ended by a NUL; NULL after a complaint. */
char *jobsrvd_read_file(const char *path, size_t max, size_t *len);

/*
 * Reads a token from the first line of a file, in place of the one that is
 * there; 0, or -1 after a complaint.
 */
int jobsrvd_token_read(char **token, const char *path);

#endif /* JOBSRVD_SETTINGS_H */
