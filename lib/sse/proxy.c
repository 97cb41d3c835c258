/* SPDX-License-Identifier: MIT */

#include "sse/proxy.h"

#include "base/alloc.h"
#include "sse/conn.h"

#include <arpa/inet.h>
#include <netinet/in.h>

/*
 * Each proxy puts the address that it was called from behind what was there. So
 * the list is read from its end: as long as who has written an element is a
 * proxy that we believe, the element is true, and tells who wrote the one
 * before it. The first address that is no proxy of ours is the client; what is
 * before that anybody may have made up. Whatever cannot be read ends it too.
 */

/* ---- addresses ---- */

/* ::ffff:0:0/96, by which a socket for both families names IPv4. */
static const unsigned char mapped[12] = { 0, 0, 0, 0, 0,    0,
                                          0, 0, 0, 0, 0xff, 0xff };

static int ip_parse(jobsrv__ip_t *to, jobsrv__span_t text, int is_v6) {
  char copy[INET6_ADDRSTRLEN];

  if (text.len == 0 || text.len >= sizeof(copy) ||
      memchr(text.data, '\0', text.len) != NULL)
    return 0;
  memcpy(copy, text.data, text.len);
  copy[text.len] = '\0';
  memset(to, 0, sizeof(*to));
  if (inet_pton(is_v6 ? AF_INET6 : AF_INET, copy, to->bytes) != 1)
    return 0;
  to->len = is_v6 ? 16 : 4;
  if (is_v6 && memcmp(to->bytes, mapped, sizeof(mapped)) == 0) {
    memmove(to->bytes, to->bytes + sizeof(mapped), 4);
    memset(to->bytes + 4, 0, 12);
    to->len = 4;
  }
  return 1;
}

static void ip_format(const jobsrv__ip_t *ip, char to[JOBSRV__CLIENT_SIZE]) {
  _Static_assert((int) JOBSRV__CLIENT_SIZE >= (int) INET6_ADDRSTRLEN,
                 "any address has room");
  if (inet_ntop(ip->len == 16 ? AF_INET6 : AF_INET, ip->bytes, to,
                JOBSRV__CLIENT_SIZE) == NULL)
    to[0] = '\0';
}

/* "" or ":" and digits; RFC 7239 lets a port be hidden: "_" and a name. */
static int port_ok(jobsrv__span_t text) {
  size_t i = 2;

  if (text.len == 0)
    return 1;
  if (text.data[0] != ':' || text.len == 1)
    return 0;
  if (text.data[1] == '_')
    return text.len > 2;
  for (i = 1; i < text.len; i++)
    if (text.data[i] < '0' || text.data[i] > '9')
      return 0;
  return text.len <= 6;
}

static const char *find(jobsrv__span_t text, char c) {
  return memchr(text.data, c, text.len);
}

static jobsrv__span_t behind(jobsrv__span_t text, const char *at) {
  return jobsrv__span(at, (size_t) (text.data + text.len - at));
}

int jobsrv__ip_read(jobsrv__ip_t *to, jobsrv__span_t text) {
  const char *colon;
  const char *end;

  if (text.len == 0)
    return 0;
  if (text.data[0] == '[') {
    end = find(text, ']');
    return end != NULL && port_ok(behind(text, end + 1)) &&
           ip_parse(to, jobsrv__span(text.data + 1,
                                     (size_t) (end - text.data) - 1), 1);
  }
  colon = find(text, ':');
  if (colon == NULL)
    return ip_parse(to, text, 0);
  if (find(behind(text, colon + 1), ':') != NULL)
    return ip_parse(to, text, 1);
  return port_ok(behind(text, colon)) &&
         ip_parse(to, jobsrv__span(text.data, (size_t) (colon - text.data)), 0);
}

/* ---- who is believed ---- */

