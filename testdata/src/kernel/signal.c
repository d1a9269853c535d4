// Events, eventpairs, and waiting for one or many objects.
#include "kernel.h"

CHECK(event_signal) {
  zx_handle_t e;
  IS(ZX_ERR_INVALID_ARGS, zx_event_create(1, &e));
  OK(zx_event_create(0, &e));
  IS(ZX_RIGHTS_BASIC | ZX_RIGHT_SIGNAL, rights(e));
  IS(0, signals(e));
  OK(zx_object_signal(e, 0, ZX_EVENT_SIGNALED | ZX_USER_SIGNAL_7));
  IS(ZX_EVENT_SIGNALED | ZX_USER_SIGNAL_7, signals(e));
  // First clears, then sets.
  OK(zx_object_signal(e, ZX_EVENT_SIGNALED | ZX_USER_SIGNAL_0, ZX_USER_SIGNAL_0));
  IS(ZX_USER_SIGNAL_0 | ZX_USER_SIGNAL_7, signals(e));
  IS(ZX_ERR_INVALID_ARGS, zx_object_signal(e, 0, 1u << 0));
  IS(ZX_ERR_INVALID_ARGS, zx_object_signal(e, 1u << 5, 0));
  IS(ZX_USER_SIGNAL_0 | ZX_USER_SIGNAL_7, signals(e));
  OK(zx_handle_close(e));
}

CHECK(eventpair) {
  zx_handle_t a, b;
  OK(zx_eventpair_create(0, &a, &b));
  IS(ZX_RIGHTS_BASIC | ZX_RIGHT_SIGNAL | ZX_RIGHT_SIGNAL_PEER, rights(a));
  IS(koid(a), related_koid(b));
  OK(zx_object_signal_peer(a, 0, ZX_EVENTPAIR_SIGNALED));
  IS(0, signals(a));
  IS(ZX_EVENTPAIR_SIGNALED, signals(b));
  OK(zx_object_signal_peer(a, ZX_EVENTPAIR_SIGNALED, ZX_USER_SIGNAL_1));
  IS(ZX_USER_SIGNAL_1, signals(b));
  IS(ZX_ERR_INVALID_ARGS, zx_object_signal_peer(a, 0, ZX_EVENTPAIR_PEER_CLOSED));
  // Only the last handle closes the peer.
  zx_handle_t other;
  OK(zx_handle_duplicate(a, ZX_RIGHT_SAME_RIGHTS, &other));
  OK(zx_handle_close(a));
  IS(ZX_USER_SIGNAL_1, signals(b));
  OK(zx_handle_close(other));
  IS(ZX_USER_SIGNAL_1 | ZX_EVENTPAIR_PEER_CLOSED, signals(b));
  IS(ZX_ERR_PEER_CLOSED, zx_object_signal_peer(b, 0, ZX_EVENTPAIR_SIGNALED));
  OK(zx_handle_close(b));
}

CHECK(signal_others) {
  // Users' signals are there on every object; the kernel's own are not theirs.
  zx_handle_t a, b;
  OK(zx_channel_create(0, &a, &b));
  OK(zx_object_signal(a, 0, ZX_USER_SIGNAL_0));
  OK(zx_object_signal_peer(a, 0, ZX_USER_SIGNAL_1));
  IS(ZX_CHANNEL_WRITABLE | ZX_USER_SIGNAL_0, signals(a));
  IS(ZX_CHANNEL_WRITABLE | ZX_USER_SIGNAL_1, signals(b));
  IS(ZX_ERR_INVALID_ARGS, zx_object_signal(a, 0, ZX_CHANNEL_READABLE));
  IS(ZX_ERR_INVALID_ARGS, zx_object_signal(a, ZX_CHANNEL_WRITABLE, 0));
  OK(zx_handle_close(a));
  OK(zx_handle_close(b));
}

