#include "kernel.h"

static zx_handle_t new_event(void) {
  zx_handle_t e = ZX_HANDLE_INVALID;
  zx_event_create(0, &e);
  return e;
}

CHECK(handle_values) {
  zx_handle_t a = new_event(), b = new_event();
  TRUE(a != b);
  IS(3, a & 3);
  IS(3, b & 3);
  OK(zx_handle_close(a));
  OK(zx_handle_close(b));
}

CHECK(handle_close) {
  zx_handle_t e = new_event();
  IS(ZX_ERR_BAD_HANDLE, zx_handle_close(e & ~3u));
  IS(ZX_ERR_BAD_HANDLE, zx_handle_close(e & ~1u));
  TRUE(is_valid(e));
  OK(zx_handle_close(e));
  IS(ZX_ERR_BAD_HANDLE, zx_handle_close(e));
  IS(ZX_ERR_BAD_HANDLE, zx_object_signal(e, 0, ZX_EVENT_SIGNALED));
  TRUE(!is_valid(e));
  OK(zx_handle_close(ZX_HANDLE_INVALID));
  IS(ZX_ERR_BAD_HANDLE, zx_handle_close(0xffffffff));
}

CHECK(handle_close_many) {
  zx_handle_t h[] = {new_event(), ZX_HANDLE_INVALID, new_event()};
  OK(zx_handle_close_many(h, 3));
  TRUE(!is_valid(h[0]) && !is_valid(h[2]));
  // All are closed even if one is bad.
  zx_handle_t bad[] = {new_event(), h[0], new_event()};
  IS(ZX_ERR_BAD_HANDLE, zx_handle_close_many(bad, 3));
  TRUE(!is_valid(bad[0]) && !is_valid(bad[2]));
  zx_handle_t twice[2];
  twice[0] = twice[1] = new_event();
  IS(ZX_ERR_BAD_HANDLE, zx_handle_close_many(twice, 2));
  TRUE(!is_valid(twice[0]));
  OK(zx_handle_close_many(NULL, 0));
  for (int i = 0; i < NUM_BAD_POINTERS; i++)
    IS(ZX_ERR_INVALID_ARGS, zx_handle_close_many(bad_pointers[i], 2));
}

CHECK(handle_duplicate) {
  zx_handle_t e = new_event(), same, less, none;
  OK(zx_handle_duplicate(e, ZX_RIGHT_SAME_RIGHTS, &same));
  TRUE(same != e);
  IS(koid(e), koid(same));
  IS(rights(e), rights(same));
  OK(zx_handle_duplicate(e, ZX_RIGHT_WAIT | ZX_RIGHT_INSPECT, &less));
  IS(ZX_RIGHT_WAIT | ZX_RIGHT_INSPECT, rights(less));
  IS(ZX_ERR_ACCESS_DENIED, zx_handle_duplicate(less, ZX_RIGHT_WAIT, &none));
  IS(ZX_ERR_INVALID_ARGS, zx_handle_duplicate(e, ZX_RIGHT_EXECUTE, &none));
  OK(zx_handle_duplicate(e, ZX_RIGHT_NONE, &none));
  TRUE(is_valid(none));
  IS(ZX_ERR_ACCESS_DENIED, zx_object_signal(none, 0, ZX_EVENT_SIGNALED));
  // They are one object.
  OK(zx_object_signal(same, 0, ZX_USER_SIGNAL_0));
  IS(ZX_USER_SIGNAL_0, signals(less));
  zx_handle_t all[] = {e, same, less, none};
  OK(zx_handle_close_many(all, 4));
}

CHECK(handle_count) {
  uint32_t count;
  zx_handle_t e = new_event(), other;
  OK(zx_object_get_info(e, ZX_INFO_HANDLE_COUNT, &count, sizeof count, NULL, NULL));
  IS(1, count);
  OK(zx_handle_duplicate(e, ZX_RIGHT_SAME_RIGHTS, &other));
  OK(zx_object_get_info(e, ZX_INFO_HANDLE_COUNT, &count, sizeof count, NULL, NULL));
  IS(2, count);
  // A failed call leaves no handle behind.
  for (int i = 0; i < NUM_BAD_POINTERS; i++)
    IS(ZX_ERR_INVALID_ARGS, zx_handle_duplicate(e, ZX_RIGHT_SAME_RIGHTS, bad_pointers[i]));
  OK(zx_handle_close(other));
  OK(zx_object_get_info(e, ZX_INFO_HANDLE_COUNT, &count, sizeof count, NULL, NULL));
  IS(1, count);
  OK(zx_handle_close(e));
}

