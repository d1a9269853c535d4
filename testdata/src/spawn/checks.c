// fuchsia.process.Launcher, as a launched program sees it. The programs that it
// launches are those of examples and testdata, in /pkg/bin, with libraries in
// /pkg/lib; /pkg/data/text is no program.
#include "spawn.h"

#define HELLO "/pkg/bin/hello"

// A launcher's connection to which something was added, and what is needed to
// go on with it.
typedef struct {
  zx_handle_t launcher;
  zx_handle_t out;  // the other end of the child's standard output
  launch_info info;
} child;

static zx_handle_t executable(const char *path) {
  zx_handle_t vmo = ZX_HANDLE_INVALID;
  open_executable(path, &vmo);
  return vmo;
}

// What every launch needs, once more.
static void again(child *c, const char *path) {
  zx_handle_t theirs = ZX_HANDLE_INVALID;
  c->info = (launch_info){executable(path), job_for_child(), "child"};
  zx_socket_create(ZX_SOCKET_STREAM, &c->out, &theirs);
  launcher_handle(c->launcher, PA_HND(PA_FD, 1), theirs);
}

static child begin(const char *path) {
  child c;
  if (launcher_connect(&c.launcher) != ZX_OK) c.launcher = ZX_HANDLE_INVALID;
  again(&c, path);
  return c;
}

#define ARGS(c, ...)                                                              \
  launcher_args((c).launcher, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), \
                (const char *const[]){__VA_ARGS__})

// All that the child prints. Where it is not what is wanted, where it differs.
static char text[16384];

static const char *output(zx_handle_t out) {
  size_t used = 0, n;
  while (used < sizeof text - 1 &&
         read_some(out, text + used, sizeof text - 1 - used, &n) == ZX_OK && n > 0)
    used += n;
  text[used] = 0;
  zx_handle_close(out);
  return text;
}

// Launches, closes the connection, and gives the return code, or the status of
// a launch that fails, which is not to be one of the codes.
static int64_t launch(child *c) {
  zx_handle_t process = ZX_HANDLE_INVALID;
  zx_status_t status = launcher_launch(c->launcher, &c->info, &process);
  zx_handle_close(c->launcher);
  return status == ZX_OK ? wait_for(process) : status;
}

static int64_t end(child *c) {
  int64_t code = launch(c);
  zx_handle_close(c->out);
  return code;
}

// Whether the other end of a handle is gone, or goes.
static bool gone(zx_handle_t handle) {
  return zx_object_wait_one(handle, ZX_EVENTPAIR_PEER_CLOSED, soon(), NULL) == ZX_OK;
}

CHECK(launch_arguments) {
  child c = begin(HELLO);
  ARGS(c, "hello", "", "--return=7");
  ARGS(c, "last");
  launcher_environ(c.launcher, 1, (const char *const[]){"A=1"});
  launcher_environ(c.launcher, 2, (const char *const[]){"B=", "odd"});
  IS(7, launch(&c));
  IS(0, strcmp(output(c.out), "arg[0]=hello\narg[1]=\narg[2]=--return=7\narg[3]=last\n"
                              "env: A=1\nenv: B=\nenv: odd\n"));
}

CHECK(launch_process) {
  child c = begin("/pkg/bin/sleep");
  zx_handle_t process;
  char name[ZX_MAX_NAME_LEN];
  OK(launcher_launch(c.launcher, &c.info, &process));
  IS(ZX_OBJ_TYPE_PROCESS, type(process));
  OK(zx_object_get_property(process, ZX_PROP_NAME, name, sizeof name));
  IS(0, strcmp(name, "child"));
  IS(koid(start_handle(PA_JOB_DEFAULT, 0)), related_koid(process));
  OK(zx_task_kill(process));
  IS(ZX_TASK_RETCODE_SYSCALL_KILL, wait_for(process));
  zx_handle_close(c.launcher);
  zx_handle_close(c.out);
}

