#include "kernel.h"

static char big[ZX_CHANNEL_MAX_MSG_BYTES + 1], got[ZX_CHANNEL_MAX_MSG_BYTES + 1];

CHECK(channel_create) {
  zx_handle_t a, b;
  IS(ZX_ERR_INVALID_ARGS, zx_channel_create(1, &a, &b));
  for (int i = 0; i < NUM_BAD_POINTERS; i++) {
    IS(ZX_ERR_INVALID_ARGS, zx_channel_create(0, bad_pointers[i], &b));
    IS(ZX_ERR_INVALID_ARGS, zx_channel_create(0, &a, bad_pointers[i]));
  }
  OK(zx_channel_create(0, &a, &b));
  IS(ZX_OBJ_TYPE_CHANNEL, type(a));
  IS((ZX_RIGHTS_BASIC & ~ZX_RIGHT_DUPLICATE) | ZX_RIGHTS_IO | ZX_RIGHT_SIGNAL |
         ZX_RIGHT_SIGNAL_PEER,
     rights(a));
  IS(rights(a), rights(b));
  IS(koid(a), related_koid(b));
  IS(koid(b), related_koid(a));
  IS(ZX_CHANNEL_WRITABLE, signals(a));
  zx_handle_t none;
  IS(ZX_ERR_ACCESS_DENIED, zx_handle_duplicate(a, ZX_RIGHT_SAME_RIGHTS, &none));
  OK(zx_handle_close(a));
  OK(zx_handle_close(b));
}

CHECK(channel_write_read) {
  zx_handle_t a, b;
  uint32_t n = 9, m = 9;
  OK(zx_channel_create(0, &a, &b));
  IS(ZX_ERR_SHOULD_WAIT, zx_channel_read(b, 0, got, NULL, sizeof got, 0, &n, &m));
  OK(zx_channel_write(a, 0, "one", 3, NULL, 0));
  OK(zx_channel_write(a, 0, NULL, 0, NULL, 0));
  OK(zx_channel_write(a, 0, "three", 5, NULL, 0));
  IS(ZX_CHANNEL_READABLE | ZX_CHANNEL_WRITABLE, signals(b));
  IS(ZX_CHANNEL_WRITABLE, signals(a));
  OK(zx_channel_read(b, 0, got, NULL, sizeof got, 0, &n, &m));
  IS(3, n);
  IS(0, m);
  IS(0, memcmp(got, "one", 3));
  OK(zx_channel_read(b, 0, got, NULL, sizeof got, 0, &n, NULL));
  IS(0, n);
  OK(zx_channel_read(b, 0, got, NULL, 5, 0, NULL, NULL));
  IS(0, memcmp(got, "three", 5));
  IS(ZX_CHANNEL_WRITABLE, signals(b));
  // The other way round.
  OK(zx_channel_write(b, 0, "back", 4, NULL, 0));
  OK(zx_channel_read(a, 0, got, NULL, sizeof got, 0, &n, &m));
  IS(4, n);
  IS(ZX_ERR_INVALID_ARGS, zx_channel_write(a, 0xff00, "x", 1, NULL, 0));
  OK(zx_handle_close(a));
  OK(zx_handle_close(b));
}

CHECK(channel_small_buffer) {
  zx_handle_t a, b, e, out[2];
  uint32_t n = 0, m = 0;
  OK(zx_channel_create(0, &a, &b));
  OK(zx_event_create(0, &e));
  OK(zx_channel_write(a, 0, "four", 4, &e, 1));
  IS(ZX_ERR_BUFFER_TOO_SMALL, zx_channel_read(b, 0, got, out, 3, 1, &n, &m));
  IS(4, n);
  IS(1, m);
  n = m = 0;
  IS(ZX_ERR_BUFFER_TOO_SMALL, zx_channel_read(b, 0, got, NULL, 4, 0, &n, &m));
  IS(4, n);
  IS(1, m);
  IS(ZX_ERR_BUFFER_TOO_SMALL, zx_channel_read(b, 0, NULL, NULL, 0, 0, NULL, NULL));
  OK(zx_channel_read(b, 0, got, out, 4, 2, &n, &m));
  IS(1, m);
  OK(zx_handle_close(out[0]));
  // Only on request is the message lost.
  OK(zx_channel_write(a, 0, "five5", 5, NULL, 0));
  IS(ZX_ERR_BUFFER_TOO_SMALL,
     zx_channel_read(b, ZX_CHANNEL_READ_MAY_DISCARD, got, NULL, 1, 0, &n, &m));
  IS(ZX_ERR_SHOULD_WAIT, zx_channel_read(b, 0, got, NULL, 5, 0, &n, &m));
  OK(zx_handle_close(a));
  OK(zx_handle_close(b));
}

