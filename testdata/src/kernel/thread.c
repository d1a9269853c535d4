#include "kernel.h"

#define ZX_PROP_REGISTER_GS 2u
#define ZX_PROP_REGISTER_FS 4u

static void add_one(void *n) { __atomic_add_fetch((int *)n, 1, __ATOMIC_SEQ_CST); }

CHECK(thread_run) {
  int n = 0;
  thread t[8];
  for (int i = 0; i < 8; i++) OK(thread_start(&t[i], add_one, &n));
  for (int i = 0; i < 8; i++) OK(thread_join(&t[i]));
  IS(8, n);
}

// The registers of a thread as it starts: those that should be zero, or-ed
// together, and the others.
static struct {
  uint64_t others, arg1, arg2, stack, flags;
} started;

__attribute__((naked)) static void note_registers(void) {
  __asm__(
      "or %%rbx, %%rax\n or %%rcx, %%rax\n or %%rdx, %%rax\n or %%rbp, %%rax\n"
      "or %%r8, %%rax\n or %%r9, %%rax\n or %%r10, %%rax\n or %%r11, %%rax\n"
      "or %%r12, %%rax\n or %%r13, %%rax\n or %%r14, %%rax\n or %%r15, %%rax\n"
      "mov %%rax, 0+%0\n mov %%rdi, 8+%0\n mov %%rsi, 16+%0\n mov %%rsp, 24+%0\n"
      "pushfq\n pop %%rax\n mov %%rax, 32+%0\n"
      "jmp zx_thread_exit"
      :
      : "m"(started));
}

CHECK(thread_registers) {
  zx_handle_t t;
  zx_vaddr_t stack;
  OK(stack_create(&stack));
  OK(zx_thread_create(process_self(), "registers", 9, 0, &t));
  OK(zx_thread_start(t, (zx_vaddr_t)note_registers, stack_pointer(stack), 0x123456789abcdef0,
                     0x0fedcba987654321));
  OK(zx_object_wait_one(t, ZX_THREAD_TERMINATED, soon(), NULL));
  IS(0, started.others);
  IS(0x123456789abcdef0, started.arg1);
  IS(0x0fedcba987654321, started.arg2);
  IS(stack_pointer(stack), started.stack);
  IS(0, started.flags & 0x400);  // direction: forward
  OK(zx_handle_close(t));
  OK(zx_vmar_unmap(vmar_root(), stack, THREAD_STACK));
}

static void sleep_until(void *deadline) { zx_nanosleep(*(zx_time_t *)deadline); }

CHECK(thread_states) {
  zx_handle_t t;
  OK(zx_thread_create(process_self(), "new", 3, 0, &t));
  IS(ZX_OBJ_TYPE_THREAD, type(t));
  IS(koid(process_self()), related_koid(t));
  IS(ZX_THREAD_STATE_NEW, thread_state(t));
  IS(0, signals(t) & (ZX_THREAD_RUNNING | ZX_THREAD_TERMINATED));
  OK(zx_handle_close(t));

  zx_time_t deadline = zx_deadline_after(ZX_MSEC(50));
  thread sleeper;
  OK(thread_start(&sleeper, sleep_until, &deadline));
  TRUE(signals(sleeper.handle) & (ZX_THREAD_RUNNING | ZX_THREAD_TERMINATED));
  EVENTUALLY(thread_state(sleeper.handle) == ZX_THREAD_STATE_BLOCKED_SLEEPING ||
             thread_state(sleeper.handle) == ZX_THREAD_STATE_DEAD);
  OK(zx_object_wait_one(sleeper.handle, ZX_THREAD_TERMINATED, soon(), NULL));
  IS(ZX_THREAD_STATE_DEAD, thread_state(sleeper.handle));
  IS(ZX_THREAD_TERMINATED, signals(sleeper.handle) & (ZX_THREAD_RUNNING | ZX_THREAD_TERMINATED));
  TRUE(zx_clock_get_monotonic() >= deadline);
  OK(thread_join(&sleeper));
}

static zx_handle_t an_event, a_port, a_channel;
static zx_futex_t a_futex;

static void in_wait_one(void *unused) {
  (void)unused;
  zx_object_wait_one(an_event, ZX_EVENT_SIGNALED, soon(), NULL);
}
static void in_wait_many(void *unused) {
  (void)unused;
  zx_wait_item_t item = {an_event, ZX_EVENT_SIGNALED, 0};
  zx_object_wait_many(&item, 1, soon());
}
static void in_futex(void *unused) {
  (void)unused;
  zx_futex_wait(&a_futex, 0, ZX_HANDLE_INVALID, soon());
}
static void in_port(void *unused) {
  (void)unused;
  zx_port_packet_t packet;
  zx_port_wait(a_port, soon(), &packet);
}
static void in_channel(void *unused) {
  (void)unused;
  uint32_t n, m, txid = 0;
  zx_channel_call_args_t args = {&txid, NULL, &txid, NULL, 4, 0, 4, 0};
  zx_channel_call(a_channel, 0, soon(), &args, &n, &m);
}

