/* SPDX-License-Identifier: MIT */

#include "settings.h"

#include "logs.h"
#include "program.h"
#include "switches.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_TOKEN_FILE = 64 * 1024, MAX_TOKEN = 4096 };

void jobsrvd_settings_init(jobsrvd_settings_t *settings) {
  memset(settings, 0, sizeof(*settings));
  jobsrv_options_init(&settings->core);
  jobsrv_sse_options_init(&settings->sse);
}

void jobsrvd_settings_free(jobsrvd_settings_t *settings) {
  jobsrvd_list_free(&settings->inherited);
  jobsrvd_list_free(&settings->inherited_names);
  jobsrvd_list_free(&settings->listen);
  jobsrvd_list_free(&settings->allow_hosts);
  jobsrvd_list_free(&settings->allow_origins);
  jobsrvd_list_free(&settings->trust_proxies);
  jobsrvd_programs_free(settings->programs);
  settings->programs = NULL;
  free(settings->token);
  settings->token = NULL;
  free(settings->metrics_token);
  settings->metrics_token = NULL;
  jobsrvd_switches_free(settings);
  jobsrvd_logs_free(&settings->logs);
}

void *jobsrvd_must_alloc(size_t count, size_t size) {
  void *memory = calloc(count > 0 ? count : 1, size);

  if (memory == NULL) {
    jobsrvd_complain("out of memory");
    exit(1);
  }
  return memory;
}

char *jobsrvd_must_copy(const char *text, size_t len) {
  char *copy = jobsrvd_must_alloc(len + 1, 1);

  memcpy(copy, text, len);
  return copy;
}

void jobsrvd_list_add(jobsrvd_list_t *list, const char *text) {
  char **items = jobsrvd_must_alloc(list->count + 2, sizeof(*items));

  if (list->count > 0)
    memcpy(items, list->items, list->count * sizeof(*items));
  free(list->items);
  list->items = items;
  items[list->count++] = jobsrvd_must_copy(text, strlen(text));
}

void jobsrvd_list_free(jobsrvd_list_t *list) {
  for (size_t i = 0; i < list->count; i++)
    free(list->items[i]);
  free(list->items);
  list->items = NULL;
  list->count = 0;
}

static int port_ok(const char *text) {
  size_t len = strlen(text);

  return len >= 1 && len <= 5 && strspn(text, "0123456789") == len &&
         atoi(text) <= 65535;
}

static int fd_ok(const char *text) {
  size_t len = strlen(text);

  return len >= 1 && len <= 7 && strspn(text, "0123456789") == len &&
         (text[0] != '0' || len == 1);
}

const char *jobsrvd_address_mistake(const char *text) {
  static const char expected[] =
      "expected 127.0.0.1:7070, [::1]:7070, unix:PATH or fd:N";
  unsigned char binary[16];
  char host[64];
  const char *from = text;
  const char *colon = strrchr(text, ':');
  size_t len;
  int v6 = text[0] == '[';

  if (strncmp(text, "unix:", 5) == 0)
    return text[5] != '\0' ? NULL : expected;
  if (strncmp(text, "fd:", 3) == 0)
    return fd_ok(text + 3) ? NULL : expected;
  if (colon == NULL || !port_ok(colon + 1))
    return expected;
  len = (size_t) (colon - text);
  if (v6) {
    if (len < 3 || text[len - 1] != ']')
      return expected;
    from++;
    len -= 2;
  }
  if (len >= sizeof(host))
    return expected;
  memcpy(host, from, len);
  host[len] = '\0';
  return inet_pton(v6 ? AF_INET6 : AF_INET, host, binary) == 1 ? NULL
                                                               : expected;
}

static int visible(const char *text) {
  for (; *text != '\0'; text++)
    if (*text <= ' ' || *text > '~')
      return 0;
  return 1;
}

