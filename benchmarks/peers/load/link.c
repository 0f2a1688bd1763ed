#define _GNU_SOURCE
#include "link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TEXT = 0x1, CLOSE = 0x8, PING = 0x9, PONG = 0xA, FIN = 0x80, MASKED = 0x80 };

static void fail(Link *link, const char *reason) {
  if (link->state == LINK_DEAD) return;
  link->state = LINK_DEAD;
  close(link->fd);
  link_on_failure(link, reason);
}

static void reserve(Buffer *buffer, size_t more) {
  if (buffer->capacity - buffer->length >= more) return;
  buffer->capacity = 2 * (buffer->length + more);
  buffer->bytes = realloc(buffer->bytes, buffer->capacity);
  if (!buffer->bytes) abort();
}

static void drop(Buffer *buffer, size_t count) {
  buffer->length -= count;
  memmove(buffer->bytes, buffer->bytes + count, buffer->length);
}

static void watch(Link *link, int epoll, bool for_writing) {
  if (link->waits_to_write == for_writing) return;
  struct epoll_event event = {.events = EPOLLIN | (for_writing ? EPOLLOUT : 0), .data.ptr = link};
  epoll_ctl(epoll, EPOLL_CTL_MOD, link->fd, &event);
  link->waits_to_write = for_writing;
}

static void write_out(Link *link, int epoll) {
  while (link->out.length) {
    ssize_t written = send(link->fd, link->out.bytes, link->out.length, MSG_NOSIGNAL);
    if (written < 0 && errno == EAGAIN) break;
    if (written < 0) {
      fail(link, strerror(errno));
      return;
    }
    drop(&link->out, written);
  }
  watch(link, epoll, link->out.length > 0);
}

static void write_frame(Link *link, int epoll, int opcode, const char *payload, size_t length) {
  static uint32_t random = 2463534242u; /* xorshift: a mask must differ from frame to frame, not be secret */
  if (link->state == LINK_DEAD) return;
  if (length > 0xFFFF) abort();
  reserve(&link->out, length + 8);
  unsigned char *at = (unsigned char *)link->out.bytes + link->out.length;
  *at++ = FIN | opcode;
  if (length < 126) {
    *at++ = MASKED | length;
  } else {
    *at++ = MASKED | 126;
    *at++ = length >> 8;
    *at++ = length & 0xFF;
  }
  random ^= random << 13;
  random ^= random >> 17;
  random ^= random << 5;
  unsigned char mask[4];
  memcpy(mask, &random, 4);
  memcpy(at, mask, 4);
  at += 4;
  for (size_t i = 0; i < length; i++) at[i] = payload[i] ^ mask[i & 3];
  link->out.length = (char *)at + length - link->out.bytes;
  if (!link->waits_to_write) write_out(link, epoll);
}

void link_send(Link *link, int epoll, const char *text, size_t length) {
  write_frame(link, epoll, TEXT, text, length);
}

void link_connect(Link *link, int epoll, int port) {
  link->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (link->fd < 0) {
    perror("socket");
    exit(2);
  }
  int yes = 1;
  setsockopt(link->fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  link->state = LINK_CONNECTING;
  link->waits_to_write = true;
  struct epoll_event event = {.events = EPOLLIN | EPOLLOUT, .data.ptr = link};
  epoll_ctl(epoll, EPOLL_CTL_ADD, link->fd, &event);
  if (connect(link->fd, (struct sockaddr *)&address, sizeof address) < 0 && errno != EINPROGRESS)
    fail(link, strerror(errno));
}

static void ask_for_upgrade(Link *link, int epoll) {
  int error = 0;
  socklen_t size = sizeof error;
  getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &size);
  if (error) {
    fail(link, strerror(error));
    return;
  }
  link->state = LINK_UPGRADING;
  reserve(&link->out, 1024);
  link->out.length = snprintf(link->out.bytes, 1024,
                              "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                              "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                              link->path);
  write_out(link, epoll);
}

/* Handle the answer to the handshake; returns the bytes it took, 0 if it is not all there. */
static size_t read_answer(Link *link, char *bytes, size_t length) {
  char *end = memmem(bytes, length, "\r\n\r\n", 4);
  if (!end) return 0;
  if (memcmp(bytes, "HTTP/1.1 101", 12) != 0) {
    *end = 0;
    fail(link, bytes);
    return 0;
  }
  link->state = LINK_OPEN;
  link_on_open(link);
  return end + 4 - bytes;
}

/* Handle one frame; returns the bytes it took, 0 if it is not all there. */
static size_t read_frame(Link *link, int epoll, char *bytes, size_t length) {
  unsigned char *head = (unsigned char *)bytes;
  if (length < 2) return 0;
  size_t size = head[1], start = 2;
  if (size == 126) {
    if (length < 4) return 0;
    size = (size_t)head[2] << 8 | head[3];
    start = 4;
  }
  if (size == 127 || !(head[0] & FIN)) {
    fail(link, "the server sent a frame that this load does not expect: fragmented, or over 64 KiB");
    return 0;
  }
  if (length < start + size) return 0;
  switch (head[0] & 0xF) {
    case TEXT: link_on_text(link, bytes + start, size); break;
    case PING: write_frame(link, epoll, PONG, bytes + start, size); break;
    case CLOSE: fail(link, "the server closed the connection"); break;
    default: break;
  }
  return start + size;
}

static void read_in(Link *link, int epoll) {
  reserve(&link->in, 4096);
  ssize_t count = recv(link->fd, link->in.bytes + link->in.length, link->in.capacity - link->in.length, 0);
  if (count < 0 && errno == EAGAIN) return;
  if (count <= 0) {
    fail(link, count < 0 ? strerror(errno) : "the server closed the TCP connection");
    return;
  }
  link->in.length += count;
  size_t used = 0;
  while (used < link->in.length) {
    char *bytes = link->in.bytes + used;
    size_t length = link->in.length - used;
    size_t taken = link->state == LINK_UPGRADING ? read_answer(link, bytes, length)
                                                 : read_frame(link, epoll, bytes, length);
    if (link->state == LINK_DEAD) return;
    if (!taken) break;
    used += taken;
  }
  drop(&link->in, used);
}

void link_on_events(Link *link, int epoll, uint32_t events) {
  if (link->state == LINK_DEAD) return;
  if (link->state == LINK_CONNECTING) {
    if (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) ask_for_upgrade(link, epoll);
    return;
  }
  if (events & EPOLLOUT) write_out(link, epoll);
  if (link->state != LINK_DEAD && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) read_in(link, epoll);
}