CHECK(handle_replace) {
  zx_handle_t e = new_event(), less, none;
  zx_koid_t id = koid(e);
  OK(zx_handle_replace(e, ZX_RIGHT_WAIT | ZX_RIGHT_INSPECT, &less));
  TRUE(!is_valid(e));
  IS(id, koid(less));
  IS(ZX_RIGHT_WAIT | ZX_RIGHT_INSPECT, rights(less));
  // It takes no right to replace, and cannot add one. The handle is gone anyhow.
  OK(zx_handle_replace(less, ZX_RIGHT_SAME_RIGHTS, &e));
  IS(ZX_ERR_INVALID_ARGS, zx_handle_replace(e, ZX_RIGHT_SIGNAL, &none));
  TRUE(!is_valid(e));
  IS(ZX_ERR_BAD_HANDLE, zx_handle_replace(e, ZX_RIGHT_SAME_RIGHTS, &none));
}

CHECK(handle_rights) {
  zx_handle_t a, b, weak;
  uint32_t n, m;
  char byte;
  OK(zx_channel_create(0, &a, &b));
  OK(zx_channel_write(b, 0, "x", 1, NULL, 0));
  OK(zx_handle_replace(a, ZX_RIGHT_WRITE, &weak));
  IS(ZX_ERR_ACCESS_DENIED, zx_channel_read(weak, 0, &byte, NULL, 1, 0, &n, &m));
  IS(ZX_ERR_ACCESS_DENIED, zx_object_wait_one(weak, ZX_CHANNEL_READABLE, 0, NULL));
  OK(zx_channel_write(weak, 0, "y", 1, NULL, 0));
  OK(zx_handle_replace(b, ZX_RIGHT_READ, &b));
  OK(zx_channel_read(b, 0, &byte, NULL, 1, 0, &n, &m));
  IS('y', byte);
  IS(ZX_ERR_ACCESS_DENIED, zx_channel_write(b, 0, "z", 1, NULL, 0));
  OK(zx_handle_close(weak));
  OK(zx_handle_close(b));
}

CHECK(handle_wrong_type) {
  zx_handle_t e = new_event();
  uint32_t n, m;
  uint64_t size;
  char byte;
  IS(ZX_ERR_WRONG_TYPE, zx_channel_read(e, 0, &byte, NULL, 1, 0, &n, &m));
  IS(ZX_ERR_WRONG_TYPE, zx_channel_write(e, 0, &byte, 1, NULL, 0));
  IS(ZX_ERR_WRONG_TYPE, zx_socket_write(e, 0, &byte, 1, NULL));
  IS(ZX_ERR_WRONG_TYPE, zx_vmo_get_size(e, &size));
  IS(ZX_ERR_WRONG_TYPE, zx_vmar_unmap(e, 0, ZX_PAGE_SIZE));
  IS(ZX_ERR_WRONG_TYPE, zx_timer_cancel(e));
  // Of any kind of object the rights are looked at first.
  IS(ZX_ERR_ACCESS_DENIED, zx_task_kill(e));
  IS(ZX_ERR_BAD_HANDLE, zx_channel_write(ZX_HANDLE_INVALID, 0, &byte, 1, NULL, 0));
  OK(zx_handle_close(e));
}

CHECK(handle_koids) {
  zx_koid_t seen[16];
  zx_handle_t h[16];
  for (int i = 0; i < 16; i++) {
    h[i] = new_event();
    seen[i] = koid(h[i]);
    TRUE(seen[i] >= 1024);
    IS(ZX_OBJ_TYPE_EVENT, type(h[i]));
    IS(0, related_koid(h[i]));
    for (int j = 0; j < i; j++) TRUE(seen[i] != seen[j]);
  }
  OK(zx_handle_close_many(h, 16));
  // Not given again.
  zx_handle_t again = new_event();
  for (int i = 0; i < 16; i++) TRUE(koid(again) != seen[i]);
  OK(zx_handle_close(again));
}

CHECK(handle_info_sizes) {
  zx_handle_t e = new_event();
  zx_info_handle_basic_t info;
  size_t actual = 9, avail = 9;
  OK(zx_object_get_info(e, ZX_INFO_HANDLE_BASIC, &info, sizeof info, &actual, &avail));
  IS(1, actual);
  IS(1, avail);
  IS(ZX_ERR_BUFFER_TOO_SMALL,
     zx_object_get_info(e, ZX_INFO_HANDLE_BASIC, &info, sizeof info - 1, &actual, &avail));
  IS(0, actual);
  IS(1, avail);
  IS(ZX_ERR_NOT_SUPPORTED, zx_object_get_info(e, 0x7fff, &info, sizeof info, &actual, &avail));
  IS(ZX_ERR_WRONG_TYPE,
     zx_object_get_info(e, ZX_INFO_VMAR, &info, sizeof info, &actual, &avail));
  OK(zx_handle_close(e));
}

CHECK(handle_many) {
  static zx_handle_t h[500];
  for (int i = 0; i < 500; i++) {
    h[i] = new_event();
    TRUE(h[i] != ZX_HANDLE_INVALID);
  }
  OK(zx_handle_close_many(h, 500));
  TRUE(!is_valid(h[0]) && !is_valid(h[499]));
}
