#include "kernel.h"

CHECK(port_user_packets) {
  zx_handle_t port;
  zx_port_packet_t in, out;
  IS(ZX_ERR_INVALID_ARGS, zx_port_create(0x100, &port));
  OK(zx_port_create(0, &port));
  IS((ZX_RIGHTS_BASIC & ~ZX_RIGHT_WAIT) | ZX_RIGHTS_IO, rights(port));
  IS(ZX_ERR_TIMED_OUT, zx_port_wait(port, 0, &out));
  for (uint64_t i = 1; i <= 3; i++) {
    in = (zx_port_packet_t){i, ZX_PKT_TYPE_USER, -(zx_status_t)i, {{{i, i * 2, i * 3, ~i}}}};
    OK(zx_port_queue(port, &in));
  }
  for (uint64_t i = 1; i <= 3; i++) {
    OK(zx_port_wait(port, ZX_TIME_INFINITE, &out));
    IS(i, out.key);
    IS(ZX_PKT_TYPE_USER, out.type);
    IS(-(zx_status_t)i, out.status);
    IS(i * 3, out.user.u64[2]);
    IS(~i, out.user.u64[3]);
  }
  zx_time_t deadline = zx_deadline_after(ZX_MSEC(2));
  IS(ZX_ERR_TIMED_OUT, zx_port_wait(port, deadline, &out));
  TRUE(zx_clock_get_monotonic() >= deadline);
  for (int i = 0; i < NUM_BAD_POINTERS; i++)
    IS(ZX_ERR_INVALID_ARGS, zx_port_queue(port, bad_pointers[i]));
  OK(zx_handle_close(port));
  IS(ZX_ERR_BAD_HANDLE, zx_port_queue(port, &in));
}

CHECK(port_wait_async) {
  zx_handle_t port, e;
  zx_port_packet_t p;
  OK(zx_port_create(0, &port));
  OK(zx_event_create(0, &e));
  OK(zx_object_wait_async(e, port, 42, ZX_EVENT_SIGNALED | ZX_USER_SIGNAL_1, ZX_WAIT_ASYNC_ONCE));
  OK(zx_object_signal(e, 0, ZX_USER_SIGNAL_0));
  IS(ZX_ERR_TIMED_OUT, zx_port_wait(port, 0, &p));
  OK(zx_object_signal(e, 0, ZX_EVENT_SIGNALED));
  OK(zx_port_wait(port, soon(), &p));
  IS(42, p.key);
  IS(ZX_PKT_TYPE_SIGNAL_ONE, p.type);
  OK(p.status);
  IS(ZX_EVENT_SIGNALED | ZX_USER_SIGNAL_1, p.signal.trigger);
  IS(ZX_EVENT_SIGNALED | ZX_USER_SIGNAL_0, p.signal.observed);
  IS(1, p.signal.count);
  IS(0, p.signal.timestamp);
  // Once is once.
  OK(zx_object_signal(e, ZX_EVENT_SIGNALED, 0));
  OK(zx_object_signal(e, 0, ZX_EVENT_SIGNALED));
  IS(ZX_ERR_TIMED_OUT, zx_port_wait(port, 0, &p));
  // What is already so counts; each call is its own.
  OK(zx_object_wait_async(e, port, 43, ZX_EVENT_SIGNALED, ZX_WAIT_ASYNC_ONCE));
  OK(zx_object_wait_async(e, port, 44, ZX_EVENT_SIGNALED, ZX_WAIT_ASYNC_ONCE));
  OK(zx_port_wait(port, 0, &p));
  IS(43, p.key);
  OK(zx_port_wait(port, 0, &p));
  IS(44, p.key);
  IS(ZX_ERR_INVALID_ARGS, zx_object_wait_async(e, port, 1, ZX_EVENT_SIGNALED, 0x80));
  IS(ZX_ERR_WRONG_TYPE, zx_object_wait_async(e, e, 1, ZX_EVENT_SIGNALED, 0));
  OK(zx_handle_close(port));
  OK(zx_handle_close(e));
}

CHECK(port_edge) {
  zx_handle_t port, e;
  zx_port_packet_t p;
  OK(zx_port_create(0, &port));
  OK(zx_event_create(0, &e));
  OK(zx_object_signal(e, 0, ZX_EVENT_SIGNALED));
  OK(zx_object_wait_async(e, port, 1, ZX_EVENT_SIGNALED, ZX_WAIT_ASYNC_EDGE));
  IS(ZX_ERR_TIMED_OUT, zx_port_wait(port, 0, &p));
  OK(zx_object_signal(e, ZX_EVENT_SIGNALED, 0));
  IS(ZX_ERR_TIMED_OUT, zx_port_wait(port, 0, &p));
  OK(zx_object_signal(e, 0, ZX_EVENT_SIGNALED));
  OK(zx_port_wait(port, soon(), &p));
  IS(1, p.key);
  OK(zx_handle_close(port));
  OK(zx_handle_close(e));
}