const char *jobsrvd_host_mistake(const char *text) {
  if (text[0] == '\0' || !visible(text) || strpbrk(text, "/@:,*") != NULL)
    return "expected the name of a host, without scheme and port";
  return NULL;
}

const char *jobsrvd_origin_mistake(const char *text) {
  const char *host = strstr(text, "://");

  if (strcmp(text, "null") == 0)
    return NULL;
  if (host == NULL || host == text || host[3] == '\0' || !visible(text) ||
      strpbrk(host + 3, "/@,*") != NULL)
    return "expected an origin such as https://example.org";
  return NULL;
}

/* An address, and how many of its bits count. */
const char *jobsrvd_proxy_mistake(const char *text) {
  static const char expected[] =
      "expected 10.0.0.1, 10.0.0.0/8, 2001:db8::/32 or unix";
  unsigned char binary[16];
  size_t len = strcspn(text, "/");
  const char *bits = text[len] == '/' ? text + len + 1 : NULL;
  int v6 = memchr(text, ':', len) != NULL;
  char host[64];

  if (strcmp(text, "unix") == 0)
    return NULL;
  if (len >= sizeof(host))
    return expected;
  memcpy(host, text, len);
  host[len] = '\0';
  if (inet_pton(v6 ? AF_INET6 : AF_INET, host, binary) != 1)
    return expected;
  if (bits != NULL &&
      (bits[0] == '\0' || strlen(bits) > 3 ||
       strspn(bits, "0123456789") != strlen(bits) ||
       (bits[0] == '0' && bits[1] != '\0') || atoi(bits) > (v6 ? 128 : 32)))
    return expected;
  return NULL;
}

void jobsrvd_complain(const char *format, ...) {
  char line[2048];
  va_list args;

  va_start(args, format);
  vsnprintf(line, sizeof(line), format, args);
  va_end(args);
  /* What is quoted in it may come from anywhere. */
  for (char *p = line; *p != '\0'; p++)
    if ((unsigned char) *p < ' ' || *p == 0x7f)
      *p = '?';
  fprintf(stderr, "jobsrvd: %s\n", line);
}

static char *read_all(int fd, const char *path, size_t max, size_t *len) {
  char *text = jobsrvd_must_alloc(max + 2, 1);
  ssize_t n;

  *len = 0;
  for (;;) {
    n = read(fd, text + *len, max + 1 - *len);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      break;
    *len += (size_t) n;
    if (*len > max) {
      jobsrvd_complain("%s: larger than %zu bytes", path, max);
      free(text);
      return NULL;
    }
  }
  if (n < 0) {
    jobsrvd_complain("%s: %s", path, strerror(errno));
    free(text);
    return NULL;
  }
  text[*len] = '\0';
  return text;
}

char *jobsrvd_read_file(const char *path, size_t max, size_t *len) {
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  char *text;

  if (fd < 0) {
    jobsrvd_complain("%s: %s", path, strerror(errno));
    return NULL;
  }
  text = read_all(fd, path, max, len);
  close(fd);
  return text;
}

int jobsrvd_token_read(char **token, const char *path) {
  struct stat info;
  char *text;
  size_t len;

  text = jobsrvd_read_file(path, MAX_TOKEN_FILE, &len);
  if (text == NULL)
    return -1;
  len = strcspn(text, "\r\n");
  text[len] = '\0';
  if (stat(path, &info) != 0)
    jobsrvd_complain("%s: %s", path, strerror(errno));
  else if (info.st_mode & (S_IROTH | S_IWOTH))
    jobsrvd_complain("%s: others may read or write it; chmod it to 600", path);
  else if (len == 0)
    jobsrvd_complain("%s:1:1: expected a token on the first line", path);
  else if (len > MAX_TOKEN || !visible(text))
    jobsrvd_complain("%s:1:1: expected a token of at most %d visible ASCII "
                     "characters",
                     path, (int) MAX_TOKEN);
  else {
    free(*token);
    *token = text;
    return 0;
  }
  free(text);
  return -1;
}
