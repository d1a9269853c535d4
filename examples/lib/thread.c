#include "thread.h"

static void run(uintptr_t arg1, uintptr_t arg2) {
  (void)arg2;
  thread *t = (thread *)arg1;
  t->run(t->arg);
  zx_thread_exit();
}

zx_status_t stack_create(zx_vaddr_t *stack) {
  zx_handle_t vmo;
  zx_status_t status = zx_vmo_create(THREAD_STACK, 0, &vmo);
  if (status != ZX_OK) return status;
  status = zx_vmar_map(start_handle(PA_VMAR_ROOT, 0), ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, 0, vmo,
                       0, THREAD_STACK, stack);
  zx_handle_close(vmo);
  return status;
}

// As a function finds it when it has just been called.
zx_vaddr_t stack_pointer(zx_vaddr_t stack) { return stack + THREAD_STACK - 8; }

zx_status_t thread_start(thread *t, void (*f)(void *), void *arg) {
  t->run = f;
  t->arg = arg;
  zx_status_t status = stack_create(&t->stack);
  if (status != ZX_OK) return status;
  status = zx_thread_create(start_handle(PA_PROC_SELF, 0), "thread", 6, 0, &t->handle);
  if (status == ZX_OK) {
    status = zx_thread_start(t->handle, (zx_vaddr_t)run, stack_pointer(t->stack), (uintptr_t)t, 0);
    if (status == ZX_OK) return ZX_OK;
    zx_handle_close(t->handle);
  }
  zx_vmar_unmap(start_handle(PA_VMAR_ROOT, 0), t->stack, THREAD_STACK);
  return status;
}

zx_status_t thread_join(thread *t) {
  zx_status_t status = zx_object_wait_one(t->handle, ZX_THREAD_TERMINATED, ZX_TIME_INFINITE, NULL);
  if (status != ZX_OK) return status;
  zx_handle_close(t->handle);
  return zx_vmar_unmap(start_handle(PA_VMAR_ROOT, 0), t->stack, THREAD_STACK);
}
