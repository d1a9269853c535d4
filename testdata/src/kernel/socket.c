#include "kernel.h"

// Larger than any socket holds.
static char data[1024 * 1024], got[1024 * 1024];

static void fill(void) {
  for (size_t i = 0; i < sizeof data; i++) data[i] = (char)(i * 7 + i / 1000);
}

CHECK(socket_create) {
  zx_handle_t a, b;
  IS(ZX_ERR_INVALID_ARGS, zx_socket_create(0x80, &a, &b));
  for (int i = 0; i < NUM_BAD_POINTERS; i++)
    IS(ZX_ERR_INVALID_ARGS, zx_socket_create(0, &a, bad_pointers[i]));
  OK(zx_socket_create(ZX_SOCKET_STREAM, &a, &b));
  zx_rights_t least = ZX_RIGHTS_BASIC | ZX_RIGHTS_IO | ZX_RIGHT_GET_PROPERTY |
                      ZX_RIGHT_SET_PROPERTY | ZX_RIGHT_SIGNAL | ZX_RIGHT_SIGNAL_PEER;
  IS(least, rights(a) & least);
  IS(ZX_OBJ_TYPE_SOCKET, type(a));
  IS(koid(a), related_koid(b));
  IS(ZX_SOCKET_WRITABLE, signals(a));
  OK(zx_handle_close(a));
  OK(zx_handle_close(b));
}

CHECK(socket_stream) {
  zx_handle_t a, b;
  size_t n = 99;
  OK(zx_socket_create(ZX_SOCKET_STREAM, &a, &b));
  IS(ZX_ERR_SHOULD_WAIT, zx_socket_read(b, 0, got, 8, &n));
  OK(zx_socket_write(a, 0, "abc", 3, &n));
  IS(3, n);
  OK(zx_socket_write(a, 0, "def", 3, NULL));
  IS(ZX_SOCKET_READABLE | ZX_SOCKET_WRITABLE, signals(b));
  OK(zx_socket_read(b, 0, got, 2, &n));
  IS(2, n);
  OK(zx_socket_read(b, 0, got + 2, 100, &n));
  IS(4, n);
  IS(0, memcmp(got, "abcdef", 6));
  IS(ZX_SOCKET_WRITABLE, signals(b));
  // Both ways at once.
  OK(zx_socket_write(b, 0, "back", 4, &n));
  OK(zx_socket_read(a, 0, got, 100, &n));
  IS(4, n);
  for (int i = 0; i < NUM_BAD_POINTERS; i++)
    IS(ZX_ERR_INVALID_ARGS, zx_socket_write(a, 0, bad_pointers[i], 16, &n));
  OK(zx_handle_close(a));
  OK(zx_handle_close(b));
}

CHECK(socket_peek) {
  zx_handle_t a, b;
  size_t n;
  zx_info_socket_t info;
  OK(zx_socket_create(ZX_SOCKET_STREAM, &a, &b));
  OK(zx_socket_write(a, 0, "peek", 4, &n));
  OK(zx_object_get_info(b, ZX_INFO_SOCKET, &info, sizeof info, NULL, NULL));
  IS(ZX_SOCKET_STREAM, info.options);
  IS(4, info.rx_buf_available);
  IS(4, info.rx_buf_size);
  TRUE(info.rx_buf_max > 4);
  OK(zx_object_get_info(a, ZX_INFO_SOCKET, &info, sizeof info, NULL, NULL));
  IS(0, info.rx_buf_available);
  IS(4, info.tx_buf_size);
  for (int i = 0; i < 2; i++) {
    OK(zx_socket_read(b, ZX_SOCKET_PEEK, got, 100, &n));
    IS(4, n);
  }
  OK(zx_socket_read(b, 0, got, 100, &n));
  IS(4, n);
  IS(ZX_ERR_SHOULD_WAIT, zx_socket_read(b, ZX_SOCKET_PEEK, got, 100, &n));
  IS(ZX_ERR_INVALID_ARGS, zx_socket_read(b, 0x400, got, 100, &n));
  OK(zx_handle_close(a));
  OK(zx_handle_close(b));
}