CHECK(thread_blocked_states) {
  // What a thread waits in can be seen from outside.
  const struct {
    void (*wait)(void *);
    uint32_t state;
  } waits[] = {
      {in_wait_one, ZX_THREAD_STATE_BLOCKED_WAIT_ONE},
      {in_wait_many, ZX_THREAD_STATE_BLOCKED_WAIT_MANY},
      {in_futex, ZX_THREAD_STATE_BLOCKED_FUTEX},
      {in_port, ZX_THREAD_STATE_BLOCKED_PORT},
      {in_channel, ZX_THREAD_STATE_BLOCKED_CHANNEL},
  };
  enum { N = sizeof waits / sizeof *waits };
  zx_handle_t server;
  thread t[N];
  OK(zx_event_create(0, &an_event));
  OK(zx_port_create(0, &a_port));
  OK(zx_channel_create(0, &a_channel, &server));
  for (int i = 0; i < N; i++) {
    OK(thread_start(&t[i], waits[i].wait, NULL));
    EVENTUALLY(thread_state(t[i].handle) == waits[i].state);
  }
  zx_port_packet_t packet = {0};
  OK(zx_object_signal(an_event, 0, ZX_EVENT_SIGNALED));
  OK(zx_futex_wake(&a_futex, 1));
  OK(zx_port_queue(a_port, &packet));
  OK(zx_handle_close(server));
  for (int i = 0; i < N; i++) OK(thread_join(&t[i]));
  OK(zx_handle_close(an_event));
  OK(zx_handle_close(a_port));
  OK(zx_handle_close(a_channel));
}

CHECK(thread_create) {
  zx_handle_t t;
  IS(ZX_ERR_INVALID_ARGS, zx_thread_create(process_self(), "x", 1, 1, &t));
  IS(ZX_ERR_WRONG_TYPE, zx_thread_create(vmar_root(), "x", 1, 0, &t));
  IS(ZX_ERR_BAD_HANDLE, zx_thread_create(ZX_HANDLE_INVALID, "x", 1, 0, &t));
  for (int i = 0; i < NUM_BAD_POINTERS; i++) {
    IS(ZX_ERR_INVALID_ARGS, zx_thread_create(process_self(), bad_pointers[i], 4, 0, &t));
    IS(ZX_ERR_INVALID_ARGS, zx_thread_create(process_self(), "x", 1, 0, bad_pointers[i]));
  }
  char name[ZX_MAX_NAME_LEN];
  OK(zx_thread_create(process_self(), "a name that is longer than it may be", 36, 0, &t));
  OK(zx_object_get_property(t, ZX_PROP_NAME, name, sizeof name));
  IS(0, strcmp(name, "a name that is longer than it m"));
  OK(zx_object_set_property(t, ZX_PROP_NAME, "short", 5));
  OK(zx_object_get_property(t, ZX_PROP_NAME, name, sizeof name));
  IS(0, strcmp(name, "short"));
  OK(zx_handle_close(t));
}

CHECK(thread_start_errors) {
  zx_handle_t t;
  zx_vaddr_t stack;
  OK(stack_create(&stack));
  OK(zx_thread_create(process_self(), "x", 1, 0, &t));
  IS(ZX_ERR_INVALID_ARGS,
     zx_thread_start(t, 0x8000000000000000, stack_pointer(stack), 0, 0));
  IS(ZX_ERR_INVALID_ARGS,
     zx_thread_start(t, 0xffffffff80000000, stack_pointer(stack), 0, 0));
  OK(zx_thread_start(t, (zx_vaddr_t)note_registers, stack_pointer(stack), 0, 0));
  IS(ZX_ERR_BAD_STATE,
     zx_thread_start(t, (zx_vaddr_t)note_registers, stack_pointer(stack), 0, 0));
  OK(zx_object_wait_one(t, ZX_THREAD_TERMINATED, soon(), NULL));
  IS(ZX_ERR_BAD_STATE,
     zx_thread_start(t, (zx_vaddr_t)note_registers, stack_pointer(stack), 0, 0));
  OK(zx_handle_close(t));
  IS(ZX_ERR_BAD_HANDLE, zx_thread_start(t, 0, 0, 0, 0));
  OK(zx_vmar_unmap(vmar_root(), stack, THREAD_STACK));
}

