// Sockets, and text through them.
#include <stdarg.h>

#include "start.h"

zx_status_t write_all(zx_handle_t socket, const void *data, size_t size) {
  const char *next = data;
  while (size > 0) {
    size_t n = 0;
    zx_status_t status = zx_socket_write(socket, 0, next, size, &n);
    if (status == ZX_ERR_SHOULD_WAIT) {
      status = zx_object_wait_one(
          socket, ZX_SOCKET_WRITABLE | ZX_SOCKET_WRITE_DISABLED | ZX_SOCKET_PEER_CLOSED,
          ZX_TIME_INFINITE, NULL);
      n = 0;
    }
    if (status != ZX_OK) return status;
    next += n;
    size -= n;
  }
  return ZX_OK;
}

zx_status_t read_some(zx_handle_t socket, void *data, size_t size, size_t *actual) {
  for (;;) {
    *actual = 0;
    zx_status_t status = zx_socket_read(socket, 0, data, size, actual);
    // PEER_CLOSED: the writer is gone. BAD_STATE: it said that it writes no more.
    if (status == ZX_ERR_PEER_CLOSED || status == ZX_ERR_BAD_STATE) return ZX_OK;
    if (status != ZX_ERR_SHOULD_WAIT) return status;
    status = zx_object_wait_one(
        socket, ZX_SOCKET_READABLE | ZX_SOCKET_PEER_WRITE_DISABLED | ZX_SOCKET_PEER_CLOSED,
        ZX_TIME_INFINITE, NULL);
    if (status != ZX_OK) return status;
  }
}

// Text on its way out, so that a line is one write.
typedef struct {
  size_t used;
  char bytes[200];
} line;

static void flush(line *l) {
  zx_handle_t out = fd_handle(1);
  if (out != ZX_HANDLE_INVALID)
    write_all(out, l->bytes, l->used);
  else
    zx_debug_write(l->bytes, l->used);
  l->used = 0;
}

static void put(line *l, char c) {
  if (l->used == sizeof l->bytes) flush(l);
  l->bytes[l->used++] = c;
}

static void put_number(line *l, uint64_t n, unsigned base) {
  char digits[20];
  int count = 0;
  do {
    digits[count++] = "0123456789abcdef"[n % base];
    n /= base;
  } while (n > 0);
  while (count > 0) put(l, digits[--count]);
}

void print(const char *format, ...) {
  va_list args;
  line l;
  l.used = 0;
  va_start(args, format);
  for (const char *f = format; *f; f++) {
    if (*f != '%') {
      put(&l, *f);
      continue;
    }
    bool is_long = *++f == 'l';
    if (is_long) f++;
    switch (*f) {
      case 's':
        for (const char *s = va_arg(args, const char *); *s; s++) put(&l, *s);
        break;
      case 'c':
        put(&l, (char)va_arg(args, int));
        break;
      case 'd': {
        int64_t n = is_long ? va_arg(args, int64_t) : va_arg(args, int);
        if (n < 0) put(&l, '-');
        put_number(&l, n < 0 ? -(uint64_t)n : (uint64_t)n, 10);
        break;
      }
      case 'u':
      case 'x': {
        uint64_t n = is_long ? va_arg(args, uint64_t) : va_arg(args, unsigned);
        put_number(&l, n, *f == 'x' ? 16 : 10);
        break;
      }
      default:
        put(&l, *f);
    }
  }
  va_end(args);
  if (l.used > 0) flush(&l);
}

int64_t parse_number(const char *text) {
  bool negative = *text == '-';
  if (negative) text++;
  unsigned base = 10;
  if (text[0] == '0' && text[1] == 'x') base = 16, text += 2;
  uint64_t n = 0;
  for (;; text++) {
    unsigned digit = *text >= '0' && *text <= '9'   ? (unsigned)(*text - '0')
                     : *text >= 'a' && *text <= 'f' ? (unsigned)(*text - 'a' + 10)
                                                    : base;
    if (digit >= base) return (int64_t)(negative ? -n : n);
    n = n * base + digit;
  }
}

const char *after_prefix(const char *text, const char *prefix) {
  while (*prefix)
    if (*text++ != *prefix++) return 0;
  return text;
}
