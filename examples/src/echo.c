// Copies standard input to standard output until the input ends.
#include "start.h"

int64_t main(int argc, char **argv, char **envp) {
  (void)argc, (void)argv, (void)envp;
  static char buffer[32 * 1024];
  for (;;) {
    size_t n;
    if (read_some(fd_handle(0), buffer, sizeof buffer, &n) != ZX_OK) return 1;
    if (n == 0) return 0;
    if (write_all(fd_handle(1), buffer, n) != ZX_OK) return 2;
  }
}
