// Does what no sound program does. It knows the host: where the stub is, that
// Linux is below, and what the stub's data holds (internal/zircon/platform).
// Whatever it does, at worst it ends itself.
//
//   hostile call SYSCALL [ARG...]      the Linux syscall, by the stub's instruction
//   hostile jump N SYSCALL [ARG...]    by the stub's Nth syscall instruction
//   hostile own SYSCALL [ARG...]       by an instruction of its own
//   hostile KIND [ARG...]              one of the kinds below
//
// A SYSCALL is a number or a name, an ARG a number, or @TEXT for its address.
// Prints "before", and "after: RESULT" if it gets there.
#include "start.h"
#include "thread.h"

// internal/zircon/platform/layout.go
#define STUB_TEXT 0x7fc000000000
#define STUB_DATA (STUB_TEXT + 0x10000)
#define THREAD_SLOTS (STUB_TEXT + 0x10000000)
#define SLOT_SIZE 0x8000
#define DATA_RECV 0x500
#define NR_READY 0x5a5a0002

enum { MMAP = 9, ARCH_PRCTL = 158 };

static const struct {
  const char *name;
  int64_t number;
} names[] = {
    {"read", 0},        {"write", 1},        {"open", 2},       {"close", 3},
    {"mmap", 9},        {"mprotect", 10},    {"munmap", 11},    {"rt_sigreturn", 15},
    {"mremap", 25},     {"madvise", 28},     {"getpid", 39},    {"socket", 41},
    {"sendmsg", 46},    {"recvmsg", 47},     {"clone", 56},     {"fork", 57},
    {"execve", 59},     {"exit", 60},        {"kill", 62},      {"ptrace", 101},
    {"prctl", 157},     {"arch_prctl", 158}, {"clock_gettime", 228},
    {"exit_group", 231}, {"openat", 257},    {"seccomp", 317},  {"memfd_create", 319},
    {"control", 0x5a5a0001}, {"ready", 0x5a5a0002}, {"exiting", 0x5a5a0003},
    {"fault", 0x5a5a0004},
};

static int64_t number_of(const char *name) {
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(name, names[i].name) == 0) return names[i].number;
  return parse_number(name);
}

// What follows the stub's Nth mark.
static const uint8_t *mark(char n) {
  const uint8_t *p = (const uint8_t *)STUB_TEXT;
  while (!(p[0] == 0x0f && p[1] == 0x0b && p[2] == 's' && p[3] == 't' && p[4] == 'u' &&
           p[5] == 'b' && p[6] == '#' && p[7] == (uint8_t)n))
    p++;
  return p + 8;
}

// The stub's Nth syscall instruction, or the number of them in *count.
static const uint8_t *instruction(int64_t n, int64_t *count) {
  *count = 0;
  for (const uint8_t *p = (const uint8_t *)STUB_TEXT; p < (uint8_t *)STUB_TEXT + 0xfff; p++)
    if (p[0] == 0x0f && p[1] == 0x05 && (*count)++ == n) return p;
  return NULL;
}

// Makes a Linux syscall by an instruction that a return follows.
static int64_t call(const void *at, int64_t n, const int64_t *a) {
  register int64_t r10 __asm__("r10") = a[3], r8 __asm__("r8") = a[4], r9 __asm__("r9") = a[5];
  __asm__ volatile("sub $128, %%rsp\n\tcall *%[at]\n\tadd $128, %%rsp"
                   : "+a"(n)
                   : "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9), [at] "b"(at)
                   : "rcx", "r11", "memory");
  return n;
}

static int64_t stub_call(int64_t n, int64_t a0, int64_t a1, int64_t a2, int64_t a3, int64_t a4) {
  int64_t a[6] = {a0, a1, a2, a3, a4, 0};
  return call(mark('3'), n, a);
}

static void own_syscall(void) __attribute__((naked));
static void own_syscall(void) { __asm__("syscall\n\tret"); }

static zx_handle_t root(void) { return start_handle(PA_VMAR_ROOT, 0); }

static zx_status_t map_new(zx_vm_option_t options, zx_handle_t vmo, zx_vaddr_t *at) {
  return zx_vmar_map(root(), options, 0, vmo, 0, ZX_PAGE_SIZE, at);
}