CHECK(socket_full) {
  zx_handle_t a, b;
  size_t n, sent = 0, received = 0;
  OK(zx_socket_create(ZX_SOCKET_STREAM, &a, &b));
  fill();
  zx_status_t status;
  while ((status = zx_socket_write(a, 0, data + sent, sizeof data - sent, &n)) == ZX_OK) {
    TRUE(n > 0);
    sent += n;
    TRUE(sent < sizeof data);
  }
  IS(ZX_ERR_SHOULD_WAIT, status);
  TRUE(!(signals(a) & ZX_SOCKET_WRITABLE));
  zx_info_socket_t info;
  OK(zx_object_get_info(b, ZX_INFO_SOCKET, &info, sizeof info, NULL, NULL));
  IS(sent, info.rx_buf_size);
  while ((status = zx_socket_read(b, 0, got + received, 10000, &n)) == ZX_OK) received += n;
  IS(ZX_ERR_SHOULD_WAIT, status);
  IS(sent, received);
  IS(0, memcmp(data, got, sent));
  TRUE(signals(a) & ZX_SOCKET_WRITABLE);
  OK(zx_handle_close(a));
  OK(zx_handle_close(b));
}

typedef struct {
  zx_handle_t socket;
  bool good;
} sender;

static void send_all(void *arg) {
  sender *s = arg;
  s->good = write_all(s->socket, data, sizeof data) == ZX_OK;
  zx_handle_close(s->socket);
}

CHECK(socket_pipe) {
  // More than fits, through a writer that waits for room.
  zx_handle_t b;
  sender s = {0, false};
  size_t n, received = 0;
  OK(zx_socket_create(ZX_SOCKET_STREAM, &s.socket, &b));
  fill();
  thread t;
  OK(thread_start(&t, send_all, &s));
  do {
    OK(read_some(b, got + received, sizeof got - received, &n));
    received += n;
  } while (n > 0 && received < sizeof got);
  OK(thread_join(&t));
  TRUE(s.good);
  IS(sizeof data, received);
  IS(0, memcmp(data, got, sizeof data));
  OK(zx_handle_close(b));
}

CHECK(socket_datagram) {
  zx_handle_t a, b;
  size_t n;
  zx_info_socket_t info;
  OK(zx_socket_create(ZX_SOCKET_DATAGRAM, &a, &b));
  OK(zx_socket_write(a, 0, "first", 5, &n));
  OK(zx_socket_write(a, 0, "second", 6, &n));
  OK(zx_object_get_info(b, ZX_INFO_SOCKET, &info, sizeof info, NULL, NULL));
  IS(ZX_SOCKET_DATAGRAM, info.options);
  IS(5, info.rx_buf_available);
  IS(11, info.rx_buf_size);
  OK(zx_socket_read(b, ZX_SOCKET_PEEK, got, 100, &n));
  IS(5, n);
  // What does not fit of a datagram is lost.
  OK(zx_socket_read(b, 0, got, 2, &n));
  IS(2, n);
  OK(zx_socket_read(b, 0, got, 100, &n));
  IS(6, n);
  IS(0, memcmp(got, "second", 6));
  IS(ZX_ERR_OUT_OF_RANGE, zx_socket_write(a, 0, data, sizeof data, &n));
  OK(zx_handle_close(a));
  OK(zx_handle_close(b));
}

CHECK(socket_peer_closed) {
  zx_handle_t a, b;
  size_t n;
  OK(zx_socket_create(ZX_SOCKET_STREAM, &a, &b));
  OK(zx_socket_write(a, 0, "rest", 4, &n));
  OK(zx_handle_close(a));
  IS(ZX_SOCKET_READABLE | ZX_SOCKET_PEER_CLOSED, signals(b));
  IS(ZX_ERR_PEER_CLOSED, zx_socket_write(b, 0, "x", 1, &n));
  OK(zx_socket_read(b, 0, got, 100, &n));
  IS(4, n);
  IS(ZX_ERR_PEER_CLOSED, zx_socket_read(b, 0, got, 100, &n));
  IS(ZX_SOCKET_PEER_CLOSED, signals(b));
  OK(zx_handle_close(b));
}