CHECK(channel_peer_closed) {
  zx_handle_t a, b, e, peer;
  uint32_t n, m;
  OK(zx_channel_create(0, &a, &b));
  OK(zx_eventpair_create(0, &e, &peer));
  OK(zx_channel_write(a, 0, "last", 4, NULL, 0));
  OK(zx_channel_write(b, 0, "lost", 4, &e, 1));
  OK(zx_handle_close(a));
  // What was on its way to the closed end is gone, with its handles.
  TRUE(signals(peer) & ZX_EVENTPAIR_PEER_CLOSED);
  IS(ZX_CHANNEL_READABLE | ZX_CHANNEL_PEER_CLOSED, signals(b));
  IS(ZX_ERR_PEER_CLOSED, zx_channel_write(b, 0, "x", 1, NULL, 0));
  OK(zx_channel_read(b, 0, got, NULL, sizeof got, 0, &n, &m));
  IS(4, n);
  IS(ZX_CHANNEL_PEER_CLOSED, signals(b));
  IS(ZX_ERR_PEER_CLOSED, zx_channel_read(b, 0, got, NULL, sizeof got, 0, &n, &m));
  OK(zx_handle_close(b));
  OK(zx_handle_close(peer));
}

CHECK(channel_limits) {
  zx_handle_t a, b;
  static zx_handle_t h[ZX_CHANNEL_MAX_MSG_HANDLES + 1], out[ZX_CHANNEL_MAX_MSG_HANDLES];
  uint32_t n, m;
  OK(zx_channel_create(0, &a, &b));
  for (size_t i = 0; i < sizeof big; i++) big[i] = (char)(i * 31 + i / 4096);
  IS(ZX_ERR_OUT_OF_RANGE, zx_channel_write(a, 0, big, sizeof big, NULL, 0));
  for (int i = 0; i < 65; i++) OK(zx_event_create(0, &h[i]));
  zx_koid_t first = koid(h[0]), last = koid(h[63]);
  OK(zx_channel_write(a, 0, big, ZX_CHANNEL_MAX_MSG_BYTES, h, 64));
  OK(zx_channel_read(b, 0, got, out, sizeof got, 64, &n, &m));
  IS(ZX_CHANNEL_MAX_MSG_BYTES, n);
  IS(64, m);
  IS(0, memcmp(big, got, n));
  IS(first, koid(out[0]));
  IS(last, koid(out[63]));
  memcpy(h, out, sizeof out);
  IS(ZX_ERR_OUT_OF_RANGE, zx_channel_write(a, 0, "x", 1, h, 65));
  IS(ZX_ERR_SHOULD_WAIT, zx_channel_read(b, 0, got, NULL, sizeof got, 0, &n, &m));
  zx_handle_close_many(h, 65);
  OK(zx_handle_close(a));
  OK(zx_handle_close(b));
}

CHECK(channel_handles_move) {
  zx_handle_t a, b, e, out;
  uint32_t n, m;
  OK(zx_channel_create(0, &a, &b));
  OK(zx_event_create(0, &e));
  OK(zx_handle_replace(e, ZX_RIGHT_TRANSFER | ZX_RIGHT_INSPECT, &e));
  zx_koid_t id = koid(e);
  OK(zx_channel_write(a, 0, NULL, 0, &e, 1));
  TRUE(!is_valid(e));
  OK(zx_channel_read(b, 0, NULL, &out, 0, 1, &n, &m));
  IS(1, m);
  IS(id, koid(out));
  IS(ZX_RIGHT_TRANSFER | ZX_RIGHT_INSPECT, rights(out));
  // A write that fails takes its handles as well.
  OK(zx_handle_close(b));
  IS(ZX_ERR_PEER_CLOSED, zx_channel_write(a, 0, NULL, 0, &out, 1));
  TRUE(!is_valid(out));
  OK(zx_handle_close(a));
}

