// A program with an interpreter and libraries. It checks what its dynamic
// linker did for it, a line for each check, and then does as hello does:
// prints its arguments and environment, and returns N for --return=N. A check
// that fails counts 1 in the return code.
#include "greet.h"
#include "start.h"

void start(zx_handle_t bootstrap) __attribute__((noreturn));
void _start(zx_handle_t bootstrap, const void *vdso);

// The dynamic linker has made everything ready.
void _start(zx_handle_t bootstrap, const void *vdso) {
  (void)vdso;
  start(bootstrap);
}

EXPORT int greet_hook(void) { return 2; }

static char zeros[3 * 4096];           // spans pages that are not in the file
static char written[4096] = {1};       // is in the file, and is written to
static int initialized;
char *volatile name = &greet_name[2];  // a relocation with an addend
int (*volatile hook)(void) = greet_hook;

__attribute__((constructor)) static void prepare(void) { initialized = greet_started; }

static int failures;

static void check(const char *what, bool good) {
  print("%s %s\n", good ? "ok" : "FAIL", what);
  failures += !good;
}

int64_t main(int argc, char **argv, char **envp) {
  bool all_zero = true;
  for (size_t i = 0; i < sizeof zeros; i++) all_zero &= ((volatile char *)zeros)[i] == 0;
  check("zeros", all_zero);
  ((volatile char *)zeros)[sizeof zeros - 1] = 1;
  ((volatile char *)written)[4095] = written[0];
  check("data", ((volatile char *)written)[4095] == 1);
  check("words", strcmp(greet_words[0], "Hello") == 0 && strcmp(greet_words[1], "Fuchsia") == 0);
  check("library of the library", strcmp(greet_word(), "shared") == 0);
  check("initializers, in order", greet_started == 's' && initialized == 's');
  name[-2] = 'N';
  check("shared data", strcmp(greet_name, "Nobody") == 0);
  check("first definition", greet_ask_hook() == 2 && hook() == 2);
  check("vDSO", greet_now() > 0 && zx_clock_get_monotonic() >= greet_now() - ZX_SEC(60));

  print("%s, %s!\n", greet_words[0], greet_words[1]);
  int64_t code = failures;
  for (int i = 0; i < argc; i++) {
    print("arg[%d]=%s\n", i, argv[i]);
    const char *number = after_prefix(argv[i], "--return=");
    if (number) code += parse_number(number);
  }
  for (; *envp; envp++) print("env: %s\n", *envp);
  return code;
}