// a may no longer write to b: both know, and b reads what there is and then
// that nothing more comes.
static bool is_half_closed(zx_handle_t a, zx_handle_t b) {
  size_t n;
  return (signals(a) & ZX_SOCKET_WRITE_DISABLED) && (signals(b) & ZX_SOCKET_PEER_WRITE_DISABLED) &&
         zx_socket_write(a, 0, "x", 1, &n) == ZX_ERR_BAD_STATE &&
         zx_socket_read(b, 0, got, 100, &n) == ZX_OK && n == 4 &&
         zx_socket_read(b, 0, got, 100, &n) == ZX_ERR_BAD_STATE &&
         zx_socket_write(b, 0, "y", 1, &n) == ZX_OK && zx_socket_read(a, 0, got, 100, &n) == ZX_OK;
}

CHECK(socket_disposition) {
  zx_handle_t a, b;
  size_t n;
  OK(zx_socket_create(ZX_SOCKET_STREAM, &a, &b));
  IS(ZX_ERR_INVALID_ARGS, zx_socket_set_disposition(a, 0x10, 0));
  OK(zx_socket_write(a, 0, "rest", 4, &n));
  OK(zx_socket_set_disposition(a, ZX_SOCKET_DISPOSITION_WRITE_DISABLED, 0));
  TRUE(is_half_closed(a, b));
  // And open again.
  OK(zx_socket_set_disposition(a, ZX_SOCKET_DISPOSITION_WRITE_ENABLED, 0));
  OK(zx_socket_write(a, 0, "more", 4, &n));
  OK(zx_socket_set_disposition(b, 0, ZX_SOCKET_DISPOSITION_WRITE_DISABLED));
  TRUE(is_half_closed(a, b));
  OK(zx_handle_close(a));
  OK(zx_handle_close(b));
}

CHECK(socket_shutdown) {
  // The older form of the same, for programs of 2020.
  for (int peer = 0; peer < 2; peer++) {
    zx_handle_t a, b;
    size_t n;
    OK(zx_socket_create(ZX_SOCKET_STREAM, &a, &b));
    OK(zx_socket_write(a, 0, "rest", 4, &n));
    OK(peer ? zx_socket_shutdown(b, ZX_SOCKET_SHUTDOWN_READ)
            : zx_socket_shutdown(a, ZX_SOCKET_SHUTDOWN_WRITE));
    TRUE(is_half_closed(a, b));
    IS(ZX_ERR_INVALID_ARGS, zx_socket_shutdown(a, 0x10));
    OK(zx_handle_close(a));
    OK(zx_handle_close(b));
  }
}

CHECK(socket_threshold) {
  zx_handle_t a, b;
  size_t n, threshold = 10;
  OK(zx_socket_create(ZX_SOCKET_STREAM, &a, &b));
  OK(zx_object_set_property(b, ZX_PROP_SOCKET_RX_THRESHOLD, &threshold, sizeof threshold));
  threshold = 0;
  OK(zx_object_get_property(b, ZX_PROP_SOCKET_RX_THRESHOLD, &threshold, sizeof threshold));
  IS(10, threshold);
  OK(zx_socket_write(a, 0, "123456789", 9, &n));
  TRUE(!(signals(b) & ZX_SOCKET_READ_THRESHOLD));
  OK(zx_socket_write(a, 0, "0", 1, &n));
  TRUE(signals(b) & ZX_SOCKET_READ_THRESHOLD);
  OK(zx_socket_read(b, 0, got, 1, &n));
  TRUE(!(signals(b) & ZX_SOCKET_READ_THRESHOLD));
  OK(zx_handle_close(a));
  OK(zx_handle_close(b));
}