CHECK(channel_bad_handles) {
  zx_handle_t a, b, e, peer;
  uint32_t n, m;
  OK(zx_channel_create(0, &a, &b));
  OK(zx_eventpair_create(0, &e, &peer));
  zx_handle_t with_bad[] = {e, 0xfffffff3};
  IS(ZX_ERR_BAD_HANDLE, zx_channel_write(a, 0, "x", 1, with_bad, 2));
  TRUE(signals(peer) & ZX_EVENTPAIR_PEER_CLOSED);
  OK(zx_handle_close(peer));

  OK(zx_event_create(0, &e));
  zx_handle_t twice[] = {e, e};
  IS(ZX_ERR_BAD_HANDLE, zx_channel_write(a, 0, "x", 1, twice, 2));

  OK(zx_event_create(0, &e));
  OK(zx_handle_replace(e, ZX_RIGHT_WAIT, &e));
  IS(ZX_ERR_ACCESS_DENIED, zx_channel_write(a, 0, "x", 1, &e, 1));

  zx_handle_t self = a;
  IS(ZX_ERR_NOT_SUPPORTED, zx_channel_write(a, 0, "x", 1, &self, 1));
  TRUE(zx_channel_read(b, 0, got, NULL, sizeof got, 0, &n, &m) != ZX_OK);
  zx_handle_close(a);
  OK(zx_handle_close(b));
}

CHECK(channel_nested) {
  // A channel travels through another, with messages in it.
  zx_handle_t a, b, c, d, out;
  uint32_t n, m;
  OK(zx_channel_create(0, &a, &b));
  OK(zx_channel_create(0, &c, &d));
  OK(zx_channel_write(c, 0, "inner", 5, NULL, 0));
  OK(zx_channel_write(a, 0, "outer", 5, &d, 1));
  OK(zx_channel_read(b, 0, got, &out, sizeof got, 1, &n, &m));
  OK(zx_channel_read(out, 0, got, NULL, sizeof got, 0, &n, &m));
  IS(0, memcmp(got, "inner", 5));
  // The ends of a channel inside each other close when the outer ends do.
  OK(zx_channel_write(a, 0, NULL, 0, &c, 1));
  OK(zx_handle_close(a));
  OK(zx_handle_close(b));
  TRUE(signals(out) & ZX_CHANNEL_PEER_CLOSED);
  OK(zx_handle_close(out));
}

CHECK(channel_etc) {
  zx_handle_t a, b, e, s[2];
  zx_handle_info_t info[4];
  uint32_t n, m;
  OK(zx_channel_create(0, &a, &b));
  OK(zx_event_create(0, &e));
  OK(zx_socket_create(0, &s[0], &s[1]));
  zx_handle_disposition_t d[] = {
      {ZX_HANDLE_OP_DUPLICATE, e, ZX_OBJ_TYPE_EVENT, ZX_RIGHT_WAIT | ZX_RIGHT_TRANSFER, ZX_OK},
      {ZX_HANDLE_OP_MOVE, s[0], ZX_OBJ_TYPE_NONE, ZX_RIGHT_SAME_RIGHTS, ZX_OK},
      {ZX_HANDLE_OP_MOVE, s[1], ZX_OBJ_TYPE_SOCKET, ZX_RIGHT_READ, ZX_OK},
  };
  zx_rights_t socket_rights = rights(s[0]);
  OK(zx_channel_write_etc(a, 0, "etc", 3, d, 3));
  TRUE(is_valid(e) && !is_valid(s[0]) && !is_valid(s[1]));
  OK(zx_channel_read_etc(b, 0, got, info, sizeof got, 4, &n, &m));
  IS(3, n);
  IS(3, m);
  IS(ZX_OBJ_TYPE_EVENT, info[0].type);
  IS(ZX_RIGHT_WAIT | ZX_RIGHT_TRANSFER, info[0].rights);
  IS(ZX_OBJ_TYPE_SOCKET, info[1].type);
  IS(socket_rights, info[1].rights);
  IS(ZX_RIGHT_READ, info[2].rights);
  IS(0, info[0].unused);
  IS(ZX_ERR_TIMED_OUT, zx_object_wait_one(info[0].handle, ZX_EVENT_SIGNALED, 0, NULL));
  for (int i = 0; i < 3; i++) OK(zx_handle_close(info[i].handle));

  // Each handle has its own result; the first failure is the call's.
  OK(zx_socket_create(0, &s[0], &s[1]));
  zx_handle_disposition_t bad[] = {
      {ZX_HANDLE_OP_MOVE, s[0], ZX_OBJ_TYPE_SOCKET, ZX_RIGHT_SAME_RIGHTS, ZX_OK},
      {ZX_HANDLE_OP_MOVE, s[1], ZX_OBJ_TYPE_CHANNEL, ZX_RIGHT_SAME_RIGHTS, ZX_OK},
      {ZX_HANDLE_OP_DUPLICATE, e, ZX_OBJ_TYPE_EVENT, ZX_RIGHT_EXECUTE, ZX_OK},
  };
  IS(ZX_ERR_WRONG_TYPE, zx_channel_write_etc(a, 0, "bad", 3, bad, 3));
  IS(ZX_OK, bad[0].result);
  IS(ZX_ERR_WRONG_TYPE, bad[1].result);
  IS(ZX_ERR_INVALID_ARGS, bad[2].result);
  TRUE(!is_valid(s[0]) && !is_valid(s[1]) && is_valid(e));
  IS(ZX_ERR_SHOULD_WAIT, zx_channel_read(b, 0, got, NULL, sizeof got, 0, &n, &m));
  OK(zx_handle_close(a));
  OK(zx_handle_close(b));
  OK(zx_handle_close(e));
}

