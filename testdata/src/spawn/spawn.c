// Launches programs from inside a launched one, by fuchsia.process.Launcher as
// it finds it in /svc, and reads and writes the files of its namespace.
//
//   spawn run PROGRAM [ARG...]     launches a program and returns as it does
//   spawn start PROGRAM [ARG...]   the same, by CreateWithoutStarting and a start of its own
//   spawn leave PROGRAM [ARG...]   launches a program, prints "left", and ends at the end of input
//   spawn resolve NAME [ARG...]    launches what fuchsia.process.Resolver finds
//   spawn down N                   "spawn down N-1" in a process of its own, and so on to 0
//   spawn create                   tries to make a process by itself, and prints how it went
//   spawn cat FILE                 prints a file
//   spawn put FILE TEXT            writes a file
//   spawn ls DIR                   prints the names in a directory
//   spawn check [NAME...]          checks the launcher: see checks.c
//
// PROGRAM and files are paths in its namespace. What it launches gets its
// environment, standard streams, namespace and job. A failure is printed with
// its status, and the return code is 1.
#include "spawn.h"

static int64_t failed(const char *what, zx_status_t status) {
  print("%s: %d\n", what, status);
  return 1;
}

static zx_handle_t duplicate(zx_handle_t handle) {
  zx_handle_t copy = ZX_HANDLE_INVALID;
  zx_handle_duplicate(handle, ZX_RIGHT_SAME_RIGHTS, &copy);
  return copy;
}

zx_handle_t job_for_child(void) { return duplicate(start_handle(PA_JOB_DEFAULT, 0)); }

// The paths of our own namespace, as far as children get them.
static const char *const directories[] = {"/pkg", "/svc", "/tmp"};

static zx_status_t connect(int argc, char **argv, char **envp, zx_handle_t *launcher) {
  zx_status_t status = launcher_connect(launcher);
  if (status != ZX_OK) return status;
  int n = 0;
  while (envp[n]) n++;
  launcher_args(*launcher, argc, (const char *const *)argv);
  launcher_environ(*launcher, n, (const char *const *)envp);
  for (uint32_t fd = 0; fd < 3; fd++)
    if (fd_handle(fd) != ZX_HANDLE_INVALID)
      launcher_handle(*launcher, PA_HND(PA_FD, fd), duplicate(fd_handle(fd)));
  launcher_handle(*launcher, PA_HND(PA_JOB_DEFAULT, 0), job_for_child());
  for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) {
    zx_handle_t directory;
    uint64_t flags = PROTOCOL_DIRECTORY | PERM_READABLE | PERM_EXECUTE | PERM_INHERIT_WRITE;
    if (strcmp(directories[i], "/tmp") == 0) flags &= ~(uint64_t)PERM_EXECUTE;
    if (open_path(directories[i], flags, &directory) == ZX_OK)
      launcher_name(*launcher, directories[i], directory);
  }
  return ZX_OK;
}

int64_t wait_for(zx_handle_t process) {
  struct {
    int64_t return_code;
    zx_time_t start_time;
    uint32_t flags, padding;
  } info = {0};
  zx_object_wait_one(process, ZX_TASK_TERMINATED, ZX_TIME_INFINITE, NULL);
  zx_object_get_info(process, ZX_INFO_PROCESS_V2, &info, sizeof info, NULL, NULL);
  zx_handle_close(process);
  return info.return_code;
}

// The last part of a path.
static const char *base(const char *path) {
  const char *name = path;
  for (; *path; path++)
    if (*path == '/') name = path + 1;
  return name;
}

enum how { RUN, START, LEAVE, RESOLVE };

static int64_t run(enum how how, int argc, char **argv, char **envp) {
  zx_handle_t launcher, process, loader = ZX_HANDLE_INVALID;
  launch_info info = {.name = base(argv[0]), .job = job_for_child()};
  zx_status_t status = how == RESOLVE ? resolve(argv[0], &info.executable, &loader)
                                      : open_executable(argv[0], &info.executable);
  if (status != ZX_OK) return failed(argv[0], status);
  status = connect(argc, argv, envp, &launcher);
  if (status != ZX_OK) return failed("fuchsia.process.Launcher", status);
  if (loader != ZX_HANDLE_INVALID)
    launcher_handle(launcher, PA_HND(PA_LDSVC_LOADER, 0), loader);
  if (how == START) {
    start_data data;
    status = launcher_create(launcher, &info, &data);
    if (status == ZX_OK) status = start_created(&data);
    process = data.process;
  } else {
    status = launcher_launch(launcher, &info, &process);
  }
  zx_handle_close(launcher);
  if (status != ZX_OK) return failed(argv[0], status);
  if (how != LEAVE) return wait_for(process);
  print("left\n");
  char b[64];
  size_t n;
  while (read_some(fd_handle(0), b, sizeof b, &n) == ZX_OK && n > 0) continue;
  return 0;
}