CHECK(launch_state_is_taken) {
  child c = begin(HELLO);
  zx_handle_t process;
  ARGS(c, "hello", "--return=3");
  OK(launcher_launch(c.launcher, &c.info, &process));
  IS(3, wait_for(process));
  zx_handle_close(c.out);
  again(&c, HELLO);
  IS(0, launch(&c));
  IS(0, strcmp(output(c.out), "Hello, Fuchsia!\n"));
}

CHECK(launch_state_is_taken_by_failure) {
  child c = begin("/pkg/data/text");
  zx_handle_t process;
  ARGS(c, "hello", "--return=3");
  launcher_options(c.launcher, 0x100);
  IS(ZX_ERR_INVALID_ARGS, launcher_launch(c.launcher, &c.info, &process));
  TRUE(gone(c.out));
  zx_handle_close(c.out);
  again(&c, HELLO);
  IS(0, launch(&c));
  IS(0, strcmp(output(c.out), "Hello, Fuchsia!\n"));
}

CHECK(launch_options) {
  child c = begin(HELLO);
  ARGS(c, "hello", "--return=4");
  launcher_options(c.launcher, 0x100);
  launcher_options(c.launcher, 0);
  IS(4, end(&c));
}

CHECK(launch_connections_are_apart) {
  child a = begin(HELLO), b = begin(HELLO);
  ARGS(a, "hello", "--return=1");
  ARGS(b, "hello", "--return=2");
  IS(2, end(&b));
  IS(1, end(&a));
}

CHECK(launch_many) {
  enum { N = 20 };
  child c[N];
  zx_handle_t processes[N];
  for (int i = 0; i < N; i++) {
    char code[] = {'-', '-', 'r', 'e', 't', 'u', 'r', 'n', '=', 'x', 'x', 0};
    code[9] = (char)('0' + i / 10);
    code[10] = (char)('0' + i % 10);
    c[i] = begin(HELLO);
    ARGS(c[i], "hello", code);
  }
  for (int i = 0; i < N; i++) {
    OK(launcher_launch(c[i].launcher, &c[i].info, &processes[i]));
    zx_handle_close(c[i].launcher);
    zx_handle_close(c[i].out);
  }
  for (int i = 0; i < N; i++) IS(i, wait_for(processes[i]));
}

// A pipe from here through one child to the next.
CHECK(launch_pipe) {
  child first = begin("/pkg/bin/echo"), second = begin("/pkg/bin/echo");
  zx_handle_t in, theirs, process, process2;
  OK(zx_socket_create(ZX_SOCKET_STREAM, &in, &theirs));
  launcher_handle(first.launcher, PA_HND(PA_FD, 0), theirs);
  launcher_handle(second.launcher, PA_HND(PA_FD, 0), first.out);
  OK(launcher_launch(first.launcher, &first.info, &process));
  OK(launcher_launch(second.launcher, &second.info, &process2));
  OK(write_all(in, "through both\n", 13));
  OK(zx_handle_close(in));
  IS(0, strcmp(output(second.out), "through both\n"));
  IS(0, wait_for(process));
  IS(0, wait_for(process2));
  zx_handle_close(first.launcher);
  zx_handle_close(second.launcher);
}

CHECK(launch_namespace) {
  child c = begin("/pkg/bin/spawn");
  zx_handle_t directory;
  ARGS(c, "spawn", "ls", "/deep/data");
  OK(open_path("/pkg/data", PROTOCOL_DIRECTORY | PERM_READABLE, &directory));
  launcher_name(c.launcher, "/deep/data", directory);
  IS(0, launch(&c));
  IS(0, strcmp(output(c.out), ".\ntext\n"));
}

static int64_t with_names(const char *a, const char *b) {
  child c = begin(HELLO);
  zx_handle_t directory;
  const char *names[] = {a, b};
  for (int i = 0; i < 2; i++)
    if (open_path("/pkg/data", PROTOCOL_DIRECTORY | PERM_READABLE, &directory) == ZX_OK)
      launcher_name(c.launcher, names[i], directory);
  return end(&c);
}

