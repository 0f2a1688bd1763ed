/* A closed loop of orders: N pairs of a client and a serviceman, one order of eight statuses at a time.
 *
 * The next status is sent only when the last one has arrived at the other side, so what is measured is the
 * server and not the length of a queue. Each status that arrives is checked (side, order, status), and each
 * acknowledgement is counted for the user who is owed it. One thread, epoll, no dependencies: the machine is
 * shared with the server.
 *
 *     load DIALECT PORT PAIRS WARM_UP_S DURATION_S PID[,PID...]
 *
 * DIALECT is `websocket` (JSON text frames) or `socketio` (Engine.IO 4 and Socket.IO 5, WebSocket only, with
 * acknowledgements); the PIDs are those of the server. Prints one JSON object.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>

#include "link.h"
#include "process.h"

enum { STEPS = 8, MAX_CONNECTING = 64 };
static const struct {
  const char *name;
  int status;
  bool by_client;
} ORDER[STEPS] = {
    {"PLACED", 1001, true},         {"ACCEPTED", 1004, false}, {"STARTED", 1005, true},
    {"ORDER_CHANGED", 1006, false}, {"EXTENDED", 1007, true},  {"PAYMENT", 1010, true},
    {"PAYMENT_VERIFICATION", 1011, false}, {"ORDER_COMPLETE", 1009, true},
};
static const double CONNECT_TIMEOUT_S = 60, DRAIN_TIMEOUT_S = 30;

struct Pair;
typedef struct {
  Link link; /* first: a Link of ours is a Side */
  struct Pair *pair;
  bool is_client, is_ready;
  char id[16], own[40], path[80];
  long sent, acknowledged;
} Side;
typedef struct Pair {
  Side client, serviceman;
  int number, orders, step;
  bool is_active;
  double sent_at;
  char order_id[40];
} Pair;

static enum { CONNECTING, WARMING_UP, MEASURING, DRAINING } phase;
static bool is_socketio;
static int epoll, count, ready, active;
static Pair *pairs;
static char run[16];
static long sent, relayed, orders, problems;
static char first_problem[400];
static float *latencies;
static size_t measured, room;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

static void die(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  exit(2);
}

static void problem(const Side *side, const char *what, const char *text, size_t length) {
  if (!problems++)
    snprintf(first_problem, sizeof first_problem, "%s at %s: %.*s", what, side->id, (int)length, text);
}

static bool contains(const char *text, size_t length, const char *part) {
  return memmem(text, length, part, strlen(part)) != NULL;
}

/* Orders. */

static void send_status(Pair *pair) {
  Side *sender = ORDER[pair->step].by_client ? &pair->client : &pair->serviceman;
  Side *receiver = sender->is_client ? &pair->serviceman : &pair->client;
  char frame[1024];
  int start = is_socketio ? sprintf(frame, "42%ld[\"send\",", sender->sent) : 0;
  int length = start + sprintf(frame + start,
      "{\"type\":\"send\",\"messageId\":\"%s-%s-%ld\",\"orderStatus\":{\"orderStatusAsString\":\"%s\","
      "\"orderStatusAsInt\":%d,\"message\":\"A status as a person would write it, of some sixty characters.\","
      "\"senderId\":\"%s\",\"receiverId\":\"%s\",\"orderId\":\"%s\"}}",
      run, sender->id, sender->sent, ORDER[pair->step].name, ORDER[pair->step].status, sender->id, receiver->id,
      pair->order_id);
  if (is_socketio) frame[length++] = ']';
  sender->sent++;
  sent++;
  pair->sent_at = now();
  link_send(&sender->link, epoll, frame, length);
}

static void begin_order(Pair *pair) {
  if (phase == DRAINING) {
    pair->is_active = false;
    active--;
    return;
  }
  pair->step = 0;
  snprintf(pair->order_id, sizeof pair->order_id, "%s-%d-%d", run, pair->number, pair->orders++);
  send_status(pair);
}

static void on_status(Side *side, const char *text, size_t length) {
  Pair *pair = side->pair;
  char status[40];
  snprintf(status, sizeof status, "\"orderStatusAsInt\":%d,", ORDER[pair->step].status);
  if (!pair->is_active || side->is_client == ORDER[pair->step].by_client || !contains(text, length, status) ||
      !contains(text, length, pair->order_id)) {
    problem(side, "unexpected status", text, length);
    return;
  }
  relayed++;
  if (phase == MEASURING) {
    if (measured == room) latencies = realloc(latencies, (room = room ? 2 * room : 1 << 16) * sizeof *latencies);
    if (!latencies) abort();
    latencies[measured++] = (now() - pair->sent_at) * 1000;
  }
  if (++pair->step < STEPS) {
    send_status(pair);
  } else {
    orders++;
    begin_order(pair);
  }
}

/* What arrives. */

static void on_ready(Side *side) {
  side->is_ready = true;
  ready++;
}

static void on_json(Side *side, const char *text, size_t length) {
  if (contains(text, length, "\"type\":\"status\"") && !contains(text, length, side->own))
    on_status(side, text, length);
  else if (contains(text, length, "\"type\":\"status\"") || contains(text, length, "\"type\":\"ack\""))
    side->acknowledged++; /* the relay acknowledges a status with the status itself */
  else if (!contains(text, length, "\"type\":\"welcome\""))
    problem(side, "unexpected answer", text, length);
}

