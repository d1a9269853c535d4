#include "kernel.h"

CHECK(futex_wait_returns) {
  zx_futex_t f[2] = {5, 0};
  IS(ZX_ERR_BAD_STATE, zx_futex_wait(&f[0], 4, ZX_HANDLE_INVALID, ZX_TIME_INFINITE));
  IS(ZX_ERR_TIMED_OUT, zx_futex_wait(&f[0], 5, ZX_HANDLE_INVALID, 0));
  zx_time_t deadline = zx_deadline_after(ZX_MSEC(2));
  IS(ZX_ERR_TIMED_OUT, zx_futex_wait(&f[0], 5, ZX_HANDLE_INVALID, deadline));
  TRUE(zx_clock_get_monotonic() >= deadline);
  zx_futex_t *odd = (zx_futex_t *)((uintptr_t)f + 2);
  IS(ZX_ERR_INVALID_ARGS, zx_futex_wait(odd, 0, ZX_HANDLE_INVALID, 0));
  IS(ZX_ERR_INVALID_ARGS, zx_futex_wake(odd, 1));
  for (int i = 0; i < NUM_BAD_POINTERS; i++)
    IS(ZX_ERR_INVALID_ARGS, zx_futex_wait(bad_pointers[i], 0, ZX_HANDLE_INVALID, 0));
  OK(zx_futex_wake(&f[0], 1));
  OK(zx_futex_wake(&f[0], UINT32_MAX));
  IS(ZX_ERR_BAD_HANDLE, zx_futex_wait(&f[0], 5, 0xfffffff3, 0));
  IS(ZX_ERR_WRONG_TYPE, zx_futex_wait(&f[0], 5, process_self(), 0));
}

enum { WAITERS = 4 };

static zx_futex_t first, second;
static int woken;

static void wait_on_first(void *status) {
  *(zx_status_t *)status = zx_futex_wait(&first, 0, ZX_HANDLE_INVALID, soon());
  __atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
}

static int num_woken(void) { return __atomic_load_n(&woken, __ATOMIC_SEQ_CST); }

// Starts threads that wait on first, until all do.
static bool start_waiters(thread *t, zx_status_t *status) {
  woken = 0;
  for (int i = 0; i < WAITERS; i++) {
    status[i] = 1;
    if (thread_start(&t[i], wait_on_first, &status[i]) != ZX_OK) return false;
    zx_time_t end = soon();
    while (thread_state(t[i].handle) != ZX_THREAD_STATE_BLOCKED_FUTEX) {
      if (zx_clock_get_monotonic() > end) return false;
      zx_nanosleep(zx_deadline_after(ZX_MSEC(1)));
    }
  }
  return true;
}

static bool join_waiters(thread *t, const zx_status_t *status) {
  for (int i = 0; i < WAITERS; i++)
    if (thread_join(&t[i]) != ZX_OK || status[i] != ZX_OK) return false;
  return true;
}

static int num_blocked(const thread *t) {
  int n = 0;
  for (int i = 0; i < WAITERS; i++)
    n += thread_state(t[i].handle) == ZX_THREAD_STATE_BLOCKED_FUTEX;
  return n;
}

CHECK(futex_wake) {
  thread t[WAITERS];
  zx_status_t status[WAITERS];
  TRUE(start_waiters(t, status));
  OK(zx_futex_wake(&second, 1));
  OK(zx_futex_wake(&first, 0));
  IS(WAITERS, num_blocked(t));
  OK(zx_futex_wake(&first, 1));
  EVENTUALLY(num_woken() == 1);
  IS(WAITERS - 1, num_blocked(t));
  OK(zx_futex_wake(&first, 2));
  EVENTUALLY(num_woken() == 3);
  IS(1, num_blocked(t));
  OK(zx_futex_wake(&first, 100));
  TRUE(join_waiters(t, status));
}