static int bits_parse(const char *text, unsigned int most, uint8_t *bits) {
  unsigned int value = 0;

  if (*text == '\0' || strlen(text) > 3 || (text[0] == '0' && text[1] != '\0'))
    return 0;
  for (; *text != '\0'; text++) {
    if (*text < '0' || *text > '9')
      return 0;
    value = value * 10 + (unsigned int) (*text - '0');
  }
  *bits = (uint8_t) value;
  return value <= most;
}

static int network_parse(jobsrv__network_t *to, const char *text) {
  const char *slash = strchr(text, '/');
  size_t len = slash != NULL ? (size_t) (slash - text) : strlen(text);
  int is_v6 = memchr(text, ':', len) != NULL;
  uint8_t bits = is_v6 ? 128 : 32;

  if (!ip_parse(&to->ip, jobsrv__span(text, len), is_v6) ||
      (slash != NULL && !bits_parse(slash + 1, bits, &bits)))
    return 0;
  if (is_v6 && to->ip.len == 4) {
    if (bits < 96) /* some of IPv6, which it does not look like */
      return 0;
    bits = (uint8_t) (bits - 96);
  }
  to->bits = bits;
  return 1;
}

static int network_has(const jobsrv__network_t *network,
                       const jobsrv__ip_t *ip) {
  size_t whole = network->bits / 8;
  unsigned int mask = (0xff00u >> network->bits % 8) & 0xff;

  return network->ip.len == ip->len &&
         memcmp(network->ip.bytes, ip->bytes, whole) == 0 &&
         (mask == 0 ||
          ((network->ip.bytes[whole] ^ ip->bytes[whole]) & mask) == 0);
}

static int is_proxy(const jobsrv__proxies_t *proxies, const jobsrv__ip_t *ip) {
  for (size_t i = 0; i < proxies->n; i++)
    if (network_has(&proxies->networks[i], ip))
      return 1;
  return 0;
}

int jobsrv__proxies_new(jobsrv__proxies_t **out,
                        const jobsrv_alloc_t *alloc,
                        const char *const *list) {
  jobsrv__proxies_t *proxies;
  size_t n = 0;

  *out = NULL;
  if (list == NULL)
    return 0;
  while (list[n] != NULL)
    n++;
  proxies = jobsrv__zalloc(alloc, sizeof(*proxies) +
                                      n * sizeof(proxies->networks[0]));
  if (proxies == NULL)
    return UV_ENOMEM;
  for (size_t i = 0; i < n; i++) {
    if (strcmp(list[i], "unix") == 0) {
      proxies->has_unix = 1;
    } else if (!network_parse(&proxies->networks[proxies->n++], list[i])) {
      jobsrv__free(alloc, proxies);
      return UV_EINVAL;
    }
  }
  *out = proxies;
  return 0;
}

/* ---- lists, from their ends ---- */

static jobsrv__span_t trim(jobsrv__span_t text) {
  while (text.len > 0 && (*text.data == ' ' || *text.data == '\t'))
    text = jobsrv__span(text.data + 1, text.len - 1);
  while (text.len > 0 && (text.data[text.len - 1] == ' ' ||
                          text.data[text.len - 1] == '\t'))
    text.len--;
  return text;
}

/* Where the string that ends with the quote at `end` begins. */
static size_t quote_before(jobsrv__span_t list, size_t end) {
  size_t escapes;

  while (end-- > 0) {
    if (list.data[end] != '"')
      continue;
    for (escapes = 0; escapes < end; escapes++)
      if (list.data[end - escapes - 1] != '\\')
        break;
    if (escapes % 2 == 0)
      return end;
  }
  return 0;
}

/* Takes the last element off, without what is around it; 0: there is none. */
static int take_last(jobsrv__span_t *list, jobsrv__span_t *element) {
  size_t at = list->len;

  if (list->data == NULL)
    return 0;
  while (at > 0 && list->data[at - 1] != ',')
    at = list->data[at - 1] == '"' ? quote_before(*list, at - 1) : at - 1;
  *element = trim(jobsrv__span(list->data + at, list->len - at));
  if (at == 0)
    list->data = NULL;
  else
    list->len = at - 1;
  return 1;
}