// A server: answers each message with the same txid and the bytes reversed,
// handles back, until the peer closes.
static void serve(void *arg) {
  zx_handle_t server = *(zx_handle_t *)arg, h[4];
  char request[64], reply[64];
  uint32_t n, m;
  for (;;) {
    zx_status_t status = zx_channel_read(server, 0, request, h, sizeof request, 4, &n, &m);
    if (status == ZX_ERR_SHOULD_WAIT) {
      zx_object_wait_one(server, ZX_CHANNEL_READABLE | ZX_CHANNEL_PEER_CLOSED, ZX_TIME_INFINITE,
                         NULL);
      continue;
    }
    if (status != ZX_OK) break;
    memcpy(reply, request, 4);
    for (uint32_t i = 4; i < n; i++) reply[i] = request[n + 3 - i];
    // Something that nobody called for, first.
    zx_channel_write(server, 0, "\1\0\0\0event", 9, NULL, 0);
    zx_channel_write(server, 0, reply, n, h, m);
  }
  zx_handle_close(server);
}

CHECK(channel_call) {
  zx_handle_t client, server, e, back[2];
  OK(zx_channel_create(0, &client, &server));
  thread t;
  OK(thread_start(&t, serve, &server));
  for (int round = 0; round < 3; round++) {
    OK(zx_event_create(0, &e));
    zx_koid_t id = koid(e);
    char request[8] = "\0\0\0\0abcd", reply[16];
    uint32_t n = 0, m = 0;
    zx_channel_call_args_t args = {request, &e, reply, back, 8, 1, sizeof reply, 2};
    OK(zx_channel_call(client, 0, soon(), &args, &n, &m));
    IS(8, n);
    IS(1, m);
    IS(0, memcmp(reply + 4, "dcba", 4));
    TRUE(reply[3] & 0x80);  // the kernel's own txid
    IS(id, koid(back[0]));
    TRUE(!is_valid(e));
    OK(zx_handle_close(back[0]));
    OK(zx_channel_read(client, 0, reply, NULL, sizeof reply, 0, &n, &m));
    IS(0, memcmp(reply + 4, "event", 5));
  }
  // A reply that does not fit is lost.
  char request[16] = "\0\0\0\0too long", reply[16];
  uint32_t n = 0, m = 0;
  zx_channel_call_args_t small = {request, NULL, reply, NULL, 12, 0, 8, 0};
  IS(ZX_ERR_BUFFER_TOO_SMALL, zx_channel_call(client, 0, soon(), &small, &n, &m));
  zx_channel_call_args_t tiny = {request, NULL, reply, NULL, 3, 0, 8, 0};
  IS(ZX_ERR_INVALID_ARGS, zx_channel_call(client, 0, soon(), &tiny, &n, &m));
  IS(ZX_ERR_INVALID_ARGS, zx_channel_call(client, 0, soon(), bad_pointers[1], &n, &m));
  OK(zx_handle_close(client));
  OK(thread_join(&t));
}