CHECK(launch_bad_namespace) {
  IS(0, with_names("/a", "/b"));
  IS(0, with_names("/a", "/ab"));
  IS(ZX_ERR_INVALID_ARGS, with_names("/a", "/a"));
  IS(ZX_ERR_INVALID_ARGS, with_names("/a/b", "/a"));
  IS(ZX_ERR_INVALID_ARGS, with_names("/", "/a"));
  IS(ZX_ERR_INVALID_ARGS, with_names("a", "/b"));
  IS(ZX_ERR_INVALID_ARGS, with_names("", "/b"));
}

// Executables that are none, or may not be one.
CHECK(launch_bad_executable) {
  child c = begin("/pkg/data/text");
  IS(ZX_ERR_NOT_FOUND, end(&c));
  c = begin(HELLO);
  OK(zx_handle_replace(c.info.executable, ZX_RIGHTS_BASIC | ZX_RIGHT_READ | ZX_RIGHT_MAP | ZX_RIGHT_GET_PROPERTY,
                       &c.info.executable));
  IS(ZX_ERR_ACCESS_DENIED, end(&c));
  c = begin(HELLO);
  OK(zx_handle_close(c.info.executable));
  OK(zx_vmo_create(0, 0, &c.info.executable));
  IS(ZX_ERR_OUT_OF_RANGE, end(&c));
}

CHECK(launch_bad_handles) {
  static const uint32_t types[] = {PA_PROC_SELF, PA_THREAD_SELF, PA_VMAR_ROOT, PA_VMAR_LOADED,
                                   PA_VMO_STACK, PA_VMO_EXECUTABLE, PA_NS_DIR, 0x77, PA_USER0 | 0x100};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    zx_handle_t ours, theirs;
    OK(zx_eventpair_create(0, &ours, &theirs));
    child c = begin(HELLO);
    launcher_handle(c.launcher, types[i], theirs);
    IS(ZX_ERR_INVALID_ARGS, end(&c));
    TRUE(gone(ours));
    OK(zx_handle_close(ours));
  }
}

CHECK(launch_bad_strings) {
  child c = begin(HELLO);
  static message m;
  // An argument of one byte, which is NUL.
  message_begin(&m, 0x3be445d3e4fd6512);
  put_vector(&m, 1);
  put_vector(&m, 1);
  put_bytes(&m, "", 1);
  OK(message_send(&m, c.launcher));
  IS(ZX_ERR_INVALID_ARGS, end(&c));
}

// More than a process can be given.
CHECK(launch_too_much) {
  static char large[60001];
  for (size_t i = 0; i < sizeof large - 1; i++) large[i] = 'a';
  child c = begin(HELLO);
  ARGS(c, large);
  ARGS(c, large);
  IS(ZX_ERR_INVALID_ARGS, end(&c));
  c = begin(HELLO);
  for (uint16_t i = 0; i < 64; i++) {
    zx_handle_t e;
    OK(zx_event_create(0, &e));
    launcher_handle(c.launcher, PA_HND(PA_USER0, i), e);
  }
  IS(ZX_ERR_INVALID_ARGS, end(&c));
}

CHECK(launch_no_loader) {
  child c = begin("/pkg/bin/dyn");
  IS(ZX_ERR_INVALID_ARGS, end(&c));
  // A loader that is gone.
  zx_handle_t ours, theirs;
  c = begin("/pkg/bin/dyn");
  OK(zx_channel_create(0, &ours, &theirs));
  launcher_handle(c.launcher, PA_HND(PA_LDSVC_LOADER, 0), theirs);
  OK(zx_handle_close(ours));
  IS(ZX_ERR_NOT_FOUND, end(&c));
}

typedef struct {
  zx_handle_t channel;
  library libraries[3];
  size_t n;
} loader;

static void serve(void *arg) {
  loader *l = arg;
  serve_loader(l->channel, l->libraries, l->n);
}