static void on_engineio(Side *side, char *text, size_t length) {
  char reply[64];
  if (text[0] == '0') { /* Engine.IO is open: connect to the namespace */
    link_send(&side->link, epoll, reply, sprintf(reply, "40{\"userId\":\"%s\"}", side->id));
  } else if (text[0] == '2') { /* ping */
    text[0] = '3';
    link_send(&side->link, epoll, text, length);
  } else if (length > 1 && text[0] == '4' && text[1] == '0') {
    on_ready(side);
  } else if (length > 1 && text[0] == '4' && text[1] == '2') {
    on_status(side, text, length);
  } else if (length > 1 && text[0] == '4' && text[1] == '3' && contains(text, length, "\"type\":\"ack\"")) {
    side->acknowledged++;
  } else {
    problem(side, "unexpected packet", text, length);
  }
}

void link_on_open(Link *link) {
  if (!is_socketio) on_ready((Side *)link);
}

void link_on_text(Link *link, char *text, size_t length) {
  if (!length) return;
  if (is_socketio) on_engineio((Side *)link, text, length);
  else on_json((Side *)link, text, length);
}

void link_on_failure(Link *link, const char *reason) {
  Side *side = (Side *)link;
  if (phase == CONNECTING) die("%s cannot connect: %s", side->id, reason);
  problem(side, "lost connection", reason, strlen(reason));
  if (side->pair->is_active) {
    side->pair->is_active = false;
    active--;
  }
}

/* The run. */

static void make_side(Side *side, Pair *pair, bool is_client) {
  side->pair = pair;
  side->is_client = is_client;
  snprintf(side->id, sizeof side->id, "%c-%d", is_client ? 'c' : 's', pair->number);
  snprintf(side->own, sizeof side->own, "\"senderId\":\"%s\"", side->id);
  snprintf(side->path, sizeof side->path, is_socketio ? "/socket.io/?EIO=4&transport=websocket" :
           "/order?userId=%s&type=%s", side->id, is_client ? "client" : "serviceman");
  side->link.path = side->path;
}

static void poll_links(int timeout_ms) {
  struct epoll_event events[256];
  int found = epoll_wait(epoll, events, 256, timeout_ms);
  for (int i = 0; i < found; i++) link_on_events(events[i].data.ptr, epoll, events[i].events);
}

static void connect_all(int port) {
  double deadline = now() + CONNECT_TIMEOUT_S;
  for (int next = 0; ready < 2 * count;) {
    for (; next < 2 * count && next - ready < MAX_CONNECTING; next++)
      link_connect(next % 2 ? &pairs[next / 2].serviceman.link : &pairs[next / 2].client.link, epoll, port);
    poll_links(100);
    if (now() > deadline) die("only %d of %d users could connect within %g s", ready, 2 * count, CONNECT_TIMEOUT_S);
  }
}

static bool is_complete(void) {
  if (active) return false;
  for (int i = 0; i < count; i++)
    if (pairs[i].client.acknowledged < pairs[i].client.sent ||
        pairs[i].serviceman.acknowledged < pairs[i].serviceman.sent)
      return false;
  return true;
}

static int by_value(const void *one, const void *other) {
  float a = *(const float *)one, b = *(const float *)other;
  return (a > b) - (a < b);
}

int main(int argc, char **argv) {
  if (argc != 7) die("usage: load websocket|socketio PORT PAIRS WARM_UP_S DURATION_S PID[,PID...]");
  is_socketio = !strcmp(argv[1], "socketio");
  count = atoi(argv[3]);
  double warm_up = atof(argv[4]), duration = atof(argv[5]);
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  snprintf(run, sizeof run, "o%lx", (unsigned long)time(NULL) & 0xFFFFFF);
  epoll = epoll_create1(0);
  pairs = calloc(count, sizeof *pairs);
  for (int i = 0; i < count; i++) {
    pairs[i].number = i;
    make_side(&pairs[i].client, &pairs[i], true);
    make_side(&pairs[i].serviceman, &pairs[i], false);
  }
  connect_all(atoi(argv[2]));

  phase = WARMING_UP;
  active = count;
  for (int i = 0; i < count; i++) pairs[i].is_active = true;
  for (int i = 0; i < count; i++) begin_order(&pairs[i]);
  for (double end = now() + warm_up; now() < end;) poll_links(10);

  phase = MEASURING;
  double start = now(), own_cpu = own_cpu_s();
  Usage before = usage_of(argv[6]);
  while (now() < start + duration) poll_links(10);
  double elapsed = now() - start;
  Usage after = usage_of(argv[6]);
  own_cpu = own_cpu_s() - own_cpu;

  phase = DRAINING;
  for (double end = now() + DRAIN_TIMEOUT_S; now() < end && !is_complete();) poll_links(10);
  long acknowledged = 0;
  for (int i = 0; i < count; i++) acknowledged += pairs[i].client.acknowledged + pairs[i].serviceman.acknowledged;

  qsort(latencies, measured, sizeof *latencies, by_value);
  double measured_orders = (double)measured / STEPS, cpu = after.cpu_s - before.cpu_s;
  printf("{\"orders_per_s\":%.2f,\"p50_ms\":%.4f,\"p99_ms\":%.4f,\"cpu_s_per_1000\":%.5f,\"server_cores\":%.3f,"
         "\"load_cores\":%.3f,\"server_mib\":%.2f,\"sent\":%ld,\"acknowledged\":%ld,\"relayed\":%ld,\"orders\":%ld,"
         "\"is_complete\":%s,\"problems\":%ld}\n",
         measured_orders / elapsed, measured ? latencies[measured / 2] : -1,
         measured ? latencies[measured * 99 / 100] : -1, measured ? cpu / measured_orders * 1000 : -1, cpu / elapsed,
         own_cpu / elapsed, after.resident_mib, sent, acknowledged, relayed, orders, is_complete() ? "true" : "false",
         problems);
  if (problems) fprintf(stderr, "%s\n", first_problem);
  return 0;
}
