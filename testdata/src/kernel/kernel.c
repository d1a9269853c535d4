// Checks the kernel from inside a process: that syscalls do what their pages at
// https://fuchsia.dev/reference/syscalls say.
//
//   kernel           all checks
//   kernel NAME...   those whose names begin with one of these
//   kernel --list    their names
//
// Prints "ok NAME", "FAIL NAME: where and what (status)" or "skip NAME: why" for each,
// and returns how many failed.
#include "kernel.h"

int64_t main(int argc, char **argv, char **envp) {
  (void)envp;
  return run_checks(argc, argv);
}