// A program of libraries, which a loader of ours gives.
static int64_t launch_dynamic(size_t num_libraries, const char **out) {
  child c = begin("/pkg/bin/dyn");
  loader l = {.libraries = {{.name = "ld.so.1", .vmo = executable("/pkg/lib/ld.so.1")},
                            {.name = "libgreet.so", .vmo = executable("/pkg/lib/libgreet.so")},
                            {.name = "libword.so", .vmo = executable("/pkg/lib/libword.so")}},
              .n = num_libraries};
  zx_handle_t theirs;
  thread t;
  zx_status_t status = zx_channel_create(0, &l.channel, &theirs);
  if (status == ZX_OK) status = thread_start(&t, serve, &l);
  if (status != ZX_OK) return status;
  launcher_handle(c.launcher, PA_HND(PA_LDSVC_LOADER, 0), theirs);
  ARGS(c, "dyn", "--return=20");
  int64_t code = launch(&c);
  *out = output(c.out);
  thread_join(&t);
  for (int i = 0; i < 3; i++) zx_handle_close(l.libraries[i].vmo);
  return code;
}

CHECK(launch_dynamic_program) {
  const char *out;
  IS(20, launch_dynamic(3, &out));
  TRUE(after_prefix(out, "ok zeros\n") != NULL);
  IS(122, launch_dynamic(2, &out));
  IS(ZX_ERR_NOT_FOUND, launch_dynamic(0, &out));
}

CHECK(launch_bad_job) {
  zx_handle_t job;
  child c = begin(HELLO);
  OK(zx_handle_replace(c.info.job, ZX_RIGHTS_BASIC, &c.info.job));
  IS(ZX_ERR_ACCESS_DENIED, end(&c));
  c = begin(HELLO);
  OK(zx_job_create(c.info.job, 0, &job));
  OK(zx_handle_close(c.info.job));
  OK(zx_task_kill(job));
  c.info.job = job;
  IS(ZX_ERR_BAD_STATE, end(&c));
}

// Who may not make processes can have them made, in the same job.
CHECK(launch_under_policy) {
  zx_handle_t job, own;
  zx_policy_basic_v1_t deny = {ZX_POL_NEW_PROCESS, ZX_POL_ACTION_DENY};
  for (int i = 0; i < 2; i++) {
    OK(zx_job_create(start_handle(PA_JOB_DEFAULT, 0), 0, &job));
    OK(zx_job_set_policy(job, ZX_JOB_POL_ABSOLUTE, ZX_JOB_POL_BASIC_V1, &deny, 1));
    OK(zx_handle_duplicate(job, ZX_RIGHT_SAME_RIGHTS, &own));
    child c = begin("/pkg/bin/spawn");
    OK(zx_handle_close(c.info.job));
    c.info.job = job;
    launcher_handle(c.launcher, PA_HND(PA_JOB_DEFAULT, 0), own);
    zx_handle_t directory;
    OK(open_path("/svc", PROTOCOL_DIRECTORY | PERM_READABLE, &directory));
    launcher_name(c.launcher, "/svc", directory);
    OK(open_path("/pkg", PROTOCOL_DIRECTORY | PERM_READABLE | PERM_EXECUTE, &directory));
    launcher_name(c.launcher, "/pkg", directory);
    if (i == 0) {
      ARGS(c, "spawn", "create");
      IS(0, launch(&c));
      IS(0, strcmp(output(c.out), "-30\n"));
    } else {
      ARGS(c, "spawn", "run", HELLO, "--return=6");
      IS(6, launch(&c));
      IS(0, strcmp(output(c.out), "arg[0]=/pkg/bin/hello\narg[1]=--return=6\n"));
    }
  }
}

