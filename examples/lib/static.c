// Where a static program begins. Zircon starts it as if this function were
// called: two arguments in registers, and a stack. There is no dynamic linker,
// so it first makes itself ready.
#include "elf.h"
#include "start.h"

void start(zx_handle_t bootstrap) __attribute__((noreturn));

void _start(zx_handle_t bootstrap, const void *vdso) __attribute__((noreturn));
void _start(zx_handle_t bootstrap, const void *vdso) {
  make_self_ready(vdso);
  start(bootstrap);
}