static zx_handle_t new_vmo(void) {
  zx_handle_t vmo = ZX_HANDLE_INVALID;
  zx_vmo_create(ZX_PAGE_SIZE, 0, &vmo);
  zx_vmo_write(vmo, "vmo", 0, 3);
  return vmo;
}

// Maps descriptors while the host brings those of this process's own mappings.
static volatile int stop;
static volatile int64_t stolen = -1;
static void steal(void *unused) {
  (void)unused;
  while (!stop)
    for (int64_t fd = 0; fd < 8; fd++) {
      int64_t got = stub_call(MMAP, 0x10000000, ZX_PAGE_SIZE, 3, 0x11, fd);
      if (got > 0) stolen = fd;
    }
}
static int64_t steal_descriptors(void) {
  thread t;
  zx_status_t status = thread_start(&t, steal, NULL);
  if (status != ZX_OK) return status;
  zx_handle_t vmo = new_vmo();
  for (int i = 0; i < 2000; i++) {
    zx_vaddr_t at;
    if ((status = map_new(ZX_VM_PERM_READ, vmo, &at)) != ZX_OK) return status;
    zx_vmar_unmap(root(), at, ZX_PAGE_SIZE);
  }
  stop = 1;
  thread_join(&t);
  return stolen;
}

// Writes all over what the host keeps here and may be written.
static int64_t spoil_data(void) {
  memset((void *)STUB_DATA, 0xff, ZX_PAGE_SIZE);
  zx_vaddr_t at;
  return map_new(ZX_VM_PERM_READ, new_vmo(), &at);
}

// Makes the receipt of a batch's descriptors fail, so that the next batch might
// get them: a page that may only be read, for one that may be written.
static int64_t spoil_receipt(void) {
  zx_handle_t secret = new_vmo(), readable, vmo = new_vmo();
  zx_handle_replace(secret, ZX_RIGHT_MAP | ZX_RIGHT_READ, &readable);
  zx_vaddr_t at;
  volatile uint64_t *iovlen = (uint64_t *)(STUB_DATA + DATA_RECV + 24);
  *iovlen = 1 << 20;
  map_new(ZX_VM_PERM_READ, readable, &at);
  *iovlen = 1;
  return map_new(ZX_VM_PERM_READ | ZX_VM_PERM_WRITE, vmo, &at);
}

static void nothing(void *unused) { (void)unused; }

// Writes over the frames that threads start from.
static void spoil(void *unused) {
  (void)unused;
  while (!stop)
    for (uint64_t i = 0; i < 64; i++)
      memset((void *)(THREAD_SLOTS + (i + 1) * SLOT_SIZE - 512), 0xee, 512);
}
static int64_t spoil_frames(void) {
  static thread spoiler, t;
  thread_start(&spoiler, spoil, NULL);
  for (int i = 0; i < 1000; i++)
    if (thread_start(&t, nothing, NULL) == ZX_OK) thread_join(&t);
  stop = 1;
  return 0;
}

// Says that the threads that are to start are this one.
static void pretend(void *unused) {
  (void)unused;
  for (;;)
    for (uint64_t i = 1; i < 64; i++)
      stub_call(NR_READY, (int64_t)(THREAD_SLOTS + (i + 1) * SLOT_SIZE - 512), 0, 0, 0, 0);
}
static int64_t pretend_ready(void) {
  static thread pretender, t;
  thread_start(&pretender, pretend, NULL);
  for (int i = 0; i < 1000; i++)
    if (thread_start(&t, nothing, NULL) == ZX_OK) thread_join(&t);
  return 0;
}

// Faults in eight threads at once.
static void fault_when_told(void *unused) {
  (void)unused;
  while (!stop) {
  }
  *(volatile int *)8 = 1;
}
static int64_t faults(void) {
  static thread t[8];
  for (int i = 0; i < 8; i++) thread_start(&t[i], fault_when_told, NULL);
  stop = 1;
  for (;;) zx_nanosleep(ZX_TIME_INFINITE);
}