CHECK(futex_requeue) {
  thread t[WAITERS];
  zx_status_t status[WAITERS];
  TRUE(start_waiters(t, status));
  IS(ZX_ERR_BAD_STATE, zx_futex_requeue(&first, 1, 1, &second, 1, ZX_HANDLE_INVALID));
  IS(ZX_ERR_INVALID_ARGS, zx_futex_requeue(&first, 1, 0, &first, 1, ZX_HANDLE_INVALID));
  // Wakes one and moves two; one stays.
  OK(zx_futex_requeue(&first, 1, 0, &second, 2, ZX_HANDLE_INVALID));
  EVENTUALLY(num_woken() == 1);
  IS(WAITERS - 1, num_blocked(t));
  OK(zx_futex_wake(&second, 100));
  EVENTUALLY(num_woken() == 3);
  IS(1, num_blocked(t));
  OK(zx_futex_wake(&first, 100));
  TRUE(join_waiters(t, status));
}

static void wait_owned(void *status) {
  *(zx_status_t *)status = zx_futex_wait(&first, 0, thread_self(), soon());
}

CHECK(futex_owner) {
  zx_koid_t owner = 99;
  thread t;
  zx_status_t status = 1;
  OK(zx_futex_get_owner(&first, &owner));
  IS(0, owner);
  OK(thread_start(&t, wait_owned, &status));
  EVENTUALLY(thread_state(t.handle) == ZX_THREAD_STATE_BLOCKED_FUTEX);
  OK(zx_futex_get_owner(&first, &owner));
  IS(koid(thread_self()), owner);
  OK(zx_futex_wake(&first, 0));
  OK(zx_futex_get_owner(&first, &owner));
  IS(0, owner);
  OK(zx_futex_wake_single_owner(&first));
  OK(thread_join(&t));
  OK(status);
}

static zx_futex_t lock;
static uint64_t shared;

static void add_under_lock(void *unused) {
  (void)unused;
  for (int i = 0; i < 2000; i++) {
    int32_t seen = 0;
    if (!__atomic_compare_exchange_n(&lock, &seen, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
      while (__atomic_exchange_n(&lock, 2, __ATOMIC_ACQUIRE) != 0)
        zx_futex_wait(&lock, 2, ZX_HANDLE_INVALID, ZX_TIME_INFINITE);
    shared++;
    if (__atomic_exchange_n(&lock, 0, __ATOMIC_RELEASE) == 2) zx_futex_wake(&lock, 1);
  }
}

CHECK(futex_lock) {
  thread t[4];
  shared = 0;
  for (int i = 0; i < 4; i++) OK(thread_start(&t[i], add_under_lock, NULL));
  for (int i = 0; i < 4; i++) OK(thread_join(&t[i]));
  IS(8000, shared);
}

static zx_futex_t *elsewhere;

static void wait_elsewhere(void *unused) {
  (void)unused;
  zx_futex_wait(elsewhere, 0, ZX_HANDLE_INVALID, soon());
}

CHECK(futex_is_an_address) {
  // Two mappings of one page are two futexes.
  zx_handle_t vmo;
  zx_vaddr_t a, b;
  OK(zx_vmo_create(ZX_PAGE_SIZE, 0, &vmo));
  OK(zx_vmar_map(vmar_root(), ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, vmo, 0, ZX_PAGE_SIZE, &a));
  OK(zx_vmar_map(vmar_root(), ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, vmo, 0, ZX_PAGE_SIZE, &b));
  elsewhere = (zx_futex_t *)a;
  thread t;
  OK(thread_start(&t, wait_elsewhere, NULL));
  EVENTUALLY(thread_state(t.handle) == ZX_THREAD_STATE_BLOCKED_FUTEX);
  OK(zx_futex_wake((zx_futex_t *)b, 1));
  IS(ZX_THREAD_STATE_BLOCKED_FUTEX, thread_state(t.handle));
  OK(zx_futex_wake((zx_futex_t *)a, 1));
  OK(thread_join(&t));
  OK(zx_vmar_unmap(vmar_root(), a, ZX_PAGE_SIZE));
  OK(zx_vmar_unmap(vmar_root(), b, ZX_PAGE_SIZE));
  OK(zx_handle_close(vmo));
}
