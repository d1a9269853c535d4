// Threads, by Zircon's calls alone.
#pragma once

#include "start.h"

enum { THREAD_STACK = 64 * 1024 };

typedef struct {
  zx_handle_t handle;
  zx_vaddr_t stack;  // mapped in the root VMAR, THREAD_STACK bytes
  void (*run)(void *);
  void *arg;
} thread;

// Runs run(arg) in a new thread, which ends when run returns. t must live until
// thread_join.
zx_status_t thread_start(thread *t, void (*run)(void *), void *arg);

// Waits for the thread's end and releases what it had.
zx_status_t thread_join(thread *t);

// A stack of THREAD_STACK bytes for a thread of one's own making. Gives its
// lowest address.
zx_status_t stack_create(zx_vaddr_t *stack);

// The stack pointer to start a thread with.
zx_vaddr_t stack_pointer(zx_vaddr_t stack);
