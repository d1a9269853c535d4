// Threads that share a lock made of a futex.
//
//   threads [N [M]]    N threads (4) each add 1 to a total M times (1000) under
//                      the lock; prints "total T" and returns 0 if T is N*M
//   threads exits      ends threads in each of the ways there are, and sees that
//                      each ended and did what it had to on its way
//   threads exit-race  ends the process with 7 while others run, start and end
//   threads leave      ends the first thread while another goes on, which then
//                      ends the process with 9
#include "thread.h"

enum { MAX_THREADS = 64 };

static thread threads[MAX_THREADS];

// 0: free; 1: taken; 2: taken, and somebody may be waiting.
static zx_futex_t lock;
static uint64_t total, rounds;

static void take(zx_futex_t *l) {
  int32_t seen = 0;
  if (__atomic_compare_exchange_n(l, &seen, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) return;
  while (__atomic_exchange_n(l, 2, __ATOMIC_ACQUIRE) != 0)
    zx_futex_wait(l, 2, ZX_HANDLE_INVALID, ZX_TIME_INFINITE);
}

static void release(zx_futex_t *l) {
  if (__atomic_exchange_n(l, 0, __ATOMIC_RELEASE) == 2) zx_futex_wake(l, 1);
}

static void add(void *unused) {
  (void)unused;
  for (uint64_t i = 0; i < rounds; i++) {
    take(&lock);
    total++;
    release(&lock);
  }
}

static int64_t count(uint64_t n) {
  for (uint64_t i = 0; i < n; i++) {
    zx_status_t status = thread_start(&threads[i], add, NULL);
    if (status != ZX_OK) {
      print("thread %lu does not start: %d\n", i, status);
      return 2;
    }
  }
  for (uint64_t i = 0; i < n; i++) thread_join(&threads[i]);
  print("total %lu\n", total);
  return total == n * rounds ? 0 : 1;
}

static zx_futex_t word;
static zx_handle_t event, vmar;
static zx_vaddr_t own_stack;

static void by_exit(uintptr_t arg1, uintptr_t arg2) {
  (void)arg1, (void)arg2;
  zx_thread_exit();
}

static void by_futex(uintptr_t arg1, uintptr_t arg2) {
  (void)arg1, (void)arg2;
  zx_futex_wake_handle_close_thread_exit(&word, 1, 17, event);
}

static void by_unmap(uintptr_t arg1, uintptr_t arg2) {
  (void)arg1, (void)arg2;
  // Unmaps the very stack that it runs on.
  zx_vmar_unmap_handle_close_thread_exit(vmar, own_stack, THREAD_STACK, event);
  zx_process_exit(3);
}

static bool is_closed(zx_handle_t handle) {
  return zx_object_get_info(handle, ZX_INFO_HANDLE_VALID, NULL, 0, NULL, NULL) ==
         ZX_ERR_BAD_HANDLE;
}

static bool is_mapped(zx_vaddr_t address) {
  size_t n;
  char byte;
  return zx_process_read_memory(start_handle(PA_PROC_SELF, 0), address, &byte, 1, &n) == ZX_OK;
}

// Runs one thread to its end.
static bool ends(void (*entry)(uintptr_t, uintptr_t), zx_vaddr_t stack) {
  zx_handle_t t;
  if (zx_thread_create(start_handle(PA_PROC_SELF, 0), "leaver", 6, 0, &t) != ZX_OK ||
      zx_thread_start(t, (zx_vaddr_t)entry, stack_pointer(stack), 0, 0) != ZX_OK)
    return false;
  bool good = zx_object_wait_one(t, ZX_THREAD_TERMINATED, ZX_TIME_INFINITE, NULL) == ZX_OK;
  zx_handle_close(t);
  return good;
}

static int64_t failures;

static void check(const char *what, bool good) {
  print("%s %s\n", good ? "ok" : "FAIL", what);
  failures += !good;
}

static int64_t exits(void) {
  zx_vaddr_t stack;
  vmar = start_handle(PA_VMAR_ROOT, 0);
  check("stack", stack_create(&stack) == ZX_OK && stack_create(&own_stack) == ZX_OK);
  check("thread_exit", ends(by_exit, stack));

  zx_event_create(0, &event);
  check("futex_wake_handle_close_thread_exit", ends(by_futex, stack));
  check("the futex has its new value", word == 17);
  check("the handle is closed", is_closed(event));

  zx_event_create(0, &event);
  check("its stack is mapped", is_mapped(own_stack));
  check("vmar_unmap_handle_close_thread_exit", ends(by_unmap, own_stack));
  check("the stack is unmapped", !is_mapped(own_stack));
  check("the handle is closed", is_closed(event));
  return failures;
}

static void run_forever(void *unused) {
  (void)unused;
  for (;;) __asm__ volatile("pause");
}

static void sleep_forever(void *unused) {
  (void)unused;
  zx_nanosleep(ZX_TIME_INFINITE);
}

static void do_nothing(void *unused) { (void)unused; }

static void start_others(void *unused) {
  (void)unused;
  static thread t;
  while (thread_start(&t, do_nothing, NULL) == ZX_OK && thread_join(&t) == ZX_OK) {
  }
}

static int64_t exit_race(void) {
  thread_start(&threads[0], run_forever, NULL);
  thread_start(&threads[1], sleep_forever, NULL);
  thread_start(&threads[2], start_others, NULL);
  thread_start(&threads[3], sleep_forever, NULL);
  return 7;
}

static void finish(void *first) {
  zx_object_wait_one(*(zx_handle_t *)first, ZX_THREAD_TERMINATED, ZX_TIME_INFINITE, NULL);
  print("first thread is gone\n");
  zx_process_exit(9);
}

static int64_t leave(void) {
  static zx_handle_t first;
  first = start_handle(PA_THREAD_SELF, 0);
  thread_start(&threads[0], finish, &first);
  zx_thread_exit();
}

int64_t main(int argc, char **argv, char **envp) {
  (void)envp;
  if (argc > 1 && strcmp(argv[1], "exits") == 0) return exits();
  if (argc > 1 && strcmp(argv[1], "exit-race") == 0) return exit_race();
  if (argc > 1 && strcmp(argv[1], "leave") == 0) return leave();
  uint64_t n = argc > 1 ? (uint64_t)parse_number(argv[1]) : 4;
  rounds = argc > 2 ? (uint64_t)parse_number(argv[2]) : 1000;
  return count(n < MAX_THREADS ? n : MAX_THREADS);
}
