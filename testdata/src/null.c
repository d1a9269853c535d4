// Times calls into the kernel, for benchmarks. Prints the nanoseconds that each
// took, on average, and nothing else.
//
//   null [N]           N times (100000) zx_handle_close of no handle, which
//                      does nothing
//   null channel [N]   N times (100000) a channel write and the read of it
//   null clock [N]     N times (100000) the clock, which does not enter the kernel
#include "start.h"

static void close_nothing(void) { zx_handle_close(ZX_HANDLE_INVALID); }

static zx_handle_t ends[2];

static void write_read(void) {
  char byte = 1;
  uint32_t bytes, handles;
  if (zx_channel_write(ends[0], 0, &byte, 1, NULL, 0) != ZX_OK ||
      zx_channel_read(ends[1], 0, &byte, NULL, 1, 0, &bytes, &handles) != ZX_OK)
    zx_process_exit(1);
}

static void read_clock(void) { zx_clock_get_monotonic(); }

int64_t main(int argc, char **argv, char **envp) {
  (void)envp;
  void (*call)(void) = close_nothing;
  int next = 1;
  if (next < argc && strcmp(argv[next], "channel") == 0) {
    zx_status_t status = zx_channel_create(0, &ends[0], &ends[1]);
    if (status != ZX_OK) return status;
    call = write_read;
    next++;
  } else if (next < argc && strcmp(argv[next], "clock") == 0) {
    call = read_clock;
    next++;
  }
  int64_t n = next < argc ? parse_number(argv[next]) : 100000;
  if (n <= 0) return 2;
  zx_time_t start = zx_clock_get_monotonic();
  for (int64_t i = 0; i < n; i++) call();
  print("%ld\n", (zx_clock_get_monotonic() - start) / n);
  return 0;
}
