// What the program spawn starts: it does what its first argument says.
//
//   report          a line for each thing that it was given
//   return N        returns N
//   read FD         copies a descriptor to standard output
//   cat FILE        copies a file to standard output
//   upper           copies standard input to standard output in capital letters
//   echo            sends a message of PA_USER0's channel back
//   time            the clocks: time() and clock_gettime()
//   sleep           prints a line, and sleeps for ever
//   create          tries to make a process by itself
//   leave PROGRAM   starts "PROGRAM sleep", prints a line, and returns at the
//                   end of standard input
//   down N          "down N-1" in a process of its own, and so on to 0
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <lib/fdio/fd.h>
#include <lib/fdio/namespace.h>
#include <lib/fdio/spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zircon/dlfcn.h>
#include <zircon/process.h>
#include <zircon/processargs.h>
#include <zircon/syscalls.h>

// Of libc; no header of the SDK declares it.
zx_handle_t zx_utc_reference_get(void);

extern char** environ;

static int report(int argc, char** argv) {
  for (int i = 0; i < argc; i++) printf("arg %s\n", argv[i]);
  for (char** e = environ; *e; e++) printf("env %s\n", *e);
  char name[ZX_MAX_NAME_LEN];
  if (zx_object_get_property(zx_process_self(), ZX_PROP_NAME, name, sizeof name) == ZX_OK)
    printf("name %s\n", name);
  zx_info_handle_basic_t job;
  if (zx_object_get_info(zx_job_default(), ZX_INFO_HANDLE_BASIC, &job, sizeof job, 0, 0) == ZX_OK)
    printf("job %lu\n", job.koid);
  zx_handle_t loader = ZX_HANDLE_INVALID;
  if (dl_clone_loader_service(&loader) == ZX_OK && loader != ZX_HANDLE_INVALID) puts("loader");
  if (zx_utc_reference_get() != ZX_HANDLE_INVALID) puts("clock");
  // What there was no descriptor for is a null one, which cannot be cloned.
  zx_handle_t h;
  for (int fd = 0; fd < 16; fd++)
    if (fdio_fd_clone(fd, &h) == ZX_OK) printf("fd %d\n", fd);
  fdio_flat_namespace_t* ns;
  if (fdio_ns_export_root(&ns) == ZX_OK)
    for (size_t i = 0; i < ns->count; i++) printf("dir %s\n", ns->path[i]);
  return 0;
}

static int copy(int fd) {
  char b[4096];
  ssize_t n;
  while ((n = read(fd, b, sizeof b)) > 0) fwrite(b, 1, n, stdout);
  if (n < 0) printf("%s\n", strerror(errno));
  return n < 0;
}

static int cat(const char* path) {
  int fd = open(path, O_RDONLY);
  if (fd < 0) {
    printf("%s: %s\n", path, strerror(errno));
    return 1;
  }
  return copy(fd);
}

static int upper(void) {
  for (int c; (c = getchar()) != EOF;) putchar(toupper(c));
  return 0;
}

static int echo(void) {
  zx_handle_t c = zx_take_startup_handle(PA_HND(PA_USER0, 0));
  char b[64];
  uint32_t n;
  zx_status_t s = zx_object_wait_one(c, ZX_CHANNEL_READABLE, ZX_TIME_INFINITE, NULL);
  if (s == ZX_OK) s = zx_channel_read(c, 0, b, NULL, sizeof b, 0, &n, NULL);
  if (s == ZX_OK) s = zx_channel_write(c, 0, b, n, NULL, 0);
  return s;
}

static int tell_time(void) {
  struct timespec now, mono;
  if (clock_gettime(CLOCK_REALTIME, &now) != 0 || clock_gettime(CLOCK_MONOTONIC, &mono) != 0)
    return 1;
  printf("%ld %ld\n", (long)time(NULL), (long)now.tv_sec);
  return mono.tv_sec == 0 && mono.tv_nsec == 0;
}

static int create(void) {
  zx_handle_t process, vmar;
  zx_status_t s = zx_process_create(zx_job_default(), "own", 3, 0, &process, &vmar);
  printf("%d\n", s);
  return 0;
}

static zx_handle_t start(const char* path, const char* arg, const char* arg2, int out) {
  const char* argv[] = {path, arg, arg2, NULL};
  fdio_spawn_action_t a = {.action = FDIO_SPAWN_ACTION_CLONE_FD, .fd = {out, 1}};
  zx_handle_t p = ZX_HANDLE_INVALID;
  char why[FDIO_SPAWN_ERR_MSG_MAX_LENGTH];
  zx_status_t s = fdio_spawn_etc(ZX_HANDLE_INVALID, FDIO_SPAWN_CLONE_ALL, path, argv, NULL, 1, &a,
                                 &p, why);
  if (s != ZX_OK) printf("%d %s\n", s, why);
  return p;
}

static int leave(const char* path) {
  int ends[2];
  char c;
  if (pipe(ends) != 0 || start(path, "sleep", NULL, ends[1]) == ZX_HANDLE_INVALID) return 1;
  if (read(ends[0], &c, 1) != 1) return 1;
  puts("left");
  fflush(stdout);
  return copy(0);
}

static int down(const char* self, int n) {
  printf("at %d\n", n);
  fflush(stdout);
  if (n == 0) return 5;
  char next[16];
  snprintf(next, sizeof next, "%d", n - 1);
  zx_handle_t p = start(self, "down", next, 1);
  zx_info_process_t info = {0};
  if (p == ZX_HANDLE_INVALID ||
      zx_object_wait_one(p, ZX_PROCESS_TERMINATED, ZX_TIME_INFINITE, NULL) != ZX_OK ||
      zx_object_get_info(p, ZX_INFO_PROCESS, &info, sizeof info, NULL, NULL) != ZX_OK)
    return 100;
  return info.return_code + 1;
}

int main(int argc, char** argv) {
  const char* what = argc > 1 ? argv[1] : "";
  const char* arg = argc > 2 ? argv[2] : "";
  if (strcmp(what, "report") == 0) return report(argc, argv);
  if (strcmp(what, "return") == 0) return atoi(arg);
  if (strcmp(what, "read") == 0) return copy(atoi(arg));
  if (strcmp(what, "cat") == 0) return cat(arg);
  if (strcmp(what, "upper") == 0) return upper();
  if (strcmp(what, "echo") == 0) return echo();
  if (strcmp(what, "time") == 0) return tell_time();
  if (strcmp(what, "create") == 0) return create();
  if (strcmp(what, "leave") == 0) return leave(arg);
  if (strcmp(what, "down") == 0) return down(argv[0], atoi(arg));
  if (strcmp(what, "sleep") == 0) {
    puts("sleeping");
    fflush(stdout);
    zx_nanosleep(ZX_TIME_INFINITE);
  }
  printf("child: what is %s?\n", what);
  return 255;
}
