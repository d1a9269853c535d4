// Programs that start programs out of the package: to a depth of ten, directly
// and by scripts.
#include <lib/fdio/spawn.h>
#include <stdlib.h>
#include <unistd.h>
#include <zircon/process.h>
#include <zircon/syscalls.h>
#include <zircon/syscalls/object.h>

#include "check.h"

// spawn starts a program, waits for its end and gives its return code.
static int64_t spawn(const char* path, const char* const* argv, zx_status_t* status) {
  zx_handle_t process = ZX_HANDLE_INVALID;
  *status = fdio_spawn(ZX_HANDLE_INVALID, FDIO_SPAWN_CLONE_ALL, path, argv, &process);
  if (*status != ZX_OK) return -1;
  zx_info_process_t info;
  CHECK(zx_object_wait_one(process, ZX_PROCESS_TERMINATED, ZX_TIME_INFINITE, NULL) == ZX_OK);
  CHECK(zx_object_get_info(process, ZX_INFO_PROCESS, &info, sizeof info, NULL, NULL) == ZX_OK);
  CHECK(zx_handle_close(process) == ZX_OK);
  return info.return_code;
}

int main(int argc, char** argv) {
  zx_status_t status;
  // As a link of the chain: the return code is the length of what follows.
  if (argc == 3 && strcmp(argv[1], "chain") == 0) {
    int n = atoi(argv[2]);
    char left[8];
    snprintf(left, sizeof left, "%d", n - 1);
    const char* next[] = {argv[0], "chain", left, NULL};
    return n == 0 ? 0 : 1 + (int)spawn("/pkg/bin/spawn", next, &status);
  }
  // As an interpreter: it gets the argument in the script's first line, then
  // what the script was given.
  if (argc == 4 && strcmp(argv[1], "interpret") == 0) {
    CHECK(strcmp(argv[0], "/pkg/bin/spawn") == 0);
    CHECK(strcmp(argv[2], "script") == 0);
    CHECK(strcmp(argv[3], "more") == 0);
    return failures ? 1 : 42;
  }

  const char* chain[] = {"spawn", "chain", "10", NULL};
  CHECK(spawn("/pkg/bin/spawn", chain, &status) == 10);
  const char* script[] = {"script", "more", NULL};
  CHECK(spawn("/pkg/bin/script", script, &status) == 42);

  const char* none[] = {"spawn", "chain", "0", NULL};
  CHECK(spawn("/pkg/bin/none", none, &status) == -1 && status == ZX_ERR_NOT_FOUND);
  CHECK(spawn("/pkg/bin", none, &status) == -1 && status == ZX_ERR_NOT_SUPPORTED);
  // libfdio keeps NOT_FOUND for files that are not there.
  CHECK(spawn("/pkg/data/file", none, &status) == -1 && status == ZX_ERR_INTERNAL);
  CHECK(spawn("/tmp/spawn", none, &status) == -1 && status == ZX_ERR_ACCESS_DENIED);
  return failures;
}
