// Runs for ever without a syscall, after printing "spinning".
#include "start.h"

int64_t main(int argc, char **argv, char **envp) {
  (void)argc, (void)argv, (void)envp;
  print("spinning\n");
  for (;;) __asm__ volatile("pause");
}