CHECK(launch_job_kill) {
  zx_handle_t job, child_job, process[2], other;
  OK(zx_job_create(start_handle(PA_JOB_DEFAULT, 0), 0, &job));
  OK(zx_job_create(job, 0, &child_job));
  for (int i = 0; i < 2; i++) {
    child c = begin(i ? "/pkg/bin/sleep" : "/pkg/bin/spin");
    OK(zx_handle_close(c.info.job));
    OK(zx_handle_duplicate(i ? job : child_job, ZX_RIGHT_SAME_RIGHTS, &c.info.job));
    OK(launcher_launch(c.launcher, &c.info, &process[i]));
    char b;
    size_t n;
    OK(read_some(c.out, &b, 1, &n));  // it runs
    zx_handle_close(c.launcher);
    zx_handle_close(c.out);
  }
  child c = begin("/pkg/bin/sleep");
  OK(launcher_launch(c.launcher, &c.info, &other));
  zx_handle_close(c.launcher);
  OK(zx_task_kill(job));
  IS(ZX_TASK_RETCODE_SYSCALL_KILL, wait_for(process[0]));
  IS(ZX_TASK_RETCODE_SYSCALL_KILL, wait_for(process[1]));
  IS(0, signals(other) & ZX_TASK_TERMINATED);
  OK(zx_task_kill(other));
  IS(ZX_TASK_RETCODE_SYSCALL_KILL, wait_for(other));
  zx_handle_close(c.out);
  zx_handle_close(child_job);
  zx_handle_close(job);
}

CHECK(create_and_start) {
  child c = begin(HELLO);
  start_data d;
  uint32_t handles = 0;
  uintptr_t vdso = 0;
  ARGS(c, "hello", "--return=9");
  OK(launcher_create(c.launcher, &c.info, &d));
  IS(ZX_OBJ_TYPE_PROCESS, type(d.process));
  IS(ZX_OBJ_TYPE_VMAR, type(d.root_vmar));
  IS(ZX_OBJ_TYPE_THREAD, type(d.thread));
  IS(ZX_OBJ_TYPE_CHANNEL, type(d.bootstrap));
  TRUE(d.base % ZX_PAGE_SIZE == 0 && d.entry > d.base && d.vdso_base % ZX_PAGE_SIZE == 0);
  IS(8, d.stack % 16);
  // Nobody has it but we and the message that waits for it.
  OK(zx_object_get_info(d.process, ZX_INFO_HANDLE_COUNT, &handles, sizeof handles, NULL, NULL));
  IS(2, handles);
  // Its memory is there to be looked at.
  char magic[4];
  size_t n;
  OK(zx_process_read_memory(d.process, d.base, magic, 4, &n));
  IS(0, memcmp(magic, "\177ELF", 4));
  OK(start_created(&d));
  OK(zx_object_get_property(d.process, ZX_PROP_PROCESS_VDSO_BASE_ADDRESS, &vdso, sizeof vdso));
  IS(d.vdso_base, vdso);
  IS(9, wait_for(d.process));
  IS(0, strcmp(output(c.out), "arg[0]=hello\narg[1]=--return=9\n"));
  zx_handle_close(c.launcher);
}

// A process that nobody starts ends when nobody has it.
CHECK(create_and_drop) {
  zx_handle_t job;
  child c = begin(HELLO);
  start_data d;
  OK(zx_job_create(c.info.job, 0, &job));
  OK(zx_handle_close(c.info.job));
  OK(zx_handle_duplicate(job, ZX_RIGHT_SAME_RIGHTS, &c.info.job));
  OK(launcher_create(c.launcher, &c.info, &d));
  IS(0, signals(job) & ZX_JOB_NO_PROCESSES);
  zx_handle_close(d.process);
  zx_handle_close(d.root_vmar);
  zx_handle_close(d.thread);
  zx_handle_close(d.bootstrap);
  OK(zx_object_wait_one(job, ZX_JOB_NO_PROCESSES, soon(), NULL));
  TRUE(gone(c.out));
  zx_handle_close(c.out);
  zx_handle_close(c.launcher);
  zx_handle_close(job);
}

