// Says hello, or what it was started with.
//
//   hello                     prints "Hello, Fuchsia!"
//   hello ARG...              prints its arguments and its environment, a line each
//   hello --return=N [ARG...] does that and returns N (64 bits, signed)
#include "start.h"

int64_t main(int argc, char **argv, char **envp) {
  if (argc <= 1) {
    print("Hello, Fuchsia!\n");
    return 0;
  }
  int64_t code = 0;
  for (int i = 0; i < argc; i++) {
    print("arg[%d]=%s\n", i, argv[i]);
    const char *number = after_prefix(argv[i], "--return=");
    if (number) code = parse_number(number);
  }
  for (; *envp; envp++) print("env: %s\n", *envp);
  return code;
}