/* ---- Forwarded (RFC 7239) ---- */

/* Takes a pair off an element. Returns 0 when there is none, or no pair. */
static int take_pair(jobsrv__span_t *element,
                     jobsrv__span_t *name,
                     jobsrv__span_t *value) {
  const char *equals = find(*element, '=');
  jobsrv__span_t rest;
  size_t at = 0;
  int quoted;

  if (equals == NULL)
    return 0;
  *name = trim(jobsrv__span(element->data, (size_t) (equals - element->data)));
  rest = behind(*element, equals + 1);
  quoted = rest.len > 0 && rest.data[0] == '"';
  for (at = (size_t) quoted; at < rest.len; at++) {
    if (quoted && rest.data[at] == '\\')
      at++;
    else if (rest.data[at] == (quoted ? '"' : ';'))
      break;
  }
  if (quoted && at >= rest.len)
    return 0;
  *value = quoted ? jobsrv__span(rest.data + 1, at - 1)
                  : trim(jobsrv__span(rest.data, at));
  rest = trim(behind(rest, rest.data + at + quoted));
  if (rest.len > 0 && rest.data[0] != ';')
    return 0;
  *element = rest.len > 0 ? jobsrv__span(rest.data + 1, rest.len - 1) : rest;
  return 1;
}

/* Reads the one "for" of an element; what is escaped in it is no address. */
static int forwarded_read(jobsrv__ip_t *to, jobsrv__span_t element) {
  jobsrv__span_t name;
  jobsrv__span_t value;
  int found = 0;

  while (trim(element).len > 0) {
    if (!take_pair(&element, &name, &value))
      return 0;
    if (!jobsrv__span_is_nocase(name, "for"))
      continue;
    if (found || !jobsrv__ip_read(to, value))
      return 0;
    found = 1;
  }
  return found;
}

/* ---- who asks ---- */

typedef struct walk_s {
  const jobsrv__proxies_t *proxies;
  int is_forwarded; /* the one header, or the other */
  int hops;
  jobsrv__ip_t client;
} walk_t;

/* Goes through one field from its end. Returns 1 to go on with that before. */
static int walk_field(walk_t *walk, jobsrv__span_t list) {
  jobsrv__span_t element;
  jobsrv__ip_t ip;

  while (take_last(&list, &element)) {
    int is_read = walk->is_forwarded ? forwarded_read(&ip, element)
                                     : jobsrv__ip_read(&ip, element);

    if (!is_read)
      return 0;
    walk->client = ip;
    if (++walk->hops == JOBSRV__HOPS_MAX || !is_proxy(walk->proxies, &ip))
      return 0;
  }
  return 1;
}

static void walk_fields(walk_t *walk, const jobsrv__request_t *request) {
  const char *name = walk->is_forwarded ? "forwarded" : "x-forwarded-for";

  for (size_t i = request->n_headers; i-- > 0;)
    if (jobsrv__span_is(request->headers[i].name, name) &&
        !walk_field(walk, request->headers[i].value))
      return;
}

int jobsrv__client(const jobsrv__request_t *request,
                   char to[JOBSRV__CLIENT_SIZE]) {
  const jobsrv_sse_t *sse = request->sse;
  walk_t walk = { .proxies = sse->proxies,
                  .is_forwarded = sse->options.proxy_header ==
                                  JOBSRV_SSE_FORWARDED };
  jobsrv__ip_t peer;
  int is_ip;

  jobsrv__conn_peer(request->conn, to, JOBSRV__CLIENT_SIZE);
  is_ip = jobsrv__ip_read(&peer, jobsrv__span(to, strlen(to)));
  if (is_ip)
    ip_format(&peer, to);
  if (walk.proxies == NULL ||
      !(is_ip ? is_proxy(walk.proxies, &peer)
              : walk.proxies->has_unix && strcmp(to, "unix") == 0))
    return 0;
  walk_fields(&walk, request);
  if (walk.hops == 0)
    return 0;
  ip_format(&walk.client, to);
  return 1;
}
