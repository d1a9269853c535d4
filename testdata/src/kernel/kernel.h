// What the checks of the kernel are written with. A check is a function that
// ends at the first thing that is not as the syscall's page says:
//
//   CHECK(event_is_waitable) {
//     zx_handle_t e;
//     OK(zx_event_create(0, &e));
//     IS(ZX_ERR_TIMED_OUT, zx_object_wait_one(e, ZX_EVENT_SIGNALED, 0, NULL));
//   }
#pragma once

#include "start.h"
#include "thread.h"

typedef struct {
  const char *name, *file;
  void (*run)(void);
} check;

// The linker gathers all checks, in the order of the files.
#define CHECK(name)                                                            \
  static void name(void);                                                      \
  __attribute__((used, retain, section("checks"))) static check check_##name = \
      {#name, __FILE_NAME__, name};                                            \
  static void name(void)

#define IS(want, expression)                                 \
  do {                                                       \
    if (!matches(__LINE__, (want), (expression))) return;    \
  } while (0)
#define OK(expression) IS(ZX_OK, expression)
#define TRUE(condition) IS(true, !!(condition))

// Waits for what another thread is about to do.
#define EVENTUALLY(condition)                                \
  do {                                                       \
    for (zx_time_t end_ = soon(); !(condition);) {           \
      TRUE(zx_clock_get_monotonic() < end_);                 \
      zx_nanosleep(zx_deadline_after(ZX_MSEC(1)));           \
    }                                                        \
  } while (0)

// Ends the check without a verdict, for want of something.
#define SKIP(why)    \
  do {               \
    skipped(why);    \
    return;          \
  } while (0)

// Runs the checks whose names begin with one of argv[1...], or all of them, or
// prints their names for "--list". Gives how many failed.
int64_t run_checks(int argc, char **argv);

// Whether want is what was got; if not, the check has failed.
bool matches(int line, int64_t want, int64_t got);
void skipped(const char *why);

// A deadline for what should happen at once, so that a kernel that never does
// it fails a check and does not hang the program.
zx_time_t soon(void);

// What the kernel says of a handle; zero if it says nothing.
zx_koid_t koid(zx_handle_t handle);
zx_koid_t related_koid(zx_handle_t handle);
zx_rights_t rights(zx_handle_t handle);
zx_obj_type_t type(zx_handle_t handle);
zx_signals_t signals(zx_handle_t handle);
bool is_valid(zx_handle_t handle);

// States of a thread, ZX_INFO_THREAD.
#define ZX_THREAD_STATE_NEW 0u
#define ZX_THREAD_STATE_DEAD 5u
#define ZX_THREAD_STATE_BLOCKED_SLEEPING 0x0203u
#define ZX_THREAD_STATE_BLOCKED_FUTEX 0x0303u
#define ZX_THREAD_STATE_BLOCKED_PORT 0x0403u
#define ZX_THREAD_STATE_BLOCKED_CHANNEL 0x0503u
#define ZX_THREAD_STATE_BLOCKED_WAIT_ONE 0x0603u
#define ZX_THREAD_STATE_BLOCKED_WAIT_MANY 0x0703u
uint32_t thread_state(zx_handle_t thread);

// Our own process, root VMAR and initial thread.
zx_handle_t process_self(void);
zx_handle_t vmar_root(void);
zx_handle_t thread_self(void);

// Addresses that no program may give to the kernel: null, the first page, one
// above user space, and one that is not canonical.
#define NUM_BAD_POINTERS 4
extern void *const bad_pointers[NUM_BAD_POINTERS];