// Starts as many threads as there may be. They need no stack.
static void stay(uintptr_t a, uintptr_t b) __attribute__((naked));
static void stay(uintptr_t a, uintptr_t b) {
  __asm__("mov $0x7fffffffffffffff, %rdi\n\tjmp zx_nanosleep");
}
static int64_t threads(void) {
  for (int64_t n = 0;; n++) {
    zx_handle_t h;
    zx_status_t status = zx_thread_create(start_handle(PA_PROC_SELF, 0), "t", 1, 0, &h);
    if (status == ZX_OK) {
      status = zx_thread_start(h, (zx_vaddr_t)stay, 0, 0, 0);
      zx_handle_close(h);
    }
    if (status != ZX_OK) {
      print("%ld threads\n", n);
      return status;
    }
  }
}

// Makes VMOs with a page each.
static int64_t vmos(void) {
  for (int64_t n = 0;; n++) {
    zx_handle_t vmo;
    zx_status_t status = zx_vmo_create(ZX_PAGE_SIZE, 0, &vmo);
    if (status == ZX_OK) status = zx_vmo_write(vmo, "x", 0, 1);
    if (status != ZX_OK) {
      print("%ld VMOs\n", n);
      return status;
    }
  }
}

// Makes as many mappings as there may be, each unlike its neighbours.
static int64_t mappings(void) {
  zx_handle_t vmo = new_vmo();
  for (int64_t n = 0;; n++) {
    zx_vaddr_t at;
    zx_status_t status = map_new(ZX_VM_PERM_READ | (n & 1 ? ZX_VM_PERM_WRITE : 0), vmo, &at);
    if (status != ZX_OK) {
      print("%ld mappings\n", n);
      return status;
    }
  }
}

// Duplicates a handle this often.
static int64_t handles(int64_t times) {
  zx_handle_t vmo = new_vmo(), h;
  for (int64_t n = 0; n < times; n++) {
    zx_status_t status = zx_handle_duplicate(vmo, ZX_RIGHT_SAME_RIGHTS, &h);
    if (status != ZX_OK) return status;
  }
  return 0;
}

// Writes to a channel that nobody reads.
static int64_t messages(void) {
  zx_handle_t a, b;
  zx_channel_create(0, &a, &b);
  for (;;) {
    zx_status_t status = zx_channel_write(a, 0, "message", 8, NULL, 0);
    if (status != ZX_OK) return status;
  }
}

// Queues packets at a port that nobody waits at.
static int64_t packets(void) {
  zx_handle_t port;
  zx_port_create(0, &port);
  for (;;) {
    zx_port_packet_t p = {.key = 1};
    zx_status_t status = zx_port_queue(port, &p);
    if (status != ZX_OK) return status;
  }
}

// Makes VMOs of absurd sizes and does all that goes with a size.
static int64_t sizes(void) {
  static const uint64_t sizes[] = {
      1ull << 30, 1ull << 40, 1ull << 47, 1ull << 62, (1ull << 63) - 4096, 1ull << 63, UINT64_MAX - 4095,
      UINT64_MAX,
  };
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    zx_handle_t vmo, child;
    zx_vaddr_t at = 0;
    zx_status_t create = zx_vmo_create(sizes[i], ZX_VMO_RESIZABLE, &vmo);
    if (create != ZX_OK) {
      print("%lx: create %d\n", sizes[i], create);
      continue;
    }
    zx_status_t write = zx_vmo_write(vmo, "x", sizes[i] - 1, 1);
    zx_status_t map = zx_vmar_map(root(), ZX_VM_PERM_READ, 0, vmo, 0, sizes[i], &at);
    zx_status_t commit = zx_vmo_op_range(vmo, ZX_VMO_OP_COMMIT, 0, sizes[i], NULL, 0);
    zx_status_t clone = zx_vmo_create_child(vmo, ZX_VMO_CHILD_SNAPSHOT, 0, sizes[i], &child);
    zx_status_t grow = zx_vmo_set_size(vmo, sizes[i] + ZX_PAGE_SIZE);
    print("%lx: write %d map %d commit %d clone %d grow %d\n", sizes[i], write, map, commit, clone,
          grow);
    if (map == ZX_OK) zx_vmar_unmap(root(), at, sizes[i]);
    if (clone == ZX_OK) zx_handle_close(child);
    zx_handle_close(vmo);
  }
  return 0;
}

