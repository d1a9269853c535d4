// Faults in the way that its argument says, after printing "before". Unhandled,
// each of these ends the process as an exception. Prints "after" if it does not.
#include "start.h"
#include "thread.h"

static volatile uint64_t data = 0xc3c3c3c3c3c3c3c3;  // would be return instructions

static void null_read(void) { (void)*(volatile int *)0; }
static void null_write(void) { *(volatile int *)8 = 1; }
static void write_text(void) { *(volatile char *)(uintptr_t)&null_read = 0; }
static void exec_data(void) { ((void (*)(void))(uintptr_t)&data)(); }
static void exec_null(void) { ((void (*)(void))data)(); }
static void undefined(void) { __asm__ volatile("ud2"); }
static void breakpoint(void) { __asm__ volatile("int3"); }

static void divide(void) {
  uint32_t low = 1, high = 0;
  __asm__ volatile("divl %2" : "+a"(low), "+d"(high) : "r"(0));
}

// Ever deeper, a page at a time; the return is for the compiler's peace.
__attribute__((noinline)) static int overflow(volatile char *above) {
  volatile char here[4096];
  if (above == here) return 0;
  here[0] = 1;
  return overflow(here) + here[0];
}
static void stack_overflow(void) { overflow(NULL); }

// A non-canonical address.
static void general_protection(void) { (void)*(volatile int *)0x8000000000000000; }
static void privileged(void) { __asm__ volatile("hlt"); }
static void unaligned(void) {
  static _Alignas(16) char bytes[32];
  __asm__ volatile("movaps %%xmm0, (%0)" : : "r"(bytes + 1) : "memory");
}

// Reads through a mapping of a VMO that has become shorter.
static void beyond_vmo(void) {
  zx_handle_t vmo;
  zx_vaddr_t address;
  zx_vmo_create(2 * ZX_PAGE_SIZE, ZX_VMO_RESIZABLE, &vmo);
  zx_vmar_map(start_handle(PA_VMAR_ROOT, 0), ZX_VM_PERM_READ | ZX_VM_ALLOW_FAULTS, 0, vmo, 0,
              2 * ZX_PAGE_SIZE, &address);
  zx_vmo_set_size(vmo, ZX_PAGE_SIZE);
  (void)*(volatile int *)(address + ZX_PAGE_SIZE);
}

static void in_thread(void *unused) {
  (void)unused;
  null_write();
}
static void thread_fault(void) {
  thread t;
  thread_start(&t, in_thread, NULL);
  thread_join(&t);
}

static const struct {
  const char *name;
  void (*run)(void);
} faults[] = {
    {"null-read", null_read},
    {"null-write", null_write},
    {"text-write", write_text},
    {"exec-data", exec_data},
    {"exec-wild", exec_null},
    {"ud2", undefined},
    {"int3", breakpoint},
    {"div0", divide},
    {"stack-overflow", stack_overflow},
    {"gp", general_protection},
    {"hlt", privileged},
    {"unaligned", unaligned},
    {"beyond-vmo", beyond_vmo},
    {"thread-fault", thread_fault},
};

int64_t main(int argc, char **argv, char **envp) {
  (void)envp;
  for (size_t i = 0; argc > 1 && i < sizeof faults / sizeof *faults; i++) {
    if (strcmp(argv[1], faults[i].name) != 0) continue;
    print("before\n");
    faults[i].run();
    print("after\n");
    return 1;
  }
  print("usage: fault KIND, one of\n");
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) print("  %s\n", faults[i].name);
  return 2;
}