static int64_t down(int64_t n, char **envp) {
  char digits[20], *next = digits + sizeof digits - 1;
  print("at %ld\n", n);
  if (n <= 0) return 5;
  *next = 0;
  for (int64_t left = n - 1; left > 0 || !*next; left /= 10) *--next = (char)('0' + left % 10);
  char *argv[] = {"/pkg/bin/spawn", "down", next};
  return run(RUN, 3, argv, envp) + 1;
}

static int64_t create(void) {
  zx_handle_t process, vmar;
  print("%d\n", zx_process_create(start_handle(PA_JOB_DEFAULT, 0), "own", 3, 0, &process, &vmar));
  return 0;
}

static int64_t cat(const char *path) {
  zx_handle_t vmo;
  uint64_t size;
  zx_status_t status = open_memory(path, VMO_READ, &vmo);
  if (status == ZX_OK)
    status = zx_object_get_property(vmo, ZX_PROP_VMO_CONTENT_SIZE, &size, sizeof size);
  if (status != ZX_OK) return failed(path, status);
  static char b[4096];
  for (uint64_t at = 0; at < size; at += sizeof b) {
    size_t n = size - at < sizeof b ? size - at : sizeof b;
    status = zx_vmo_read(vmo, b, at, n);
    if (status != ZX_OK) return failed(path, status);
    write_all(fd_handle(1), b, n);
  }
  return 0;
}

static int64_t put(const char *path, const char *text) {
  zx_handle_t file;
  zx_status_t status =
      open_path(path, PROTOCOL_FILE | PERM_WRITABLE | FLAG_MAYBE_CREATE, &file);
  if (status == ZX_OK) status = file_write(file, text, strlen(text));
  return status == ZX_OK ? 0 : failed(path, status);
}

static int64_t ls(const char *path) {
  static message m;
  zx_handle_t directory;
  size_t size;
  zx_status_t status = open_path(path, PROTOCOL_DIRECTORY | PERM_READABLE, &directory);
  while (status == ZX_OK && (status = directory_read(&m, directory, &size)) == ZX_OK && size > 0) {
    // An entry: an inode, a length, a kind, the name.
    for (const uint8_t *e = m.bytes + m.next, *end = e + size; e < end; e += 10 + e[8]) {
      char name[256];
      memcpy(name, e + 10, e[8]);
      name[e[8]] = 0;
      print("%s\n", name);
    }
  }
  return status == ZX_OK ? 0 : failed(path, status);
}

int64_t main(int argc, char **argv, char **envp) {
  const char *what = argc > 1 ? argv[1] : "";
  if (strcmp(what, "check") == 0) return run_checks(argc - 1, argv + 1);
  if (strcmp(what, "create") == 0) return create();
  if (argc > 2) {
    if (strcmp(what, "run") == 0) return run(RUN, argc - 2, argv + 2, envp);
    if (strcmp(what, "start") == 0) return run(START, argc - 2, argv + 2, envp);
    if (strcmp(what, "leave") == 0) return run(LEAVE, argc - 2, argv + 2, envp);
    if (strcmp(what, "resolve") == 0) return run(RESOLVE, argc - 2, argv + 2, envp);
    if (strcmp(what, "down") == 0) return down(parse_number(argv[2]), envp);
    if (strcmp(what, "cat") == 0) return cat(argv[2]);
    if (strcmp(what, "ls") == 0) return ls(argv[2]);
    if (strcmp(what, "put") == 0 && argc == 4) return put(argv[2], argv[3]);
  }
  print("usage: spawn run|start|leave|resolve PROGRAM [ARG...], down N, create, check [NAME...], "
        "cat FILE, put FILE TEXT, ls DIR\n");
  return 2;
}
