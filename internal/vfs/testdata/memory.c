// Files as memory.
#include <fcntl.h>
#include <lib/fdio/io.h>
#include <lib/fdio/directory.h>
#include <lib/fdio/fd.h>
#include <lib/fdio/namespace.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zircon/processargs.h>
#include <zircon/syscalls.h>

#include "check.h"

// Rights of fuchsia.io's OPEN_RIGHT_.
enum { READABLE = 1, WRITABLE = 2, EXECUTABLE = 8 };

static char text[] = "in the package\n";

int main(void) {
  int fd = open("/pkg/data/file", O_RDONLY);
  char* p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
  CHECK(p != MAP_FAILED && memcmp(p, text, sizeof text - 1) == 0 && p[sizeof text] == 0);
  // To write, even to a copy, the descriptor must be writable.
  CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0) == MAP_FAILED && errno == EACCES);

  zx_handle_t vmo;
  CHECK(fdio_get_vmo_copy(fd, &vmo) == ZX_OK && zx_handle_close(vmo) == ZX_OK);
  CHECK(fdio_get_vmo_clone(fd, &vmo) == ZX_OK && zx_handle_close(vmo) == ZX_OK);
  CHECK(fdio_get_vmo_exact(fd, &vmo) == ZX_OK && zx_handle_close(vmo) == ZX_OK);
  CHECK(fdio_get_vmo_exec(fd, &vmo) == ZX_ERR_ACCESS_DENIED);
  CHECK(close(fd) == 0);

  CHECK(fdio_open_fd("/pkg/data/file", READABLE | EXECUTABLE, &fd) == ZX_OK);
  CHECK(fdio_get_vmo_exec(fd, &vmo) == ZX_OK);
  zx_info_handle_basic_t info;
  CHECK(zx_object_get_info(vmo, ZX_INFO_HANDLE_BASIC, &info, sizeof info, NULL, NULL) == ZX_OK);
  CHECK((info.rights & ZX_RIGHT_EXECUTE) != 0 && (info.rights & ZX_RIGHT_WRITE) == 0);
  CHECK(close(fd) == 0);

  // Only packages can be executed.
  CHECK(fdio_open_fd("/tmp", READABLE | EXECUTABLE, &fd) == ZX_ERR_ACCESS_DENIED);

  // A file that can change is copied.
  fd = open("/tmp/m", O_RDWR | O_CREAT, 0600);
  CHECK(write(fd, text, sizeof text) == sizeof text);
  p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
  CHECK(p != MAP_FAILED && strcmp(p, text) == 0);
  char* w = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  CHECK(w != MAP_FAILED && strcmp(w, text) == 0);
  w[0] = 'X';
  char c;
  CHECK(pread(fd, &c, 1, 0) == 1 && c == 'i' && p[0] == 'i');
  CHECK(ftruncate(fd, 0) == 0 && strcmp(p, text) == 0);
  CHECK(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
  CHECK(close(fd) == 0);

  // A service, by the path that a client library uses.
  zx_handle_t client, server;
  CHECK(zx_channel_create(0, &client, &server) == ZX_OK);
  CHECK(fdio_service_connect("/svc/fuchsia.test.Echo", server) == ZX_OK);
  CHECK(zx_channel_write(client, 0, "ping", 4, NULL, 0) == ZX_OK);
  CHECK(zx_object_wait_one(client, ZX_CHANNEL_READABLE, ZX_TIME_INFINITE, NULL) == ZX_OK);
  char b[16];
  uint32_t n;
  CHECK(zx_channel_read(client, 0, b, NULL, sizeof b, 0, &n, NULL) == ZX_OK && n == 4 && memcmp(b, "ping", 4) == 0);

  // A directory of the namespace, given on.
  CHECK(zx_channel_create(0, &client, &server) == ZX_OK);
  CHECK(fdio_open("/tmp", READABLE | WRITABLE, server) == ZX_OK);
  fdio_ns_t* ns;
  CHECK(fdio_ns_get_installed(&ns) == ZX_OK && fdio_ns_bind(ns, "/other", client) == ZX_OK);
  fd = open("/other/from-there", O_RDWR | O_CREAT, 0600);
  CHECK(fd >= 0 && close(fd) == 0 && access("/tmp/from-there", F_OK) == 0);
  CHECK(rename("/other/from-there", "/tmp/renamed") == 0 && access("/tmp/renamed", F_OK) == 0);
  return failures;
}