CHECK(channel_call_times_out) {
  zx_handle_t client, server;
  char request[4] = {0}, reply[8];
  uint32_t n = 0, m = 0;
  OK(zx_channel_create(0, &client, &server));
  zx_channel_call_args_t args = {request, NULL, reply, NULL, 4, 0, sizeof reply, 0};
  IS(ZX_ERR_TIMED_OUT, zx_channel_call(client, 0, zx_deadline_after(ZX_MSEC(2)), &args, &n, &m));
  // The request was sent; an answer that comes now is a message like others.
  OK(zx_channel_read(server, 0, request, NULL, 4, 0, &n, &m));
  OK(zx_channel_write(server, 0, request, 4, NULL, 0));
  OK(zx_channel_read(client, 0, reply, NULL, sizeof reply, 0, &n, &m));
  IS(0, memcmp(request, reply, 4));
  OK(zx_handle_close(server));
  IS(ZX_ERR_PEER_CLOSED, zx_channel_call(client, 0, soon(), &args, &n, &m));
  OK(zx_handle_close(client));
}

typedef struct {
  zx_handle_t channel;
  char request[5], reply[8];
  zx_status_t status;
} caller;

static void call(void *arg) {
  caller *c = arg;
  uint32_t n, m;
  zx_channel_call_args_t args = {c->request, NULL, c->reply, NULL, 5, 0, sizeof c->reply, 0};
  c->status = zx_channel_call(c->channel, 0, soon(), &args, &n, &m);
}

CHECK(channel_calls_in_flight) {
  zx_handle_t client, server;
  OK(zx_channel_create(0, &client, &server));
  caller c[2] = {{client, "\0\0\0\0A", "", 1}, {client, "\0\0\0\0B", "", 1}};
  thread t[2];
  char request[2][5];
  uint32_t n, m;
  for (int i = 0; i < 2; i++) {
    OK(thread_start(&t[i], call, &c[i]));
    OK(zx_object_wait_one(server, ZX_CHANNEL_READABLE, soon(), NULL));
    OK(zx_channel_read(server, 0, request[i], NULL, 5, 0, &n, &m));
  }
  TRUE(memcmp(request[0], request[1], 4) != 0);
  // Answered the other way round, each gets its own.
  OK(zx_channel_write(server, 0, request[1], 5, NULL, 0));
  OK(zx_channel_write(server, 0, request[0], 5, NULL, 0));
  OK(thread_join(&t[0]));
  OK(thread_join(&t[1]));
  OK(c[0].status);
  OK(c[1].status);
  IS('A', c[0].reply[4]);
  IS('B', c[1].reply[4]);
  OK(zx_handle_close(client));
  OK(zx_handle_close(server));
}

CHECK(channel_call_ends) {
  // The peer closes while a call waits; then the caller's own handle does.
  for (int own = 0; own < 2; own++) {
    zx_handle_t client, server;
    OK(zx_channel_create(0, &client, &server));
    caller c = {client, "\0\0\0\0C", "", 1};
    thread t;
    OK(thread_start(&t, call, &c));
    OK(zx_object_wait_one(server, ZX_CHANNEL_READABLE, soon(), NULL));
    OK(zx_handle_close(own ? client : server));
    OK(thread_join(&t));
    IS(own ? ZX_ERR_CANCELED : ZX_ERR_PEER_CLOSED, c.status);
    OK(zx_handle_close(own ? server : client));
  }
}

CHECK(channel_bad_pointers) {
  zx_handle_t a, b;
  uint32_t n, m;
  OK(zx_channel_create(0, &a, &b));
  for (int i = 0; i < NUM_BAD_POINTERS; i++) {
    IS(ZX_ERR_INVALID_ARGS, zx_channel_write(a, 0, bad_pointers[i], 8, NULL, 0));
    IS(ZX_ERR_INVALID_ARGS, zx_channel_write(a, 0, "x", 1, bad_pointers[i], 1));
    OK(zx_channel_write(a, 0, "12345678", 8, NULL, 0));
    IS(ZX_ERR_INVALID_ARGS, zx_channel_read(b, 0, bad_pointers[i], NULL, 8, 0, &n, &m));
    // Whether the message survived that is not said.
    zx_channel_read(b, ZX_CHANNEL_READ_MAY_DISCARD, got, NULL, sizeof got, 0, &n, &m);
  }
  OK(zx_handle_close(a));
  OK(zx_handle_close(b));
}
