// Sleeps so many nanoseconds, or for ever, after printing "sleeping".
#include "start.h"

int64_t main(int argc, char **argv, char **envp) {
  (void)envp;
  print("sleeping\n");
  zx_status_t status = zx_nanosleep(argc > 1 ? zx_deadline_after(parse_number(argv[1]))
                                             : ZX_TIME_INFINITE);
  print("awake\n");
  return status;
}
