// Checks fdio_spawn, fdio_spawn_etc and fdio_spawn_vmo: their flags, actions,
// scripts and errors. The children are /pkg/bin/child and /pkg/bin/hello, which
// is static. Prints "ok NAME" or "FAIL NAME: why" for each check; gives how
// many failed.
#include <errno.h>
#include <fcntl.h>
#include <lib/fdio/directory.h>
#include <lib/fdio/fd.h>
#include <lib/fdio/io.h>
#include <lib/fdio/limits.h>
#include <lib/fdio/spawn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zircon/process.h>
#include <zircon/processargs.h>
#include <zircon/syscalls.h>
#include <zircon/syscalls/clock.h>
#include <zircon/syscalls/policy.h>

static const char* check;
static int failures;
static bool failed;

#define CHECK(cond)                                                     \
  do {                                                                  \
    if (!(cond)) {                                                      \
      failed = true;                                                    \
      printf("FAIL %s: line %d: %s\n", check, __LINE__, #cond);         \
    }                                                                   \
  } while (0)

#define IS(want, got)                                                                    \
  do {                                                                                   \
    long want_ = (want), got_ = (got);                                                   \
    if (want_ != got_) {                                                                 \
      failed = true;                                                                     \
      printf("FAIL %s: line %d: %s is %ld, not %ld\n", check, __LINE__, #got, got_, want_); \
    }                                                                                    \
  } while (0)

#define SAYS(want, got)                                                                     \
  do {                                                                                      \
    const char *want_ = (want), *got_ = (got);                                              \
    if (strcmp(want_, got_) != 0) {                                                         \
      failed = true;                                                                        \
      printf("FAIL %s: line %d: %s is \"%s\", not \"%s\"\n", check, __LINE__, #got, got_, want_); \
    }                                                                                       \
  } while (0)

#define CHILD "/pkg/bin/child"
#define HELLO "/pkg/bin/hello"
// Rights of fuchsia.io.
enum { READABLE = 1, EXECUTABLE = 8 };

#define ARGV(...) ((const char* const[]){__VA_ARGS__, NULL})

// What most children need: to be loaded, and to find their program.
#define LOADS (FDIO_SPAWN_DEFAULT_LDSVC | FDIO_SPAWN_CLONE_NAMESPACE)

// What came of a child.
typedef struct {
  zx_status_t status;  // of starting it
  char why[FDIO_SPAWN_ERR_MSG_MAX_LENGTH];
  int64_t code;     // its return code
  char out[16384];  // its standard output
} child;

static int64_t end_of(zx_handle_t process) {
  zx_info_process_t info = {0};
  IS(ZX_OK, zx_object_wait_one(process, ZX_PROCESS_TERMINATED, ZX_TIME_INFINITE, NULL));
  IS(ZX_OK, zx_object_get_info(process, ZX_INFO_PROCESS, &info, sizeof info, NULL, NULL));
  zx_handle_close(process);
  return info.return_code;
}

static bool without_stdin;  // for the next child, there is no descriptor 0 here

// Runs a child to its end, in the job that is given. Its standard output is a
// pipe to here, unless an action says otherwise.
static child* run_in(zx_handle_t job, uint32_t flags, const char* path, const char* const* argv,
                     const char* const* env, size_t n, const fdio_spawn_action_t* more) {
  static child c;
  int ends[2];
  CHECK(pipe(ends) == 0);
  fdio_spawn_action_t actions[70] = {
      {.action = FDIO_SPAWN_ACTION_TRANSFER_FD, .fd = {ends[1], 1}}};
  if (n > 0) memcpy(actions + 1, more, n * sizeof *more);
  strcpy(c.why, "untouched");
  int in = -1;
  if (without_stdin) CHECK((in = dup(0)) >= 0 && close(0) == 0);
  zx_handle_t process = ZX_HANDLE_INVALID;
  c.status = fdio_spawn_etc(job, flags, path, argv, env, n + 1, actions, &process, c.why);
  if (without_stdin) CHECK(dup2(in, 0) == 0 && close(in) == 0);
  // After an error, this libfdio may have kept the descriptor.
  if (c.status != ZX_OK) close(ends[1]);
  size_t got = 0;
  for (ssize_t r; got < sizeof c.out - 1 && (r = read(ends[0], c.out + got, sizeof c.out - 1 - got)) > 0;) got += r;
  c.out[got] = 0;
  close(ends[0]);
  CHECK((c.status == ZX_OK) == (process != ZX_HANDLE_INVALID));
  c.code = c.status == ZX_OK ? end_of(process) : -1;
  return &c;
}

static child* run(uint32_t flags, const char* path, const char* const* argv) {
  return run_in(ZX_HANDLE_INVALID, flags, path, argv, NULL, 0, NULL);
}

static child* act(uint32_t flags, const char* const* argv, size_t n, const fdio_spawn_action_t* a) {
  return run_in(ZX_HANDLE_INVALID, flags, CHILD, argv, NULL, n, a);
}

#define ACT(flags, argv, ...)                                                          \
  act(flags, argv, sizeof((fdio_spawn_action_t[]){__VA_ARGS__}) / sizeof(fdio_spawn_action_t), \
      (fdio_spawn_action_t[]){__VA_ARGS__})

#define CLONE_FD(from, to) {.action = FDIO_SPAWN_ACTION_CLONE_FD, .fd = {from, to}}
#define TRANSFER_FD(from, to) {.action = FDIO_SPAWN_ACTION_TRANSFER_FD, .fd = {from, to}}
#define ADD_NS_ENTRY(at, directory_) {.action = FDIO_SPAWN_ACTION_ADD_NS_ENTRY, .ns = {at, directory_}}
#define ADD_HANDLE(what, handle_) {.action = FDIO_SPAWN_ACTION_ADD_HANDLE, .h = {what, handle_}}
#define SET_NAME(s) {.action = FDIO_SPAWN_ACTION_SET_NAME, .name = {s}}
#define CLONE_DIR(p) {.action = FDIO_SPAWN_ACTION_CLONE_DIR, .dir = {p}}

static void put_file(const char* path, const char* text, size_t n) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
  CHECK(fd >= 0);
  CHECK(write(fd, text, n) == (ssize_t)n);
  CHECK(close(fd) == 0);
}

static zx_koid_t koid(zx_handle_t h) {
  zx_info_handle_basic_t info = {0};
  IS(ZX_OK, zx_object_get_info(h, ZX_INFO_HANDLE_BASIC, &info, sizeof info, NULL, NULL));
  return info.koid;
}

static bool is_valid(zx_handle_t h) {
  return zx_object_get_info(h, ZX_INFO_HANDLE_VALID, NULL, 0, NULL, NULL) == ZX_OK;
}

static zx_handle_t directory(const char* path) {
  zx_handle_t client, server;
  CHECK(zx_channel_create(0, &client, &server) == ZX_OK);
  IS(ZX_OK, fdio_open(path, READABLE, server));
  return client;
}

static zx_handle_t executable(const char* path) {
  zx_handle_t vmo = ZX_HANDLE_INVALID;
  int fd;
  IS(ZX_OK, fdio_open_fd(path, READABLE | EXECUTABLE, &fd));
  IS(ZX_OK, fdio_get_vmo_exec(fd, &vmo));
  close(fd);
  return vmo;
}

static char* job_line(zx_handle_t job) {
  static char line[32];
  snprintf(line, sizeof line, "job %lu\n", koid(job));
  return line;
}

// Flags: a child gets what they name, and nothing else.

static void flags_none(void) {
  child* c = run(0, HELLO, ARGV("hello", "one", "", "--return=7"));
  IS(ZX_OK, c->status);
  IS(7, c->code);
  SAYS("arg[0]=hello\narg[1]=one\narg[2]=\narg[3]=--return=7\n", c->out);
}

static void flags_ldsvc(void) {
  child* c = run(FDIO_SPAWN_DEFAULT_LDSVC, CHILD, ARGV("c", "report"));
  IS(ZX_OK, c->status);
  SAYS("arg c\narg report\nname c\nloader\nfd 1\n", c->out);
}

static void flags_no_ldsvc(void) {
  child* c = run(FDIO_SPAWN_CLONE_ALL & ~FDIO_SPAWN_DEFAULT_LDSVC, CHILD, ARGV("c", "report"));
  IS(ZX_ERR_INVALID_ARGS, c->status);
  SAYS("fuchsia.process.Launcher failed", c->why);
}

static void flags_job(void) {
  char want[256];
  snprintf(want, sizeof want, "arg c\narg report\nname c\n%sloader\nfd 1\n", job_line(zx_job_default()));
  child* c = run(FDIO_SPAWN_DEFAULT_LDSVC | FDIO_SPAWN_CLONE_JOB, CHILD, ARGV("c", "report"));
  IS(ZX_OK, c->status);
  SAYS(want, c->out);
}

static void flags_namespace(void) {
  child* c = run(LOADS, CHILD, ARGV("c", "report"));
  IS(ZX_OK, c->status);
  SAYS("arg c\narg report\nname c\nloader\nfd 1\ndir /svc\ndir /pkg\ndir /tmp\n", c->out);
}

static void flags_stdio(void) {
  child* c = run(FDIO_SPAWN_DEFAULT_LDSVC | FDIO_SPAWN_CLONE_STDIO, CHILD, ARGV("c", "report"));
  IS(ZX_OK, c->status);
  SAYS("arg c\narg report\nname c\nloader\nfd 0\nfd 1\nfd 2\n", c->out);
}

// A descriptor that is closed here is closed there.
static void flags_stdio_closed(void) {
  without_stdin = true;
  child* c = run(FDIO_SPAWN_DEFAULT_LDSVC | FDIO_SPAWN_CLONE_STDIO, CHILD, ARGV("c", "report"));
  without_stdin = false;
  IS(ZX_OK, c->status);
  SAYS("arg c\narg report\nname c\nloader\nfd 1\nfd 2\n", c->out);
}

static void flags_environ(void) {
  setenv("COLOR", "green", 1);
  child* c = run(FDIO_SPAWN_DEFAULT_LDSVC | FDIO_SPAWN_CLONE_ENVIRON, CHILD, ARGV("c", "report"));
  IS(ZX_OK, c->status);
  SAYS("arg c\narg report\nenv COLOR=green\nname c\nloader\nfd 1\n", c->out);
  // An environment that is given comes in its place.
  c = run_in(ZX_HANDLE_INVALID, FDIO_SPAWN_DEFAULT_LDSVC | FDIO_SPAWN_CLONE_ENVIRON, CHILD,
             ARGV("c", "report"), ARGV("A=1", "B=", "odd"), 0, NULL);
  IS(ZX_OK, c->status);
  SAYS("arg c\narg report\nenv A=1\nenv B=\nenv odd\nname c\nloader\nfd 1\n", c->out);
  c = run(FDIO_SPAWN_DEFAULT_LDSVC, CHILD, ARGV("c", "report"));
  SAYS("arg c\narg report\nname c\nloader\nfd 1\n", c->out);
  unsetenv("COLOR");
}

static void flags_clock(void) {
  child* c = run(FDIO_SPAWN_DEFAULT_LDSVC | FDIO_SPAWN_CLONE_UTC_CLOCK, CHILD, ARGV("c", "report"));
  IS(ZX_OK, c->status);
  SAYS("arg c\narg report\nname c\nloader\nclock\nfd 1\n", c->out);
}

static void flags_all(void) {
  char want[256];
  snprintf(want, sizeof want,
           "arg c\narg report\nname c\n%sloader\nclock\nfd 0\nfd 1\nfd 2\ndir /svc\ndir /pkg\ndir /tmp\n",
           job_line(zx_job_default()));
  child* c = run(FDIO_SPAWN_CLONE_ALL, CHILD, ARGV("c", "report"));
  IS(ZX_OK, c->status);
  SAYS(want, c->out);
}

static void plain_spawn(void) {
  zx_handle_t process;
  IS(ZX_OK, fdio_spawn(ZX_HANDLE_INVALID, FDIO_SPAWN_CLONE_ALL, CHILD, ARGV("c", "return", "42"), &process));
  IS(42, end_of(process));
  // Nobody needs to want the process.
  IS(ZX_OK, fdio_spawn(ZX_HANDLE_INVALID, FDIO_SPAWN_CLONE_ALL, CHILD, ARGV("c", "return", "0"), NULL));
}

static void return_codes(void) {
  IS(-3, run(LOADS, CHILD, ARGV("c", "return", "-3"))->code);
  IS(256, run(LOADS, CHILD, ARGV("c", "return", "256"))->code);
}

// Actions.

static void clone_fd(void) {
  put_file("/tmp/f", "from a file\n", 12);
  int fd = open("/tmp/f", O_RDONLY);
  child* c = ACT(LOADS, ARGV("c", "read", "7"), CLONE_FD(fd, 7));
  IS(ZX_OK, c->status);
  SAYS("from a file\n", c->out);
  IS(0, lseek(fd, 0, SEEK_SET));
  CHECK(close(fd) == 0);
  c = ACT(FDIO_SPAWN_DEFAULT_LDSVC, ARGV("c", "report"), CLONE_FD(0, 0), CLONE_FD(0, 9));
  SAYS("arg c\narg report\nname c\nloader\nfd 0\nfd 1\nfd 9\n", c->out);
}

static void clone_fd_errors(void) {
  child* c = ACT(LOADS, ARGV("c"), CLONE_FD(99, 7));
  IS(ZX_ERR_INVALID_ARGS, c->status);
  SAYS("failed to clone fd 99 (action index 1): -10", c->why);
  c = ACT(LOADS, ARGV("c"), CLONE_FD(0, FDIO_MAX_FD));
  IS(ZX_ERR_OUT_OF_RANGE, c->status);
  SAYS("invalid target 1024 to clone fd 0 (action index 1): -14", c->why);
  c = ACT(LOADS, ARGV("c"), CLONE_FD(0, 1));
  IS(ZX_ERR_ALREADY_EXISTS, c->status);
  SAYS("invalid target 1 to clone fd 0 (action index 1): -26", c->why);
}

static void transfer_fd(void) {
  put_file("/tmp/f", "from a file\n", 12);
  int fd = open("/tmp/f", O_RDONLY);
  child* c = ACT(LOADS, ARGV("c", "read", "3"), TRANSFER_FD(fd, 3));
  IS(ZX_OK, c->status);
  SAYS("from a file\n", c->out);
  CHECK(fcntl(fd, F_GETFD) == -1);
}

static void transfer_fd_errors(void) {
  child* c = ACT(LOADS, ARGV("c"), TRANSFER_FD(99, 7));
  IS(ZX_ERR_INVALID_ARGS, c->status);
  SAYS("failed to transfer fd 99 (action index 1): -10", c->why);
  // It is gone whatever happens.
  int fd = open("/tmp/f", O_RDONLY);
  c = ACT(LOADS, ARGV("c"), TRANSFER_FD(fd, -1));
  IS(ZX_ERR_OUT_OF_RANGE, c->status);
  CHECK(fcntl(fd, F_GETFD) == -1);
  // One that has another name cannot be moved away.
  fd = open("/tmp/f", O_RDONLY);
  int second = dup(fd);
  c = ACT(LOADS, ARGV("c"), TRANSFER_FD(fd, 4));
  IS(ZX_ERR_UNAVAILABLE, c->status);
  close(fd);
  close(second);
}

static void ns_entry(void) {
  CHECK(mkdir("/tmp/d", 0755) == 0);
  put_file("/tmp/d/f", "in a directory\n", 15);
  child* c = ACT(FDIO_SPAWN_DEFAULT_LDSVC, ARGV("c", "cat", "/extra/f"), ADD_NS_ENTRY("/extra", directory("/tmp/d")));
  IS(ZX_OK, c->status);
  SAYS("in a directory\n", c->out);
  c = ACT(FDIO_SPAWN_DEFAULT_LDSVC, ARGV("c", "report"), ADD_NS_ENTRY("/b", directory("/tmp")),
          ADD_NS_ENTRY("/a/deep", directory("/tmp/d")));
  SAYS("arg c\narg report\nname c\nloader\nfd 1\ndir /b\ndir /a/deep\n", c->out);
  c = ACT(LOADS, ARGV("c", "cat", "/more/f"), ADD_NS_ENTRY("/more", directory("/tmp/d")));
  SAYS("in a directory\n", c->out);
}

static void ns_entry_errors(void) {
  zx_handle_t d = directory("/tmp");
  child* c = ACT(LOADS, ARGV("c"), ADD_NS_ENTRY(NULL, d));
  IS(ZX_ERR_INVALID_ARGS, c->status);
  SAYS("", c->why);
  CHECK(!is_valid(d));
  c = ACT(LOADS, ARGV("c"), ADD_NS_ENTRY("/x", ZX_HANDLE_INVALID));
  IS(ZX_ERR_INVALID_ARGS, c->status);
  d = directory("/tmp");
  c = ACT(LOADS, ARGV("c", "report"), ADD_NS_ENTRY("relative", d));
  IS(ZX_ERR_INVALID_ARGS, c->status);
  SAYS("fuchsia.process.Launcher failed", c->why);
  CHECK(!is_valid(d));
  c = ACT(LOADS, ARGV("c", "report"), ADD_NS_ENTRY("/tmp/inside", directory("/tmp")));
  IS(ZX_ERR_INVALID_ARGS, c->status);
}

static void add_handle(void) {
  zx_handle_t ours, theirs;
  char b[8];
  uint32_t n;
  CHECK(zx_channel_create(0, &ours, &theirs) == ZX_OK);
  CHECK(zx_channel_write(ours, 0, "ping", 4, NULL, 0) == ZX_OK);
  child* c = ACT(LOADS, ARGV("c", "echo"), ADD_HANDLE(PA_HND(PA_USER0, 0), theirs));
  IS(ZX_OK, c->status);
  IS(0, c->code);
  CHECK(!is_valid(theirs));
  IS(ZX_OK, zx_channel_read(ours, 0, b, NULL, sizeof b, 0, &n, NULL));
  CHECK(n == 4 && memcmp(b, "ping", 4) == 0);
  zx_handle_close(ours);
}

static void add_handle_fd(void) {
  zx_handle_t ours, theirs;
  CHECK(zx_socket_create(0, &ours, &theirs) == ZX_OK);
  CHECK(zx_socket_write(ours, 0, "socket\n", 7, NULL) == ZX_OK);
  zx_handle_close(ours);
  child* c = ACT(LOADS, ARGV("c", "read", "12"), ADD_HANDLE(PA_HND(PA_FD, 12), theirs));
  IS(ZX_OK, c->status);
  SAYS("socket\n", c->out);
}

static void add_handle_errors(void) {
  zx_handle_t e;
  CHECK(zx_event_create(0, &e) == ZX_OK);
  child* c = ACT(LOADS, ARGV("c"), ADD_HANDLE(PA_HND(PA_FD, 1), e));
  IS(ZX_ERR_ALREADY_EXISTS, c->status);
  SAYS("add-handle action has invalid fd 1 (action index 1): -26", c->why);
  CHECK(!is_valid(e));
  c = ACT(LOADS, ARGV("c"), ADD_HANDLE(PA_HND(PA_USER0, 0), ZX_HANDLE_INVALID));
  IS(ZX_ERR_INVALID_ARGS, c->status);
  // What a process is given by its launcher alone.
  CHECK(zx_event_create(0, &e) == ZX_OK);
  c = ACT(LOADS, ARGV("c"), ADD_HANDLE(PA_HND(PA_PROC_SELF, 0), e));
  IS(ZX_ERR_INVALID_ARGS, c->status);
  SAYS("fuchsia.process.Launcher failed", c->why);
  CHECK(!is_valid(e));
  // More handles than one message holds do not fit.
  fdio_spawn_action_t many[64];
  for (int i = 0; i < 64; i++) {
    CHECK(zx_event_create(0, &e) == ZX_OK);
    many[i] = (fdio_spawn_action_t)ADD_HANDLE(PA_HND(PA_USER1, i), e);
  }
  c = act(LOADS, ARGV("c"), 64, many);
  IS(ZX_ERR_INVALID_ARGS, c->status);
  SAYS("failed send handles: -10", c->why);
  for (int i = 0; i < 64; i++) CHECK(!is_valid(many[i].h.handle));
}

static void set_name(void) {
  child* c = ACT(FDIO_SPAWN_DEFAULT_LDSVC, ARGV("c", "report"), SET_NAME("renamed"));
  IS(ZX_OK, c->status);
  SAYS("arg c\narg report\nname renamed\nloader\nfd 1\n", c->out);
  c = ACT(FDIO_SPAWN_DEFAULT_LDSVC, ARGV("c", "report"), SET_NAME("a name that is longer than thirty-one bytes"));
  IS(ZX_OK, c->status);
  SAYS("arg c\narg report\nname a name that is longer than thir\nloader\nfd 1\n", c->out);
  c = ACT(LOADS, ARGV("c"), SET_NAME(NULL));
  IS(ZX_ERR_INVALID_ARGS, c->status);
  SAYS("", c->why);
  // There must be a name: that of the action, or the first argument.
  c = run(LOADS, CHILD, (const char* const[]){NULL});
  IS(ZX_ERR_INVALID_ARGS, c->status);
  c = run_in(ZX_HANDLE_INVALID, 0, HELLO, (const char* const[]){NULL}, NULL, 1,
             (fdio_spawn_action_t[]){SET_NAME("argless")});
  IS(ZX_OK, c->status);
}

static void clone_dir(void) {
  child* c = ACT(FDIO_SPAWN_DEFAULT_LDSVC, ARGV("c", "report"), CLONE_DIR("/tmp"));
  IS(ZX_OK, c->status);
  SAYS("arg c\narg report\nname c\nloader\nfd 1\ndir /tmp\n", c->out);
  c = ACT(FDIO_SPAWN_DEFAULT_LDSVC, ARGV("c", "report"), CLONE_DIR("/tmp"), CLONE_DIR("/svc"));
  SAYS("arg c\narg report\nname c\nloader\nfd 1\ndir /svc\ndir /tmp\n", c->out);
  c = ACT(FDIO_SPAWN_DEFAULT_LDSVC, ARGV("c", "report"), CLONE_DIR("/"));
  SAYS("arg c\narg report\nname c\nloader\nfd 1\ndir /svc\ndir /pkg\ndir /tmp\n", c->out);
  c = ACT(FDIO_SPAWN_DEFAULT_LDSVC, ARGV("c", "report"), CLONE_DIR("/none"));
  SAYS("arg c\narg report\nname c\nloader\nfd 1\n", c->out);
  IS(ZX_ERR_INVALID_ARGS, ACT(LOADS, ARGV("c"), CLONE_DIR("tmp"))->status);
  IS(ZX_ERR_INVALID_ARGS, ACT(LOADS, ARGV("c"), CLONE_DIR("/tmp/"))->status);
  IS(ZX_ERR_INVALID_ARGS, ACT(LOADS, ARGV("c"), CLONE_DIR(NULL))->status);
}

static void unknown_action(void) {
  child* c = ACT(FDIO_SPAWN_DEFAULT_LDSVC, ARGV("c", "report"), {.action = 77});
  IS(ZX_OK, c->status);
  SAYS("arg c\narg report\nname c\nloader\nfd 1\n", c->out);
}

// An action comes before CLONE_STDIO.
static void action_over_stdio(void) {
  put_file("/tmp/f", "instead\n", 8);
  int fd = open("/tmp/f", O_RDONLY);
  child* c = ACT(LOADS | FDIO_SPAWN_CLONE_STDIO, ARGV("c", "upper"), TRANSFER_FD(fd, 0));
  IS(ZX_OK, c->status);
  SAYS("INSTEAD\n", c->out);
}

// Executables by VMO.

static void vmo(void) {
  zx_handle_t process, v = executable(CHILD);
  IS(ZX_OK, fdio_spawn_vmo(ZX_HANDLE_INVALID, LOADS, v, ARGV("c", "return", "9"), NULL, 0, NULL, &process, NULL));
  IS(9, end_of(process));
  CHECK(!is_valid(v));
}

static zx_status_t spawn_vmo(zx_handle_t v, char* why) {
  zx_handle_t process = ZX_HANDLE_INVALID;
  zx_status_t s = fdio_spawn_vmo(ZX_HANDLE_INVALID, LOADS, v, ARGV("c"), NULL, 0, NULL, &process, why);
  if (s == ZX_OK) zx_handle_close(process);
  CHECK(v == ZX_HANDLE_INVALID || !is_valid(v));
  return s;
}

static void vmo_errors(void) {
  char why[FDIO_SPAWN_ERR_MSG_MAX_LENGTH];
  zx_handle_t v;
  IS(ZX_ERR_INVALID_ARGS, spawn_vmo(ZX_HANDLE_INVALID, why));
  SAYS("", why);
  IS(ZX_ERR_INVALID_ARGS, fdio_spawn_vmo(ZX_HANDLE_INVALID, LOADS, executable(CHILD), NULL, NULL, 0, NULL, NULL, why));
  IS(ZX_ERR_INVALID_ARGS, fdio_spawn_vmo(ZX_HANDLE_INVALID, LOADS, executable(CHILD), ARGV("c"), NULL, 1, NULL, NULL, why));
  CHECK(zx_event_create(0, &v) == ZX_OK);
  IS(ZX_ERR_WRONG_TYPE, spawn_vmo(v, why));
  SAYS("error reading executable vmo: -12", why);
  CHECK(zx_handle_replace(executable(CHILD), ZX_RIGHTS_BASIC | ZX_RIGHT_EXECUTE | ZX_RIGHT_MAP, &v) == ZX_OK);
  IS(ZX_ERR_ACCESS_DENIED, spawn_vmo(v, why));
  SAYS("error reading executable vmo: -30", why);
  CHECK(zx_vmo_create(0, 0, &v) == ZX_OK);
  IS(ZX_ERR_OUT_OF_RANGE, spawn_vmo(v, why));
  SAYS("error reading executable vmo: -14", why);
  // No ELF.
  CHECK(zx_vmo_create(4096, 0, &v) == ZX_OK);
  IS(ZX_ERR_INTERNAL, spawn_vmo(v, why));
  SAYS("fuchsia.process.Launcher failed", why);
  // Code that must not be run.
  CHECK(zx_handle_replace(executable(HELLO), ZX_RIGHTS_BASIC | ZX_RIGHTS_PROPERTY | ZX_RIGHT_READ | ZX_RIGHT_MAP, &v) == ZX_OK);
  IS(ZX_ERR_ACCESS_DENIED, spawn_vmo(v, why));
}

// Errors of paths.

static void path_errors(void) {
  child* c = run(FDIO_SPAWN_CLONE_ALL, "/pkg/bin/none", ARGV("c"));
  IS(ZX_ERR_NOT_FOUND, c->status);
  SAYS("failed to load executable from /pkg/bin/none: Could not open file", c->why);
  c = run(FDIO_SPAWN_CLONE_ALL, "/none/child", ARGV("c"));
  IS(ZX_ERR_NOT_FOUND, c->status);
  c = run(FDIO_SPAWN_CLONE_ALL, CHILD "/x", ARGV("c"));
  IS(ZX_ERR_NOT_DIR, c->status);
  // What may be written may not be run.
  put_file("/tmp/prog", "#!" CHILD "\n", 3 + sizeof CHILD - 1);
  c = run(FDIO_SPAWN_CLONE_ALL, "/tmp/prog", ARGV("c"));
  IS(ZX_ERR_ACCESS_DENIED, c->status);
  SAYS("failed to load executable from /tmp/prog: Could not open file", c->why);
  // No file.
  c = run(FDIO_SPAWN_CLONE_ALL, "/pkg/bin", ARGV("c"));
  IS(ZX_ERR_NOT_SUPPORTED, c->status);
  SAYS("failed to load executable from /pkg/bin: Could not clone VMO for file", c->why);
  // No program.
  c = run(FDIO_SPAWN_CLONE_ALL, "/pkg/data/text", ARGV("c"));
  IS(ZX_ERR_INTERNAL, c->status);
  SAYS("fuchsia.process.Launcher failed", c->why);
  // A dynamic linker that nobody has.
  c = run(FDIO_SPAWN_CLONE_ALL, "/pkg/bin/orphan", ARGV("c"));
  IS(ZX_ERR_INTERNAL, c->status);
  SAYS("fuchsia.process.Launcher failed", c->why);
}

// Scripts.

static void script(void) {
  child* c = run(FDIO_SPAWN_DEFAULT_LDSVC, "/pkg/data/script", ARGV("s", "one"));
  IS(ZX_OK, c->status);
  SAYS("arg " CHILD "\narg report\narg s\narg one\nname s\nloader\nfd 1\n", c->out);
}

// All that follows the interpreter is one argument.
static void script_argument(void) {
  child* c = run(0, "/pkg/data/argument", ARGV("s"));
  IS(ZX_OK, c->status);
  SAYS("arg[0]=" HELLO "\narg[1]=one two  three\narg[2]=s\n", c->out);
}

static void script_without_end(void) {
  child* c = run(0, "/pkg/data/endless", ARGV("s"));
  IS(ZX_OK, c->status);
  SAYS("arg[0]=" HELLO "\narg[1]=s\n", c->out);
}

static void script_nested(void) {
  child* c = run(0, "/pkg/data/nested", ARGV("s"));
  IS(ZX_OK, c->status);
  SAYS("arg[0]=" HELLO "\narg[1]=one two  three\narg[2]=/pkg/data/argument\narg[3]=outer\narg[4]=s\n", c->out);
}

static void script_errors(void) {
  static const struct {
    const char* path;
    zx_status_t status;
    const char* why;
  } tests[] = {
      {"/pkg/data/loop", ZX_ERR_IO_INVALID, "hit recursion limit resolving interpreters"},
      {"/pkg/data/long", ZX_ERR_OUT_OF_RANGE, "first line of script is too long"},
      {"/pkg/data/nothing", ZX_ERR_INVALID_ARGS, "invalid #! interpreter spec"},
      {"/pkg/data/missing", ZX_ERR_INTERNAL,
       "failed to load script interpreter '/pkg/bin/none': Could not open file"},
      {"/pkg/data/mixed", ZX_ERR_NOT_SUPPORTED,
       "already resolved a #! directive, mixing #!resolve is unsupported"},
      {"/pkg/data/mixed2", ZX_ERR_NOT_SUPPORTED,
       "already resolved a #!resolve directive, mixing #! is unsupported"},
      {"/pkg/data/unresolved", ZX_ERR_INTERNAL, "failed to resolve none: -25"},
      {"/pkg/data/empty", ZX_ERR_OUT_OF_RANGE, "error reading executable vmo: -14"},
  };
  for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
    child* c = run(FDIO_SPAWN_CLONE_ALL, tests[i].path, ARGV("s"));
    if (c->status != tests[i].status) printf("# %s\n", tests[i].path);
    IS(tests[i].status, c->status);
    SAYS(tests[i].why, c->why);
  }
}

static void resolve(void) {
  child* c = run(0, "/pkg/data/resolve", ARGV("s", "report"));
  IS(ZX_OK, c->status);
  SAYS("arg s\narg report\nname s\nloader\nfd 1\n", c->out);
  c = run(0, "/pkg/data/url", ARGV("s", "x"));
  IS(ZX_OK, c->status);
  SAYS("arg[0]=s\narg[1]=x\n", c->out);
  // One name may lead to another.
  c = run(0, "/pkg/data/twice", ARGV("s", "x"));
  IS(ZX_OK, c->status);
  SAYS("arg[0]=s\narg[1]=x\n", c->out);
}

// Jobs.

static void job(void) {
  zx_handle_t j;
  char want[128];
  CHECK(zx_job_create(zx_job_default(), 0, &j) == ZX_OK);
  snprintf(want, sizeof want, "arg c\narg report\nname c\n%sloader\nfd 1\n", job_line(j));
  child* c = run_in(j, FDIO_SPAWN_DEFAULT_LDSVC | FDIO_SPAWN_CLONE_JOB, CHILD, ARGV("c", "report"), NULL, 0, NULL);
  IS(ZX_OK, c->status);
  SAYS(want, c->out);
  CHECK(is_valid(j));

  // It is in that job: it goes with it.
  zx_handle_t process;
  int ends[2];
  char b;
  CHECK(pipe(ends) == 0);
  fdio_spawn_action_t out = TRANSFER_FD(ends[1], 1);
  IS(ZX_OK, fdio_spawn_etc(j, LOADS, CHILD, ARGV("c", "sleep"), NULL, 1, &out, &process, NULL));
  CHECK(read(ends[0], &b, 1) == 1);
  IS(ZX_OK, zx_task_kill(j));
  IS(-1024, end_of(process));
  close(ends[0]);
  c = run_in(j, LOADS, CHILD, ARGV("c", "report"), NULL, 0, NULL);
  IS(ZX_ERR_BAD_STATE, c->status);
  SAYS("fuchsia.process.Launcher failed", c->why);
  zx_handle_close(j);
}

// Who may not make processes can have them made.
static void job_policy(void) {
  zx_handle_t j;
  CHECK(zx_job_create(zx_job_default(), 0, &j) == ZX_OK);
  zx_policy_basic_t deny = {ZX_POL_NEW_PROCESS, ZX_POL_ACTION_DENY};
  IS(ZX_OK, zx_job_set_policy(j, ZX_JOB_POL_ABSOLUTE, ZX_JOB_POL_BASIC, &deny, 1));
  child* c = run_in(j, FDIO_SPAWN_CLONE_ALL, CHILD, ARGV(CHILD, "create"), NULL, 0, NULL);
  IS(ZX_OK, c->status);
  SAYS("-30\n", c->out);
  c = run_in(j, FDIO_SPAWN_CLONE_ALL, CHILD, ARGV(CHILD, "down", "1"), NULL, 0, NULL);
  IS(6, c->code);
  SAYS("at 1\nat 0\n", c->out);
  zx_handle_close(j);
}

static void job_without_rights(void) {
  zx_handle_t j, weak;
  CHECK(zx_job_create(zx_job_default(), 0, &j) == ZX_OK);
  CHECK(zx_handle_duplicate(j, ZX_RIGHTS_BASIC, &weak) == ZX_OK);
  IS(ZX_ERR_ACCESS_DENIED, run_in(weak, LOADS, CHILD, ARGV("c"), NULL, 0, NULL)->status);
  zx_handle_close(weak);
  CHECK(zx_handle_duplicate(j, ZX_RIGHT_TRANSFER | ZX_RIGHT_WRITE, &weak) == ZX_OK);
  child* c = run_in(weak, LOADS, CHILD, ARGV("c"), NULL, 0, NULL);
  IS(ZX_ERR_ACCESS_DENIED, c->status);
  SAYS("failed to duplicate job handle: -30", c->why);
  zx_handle_close(weak);
  zx_handle_close(j);
}

// UTC.

static void utc(void) {
  long before = time(NULL), told, told2;
  child* c = run(LOADS | FDIO_SPAWN_CLONE_UTC_CLOCK, CHILD, ARGV("c", "time"));
  long after = time(NULL);
  CHECK(sscanf(c->out, "%ld %ld", &told, &told2) == 2);
  CHECK(before <= told && told <= told2 && told2 <= after);
}

static zx_handle_t clock_at(zx_time_t t) {
  zx_handle_t clock = ZX_HANDLE_INVALID;
  CHECK(zx_clock_create(0, NULL, &clock) == ZX_OK);
  zx_clock_update_args_v1_t a = {.value = t};
  CHECK(zx_clock_update(clock, ZX_CLOCK_ARGS_VERSION(1) | ZX_CLOCK_UPDATE_OPTION_VALUE_VALID, &a) == ZX_OK);
  return clock;
}

// A clock of one's own making.
static void utc_other(void) {
  long told, told2;
  child* c = ACT(LOADS, ARGV("c", "time"), ADD_HANDLE(PA_CLOCK_UTC, clock_at(ZX_SEC(1000))));
  IS(ZX_OK, c->status);
  CHECK(sscanf(c->out, "%ld %ld", &told, &told2) == 2);
  CHECK(told >= 1000 && told < 1000000 && told2 >= told && told2 < 1000000);
  zx_handle_t clock = clock_at(0);
  c = ACT(LOADS | FDIO_SPAWN_CLONE_UTC_CLOCK, ARGV("c", "time"), ADD_HANDLE(PA_CLOCK_UTC, clock));
  IS(ZX_ERR_INVALID_ARGS, c->status);
  SAYS("cannot clone global UTC clock and send explicit clock", c->why);
  CHECK(!is_valid(clock));
}

// Many.

static void depth(void) {
  child* c = run(FDIO_SPAWN_CLONE_ALL, CHILD, ARGV(CHILD, "down", "10"));
  IS(15, c->code);
  SAYS("at 10\nat 9\nat 8\nat 7\nat 6\nat 5\nat 4\nat 3\nat 2\nat 1\nat 0\n", c->out);
}

static void many(void) {
  enum { N = 20 };
  zx_handle_t processes[N];
  for (int i = 0; i < N; i++) {
    char code[8];
    snprintf(code, sizeof code, "%d", i);
    IS(ZX_OK, fdio_spawn(ZX_HANDLE_INVALID, FDIO_SPAWN_CLONE_ALL, CHILD, ARGV("c", "return", code), &processes[i]));
  }
  for (int i = 0; i < N; i++) IS(i, end_of(processes[i]));
}

static void* spawn_some(void* arg) {
  long bad = 0;
  for (int i = 0; i < 4; i++) {
    zx_handle_t process;
    char code[8];
    snprintf(code, sizeof code, "%d", (int)(intptr_t)arg + i);
    if (fdio_spawn(ZX_HANDLE_INVALID, FDIO_SPAWN_CLONE_ALL, CHILD, ARGV("c", "return", code), &process) != ZX_OK ||
        end_of(process) != (intptr_t)arg + i)
      bad++;
    if (fdio_spawn(ZX_HANDLE_INVALID, FDIO_SPAWN_CLONE_ALL, "/pkg/bin/none", ARGV("c"), &process) != ZX_ERR_NOT_FOUND)
      bad++;
  }
  return (void*)bad;
}

static void many_threads(void) {
  pthread_t threads[5];
  for (intptr_t i = 0; i < 5; i++) CHECK(pthread_create(&threads[i], NULL, spawn_some, (void*)(10 * i)) == 0);
  for (int i = 0; i < 5; i++) {
    void* bad;
    CHECK(pthread_join(threads[i], &bad) == 0);
    IS(0, (long)bad);
  }
}

// A pipe between children: ours | upper | upper.
static void pipes(void) {
  int in[2], middle[2], out[2];
  zx_handle_t first, second;
  CHECK(pipe(in) == 0 && pipe(middle) == 0 && pipe(out) == 0);
  fdio_spawn_action_t a[] = {TRANSFER_FD(in[0], 0), TRANSFER_FD(middle[1], 1)};
  fdio_spawn_action_t b[] = {TRANSFER_FD(middle[0], 0), TRANSFER_FD(out[1], 1)};
  IS(ZX_OK, fdio_spawn_etc(ZX_HANDLE_INVALID, LOADS, CHILD, ARGV("c", "upper"), NULL, 2, a, &first, NULL));
  IS(ZX_OK, fdio_spawn_etc(ZX_HANDLE_INVALID, LOADS, CHILD, ARGV("c", "upper"), NULL, 2, b, &second, NULL));
  CHECK(write(in[1], "through both\n", 13) == 13);
  CHECK(close(in[1]) == 0);
  char got[64];
  size_t n = 0;
  for (ssize_t r; n < sizeof got && (r = read(out[0], got + n, sizeof got - n)) > 0;) n += r;
  CHECK(n == 13 && memcmp(got, "THROUGH BOTH\n", 13) == 0);
  IS(0, end_of(first));
  IS(0, end_of(second));
  close(out[0]);
}

// A child that has no /svc has no Launcher.
static void no_launcher(void) {
  child* c = ACT(FDIO_SPAWN_DEFAULT_LDSVC, ARGV(CHILD, "down", "1"), CLONE_DIR("/pkg"));
  IS(100, c->code);
  SAYS("at 1\n-1 failed to connect to launcher service: -25\n", c->out);
}

// Arguments up to what a process can be given.
static void long_arguments(void) {
  static char arg[32768];
  memset(arg, 'a', sizeof arg - 1);
  child* c = run(0, HELLO, ARGV("h", arg));
  IS(ZX_OK, c->status);
  IS(sizeof c->out - 1, strlen(c->out));
  static char large[65536];
  memset(large, 'a', sizeof large - 1);
  c = run(0, HELLO, ARGV("h", large));
  IS(ZX_ERR_INVALID_ARGS, c->status);
  SAYS("failed to send argument vector: -10", c->why);
}

// Is for a namespace without fuchsia.process.Resolver.
static void no_resolver(void) {
  child* c = run(0, "/pkg/data/resolve", ARGV("s"));
  IS(ZX_ERR_INTERNAL, c->status);
  SAYS("failed to send resolver request: -24", c->why);
}

static const struct {
  const char* name;
  void (*run)(void);
} checks[] = {
#define C(name) {#name, name}
    C(flags_none), C(flags_ldsvc), C(flags_no_ldsvc), C(flags_job), C(flags_namespace),
    C(flags_stdio), C(flags_stdio_closed), C(flags_environ), C(flags_clock), C(flags_all),
    C(plain_spawn), C(return_codes),
    C(clone_fd), C(clone_fd_errors), C(transfer_fd), C(transfer_fd_errors), C(ns_entry),
    C(ns_entry_errors), C(add_handle), C(add_handle_fd), C(add_handle_errors), C(set_name),
    C(clone_dir), C(unknown_action), C(action_over_stdio),
    C(vmo), C(vmo_errors), C(path_errors),
    C(script), C(script_argument), C(script_without_end), C(script_nested), C(script_errors), C(resolve),
    C(job), C(job_policy), C(job_without_rights),
    C(utc), C(utc_other),
    C(depth), C(many), C(many_threads), C(pipes), C(no_launcher), C(long_arguments),
};

int main(int argc, char** argv) {
  if (argc > 1 && strcmp(argv[1], "no_resolver") == 0) {
    check = argv[1];
    no_resolver();
    if (!failed) printf("ok %s\n", check);
    return failed;
  }
  for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
    if (argc > 1 && strcmp(argv[1], checks[i].name) != 0) continue;
    check = checks[i].name;
    failed = false;
    checks[i].run();
    if (!failed) printf("ok %s\n", check);
    fflush(stdout);
    failures += failed;
  }
  return failures;
}