CHECK(port_timestamp) {
  zx_handle_t port, e;
  zx_port_packet_t p;
  OK(zx_port_create(0, &port));
  OK(zx_event_create(0, &e));
  OK(zx_object_wait_async(e, port, 1, ZX_EVENT_SIGNALED, ZX_WAIT_ASYNC_TIMESTAMP));
  zx_time_t before = zx_clock_get_monotonic();
  OK(zx_object_signal(e, 0, ZX_EVENT_SIGNALED));
  OK(zx_port_wait(port, soon(), &p));
  TRUE(p.signal.timestamp >= before && p.signal.timestamp <= zx_clock_get_monotonic());
  OK(zx_handle_close(port));
  OK(zx_handle_close(e));
}

CHECK(port_cancel) {
  zx_handle_t port, e;
  zx_port_packet_t p;
  OK(zx_port_create(0, &port));
  OK(zx_event_create(0, &e));
  // A wait that goes on.
  OK(zx_object_wait_async(e, port, 7, ZX_EVENT_SIGNALED, 0));
  OK(zx_port_cancel(port, e, 7));
  OK(zx_object_signal(e, 0, ZX_EVENT_SIGNALED));
  IS(ZX_ERR_TIMED_OUT, zx_port_wait(port, 0, &p));
  // A packet that is already there. Others stay.
  OK(zx_object_wait_async(e, port, 7, ZX_EVENT_SIGNALED, 0));
  OK(zx_object_wait_async(e, port, 8, ZX_EVENT_SIGNALED, 0));
  OK(zx_port_cancel(port, e, 7));
  OK(zx_port_wait(port, 0, &p));
  IS(8, p.key);
  IS(ZX_ERR_TIMED_OUT, zx_port_wait(port, 0, &p));
  IS(ZX_ERR_NOT_FOUND, zx_port_cancel(port, e, 7));
  OK(zx_handle_close(port));
  OK(zx_handle_close(e));
}

CHECK(port_source_closed) {
  zx_handle_t port, a, b, other;
  zx_port_packet_t p;
  OK(zx_port_create(0, &port));
  OK(zx_eventpair_create(0, &a, &b));
  OK(zx_handle_duplicate(a, ZX_RIGHT_SAME_RIGHTS, &other));
  OK(zx_object_wait_async(a, port, 1, ZX_USER_SIGNAL_0, 0));
  OK(zx_object_wait_async(a, port, 2, ZX_USER_SIGNAL_1, 0));
  OK(zx_object_signal_peer(b, 0, ZX_USER_SIGNAL_0));
  // Closing the handle ends its waits; a packet that was made stays.
  OK(zx_handle_close(a));
  OK(zx_object_signal_peer(b, 0, ZX_USER_SIGNAL_1));
  OK(zx_port_wait(port, 0, &p));
  IS(1, p.key);
  IS(ZX_ERR_TIMED_OUT, zx_port_wait(port, 0, &p));
  OK(zx_handle_close(other));
  OK(zx_handle_close(b));
  OK(zx_handle_close(port));
}

CHECK(port_port_closed) {
  // A port can go first.
  zx_handle_t port, e;
  OK(zx_port_create(0, &port));
  OK(zx_event_create(0, &e));
  OK(zx_object_wait_async(e, port, 1, ZX_EVENT_SIGNALED, 0));
  OK(zx_handle_close(port));
  OK(zx_object_signal(e, 0, ZX_EVENT_SIGNALED));
  OK(zx_handle_close(e));
}

typedef struct {
  zx_handle_t port;
  zx_status_t status;
  zx_port_packet_t packet;
} receiver;

static void receive(void *arg) {
  receiver *r = arg;
  r->status = zx_port_wait(r->port, soon(), &r->packet);
}

CHECK(port_threads) {
  // A packet wakes one thread.
  receiver r[2];
  thread t[2];
  OK(zx_port_create(0, &r[0].port));
  r[1].port = r[0].port;
  for (int i = 0; i < 2; i++) {
    r[i].status = 1;
    OK(thread_start(&t[i], receive, &r[i]));
  }
  zx_port_packet_t p = {5, ZX_PKT_TYPE_USER, ZX_OK, {{{0}}}};
  OK(zx_port_queue(r[0].port, &p));
  EVENTUALLY(thread_state(t[0].handle) == ZX_THREAD_STATE_DEAD ||
             thread_state(t[1].handle) == ZX_THREAD_STATE_DEAD);
  int first = thread_state(t[0].handle) == ZX_THREAD_STATE_DEAD ? 0 : 1;
  IS(1, r[!first].status);
  p.key = 6;
  OK(zx_port_queue(r[0].port, &p));
  OK(thread_join(&t[0]));
  OK(thread_join(&t[1]));
  OK(r[first].status);
  IS(5, r[first].packet.key);
  OK(r[!first].status);
  IS(6, r[!first].packet.key);
  OK(zx_handle_close(r[0].port));
}
