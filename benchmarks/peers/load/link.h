/* One WebSocket connection of the load generator: non-blocking socket, handshake, frames.
 *
 * It knows nothing about orders. Text frames are handed to `link_on_text`; the three functions at the end are
 * defined by whoever uses this module.
 */
#ifndef LINK_H
#define LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum link_state { LINK_NEW, LINK_CONNECTING, LINK_UPGRADING, LINK_OPEN, LINK_DEAD };

typedef struct {
  char *bytes;
  size_t length, capacity;
} Buffer;

typedef struct Link {
  int fd;
  enum link_state state;
  bool waits_to_write;
  const char *path; /* with the query; must live as long as the link */
  Buffer in, out;
} Link;

/* Begin to connect to 127.0.0.1:`port`. Events of the socket are added to `epoll` with the link as their data. */
void link_connect(Link *link, int epoll, int port);

/* Handle what epoll reported. */
void link_on_events(Link *link, int epoll, uint32_t events);

/* Send one text frame. */
void link_send(Link *link, int epoll, const char *text, size_t length);

void link_on_open(Link *link);
void link_on_text(Link *link, char *text, size_t length);
void link_on_failure(Link *link, const char *reason);

#endif