static bool lists(const zx_koid_t *list, size_t n, zx_koid_t wanted) {
  for (size_t i = 0; i < n; i++)
    if (list[i] == wanted) return true;
  return false;
}

CHECK(thread_list) {
  zx_koid_t list[32];
  size_t actual, avail;
  thread t;
  zx_time_t end = zx_deadline_after(ZX_MSEC(100));
  OK(thread_start(&t, sleep_until, &end));
  zx_koid_t id = koid(t.handle);
  OK(zx_object_get_info(process_self(), ZX_INFO_PROCESS_THREADS, list, sizeof list, &actual,
                        &avail));
  IS(actual, avail);
  TRUE(lists(list, actual, koid(thread_self())));
  TRUE(lists(list, actual, id));
  // Room for one: that one, and how many there are.
  size_t had = avail;
  OK(zx_object_get_info(process_self(), ZX_INFO_PROCESS_THREADS, list, sizeof *list, &actual,
                        &avail));
  IS(1, actual);
  IS(had, avail);
  zx_handle_t same;
  OK(zx_object_get_child(process_self(), id, ZX_RIGHT_SAME_RIGHTS, &same));
  IS(id, koid(same));
  OK(zx_handle_close(same));
  IS(ZX_ERR_NOT_FOUND, zx_object_get_child(process_self(), 1, ZX_RIGHT_SAME_RIGHTS, &same));
  OK(thread_join(&t));
  OK(zx_object_get_info(process_self(), ZX_INFO_PROCESS_THREADS, list, sizeof list, &actual,
                        &avail));
  TRUE(!lists(list, actual, id));
}

static uint64_t block[2] = {0x1122334455667788, 0x99aabbccddeeff00};

static uint64_t read_fs(void) {
  uint64_t value;
  __asm__ volatile("mov %%fs:0, %0" : "=r"(value));
  return value;
}

static uint64_t read_gs(void) {
  uint64_t value;
  __asm__ volatile("mov %%gs:8, %0" : "=r"(value));
  return value;
}

static zx_status_t register_status, read_status;
static uintptr_t read_back;
static uint64_t fs_value, gs_value;

// A thread's register bases are its own to set.
static void use_registers(void *arg) {
  zx_handle_t self = ((thread *)arg)->handle;
  uintptr_t address = (uintptr_t)block;
  register_status = zx_object_set_property(self, ZX_PROP_REGISTER_FS, &address, sizeof address);
  if (register_status != ZX_OK) return;
  register_status = zx_object_set_property(self, ZX_PROP_REGISTER_GS, &address, sizeof address);
  if (register_status != ZX_OK) return;
  // Still there after a syscall.
  zx_nanosleep(zx_deadline_after(ZX_MSEC(1)));
  fs_value = read_fs();
  gs_value = read_gs();
  read_status = zx_object_get_property(self, ZX_PROP_REGISTER_FS, &read_back, sizeof read_back);
}

CHECK(thread_register_bases) {
  static thread t;
  fs_value = gs_value = 0;
  register_status = 1;
  OK(thread_start(&t, use_registers, &t));
  OK(zx_object_wait_one(t.handle, ZX_THREAD_TERMINATED, soon(), NULL));
  OK(register_status);
  IS(block[0], fs_value);
  IS(block[1], gs_value);
  OK(thread_join(&t));
  uintptr_t bad = 0x8000000000000000;
  IS(ZX_ERR_INVALID_ARGS,
     zx_object_set_property(thread_self(), ZX_PROP_REGISTER_FS, &bad, sizeof bad));
  if (read_status == ZX_ERR_NOT_SUPPORTED) SKIP("the bases can be set, not read");
  OK(read_status);
  IS((uintptr_t)block, read_back);
}

CHECK(thread_handle_not_needed) {
  // A thread runs on without a handle to it.
  int n = 0;
  zx_time_t end = soon();
  static thread t;
  OK(thread_start(&t, add_one, &n));
  OK(zx_handle_close(t.handle));
  while (__atomic_load_n(&n, __ATOMIC_SEQ_CST) == 0) TRUE(zx_clock_get_monotonic() < end);
}

static uint32_t sse_control;
static uint16_t x87_control;

static void note_control(void *unused) {
  (void)unused;
  __asm__ volatile("stmxcsr %0" : "=m"(sse_control));
  __asm__ volatile("fnstcw %0" : "=m"(x87_control));
}

CHECK(thread_floating_point) {
  thread t;
  OK(thread_start(&t, note_control, NULL));
  OK(thread_join(&t));
  IS(0x1f80, sse_control);
  IS(0x037f, x87_control);
}