CHECK(create_errors) {
  start_data d;
  child c = begin("/pkg/data/text");
  IS(ZX_ERR_NOT_FOUND, launcher_create(c.launcher, &c.info, &d));
  zx_handle_close(c.out);
  again(&c, HELLO);
  ARGS(c, "hello", "--return=2");
  OK(launcher_create(c.launcher, &c.info, &d));
  // It can be started once.
  zx_handle_t e;
  OK(zx_event_create(0, &e));
  OK(zx_process_start(d.process, d.thread, d.entry, d.stack, d.bootstrap, d.vdso_base));
  IS(ZX_ERR_BAD_STATE, zx_process_start(d.process, d.thread, d.entry, d.stack, e, d.vdso_base));
  zx_handle_close(d.thread);
  zx_handle_close(d.root_vmar);
  IS(2, wait_for(d.process));
  zx_handle_close(c.out);
  zx_handle_close(c.launcher);
}

// A client that goes leaves nothing of what it brought.
CHECK(client_goes) {
  zx_handle_t ours, theirs;
  child c = begin(HELLO);
  OK(zx_eventpair_create(0, &ours, &theirs));
  launcher_handle(c.launcher, PA_HND(PA_USER0, 0), theirs);
  OK(zx_handle_close(c.launcher));
  TRUE(gone(ours));
  TRUE(gone(c.out));
  zx_handle_close(ours);
  zx_handle_close(c.out);
  zx_handle_close(c.info.executable);
  zx_handle_close(c.info.job);
}

// What is no message of the protocol closes its connection, with all that it
// held, and no other.
enum mistake { GARBAGE, NO_MAGIC, UNKNOWN_METHOD, WRONG_TYPE, LEFT_OVER, MISTAKES };

static zx_status_t blunder(enum mistake mistake, zx_handle_t launcher) {
  static message m;
  zx_handle_t e;
  switch (mistake) {
    case GARBAGE:
      return zx_channel_write(launcher, 0, "what is this?", 13, NULL, 0);
    case NO_MAGIC:
      message_begin(&m, 0x5b92576147ebfd87);
      m.bytes[7] = 9;
      put_u64(&m, 0);
      return message_send(&m, launcher);
    case UNKNOWN_METHOD:
      message_begin(&m, 0x1234567812345678);
      return message_send(&m, launcher);
    case WRONG_TYPE:  // an event is no directory
      zx_event_create(0, &e);
      launcher_name(launcher, "/x", e);
      return ZX_OK;
    default:
      message_begin(&m, 0x5b92576147ebfd87);
      put_u64(&m, 0);
      put_u64(&m, 0);
      return message_send(&m, launcher);
  }
}

CHECK(client_blunders) {
  for (enum mistake i = 0; i < MISTAKES; i++) {
    zx_handle_t ours, theirs;
    child c = begin(HELLO), other = begin(HELLO);
    OK(zx_eventpair_create(0, &ours, &theirs));
    launcher_handle(c.launcher, PA_HND(PA_USER0, 0), theirs);
    ARGS(other, "hello", "--return=5");
    OK(blunder(i, c.launcher));
    TRUE(gone(c.launcher));
    TRUE(gone(ours));
    TRUE(gone(c.out));
    zx_handle_close(c.launcher);
    zx_handle_close(ours);
    zx_handle_close(c.out);
    zx_handle_close(c.info.executable);
    zx_handle_close(c.info.job);
    IS(5, end(&other));
  }
}

// Needs fuchsia.process.Resolver.
CHECK(resolver) {
  zx_handle_t loader, none;
  child c = begin(HELLO);
  OK(zx_handle_close(c.info.executable));
  if (resolve("hello", &c.info.executable, &loader) != ZX_OK) SKIP("no Resolver");
  OK(zx_handle_close(loader));
  ARGS(c, "hello", "--return=3");
  IS(3, end(&c));
  c = begin(HELLO);
  IS(ZX_ERR_NOT_FOUND, resolve("no-such-program", &none, &loader));
  IS(ZX_ERR_INVALID_ARGS, resolve("", &none, &loader));
  OK(zx_handle_close(c.info.executable));
  OK(resolve("dyn", &c.info.executable, &loader));
  launcher_handle(c.launcher, PA_HND(PA_LDSVC_LOADER, 0), loader);
  ARGS(c, "dyn", "--return=8");
  IS(8, end(&c));
}