CHECK(wait_one) {
  zx_handle_t e;
  zx_signals_t seen = 0;
  OK(zx_event_create(0, &e));
  IS(ZX_ERR_TIMED_OUT, zx_object_wait_one(e, ZX_EVENT_SIGNALED, 0, &seen));
  IS(0, seen);
  IS(ZX_ERR_TIMED_OUT, zx_object_wait_one(e, ZX_EVENT_SIGNALED, INT64_MIN, NULL));
  zx_time_t deadline = zx_deadline_after(ZX_MSEC(3));
  IS(ZX_ERR_TIMED_OUT, zx_object_wait_one(e, ZX_EVENT_SIGNALED, deadline, &seen));
  TRUE(zx_clock_get_monotonic() >= deadline);
  OK(zx_object_signal(e, 0, ZX_EVENT_SIGNALED | ZX_USER_SIGNAL_0));
  OK(zx_object_wait_one(e, ZX_USER_SIGNAL_0 | ZX_USER_SIGNAL_1, ZX_TIME_INFINITE, &seen));
  IS(ZX_EVENT_SIGNALED | ZX_USER_SIGNAL_0, seen);
  for (int i = 1; i < NUM_BAD_POINTERS; i++)
    IS(ZX_ERR_INVALID_ARGS, zx_object_wait_one(e, ZX_EVENT_SIGNALED, 0, bad_pointers[i]));
  OK(zx_handle_close(e));
}

typedef struct {
  zx_handle_t handle;
  zx_signals_t wanted, seen;
  zx_status_t status;
} waiter;

static void wait_one_in_thread(void *arg) {
  waiter *w = arg;
  w->status = zx_object_wait_one(w->handle, w->wanted, soon(), &w->seen);
}

CHECK(wait_one_wakes) {
  waiter w[2] = {{0, ZX_EVENT_SIGNALED, 0, 1}, {0, ZX_USER_SIGNAL_0, 0, 1}};
  thread t[2];
  OK(zx_event_create(0, &w[0].handle));
  w[1].handle = w[0].handle;
  for (int i = 0; i < 2; i++) {
    OK(thread_start(&t[i], wait_one_in_thread, &w[i]));
    EVENTUALLY(thread_state(t[i].handle) == ZX_THREAD_STATE_BLOCKED_WAIT_ONE);
  }
  OK(zx_object_signal(w[0].handle, 0, ZX_EVENT_SIGNALED));
  OK(thread_join(&t[0]));
  OK(w[0].status);
  IS(ZX_EVENT_SIGNALED, w[0].seen);
  IS(ZX_THREAD_STATE_BLOCKED_WAIT_ONE, thread_state(t[1].handle));
  OK(zx_object_signal(w[0].handle, 0, ZX_USER_SIGNAL_0));
  OK(thread_join(&t[1]));
  OK(w[1].status);
  IS(ZX_EVENT_SIGNALED | ZX_USER_SIGNAL_0, w[1].seen);
  OK(zx_handle_close(w[0].handle));
}

CHECK(wait_one_sees_a_pulse) {
  // A signal that comes and goes has still been seen.
  waiter w = {0, ZX_EVENT_SIGNALED, 0, 1};
  thread t;
  OK(zx_event_create(0, &w.handle));
  OK(thread_start(&t, wait_one_in_thread, &w));
  while (thread_state(t.handle) != ZX_THREAD_STATE_DEAD) {
    OK(zx_object_signal(w.handle, 0, ZX_EVENT_SIGNALED));
    OK(zx_object_signal(w.handle, ZX_EVENT_SIGNALED, 0));
  }
  OK(thread_join(&t));
  OK(w.status);
  TRUE(w.seen & ZX_EVENT_SIGNALED);
  OK(zx_handle_close(w.handle));
}

CHECK(wait_one_canceled) {
  // A handle that is closed before the wait has begun is just a bad one: then
  // try again.
  for (int tries = 0; tries < 100; tries++) {
    waiter w = {0, ZX_EVENT_SIGNALED, 0, 1};
    zx_handle_t other;
    thread t;
    OK(zx_event_create(0, &w.handle));
    OK(zx_handle_duplicate(w.handle, ZX_RIGHT_SAME_RIGHTS, &other));
    OK(thread_start(&t, wait_one_in_thread, &w));
    EVENTUALLY(thread_state(t.handle) == ZX_THREAD_STATE_BLOCKED_WAIT_ONE);
    // Not of the object: of the handle that is waited with.
    OK(zx_handle_close(other));
    IS(ZX_THREAD_STATE_BLOCKED_WAIT_ONE, thread_state(t.handle));
    OK(zx_handle_close(w.handle));
    OK(thread_join(&t));
    if (w.status == ZX_ERR_BAD_HANDLE) continue;
    IS(ZX_ERR_CANCELED, w.status);
    TRUE(w.seen & ZX_SIGNAL_HANDLE_CLOSED);
    return;
  }
  TRUE(!"ever canceled");
}