// A thread that starts at an address, with a stack pointer.
static int64_t start_at(int64_t pc, int64_t sp) {
  zx_handle_t h;
  zx_thread_create(start_handle(PA_PROC_SELF, 0), "t", 1, 0, &h);
  zx_status_t status = zx_thread_start(h, (zx_vaddr_t)pc, (zx_vaddr_t)sp, 0, 0);
  if (status == ZX_OK) zx_object_wait_one(h, ZX_THREAD_TERMINATED, ZX_TIME_INFINITE, NULL);
  return status;
}

static int64_t use_stack(int64_t sp) {
  __asm__ volatile("mov %0, %%rsp\n\tpush %%rax\n\tpop %%rax\n\tud2" : : "r"(sp));
  return 0;
}

// Steps, one instruction at a time, into the stub.
static int64_t single_step(void) {
  int64_t n = 0x5a5a0003;
  __asm__ volatile("pushfq\n\torq $0x100, (%%rsp)\n\tpopfq\n\tjmp *%1" : "+a"(n) : "r"(mark('2')));
  return n;
}

// Sets the segment registers' bases as only the hardware forbids.
static int64_t segment_bases(void) {
  static const uint64_t values[] = {0, 1, STUB_TEXT, STUB_DATA, 0x7fffffffe000, 0x7fffffffffff};
  int64_t last = 0;
  for (size_t i = 0; i < sizeof values / sizeof *values; i++)
    for (int64_t kind = 0x1001; kind <= 0x1002; kind++)
      last = stub_call(ARCH_PRCTL, kind, (int64_t)values[i], 0, 0, 0);
  return last;
}

// The address that an argument gives.
static int64_t write_at(int64_t at) { return *(volatile uint8_t *)at = 1; }
static int64_t read_at(int64_t at) { return *(volatile uint8_t *)at; }
static int64_t go_to(int64_t at) { return ((int64_t (*)(void))at)(); }

static int64_t count(void) {
  int64_t n;
  instruction(-1, &n);
  return n;
}

static const struct {
  const char *name;
  int64_t (*run)();
} kinds[] = {
    {"count", count},
    {"steal-descriptors", steal_descriptors},
    {"spoil-data", spoil_data},
    {"spoil-receipt", spoil_receipt},
    {"spoil-frames", spoil_frames},
    {"pretend-ready", pretend_ready},
    {"faults", faults},
    {"single-step", single_step},
    {"segment-bases", segment_bases},
    {"threads", threads},
    {"vmos", vmos},
    {"mappings", mappings},
    {"messages", messages},
    {"packets", packets},
    {"sizes", sizes},
    // With arguments.
    {"handles", handles},
    {"write", write_at},
    {"read", read_at},
    {"go", go_to},
    {"stack", use_stack},
    {"start-at", start_at},
};

static int64_t arg(int argc, char **argv, int i) {
  if (i >= argc) return 0;
  return argv[i][0] == '@' ? (int64_t)(argv[i] + 1) : parse_number(argv[i]);
}

int64_t main(int argc, char **argv, char **envp) {
  (void)envp;
  const char *kind = argc > 1 ? argv[1] : "";
  int64_t result = 0, n;
  print("before\n");
  if (strcmp(kind, "call") == 0 || strcmp(kind, "jump") == 0 || strcmp(kind, "own") == 0) {
    int next = kind[0] == 'j' ? 3 : 2;
    const void *at = kind[0] == 'c'   ? mark('3')
                     : kind[0] == 'j' ? instruction(arg(argc, argv, 2), &n)
                                      : (const void *)own_syscall;
    int64_t a[6];
    for (int i = 0; i < 6; i++) a[i] = arg(argc, argv, next + 1 + i);
    result = call(at, next < argc ? number_of(argv[next]) : 0, a);
  } else {
    size_t i = 0;
    while (i < sizeof kinds / sizeof *kinds && strcmp(kind, kinds[i].name) != 0) i++;
    if (i == sizeof kinds / sizeof *kinds) return 2;
    result = ((int64_t (*)(int64_t, int64_t))kinds[i].run)(arg(argc, argv, 2), arg(argc, argv, 3));
  }
  print("after: %ld\n", result);
  return 0;
}
