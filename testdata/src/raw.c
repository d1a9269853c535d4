// Tries a Linux syscall of its own, as no Fuchsia program does: Zircon ends a
// process that makes a syscall from anywhere but the vDSO.
//
//   raw [--int80 | --x32 | --sysenter] SYSCALL [ARG...]
//
// SYSCALL is a number or one of the names below; an ARG is a number, or @TEXT
// for the address of TEXT. Prints "before", makes the call and, if it comes
// back, prints "after: " and what it gave.
#include "start.h"

static const struct {
  const char *name;
  int64_t number, number32;  // by syscall, and by int 0x80
} names[] = {
    {"read", 0, 3},       {"write", 1, 4},    {"open", 2, 5},       {"mmap", 9, 90},
    {"mprotect", 10, 125}, {"getpid", 39, 20}, {"socket", 41, 359},  {"clone", 56, 120},
    {"fork", 57, 2},      {"execve", 59, 11}, {"kill", 62, 37},     {"ptrace", 101, 26},
    {"prctl", 157, 172},  {"exit", 60, 1},    {"exit_group", 231, 252},
};

// Set in the number of a syscall of the x32 ABI.
#define X32_BIT 0x40000000

static int64_t linux_syscall(int64_t n, const int64_t *a) {
  register int64_t r10 __asm__("r10") = a[3], r8 __asm__("r8") = a[4], r9 __asm__("r9") = a[5];
  __asm__ volatile("syscall"
                   : "+a"(n)
                   : "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return n;
}

static int64_t linux_int80(int64_t n, const int64_t *a) {
  // The sixth argument would go in the frame pointer; nothing here needs it.
  __asm__ volatile("int $0x80"
                   : "+a"(n)
                   : "b"(a[0]), "c"(a[1]), "d"(a[2]), "S"(a[3]), "D"(a[4])
                   : "r8", "r9", "r10", "r11", "memory");
  return n;
}

static int64_t linux_sysenter(int64_t n, const int64_t *a) {
  // Returns, if at all, to where the vDSO of Linux would be; it does not here.
  __asm__ volatile("sysenter"
                   : "+a"(n)
                   : "b"(a[0]), "c"(a[1]), "d"(a[2]), "S"(a[3]), "D"(a[4])
                   : "r8", "r9", "r10", "r11", "memory");
  return n;
}

int64_t main(int argc, char **argv, char **envp) {
  (void)envp;
  enum { SYSCALL, INT80, X32, SYSENTER } way = SYSCALL;
  int next = 1;
  if (next < argc && strcmp(argv[next], "--int80") == 0) way = INT80, next++;
  if (next < argc && strcmp(argv[next], "--x32") == 0) way = X32, next++;
  if (next < argc && strcmp(argv[next], "--sysenter") == 0) way = SYSENTER, next++;
  if (next >= argc) {
    print("usage: raw [--int80 | --x32 | --sysenter] SYSCALL [ARG...]\n");
    return 2;
  }
  bool narrow = way == INT80 || way == SYSENTER;
  int64_t number = parse_number(argv[next]);
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(argv[next], names[i].name) == 0)
      number = narrow ? names[i].number32 : names[i].number;
  next++;
  if (way == X32) number |= X32_BIT;
  int64_t args[6] = {0};
  for (int i = 0; i < 6 && next < argc; i++, next++)
    args[i] = argv[next][0] == '@' ? (int64_t)(argv[next] + 1) : parse_number(argv[next]);

  print("before\n");
  int64_t result = way == INT80      ? linux_int80(number, args)
                   : way == SYSENTER ? linux_sysenter(number, args)
                                     : linux_syscall(number, args);
  print("after: %ld\n", result);
  return 0;
}