CHECK(wait_many) {
  zx_handle_t e[3];
  for (int i = 0; i < 3; i++) OK(zx_event_create(0, &e[i]));
  zx_wait_item_t items[] = {
      {e[0], ZX_EVENT_SIGNALED, 99}, {e[1], ZX_USER_SIGNAL_0, 99}, {e[2], ZX_EVENT_SIGNALED, 99}};
  IS(ZX_ERR_TIMED_OUT, zx_object_wait_many(items, 3, 0));
  IS(0, items[0].pending);
  OK(zx_object_signal(e[1], 0, ZX_USER_SIGNAL_0 | ZX_USER_SIGNAL_1));
  OK(zx_object_signal(e[2], 0, ZX_USER_SIGNAL_1));
  OK(zx_object_wait_many(items, 3, ZX_TIME_INFINITE));
  IS(0, items[0].pending);
  IS(ZX_USER_SIGNAL_0 | ZX_USER_SIGNAL_1, items[1].pending);
  IS(ZX_USER_SIGNAL_1, items[2].pending);
  // Nothing to wait for is a sleep.
  zx_time_t deadline = zx_deadline_after(ZX_MSEC(2));
  IS(ZX_ERR_TIMED_OUT, zx_object_wait_many(NULL, 0, deadline));
  TRUE(zx_clock_get_monotonic() >= deadline);
  OK(zx_handle_close_many(e, 3));
  IS(ZX_ERR_BAD_HANDLE, zx_object_wait_many(items, 3, 0));
}

CHECK(wait_many_limits) {
  static zx_wait_item_t items[ZX_WAIT_MANY_MAX_ITEMS + 1];
  zx_handle_t e;
  OK(zx_event_create(0, &e));
  for (int i = 0; i <= ZX_WAIT_MANY_MAX_ITEMS; i++)
    items[i] = (zx_wait_item_t){e, ZX_EVENT_SIGNALED, 0};
  IS(ZX_ERR_OUT_OF_RANGE, zx_object_wait_many(items, ZX_WAIT_MANY_MAX_ITEMS + 1, 0));
  IS(ZX_ERR_TIMED_OUT, zx_object_wait_many(items, ZX_WAIT_MANY_MAX_ITEMS, 0));
  OK(zx_object_signal(e, 0, ZX_EVENT_SIGNALED));
  OK(zx_object_wait_many(items, ZX_WAIT_MANY_MAX_ITEMS, 0));
  IS(ZX_EVENT_SIGNALED, items[63].pending);
  for (int i = 0; i < NUM_BAD_POINTERS; i++)
    IS(ZX_ERR_INVALID_ARGS, zx_object_wait_many(bad_pointers[i], 1, 0));
  OK(zx_handle_close(e));
}

static zx_wait_item_t two[2];
static zx_status_t two_status;

static void wait_for_two(void *unused) {
  (void)unused;
  two_status = zx_object_wait_many(two, 2, soon());
}

CHECK(wait_many_canceled) {
  for (int tries = 0; tries < 100; tries++) {
    for (int i = 0; i < 2; i++) {
      two[i] = (zx_wait_item_t){0, ZX_EVENT_SIGNALED, 0};
      OK(zx_event_create(0, &two[i].handle));
    }
    thread t;
    OK(thread_start(&t, wait_for_two, NULL));
    EVENTUALLY(thread_state(t.handle) == ZX_THREAD_STATE_BLOCKED_WAIT_MANY);
    OK(zx_handle_close(two[1].handle));
    OK(thread_join(&t));
    OK(zx_handle_close(two[0].handle));
    if (two_status == ZX_ERR_BAD_HANDLE) continue;
    IS(ZX_ERR_CANCELED, two_status);
    TRUE(!(two[0].pending & ZX_SIGNAL_HANDLE_CLOSED));
    TRUE(two[1].pending & ZX_SIGNAL_HANDLE_CLOSED);
    return;
  }
  TRUE(!"ever canceled");
}
